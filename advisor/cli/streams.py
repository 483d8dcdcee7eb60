"""Standard streams as a command can rely on them, however it was started.

A stream that was closed fails in our words instead of being None, and no file we open gets its number. A sign
the terminal lacks becomes ``?``. A full disk behind standard output is told in one line; notes that cannot be
written are let go. ``COLUMNS`` is a width or counts as not set.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Final

from advisor.errors import UsageError

if TYPE_CHECKING:
    from typing import TextIO

    from _typeshed import ReadableBuffer

_STANDARD: Final = (("stdin", os.O_WRONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))
"""By number; how /dev/null stands in for one that is closed: reading and results fail, notes vanish."""


class ReaderLeft(BaseException):
    """Whoever read standard output (head, less) left: not our failure, and nothing more to say."""


class _Results(io.FileIO):
    """Standard output: what cannot be written is told once, and then let go."""

    def write(self, content: ReadableBuffer, /) -> int:
        try:
            return super().write(content)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if isinstance(error, BrokenPipeError):
                raise ReaderLeft from error
            raise UsageError(f"cannot write standard output: {error.strerror or error}") from error


class _Notes(io.FileIO):
    """Standard error: there is nobody to tell that it cannot be written."""

    def write(self, content: ReadableBuffer, /) -> int:
        try:
            return super().write(content)
        except OSError:
            return memoryview(content).nbytes


def prepare() -> None:
    """Make them so. Streams that somebody put in the place of the process's own are left alone."""
    for number, (name, mode) in enumerate(_STANDARD):
        if getattr(sys, name) is None:
            _occupy(number, mode)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  for good
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Results(1, "w", closefd=False), sys.__stdout__)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Notes(2, "w", closefd=False), sys.__stderr__, line_buffering=True)
    if not os.environ.get("COLUMNS", "1").isdecimal() or int(os.environ.get("COLUMNS", "1")) == 0:
        del os.environ["COLUMNS"]


def _occupy(number: int, mode: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        handle = os.open(os.devnull, mode)
        if handle != number:
            os.dup2(handle, number)
            os.close(handle)


def _text(raw: io.FileIO, like: TextIO | None, *, line_buffering: bool = False) -> io.TextIOWrapper:
    """A text stream over it, in the encoding of the one it replaces."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=like.encoding if like else "utf-8",
        errors="replace",
        line_buffering=line_buffering or (like is not None and raw.isatty()),
    )
