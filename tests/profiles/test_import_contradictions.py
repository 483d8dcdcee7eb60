"""Figures that contradict each other answer no SLO, and runs of one load are told from a load that rose."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st
from import_builders import EVERYTHING, RECORDED, a_csv, one, understood

from advisor.profiles.importers.registry import read_text
from advisor.profiles.importing import Given, refuse, single_loads

pytestmark = pytest.mark.fast

OUTPUT = 64


def run(ttft: float, tpot: float, **changes: Any) -> dict[str, Any]:
    """A run of equal outputs at 4 in flight that is true in every figure."""
    e2e = ttft + tpot * (OUTPUT - 1)
    rate = 4 / e2e * 1e3
    return {
        "output_tokens": OUTPUT, "concurrency": 4, "completed": 400, "ttft_mean_ms": ttft,
        "tpot_mean_ms": tpot, "e2e_mean_ms": e2e, "requests_per_s": rate,
        "output_tokens_per_s": rate * OUTPUT,
    } | changes  # fmt: skip


def stage(factor: float) -> str:
    """inference-perf's recorded stage, its time per token multiplied."""
    text = (RECORDED / "inference_perf/stage_0_lifecycle_metrics.json").read_text(encoding="utf-8")
    report = json.loads(text)
    for name in ("time_per_output_token", "inter_token_latency"):
        taken = report["successes"]["latency"][name]
        report["successes"]["latency"][name] = {key: factor * value for key, value in taken.items()}
    return json.dumps(report)


@settings(max_examples=40, deadline=None)
@over(st.floats(5, 500), st.floats(6, 60), st.floats(0.3, 0.6))
def test_a_tpot_its_own_end_to_end_time_contradicts_answers_no_slo_whatever_its_size(
    ttft: float, tpot: float, factor: float
) -> None:
    true, halved = run(ttft, tpot), run(ttft, tpot, tpot_mean_ms=factor * tpot)
    assert one(a_csv(true)).rows[0]["flags"] is None
    (row,) = one(a_csv(halved), given=Given(draft_tokens=3)).rows
    assert "tpot-contradicts-e2e" in row["flags"]
    assert f"leave {tpot:.4g} ms a token" in row["not_evidence_because"]


def test_inference_perfs_tokens_counted_twice_are_told_by_its_end_to_end_time() -> None:
    (right,) = one(read_text("stage_0.json", stage(1)), given=EVERYTHING).rows
    (twice,) = one(read_text("stage_0.json", stage(0.5)), given=EVERYTHING).rows
    assert right["not_evidence_because"] is None
    assert "E2E and TTFT leave 10.04 ms a token" in twice["not_evidence_because"]  # paced at 10 ms
    assert "TPOT says 5.004" in twice["not_evidence_because"]


def test_the_servers_count_of_output_tokens_is_taken_before_the_tools() -> None:
    report = json.loads(stage(1))
    report["successes"]["output_len"]["mean"] = 40.0  # a start token counted with every chunk
    (row,) = one(read_text("stage_0.json", json.dumps(report)), given=EVERYTHING).rows
    assert row["output_tokens"] == 20


def test_medians_contradict_each_other_where_no_mean_is_stated() -> None:
    medians = {
        "output_tokens": OUTPUT, "load_mode": "rate", "concurrency": "", "request_rate_offered": 1,
        "tpot_mean_ms": "", "ttft_p50_ms": 30, "tpot_p50_ms": 6, "e2e_p50_ms": 30 + 63 * 12,
    }  # fmt: skip
    assert "(output - 1), p50)" in one(a_csv(medians)).rows[0]["not_evidence_because"]


def test_lengths_that_differ_part_the_pace_a_little_and_only_a_flag_says_so() -> None:
    (near,) = one(a_csv(run(60, 10, tpot_mean_ms=9))).rows
    (apart,) = one(a_csv(run(60, 10, tpot_mean_ms=7.5))).rows
    (long,) = one(a_csv(run(60, 10, tpot_mean_ms=13))).rows
    assert [row["flags"] for row in (near, apart, long)] == [None, "tpot-apart-from-e2e", None]
    assert {row["not_evidence_because"] for row in (near, apart, long)} == {None}


def test_output_tokens_counted_twice_contradict_the_rate_of_requests() -> None:
    (row,) = one(a_csv(run(60, 10, output_tokens_per_s=2 * 64 * 5))).rows
    assert "tokens-apart-from-rate" in row["flags"]
    assert "requests/s × 64 tokens" in row["not_evidence_because"]


def test_a_long_run_with_too_few_in_flight_is_in_contradiction_a_short_one_is_its_ramps() -> None:
    halved = run(60, 10, tpot_mean_ms=5.5, e2e_mean_ms="")
    (long,), (short,) = one(a_csv(halved)).rows, one(a_csv(halved | {"completed": 8})).rows
    assert "requests in flight, 4 are stated" in long["not_evidence_because"]
    assert short["not_evidence_because"] is None


def test_repeats_of_one_load_are_kept_flagged_and_no_load_rose() -> None:
    """A sweep runs every point three times, the first on a cold server."""
    cold = run(900, 8, concurrency=2, requests_per_s=1.3, output_tokens_per_s="")
    warm = run(30, 8, concurrency=2, requests_per_s=3.7, output_tokens_per_s="")
    found = understood(a_csv(cold, warm, warm | {"requests_per_s": 3.71}))
    refuse(found)
    (profile,) = found.profiles
    by_rate = sorted(profile.rows, key=lambda row: row["requests_per_s"])
    assert [row["requests_per_s"] for row in by_rate] == [1.3, 3.7, 3.71]
    assert [row["flags"] for row in by_rate] == ["cold-run", "repeated-load", "repeated-load"]
    assert "E2E mean is 1404 ms, 534 in another run" in by_rate[0]["not_evidence_because"]
    assert [row["not_evidence_because"] for row in by_rate[1:]] == [None, None]
    assert single_loads(profile) == 1  # three runs are no three loads


@settings(max_examples=60, deadline=None)
@over(st.permutations([0, 0, 0, 1, 1, 1, 2, 2, 2]), st.data())
def test_rising_loads_are_believed_however_often_each_was_run_if_it_was_warm_once(
    order: list[int], data: st.DataObject
) -> None:
    base = [(4, 8.0), (16, 9.0), (64, 12.0)]
    rows = []
    for i, which in enumerate(order):
        concurrency, tpot = base[which]
        last = which not in order[i + 1 :]
        slow = 1.0 if last else data.draw(st.sampled_from([1.0, 1.02, 2.5]))
        e2e = slow * (40 + tpot * 63)
        rows.append({
            "output_tokens": OUTPUT, "concurrency": concurrency, "tpot_mean_ms": slow * tpot, "completed": 64,
            "ttft_mean_ms": slow * 40, "e2e_mean_ms": e2e, "requests_per_s": concurrency / e2e * 1e3,
        })  # fmt: skip
    found = understood(a_csv(*rows))
    assert not found.refusals
    (profile,) = found.profiles
    assert len(profile.rows) == len(rows)
    repeated = sum("repeated-load" in (row["flags"] or "") for row in profile.rows)
    assert repeated == len(rows) - len(set(order))


def test_loads_of_two_deployments_are_still_refused() -> None:
    fast = run(30, 4.6, concurrency=16, requests_per_s=40, output_tokens_per_s="")
    slow = run(60, 20)
    assert understood(a_csv(slow, slow, fast)).refusals
