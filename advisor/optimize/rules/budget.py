"""A budget for the fleet and its side costs: serve the most it pays for, then the cheapest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Final

from advisor.optimize.arrays import INFINITY, LinearRow, Sum
from advisor.optimize.rules.rule import FleetDraft, ProblemRule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from advisor.optimize.problem import Column, Problem, Solution

_SLACK: Final = 2e-9  # relative, of sums of floats
_CENT: Final = Decimal("0.01")


def budget(spent: Sum, usd_per_hour: float) -> Iterator[LinearRow]:
    """fleet_cost + side_cost <= budget_usd_per_hour; the cost of changing over is not spent hourly."""
    yield LinearRow("budget_0", spent.index, spent.value, -INFINITY, usd_per_hour)


@dataclass(frozen=True)
class Budget(ProblemRule):
    """Dollars per hour at most."""

    usd_per_hour: Decimal
    name: str = "budget"

    family: ClassVar[str] = "budget"
    brief: ClassVar[str] = "a budget"
    demands_mergeable: ClassVar[bool] = False  # of equal work one may be served and the other not
    separable: ClassVar[bool] = False
    serves_all: ClassVar[bool] = False

    @classmethod
    def of(cls, problem: Problem) -> list[Budget]:
        """One at most."""
        usd = problem.budget_usd_per_hour
        return [] if usd is None else [cls(usd)]

    def enter(self, draft: FleetDraft) -> None:
        """A row."""
        draft.arrays.add_rows(budget(draft.spent, float(self.usd_per_hour)))

    def faults(self, problem: Problem, columns: Mapping[str, Column], solution: Solution) -> Iterator[str]:
        """Too dear."""
        over = float(solution.usd_per_hour - self.usd_per_hour) + solution.side_usd_per_hour
        if over > _SLACK * float(self.usd_per_hour):
            spent = f"{solution.usd_per_hour} and {solution.side_usd_per_hour:g} of side costs"
            yield f"{spent} exceed the budget of {self.usd_per_hour}"

    def asks(self, problem: Problem) -> str:
        """In words."""
        return f"a budget of ${self.usd_per_hour:f}/h"

    def without(self, problem: Problem) -> Problem:
        """Any cost; then everything is to be served."""
        return replace(problem, budget_usd_per_hour=None)

    def steps(self, problem: Problem) -> int:
        """Cent by cent."""
        return 10**9

    def relaxed(self, problem: Problem, step: int) -> Problem:
        """So many cents more."""
        return replace(problem, budget_usd_per_hour=self.usd_per_hour + step * _CENT)

    def gives(self, problem: Problem, step: int) -> tuple[str, float]:
        """What it takes."""
        needed = self.usd_per_hour + step * _CENT
        return f"needs ${needed:f}/h", float(needed)
