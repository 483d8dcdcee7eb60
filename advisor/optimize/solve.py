"""From a problem to a fleet that was checked: presolve, search, second opinion, exact cost."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.errors import Infeasible, NoCandidates
from advisor.optimize.check import check_problem, check_solution
from advisor.optimize.effort import DIRECT, Effort, solver_named
from advisor.optimize.formulation import HIGHS
from advisor.optimize.money import change_usd_per_hour, side_usd_per_hour
from advisor.optimize.presolve import reduce, unservable
from advisor.optimize.problem import Solution, SolveStatus
from advisor.optimize.rules import is_plain, traits_of
from advisor.optimize.search import cheapest, checked, proves_most, same_cost
from advisor.optimize.search.packing import flows_between, loads, placed
from advisor.optimize.search.rounding import SLACK
from advisor.optimize.search.scenarios import proofs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.optimize.formulation import Solver
    from advisor.optimize.problem import Problem
    from advisor.optimize.reduced import Reduced
    from advisor.optimize.search.result import SearchResult


def solve(
    problem: Problem,
    *,
    time_limit_s: float = 60,
    relative_gap: float = 0.0,
    slices: int | None = None,
    solver: str | Solver = DIRECT,
) -> Solution:
    """The cheapest fleet, or the best found within the time, with what is proved about it.

    Args:
        problem: what to serve, and with what.
        time_limit_s: for everything.
        relative_gap: (cost - bound) / cost at which the answer is good enough; 0 asks for proof.
        slices: cut each demand into so many indivisible slices instead of splitting it freely; for plain
            problems (:func:`~advisor.optimize.rules.is_plain`) only.
        solver: ``highs``, any other that PuLP knows and this machine has, or one of your own.

    Raises:
        UsageError: there is no such solver here.
        NoCandidates: some demand can be served by no column, whatever the limits.
        Infeasible: limits or rules forbid every fleet; :mod:`~advisor.optimize.infeasibility` says why.
        SolverFailed: no usable answer within the time.
    """
    effort = Effort.of_seconds(time_limit_s, relative_gap, solver_named(solver))
    started = time.perf_counter()
    check_problem(problem)
    if slices is not None and not is_plain(problem):
        raise ValueError("slices are for one service without rules")
    refuse_unservable(problem)
    reduced = reduce(problem, merge=slices is None)
    if is_plain(problem) and not reduced.groups:
        return _solution(problem, reduced, None, effort, started)
    found = None
    if reduced.servable() or not traits_of(problem).serves_all:
        found = checked(reduced, cheapest(reduced, effort, slices=slices), effort, slices=slices)
    if found is None:
        raise Infeasible("the limits in force forbid every fleet")
    return _solution(problem, reduced, found, effort, started)


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


# --- the answer -----------------------------------------------------------------------------------


def _solution(
    problem: Problem, reduced: Reduced, found: SearchResult | None, effort: Effort, started: float
) -> Solution:
    """The answer in the problem's own words, checked in them; without a fleet where nothing is asked for."""
    solver = effort.solver.name
    if found is None:
        return Solution(SolveStatus.OPTIMAL, {}, {}, {}, Decimal(0), 0.0, solver, 0.0)
    solution = _told(problem, reduced, found, solver)
    check_solution(problem, solution)
    cost = solution.objective_usd_per_hour
    bound = min(max(found.bound, 0.0), cost)
    if cost - bound <= same_cost(found) * cost:
        bound = cost
    proved = bound == cost and proves_most(reduced, found)
    if proved and not found.certified and solver != HIGHS.name:
        solver = f"{solver}, checked by {HIGHS.name}"
    return replace(
        solution,
        status=SolveStatus.OPTIMAL if proved else SolveStatus.FEASIBLE,
        lower_bound_usd_per_hour=bound,
        solver=solver,
        solve_seconds=time.perf_counter() - started,
    )


def _told(problem: Problem, reduced: Reduced, found: SearchResult, solver: str) -> Solution:
    fleet = found.fleet
    bought = {x.id: count for x, count in zip(reduced.candidates, fleet.instances, strict=True) if count}
    price = {x.id: x.usd_per_hour for x in reduced.candidates}
    where = placed(reduced, fleet)
    load = loads(reduced, fleet, where)
    running = {key for key in where if (reduced.candidates[key[0]].kind, key[1]) in fleet.replicas}
    return Solution(
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
        solver,
        0.0,
        side_usd_per_hour(problem, load),
        change_usd_per_hour(problem, bought),
        flows_between(reduced, fleet, load),
        _served_share(problem, load),
        proofs(reduced, fleet, found.tried, found.enforced),
    )


def _served_share(problem: Problem, load: Mapping[tuple[str, int, int], float]) -> dict[int, float]:
    """Of demands that a budget leaves partly unserved."""
    if traits_of(problem).serves_all:
        return {}
    served = [0.0] * len(problem.demand_requests_per_s)
    for (_, _, b), rate in load.items():
        served[b] += rate
    shares = {b: served[b] / rate for b, rate in enumerate(problem.demand_requests_per_s) if rate > 0}
    return {b: share for b, share in shares.items() if share < 1 - SLACK}
