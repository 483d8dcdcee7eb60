"""What can be committed and rented, and every level's cheapest fleet under given commitments."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.optimize.effort import DIRECT
from advisor.optimize.rules import traits_of
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.optimize.commitments.levels import DemandLevel
    from advisor.optimize.problem import Column, Problem, Solution

_IDLE: Final = 1e-6
"""Of the highest level: what an hour without demand counts as, where replicas must run all the same."""

_LEVEL_TIME_LIMIT_S: Final = 20.0

Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class CommitmentOption:
    """One kind of instance in one place under one term."""

    term: str
    column: Column  #: at the committed price; without draws if it holds capacity of its own


@dataclass(frozen=True, slots=True)
class CommitmentProblem:
    """What can be committed, rented and must be served."""

    problem: Problem  #: at the rates asked about; its columns are rented by the hour
    options: tuple[CommitmentOption, ...]
    most: Mapping[str, int]  #: per term with a limit, instances in all
    levels: tuple[DemandLevel, ...]
    weights: tuple[Decimal, ...]  #: per scenario, summing to 1

    def hours(self, scenario: int) -> int:
        """Hours of the horizon."""
        return sum(level.hours[scenario] for level in self.levels)

    def share(self, level: DemandLevel) -> Decimal:
        """Of all hours, scenarios weighted."""
        return sum((w * level.hours[s] / self.hours(s) for s, w in enumerate(self.weights) if w), Decimal(0))

    def factor(self, level: DemandLevel) -> float:
        """Of the rates asked about; an hour without demand counts a little where replicas must run."""
        idle = traits_of(self.problem).least_replicas
        return max(level.factor, _IDLE * self.levels[-1].factor if idle else 0.0)


@dataclass(slots=True)
class LevelFleets:
    """The cheapest fleet of every level for given commitments; answers are kept."""

    asked: CommitmentProblem
    solver: str = DIRECT  #: of :func:`~advisor.optimize.solve.solve`
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
            found = pool.map(lambda h: self._solved(h, dict(key)), todo)
            self._known.update(zip(((h, key) for h in todo), found, strict=True))
        return tuple(self._known[h, key] for h in range(len(self.asked.levels)))

    def fleet(self, level: int, counts: Mapping[str, int]) -> Solution:
        """Of one level alone; errors as :meth:`fleets`."""
        key = tuple(sorted((c, n) for c, n in counts.items() if n))
        if (level, key) not in self._known:
            self._known[level, key] = self._solved(level, dict(key))
        return self._known[level, key]

    def _solved(self, level: int, counts: Mapping[str, int]) -> Solution:
        posed = at_level(self.asked, self.asked.levels[level], counts)
        return solve(posed, time_limit_s=_LEVEL_TIME_LIMIT_S, solver=self.solver)

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


def committed_usd_per_hour(asked: CommitmentProblem, counts: Mapping[str, int]) -> Decimal:
    """Counts times prices of the commitments."""
    columns = (option.column for option in asked.options)
    return sum((c.usd_per_hour * counts.get(c.id, 0) for c in columns), Decimal(0))


def at_level(asked: CommitmentProblem, level: DemandLevel, counts: Mapping[str, int]) -> Problem:
    """The fleet to find in the hours of a level: what is committed costs nothing and ends at its count."""
    held = tuple(
        replace(option.column, usd_per_hour=Decimal(0), max_instances=counts[option.column.id])
        for option in asked.options
        if counts.get(option.column.id)
    )
    factor = asked.factor(level)
    return replace(
        asked.problem,
        demand_requests_per_s=tuple(rate * factor for rate in asked.problem.demand_requests_per_s),
        columns=(*asked.problem.columns, *held),
    )
