"""Freshness: the share of prices within their limit, and the age of the oldest, never flattered."""

from __future__ import annotations

from datetime import timedelta

import pytest
from catalog_builders import NOON, an_offer
from hypothesis import given
from hypothesis import strategies as st

from advisor.catalog.freshness import ON_DEMAND_LIMIT, SPOT_LIMIT, freshness
from advisor.domain import Availability, Market

pytestmark = pytest.mark.fast


OLD = NOON - timedelta(days=36)


def test_the_age_is_that_of_the_oldest_price() -> None:
    (line,) = freshness([an_offer(), an_offer(region="us-west-2", collected_at=OLD)], NOON)
    assert (line.state, line.offers, line.age_hours, line.fresh_share) == ("stale", 2, 864.0, 0.5)
    assert (line.oldest, line.newest) == (OLD, NOON)


@pytest.mark.parametrize(("old", "state"), [(1, "fresh"), (2, "stale")])
def test_one_old_price_of_ten_is_the_edge(old: int, state: str) -> None:
    offers = [an_offer(region=f"r{n}", collected_at=OLD if n < old else NOON) for n in range(10)]
    assert freshness(offers, NOON)[0].state == state


def test_what_cannot_be_bought_makes_nothing_stale() -> None:
    gone = [an_offer(region=f"r{n}", collected_at=OLD, flags=("retired",)) for n in range(9)]
    sold_out = an_offer(region="r9", collected_at=OLD, availability=Availability.UNAVAILABLE)
    assert freshness([an_offer(), *gone, sold_out], NOON)[0].state == "fresh"
    assert freshness([*gone, sold_out], NOON)[0].state == "stale"


def test_spot_prices_age_faster_than_list_prices() -> None:
    then = NOON - timedelta(days=9)
    lines = freshness([an_offer(collected_at=then), an_offer(collected_at=then, market=Market.SPOT)], NOON)
    assert [(line.market, line.state) for line in lines] == [
        (Market.ON_DEMAND, "fresh"),
        (Market.SPOT, "stale"),
    ]


def test_exactly_the_limit_is_still_fresh() -> None:
    (line,) = freshness([an_offer(collected_at=NOON - ON_DEMAND_LIMIT)], NOON)
    assert line.state == "fresh"
    (line,) = freshness([an_offer(collected_at=NOON - ON_DEMAND_LIMIT - timedelta(seconds=1))], NOON)
    assert line.state == "stale"


def test_the_limits_can_be_given() -> None:
    offers = [an_offer(collected_at=NOON - timedelta(days=2))]
    assert freshness(offers, NOON, on_demand_limit=timedelta(days=1))[0].state == "stale"
    assert freshness(offers, NOON, spot_limit=timedelta(days=1))[0].state == "fresh"


def test_a_superseded_price_does_not_age_the_live_one() -> None:
    old = an_offer(collected_at=NOON - timedelta(days=300), flags=("superseded",))
    assert freshness([an_offer(), old], NOON)[0].state == "fresh"


def test_a_provider_without_prices_is_missing_not_fresh() -> None:
    lines = freshness([an_offer()], NOON, providers=["aws", "lambda"])
    assert [(line.provider, line.market.value, line.state) for line in lines] == [
        ("aws", "on_demand", "fresh"),
        ("aws", "spot", "missing"),
        ("lambda", "on_demand", "missing"),
        ("lambda", "spot", "missing"),
    ]
    assert lines[1].age_hours is None


def test_a_price_typed_in_is_told_apart() -> None:
    assert freshness([an_offer(price_basis="manual")], NOON)[0].state == "manual"
    assert freshness([an_offer(price_basis="manual"), an_offer(region="x")], NOON)[0].state == "fresh"


def test_a_price_from_the_future_has_no_negative_age() -> None:
    assert freshness([an_offer(collected_at=NOON + timedelta(hours=3))], NOON)[0].age_hours == 0.0


@given(st.lists(st.integers(0, 10_000), min_size=1), st.integers(0, 10_000))
def test_waiting_never_makes_a_price_fresher(ages_hours: list[int], wait_hours: int) -> None:
    offers = [
        an_offer(market=Market.SPOT, collected_at=NOON - timedelta(hours=hours)) for hours in ages_hours
    ]
    (now,) = freshness(offers, NOON)
    (later,) = freshness(offers, NOON + timedelta(hours=wait_hours))
    assert now.age_hours == max(ages_hours)
    within = sum(hours <= SPOT_LIMIT / timedelta(hours=1) for hours in ages_hours)
    assert now.state == ("fresh" if within >= 0.9 * len(ages_hours) else "stale")
    assert later.age_hours == max(ages_hours) + wait_hours
    assert not (now.state == "stale" and later.state == "fresh")
