"""How much of every demand a damaged fleet still serves, by a simplex of our own.

Variables  share[p,b] >= 0: the part of demand b that pool p serves    t: the part of every demand that is
Maximise   t
Demand     t - sum over p of share[p,b] <= 0       for every b
Pool       sum over b of need[p,b] · share[p,b] <= room[p]
           t <= 1

``need[p,b]`` is how many replicas would carry all of b (infinite: it cannot), ``room[p]`` how many there are.
All right-hand sides are at least 0, so nothing served is a start, and the primal simplex needs no first
phase. The many zeros make ties; each right-hand side is raised by its own tiny amount, which breaks them and
is undone at the end by reading the basis on the true ones. Nothing here is shared with the optimiser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_ENTERS: Final = 1e-9  # reduced cost from which a variable is worth entering
_PIVOT: Final = 1e-9  # smallest pivot element
_NUDGE: Final = 1e-10  # the tiny amounts, relative to a right-hand side of 1
_MOST_PIVOTS: Final = 20_000


class NotDecided(Exception):
    """The simplex did not come to an end; nothing is said about the fleet."""


def least_served(need: Floats, room: Floats) -> float:
    """The largest share of *every* demand that the pools can serve at once, at most 1.

    Args:
        need: (pools, demands), replicas that would carry all of a demand; infinite where a pool cannot.
        room: (pools,), replicas there are, each counted at the utilisation it may be planned to.

    Raises:
        NotDecided: numerical trouble.
    """
    pools, demands = need.shape
    if demands == 0:
        return 1.0
    can = np.isfinite(need) & (room[:, None] > 0)
    if not can.any(axis=0).all():
        return 0.0
    p, b = np.nonzero(can)
    shares = len(p)
    rows = demands + pools + 1
    matrix = np.zeros((rows, shares + 1))
    matrix[b, np.arange(shares)] = -1.0
    matrix[demands + p, np.arange(shares)] = need[p, b]
    matrix[:demands, shares] = 1.0
    matrix[rows - 1, shares] = 1.0
    right = np.concatenate([np.zeros(demands), np.maximum(room, 0.0), [1.0]])
    profit = np.zeros(shares + 1)
    profit[shares] = 1.0
    scale = np.maximum(np.abs(matrix).max(axis=1), 1e-300)
    return _maximum(matrix / scale[:, None], right / scale, profit)


def _maximum(matrix: Floats, right: Floats, profit: Floats) -> float:
    """Maximum of profit · x with matrix · x <= right, x >= 0, right >= 0, by a dense tableau."""
    rows, columns = matrix.shape
    nudged = right + _NUDGE * (1.0 + np.random.default_rng(0).random(rows))
    tableau = np.hstack([matrix, np.eye(rows), nudged[:, None], right[:, None]])
    cost = np.concatenate([-profit, np.zeros(rows + 2)])
    for _ in range(_MOST_PIVOTS):
        entering = int(cost[: columns + rows].argmin())
        if cost[entering] >= -_ENTERS:
            return float(cost[-1])
        column = tableau[:, entering]
        able = column > _PIVOT
        if not able.any():
            break  # cannot be: t is at most 1
        ratio = np.where(able, tableau[:, -2] / np.where(able, column, 1.0), np.inf)
        leaving = int(ratio.argmin())
        tableau[leaving] /= tableau[leaving, entering]
        others = tableau[:, entering].copy()
        others[leaving] = 0.0
        tableau -= np.outer(others, tableau[leaving])
        cost -= cost[entering] * tableau[leaving]
    raise NotDecided
