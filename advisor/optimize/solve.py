"""From a problem to a fleet that was checked: presolve, programme, contingencies, rounding, exact cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import NoCandidates, SolverFailed
from advisor.optimize import formulation
from advisor.optimize.ascending import cheapest_first
from advisor.optimize.certify import certify
from advisor.optimize.contingencies import Tried, all_tried, proofs, worst_failed
from advisor.optimize.fleet import (
    SLACK,
    Fleet,
    change_usd_per_hour,
    flows_between,
    hold,
    integer,
    loads,
    placed,
    replicas_of,
    side_usd_per_hour,
)
from advisor.optimize.formulation import Answer, Case, Outcome
from advisor.optimize.presolve import Reduced, is_plain, reduce, unservable
from advisor.optimize.problem import Solution, SolveStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from advisor.optimize.presolve import Kind
    from advisor.optimize.problem import Problem

_FLOAT_NOISE: Final = 1e-12  # relative; a bound this near the cost differs by the order of a sum
_CONTINUOUS_NOISE: Final = 1e-7  # relative; of an optimum whose cost is not counts alone
_MARGIN: Final = (
    1e-6  # by which replicas shrink in the second attempt, if the first fleet does not hold exactly
)
_OUT_OF_TIME: Final = "no fleet was found in the time allowed; allow more with --time-limit-s"


@dataclass(frozen=True, slots=True)
class _Found:
    """A fleet that holds, what is proved about it, and the cases it was put through."""

    fleet: Fleet
    bound: float
    proved_most_served: bool = True
    tried: Sequence[Tried] = ()
    enforced: Sequence[Case] = ()


def solve(
    problem: Problem,
    *,
    time_limit_s: float = 60,
    relative_gap: float = 0.0,
    slices: int | None = None,
    pool_units: Mapping[str, str] | None = None,
    diagnose: bool = True,
) -> Solution:
    """The cheapest fleet, or the best found within the time, with what is proved about it.

    Args:
        problem: what to serve, and with what.
        time_limit_s: for everything, diagnosis excepted.
        relative_gap: (cost - bound) / cost at which the answer is good enough; 0 asks for proof.
        slices: cut each demand into so many indivisible slices instead of splitting it freely; for plain
            problems (:func:`~advisor.optimize.presolve.is_plain`) only.
        pool_units: what each pool counts ("vCPU"), for messages.
        diagnose: whether an infeasible problem is worth the time of finding out why.

    Raises:
        NoCandidates: some demand can be served by no column, whatever the limits.
        Infeasible: limits or rules forbid every fleet; the message says what would have to give.
        SolverFailed: no usable answer within the time.
    """
    started = time.perf_counter()
    check_problem(problem)
    plain = is_plain(problem)
    if slices is not None and not plain:
        raise ValueError("slices are for one service without rules")
    refuse_unservable(problem)
    reduced = reduce(problem, merge=slices is None)
    if plain and not reduced.groups:
        return _empty(time.perf_counter() - started)
    deadline = started + time_limit_s
    found = None
    if reduced.servable() or problem.budget_usd_per_hour is not None:
        if plain:
            found = _cheapest(reduced, deadline, relative_gap, slices)
        else:
            found = _cheapest_under_rules(reduced, deadline, relative_gap)
    if found is None:
        raise _infeasible(problem, pool_units or {}, diagnose=diagnose)
    return _solution(problem, reduced, found, relative_gap, started)


def check_problem(problem: Problem) -> None:
    """Refuse a problem that contradicts itself; such a thing is a bug of whoever built it.

    Raises:
        ValueError: it does.
    """
    demands, services = len(problem.demand_requests_per_s), len(problem.services)
    if len(problem.demand_labels) != demands:
        raise ValueError("demands and labels differ in number")
    if problem.demand_service is not None and (
        len(problem.demand_service) != demands or not all(0 <= s < services for s in problem.demand_service)
    ):
        raise ValueError("not every demand has a service")
    for terms in problem.services:
        if not 0 < terms.utilisation_ceiling <= 1:
            raise ValueError(f"utilisation_ceiling {terms.utilisation_ceiling} is not in (0, 1]")
    if not all(0 <= rate < float("inf") for rate in problem.demand_requests_per_s):
        raise ValueError("a demand is negative or not finite")
    ids = {column.id for column in problem.columns}
    if len(ids) != len(problem.columns):
        raise ValueError("two columns have one id")
    for column in problem.columns:
        if not (column.usd_per_hour.is_finite() and column.usd_per_hour >= 0):
            raise ValueError(f"{column.id}: price {column.usd_per_hour}")
        if len(dict(column.draws)) != len(column.draws):
            raise ValueError(f"{column.id} draws twice on one pool")
        if any(len(option.requests_per_s) != demands for option in column.options):
            raise ValueError(f"{column.id}: throughputs and demands differ in number")
        if len(column.usd_per_request) not in (0, demands) or any(x < 0 for x in column.usd_per_request):
            raise ValueError(f"{column.id}: side costs")
    _check_rules(problem)


def _check_rules(problem: Problem) -> None:
    routing, change = problem.routing, problem.change
    if routing is not None:
        if len(routing.shares) != len(problem.services):
            raise ValueError("not every service has shares of origins")
        for shares in routing.shares:
            if len(shares) != len(routing.origins) or abs(sum(shares) - 1) > 1e-6 or min(shares) < 0:
                raise ValueError("the shares of origins do not sum to 1")
    for day in problem.contingencies:
        if not (0 < day.keeps <= 1 and day.count >= 0 and day.doubted >= 0 and day.demand_factor > 0):
            raise ValueError(f"contingency {day.label}")
        if day.utilisation_ceiling is not None and not 0 < day.utilisation_ceiling <= 1:
            raise ValueError(f"contingency {day.label}: utilisation_ceiling")
    if change is not None and not (
        change.horizon_hours > 0 and change.usd_per_added >= 0 and change.usd_per_removed >= 0
    ):
        raise ValueError("a cost of change is negative, or its horizon is not above 0")


def refuse_unservable(problem: Problem) -> None:
    """Raise NoCandidates naming the demands that nothing can serve, if any."""
    missing = unservable(problem)
    if missing:
        labels = [problem.demand_labels[b] for b in missing]
        more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
        where = "" if problem.routing is None else " from every origin"
        raise NoCandidates(
            f"no candidate can serve {len(labels)} of {len(problem.demand_labels)} demands{where}: "
            f"{'; '.join(labels[:5])}{more}"
        )


def _infeasible(problem: Problem, pool_units: Mapping[str, str], *, diagnose: bool) -> Exception:
    from advisor.optimize.diagnose import LimitsForbid, diagnose_infeasible

    if not diagnose:
        return LimitsForbid("the limits in force forbid every fleet", None)
    diagnosis = diagnose_infeasible(problem, pool_units=pool_units)
    return LimitsForbid(diagnosis.message, diagnosis)


def _empty(seconds: float) -> Solution:
    return Solution(SolveStatus.OPTIMAL, {}, {}, {}, Decimal(0), 0.0, formulation.solver_name(), seconds)


# --- a plain problem ------------------------------------------------------------------------------


def _cheapest(reduced: Reduced, deadline: float, relative_gap: float, slices: int | None) -> _Found | None:
    """A fleet that holds and a bound on the cost of any; None if there is none."""
    answer = cheapest_first(reduced, deadline) or _run(reduced, deadline, relative_gap)
    bound = answer.bound
    if slices is not None and answer.outcome is Outcome.OPTIMAL:
        answer, bound = _sliced(reduced, answer, deadline, relative_gap, slices)
    if answer.outcome is Outcome.INFEASIBLE:
        return None
    if not answer.instances or (slices is not None and not answer.sliced):
        raise SolverFailed(_OUT_OF_TIME)
    fleet = hold(reduced, answer, slices) or _with_margin(reduced, deadline, slices=slices)
    return _Found(fleet, bound)


def _run(reduced: Reduced, deadline: float, relative_gap: float, **options: Any) -> Answer:
    programme = formulation.cheapest_fleet(reduced, **options)
    left = deadline - time.perf_counter()
    return formulation.run(programme, time_limit_s=left, relative_gap=relative_gap)


def _sliced(
    reduced: Reduced, fluid: Answer, deadline: float, relative_gap: float, slices: int
) -> tuple[Answer, float]:
    """The answer for slices, from that for a free split of the same demands, and a bound.  Slices cost no
    less than a free split, so if its counts carry the slices as well, they are the cheapest. A basic
    routing splits few demands, so the slices are looked for next to one that leaves every pool some room,
    then anywhere, and only then among other counts, with the free split's bound as a row.
    """
    counts = tuple(integer(count) for count in fluid.instances)
    replicas = replicas_of(reduced, fluid, counts)
    routed = formulation.run(formulation.balanced_routing(reduced, counts, replicas), time_limit_s=60.0)
    for options in ({"near": routed.shares}, {}):
        answer = _run(reduced, deadline, relative_gap, slices=slices, counts=counts, **options)
        if answer.outcome is Outcome.OPTIMAL:
            return answer, fluid.bound
    answer = _run(
        reduced, deadline, relative_gap, slices=slices, at_least_usd_per_hour=fluid.bound * (1 - SLACK)
    )
    return answer, max(fluid.bound, answer.bound)


def _with_margin(reduced: Reduced, deadline: float, **options: Any) -> Fleet:
    """A second attempt on slightly smaller replicas, for a fleet that held only within tolerance."""
    answer = _run(_shrunk(reduced), deadline, 0.0, **options)
    fleet = hold(reduced, answer, options.get("slices")) if answer.has_values else None
    if fleet is None:
        raise SolverFailed("the solver's fleet does not carry the load exactly, nor with a margin")
    return fleet


def _shrunk(reduced: Reduced) -> Reduced:
    def smaller(kind: Kind) -> Kind:
        more = 1 + _MARGIN
        uses = (replace(u, needed=u.needed * more, needed_low=u.needed_low * more) for u in kind.uses)
        return replace(kind, uses=tuple(uses))

    return replace(reduced, kinds=tuple(smaller(kind) for kind in reduced.kinds))


# --- rules ----------------------------------------------------------------------------------------


def _cheapest_under_rules(reduced: Reduced, deadline: float, relative_gap: float) -> _Found | None:
    """The same with every rule: cases are added until the fleet found gets through all of them."""
    cases: list[Case] = []
    while True:
        found = _round(reduced, cases, deadline, relative_gap)
        if found is None or not reduced.problem.contingencies:
            return found
        results = all_tried(reduced, found.fleet)
        failed = worst_failed(reduced, results, cases)
        if not failed:
            return replace(found, tried=results, enforced=cases)
        cases += failed


def _round(reduced: Reduced, cases: Sequence[Case], deadline: float, relative_gap: float) -> _Found | None:
    """The cheapest fleet that gets through these cases; with a budget, of those that serve the most."""
    options: dict[str, Any] = {"cases": tuple(cases)}
    most = None
    if reduced.problem.budget_usd_per_hour is not None:
        left = deadline - time.perf_counter()
        most = formulation.run(formulation.most_served(reduced, cases=cases), time_limit_s=left)
        if most.outcome is Outcome.INFEASIBLE:
            return None
        if not most.has_values:
            raise SolverFailed(_OUT_OF_TIME)
        options["at_least_served"] = -most.objective * (1 - SLACK)
    answer = _run(reduced, deadline, relative_gap, **options)
    if answer.outcome is Outcome.INFEASIBLE:
        return None
    if not answer.has_values:
        raise SolverFailed(_OUT_OF_TIME)
    fleet = hold(reduced, answer) or _with_margin(reduced, deadline, **options)
    return _Found(fleet, answer.bound, most is None or most.outcome is Outcome.OPTIMAL)


# --- the answer -----------------------------------------------------------------------------------


def _solution(
    problem: Problem, reduced: Reduced, found: _Found, relative_gap: float, started: float
) -> Solution:
    fleet = found.fleet
    bought = {x.id: count for x, count in zip(reduced.candidates, fleet.instances, strict=True) if count}
    price = {x.id: x.usd_per_hour for x in reduced.candidates}
    where = placed(reduced, fleet)
    load = loads(reduced, fleet, where)
    running = {key for key in where if (reduced.candidates[key[0]].kind, key[1]) in fleet.replicas}
    solution = Solution(
        SolveStatus.FEASIBLE,
        bought,
        {
            (x.id, use.service, use.tensor_parallel): where[c, u]
            for c, x in enumerate(reduced.candidates)
            for u, use in enumerate(reduced.kinds[x.kind].uses)
            if (c, u) in running and where[c, u]
        },
        load,
        sum((price[column] * count for column, count in bought.items()), Decimal(0)),
        0.0,
        formulation.solver_name(),
        0.0,
        side_usd_per_hour(problem, load),
        change_usd_per_hour(problem, bought),
        flows_between(reduced, fleet, load),
        _served_share(problem, load),
        proofs(reduced, fleet, found.tried, found.enforced),
    )
    certify(problem, solution)
    cost = solution.objective_usd_per_hour
    bound = min(max(found.bound, 0.0), cost)
    noise = _FLOAT_NOISE if cost == float(solution.usd_per_hour) else _CONTINUOUS_NOISE
    if cost - bound <= noise * cost:
        bound = cost
    proved = found.proved_most_served and cost - bound <= max(relative_gap, SLACK) * cost
    return replace(
        solution,
        status=SolveStatus.OPTIMAL if proved else SolveStatus.FEASIBLE,
        lower_bound_usd_per_hour=bound,
        solve_seconds=time.perf_counter() - started,
    )


def _served_share(problem: Problem, load: Mapping[tuple[str, int, int], float]) -> dict[int, float]:
    """Of demands that a budget leaves partly unserved."""
    if problem.budget_usd_per_hour is None:
        return {}
    served = [0.0] * len(problem.demand_requests_per_s)
    for (_, _, b), rate in load.items():
        served[b] += rate
    shares = {b: served[b] / rate for b, rate in enumerate(problem.demand_requests_per_s) if rate > 0}
    return {b: share for b, share in shares.items() if share < 1 - SLACK}
