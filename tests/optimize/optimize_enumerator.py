"""The whole problem solved by trying every fleet: an enumerator that shares no code with the optimiser.

Every count of every column, every way to fill the instances with replicas, every case of every contingency,
each with a routing LP of its own. For problems of a handful of instances.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from little_lp import least

from advisor.optimize.problem import (
    INSTANCE,
    ChangeCost,
    Column,
    Contingency,
    Problem,
    Routing,
    ServiceTerms,
    ServingOption,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Counts = tuple[int, ...]
Filling = dict[tuple[int, int], int]  # (column, option) -> replicas

EPS = 1e-9


def cheapest(problem: Problem, most: int = 2) -> tuple[float, float] | None:
    """(objective, weighted requests served) of the best fleet of at most ``most`` instances per column."""
    limits = [most if c.max_instances is None else min(most, c.max_instances) for c in problem.columns]
    fleets = [f for f in itertools.product(*(range(n + 1) for n in limits)) if _allowed(problem, f)]
    fleets.sort(key=lambda f: _fleet_cost(problem, f))
    served = None
    if _hopeless(problem):
        return None
    if problem.budget_usd_per_hour is not None:
        found = [x for f in fleets for x in [_most_served(problem, f)] if x is not None]
        if not found:
            return None
        served = max(found)
    best: float | None = None
    for fleet in fleets:
        cost = _fleet_cost(problem, fleet)
        if best is not None and cost >= best - EPS:
            break
        side = _least_side_cost(problem, fleet, served)
        if side is not None and (best is None or cost + side < best):
            best = cost + side
    if best is None:
        return None
    return best, sum(_weights(problem)) if served is None else served


def _hopeless(problem: Problem) -> bool:
    """Whether somebody's requests are served by no column at all, which no budget can help."""
    return any(
        not any(
            o.requests_per_s[b] > 0
            and o.tensor_parallel <= c.accelerators
            and _admitted(problem, s, origin, c)
            for c in problem.columns
            for o in c.options
        )
        for b, s in enumerate(map(problem.service_of, range(len(problem.demand_requests_per_s))))
        for origin, _ in _origins(problem, s)
    )


def _weights(problem: Problem) -> list[float]:
    return [
        problem.services[problem.service_of(b)].weight * d
        for b, d in enumerate(problem.demand_requests_per_s)
    ]


def _fleet_cost(problem: Problem, fleet: Counts) -> float:
    cost = float(sum((c.usd_per_hour * n for c, n in zip(problem.columns, fleet, strict=True)), Decimal(0)))
    if problem.change is not None:
        for c, n in zip(problem.columns, fleet, strict=True):
            cost += float(problem.change.usd_per_added) * max(0, n - c.held) / problem.change.horizon_hours
            cost += float(problem.change.usd_per_removed) * max(0, c.held - n) / problem.change.horizon_hours
    return cost


def _allowed(problem: Problem, fleet: Counts) -> bool:
    for pool, free in problem.free_units.items():
        units = [dict(c.draws).get(pool, Decimal(0)) * n for c, n in zip(problem.columns, fleet, strict=True)]
        if sum(units, Decimal(0)) > free:
            return False
    for kind, most in problem.most_distinct:
        names = {c.group(kind) for c, n in zip(problem.columns, fleet, strict=True) if n and c.group(kind)}
        if len(names) > most:
            return False
    return True


@cache
def _ways(accelerators: int, sizes: tuple[int, ...], instances: int) -> tuple[tuple[int, ...], ...]:
    """Every total of replicas per option that some filling of the instances has."""
    one = [
        way
        for way in itertools.product(*(range(accelerators // size + 1) for size in sizes))
        if sum(n * size for n, size in zip(way, sizes, strict=True)) <= accelerators
    ]
    chosen = itertools.combinations_with_replacement(one, instances)
    totals = {tuple(map(sum, zip(*x, strict=True))) if x else (0,) * len(sizes) for x in chosen}
    return tuple(
        t
        for t in sorted(totals)
        if not any(o != t and all(a >= b for a, b in zip(o, t, strict=True)) for o in totals)
    )


def _fillings(problem: Problem, fleet: Counts) -> Iterator[Filling]:
    per_column = []
    for i, (c, n) in enumerate(zip(problem.columns, fleet, strict=True)):
        usable = [j for j, o in enumerate(c.options) if o.tensor_parallel <= c.accelerators]
        ways = _ways(c.accelerators, tuple(c.options[j].tensor_parallel for j in usable), n)
        per_column.append([{(i, j): x for j, x in zip(usable, way, strict=True) if x} for way in ways])
    for chosen in itertools.product(*per_column):
        yield {key: n for part in chosen for key, n in part.items()}


def _enough_replicas(problem: Problem, filling: Filling) -> bool:
    for s, terms in enumerate(problem.services):
        running = sum(
            n
            for (i, j), n in filling.items()
            if problem.columns[i].options[j].service == s
            and any(_admitted(problem, s, o, problem.columns[i]) for o, _ in _origins(problem, s))
            and max(problem.columns[i].options[j].requests_per_s) > 0
        )
        if running < terms.min_replicas:
            return False
    return True


def _origins(problem: Problem, s: int) -> list[tuple[int, float]]:
    if problem.routing is None:
        return [(0, 1.0)]
    return [(o, share) for o, share in enumerate(problem.routing.shares[s]) if share > 0]


def _admitted(problem: Problem, s: int, o: int, c: Column) -> bool:
    return problem.routing is None or (s, o, c.location) in problem.routing.admits


class _Rows:
    """A little LP under construction."""

    def __init__(self) -> None:
        self.cost: list[float] = []
        self.high: list[float | None] = []
        self.at_most: list[tuple[dict[int, float], float]] = []
        self.equal: list[tuple[dict[int, float], float]] = []

    def column(self, cost: float = 0.0, high: float | None = None) -> int:
        self.cost.append(cost)
        self.high.append(high)
        return len(self.cost) - 1

    def solve(self) -> float | None:
        if not self.cost:
            bad = any(r + EPS < 0 for _, r in self.at_most) or any(abs(r) > EPS for _, r in self.equal)
            return None if bad else 0.0
        return least(self.cost, self.at_most, self.equal, self.high)


def _day(
    rows: _Rows,
    problem: Problem,
    filling: Filling,
    *,
    factor: float = 1.0,
    ceiling: float | None = None,
    doubted: tuple[str, frozenset[str]] = ("", frozenset()),
    services: frozenset[int] | None = None,
    side: float = 0.0,
) -> dict[tuple[int, int], dict[int, float]]:
    """Columns and capacity of one day; returns what serves each (demand, origin), as sums of shares."""
    serving: dict[tuple[int, int], dict[int, float]] = {}
    for b, demand in enumerate(problem.demand_requests_per_s):
        s = problem.service_of(b)
        if demand > 0 and (services is None or s in services):
            for o, _ in _origins(problem, s):
                serving[b, o] = {}
    for (i, j), replicas in filling.items():
        c, option = problem.columns[i], problem.columns[i].options[j]
        rates = option.requests_per_s
        if set(c.group(doubted[0])) & doubted[1] and option.low_requests_per_s is not None:
            rates = tuple(map(min, option.low_requests_per_s, rates))
        busy = {}
        for (b, o), into in serving.items():
            s = problem.service_of(b)
            if s == option.service and rates[b] > 0 and _admitted(problem, s, o, c):
                usd = c.usd_per_request[b] if c.usd_per_request else 0.0
                demand = problem.demand_requests_per_s[b]
                x = rows.column(side * usd * demand * 3600)  # share of the demand
                into[x] = 1.0
                busy[x] = demand * factor / rates[b]
        u = problem.services[option.service].utilisation_ceiling if ceiling is None else ceiling
        rows.at_most.append((busy, u * replicas))
    return serving


def _cases(problem: Problem, fleet: Counts) -> Iterator[tuple[Contingency, Counts, frozenset[str]]]:
    """(contingency, what is left, groups in doubt) of every case."""
    for day in problem.contingencies:
        bought = [(c, n) for c, n in zip(problem.columns, fleet, strict=True) if n]
        doubts = sorted({x for c, _ in bought for x in c.group(day.doubted_kind)})
        for doubted in itertools.combinations(doubts, min(day.doubted, len(doubts))):
            for left in _left(problem, fleet, day):
                yield day, left, frozenset(doubted)


def _left(problem: Problem, fleet: Counts, day: Contingency) -> Iterator[Counts]:
    if day.lose is None:
        yield fleet
    elif day.lose == INSTANCE:
        single = [i for i, n in enumerate(fleet) for _ in range(n)]
        for lost in {tuple(sorted(x)) for x in itertools.combinations(single, min(day.count, len(single)))}:
            gone = Counter(lost)
            yield tuple(n - gone[i] for i, n in enumerate(fleet))
    else:
        names = {x for c, n in zip(problem.columns, fleet, strict=True) if n for x in c.group(day.lose)}
        names = names & day.only if day.only else names
        for lost in itertools.combinations(sorted(names), min(day.count, len(names))):
            left = []
            for c, n in zip(problem.columns, fleet, strict=True):
                left.append(0 if set(c.group(day.lose)) & set(lost) else n)
            yield tuple(left)


def least_kept(problem: Problem, fleet: Counts) -> list[tuple[Contingency, float]]:
    """Per case, the largest share of every demand that what is left serves; no budget."""
    found = []
    for day, left, doubted in _cases(problem, fleet):
        best = 0.0
        for filling in _fillings(problem, left):
            rows = _Rows()
            share = rows.column(-1.0, 1.0)
            serving = _day(rows, problem, filling, factor=day.demand_factor, ceiling=day.utilisation_ceiling,
                           doubted=(day.doubted_kind, doubted), services=day.services)  # fmt: skip
            for (b, o), into in serving.items():
                whole = dict(_origins(problem, problem.service_of(b)))[o]
                rows.equal.append(({**into, share: -whole}, 0.0))
            best = max(best, -(rows.solve() or 0.0))
        found.append((day, best))
    return found


def _least_side_cost(problem: Problem, fleet: Counts, served: float | None) -> float | None:
    """The least side cost of a fleet that gets through everything, or None."""
    if served is None and any(kept < day.keeps - 1e-8 for day, kept in least_kept(problem, fleet)):
        return None
    answers = [_planned(problem, fleet, filling, served) for filling in _fillings(problem, fleet)]
    return min((x for x in answers if x is not None), default=None)


def _planned(problem: Problem, fleet: Counts, filling: Filling, served: float | None) -> float | None:
    if not _enough_replicas(problem, filling):
        return None
    if served is not None:
        found = [
            _with_budget(problem, fleet, filling, cases, served) for cases in _case_fillings(problem, fleet)
        ]
        return min((x for x in found if x is not None), default=None)
    rows = _Rows()
    for (b, o), into in _day(rows, problem, filling, side=1.0).items():
        rows.equal.append((into, dict(_origins(problem, problem.service_of(b)))[o]))
    return rows.solve()


def _most_served(problem: Problem, fleet: Counts) -> float | None:
    found = [
        _with_budget(problem, fleet, filling, cases, None)
        for filling in _fillings(problem, fleet)
        if _enough_replicas(problem, filling)
        for cases in _case_fillings(problem, fleet)
    ]
    return max((-x for x in found if x is not None), default=None)


def _case_fillings(
    problem: Problem, fleet: Counts
) -> Iterator[tuple[tuple[Contingency, Filling, frozenset[str]], ...]]:
    """Every choice of one filling per case."""
    yield from itertools.product(
        *(
            [(day, f, doubted) for f in _fillings(problem, left)]
            for day, left, doubted in _cases(problem, fleet)
        )
    )


def _with_budget(
    problem: Problem,
    fleet: Counts,
    filling: Filling,
    cases: tuple[tuple[Contingency, Filling, frozenset[str]], ...],
    served: float | None,
) -> float | None:
    """Least side cost at so much served; without it, minus the most that can be served."""
    assert problem.budget_usd_per_hour is not None
    rows = _Rows()
    serving = _day(rows, problem, filling, side=1.0)
    spent = float(sum((c.usd_per_hour * n for c, n in zip(problem.columns, fleet, strict=True)), Decimal(0)))
    side = {x: usd for x, usd in enumerate(rows.cost) if usd}
    rows.at_most.append((side, float(problem.budget_usd_per_hour) - spent + 1e-12))
    weights = _weights(problem)
    for (b, o), into in serving.items():
        rows.at_most.append((into, dict(_origins(problem, problem.service_of(b)))[o]))
    for day, left, doubted in cases:
        again = _day(rows, problem, left, factor=day.demand_factor, ceiling=day.utilisation_ceiling,
                     doubted=(day.doubted_kind, doubted), services=day.services)  # fmt: skip
        for key, into in again.items():
            rows.equal.append(({**into, **dict.fromkeys(serving[key], -day.keeps)}, 0.0))
    total = {x: weights[b] for (b, _), into in serving.items() for x in into}
    if served is None:
        rows.cost = [-total.get(x, 0.0) for x in range(len(rows.cost))]
    else:
        rows.at_most.append(({x: -w for x, w in total.items()}, -served + 1e-8))
    return rows.solve()


# --- problems -------------------------------------------------------------------------------------


@st.composite
def ruled_problems(draw: st.DrawFn, *families: str, most_columns: int = 3) -> Problem:
    """Problems small enough to try every fleet, under the rules of these families."""
    has = set(families)
    services = draw(st.integers(1, 2)) if "services" in has else 1
    owner = [s for s in range(services) for _ in range(draw(st.integers(1, 2)))]
    demand = tuple(draw(st.sampled_from([0.3, 0.7, 1.0, 1.5])) for _ in owner)
    rate = st.sampled_from([0.0, 0.8, 1.0, 1.6, 2.5, 4.0])
    columns = []
    for i in range(draw(st.integers(1, most_columns))):
        accelerators = draw(st.sampled_from([1, 2])) if "services" in has else 1
        options = []
        for s in range(services):
            for k in sorted(draw(st.sets(st.sampled_from([1, 2][:accelerators]), min_size=1, max_size=1))):
                rates = tuple(draw(rate) if x == s else 0.0 for x in owner)
                low = (
                    tuple(r * draw(st.sampled_from([0.5, 0.8, 1.0])) for r in rates)
                    if "doubt" in has
                    else None
                )
                options.append(ServingOption(k, rates, s, low))
        zones = ("z1", "z2", "z3")
        zone = (
            zones[: draw(st.integers(2, 3))]
            if "spread" in has and draw(st.booleans())
            else (draw(st.sampled_from(zones)),)
        )
        groups = (("zone", zone), ("accelerator", (draw(st.sampled_from(["l4", "h100"])),)))
        side = ()
        if "side" in has and draw(st.booleans()):
            side = tuple(draw(st.sampled_from([0.0, 0.0001, 0.0003])) for _ in owner)
        columns.append(
            Column(
                f"c{i}",
                Decimal(draw(st.sampled_from(["0.5", "1", "1.01", "2.3"]))),
                accelerators,
                tuple(options),
                (("q", Decimal(draw(st.integers(1, 3)))),) if "quota" in has and draw(st.booleans()) else (),
                draw(st.sampled_from([None, 1, 2])) if "quota" in has else None,
                draw(st.sampled_from(["east", "west"])),
                side,
                groups,
                draw(st.integers(0, 2)) if "change" in has else 0,
            )
        )
    terms = tuple(
        ServiceTerms(
            f"s{s}",
            draw(st.sampled_from([1.0, 0.85])),
            draw(st.integers(0, 3)) if "min" in has else 0,
            draw(st.sampled_from([1.0, 3.0])) if "budget" in has else 1.0,
        )
        for s in range(services)
    )
    return Problem(
        demand,
        tuple(f"d{b}" for b in range(len(demand))),
        tuple(columns),
        {"q": Decimal(draw(st.integers(1, 6)))} if "quota" in has else {},
        terms,
        tuple(owner),
        _routing(draw, services) if "routing" in has else None,
        tuple(_contingencies(draw, has, services)),
        tuple([("zone", draw(st.integers(1, 2)))] if "distinct" in has else []),
        Decimal(draw(st.sampled_from(["0.9", "1.5", "2.4", "4"]))) if "budget" in has else None,
        _change(draw) if "change" in has else None,
    )


def _change(draw: st.DrawFn) -> ChangeCost:
    added, removed = (
        Decimal(draw(st.sampled_from(each))) for each in (["0", "10", "80"], ["0", "25", "120"])
    )
    return ChangeCost(added, removed, 100.0)


def _routing(draw: st.DrawFn, services: int) -> Routing:
    shares = tuple(draw(st.sampled_from([(0.5, 0.5), (1.0, 0.0), (0.3, 0.7)])) for _ in range(services))
    every = [(s, o, at) for s in range(services) for o in (0, 1) for at in ("east", "west")]
    admits = frozenset(x for x in every if draw(st.integers(0, 3)))
    return Routing(("us", "eu"), shares, admits)


def _contingencies(draw: st.DrawFn, has: set[str], services: int) -> Iterator[Contingency]:
    only = frozenset({0}) if services > 1 and draw(st.booleans()) else None
    keeps = draw(st.sampled_from([0.5, 0.9, 1.0]))
    if "instance" in has:
        yield Contingency("instance", INSTANCE, draw(st.integers(1, 2)), keeps=keeps, services=only)
    if "zone" in has or "spread" in has:
        named = frozenset({"z1"}) if draw(st.integers(0, 3)) == 0 else frozenset()
        yield Contingency("zone", "zone", draw(st.sampled_from([1, 1, 2])), named, keeps=keeps)
    if "doubt" in has:
        yield Contingency("doubt", doubted=1, keeps=keeps, demand_factor=draw(st.sampled_from([1.0, 1.2])))
    if "surge" in has:
        yield Contingency("surge", demand_factor=1.3, utilisation_ceiling=draw(st.sampled_from([None, 1.0])))


def shuffled(problem: Problem, order: list[int]) -> Problem:
    """The same with columns in another order."""
    return dataclasses.replace(problem, columns=tuple(problem.columns[i] for i in order))
