"""How far the truth may lie from a figure."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.domain import EvidenceKind, Throughput
from advisor.profiles.interval import Interval, interval_of

pytestmark = pytest.mark.fast


def a_figure(rate: float = 10.0, **given: Any) -> Throughput:
    fields: dict[str, Any] = {
        "kind": EvidenceKind.SIMULATED,
        "source": "test",
        "profile_id": "test",
        "error_pct": 20.0,
        "limited_by": "tpot",
    } | given
    return Throughput(rate, **fields)


def test_an_interval_that_the_figure_states_comes_first() -> None:
    figure = a_figure(low_requests_per_s=8.0, high_requests_per_s=15.0)
    errors = {"simulated": {"p90_abs_pct": 50.0}}
    assert interval_of(figure, "h100", errors) == Interval(8.0, 15.0)


def test_the_ninetieth_percentile_of_the_error_bounds_the_truth() -> None:
    # |figure / truth - 1| <= 25 %: the truth is between 10 / 1.25 and 10 / 0.75.
    found = interval_of(a_figure(), "h100", {"simulated": {"p90_abs_pct": 25.0}})
    assert found == Interval(pytest.approx(8.0), pytest.approx(10 / 0.75))


def test_an_accelerators_own_error_wins_over_that_of_its_kind() -> None:
    errors = {"simulated": {"p90_abs_pct": 50.0, "by_accelerator": {"h100": {"p90_abs_pct": 25.0}}}}
    assert interval_of(a_figure(), "h100", errors) == Interval(pytest.approx(8.0), pytest.approx(10 / 0.75))
    other = interval_of(a_figure(), "l4", errors)
    assert other == Interval(pytest.approx(10 / 1.5), pytest.approx(20.0))


def test_a_typical_error_is_stretched_to_ninety_percent() -> None:
    # Half of a normal distribution lies within 0.6745 standard deviations, nine tenths within 1.6449.
    found = interval_of(a_figure(error_pct=10.0), "h100", {})
    assert found is not None
    assert math.log(found.high / 10) / math.log(1.1) == pytest.approx(1.6449 / 0.6745)
    assert found.low * found.high == pytest.approx(100.0)


def test_nobody_knows_the_error_nobody_states_an_interval() -> None:
    assert interval_of(a_figure(error_pct=None), "h100", {"simulated": {"p90_abs_pct": 25.0}}) is None


@given(st.floats(0.01, 1e4), st.floats(0.1, 80), st.floats(0.1, 200))
def test_the_figure_lies_in_its_own_interval(rate: float, median: float, p90: float) -> None:
    figure = a_figure(rate, error_pct=median)
    for errors in ({}, {"simulated": {"p90_abs_pct": p90}}):
        found = interval_of(figure, "h100", errors)
        assert found is not None
        assert 0 < found.low <= rate <= found.high


@given(*[st.floats(1, 9)] * 4)
def test_overlap_is_mutual_and_means_a_common_value(a: float, b: float, c: float, d: float) -> None:
    one, two = Interval(min(a, b), max(a, b)), Interval(min(c, d), max(c, d))
    common = max(one.low, two.low) <= min(one.high, two.high)
    assert one.overlaps(two) == two.overlaps(one) == common
