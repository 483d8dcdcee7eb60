"""How fast one host is asked: so many requests a second, and so many at once, for the whole process.

``ADVISOR_HTTP_RATE`` (requests a second and host, 0 is no limit) and ``ADVISOR_HTTP_AT_ONCE`` change the
defaults of :class:`Pace`. A repetition waits for its turn like any other request.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BURST_S: Final = 2.0
"""A host that was left alone may be asked what it would take in so many seconds, at once."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The limits of one host: chosen here to be polite, not what any vendor states."""

    per_s: float = 25.0  #: requests a second in the long run; 0 is no limit
    at_once: int = 8  #: requests under way


class Turnstile:
    """Lets requests to one host through: a token bucket, and a number of places."""

    def __init__(
        self,
        pace: Pace,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pace = pace
        self._clock = clock
        self._sleep = sleep
        self._places = threading.BoundedSemaphore(pace.at_once)
        self._lock = threading.Lock()
        self._tokens = self._most = max(1.0, pace.per_s * BURST_S)
        self._at = clock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a place and for one's turn; the place is free again at the end of the block."""
        with self._places:
            wait_s = self._taken()
            if wait_s > 0:
                self._sleep(wait_s)
            yield

    def _taken(self) -> float:
        """Take a token, in advance where there is none, and say how long until it is due."""
        if self._pace.per_s <= 0:
            return 0.0
        with self._lock:
            now = self._clock()
            self._tokens = min(self._most, self._tokens + (now - self._at) * self._pace.per_s) - 1
            self._at = now
            return max(-self._tokens / self._pace.per_s, 0.0)


_TURNSTILES: Final[dict[tuple[str, Pace], Turnstile]] = {}
_OPENING: Final = threading.Lock()


def turnstile(host: str, pace: Pace) -> Turnstile:
    """The turnstile of a host, one for the whole process."""
    with _OPENING:
        return _TURNSTILES.setdefault((host.casefold(), pace), Turnstile(pace))
