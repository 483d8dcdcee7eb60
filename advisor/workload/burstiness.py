"""How much headroom the bursts of a trace ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOW_S: Final = 10.0
"""Requests within ten seconds of each other compete for the same replicas: no fleet grows faster."""

FEWEST_WINDOWS: Final = 100
"""Below that a 99th percentile is the maximum by another name."""


@dataclass(frozen=True, slots=True)
class Burstiness:
    """Arrivals per window of a trace, and the headroom that serves all but one window in a hundred."""

    mean_requests_per_s: float
    p99_requests_per_s: float
    windows: int

    @property
    def headroom(self) -> float:
        """1 - mean / p99: a fleet planned on the mean with it free carries the 99th percentile."""
        return 1 - self.mean_requests_per_s / self.p99_requests_per_s


def burstiness(timestamps_s: Sequence[float]) -> Burstiness | None:
    """Over whole windows from the first arrival on; None where there are too few of them."""
    import numpy as np

    moments = np.asarray(timestamps_s, dtype=float)
    windows = int((moments[-1] - moments[0]) // WINDOW_S) if len(moments) else 0
    if windows < FEWEST_WINDOWS:
        return None
    arrivals = np.bincount(((moments - moments[0]) // WINDOW_S).astype(int))[:windows]
    p99 = int(np.sort(arrivals)[math.ceil(0.99 * windows) - 1])  # nearest rank
    mean = int(arrivals.sum()) / windows
    return Burstiness(mean / WINDOW_S, max(p99, mean) / WINDOW_S, windows)
