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
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from advisor.errors import SolverFailed
from advisor.optimize import formulation
from advisor.optimize.search.head_on import OUT_OF_TIME, Found
from advisor.optimize.search.rounding import SLACK, cost_of
from advisor.optimize.search.scenario_generation import ROUNDS_SHARE, Rounds, repaired
from advisor.optimize.subproblem import Part, in_the_whole, only

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.optimize.reduced import Reduced

MOST_CHOICES: Final = 50
"""Choices of groups up to which each is looked at alone; beyond, one programme gets further in the time."""

_ABREAST: Final = 2
"""Choices taken further at a time, on a core each; always both, so that the same question has one answer."""

_TURN: Final = 0.2  # of the time, for the first round of a choice; each later one may take twice as long

_REPAIRED: Final = 3
"""Choices whose last fleets are repaired when time is up, those of the lowest bounds."""


@dataclass(order=True, slots=True)
class Choice:
    """One choice of groups, how far it has come, and what no fleet of it can cost less than."""

    bound: float
    number: int
    part: Part = field(compare=False)
    rounds: Rounds = field(compare=False)
    turn: float = field(default=_TURN, compare=False)


def choices_of(reduced: Reduced, relative_gap: float, until: float) -> list[Choice] | None:
    """Every choice that could serve everything; None where there are too many, or nothing to choose."""
    problem = reduced.problem
    if not problem.contingencies or problem.budget_usd_per_hour is not None:
        return None  # without bad days one programme does well enough
    for kind, most in problem.most_distinct:
        names = sorted({name for x in reduced.candidates for name in x.group(kind)})
        if 0 < most < len(names) and math.comb(len(names), most) <= MOST_CHOICES:
            break
    else:
        return None
    found = []
    for number, chosen in enumerate(itertools.combinations(names, most)):
        own = {c for c, x in enumerate(reduced.candidates) if set(x.group(kind)) <= set(chosen)}
        part = only(reduced, own)
        if not part.reduced.servable():
            continue
        programme = formulation.cheapest_fleet(part.reduced)
        relaxed = formulation.relax(programme.model, until - time.perf_counter())
        bound = 0.0 if relaxed is None else relaxed.objective
        found.append(Choice(bound, number, part, Rounds(part.reduced, relative_gap)))
    return found


def cheapest_choice(
    reduced: Reduced, choices: list[Choice], deadline: float, relative_gap: float
) -> Found | None:
    """The cheapest fleet of any choice, and the lowest bound of those left; None if no choice has a fleet.

    Raises:
        SolverFailed: no fleet was found within the time.
    """
    now = time.perf_counter()
    until = now + ROUNDS_SHARE * (deadline - now)
    best = _Best(reduced)
    heapq.heapify(choices)
    with ThreadPoolExecutor(_ABREAST) as pool:
        while choices and choices[0].bound < best.worth_beating(relative_gap):
            end = until if best.found is None else deadline  # a fleet that passed needs no time for a repair
            if time.perf_counter() >= end:
                break
            wave = [heapq.heappop(choices) for _ in range(min(_ABREAST, len(choices)))]
            list(pool.map(partial(_one_more, start=now, until=end), wave))
            for choice in wave:
                if choice.rounds.passed:
                    best.offer(choice, choice.rounds.found)
                if not choice.rounds.hopeless:  # one that passed comes back while its own bound is too low
                    heapq.heappush(choices, choice)
    for choice in sorted(choices)[:_REPAIRED]:
        open_still = choice.bound < best.worth_beating(relative_gap) and not choice.rounds.passed
        if open_still and choice.rounds.found is not None:
            with suppress(SolverFailed):
                best.offer(choice, repaired(choice.part.reduced, choice.rounds.found, deadline))
    if best.found is None and choices:
        raise SolverFailed(OUT_OF_TIME)
    return best.with_bound(choice.bound for choice in choices)


def _one_more(choice: Choice, start: float, until: float) -> None:
    """A round of a choice within its turn, and what no fleet of it costs less than by then."""
    turn = choice.turn * (until - start)
    choice.turn *= 2
    with suppress(SolverFailed):
        choice.rounds.one_more(min(until, time.perf_counter() + turn))
    if choice.rounds.found is not None:
        choice.bound = max(choice.bound, choice.rounds.found.bound)


@dataclass(slots=True)
class _Best:
    """The cheapest fleet that passed, in the numbers of the whole."""

    reduced: Reduced
    found: Found | None = None
    usd: float = math.inf

    def offer(self, choice: Choice, found: Found | None) -> None:
        """A fleet of a choice that passed."""
        assert found is not None
        usd = cost_of(choice.part.reduced, found.fleet)
        if usd < self.usd:
            counts = in_the_whole(self.reduced, choice.part, found.fleet.instances)
            self.found, self.usd = replace(found, fleet=replace(found.fleet, instances=counts)), usd

    def worth_beating(self, relative_gap: float) -> float:
        """What a bound has to be below for its choice to matter."""
        if self.found is None:
            return math.inf
        return self.usd - max(relative_gap, SLACK) * self.usd

    def with_bound(self, others: Iterable[float]) -> Found | None:
        """The fleet with the lowest bound of any choice."""
        if self.found is None:
            return None
        return replace(self.found, bound=min([self.usd, *others]))
