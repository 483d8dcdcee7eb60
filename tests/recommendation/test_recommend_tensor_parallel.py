"""Replicas over several accelerators: what fits, and what an instance can hold."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from recommendation_builders import a_price, ask, with_offers

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.recommendation.recommend import Catalog

LINE = ("provider", "region", "zone", "instance_type", "market")


def accelerators_busy(plan: Plan) -> dict[tuple[Any, ...], int]:
    """Accelerators that hold a replica, per line."""
    busy: dict[tuple[Any, ...], int] = defaultdict(int)
    for allocation in plan.allocations:
        busy[tuple(getattr(allocation, name) for name in LINE)] += (
            allocation.replicas * allocation.tensor_parallel
        )
    return busy


def eight(chip: str, **given: Any) -> Any:
    """One instance of eight."""
    return a_price(instance_type="eight.large", accelerator=chip, accelerators=8, usd_per_hour="40", **given)


def test_70b_in_16_bit_needs_several_80_gb_accelerators(catalog: Catalog) -> None:
    """131 GiB of weights: one 80 GB chip cannot, two just hold them, four leave room."""
    question: dict[str, Any] = {"model": "Llama-3.1-70B", "tpot_ms": 100.0}
    one = a_price(instance_type="one.large", accelerator="h100-sxm-80gb")
    assert ask(with_offers(catalog, [one]), **question).exclusions["does_not_fit"].count == 1
    plan = ask(with_offers(catalog, [one, eight("h100-sxm-80gb")]), **question)
    assert plan.status == "optimal"
    assert {line.instance_type for line in plan.purchase} == {"eight.large"}
    assert min(allocation.tensor_parallel for allocation in plan.allocations) >= 2


def test_8b_fits_one_accelerator_of_an_instance_of_eight(catalog: Catalog) -> None:
    plan = ask(with_offers(catalog, [eight("l40s-48gb")]), rate_requests_per_s=60.0)
    assert plan.status == "optimal"
    assert any(allocation.tensor_parallel == 1 for allocation in plan.allocations)
    assert sum(allocation.replicas for allocation in plan.allocations) > 1


@pytest.mark.parametrize(
    ("model", "rate", "tpot_ms"),
    [("Llama-3.1-8B", 300.0, 30.0), ("Llama-3.1-70B", 20.0, 80.0), ("Qwen2.5-32B", 25.0, 45.0)],
)
def test_replicas_fit_the_accelerators_rented(
    catalog: Catalog, model: str, rate: float, tpot_ms: float
) -> None:
    plan = ask(catalog, regions=["us-*"], model=model, rate_requests_per_s=rate, tpot_ms=tpot_ms)
    assert plan.status == "optimal"
    busy = accelerators_busy(plan)
    for line in plan.purchase:
        held = busy.pop(tuple(getattr(line, name) for name in LINE))
        assert 0 < held <= line.accelerators_per_instance * line.instances
    assert not busy  # nothing runs on a line that is not bought


def test_degrees_divide_the_heads_and_fit_one_instance(catalog: Catalog) -> None:
    plan = ask(catalog, model="Llama-3.1-70B", rate_requests_per_s=20.0, tpot_ms=80.0)
    each = {line.instance_type: line.accelerators_per_instance for line in plan.purchase}
    for allocation in plan.allocations:
        assert allocation.tensor_parallel <= each[allocation.instance_type]
        assert 64 % allocation.tensor_parallel == 0  # Llama-3.1-70B has 64 attention heads


def test_utilization_of_a_line_is_busy_accelerators_over_rented(catalog: Catalog) -> None:
    plan = ask(catalog, rate_requests_per_s=100.0)
    for line in plan.purchase:
        used = sum(
            sum(load.requests_per_s / load.capacity_requests_per_s for load in a.load) * a.tensor_parallel
            for a in plan.allocations
            if all(getattr(a, name) == getattr(line, name) for name in LINE)
        )
        assert line.utilization == pytest.approx(used / (line.accelerators_per_instance * line.instances))


def test_three_accelerators_of_four_may_idle(catalog: Catalog) -> None:
    four = a_price(instance_type="four.large", accelerators=4, usd_per_hour="8")
    plan = ask(with_offers(catalog, [four]), rate_requests_per_s=0.5)
    assert [line.instances for line in plan.purchase] == [1]
    assert sum(accelerators_busy(plan).values()) <= 4
