"""How a latency is distributed: shares of requests between round values, three to a decade."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_MANTISSAS: Final = (1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of the requests that have the latency; bin ``i`` lies between edges ``i`` and ``i + 1``."""

    edges_ms: tuple[float, ...]
    shares: tuple[float, ...]


def histogram(values_ms: Floats) -> Histogram:
    """Bins that hold every known value, upper edges inclusive; none where nothing is known."""
    known = values_ms[np.isfinite(values_ms)]
    if not len(known):
        return Histogram((), ())
    low, high = max(float(known.min()), 1e-3), max(float(known.max()), 1e-3)
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    values = np.array([mantissa * 10.0**power for power in powers for mantissa in _MANTISSAS])
    first = max(int(np.searchsorted(values, low, side="left")) - 1, 0)
    last = int(np.searchsorted(values, high, side="left"))
    edges = values[first : last + 1]
    place = np.clip(np.searchsorted(edges, known, side="left") - 1, 0, len(edges) - 2)
    shares = np.bincount(place, minlength=len(edges) - 1) / len(known)
    return Histogram(tuple(edges.tolist()), tuple(shares.tolist()))
