"""Which rows the next snapshot has: what answered whole is replaced whole, all else keeps its old stamp."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refresh_builders import (
    LAST_WEEK,
    NOW,
    a_snapshot,
    an_offer,
    failed_region,
    failing,
    missed_before,
    open_gate,
    saying,
    today,
)

from advisor.domain import Market, Offer
from advisor.errors import Unavailable
from advisor.provider import Aspect, Rejection, Scope, Unseen
from advisor.refresh.merging import Counts
from advisor.refresh.refresh import RefreshResult, refresh

pytestmark = pytest.mark.fast

SPOT = {"market": Market.SPOT, "price_basis": "zone_spot_price"}


EVERYTHING = Scope()


def refreshed(previous, *clouds, scope=EVERYTHING) -> RefreshResult:
    """A refresh after one in which the same rows did not come: what no longer comes is gone."""
    before = a_snapshot(*previous, held=missed_before(*previous))
    return refresh({cloud.name: cloud for cloud in clouds}, scope, before, NOW, gate=open_gate)


def rows(result: RefreshResult) -> dict[str, tuple[str, object]]:
    return {offer.id: (str(offer.usd_per_hour), offer.collected_at) for offer in result.offers}


def test_what_a_cloud_no_longer_lists_is_gone():
    result = refreshed([an_offer(), an_offer(instance_type="big")], saying(today(usd_per_hour="1.10")))
    assert rows(result) == {"acme:r1:small:on_demand": ("1.10", NOW)}
    assert result.counts["acme"] == Counts(changed=1, dropped=1)


def test_a_region_where_nothing_is_left_is_gone_with_the_rest():
    result = refreshed([an_offer(), an_offer(region="r2")], saying(today()))
    assert rows(result) == {"acme:r1:small:on_demand": ("1.00", NOW)}


def test_a_failed_region_keeps_its_rows_with_their_old_stamps():
    cloud = saying(today(), rejections=[failed_region("r2")])
    result = refreshed([an_offer(), an_offer(region="r2"), an_offer(region="r3")], cloud)
    assert rows(result) == {
        "acme:r1:small:on_demand": ("1.00", NOW),
        "acme:r2:small:on_demand": ("1.00", LAST_WEEK),
    }
    assert result.counts["acme"] == Counts(same=1, kept=1, dropped=1)


def test_a_region_the_account_may_not_use_keeps_its_rows_and_is_no_failure():
    shut = Rejection("acme", "r2", None, "r2", "region_not_enabled", "enable it to see it")
    result = refreshed([an_offer(), an_offer(region="r2")], saying(today(), rejections=[shut]))
    assert rows(result)["acme:r2:small:on_demand"] == ("1.00", LAST_WEEK)
    assert result.exit_code(strict=True) == 0


def test_a_failed_market_of_a_region_keeps_that_market_only():
    cloud = saying(today(), rejections=[failed_region("r1", Market.SPOT)])
    before = [an_offer(**SPOT), an_offer(instance_type="big"), an_offer(instance_type="big", **SPOT)]
    assert rows(refreshed(before, cloud)) == {
        "acme:r1:small:on_demand": ("1.00", NOW),
        "acme:r1:small:spot": ("1.00", LAST_WEEK),
        "acme:r1:big:spot": ("1.00", LAST_WEEK),
    }


def test_a_list_that_broke_off_replaces_row_by_row_and_takes_nothing_away():
    cloud = saying(today(usd_per_hour="1.20"), rejections=[failed_region(None)])
    result = refreshed([an_offer(), an_offer(instance_type="big")], cloud)
    assert rows(result) == {
        "acme:r1:small:on_demand": ("1.20", NOW),
        "acme:r1:big:on_demand": ("1.00", LAST_WEEK),
    }


def test_a_market_that_could_not_be_seen_keeps_its_rows():
    cloud = saying(today(), unseen=[Unseen(Aspect.PRICE, Market.SPOT, "no credentials")])
    result = refreshed([an_offer(), an_offer(**SPOT), an_offer(instance_type="big")], cloud)
    assert sorted(rows(result)) == ["acme:r1:small:on_demand", "acme:r1:small:spot"]


def test_a_quota_that_could_not_be_seen_keeps_no_price():
    cloud = saying(today(), unseen=[Unseen(Aspect.QUOTA, None, "no credentials")])
    assert sorted(rows(refreshed([an_offer(instance_type="big")], cloud))) == ["acme:r1:small:on_demand"]


def test_a_failed_cloud_keeps_everything_and_the_others_go_on():
    before = [an_offer(), an_offer(provider="other")]
    result = refreshed(before, failing(Unavailable("acme: HTTP 503")), saying(today(provider="other")))
    assert rows(result) == {
        "acme:r1:small:on_demand": ("1.00", LAST_WEEK),
        "other:r1:small:on_demand": ("1.00", NOW),
    }
    assert result.counts == {"acme": Counts(kept=1), "other": Counts(same=1)}


def test_a_cloud_nobody_asked_keeps_its_rows():
    result = refreshed([an_offer(provider="other")], saying(today()))
    assert rows(result)["other:r1:small:on_demand"] == ("1.00", LAST_WEEK)
    assert result.counts["other"] == Counts(kept=1)


def test_outside_the_scope_nothing_changes_even_if_the_cloud_brings_more():
    brought = [today(usd_per_hour="2"), today(region="r2", usd_per_hour="2"), today(**SPOT, usd_per_hour="2")]
    before = [an_offer(), an_offer(region="r2"), an_offer(region="r2", instance_type="big"), an_offer(**SPOT)]
    result = refreshed(before, saying(*brought), scope=Scope(("r1",), (Market.ON_DEMAND,)))
    assert rows(result) == {
        "acme:r1:small:on_demand": ("2", NOW),
        "acme:r2:small:on_demand": ("1.00", LAST_WEEK),
        "acme:r2:big:on_demand": ("1.00", LAST_WEEK),
        "acme:r1:small:spot": ("1.00", LAST_WEEK),
    }


def test_the_clouds_own_adapter_wins_over_one_that_speaks_for_many():
    native = saying(today(usd_per_hour="1.10"))
    many = saying(
        today(usd_per_hour="1.30"), today(instance_type="old"), today(provider="tail"), cloud="many"
    )
    assert rows(refreshed([], native, many)) == {
        "acme:r1:small:on_demand": ("1.10", NOW),
        "tail:r1:small:on_demand": ("1.00", NOW),
    }


def test_where_the_own_adapter_failed_the_one_that_speaks_for_many_fills_in():
    native = saying(today(usd_per_hour="1.10"), rejections=[failed_region("r2")])
    many = saying(today(usd_per_hour="1.30"), today(region="r2", usd_per_hour="1.40"), cloud="many")
    assert rows(refreshed([], native, many)) == {
        "acme:r1:small:on_demand": ("1.10", NOW),
        "acme:r2:small:on_demand": ("1.40", NOW),
    }


def test_one_that_speaks_for_many_takes_away_only_rows_of_its_own_source():
    before = [
        an_offer(instance_type="collected", source="elsewhere"),
        an_offer(instance_type="listed before", source="many's catalog"),
    ]
    many = saying(today(source="many's catalog"), cloud="many")
    result = refreshed(before, many)
    assert sorted(rows(result)) == ["acme:r1:collected:on_demand", "acme:r1:small:on_demand"]
    assert result.counts == {"many": Counts(new=1, kept=1, dropped=1)}


def test_a_price_typed_in_wins_over_every_feed():
    quote = today(usd_per_hour="0.80", price_basis="manual", source="quote")
    native, sheet = saying(today(usd_per_hour="1.10")), saying(quote, cloud="sheet")
    assert rows(refreshed([], native, sheet))["acme:r1:small:on_demand"][0] == "0.80"
    # and stays where the sheet is not asked, until it is withdrawn there
    held = replace(quote, collected_at=LAST_WEEK)
    assert rows(refreshed([held], native))["acme:r1:small:on_demand"] == ("0.80", LAST_WEEK)
    other = today(instance_type="big", price_basis="manual", source="quote")
    assert rows(refreshed([held], native, saying(other, cloud="sheet"))) == {
        "acme:r1:small:on_demand": ("1.10", NOW),
        "acme:r1:big:on_demand": ("1.00", NOW),
    }


def test_nothing_goes_back_in_time():
    stale = today(usd_per_hour="0.90", collected_at=LAST_WEEK - timedelta(days=1))
    cached = Rejection("acme", None, None, "http cache", "answered_from_cache", "an older answer stands in")
    result = refreshed([an_offer()], saying(stale, rejections=[cached]))
    assert rows(result) == {"acme:r1:small:on_demand": ("1.00", LAST_WEEK)}
    assert not result.is_anything_new


def test_a_superseded_price_leaves_when_the_live_one_is_fetched_again():
    older = an_offer(usd_per_hour="3", flags=("superseded",), collected_at=LAST_WEEK - timedelta(days=90))
    result = refreshed([an_offer(), older], saying(today()))
    assert rows(result) == {"acme:r1:small:on_demand": ("1.00", NOW)}
    kept = refreshed([an_offer(), older], failing(Unavailable("down")))
    assert len(kept.offers) == 2


@pytest.mark.parametrize(
    "given",
    [
        {"usd_per_hour": "0.123456789"},
        {"usd_per_hour": "12345678901"},
        {"accelerators": "0.3333333"},
        {"vcpus": 0},
        {"memory_gib": float("nan")},
        {"source": ""},
        {"flags": ("b", "a")},
    ],
)
def test_a_row_no_snapshot_can_hold_exactly_is_left_out_and_counted(given):
    result = refreshed([], saying(today(instance_type="odd", **given), today()))
    assert sorted(rows(result)) == ["acme:r1:small:on_demand"]
    assert [(one.provider, one.reason) for one in result.rejections] == [("acme", "malformed_item")]


IDS = st.sets(st.tuples(st.sampled_from("ab"), st.sampled_from(["r1", "r2"]), st.sampled_from("xyz")))


@given(before=IDS, now=IDS, failed=st.sets(st.sampled_from(["r1", "r2", None])))
def test_every_row_is_either_said_now_or_untouched_and_no_id_comes_twice(before, now, failed):
    def offer(made, key) -> Offer:
        provider, region, kind = key
        return made(provider=provider, region=region, instance_type=kind)

    held = [offer(an_offer, key) for key in sorted(before)]
    fresh = [offer(today, key) for key in sorted(now) if key[0] == "a"]
    rejections = [failed_region(region, provider="a") for region in sorted(failed, key=str)]
    cloud = saying(*fresh, cloud="a", regions=["r1", "r2"], rejections=rejections)
    result = refreshed(held, cloud)
    ids = [o.id for o in result.offers]
    assert len(ids) == len(set(ids))
    assert all(o in held or o.collected_at == NOW for o in result.offers)
    assert {o.id for o in held if o.provider == "b"} <= set(ids)
    totals = Counts()
    for counts in result.counts.values():
        totals.kept += counts.kept
        totals.dropped += counts.dropped
        totals.new += counts.new
        totals.same += counts.same
    assert totals.kept + totals.new + totals.same == len(ids)
    assert totals.kept + totals.dropped + totals.same == len(held)
