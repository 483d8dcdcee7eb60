"""Rates per bucket, and what --coverage leaves out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.domain import Bucket, Workload
from advisor.errors import UsageError
from advisor.workload.demand import cover, demands
from advisor.workload.named import load_workload

pytestmark = pytest.mark.fast


def a_workload(*shares: float) -> Workload:
    """One bucket per share, each 100 input tokens larger than the one before."""
    buckets = tuple(
        Bucket(index * 100, index * 100 + 100, 0, 25, share, index * 100 + 100, 25, "upper_edge")
        for index, share in enumerate(shares)
    )
    return Workload("made up", buckets, None, None, "a test", None)


def test_demand_is_share_times_rate() -> None:
    assert [rate for _, rate in demands(a_workload(0.75, 0.25), 16)] == [12, 4]


def test_full_coverage_keeps_everything() -> None:
    workload = a_workload(0.5, 0.25, 0.25)
    assert cover(workload, 100) == (workload, 0, ())


def test_the_rarest_buckets_go_first_and_the_rest_keep_their_rates() -> None:
    workload = a_workload(0.9, 0.06, 0.03, 0.01)
    kept, left_out_share, left_out = cover(workload, 95)
    assert [bucket.share for bucket in kept.buckets] == [0.9, 0.06]
    assert [bucket.share for bucket in left_out] == [0.01, 0.03]
    assert left_out_share == pytest.approx(0.04)


def test_of_equally_rare_buckets_the_largest_requests_go_first() -> None:
    kept, _, left_out = cover(a_workload(0.05, 0.9, 0.05), 95)
    assert [bucket.input_tokens_max for bucket in left_out] == [300]
    assert [bucket.input_tokens_max for bucket in kept.buckets] == [100, 200]


def test_coverage_is_met_exactly_where_shares_allow() -> None:
    _, left_out_share, left_out = cover(a_workload(0.9, 0.1), 90)
    assert (len(left_out), left_out_share) == (1, pytest.approx(0.1))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=30), st.floats(0.1, 100))
def test_at_least_the_coverage_stays(counts: list[int], coverage: float) -> None:
    workload = a_workload(*(count / sum(counts) for count in counts))
    kept, left_out_share, left_out = cover(workload, coverage)
    assert math.fsum(bucket.share for bucket in kept.buckets) >= coverage / 100 - 1e-9
    assert sorted((*kept.buckets, *left_out), key=lambda bucket: bucket.input_tokens_min) == list(
        workload.buckets
    )
    assert left_out_share == pytest.approx(math.fsum(bucket.share for bucket in left_out))
    assert kept.buckets


def test_coverage_drops_the_long_tail_of_a_real_workload() -> None:
    workload = load_workload("azure-2023-conv")
    kept, left_out_share, _ = cover(workload, 99)
    assert 0 < left_out_share <= 0.01
    assert len(kept.buckets) < len(workload.buckets)


@pytest.mark.parametrize("coverage", [0, -1, 100.1, math.nan, math.inf])
def test_a_coverage_that_is_no_percentage_is_refused(coverage: float) -> None:
    with pytest.raises(UsageError, match="--coverage"):
        cover(a_workload(1), coverage)
