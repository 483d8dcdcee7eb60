"""The planner's question: which evidence answers, and every reason for no figure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from throughput_builders import a_chip, a_point, a_replica, a_store, a_sweep, ask

from advisor.domain import EvidenceKind, NoThroughput, Slo, SloStatistic, Throughput
from advisor.errors import CorruptSnapshot, ProfileMissing, UnknownName
from advisor.profiles.query import ProfileStore

if TYPE_CHECKING:
    from pathlib import Path

MEASURED = a_sweep((1, 10, 1), (8, 20, 5), (16, 60, 7))
SIMULATED = [
    point
    for size in ((1000.0, 100.0), (2000.0, 100.0))
    for point in a_sweep((1, 10, 2), (64, 40, 8), (128, 90, 9), kind="simulated", source_id="sim",
                         input_tokens=size[0], output_tokens=size[1])
]  # fmt: skip


def figure(answer: Throughput | NoThroughput) -> Throughput:
    assert isinstance(answer, Throughput), answer
    return answer


def reason(answer: Throughput | NoThroughput) -> str:
    assert isinstance(answer, NoThroughput), answer
    return answer.reason


def kinds(answers: tuple[Throughput | NoThroughput, ...]) -> list[str]:
    return [figure(answer).kind.value for answer in answers]


def test_measured_beats_simulated_beats_estimated_size_by_size(tmp_path: Path) -> None:
    store = a_store(tmp_path, [*MEASURED, *SIMULATED])
    answers = ask(store, (1000, 100), (2000, 100), (4000, 100))
    assert kinds(answers) == ["measured", "simulated", "estimated"]
    # 5 at 20 ms, 7 at 60 ms: at 50 ms three quarters of the way; 8 at 40 and 9 at 90: a fifth of the way.
    assert [figure(a).requests_per_s for a in answers[:2]] == pytest.approx([6.5, 8.2])


def test_an_estimate_never_beats_the_simulated_rate_of_a_smaller_request(tmp_path: Path) -> None:
    slow = a_sweep((1, 10, 0.01), (2, 40, 0.02), kind="simulated")
    answer = figure(ask(a_store(tmp_path, slow), (4000, 200))[0])
    assert (answer.kind, answer.requests_per_s) == (EvidenceKind.ESTIMATED, 0.02)
    assert "held to the simulated rate of a smaller request" in answer.source


def test_weaker_evidence_than_accepted_is_refused_and_named(tmp_path: Path) -> None:
    store = a_store(tmp_path, SIMULATED)
    refused = ask(store, weakest=EvidenceKind.MEASURED)[0]
    assert (reason(refused), refused.detail) == (
        "evidence_too_weak", "only simulated figures reach it, measured asked",
    )  # fmt: skip
    beyond = ask(store, (9000, 100), weakest=EvidenceKind.SIMULATED)[0]
    assert (reason(beyond), beyond.detail) == (
        "evidence_too_weak", "only an estimate exists, simulated asked",
    )  # fmt: skip


def test_a_model_that_does_not_fit_says_so_with_the_arithmetic(tmp_path: Path) -> None:
    answer = ask(a_store(tmp_path), model="Llama-3.1-70B", chip="l4-24gb")[0]
    # 70.55e9 parameters x 2 bytes / 2^30 = 131.4 GiB
    assert reason(answer) == "does_not_fit"
    assert "weights 131.4 GiB" in answer.detail


@pytest.mark.parametrize(("degree", "works"), [(1, True), (3, False), (4, True), (64, False)])
def test_a_model_is_split_only_as_its_heads_allow(tmp_path: Path, degree: int, works: bool) -> None:
    answer = ask(a_store(tmp_path), tensor_parallel=degree)[0]  # 32 heads, 8 for keys and values
    assert isinstance(answer, Throughput) == works
    if not works:
        assert reason(answer) == "does_not_fit"
        assert f"cannot be split over {degree} accelerators" in answer.detail


def test_one_request_larger_than_the_cache_does_not_fit(tmp_path: Path) -> None:
    # 24 GB L4: about 18 GiB usable, 15 GiB weights: room for some 25,000 tokens of 128 KiB.
    assert reason(ask(a_store(tmp_path), (60_000, 100), chip="l4-24gb", slo=Slo())[0]) == "does_not_fit"


def test_bf16_on_a_chip_without_it_is_unsupported_and_fp16_is_not(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    assert reason(ask(store, chip="t4-16gb", precision="bf16")[0]) == "precision_unsupported"
    assert reason(ask(store, chip="a100-sxm-80gb", precision="fp8")[0]) == "precision_unsupported"
    assert kinds(ask(store, chip="v100-sxm-32gb", precision="fp16")) == ["estimated"]


@pytest.mark.parametrize("points", [SIMULATED, []])
def test_an_slo_no_load_meets_is_unreachable_with_the_best_there_is(
    tmp_path: Path, points: list[dict[str, Any]]
) -> None:
    answer = ask(a_store(tmp_path, points), slo=Slo(tpot_ms=2))[0]
    assert reason(answer) == "slo_unreachable"
    assert "at concurrency 1 for 1000 in, 100 out" in answer.detail
    assert "mean TPOT ≤ 2 ms" in answer.detail
    if points:
        assert answer.detail.startswith("TPOT 10.0 ms")


def test_simulation_that_says_unreachable_is_not_overruled_by_a_kinder_estimate(tmp_path: Path) -> None:
    slow = a_sweep((1, 99, 1), (2, 199, 2), kind="simulated")
    assert reason(ask(a_store(tmp_path, slow), (9000, 900))[0]) == "slo_unreachable"


def test_a_run_that_started_above_one_request_proves_nothing_unreachable(tmp_path: Path) -> None:
    busy = a_sweep((8, 60, 5), (16, 80, 7))
    assert kinds(ask(a_store(tmp_path, busy))) == ["estimated"]


def test_chips_outside_the_calibration_have_no_data_and_unknown_chips_no_specification(
    tmp_path: Path,
) -> None:
    store = a_store(tmp_path)
    assert reason(ask(store, chip="inferentia2-32gb")[0]) == "no_throughput_data"
    blind = replace(a_chip(), memory_bandwidth_gb_per_s=None)
    answers = store.throughputs(replace(a_replica(), accelerator=blind), [(100, 100)], Slo(tpot_ms=50))
    assert reason(answers[0]) == "no_specification"


def test_a_percentile_is_answered_by_rows_that_state_it_and_else_planned_at_the_mean(tmp_path: Path) -> None:
    stated = [point | {"tpot_p99_ms": point["tpot_mean_ms"] * 2} for point in MEASURED]
    store = a_store(tmp_path, [*stated, *SIMULATED])
    p99 = Slo(tpot_ms=40, statistic=SloStatistic("p99"))
    found, beyond = ask(store, (1000, 100), (2000, 100), slo=p99)
    assert (figure(found).kind, figure(found).requests_per_s) == (EvidenceKind.MEASURED, 5.0)
    assert figure(found).source.endswith("2026-01-01)")  # nothing was taken at its mean
    at_mean = "p99 TPOT planned at the mean"
    assert at_mean in figure(beyond).source
    (mean,) = ask(store, (2000, 100), slo=Slo(tpot_ms=40))
    assert figure(beyond).requests_per_s == figure(mean).requests_per_s
    p90 = Slo(tpot_ms=40, statistic=SloStatistic("p90"))
    assert "p90 TPOT planned at the mean" in figure(ask(store, slo=p90)[0]).source


def test_a_ttft_limit_is_that_of_an_open_stream_and_says_so(tmp_path: Path) -> None:
    store = a_store(tmp_path, SIMULATED)
    near, beyond = ask(store, (1000, 100), (9000, 100), slo=Slo(tpot_ms=50, ttft_ms=600))
    # In the closed loop every load takes 50 ms to the first token; an open stream waits on top of that.
    assert figure(near).requests_per_s < 8.2
    assert figure(near).source.endswith("; TTFT of an open stream by a queueing model")
    assert figure(beyond).kind is EvidenceKind.ESTIMATED
    assert figure(beyond).source.endswith("; TTFT of an open stream by a queueing model")
    assert figure(ask(store, slo=Slo(tpot_ms=50))[0]).source == "sim (vLLM 1.0, 2026-01-01)"


def test_another_engines_measurements_count_only_for_any_engine(tmp_path: Path) -> None:
    store = a_store(tmp_path, MEASURED)
    assert kinds(ask(store, engine="SGLang")) == ["estimated"]
    assert kinds(ask(store, engine="VLLM")) == ["measured"]
    assert kinds(ask(store, engine="any")) == ["measured"]


def test_fp16_and_bf16_stand_for_each_other_and_fp8_for_neither(tmp_path: Path) -> None:
    store = a_store(tmp_path, MEASURED)
    assert kinds(ask(store, precision="fp16")) == ["measured"]
    assert kinds(ask(store, precision="fp8")) == ["estimated"]


def test_a_model_of_the_same_shape_answers_and_is_named(tmp_path: Path) -> None:
    store = a_store(tmp_path, MEASURED)
    assert "run with Llama-3.1-8B, same shape" in figure(ask(store, model="Llama-3-8B")[0]).source
    assert "same shape" not in figure(ask(store)[0]).source
    assert kinds(ask(store, model="Mistral-7B")) == ["estimated"]


def test_figures_of_another_degree_do_not_count(tmp_path: Path) -> None:
    assert kinds(ask(a_store(tmp_path, MEASURED), tensor_parallel=2)) == ["estimated"]


def test_the_newest_run_answers_first(tmp_path: Path) -> None:
    old = a_sweep((1, 10, 0.5), (8, 20, 0.6), date="2024-01-01")
    assert figure(ask(a_store(tmp_path, [*old, *MEASURED]))[0]).requests_per_s == pytest.approx(6.5)


def test_rows_set_aside_never_answer(tmp_path: Path) -> None:
    aside = [point | {"not_evidence_because": "one closed batch, not continuous load"} for point in MEASURED]
    assert kinds(ask(a_store(tmp_path, aside))) == ["estimated"]


def test_a_size_measured_at_one_load_is_not_a_sweep(tmp_path: Path) -> None:
    assert kinds(ask(a_store(tmp_path, [a_point(concurrency=64, requests_per_s=50)]))) == ["estimated"]


def test_a_run_that_seems_faster_under_more_load_is_not_believed(tmp_path: Path) -> None:
    odd = a_sweep((1, 10, 1), (8, 70, 5), (512, 12, 40))
    # 8 requests in flight took 70 ms, so 512 cannot take 12: between 1 at 10 ms and 5 at 70 ms.
    answer = figure(ask(a_store(tmp_path, odd), slo=Slo(tpot_ms=12))[0])
    assert answer.requests_per_s == pytest.approx(1 + 4 * 2 / 60)


def test_a_lower_bound_says_that_no_higher_load_was_profiled(tmp_path: Path) -> None:
    store = a_store(tmp_path, MEASURED)
    assert figure(ask(store, slo=Slo(tpot_ms=500))[0]).limited_by == "load"
    assert figure(ask(store, slo=Slo(tpot_ms=50))[0]).limited_by == "tpot"


def test_estimates_carry_an_id_that_names_all_they_depend_on(tmp_path: Path) -> None:
    answer = figure(ask(a_store(tmp_path), chip="a10g-24gb", slo=Slo(tpot_ms=120))[0])
    head, _, tail = answer.profile_id.partition(":llama-3.1-8b:")
    assert head.startswith("estimated:roofline")
    assert tail == "bf16:vllm:a10g-24gb:tp1"
    assert answer.error_pct is not None


def test_a_precision_nobody_knows_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="precision 'fp7'"):
        ask(a_store(tmp_path), precision="fp7")


def test_missing_and_broken_files_are_errors_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ProfileMissing, match=r"measured\.parquet"):
        ProfileStore.load(tmp_path)
    store = a_store(tmp_path)
    (tmp_path / "profiles" / "simulated.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(CorruptSnapshot, match="throughput profiles"):
        ask(store)


def test_the_digest_changes_with_any_file(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    before = store.profiles_sha256
    (tmp_path / "profiles" / "errors.toml").write_text("[measured]\nmedian_abs_pct = 5\n")
    assert ProfileStore.load(tmp_path).profiles_sha256 != before
