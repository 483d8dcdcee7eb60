"""How many requests wait to be read for the first time, and whether ever more do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from advisor.simulate.demand import Requests
    from advisor.simulate.engine import ReplayOutcome

GROWS_SHARE: Final = 0.05
"""A queue that holds more than this share of all requests when the last one arrives is not keeping up."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Requests that have arrived and are in no batch."""

    mean: float
    peak: int
    at_end: int  #: when the last request arrives
    grows: bool  #: the fleet does not keep up


def queue_of(requests: Requests, outcome: ReplayOutcome) -> Queue:
    """The queue from the first arrival to the last."""
    end = float(requests.arrival_s[-1])
    left = np.where(np.isfinite(outcome.admitted_s), outcome.admitted_s, np.inf)
    waited = np.minimum(left, end) - requests.arrival_s
    moments = np.concatenate([requests.arrival_s, left[left <= end]])
    change = np.concatenate([np.ones(len(requests)), -np.ones(int((left <= end).sum()))])
    # Of equal moments, departures count first: who is admitted on arrival never waited.
    order = np.lexsort((change, moments))
    level = np.cumsum(change[order])
    at_end = int((left > end).sum())
    return Queue(
        mean=float(np.maximum(waited, 0.0).sum()) / end if end > 0 else 0.0,
        peak=int(max(level.max(initial=0), at_end)),
        at_end=at_end,
        grows=at_end > max(GROWS_SHARE * len(requests), 10),
    )
