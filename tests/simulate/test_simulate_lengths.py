"""Sizes: planned proportions, means that are kept, and a router's guesses that are as wrong as stated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulate_builders import a_plan

from advisor.simulate.lengths import Grid, prediction_sigma, sample_sizes
from advisor.simulate.router import Knowledge, routed_buckets
from advisor.workload.trace import Trace

SERVICE = a_plan().services[0]
GRID = Grid.of(SERVICE.buckets)


def test_buckets_come_in_the_planned_proportions_and_keep_their_means() -> None:
    bucket, size_in, size_out = sample_sizes(np.random.default_rng(1), SERVICE, GRID, None, 40_000)
    assert (bucket == 0).mean() == pytest.approx(0.75, abs=0.01)
    for place, line in enumerate(SERVICE.buckets):
        mine = bucket == place
        assert size_in[mine].mean() == pytest.approx(line.input_tokens, rel=0.03)
        assert size_out[mine].mean() == pytest.approx(line.output_tokens, rel=0.03)
        assert size_in[mine].min() > line.input_tokens_min
        assert size_in[mine].max() <= line.input_tokens_max


def test_sizes_of_a_bucket_are_those_of_its_trace_where_there_is_one() -> None:
    trace = Trace([10, 900, 3000], [7, 77, 5], None)
    _, size_in, size_out = sample_sizes(np.random.default_rng(1), SERVICE, GRID, trace, 500)
    assert set(zip(size_in.tolist(), size_out.tolist(), strict=True)) == {(10, 7), (900, 77), (3000, 5)}


@given(st.integers(1, 4000), st.integers(1, 500))
def test_every_size_in_the_grid_is_found_in_its_bucket(size_in: int, size_out: int) -> None:
    found, strange = GRID.bucket_of(np.array([size_in]), np.array([float(size_out)]))
    assert found[0] == (0 if size_in <= 1000 else 1)
    assert strange == 0


def test_sizes_in_no_bucket_get_the_nearest_and_are_counted() -> None:
    found, strange = GRID.bucket_of(np.array([9000, 10]), np.array([10.0, 5000.0]))
    assert found.tolist() == [1, 0]
    assert strange == 2


@given(st.floats(1, 90))
@settings(max_examples=25, deadline=None)
def test_the_typical_guess_is_as_wrong_as_stated(percent: float) -> None:
    noise = np.random.default_rng(5).standard_normal(40_000)
    error = np.abs(np.expm1(prediction_sigma(percent) * noise))
    assert np.median(error) == pytest.approx(percent / 100, rel=0.04)


def test_a_router_that_knows_nothing_of_the_output_still_sees_the_prompt() -> None:
    from simulate_builders import requests_of

    requests = requests_of([0.0, 1.0], [10, 3000], 5)
    requests.bucket[1] = 1
    for knowledge in Knowledge:
        taken = routed_buckets(np.random.default_rng(1), requests, [GRID], knowledge, 0.5)
        assert taken.tolist() == [0, 1]
