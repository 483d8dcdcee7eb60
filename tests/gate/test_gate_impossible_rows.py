"""The wall of wrong prices, first half: rows that are wrong by themselves, or speak twice."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from gate_builders import NOW, a_spot, an_l4, an_offer, facts, in_regions, judged, prices, said

from advisor.catalog.quota import draws_for
from advisor.domain import Availability, Market, QuotaPool, QuotaUnit
from advisor.units import usd_from_vendor

pytestmark = pytest.mark.fast

P5 = "aws:us-east-1:p5.48xlarge:on_demand"
G6 = "aws:us-east-1:g6.xlarge:on_demand"


@pytest.mark.parametrize(
    ("shape", "usd_per_hour"),
    [
        ({"instance_type": "p6-b200.xlarge", "accelerator": "b200-sxm-180gb", "accelerators": 1}, "0.01"),
        ({"instance_type": "p4de.24xlarge", "accelerator": "a100-sxm-80gb"}, "0.08"),
    ],
)
def test_w1_cents_read_as_dollars_are_refused_even_on_the_first_refresh(
    shape: dict[str, object], usd_per_hour: str
) -> None:
    verdict = judged([an_offer(usd_per_hour=usd_per_hour, **shape)])
    assert verdict.passed == ()
    (finding,) = verdict.refused
    assert (finding.detector, finding.after) == ("W1", Decimal(usd_per_hour))
    assert "half the lowest ever recorded" in finding.detail


def test_w1_a_price_a_hundred_times_off_its_chips_median_is_refused() -> None:
    rows = [*in_regions(), an_offer(region="sa-east-1", usd_per_hour="0.5504")]
    assert said(judged(rows)) == {"aws:sa-east-1:p5.48xlarge:on_demand": ("W1", "refuse")}
    rows = [*in_regions(), an_offer(region="sa-east-1", usd_per_hour="5504")]
    assert said(judged(rows)) == {"aws:sa-east-1:p5.48xlarge:on_demand": ("W1", "refuse")}


def test_w1_a_whole_provider_in_cents_is_caught_by_last_weeks_prices() -> None:
    verdict = judged(in_regions(usd_per_hour="0.5504"), in_regions())
    assert {finding.detector for finding in verdict.refused} == {"W1"}
    assert len(verdict.refused) == 6


def test_w2_a_price_of_zero_cannot_be_an_offer_and_next_to_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        an_offer(usd_per_hour="0")
    with pytest.raises(ValueError, match="positive"):
        usd_from_vendor("0.0000000000")
    slipped = an_offer()
    object.__setattr__(slipped, "usd_per_hour", Decimal(0))
    for row in (slipped, an_offer(usd_per_hour="0.00000001")):
        assert said(judged([row, *in_regions("eu-west-1")])) == {P5: ("W2", "refuse")}


def test_w7_an_on_demand_price_of_a_shape_sold_only_as_spot_is_marked_never_bought() -> None:
    shape = {"provider": "gcp", "region": "us-central1", "accelerator": "h100-sxm-80gb"}
    listed = an_offer(**shape, instance_type="a3-highgpu-2g", accelerators=2, usd_per_hour="22.12")
    whole = an_offer(**shape, instance_type="a3-highgpu-8g", usd_per_hour="88.49")
    verdict = judged([listed, whole])
    assert said(verdict) == {listed.id: ("W7", "repair")}
    marked, untouched = verdict.passed
    assert (marked.flags, marked.availability) == (("not_sold_this_way",), Availability.UNAVAILABLE)
    assert marked.usd_per_hour == listed.usd_per_hour
    assert untouched is whole


def test_w8_two_prices_of_one_sku_are_both_refused() -> None:
    twins = [an_l4(usd_per_hour="0.178"), an_l4(usd_per_hour="0.086")]
    verdict = judged([*twins, an_offer()])
    assert [finding.detector for finding in verdict.refused] == ["W8", "W8"]
    assert "stated: $0.086, $0.178" in verdict.refused[0].detail
    assert list(prices(verdict)) == [P5]


def test_w8_one_price_stated_twice_is_kept_once_with_the_newest_stamp() -> None:
    old, new = an_l4(collected_at=NOW - timedelta(hours=5)), an_l4()
    verdict = judged([old, new, old])
    assert verdict.passed == (new,)
    assert said(verdict) == {G6: ("W8", "repair")}


def test_w12_a_regional_minimum_beside_zone_prices_is_refused() -> None:
    zones = [a_spot(), a_spot(zone="use1-az2", usd_per_hour="24")]
    lowest = a_spot(zone=None, price_basis="lowest_zone_spot")
    verdict = judged([*zones, lowest])
    assert said(verdict) == {"aws:us-east-1:p5.48xlarge:spot": ("W12", "refuse")}
    assert verdict.passed == tuple(zones)


def test_w12_the_maximum_over_zones_among_minima_is_held() -> None:
    rows = [a_spot(zone=None, region=region, price_basis="lowest_zone_spot") for region in ("a", "b", "c")]
    odd = a_spot(zone=None, region="d", price_basis="highest_zone_spot")
    assert said(judged([*rows, odd])) == {odd.id: ("W12", "hold")}


@pytest.mark.parametrize("accelerator", ["None", "unknown", "0", ""])
def test_w14_a_chip_nobody_knows_is_refused(accelerator: str) -> None:
    assert said(judged([an_offer(accelerator=accelerator)])) == {P5: ("W14", "refuse")}


def test_w14_a_broken_count_is_refused_and_a_slice_is_not() -> None:
    assert said(judged([an_offer(accelerators="2.5")])) == {P5: ("W14", "refuse")}
    slice_of_one = an_l4(instance_type="g6f.large", accelerators="0.125", usd_per_hour="0.2")
    assert judged([slice_of_one]).passed == (slice_of_one,)


def test_w14_a_type_whose_chip_changed_overnight_is_held() -> None:
    verdict = judged(in_regions(accelerator="h200-sxm-141gb"), in_regions())
    assert {finding.detector for finding in verdict.held} == {"W14"}
    assert "8 × h200-sxm-141gb here, elsewhere and before 8 × h100-sxm-80gb" in verdict.held[0].detail


def test_w14_a_type_with_another_chip_in_one_region_only_is_held() -> None:
    odd = an_offer(region="sa-east-1", accelerator="h100-pcie-80gb")
    assert said(judged([*in_regions(), odd])) == {odd.id: ("W14", "hold")}


def test_w16_the_users_own_price_is_not_replaced_by_a_list_price() -> None:
    own = an_offer(usd_per_hour="30", price_basis="manual")
    verdict = judged([an_offer()], [own])
    assert said(verdict) == {P5: ("W16", "hold")}
    assert (verdict.held[0].before, verdict.held[0].after) == (Decimal(30), Decimal("55.04"))


def test_w16_the_users_own_price_wins_in_one_refresh_however_low_it_is() -> None:
    own = an_offer(usd_per_hour="1.00", price_basis="manual")
    verdict = judged([*in_regions(), own], in_regions())
    assert prices(verdict)[P5] == Decimal("1.00")
    assert said(verdict) == {P5: ("W8", "repair")}


def test_w20_a_stamp_from_the_future_is_refused_beyond_five_minutes() -> None:
    assert judged([an_offer(collected_at=NOW + timedelta(minutes=4))]).refused == ()
    early = an_offer(collected_at=NOW + timedelta(minutes=6))
    assert said(judged([early])) == {P5: ("W20", "refuse")}


def test_w20_an_archived_price_stamped_today_is_refused() -> None:
    archived = "owner/feed:data/2026-10-09.jsonl@0561ccbc"
    assert said(judged([an_offer(source=archived)])) == {P5: ("W20", "refuse")}
    honest = an_offer(source=archived, collected_at=NOW - timedelta(days=44))
    assert judged([honest]).passed == (honest,)


def test_w20_the_version_of_an_api_is_not_the_day_of_its_data() -> None:
    row = an_offer(source="Azure Retail Prices, api-version 2023-01-01-preview")
    assert judged([row]).passed == (row,)


def test_w20_an_older_answer_never_replaces_a_newer_one() -> None:
    older = an_offer(collected_at=NOW - timedelta(days=30), usd_per_hour="54")
    assert said(judged([older], [an_offer()])) == {P5: ("W20", "refuse")}
    same_price = an_offer(collected_at=NOW - timedelta(days=30))
    verdict = judged([same_price], [an_offer()])
    assert said(verdict) == {P5: ("W20", "repair")}
    assert verdict.passed[0].collected_at == NOW - timedelta(days=7)


def test_w21_an_offer_called_unavailable_for_want_of_quota_becomes_unknown() -> None:
    row = an_offer(availability=Availability.UNAVAILABLE, availability_basis="on-demand quota is 0")
    verdict = judged([row])
    assert said(verdict) == {P5: ("W21", "repair")}
    assert verdict.passed[0].availability is Availability.UNKNOWN


def test_w21_an_on_demand_quota_of_zero_is_not_drawn_on_by_another_market() -> None:
    pool = QuotaPool(
        "aws",
        "L-417A185B",
        "P on demand",
        Market.ON_DEMAND,
        QuotaUnit.VCPU,
        "region",
        ("p5.*",),
        None,
        "test",
    )
    assert draws_for(a_spot(), [pool]) == ()
    assert [draw.pool for draw in draws_for(an_offer(), [pool])] == ["L-417A185B"]


def test_w25_a_capacity_block_at_zero_does_not_shadow_the_on_demand_row() -> None:
    block = an_offer(usd_per_hour="0.00000001", price_basis="list, operation RunInstances:CB")
    verdict = judged([block, an_offer()])
    assert [finding.detector for finding in verdict.refused] == ["W25"]
    assert prices(verdict) == {P5: Decimal("55.04")}


def test_w25_an_unmarked_zero_beside_the_real_price_leaves_the_real_price() -> None:
    verdict = judged([an_offer(usd_per_hour="0.00000001"), an_offer()])
    assert [finding.detector for finding in verdict.refused] == ["W2"]
    assert prices(verdict) == {P5: Decimal("55.04")}


def test_w26_an_l4_of_22_gib_is_not_another_gpu() -> None:
    verdict = judged([an_l4(accelerator="l4-22gb")])
    assert said(verdict) == {G6: ("W26", "refuse")}
    assert "l4-24gb with its memory in another unit" in verdict.refused[0].detail


@pytest.mark.parametrize(
    "stated",
    [16384.0, 16.0 / 1024, 16000.0, 16.384, 16 * 1.073741824, 16 / 1.073741824],
    ids=["MiB", "TiB", "MB", "MB/1000 for MiB/1024", "GB", "GiB twice"],
)
def test_w26_host_memory_in_another_unit_is_put_right(stated: float) -> None:
    here = an_l4(region="sa-east-1", memory_gib=stated)
    verdict = judged([*[an_l4(region=region) for region in ("a", "b", "c")], here])
    assert said(verdict) == {here.id: ("W26", "repair")}
    assert [offer.memory_gib for offer in verdict.passed] == [16.0] * 4


def test_w26_memory_no_host_has_becomes_unknown_where_nothing_says_better() -> None:
    verdict = judged([an_offer(memory_gib=2_097_152.0)])
    assert verdict.passed[0].memory_gib is None


def test_every_accelerator_shipped_has_memory_so_that_the_scale_can_be_told() -> None:
    assert all(chip.memory_gb > 0 for chip in facts().accelerators.values())
