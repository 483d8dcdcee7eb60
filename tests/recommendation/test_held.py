"""What is paid already: it costs nothing more to use, all of it is billed, and its end is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from recommendation_builders import NOW, a_price, an_account, with_offers

from advisor.api import recommend
from advisor.catalog.reservations import HeldKind, Reservation
from advisor.domain import Market, SloStatistic
from advisor.plan.verify import check
from advisor.verification import inputs_of

if TYPE_CHECKING:
    from advisor.catalog.account import Account
    from advisor.plan.plan import Plan
    from advisor.recommendation.findings import Catalog

BIG = "p5.4xlarge"


@pytest.fixture(scope="module")
def market(catalog: Catalog) -> Catalog:
    """An L40S at $2 and an H100 at $7 an hour, on demand."""
    big = a_price(instance_type=BIG, accelerator="h100-sxm-80gb", usd_per_hour="7", vcpus=16)
    return with_offers(catalog, [a_price(), big])


def held(instances: int = 1, **given: Any) -> Reservation:
    terms: dict[str, Any] = {
        "provider": "aws", "region": "us-east-1", "zone": None, "instance_type": BIG, "instances": instances,
        "usd_per_hour_each": Decimal("5.50"), "until": None,
    }  # fmt: skip
    return Reservation(**(terms | given))


def account(catalog: Catalog, *lines: Reservation, **limits: int) -> Account:
    return replace(
        an_account(catalog, {f"aws:us-east-1:{k}": v for k, v in limits.items()}), reservations=lines
    )


def answer(market: Catalog, holder: Account | None, rate: float = 1.0, **question: Any) -> Plan:
    question.setdefault("replay", False)
    return recommend(
        market, now=NOW, regions=["us-east-1"], rate_requests_per_s=rate, account=holder,
        slo_statistic=SloStatistic.MEAN, **question,
    )  # fmt: skip


def test_what_is_paid_anyway_is_used_before_anything_is_rented(market: Catalog) -> None:
    alone = answer(market, None)
    plan = answer(market, account(market, held()))
    assert [line.instance_type for line in alone.purchase] == ["g6e.xlarge"]  # else the cheapest
    (line,) = plan.purchase
    assert (line.instance_type, line.market, line.usd_per_hour) == (BIG, Market.RESERVED, 0)
    assert (plan.usd_per_hour, plan.bill_usd_per_hour) == (0, Decimal("5.50"))


def test_what_stays_idle_is_billed_and_named(market: Catalog) -> None:
    plan = answer(market, account(market, held(3)))
    (line,) = plan.held
    assert (line.instances, line.used, line.usd_per_hour, line.idle_usd_per_hour) == (
        3, 1, Decimal("16.50"), Decimal("11.00"),
    )  # fmt: skip
    assert plan.bill_usd_per_hour == Decimal("16.50")
    assert sum(bought.instances for bought in plan.purchase) == 1  # no more of it runs than is needed


def test_beyond_what_is_held_the_rest_is_rented(market: Catalog) -> None:
    plan = answer(market, account(market, held()), rate=40.0)
    assert {line.market for line in plan.purchase} == {Market.RESERVED, Market.ON_DEMAND}
    assert plan.usd_per_hour is not None
    assert plan.bill_usd_per_hour == plan.usd_per_hour + Decimal("5.50")


@pytest.mark.parametrize("count", [1, 2, 5])
def test_holding_more_never_raises_what_is_spent_anew(market: Catalog, count: int) -> None:
    less, more = (answer(market, account(market, held(n)), rate=60.0) for n in (count, count + 1))
    assert less.usd_per_hour is not None
    assert more.usd_per_hour is not None
    assert more.usd_per_hour <= less.usd_per_hour


@pytest.mark.parametrize(("kind", "serves"), [
    (HeldKind.CAPACITY, True), (HeldKind.OWNED, True), (HeldKind.DISCOUNT, False),
])  # fmt: skip
def test_a_discount_runs_within_the_on_demand_quota_and_capacity_beside_it(
    market: Catalog, kind: HeldKind, serves: bool
) -> None:
    """No quota of P instances, and none of the G instances that would serve instead."""
    limits = {"L-417A185B": 0, "L-DB2E81BA": 0}
    plan = answer(market, account(market, held(kind=kind), **limits))
    assert (plan.status == "optimal") is serves


@pytest.mark.parametrize(("until", "said"), [
    (date(2026, 11, 24), True), (date(2026, 12, 19), True), (date(2026, 12, 20), False), (None, False),
])  # fmt: skip
def test_an_end_within_the_month_is_said_with_its_day(
    market: Catalog, until: date | None, said: bool
) -> None:
    plan = answer(market, account(market, held(until=until)))
    assert any(f"is held until {until}" in warning for warning in plan.warnings) is said


def test_what_starts_later_is_not_used_yet(market: Catalog) -> None:
    plan = answer(market, account(market, held(start=date(2026, 11, 21))))
    assert plan.held == []
    assert any("starts on 2026-11-21" in note for note in plan.assumptions)


@pytest.mark.parametrize("instances", [1, 3])
def test_the_verifier_adds_the_bill_up_from_the_account(market: Catalog, instances: int) -> None:
    holder = account(market, held(instances))
    plan = answer(market, holder)
    against = inputs_of(plan, market.snapshot, market.facts, market.profiles, holder)
    assert [violation.code for violation in check(plan, against)] == []
    another = account(market, held(instances + 1))
    against = inputs_of(plan, market.snapshot, market.facts, market.profiles, another)
    assert "held" in [violation.code for violation in check(plan, against)]
