"""Users who wait for their answers: how many requests a second they make depends on how fast the fleet is.

A question starts from answers as slow as its limits allow. A replay of the fleet found says what they take;
asked again at that rate until the two agree, since quicker answers bring the next question sooner.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import TYPE_CHECKING, Final

from advisor.recommendation.asking_demand import closed_loop_demand, mean_outputs

if TYPE_CHECKING:
    from advisor.domain import Service
    from advisor.plan.plan import Plan
    from advisor.recommendation.request import Request

AGREED: Final = 0.05
"""Rates this close are one: a third of the default headroom."""
MOST_ROUNDS: Final = 6
"""Times a question is asked again; from twice the rate it takes four."""


def at_replayed_rate(request: Request, plan: Plan) -> Request | None:
    """The request at the rates its users reach on this fleet; None where they are those it was planned at."""
    if plan.simulation is None or plan.simulation.verdict != "pass":
        return None
    services = tuple(_at_replayed_rate(service, plan) for service in request.services)
    return None if services == request.services else replace(request, services=services)


def _at_replayed_rate(service: Service, plan: Plan) -> Service:
    answer = _answer_s(service, plan)
    if service.closed_loop is None or answer is None:
        return service
    loop = replace(service.closed_loop, answer_s=answer, answer_basis="as replayed")
    if abs(loop.rate_requests_per_s / service.rate_requests_per_s - 1) <= AGREED:
        return service
    # Half of the way, as ratios go: a fleet with more to do answers more slowly, and whole steps swing about.
    halfway = sqrt(loop.round_s * service.closed_loop.round_s) - loop.think_time_s
    demand = closed_loop_demand(replace(loop, answer_s=max(halfway, 0.0)))
    return replace(
        service,
        rate_requests_per_s=demand.rate_requests_per_s,
        rate_basis=demand.basis,
        closed_loop=demand.closed_loop,
    )


def _answer_s(service: Service, plan: Plan) -> float | None:
    """Mean seconds from a request to its last token in the plan's replay; None where that is not known."""
    limits = plan.simulation.limits if plan.simulation is not None else []
    ms = {
        one.metric: one.mean_ms for one in limits if one.service == service.name and one.mean_ms is not None
    }
    per_token = ms.get("tpot", ms.get("itl"))
    if "e2e" in ms:
        return ms["e2e"] / 1000
    if per_token is None:
        return None
    outputs = mean_outputs(service.workload, service.traffic)
    return (ms.get("ttft", 0.0) + per_token * max(outputs - 1, 0.0)) / 1000
