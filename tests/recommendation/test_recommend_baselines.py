"""Every saving is measured against a fleet that was really solved for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from recommendation_builders import a_price, ask, baseline, with_offers

from advisor.domain import Market
from advisor.optimize.problem import Solution, SolveStatus
from advisor.recommendation.comparison import outdone

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.recommendation.recommend import Catalog


@pytest.fixture(scope="module")
def plan(catalog: Catalog) -> Plan:
    return ask(catalog, rate_requests_per_s=40.0)


def test_each_single_type_costs_what_asking_for_it_alone_costs(catalog: Catalog, plan: Plan) -> None:
    singles = [b for b in plan.baselines if b.kind == "single_accelerator"]
    assert len(singles) >= 5
    for single in singles:
        alone = ask(catalog, rate_requests_per_s=40.0, accelerators=[single.name])
        assert single.usd_per_hour == alone.usd_per_hour, single.name
        assert single.instances == sum(line.instances for line in alone.purchase)


def test_on_demand_only_costs_what_asking_for_it_costs(catalog: Catalog, plan: Plan) -> None:
    alone = ask(catalog, rate_requests_per_s=40.0, markets=["on-demand"])
    assert baseline(plan, "on-demand only").usd_per_hour == alone.usd_per_hour


def test_no_baseline_of_fewer_choices_is_cheaper_than_the_plan(plan: Plan) -> None:
    assert plan.usd_per_hour is not None
    for other in plan.baselines:
        if other.kind != "admitting" and other.usd_per_hour is not None:
            assert other.usd_per_hour >= plan.usd_per_hour, other.name


def test_no_baseline_of_more_choices_is_dearer_than_the_plan(catalog: Catalog) -> None:
    plan = ask(catalog, regions=["us-east-1", "eastus"], accelerators=["a100-*", "h100-*"])
    admitting = [b for b in plan.baselines if b.kind == "admitting"]
    assert admitting
    for other in admitting:
        assert other.usd_per_hour is not None
        assert plan.usd_per_hour is not None
        assert other.usd_per_hour <= plan.usd_per_hour


def test_a_freer_search_that_ended_dearer_than_the_plan_found_out_nothing() -> None:
    """Without a rule the plan's own fleet is possible still: $5 is no answer where $4 is known."""
    plan = Solution(SolveStatus.FEASIBLE, {"a": 1}, {}, {}, Decimal(4), 3.0, "any", 1.0)
    dearer = replace(plan, usd_per_hour=Decimal(5))
    assert outdone(dearer, plan)
    assert not outdone(replace(plan, usd_per_hour=Decimal(3)), plan)
    assert not outdone(plan, plan)
    assert not outdone(replace(dearer, status=SolveStatus.OPTIMAL), plan)
    assert not outdone(dearer, replace(plan, served_share={0: 0.5}))  # under a budget it may serve more


def test_savings_are_one_minus_the_ratio(plan: Plan) -> None:
    for other in plan.baselines:
        if other.usd_per_hour is None:
            assert other.saving_fraction is None
            continue
        ratio = Fraction(plan.usd_per_hour or 0) / Fraction(other.usd_per_hour)
        assert other.saving_fraction == pytest.approx(float(1 - ratio), abs=1e-12)


def test_greedy_is_there_and_never_better(plan: Plan) -> None:
    greedy = baseline(plan, "greedy")
    assert greedy.usd_per_hour is not None
    assert greedy.usd_per_hour >= (plan.usd_per_hour or 0)


def test_a_chip_that_cannot_serve_all_has_no_cost_but_a_reason(catalog: Catalog) -> None:
    plan = ask(catalog, tpot_ms=22.0, rate_requests_per_s=4.0)
    misses = [b for b in plan.baselines if b.kind == "single_accelerator" and b.usd_per_hour is None]
    for miss in misses:
        assert (miss.status, miss.saving_fraction, miss.instances) == ("infeasible", None, None)
        assert miss.detail
    served = {b.name for b in plan.baselines if b.kind == "single_accelerator" and b.usd_per_hour is not None}
    for miss in misses:
        assert (
            ask(catalog, tpot_ms=22.0, rate_requests_per_s=4.0, accelerators=[miss.name]).usd_per_hour is None
        )
    assert served


def test_market_baseline_only_where_there_are_two_markets(catalog: Catalog) -> None:
    one = ask(with_offers(catalog, [a_price()]))
    assert not [b for b in one.baselines if b.kind == "market"]
    two = ask(with_offers(catalog, [a_price(), a_price(market=Market.SPOT, usd_per_hour="1.00")]))
    assert baseline(two, "on-demand only").usd_per_hour == 2 * (two.usd_per_hour or 0)
