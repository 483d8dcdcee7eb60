"""What was known of stock and interruptions stays known where an answer says nothing, or nothing credible."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from refresh_builders import NOW, a_snapshot, an_offer, open_gate, saying, today

from advisor.domain import Availability, Market
from advisor.errors import NothingPublished
from advisor.provider import Scope
from advisor.refresh.collecting import collect_all, refuse_wrong_clock
from advisor.refresh.refresh import refresh

pytestmark = pytest.mark.fast

SPOT = {"market": Market.SPOT, "price_basis": "zone_spot_price"}
GONE = {"availability": Availability.UNAVAILABLE, "availability_basis": "offerings: in no zone"}


def refreshed(previous, *rows, **more):
    cloud = saying(*rows)
    return refresh({cloud.name: cloud}, Scope(), a_snapshot(*previous), NOW, gate=open_gate, **more)


def stock(result):
    return [offer.availability for offer in result.offers]


def test_a_band_that_is_not_stated_any_more_stays():
    result = refreshed([an_offer(interruption="<5%", **SPOT)], today(**SPOT))
    assert [offer.interruption for offer in result.offers] == ["<5%"]
    assert result.warnings == ("acme: 1 rows came without the interruption band they had; it stays",)
    assert [o.interruption for o in refreshed(result.offers, today(interruption=">20%", **SPOT)).offers] == [
        ">20%"
    ]


def test_no_word_on_stock_leaves_what_was_known():
    unknown = {"availability": Availability.UNKNOWN, "availability_basis": "not seen: no credentials"}
    (offer,) = refreshed([an_offer()], today(usd_per_hour="1.10", **unknown)).offers
    assert (str(offer.usd_per_hour), offer.availability, offer.availability_basis) == (
        "1.10",
        Availability.AVAILABLE,
        "acme",
    )
    sold_out = an_offer(flags=("not_offered",), **GONE)
    assert refreshed([sold_out], today(**unknown)).offers[0].flags == ("not_offered",)


@pytest.mark.parametrize(("sold_out", "is_news"), [(5, True), (6, False)])
def test_an_answer_that_leaves_next_to_nothing_in_stock_is_no_news(sold_out, is_news):
    before = [an_offer(instance_type=f"t{n}") for n in range(10)]
    gone = {"flags": ("not_offered",), **GONE}
    said = [today(instance_type=f"t{n}", **(gone if n < sold_out else {})) for n in range(10)]
    result = refreshed(before, *said)
    assert stock(result).count(Availability.UNAVAILABLE) == (sold_out if is_news else 0)
    assert all(offer.collected_at == NOW for offer in result.offers)  # the prices are news
    assert result.exit_code(strict=False) == (0 if is_news else 5)
    if not is_news:
        assert "would leave 4 of 10 acme on_demand rows available" in result.missing(strict=False)[0]
        taken = refreshed(before, *said, accept={"availability"})
        assert stock(taken).count(Availability.UNAVAILABLE) == sold_out


# --- clocks


def ahead(provider, by):
    cloud = saying(today(provider=provider))
    (outcome,) = collect_all({provider: cloud}, Scope(), NOW)
    return replace(outcome, collected=replace(outcome.collected, clock_ahead=by))


@pytest.mark.parametrize("hours", [3, -3])
def test_a_clock_that_two_vendors_contradict_by_hours_publishes_nothing(hours):
    by = timedelta(hours=hours)
    with pytest.raises(NothingPublished, match=r"a and b say 2026-11-23 0[39]:00Z; set the clock"):
        refuse_wrong_clock([ahead("a", by), ahead("b", by)], NOW)


@pytest.mark.parametrize(
    "told",
    [
        [timedelta(hours=30)],
        [timedelta(hours=30), timedelta(minutes=1)],
        [timedelta(hours=2), timedelta(hours=2)],
        [timedelta(hours=30), timedelta(hours=-30)],
        [timedelta(hours=30), None],
        [None, None],
    ],
    ids=["one vendor", "one of two", "at the limit", "they contradict", "one states none", "none states any"],
)
def test_one_vendor_may_be_wrong_itself(told):
    refuse_wrong_clock([ahead(f"v{n}", by) for n, by in enumerate(told)], NOW)
