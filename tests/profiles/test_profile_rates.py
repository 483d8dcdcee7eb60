"""Rates within a limit at one size, and between sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from throughput_builders import flat_profile, size_points

from advisor.domain import Slo
from advisor.profiles.interpolate import RateGrid, never_rising, rate_grid
from advisor.profiles.ttft_limits import rate_of

LIMIT = Slo(tpot_ms=50)
latencies = st.floats(0.5, 500, allow_nan=False)
rates = st.floats(0.01, 1000, allow_nan=False)
sweeps = st.lists(st.tuples(latencies, latencies, rates), min_size=1, max_size=8).map(sorted)
limits = st.none() | st.floats(0.1, 600)


def grid(cells: dict[tuple[float, float], float], *, clamp_below: bool = True) -> RateGrid:
    return rate_grid(flat_profile(cells), LIMIT, clamp_below=clamp_below, proves_unreachable=True)


def at(found: RateGrid, *sizes: tuple[float, float]) -> list[float]:
    return found.at(np.array(sizes, dtype=np.float64)).tolist()


@pytest.mark.parametrize(
    ("limit_ms", "rate", "limited_by"),
    [
        (9.9, 0.0, "tpot"),
        (10, 1.0, "tpot"),
        (15, 2.0, "tpot"),  # halfway from 10 to 20 ms: halfway from 1 to 3
        (30, 4.0, "tpot"),
        (40, 5.0, "load"),
        (1000, 5.0, "load"),
        (None, 5.0, "load"),
    ],
)
def test_the_rate_at_a_limit_lies_between_the_last_load_that_meets_it_and_the_first_that_does_not(
    limit_ms: float | None, rate: float, limited_by: str
) -> None:
    sweep = size_points([(10, 100, 1), (20, 200, 3), (40, 900, 5)])
    assert rate_of(sweep, Slo(tpot_ms=limit_ms)) == (pytest.approx(rate), limited_by)


def test_under_open_arrivals_a_ttft_limit_takes_the_largest_profiled_load_and_never_interpolates() -> None:
    closed = size_points([(10, 100, 1), (20, 200, 3), (40, 900, 5)])
    sweep = replace(closed, open_arrivals=np.ones(3, dtype=np.bool_))
    assert rate_of(sweep, Slo(tpot_ms=30, ttft_ms=899)) == (3.0, "ttft")
    assert rate_of(sweep, Slo(ttft_ms=900)) == (5.0, "load")
    assert rate_of(sweep, Slo(ttft_ms=99)) == (0.0, "ttft")


def test_a_higher_load_that_serves_less_does_not_lower_the_rate() -> None:
    assert rate_of(size_points([(10, 1, 4), (20, 1, 2)]), Slo(tpot_ms=30)) == (4.0, "load")


@given(sweeps, limits, limits, limits, limits)
def test_a_looser_limit_never_lowers_the_rate(
    loads: list[tuple[float, float, float]], tpot: float | None, more_tpot: float | None, ttft: float | None,
    more_ttft: float | None,
) -> None:  # fmt: skip
    def looser(a: float | None, b: float | None) -> float | None:
        return None if a is None or b is None else max(a, b)

    sweep = size_points(loads)
    if ttft is None:
        more_ttft = None  # a limit where there was none is not looser
    strict = rate_of(sweep, Slo(tpot, ttft))[0]
    assert rate_of(sweep, Slo(looser(tpot, more_tpot), looser(ttft, more_ttft)))[0] >= strict * (1 - 1e-12)


@given(sweeps, st.floats(0.1, 600))
def test_the_rate_is_bounded_by_the_best_load_within_the_limit_and_the_best_of_all(
    loads: list[tuple[float, float, float]], limit_ms: float
) -> None:
    rate, _ = rate_of(size_points(loads), Slo(tpot_ms=limit_ms))
    within = max((r for tpot, _, r in loads if tpot <= limit_ms), default=0.0)
    assert within <= rate <= max(r for _, _, r in loads) * (1 + 1e-12)
    if within == 0.0:
        assert rate == 0.0


def test_halfway_between_sizes_in_logarithms_is_the_geometric_mean_of_the_rates() -> None:
    found = grid({(100, 100): 8, (400, 100): 2, (100, 400): 2, (400, 400): 0.5})
    assert at(found, (200, 100), (100, 200), (200, 200), (400, 400)) == pytest.approx([4, 4, 2, 0.5])


def test_smaller_requests_than_profiled_get_the_rate_of_the_smallest() -> None:
    found = grid({(100, 100): 8, (400, 100): 2, (100, 400): 2, (400, 400): 0.5})
    assert at(found, (1, 1), (1, 400), (200, 50)) == pytest.approx([8, 2, 4])


def test_nothing_is_said_of_larger_requests_than_profiled() -> None:
    found = grid({(100, 100): 8, (400, 100): 2, (100, 400): 2, (400, 400): 0.5})
    assert np.isnan(at(found, (401, 100), (100, 401), (5000, 5000))).all()


def test_a_size_beside_one_that_is_out_of_reach_is_left_open_and_one_among_such_is_out_of_reach() -> None:
    found = grid({(100, 100): 8, (400, 100): 0, (100, 400): 0, (400, 400): 0})
    assert np.isnan(at(found, (200, 100))[0])
    assert at(found, (400, 200), (100, 100)) == [0.0, 8.0]


def test_a_size_beside_one_that_was_not_profiled_is_left_open() -> None:
    found = grid({(100, 100): 8, (400, 100): 2, (100, 400): 2})
    assert np.isnan(at(found, (200, 200))[0])
    assert at(found, (200, 100)) == pytest.approx([4.0])


def test_a_measured_size_stands_for_sizes_within_ten_percent_and_no_further() -> None:
    found = grid({(1000, 1000): 8, (8000, 1000): 1}, clamp_below=False)
    assert at(found, (1100, 905), (7201, 1000)) == pytest.approx(
        [8.0, 8 * (1 / 8) ** (np.log(7.201) / np.log(8))]
    )
    assert np.isnan(at(found, (1000, 890), (890, 1000), (3000, 1200))).all()


def test_a_running_minimum_repairs_a_larger_request_that_seems_faster() -> None:
    assert never_rising(np.array([[4.0, 5.0], [3.0, np.nan], [6.0, 2.0]])).tolist()[2] == [3.0, 2.0]
    repaired = never_rising(np.array([[4.0, 5.0], [3.0, np.nan]]))
    assert repaired[0].tolist() == [4.0, 4.0]
    assert np.isnan(repaired[1, 1])


@given(
    st.lists(st.floats(0.01, 100), min_size=9, max_size=9),
    st.tuples(st.floats(1, 1600), st.floats(1, 1600)),
    st.tuples(st.floats(1, 1600), st.floats(1, 1600)),
)
def test_a_larger_request_never_has_a_higher_rate(
    cells: list[float], one: tuple[float, float], other: tuple[float, float]
) -> None:
    edges = (100.0, 400.0, 1600.0)
    found = grid(dict(zip([(i, o) for i in edges for o in edges], cells, strict=True)))
    small, large = at(
        found, (min(one[0], other[0]), min(one[1], other[1])), (max(one[0], other[0]), max(one[1], other[1]))
    )
    assert large <= small * (1 + 1e-9)
