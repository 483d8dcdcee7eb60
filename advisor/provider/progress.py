"""How far an adapter is, told to whoever listens in the thread that called it."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Tell(Protocol):
    """Takes note of how far an adapter is; figures are added up. May be called from any thread."""

    def __call__(self, *, regions: int = 0, rows: int = 0, retries: int = 0, of: int = 0) -> None:
        """Add to the figures.

        Args:
            regions: done, whether they answered or not; pages, where there are no regions.
            rows: of the vendor's read, whatever comes of them.
            retries: requests repeated.
            of: regions that are to be done.
        """
        ...


def _tell_nobody(*, regions: int = 0, rows: int = 0, retries: int = 0, of: int = 0) -> None:
    pass


_TELL: Final[ContextVar[Tell]] = ContextVar("tell", default=_tell_nobody)


def reporter() -> Tell:
    """Whom to tell how far :meth:`Provider.collect` is. Ask in the thread that called it; all optional."""
    return _TELL.get()


@contextmanager
def reporting(tell: Tell) -> Iterator[None]:
    """Let an adapter called in this thread within the block tell how far it is."""
    token = _TELL.set(tell)
    try:
        yield
    finally:
        _TELL.reset(token)
