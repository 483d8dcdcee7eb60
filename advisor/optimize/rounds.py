"""Bad days, round by round: cases are added until the cheapest fleet gets through all of them.

A case enters with replicas that may be fractions, which is quick, and loses no fleet. Whether a fleet gets
through is tried in whole replicas; a case that is failed although it is in the programme enters again, whole.
So every round's bound holds, and the last fleet is proved.

Large problems are scouted first (:mod:`~advisor.optimize.scouting`). When time runs out between rounds, the
last fleet is repaired: instances are added, as cheaply as they come, until it gets through every case; of it
and the scouted one the cheaper stands.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import SolverFailed
from advisor.optimize import formulation
from advisor.optimize.contingencies import all_tried, worst_failed
from advisor.optimize.fleet import SLACK, cost_of, hold
from advisor.optimize.formulation import Outcome
from advisor.optimize.scouting import in_the_whole, parts_to_scout
from advisor.optimize.search import OUT_OF_TIME, Found, propose, with_margin

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from advisor.optimize.formulation import Case
    from advisor.optimize.reduced import Reduced

_ROUNDS_SHARE: Final = 0.75  # of the time; the rest is for a repair
_SCOUT_SHARE, _CHOICES_SHARE = 0.3, 0.6  # of the time, at most; where variety is limited
_SCOUT_GAP: Final = 5e-3
_EACH: Final = 0.15  # of a scout's time, for one choice of what may be bought together
_REPAIR_GAP: Final = 0.05  # of each repair's programme: what is added is few


def cheapest_under_rules(reduced: Reduced, deadline: float, relative_gap: float) -> Found | None:
    """A fleet that keeps every rule and a bound on the cost of any; None if there is none.

    Raises:
        SolverFailed: no such fleet was found within the time.
    """
    now = time.perf_counter()
    share = _SCOUT_SHARE if not reduced.problem.most_distinct else _CHOICES_SHARE
    scout = _scouted(reduced, now + share * (deadline - now))
    try:
        found = _in_rounds(reduced, deadline, relative_gap, scout)
    except SolverFailed:
        if scout is None:
            raise
        return scout
    if scout is None or found is None or cost_of(reduced, found.fleet) <= cost_of(reduced, scout.fleet):
        return found
    return replace(scout, bound=found.bound)


def _scouted(reduced: Reduced, until: float) -> Found | None:
    """A fleet of few candidates that keeps every rule, with no bound of its own; None if none was found."""
    problem = reduced.problem
    if not (problem.contingencies or problem.most_distinct) or problem.budget_usd_per_hour is not None:
        return None  # without bad days or limits on variety the relaxation guides well enough
    now = time.perf_counter()
    best: Found | None = None
    cost = float("inf")
    for bound, part in parts_to_scout(reduced, until):
        if bound >= cost or time.perf_counter() >= until:
            break
        share = until if not reduced.problem.most_distinct else time.perf_counter() + _EACH * (until - now)
        try:
            found = _in_rounds(part.reduced, min(share, until), _SCOUT_GAP, None, cost)
        except SolverFailed:  # it is a scout: whoever searches next finds out why
            continue
        if found is None:
            continue
        usd = cost_of(part.reduced, found.fleet)
        if usd < cost:
            fleet = in_the_whole(reduced, part, found.fleet)
            best, cost = replace(found, fleet=fleet, bound=0.0), usd
        if not reduced.problem.most_distinct:
            break
    return best


def _in_rounds(
    reduced: Reduced, deadline: float, relative_gap: float, scout: Found | None, below: float = float("inf")
) -> Found | None:
    """Rounds of cases; None if there is no fleet, or none that costs less than ``below``."""
    begin = None if scout is None else scout.fleet.instances
    if not reduced.problem.contingencies:
        return _round(reduced, (), frozenset(), deadline, relative_gap, begin)
    now = time.perf_counter()
    until = now + _ROUNDS_SHARE * (deadline - now)
    cases: list[Case] = [] if scout is None else list(scout.enforced)
    eased: set[Case] = set(cases)
    last: Found | None = None
    while True:
        try:
            found = _round(reduced, cases, eased, until, relative_gap, begin)
        except SolverFailed:
            if last is None:
                raise
            break
        if found is None or found.bound >= below:
            return None
        last = found if last is None else replace(found, bound=max(found.bound, last.bound))
        results = all_tried(reduced, last.fleet)
        failed = worst_failed(reduced, results, frozenset(cases) - eased)
        if not failed:
            return replace(last, tried=results, enforced=cases)
        again = eased.intersection(failed)
        eased = (eased | set(failed)) - again
        cases += [case for case in failed if case not in again]
        if time.perf_counter() >= until:
            break
    try:
        return repaired(reduced, last, deadline)
    except SolverFailed:
        if scout is None:
            raise
        return replace(scout, bound=last.bound)


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
