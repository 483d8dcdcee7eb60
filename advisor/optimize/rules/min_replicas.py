"""A service runs so many replicas at least, over the whole fleet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from advisor.optimize.arrays import INFINITY, LinearRow, total
from advisor.optimize.rules.rule import ProblemRule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from advisor.optimize.day import DayColumns
    from advisor.optimize.problem import Column, Problem, Solution


def min_replicas(service: int, least: int, day: DayColumns) -> Iterator[LinearRow]:
    """Sum over a service's pools of replicas >= min_replicas."""
    run = total(pool.replicas for pool in day.pools if pool.service == service)
    yield LinearRow(f"min_replicas_{service}", run.index, run.value, least - run.constant, INFINITY)


@dataclass(frozen=True)
class MinReplicas(ProblemRule):
    """The minimum of one service."""

    service: int
    name: str
    least: int

    family: ClassVar[str] = "min_replicas"
    brief: ClassVar[str] = "a minimum of replicas"
    replicas_interchangeable: ClassVar[bool] = False

    @classmethod
    def of(cls, problem: Problem) -> list[MinReplicas]:
        """Of every service that has one."""
        counted = enumerate(problem.services)
        return [cls(s, terms.name, terms.min_replicas) for s, terms in counted if terms.min_replicas]

    def least_replicas(self) -> Mapping[int, int]:
        """Of its service."""
        return {self.service: self.least}

    def day_rows(self, day: DayColumns) -> Iterator[LinearRow]:
        """One."""
        return min_replicas(self.service, self.least, day)

    def faults(self, problem: Problem, columns: Mapping[str, Column], solution: Solution) -> Iterator[str]:
        """Too few."""
        running = sum(count for (_, s, _), count in solution.replicas.items() if s == self.service)
        if running < self.least:
            yield f"{running} replicas of {self.name}, not {self.least}"

    def asks(self, problem: Problem) -> str:
        """In words."""
        return f"at least {self.least} replicas of {self.name}"

    def without(self, problem: Problem) -> Problem:
        """None need run."""
        return self._at_least(problem, 0)

    def steps(self, problem: Problem) -> int:
        """Down to none, one by one."""
        return self.least

    def relaxed(self, problem: Problem, step: int) -> Problem:
        """So many fewer."""
        return self._at_least(problem, self.least - step)

    def gives(self, problem: Problem, step: int) -> tuple[str, float]:
        """How many fit."""
        return f"at most {self.least - step} fit", float(self.least - step)

    def _at_least(self, problem: Problem, count: int) -> Problem:
        terms = (
            replace(each, min_replicas=count) if s == self.service else each
            for s, each in enumerate(problem.services)
        )
        return replace(problem, services=tuple(terms))
