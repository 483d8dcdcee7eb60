"""The grid: what a bucket holds, counted by hand and as properties."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.domain import Bucket
from advisor.errors import UsageError
from advisor.workload.buckets import (
    DEFAULT_INPUT_EDGES,
    DEFAULT_OUTPUT_EDGES,
    buckets_of,
    count_cells,
    mix,
    overflow_requests,
    parse_edges,
)
from advisor.workload.named import fit_trace
from advisor.workload.trace import Trace, read_trace

TINY = Path(__file__).parents[2] / "fixtures" / "workload" / "tiny.csv"


def buckets_of_sizes(*sizes_and_edges):
    return buckets_of(count_cells(*sizes_and_edges))


requests = st.lists(st.tuples(st.integers(1, 50_000), st.integers(0, 5_000)), min_size=1, max_size=60)
edges = st.sets(st.integers(1, 40_000), min_size=1, max_size=8).map(lambda found: tuple(sorted(found)))


def test_a_trace_of_ten_requests_is_what_one_counts_by_hand() -> None:
    trace = read_trace(TINY)
    found = {
        (b.input_tokens_min, b.input_tokens_max, b.output_tokens_min, b.output_tokens_max): b
        for b in buckets_of_sizes(trace.input_tokens, trace.output_tokens)
    }
    assert found == {
        # 25 × 25, and 1 × 0 whose missing output counts as one token: means 13 and 13
        (0, 25, 0, 25): Bucket(0, 25, 0, 25, 0.2, 13.0, 13.0, "mean"),
        # 26 × 1 and 100 × 25
        (25, 100, 0, 25): Bucket(25, 100, 0, 25, 0.2, 63.0, 13.0, "mean"),
        (25, 100, 25, 100): Bucket(25, 100, 25, 100, 0.1, 100.0, 26.0, "mean"),
        (25, 100, 2000, 2001): Bucket(25, 100, 2000, 2001, 0.1, 50.0, 2001.0, "mean"),
        (100, 250, 1000, 2000): Bucket(100, 250, 1000, 2000, 0.1, 101.0, 2000.0, "mean"),
        (12000, 16000, 1000, 2000): Bucket(12000, 16000, 1000, 2000, 0.1, 16000.0, 2000.0, "mean"),
        # 16001 × 10 and 20000 × 20 overflow; the edge is the largest input seen
        (16000, 20000, 0, 25): Bucket(16000, 20000, 0, 25, 0.2, 18000.5, 15.0, "mean"),
    }


def test_a_fit_reports_what_it_counted_specially() -> None:
    fit = fit_trace(read_trace(TINY), "tiny", "by hand")
    assert (fit.zero_outputs, fit.overflow, fit.out_of_order) == (1, 3, 0)
    assert fit.workload.requests == 10
    assert fit.workload.rate_requests_per_s == pytest.approx(0.9)  # nine gaps in ten seconds
    assert "requests without output: 1, each counted as 1 output token" in fit.workload.note


def test_the_default_grid_is_melanges_ten_by_six() -> None:
    assert (len(DEFAULT_INPUT_EDGES), len(DEFAULT_OUTPUT_EDGES)) == (10, 6)


@given(requests, edges, edges)
def test_every_request_is_counted_once(
    sizes: list[tuple[int, int]], rows: tuple[int, ...], columns: tuple[int, ...]
) -> None:
    inputs, outputs = zip(*sizes, strict=True)
    cells = count_cells(inputs, outputs, rows, columns)
    assert sum(cell.requests for cell in cells) == len(sizes)
    assert sum(cell.input_tokens_sum for cell in cells) == sum(inputs)
    assert sum(cell.output_tokens_sum for cell in cells) == sum(max(tokens, 1) for tokens in outputs)
    beyond = sum(1 for size_in, size_out in sizes if size_in > rows[-1] or size_out > columns[-1])
    assert overflow_requests(cells, rows, columns) == beyond


@given(requests, edges, edges)
def test_shares_sum_to_one_and_means_lie_inside(
    sizes: list[tuple[int, int]], rows: tuple[int, ...], columns: tuple[int, ...]
) -> None:
    inputs, outputs = zip(*sizes, strict=True)
    buckets = buckets_of_sizes(inputs, outputs, rows, columns)
    assert math.fsum(bucket.share for bucket in buckets) == pytest.approx(1, abs=1e-12)
    for bucket in buckets:
        assert bucket.share > 0
        assert bucket.input_tokens_min < bucket.input_tokens <= bucket.input_tokens_max
        assert bucket.output_tokens_min < bucket.output_tokens <= bucket.output_tokens_max


@given(requests, st.randoms(use_true_random=False))
def test_the_order_of_requests_does_not_matter(sizes: list[tuple[int, int]], random: object) -> None:
    shuffled = list(sizes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert buckets_of_sizes(*zip(*sizes, strict=True)) == buckets_of_sizes(*zip(*shuffled, strict=True))


@given(requests, requests, st.floats(0.01, 0.99))
def test_a_mixture_has_the_weighted_share_and_mean_of_its_parts(
    one: list[tuple[int, int]], other: list[tuple[int, int]], weight: float
) -> None:
    parts = []
    for part_weight, sizes in ((weight, one), (1 - weight, other)):
        inputs, outputs = zip(*sizes, strict=True)
        parts.append((part_weight, fit_trace(Trace(inputs, outputs, None), "part", "made up").workload))
    mixed = mix("both", parts)
    assert math.fsum(bucket.share for bucket in mixed.buckets) == pytest.approx(1, abs=1e-9)
    mean = math.fsum(bucket.share * bucket.input_tokens for bucket in mixed.buckets)
    expected = weight * sum(i for i, _ in one) / len(one) + (1 - weight) * sum(i for i, _ in other) / len(
        other
    )
    assert mean == pytest.approx(expected, rel=1e-9)
    assert mixed.rate_requests_per_s is None


def test_an_even_mixture_of_two_single_requests_by_hand() -> None:
    short = fit_trace(Trace([10], [10], None), "short", "a", licence="MIT").workload
    medium = fit_trace(Trace([20, 200], [20, 10], None), "medium", "b", licence="Apache-2.0").workload
    mixed = mix("both", [(0.5, short), (0.5, medium)])
    assert mixed.buckets == (
        Bucket(0, 25, 0, 25, 0.75, pytest.approx(40 / 3), pytest.approx(40 / 3), "mean"),
        Bucket(100, 250, 0, 25, 0.25, 200.0, 10.0, "mean"),
    )
    assert (mixed.licence, mixed.requests) == ("MIT and Apache-2.0", 3)


@pytest.mark.parametrize(
    "text", ["", "25,", "100,25", "25,25", "0,25", "-1,5", "2.5", "25,nan", "1e3", "10000001", "²", "9" * 30]
)
def test_bad_edges_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--input-edges"):
        parse_edges(text, "--input-edges")


def test_too_many_edges_are_refused() -> None:
    with pytest.raises(UsageError, match="1 to 64"):
        parse_edges(",".join(map(str, range(1, 66))), "--output-edges")


def test_edges_may_have_blanks_after_commas() -> None:
    assert parse_edges("25, 100", "--input-edges") == (25, 100)


def test_nothing_to_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot fit 0"):
        buckets_of_sizes([], [])
