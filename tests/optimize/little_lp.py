"""Linear programmes of a handful of columns, thousands of times over: the tests' own words to HiGHS.

Nothing here is the product's: rows come as plain matrices, and one solver is kept and given one programme
after the other, which takes a tenth of what scipy's checks of its arguments take.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import highspy
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    Row = tuple[dict[int, float], float]  # (column -> coefficient, right-hand side)


@cache
def _solver() -> Any:
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    return solver


def least(
    cost: Sequence[float],
    at_most: Sequence[Row],
    equal: Sequence[Row],
    high: Sequence[float | None] | None = None,
) -> float | None:
    """Least cost over columns from 0 to ``high`` under the rows; None where no point obeys them."""
    rows = [*at_most, *equal]
    right = np.array([value for _, value in rows], dtype=float)
    low = right.copy()
    low[: len(at_most)] = -np.inf
    programme = highspy.HighsLp()
    programme.num_col_, programme.num_row_ = len(cost), len(rows)
    programme.col_cost_ = np.array(cost, dtype=float)
    programme.col_lower_ = np.zeros(len(cost))
    programme.col_upper_ = np.array([np.inf if top is None else top for top in high or [None] * len(cost)])
    programme.row_lower_, programme.row_upper_ = low, right
    matrix = programme.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kRowwise
    matrix.start_ = np.cumsum([0, *(len(pairs) for pairs, _ in rows)])
    matrix.index_ = np.array([column for pairs, _ in rows for column in pairs], dtype=np.int32)
    matrix.value_ = np.array([value for pairs, _ in rows for value in pairs.values()], dtype=float)
    solver = _solver()
    solver.passModel(programme)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return float(solver.getInfo().objective_function_value)
