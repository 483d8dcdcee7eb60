"""From a problem to a fleet that was checked: presolve, programme, contingencies, rounding, exact cost."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.errors import Infeasible, NoCandidates
from advisor.optimize import formulation
from advisor.optimize.check import certify
from advisor.optimize.presolve.reduce import is_plain, reduce, unservable
from advisor.optimize.problem import Solution, SolveStatus
from advisor.optimize.search.head_on import Found, cheapest
from advisor.optimize.search.rounding import (
    SLACK,
    change_usd_per_hour,
    flows_between,
    loads,
    placed,
    side_usd_per_hour,
)
from advisor.optimize.search.scenarios import proofs
from advisor.optimize.search.under_rules import cheapest_under_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.optimize.problem import Problem
    from advisor.optimize.reduced import Reduced

_FLOAT_NOISE: Final = 1e-12  # relative; a bound this near the cost differs by the order of a sum
_CONTINUOUS_NOISE: Final = 1e-7  # relative; of an optimum whose cost is not counts alone


def solve(
    problem: Problem,
    *,
    time_limit_s: float = 60,
    relative_gap: float = 0.0,
    slices: int | None = None,
) -> Solution:
    """The cheapest fleet, or the best found within the time, with what is proved about it.

    Args:
        problem: what to serve, and with what.
        time_limit_s: for everything.
        relative_gap: (cost - bound) / cost at which the answer is good enough; 0 asks for proof.
        slices: cut each demand into so many indivisible slices instead of splitting it freely; for plain
            problems (:func:`~advisor.optimize.presolve.is_plain`) only.

    Raises:
        NoCandidates: some demand can be served by no column, whatever the limits.
        Infeasible: limits or rules forbid every fleet; :mod:`~advisor.optimize.infeasibility` says why.
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
            found = cheapest(reduced, deadline, relative_gap, slices)
        else:
            found = cheapest_under_rules(reduced, deadline, relative_gap)
    if found is None:
        raise Infeasible("the limits in force forbid every fleet")
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


def _empty(seconds: float) -> Solution:
    return Solution(SolveStatus.OPTIMAL, {}, {}, {}, Decimal(0), 0.0, formulation.solver_name(), seconds)


# --- the answer -----------------------------------------------------------------------------------


def _solution(
    problem: Problem, reduced: Reduced, found: Found, relative_gap: float, started: float
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
