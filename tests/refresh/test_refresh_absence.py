"""Absence is no news of itself: what did not come stays, until there is evidence that it is gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refresh_builders import (
    LAST_WEEK,
    NOW,
    a_snapshot,
    an_offer,
    failed_region,
    failing,
    saying,
    today,
)

from advisor.catalog.facts import load_facts
from advisor.catalog.held import Kind, as_planned
from advisor.domain import Market
from advisor.errors import Unavailable, UsageError
from advisor.provider import Rejection, Scope
from advisor.refresh.refresh import gate_of, refresh

pytestmark = pytest.mark.fast

GATE = gate_of(load_facts())
REGIONS = ("r1", "r2", "r3")
TYPES = ("a", "b", "c", "d")
SPOT = {"market": Market.SPOT, "price_basis": "zone_spot_price"}


def market(made=an_offer, **given):
    """Four types in three regions, on demand and as spot."""
    return [
        made(region=region, instance_type=kind, **given, **how)
        for region in REGIONS
        for kind in TYPES
        for how in ({"usd_per_hour": "0.80"}, {"usd_per_hour": "0.10", **SPOT})
    ]


BEFORE = market()
TODAY = market(today)


def refreshed(*clouds, previous=BEFORE, held=(), now=NOW, **more):
    before = a_snapshot(*previous, held=held)
    return refresh({cloud.name: cloud for cloud in clouds}, Scope(), before, now, gate=GATE, **more)


def next_week(result, *clouds, days=7, **more):
    later = NOW + timedelta(days=days)
    return refreshed(*clouds, previous=result.offers, held=result.held, now=later, **more)


def ids(offers):
    return {offer.id for offer in offers if "superseded" not in offer.flags}


def without(gone, rows=TODAY, **given):
    return [replace(row, **given) for row in rows if not gone(row)]


def rejected(row, reason, detail="because"):
    return Rejection("acme", row.region, row.market, row.instance_type, reason, detail)


# --- far fewer than before


@pytest.mark.parametrize(
    "gone",
    [
        lambda row: row.region == "r2",
        lambda row: row.region == "r2" and row.market is Market.SPOT,
        lambda row: row.market is Market.ON_DEMAND,
        lambda row: row.instance_type in "ab",
        lambda row: True,
    ],
    ids=["a region", "a market of a region", "a market", "half of everything", "everything"],
)
def test_zero_or_far_fewer_rows_are_a_failure_of_the_answer_however_often(gone):
    other = saying(today(provider="other"))
    first = refreshed(saying(*without(gone), cloud="acme"), other)
    assert first.exit_code(strict=False) == 5
    assert first.outcomes[0].state.value == "partial"
    assert "did not come" in first.outcomes[0].why or "gone" in first.outcomes[0].why
    assert {o.id: o.collected_at for o in first.offers if gone(o) and o.provider == "acme"} == {
        o.id: LAST_WEEK for o in BEFORE if gone(o)
    }
    said = without(gone, collected_at=NOW + timedelta(days=7))
    second = next_week(first, saying(*said, cloud="acme"), saying(today(provider="other")))
    assert ids(second.offers) >= ids(BEFORE)
    assert second.exit_code(strict=False) == 5
    again = {one.offer_id: (one.id, one.since) for one in second.held}
    assert {one.offer_id: (one.id, one.since) for one in first.held}.items() <= again.items()


def test_the_share_is_not_diluted_by_what_the_first_run_brought():
    """Held rows stay held although the snapshot has meanwhile many new ones."""
    first = refreshed(saying(*without(lambda row: row.region == "r2")))
    more = [today(region="r1", instance_type=f"new{n}", usd_per_hour="0.80") for n in range(200)]
    second = next_week(first, saying(*without(lambda row: row.region == "r2"), *more))
    third = next_week(second, saying(*without(lambda row: row.region == "r2"), *more), days=14)
    assert ids(third.offers) >= ids(BEFORE)
    assert third.exit_code(strict=False) == 5


def test_a_renamed_price_field_is_named():
    said = [rejected(row, "price_missing", "OnDemand.USD is missing") for row in TODAY]
    answer = saying(cloud="acme", regions=REGIONS, rejections=said)
    result = refreshed(answer, saying(today(provider="other")))
    assert ids(result.offers) >= ids(BEFORE)
    assert result.exit_code(strict=False) == 5
    assert any("OnDemand.USD is missing" in words for words in result.missing(strict=False))
    assert len(next_week(result, answer).offers) == len(result.offers)


# --- a few


def test_a_few_rows_that_do_not_come_stay_once_and_are_withdrawn_with_both_days():
    gone = next(row for row in TODAY if row.market is Market.SPOT)
    answer = saying(*without(lambda row: row.id == gone.id))
    first = refreshed(answer)
    assert gone.id in ids(first.offers)
    assert first.exit_code(strict=False) == 0
    (mark,) = first.held
    assert (mark.offer_id, mark.kind) == (gone.id, Kind.UNLISTED)
    at_once = next_week(first, answer, days=0.1)
    assert gone.id in ids(at_once.offers)  # perhaps the same answer
    second = next_week(first, answer)
    assert gone.id not in ids(second.offers)
    assert [(one.offer.id, one.why) for one in second.withdrawn] == [
        (gone.id, "not listed on 2026-11-23 and 2026-11-30")
    ]
    assert second.exit_code(strict=False) == 0


def test_a_row_that_comes_back_is_forgiven():
    gone = next(row for row in TODAY if row.market is Market.SPOT)
    answer = saying(*without(lambda row: row.id == gone.id))
    back = next_week(refreshed(answer), saying(*TODAY))
    third = next_week(back, answer, days=14)
    assert gone.id in ids(third.offers)
    assert back.held == ()


def test_a_list_price_is_withdrawn_only_where_the_vendor_names_it_without_one():
    gone = TODAY[0]
    answer = saying(*without(lambda row: row.id == gone.id))
    silent = next_week(refreshed(answer), answer)
    assert gone.id in ids(silent.offers)
    assert silent.exit_code(strict=False) == 5
    named = saying(*without(lambda row: row.id == gone.id), rejections=[rejected(gone, "not_sold_this_way")])
    first = refreshed(named)
    assert (gone.id in ids(first.offers), first.exit_code(strict=False)) == (True, 0)
    (left,) = next_week(first, named).withdrawn
    assert left.why == "not listed on 2026-11-23 and 2026-11-30 (not_sold_this_way: because)"


@pytest.mark.parametrize("reason", ["price_conflict", "malformed_item", "foreign_currency", "not_in_force"])
def test_what_was_said_and_could_not_be_used_stays_with_the_reason_and_no_deletion_is_offered(reason):
    row = TODAY[0]
    said = Rejection("acme", row.region, row.market, row.id, reason, "stated: $1, $2 an hour")
    answer = saying(*without(lambda one: one.id == row.id), rejections=[said])
    result = next_week(refreshed(answer), answer)
    assert row.id in ids(result.offers)
    assert result.verdict.held == ()
    assert [(one.offer.id, one.rejection.detail) for one in result.unread] == [(row.id, said.detail)]
    assert "stated: $1, $2 an hour" in result.missing(strict=False)[0]
    assert result.exit_code(strict=False) == 5


# --- confirming


def test_what_is_gone_goes_once_it_is_confirmed_and_nobody_is_asked():
    first = refreshed(saying(*without(lambda row: row.region == "r2")))
    (word,) = {one.id for one in first.held if ":spot" in one.offer_id}
    result = next_week(first, accept={word})
    gone = {row.id for row in BEFORE if row.region == "r2" and row.market is Market.SPOT}
    assert ids(BEFORE) - ids(result.offers) == gone
    assert result.is_anything_new
    assert str(result.accepted[0]) == "acme:r2:a:spot: $0.1 → gone"


def moved(usd):
    return saying(TODAY[0], replace(TODAY[1], usd_per_hour=Decimal(usd)), *TODAY[2:])


def test_a_price_that_is_held_is_in_the_snapshot_with_both_figures_under_one_id_until_confirmed():
    first = refreshed(moved("0.45"))
    (one,) = first.held
    assert (one.offer_id, one.kind, one.stated.usd_per_hour) == (TODAY[1].id, Kind.PRICE, Decimal("0.45"))
    second = next_week(first, moved("0.43"))
    assert [(held.id, held.stated.usd_per_hour, held.since) for held in second.held] == [
        (one.id, Decimal("0.43"), NOW)
    ]
    accepted = next_week(second, accept={one.id})
    (now,) = (offer for offer in accepted.offers if offer.id == TODAY[1].id)
    assert (now.usd_per_hour, accepted.held) == (Decimal("0.43"), ())
    assert next_week(accepted, moved("0.44"), days=14).verdict.held == ()


def test_a_price_that_is_held_stays_held_when_the_limit_grows_with_the_days():
    """Spot: a factor of 2 within four weeks, of 4 later; $0.10 to $0.30 is 3."""
    first = refreshed(moved("0.30"))
    assert [one.offer_id for one in first.held] == [TODAY[1].id]
    later = next_week(first, moved("0.31"), days=28)
    assert [(one.offer_id, one.id) for one in later.held] == [(TODAY[1].id, first.held[0].id)]


def test_a_price_that_is_held_is_overtaken_by_one_that_is_not():
    first = refreshed(moved("0.45"))
    second = next_week(first, saying(*TODAY))
    assert (second.held, second.exit_code(strict=False)) == ((), 0)


def test_a_price_nobody_repeats_for_five_weeks_is_forgotten():
    first = refreshed(moved("0.45"))
    assert len(next_week(first, failing(Unavailable("down")), days=35).held) == 1
    assert next_week(first, failing(Unavailable("down")), days=36).held == ()


@pytest.mark.parametrize("word", ["large_move", "acme:r1:*", "all", TODAY[1].id])
def test_kinds_patterns_and_all_confirm_too(word):
    first = refreshed(moved("0.45"))
    assert [str(one) for one in next_week(first, accept={word}).accepted] == [f"{TODAY[1].id}: $0.1 → $0.45"]


@pytest.mark.parametrize("word", ["deadbeef", "W99", "acme:r9:*", "everything"])
def test_a_word_that_names_nothing_is_refused(word):
    first = refreshed(moved("0.45"))
    with pytest.raises(UsageError, match=f"--accept: nothing is held under '.*{word[1:4]}"):
        next_week(first, accept={word})


def test_a_plan_reckons_with_the_dearer_of_the_two_and_says_so():
    first = refreshed(moved("0.45"))
    planned = as_planned(first.offers, first.held)
    (row,) = (offer for offer in planned if offer.id == TODAY[1].id)
    assert row.usd_per_hour == Decimal("0.45")
    assert row.price_basis == "zone_spot_price, held: now said to be $0.45, published at $0.1"
    cheap = refreshed(moved("0.04"))
    planned = as_planned(cheap.offers, cheap.held)
    (row,) = (offer for offer in planned if offer.id == TODAY[1].id)
    assert (row.usd_per_hour, row.collected_at) == (Decimal("0.10"), LAST_WEEK)
    assert row.price_basis == "zone_spot_price, held: now said to be $0.04"


# --- the invariant

FAULTS = ("lost", "conflict", "malformed", "unpriced", "zero", "huge")
some_faults = st.dictionaries(st.integers(0, len(TODAY) - 1), st.sampled_from(FAULTS), max_size=len(TODAY))
lost_regions = st.sets(st.sampled_from(REGIONS))
failed_regions = st.sets(st.sampled_from([*REGIONS, None]), max_size=2)


def faulty(faults, lost, failed, at):
    """An answer with faults in rows, regions that are empty, and regions that failed."""
    rows, said = [], [failed_region(region) for region in sorted(failed, key=str)]
    reasons = {"conflict": "price_conflict", "malformed": "malformed_item", "unpriced": "price_missing"}
    for number, row in enumerate(TODAY):
        fault = faults.get(number)
        if row.region in lost or row.region in failed or None in failed or fault == "lost":
            continue
        if fault in reasons:
            said.append(rejected(row, reasons[fault]))
        else:
            usd = {"zero": "0.00000001", "huge": "99999"}.get(fault, str(row.usd_per_hour))
            rows.append(replace(row, usd_per_hour=Decimal(usd), collected_at=at))
    return saying(*rows, cloud="acme", regions=REGIONS, rejections=said)


@settings(max_examples=60, deadline=None)
@given(weeks=st.lists(st.tuples(some_faults, lost_regions, failed_regions), min_size=1, max_size=3))
def test_no_snapshot_has_fewer_live_offers_than_the_last_but_for_those_with_a_stated_reason(weeks):
    offers, held = tuple(BEFORE), ()
    for number, week in enumerate(weeks):
        now = NOW + timedelta(days=7 * number)
        result = refreshed(faulty(*week, now), previous=offers, held=held, now=now)
        left = {one.offer.id: one.why for one in result.withdrawn}
        assert ids(offers) - ids(result.offers) == left.keys()
        assert all(left.values())
        before = {offer.id: offer for offer in offers}
        for offer in result.offers:
            old = before.get(offer.id)
            assert offer.collected_at == now or offer == old  # no old date is renewed, no price half taken
        stays_old = any(offer.collected_at < now for offer in result.offers if offer.id not in left)
        unlisted = {one.offer_id for one in result.held if one.kind is Kind.UNLISTED}
        if any(o.collected_at < now and o.id not in unlisted for o in result.offers):
            assert result.exit_code(strict=False) in (5, 6)
        assert stays_old or result.exit_code(strict=False) in (0, 5)
        offers, held = result.offers, result.held
