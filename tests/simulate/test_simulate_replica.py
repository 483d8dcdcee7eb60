"""One replica, step by step: closed forms against counting, batching, the cache, and nothing lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulate_builders import STEP_S, a_fleet, a_spec, poisson, requests_of, served

from advisor.simulate.closed_loop import closed_loop
from advisor.simulate.steps import StepTimes

STEPS = StepTimes((0.004, 0.005, 0.007, 0.008), 1e-6, 2e-5, 1e-9)


@given(st.integers(1, 3), st.integers(0, 50_000), st.integers(1, 400))
def test_many_steps_at_once_take_as_long_as_one_by_one(batch: int, context: int, steps: int) -> None:
    one_by_one = sum(0.0 + STEPS.base_s[batch] + 1e-6 * (context + batch * done) for done in range(steps))
    assert STEPS.decode_s(batch, context, steps) == pytest.approx(one_by_one, rel=1e-12)


@given(st.integers(1, 3), st.integers(0, 50_000), st.floats(0, 20))
def test_the_boundary_after_a_moment_is_the_first_one(batch: int, context: int, seconds: float) -> None:
    steps = STEPS.steps_until(batch, context, seconds)
    assert STEPS.decode_s(batch, context, steps) >= seconds
    assert steps == 1 or STEPS.decode_s(batch, context, steps - 1) < seconds + 1e-9


def test_a_prompt_in_chunks_takes_as_long_as_whole() -> None:
    whole = STEPS.prompt_s(0, 5000)
    assert STEPS.prompt_s(0, 2048) + STEPS.prompt_s(2048, 5000) == pytest.approx(whole, rel=1e-12)


def test_a_request_alone_takes_one_step_with_its_prompt_and_one_per_further_token() -> None:
    outcome = served(a_fleet((a_spec(context_s=0.0), 1)), requests_of([3.0], 1000, 5))
    reading = STEP_S + 2e-5 * 1000 + 1e-9 * 1000**2
    assert outcome.first_s[0] == pytest.approx(3.0 + reading)
    assert outcome.finished_s[0] == pytest.approx(3.0 + reading + 4 * STEP_S)


def test_a_prompt_longer_than_a_step_takes_several_and_leaves_room_for_those_that_decode() -> None:
    spec = a_spec(context_s=0.0, pair_s=0.0, chunk_tokens=100)
    outcome = served(a_fleet((spec, 1)), requests_of([0.0, 0.5], [1, 250], [200, 2]))
    # The first has one step to itself until 0.5; the second reads 99 tokens a step beside it: 99, 99, 52.
    start = STEP_S + 2e-5
    joined = start + np.ceil((0.5 - start) / STEP_S) * STEP_S
    assert outcome.admitted_s[1] == pytest.approx(joined)
    assert outcome.first_s[1] == pytest.approx(joined + 3 * STEP_S + 250 * 2e-5)


def test_an_arrival_joins_the_batch_at_the_next_step_not_at_the_next_completion() -> None:
    outcome = served(a_fleet((a_spec(context_s=0.0), 1)), requests_of([0.0, 0.505], 1, [1000, 3]))
    assert outcome.admitted_s[1] - 0.505 <= STEP_S
    assert outcome.finished_s[1] < 0.6 < outcome.finished_s[0]


def test_a_full_batch_makes_the_next_request_wait_for_a_completion() -> None:
    spec = a_spec(context_s=0.0, max_sequences=1)
    outcome = served(a_fleet((spec, 1)), requests_of([0.0, 0.1], 1, [50, 1]))
    assert outcome.admitted_s[1] == pytest.approx(outcome.finished_s[0])


def test_a_full_cache_makes_the_next_request_wait() -> None:
    spec = a_spec(context_s=0.0, kv_tokens=1100)
    outcome = served(a_fleet((spec, 1)), requests_of([0.0, 0.1], 600, [50, 50]))
    assert outcome.admitted_s[1] == pytest.approx(outcome.finished_s[0])
    assert not outcome.preempted.any()


def test_sequences_that_outgrow_the_cache_put_the_youngest_back_and_it_still_finishes_whole() -> None:
    spec = a_spec(kv_tokens=500)
    requests = requests_of([0.0, 0.001], 100, [300, 300])
    outcome = served(a_fleet((spec, 1)), requests)
    assert outcome.preempted.tolist() == [0, 1]
    assert outcome.finished_s[0] < outcome.finished_s[1]
    assert outcome.generated.sum() == 600, "what was generated before is kept, not generated again"
    assert outcome.peak_tokens.max() <= 500


def test_a_prefix_cache_saves_reading_but_not_room() -> None:
    fleet = a_fleet((a_spec(context_s=0.0, pair_s=0.0, cached_share=0.5), 1))
    outcome = served(fleet, requests_of([0.0], 1000, 1))
    assert outcome.first_s[0] == pytest.approx(STEP_S + 500 * 2e-5)
    assert outcome.peak_tokens[0] >= 1000


sizes = st.lists(
    st.tuples(st.integers(1, 3000), st.integers(1, 200), st.floats(0, 0.2)), min_size=1, max_size=60
)


@given(sizes, st.integers(1, 3), st.integers(1, 8), st.integers(3300, 8000), st.integers(64, 4096))
@settings(max_examples=120, deadline=None)
def test_no_request_is_lost_or_served_twice_and_tokens_are_conserved(
    rows: list[tuple[int, int, float]], replicas: int, batch: int, cache: int, chunk: int
) -> None:
    spec = a_spec(max_sequences=batch, kv_tokens=cache, chunk_tokens=chunk)
    arrivals = np.cumsum([gap for _, _, gap in rows])
    requests = requests_of(arrivals, [row[0] for row in rows], [row[1] for row in rows])
    outcome = served(a_fleet((spec, replicas)), requests)
    assert np.isfinite(outcome.finished_s).all()
    assert (outcome.replica >= 0).all()
    assert outcome.generated.sum() == requests.output_tokens.sum()
    assert (requests.arrival_s <= outcome.admitted_s).all()
    assert (outcome.admitted_s < outcome.first_s).all()
    assert (outcome.first_s <= outcome.finished_s).all()
    assert outcome.peak_sequences.max() <= batch
    assert outcome.peak_tokens.max() <= cache


@given(sizes, st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_a_replica_works_whenever_it_holds_a_request(rows: list[tuple[int, int, float]], batch: int) -> None:
    spec = a_spec(max_sequences=batch)
    requests = requests_of(np.cumsum([gap for _, _, gap in rows]), [r[0] for r in rows], [r[1] for r in rows])
    outcome = served(a_fleet((spec, 1)), requests)
    # Time with at least one request in the system, from the intervals [arrival, finish].
    held, until = 0.0, -1.0
    for start, stop in sorted(zip(requests.arrival_s, outcome.finished_s, strict=True)):
        held += max(stop - max(start, until), 0.0)
        until = max(until, stop)
    assert outcome.busy_s[0] == pytest.approx(held, rel=1e-9)


def test_the_same_requests_give_the_same_outcome_bit_by_bit() -> None:
    requests = requests_of(poisson(3, 20, 2000), 700, np.random.default_rng(4).integers(1, 300, 2000))
    first, second = (served(a_fleet((a_spec(), 2)), requests) for _ in range(2))
    assert first.finished_s.tobytes() == second.finished_s.tobytes()
    assert first.first_s.tobytes() == second.first_s.tobytes()


def test_a_closed_loop_obeys_littles_law() -> None:
    spec = a_spec()
    for concurrency in (1, 8, 32):
        point = closed_loop(spec, 500, 100, concurrency, rounds=8)
        latency_s = point.ttft_ms / 1e3 + point.tpot_ms / 1e3 * 99
        assert point.requests_per_s * latency_s == pytest.approx(concurrency, rel=0.02)


def test_time_in_front_of_the_engine_is_not_time_on_it() -> None:
    slow = replace(a_spec().steps, front_s=0.2)
    plain, fronted = closed_loop(a_spec(), 500, 50, 4), closed_loop(replace(a_spec(), steps=slow), 500, 50, 4)
    assert fronted.ttft_ms - plain.ttft_ms == pytest.approx(200)
    assert fronted.requests_per_s == plain.requests_per_s


def test_without_chunks_a_prompt_is_read_whole_in_one_step() -> None:
    """3,000 tokens at once where 2,048 are the budget; another prompt waits for the step after."""
    spec = a_spec(context_s=0.0, pair_s=0.0, chunked=False)
    outcome = served(a_fleet((spec, 1)), requests_of([0.0, 0.001], [3000, 3000], 1))
    assert outcome.first_s[0] == pytest.approx(STEP_S + 3000 * 2e-5)
    assert outcome.first_s[1] == pytest.approx(2 * outcome.first_s[0])
    chunked = served(a_fleet((a_spec(context_s=0.0, pair_s=0.0), 1)), requests_of([0.0], [3000], 1))
    assert chunked.first_s[0] == pytest.approx(2 * STEP_S + 3000 * 2e-5)
