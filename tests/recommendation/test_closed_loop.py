"""Users who wait: the rate that is planned is the one they reach on the fleet that is bought."""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING

import pytest
from recommendation_builders import ask

from advisor.recommendation.closed_loop import AGREED

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.recommendation.recommend import Catalog


def reached(plan: Plan, users: float, think_time_s: float) -> float:
    """Requests a second of users whose answers take as long as the plan's own replay says."""
    (service,) = plan.services
    assert plan.simulation is not None
    mean = {one.metric: one.mean_ms or 0.0 for one in plan.simulation.limits}
    outputs = fsum(bucket.share * bucket.output_tokens for bucket in service.buckets)
    return users / (think_time_s + (mean.get("ttft", 0.0) + mean["tpot"] * (outputs - 1)) / 1000)


@pytest.mark.parametrize(("question", "users", "think_time_s"), [
    ({"concurrency": 64}, 64, 0),
    ({"users": 100, "think_time_s": 5}, 100, 5),
])  # fmt: skip
def test_the_rate_planned_is_the_rate_reached(
    catalog: Catalog, question: dict[str, float], users: float, think_time_s: float
) -> None:
    plan = ask(catalog, accelerators=["l40s-48gb"], replay=True, **question)
    (service,) = plan.services
    assert service.rate_requests_per_s == pytest.approx(reached(plan, users, think_time_s), rel=AGREED)
    assert plan.simulation is not None
    assert plan.simulation.verdict == "pass"


def test_what_does_not_wait_is_planned_as_said(catalog: Catalog) -> None:
    plan = ask(catalog, accelerators=["l40s-48gb"], replay=True, requests_per_minute=120)
    assert plan.services[0].rate_requests_per_s == 2
