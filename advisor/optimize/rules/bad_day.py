"""A bad day the fleet gets through: its cases are found and enforced by scenario generation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from advisor.optimize.problem import INSTANCE
from advisor.optimize.rules.rule import ProblemRule

if TYPE_CHECKING:
    from advisor.optimize.problem import Contingency, Problem

_PERCENT: Final = 100


@dataclass(frozen=True)
class BadDay(ProblemRule):
    """One contingency."""

    day: Contingency

    family: ClassVar[str] = "contingency"
    brief: ClassVar[str] = "a loss to survive"
    separable: ClassVar[bool] = False

    @classmethod
    def of(cls, problem: Problem) -> list[BadDay]:
        """One per contingency."""
        return [cls(day) for day in problem.contingencies]

    @property
    def name(self) -> str:  # type: ignore[override]
        """Its label."""
        return self.day.label

    @property
    def told_apart(self) -> frozenset[str]:
        """What is lost, unless single instances are."""
        lose = self.day.lose
        return frozenset() if lose is None or lose == INSTANCE else frozenset({lose})

    def asks(self, problem: Problem) -> str:
        """In words; where it asks for more places than there are, that."""
        day, words = self.day, _in_words(self.day)
        names = self._too_few(problem)
        if names is None:
            return words
        scope = f"only {', '.join(names)} is in scope" if len(names) == 1 else f"in scope: {', '.join(names)}"
        return f"{words} needs offers in {day.count + 1} {day.lose}s; {scope}"

    def _too_few(self, problem: Problem) -> list[str] | None:
        """The groups there are, if a fleet on all of them could lose every one."""
        day = self.day
        if day.lose is None or day.lose == INSTANCE or day.only:
            return None
        names = sorted({name for column in problem.columns for name in column.group(day.lose)})
        return names if len(names) <= day.count else None

    def without(self, problem: Problem) -> Problem:
        """It never comes."""
        return replace(problem, contingencies=tuple(d for d in problem.contingencies if d is not self.day))

    def steps(self, problem: Problem) -> int:
        """Down to nothing kept, per cent by per cent."""
        return 0 if self._too_few(problem) is not None else int(self.day.keeps * _PERCENT) - 1

    def relaxed(self, problem: Problem, step: int) -> Problem:
        """So many per cent less are kept."""
        days = (
            replace(day, keeps=self._kept(step)) if day is self.day else day for day in problem.contingencies
        )
        return replace(problem, contingencies=tuple(days))

    def gives(self, problem: Problem, step: int) -> tuple[str, float]:
        """What can be kept."""
        return f"at most {self._kept(step):.0%} of every demand can be kept", self._kept(step)

    def _kept(self, step: int) -> float:
        return (int(self.day.keeps * _PERCENT) - step) / _PERCENT


def _in_words(day: Contingency) -> str:
    if day.lose is None:
        what = day.label
    elif day.lose == INSTANCE:
        number = f"any {day.count} instances" if day.count > 1 else "any one instance"
        what = f"surviving the loss of {number}"
    else:
        number = "one" if day.count == 1 else str(day.count)
        what = f"surviving the loss of any {number} {day.lose}"
    return what if day.keeps == 1 else f"{what} with {day.keeps:.0%} of every demand"
