"""Arrivals: the rate asked for, the burstiness asked for, and a trace that stays as bursty as it was."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.simulate.arrivals import renewal, traced
from advisor.workload.named import load_trace

pytestmark = pytest.mark.fast


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def excess(times: np.ndarray, window_s: float, end_s: float) -> float:
    """Variance of the rate relative to its square: what counts vary beyond a steady Poisson stream."""
    counts, _ = np.histogram(times, np.arange(0, end_s, window_s))
    return float((counts.var() - counts.mean()) / counts.mean() ** 2)


@pytest.mark.parametrize("cv", [0.5, 1.0, 3.0])
def test_gaps_have_the_mean_and_the_variation_asked_for(cv: float) -> None:
    gaps = np.diff(renewal(rng(), ((0.0, 50.0),), 4000.0, cv))
    assert gaps.mean() == pytest.approx(1 / 50, rel=0.03)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.05)


def test_no_variation_at_all_is_a_clock() -> None:
    assert np.diff(renewal(rng(), ((0.0, 4.0),), 10.0, 0.0)) == pytest.approx(0.25)


@given(st.floats(0.5, 3.0), st.floats(5, 50), st.floats(1, 100))
@settings(max_examples=40, deadline=None)
def test_arrivals_are_in_order_and_within_the_duration(cv: float, rate: float, duration_s: float) -> None:
    times = renewal(rng(), ((0.0, rate),), duration_s, cv)
    assert all(a <= b for a, b in pairwise(times))
    assert not len(times) or (times[0] >= 0 and times[-1] < duration_s)


def test_a_rate_that_changes_is_followed() -> None:
    times = renewal(rng(), ((0.0, 10.0), (1000.0, 40.0), (1500.0, 0.0)), 2000.0)
    assert np.sum(times < 1000) == pytest.approx(10_000, rel=0.04)
    assert np.sum((times >= 1000) & (times < 1500)) == pytest.approx(20_000, rel=0.04)
    assert not np.any(times > 1500)


def test_a_trace_as_it_is_is_the_trace() -> None:
    times, source = traced(rng(), [0.0, 1.0, 1.0, 5.0], None, None)
    assert times.tolist() == [0.0, 1.0, 1.0, 5.0]
    assert source.tolist() == [0, 1, 2, 3]


def test_a_shorter_duration_cuts_a_trace_and_a_longer_one_begins_it_again() -> None:
    # Three gaps of 2 s stand for a period of 8 s with the gap to the next beginning.
    short, _ = traced(rng(), [0.0, 2.0, 4.0, 6.0], None, 5.0)
    long, source = traced(rng(), [0.0, 2.0, 4.0, 6.0], None, 12.0)
    assert short.tolist() == [0.0, 2.0, 4.0]
    assert long.tolist() == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert source.tolist() == [0, 1, 2, 3, 0, 1]


@pytest.mark.parametrize("factor", [0.3, 0.8, 1.7, 4.0])
def test_a_scaled_trace_has_the_rate_asked_for_and_keeps_its_rushes(factor: float) -> None:
    trace = load_trace("azure-2023-conv")
    times = np.asarray(trace.timestamps_s)
    rate = len(times) / times[-1]
    scaled, source = traced(rng(), times, rate * factor, None)
    assert len(scaled) == pytest.approx(len(times) * factor, rel=0.02)
    assert (np.diff(scaled) >= 0).all()
    assert scaled[-1] <= times[-1]
    assert source.min() >= 0
    assert source.max() < len(times)
    for window_s in (20.0, 60.0):
        kept = excess(scaled, window_s, times[-1]) / excess(times, window_s, times[-1])
        assert kept == pytest.approx(1.0, abs=0.2), f"windows of {window_s} s"


def test_dividing_the_gaps_instead_would_not_keep_the_rushes() -> None:
    """The alternative that was not taken, so that the test above is known to tell them apart."""
    times = np.asarray(load_trace("azure-2023-conv").timestamps_s)
    faster = times / 4
    kept = excess(faster, 60.0, faster[-1]) / excess(times, 60.0, times[-1])
    assert abs(kept - 1) > 0.2


def test_copies_never_arrive_with_their_original_and_have_sizes_of_their_own() -> None:
    times = np.arange(0, 1000, 0.5)
    scaled, source = traced(rng(), times, 6.0, None)
    assert len(np.unique(scaled)) == len(scaled)
    doubled = np.bincount(source, minlength=len(times))
    assert doubled.max() < 12, "no single size is copied again and again"
