"""A limit on variety: at most so many different groups of a kind are bought from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from advisor.optimize.arrays import INFINITY, LinearRow, row
from advisor.optimize.rules.rule import FleetDraft, ProblemRule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from advisor.optimize.problem import Column, Problem, Solution


def counted(names: tuple[str, ...]) -> tuple[str, ...]:
    """As what a column counts that stands in one of several groups, not known which: one of its own."""
    return names if len(names) < 2 else (" or ".join(sorted(names)),)


def most_distinct(number: int, most: int, present: Mapping[str, int]) -> Iterator[LinearRow]:
    """Sum over groups of present <= most."""
    yield row(f"most_distinct_{number}", [(x, 1.0) for x in sorted(present.values())], -INFINITY, float(most))


def group_present(
    number: int, kind: str, draft: FleetDraft, present: Mapping[str, int]
) -> Iterator[LinearRow]:
    """``present`` of a group is 1 if any candidate of it is bought: instances <= max_instances · present."""
    first = min(present.values(), default=0)
    for c, candidate in enumerate(draft.candidates):
        for name in counted(candidate.group(kind)):
            pairs = [(draft.instances + c, 1.0), (present[name], -float(candidate.max_instances))]
            yield row(f"group_present_{number}_{present[name] - first}_{c}", pairs, -INFINITY, 0.0)


@dataclass(frozen=True)
class Variety(ProblemRule):
    """The limit on one kind of group."""

    number: int
    name: str  #: kind of group
    most: int

    family: ClassVar[str] = "most_distinct"
    brief: ClassVar[str] = "a limit on variety"
    separable: ClassVar[bool] = False

    @classmethod
    def of(cls, problem: Problem) -> list[Variety]:
        """One per kind that is limited."""
        return [cls(number, kind, most) for number, (kind, most) in enumerate(problem.most_distinct)]

    @property
    def told_apart(self) -> frozenset[str]:
        """Its kind."""
        return frozenset({self.name})

    def enter(self, draft: FleetDraft) -> None:
        """A binary per group, and the rows that count them."""
        groups = {candidate.group(self.name) for candidate in draft.candidates}
        names = sorted({name for group in groups for name in counted(group)})
        present = {
            name: draft.arrays.add(f"d{self.number}_{position}", 0, 1, integer=True)
            for position, name in enumerate(names)
        }
        draft.arrays.add_rows(group_present(self.number, self.name, draft, present))
        draft.arrays.add_rows(most_distinct(self.number, self.most, present))

    def faults(self, problem: Problem, columns: Mapping[str, Column], solution: Solution) -> Iterator[str]:
        """Too many."""
        names = {name for c in solution.instances for name in counted(columns[c].group(self.name))}
        if len(names) > self.most:
            yield f"{len(names)} different {self.name}, not {self.most}"

    def asks(self, problem: Problem) -> str:
        """In words."""
        return f"at most {self.most} different {self.name}"

    def without(self, problem: Problem) -> Problem:
        """Any number."""
        return replace(problem, most_distinct=self._others(problem))

    def steps(self, problem: Problem) -> int:
        """Up to all there are, one by one."""
        names = {name for column in problem.columns for name in counted(column.group(self.name))}
        return max(len(names) - self.most, 1)

    def relaxed(self, problem: Problem, step: int) -> Problem:
        """So many more."""
        return replace(problem, most_distinct=(*self._others(problem), (self.name, self.most + step)))

    def gives(self, problem: Problem, step: int) -> tuple[str, float]:
        """How many it takes."""
        return f"needs {self.most + step}", float(self.most + step)

    def _others(self, problem: Problem) -> tuple[tuple[str, int], ...]:
        return tuple(limit for limit in problem.most_distinct if limit[0] != self.name)
