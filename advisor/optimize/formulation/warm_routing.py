"""One routing after another, for the walk up the prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import highspy
import numpy as np

from advisor.optimize.day import SMALLEST_COEFFICIENT
from advisor.optimize.formulation.solver import LP_TOLERANCE, configured

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Routed:
    """How a fleet carries the load, with the least it would take besides."""

    shares: NDArray[np.float64]  #: (candidate, demand), within the solver's tolerance
    weights: NDArray[np.float64]  #: duals: what an instance of each candidate is worth, 0 to its price


class WarmRouting:
    """The cheapest additions that let a fleet carry the load, for fleet after fleet from a warm basis.

    Minimise sum over c of usd_per_hour · missing, with serve_demand, and replica_capacity in whole instances
    of one degree: sum over b of need · share - missing <= instances. A fleet is only a right-hand side, so
    the basis of the last one stays dual feasible. In arrays, as building each anew in PuLP costs more than
    solving it (benchmarks/README.md).
    """

    def __init__(self, need: NDArray[np.float64], usd_per_hour: NDArray[np.float64]) -> None:
        """``need[c,b]``: instances of c that would carry all of b; infinite where it cannot."""
        candidates, demands = need.shape
        c, b = np.nonzero(np.isfinite(need))
        shares = len(c)
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = shares + candidates, demands + candidates
        model.col_cost_ = np.concatenate([np.zeros(shares), usd_per_hour])
        model.col_lower_ = np.zeros(shares + candidates)
        model.col_upper_ = np.full(shares + candidates, highspy.kHighsInf)
        model.row_lower_ = np.concatenate([np.ones(demands), np.full(candidates, -highspy.kHighsInf)])
        model.row_upper_ = np.concatenate([np.ones(demands), np.zeros(candidates)])
        matrix = model.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kColwise
        matrix.start_ = np.concatenate([np.arange(0, 2 * shares, 2), 2 * shares + np.arange(candidates + 1)])
        matrix.index_ = np.concatenate(
            [np.stack([b, demands + c], axis=1).ravel(), demands + np.arange(candidates)]
        )
        work = np.maximum(need[c, b], SMALLEST_COEFFICIENT)
        matrix.value_ = np.concatenate(
            [np.stack([np.ones(shares), work], axis=1).ravel(), np.full(candidates, -1.0)]
        )
        self._places, self._shape, self._lp = (c, b), need.shape, configured(_OPTIONS)
        self._lp.passModel(model)
        self._start_at_cheapest(usd_per_hour[:, None] * need)

    def _start_at_cheapest(self, cost: NDArray[np.float64]) -> None:
        """A dual feasible basis: each demand on its cheapest candidate, all capacity missing."""
        basic, lower, upper = (
            highspy.HighsBasisStatus.kBasic,
            highspy.HighsBasisStatus.kLower,
            highspy.HighsBasisStatus.kUpper,
        )
        c, b = self._places
        candidates, demands = self._shape
        cheapest = cost.argmin(axis=0)
        basis = highspy.HighsBasis()
        basis.col_status = [basic if x else lower for x in (cheapest[b] == c).tolist()] + [basic] * candidates
        basis.row_status = [lower] * demands + [upper] * candidates
        basis.valid = True
        self._lp.setBasis(basis)

    def carry(self, fleet: NDArray[np.float64]) -> Routed | None:
        """What the fleet lacks, if anything; None if the solver is not sure."""
        candidates, demands = self._shape
        for c, instances in enumerate(fleet.tolist()):
            self._lp.changeRowBounds(demands + c, -highspy.kHighsInf, instances)
        self._lp.run()
        if self._lp.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        solution = self._lp.getSolution()
        values = np.array(solution.col_value)
        shares = np.zeros(self._shape)
        shares[self._places] = values[:-candidates]
        return Routed(shares, np.maximum(-np.array(solution.row_dual[demands:]), 0.0))


_OPTIONS: Final[dict[str, Any]] = {
    "presolve": "off",
    "solver": "simplex",
    "simplex_dual_edge_weight_strategy": 0,  # exact weights for a given basis cost more than they save
    "primal_feasibility_tolerance": LP_TOLERANCE,
}
