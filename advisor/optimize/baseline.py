"""The simpler fleet that savings are measured against: demand by demand, at the least dollars per request."""

from __future__ import annotations

import math
import time
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.errors import Infeasible, NoCandidates
from advisor.optimize.check import check_problem
from advisor.optimize.money import change_usd_per_hour, side_usd_per_hour
from advisor.optimize.problem import SECONDS_PER_HOUR, Problem, Solution, SolveStatus
from advisor.optimize.rules import rules_of
from advisor.optimize.search.rounding import SLACK
from advisor.optimize.solve import refuse_unservable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from advisor.optimize.problem import Column

GREEDY = "greedy: least dollars per request, demand by demand"


def greedy(problem: Problem) -> Solution:
    """Each demand to the option with the least dollars per request, counts rounded up per option.

    What one would do with a price list and a throughput table. It looks at no other demand, so it neither
    fills the last instance of another type nor steers around a quota, and it can keep no rule that looks at
    the fleet as a whole.

    Raises:
        NoCandidates: some demand can be served by no column.
        Infeasible: the fleet breaks a quota or a stock, or the problem has a rule that greed cannot keep.
    """
    started = time.perf_counter()
    check_problem(problem)
    _refuse_rules(problem)
    refuse_unservable(problem)
    columns = {column.id: column for column in sorted(problem.columns, key=lambda column: column.id)}
    contenders = _cheapest_per_shape(columns.values())
    load: dict[tuple[str, int, int], float] = {}
    needed: dict[tuple[str, int, int], float] = {}
    for b, rate in enumerate(problem.demand_requests_per_s):
        if rate > 0:
            s = problem.service_of(b)
            column, k, requests_per_s = _cheapest_per_request(contenders, b)
            load[column, k, b] = rate
            needed[column, s, k] = needed.get((column, s, k), 0.0) + rate / (
                problem.services[s].utilisation_ceiling * requests_per_s
            )
    instances: dict[str, int] = {}
    replicas: dict[tuple[str, int, int], int] = {}
    for (column, s, k), wanted in sorted(needed.items()):
        slots = columns[column].accelerators // k
        count = math.ceil(wanted / slots * (1 - SLACK))
        instances[column] = instances.get(column, 0) + count
        replicas[column, s, k] = count * slots
    _refuse_overdrawn(problem, columns, instances)
    cost = sum((columns[column].usd_per_hour * count for column, count in instances.items()), Decimal(0))
    return Solution(
        SolveStatus.FEASIBLE,
        instances,
        replicas,
        load,
        cost,
        0.0,
        GREEDY,
        time.perf_counter() - started,
        side_usd_per_hour(problem, load),
        change_usd_per_hour(problem, instances),
    )


def _refuse_rules(problem: Problem) -> None:
    broken = ["routing by origin"] if problem.routing is not None else []
    broken += sorted({rule.brief for rule in rules_of(problem) if rule.forbids})
    if broken:
        raise Infeasible(f"demand by demand, it cannot keep {', '.join(broken)}")


def _cheapest_per_shape(columns: Iterable[Column]) -> list[Column]:
    """Of columns that can do the same, the cheapest: no other can have the least dollars per request."""
    best: dict[object, Column] = {}
    for column in columns:
        shape = (column.accelerators, column.options, column.usd_per_request)
        if shape not in best or column.usd_per_hour < best[shape].usd_per_hour:
            best[shape] = column
    return list(best.values())


def _cheapest_per_request(columns: list[Column], b: int) -> tuple[str, int, float]:
    """(column id, degree, requests per second of one replica); ties by id, then degree."""
    best: tuple[float, str, int, float] | None = None
    for column in columns:
        for option in column.options:
            slots = column.accelerators // option.tensor_parallel
            if slots and option.requests_per_s[b] > 0:
                usd = float(column.usd_per_hour) / (slots * option.requests_per_s[b])
                usd += column.usd_per_request[b] * SECONDS_PER_HOUR if column.usd_per_request else 0.0
                offer = (usd, column.id, option.tensor_parallel, option.requests_per_s[b])
                best = offer if best is None else min(best, offer)
    if best is None:
        raise NoCandidates(f"no candidate can serve demand {b}")
    return best[1:]


def _refuse_overdrawn(problem: Problem, columns: Mapping[str, Column], instances: Mapping[str, int]) -> None:
    drawn: dict[str, Decimal] = {}
    for column, count in instances.items():
        limit = columns[column].max_instances
        if limit is not None and count > limit:
            raise Infeasible(f"takes {count} of {column}, of which {limit} are in stock")
        for pool, units in columns[column].draws:
            drawn[pool] = drawn.get(pool, Decimal(0)) + units * count
    for pool, units in sorted(drawn.items()):
        if pool in problem.free_units and units > problem.free_units[pool]:
            raise Infeasible(f"takes {units:f} of {pool}, which has {problem.free_units[pool]:f} free")
