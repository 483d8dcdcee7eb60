"""Hours of demand merged into few levels: equal hours exactly, unequal ones upward.

An hour that is planned for at a higher demand than it has is still served, so every merge keeps the plan
feasible and can only make it look dearer; by how much demand is overstated is known, and it is
the least that so few levels allow (up to a thousand distinct demands).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from numpy.typing import NDArray

DEFAULT_LEVELS: Final = 24
_MOST_DISTINCT: Final = 1000
"""Distinct demands above which neighbours are merged before the exact grouping, which takes their square."""


@dataclass(frozen=True, slots=True)
class DemandLevel:
    """Hours that are planned for alike."""

    factor: float  #: of the rates asked about
    hours: tuple[int, ...]  #: how many there are, per scenario


@dataclass(frozen=True, slots=True)
class DemandLevels:
    """All hours of all scenarios, from the lowest demand to the highest."""

    levels: tuple[DemandLevel, ...]
    distinct: int  #: demands there were before any merge
    overstatement: float  #: expected demand as planned over expected demand as given, minus 1


def levels_of(
    factors: Sequence[float], growth: Sequence[float], weights: Sequence[Decimal], most: int = DEFAULT_LEVELS
) -> DemandLevels:
    """The levels of a horizon under several scenarios.

    Args:
        factors: demand per hour, as a factor of the rates asked about.
        growth: per scenario, what every hour is multiplied by.
        weights: per scenario, its share of belief; they sum to 1.
        most: levels to merge into.
    """
    hourly = np.array(factors, dtype=np.float64)
    every = np.outer(np.array(growth, dtype=np.float64), hourly)
    values, place = np.unique(every, return_inverse=True)
    counts = np.zeros((len(values), len(growth)), dtype=np.int64)
    np.add.at(counts, (place.ravel(), np.repeat(np.arange(len(growth)), len(hourly))), 1)
    weight = counts @ np.array([float(w) for w in weights])
    tops = _tops(values, weight, most)
    given = float(values @ weight)
    planned = 0.0
    found, start = [], 0
    for top in tops:
        part = slice(start, top + 1)
        planned += float(values[top] * weight[part].sum())
        found.append(DemandLevel(float(values[top]), tuple(counts[part].sum(axis=0).tolist())))
        start = top + 1
    over = max(0.0, planned / given - 1) if given and len(tops) < len(values) else 0.0
    return DemandLevels(tuple(found), len(values), over)


def _tops(values: NDArray[np.float64], weight: NDArray[np.float64], most: int) -> list[int]:
    """The index of the highest value of each group, so that the weighted sum of the tops is least."""
    if len(values) <= most:
        return list(range(len(values)))
    kept = np.arange(len(values))
    if len(values) > _MOST_DISTINCT:
        kept = np.unique(np.linspace(0, len(values) - 1, _MOST_DISTINCT).round().astype(np.intp))
    edges = np.concatenate([[0], kept + 1])
    tops, heavy = values[kept], np.add.reduceat(weight, edges[:-1])
    return [int(kept[i]) for i in _least(tops, heavy, most)]


def _least(values: NDArray[np.float64], weight: NDArray[np.float64], most: int) -> list[int]:
    """Exact grouping of neighbours: best[j] with g groups = min over i of best[i] + top · weight(i..j)."""
    total = np.concatenate([[0.0], np.cumsum(weight)])
    size = len(values)
    best = np.concatenate([[0.0], values * total[1:]])
    within = np.maximum(total[None, 1:] - total[:-1, None], 0.0) * values[None, :]
    within[np.tril_indices(size, -1)] = np.inf  # a group that starts at i ends at j >= i
    choice = []
    for _ in range(most - 1):
        cost = best[:-1, None] + within
        first = cost.argmin(axis=0)
        choice.append(first)
        best = np.concatenate([[0.0], cost[first, np.arange(size)]])
    tops, end = [], size - 1
    for first in reversed(choice):
        tops.append(end)
        end = int(first[end]) - 1
        if end < 0:
            return tops[::-1]
    return sorted({*tops, end})
