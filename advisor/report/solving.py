"""What a report solves for itself: sensitivity, frontier, flip prices and the map of request sizes.

A report is to stand a few seconds after its plan. How long solving will take is judged by what the plan's own
proof took, as the plan states it, and not by a clock: the same plan gives the same report on any machine.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from advisor.errors import DataError, SolverFailed
from advisor.report.answers import ExplainedAlternative, Explanation, Frontier, FrontierPoint
from advisor.report.beside import Extras

if TYPE_CHECKING:
    from advisor.catalog.account import Account
    from advisor.plan.plan import Plan
    from advisor.recommendation.findings import Catalog
    from advisor.recommendation.prepare import Prepared

ASKED: Final = 5
"""Most alternatives that are asked for a flip price."""
SOLUTIONS_PER_ALTERNATIVE: Final = 8
"""About what one takes: a few with it forced in, two or three steps to the price, one on either side."""

_BUDGET: Final = (
    "not run, since under a budget the cost is given and what varies is how much of the demand is served "
    "(`advisor frontier PLAN --over budget`)"
)


@dataclass(frozen=True, slots=True)
class Bound:
    """How much solving is allowed, and what one solution of this plan takes."""

    seconds: float
    each: float

    @classmethod
    def of(cls, plan: Plan, seconds: float) -> Bound:
        """Judged by the plan's own proof."""
        return cls(seconds, plan.optimality.solve_seconds if plan.optimality else 0.0)

    def left_after(self, solutions: int) -> float:
        """Seconds that remain."""
        return self.seconds - solutions * self.each

    def alternatives(self, solutions: int) -> int:
        """How many can be asked after so many solutions."""
        each = SOLUTIONS_PER_ALTERNATIVE * self.each
        left = self.left_after(solutions)
        return ASKED if left >= ASKED * each else max(0, int(left / each))

    def too_long(self, solutions: int) -> str:
        """Why so many solutions are not run."""
        return (
            f"not run: this plan took {self.each:.3g} s to solve, and {solutions} more such solutions pass "
            f"the {self.seconds:g} s a report may take (--solve-seconds {_round_up(self.each * solutions)})"
        )


def solved(
    plan: Plan, catalog: Catalog, account: Account | None, bound: Bound, *, explained: bool, curved: bool
) -> Extras:
    """What is known about the plan's problem besides its optimum.

    Args:
        plan: one with a fleet.
        catalog: the very inputs it was made with.
        account: the very quotas it was made with, if any.
        bound: on solving.
        explained: whether an explanation is at hand already.
        curved: whether a frontier is at hand already.
    """
    from advisor.recommendation.prepare import prepare
    from advisor.recommendation.replan import request_of
    from advisor.recommendation.sensitivity import (
        RATE_FACTORS,
        cheapest_per_size,
        solutions_of_swings,
        swings,
    )

    request = request_of(plan)
    sizes = tuple(
        cheapest_per_size(service, request, catalog, account, plan.created_at) for service in request.services
    )
    if request.policy.budget_usd_per_hour is not None:
        return Extras(cheapest_per_size=sizes, why_not=_BUDGET)
    solutions = solutions_of_swings(plan) + (0 if curved else len(RATE_FACTORS) - 1)
    if bound.left_after(solutions) < 0:
        return Extras(cheapest_per_size=sizes, why_not=bound.too_long(solutions))
    prepared = prepare(request, catalog, account, plan.created_at)
    curve = None if curved else _frontier(plan, prepared)
    moved = swings(plan, prepared)
    most = 0 if explained else bound.alternatives(solutions)
    if not most:
        return Extras(moved, sizes, curve, why_not=bound.too_long(solutions + SOLUTIONS_PER_ALTERNATIVE))
    try:
        return Extras(moved, sizes, curve, _explanation(plan, prepared, most))
    except (DataError, SolverFailed) as error:
        return Extras(moved, sizes, curve, why_not=f"not run: {error}")


def _frontier(plan: Plan, prepared: Prepared) -> Frontier:
    from advisor.recommendation.frontier import AXES
    from advisor.recommendation.sensitivity import costs_at_rates

    axis = AXES["rate"]
    points = [
        FrontierPoint(value=at.requests_per_s, usd_per_hour=at.usd_per_hour)
        for at in costs_at_rates(plan, prepared)
    ]
    asked = math.fsum(service.rate_requests_per_s for service in plan.services)
    return Frontier(meaning=axis.meaning, unit=axis.unit, asked_value=asked, points=points)


def _explanation(plan: Plan, prepared: Prepared, most: int) -> Explanation:
    from advisor.recommendation.explain import Explainer

    found = Explainer(plan, prepared).nearest(most)
    return Explanation(
        plan_id=plan.plan_id,
        alternatives=[ExplainedAlternative.model_validate(asdict(each)) for each in found],
        asked=len(found),
    )


def _round_up(seconds: float) -> int:
    """To one digit that is easily typed."""
    power = 10 ** (len(str(int(seconds))) - 1) if seconds >= 1 else 1
    return int(-(-seconds // power) * power)
