"""A good fleet first, from few candidates, before any is proved cheapest.

A solver takes long to find a good fleet among hundreds of candidates, and no time among the fifty of which
one more would cost least over the relaxation. The search among all candidates begins with the fleet found,
and with the cases that decided it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from advisor.errors import SolverFailed
from advisor.optimize import formulation
from advisor.optimize.search.scenario_generation import in_rounds
from advisor.optimize.subproblem import in_the_whole, only

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.optimize.effort import Effort
    from advisor.optimize.reduced import Reduced
    from advisor.optimize.search.result import SearchResult
    from advisor.optimize.subproblem import Subproblem

FEW: Final = 50
"""Candidates looked at first, those of a fleet held besides; twice as many each time after."""

_GAP: Final = 5e-3


def good_fleet(reduced: Reduced, effort: Effort) -> SearchResult | None:
    """A fleet of few candidates that keeps every rule, with no bound of its own; None if none was found."""
    for part in _nearest(reduced, effort):
        if effort.over:
            break
        try:
            found = in_rounds(part.reduced, effort.at_gap(_GAP), None)
        except SolverFailed:  # whoever searches next finds out why
            continue
        if found is not None:
            counts = in_the_whole(reduced, part, found.fleet.instances)
            return replace(found, fleet=replace(found.fleet, instances=counts), bound=0.0)
    return None


def _nearest(reduced: Reduced, effort: Effort) -> Iterator[Subproblem]:
    """Few candidates, those most likely to matter, and again with more, but never with all."""
    if len(reduced.candidates) <= FEW:
        return
    programme = formulation.cheapest_fleet(reduced)
    relaxed = formulation.relax(programme.arrays, effort.left())
    if relaxed is None:
        return
    order = list(
        dict.fromkeys(reduced.candidates[c].kind for c in formulation.nearest_first(programme, relaxed))
    )
    few, chosen = FEW, set[int]()
    for kind in order:
        chosen.update(reduced.kinds[kind].members)
        if len(chosen) >= few and len(chosen) < len(reduced.candidates):
            part = only(reduced, chosen)
            if part.reduced.servable():
                yield part
            few = 2 * len(chosen)
