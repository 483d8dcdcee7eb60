"""What it costs to depart from the fleet held, spread over the hours until the next change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from advisor.optimize.arrays import LinearRow, Sum, row
from advisor.optimize.rules.rule import FleetDraft, ProblemRule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from advisor.optimize.problem import ChangeCost, Problem


def departure(draft: FleetDraft, moves: Mapping[int, tuple[int, int]]) -> Iterator[LinearRow]:
    """Of a column that is held: instances - added + removed = held. Of the rest, all instances are added."""
    for c, (added, removed) in sorted(moves.items()):
        held = float(draft.candidates[c].held)
        yield row(f"departure_{c}", [(draft.instances + c, 1.0), (added, -1.0), (removed, 1.0)], held, held)


@dataclass(frozen=True)
class CostOfChange(ProblemRule):
    """The cost of change; it forbids nothing."""

    terms: ChangeCost
    name: str = "change"

    family: ClassVar[str] = "departure"
    brief: ClassVar[str] = "a cost of change"
    forbids: ClassVar[bool] = False

    @classmethod
    def of(cls, problem: Problem) -> list[CostOfChange]:
        """One at most."""
        return [] if problem.change is None else [cls(problem.change)]

    def enter(self, draft: FleetDraft) -> None:
        """Sum of usd_per_added · added + usd_per_removed · removed, spread over the horizon's hours."""
        start, stop = self.terms.usd_per_hour
        moves = {}
        for c, candidate in enumerate(draft.candidates):
            if candidate.held:
                moves[c] = draft.arrays.add(f"added{c}"), draft.arrays.add(f"removed{c}")
                draft.costs.append(Sum(np.array(moves[c]), np.array([start, stop])))
            else:
                draft.costs.append(Sum(np.array([draft.instances + c]), np.array([start])))
        draft.arrays.add_rows(departure(draft, moves))
