"""What each tool wrote, read back: real output of the real tools against a server whose pace is known."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import replace

import pytest
from import_builders import EVERYTHING, RECORDED, loads, one, recorded, understood
from pacing_server import Pace

from advisor.domain import EvidenceKind
from advisor.errors import InputFileError, UsageError
from advisor.profiles.importers.registry import read_text
from advisor.profiles.importing import Given

pytestmark = pytest.mark.fast

PACE = Pace()
"""The recordings were made against the pacing server's default pace: 10 ms a token, 20 ms a prompt, alone."""

ALONE = {
    "guidellm": "guidellm/concurrent.json",
    "vllm": "vllm_bench/concurrency-1.json",
    "aiperf": "aiperf/concurrency-1.json",
}


@pytest.mark.parametrize("name", ALONE.values(), ids=ALONE)
def test_a_closed_loop_of_one_is_read_at_the_pace_of_the_server(name: str) -> None:
    load = loads(name)[0]
    assert (load.load_mode, load.concurrency) == ("concurrency", 1)
    assert load.output_tokens == 20
    assert load.ms("tpot", "p50") == pytest.approx(PACE.tpot_ms(1), rel=0.03)
    assert load.ms("ttft", "p50") == pytest.approx(
        PACE.ttft_ms(1), rel=0.30
    )  # each client's own start is in it
    assert load.requests_per_s == pytest.approx(PACE.requests_per_s(1, 20), rel=0.05)
    assert load.ms("e2e", "p50") == pytest.approx(20 + 19 * 10, rel=0.05)


@pytest.mark.parametrize("name", ["guidellm/concurrent.json", "vllm_bench/concurrency-4.json",
                                  "aiperf/concurrency-4.json"])  # fmt: skip
def test_a_closed_loop_of_four_is_read_at_the_pace_of_the_server(name: str) -> None:
    load = loads(name)[-1]
    assert load.concurrency == 4
    assert load.ms("tpot", "p50") == pytest.approx(PACE.tpot_ms(4), rel=0.03)
    assert load.completed == 24
    assert load.failed in (0, None)


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("guidellm/constant.json", [2, 8]),
        ("vllm_bench/appended.json", [4, 8]),
        ("aibrix/benchmark.jsonl", [1, 4]),
    ],
)
def test_open_arrivals_are_kept_apart_from_closed_loops(name: str, rates: list[float]) -> None:
    found = loads(name)
    assert [load.request_rate_offered for load in found] == rates
    assert {load.load_mode for load in found} == {"rate"}
    assert {load.concurrency for load in found} == {None}
    for load in found:
        assert load.requests_per_s == pytest.approx(load.request_rate_offered, rel=0.25)


def test_guidellm_0_2_is_read_and_its_burst_rate_answers_no_slo() -> None:
    slow, fast = loads("guidellm/v0.2.1-constant.json")
    assert (slow.request_rate_offered, fast.request_rate_offered) == (2, 8)
    assert slow.ms("tpot", "p50") == pytest.approx(PACE.tpot_ms(1), rel=0.03)
    assert slow.model == "tiny-llama"
    rows = one(recorded("guidellm/v0.2.1-constant.json"), given=EVERYTHING).rows
    assert [row["not_evidence_because"] is None for row in rows] == [True, False]
    assert "10.47 requests/s were served, 8 were offered" in rows[1]["not_evidence_because"]


def test_inference_perf_states_a_rate_per_stage_in_seconds() -> None:
    stages = loads(*(f"inference_perf/stage_{i}_lifecycle_metrics.json" for i in (0, 1)))
    assert [stage.request_rate_offered for stage in stages] == [2, 8]
    assert stages[0].ms("tpot", "p50") == pytest.approx(PACE.tpot_ms(1), rel=0.05)


def test_inference_perfs_concurrent_stage_is_a_closed_loop_though_it_states_a_rate_too() -> None:
    (stage,) = loads("inference_perf/concurrent_stage_1_lifecycle_metrics.json")
    assert (stage.load_mode, stage.concurrency, stage.request_rate_offered) == ("concurrency", 4, None)
    assert stage.ms("tpot", "p50") == pytest.approx(PACE.tpot_ms(4), rel=0.05)
    assert stage.ms("ttft", "p50") == pytest.approx(PACE.ttft_ms(4), rel=0.05)
    assert stage.output_tokens_per_s == pytest.approx(20 * stage.requests_per_s, rel=0.001)


def test_a_run_without_streaming_is_told_to_stream() -> None:
    export = json.loads((RECORDED / "aiperf/concurrency-1.json").read_text(encoding="utf-8"))
    for metric in ("time_to_first_token", "inter_token_latency"):
        del export[metric]
    with pytest.raises(InputFileError, match="streaming run are needed"):
        read_text("a.json", json.dumps(export))


def test_aiperfs_output_rate_is_its_requests_times_their_length() -> None:
    for name in ("aiperf/concurrency-1.json", "aiperf/concurrency-1.csv"):
        (load,) = loads(name)
        assert load.output_tokens_per_s == pytest.approx(load.requests_per_s * load.output_tokens, rel=0.005)


def test_inference_perfs_summary_mixes_loads_and_is_refused() -> None:
    with pytest.raises(InputFileError, match="the summary mixes loads"):
        recorded("inference_perf/summary_lifecycle_metrics.json")


def test_guidellms_own_time_per_output_token_is_not_taken_for_tpot() -> None:
    report = json.loads((RECORDED / "guidellm/concurrent.json").read_text(encoding="utf-8"))
    metrics = report["benchmarks"][0]["metrics"]
    load = loads("guidellm/concurrent.json")[0]
    assert metrics["time_per_output_token_ms"]["successful"]["mean"] > 1.04 * load.ms("tpot", "mean")
    assert load.ms("tpot", "mean") == metrics["inter_token_latency_ms"]["successful"]["mean"]


def test_aiperfs_csv_says_what_its_json_says_but_not_the_load() -> None:
    table, document = loads("aiperf/concurrency-1.csv")[0], loads("aiperf/concurrency-1.json")[0]
    assert (table.load_mode, document.load_mode) == (None, "concurrency")
    assert table.ms("tpot", "mean") == pytest.approx(document.ms("tpot", "mean"), abs=0.006)  # two decimals
    assert table.requests_per_s == pytest.approx(document.requests_per_s, abs=0.006)
    with pytest.raises(UsageError, match="give --concurrency"):
        understood(recorded("aiperf/concurrency-1.csv"), given=EVERYTHING)
    kept = one(recorded("aiperf/concurrency-1.csv"), given=replace(EVERYTHING, concurrency=1))
    assert kept.rows[0]["concurrency"] == 1


def test_genai_perf_is_read_like_aiperf() -> None:
    (load,) = loads("genai_perf/profile_export.json")
    assert (load.concurrency, load.requests_per_s, load.ms("tpot", "p99")) == (4, 3.9, 11.0)
    assert load.model == "meta-llama/Llama-3.1-8B-Instruct"


def test_a_time_without_a_known_unit_is_refused() -> None:
    text = (RECORDED / "genai_perf/profile_export.json").read_text(encoding="utf-8")
    for unit in ('"unit": "fortnights"', '"unit": ""'):
        with pytest.raises(InputFileError, match="a unit is needed"):
            read_text("a.json", text.replace('"unit": "ms"', unit))


def test_aibrixs_profile_holds_the_rate_its_own_benchmark_lines_say() -> None:
    """gen_profile.py --tpot 0.05 on the recorded lines, whose largest passing rate it picked."""
    (cell,) = loads("aibrix/profile.json")
    lines = loads("aibrix/benchmark.jsonl")
    assert (cell.input_tokens, cell.output_tokens, cell.slo_tpot_ms) == (100, 20, 50)
    assert cell.requests_per_s in [line.requests_per_s for line in lines]


def test_aibrix_times_are_seconds() -> None:
    line = json.loads((RECORDED / "aibrix/benchmark.jsonl").read_text(encoding="utf-8").splitlines()[4])
    assert line["metric"] == "TPOT"
    assert loads("aibrix/benchmark.jsonl")[0].ms("tpot") == pytest.approx(1000 * line["mean"])


def test_aiconfigurator_is_simulated_and_states_the_replica() -> None:
    first = loads("aiconfigurator/best_config_topn.csv")[0]
    assert (first.requests_per_s, first.ms("tpot", "mean"), first.ms("ttft", "mean")) == (
        26.228,
        38.128,
        131.35,
    )
    assert (first.model, first.accelerator) == ("Qwen/Qwen3-8B", "h100-sxm-80gb")
    assert (first.tensor_parallel, first.precision, first.engine_version) == (1, "bf16", "0.24.0")
    assert first.evidence is EvidenceKind.SIMULATED
    profiles = understood(recorded("aiconfigurator/pareto.csv")).profiles
    assert [p.rows[0]["tensor_parallel"] for p in profiles] == [1, 2]
    assert {row["not_evidence_because"] for p in profiles for row in p.rows} == {None}


def test_melanges_printed_benchmark_is_in_seconds() -> None:
    first, second = loads("melange/printed.txt")
    assert (first.input_tokens, first.output_tokens, first.request_rate_offered) == (1000, 100, 1)
    assert (first.requests_per_s, first.ms("ttft", "mean"), first.ms("tpot", "p99")) == (0.98, 280, 70)
    assert (second.request_rate_offered, second.ms("tpot", "mean")) == (2, 52.5)


def test_a_melange_config_needs_the_sizes_and_the_limit_it_does_not_state() -> None:
    text = json.dumps({"gpu_info": {"A10G": {"cost": 1, "tputs": [[2, 1], [1, 0]]}}})
    given = Given("Llama-2-7B", None, 1, "fp16", "vLLM")
    config = read_text("melange.json", text)
    with pytest.raises(UsageError, match=r"give --input-tokens, --output-tokens, --tpot-ms$"):
        understood(config, given=given)
    given = replace(given, input_tokens=(25, 100), output_tokens=(25, 100))
    with pytest.raises(UsageError, match=r"give --tpot-ms$"):
        understood(config, given=given)
    rows = one(config, given=replace(given, tpot_ms=120)).rows
    assert [(r["input_tokens"], r["output_tokens"], r["requests_per_s"]) for r in rows] == [
        (25, 25, 2), (25, 100, 1), (100, 25, 1),
    ]  # fmt: skip
    assert {(r["accelerator"], r["tpot_mean_ms"], r["load_mode"]) for r in rows} == {
        ("a10g-24gb", 120, "slo-maximum")
    }


def test_plain_csv_states_everything_itself() -> None:
    profile = one(recorded("csv/plain.csv"))
    assert profile.profile_id.startswith("measured:own-")
    assert profile.profile_id.endswith(":llama-3.1-8b:bf16:vllm-0.20.0:h100-sxm-80gb:tp1")
    assert [row["requests_per_s"] for row in profile.rows] == [1.3, 14]


def test_vllms_all_at_once_is_no_closed_loop() -> None:
    result = json.loads((RECORDED / "vllm_bench/concurrency-1.json").read_text(encoding="utf-8"))
    text = json.dumps(result | {"max_concurrency": None})
    (load,) = read_text("burst.json", text).rows
    assert load.request_rate_offered == math.inf
    (row,) = one(read_text("burst.json", text), given=EVERYTHING).rows
    assert row["not_evidence_because"] == "all requests sent at once"


def test_a_profile_file_of_our_own_keeps_its_error_and_licence() -> None:
    point = {
        "input_tokens": 1000,
        "output_tokens": 100,
        "concurrency": 1,
        "requests_per_s": 1,
        "tpot_p90_ms": 9,
    }
    text = json.dumps({
        "kind": "profile", "model": "Llama-3.1-8B", "accelerator": "h100-sxm-80gb", "tensor_parallel": 1,
        "precision": "bf16", "engine": "vLLM", "source": "me", "date": "2026-01-02", "licence": "CC0-1.0",
        "error_pct": 3, "max_num_seqs": 64, "prefix_caching": False, "points": [point],
    })  # fmt: skip
    (row,) = one(read_text("p.json", text)).rows
    assert (row["error_pct"], row["licence"], row["date"], row["source"]) == (
        3,
        "CC0-1.0",
        "2026-01-02",
        "me",
    )
    assert (row["tpot_p90_ms"], row["tpot_mean_ms"]) == (9, None)
    assert (row["max_num_seqs"], row["prefix_caching"]) == (64, False)
    assert "chunked_prefill" not in row, "what nobody says is no column"


def test_an_unknown_file_is_refused_with_the_formats_there_are() -> None:
    for text in ("", "hello", "{}", "[1, 2]", "a,b\n1,2\n", "[" * 5000):
        with pytest.raises(InputFileError, match="GuideLLM"):
            read_text("x", text)


def test_every_fixture_says_where_it_is_from_and_none_is_unused() -> None:
    for folder in sorted(path for path in RECORDED.iterdir() if path.is_dir()):
        origin = tomllib.loads((folder / "origin.toml").read_text(encoding="utf-8"))
        assert origin["kind"] in ("recorded", "documented", "synthetic")
        there = sorted(path.name for path in folder.iterdir() if path.name != "origin.toml")
        assert there == sorted(origin["files"]), folder.name
