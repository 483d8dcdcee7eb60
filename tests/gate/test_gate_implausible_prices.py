"""The wall of wrong prices, second half: prices that their peers, or last week, speak against."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from gate_builders import (
    LAST_WEEK,
    NOW,
    REGIONS,
    a_spot,
    an_l4,
    an_offer,
    facts,
    in_regions,
    judged,
    prices,
    said,
)

from advisor.catalog.gate import DETECTORS, judge
from advisor.domain import Availability, Market, Offer

pytestmark = pytest.mark.fast

P5 = "aws:us-east-1:p5.48xlarge:on_demand"


def test_w3_the_price_of_one_gpu_taken_for_eight_is_refused() -> None:
    one = an_l4(instance_type="l4.1x", usd_per_hour="1.28")
    eight = an_l4(instance_type="l4.8x", accelerators=8, usd_per_hour="1.28")
    verdict = judged([one, eight])
    assert said(verdict) == {eight.id: ("W3", "refuse")}
    assert "8 accelerators for $1.28, 1 cost $1.28 (l4.1x)" in verdict.refused[0].detail


def test_w3_a_provider_that_has_only_eights_is_caught_by_its_last_price() -> None:
    verdict = judged(
        [an_l4(accelerators=8, usd_per_hour="1.28")], [an_l4(accelerators=8, usd_per_hour="10.24")]
    )
    (finding,) = verdict.refused
    assert (finding.detector, finding.before, finding.after) == ("W3", Decimal("10.24"), Decimal("1.28"))


def test_w3_two_gpus_at_half_of_last_week_may_be_a_real_cut_and_wait() -> None:
    pair = an_l4(accelerators=2, usd_per_hour="2.00")
    assert said(judged([replace(pair, usd_per_hour=Decimal(1))], [pair])) == {pair.id: ("W3", "hold")}


def test_w4_a_vm_priced_without_its_gpu_is_held() -> None:
    rows = in_regions(usd_per_hour="4.05", accelerators=1)
    bare = an_offer(region="sa-east-1", usd_per_hour="0.94", accelerators=1)
    assert said(judged([*rows, bare])) == {bare.id: ("W4", "hold")}


def test_w4_the_real_slip_of_azures_list_in_poland_is_held() -> None:
    """Standard_ND96amsr_A100_v4 in polandcentral: 46.861 on 2023-10-27, 7.692 on 2025-05-16."""
    shape = {
        "provider": "azure",
        "instance_type": "Standard_ND96amsr_A100_v4",
        "accelerator": "a100-sxm-80gb",
    }
    before = in_regions("polandcentral", "eastus", "westeurope", "uksouth", usd_per_hour="46.861", **shape)
    slip = an_offer(region="polandcentral", usd_per_hour="7.692", **shape)
    verdict = judged([slip, *before[1:]], before)
    assert said(verdict) == {slip.id: ("W4", "hold")}
    assert verdict.held[0].detail.endswith("(also large_move)")


def test_w5_parts_added_twice_in_every_region_are_held_together() -> None:
    shape = {"provider": "gcp", "instance_type": "a4-highgpu-8g", "accelerator": "b200-sxm-180gb"}
    sold = {"availability": Availability.UNAVAILABLE, "flags": ("not_sold_this_way",)}
    once = in_regions("us-central1", "us-east4", "europe-west4", usd_per_hour="100", **shape, **sold)
    twice = [replace(offer, usd_per_hour=Decimal(116)) for offer in once]
    verdict = judged(twice, once)
    assert [finding.detector for finding in verdict.held] == ["W5"] * 3
    assert len({finding.confirm_id for finding in verdict.held}) == 1


def test_w5_parts_added_twice_in_one_region_are_held() -> None:
    double = an_offer(region="sa-east-1", usd_per_hour="140")
    assert said(judged([*in_regions(), double])) == {double.id: ("W5", "hold")}


def test_w6_a_spot_sku_called_on_demand_is_held() -> None:
    rows = in_regions("a", "b", "c", "d")
    spot = [a_spot(region=region, zone=None) for region in ("a", "b", "c", "d", "e")]
    wrong = an_offer(region="e", usd_per_hour="20")
    verdict = judged([*rows, *spot, wrong])
    assert said(verdict) == {wrong.id: ("W6", "hold")}
    assert "is the spot price beside it; on demand it is $55.04 elsewhere" in verdict.held[0].detail


@pytest.mark.parametrize(
    ("usd_per_hour", "detector"),
    [("3.49", "large_move"), ("3.51", "W27"), ("6.99", "W27"), ("7.01", "large_move"), ("8.01", None)],
)
def test_w27_a_flex_start_price_filed_as_on_demand_is_held(usd_per_hour: str, detector: str | None) -> None:
    a2 = {"provider": "gcp", "instance_type": "a2-ultragpu-2g", "accelerator": "a100-sxm-80gb"}
    rows = [an_offer(accelerators=2, usd_per_hour=usd, **a2) for usd in ("10", usd_per_hour)]
    verdict = judged(rows[1:], rows[:1])
    assert said(verdict) == ({rows[0].id: (detector, "hold")} if detector else {})


def test_w27_is_googles_alone() -> None:
    rows = [an_offer(usd_per_hour=usd) for usd in ("55", "30")]
    assert said(judged(rows[1:], rows[:1])) == {rows[0].id: ("large_move", "hold")}


def test_w9_spot_six_times_too_cheap_is_held() -> None:
    listed = an_offer(usd_per_hour="6.98", accelerators=2)
    right, wrong = (a_spot(usd_per_hour=usd, accelerators=2) for usd in ("2.70", "0.45"))
    assert said(judged([listed, wrong])) == {wrong.id: ("W9", "hold")}
    assert said(judged([wrong], [right])) == {wrong.id: ("W9", "hold")}


def test_w9_ninety_percent_off_is_what_vendors_promise_and_passes() -> None:
    rows = [an_offer(), a_spot(usd_per_hour="5.504")]
    assert judged(rows).passed == tuple(rows)


def test_w10_the_spot_price_of_another_type_is_held() -> None:
    regions = ("a", "b", "c", "d")
    small = [an_l4(region=region, market=Market.SPOT, zone=None, usd_per_hour="0.30") for region in regions]
    large_type = {"instance_type": "g6.16xlarge", "vcpus": 64}
    large = [replace(offer, **large_type, usd_per_hour=Decimal("0.90")) for offer in small]
    listed = [an_l4(region=region) for region in regions]
    listed += [an_l4(region=region, **large_type, usd_per_hour="3.3968") for region in regions]
    swapped = [replace(large[0], usd_per_hour=small[0].usd_per_hour), *large[1:]]
    verdict = judged([*small, *swapped, *listed])
    assert said(verdict) == {swapped[0].id: ("W10", "hold")}
    assert verdict.held[0].detail == "exactly the spot price of g6.xlarge, though on demand they differ"


def test_w11_spot_dearer_than_on_demand_is_held() -> None:
    listed, spot = an_l4(usd_per_hour="0.44"), an_l4(usd_per_hour="0.49", market=Market.SPOT, zone="use1-az1")
    verdict = judged([listed, spot])
    assert said(verdict) == {spot.id: ("W11", "hold")}
    assert verdict.held[0].detail == "spot $0.49 above on-demand $0.44"


def test_w11_spot_at_the_cap_passes_though_rounding_lifts_it_above() -> None:
    """ap-northeast-1, g5.48xlarge: spot 23.6225, on-demand 23.62246."""
    rows = [an_offer(usd_per_hour="23.62246"), a_spot(usd_per_hour="23.6225")]
    assert judged(rows).passed == tuple(rows)


def test_w13_a_region_that_disappears_keeps_last_weeks_prices() -> None:
    types = [{"instance_type": f"g6.{size}xlarge"} for size in (1, 2, 4)]
    before = [an_l4(region=region, **shape) for region in REGIONS for shape in types]
    verdict = judged([offer for offer in before if offer.region != "eu-west-1"], before)
    held = [finding.offer_id for finding in verdict.held]
    assert held == [f"aws:eu-west-1:g6.{size}xlarge:on_demand" for size in (1, 2, 4)]
    assert {(finding.detector, finding.after) for finding in verdict.held} == {("W13", None)}
    assert len({finding.confirm_id for finding in verdict.held}) == 1


def test_w13_keeps_last_weeks_prices_when_a_provider_returns_half_its_rows() -> None:
    before = [an_l4(region=region, instance_type=f"g6.{n}xlarge") for region in REGIONS for n in (1, 2)]
    verdict = judged(before[::2], before)
    assert len(verdict.held) == 6
    assert "6 of 12 aws on_demand rows did not come" in verdict.held[0].detail


def test_w13_a_provider_of_which_nothing_came_keeps_last_weeks_prices() -> None:
    before = [*in_regions(), *in_regions(provider="azure")]
    held = judged(in_regions(), before).held
    assert {(finding.offer_id, finding.detector) for finding in held} == {
        (offer.id, "W13") for offer in before[6:]
    }


def test_w13_regions_out_of_scope_are_not_missed() -> None:
    def covers(offer: Offer) -> bool:
        return offer.region == "us-east-1"

    assert said(judged([an_offer()], in_regions(), covers=covers)) == {}


def test_w13_a_few_rows_that_go_from_many_are_let_go() -> None:
    before = [a_spot(region=region, zone=f"z{n}") for region in REGIONS for n in range(4)]
    gone = {offer.id for offer in before if offer.zone == "z3"} | {before[0].id}
    left = [offer for offer in before if offer.id not in gone]
    for covers in (lambda offer: offer.id in gone, lambda _: True):
        assert judged(left, before, covers=covers).held == ()


def test_w13_a_third_of_a_providers_rows_is_judged_by_all_its_rows_not_only_by_those_missed() -> None:
    spot = {"provider": "gcp", "market": Market.SPOT, "price_basis": "regional_spot_price"}
    before = [an_l4(region=f"r{n % 2}", instance_type=f"t{n}", **spot) for n in range(40)]
    eleven, thirteen = before[11:], before[13:]
    for left, held in ((eleven, 0), (thirteen, 13)):
        ids = {offer.id for offer in left}
        gone = judged(left, before, covers=lambda offer, ids=ids: offer.id not in ids)
        assert len(gone.held) == held


def test_w13_market_place_offers_may_go_as_they_came() -> None:
    stall = {"provider": "vast", "flags": ("marketplace_median",)}
    before = [an_l4(region=region, **stall) for region in ("US", "JP", "SE", "TH", "BG")]
    assert {action for _, action in said(judged(before[:2], before)).values()} == {"note"}


def test_w13_more_than_half_of_a_market_place_gone_at_once_is_held() -> None:
    before = [an_l4(region=f"R{n}", provider="vast", flags=("marketplace_median",)) for n in range(20)]
    assert {action for _, action in said(judged(before[10:], before)).values()} == {"note"}  # 10 of 20
    assert "hold" in {action for _, action in said(judged(before[11:], before)).values()}  # 11 of 20


def test_w15_one_flat_price_for_every_chip_is_refused() -> None:
    chips = ("t4-16gb", "l4-24gb", "a100-sxm-80gb", "h100-sxm-80gb", "b200-sxm-180gb")
    flat = [
        an_offer(instance_type=f"type-{chip}", accelerator=chip, accelerators=n, usd_per_hour=str(0.95 * n))
        for n, chip in enumerate(chips, start=1)
    ]
    verdict = judged(flat)
    assert [finding.detector for finding in verdict.refused] == ["W15"] * 5
    assert "$0.95 per accelerator for 5 chips alike" in verdict.refused[0].detail


def test_w17_a_slice_dearer_than_the_whole_is_held() -> None:
    slice_of_one = an_l4(instance_type="g6f.large", accelerators="0.125", vcpus=2, usd_per_hour="2.40")
    assert said(judged([an_l4(), slice_of_one])) == {slice_of_one.id: ("W17", "hold")}


def test_w17_does_not_judge_spot_where_small_types_are_often_dearer_than_large_ones() -> None:
    spot = {"market": Market.SPOT, "zone": "use1-az1"}
    slice_of_one = an_l4(
        instance_type="g6f.large", accelerators="0.125", vcpus=2, usd_per_hour="0.39", **spot
    )
    assert said(judged([an_l4(), an_l4(usd_per_hour="0.30", **spot), slice_of_one])) == {}


def test_w18_a_steady_one_and_a_half_percent_is_held_as_one_question() -> None:
    shifted = [replace(offer, usd_per_hour=Decimal("55.8656")) for offer in in_regions()]  # 55.04 × 1.015
    verdict = judged(shifted, in_regions())
    assert [finding.detector for finding in verdict.held] == ["W18"] * 6
    assert "+1.50%" in verdict.held[0].detail
    assert judged(shifted, in_regions(), accept=frozenset({verdict.held[0].confirm_id})).held == ()


def test_w19_a_feed_stamped_anew_in_which_nothing_ever_moves_keeps_its_old_stamp() -> None:
    before = [
        an_l4(region=region, market=Market.SPOT, zone=f"{region}-{n}", usd_per_hour=str(0.3 + n / 100))
        for region in REGIONS
        for n in range(4)
    ]
    verdict = judged(before, before)
    assert {finding.detector for finding in verdict.held} == {"W19"}
    assert len(verdict.held) == 24
    moved = [replace(before[0], usd_per_hour=Decimal("0.31")), *before[1:]]
    assert judged(moved, before).passed == tuple(moved)


def test_w22_a_list_price_lost_in_one_region_only_stays_as_it_was() -> None:
    others = [an_l4(region=region) for region in REGIONS]
    verdict = judged([*in_regions()[1:], *others], [*in_regions(), *others])
    assert said(verdict) == {P5: ("W22", "hold")}
    assert verdict.held[0].before == Decimal("55.04")


def test_w22_spot_without_a_list_price_is_remarked_on_the_first_refresh() -> None:
    spot = [a_spot(region=region, zone=None) for region in REGIONS]
    verdict = judged([*in_regions()[1:], *spot])
    assert len(verdict.passed) == 11
    assert said(verdict) == {spot[0].id: ("W22", "note")}


def test_w23_the_sum_of_a_three_year_term_is_refused() -> None:
    term = an_offer(region="sa-east-1", usd_per_hour="578000.0")  # 55.04 × 26,280 h × 0.4
    assert said(judged([*in_regions(), term])) == {term.id: ("W23", "refuse")}
    assert said(judged([term])) == {term.id: ("W23", "refuse")}


def test_w24_a_currency_that_is_named_is_refused_unless_converted() -> None:
    euro = an_offer(provider="ovh", price_basis="list, EUR")
    assert said(judged([euro])) == {euro.id: ("W24", "refuse")}
    assert judged([replace(euro, price_basis="list, EUR converted to USD")]).refused == ()
    yuan = an_offer(region="cn-north-1", usd_per_hour="395")
    assert said(judged([yuan])) == {yuan.id: ("W24", "refuse")}


def test_w24_all_prices_shifted_by_one_rate_are_held_as_one_question() -> None:
    listed = [*in_regions(), *(an_l4(region=region) for region in REGIONS)]
    in_euro = [replace(offer, usd_per_hour=offer.usd_per_hour * Decimal("0.86")) for offer in listed]
    verdict = judged(in_euro, listed)
    assert {finding.detector for finding in verdict.held} == {"W24"}
    assert len(verdict.held) == 12
    assert len({finding.confirm_id for finding in verdict.held}) == 1
    assert "-14.00%" in verdict.held[0].detail


JUNE_2025 = {  # us-east-1, versions of 2025-03-31 and 2025-06-23
    "p5.48xlarge": ("98.32", "55.04", "h100-sxm-80gb"),
    "p4d.24xlarge": ("32.7726", "21.957642", "a100-sxm-40gb"),
    "p4de.24xlarge": ("40.96575", "27.44705", "a100-sxm-80gb"),
}


def june_2025() -> tuple[list[Offer], list[Offer]]:
    shapes = [{"instance_type": name, "accelerator": chip} for name, (_, _, chip) in JUNE_2025.items()]
    old, new = ([usd[i] for usd in JUNE_2025.values()] for i in (0, 1))
    rest = [an_l4(region=region) for region in REGIONS]
    before = [an_offer(usd_per_hour=usd, **shape) for usd, shape in zip(old, shapes, strict=True)]
    after = [an_offer(usd_per_hour=usd, **shape) for usd, shape in zip(new, shapes, strict=True)]
    return [*before, *rest], [*after, *rest]


def test_the_real_cuts_of_june_2025_are_held_with_before_and_after() -> None:
    before, after = june_2025()
    verdict = judged(after, before)
    assert [(finding.detector, finding.before, finding.after) for finding in verdict.held] == [
        ("large_move", Decimal(old), Decimal(new)) for old, new, _ in JUNE_2025.values()
    ]
    assert "$98.32 of 2026-11-15 to $55.04 (-44.0%)" in verdict.held[0].detail
    assert verdict.refused == ()
    assert len(verdict.passed) == 6


@pytest.mark.parametrize("words", ["confirm_id", "offer_id", "pattern", "all"])
def test_a_real_cut_passes_once_it_is_accepted(words: str) -> None:
    before, after = june_2025()
    held = judged(after, before).held
    options = {
        "confirm_id": {"accept": frozenset(finding.confirm_id for finding in held)},
        "offer_id": {"accept": frozenset(finding.offer_id for finding in held)},
        "pattern": {"accept": frozenset({"aws:*:p[45]*:on_demand"})},
        "all": {"accept": frozenset({"all"})},
    }[words]
    verdict = judged(after, before, **options)
    assert verdict.held == ()
    assert verdict.passed == tuple(after)
    assert all(note.detail.startswith("accepted: ") for note in verdict.notes)


def test_what_is_held_has_the_same_id_the_next_day_at_another_price() -> None:
    before, after = june_2025()
    other = [replace(after[0], usd_per_hour=Decimal("50.00")), *after[1:]]
    first, next_day = (judged(rows, before).held[0] for rows in (after, other))
    assert (first.confirm_id, first.after) == (next_day.confirm_id, Decimal("55.04"))
    assert next_day.after == Decimal("50.00")


def test_a_detector_accepts_all_that_it_holds() -> None:
    before, after = june_2025()
    assert judged(after, before, accept=frozenset({"large_move"})).held == ()
    assert len(judged(after, before, accept=frozenset({"W13"})).held) == 3


@pytest.mark.parametrize(("left", "held"), [(7, 0), (6, 4)])
def test_w13_thirty_percent_of_a_region_is_the_edge(left: int, held: int) -> None:
    types = [an_l4(instance_type=f"t{n}") for n in range(10)]
    others = [an_l4(region=region, instance_type=f"t{n}") for region in REGIONS[1:] for n in range(10)]
    missing = frozenset(offer.id for offer in types[left:])
    verdict = judged([*types[:left], *others], [*types, *others], covers=lambda offer: offer.id in missing)
    assert len([finding for finding in verdict.held if finding.detector == "W13"]) == held


@pytest.mark.parametrize(("left", "held"), [(5, 0), (4, 6)])
def test_w13_half_of_live_stock_is_the_edge(left: int, held: int) -> None:
    stall = {"provider": "vast", "flags": ("marketplace_median",)}
    before = [an_l4(region=f"r{n}", **stall) for n in range(10)]
    assert len(judged(before[:left], before).held) == held


def test_w13_a_region_with_one_row_that_is_gone_keeps_it() -> None:
    spot = {"market": Market.SPOT, "price_basis": "zone_spot_price"}
    before = [an_l4(region=region, zone=zone, **spot) for region in REGIONS for zone in ("a", "b")][1:]
    assert said(judged(before[1:], before)) == {before[0].id: ("W13", "hold")}


def test_what_was_accepted_and_published_is_not_asked_again() -> None:
    odd = an_offer(region="sa-east-1", usd_per_hour="140")
    published = [replace(offer, collected_at=LAST_WEEK) for offer in (*in_regions(), odd)]
    assert judge([*in_regions(), odd], published, facts(), NOW).held == ()


def test_a_refused_row_passes_by_no_acceptance() -> None:
    row = an_offer(usd_per_hour="0.08")
    assert judged([row], accept=frozenset({"*", row.id, "all"})).passed == ()


def test_an_old_estimate_is_no_measure_for_a_real_price() -> None:
    estimate = a_spot(usd_per_hour="2.00", flags=("estimated_price",), collected_at=NOW - timedelta(days=800))
    real = a_spot(usd_per_hour="22.00")
    assert judged([real], [estimate]).passed == (real,)


def test_every_defect_of_the_wall_has_a_detector_that_says_why() -> None:
    assert set(DETECTORS) == {f"W{number}" for number in range(1, 28)} | {"large_move"}
    for name, detector in DETECTORS.items():
        words = detector.__doc__ or ""
        assert name == "large_move" or words.startswith(f"{name}: ")
        assert any(word in words for word in ("Refused", "refused", "Held", "held", "Repaired", "repaired"))


def test_superseded_rows_are_history_and_pass_unjudged() -> None:
    old = an_offer(usd_per_hour="0.08", flags=("superseded",))
    assert judged([old, an_offer()]).passed == (old, an_offer())
    assert prices(judged([an_offer()])) == {P5: Decimal("55.04")}


def test_w1_a_marketplace_price_below_any_ever_recorded_cannot_be_accepted_away() -> None:
    """An A10 at one cent, beside enough peers to know what is usual."""
    chip = {"accelerator": "a10-24gb", "accelerators": 1, "instance_type": "gpu_1x_a10"}
    rows = in_regions(usd_per_hour="0.75", **chip)
    cents = an_offer(provider="vast", usd_per_hour="0.01", flags=("marketplace_median",), **chip)
    assert said(judged([*rows, cents])) == {cents.id: ("W1", "refuse")}
    assert cents.id not in {offer.id for offer in judged([*rows, cents], accept=frozenset({"all"})).passed}


def test_a_list_price_whose_stock_comes_and_goes_is_held_like_a_list_price() -> None:
    """Lambda's one price for all regions, up 57 %: $31.92 to $50."""
    shape = {
        "provider": "lambda",
        "instance_type": "gpu_8x_h100_sxm5",
        "flags": ("uniform_price_all_regions",),
    }
    before = [an_offer(usd_per_hour="31.92", **shape)]
    (held,) = judged([an_offer(usd_per_hour="50", **shape)], before).held
    assert (held.detector, held.before, held.after) == ("large_move", Decimal("31.92"), Decimal(50))


def test_w1_a_marketplace_bargain_far_below_the_large_clouds_waits_and_is_not_refused() -> None:
    """Vast, 2026-05-15: one A100 80GB at $0.1293 an hour, seen in the history shipped."""
    chip = {"accelerator": "a100-pcie-80gb", "accelerators": 1}
    rows = in_regions(usd_per_hour="4.74", **chip)
    bargain = an_offer(provider="vast", usd_per_hour="0.1293", flags=("marketplace_median",), **chip)
    assert said(judged([*rows, bargain])) == {bargain.id: ("W1", "hold")}
