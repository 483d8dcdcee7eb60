"""How long to search, how well, and with which solver."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.optimize.formulation import HIGHS

if TYPE_CHECKING:
    from advisor.optimize.formulation import Solver


DIRECT: Final = "highs"
"""The solver that is handed the arrays."""


def solver_named(name: str | Solver) -> Solver:
    """HiGHS directly, or any solver that PuLP knows and this machine has, by name; a solver is itself.

    Raises:
        UsageError: it is not known or not here; the message names those that are.
    """
    if not isinstance(name, str):
        return name
    if name.strip().casefold() == DIRECT:
        return HIGHS
    from advisor.optimize.formulation.pulp_solver import through_pulp

    return through_pulp(name)


@dataclass(frozen=True, slots=True)
class Effort:
    """What a search may take and is to reach."""

    until: float  #: of the clock ``time.perf_counter``
    relative_gap: float = 0.0  #: (cost - bound) / cost at which to stop
    solver: Solver = HIGHS

    @classmethod
    def of_seconds(cls, seconds: float, relative_gap: float = 0.0, solver: Solver = HIGHS) -> Effort:
        """From now on."""
        return cls(time.perf_counter() + seconds, relative_gap, solver)

    def left(self, share: float = 1.0) -> float:
        """A share of the seconds left, never below 0."""
        return max(0.0, share * (self.until - time.perf_counter()))

    @property
    def over(self) -> bool:
        """Whether no time is left."""
        return time.perf_counter() >= self.until

    def within(self, seconds: float) -> Effort:
        """The same for so many seconds from now, but no longer than this one."""
        return replace(self, until=min(self.until, time.perf_counter() + seconds))

    def share(self, share: float) -> Effort:
        """The same for a share of the time left."""
        return self.within(self.left(share))

    def at_gap(self, relative_gap: float) -> Effort:
        """The same with another gap."""
        return replace(self, relative_gap=relative_gap)

    def by(self, solver: Solver) -> Effort:
        """The same with another solver."""
        return replace(self, solver=solver)
