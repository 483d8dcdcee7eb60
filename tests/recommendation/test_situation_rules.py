"""From a service file with rules to a fleet whose cost can be worked out on paper."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from recommendation_builders import an_account, baseline, with_offers
from situation_builders import a_file, a_service, capacity, counts, on_demand, plan_of, spot

from advisor.catalog.reservations import Reservation
from advisor.catalog.zone_offerings import ZoneOffering
from advisor.domain import EvidenceKind, Market

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.recommendation.recommend import Catalog

pytestmark = pytest.mark.fast

OWNED, SPOT = "aws:us-east-1:g6e.xlarge:on_demand", "aws:us-east-1/use1-az1:g6e.xlarge:spot"


@pytest.fixture(scope="module")
def one(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Requests per second of one L40S."""
    plan = plan_of(with_offers(catalog, [on_demand()]), a_file(tmp_path_factory.mktemp("one")))
    return capacity(plan)


def test_half_survives_the_end_of_all_spot(catalog: Catalog, tmp_path: Path, one: float) -> None:
    """1.8 instances of load: two spot at $1, unless 0.9 must be left on demand at $2."""
    prices = with_offers(catalog, [on_demand(), spot()])
    service = a_service(rate_requests_per_s=1.8 * one)
    assert counts(plan_of(prices, a_file(tmp_path, service))) == {SPOT: 2}
    plan = plan_of(prices, a_file(tmp_path, service, survive=[{"lose": "spot", "keeps": 0.5}]))
    assert counts(plan) == {OWNED: 1, SPOT: 1}
    (rule,) = plan.rules
    assert rule.premium_usd_per_hour == pytest.approx(1.0)
    assert baseline(plan, f"without: {rule.text}").usd_per_hour == 2
    (case,) = [case for case in rule.cases if case.lost_instances]
    assert case.lost_instances == {SPOT: 1}
    assert case.least_served_share == pytest.approx(1 / 1.8)


def test_an_on_demand_floor_is_the_same_rule(catalog: Catalog, tmp_path: Path, one: float) -> None:
    prices = with_offers(catalog, [on_demand(), spot()])
    service = a_service(rate_requests_per_s=1.8 * one)
    floor = plan_of(prices, a_file(tmp_path, service, on_demand_floor=0.5))
    assert (
        floor.plan_id
        == plan_of(prices, a_file(tmp_path, service, survive=[{"lose": "spot", "keeps": 0.5}])).plan_id
    )


@pytest.mark.parametrize(("lost", "bought"), [(1, 3), (2, 4)])
def test_any_instances_may_be_lost(
    catalog: Catalog, tmp_path: Path, one: float, lost: int, bought: int
) -> None:
    """1.8 instances of load stay served after the loss, so two must be left."""
    prices = with_offers(catalog, [on_demand()])
    service = a_service(rate_requests_per_s=1.8 * one)
    plan = plan_of(prices, a_file(tmp_path, service, survive=[{"lose": "instance", "count": lost}]))
    assert counts(plan) == {OWNED: bought}
    assert plan.rules[0].premium_usd_per_hour == pytest.approx(2.0 * lost)


def test_a_zone_takes_what_stands_in_it(catalog: Catalog, tmp_path: Path, one: float) -> None:
    """0.9 instances of load: one in each of two zones, since either may go."""
    prices = with_offers(catalog, [spot(), spot(zone="use1-az2", usd_per_hour="1.10")])
    service = a_service(rate_requests_per_s=0.9 * one)
    plan = plan_of(prices, a_file(tmp_path, service, survive=[{"lose": "zone"}]))
    assert counts(plan) == {SPOT: 1, "aws:us-east-1/use1-az2:g6e.xlarge:spot": 1}
    assert plan.usd_per_hour == Decimal("2.10")


def sold_in(catalog: Catalog, *zones: str) -> Catalog:
    """The same where g6e.xlarge is sold in these zones of us-east-1 alone; without any: nobody says where."""
    sold = ZoneOffering("aws", "us-east-1", "g6e.xlarge", zones, date(2026, 10, 27), "by hand", "none")
    return replace(catalog, facts=replace(catalog.facts, zone_offerings={sold.key: sold} if zones else {}))


def test_an_on_demand_type_stands_in_the_zones_that_sell_it(
    catalog: Catalog, tmp_path: Path, one: float
) -> None:
    """Sold in three zones, one instance in each lose one with a zone, and two carry 1.8."""
    prices = sold_in(with_offers(catalog, [on_demand()]), "use1-az1", "use1-az2", "use1-az6")
    service = a_service(rate_requests_per_s=1.8 * one)
    plan = plan_of(prices, a_file(tmp_path, service, survive=[{"lose": "zone"}]))
    assert {(line.zone, line.instances) for line in plan.purchase} == {
        ("use1-az1", 1), ("use1-az2", 1), ("use1-az6", 1)
    }  # fmt: skip


def test_of_two_zones_each_carries_everything(catalog: Catalog, tmp_path: Path, one: float) -> None:
    """1.8 instances of load need two where one zone of two may go: twice two."""
    prices = sold_in(with_offers(catalog, [on_demand()]), "use1-az1", "use1-az2")
    service = a_service(rate_requests_per_s=1.8 * one)
    plan = plan_of(prices, a_file(tmp_path, service, survive=[{"lose": "zone"}]))
    assert {(line.zone, line.instances) for line in plan.purchase} == {("use1-az1", 2), ("use1-az2", 2)}


def test_what_one_zone_sells_survives_no_zone(catalog: Catalog, tmp_path: Path, one: float) -> None:
    prices = sold_in(with_offers(catalog, [on_demand()]), "use1-az6")
    service = a_service(rate_requests_per_s=0.9 * one)
    plan = plan_of(prices, a_file(tmp_path, service, survive=[{"lose": "zone"}]))
    assert plan.status == "infeasible"
    assert "only aws:us-east-1/use1-az6 is in scope" in str(plan.reason)


def test_where_nobody_says_which_zones_sell_a_type_no_zone_is_survived(
    catalog: Catalog, tmp_path: Path, one: float
) -> None:
    prices = sold_in(with_offers(catalog, [on_demand()]))
    service = a_service(rate_requests_per_s=0.9 * one)
    plan = plan_of(prices, a_file(tmp_path, service, survive=[{"lose": "zone"}]))
    assert plan.status == "infeasible"
    assert "offers in aws:us-east-1 name no zone" in str(plan.reason)


def test_spot_capacity_without_a_zone_stands_in_one(catalog: Catalog, tmp_path: Path, one: float) -> None:
    """Sold in two zones, but which of them the price is of nobody says: all of it may go with either."""
    regional = spot(zone=None, usd_per_hour="0.50")
    prices = sold_in(with_offers(catalog, [on_demand(), regional]), "use1-az1", "use1-az2")
    service = a_service(rate_requests_per_s=0.9 * one)
    plan = plan_of(prices, a_file(tmp_path, service, survive=[{"lose": "zone"}]))
    assert {(line.market.value, line.zone) for line in plan.purchase} == {
        ("on_demand", "use1-az1"), ("on_demand", "use1-az2")
    }  # fmt: skip


def test_at_most_one_zone_buys_from_one(catalog: Catalog, tmp_path: Path, one: float) -> None:
    prices = sold_in(with_offers(catalog, [on_demand()]), "use1-az1", "use1-az2")
    service = a_service(rate_requests_per_s=1.8 * one)
    plan = plan_of(prices, a_file(tmp_path, service, at_most={"zones": 1}))
    assert [(line.zone, line.instances) for line in plan.purchase] == [("use1-az1", 2)]


def test_what_runs_in_a_zone_may_go_on_there(catalog: Catalog, tmp_path: Path, one: float) -> None:
    """A fleet in two zones survives either, and is kept."""
    prices = sold_in(with_offers(catalog, [on_demand()]), "use1-az1", "use1-az2")
    service = a_service(rate_requests_per_s=0.9 * one)
    held = "".join(
        f"  - {{provider: aws, region: us-east-1, zone: {zone}, instance_type: g6e.xlarge, "
        "market: on_demand, instances: 1}\n"
        for zone in ("use1-az1", "use1-az2")
    )
    (tmp_path / "fleet.yaml").write_text(f"schema_version: 1\nkind: fleet\nlines:\n{held}", "utf-8")
    asked = a_file(tmp_path, service, survive=[{"lose": "zone"}], current={"fleet": "fleet.yaml"})
    plan = plan_of(prices, asked)
    assert plan.migration is not None
    assert plan.migration.decision == "keep"


def test_more_demand_than_planned(catalog: Catalog, tmp_path: Path, one: float) -> None:
    """0.9 instances of load, half as much again is 1.35: two."""
    prices = with_offers(catalog, [on_demand()])
    service = a_service(rate_requests_per_s=0.9 * one)
    plan = plan_of(prices, a_file(tmp_path, service, demand_error=0.5))
    assert counts(plan) == {OWNED: 2}
    assert plan.rules[0].kind == "demand"
    assert plan.rules[0].premium_usd_per_hour == pytest.approx(2.0)


def test_throughput_at_the_low_end_of_its_interval(catalog: Catalog, tmp_path: Path, one: float) -> None:
    """A median error e puts the low end at 1 / (1 + e) ** (1.6449 / 0.6745) of the figure."""
    typical = catalog.profiles.error_pct(EvidenceKind.SIMULATED, "l40s-48gb")
    assert typical is not None
    low = (1 + typical / 100) ** (-1.6449 / 0.6745)
    prices = with_offers(catalog, [on_demand()])
    service = a_service(rate_requests_per_s=1.9 * one)
    plan = plan_of(prices, a_file(tmp_path, service, throughput_doubt={"accelerators": 1}))
    needed = math.ceil(1.9 / low)
    assert needed > 2
    assert counts(plan) == {OWNED: needed}
    load = plan.allocations[0].load[0]
    assert load.capacity_low_requests_per_s == pytest.approx(one * low)


@pytest.mark.parametrize("budget", [{"budget_usd_per_hour": 2.5}, {"budget_usd_per_month": 1825}])
def test_a_budget_serves_what_it_pays_for(
    catalog: Catalog, tmp_path: Path, one: float, budget: dict[str, Any]
) -> None:
    """$2.50 buys one of the two instances needed: 1 / 1.8 of the requests. $1,825 a month is $2.50/h."""
    prices = with_offers(catalog, [on_demand()])
    plan = plan_of(prices, a_file(tmp_path, a_service(rate_requests_per_s=1.8 * one), **budget))
    assert (plan.status, counts(plan)) == ("optimal", {OWNED: 1})
    (service,) = plan.services
    assert service.served_share == pytest.approx(1 / 1.8)
    assert service.buckets[0].served_share == pytest.approx(1 / 1.8)
    assert plan.allocations[0].load[0].requests_per_s == pytest.approx(one)
    assert any("The budget does not pay for all" in said for said in plan.warnings)
    everything = baseline(plan, f"without: {plan.rules[0].text}")
    assert (everything.usd_per_hour, everything.served_share) == (4, 1)


def test_a_budget_that_buys_nothing_is_a_no(catalog: Catalog, tmp_path: Path) -> None:
    prices = with_offers(catalog, [on_demand(), on_demand(instance_type="g6e.2xlarge", usd_per_hour="3.00")])
    plan = plan_of(prices, a_file(tmp_path, budget_usd_per_hour=1.99))
    assert plan.status == "infeasible"
    assert f"the cheapest instance, {OWNED}, costs $2.0000/h" in (plan.reason or "")


def test_a_budget_that_pays_for_no_fleet_within_the_rules_is_a_no(catalog: Catalog, tmp_path: Path) -> None:
    """$2 buys one instance; when its zone goes, nothing is left."""
    prices = sold_in(with_offers(catalog, [on_demand()]), "use1-az1", "use1-az2")
    plan = plan_of(prices, a_file(tmp_path, budget_usd_per_hour=2, survive=[{"lose": "zone"}]))
    assert plan.status == "infeasible"
    assert "pays for nothing that serves within the rules" in str(plan.reason)


def test_a_budget_serves_the_weightier_service_first(catalog: Catalog, tmp_path: Path, one: float) -> None:
    prices = with_offers(catalog, [on_demand()])
    light = a_service("light", rate_requests_per_s=0.9 * one)
    heavy = a_service("heavy", rate_requests_per_s=0.9 * one, weight=10)
    plan = plan_of(prices, a_file(tmp_path, light, heavy, budget_usd_per_hour=2.5))
    served = {service.name: service.served_share for service in plan.services}
    assert served["heavy"] == pytest.approx(1)
    assert served["light"] < 0.5


def test_simplicity_has_a_price(catalog: Catalog, tmp_path: Path, one: float) -> None:
    """4.5 instances of load: one of four chips at $7 and one of one at $2; of one type alone, five at $2."""
    large = on_demand(instance_type="g6e.12xlarge", accelerators=4, usd_per_hour="7.00")
    prices = with_offers(catalog, [on_demand(), large])
    service = a_service(rate_requests_per_s=4.5 * one)
    assert plan_of(prices, a_file(tmp_path, service)).usd_per_hour == 9
    plan = plan_of(prices, a_file(tmp_path, service, at_most={"instance_types": 1}))
    assert counts(plan) == {OWNED: 5}
    assert plan.rules[0].premium_usd_per_hour == pytest.approx(1.0)


def test_the_nominal_plan_stands_beside_several_rules(catalog: Catalog, tmp_path: Path, one: float) -> None:
    prices = with_offers(catalog, [on_demand(), spot()])
    service = a_service(rate_requests_per_s=0.9 * one)
    rules = {"on_demand_floor": 1.0, "demand_error": 0.5}
    plan = plan_of(prices, a_file(tmp_path, service, **rules))
    assert baseline(plan, "without any rule").usd_per_hour == 1


@pytest.mark.parametrize(("percent", "kept"), [(6, True), (5, False)])
def test_places_are_kept_at_a_price(
    catalog: Catalog, tmp_path: Path, one: float, percent: float, kept: bool
) -> None:
    """$2.00 in Virginia against $1.90 in Ohio is 5.26 % dearer."""
    prices = with_offers(catalog, [on_demand(), on_demand(region="us-east-2", usd_per_hour="1.90")])
    service = a_service(rate_requests_per_s=0.5 * one)
    prefer = {"regions": ["aws:us-east-1"], "percent_dearer": percent}
    plan = plan_of(prices, a_file(tmp_path, service, prefer=prefer))
    assert plan.rules[0].kept is kept
    assert plan.usd_per_hour == Decimal("2.00" if kept else "1.90")
    other = [b for b in plan.baselines if b.kind in ("staying", "without_rule")]
    assert [b.usd_per_hour for b in other] == [Decimal("1.90" if kept else "2.00")]
    if kept:
        assert plan.rules[0].premium_usd_per_hour == pytest.approx(0.10)


def test_replicas_have_a_minimum(catalog: Catalog, tmp_path: Path) -> None:
    """One is enough at $2: the other two cost $4."""
    plan = plan_of(with_offers(catalog, [on_demand()]), a_file(tmp_path, a_service(min_replicas=3)))
    assert counts(plan) == {OWNED: 3}
    (rule,) = plan.rules
    assert (rule.kind, rule.text, rule.at_least) == ("min_replicas", "at least 3 replicas of chat", 3)
    assert rule.premium_usd_per_hour == pytest.approx(4)


def test_two_services_share_an_instance_and_its_quota(catalog: Catalog, tmp_path: Path, one: float) -> None:
    """Four chips carry 1.8 replicas' load of each: one instance, and one draw on the quota."""
    prices = with_offers(
        catalog, [on_demand(instance_type="g6e.12xlarge", accelerators=4, usd_per_hour="7.00", vcpus=48)]
    )
    services = [a_service(name, rate_requests_per_s=1.8 * one) for name in ("chat", "batch")]
    account = an_account(catalog, {"aws:us-east-1:L-DB2E81BA": 48})
    plan = plan_of(prices, a_file(tmp_path, *services), account=account)
    assert plan.usd_per_hour == 7
    assert {a.service: a.replicas for a in plan.allocations} == {"chat": 2, "batch": 2}
    assert plan.purchase[0].quota_draw[0].units == 48


def held(region: str = "us-east-1", **given: Any) -> Reservation:
    fields = {
        "provider": "aws",
        "region": region,
        "zone": None,
        "instance_type": "g6e.xlarge",
        "instances": 2,
        "usd_per_hour_each": Decimal("1.50"),
        "until": None,
    } | given
    return Reservation(**fields)


def test_reserved_capacity_runs_at_a_quota_of_nothing(catalog: Catalog, tmp_path: Path, one: float) -> None:
    from dataclasses import replace

    prices = with_offers(catalog, [on_demand()])
    account = replace(an_account(catalog, {"aws:us-east-1:L-DB2E81BA": 0}), reservations=(held(),))
    plan = plan_of(prices, a_file(tmp_path, a_service(rate_requests_per_s=1.8 * one)), account=account)
    (line,) = plan.purchase
    assert (line.market, line.instances, line.usd_per_hour) == (Market.RESERVED, 2, Decimal(0))  # paid anyway
    assert plan.bill_usd_per_hour == Decimal("3.00")
    assert line.quota_draw == []
    more = a_file(tmp_path, a_service(rate_requests_per_s=2.7 * one))
    assert plan_of(prices, more, account=account).status == "infeasible"


def test_an_ended_reservation_is_said_and_not_used(catalog: Catalog, tmp_path: Path) -> None:
    from dataclasses import replace
    from datetime import date

    ended = held(until=date(2026, 11, 19))
    account = replace(an_account(catalog, {}), reservations=(ended,))
    plan = plan_of(with_offers(catalog, [on_demand()]), a_file(tmp_path), account=account)
    assert counts(plan) == {OWNED: 1}
    assert any("ended on 2026-11-19" in said for said in plan.assumptions)


def test_emissions_are_power_times_grid(catalog: Catalog, tmp_path: Path, one: float) -> None:
    watts = catalog.facts.accelerators["l40s-48gb"].tdp_w
    assert watts is not None
    kg = watts / 1000 * catalog.facts.grid["US"].g_co2e_per_kwh / 1000
    prices = with_offers(catalog, [on_demand()])
    service = a_service(rate_requests_per_s=1.8 * one)
    plan = plan_of(prices, a_file(tmp_path, service, carbon={}))
    assert plan.carbon is not None
    assert plan.carbon.kg_co2e_per_hour == pytest.approx(2 * kg)
    capped = a_file(tmp_path, service, carbon={"most_kg_co2e_per_hour": 1.9 * kg})
    assert plan_of(prices, capped).status == "infeasible"
    roomy = a_file(tmp_path, service, carbon={"most_kg_co2e_per_hour": 2.1 * kg})
    assert plan_of(prices, roomy).status == "optimal"


def test_what_emits_nobody_knows_how_much_is_left_out_under_a_cap(catalog: Catalog, tmp_path: Path) -> None:
    nowhere = on_demand(provider="runpod", region="global", instance_type="L40S")
    prices = with_offers(catalog, [nowhere])
    assert plan_of(prices, a_file(tmp_path)).status == "optimal"
    plan = plan_of(prices, a_file(tmp_path, carbon={"most_kg_co2e_per_hour": 100}))
    assert plan.status == "infeasible"
    assert plan.exclusions["emissions_unknown"].count == 1


def test_spot_risk_is_priced_by_its_fallback(catalog: Catalog, tmp_path: Path) -> None:
    """One spot at $1 reclaimed by at most 10 % a month, 24 of 730 hours on a fallback $1 dearer."""
    plan = plan_of(with_offers(catalog, [on_demand(), spot()]), a_file(tmp_path))
    assert plan.risk is not None
    assert plan.risk.hours_on_fallback == 24
    assert plan.risk.fallbacks[0].fallback == OWNED
    assert float(plan.risk.expected_usd_per_hour or 0) == pytest.approx(1 + 0.10 * 24 / 730)
    assert plan.risk.worst_usd_per_hour == 2
