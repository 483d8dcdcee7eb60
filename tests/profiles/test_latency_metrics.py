"""A latency is one entry: its limits are answered by what states it, what it follows from, or a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from throughput_builders import a_replica, a_store, a_sweep, ask

from advisor.domain import LATENCIES, EvidenceKind, LatencyLimit, NoThroughput, Slo, SloStatistic, Throughput
from advisor.profiles.curve import Curve
from advisor.profiles.latency_metrics import COLUMNS, METRICS, STATISTICS, stated_in
from advisor.profiles.own_store import save
from advisor.profiles.placing import Given

if TYPE_CHECKING:
    from pathlib import Path

P99 = SloStatistic("p99")
SIZE = (1000.0, 100.0)
LOADS = (1, 10, 1), (8, 20, 5), (16, 60, 7)


def itl(ms: float, statistic: SloStatistic = SloStatistic.MEAN) -> Slo:
    return Slo(further=(LatencyLimit("itl", ms, statistic),))


def rate(answer: Throughput | NoThroughput) -> float:
    assert isinstance(answer, Throughput), answer
    return answer.requests_per_s


def test_every_latency_a_limit_may_bind_has_an_entry() -> None:
    assert set(METRICS) == set(LATENCIES)
    assert all(metric.definition and metric.name == name for name, metric in METRICS.items())
    assert len(COLUMNS) == len(METRICS) * len(STATISTICS)


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("itl_p99.9_ms", ("itl", "p99.9")),
        ("tpot_mean_ms", ("tpot", "mean")),
        ("tpot_p0_ms", None),
        ("tpot_ms", None),
        ("slo_tpot_ms", None),
    ],
)
def test_a_column_names_metric_statistic_and_unit(name: str, stated: tuple[str, str] | None) -> None:
    assert stated_in(name) == stated


def test_a_limit_on_the_mean_gap_is_one_on_the_mean_tpot(tmp_path: Path) -> None:
    for points in ((), a_sweep(*LOADS), a_sweep(*LOADS, kind="simulated")):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        store = a_store(folder, points)
        (gap,), (token,) = ask(store, SIZE, slo=itl(15)), ask(store, SIZE, slo=Slo(tpot_ms=15))
        assert rate(gap) == rate(token)
        assert isinstance(gap, Throughput)
        assert gap.limited_by == "itl"


def test_stated_percentiles_of_gaps_answer_limits_on_them(tmp_path: Path) -> None:
    points = [p | {"itl_p99_ms": 4 * p["tpot_mean_ms"], "load_mode": "rate"} for p in a_sweep(*LOADS)]
    store = a_store(tmp_path, points)  # 40, 80 and 240 ms at 1, 5 and 7 requests/s
    assert [rate(ask(store, SIZE, slo=itl(ms, P99))[0]) for ms in (40, 80, 240)] == [1.0, 5.0, 7.0]
    (answer,) = ask(store, SIZE, slo=itl(39, P99))
    assert isinstance(answer, NoThroughput)
    assert answer.reason == "slo_unreachable"
    assert answer.detail.startswith("ITL 10.0 ms")  # the mean gap, of TPOT


def test_where_nobody_states_gaps_percentiles_follow_from_step_and_prompt(tmp_path: Path) -> None:
    store = a_store(tmp_path, a_sweep(*LOADS))
    loose, tight = (ask(store, SIZE, slo=itl(ms, P99))[0] for ms in (1000, 45))
    assert isinstance(loose, Throughput)
    assert (loose.kind, loose.source.endswith("ITL of an open stream by a queueing model")) == (
        EvidenceKind.MEASURED, True,
    )  # fmt: skip
    # A prompt takes 40 ms (50 of TTFT less a step of 10), so no gap of 45 ms holds one. Steps last 10 ms: as
    # long as less than one request a second comes, less than one gap in a hundred does.
    assert 0.9 < rate(tight) < 1.0
    assert rate(loose) == 7.0


def test_an_estimate_answers_percentiles_of_gaps_and_keeps_them(tmp_path: Path) -> None:
    store, replica = a_store(tmp_path), a_replica()
    rates = [rate(ask(store, SIZE, slo=itl(ms, P99))[0]) for ms in (15, 30, 60, 1000)]
    assert rates == sorted(rates)
    assert rates[0] < rates[-1]
    curve = Curve.of(replica, [SIZE], store.calibration)
    for ms, found in zip((15, 30, 60), rates, strict=False):
        assert float(curve.stream(found).itl_s("p99")[0]) <= ms / 1e3


def test_a_users_file_may_state_any_percentile_of_any_latency(tmp_path: Path) -> None:
    from import_builders import a_csv, understood

    rows = [
        {
            "concurrency": c,
            "requests_per_s": r,
            "tpot_mean_ms": 10 * c,
            "itl_p99.9_ms": 30 * c,
            "itl_p95_ms": 20 * c,
        }
        for c, r in ((1, 0.9), (2, 1.2))
    ]
    profiles = understood(a_csv(*rows), given=Given()).profiles
    assert "itl_p95_ms" in profiles[0].rows[0]
    save(profiles, tmp_path / "own")
    from advisor.profiles.query import ProfileStore

    a_store(tmp_path)
    (profile,) = (p for p in ProfileStore.load(tmp_path, tmp_path / "own").profiles(a_replica().model))
    (size,) = profile.sizes
    assert size.latency_ms("itl", "p99.9").tolist() == [30.0, 60.0]
    assert size.latency_ms("itl", "p95").tolist() == [20.0, 40.0]
