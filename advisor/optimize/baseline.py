"""The simpler fleets that savings are measured against."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.errors import NoCandidates, PlanningError, SolverFailed
from advisor.optimize.diagnose import LimitsForbid
from advisor.optimize.problem import Problem, Solution, SolveStatus
from advisor.optimize.solve import SLACK, check_problem, refuse_unservable, solve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from advisor.optimize.problem import Column

GREEDY = "greedy: least dollars per request, demand by demand"


def best_single(
    problem: Problem, group_of: Mapping[str, str], *, time_limit_s: float = 10.0
) -> dict[str, Solution | str]:
    """Per group (an accelerator type, say), the cheapest fleet of that group alone, or why there is none.

    Args:
        problem: the whole problem.
        group_of: the group of each column id; a column without one belongs to no baseline.
        time_limit_s: per group.
    """
    members: dict[str, list[Column]] = {}
    for column in problem.columns:
        if column.id in group_of:
            members.setdefault(group_of[column.id], []).append(column)
    return {group: _alone(problem, columns, time_limit_s) for group, columns in sorted(members.items())}


def _alone(problem: Problem, columns: list[Column], time_limit_s: float) -> Solution | str:
    restricted = replace(problem, columns=tuple(columns))
    try:
        return solve(restricted, time_limit_s=time_limit_s, diagnose=False)
    except (PlanningError, SolverFailed) as error:
        return str(error)


def greedy(problem: Problem) -> Solution:
    """Each demand to the option with the least dollars per request, counts rounded up per option.

    What one would do with a price list and a throughput table. It looks at no other demand, so it neither
    fills the last instance of another type nor steers around a quota.

    Raises:
        NoCandidates: some demand can be served by no column.
        Infeasible: the fleet breaks a quota or a stock.
    """
    started = time.perf_counter()
    check_problem(problem)
    refuse_unservable(problem)
    columns = {column.id: column for column in sorted(problem.columns, key=lambda column: column.id)}
    contenders = _cheapest_per_shape(columns.values())
    load: dict[tuple[str, int, int], float] = {}
    needed: dict[tuple[str, int], float] = {}
    for b, rate in enumerate(problem.demand_requests_per_s):
        if rate > 0:
            column, k, requests_per_s = _cheapest_per_request(contenders, b)
            load[column, k, b] = rate
            needed[column, k] = needed.get((column, k), 0.0) + rate / (
                problem.services[0].utilisation_ceiling * requests_per_s
            )
    instances: dict[str, int] = {}
    replicas: dict[tuple[str, int, int], int] = {}
    for (column, k), wanted in sorted(needed.items()):
        slots = columns[column].accelerators // k
        count = math.ceil(wanted / slots * (1 - SLACK))
        instances[column] = instances.get(column, 0) + count
        replicas[column, 0, k] = count * slots
    _refuse_overdrawn(problem, columns, instances)
    cost = sum((columns[column].usd_per_hour * count for column, count in instances.items()), Decimal(0))
    return Solution(
        SolveStatus.FEASIBLE, instances, replicas, load, cost, 0.0, GREEDY, time.perf_counter() - started
    )


def _cheapest_per_shape(columns: Iterable[Column]) -> list[Column]:
    """Of columns that can do the same, the cheapest: no other can have the least dollars per request."""
    best: dict[object, Column] = {}
    for column in columns:
        shape = (column.accelerators, column.options)
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
            raise LimitsForbid(f"takes {count} of {column}, of which {limit} are in stock", None)
        for pool, units in columns[column].draws:
            drawn[pool] = drawn.get(pool, Decimal(0)) + units * count
    for pool, units in sorted(drawn.items()):
        if pool in problem.free_units and units > problem.free_units[pool]:
            raise LimitsForbid(
                f"takes {units:f} of {pool}, which has {problem.free_units[pool]:f} free", None
            )
