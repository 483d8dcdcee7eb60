"""What can be bought, and what the user must ask for by name."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from catalog_builders import an_offer

from advisor.catalog.buyable import ADMITTED_BY, INCLUDABLE, parse_include, screen
from advisor.domain import EXCLUSION_REASONS, Availability
from advisor.errors import UnknownName

pytestmark = pytest.mark.fast

EVERYTHING = frozenset(INCLUDABLE)


def reason(include: frozenset[str] = frozenset(), allow: bool = False, **given: Any) -> str | None:
    exclusion = screen(an_offer(**given), include=include, allow_unknown_availability=allow)
    return exclusion.reason if exclusion else None


def test_an_ordinary_offer_can_be_bought() -> None:
    assert reason() is None
    assert reason(availability=Availability.CONSTRAINED) is None


@pytest.mark.parametrize("flag", ["superseded", "retired", "not_offered", "not_sold_this_way"])
def test_nothing_admits_what_is_not_sold(flag: str) -> None:
    assert reason(EVERYTHING, True, flags=(flag,)) == flag
    assert flag not in ADMITTED_BY


def test_what_the_provider_says_is_unavailable_is_never_a_candidate() -> None:
    assert reason(EVERYTHING, True, availability=Availability.UNAVAILABLE) == "not_offered"


@pytest.mark.parametrize(
    ("word", "given", "expected"),
    [
        ("fractional-gpu", {"flags": ("fractional_gpu",), "accelerators": "0.5"}, "fractional_gpu"),
        ("fractional-gpu", {"accelerators": "0.125"}, "fractional_gpu"),
        ("local-zone", {"flags": ("local_zone",), "zone": "us-east-1-atl-1a"}, "local_zone"),
        ("estimated-spot", {"flags": ("estimated_price",)}, "estimated_price"),
    ],
)
def test_some_kinds_are_admitted_only_on_request(word: str, given: dict[str, Any], expected: str) -> None:
    assert reason(**given) == expected
    assert reason(EVERYTHING - {word}, True, **given) == expected
    assert reason(frozenset({word}), **given) is None
    assert ADMITTED_BY[expected] == f"--include {word}"


def test_unknown_stock_is_admitted_only_on_request() -> None:
    assert reason(availability=Availability.UNKNOWN) == "availability_unknown"
    assert reason(allow=True, availability=Availability.UNKNOWN) is None


def test_the_first_reason_of_the_documented_order_is_given() -> None:
    order = [
        "superseded",
        "retired",
        "not_offered",
        "not_sold_this_way",
        "fractional_gpu",
        "local_zone",
        "estimated_price",
    ]
    for first, second in itertools.combinations(order, 2):
        assert reason(flags=(second, first)) == first
    for flag in order:
        assert reason(flags=(flag,), availability=Availability.UNKNOWN) == flag


def test_other_flags_say_something_but_exclude_nothing() -> None:
    assert reason(flags=("community_cloud", "marketplace_median", "uniform_price_all_regions")) is None


def test_every_reason_has_words_and_every_option_has_a_reason() -> None:
    assert set(ADMITTED_BY) <= set(EXCLUSION_REASONS)


def test_an_unknown_kind_to_include_is_refused() -> None:
    assert parse_include(["Local_Zone", "fractional-gpu"]) == {"local-zone", "fractional-gpu"}
    with pytest.raises(UnknownName, match="did you mean local-zone"):
        parse_include(["local-zones"])
