"""The cheapest fleet that keeps every rule: which search its rules ask for, and a second opinion on it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from advisor.errors import SolverFailed
from advisor.optimize import formulation
from advisor.optimize.bounds.certified import certified_bound
from advisor.optimize.formulation import SECOND_OPINION
from advisor.optimize.rules import is_plain, traits_of
from advisor.optimize.search.branch_on_variety import cheapest_choice, choices_of
from advisor.optimize.search.coarse import coarse
from advisor.optimize.search.head_on import cheapest_plain
from advisor.optimize.search.restricted_master import good_fleet
from advisor.optimize.search.result import OUT_OF_TIME, SearchResult
from advisor.optimize.search.rounding import SLACK, cost_of, weighted_served
from advisor.optimize.search.scenario_generation import in_rounds
from advisor.optimize.search.scenarios import all_tried
from advisor.optimize.search.within_budget import all_within, part_within
from advisor.optimize.subproblem import in_the_whole, only

if TYPE_CHECKING:
    from advisor.optimize.effort import Effort
    from advisor.optimize.reduced import Reduced

_FIRST_SHARE: Final = 0.3  # of the time, at most, for a good fleet to begin with
_EARLY_SHARE: Final = 0.4  # of the time, and
_EARLY_SECONDS: Final = 3.0  # at most, for a fleet that keeps every rule
_EARLY_BUDGET_SECONDS: Final = 12.0  # the same with a budget, which takes several searches
_EARLY_FIRST: Final = 0.6  # of that, to find one at all
_GOOD: Final = 1e-2  # gap of a fleet that is only to begin with
_LP_SECONDS: Final = 5.0  # for a relaxation after time is up
_SUMS: Final = 1e-9  # relative: of a bound that was added up here
_TOLERANCES: Final = 1e-6  # relative: of a solver's own, which is as exact as its counts are whole
_SAME_SERVED: Final = 1e-5  # relative: two solvers' tolerances apart


def cheapest(
    reduced: Reduced, effort: Effort, *, slices: int | None = None, known: SearchResult | None = None
) -> SearchResult | None:
    """A fleet that keeps every rule and a bound on the cost of any; None if there is none.

    Args:
        reduced: from presolve.
        effort: for everything.
        slices: see :func:`~advisor.optimize.search.head_on.cheapest_plain`.
        known: a fleet to begin with, and cases that matter.

    Raises:
        SolverFailed: no such fleet was found within the time.
    """
    if is_plain(reduced.problem):
        return cheapest_plain(reduced, effort, slices=slices, known=known)
    if known is None:
        known = _early(reduced, effort)
    return _under_rules(reduced, effort, known)


def _early(reduced: Reduced, effort: Effort) -> SearchResult | None:
    """A fleet that keeps every rule, found with request sizes bound together; None if none was."""
    traits = traits_of(reduced.problem)
    if traits.separable:
        return None
    few = coarse(reduced)
    seconds = _EARLY_SECONDS if traits.serves_all else _EARLY_BUDGET_SECONDS
    quick = effort.share(_EARLY_SHARE).within(seconds).at_gap(_GOOD)
    try:
        found = _under_rules(few.reduced, quick.share(_EARLY_FIRST))
        if found is None:
            return None
        return _retried(reduced, few.in_the_whole(_with_less(few.reduced, found, quick)))
    except SolverFailed:
        return None


def _with_less(reduced: Reduced, found: SearchResult, effort: Effort) -> SearchResult:
    """The best fleet of the offers that one buys: a repair in haste adds more than it must."""
    if not traits_of(reduced.problem).serves_all:
        return found
    part = only(reduced, {c for c, count in enumerate(found.fleet.instances) if count})
    try:
        better = in_rounds(part.reduced, effort, None)
    except SolverFailed:
        return found
    if better is None:
        return found
    counts = in_the_whole(reduced, part, better.fleet.instances)
    better = replace(better, fleet=replace(better.fleet, instances=counts))
    return better if _no_worse(reduced, better, found) else found


def _retried(reduced: Reduced, found: SearchResult) -> SearchResult | None:
    """With the cases tried anew; None if it fails one, be it by rounding."""
    tried = all_tried(reduced, found.fleet)
    return None if any(each.fails(reduced) for each in tried) else replace(found, tried=tried)


def _under_rules(reduced: Reduced, effort: Effort, known: SearchResult | None = None) -> SearchResult | None:
    if not traits_of(reduced.problem).serves_all:
        begin = known if known is not None and _serves_whole(reduced, known) else None
        whole = all_within(reduced, effort.share(_FIRST_SHARE), partial(_under_rules, known=begin))
        if whole is not None:  # what serves everything is the problem without the budget
            if claims_proof(reduced, whole):
                return whole
            return all_within(reduced, effort, partial(_under_rules, known=whole)) or whole
        known = known or part_within(reduced, effort.share(_FIRST_SHARE), _under_rules)
    choices = choices_of(reduced, effort)
    if choices is not None:
        return cheapest_choice(reduced, choices, effort, known)
    if known is None:
        known = _good_fleet(reduced, effort)
    try:
        found = in_rounds(reduced, effort, known)
    except SolverFailed:
        if known is None:
            raise
        return replace(known, bound=0.0)
    if known is None or found is None or _no_worse(reduced, found, known):
        return found
    return replace(known, bound=found.bound, served_at_most=found.served_at_most)


def _serves_whole(reduced: Reduced, found: SearchResult) -> bool:
    whole = sum(
        reduced.problem.services[s].weight * rate
        for s, rate in zip(reduced.demand_service, reduced.demand_requests_per_s, strict=True)
    )
    return weighted_served(reduced, found.fleet) >= whole * (1 - SLACK)


def _good_fleet(reduced: Reduced, effort: Effort) -> SearchResult | None:
    """One to begin with, where the relaxation alone guides badly."""
    traits = traits_of(reduced.problem)
    if traits.separable or not traits.serves_all:
        return None
    return good_fleet(reduced, effort.share(_FIRST_SHARE))


def _no_worse(reduced: Reduced, one: SearchResult, other: SearchResult) -> bool:
    """Serves more for that matter, or as much at no higher cost."""
    more = weighted_served(reduced, one.fleet) - weighted_served(reduced, other.fleet)
    if abs(more) > SLACK * weighted_served(reduced, other.fleet):
        return more > 0
    return cost_of(reduced, one.fleet) <= cost_of(reduced, other.fleet)


# --- second opinion -------------------------------------------------------------------------------


def checked(
    reduced: Reduced, found: SearchResult | None, effort: Effort, *, slices: int | None = None
) -> SearchResult | None:
    """What a second search leaves of a proof: it shares nothing with the first but the fleet, which holds.

    A bound holds as far as both say so. Where the second has no time, or says otherwise, less is proved: what
    the duals of the relaxation add up to, at the least.

    Args:
        reduced: what was searched.
        found: what the first search came to; None: that there is no fleet.
        effort: the first search's; its time is what is left.
        slices: as the first search had it.

    Raises:
        SolverFailed: that there is no fleet could not be confirmed in time.
    """
    if found is not None and (found.certified or not claims_proof(reduced, found)):
        return found
    try:
        again = cheapest(reduced, effort.by(SECOND_OPINION), slices=slices, known=found)
    except SolverFailed as error:
        if found is None:
            raise SolverFailed(OUT_OF_TIME) from error
        again = replace(found, bound=0.0)
    if found is None or again is None:
        fleet = again or found  # one says that there is none and the other has one
        return None if fleet is None else _unproved(reduced, replace(fleet, bound=0.0), effort)
    best = replace(
        found if _no_worse(reduced, found, again) else again,
        bound=min(found.bound, again.bound),
        served_at_most=_larger(found.served_at_most, again.served_at_most),
    )
    return best if claims_proof(reduced, best) else _unproved(reduced, best, effort)


def _unproved(reduced: Reduced, found: SearchResult, effort: Effort) -> SearchResult:
    """With a bound that was added up here, if that is higher."""
    programme = formulation.cheapest_fleet(reduced, cases=found.enforced)
    relaxed = formulation.relax(programme.arrays, max(_LP_SECONDS, effort.left()))
    if relaxed is None or not traits_of(reduced.problem).serves_all:
        return found
    return replace(found, bound=max(found.bound, certified_bound(programme.arrays.compiled(), relaxed.dual)))


def claims_proof(reduced: Reduced, found: SearchResult) -> bool:
    """Whether it says that no fleet is cheaper, of those that serve as much."""
    cost = cost_of(reduced, found.fleet)
    return cost - found.bound <= same_cost(found) * cost and proves_most(reduced, found)


def same_cost(found: SearchResult) -> float:
    """Relative: by how much a bound may differ from the cost it proves, which is rounding."""
    return _SUMS if found.certified else _TOLERANCES


def proves_most(reduced: Reduced, found: SearchResult) -> bool:
    """Whether it says that no fleet within the budget serves more."""
    if found.served_at_most is None:
        return True
    return found.served_at_most <= weighted_served(reduced, found.fleet) * (1 + _SAME_SERVED)


def _larger(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)
