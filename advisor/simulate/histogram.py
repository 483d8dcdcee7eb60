"""How a latency is distributed: shares of requests, or of gaps, between round values, three to a decade."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from advisor.simulate.gaps import Sample

_MANTISSAS: Final = (1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of what was observed; bin ``i`` lies between edges ``i`` and ``i + 1``."""

    edges_ms: tuple[float, ...]
    shares: tuple[float, ...]


def histogram(sample: Sample) -> Histogram:
    """Bins that hold every value, upper edges inclusive; none where nothing was observed."""
    known = sample.ms
    if not len(known):
        return Histogram((), ())
    low, high = max(float(known.min()), 1e-3), max(float(known.max()), 1e-3)
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    values = np.array([mantissa * 10.0**power for power in powers for mantissa in _MANTISSAS])
    first = max(int(np.searchsorted(values, low, side="left")) - 1, 0)
    last = int(np.searchsorted(values, high, side="left"))
    edges = values[first : last + 1]
    place = np.clip(np.searchsorted(edges, known, side="left") - 1, 0, len(edges) - 2)
    shares = np.bincount(place, weights=sample.count, minlength=len(edges) - 1) / sample.total
    return Histogram(tuple(edges.tolist()), tuple(shares.tolist()))
