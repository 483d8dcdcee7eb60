"""Spot prices past their age limit do not lead while something else serves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from recommendation_builders import NOW, a_price, with_offers

from advisor.api import recommend
from advisor.catalog.price_moves import PriceMove
from advisor.domain import Market, SloStatistic

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.recommendation.findings import Catalog

LIMIT = timedelta(days=8)


def market(catalog: Catalog, spot_age: timedelta, *, on_demand: bool = True) -> Catalog:
    """One chip on demand at $7 and on spot at $2, seen so long ago."""
    offers = [a_price(usd_per_hour="2", market=Market.SPOT, collected_at=NOW - spot_age)]
    if on_demand:
        offers.append(a_price(usd_per_hour="7"))
    return with_offers(catalog, offers)


def answer(catalog: Catalog, **question: Any) -> Plan:
    question.setdefault("replay", False)
    question.setdefault("slo_statistic", SloStatistic.MEAN)
    return recommend(catalog, now=NOW, regions=["us-east-1"], rate_requests_per_s=1.0, **question)


def bought(plan: Plan) -> set[str]:
    return {line.market.value for line in plan.purchase}


@pytest.mark.parametrize(("age", "market_bought"), [
    (LIMIT, "spot"), (LIMIT + timedelta(minutes=1), "on_demand"), (timedelta(days=310), "on_demand"),
])  # fmt: skip
def test_spot_leads_up_to_its_age_limit(catalog: Catalog, age: timedelta, market_bought: str) -> None:
    assert bought(answer(market(catalog, age))) == {market_bought}


def test_what_it_would_cost_follows(catalog: Catalog) -> None:
    plan = answer(market(catalog, timedelta(days=310)))
    (other,) = (b for b in plan.baselines if b.name == "stale_price")
    assert other.kind == "admitting"
    assert other.usd_per_hour is not None
    assert plan.usd_per_hour is not None
    assert other.usd_per_hour < plan.usd_per_hour
    assert any("Spot at its last known price would cost $2" in said for said in plan.warnings)
    assert plan.exclusions["stale_price"].count == 1


def test_a_price_says_what_it_may_have_become_and_where_it_stops_to_pay(catalog: Catalog) -> None:
    moved = (PriceMove("aws", Market.SPOT, 310, 4.0, 99),)
    known = replace(catalog, facts=replace(catalog.facts, price_moves=moved))
    (said,) = (
        words for words in answer(market(known, timedelta(days=310))).warnings if "last known" in words
    )
    plan = answer(market(known, timedelta(days=310)))
    assert "$2.00/h, nine times in ten $0.50 to $8.00 by now" in said
    assert f"cheaper below ${plan.usd_per_hour:.2f}/h" in said
    spot = answer(market(known, timedelta(days=310)), include=["stale-spot"])
    assert any(
        "aws spot 310 days old, nine in ten such prices are now 0.25 to 4 times" in w for w in spot.warnings
    )
    unknown = replace(catalog, facts=replace(catalog.facts, price_moves=()))
    for include, words in (
        ([], "$2.00/h; it is cheaper below"),
        (["stale-spot"], "prices move is not known"),
    ):
        plan = answer(market(unknown, timedelta(days=310)), include=include)
        assert any(words in warning for warning in plan.warnings)


def test_it_leads_when_asked_to(catalog: Catalog) -> None:
    plan = answer(market(catalog, timedelta(days=310)), include=["stale-spot"])
    assert bought(plan) == {"spot"}
    assert plan.inputs.include == ["stale-spot"]


@pytest.mark.parametrize("replay", [False, True])
def test_it_leads_where_nothing_else_serves_and_says_so(catalog: Catalog, replay: bool) -> None:
    plan = answer(market(catalog, timedelta(days=310), on_demand=False), replay=replay)
    assert bought(plan) == {"spot"}
    assert any("Nothing else serves" in said for said in plan.assumptions)
    assert any("stale" in said for said in plan.warnings)


def test_the_age_that_is_warned_of_is_that_of_the_rows_bought(catalog: Catalog) -> None:
    old = a_price(instance_type="g6e.16xlarge", usd_per_hour="90", collected_at=NOW - timedelta(days=400))
    fresh = market(catalog, timedelta(days=1))
    plan = answer(with_offers(fresh, [*fresh.snapshot.offers, old]), markets=["on_demand"])
    assert bought(plan) == {"on_demand"}
    assert not any("stale" in said for said in plan.warnings)
