"""The queueing model against closed forms and against a simulation that shares no equation with it."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from step_simulator import Engine, run
from throughput_builders import size_points

from advisor.domain import LatencyLimit
from advisor.profiles import queueing
from advisor.profiles.latency_metrics import STATISTICS
from advisor.profiles.ttft_limits import profiled_rates

MEAN, P50, P90, P99 = STATISTICS
shares = st.floats(0.01, 0.99)


def mean_wait(rate: float, service_s: float, cv: float, slots: int = 1, arrival_cv: float = 1.0) -> float:
    chance, mean = queueing.slot_wait(rate, slots / service_s, slots, arrival_cv=arrival_cv, holding_cv=cv)
    return float(chance * mean)


@given(shares, st.floats(0.001, 100))
def test_one_exponential_server_is_m_m_1(busy: float, service_s: float) -> None:
    assert mean_wait(busy / service_s, service_s, 1.0) == pytest.approx(busy * service_s / (1 - busy))


@given(shares, st.floats(0.001, 100))
def test_one_constant_server_is_m_d_1(busy: float, service_s: float) -> None:
    expected = busy * service_s / (2 * (1 - busy))
    assert mean_wait(busy / service_s, service_s, 0.0) == pytest.approx(expected)


@given(shares, st.floats(0.001, 100), st.floats(0, 5))
def test_one_server_of_any_kind_is_pollaczek_and_khinchine(busy: float, service_s: float, cv: float) -> None:
    rate = busy / service_s
    second_moment = service_s**2 * (1 + cv**2)
    expected = rate * second_moment / (2 * (1 - busy))
    assert mean_wait(rate, service_s, cv) == pytest.approx(expected)


def erlang_c(servers: int, load: float) -> float:
    """Chance to wait in M/M/k, from Erlang's recursion for loss."""
    loss = 1.0
    for k in range(1, servers + 1):
        loss = load * loss / (k + load * loss)
    return loss / (1 - load / servers * (1 - loss))


@pytest.mark.parametrize("servers", [2, 8, 32, 128])
@pytest.mark.parametrize("busy", [0.7, 0.9, 0.97])
def test_many_exponential_servers_come_near_erlang_c(servers: int, busy: float) -> None:
    exact = erlang_c(servers, busy * servers) / (servers * (1 - busy))  # service takes 1 s
    assert mean_wait(busy * servers, 1.0, 1.0, slots=servers) == pytest.approx(exact, rel=0.25, abs=0.01)


@given(shares, st.integers(1, 500), st.floats(1, 5))
def test_burstier_arrivals_wait_longer(busy: float, slots: int, cv: float) -> None:
    assert mean_wait(busy * slots, 1.0, 1.0, slots, cv) >= mean_wait(busy * slots, 1.0, 1.0, slots)


def test_prompts_alone_wait_no_less_than_in_a_single_queue() -> None:
    """Without decoding, the model serves all prompts of a step together: first tokens come no sooner."""
    rate, prompt = 4.0, 0.2
    rest, others = queueing.step_wait_s(rate, 0.0, prompt)
    assert rest == 0.0
    assert others >= mean_wait(rate, prompt, 1.0)


def test_an_idle_replica_takes_a_step_half_a_step_and_the_prompt() -> None:
    alone = queueing.ttft_s(MEAN, 1e-9, 0.02, 0.1, 64, 10.0)
    assert float(alone) == pytest.approx(0.02 + 0.02 / 2 + 0.1)


def test_a_prompt_longer_than_a_step_takes_several_steps() -> None:
    short, long = (float(queueing.ttft_s(MEAN, 1e-9, 0.02, 0.1, 64, 10.0, input_tokens=tokens))
                   for tokens in (0, 4 * queueing.STEP_TOKENS))  # fmt: skip
    assert long - short == pytest.approx(4 * 0.02)


def test_more_than_the_replica_serves_waits_for_ever() -> None:
    assert queueing.ttft_s(MEAN, 10.0, 0.02, 0.01, 64, 10.0) == math.inf
    assert queueing.ttft_s(P99, 5.0, 0.02, 0.25, 64, 10.0) == math.inf


@given(st.floats(0.05, 0.9), st.floats(1.0, 1.1), st.sampled_from(STATISTICS))
def test_ttft_never_falls_with_the_rate(share: float, more: float, statistic: str) -> None:
    less, greater = (float(queueing.ttft_s(statistic, 10 * s, 0.02, 0.05, 32, 10.0))
                     for s in (share, share * more))  # fmt: skip
    assert greater >= less * (1 - 1e-12)


@given(st.floats(0.05, 0.95))
def test_statistics_are_in_order(share: float) -> None:
    values = [float(queueing.ttft_s(one, 10 * share, 0.02, 0.05, 32, 10.0)) for one in (P50, P90, P99)]
    assert values == sorted(values)


ENGINES = {
    "prompts fill the time": Engine(2000, 40, 0.020, 2e-4, 1.0e-4, 64),
    "decoding fills the time": Engine(250, 300, 0.030, 2e-4, 2.0e-4, 48),
    "few slots": Engine(4000, 250, 0.020, 3e-4, 1.0e-4, 16),
}


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("share", [0.4, 0.8])
def test_predictions_hold_against_the_simulation(name: str, share: float) -> None:
    """Never more than 5 % below what is simulated under Poisson arrivals, the mean at most three times it."""
    engine = ENGINES[name]
    capacity = engine.rate(engine.slots)
    seen = run(engine, 4000, seed=7, rate=share * capacity)
    step = engine.fixed_s + engine.each_s * engine.running(share * capacity)
    for statistic in STATISTICS:
        predicted = float(
            queueing.ttft_s(
                statistic, share * capacity, step, engine.prefill_s, engine.slots, capacity,
                input_tokens=engine.input_tokens,
            )
        )  # fmt: skip
        assert predicted >= 0.95 * seen.ttft(statistic), statistic
        if statistic is MEAN:
            assert predicted <= 3 * seen.ttft("mean")


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("share", [0.4, 0.8])
def test_predicted_gaps_hold_against_the_simulation(name: str, share: float) -> None:
    """Means within 20 % of what is simulated, tails never more than 5 % below it."""
    engine = ENGINES[name]
    rate = share * engine.rate(engine.slots)
    step = engine.fixed_s + engine.each_s * engine.running(rate)
    stated = rate, step, engine.prefill_s, engine.input_tokens, engine.output_tokens
    for varied in (False, True):
        seen = run(engine, 3000, seed=5, rate=rate, varied=varied)
        assert float(queueing.gap_s("mean", *stated)) == pytest.approx(seen.itl("mean"), rel=0.2)
        for statistic in ("p99", "p99.9"):
            assert float(queueing.gap_s(statistic, *stated)) >= 0.95 * seen.itl(statistic), statistic


@given(st.floats(0.05, 0.9), st.floats(1.0, 1.1), st.sampled_from(["mean", "p50", "p90", "p99"]))
def test_gaps_never_shorten_with_the_rate_and_are_a_step_on_an_idle_replica(
    share: float, more: float, statistic: str
) -> None:
    less, greater = (
        float(queueing.gap_s(statistic, 10 * s, 0.02, 0.05, 700, 200)) for s in (share, share * more)
    )
    assert 0.02 <= less <= greater * (1 + 1e-12)
    assert float(queueing.gap_s(statistic, 1e-9, 0.02, 0.05, 700, 200)) == pytest.approx(0.02)
    assert queueing.gap_s(statistic, 30.0, 0.02, 0.05, 700, 200) == math.inf


@pytest.mark.parametrize("word", ["p0", "p100", "median", "99", ""])
def test_a_statistic_is_the_mean_or_a_percentile(word: str) -> None:
    with pytest.raises(ValueError, match="is no statistic"):
        queueing.quantile_of(word)
    assert (queueing.quantile_of("p99.9"), queueing.quantile_of("mean")) == (pytest.approx(0.999), None)


@cache
def closed_loop(name: str) -> list[tuple[float, float, float]]:
    """TPOT, TTFT (ms) and rate at 1, 2, 4 … requests in flight, all of one length."""
    engine = ENGINES[name]
    loads = [2**power for power in range(10) if 2**power < engine.slots] + [engine.slots]
    seen = [run(engine, 30 * max(load, 4), seed=load, in_flight=load, varied=False) for load in loads]
    return [(1e3 * one.tpot_s.mean(), 1e3 * one.ttft_s.mean(), one.requests_per_s) for one in seen]


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("statistic", [MEAN, P90])
def test_a_rate_allowed_from_closed_loop_points_keeps_its_limit_in_an_open_stream(
    name: str, statistic: str
) -> None:
    engine, points = ENGINES[name], closed_loop(name)
    limit = LatencyLimit("ttft", 5 * points[0][1], statistic)
    sweep = size_points(points, engine.input_tokens, engine.output_tokens)
    rate = float(profiled_rates([sweep], limit)[0])
    assert 0.1 * points[-1][2] < rate < points[-1][2]
    assert 1e3 * run(engine, 4000, seed=11, rate=rate).ttft(statistic) <= limit.ms


loads = st.lists(
    st.tuples(st.floats(5, 100), st.floats(20, 2000), st.floats(0.1, 50)), min_size=1, max_size=6
).map(sorted)


@given(loads, st.floats(10, 5000), st.floats(1, 3), st.sampled_from(["ttft", "e2e"]))
def test_a_looser_limit_never_lowers_the_rate_and_burstier_arrivals_never_raise_it(
    points: list[tuple[float, float, float]], ms: float, more: float, metric: str
) -> None:
    sweep = [size_points(points)]

    def rate(limit_ms: float, arrival_cv: float = 1.0) -> float:
        return float(profiled_rates(sweep, LatencyLimit(metric, limit_ms), arrival_cv)[0])

    assert rate(ms * more) >= rate(ms) * (1 - 1e-12)
    assert rate(ms, more) <= rate(ms) * (1 + 1e-12)


@given(loads, st.floats(10, 5000))
def test_an_open_stream_is_never_allowed_more_than_the_closed_loop_shows(
    points: list[tuple[float, float, float]], ms: float
) -> None:
    within = [rate for _, ttft, rate in points if ttft <= ms]
    rate = float(profiled_rates([size_points(points)], LatencyLimit("ttft", ms))[0])
    assert rate <= max(within, default=0.0)


def test_sizes_are_worked_out_together_as_each_alone() -> None:
    one = size_points([(10, 100, 1), (20, 200, 3)], 500, 100)
    other = size_points([(10, 300, 0.5), (30, 900, 2), (50, 950, 2.5)], 4000, 100)
    limit = LatencyLimit("ttft", 800, P90)
    both = profiled_rates([one, other], limit)
    assert both.tolist() == [profiled_rates([size], limit)[0] for size in (one, other)]
    silent = size_points([(10, np.nan, 1)])
    assert np.isnan(profiled_rates([one, silent], limit)).tolist() == [False, True]
