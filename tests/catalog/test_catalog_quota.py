"""Draws: what one instance takes from which pool."""

from __future__ import annotations

from decimal import Decimal

import pytest
from catalog_builders import a_pool, an_offer
from hypothesis import given
from hypothesis import strategies as st

from advisor.catalog.facts import load_facts
from advisor.catalog.quota import draws_for, draws_under, undetermined_pools
from advisor.domain import Market, QuotaDraw, QuotaUnit


def test_vcpus_gpus_and_instances_are_counted_in_their_own_unit() -> None:
    offer = an_offer(vcpus=96, accelerators=8)
    pools = [a_pool(pool=unit.value, unit=unit) for unit in QuotaUnit]
    assert [(draw.pool, draw.units_per_instance) for draw in draws_for(offer, pools)] == [
        ("gpu", Decimal(8)),
        ("instance", Decimal(1)),
        ("vcpu", Decimal(96)),
    ]


def test_a_pool_across_regions_is_counted_once_for_all() -> None:
    pools = [a_pool(scope="global", unit=QuotaUnit.GPU), a_pool(pool="L-2")]
    assert [draw.key for draw in draws_for(an_offer(), pools)] == ["aws:global:L-1", "aws:us-east-1:L-2"]


def test_zones_of_a_region_draw_on_the_same_pool() -> None:
    zonal, regional = (draws_for(an_offer(zone=zone), [a_pool()]) for zone in ("use1-az1", None))
    assert zonal == regional


def test_provider_market_and_shape_must_all_fit() -> None:
    spot = an_offer(market=Market.SPOT)
    assert draws_for(spot, [a_pool(market=Market.ON_DEMAND)]) == ()
    assert draws_for(spot, [a_pool(provider="gcp")]) == ()
    assert draws_for(spot, [a_pool(instance_types=("p4d.*", "p5e.*"))]) == ()
    assert len(draws_for(spot, [a_pool(market=Market.SPOT, instance_types=("p4d.*", "p5.*"))])) == 1


def test_a_composed_gcp_shape_draws_on_its_gpu_pool() -> None:
    offer = an_offer(provider="gcp", instance_type="n1-standard-8+2xt4", accelerators=2)
    pool = a_pool(provider="gcp", instance_types=("n1-*+*xt4",), unit=QuotaUnit.GPU)
    assert draws_for(offer, [pool]) == (QuotaDraw("gcp", "us-east-1", "L-1", QuotaUnit.GPU, Decimal(2)),)


def test_a_draw_of_unknown_size_is_reported_never_zero() -> None:
    offer = an_offer(vcpus=None)
    by_vcpu, by_gpu = a_pool(), a_pool(pool="L-2", unit=QuotaUnit.GPU)
    assert [draw.pool for draw in draws_for(offer, [by_vcpu, by_gpu])] == ["L-2"]
    assert undetermined_pools(offer, [by_vcpu, by_gpu]) == (by_vcpu,)
    assert undetermined_pools(an_offer(), [by_vcpu, by_gpu]) == ()


POOLS = st.lists(
    st.builds(
        a_pool,
        pool=st.sampled_from(["a", "b", "c"]),
        market=st.none() | st.sampled_from(Market),
        unit=st.sampled_from(QuotaUnit),
        scope=st.sampled_from(["region", "global"]),
        instance_types=st.sampled_from([("*",), ("p5.*",), ("g5.*",)]),
    ),
    max_size=6,
)


@given(POOLS, st.none() | st.integers(1, 200), st.sampled_from(Market))
def test_every_draw_is_positive_unique_and_independent_of_the_pools_order(
    pools: list, vcpus: int | None, market: Market
) -> None:  # type: ignore[type-arg]
    offer = an_offer(vcpus=vcpus, market=market)
    draws = draws_for(offer, pools)
    assert all(draw.units_per_instance > 0 for draw in draws)
    assert len({draw.key for draw in draws}) == len(draws)
    assert {draw.key for draw in draws_for(offer, reversed(pools))} == {draw.key for draw in draws}


@pytest.mark.parametrize(
    ("never_granted", "drawn"),
    [
        (set(), "PREEMPTIBLE_NVIDIA_L4_GPUS"),
        ({"gcp:us-central1:PREEMPTIBLE_NVIDIA_L4_GPUS"}, "NVIDIA_L4_GPUS"),
        ({"gcp:europe-west4:PREEMPTIBLE_NVIDIA_L4_GPUS"}, "PREEMPTIBLE_NVIDIA_L4_GPUS"),
        ({"gcp:us-central1:NVIDIA_L4_GPUS"}, "PREEMPTIBLE_NVIDIA_L4_GPUS"),
    ],
)
def test_spot_takes_from_the_standard_quota_where_the_preemptible_one_was_never_granted(
    never_granted: set[str], drawn: str
) -> None:
    offer = an_offer(
        provider="gcp", region="us-central1", instance_type="g2-standard-24", market=Market.SPOT,
        accelerator="l4-24gb", accelerators=2,
    )  # fmt: skip
    pools = load_facts().quota_pools
    assert drawn in [draw.pool for draw in draws_under(offer, pools, never_granted)]
    assert len(draws_under(offer, pools, never_granted)) == len(draws_for(offer, pools))
