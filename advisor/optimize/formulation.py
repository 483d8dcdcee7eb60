"""The allocation problem as a mixed-integer programme in PuLP, solved by HiGHS; nobody else speaks either.

Sets        c candidates   k tensor-parallel degrees of c   b demands   p quota pools
Parameters  usd_per_hour[c]  slots[c,k]  replicas_needed[c,k,b]  units[c,p]  free_units[p]  max_instances[c]
Variables   instances[c] integer, 0 to max_instances   replicas[c,k] integer   share[c,k,b] >= 0
Minimise    fleet_cost   sum over c of usd_per_hour · instances
serve_demand[b]          sum over c, k of share = 1
replica_capacity[c,k]    sum over b of replicas_needed · share <= replicas
presence[c,k,b]          share <= replicas, where replicas_needed is tiny
accelerator_packing[c,k] sum over k' >= k of (k'/k) · replicas[c,k'] <= slots[c,k] · instances[c]
quota[p]                 sum over c of units · instances <= free_units

``replicas_needed[c,k,b]`` is demand / (utilisation ceiling · requests_per_s): what would carry all of b, so
that load = share · demand. Loads of different demands on one replica add up linearly: a router that splits
a stream by weight gives every replica of a pool the same mix, so a pool is full when the shares of its time
sum to its size.

``slots[c,k]`` is floor(accelerators / k). A candidate with one useful degree needs no replica variables: its
``replicas`` is slots · instances, and it has no packing rows.

The packing rows are exact where the degrees form a chain of divisors. Necessary: at degree k a replica of
degree k' >= k takes k'/k of the slots. Sufficient: place replicas in falling order of degree. When one of
degree k is to be placed, every instance is filled by multiples of k, so it has no room only if all
floor(g/k) of its slots are taken; if no instance has room, the row of k was already full. The row of K
follows from that of a smaller k, and is left out, where k · floor(g/k) = K · floor(g/K).

Labels are short and unique (i0, r0_4, s0_4_12: candidate, degree, demand) because the LP format rewrites
punctuation; candidates are numbered in order of their ids.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import highspy
import numpy as np
import pulp

from advisor.errors import SolverFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from advisor.optimize.presolve import Candidate, Reduced

Row = tuple[str, list[tuple[Any, float]], int, float]  # name, (variable, coefficient), sense, right-hand side

TOLERANCE: Final = 1e-9
"""Feasibility tolerance asked of HiGHS, whose default of 1e-6 instances would sell a plan short."""

SEED: Final = 0
SMALLEST_COEFFICIENT: Final = 1e-9
"""HiGHS ignores smaller ones (option small_matrix_value); work is rounded up to it, never to nothing."""

TINY_WORK: Final = 1e-6
"""Replicas of work below which the solver's tolerance is a noticeable part of it."""

SMALL: Final = 20_000
"""Shares up to which primal heuristics cost more time than they save (benchmarks/README.md)."""

_QUICK: Final = {
    "mip_heuristic_effort": 0.0,
    "mip_heuristic_run_feasibility_jump": False,
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_root_reduced_cost": False,
    "mip_pscost_minreliable": 0,
    "mip_allow_restart": False,
    "mip_detect_symmetry": False,
}

_ROUNDING: Final = 1e-7  # of a slice: how near a whole number counts as one

_AT_MOST, _EQUAL = pulp.LpConstraintLE, pulp.LpConstraintEQ


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
    replicas: Mapping[tuple[int, int], float] = field(
        default_factory=dict
    )  #: per (candidate, degree) with a variable
    shares: Mapping[tuple[int, int, int], float] = field(default_factory=dict)  #: only those above zero
    extras: Mapping[str, float] = field(default_factory=dict)  #: units added per limit, in a diagnosis
    sliced: bool = False  #: shares are whole numbers of slices


@dataclass(slots=True)
class Programme:
    """Variables by what they mean, and the LP they live in."""

    lp: Any
    instances: list[Any] = field(default_factory=list)
    replicas: dict[tuple[int, int], Any] = field(default_factory=dict)
    shares: dict[tuple[int, int, int], Any] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)
    overload: Any = None
    sliced: bool = False

    @property
    def is_small(self) -> bool:
        """Whether the tree closes before primal heuristics would pay."""
        return not self.sliced and len(self.shares) <= SMALL


@cache
def solver_name() -> str:
    """Which solver and modeller, with versions."""
    highs = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy is untyped
    return f"HiGHS {highs.version()} through PuLP {pulp.__version__}"


# --- constraint families --------------------------------------------------------------------------


def fleet_cost(reduced: Reduced, programme: Programme) -> list[tuple[Any, float]]:
    """Sum over c of usd_per_hour · instances. The one place where money becomes a float."""
    return [(programme.instances[c], float(x.usd_per_hour)) for c, x in enumerate(reduced.candidates)]


def serve_demand(reduced: Reduced, programme: Programme, whole: float = 1.0) -> Iterator[Row]:
    """Every demand is served in full: sum over c, k of share = 1 (or the number of slices)."""
    rows: list[list[tuple[Any, float]]] = [[] for _ in reduced.groups]
    for (_, _, b), share in programme.shares.items():
        rows[b].append((share, 1.0))
    for b, pairs in enumerate(rows):
        yield f"serve_demand_{b}", pairs, _EQUAL, whole


def replica_capacity(reduced: Reduced, programme: Programme, whole: float = 1.0) -> Iterator[Row]:
    """A pool carries no more than its replicas: sum over b of replicas_needed · share <= replicas."""
    for c, candidate in enumerate(reduced.candidates):
        for degree in candidate.degrees:
            k = degree.tensor_parallel
            pairs = [
                (programme.shares[c, k, b], max(needed / whole, SMALLEST_COEFFICIENT))
                for b, needed in degree.replicas_needed
            ]
            if programme.overload is not None:
                held = programme.replicas.get((c, k), degree.slots * programme.instances[c])
                pairs.append((programme.overload, -float(held)))
            elif (c, k) in programme.replicas:
                pairs.append((programme.replicas[c, k], -1.0))
            else:
                pairs.append((programme.instances[c], -float(degree.slots)))
            yield f"replica_capacity_{c}_{k}", pairs, _AT_MOST, 0.0


def presence(reduced: Reduced, programme: Programme, whole: float = 1.0) -> Iterator[Row]:
    """A pool of no replicas serves nothing, however little the work: share <= replicas, where work is tiny.

    Otherwise the solver's tolerance would let a trickle flow to a machine that nobody bought.
    """
    for c, candidate in enumerate(reduced.candidates):
        for degree in candidate.degrees:
            k = degree.tensor_parallel
            held = programme.replicas.get((c, k), programme.instances[c])
            for b, needed in degree.replicas_needed:
                if needed < TINY_WORK:
                    yield (
                        f"presence_{c}_{k}_{b}",
                        [(programme.shares[c, k, b], 1.0), (held, -whole)],
                        _AT_MOST,
                        0.0,
                    )


def accelerator_packing(reduced: Reduced, programme: Programme) -> Iterator[Row]:
    """Replicas fit the instances: sum over k' >= k of (k'/k) · replicas <= slots · instances."""
    for c, candidate in enumerate(reduced.candidates):
        if len(candidate.degrees) > 1:
            for k, slots in needed_packing_rows(candidate):
                pairs = [
                    (programme.replicas[c, degree.tensor_parallel], float(degree.tensor_parallel // k))
                    for degree in candidate.degrees
                    if degree.tensor_parallel >= k
                ]
                pairs.append((programme.instances[c], -float(slots)))
                yield f"accelerator_packing_{c}_{k}", pairs, _AT_MOST, 0.0


def quota(reduced: Reduced, programme: Programme) -> Iterator[Row]:
    """No pool is overdrawn: sum over c of units · instances <= free_units (plus what a diagnosis adds)."""
    rows: dict[str, list[tuple[Any, float]]] = {pool: [] for pool, _ in reduced.free_units}
    for c, candidate in enumerate(reduced.candidates):
        for pool, units in candidate.draws:
            rows[pool].append((programme.instances[c], float(units)))
    for p, (pool, free) in enumerate(reduced.free_units):
        if rows[pool]:
            extra = [(programme.extras[pool], -1.0)] if pool in programme.extras else []
            yield f"quota_{p}", rows[pool] + extra, _AT_MOST, float(free)


def needed_packing_rows(candidate: Candidate) -> list[tuple[int, int]]:
    """(degree, slots) of the packing rows that no smaller degree's row implies."""
    rows: list[tuple[int, int]] = []
    for degree in candidate.degrees:
        k, filled = degree.tensor_parallel, degree.tensor_parallel * degree.slots
        if all(smaller * slots != filled for smaller, slots in rows):
            rows.append((k, degree.slots))
    return rows


# --- programmes -----------------------------------------------------------------------------------


def cheapest_fleet(
    reduced: Reduced,
    *,
    slices: int | None = None,
    counts: tuple[int, ...] | None = None,
    near: Mapping[tuple[int, int, int], float] | None = None,
    at_least_usd_per_hour: float | None = None,
) -> Programme:
    """The problem itself.

    Args:
        reduced: from presolve.
        slices: cut each demand into so many equal indivisible slices; shares become whole numbers of them.
            Slices of one demand are alike, so counting them is the same problem as one binary per slice.
        counts: instances per candidate, if they are no longer a question.
        near: shares of a free split; only the whole numbers of slices next to them are considered.
        at_least_usd_per_hour: a proved bound on the cost, as a row.
    """
    programme = _variables(reduced, slices, "cheapest_fleet", counts)
    if near is not None:
        _keep_near(programme, near, float(slices or 1))
    cost = fleet_cost(reduced, programme)
    _set_objective(programme, cost)
    _add_core(reduced, programme, float(slices or 1))
    _add_rows(programme, quota(reduced, programme))
    if at_least_usd_per_hour is not None:
        _add_rows(programme, [("known_bound", cost, pulp.LpConstraintGE, at_least_usd_per_hour)])
    return programme


def balanced_routing(
    reduced: Reduced, instances: tuple[int, ...], replicas: Mapping[tuple[int, int], int]
) -> Programme:
    """Shares for a fleet that is already chosen, as an LP: the fullest pool as little loaded as can be."""
    programme = Programme(pulp.LpProblem("balanced_routing"), list(instances), dict(replicas))
    programme.overload = programme.lp.add_variable("overload", 0)
    _add_shares(reduced, programme, None)
    for (c, k, _), share in programme.shares.items():
        if not programme.replicas.get((c, k), instances[c]):
            share.upBound = 0
    _set_objective(programme, [(programme.overload, 1.0)])
    _add_rows(programme, serve_demand(reduced, programme))
    _add_rows(programme, replica_capacity(reduced, programme))
    return programme


def least_additions(reduced: Reduced, weights: Mapping[str, float], stock: Mapping[int, int]) -> Programme:
    """How little would have to be added: every limit elastic, minimise sum of weight · extra.

    Args:
        reduced: with its limits not enforced on columns.
        weights: per pool key, and per stock label (see :func:`stock_label`), what one added unit counts.
        stock: instances in stock, of candidates that have a stock.
    """
    programme = _variables(reduced, None, "least_additions")
    for limit in sorted(weights):
        programme.extras[limit] = programme.lp.add_variable(f"extra_{len(programme.extras)}", 0)
    _set_objective(programme, [(extra, weights[limit]) for limit, extra in programme.extras.items()])
    _add_core(reduced, programme)
    _add_rows(programme, quota(reduced, programme))
    _add_rows(programme, stock_limit(programme, stock))
    return programme


def most_served(reduced: Reduced) -> Programme:
    """How much can be served within the limits: demands may be served in part; maximise requests served."""
    programme = _variables(reduced, None, "most_served")
    served = [(share, -reduced.demand_requests_per_s[b]) for (_, _, b), share in programme.shares.items()]
    _set_objective(programme, served)
    _add_rows(programme, ((n, pairs, _AT_MOST, r) for n, pairs, _, r in serve_demand(reduced, programme)))
    _add_rows(programme, replica_capacity(reduced, programme))
    _add_rows(programme, presence(reduced, programme))
    _add_rows(programme, accelerator_packing(reduced, programme))
    _add_rows(programme, quota(reduced, programme))
    return programme


def stock_limit(programme: Programme, stock: Mapping[int, int]) -> Iterator[Row]:
    """Instances within stock (plus what a diagnosis adds); in the problem itself a bound, not a row."""
    for c, limit in sorted(stock.items()):
        extra = [(programme.extras[stock_label(c)], -1.0)] if stock_label(c) in programme.extras else []
        yield f"stock_limit_{c}", [(programme.instances[c], 1.0), *extra], _AT_MOST, float(limit)


def stock_label(c: int) -> str:
    """The name of a candidate's stock among the limits of a diagnosis; no pool key starts with a blank."""
    return f" {c}"


def _add_core(reduced: Reduced, programme: Programme, whole: float = 1.0) -> None:
    _add_rows(programme, serve_demand(reduced, programme, whole))
    _add_rows(programme, replica_capacity(reduced, programme, whole))
    _add_rows(programme, presence(reduced, programme, whole))
    _add_rows(programme, accelerator_packing(reduced, programme))


def _variables(
    reduced: Reduced, slices: int | None, name: str, counts: tuple[int, ...] | None = None
) -> Programme:
    programme = Programme(pulp.LpProblem(name), sliced=slices is not None)
    add = programme.lp.add_variable
    for c, candidate in enumerate(reduced.candidates):
        low, high = (counts[c], counts[c]) if counts else (0, candidate.max_instances)
        programme.instances.append(add(f"i{c}", low, high, pulp.LpInteger))
        if len(candidate.degrees) > 1:
            for degree in candidate.degrees:
                k = degree.tensor_parallel
                programme.replicas[c, k] = add(f"r{c}_{k}", 0, None, pulp.LpInteger)
    _add_shares(reduced, programme, slices)
    return programme


def _add_shares(reduced: Reduced, programme: Programme, slices: int | None) -> None:
    category = pulp.LpInteger if slices else pulp.LpContinuous
    for c, candidate in enumerate(reduced.candidates):
        for degree in candidate.degrees:
            k = degree.tensor_parallel
            for b, _ in degree.replicas_needed:
                programme.shares[c, k, b] = programme.lp.add_variable(f"s{c}_{k}_{b}", 0, slices, category)


def _keep_near(programme: Programme, near: Mapping[tuple[int, int, int], float], whole: float) -> None:
    for key, share in programme.shares.items():
        wanted = near.get(key, 0.0) * whole
        share.lowBound = math.floor(wanted + _ROUNDING)
        share.upBound = math.ceil(wanted - _ROUNDING)


def _set_objective(programme: Programme, pairs: list[tuple[Any, float]]) -> None:
    programme.lp += pulp.LpAffineExpression(pairs), "objective"


def _add_rows(programme: Programme, rows: Iterable[Row]) -> None:
    for name, pairs, sense, right in rows:
        programme.lp.addConstraint(pulp.LpConstraint(pulp.LpAffineExpression(pairs), sense, name, right))


# --- solving --------------------------------------------------------------------------------------


class _HighsInOnePiece(pulp.HiGHS):  # type: ignore[misc]  # PuLP is untyped
    """PuLP's HiGHS, handed the model as arrays; PuLP itself adds columns and rows one by one."""

    def buildSolverModel(self, lp: Any) -> None:  # noqa: N802 (PuLP's name)
        """Pass the whole model at once."""
        variables, rows = lp.variables(), list(lp._constraints.values())
        for index, variable in enumerate(variables):
            variable.index = index
        for index, row in enumerate(rows):
            row.index = index
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = len(variables), len(rows)
        model.col_cost_ = [lp.objective.get(x, 0.0) for x in variables]
        model.col_lower_ = [-highspy.kHighsInf if x.lowBound is None else x.lowBound for x in variables]
        model.col_upper_ = [highspy.kHighsInf if x.upBound is None else x.upBound for x in variables]
        if lp.isMIP():
            kinds = {
                pulp.LpInteger: highspy.HighsVarType.kInteger,
                pulp.LpContinuous: highspy.HighsVarType.kContinuous,
            }
            model.integrality_ = [kinds[x.cat] for x in variables]
        right = [-row.constant for row in rows]
        model.row_lower_ = [
            r if row.sense >= 0 else -highspy.kHighsInf for r, row in zip(right, rows, strict=True)
        ]
        model.row_upper_ = [
            r if row.sense <= 0 else highspy.kHighsInf for r, row in zip(right, rows, strict=True)
        ]
        matrix = model.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kRowwise
        matrix.start_ = [0, *itertools.accumulate(len(row) for row in rows)]
        matrix.index_ = [x.index for row in rows for x in row]
        matrix.value_ = [coefficient for row in rows for coefficient in row.values()]
        if lp.solverModel.passModel(model) == highspy.HighsStatus.kError:
            raise SolverFailed("HiGHS refused the model")


def run(programme: Programme, *, time_limit_s: float, relative_gap: float = 0.0) -> Answer:
    """Let HiGHS solve it: one thread, fixed seed, silent, and no gap but the one asked for."""
    solver = _HighsInOnePiece(
        msg=False,
        gapRel=relative_gap,
        gapAbs=0.0,
        threads=1,
        timeLimit=max(time_limit_s, 0.0),
        random_seed=SEED,
        primal_feasibility_tolerance=TOLERANCE,
        mip_feasibility_tolerance=TOLERANCE,
        **(_QUICK if programme.is_small else {}),
    )
    programme.lp.solve(solver)
    info = programme.lp.solverModel.getInfo()
    outcome = _outcome(programme.lp.sol_status, info)
    bound = float(info.mip_dual_bound)
    if outcome not in (Outcome.OPTIMAL, Outcome.FEASIBLE):
        return Answer(outcome, bound)
    return Answer(
        outcome,
        bound,
        tuple(x.varValue if isinstance(x, pulp.LpVariable) else x for x in programme.instances),
        {key: x.varValue if isinstance(x, pulp.LpVariable) else x for key, x in programme.replicas.items()},
        {key: share.varValue for key, share in programme.shares.items() if share.varValue > 0},
        {limit: extra.varValue for limit, extra in programme.extras.items()},
        programme.sliced,
    )


def _outcome(sol_status: int, info: Any) -> Outcome:
    """PuLP's solution status, not its status: the latter calls a timed-out answer "Optimal".

    A solution counts only if HiGHS itself calls it feasible; of an infeasible model it hands out numbers as
    well.
    """
    if sol_status == pulp.LpSolutionInfeasible:
        return Outcome.INFEASIBLE
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return Outcome.NOTHING
    if sol_status == pulp.LpSolutionOptimal:
        return Outcome.OPTIMAL
    return Outcome.FEASIBLE if sol_status == pulp.LpSolutionIntegerFeasible else Outcome.NOTHING


# --- one routing after another --------------------------------------------------------------------


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
        self._places, self._shape, self._lp = (c, b), need.shape, _quiet_highs()
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


def _quiet_highs() -> Any:
    highs = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy is untyped
    for option, value in (
        ("output_flag", False),
        ("threads", 1),
        ("random_seed", SEED),
        ("presolve", "off"),
        ("solver", "simplex"),
        ("simplex_dual_edge_weight_strategy", 0),  # exact weights for a given basis cost more than they save
        ("primal_feasibility_tolerance", TOLERANCE),
    ):
        highs.setOptionValue(option, value)
    return highs
