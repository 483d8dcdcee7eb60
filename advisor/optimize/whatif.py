"""Questions about an optimum, answered by solving again: what if it were forced, gone, cheaper, or allowed.

Duals of the LP mislead on small fleets (a quota unit worth 2.91 $/h read 6.26), so every figure here is the
difference of two proved optima, and every price at which something enters or leaves is checked on both
sides.

The price at which a group of columns enters. With all its prices times f, a fleet costs A + f·G, where G is
what it spends on the group at list prices and A the rest; C is the cheapest fleet without the group. A fleet
that uses the group is worth it up to f = (C - A) / G. So start at a low f, take the optimum there, move to
the f at which that very fleet costs C, and repeat: each step is a fleet that is still worth it at a higher
price, until none is. The optimum as a function of f is a minimum of finitely many such lines, so this ends.
The same steps from f = 1 give the price at which a group that is in leaves.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.errors import Infeasible, NoCandidates, SolverFailed
from advisor.optimize.effort import DIRECT
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from advisor.optimize.problem import Column, Problem, Solution

OUT_OF_TIME: Final = "not proved in the time allowed"

LOWEST_FACTOR: Final = 0.01
"""A group that does not enter at one per cent of its price is not held back by its price."""

HIGHEST_THROUGHPUT_FACTOR: Final = 16.0
CHECKED_AT: Final = 0.01  # relative: in at this much below, out at this much above
_SAME: Final = 1e-7  # relative difference of two costs that are the same but for rounding
_MOST_STEPS: Final = 40
_PRICE_PLACES: Final = Decimal(10) ** -12


@dataclass(frozen=True, slots=True)
class Flip:
    """Where a group enters or leaves the cheapest fleet."""

    factor: float  #: of all its prices (or throughputs)
    checked: bool  #: in on one side of it and out on the other, both solved again
    solution: Solution  #: the fleet that uses the group there


class WhatIf:
    """One problem, asked about. Answers are kept, so the same question costs nothing twice."""

    def __init__(
        self,
        problem: Problem,
        *,
        time_limit_s: float = 10.0,
        until: float = math.inf,
        best: Solution | None = None,
        solver: str = DIRECT,
    ) -> None:
        """Ask about a problem.

        Args:
            problem: what is asked about.
            time_limit_s: for each single solve.
            until: of the clock ``time.monotonic``, for all of them.
            best: its optimum, where that is known already.
            solver: of :func:`~advisor.optimize.solve.solve`.
        """
        self.problem = problem
        self._time_limit_s, self.until, self._solver = time_limit_s, until, solver
        self._best: Solution | bool | None = False if best is None else best
        self._without: dict[frozenset[str], Solution | None] = {}

    @property
    def best(self) -> Solution | None:
        """The optimum itself; None if no fleet exists."""
        if isinstance(self._best, bool):
            self._best = self.solved(self.problem)
        return self._best

    def solved(self, problem: Problem) -> Solution | None:
        """The optimum of another problem, or None if it has none.

        Raises:
            SolverFailed: it was not found, or not proved, within the time.
        """
        seconds = min(self._time_limit_s, self.until - time.monotonic())
        if seconds <= 0:
            raise SolverFailed(OUT_OF_TIME)
        try:
            found = solve(problem, time_limit_s=seconds, solver=self._solver)
        except (Infeasible, NoCandidates):
            return None
        if not found.proved:
            raise SolverFailed(OUT_OF_TIME)
        return found

    def without(self, members: Collection[str]) -> Solution | None:
        """The optimum if these columns could not be bought; None if nothing else serves the demand."""
        key = frozenset(members)
        if key not in self._without:
            best = self.best
            if best is not None and not key & best.instances.keys():
                self._without[key] = best
            else:
                rest = tuple(c for c in self.problem.columns if c.id not in key)
                self._without[key] = self.solved(replace(self.problem, columns=rest))
        return self._without[key]

    def forced(self, members: Collection[str]) -> Solution | None:
        """The cheapest fleet with at least one instance of these columns, which may stand idle.

        One instance is put there for nothing and paid afterwards: the optimum of the rest is the same.
        """
        found: list[tuple[float, str, Solution]] = []
        for column in _distinct(c for c in self.problem.columns if c.id in set(members)):
            given = self._given(column)
            solution = self.solved(given) if given is not None else None
            if solution is not None:
                paid = _with_one(solution, column)
                found.append((paid.objective_usd_per_hour, column.id, paid))
        return min(found)[2] if found else None

    def _given(self, column: Column) -> Problem | None:
        """The problem with one instance of the column already there; None where a limit forbids it."""
        free = dict(self.problem.free_units)
        for pool, units in column.draws:
            if pool in free:
                free[pool] -= units
                if free[pool] < 0:
                    return None
        if column.max_instances is not None and column.max_instances < 1:
            return None
        left = None if column.max_instances is None else column.max_instances - 1
        there = replace(column, id=_given_id(column), usd_per_hour=Decimal(0), draws=(), max_instances=1)
        others = tuple(
            replace(c, max_instances=left) if c.id == column.id else c for c in self.problem.columns
        )
        return replace(self.problem, columns=(*others, there), free_units=free)

    def price_flip(self, members: Collection[str]) -> Flip | None:
        """The factor on the group's prices at which it enters, or leaves where it is in.

        None: no price brings it in, or nothing could replace it however dear it is.
        """
        best, alone = self.best, self.without(members)
        if best is None or alone is None:
            return None
        inside = bool(best.instances.keys() & set(members))
        limit = alone.objective_usd_per_hour
        solution: Solution | None = best
        factor = 1.0
        if not inside:
            factor = LOWEST_FACTOR
            solution = self.solved(self._priced(members, factor))
        last = best if inside else None  # in at its own price, be it only as one of equals
        for _ in range(_MOST_STEPS):
            if solution is None or solution.objective_usd_per_hour >= limit * (1 - _SAME):
                break
            spent = self._spent_at_list(members, solution)
            if spent <= 0:
                break
            rest = solution.objective_usd_per_hour - factor * spent
            last, factor = solution, (limit - rest) / spent
            solution = self.solved(self._priced(members, factor))
        if last is None:
            return None
        return Flip(factor, self._is_flip(members, limit, lambda f: self._priced(members, f), factor), last)

    def _is_flip(
        self, members: Collection[str], limit: float, at: Callable[[float], Problem], factor: float
    ) -> bool:
        below = self.solved(at(factor * (1 - CHECKED_AT)))
        above = self.solved(at(factor * (1 + CHECKED_AT)))
        return (
            below is not None
            and bool(below.instances.keys() & set(members))
            and above is not None
            and above.objective_usd_per_hour >= limit * (1 - _SAME)
        )

    def throughput_flip(self, members: Collection[str]) -> Flip | None:
        """The factor on the group's throughput at which it enters; None if it is in, or never enters.

        A faster replica never makes the optimum dearer, so the factor is found by halving an interval, to
        half a per cent.
        """
        best = self.best
        if best is None or best.instances.keys() & set(members):
            return None

        def enters(factor: float) -> Solution | None:
            solution = self.solved(self._faster(members, factor))
            cheaper = (
                solution is not None
                and solution.objective_usd_per_hour < best.objective_usd_per_hour * (1 - _SAME)
            )
            return solution if cheaper else None

        low, high = 1.0, HIGHEST_THROUGHPUT_FACTOR
        fleet = enters(high)
        if fleet is None:
            return None
        while high / low > 1 + CHECKED_AT / 2:
            middle = (low * high) ** 0.5
            found = enters(middle)
            if found is None:
                low = middle
            else:
                high, fleet = middle, found
        return Flip(high, True, fleet)

    def with_free(self, pool: str, units: Decimal) -> Solution | None:
        """The optimum with so many more units of one pool."""
        free = dict(self.problem.free_units)
        free[pool] += units
        return self.solved(replace(self.problem, free_units=free))

    def without_demand(self, demands: Collection[int]) -> Solution | None:
        """The optimum if these demands did not exist."""
        gone = set(demands)
        rates = tuple(0.0 if b in gone else rate for b, rate in enumerate(self.problem.demand_requests_per_s))
        return self.solved(replace(self.problem, demand_requests_per_s=rates))

    def _spent_at_list(self, members: Collection[str], solution: Solution) -> float:
        price = {c.id: c.usd_per_hour for c in self.problem.columns if c.id in set(members)}
        return float(sum((price[c] * n for c, n in solution.instances.items() if c in price), Decimal(0)))

    def _priced(self, members: Collection[str], factor: float) -> Problem:
        chosen, times = set(members), Decimal(repr(factor))
        columns = tuple(
            replace(c, usd_per_hour=(c.usd_per_hour * times).quantize(_PRICE_PLACES)) if c.id in chosen else c
            for c in self.problem.columns
        )
        return replace(self.problem, columns=columns)

    def _faster(self, members: Collection[str], factor: float) -> Problem:
        chosen = set(members)
        columns = tuple(_sped_up(c, factor) if c.id in chosen else c for c in self.problem.columns)
        return replace(self.problem, columns=columns)


def _sped_up(column: Column, factor: float) -> Column:
    options = tuple(
        replace(
            option,
            requests_per_s=tuple(rate * factor for rate in option.requests_per_s),
            low_requests_per_s=None
            if option.low_requests_per_s is None
            else tuple(rate * factor for rate in option.low_requests_per_s),
        )
        for option in column.options
    )
    return replace(column, options=options)


def _distinct(columns: Iterable[Column]) -> list[Column]:
    """Of columns that differ in nothing but id and price, the cheapest."""
    best: dict[object, Column] = {}
    for column in sorted(columns, key=lambda c: (c.usd_per_hour, c.id)):
        same = (column.accelerators, id(column.options), column.draws, column.location, column.max_instances)
        best.setdefault((same, column.groups, column.held), column)
    return list(best.values())


def _given_id(column: Column) -> str:
    return f"{column.id} (given)"


def _with_one(solution: Solution, column: Column) -> Solution:
    """The solution with the instance that was given counted and paid."""
    given = _given_id(column)
    instances = {c: n for c, n in solution.instances.items() if c != given}
    instances[column.id] = instances.get(column.id, 0) + 1
    replicas: dict[tuple[str, int, int], int] = {}
    for (c, service, k), count in solution.replicas.items():
        key = (column.id if c == given else c, service, k)
        replicas[key] = replicas.get(key, 0) + count
    load: dict[tuple[str, int, int], float] = {}
    for (c, k, b), rate in solution.load_requests_per_s.items():
        place = (column.id if c == given else c, k, b)
        load[place] = load.get(place, 0.0) + rate
    return replace(
        solution,
        instances=dict(sorted(instances.items())),
        replicas=replicas,
        load_requests_per_s=load,
        usd_per_hour=solution.usd_per_hour + column.usd_per_hour,
        lower_bound_usd_per_hour=solution.lower_bound_usd_per_hour + float(column.usd_per_hour),
    )
