"""The fleet that runs now: kept or left, and in which order, so that capacity holds at every moment."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from recommendation_builders import an_account, baseline, with_offers
from situation_builders import a_file, a_service, capacity, counts, on_demand, plan_of

from advisor.recommendation.migrating import Moving

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.recommendation.recommend import Catalog

SMALL, LARGE = "aws:us-east-1:g6e.xlarge:on_demand", "aws:us-east-1:g6e.2xlarge:on_demand"
G_ON_DEMAND = "aws:us-east-1:L-DB2E81BA"


def holding(folder: Path, instances: int, instance_type: str = "g6e.xlarge", **given: Any) -> dict[str, Any]:
    """``current`` of a service file, and the fleet file it names."""
    (folder / "fleet.yaml").write_text(
        "schema_version: 1\nkind: fleet\nlines:\n"
        f"  - {{provider: aws, region: us-east-1, instance_type: {instance_type}, market: on_demand, "
        f"instances: {instances}}}\n"
    )
    return {"fleet": "fleet.yaml"} | given


@pytest.mark.parametrize(("percent", "left"), [(66, True), (67, False)])
def test_a_change_must_save_what_was_asked(
    catalog: Catalog, tmp_path: Path, percent: float, left: bool
) -> None:
    """Three at $2 where one would do: a change saves $4 of $6, which is 66.7 %."""
    current = holding(tmp_path, 3, change_only_if_saving_percent=percent)
    plan = plan_of(with_offers(catalog, [on_demand()]), a_file(tmp_path, current=current))
    assert plan.migration is not None
    assert plan.migration.decision == ("change" if left else "keep")
    assert plan.migration.held_serves
    assert (plan.migration.held_usd_per_hour, plan.migration.best_usd_per_hour) == (6, 2)
    assert counts(plan) == {SMALL: 1 if left else 3}
    assert plan.status == ("optimal" if left else "feasible")
    assert baseline(plan, "the fleet held").usd_per_hour == 6
    if not left:
        assert plan.optimality is not None
        assert not plan.optimality.proved
        assert plan.optimality.lower_bound_usd_per_hour == pytest.approx(2)
        assert plan.migration.steps == []


def test_what_is_already_best_is_kept_and_proved(catalog: Catalog, tmp_path: Path) -> None:
    plan = plan_of(with_offers(catalog, [on_demand()]), a_file(tmp_path, current=holding(tmp_path, 1)))
    assert plan.migration is not None
    assert (plan.status, plan.migration.decision) == ("optimal", "keep")
    assert plan.migration.saving_usd_per_hour == 0


def test_a_fleet_that_no_longer_serves_is_left_whatever_it_costs(catalog: Catalog, tmp_path: Path) -> None:
    prices = with_offers(catalog, [on_demand()])
    rate = 1.8 * capacity(plan_of(prices, a_file(tmp_path)))
    current = holding(tmp_path, 1, change_only_if_saving_percent=100)
    plan = plan_of(prices, a_file(tmp_path, a_service(rate_requests_per_s=rate), current=current))
    assert plan.migration is not None
    assert (plan.migration.decision, plan.migration.held_serves) == ("change", False)
    assert counts(plan) == {SMALL: 2}
    assert [(step.action, step.instances) for step in plan.migration.steps] == [("start", 1), ("route", None)]


def test_the_cost_of_the_change_is_weighed(catalog: Catalog, tmp_path: Path) -> None:
    """$0.10 an hour cheaper; a start at $100 over 730 hours is $0.137 an hour: not worth it."""
    prices = with_offers(catalog, [on_demand(), on_demand(instance_type="g6e.2xlarge", usd_per_hour="1.90")])
    cheap = plan_of(prices, a_file(tmp_path, current=holding(tmp_path, 1)))
    assert counts(cheap) == {LARGE: 1}
    dear = plan_of(prices, a_file(tmp_path, current=holding(tmp_path, 1, usd_per_instance_started=100)))
    assert counts(dear) == {SMALL: 1}
    longer = holding(tmp_path, 1, usd_per_instance_started=100, horizon_hours=1100)
    plan = plan_of(prices, a_file(tmp_path, current=longer))
    assert counts(plan) == {LARGE: 1}
    assert plan.migration is not None
    assert plan.migration.one_off_usd == 100
    assert plan.migration.payback_hours == pytest.approx(1000)


def test_quota_in_use_by_the_fleet_held_is_its_own_to_give(catalog: Catalog, tmp_path: Path) -> None:
    """Two of 4 vCPUs fill a quota of 8: one is spared, its successor starts, then the other stops."""
    prices = with_offers(
        catalog, [on_demand(vcpus=4), on_demand(instance_type="g6e.2xlarge", vcpus=4, usd_per_hour="1.00")]
    )
    account = an_account(catalog, {G_ON_DEMAND: 8}, used={G_ON_DEMAND: 8})
    plan = plan_of(prices, a_file(tmp_path, current=holding(tmp_path, 2)), account=account)
    assert counts(plan) == {LARGE: 1}
    assert plan.migration is not None
    steps = [(step.action, step.offer, step.instances, step.usd_per_hour) for step in plan.migration.steps]
    assert steps == [
        ("stop", SMALL, 1, Decimal(2)),
        ("start", LARGE, 1, Decimal(3)),
        ("route", None, None, Decimal(3)),
        ("stop", SMALL, 1, Decimal(1)),
    ]


def test_no_room_to_start_first_is_said(catalog: Catalog, tmp_path: Path) -> None:
    prices = with_offers(
        catalog, [on_demand(vcpus=4), on_demand(instance_type="g6e.2xlarge", vcpus=4, usd_per_hour="1.00")]
    )
    account = an_account(catalog, {G_ON_DEMAND: 4}, used={G_ON_DEMAND: 4})
    plan = plan_of(prices, a_file(tmp_path, current=holding(tmp_path, 1)), account=account)
    assert plan.migration is not None
    assert [step.action for step in plan.migration.steps] == ["wait", "stop", "start", "route"]
    assert f"{G_ON_DEMAND} is short of 4" in plan.migration.steps[0].text


def test_what_the_catalog_does_not_know_is_listed_and_not_counted_on(
    catalog: Catalog, tmp_path: Path
) -> None:
    current = holding(tmp_path, 2, instance_type="g99.huge")
    plan = plan_of(with_offers(catalog, [on_demand()]), a_file(tmp_path, current=current))
    assert plan.migration is not None
    assert (plan.migration.decision, plan.migration.held_usd_per_hour) == ("change", None)
    assert "2 × aws:us-east-1:g99.huge:on_demand" in plan.migration.unknown[0]


OFFERS = ("a", "b", "c")
FLEETS = st.fixed_dictionaries({offer: st.integers(0, 4) for offer in OFFERS})


@settings(deadline=None)
@given(
    FLEETS, FLEETS, st.fixed_dictionaries({offer: st.integers(1, 3) for offer in OFFERS}), st.integers(0, 8)
)
def test_every_step_keeps_capacity_and_quota_unless_it_says_so(
    held: dict[str, int], target: dict[str, int], units: dict[str, int], spare: int
) -> None:
    """Capacity is counted in instances; the need is the smaller fleet's."""

    def drawn(fleet: dict[str, int]) -> int:
        return sum(units[offer] * count for offer, count in fleet.items())

    assume(sum(target.values()) > 0)
    need = min(sum(held.values()), sum(target.values()))
    limit = max(drawn(held), drawn(target)) + spare
    moving = Moving(
        running=Counter(held),
        target=target,
        usd_per_hour=dict.fromkeys(OFFERS, Decimal(1)),
        draws={offer: (("pool", Decimal(units[offer])),) for offer in OFFERS},
        free={"pool": Decimal(limit)},
        serves=lambda fleet: sum(fleet.values()) >= need,
    )
    steps = moving.go()
    running, waited = Counter(held), False
    for step in steps:
        waited = waited or step.action == "wait"
        if step.offer is not None and step.instances is not None:
            running[step.offer] += step.instances if step.action == "start" else -step.instances
        assert min(running.values(), default=0) >= 0
        assert drawn(running) <= limit
        assert waited or sum(running.values()) >= need
        assert step.usd_per_hour == sum(running.values())
    assert +running == +Counter(target)
