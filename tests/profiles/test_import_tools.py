"""SGLang, InferenceX, trtllm-bench and sweeps of vLLM: what the file says of the run is believed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from import_builders import EVERYTHING, RECORDED, loads, one, recorded, understood

from advisor.errors import InputFileError, UsageError
from advisor.profiles.importers.registry import read_text
from advisor.profiles.importing import Given

pytestmark = pytest.mark.fast

H100 = Given(accelerator="h100-sxm-80gb")
CLOSED = "sglang_bench/closed.jsonl"
POINTS = "inferencex/aggregate.json"
REPORT = "trtllm_bench/report.json"


def lines(name: str) -> list[dict[str, Any]]:
    text = (RECORDED / name).read_text(encoding="utf-8")
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in text.splitlines()]
    content = json.loads(text)
    return content if isinstance(content, list) else [content]


def changed(name: str, **changes: Any) -> str:
    return json.dumps([line | changes for line in lines(name)])


def served(**changes: Any) -> str:
    """SGLang's lines with another word of the server."""
    return json.dumps([line | {"server_info": line["server_info"] | changes} for line in lines(CLOSED)])


def test_sglang_states_what_ran_and_its_end_to_end_times() -> None:
    profile = one(recorded(CLOSED), given=H100)
    assert profile.profile_id.endswith(":llama-3.1-70b:fp8:sglang-0.5.5:h100-sxm-80gb:tp4")
    light, heavy = profile.rows
    assert (light["concurrency"], light["kv_precision"], light["not_evidence_because"]) == (4, "fp8", None)
    assert light["e2e_mean_ms"] == pytest.approx(60 + 100 * 12)
    assert heavy["e2e_p90_ms"] == pytest.approx(1.05 * (100 + 100 * 15))
    assert heavy["itl_p95_ms"] == pytest.approx(1.1 * 15)


@pytest.mark.parametrize(
    ("option", "shown"),
    [
        (Given(model="Llama-3.1-8B"), "meta-llama/Llama-3.1-70B-Instruct.*Llama-3.1-8B was given"),
        (Given(tensor_parallel=1), "4 is not allowed; 1 was given"),
        (Given(precision="bf16"), "'fp8' is not allowed; bf16 was given"),
        (Given(engine="vLLM"), "'SGLang' is not allowed; vLLM was given"),
    ],
)
def test_an_option_that_contradicts_the_servers_word_is_refused_and_both_are_shown(
    option: Given, shown: str
) -> None:
    with pytest.raises(InputFileError, match=shown):
        understood(recorded(CLOSED), given=replace(option, accelerator="h100-sxm-80gb"))


def test_an_option_in_another_spelling_is_no_contradiction() -> None:
    for said in ("sglang", "SGLANG"):
        assert one(recorded(CLOSED), given=replace(H100, engine=said)).rows[0]["engine"] == "SGLang"
    assert one(recorded(REPORT), given=Given(engine="trtllm")).rows[0]["engine"] == "TensorRT-LLM"


def test_sglangs_unquantized_checkpoint_is_of_a_precision_nobody_states() -> None:
    with pytest.raises(UsageError, match=r"closed.jsonl \(sglang.bench_serving\).*give --precision$"):
        understood(read_text("closed.jsonl", served(quantization=None)), given=H100)


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ({"dp_size": 2}, "data- or expert-parallel"),
        ({"ep_size": 4}, "data- or expert-parallel"),
        ({"disaggregation_mode": "decode"}, "prefill and decode are apart"),
    ],
)
def test_what_is_no_single_replica_answers_no_slo(word: dict[str, Any], why: str) -> None:
    for row in one(read_text("x.jsonl", served(**word)), given=H100).rows:
        assert why in row["not_evidence_because"]


def test_speculative_decoding_answers_slos_once_its_draft_tokens_are_known() -> None:
    drafting = {"speculative_algorithm": "EAGLE", "speculative_num_steps": None}
    silent = one(read_text("x.jsonl", served(**drafting)), given=H100)
    assert "--draft-tokens" in silent.rows[0]["not_evidence_because"]
    assert "speculative-eagle" in silent.rows[0]["flags"]
    for found in (
        one(read_text("x.jsonl", served(**drafting)), given=replace(H100, draft_tokens=3)),
        one(read_text("x.jsonl", served(**drafting | {"speculative_num_steps": 3})), given=H100),
    ):
        assert found.rows[0]["not_evidence_because"] is None
        assert "speculative-3-draft-tokens" in found.rows[0]["flags"]


def test_arrivals_of_a_trace_are_no_steady_load() -> None:
    profile = one(
        read_text("x.jsonl", changed(CLOSED, request_rate="trace", max_concurrency=None)), given=H100
    )
    assert {row["not_evidence_because"] for row in profile.rows} == {
        "its arrivals are those of a trace, no steady load"
    }


def test_inferencex_states_everything_in_seconds_and_tokens_per_gpu() -> None:
    profile = one(recorded(POINTS))
    assert profile.profile_id.endswith(":llama-3.1-70b:fp8:sglang-0.5.5:h100-sxm-80gb:tp4")
    light, heavy = profile.rows
    assert (light["input_tokens"], light["output_tokens"], light["concurrency"]) == (1024, 512, 16)
    assert [row["tpot_mean_ms"] for row in (light, heavy)] == [20, 30]
    assert light["requests_per_s"] == pytest.approx(16 / (0.3 + 511 * 0.02))  # Little: all 16 always busy
    assert heavy["e2e_mean_ms"] == pytest.approx(1e3 * (0.6 + 511 * 0.03))
    assert {row["not_evidence_because"] for row in profile.rows} == {None}


@pytest.mark.parametrize(
    ("point", "why"),
    [
        ({"disagg": True}, "prefill and decode are apart"),
        ({"is_multinode": "true"}, "several nodes"),
        ({"dp_attention": "true"}, "data- or expert-parallel"),
        ({"ep": 4}, "data- or expert-parallel"),
        ({"spec_decoding": "mtp"}, "--draft-tokens"),
    ],
)
def test_inferencex_points_that_are_no_plain_replica_answer_no_slo(point: dict[str, Any], why: str) -> None:
    for row in one(read_text("x.json", changed(POINTS, **point))).rows:
        assert why in row["not_evidence_because"]


def test_a_drafting_points_pace_is_not_held_against_the_weights() -> None:
    """A pass over 35 GB a GPU takes 5.3 ms; three drafts may make it 2."""
    paced = {
        "spec_decoding": "mtp", "conc": 1, "output_tput_per_gpu": 512 / 1.072 / 4,
        "mean_ttft": 0.05, "median_ttft": 0.05, "p99_ttft": 0.06,
        "mean_tpot": 0.002, "median_tpot": 0.002, "p99_tpot": 0.0021,
        "mean_e2el": 1.072, "median_e2el": 1.072, "p99_e2el": 1.1,
    }  # fmt: skip
    fast = [lines(POINTS)[0] | paced]
    assert not understood(read_text("x.json", json.dumps(fast))).refusals
    plain = [line | {"spec_decoding": "none"} for line in fast]
    assert understood(read_text("x.json", json.dumps(plain))).refusals


def test_trtllm_bench_states_model_chip_precision_and_version() -> None:
    profile = one(recorded(REPORT))
    assert profile.profile_id.endswith(":llama-3.1-8b:fp8:tensorrt-llm-1.0.0:h100-sxm-80gb:tp1")
    (row,) = profile.rows
    assert (row["input_tokens"], row["output_tokens"], row["concurrency"]) == (600, 150, 24)
    assert row["requests_per_s"] == pytest.approx(24 / 1.868)  # 80 + 149 × 12 ms
    assert (row["ttft_mean_ms"], row["tpot_mean_ms"], row["kv_precision"]) == (80, 12, "fp8")
    assert row["tpot_p95_ms"] == pytest.approx(14.4)


def test_trtllm_bench_unquantized_is_of_its_data_type_and_an_unknown_recipe_is_asked_for() -> None:
    (report,) = lines(REPORT)
    plain = report | {"engine": report["engine"] | {"quantization": None, "kv_cache_dtype": None}}
    assert one(read_text("r.json", json.dumps(plain))).rows[0]["precision"] == "bf16"
    mixed = report | {"engine": report["engine"] | {"quantization": "MIXED_PRECISION"}}
    with pytest.raises(UsageError, match=r"give --precision$"):
        understood(read_text("r.json", json.dumps(mixed)))


def test_trtllm_bench_without_streaming_is_kept_and_answers_no_slo() -> None:
    (report,) = lines(REPORT)
    del report["streaming_metrics"]
    found = understood(read_text("r.json", json.dumps(report)))
    assert found.profiles[0].rows[0]["not_evidence_because"] == "no rate or no time per output token"
    assert any("--streaming" in note for note in found.notes)


def test_what_a_sweep_of_vllm_varied_is_believed() -> None:
    (result,) = lines("vllm_bench/concurrency-4.json")
    for name in ("tensor_parallel_size", "tensor-parallel-size"):
        swept = json.dumps([result | {name: 2, "kv_cache_dtype": "fp8", "run_number": 0}])
        given = replace(EVERYTHING, tensor_parallel=None)
        assert one(read_text("summary.json", swept), given=given).rows[0]["tensor_parallel"] == 2
        with pytest.raises(InputFileError, match="2 is not allowed; 1 was given"):
            understood(read_text("summary.json", swept), given=EVERYTHING)


def test_every_percentile_of_a_vllm_result_is_kept() -> None:
    (result,) = lines("vllm_bench/concurrency-4.json")
    text = json.dumps(result | {"p95_ttft_ms": 31.0, "p99.9_ttft_ms": 99.0, "std_ttft_ms": 1.0})
    (load,) = read_text("x.json", text).rows
    assert (load.ms("ttft", "p95"), load.ms("ttft", "p99.9")) == (31, 99)
    assert not any("std" in name for name in load.latencies_ms)


def test_a_vllm_result_with_times_of_no_unit_is_refused() -> None:
    (result,) = lines("vllm_bench/concurrency-4.json")
    bare = {name.removesuffix("_ms"): value for name, value in result.items()}
    with pytest.raises(InputFileError, match=r"no unit.*_ms is"):
        read_text("x.json", json.dumps(bare))


def test_what_several_files_leave_open_is_asked_for_at_once() -> None:
    silent = loads("vllm_bench/concurrency-1.json")[0]
    assert silent.engine is None
    with pytest.raises(
        UsageError,
        match=r"and 2 more do not say what was run: give --tp, --precision, --engine,"
        r" --concurrency \(or --request-rate\)$",
    ):
        understood(
            recorded("vllm_bench/concurrency-1.json"),
            recorded("guidellm/concurrent.json"),
            recorded("aiperf/concurrency-1.csv"),
            given=Given(model="Llama-3.1-8B", accelerator="h100-sxm-80gb"),
        )


def test_a_rate_of_arrivals_may_be_given_where_the_file_does_not_say_its_load() -> None:
    (row,) = one(recorded("aiperf/concurrency-1.csv"), given=replace(EVERYTHING, request_rate=5)).rows
    assert (row["load_mode"], row["request_rate_offered"], row["concurrency"]) == ("rate", 5, None)


def test_an_unknown_file_is_told_the_nearest_formats_and_the_marks_it_lacks() -> None:
    (result,) = lines("vllm_bench/concurrency-4.json")
    del result["total_input_tokens"]
    with pytest.raises(
        InputFileError, match=r"nearest vllm bench serve \(JSON\), without total_input_tokens"
    ):
        read_text("x.json", json.dumps(result))
