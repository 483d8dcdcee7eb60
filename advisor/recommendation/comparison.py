"""The simpler plans a saving is measured against, and what lifting a policy would save, re-solved exactly.

Every comparison obeys the same rules as the plan.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from advisor.domain import Market
from advisor.errors import Infeasible, NoCandidates, SolverFailed
from advisor.optimize.baseline import greedy
from advisor.optimize.problem import fleet_words
from advisor.optimize.solve import solve
from advisor.plan.plan import Baseline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal

    from advisor.optimize.candidates import Candidate
    from advisor.optimize.problem import Problem, Solution
    from advisor.recommendation.prepare import Prepared

Kind = Literal["single_accelerator", "greedy", "market", "admitting", "without_rule", "held", "staying"]

_AT_ONCE: Final = 0.4  # of the time that is left, for one comparison: others want some too
_WIDEST_GAP: Final = 0.1
"""Of a fleet to measure savings against: beside one further from proof a saving is flattery."""

_SAME_SHARE: Final = 1e-6
_SAME_COST: Final = 1e-9
_FREER: Final = ("admitting", "without_rule")  # the plan is itself an answer to these

_ADMITTING: Final = {
    "availability_unknown": "with offers of unknown availability (--allow-unknown-availability)",
    "not_sold_this_way": "with shapes priced but sold only as spot or by reservation (needs a reservation)",
    "stale_price": "with spot at its last known price (--stale-spot use)",
    "estimated_price": "with spot prices estimated from 2024 ratios (--include estimated-spot)",
}


def compare(prepared: Prepared, solution: Solution, time_left: Callable[[], float]) -> list[Baseline]:
    """Best fleet per accelerator, on-demand only, greedy, and with each held-back group admitted.

    A comparison the time no longer allows is said to be missing; it never holds up the answer. None counts
    the cost of getting there from the fleet held.
    """
    joined, problem = prepared.joined, replace(prepared.problem, change=None)
    by_accelerator: dict[str, list[Candidate]] = {}
    for candidate in joined.candidates:
        by_accelerator.setdefault(candidate.offer.accelerator, []).append(candidate)

    def best(name: str, kind: Kind, candidates: Iterable[Candidate], detail: str = "") -> Baseline:
        chosen = {candidate.offer.id for candidate in candidates}
        restricted = replace(problem, columns=tuple(c for c in problem.columns if c.id in chosen))
        return solved(name, kind, restricted, solution, _AT_ONCE * time_left(), detail)[1]

    baselines = [
        best(accelerator, "single_accelerator", candidates)
        for accelerator, candidates in sorted(by_accelerator.items())
    ]
    on_demand = [c for c in joined.candidates if c.offer.market is not Market.SPOT]
    if on_demand and len(on_demand) < len(joined.candidates):
        baselines.append(best("on-demand only", "market", on_demand))
    if not prepared.request.policy.has_rules and prepared.problem.routing is None:
        baselines.append(_greedy(problem, solution))
    for reason, group in sorted(joined.held_back.items()):
        admitting = replace(prepared.situation, change=None).problem([*joined.candidates, *group])
        detail = _ADMITTING[reason]
        baselines.append(solved(reason, "admitting", admitting, solution, _AT_ONCE * time_left(), detail)[1])
    return baselines


def saving_against(plan: Solution, other: Decimal) -> float:
    """1 - what the plan costs / what the other fleet costs."""
    return float(1 - plan.usd_per_hour / other) if other else 0.0


def solved(
    name: str, kind: Kind, restricted: Problem, plan: Solution, time_limit_s: float, detail: str = ""
) -> tuple[Solution | None, Baseline]:
    """The cheapest fleet of another problem beside the plan's; the solution is None where there is none."""

    def without_a_price(status: Literal["infeasible", "not_solved"], why: str) -> tuple[None, Baseline]:
        return None, Baseline(
            name=name, kind=kind, usd_per_hour=None, status=status, saving_fraction=None, detail=why
        )

    if not time_limit_s:
        return without_a_price("not_solved", "the time limit was used up before this comparison")
    try:
        answer = solve(restricted, time_limit_s=time_limit_s)
    except (NoCandidates, Infeasible) as no:
        return without_a_price("infeasible", detail or str(no))
    except SolverFailed as failure:
        return without_a_price("not_solved", str(failure))
    if answer.relative_gap > _WIDEST_GAP:
        near = f"no fleet within {_WIDEST_GAP:.0%} of its bound was found in the time"
        return without_a_price("not_solved", f"{near}; --time-limit-s allows more")
    if kind in _FREER and outdone(answer, plan):
        return without_a_price("not_solved", "the time limit came before a fleet as cheap as the plan")
    return answer, beside(name, kind, restricted, answer, plan, detail)


def outdone(answer: Solution, plan: Solution) -> bool:
    """Whether a search with more freedom than the plan's ended dearer than it: it has found out nothing.

    Under a budget a dearer fleet may serve more.
    """
    if answer.proved or plan.served_share:
        return False
    return answer.objective_usd_per_hour > plan.objective_usd_per_hour * (1 + _SAME_COST)


def beside(
    name: str, kind: Kind, problem: Problem, answer: Solution, plan: Solution, detail: str = ""
) -> Baseline:
    """Another fleet beside the plan's; where a budget lets them serve unlike shares, no saving is stated."""
    theirs, ours = served_share(problem, answer), served_share(problem, plan)
    alike = abs(theirs - ours) <= _SAME_SHARE
    said = [detail, "" if min(theirs, ours) >= 1 else f"serves {theirs:.1%} of the requests by weight"]
    return Baseline(
        name=name,
        kind=kind,
        usd_per_hour=answer.usd_per_hour,
        status="optimal" if answer.proved else "feasible",
        instances=sum(answer.instances.values()),
        saving_fraction=saving_against(plan, answer.usd_per_hour) if alike else None,
        side_usd_per_hour=answer.side_usd_per_hour,
        served_share=theirs,
        fleet=fleet_of(problem, answer.instances),
        detail="; ".join(part for part in said if part),
    )


def served_share(problem: Problem, solution: Solution) -> float:
    """Share of the requests served, by weight; 1 unless a budget binds."""
    if not solution.served_share:
        return 1.0
    asked = served = 0.0
    for b, rate in enumerate(problem.demand_requests_per_s):
        weight = rate * problem.services[problem.service_of(b)].weight
        asked += weight
        served += weight * solution.served_share.get(b, 1.0)
    return served / asked if asked else 1.0


def fleet_of(problem: Problem, instances: dict[str, int]) -> list[str]:
    """``count × offer id``, dearest line first."""
    return list(fleet_words(instances, {column.id: column.usd_per_hour for column in problem.columns}))


def _greedy(problem: Problem, plan: Solution) -> Baseline:
    detail = "each request size to its cheapest offer per request, counts rounded up"
    try:
        answer = greedy(problem)
    except (NoCandidates, Infeasible) as no:
        return Baseline(
            name="greedy",
            kind="greedy",
            usd_per_hour=None,
            status="infeasible",
            saving_fraction=None,
            detail=str(no),
        )
    return Baseline(
        name="greedy",
        kind="greedy",
        usd_per_hour=answer.usd_per_hour,
        status="feasible",
        instances=sum(answer.instances.values()),
        saving_fraction=saving_against(plan, answer.usd_per_hour),
        side_usd_per_hour=answer.side_usd_per_hour,
        fleet=fleet_of(problem, answer.instances),
        detail=detail,
    )
