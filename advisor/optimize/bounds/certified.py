"""A bound on a programme that holds whatever the solver said: row duals added up with every rounding counted.

For any duals y of the right signs, and d = cost - Aᵀy, every feasible point costs at least

    sum over rows of y · its bound  +  sum over columns of the least d · x over low <= x <= high.

Columns without an upper bound get one from the rows they stand in. All sums are of floats; by how much they
may be off is taken from them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from advisor.optimize.arrays import Compiled

    Floats = NDArray[np.float64]

_UNIT: Final = 2.0**-52
_PASSES: Final = 4  # instances bound replicas, replicas shares, flows shares
_WIDER: Final = 1 + 1e-9  # a bound made from rows is made a little wider than it is


def certified_bound(programme: Compiled, dual: Floats) -> float:
    """A lower bound on the objective; minus infinity where the duals give none.

    Args:
        programme: what is minimised; whole numbers may be fractions.
        dual: one per row, of whatever quality; those of the relaxation give the most.
    """
    y = np.where(np.isinf(programme.row_low), np.minimum(dual, 0.0), dual)
    y = np.where(np.isinf(programme.row_high), np.maximum(y, 0.0), y)
    owner, size = _owner(programme), len(programme.cost)
    part = y[owner] * programme.value
    d = programme.cost - np.bincount(programme.index, part, size)
    off = np.abs(programme.cost) + np.bincount(programme.index, np.abs(part), size)
    d -= (np.bincount(programme.index, minlength=size) + 3) * _UNIT * off
    high = implied_high(programme)
    with np.errstate(invalid="ignore"):
        columns = np.where(d >= 0, d * programme.low, d * high)
        rows = np.where(y > 0, y * programme.row_low, y * programme.row_high)
    terms = np.concatenate([columns[d != 0], rows[y != 0]])
    if np.isinf(terms).any():
        return -math.inf
    return math.fsum(terms) - 2 * _UNIT * math.fsum(np.abs(terms))


def implied_high(programme: Compiled) -> Floats:
    """Upper bounds of columns, those that rows imply included. Columns are never below zero here."""
    owner, value, index = _owner(programme), programme.value, programme.index
    high = programme.high.copy()
    for _ in range(_PASSES):
        # The least each row's other columns come to, of rows whose negative coefficients are bounded.
        with np.errstate(invalid="ignore"):
            least = np.where(value > 0, value * programme.low[index], value * high[index])
        sums = np.bincount(owner, least, len(programme.row_high))
        with np.errstate(invalid="ignore", divide="ignore"):
            room = (programme.row_high[owner] - sums[owner] + least) / value * _WIDER
        useful = (value > 0) & np.isfinite(room)
        np.minimum.at(high, index[useful], np.maximum(room[useful], programme.low[index[useful]]))
    return high


def _owner(programme: Compiled) -> NDArray[np.intp]:
    """The row of every coefficient."""
    return np.repeat(np.arange(len(programme.row_low)), np.diff(programme.start))
