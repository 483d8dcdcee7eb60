"""What can be committed and rented, and every level's cheapest fleet under given commitments."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.optimize.commitments.levels import Level
    from advisor.optimize.problem import Column, Problem, Solution

_IDLE: Final = 1e-6
"""Of the highest level: what an hour without demand counts as, where replicas must run all the same."""

_LEVEL_TIME_LIMIT_S: Final = 20.0

Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of instance in one place under one term."""

    term: str
    column: Column  #: at the committed price; without draws if it holds capacity of its own


@dataclass(frozen=True, slots=True)
class Commitable:
    """What can be committed, rented and must be served."""

    problem: Problem  #: at the rates asked about; its columns are rented by the hour
    lines: tuple[Line, ...]
    most: Mapping[str, int]  #: per term with a limit, instances in all
    levels: tuple[Level, ...]
    weights: tuple[Decimal, ...]  #: per scenario, summing to 1

    def hours(self, scenario: int) -> int:
        """Hours of the horizon."""
        return sum(level.hours[scenario] for level in self.levels)

    def share(self, level: Level) -> Decimal:
        """Of all hours, scenarios weighted."""
        return sum((w * level.hours[s] / self.hours(s) for s, w in enumerate(self.weights) if w), Decimal(0))

    def factor(self, level: Level) -> float:
        """Of the rates asked about; an hour without demand counts a little where replicas must run."""
        idle = any(terms.min_replicas for terms in self.problem.services)
        return max(level.factor, _IDLE * self.levels[-1].factor if idle else 0.0)


@dataclass(slots=True)
class Hours:
    """The cheapest fleet of every level for given commitments; answers are kept."""

    asked: Commitable
    _known: dict[tuple[int, tuple[tuple[str, int], ...]], Solution] = field(default_factory=dict)

    def fleets(self, counts: Mapping[str, int]) -> tuple[Solution, ...]:
        """Per level; committed instances that run are among the instances, at no cost.

        Raises:
            Infeasible, NoCandidates: some level has no fleet.
            SolverFailed: none was found in time.
        """
        key = tuple(sorted((c, n) for c, n in counts.items() if n))
        todo = [h for h in range(len(self.asked.levels)) if (h, key) not in self._known]
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            problems = [at_level(self.asked, self.asked.levels[h], dict(key)) for h in todo]
            found = pool.map(lambda p: solve(p, time_limit_s=_LEVEL_TIME_LIMIT_S), problems)
            self._known.update(zip(((h, key) for h in todo), found, strict=True))
        return tuple(self._known[h, key] for h in range(len(self.asked.levels)))

    def fleet(self, level: int, counts: Mapping[str, int]) -> Solution:
        """Of one level alone; errors as :meth:`fleets`."""
        key = tuple(sorted((c, n) for c, n in counts.items() if n))
        if (level, key) not in self._known:
            posed = at_level(self.asked, self.asked.levels[level], dict(key))
            self._known[level, key] = solve(posed, time_limit_s=_LEVEL_TIME_LIMIT_S)
        return self._known[level, key]

    def rented(self, counts: Mapping[str, int], scenario: int | None = None) -> Decimal:
        """Expected dollars per hour of what is rented and of side costs, over all or in one scenario."""
        asked = self.asked
        cost = Decimal(0)
        for level, fleet in zip(asked.levels, self.fleets(counts), strict=True):
            share = (
                asked.share(level)
                if scenario is None
                else Decimal(level.hours[scenario]) / asked.hours(scenario)
            )
            cost += share * (fleet.usd_per_hour + Decimal(repr(fleet.side_usd_per_hour)))
        return cost

    def cost(self, counts: Mapping[str, int], scenario: int | None = None) -> Decimal:
        """The same with what is committed."""
        return committed_usd_per_hour(self.asked, counts) + self.rented(counts, scenario)


def committed_usd_per_hour(asked: Commitable, counts: Mapping[str, int]) -> Decimal:
    """Counts times prices of the commitments."""
    lines = (line.column for line in asked.lines)
    return sum((c.usd_per_hour * counts.get(c.id, 0) for c in lines), Decimal(0))


def at_level(asked: Commitable, level: Level, counts: Mapping[str, int]) -> Problem:
    """The fleet to find in the hours of a level: what is committed costs nothing and ends at its count."""
    held = tuple(
        replace(line.column, usd_per_hour=Decimal(0), max_instances=counts[line.column.id])
        for line in asked.lines
        if counts.get(line.column.id)
    )
    factor = asked.factor(level)
    return replace(
        asked.problem,
        demand_requests_per_s=tuple(rate * factor for rate in asked.problem.demand_requests_per_s),
        columns=(*asked.problem.columns, *held),
    )
