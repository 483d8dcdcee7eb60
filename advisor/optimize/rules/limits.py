"""Quotas and stock, as far as they may stand in the way: nobody's rules, but limits all the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Final

from advisor.optimize.rules.rule import Relaxable

if TYPE_CHECKING:
    from advisor.optimize.problem import Problem

_MOST_UNITS: Final = 2**20  # of a pool's smallest draw


@dataclass(frozen=True)
class PoolLimit(Relaxable):
    """What is free of one pool."""

    name: str  #: pool key
    unit: str  #: what it counts

    family: ClassVar[str] = "quota"

    def asks(self, problem: Problem) -> str:
        """In words."""
        return f"{self.name} has {max(problem.free_units[self.name], Decimal(0)):f} {self.unit} free"

    def without(self, problem: Problem) -> Problem:
        """Unlimited."""
        free = {pool: units for pool, units in problem.free_units.items() if pool != self.name}
        return replace(problem, free_units=free)

    def steps(self, problem: Problem) -> int:
        """In units of the smallest draw."""
        return _MOST_UNITS

    def relaxed(self, problem: Problem, step: int) -> Problem:
        """So much more of it."""
        units = max(problem.free_units[self.name], Decimal(0)) + self._more(problem, step)
        return replace(problem, free_units={**problem.free_units, self.name: units})

    def gives(self, problem: Problem, step: int) -> tuple[str, float]:
        """What it takes."""
        more = self._more(problem, step)
        return f"needs {more:f} more", float(more)

    def _more(self, problem: Problem, step: int) -> Decimal:
        draws = [units for column in problem.columns for pool, units in column.draws if pool == self.name]
        return step * min(units for units in draws if units > 0)


@dataclass(frozen=True)
class StockLimit(Relaxable):
    """What is in stock of all columns."""

    name: str = "stock"

    family: ClassVar[str] = "stock"

    def asks(self, problem: Problem) -> str:
        """In words."""
        scarce = [column for column in problem.columns if column.max_instances is not None]
        return f"the stock of {len(scarce)} offers is limited"

    def without(self, problem: Problem) -> Problem:
        """Unlimited."""
        return replace(problem, columns=tuple(replace(c, max_instances=None) for c in problem.columns))

    def steps(self, problem: Problem) -> int:
        """All at once: which of the offers should have more is nobody's to say."""
        return 1

    def relaxed(self, problem: Problem, step: int) -> Problem:
        """Unlimited."""
        return self.without(problem)

    def gives(self, problem: Problem, step: int) -> tuple[str, float]:
        """More."""
        return "more of it would do", float("nan")
