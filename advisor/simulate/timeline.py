"""The fleet over time: how busy, how many requests running and waiting, how many arrive and are in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from advisor.simulate.demand import Requests
    from advisor.simulate.engine import ReplayOutcome
    from advisor.simulate.fleet import ReplayFleet
    from advisor.simulate.latencies import Latencies

    Floats = NDArray[np.float64]

BINS: Final = 60


@dataclass(frozen=True, slots=True)
class Timeline:
    """One element per bin of time, means over the bin."""

    start_s: tuple[float, ...]
    arrivals_per_s: tuple[float, ...]
    busy: tuple[float, ...]  #: share of replica time with a request in the batch
    batch: tuple[float, ...]  #: sequences running, as a share of the largest batches
    running: tuple[float, ...]
    waiting: tuple[float, ...]
    attained_percent: tuple[float | None, ...]  #: of the requests that arrived in the bin


def timeline(fleet: ReplayFleet, requests: Requests, outcome: ReplayOutcome, found: Latencies) -> Timeline:
    """From the first arrival to the last; the time in which the last requests are finished is left out."""
    edges = np.linspace(0.0, max(float(requests.arrival_s[-1]), 1e-9), BINS + 1)
    width = float(edges[1])
    left = np.where(np.isfinite(outcome.finished_s), outcome.finished_s, np.inf)
    admitted = np.where(np.isfinite(outcome.admitted_s), outcome.admitted_s, np.inf)
    running = _mean_between(admitted, left, edges)
    waiting = _mean_between(requests.arrival_s, admitted, edges)
    starts, stops = _busy_periods(outcome, admitted, left)
    slots = sum(group.drive.spec.max_sequences * len(group.replicas) for group in fleet.groups)
    place = np.minimum((requests.arrival_s / width).astype(np.int64), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    met = np.bincount(place, weights=found.met, minlength=BINS)
    return Timeline(
        tuple(edges[:-1].tolist()),
        tuple((count / width).tolist()),
        tuple((_mean_between(starts, stops, edges) / max(fleet.replicas, 1)).tolist()),
        tuple((running / slots).tolist()),
        tuple(running.tolist()),
        tuple(waiting.tolist()),
        tuple(100 * m / n if n else None for m, n in zip(met.tolist(), count.tolist(), strict=True)),
    )


def _mean_between(starts: Floats, stops: Floats, edges: Floats) -> Floats:
    """Mean number of intervals open in each bin."""
    area = _area(starts, edges) - _area(stops, edges)
    return np.asarray(np.diff(area) / np.diff(edges))


def _area(moments: Floats, edges: Floats) -> Floats:
    """Integral, up to each edge, of how many moments have passed."""
    passed = np.sort(moments[np.isfinite(moments)])
    sums = np.concatenate([[0.0], np.cumsum(passed)])
    count = np.searchsorted(passed, edges, side="right")
    return np.asarray(edges * count - sums[count])


def _busy_periods(outcome: ReplayOutcome, admitted: Floats, left: Floats) -> tuple[Floats, Floats]:
    """Where replicas had at least one running request, all replicas together."""
    served = np.flatnonzero((outcome.replica >= 0) & np.isfinite(admitted) & np.isfinite(left))
    if not len(served):
        return np.zeros(0), np.zeros(0)
    order = served[np.lexsort((admitted[served], outcome.replica[served]))]
    far = float(left[served].max()) + 1.0
    offset = outcome.replica[order] * far
    start, stop = admitted[order] + offset, np.maximum.accumulate(left[order] + offset)
    fresh = np.concatenate([[True], start[1:] > stop[:-1]])
    last = np.concatenate([np.flatnonzero(fresh)[1:] - 1, [len(order) - 1]])
    return (start - offset)[fresh], (stop - offset)[last]
