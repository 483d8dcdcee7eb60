"""What holds of the gate whatever rows it is given."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from gate_builders import NOW, an_offer, judged
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.catalog.snapshot_writing import write_snapshot
from advisor.domain import LISTED_MARKETS

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.domain import Offer

prices = st.decimals("0.00000001", "1000000", places=8)
offers = st.builds(
    an_offer,
    provider=st.sampled_from(["aws", "gcp", "azure", "vast"]),
    region=st.sampled_from(["a", "b", "c", "cn-north-1"]),
    zone=st.sampled_from([None, "z1", "z2"]),
    instance_type=st.sampled_from(["p5.48xlarge", "a3-highgpu-1g", "g6.xlarge"]),
    market=st.sampled_from(LISTED_MARKETS),
    usd_per_hour=st.one_of(prices, st.sampled_from(["55.04", "20", "0.8048"])),
    accelerator=st.sampled_from(["h100-sxm-80gb", "l4-24gb", "l4-22gb", "None"]),
    accelerators=st.sampled_from([1, 8, "0.125", "2.5"]),
    memory_gib=st.sampled_from([None, 16.0, 16384.0, 2048.0]),
    price_basis=st.sampled_from(["list", "manual", "list, EUR", "lowest_zone_spot", "list_sum_of_parts"]),
    collected_at=st.sampled_from([NOW, NOW - timedelta(days=9), NOW + timedelta(days=1)]),
    flags=st.sampled_from([(), ("superseded",), ("marketplace_median",), ("estimated_price",)]),
)
some_rows = st.lists(offers, max_size=12)


@settings(max_examples=150, deadline=None)
@given(candidate=some_rows, before=some_rows)
def test_any_rows_are_judged_and_every_one_of_them_is_accounted_for(
    candidate: list[Offer], before: list[Offer]
) -> None:
    verdict = judged(candidate, before)
    out = [finding.offer for finding in (*verdict.refused, *verdict.held) if finding.offer is not None]
    dropped_twins = sum(note.detector == "W8" for note in verdict.notes)
    assert len(verdict.passed) + len(out) <= len(candidate)
    if not dropped_twins:
        assert len(verdict.passed) + len(out) == len(candidate)
    assert all(finding.detail for finding in (*verdict.refused, *verdict.held, *verdict.notes))
    assert len({id(offer) for offer in out}) == len(out)


@settings(max_examples=60, deadline=None)
@given(candidate=some_rows, before=some_rows)
def test_the_same_rows_judged_twice_get_the_same_verdict(candidate: list[Offer], before: list[Offer]) -> None:
    assert judged(candidate, before) == judged(candidate, before)


@settings(max_examples=80, deadline=None)
@given(candidate=some_rows, before=some_rows)
def test_whatever_is_held_passes_once_it_is_accepted(candidate: list[Offer], before: list[Offer]) -> None:
    first = judged(candidate, before)
    again = judged(candidate, before, accept=frozenset(finding.confirm_id for finding in first.held))
    assert again.held == ()
    assert again.refused == first.refused
    assert again == judged(candidate, before, accept=frozenset({"all"}))


@settings(max_examples=80, deadline=None)
@given(candidate=some_rows)
def test_what_passed_and_was_published_passes_again(candidate: list[Offer]) -> None:
    first = judged(candidate, accept=frozenset({"all"}))
    published = [offer for offer in first.passed if offer.collected_at <= NOW]
    again = judged(published, published)
    assert again.refused == ()
    assert {finding.detector for finding in again.held} <= {
        "W5",
        "W12",
        "W14",
    }  # asked of all rows, every time


def test_whatever_passes_can_be_published(tmp_path: Path) -> None:
    rows = [
        an_offer(),
        an_offer(),
        an_offer(memory_gib=2_097_152.0, region="b"),
        an_offer(flags=("superseded",)),
    ]
    write_snapshot(judged(rows).passed, tmp_path, NOW, "test")


@settings(max_examples=60, deadline=None)
@given(factor=st.decimals("0.81", "1.24", places=2))
def test_a_list_price_that_moves_little_passes(factor: Decimal) -> None:
    row = an_offer(usd_per_hour=(Decimal("55.04") * factor).quantize(Decimal("0.000001")))
    assert judged([row], [an_offer()]).passed == (row,)


@settings(max_examples=60, deadline=None)
@given(factor=st.decimals("0.03", "0.79", places=2) | st.decimals("1.26", "19", places=2))
def test_a_list_price_that_moves_far_never_passes_unasked(factor: Decimal) -> None:
    usd = (Decimal("55.04") * factor).quantize(Decimal("0.000001"))
    moved = replace(an_offer(), usd_per_hour=usd)
    assert judged([moved], [an_offer()]).passed == ()


def test_a_row_that_two_stages_speak_of_is_held_once() -> None:
    """Another chip than last week (W14), and host memory in another unit (W26, repaired in between)."""
    before = an_offer(accelerator="h200-sxm-141gb", memory_gib=16.0)
    verdict = judged([an_offer(memory_gib=16384.0, usd_per_hour="30")], [before])
    assert [finding.detail.endswith("(also large_move)") for finding in verdict.held] == [True]
    assert verdict.passed == ()
