"""llm-d's benchmark reports and llmperf's summaries."""

from __future__ import annotations

import json
from typing import Any

import pytest
from import_builders import EVERYTHING, RECORDED, one, recorded, understood

from advisor.errors import InputFileError, UsageError
from advisor.profiles.importers.registry import read_text
from advisor.profiles.importing import Given

pytestmark = pytest.mark.fast

YAML = (RECORDED / "llmd_report/report-0.2.yaml").read_text(encoding="utf-8")


def report() -> Any:
    return json.loads((RECORDED / "llmd_report/report-0.1.json").read_text(encoding="utf-8"))


def test_llmds_second_report_states_the_engine_the_rate_and_every_percentile() -> None:
    profile = one(recorded("llmd_report/report-0.2.yaml"), given=Given(precision="bf16"))
    assert profile.profile_id.endswith(":llama-3.1-8b:bf16:vllm-0.15.0:h100-sxm-80gb:tp2")
    (row,) = profile.rows
    assert (row["request_rate_offered"], row["requests_per_s"], row["date"]) == (10, 9.9, "2026-11-20")
    assert (row["ttft_p95_ms"], row["ttft_p99.9_ms"], row["tpot_mean_ms"]) == (70, 120, 7)
    assert (row["e2e_mean_ms"], row["not_evidence_because"]) == (750, None)


def test_llmds_first_report_is_in_milliseconds_where_it_says_so() -> None:
    profile = one(recorded("llmd_report/report-0.1.json"))
    assert profile.profile_id.endswith(":llama-3.1-8b:fp8:vllm-0.10.0:h100-sxm-80gb:tp1")
    (row,) = profile.rows
    assert (row["concurrency"], row["tpot_mean_ms"], row["e2e_mean_ms"]) == (16, 8, 880)
    assert row["completed_requests"] == 320


def test_a_time_of_another_unit_is_converted_and_of_none_refused() -> None:
    found = report()
    found["metrics"]["latency"]["time_per_output_token"] = {"units": "s/token", "mean": 0.008}
    assert one(read_text("r.json", json.dumps(found))).rows[0]["tpot_mean_ms"] == pytest.approx(8)
    found["metrics"]["latency"]["time_per_output_token"] = {"mean": 0.008}
    with pytest.raises(InputFileError, match=r"time_per_output_token\.units: None .* s/token"):
        read_text("r.json", json.dumps(found))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("role: replica", "role: decode", "prefill and decode are apart"),
        ("      source: random", "      prefix:\n        num_groups: 2", "share a cached prefix"),
        ("      source: random", "      multi_turn:\n        enabled: true", "turns of conversations"),
    ],
)
def test_what_is_no_plain_replica_or_prompt_answers_no_slo(old: str, new: str, why: str) -> None:
    (row,) = one(read_text("r.yaml", YAML.replace(old, new)), given=Given(precision="bf16")).rows
    assert why in row["not_evidence_because"]


def test_two_replicas_behind_one_endpoint_are_not_one() -> None:
    found = report()
    for place in (found["scenario"]["host"], found["scenario"]["platform"]):
        for values in place.values():
            values *= 2
    (row,) = one(read_text("r.json", json.dumps(found))).rows
    assert row["not_evidence_because"] == "2 replicas behind one endpoint"


def test_another_schema_is_refused_by_its_version() -> None:
    with pytest.raises(InputFileError, match=r"version: '0\.9' .* 0\.1, 0\.2"):
        read_text("r.yaml", YAML.replace("version: '0.2'", "version: '0.9'", 1))


def test_a_stacks_own_version_is_not_its_engines() -> None:
    text = YAML.replace("tool: vllm", "tool: llm-d").replace(
        "vllm/vllm-openai:v0.15.0", "ghcr.io/llm-d/llm-d-cuda:0.3.1"
    )
    with pytest.raises(UsageError, match=r"give --engine$"):
        understood(read_text("r.yaml", text), given=Given(precision="bf16"))


def test_llmperfs_gaps_hold_the_first_token_so_tpot_is_what_its_end_to_end_time_leaves() -> None:
    (row,) = one(recorded("llmperf/summary.json"), given=EVERYTHING).rows
    assert row["tpot_mean_ms"] == pytest.approx(11)  # 1,740 ms, 90 of them to the first of 151 tokens
    assert (row["concurrency"], row["input_tokens"], row["output_tokens"]) == (8, 550, 151)
    assert row["requests_per_s"] == pytest.approx(0.97 * 8 / 1.74)
    assert (row["ttft_p95_ms"], row["date"]) == (pytest.approx(108), "2025-12-01")


def test_llmperfs_waves_that_leave_slots_empty_answer_no_slo() -> None:
    summary = json.loads((RECORDED / "llmperf/summary.json").read_text(encoding="utf-8"))
    for name in ("results_num_completed_requests_per_min", "results_mean_output_throughput_token_per_s"):
        summary[name] *= 0.6
    (row,) = one(read_text("s.json", json.dumps(summary)), given=EVERYTHING).rows
    assert "requests in flight, 8 are stated" in row["not_evidence_because"]
