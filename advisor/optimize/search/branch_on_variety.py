"""A limit on variety, choice by choice: which groups may be bought together decides more than any price.

In one programme the limit is a row over binaries that a relaxation hardly feels, and its bound is far off.
With the groups chosen the row is gone. So every choice is a problem of its own, and the one whose bound is
lowest is taken one round further, again and again: nothing is looked at that is dearer than the answer, and
the lowest bound left is a bound of the whole.
"""

from __future__ import annotations

import heapq
import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from advisor.errors import SolverFailed
from advisor.optimize import formulation
from advisor.optimize.rules import traits_of
from advisor.optimize.rules.variety import counted
from advisor.optimize.search.result import OUT_OF_TIME, SearchResult
from advisor.optimize.search.rounding import SLACK, cost_of
from advisor.optimize.search.scenario_generation import ROUNDS_SHARE, ScenarioSearch, repaired
from advisor.optimize.subproblem import Subproblem, in_the_whole, only

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.optimize.effort import Effort
    from advisor.optimize.reduced import Reduced

MOST_CHOICES: Final = 50
"""Choices of groups up to which each is looked at alone; beyond, one programme gets further in the time."""

_ABREAST: Final = 2
"""Choices taken further at a time, on a core each; always both, so that the same question has one answer."""

_TURN: Final = 0.2  # of the time, for the first round of a choice; each later one may take twice as long

_REPAIRED: Final = 3
"""Choices whose last fleets are repaired when time is up, those of the lowest bounds."""


@dataclass(order=True, slots=True)
class VarietyChoice:
    """One choice of groups, how far it has come, and what no fleet of it can cost less than."""

    bound: float
    number: int
    part: Subproblem = field(compare=False)
    rounds: ScenarioSearch = field(compare=False)
    turn: float = field(default=_TURN, compare=False)

    def one_more(self, effort: Effort, whole_s: float) -> None:
        """A round within its turn of the whole time, and what no fleet of it costs less than by then."""
        turn = self.turn * whole_s
        self.turn *= 2
        with suppress(SolverFailed):
            self.rounds.one_more(effort.within(turn))
        if self.rounds.found is not None:
            self.bound = max(self.bound, self.rounds.found.bound)


def choices_of(reduced: Reduced, effort: Effort) -> list[VarietyChoice] | None:
    """Every choice that could serve everything; None where there are too many, or nothing to choose."""
    problem = reduced.problem
    if not problem.contingencies or not traits_of(problem).serves_all:
        return None  # without bad days one programme does well enough
    for kind, most in problem.most_distinct:
        names = sorted({name for x in reduced.candidates for name in counted(x.group(kind))})
        if 0 < most < len(names) and math.comb(len(names), most) <= MOST_CHOICES:
            break
    else:
        return None
    found = []
    for number, chosen in enumerate(itertools.combinations(names, most)):
        own = {c for c, x in enumerate(reduced.candidates) if set(counted(x.group(kind))) <= set(chosen)}
        part = only(reduced, own)
        if not part.reduced.servable():
            continue
        relaxed = formulation.relax(formulation.cheapest_fleet(part.reduced).arrays, effort.left())
        bound = 0.0 if relaxed is None else relaxed.objective
        found.append(VarietyChoice(bound, number, part, ScenarioSearch(part.reduced)))
    return found


def cheapest_choice(
    reduced: Reduced, choices: list[VarietyChoice], effort: Effort, known: SearchResult | None = None
) -> SearchResult | None:
    """The cheapest fleet of any choice, and the lowest bound of those left; None if no choice has a fleet.

    Args:
        reduced: the whole.
        choices: of :func:`choices_of`.
        effort: for everything.
        known: a fleet that is to be beaten.

    Raises:
        SolverFailed: no fleet was found within the time.
    """
    searched = effort.share(ROUNDS_SHARE)
    whole_s = searched.left()
    best = _Best(reduced, known)
    heapq.heapify(choices)
    with ThreadPoolExecutor(_ABREAST) as pool:
        while choices and choices[0].bound < best.worth_beating(effort.relative_gap):
            within = searched if best.found is None else effort  # one that passed needs no time for a repair
            if within.over:
                break
            wave = [heapq.heappop(choices) for _ in range(min(_ABREAST, len(choices)))]
            list(pool.map(partial(VarietyChoice.one_more, effort=within, whole_s=whole_s), wave))
            for choice in wave:
                if choice.rounds.passed:
                    best.offer(choice, choice.rounds.found)
                if not choice.rounds.hopeless:  # one that passed comes back while its own bound is too low
                    heapq.heappush(choices, choice)
    for choice in sorted(choices)[:_REPAIRED]:
        open_still = choice.bound < best.worth_beating(effort.relative_gap) and not choice.rounds.passed
        if open_still and choice.rounds.found is not None:
            with suppress(SolverFailed):
                best.offer(choice, repaired(choice.part.reduced, choice.rounds.found, effort))
    if best.found is None and choices:
        raise SolverFailed(OUT_OF_TIME)
    return best.with_bound(choice.bound for choice in choices)


class _Best:
    """The cheapest fleet that passed, in the numbers of the whole."""

    def __init__(self, reduced: Reduced, known: SearchResult | None) -> None:
        self._reduced = reduced
        self.found = known
        self._usd = math.inf if known is None else cost_of(reduced, known.fleet)

    def offer(self, choice: VarietyChoice, found: SearchResult | None) -> None:
        """A fleet of a choice that passed."""
        assert found is not None
        usd = cost_of(choice.part.reduced, found.fleet)
        if usd < self._usd:
            counts = in_the_whole(self._reduced, choice.part, found.fleet.instances)
            self.found, self._usd = replace(found, fleet=replace(found.fleet, instances=counts)), usd

    def worth_beating(self, relative_gap: float) -> float:
        """What a bound has to be below for its choice to matter."""
        return self._usd - max(relative_gap, SLACK) * self._usd if self.found is not None else math.inf

    def with_bound(self, others: Iterable[float]) -> SearchResult | None:
        """The fleet with the lowest bound of any choice."""
        return None if self.found is None else replace(self.found, bound=min([self._usd, *others]))
