"""Dollars per million tokens: at the stated load, when full, and beside hosted list prices."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_builder import OTHER_MODEL, SAME_MODEL, a_plan, a_report, records, said, section, table

from advisor.report.tokens import token_economics

COST = Decimal("11.6984")


def test_tokens_and_dollars_of_the_hand_made_demand() -> None:
    (found,) = token_economics(a_plan(), COST)
    assert found.usd_per_hour == COST
    assert found.input_tokens_per_hour == pytest.approx(27.0e6)
    assert found.output_tokens_per_hour == pytest.approx(5.49e6)
    assert found.usd_per_million_at_load == Decimal("0.3601")  # 11.6984 / 32.49 = 0.36006
    assert found.saturation_factor == pytest.approx(1.25)  # the busiest replicas are 80 % full
    assert found.usd_per_million_when_full == Decimal("0.2881")  # 0.3601 / 1.25 = 0.28808


def test_break_even_is_where_the_hosted_bill_equals_the_fleet() -> None:
    (found,) = token_economics(a_plan(), COST)
    assert found.hosted_usd_per_hour(SAME_MODEL) == pytest.approx(Decimal("37.98"))  # 27.0 × 1 + 5.49 × 2
    load = found.break_even_requests_per_s(SAME_MODEL)
    assert load == pytest.approx(10 * 11.6984 / 37.98)
    at_load = load / found.served_requests_per_s * float(found.hosted_usd_per_hour(SAME_MODEL))
    assert at_load == pytest.approx(float(COST))


def test_only_the_very_model_gets_a_break_even() -> None:
    rows = records(table(a_report(), "hosted"))
    assert [(row["host"], row["like_for_like"]) for row in rows] == [("host-a", "yes"), ("host-b", "no")]
    assert rows[0]["break_even_requests_per_s"] is not None
    assert rows[1]["break_even_requests_per_s"] is None
    assert rows[1]["usd_per_million"] == Decimal("0.1000")
    alone = a_report(hosted=(OTHER_MODEL,))
    assert "No hosted price on file is for the very model of chat" in said(section(alone, "token_cost"))


def test_hidden_reasoning_tokens_count_as_output() -> None:
    plan = a_plan()
    service = plan.services[0]
    thinking = service.model_copy(
        update={"traffic": service.traffic.model_copy(update={"reasoning_tokens": 100.0})}
    )
    (found,) = token_economics(plan.model_copy(update={"services": [thinking]}), COST)
    assert found.output_tokens_per_hour == pytest.approx(5.49e6 + 10 * 100 * 3600)


@given(cost=st.decimals("0.01", "100000", places=4), second=st.integers(1, 4))
def test_services_share_the_whole_cost_by_the_accelerators_they_hold(cost: Decimal, second: int) -> None:
    plan = a_plan()
    other = plan.allocations[1].model_copy(
        update={"service": "other", "replicas": second, "tensor_parallel": 1}
    )
    services = [plan.services[0], plan.services[0].model_copy(update={"name": "other"})]
    shared = plan.model_copy(
        update={"allocations": [plan.allocations[0], other, plan.allocations[2]], "services": services}
    )
    mine, others = token_economics(shared, cost)
    assert mine.usd_per_hour + others.usd_per_hour == pytest.approx(cost)
    # Line A costs 8.025 and holds 4 chips of the one and `second` of the other; line B is all of the first.
    share = Decimal("8.025") * second / (4 + second) / Decimal("11.6984")
    assert others.usd_per_hour == pytest.approx(cost * share)


def test_only_what_the_budget_pays_for_counts_as_tokens() -> None:
    plan = a_plan()
    service = plan.services[0]
    half = [bucket.model_copy(update={"served_share": 0.5}) for bucket in service.buckets]
    (found,) = token_economics(
        plan.model_copy(update={"services": [service.model_copy(update={"buckets": half})]}), COST
    )
    assert found.input_tokens_per_hour == pytest.approx(27.0e6 / 2)
    assert found.output_tokens_per_hour == pytest.approx(5.49e6 / 2)


def test_a_replica_over_two_accelerators_bears_the_cost_of_two() -> None:
    """Line A's 8.025 between 2 replicas on one accelerator each and one over two: half each."""
    plan = a_plan()
    one = plan.allocations[0].model_copy(update={"replicas": 2, "tensor_parallel": 1})
    other = plan.allocations[0].model_copy(update={"service": "other", "replicas": 1, "tensor_parallel": 2})
    services = [plan.services[0], plan.services[0].model_copy(update={"name": "other"})]
    line = [each for each in plan.purchase if each.provider == one.provider]
    shared = plan.model_copy(update={"allocations": [one, other], "services": services, "purchase": line})
    mine, others = token_economics(shared, Decimal("8.025"))
    assert mine.usd_per_hour == others.usd_per_hour == Decimal("4.0125")
