"""The cheapest fleet that keeps every rule: which search a problem's rules ask for."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from advisor.errors import SolverFailed
from advisor.optimize.search.branch_on_variety import cheapest_choice, choices_of
from advisor.optimize.search.restricted_master import scouted
from advisor.optimize.search.rounding import cost_of
from advisor.optimize.search.scenario_generation import in_rounds

if TYPE_CHECKING:
    from advisor.optimize.reduced import Reduced
    from advisor.optimize.search.head_on import Found

_SCOUT_SHARE: Final = 0.3  # of the time, at most


def cheapest_under_rules(reduced: Reduced, deadline: float, relative_gap: float) -> Found | None:
    """A fleet that keeps every rule and a bound on the cost of any; None if there is none.

    Raises:
        SolverFailed: no such fleet was found within the time.
    """
    choices = choices_of(reduced, relative_gap, deadline)
    if choices is not None:
        return cheapest_choice(reduced, choices, deadline, relative_gap)
    scout = _scout(reduced, deadline)
    try:
        found = in_rounds(reduced, deadline, relative_gap, scout)
    except SolverFailed:
        if scout is None:
            raise
        return scout
    if scout is None or found is None or cost_of(reduced, found.fleet) <= cost_of(reduced, scout.fleet):
        return found
    return replace(scout, bound=found.bound)


def _scout(reduced: Reduced, deadline: float) -> Found | None:
    problem = reduced.problem
    if not (problem.contingencies or problem.most_distinct) or problem.budget_usd_per_hour is not None:
        return None  # without bad days or limits on variety the relaxation guides well enough
    now = time.perf_counter()
    return scouted(reduced, now + _SCOUT_SHARE * (deadline - now))
