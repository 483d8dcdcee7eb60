"""Bad days, round by round: cases are added until the cheapest fleet gets through all of them.

A case enters with replicas that may be fractions, which is quick, and loses no fleet. Whether a fleet gets
through is tried in whole replicas; a case that is failed although it is in the programme enters again, whole.
So every round's bound holds, and the last fleet is proved.

When time runs out between rounds, the last fleet is repaired: instances are added, as cheaply as they come,
until it gets through every case.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import SolverFailed
from advisor.optimize import formulation
from advisor.optimize.formulation import SolverVerdict
from advisor.optimize.rules import traits_of
from advisor.optimize.search.head_on import proposed
from advisor.optimize.search.result import OUT_OF_TIME, SearchResult
from advisor.optimize.search.rounding import SLACK, hold, weighted_served
from advisor.optimize.search.scenarios import all_tried, worst_failed

if TYPE_CHECKING:
    from advisor.optimize.effort import Effort
    from advisor.optimize.formulation import Case
    from advisor.optimize.reduced import Reduced

ROUNDS_SHARE: Final = 0.75
"""Of the time; the rest is for a repair."""

_SAME_SERVED: Final = 1e-5  # relative: two solvers' tolerances apart
_KNOWN_SHARE: Final = 0.9  # the same where a fleet is known already

_REPAIR_GAP: Final = 0.05  # of each repair's programme: what is added is few


class ScenarioSearch:
    """A search that can be left and taken up again, and what it has come to.

    Attributes:
        reduced: what is searched.
        found: the last round's fleet with the best bound so far; None before the first.
        passed: that fleet gets through every case: it is the answer.
        hopeless: no fleet keeps the rules.
    """

    def __init__(self, reduced: Reduced, known: SearchResult | None = None) -> None:
        """``known`` is a fleet to begin with, and cases that matter."""
        self.reduced = reduced
        self.found: SearchResult | None = None
        self.passed = False
        self.hopeless = False
        self._known = known
        self._begin = None if known is None else known.fleet.instances
        self._cases: list[Case] = [] if known is None else list(known.enforced)
        self._eased: set[Case] = {case for case in self._cases if not case.margin}

    @property
    def over(self) -> bool:
        """Whether another round would change nothing."""
        return self.passed or self.hopeless

    def one_more(self, effort: Effort) -> None:
        """The cheapest fleet under the cases known, put through all of them.

        Raises:
            SolverFailed: no fleet within the time; what was found before stands.
        """
        found = self._round(effort)
        if found is None:
            self.hopeless = True
            return
        found = self._with_bounds(found)
        results = all_tried(self.reduced, found.fleet)
        failed = worst_failed(self.reduced, results, frozenset(self._cases) - self._eased)
        self.passed = not failed
        self.found = found
        if self.passed:
            self.found = replace(found, tried=results, enforced=tuple(self._cases))
            self._begin = found.fleet.instances
        again = self._eased.intersection(failed)
        self._eased = (self._eased | {case for case in failed if not case.margin}) - again
        self._cases += [case for case in failed if case not in again]

    def _with_bounds(self, found: SearchResult) -> SearchResult:
        """What this round and those before prove together: each had fewer cases, so its fleet cost no more.

        With a budget, a bound on cost is one on what serves as much, and what served more has none for this.
        """
        before = self.found
        firm = any(case.margin for case in self._cases)  # more was asked than the problem does
        if found.served_at_most is not None:
            return replace(found, bound=0.0 if firm else found.bound)
        return replace(
            found, bound=max(0.0 if firm else found.bound, 0.0 if before is None else before.bound)
        )

    def _round(self, effort: Effort) -> SearchResult | None:
        """The cheapest fleet that gets through these cases; with a budget, of those that serve the most."""
        options: dict[str, Any] = {"cases": tuple(self._cases), "eased": frozenset(self._eased)}
        served_at_most = None
        if not traits_of(self.reduced.problem).serves_all:
            programme = formulation.most_served(self.reduced, **options)
            start = (
                None if self._begin is None else formulation.point_of(programme, self._begin, effort.left())
            )
            most = formulation.run(programme, effort.left(), start=start, solver=effort.solver)
            if most.verdict is SolverVerdict.INFEASIBLE:
                return None
            if not most.has_values:
                raise SolverFailed(OUT_OF_TIME)
            served_at_most, served = -most.bound, -most.objective
            if self._known is not None:
                known = weighted_served(self.reduced, self._known.fleet)
                served = known if abs(served - known) <= _SAME_SERVED * known else max(served, known)
            options["at_least_served"] = served * (1 - SLACK)
        answer, fleet = proposed(self.reduced, effort, begin=self._begin, **options)
        if answer.verdict is SolverVerdict.INFEASIBLE:
            return None
        if fleet is None:
            raise SolverFailed(OUT_OF_TIME)
        return SearchResult(fleet, answer.bound, served_at_most=served_at_most)


def in_rounds(reduced: Reduced, effort: Effort, known: SearchResult | None) -> SearchResult | None:
    """Rounds until a fleet passes or time is up, then a repair; None if there is no fleet.

    Raises:
        SolverFailed: nothing was found within the time, and no fleet is known to fall back on.
    """
    rounds = ScenarioSearch(reduced, known)
    share = ROUNDS_SHARE if known is None else _KNOWN_SHARE
    within = effort.share(share) if reduced.problem.contingencies else effort
    while not rounds.over:
        try:
            rounds.one_more(within)
        except SolverFailed:
            if rounds.found is None:
                raise
            break
        if within.over:
            break
    if rounds.hopeless:
        return None
    assert rounds.found is not None
    if rounds.passed:
        return rounds.found
    try:
        return repaired(reduced, rounds.found, effort)
    except SolverFailed:
        if known is None:
            raise
        return replace(known, bound=rounds.found.bound, served_at_most=rounds.found.served_at_most)


def repaired(reduced: Reduced, found: SearchResult, effort: Effort) -> SearchResult:
    """The fleet with instances added until it gets through every case; its bound stays what it was.

    Raises:
        SolverFailed: limits or time do not allow it.
    """
    enforced: list[Case] = []
    whole = traits_of(reduced.problem).serves_all
    served = None if whole else weighted_served(reduced, found.fleet) * (1 - SLACK)
    while True:
        results = all_tried(reduced, found.fleet)
        failed = worst_failed(reduced, results, ())
        if not failed:
            return replace(found, tried=results, enforced=enforced)
        enforced += [case for case in failed if case not in enforced]
        programme = formulation.cheapest_fleet(reduced, cases=failed, at_least_served=served)
        programme.keep(found.fleet.instances)
        answer = formulation.run(programme, effort.left(), relative_gap=_REPAIR_GAP, solver=effort.solver)
        fleet = hold(reduced, answer) if answer.has_values else None
        if fleet is None:
            raise SolverFailed(OUT_OF_TIME)
        found = replace(found, fleet=fleet)
