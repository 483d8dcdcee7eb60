"""When requests arrive: by a renewal process, at a rate that may change, or as a trace says.

A trace is scaled to another rate without changing how bursty it is. Counts of a bursty stream vary as those
of a Poisson stream whose rate itself moves; that movement, relative to the mean, is what must stay. Dividing
the gaps would keep the picture but play it faster: a rush of a minute would last seconds, and a queue feels
the difference. So requests are **thinned** when there are too many (each stays with one probability) and
**joined by copies** when there are too few: a copy arrives within a few mean gaps of its original, never at
the same instant, with the size of another request of the same minute. Both leave the relative variance of
the rate as it was at every time scale beyond those few gaps (they turn a rate λ(t) into f·λ(t)), and every
rush in its place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

COPY_GAPS: Final = 5.0
"""Mean gaps of the trace that a copy arrives before or after its original, at most."""

COPY_SIZE_S: Final = 60.0
"""Seconds around a copy from which its size is drawn, so that sizes that go with the hour stay there."""

Steps = tuple[tuple[float, float], ...]
"""A rate over time: (from second, requests per second), the first from 0."""


def renewal(rng: np.random.Generator, steps: Steps, duration_s: float, cv: float = 1.0) -> Floats:
    """Arrivals whose gaps are independent: exponential for ``cv`` 1, gamma otherwise, even for 0.

    Where the rate changes, gaps shrink and stretch with it: the process runs in units of expected requests.
    """
    clock, expected = _expected(steps, duration_s)
    total = float(expected[-1])
    marks: list[Floats] = []
    reached = 0.0
    while reached < total:
        count = int((total - reached) * 1.05 + 6 * math.sqrt(total) * max(cv, 1.0)) + 16
        gaps = _gaps(rng, count, cv)
        if not marks and cv > 0:
            gaps[0] *= rng.random()  # the stream did not begin with the replay
        marks.append(reached + np.cumsum(gaps))
        reached = float(marks[-1][-1])
    operational = np.concatenate(marks)
    return np.interp(operational[operational < total], expected, clock)


def _gaps(rng: np.random.Generator, count: int, cv: float) -> Floats:
    if cv == 0:
        return np.ones(count)
    if cv == 1:
        return rng.exponential(1.0, count)
    shape = 1 / cv**2
    return rng.gamma(shape, 1 / shape, count)


def _expected(steps: Steps, duration_s: float) -> tuple[Floats, Floats]:
    """Corners of the expected number of requests so far."""
    starts = [start for start, _ in steps if start < duration_s]
    clock = np.array([*starts, duration_s])
    rates = np.array([rate for _, rate in steps[: len(starts)]])
    return clock, np.concatenate([[0.0], np.cumsum(rates * np.diff(clock))])


def traced(
    rng: np.random.Generator, times_s: Sequence[float], rate_per_s: float | None, duration_s: float | None
) -> tuple[Floats, Integers]:
    """Arrivals of a trace, as it is or at another mean rate, and whose size each has.

    Args:
        rng: draws who stays and who is copied; not used for a trace as it is.
        times_s: arrivals in order, the first at 0.
        rate_per_s: mean rate wanted; None is the trace's own.
        duration_s: how long; a shorter one cuts the trace, a longer one begins it again. None is its own.
    """
    times = np.asarray(times_s, dtype=np.float64)
    own_s = _period(times)
    if duration_s is not None and duration_s > own_s:
        rounds = math.ceil(duration_s / own_s)
        source = np.tile(np.arange(len(times)), rounds)
        arrivals = (times + own_s * np.arange(rounds)[:, None]).ravel()
    else:
        source, arrivals = np.arange(len(times)), times
    if duration_s is not None:
        within = arrivals < duration_s
        arrivals, source = arrivals[within], source[within]
    factor = 1.0 if rate_per_s is None else rate_per_s * own_s / len(times)
    if abs(factor - 1) < 1e-9:
        return arrivals, source
    return _scaled(rng, arrivals, source, factor)


def _period(times: Floats) -> float:
    """How long the trace stands for: its span and one mean gap."""
    span = float(times[-1] - times[0])
    return span * len(times) / (len(times) - 1) if span > 0 else 1.0


def _scaled(
    rng: np.random.Generator, arrivals: Floats, source: Integers, factor: float
) -> tuple[Floats, Integers]:
    count = math.floor(factor) + (rng.random(len(arrivals)) < factor - math.floor(factor))
    place = np.repeat(np.arange(len(arrivals)), count)
    copy = np.zeros(len(place), dtype=np.bool_)
    copy[1:] = place[1:] == place[:-1]
    times, sizes = arrivals[place], source[place]
    end = float(arrivals[-1])
    reach = COPY_GAPS * end / max(len(arrivals) - 1, 1)
    moved = times[copy] + rng.uniform(-reach, reach, int(copy.sum()))
    times[copy] = end - np.abs(end - np.abs(moved))  # reflected at both ends
    low = np.searchsorted(arrivals, times[copy] - COPY_SIZE_S / 2)
    high = np.searchsorted(arrivals, times[copy] + COPY_SIZE_S / 2, side="right")
    drawn = low + np.floor(rng.random(len(low)) * np.maximum(high - low, 1)).astype(np.int64)
    sizes[copy] = source[np.minimum(drawn, len(source) - 1)]
    order = np.argsort(times, kind="stable")
    return times[order], sizes[order]
