"""Every gap between two tokens, as replicas log them: stretches of steps, and who was running in them.

A request that runs gets one token a step, so the gaps between its tokens are the steps of the stretches in
which it ran; when it was put back, or its replica was lost, what it waited for its next token is a gap of its
own. Steps of one stretch differ by their growing context alone and count at their mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]


_ROUNDING: Final = 1e-9


@dataclass(slots=True)
class GapLog:
    """Of one replica. Flat lists, for a replay adds to them at every event."""

    steps: list[int] = field(default_factory=list)  #: per stretch
    seconds: list[float] = field(default_factory=list)  #: per stretch
    spells: list[int] = field(default_factory=list)  #: request, stretch from, stretch to; and so on
    pauses: list[float] = field(default_factory=list)  #: request, seconds; and so on


@dataclass(frozen=True)
class Sample:
    """Values in milliseconds, each as often as it was observed."""

    ms: Floats  #: rising where they are counted
    count: Floats | None = None  #: None: once each

    @property
    def total(self) -> float:
        """How many observations."""
        return float(len(self.ms)) if self.count is None else float(self.count.sum())

    def statistics(self, quantiles: Sequence[float | None]) -> list[float | None]:
        """Quantiles, or the mean for None; None each where nothing was observed."""
        if self.total <= 0:
            return [None] * len(quantiles)
        mean = float(np.average(self.ms, weights=self.count)) if None in quantiles else 0.0
        shares = [quantile for quantile in quantiles if quantile is not None]
        found = iter(self._quantiles(shares).tolist() if shares else ())
        return [mean if quantile is None else next(found) for quantile in quantiles]

    def _quantiles(self, shares: Sequence[float]) -> Floats:
        """As if every value stood there as often as it was observed."""
        if self.count is None:
            return np.asarray(np.quantile(self.ms, shares))
        reached = np.cumsum(self.count)
        place = np.array(shares) * (reached[-1] - 1)
        below, above = (
            np.minimum(np.searchsorted(reached, edge, side="right"), len(reached) - 1)
            for edge in (np.floor(place), np.ceil(place))
        )
        return np.asarray(self.ms[below] + (place - np.floor(place)) * (self.ms[above] - self.ms[below]))


class Gaps:
    """The gaps of all requests, or of some."""

    def __init__(self, logs: Sequence[GapLog], requests: int) -> None:
        """Of all replicas together."""
        self._requests = requests
        self._steps = _joined([log.steps for log in logs])
        self._ms = 1e3 * _joined([log.seconds for log in logs]) / self._steps
        spells = [_joined([log.spells]).reshape(-1, 3) for log in logs]
        firsts = np.cumsum([0, *(len(log.steps) for log in logs)])
        moved = [
            np.add(part, (0, first, first)) for part, first in zip(spells, firsts.tolist(), strict=False)
        ]
        self._who, self._begin, self._end = np.concatenate([np.zeros((0, 3)), *moved]).astype(np.int64).T
        pauses = _joined([log.pauses for log in logs]).reshape(-1, 2)
        self._paused, self._pause_ms = pauses[:, 0].astype(np.int64), 1e3 * pauses[:, 1]
        every = np.concatenate([self._ms, self._pause_ms])
        self._rising = np.argsort(every, kind="stable")
        self._in_order = every[self._rising]

    def pick(self, chosen: Flags) -> Sample:
        """The gaps of the requests chosen."""
        mine, length = chosen[self._who], len(self._ms) + 1
        change = np.bincount(self._begin[mine], minlength=length) - np.bincount(
            self._end[mine], minlength=length
        )
        counts = np.concatenate([np.cumsum(change)[:-1] * self._steps, chosen[self._paused]])[self._rising]
        seen = counts > 0
        return Sample(self._in_order[seen], counts[seen])

    def within(self, limit_ms: float, quantile: float | None) -> Flags:
        """Whether each request keeps a limit by its own gaps: their mean, or that share of them.

        What a percentile lets pass is rounded up: p99 lets one gap in a hundred pass, and one of thirty, too.
        """
        gaps = self._per_request(self._steps, np.ones(len(self._pause_ms)))
        if quantile is None:
            return self._per_request(self._steps * self._ms, self._pause_ms) <= limit_ms * gaps
        long = self._per_request(self._steps * (self._ms > limit_ms), self._pause_ms > limit_ms)
        return np.asarray(long <= np.ceil((1.0 - quantile) * gaps - _ROUNDING))

    def _per_request(self, of_stretch: Floats, of_pause: Floats | Flags) -> Floats:
        """Sums over every request's stretches and pauses."""
        reached = np.concatenate([[0.0], np.cumsum(of_stretch)])
        spells = reached[self._end] - reached[self._begin]
        running = np.bincount(self._who, weights=spells, minlength=self._requests)
        paused = np.bincount(self._paused, weights=of_pause.astype(np.float64), minlength=self._requests)
        return np.asarray(running + paused)


def _joined(parts: Sequence[Sequence[float]]) -> Floats:
    return np.concatenate([np.zeros(0), *(np.array(part, dtype=np.float64) for part in parts)])


@dataclass(frozen=True)
class PerRequest:
    """One value per request; NaN where it has none."""

    ms: Floats

    def pick(self, chosen: Flags) -> Sample:
        """Of the requests chosen that have one."""
        mine = self.ms[chosen]
        return Sample(mine[np.isfinite(mine)])

    def within(self, limit_ms: float, _: float | None) -> Flags:
        """Whether each request keeps a limit; one without a value does."""
        return np.asarray(~(self.ms > limit_ms))
