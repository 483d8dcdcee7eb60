"""The problem a plan's fleet is the cheapest answer to: what more than cost decided is held as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.recommendation.deciding import staying_in

if TYPE_CHECKING:
    from advisor.optimize.problem import Problem
    from advisor.plan.plan import Plan
    from advisor.recommendation.prepare import Prepared

_WITHIN: Final = 1 - 1e-9  # rates read back from a plan must not ask a full replica for a last digit more


@dataclass(frozen=True, slots=True)
class Answered:
    """A problem, and what of the plan's question is held in it."""

    problem: Problem
    notes: tuple[str, ...]  #: sentences


def answered(plan: Plan, prepared: Prepared) -> Answered:
    """The problem the plan's fleet is the cheapest answer to.

    A preference was weighed against its cost, and under a budget more requests count before fewer dollars:
    with the places and the requests served held, cost alone decides.
    """
    problem, notes = prepared.problem, []
    stays = next((rule for rule in plan.rules if rule.kind == "prefer" and rule.kept), None)
    if stays is not None:
        problem = staying_in(stays.places, prepared)
        notes.append(f"The plan stays in {', '.join(stays.places)}: no other place is compared.")
    if problem.budget_usd_per_hour is not None:
        problem = _serving_as_much(plan, prepared, problem)
        notes.append(
            "What is served under the budget is held: figures are for the same requests at any cost, and "
            "with other prices the budget itself would serve more or fewer."
        )
    return Answered(problem, tuple(notes))


def _serving_as_much(plan: Plan, prepared: Prepared, problem: Problem) -> Problem:
    served = [
        plan.services[problem.service_of(b)].buckets[demand.bucket].served_share
        for b, demand in enumerate(prepared.joined.demands)
    ]
    rates = tuple(
        rate if share >= 1 else rate * share * _WITHIN
        for rate, share in zip(problem.demand_requests_per_s, served, strict=True)
    )
    return replace(problem, demand_requests_per_s=rates, budget_usd_per_hour=None)
