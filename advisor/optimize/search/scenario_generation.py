"""Bad days, round by round: cases are added until the cheapest fleet gets through all of them.

A case enters with replicas that may be fractions, which is quick, and loses no fleet. Whether a fleet gets
through is tried in whole replicas; a case that is failed although it is in the programme enters again, whole.
So every round's bound holds, and the last fleet is proved.

When time runs out between rounds, the last fleet is repaired: instances are added, as cheaply as they come,
until it gets through every case.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import SolverFailed
from advisor.optimize import formulation
from advisor.optimize.formulation import Outcome
from advisor.optimize.search.head_on import OUT_OF_TIME, Found, propose, with_margin
from advisor.optimize.search.rounding import SLACK, hold
from advisor.optimize.search.scenarios import all_tried, worst_failed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from advisor.optimize.formulation import Case
    from advisor.optimize.reduced import Reduced

ROUNDS_SHARE: Final = 0.75
"""Of the time; the rest is for a repair."""

_SCOUTED_SHARE: Final = 0.9  # the same where a fleet is known already

_REPAIR_GAP: Final = 0.05  # of each repair's programme: what is added is few


class Rounds:
    """A search that can be left and taken up again, and what it has come to.

    Attributes:
        reduced: what is searched.
        found: the last round's fleet with the best bound so far; None before the first.
        passed: that fleet gets through every case: it is the answer.
        hopeless: no fleet keeps the rules.
    """

    def __init__(self, reduced: Reduced, relative_gap: float, scout: Found | None = None) -> None:
        self.reduced = reduced
        self.found: Found | None = None
        self.passed = False
        self.hopeless = False
        self._relative_gap = relative_gap
        self._begin = None if scout is None else scout.fleet.instances
        self._cases: list[Case] = [] if scout is None else list(scout.enforced)
        self._eased: set[Case] = set(self._cases)

    @property
    def over(self) -> bool:
        """Whether another round would change nothing."""
        return self.passed or self.hopeless

    def one_more(self, until: float) -> None:
        """The cheapest fleet under the cases known, put through all of them.

        Raises:
            SolverFailed: no fleet within the time; what was found before stands.
        """
        found = _round(self.reduced, self._cases, self._eased, until, self._relative_gap, self._begin)
        if found is None:
            self.hopeless = True
            return
        if self.found is not None:
            found = replace(found, bound=max(found.bound, self.found.bound))
        results = all_tried(self.reduced, found.fleet)
        failed = worst_failed(self.reduced, results, frozenset(self._cases) - self._eased)
        self.passed = not failed
        self.found = found
        if self.passed:
            self.found = replace(found, tried=results, enforced=tuple(self._cases))
            self._begin = found.fleet.instances
        again = self._eased.intersection(failed)
        self._eased = (self._eased | set(failed)) - again
        self._cases += [case for case in failed if case not in again]


def in_rounds(reduced: Reduced, deadline: float, relative_gap: float, scout: Found | None) -> Found | None:
    """Rounds until a fleet passes or time is up, then a repair; None if there is no fleet.

    Raises:
        SolverFailed: nothing was found within the time, and there is no scout to fall back on.
    """
    rounds, now = Rounds(reduced, relative_gap, scout), time.perf_counter()
    share = ROUNDS_SHARE if scout is None else _SCOUTED_SHARE
    until = now + share * (deadline - now) if reduced.problem.contingencies else deadline
    while not rounds.over:
        try:
            rounds.one_more(until)
        except SolverFailed:
            if rounds.found is None:
                raise
            break
        if time.perf_counter() >= until:
            break
    if rounds.hopeless:
        return None
    assert rounds.found is not None
    if rounds.passed:
        return rounds.found
    try:
        return repaired(reduced, rounds.found, deadline)
    except SolverFailed:
        if scout is None:
            raise
        return replace(scout, bound=rounds.found.bound)


def repaired(reduced: Reduced, found: Found, deadline: float) -> Found:
    """The fleet with instances added until it gets through every case; its bound stays what it was.

    Raises:
        SolverFailed: limits or time do not allow it.
    """
    enforced: list[Case] = []
    while True:
        results = all_tried(reduced, found.fleet)
        failed = worst_failed(reduced, results, ())
        if not failed:
            return replace(found, tried=results, enforced=enforced)
        enforced += [case for case in failed if case not in enforced]
        programme = formulation.cheapest_fleet(reduced, cases=failed)
        programme.keep(found.fleet.instances)
        left = deadline - time.perf_counter()
        answer = formulation.run(programme, time_limit_s=left, relative_gap=_REPAIR_GAP)
        fleet = hold(reduced, answer) if answer.has_values else None
        if fleet is None:
            raise SolverFailed(OUT_OF_TIME)
        found = replace(found, fleet=fleet)


def _round(
    reduced: Reduced,
    cases: Sequence[Case],
    eased: Collection[Case],
    deadline: float,
    relative_gap: float,
    begin: Sequence[int] | None = None,
) -> Found | None:
    """The cheapest fleet that gets through these cases; with a budget, of those that serve the most."""
    options: dict[str, Any] = {"cases": tuple(cases), "eased": frozenset(eased)}
    most = None
    if reduced.problem.budget_usd_per_hour is not None:
        left = deadline - time.perf_counter()
        most = formulation.run(formulation.most_served(reduced, **options), time_limit_s=left)
        if most.outcome is Outcome.INFEASIBLE:
            return None
        if not most.has_values:
            raise SolverFailed(OUT_OF_TIME)
        options["at_least_served"] = -most.objective * (1 - SLACK)
    answer = propose(reduced, deadline, relative_gap, begin=begin, **options)
    if answer.outcome is Outcome.INFEASIBLE:
        return None
    if not answer.has_values:
        raise SolverFailed(OUT_OF_TIME)
    fleet = hold(reduced, answer) or with_margin(reduced, deadline, **options)
    return Found(fleet, answer.bound, most is None or most.outcome is Outcome.OPTIMAL)
