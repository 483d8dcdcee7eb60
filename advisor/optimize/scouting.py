"""A good fleet first, from few candidates, before any is proved cheapest.

HiGHS takes long to find a good fleet among hundreds of candidates, and no time among the fifty of which one
more would cost least over the relaxation. Where variety is limited, which groups are bought together decides
more than any price, so each choice of them is looked at alone. The search among all candidates begins with
the fleet found, and with the cases that decided it.
"""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from advisor.optimize import formulation
from advisor.optimize.part import Part, part_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.optimize.fleet import Fleet
    from advisor.optimize.reduced import Reduced

FEW: Final = 50
"""Candidates that a scout looks at first, those of a fleet held besides; twice as many each time after."""

MOST_CHOICES: Final = 150
"""Choices of groups under a limit on variety up to which each is a problem of its own."""


def parts_to_scout(reduced: Reduced, until: float) -> Iterator[tuple[float, Part]]:
    """Smaller problems whose fleets are fleets of the whole, the most promising first, each with a bound."""
    if len(reduced.candidates) <= FEW:
        return
    rules = [rule for rule in reduced.problem.most_distinct if rule[1] > 0]
    if rules:
        yield from _by_variety(reduced, *rules[0], until)
    else:
        yield from _nearest(reduced, until)


def _nearest(reduced: Reduced, until: float) -> Iterator[tuple[float, Part]]:
    """Few candidates, those most likely to matter, and again with more, but never with all."""
    programme = formulation.cheapest_fleet(reduced)
    relaxed = formulation.relax(programme.model, until - time.perf_counter())
    if relaxed is None:
        return
    order = formulation.nearest_first(programme, relaxed)
    few = FEW
    while few < len(order):
        part = _with(reduced, set(order[:few]))
        if part.reduced.servable():
            yield relaxed.objective, part
        few *= 2


def _by_variety(reduced: Reduced, kind: str, most: int, until: float) -> Iterator[tuple[float, Part]]:
    """Under a limit on variety: what may be bought together, one choice of groups after another."""
    names = sorted({name for x in reduced.candidates for name in x.group(kind)})
    if math.comb(len(names), min(most, len(names))) > MOST_CHOICES:
        return
    found = []
    for chosen in itertools.combinations(names, min(most, len(names))):
        own = {c for c, x in enumerate(reduced.candidates) if set(x.group(kind)) <= set(chosen)}
        part = _with(reduced, own)
        if not part.reduced.servable():
            continue
        programme = formulation.cheapest_fleet(part.reduced)
        relaxed = formulation.relax(programme.model, until - time.perf_counter())
        if relaxed is None:
            continue
        near = {part.candidates[c] for c in formulation.nearest_first(programme, relaxed)[:FEW]}
        few = _with(reduced, near)
        found.append((relaxed.objective, chosen, few if few.reduced.servable() else part))
    for bound, _, part in sorted(found, key=lambda x: x[:2]):
        yield bound, part


def _with(reduced: Reduced, candidates: set[int]) -> Part:
    held = {c for c, x in enumerate(reduced.candidates) if x.held}
    uses = {(p, u) for p, kind in enumerate(reduced.kinds) for u in range(len(kind.uses))}
    return part_of(reduced, candidates | held, uses)


def in_the_whole(reduced: Reduced, part: Part, fleet: Fleet) -> Fleet:
    """A part's fleet in the numbers of the whole; kinds, uses and demands have the same in both."""
    counts = [0] * len(reduced.candidates)
    for c, count in zip(part.candidates, fleet.instances, strict=True):
        counts[c] = count
    return replace(fleet, instances=tuple(counts))
