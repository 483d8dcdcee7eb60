"""A plan never exceeds a known quota; unknown ones are listed; a no names the least that would be a yes."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recommendation_builders import a_price, an_account, ask, drawn, pool_keys, with_offers

from advisor.domain import Market

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.recommendation.recommend import Catalog

G_ON_DEMAND, P_ON_DEMAND = "aws:us-east-1:L-DB2E81BA", "aws:us-east-1:L-417A185B"
G_SPOT = "aws:us-east-1:L-3819A6DF"
CHIPS = ("l4-24gb", "l40s-48gb", "rtx-pro-6000-96gb", "h100-sxm-80gb")
ADDITION = re.compile(r"add at least ([\d.]+) \w+ to (\S+) \(free ([\d.]+), needs ([\d.]+)\)")

few = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def within(plan: Plan, free: dict[str, Decimal]) -> bool:
    return all(units <= free[pool] for pool, units in drawn(plan).items() if pool in free)


@few
@given(
    st.dictionaries(st.sampled_from([G_ON_DEMAND, G_SPOT, P_ON_DEMAND]), st.integers(0, 400)),
    st.floats(0.5, 60.0),
)
def test_a_known_limit_is_never_exceeded(catalog: Catalog, limits: dict[str, int], rate: float) -> None:
    account = an_account(catalog, dict(limits))
    plan = ask(catalog, account=account, rate_requests_per_s=rate, accelerators=CHIPS)
    assert within(plan, {limit.key: limit.free for limit in account.limits})
    for line in plan.purchase:
        for draw in line.quota_draw:
            held = limits.get(f"{line.provider}:{draw.region}:{draw.pool}")
            assert draw.free_units == (None if held is None else Decimal(held))


def test_what_is_used_is_not_free(catalog: Catalog) -> None:
    prices = with_offers(catalog, [a_price(vcpus=4)])
    question: dict[str, Any] = {"rate_requests_per_s": 0.1}
    room = an_account(catalog, {G_ON_DEMAND: 8}, used={G_ON_DEMAND: 4})
    full = an_account(catalog, {G_ON_DEMAND: 8}, used={G_ON_DEMAND: 5})
    plan = ask(prices, account=room, **question)
    assert plan.purchase[0].quota_draw[0].free_units == 4
    assert ask(prices, account=full, **question).status == "infeasible"


def test_more_used_than_granted_is_nothing_free(catalog: Catalog) -> None:
    overdrawn = an_account(catalog, {G_ON_DEMAND: 8}, used={G_ON_DEMAND: 100})
    plan = ask(with_offers(catalog, [a_price()]), account=overdrawn)
    assert plan.status == "infeasible"
    assert f"{G_ON_DEMAND} (free 0" in (plan.reason or "")


def test_a_draw_is_counted_over_all_lines_of_a_pool(catalog: Catalog) -> None:
    """4 vCPUs a piece under a limit of 10: two instances at most, of whatever types."""
    prices = with_offers(
        catalog, [a_price(), a_price(instance_type="g6e.2xlarge", zone="use1-az1", usd_per_hour="2.01")]
    )
    account = an_account(catalog, {G_ON_DEMAND: 10})
    one = ask(prices, rate_requests_per_s=0.1).purchase[0]
    assert one.instances == 1
    rate = 0.1
    while (plan := ask(prices, account=account, rate_requests_per_s=rate)).status == "optimal":
        assert sum(line.instances for line in plan.purchase) <= 2
        rate *= 2
    unlimited = ask(prices, rate_requests_per_s=rate)
    assert sum(line.instances for line in unlimited.purchase) > 2


def test_a_global_pool_counts_across_regions(catalog: Catalog) -> None:
    prices = [
        a_price(provider="gcp", region=region, instance_type="g2-standard-4", accelerator="l4-24gb")
        for region in ("us-east4", "us-central1")
    ]
    two_regions = with_offers(catalog, prices)
    question: dict[str, Any] = {"regions": ["gcp:*"], "rate_requests_per_s": 8.0, "tpot_ms": 150.0}
    assert sum(line.instances for line in ask(two_regions, **question).purchase) > 1
    one = an_account(catalog, {"gcp:global:GPUS_ALL_REGIONS": 1})
    no = ask(two_regions, account=one, **question)
    assert no.status == "infeasible"
    assert "gcp:global:GPUS_ALL_REGIONS" in (no.reason or "")


# Infeasible


@pytest.fixture(scope="module")
def nothing_granted(catalog: Catalog) -> dict[str, int]:
    return dict.fromkeys(pool_keys(catalog, "aws", "us-east-1"), 0)


@pytest.mark.parametrize("rate", [1.0, 16.0, 120.0])
def test_nothing_granted_is_a_no_that_names_the_least_to_add(
    catalog: Catalog, nothing_granted: dict[str, int], rate: float
) -> None:
    question: dict[str, Any] = {"markets": ["on-demand"], "rate_requests_per_s": rate}
    no = ask(catalog, account=an_account(catalog, dict(nothing_granted)), **question)
    assert (no.status, no.usd_per_hour, no.purchase) == ("infeasible", None, [])
    additions = ADDITION.findall(no.reason or "")
    assert additions, no.reason
    granted: dict[str, Any] = dict(nothing_granted)
    for added, pool, free, needs in additions:
        assert pool in nothing_granted
        assert Decimal(needs) == Decimal(free) + Decimal(added)
        granted[pool] = Decimal(needs)
    yes = ask(catalog, account=an_account(catalog, granted), **question)
    assert yes.status == "optimal"


def test_one_unit_less_than_the_least_is_still_a_no(catalog: Catalog) -> None:
    prices = with_offers(catalog, [a_price(vcpus=4), a_price(instance_type="g6e.8xlarge", vcpus=32)])
    account = an_account(catalog, {G_ON_DEMAND: 0})
    no = ask(prices, account=account, rate_requests_per_s=0.1)
    ((added, pool, free, needs),) = ADDITION.findall(no.reason or "")
    assert (added, pool, free, needs) == ("4", G_ON_DEMAND, "0", "4")
    assert ask(prices, account=an_account(catalog, {G_ON_DEMAND: 3}), rate_requests_per_s=0.1).reason
    assert (
        ask(prices, account=an_account(catalog, {G_ON_DEMAND: 4}), rate_requests_per_s=0.1).usd_per_hour == 2
    )


def test_the_no_says_what_the_pool_counts(catalog: Catalog) -> None:
    no = ask(with_offers(catalog, [a_price()]), account=an_account(catalog, {G_ON_DEMAND: 0}))
    assert re.search(r"add at least \d+ vcpu", no.reason or "", re.IGNORECASE), no.reason


# Not knowing


def test_without_an_account_every_draw_is_assumed_and_listed(catalog: Catalog) -> None:
    plan = ask(catalog, markets=["on-demand"])
    assert drawn(plan)
    (said,) = [line for line in plan.assumptions if "Quotas not given" in line]
    for key, units in drawn(plan).items():
        provider, region, pool = key.split(":", 2)
        assert f"{provider} {region} {pool}: {units.normalize():f}" in said
    assert plan.inputs.account_sha256 is None


def test_only_the_pools_without_a_line_are_listed(catalog: Catalog) -> None:
    account = an_account(catalog, {G_ON_DEMAND: 10_000})
    plan = ask(catalog, account=account, markets=["on-demand"], accelerators=["l40s-48gb"])
    assert not any(G_ON_DEMAND.rpartition(":")[2] in line for line in plan.assumptions)
    assert plan.inputs.account_sha256 == "0" * 64


def test_a_line_without_a_documented_quota_says_so(catalog: Catalog) -> None:
    plan = ask(with_offers(catalog, [a_price(instance_type="unheard-of.xlarge")]))
    assert any("No quota is documented for aws unheard-of.xlarge" in line for line in plan.assumptions)


def test_a_limit_whose_draw_is_unknown_keeps_the_offer_out(catalog: Catalog) -> None:
    prices = with_offers(catalog, [a_price(vcpus=None)])
    assert ask(prices).status == "optimal"
    plan = ask(prices, account=an_account(catalog, {G_ON_DEMAND: 1000}))
    assert plan.exclusions["quota_draw_unknown"].count == 1


def test_spot_and_on_demand_have_pools_of_their_own(catalog: Catalog) -> None:
    prices = with_offers(catalog, [a_price(), a_price(market=Market.SPOT, usd_per_hour="1.00")])
    no_spot = an_account(catalog, {G_SPOT: 0})
    plan = ask(prices, account=no_spot, rate_requests_per_s=0.1)
    assert [line.market for line in plan.purchase] == [Market.ON_DEMAND]
