"""A problem that contradicts itself, and a solution that does not hold: found in the problem's own words.

Decimals and floats, none of the solver's rows.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.errors import SolverFailed
from advisor.optimize.problem import SECONDS_PER_HOUR
from advisor.optimize.rules import rules_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from advisor.optimize.problem import Column, Problem, Solution

SLACK: Final = 2e-9
"""Relative slack of sums of floats."""

_ROUTED: Final = 1e-6  # relative: streams are split by the solver's flows


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


def check_solution(problem: Problem, solution: Solution) -> Solution:
    """The solution itself, if every family of the problem holds for it; contingencies are tried elsewhere.

    Raises:
        SolverFailed: one does not.
    """
    found = list(faults(problem, solution))
    if found:
        raise SolverFailed(f"the fleet found does not hold: {'; '.join(found[:3])}")
    return solution


def faults(problem: Problem, solution: Solution) -> Iterator[str]:
    """What is wrong with a fleet."""
    columns = {column.id: column for column in problem.columns}
    yield from _money(problem, columns, solution)
    yield from _purchase(problem, columns, solution)
    yield from _service(problem, columns, solution)
    for rule in rules_of(problem):
        yield from rule.faults(problem, columns, solution)
    yield from _routing(problem, columns, solution)


def _money(problem: Problem, columns: Mapping[str, Column], solution: Solution) -> Iterator[str]:
    cost = sum((columns[c].usd_per_hour * n for c, n in solution.instances.items()), Decimal(0))
    if cost != solution.usd_per_hour:
        yield f"{solution.usd_per_hour} is not counts times prices, {cost}"
    side = math.fsum(
        rate * columns[c].usd_per_request[b] * SECONDS_PER_HOUR
        for (c, _, b), rate in solution.load_requests_per_s.items()
        if columns[c].usd_per_request
    )
    if not math.isclose(side, solution.side_usd_per_hour, rel_tol=SLACK, abs_tol=1e-12):
        yield f"side costs {solution.side_usd_per_hour} are {side}"


def _purchase(problem: Problem, columns: Mapping[str, Column], solution: Solution) -> Iterator[str]:
    drawn: dict[str, Decimal] = {}
    for c, count in solution.instances.items():
        stock = columns[c].max_instances
        if count < 1 or (stock is not None and count > stock):
            yield f"{count} of {c}"
        for pool, units in columns[c].draws:
            drawn[pool] = drawn.get(pool, Decimal(0)) + units * count
        sizes = {k: 0 for (x, _, k) in solution.replicas if x == c}
        for (x, _, k), replicas in solution.replicas.items():
            if x == c:
                sizes[k] += replicas
        if not _fits(sizes, columns[c].accelerators, count):
            yield f"the replicas of {c} do not fit {count} instances"
    for pool, free in problem.free_units.items():
        if drawn.get(pool, Decimal(0)) > max(free, Decimal(0)):
            yield f"{drawn[pool]} of {pool}, of which {free} are free"


def _fits(sizes: Mapping[int, int], accelerators: int, instances: int) -> bool:
    """First-fit-decreasing over instances told apart by their room only."""
    rooms = {accelerators: instances}
    for size, replicas in sorted(sizes.items(), reverse=True):
        left = replicas
        for room in sorted(rooms):
            while left and room >= size and rooms[room]:
                each = room // size
                full = min(left // each, rooms[room]) or 1
                taken = each if left >= each else left
                rooms[room] -= full
                rest = room - taken * size
                rooms[rest] = rooms.get(rest, 0) + full
                left -= taken * full
        if left:
            return False
    return True


def _service(problem: Problem, columns: Mapping[str, Column], solution: Solution) -> Iterator[str]:
    served = [0.0] * len(problem.demand_requests_per_s)
    busy: dict[tuple[str, int, int], float] = {}
    for (c, k, b), rate in solution.load_requests_per_s.items():
        s = problem.service_of(b)
        options = [o for o in columns[c].options if (o.tensor_parallel, o.service) == (k, s)]
        if rate < 0 or not options or options[0].requests_per_s[b] <= 0:
            yield f"load on {c} at degree {k}, which cannot serve {problem.demand_labels[b]}"
            continue
        served[b] += rate
        busy[c, s, k] = busy.get((c, s, k), 0.0) + rate / options[0].requests_per_s[b]
    for b, wanted in enumerate(problem.demand_requests_per_s):
        share = solution.served_share.get(b, 1.0)
        if not math.isclose(served[b], wanted * share, rel_tol=SLACK, abs_tol=1e-12):
            yield f"{served[b]} of {wanted * share} requests/s of {problem.demand_labels[b]}"
    for (c, s, k), work in busy.items():
        held = solution.replicas.get((c, s, k), 0) * problem.services[s].utilisation_ceiling
        if work > held * (1 + SLACK):
            yield f"{c} at degree {k} has {held} replicas' time for {work}"


def _routing(problem: Problem, columns: Mapping[str, Column], solution: Solution) -> Iterator[str]:
    if problem.routing is None:
        return
    sent: dict[tuple[int, int], float] = {}
    arrived: dict[tuple[int, str], float] = {}
    for (b, o, at), rate in solution.flow_requests_per_s.items():
        if (problem.service_of(b), o, at) not in problem.routing.admits:
            yield f"{problem.routing.origins[o]} is served from {at}"
        sent[b, o] = sent.get((b, o), 0.0) + rate
        arrived[b, at] = arrived.get((b, at), 0.0) + rate
    carried: dict[tuple[int, str], float] = {}
    for (c, _, b), rate in solution.load_requests_per_s.items():
        at = columns[c].location
        carried[b, at] = carried.get((b, at), 0.0) + rate
    for key in carried.keys() | arrived.keys():
        if not math.isclose(carried.get(key, 0.0), arrived.get(key, 0.0), rel_tol=_ROUTED, abs_tol=1e-9):
            yield f"{key[1]} carries {carried.get(key, 0.0)} of what {arrived.get(key, 0.0)} flows there"
    for b, rate in enumerate(problem.demand_requests_per_s):
        for o, share in enumerate(problem.routing.shares[problem.service_of(b)]):
            wanted, is_ = rate * share, sent.get((b, o), 0.0)
            if is_ > wanted * (1 + _ROUTED) + 1e-9 or (
                b not in solution.served_share and is_ < wanted * (1 - _ROUTED) - 1e-9
            ):
                yield f"{is_} of {wanted} requests/s from {problem.routing.origins[o]} are sent"
