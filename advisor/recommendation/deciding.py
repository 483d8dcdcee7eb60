"""Which fleet to propose: the cheapest, unless staying in place or put is asked for and cheap enough."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.catalog.residency import allowed_places
from advisor.errors import Infeasible, NoCandidates, SolverFailed
from advisor.optimize.infeasibility.diagnose import solve_or_say_why
from advisor.optimize.problem import ChangeCost, SolveStatus
from advisor.optimize.solve import solve
from advisor.recommendation.comparison import served_share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from advisor.optimize.problem import Problem, Solution
    from advisor.recommendation.prepare import Prepared

_SAME_SHARE: Final = 1e-6  # of requests; below it two fleets serve alike

_SHARE: Final = 0.7
"""Of the time, for the fleet itself; the rest is for what it is compared with."""


@dataclass(frozen=True, slots=True)
class Staying:
    """What came of a preference for places."""

    kept: bool
    premium_usd_per_hour: float | None  #: what staying costs; None: nobody can serve from there alone
    other: Solution | None  #: the fleet that was not chosen


@dataclass(frozen=True, slots=True)
class Leaving:
    """What came of the fleet held."""

    change: bool
    serves: bool  #: whether what runs now serves within every rule
    held_usd_per_hour: Decimal | None  #: at today's prices; None where a line has none
    best: Solution  #: the cheapest fleet, the cost of getting there counted
    kept: Solution | None = None  #: what runs now; None: it does not serve


@dataclass(frozen=True, slots=True)
class Decision:
    """The fleet proposed, and what it was preferred to."""

    solution: Solution
    problem: Problem  #: the one it answers
    staying: Staying | None = None
    leaving: Leaving | None = None


def decide(prepared: Prepared, time_left: Callable[[], float]) -> Decision:
    """Solve, then ask whether places or the fleet held are worth keeping.

    Raises:
        NoCandidates, Infeasible: no fleet serves within the rules.
        SolverFailed: the solver gave no usable answer.
    """
    units = prepared.pool_units
    problem = prepared.problem
    solution = solve_or_say_why(problem, time_limit_s=_SHARE * time_left(), pool_units=units)
    staying = None
    if prepared.request.policy.prefer is not None:
        problem, solution, staying = _preferring(prepared, solution, time_left)
    if prepared.request.policy.holding is None:
        return Decision(solution, problem, staying)
    return _holding(prepared, Decision(solution, problem, staying), time_left)


def staying_in(places: Iterable[str], prepared: Prepared) -> Problem:
    """The problem with the offers in some places alone."""
    offers = {candidate.offer.id: candidate.offer for candidate in prepared.joined.candidates}
    place_of = {offer_id: f"{offer.provider}:{offer.region}" for offer_id, offer in offers.items()}
    wanted = allowed_places(places, place_of.values(), prepared.findings.catalog.facts.regions)
    columns = tuple(c for c in prepared.problem.columns if place_of[c.id] in wanted)
    return replace(prepared.problem, columns=columns)


def _preferring(
    prepared: Prepared, free: Solution, time_left: Callable[[], float]
) -> tuple[Problem, Solution, Staying]:
    problem, preference = prepared.problem, prepared.request.policy.prefer
    assert preference is not None
    inside = staying_in(preference.places, prepared)
    try:
        stay = solve(inside, time_limit_s=time_left())
    except (NoCandidates, Infeasible, SolverFailed):
        return problem, free, Staying(kept=False, premium_usd_per_hour=None, other=None)
    premium = stay.objective_usd_per_hour - free.objective_usd_per_hour
    near = premium <= preference.tolerance * free.objective_usd_per_hour + 1e-9
    kept = near and served_share(problem, stay) >= served_share(problem, free) - 1e-9
    chosen = (inside, stay) if kept else (problem, free)
    return *chosen, Staying(kept, premium, free if kept else stay)


def _holding(prepared: Prepared, best: Decision, time_left: Callable[[], float]) -> Decision:
    held = prepared.findings.holding
    holding = prepared.request.policy.holding
    assert holding is not None
    cost = sum((held.usd_per_hour[key] * count for key, count in held.instances.items()), Decimal(0))
    priced = None if held.unknown else cost
    if best.solution.instances == dict(held.instances):
        return replace(best, leaving=Leaving(False, True, priced, best.solution, best.solution))
    problem = prepared.problem
    kept = as_held(problem, dict(held.instances), time_left)
    if kept is not None and served_share(problem, kept) < served_share(problem, best.solution) - _SAME_SHARE:
        kept = None  # the budget pays for a fleet that serves more
    change = kept is None
    if kept is not None:
        saving = kept.objective_usd_per_hour - best.solution.objective_usd_per_hour
        change = saving > 0 and saving >= holding.threshold * kept.objective_usd_per_hour - 1e-9
    leaving = Leaving(change, kept is not None, priced, best.solution, kept)
    if change or kept is None:
        return replace(best, leaving=leaving)
    return Decision(_not_cheapest(kept, best.solution), problem, best.staying, leaving)


def as_held(problem: Problem, held: dict[str, int], time_left: Callable[[], float]) -> Solution | None:
    """What runs now, serving within every rule, as much as it can under a budget; None if it cannot."""
    columns = tuple(replace(c, max_instances=c.held) for c in problem.columns if c.held)
    if not held or {column.id for column in columns} != held.keys():
        return None
    cost = sum((c.usd_per_hour * c.held for c in columns), Decimal(0))
    if problem.budget_usd_per_hour is not None and cost > problem.budget_usd_per_hour:
        return None
    dearer_than_keeping = ChangeCost(Decimal(0), 2 * max(c.usd_per_hour for c in columns) + 1, 1.0)
    fixed = replace(problem, columns=columns, change=dearer_than_keeping)
    try:
        answer = solve(fixed, time_limit_s=time_left())
    except (NoCandidates, Infeasible, SolverFailed):
        return None
    return replace(answer, instances=held, usd_per_hour=cost, change_usd_per_hour=0.0)


def _not_cheapest(kept: Solution, best: Solution) -> Solution:
    """A fleet kept although a cheaper one was found says so: valid, with the other's bound."""
    bound = min(best.lower_bound_usd_per_hour, kept.objective_usd_per_hour)
    same = kept.objective_usd_per_hour - bound <= 1e-9 * kept.objective_usd_per_hour
    status = SolveStatus.OPTIMAL if same else SolveStatus.FEASIBLE
    return replace(kept, status=status, lower_bound_usd_per_hour=bound)
