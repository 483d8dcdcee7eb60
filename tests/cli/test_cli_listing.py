"""How a listing lies in a narrow place: identifiers stay whole, what does not fit is named or moves below."""

from __future__ import annotations

import pytest

from advisor.cli.fleet_text import FleetWords
from advisor.cli.listing import Col, Listing, listing_table
from advisor.cli.output import listing_csv, listing_markdown, render_plain

pytestmark = pytest.mark.fast

OFFER = "aws:us-east-1/us-east-1-atl-1:g4dn.2xlarge:on_demand"
FREE_TEXT = Listing(
    "Left out",
    (Col("reason", "Because"), Col("offers", "Offers", numeric=True), Col("example", "Example", wrap=True)),
    [{"reason": "local zone", "offers": 36, "example": f"{OFFER}: a Local Zone of us-east-1"}],
)


def lines(listing: Listing, width: int) -> list[str]:
    return render_plain([listing_table(listing, width)], width).splitlines()


def test_free_text_wraps_between_words_while_its_longest_word_fits() -> None:
    assert lines(FREE_TEXT, 80) == [
        "Left out",
        "Because     Offers  Example",
        f"local zone      36  {OFFER}: a",
        "                    Local Zone of us-east-1",
    ]


def test_text_whose_longest_word_does_not_fit_stands_below_its_row() -> None:
    assert lines(FREE_TEXT, 62) == [
        "Left out",
        "Because     Offers",
        "    Example",
        "local zone      36",
        f"    {OFFER}: a",
        "    Local Zone of us-east-1",
    ]


@pytest.mark.parametrize("width", range(62, 121, 4))
def test_no_identifier_is_broken_over_lines(width: int) -> None:
    assert any(OFFER in line for line in lines(FREE_TEXT, width))


def test_less_important_columns_go_first_and_are_named() -> None:
    listing = Listing(
        "", (Col("name", "Name"), Col("note", "Note", importance=2)), [{"name": "a" * 20, "note": "b" * 20}]
    )
    assert lines(listing, 42) == ["Name                  Note", f"{'a' * 20}  {'b' * 20}"]
    assert lines(listing, 41)[-1] == "Hidden at 41 columns: Note."


def fleets(*each: tuple[str, ...]) -> Listing:
    words = FleetWords.of(each)
    return Listing("", (words.column("fleet", "Fleet"),), [{"fleet": fleet} for fleet in each])


def test_what_all_fleets_share_is_said_once_over_them() -> None:
    listing = fleets(
        ("12 × aws:us-east-1/use1-az2:g5.xlarge:spot", "1 × aws:us-east-1:p5.4xlarge:on_demand"),
        ("4 × aws:us-east-1/use1-az6:g6e.2xlarge:spot",),
    )
    assert lines(listing, 80) == [
        "Fleet (aws us-east-1)",
        "12 × g5.xlarge spot use1-az2",
        "1 × p5.4xlarge on_demand",
        "4 × g6e.2xlarge spot use1-az6",
    ]


def test_what_fleets_differ_in_is_said_on_every_line() -> None:
    listing = fleets(
        ("1 × aws:us-east-1:p5.4xlarge:spot",), ("2 × gcp:us-east1/us-east1-b:g2-standard-4:spot",)
    )
    assert lines(listing, 80) == [
        "Fleet (spot)",
        "1 × p5.4xlarge aws us-east-1",
        "2 × g2-standard-4 gcp us-east1/us-east1-b",
    ]


def test_the_same_region_of_two_providers_is_not_shared() -> None:
    listing = fleets(("1 × aws:us-east-1:p5.4xlarge:spot",), ("1 × lambda:us-east-1:gpu_1x_a100:on_demand",))
    assert lines(listing, 80)[1:] == [
        "1 × p5.4xlarge spot aws us-east-1",
        "1 × gpu_1x_a100 on_demand lambda us-east-1",
    ]


def test_other_dresses_keep_a_fleet_on_one_line() -> None:
    listing = fleets(("1 × aws:us-east-1:p5.4xlarge:spot", "2 × aws:us-east-1:g6.xlarge:spot"))
    assert "| 1 × p5.4xlarge, 2 × g6.xlarge |" in listing_markdown(listing)
    assert listing_csv(listing) == (
        'fleet\n"1 × aws:us-east-1:p5.4xlarge:spot, 2 × aws:us-east-1:g6.xlarge:spot"\n'
    )


def test_what_is_no_line_of_a_fleet_stays_as_it_is() -> None:
    assert lines(fleets(("half a rack of something",)), 80) == ["Fleet", "half a rack of something"]
    assert lines(fleets(()), 80) == ["Fleet", "–"]
