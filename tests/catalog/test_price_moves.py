"""How far prices move while nobody looks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.catalog.facts import load_facts
from advisor.catalog.history import history_folder
from advisor.catalog.price_moves import PriceMove, factor_at
from advisor.domain import Market
from catalogs.build.price_moves import learned

pytestmark = pytest.mark.fast

MOVES = (PriceMove("acme", Market.SPOT, 4, 1.21, 99), PriceMove("acme", Market.SPOT, 16, 4.84, 99))


@pytest.mark.parametrize(
    ("age_days", "factor"),
    [(0, 1.0), (-1, 1.0), (1, 1.1), (4, 1.21), (10, 2.42), (16, 4.84), (64, 4.84**2)],
)
def test_the_factor_follows_the_ages_it_was_learned_at(age_days: float, factor: float) -> None:
    """A quarter of the first age is half its logarithm; so is four times the last age twice its."""
    assert factor_at(MOVES, "acme", Market.SPOT, age_days) == pytest.approx(factor)


def test_without_a_history_nothing_is_known() -> None:
    assert factor_at(MOVES, "acme", Market.ON_DEMAND, 7) is None
    assert factor_at(MOVES, "other", Market.SPOT, 7) is None
    assert factor_at((), "acme", Market.SPOT, 7) is None


@given(ages=st.tuples(st.floats(0, 4000), st.floats(0, 4000)), market=st.sampled_from(list(Market)))
def test_of_the_moves_shipped_no_older_price_is_surer_than_a_younger(
    ages: tuple[float, float], market: Market
) -> None:
    moves = load_facts().price_moves
    for provider in {move.provider for move in moves}:
        young, old = (factor_at(moves, provider, market, age) for age in sorted(ages))
        if young is None or old is None:
            assert young is old
        else:
            assert 1 <= young <= old * (1 + 1e-12)


def test_the_moves_shipped_are_those_of_the_history_shipped() -> None:
    files = sorted(Path(str(history_folder())).glob("*.parquet"))
    assert tuple(learned(files)) == load_facts().price_moves


def test_known_moves() -> None:
    """AWS spot of nine months was within three times; its list prices of two years as they were."""
    moves = load_facts().price_moves
    assert factor_at(moves, "aws", Market.SPOT, 273) == pytest.approx(3, rel=0.02)
    assert factor_at(moves, "aws", Market.ON_DEMAND, 700) == 1.0
    assert factor_at(moves, "nebius", Market.ON_DEMAND, 30) is None
