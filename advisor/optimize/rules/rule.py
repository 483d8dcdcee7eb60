"""What every rule of a problem is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from advisor.optimize.arrays import Arrays, LinearRow, Sum
    from advisor.optimize.day import DayColumns
    from advisor.optimize.problem import Column, Problem, Solution
    from advisor.optimize.reduced import Purchasable


@dataclass(slots=True)
class FleetDraft:
    """A programme under construction, as a rule on what is bought sees it."""

    arrays: Arrays
    candidates: Sequence[Purchasable]
    instances: int  #: column of the first candidate's instances
    spent: Sum  #: the fleet and its side costs, dollars per hour
    costs: list[Sum] = field(default_factory=list)  #: minimised besides


class Relaxable:
    """A rule or a limit that may stand in the way of every fleet."""

    family: ClassVar[str]
    name: str  #: which one of its family

    def asks(self, problem: Problem) -> str:
        """What it asks, in words."""
        raise NotImplementedError

    def without(self, problem: Problem) -> Problem:
        """The problem without it."""
        raise NotImplementedError

    def steps(self, problem: Problem) -> int:
        """How far it can be relaxed, in whole steps; 0: no step is worth trying."""
        raise NotImplementedError

    def relaxed(self, problem: Problem, step: int) -> Problem:
        """The problem with it relaxed by so many steps."""
        raise NotImplementedError

    def gives(self, problem: Problem, step: int) -> tuple[str, float]:
        """That relaxation in words, and as a number."""
        raise NotImplementedError


class ProblemRule(Relaxable):
    """A rule of the fleet as a whole. What it does not override it does not mind."""

    brief: ClassVar[str]  #: "a budget"

    forbids: ClassVar[bool] = True
    """It can forbid a fleet that serves within quotas and stock."""

    replicas_interchangeable: ClassVar[bool] = True
    """A replica may be replaced by others that carry as much, more or fewer of them."""

    demands_mergeable: ClassVar[bool] = True
    """Demands that work alike on every column may be served as one."""

    separable: ClassVar[bool] = True
    """Services may be looked at one by one, at prices for the instances, quotas and stock they share."""

    serves_all: ClassVar[bool] = True
    """Every demand is served whole."""

    @classmethod
    def of(cls, problem: Problem) -> Iterable[ProblemRule]:
        """Those of its kind that a problem has."""
        raise NotImplementedError

    @property
    def told_apart(self) -> frozenset[str]:
        """Kinds of group whose columns may not stand in for one another."""
        return frozenset()

    def least_replicas(self) -> Mapping[int, int]:
        """Replicas that run whether there is work or not, per service."""
        return {}

    def day_rows(self, day: DayColumns) -> Iterator[LinearRow]:
        """Rows on what runs on a day."""
        yield from ()

    def enter(self, draft: FleetDraft) -> None:
        """Columns, rows and costs on what is bought."""

    def faults(self, problem: Problem, columns: Mapping[str, Column], solution: Solution) -> Iterator[str]:
        """How a solution breaks it, from the problem's own words."""
        yield from ()
