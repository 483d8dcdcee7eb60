"""What a solver is asked and what it says, and HiGHS, which is handed the arrays directly."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol

import highspy
import numpy as np

from advisor.errors import SolverFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from advisor.optimize.arrays import Compiled

    Floats = NDArray[np.float64]

TOLERANCE: Final = 1e-7
"""Of feasibility, where whole numbers are asked for. Tighter makes HiGHS wrong: at 1e-9 it calls a dearer
fleet optimal, or says that there is none (benchmarks/README.md). What a fleet lacks by it is found and made
up afterwards."""

LP_TOLERANCE: Final = 1e-9
"""The same without whole numbers, where nothing is lost by a tight one."""

SMALL: Final = 20_000
"""Columns up to which HiGHS's slower heuristics cost more time than they save (benchmarks/README.md)."""

_QUICK_SHARE: Final = 0.25
_QUICK: Final[dict[str, Any]] = {
    "mip_heuristic_effort": 0.0,
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_root_reduced_cost": False,
    "mip_pscost_minreliable": 0,
    "mip_allow_restart": False,
    "mip_detect_symmetry": False,
}


class SolverVerdict(Enum):
    """What the solver says, once solution status and bound have been looked at."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What comes back for a programme, before anybody believes it."""

    verdict: SolverVerdict
    bound: float  #: on the objective; minus infinity where the solver tells none
    objective: float = float("nan")
    values: Floats | None = None  #: per column


class Solver(Protocol):
    """Something that minimises a programme."""

    @property
    def name(self) -> str:
        """What runs, with its version."""
        ...

    def solve(
        self,
        programme: Compiled,
        *,
        time_limit_s: float,
        relative_gap: float = 0.0,
        start: Floats | None = None,
        bound_only: bool = False,
    ) -> RawAnswer:
        """The best point and the highest bound found within the time.

        Args:
            programme: what to minimise.
            time_limit_s: at most.
            relative_gap: at which to stop.
            start: a feasible point to begin with, if one is known.
            bound_only: nobody needs the point: all the time goes to the proof.

        Raises:
            SolverFailed: it refused the programme.
        """
        ...


@dataclass(frozen=True, slots=True)
class Highs:
    """HiGHS: one thread, silent, and no gap but the one asked for.

    A small programme is tried without HiGHS's slower heuristics first, which proves most of them sooner. What
    that leaves open after a quarter of the time mostly wants a better fleet, and gets them.
    """

    seed: int = 0
    tolerance: float = TOLERANCE
    quick_first: bool = True

    @property
    def name(self) -> str:
        """With the version."""
        return highs_name()

    def solve(
        self,
        programme: Compiled,
        *,
        time_limit_s: float,
        relative_gap: float = 0.0,
        start: Floats | None = None,
        bound_only: bool = False,
    ) -> RawAnswer:
        """See :class:`Solver`."""
        if not len(programme.cost):
            return _without_columns(programme)
        lp, whole, limit = as_highs(programme), programme.whole, max(time_limit_s, 0.0)
        options = {
            "random_seed": self.seed,
            "mip_rel_gap": relative_gap,
            "primal_feasibility_tolerance": self.tolerance if whole else LP_TOLERANCE,
            "mip_feasibility_tolerance": self.tolerance,
        }
        if not (self.quick_first and whole) or len(programme.cost) > SMALL:
            return _run(lp, options, limit, whole=whole, start=start)
        began = time.perf_counter()
        share = 1.0 if bound_only else _QUICK_SHARE
        quick = _run(lp, options | _QUICK, share * limit, whole=whole, start=start)
        if bound_only or quick.verdict in (SolverVerdict.OPTIMAL, SolverVerdict.INFEASIBLE):
            return quick
        left = max(0.0, limit - (time.perf_counter() - began))
        thorough = _run(lp, options, left, whole=whole, start=start if quick.values is None else quick.values)
        return _joined(quick, thorough)


HIGHS: Final = Highs()
SECOND_OPINION: Final = Highs(seed=1, tolerance=1e-6, quick_first=False)
"""What checks a proof: another seed, another tolerance, and HiGHS as it comes in all else."""


@cache
def highs_name() -> str:
    """HiGHS with its version."""
    highs = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy is untyped
    return f"HiGHS {highs.version()}"


def _joined(one: RawAnswer, other: RawAnswer) -> RawAnswer:
    """Two searches of one programme: the better point, the higher bound, and what both prove."""
    if SolverVerdict.INFEASIBLE in (one.verdict, other.verdict):
        return one if one.verdict is SolverVerdict.INFEASIBLE else other
    best = min((raw for raw in (one, other) if raw.values is not None), key=_objective, default=None)
    bound = max(one.bound, other.bound)
    if best is None:
        return RawAnswer(SolverVerdict.NOTHING, bound)
    proved = SolverVerdict.OPTIMAL in (one.verdict, other.verdict)
    return RawAnswer(
        SolverVerdict.OPTIMAL if proved else SolverVerdict.FEASIBLE, bound, best.objective, best.values
    )


def _objective(raw: RawAnswer) -> float:
    return raw.objective


def _without_columns(programme: Compiled) -> RawAnswer:
    if (programme.row_low <= 0).all() and (programme.row_high >= 0).all():
        return RawAnswer(SolverVerdict.OPTIMAL, 0.0, 0.0, np.zeros(0))
    return RawAnswer(SolverVerdict.INFEASIBLE, 0.0)


def as_highs(programme: Compiled) -> Any:
    """The programme as HiGHS takes it."""
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(programme.cost), len(programme.row_low)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = programme.cost, programme.low, programme.high
    if programme.whole:
        kinds = highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger
        lp.integrality_ = [kinds[x] for x in programme.integer.tolist()]
    lp.row_lower_, lp.row_upper_ = programme.row_low, programme.row_high
    matrix = lp.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kRowwise
    matrix.start_, matrix.index_, matrix.value_ = programme.start, programme.index, programme.value
    return lp


def configured(options: Mapping[str, Any]) -> Any:
    """HiGHS with options on top of those every solve has."""
    highs = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy is untyped
    for name, value in {"output_flag": False, "threads": 1, "mip_abs_gap": 0.0, **options}.items():
        highs.setOptionValue(name, value)
    return highs


def _run(
    lp: Any, options: Mapping[str, Any], time_limit_s: float, *, whole: bool, start: Floats | None
) -> RawAnswer:
    highs = configured({**options, "time_limit": time_limit_s})
    if highs.passModel(lp) == highspy.HighsStatus.kError:
        raise SolverFailed("HiGHS refused the programme")
    if start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = start.tolist()
        highs.setSolution(solution)
    highs.run()
    return raw_answer(highs, whole=whole)


def raw_answer(highs: Any, *, whole: bool) -> RawAnswer:
    """Status first: of an infeasible or unfinished programme HiGHS hands out numbers as well."""
    info, status = highs.getInfo(), highs.getModelStatus()
    bound = float(info.mip_dual_bound if whole else info.objective_function_value)
    if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
        return RawAnswer(SolverVerdict.INFEASIBLE, bound)
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return RawAnswer(SolverVerdict.NOTHING, bound if whole else float("-inf"))
    done = status == highspy.HighsModelStatus.kOptimal
    return RawAnswer(
        SolverVerdict.OPTIMAL if done else SolverVerdict.FEASIBLE,
        bound if done or whole else float("-inf"),
        float(info.objective_function_value),
        np.array(highs.getSolution().col_value),
    )
