"""The simpler plans a saving is measured against, and what lifting a policy would save, re-solved exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from advisor.domain import Market
from advisor.errors import Infeasible, NoCandidates, SolverFailed
from advisor.optimize.baseline import greedy
from advisor.optimize.candidates import Candidate, Joined, problem_of
from advisor.optimize.solve import solve
from advisor.plan.plan import Baseline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal

    from advisor.optimize.problem import Problem, Solution

Kind = Literal["single_accelerator", "greedy", "market", "admitting"]

_ADMITTING: Final = {
    "availability_unknown": "with offers of unknown availability (--allow-unknown-availability)",
    "not_sold_this_way": "with shapes priced but sold only as spot or by reservation (needs a reservation)",
    "estimated_price": "with spot prices estimated from 2024 ratios (--include estimated-spot)",
}


def compare(
    problem: Problem,
    joined: Joined,
    solution: Solution,
    free_units: dict[str, Decimal],
    ceiling: float,
    time_left: Callable[[], float],
) -> list[Baseline]:
    """Best fleet per accelerator, on-demand only, greedy, and with each held-back group admitted.

    A comparison the time no longer allows is said to be missing; it never holds up the answer.
    """
    by_accelerator: dict[str, list[Candidate]] = {}
    for candidate in joined.candidates:
        by_accelerator.setdefault(candidate.offer.accelerator, []).append(candidate)

    def solved(name: str, kind: Kind, candidates: Iterable[Candidate], detail: str = "") -> Baseline:
        restricted = problem_of(joined.demands, candidates, free_units, ceiling)
        return _baseline(name, kind, restricted, solution, time_left(), detail)

    baselines = [
        solved(accelerator, "single_accelerator", candidates)
        for accelerator, candidates in sorted(by_accelerator.items())
    ]
    on_demand = [c for c in joined.candidates if c.offer.market is Market.ON_DEMAND]
    if on_demand and len(on_demand) < len(joined.candidates):
        baselines.append(solved("on-demand only", "market", on_demand))
    baselines.append(_greedy(problem, solution))
    baselines.extend(
        solved(reason, "admitting", [*joined.candidates, *group], _ADMITTING[reason])
        for reason, group in sorted(joined.held_back.items())
    )
    return baselines


def _saving(plan: Solution, other: Decimal) -> float:
    return float(1 - plan.usd_per_hour / other)


def _baseline(
    name: str, kind: Kind, restricted: Problem, plan: Solution, time_limit_s: float, detail: str
) -> Baseline:
    def without_a_price(status: Literal["infeasible", "not_solved"], why: str) -> Baseline:
        return Baseline(
            name=name, kind=kind, usd_per_hour=None, status=status, saving_fraction=None, detail=why
        )

    if not time_limit_s:
        return without_a_price("not_solved", "the time limit was used up before this comparison")
    try:
        answer = solve(restricted, time_limit_s=time_limit_s, diagnose=False)
    except (NoCandidates, Infeasible) as no:
        return without_a_price("infeasible", detail or str(no))
    except SolverFailed as failure:
        return without_a_price("not_solved", str(failure))
    return Baseline(
        name=name,
        kind=kind,
        usd_per_hour=answer.usd_per_hour,
        status="optimal" if answer.proved else "feasible",
        instances=sum(answer.instances.values()),
        saving_fraction=_saving(plan, answer.usd_per_hour),
        fleet=_fleet(restricted, answer),
        detail=detail,
    )


def _fleet(problem: Problem, answer: Solution) -> list[str]:
    price = {column.id: column.usd_per_hour for column in problem.columns}
    bought = sorted(answer.instances.items(), key=lambda item: (-price[item[0]] * item[1], item[0]))
    return [f"{count} × {offer_id}" for offer_id, count in bought]


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
        saving_fraction=_saving(plan, answer.usd_per_hour),
        fleet=_fleet(problem, answer),
        detail=detail,
    )
