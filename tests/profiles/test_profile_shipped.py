"""The shipped evidence: agreement with the simulator's own maxima, cautions kept, speed."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from throughput_builders import SHIPPED, a_chip, a_model, a_replica, ask, facts

from advisor.domain import EvidenceKind, NoThroughput, Slo, Throughput
from advisor.profiles import memory
from advisor.profiles.query import ProfileStore
from catalogs.build.profiles import ACCELERATOR_IDS

MAXIMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "profiles" / "simulator-maxima.json").read_text()
)
SIZES = [(float(i), float(o)) for i in MAXIMA["input_tokens"] for o in MAXIMA["output_tokens"]]
SLOS = sorted({(p["slo"]["tpot_ms"], p["slo"]["ttft_ms"] or 0) for p in MAXIMA["profiles"]})


@pytest.fixture(scope="module")
def shipped() -> ProfileStore:
    return ProfileStore.load()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> ProfileStore:
    """The shipped simulations without measurements to overrule them."""
    return shipped_where("kind = 'simulated'", tmp_path_factory.mktemp("simulated"))


@pytest.fixture(scope="module")
def points_only(tmp_path_factory: pytest.TempPathFactory) -> ProfileStore:
    """The same without the simulator's own maxima: rates from load points alone."""
    which = "kind = 'simulated' AND load_mode <> 'slo-maximum'"
    return shipped_where(which, tmp_path_factory.mktemp("points"))


def shipped_where(condition: str, root: Path) -> ProfileStore:
    shutil.copytree(SHIPPED, root / "profiles")
    with duckdb.connect() as connection:
        for name in ("measured", "simulated"):
            rows = f"FROM '{SHIPPED}/{name}.parquet' WHERE {condition}"
            connection.execute(f"COPY ({rows}) TO '{root}/profiles/{name}.parquet' (FORMAT parquet)")
    return ProfileStore.load(root)


def rates(store: ProfileStore, profile: dict[str, Any], slo: Slo) -> np.ndarray[Any, Any]:
    """Simulated rates at the grid's own sizes; 0 where unreachable, NaN where not simulated."""
    answers = ask(
        store, *SIZES, slo=slo, model=profile["model"], precision=profile["precision"],
        chip=ACCELERATOR_IDS[profile["gpu"]], tensor_parallel=profile["tensor_parallel"],
        weakest=EvidenceKind.SIMULATED,
    )  # fmt: skip
    return np.array([_value(answer) for answer in answers])


def _value(answer: Throughput | NoThroughput) -> float:
    if isinstance(answer, NoThroughput):
        return 0.0 if answer.reason == "slo_unreachable" else float("nan")
    return answer.requests_per_s if answer.kind is EvidenceKind.SIMULATED else float("nan")


def profiles_at(tpot_ms: float, ttft_ms: float) -> list[dict[str, Any]]:
    wanted = {"tpot_ms": tpot_ms, "ttft_ms": ttft_ms or None}
    return [profile for profile in MAXIMA["profiles"] if profile["slo"] == wanted]


@pytest.mark.parametrize(("tpot_ms", "ttft_ms"), SLOS)
def test_at_the_simulators_slos_every_simulated_size_has_its_maximum(
    simulated: ProfileStore, tpot_ms: float, ttft_ms: float
) -> None:
    shares: list[float] = []
    for profile in profiles_at(tpot_ms, ttft_ms):
        expected = np.array(profile["max_requests_per_s"])
        lowered = np.minimum.accumulate(np.minimum.accumulate(expected, axis=0), axis=1).ravel()
        found = rates(simulated, profile, Slo(tpot_ms, ttft_ms or None))
        reached = lowered > 0
        assert not (found[~reached] > 0).any()
        if ttft_ms:  # the simulator's TTFT is a closed loop's; an open stream waits longer
            shares += (found[reached] / lowered[reached]).tolist()
            continue
        assert found[reached] == pytest.approx(lowered[reached])
        # The repair of larger requests that seem faster is rare and never large.
        assert (lowered[reached] >= 0.69 * expected.ravel()[reached]).all()
    if shares:
        answered = np.array(shares)[~np.isnan(shares)]
        assert len(answered) >= 0.97 * len(shares)
        assert answered.max() <= 1 + 1e-9
        assert np.median(answered) >= 0.8


@pytest.mark.parametrize("tpot_ms", [40, 80, 120])
def test_from_load_points_alone_the_rate_agrees_with_the_simulators_maximum(
    points_only: ProfileStore, tpot_ms: float
) -> None:
    deviations = []
    for profile in profiles_at(tpot_ms, 0):
        expected = np.array(profile["max_requests_per_s"])
        lowered = np.minimum.accumulate(np.minimum.accumulate(expected, axis=0), axis=1).ravel()
        found = rates(points_only, profile, Slo(tpot_ms))
        both = (found > 0) & (lowered > 0)
        assert both.sum() == (lowered > 0).sum()
        deviations += (np.abs(found[both] / lowered[both] - 1)).tolist()
    assert np.median(deviations) <= 0.02
    assert np.quantile(deviations, 0.95) <= 0.25


@pytest.mark.parametrize(("looser", "tighter"), [(None, 120), (120, 80), (80, 40), (40, 20)])
def test_a_tighter_limit_never_raises_a_simulated_rate(
    simulated: ProfileStore, looser: float | None, tighter: float
) -> None:
    for profile in profiles_at(40, 0):
        more, less = rates(simulated, profile, Slo(looser)), rates(simulated, profile, Slo(tighter))
        both = ~np.isnan(more) & ~np.isnan(less)
        assert both.any()
        assert (less[both] <= more[both] * (1 + 1e-9)).all()


def test_every_simulated_replica_fits_by_the_arithmetic() -> None:
    with duckdb.connect() as connection:
        replicas = connection.execute(
            "SELECT DISTINCT model, precision, accelerator, tensor_parallel FROM read_parquet(?)",
            [f"{SHIPPED}/simulated.parquet"],
        ).fetchall()
    assert len(replicas) == 66
    tight = [r for r in replicas if not memory.account(a_model(r[0]), r[1], a_chip(r[2]), r[3]).fits]
    assert tight == []


def test_no_row_that_may_answer_is_a_batch_a_submission_or_less_than_a_whole_replica() -> None:
    with duckdb.connect() as connection:
        usable = f"FROM read_parquet('{SHIPPED}/*easured.parquet') WHERE not_evidence_because IS NULL"
        modes = connection.execute(f"SELECT DISTINCT load_mode {usable} ORDER BY 1").fetchall()
        partial = connection.execute(
            f"SELECT count(*) {usable} AND (accelerators <> tensor_parallel OR pipeline_parallel <> 1)"
        ).fetchone()
        doubtful = connection.execute(
            f"SELECT count(*) {usable} AND regexp_matches(flags, 'suspect|outlier|static|attn-dp|ep=')"
        ).fetchone()
    assert modes == [("concurrency",), ("rate",)]
    assert partial == doubtful == (0,)


def test_rates_are_of_the_whole_row_never_per_accelerator(shipped: ProfileStore) -> None:
    # TensorRT-LLM v0.14's table, Llama-3.1-70B on 4 H100: 16 req/s offered, 32 ms, 2,245 output tokens/s.
    rows = shipped.points(
        "measured:trtllm-online-v0.14@2024-11:llama-3.1-70b:bf16:tensorrt-llm-0.14.0:h100-sxm-80gb:tp4"
    )
    row = next(r for r in rows if r["request_rate_offered"] == 16 and r["input_tokens"] == 202)
    assert row["requests_per_s"] == pytest.approx(row["output_tokens_per_s"] / 214, rel=1e-3)
    assert row["accelerators"] == 4
    answer = ask(
        shipped,
        (202, 214),
        slo=Slo(tpot_ms=32),
        model="Llama-3.1-70B",
        engine="TensorRT-LLM",
        tensor_parallel=4,
    )[0]
    assert isinstance(answer, Throughput)
    assert answer.requests_per_s == row["requests_per_s"]


def test_a_chip_with_static_batches_alone_is_estimated_or_refused(shipped: ProfileStore) -> None:
    answers = [ask(shipped, model="Llama-2-7B", chip=chip, engine="any", precision="fp16")[0]
               for chip in ("a100-sxm-40gb", "mi300x-192gb", "gaudi2-96gb")]  # fmt: skip
    found = [a.kind.value if isinstance(a, Throughput) else a.reason for a in answers]
    assert found[0] == "estimated"
    assert set(found[1:]) <= {"estimated", "no_throughput_data"}


def test_every_figure_carries_an_error_and_an_id_that_resolves(shipped: ProfileStore) -> None:
    for chip in ("h100-sxm-80gb", "l40s-48gb", "a100-sxm-80gb"):
        answer = ask(shipped, (500, 250), chip=chip, slo=Slo(tpot_ms=80))[0]
        assert isinstance(answer, Throughput)
        assert answer.kind is EvidenceKind.SIMULATED
        assert answer.error_pct is not None
        assert len(shipped.points(answer.profile_id)) > 60


def test_every_accelerator_of_a_usable_row_is_one_the_catalog_knows(shipped: ProfileStore) -> None:
    used = {summary["accelerator"] for summary in shipped.summaries() if summary["slo_points"]}
    assert used <= set(facts().accelerators)


def test_a_whole_matrix_is_answered_in_a_fraction_of_a_second() -> None:
    store = ProfileStore.load()
    chips = list(facts().accelerators.values())
    started = time.process_time()
    answers = [
        store.throughputs(
            replace(a_replica(tensor_parallel=degree), accelerator=chip), SIZES, Slo(tpot_ms=80)
        )
        for chip in chips
        for degree in (1, 2, 4, 8)
    ]
    assert sum(len(some) for some in answers) == len(chips) * 4 * 60
    assert time.process_time() - started < 3.0  # 0.15 s on an idle 2-core machine; bound for a busy one
