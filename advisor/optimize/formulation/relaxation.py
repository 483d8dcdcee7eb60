"""The LP relaxation: what it costs, what its prices say of every column, and where its simplex ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import highspy
import numpy as np

from advisor.optimize.day import SMALLEST_COEFFICIENT
from advisor.optimize.formulation.solver import LP_TOLERANCE, SolverVerdict, as_highs, configured, raw_answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from advisor.optimize.arrays import Arrays
    from advisor.optimize.formulation.programme import Programme

    Floats = NDArray[np.float64]

_PRIMAL_SIMPLEX: Final = 4  # HiGHS's option simplex_strategy
_USED: Final = 1e-7
_DUAL_NOISE: Final = 1e-7  # relative to the objective: the tolerance of reduced costs


@dataclass(frozen=True, slots=True, eq=False)
class SimplexBasis:
    """Where the simplex method ended, by name, so that a model with more columns and rows can begin there."""

    columns: Mapping[str, highspy.HighsBasisStatus]
    rows: Mapping[str, highspy.HighsBasisStatus]


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """An optimum of the LP relaxation."""

    objective: float
    values: Floats  #: per column
    reduced_cost: Floats  #: per column
    dual: Floats  #: per row
    basis: SimplexBasis | None = None

    @property
    def at_least(self) -> Floats:
        """Per column, what a fleet costs that uses one of it where the relaxation uses none."""
        unused = (self.values <= _USED) & (self.reduced_cost > 0)
        margin = _DUAL_NOISE * abs(self.objective)
        return self.objective + np.where(unused, self.reduced_cost - margin, -np.inf)


def relax(
    arrays: Arrays,
    time_limit_s: float,
    *,
    names: Sequence[str] | None = None,
    start: SimplexBasis | None = None,
) -> Relaxed | None:
    """The LP relaxation; None if the time does not suffice or it has no solution.

    Args:
        arrays: any; its whole-number columns may be fractions.
        time_limit_s: at most.
        names: of columns, if the basis is of interest.
        start: the basis of a smaller programme whose names mean the same; what it does not know is left out.
    """
    highs = configured({"time_limit": max(time_limit_s, 0.0), "primal_feasibility_tolerance": LP_TOLERANCE})
    highs.passModel(as_highs(arrays.compiled().relaxed()))
    if start is not None and names is not None:
        highs.setOptionValue("simplex_strategy", _PRIMAL_SIMPLEX)  # more columns leave its point feasible
        highs.setBasis(_begun(arrays, names, start))
    highs.run()
    raw = raw_answer(highs, whole=False)
    if raw.verdict is not SolverVerdict.OPTIMAL or raw.values is None:
        return None
    solution = highs.getSolution()
    basis = None if names is None else _ended(arrays, names, highs.getBasis())
    return Relaxed(raw.objective, raw.values, np.array(solution.col_dual), np.array(solution.row_dual), basis)


def _begun(arrays: Arrays, names: Sequence[str], start: SimplexBasis) -> highspy.HighsBasis:
    basis, status = highspy.HighsBasis(), highspy.HighsBasisStatus
    basis.col_status = [start.columns.get(name, status.kLower) for name in names]
    basis.row_status = [start.rows.get(row.name, status.kBasic) for row in arrays.rows]
    basis.valid = True
    return basis


def _ended(arrays: Arrays, names: Sequence[str], basis: highspy.HighsBasis) -> SimplexBasis:
    return SimplexBasis(
        dict(zip(names, basis.col_status, strict=True)),
        dict(zip((row.name for row in arrays.rows), basis.row_status, strict=True)),
    )


def nearest_first(programme: Programme, relaxed: Relaxed) -> list[int]:
    """The candidates, those first of which one more would cost least over the relaxation, with what it runs.

    Dual prices may charge what an instance costs to its column, its replicas or their shares; so all three
    are added up along the cheapest way of using it.
    """
    reduced = programme.reduced
    assert programme.instances is not None
    dearer = np.maximum(relaxed.reduced_cost, 0.0)
    along = np.full(len(reduced.kinds), np.inf)
    for pool in programme.day.pools:
        shares = dearer[pool.shares : pool.shares + len(pool.demands)]
        replica = float((shares / np.maximum(pool.needed, SMALLEST_COEFFICIENT)).min(initial=np.inf))
        if len(reduced.kinds[pool.kind].uses) > 1:
            replica += float(dearer[pool.replicas.index[0]])
        slots = reduced.kinds[pool.kind].uses[pool.use].slots
        along[pool.kind] = min(along[pool.kind], slots * replica)
    more = np.array(
        [dearer[programme.instances + c] + along[x.kind] for c, x in enumerate(reduced.candidates)]
    )
    return [int(c) for c in np.argsort(more, kind="stable")]
