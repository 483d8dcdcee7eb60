"""Several latency limits at once: the tightest decides and is named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from throughput_builders import a_point, a_store, a_sweep, ask, size_points

from advisor.domain import LatencyLimit, NoThroughput, Slo, SloStatistic, Throughput
from advisor.profiles.ttft_limits import rate_of

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.profiles.evidence import SizePoints

pytestmark = pytest.mark.fast

MEAN, P99 = SloStatistic.MEAN, SloStatistic("p99")


def open_sweep(**stated: list[float]) -> SizePoints:
    """Loads of 1, 3 and 5 requests/s under open arrivals: TPOT 10, 20, 40 ms, TTFT 100, 200, 900 ms."""
    points = size_points([(10, 100, 1), (20, 200, 3), (40, 900, 5)], output_tokens=101)
    further = {
        (name.split("_")[0], SloStatistic(name.split("_")[1])): np.array(values)
        for name, values in stated.items()
    }
    return replace(points, stated=further, open_arrivals=np.ones(3, dtype=np.bool_))


def test_limits_are_listed_in_order_and_in_words() -> None:
    slo = Slo(50, 900, P99, e2e_ms=20_000, further=(LatencyLimit("tpot", 30),))
    assert [(limit.metric, limit.ms, limit.statistic) for limit in slo.limits] == [
        ("tpot", 50, P99), ("ttft", 900, P99), ("e2e", 20_000, P99), ("tpot", 30, MEAN),
    ]  # fmt: skip
    assert str(slo) == "p99 TPOT ≤ 50 ms, p99 TTFT ≤ 900 ms, p99 E2E ≤ 20000 ms, mean TPOT ≤ 30 ms"
    assert str(Slo()) == "no latency limit"


@pytest.mark.parametrize(("metric", "ms"), [("latency", 5), ("tpot", 0), ("ttft", -1), ("e2e", float("nan"))])
def test_a_limit_on_nothing_known_or_of_no_time_is_refused(metric: str, ms: float) -> None:
    with pytest.raises(ValueError, match=r"not a latency|not allowed"):
        LatencyLimit(metric, ms)


@pytest.mark.parametrize(
    ("slo", "rate", "limited_by"),
    [
        # E2E of the three loads: 100 + 100 x 10 = 1,100; 200 + 100 x 20 = 2,200; 900 + 100 x 40 = 4,900 ms
        (Slo(e2e_ms=2200), 3.0, "e2e"),
        (Slo(e2e_ms=2199), 1.0, "e2e"),
        (Slo(e2e_ms=1099), 0.0, "e2e"),
        (Slo(e2e_ms=4900), 5.0, "load"),
        (Slo(tpot_ms=15, e2e_ms=2200), 2.0, "tpot"),  # halfway from 1 to 3
        (Slo(tpot_ms=30, ttft_ms=250, e2e_ms=1100), 1.0, "e2e"),
        (Slo(tpot_ms=30, ttft_ms=150, e2e_ms=4900), 1.0, "ttft"),
        (Slo(30, further=(LatencyLimit("tpot", 60, P99),)), 2.0, "tpot"),  # p99 of 40, 80: halfway
        (Slo(15, further=(LatencyLimit("tpot", 400, P99),)), 2.0, "tpot"),
    ],
)
def test_the_tightest_of_several_limits_decides(slo: Slo, rate: float, limited_by: str) -> None:
    assert rate_of(open_sweep(tpot_p99=[40.0, 80.0, 200.0]), slo) == (pytest.approx(rate), limited_by)


def test_stated_end_to_end_times_beat_those_worked_out_of_parts() -> None:
    sweep = open_sweep(e2e_mean=[500.0, 600.0, 700.0], e2e_p99=[900.0, 1000.0, 1100.0])
    assert rate_of(sweep, Slo(e2e_ms=600))[0] == 3.0
    assert rate_of(sweep, Slo(e2e_ms=1050, statistic=P99))[0] == 3.0


def test_what_no_point_states_cannot_be_judged() -> None:
    for limit in (LatencyLimit("tpot", 500, P99), LatencyLimit("e2e", 50_000, P99)):
        rate, metric = rate_of(open_sweep(), Slo(further=(limit,)))
        assert np.isnan(rate)
        assert metric == limit.metric
        assert not open_sweep().judges(limit)


limits = st.none() | st.floats(5, 2000)


@given(st.lists(limits, min_size=4, max_size=4))
def test_limits_together_allow_the_least_of_what_each_allows(values: list[float | None]) -> None:
    sweep = open_sweep(tpot_p99=[40.0, 80.0, 200.0])
    tpot, ttft, e2e, tail = values
    each = [Slo(tpot_ms=tpot), Slo(ttft_ms=ttft), Slo(e2e_ms=e2e)]
    further = () if tail is None else (LatencyLimit("tpot", tail, P99),)
    each.append(Slo(further=further))
    together = rate_of(sweep, Slo(tpot, ttft, e2e_ms=e2e, further=further))[0]
    assert together == pytest.approx(min(rate_of(sweep, one)[0] for one in each))


def figure(answer: Throughput | NoThroughput) -> Throughput:
    assert isinstance(answer, Throughput), answer
    return answer


def with_tails(**changes: Any) -> list[dict[str, Any]]:
    loads = a_sweep((1, 10, 1), (8, 20, 5), (16, 60, 7), **changes)
    return [point | {"tpot_p99_ms": 2 * point["tpot_mean_ms"]} for point in loads]


def test_a_profile_answers_limits_at_two_statistics_from_its_own_points(tmp_path: Path) -> None:
    store = a_store(tmp_path, with_tails())
    both = Slo(20, further=(LatencyLimit("tpot", 30, P99),))
    answer = figure(ask(store, slo=both)[0])
    # Mean 20 ms allows 5; p99 is 20 ms at 1 and 40 ms at 5 requests/s: at 30 ms halfway, 3.
    assert (answer.requests_per_s, answer.limited_by) == (pytest.approx(3.0), "tpot")
    assert answer.kind.value == "measured"


def test_evidence_that_lacks_a_statistic_is_taken_at_its_mean_and_says_so(tmp_path: Path) -> None:
    store = a_store(tmp_path, a_sweep((1, 10, 1), (8, 20, 5)))
    for metric in ("tpot", "e2e"):
        (answer,) = ask(store, slo=Slo(50, further=(LatencyLimit(metric, 9000, P99),)))
        (mean,) = ask(store, slo=Slo(50, further=(LatencyLimit(metric, 9000),)))
        assert f"p99 {metric.upper()} planned at the mean" in figure(answer).source
        assert figure(answer).requests_per_s == figure(mean).requests_per_s


def test_a_mean_end_to_end_limit_is_answered_by_parts_and_by_estimates(tmp_path: Path) -> None:
    points = a_sweep((1, 10, 1), (8, 20, 5), ttft_mean_ms=50.0, load_mode="rate")
    near, far = ask(a_store(tmp_path, points), (1000, 100), (4000, 100), slo=Slo(e2e_ms=50 + 99 * 10))
    assert (figure(near).requests_per_s, figure(near).limited_by) == (1.0, "e2e")
    assert figure(near).source.endswith("E2E as taken under open arrivals")
    assert figure(far).kind.value == "estimated"
    assert figure(far).source.endswith("E2E of an open stream by a queueing model")
    assert figure(far).limited_by == "e2e"


def test_end_to_end_percentiles_in_the_users_files_are_read(tmp_path: Path) -> None:
    points = [
        a_point(concurrency=c, requests_per_s=r, load_mode="rate", e2e_p90_ms=e, request_rate_offered=r)
        for c, r, e in ((None, 1.0, 900.0), (None, 4.0, 1900.0))
    ]
    (answer,) = ask(a_store(tmp_path, points), slo=Slo(e2e_ms=1000, statistic=SloStatistic("p90")))
    assert figure(answer).requests_per_s == 1.0


def test_an_end_to_end_limit_nothing_meets_is_unreachable_with_the_best_there_is(tmp_path: Path) -> None:
    store = a_store(tmp_path, a_sweep((1, 10, 1), (8, 20, 5)))
    (answer,) = ask(store, slo=Slo(e2e_ms=1000))
    assert isinstance(answer, NoThroughput)
    assert answer.reason == "slo_unreachable"
    assert answer.detail.startswith("E2E 1040 ms at concurrency 1 before waiting")  # 50 + 99 x 10
