"""HiGHS: through PuLP where a programme is small enough to read, in arrays where it is not."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import highspy
import numpy as np
import pulp

from advisor.errors import SolverFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from advisor.optimize.arrays import Model
    from advisor.optimize.formulation.programme import Programme

TOLERANCE: Final = 1e-9
"""Feasibility tolerance asked of HiGHS, whose default of 1e-6 instances would sell a plan short."""

SEED: Final = 0
READABLE: Final = 20_000
"""Nonzeros up to which PuLP builds the model; beyond, building would cost more than solving it."""

SMALL: Final = 20_000
"""Shares up to which primal heuristics cost more time than they save (benchmarks/README.md)."""

_QUICK_SHARE: Final = 0.25
_QUICK: Final = {
    "mip_heuristic_effort": 0.0,
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_root_reduced_cost": False,
    "mip_pscost_minreliable": 0,
    "mip_allow_restart": False,
    "mip_detect_symmetry": False,
}


class Outcome(Enum):
    """What the solver says, once solution status and bound have been looked at."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Answer:
    """The solver's own words, before anybody believes them."""

    outcome: Outcome
    bound: float  #: dual bound on the objective
    instances: tuple[float, ...] = ()  #: per candidate
    replicas: Mapping[tuple[int, int], float] = field(default_factory=dict)  #: per (kind, use) with a column
    shares: Mapping[tuple[int, int, int], float] = field(
        default_factory=dict
    )  #: per (kind, use, demand), only those above zero
    flows: Mapping[tuple[int, int, int], float] = field(default_factory=dict)  #: (demand, stream, place)
    extras: Mapping[str, float] = field(default_factory=dict)  #: units added per limit, in a diagnosis
    sliced: bool = False  #: shares are whole numbers of slices
    objective: float = float("nan")

    @property
    def has_values(self) -> bool:
        """Whether there is a solution at all."""
        return self.outcome in (Outcome.OPTIMAL, Outcome.FEASIBLE)


@dataclass(frozen=True, slots=True)
class Raw:
    """What comes back for a model."""

    outcome: Outcome
    bound: float
    objective: float = float("nan")
    values: NDArray[np.float64] | None = None  #: per column


def joined(one: Raw, other: Raw) -> Raw:
    """Two searches of one model: the better point, the higher bound, and what both prove."""
    if Outcome.INFEASIBLE in (one.outcome, other.outcome):
        return one if one.outcome is Outcome.INFEASIBLE else other
    best = min((raw for raw in (one, other) if raw.values is not None), key=_objective, default=None)
    bound = max(one.bound, other.bound)
    if best is None:
        return Raw(Outcome.NOTHING, bound)
    proved = Outcome.OPTIMAL in (one.outcome, other.outcome)
    return Raw(Outcome.OPTIMAL if proved else Outcome.FEASIBLE, bound, best.objective, best.values)


def _objective(raw: Raw) -> float:
    return raw.objective


@cache
def solver_name() -> str:
    """Which solver and modeller, with versions."""
    highs = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy is untyped
    return f"HiGHS {highs.version()} through PuLP {pulp.__version__}"


def run(
    programme: Programme,
    *,
    time_limit_s: float,
    relative_gap: float = 0.0,
    start: NDArray[np.float64] | None = None,
    bound_only: bool = False,
) -> Answer:
    """Let HiGHS solve it: one thread, fixed seed, silent, and no gap but the one asked for.

    A programme of few shares is tried without HiGHS's slower heuristics first, which proves most of them
    sooner. What that leaves open after a quarter of the time mostly wants a better fleet, and gets them.

    Args:
        programme: what to solve.
        time_limit_s: at most.
        relative_gap: at which to stop.
        start: a point to begin with, if one is known (:func:`point_of`).
        bound_only: nobody needs the fleet: all the time goes to the proof.
    """
    model = programme.model
    if not model.size:
        return answer_of(programme, _without_columns(model))
    through = _through_pulp if model.nonzeros <= READABLE and start is None else partial(_begun, start=start)
    limit = max(time_limit_s, 0.0)
    options = {"mip_rel_gap": relative_gap, "time_limit": limit}
    shares = sum(len(pool.demands) for pool in programme.day.pools)
    if shares > SMALL or programme.sliced:
        return answer_of(programme, through(model, options))
    started = time.perf_counter()
    share = 1.0 if bound_only else _QUICK_SHARE
    quick = through(model, {**options, **_QUICK, "time_limit": share * limit})
    if bound_only or quick.outcome in (Outcome.OPTIMAL, Outcome.INFEASIBLE):
        return answer_of(programme, quick)
    left = max(0.0, limit - (time.perf_counter() - started))
    thorough = run_highs(
        as_highs(model), {**options, "time_limit": left}, mixed=bool(model.integer.any()), start=quick.values
    )
    return answer_of(programme, joined(quick, thorough))


def _without_columns(model: Model) -> Raw:
    holds = all(each.low <= 0 <= each.high for each in model.rows)
    return Raw(Outcome.OPTIMAL, 0.0, 0.0, np.zeros(0)) if holds else Raw(Outcome.INFEASIBLE, 0.0)


def answer_of(programme: Programme, raw: Raw) -> Answer:
    """The values of a raw answer by what they mean."""
    values = raw.values
    if values is None:
        return Answer(raw.outcome, raw.bound)
    first, day = programme.instances, programme.day
    instances: tuple[float, ...] = tuple(map(float, programme.counts))
    if first is not None:
        instances = tuple(values[first : first + len(programme.reduced.candidates)].tolist())
    replicas: dict[tuple[int, int], float] = dict(programme.given)
    shares = {}
    for pool in day.pools:
        if not programme.given and len(programme.reduced.kinds[pool.kind].uses) > 1:
            replicas[pool.kind, pool.use] = float(values[pool.replicas.index[0]])
        own = values[pool.shares : pool.shares + len(pool.demands)]
        for i in np.flatnonzero(own > 0).tolist():
            shares[pool.kind, pool.use, int(pool.demands[i])] = float(own[i])
    return Answer(
        raw.outcome,
        raw.bound,
        instances,
        replicas,
        shares,
        {key: float(values[column]) for key, column in day.flows.items() if values[column] > 0},
        {limit: float(values[column]) for limit, column in programme.extras.items()},
        programme.sliced,
        raw.objective,
    )


# --- in arrays ------------------------------------------------------------------------------------


def as_highs(model: Model) -> Any:
    """The model as HiGHS takes it."""
    lp = highspy.HighsLp()
    rows = model.rows
    lp.num_col_, lp.num_row_ = model.size, len(rows)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = model.cost, model.low, model.high
    if model.integer.any():
        kinds = highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger
        lp.integrality_ = [kinds[x] for x in model.integer.tolist()]
    lp.row_lower_ = np.array([each.low for each in rows])
    lp.row_upper_ = np.array([each.high for each in rows])
    matrix = lp.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kRowwise
    merged = [_merged(each.index, each.value) for each in rows]
    matrix.start_ = np.array([0, *itertools.accumulate(len(index) for index, _ in merged)])
    matrix.index_ = np.concatenate([index for index, _ in merged]) if rows else np.zeros(0, np.intp)
    matrix.value_ = np.concatenate([value for _, value in merged]) if rows else np.zeros(0)
    return lp


def _merged(
    index: NDArray[np.intp], value: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """A row in which no column stands twice."""
    if len(index) < 2 or len(set(index.tolist())) == len(index):
        return index, value
    columns, place = np.unique(index, return_inverse=True)
    summed = np.zeros(len(columns))
    np.add.at(summed, place, value)
    return columns, summed


def solve_arrays(model: Model, options: Mapping[str, Any]) -> Raw:
    """Hand the arrays to HiGHS directly."""
    return _begun(model, options, start=None)


def _begun(model: Model, options: Mapping[str, Any], start: NDArray[np.float64] | None) -> Raw:
    return run_highs(as_highs(model), options, mixed=bool(model.integer.any()), start=start)


def point_of(programme: Programme, counts: Sequence[int], time_limit_s: float) -> NDArray[np.float64] | None:
    """Every column's value when so many instances of each candidate are bought; None if that is no fleet."""
    assert programme.instances is not None
    lp = as_highs(programme.model)
    low, high = programme.model.low, programme.model.high
    own = slice(programme.instances, programme.instances + len(counts))
    low[own] = high[own] = counts
    lp.col_lower_, lp.col_upper_ = low, high
    options = {"time_limit": time_limit_s, "mip_rel_gap": 1.0}
    return run_highs(lp, options, mixed=bool(programme.model.integer.any())).values


def run_highs(
    lp: Any, options: Mapping[str, Any], *, mixed: bool, start: NDArray[np.float64] | None = None
) -> Raw:
    """Solve a model as HiGHS takes it.

    Args:
        lp: from :func:`as_highs`.
        options: besides those every solve has.
        mixed: whether it has whole-number columns.
        start: a feasible point to begin with, if one is known.

    Raises:
        SolverFailed: HiGHS refused it.
    """
    highs = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy is untyped
    configure(highs, options)
    if highs.passModel(lp) == highspy.HighsStatus.kError:
        raise SolverFailed("HiGHS refused the model")
    if start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = start.tolist()
        highs.setSolution(solution)
    highs.run()
    return raw_answer(highs, mixed=mixed)


def configure(highs: Any, options: Mapping[str, Any]) -> None:
    """Set options on top of those every solve has: one thread, fixed seed, silent, tight."""
    for name, value in (_OPTIONS | dict(options)).items():
        highs.setOptionValue(name, value)


_OPTIONS: Final[dict[str, Any]] = {
    "output_flag": False,
    "threads": 1,
    "random_seed": SEED,
    "primal_feasibility_tolerance": TOLERANCE,
    "mip_feasibility_tolerance": TOLERANCE,
    "mip_abs_gap": 0.0,
}


def raw_answer(highs: Any, *, mixed: bool) -> Raw:
    """Status first: of an infeasible or unfinished model HiGHS hands out numbers as well."""
    info, status = highs.getInfo(), highs.getModelStatus()
    bound = float(info.mip_dual_bound if mixed else info.objective_function_value)
    if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
        return Raw(Outcome.INFEASIBLE, bound)
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return Raw(Outcome.NOTHING, bound if mixed else float("-inf"))
    done = status == highspy.HighsModelStatus.kOptimal
    values = np.array(highs.getSolution().col_value)
    return Raw(
        Outcome.OPTIMAL if done else Outcome.FEASIBLE,
        bound if done or mixed else float("-inf"),
        float(info.objective_function_value),
        values,
    )


# --- through PuLP ---------------------------------------------------------------------------------


class _HighsInOnePiece(pulp.HiGHS):  # type: ignore[misc]  # PuLP is untyped
    """PuLP's HiGHS, handed the arrays the problem was built from; PuLP adds columns and rows one by one."""

    def __init__(self, model: Model, **options: Any) -> None:
        super().__init__(**options)
        self._model = model

    def buildSolverModel(self, lp: Any) -> None:  # noqa: N802 (PuLP's name)
        """Pass the whole model at once."""
        for index, variable in enumerate(lp.variables()):
            variable.index = index
        for index, each in enumerate(lp._constraints.values()):
            each.index = index
        if lp.solverModel.passModel(as_highs(self._model)) == highspy.HighsStatus.kError:
            raise SolverFailed("HiGHS refused the model")


def as_pulp(model: Model) -> Any:
    """The model as a PuLP problem, which can be read."""
    lp = pulp.LpProblem(model.name)
    bounds = zip(model.names(), model.low.tolist(), model.high.tolist(), model.integer.tolist(), strict=True)
    variables = [
        lp.add_variable(
            name, low, None if high == float("inf") else high, pulp.LpInteger if whole else pulp.LpContinuous
        )
        for name, low, high, whole in bounds
    ]
    cost = model.cost
    named = np.flatnonzero(cost).tolist() or [0]  # for an empty objective PuLP makes up a variable
    pairs = [(variables[i], float(cost[i])) for i in named]
    lp += pulp.LpAffineExpression(pairs), "objective"
    for each in model.rows:
        index, value = _merged(each.index, each.value)
        inside = pulp.LpAffineExpression(
            [(variables[i], x) for i, x in zip(index.tolist(), value.tolist(), strict=True)]
        )
        if each.low == each.high:
            sense, right = pulp.LpConstraintEQ, each.low
        elif each.high < float("inf"):
            sense, right = pulp.LpConstraintLE, each.high
        else:
            sense, right = pulp.LpConstraintGE, each.low
        lp.addConstraint(pulp.LpConstraint(inside, sense, each.name, right))
    return lp


def _through_pulp(model: Model, options: Mapping[str, Any]) -> Raw:
    lp = as_pulp(model)
    named = dict(options)
    solver = _HighsInOnePiece(
        model,
        msg=False,
        gapRel=named.pop("mip_rel_gap"),
        gapAbs=0.0,
        threads=1,
        timeLimit=named.pop("time_limit"),
        random_seed=SEED,
        primal_feasibility_tolerance=TOLERANCE,
        mip_feasibility_tolerance=TOLERANCE,
        **named,
    )
    lp.solve(solver)
    raw = raw_answer(lp.solverModel, mixed=bool(model.integer.any()))
    outcome = _outcome(lp.sol_status, raw.outcome)
    return Raw(outcome, raw.bound, raw.objective, raw.values if outcome in _WITH_VALUES else None)


_WITH_VALUES: Final = (Outcome.OPTIMAL, Outcome.FEASIBLE)


def _outcome(sol_status: int, seen: Outcome) -> Outcome:
    """PuLP's solution status, not its status: the latter calls a timed-out answer "Optimal".

    An answer counts only if HiGHS itself says the same of it.
    """
    if sol_status == pulp.LpSolutionInfeasible:
        return Outcome.INFEASIBLE
    if seen not in _WITH_VALUES:
        return Outcome.NOTHING
    if sol_status == pulp.LpSolutionOptimal:
        return seen
    return Outcome.FEASIBLE if sol_status == pulp.LpSolutionIntegerFeasible else Outcome.NOTHING
