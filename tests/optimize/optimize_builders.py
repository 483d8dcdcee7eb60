"""Builders, an independent checker and a brute force for the optimiser's tests; it shares no rows."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from little_lp import least

from advisor.optimize.problem import Column, Problem, ServiceTerms, ServingOption, Solution

if TYPE_CHECKING:
    from collections.abc import Iterator


def a_column(
    id: str = "a",
    usd: str = "1",
    rates: tuple[float, ...] | dict[int, tuple[float, ...]] = (1.0,),
    accelerators: int = 1,
    draws: dict[str, str] | None = None,
    max_instances: int | None = None,
) -> Column:
    by_degree = rates if isinstance(rates, dict) else {1: rates}
    options = tuple(ServingOption(k, tuple(map(float, r))) for k, r in by_degree.items())
    taken = tuple((pool, Decimal(units)) for pool, units in (draws or {}).items())
    return Column(id, Decimal(usd), accelerators, options, taken, max_instances)


def a_problem(
    demand: tuple[float, ...], *columns: Column, free: dict[str, str] | None = None, ceiling: float = 1.0
) -> Problem:
    free_units = {pool: Decimal(units) for pool, units in (free or {}).items()}
    labels = tuple(f"bucket {b}" for b in range(len(demand)))
    terms = (ServiceTerms(utilisation_ceiling=ceiling),)
    return Problem(tuple(map(float, demand)), labels, columns, free_units, terms)


def faults(problem: Problem, solution: Solution) -> list[str]:
    """Everything wrong with a fleet, from the problem's own words."""
    found = []
    columns = {column.id: column for column in problem.columns}
    cost = sum((columns[c].usd_per_hour * n for c, n in solution.instances.items()), Decimal(0))
    if cost != solution.usd_per_hour:
        found.append(f"cost {solution.usd_per_hour} is not counts times prices, {cost}")
    if not 0 <= solution.lower_bound_usd_per_hour <= float(cost):
        found.append(f"bound {solution.lower_bound_usd_per_hour} above cost {cost}")
    for c, n in solution.instances.items():
        if n < 1 or not isinstance(n, int):
            found.append(f"{n} of {c}")
        if columns[c].max_instances is not None and n > columns[c].max_instances:
            found.append(f"{n} of {c} exceed its stock")
        sizes = [k for (col, _, k), count in solution.replicas.items() if col == c for _ in range(count)]
        if not packs(sizes, columns[c].accelerators, n):
            found.append(f"replicas of {c} do not fit {n} instances")
    for pool, free in problem.free_units.items():
        drawn = sum(
            (dict(columns[c].draws).get(pool, Decimal(0)) * n for c, n in solution.instances.items()),
            Decimal(0),
        )
        if drawn > free:
            found.append(f"pool {pool}: {drawn} of {free}")
    served = [0.0] * len(problem.demand_requests_per_s)
    busy: dict[tuple[str, int], float] = {}
    for (c, k, b), rate in solution.load_requests_per_s.items():
        per_replica = next(o for o in columns[c].options if o.tensor_parallel == k).requests_per_s[b]
        if rate < 0 or per_replica <= 0:
            found.append(f"load {rate} on {c}, {k}, {b}")
            continue
        served[b] += rate
        busy[c, k] = busy.get((c, k), 0.0) + rate / per_replica
    for b, (is_, should) in enumerate(zip(served, problem.demand_requests_per_s, strict=True)):
        if not math.isclose(is_, should, rel_tol=2e-9):
            found.append(f"demand {b}: {is_} of {should}")
    for (c, k), replicas in busy.items():
        held = solution.replicas.get((c, 0, k), 0) * problem.services[0].utilisation_ceiling
        if replicas > held * (1 + 2e-9):
            found.append(f"{c} at degree {k}: {replicas} of {held}")
    return found


def packs(sizes: list[int], accelerators: int, instances: int) -> bool:
    """Whether whole replicas fit, by first-fit-decreasing: exact for sizes that divide one another."""
    room = [accelerators] * instances
    for size in sorted(sizes, reverse=True):
        place = next((i for i, left in enumerate(room) if left >= size), None)
        if place is None:
            return False
        room[place] -= size
    return True


def brute_force(problem: Problem, most: int = 3, slices: int | None = None) -> Decimal | None:
    """The least cost over every fleet of at most ``most`` instances per column, or None."""
    limits = [min(most, most if c.max_instances is None else c.max_instances) for c in problem.columns]
    fleets = itertools.product(*(range(limit + 1) for limit in limits))
    for counts in sorted(fleets, key=lambda counts: _cost(problem, counts)):
        if _within_quota(problem, counts) and any(
            _serves(problem, pools, slices) for pools in _pools(problem, counts)
        ):
            return _cost(problem, counts)
    return None


def _cost(problem: Problem, counts: tuple[int, ...]) -> Decimal:
    return sum((c.usd_per_hour * n for c, n in zip(problem.columns, counts, strict=True)), Decimal(0))


def _within_quota(problem: Problem, counts: tuple[int, ...]) -> bool:
    return all(
        sum(dict(c.draws).get(pool, Decimal(0)) * n for c, n in zip(problem.columns, counts, strict=True))
        <= free
        for pool, free in problem.free_units.items()
    )


def _pools(problem: Problem, counts: tuple[int, ...]) -> Iterator[list[tuple[tuple[float, ...], int]]]:
    """Every way to fill the instances: (rates of one replica, replicas) per column and degree."""
    per_column = []
    for column, n in zip(problem.columns, counts, strict=True):
        fillings = list(_fillings(column))
        ways = {
            tuple(sum(each) for each in zip(*chosen, strict=True)) if chosen else (0,) * len(column.options)
            for chosen in itertools.combinations_with_replacement(fillings, n)
        }
        per_column.append(
            [
                [(o.requests_per_s, r) for o, r in zip(column.options, way, strict=True)]
                for way in sorted(ways)
            ]
        )
    for combination in itertools.product(*per_column):
        yield [pool for pools in combination for pool in pools if pool[1]]


def _fillings(column: Column) -> Iterator[tuple[int, ...]]:
    """Replica counts by degree that fill one instance and leave no room for another replica."""
    sizes = [option.tensor_parallel for option in column.options]
    for way in itertools.product(*(range(column.accelerators // size + 1) for size in sizes)):
        used = sum(n * size for n, size in zip(way, sizes, strict=True))
        if used <= column.accelerators < used + min(sizes, default=0):
            yield way


def _serves(problem: Problem, pools: list[tuple[tuple[float, ...], int]], slices: int | None) -> bool:
    demands = [b for b, rate in enumerate(problem.demand_requests_per_s) if rate > 0]
    if slices is not None:
        return _serves_slices(problem, pools, demands, slices)
    columns = [(p, b) for p, (rates, _) in enumerate(pools) for b in demands if rates[b] > 0]
    if {b for _, b in columns} != set(demands):
        return False
    if not demands:
        return True
    serve = [({i: 1.0 for i, (_, b) in enumerate(columns) if b == d}, 1.0) for d in demands]
    busiest = len(columns)  # the last column: how busy the busiest pool is
    load: list[tuple[dict[int, float], float]] = [({busiest: -1.0}, 0.0) for _ in pools]
    for i, (p, b) in enumerate(columns):
        held = problem.services[0].utilisation_ceiling * pools[p][0][b] * pools[p][1]
        load[p][0][i] = problem.demand_requests_per_s[b] / held
    busy = least([*[0.0] * len(columns), 1.0], load, serve)
    return busy is not None and busy <= 1 + 1e-9


def _serves_slices(
    problem: Problem, pools: list[tuple[tuple[float, ...], int]], demands: list[int], slices: int
) -> bool:
    """Every assignment of every slice, tried."""
    pieces = [b for b in demands for _ in range(slices)]
    for places in itertools.product(range(len(pools)), repeat=len(pieces)):
        busy = [0.0] * len(pools)
        for b, p in zip(pieces, places, strict=True):
            rate = pools[p][0][b]
            busy[p] += (
                problem.demand_requests_per_s[b] / slices / (rate * problem.services[0].utilisation_ceiling)
                if rate
                else math.inf
            )
        if all(b <= held * (1 + 1e-9) for b, (_, held) in zip(busy, pools, strict=True)):
            return True
    return not pieces


_rates = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 6.5])
_prices = st.sampled_from(["0.5", "0.70", "1", "1.01", "2", "3.67", "7.516"])


@st.composite
def tiny_problems(
    draw: st.DrawFn, *, degrees: bool = True, limits: bool = True, most_columns: int = 3
) -> Problem:
    """Problems small enough to enumerate."""
    demands = draw(st.integers(1, 3))
    demand = tuple(draw(st.sampled_from([0.0, 0.25, 0.7, 1.0, 1.5, 2.0])) for _ in range(demands))
    columns = []
    for i in range(draw(st.integers(1, most_columns))):
        accelerators = draw(st.sampled_from([1, 2, 3, 4])) if degrees else 1
        sizes = [k for k in (1, 2, 4) if k <= accelerators] if degrees else [1]
        chosen = sorted(draw(st.sets(st.sampled_from(sizes), min_size=1, max_size=2)))
        rates = {k: tuple(draw(_rates) for _ in range(demands)) for k in chosen}
        draws = {
            p: str(draw(st.sampled_from([1, 2, 4]))) for p in ("p", "q") if limits and draw(st.booleans())
        }
        stock = draw(st.sampled_from([None, None, 0, 1, 2])) if limits else None
        columns.append(a_column(f"c{i}", draw(_prices), rates, accelerators, draws, stock))
    free = {p: str(draw(st.integers(0, 6))) for p in ("p", "q") if limits and draw(st.booleans())}
    ceiling = draw(st.sampled_from([1.0, 0.85]))
    return a_problem(demand, *columns, free=free, ceiling=ceiling)
