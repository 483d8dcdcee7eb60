"""What cannot be true is refused, what looks odd is flagged with row and reason, nothing is averaged."""

from __future__ import annotations

import pytest
from import_builders import EVERYTHING, a_csv, one, recorded, understood

from advisor.errors import InputFileError, UnknownName, UsageError
from advisor.profiles.importing import Given, refuse

pytestmark = pytest.mark.fast

LLAMA_8B_BF16_PASS_MS = (8.03e9 * 2 - 128256 * 4096 * 2) / 3.35e12 * 1e3
"""8.03 billion 16-bit parameters but the looked-up input embedding, through 3.35 TB/s: 4.48 ms."""

H100_BF16_FLOPS = 989.4e12


def refused(*rows: dict[str, object], given: Given | None = None, **changes: object) -> str:
    with pytest.raises(InputFileError) as error:
        refuse(understood(a_csv(*rows, **changes), given=given))
    return str(error.value)


def test_a_rate_beyond_peak_arithmetic_is_refused() -> None:
    flop_per_token = 2 * (8.03e9 - 128256 * 4096)
    most = H100_BF16_FLOPS / (flop_per_token * 100)
    assert "arithmetic of 1 × h100-sxm-80gb" in refused(
        requests_per_s=1.05 * most, load_mode="rate", request_rate_offered=2 * most, concurrency=""
    )


def test_a_tpot_below_one_pass_over_the_weights_is_refused() -> None:
    text = refused(tpot_mean_ms=0.9 * LLAMA_8B_BF16_PASS_MS)
    assert "runs.csv: row 2.tpot_mean_ms" in text
    assert "--draft-tokens" in text
    assert not understood(a_csv(tpot_mean_ms=1.1 * LLAMA_8B_BF16_PASS_MS)).refusals


def test_speculative_decoding_is_believed_once_it_is_stated() -> None:
    fast = a_csv(tpot_mean_ms=0.5 * LLAMA_8B_BF16_PASS_MS, requests_per_s=3)
    assert understood(fast).refusals
    drafting = understood(fast, given=Given(draft_tokens=3))
    assert not drafting.refusals
    assert "speculative-3-draft-tokens" in drafting.profiles[0].rows[0]["flags"]


def test_a_rate_that_prompts_alone_forbid_is_flagged_and_answers_no_slo() -> None:
    """Prompts of 100,000 tokens: 10 requests/s are 1.5e16 flop/s of prefill, 15 times the chip."""
    profile = one(
        a_csv(input_tokens=100000, output_tokens=10, requests_per_s=10, concurrency=16, tpot_mean_ms=100)
    )
    assert "faster-than-prefill" in profile.rows[0]["flags"]
    assert "cached prefixes" in profile.rows[0]["not_evidence_because"]


def test_weights_that_do_not_fit_are_refused() -> None:
    assert "Llama-3.1-70B in bf16 takes 131 GiB" in refused(model="Llama-3.1-70B", tpot_mean_ms=60)


def test_seconds_taken_for_milliseconds_are_refused_by_littles_law() -> None:
    assert "check units" in refused(
        precision="bf16",
        gpu="h100-sxm-80gb",
        concurrency=64,
        requests_per_s=0.7,
        tpot_mean_ms=9,
        ttft_mean_ms=1,
    )
    assert "check units" in refused(concurrency=4, requests_per_s=20, tpot_mean_ms=9, ttft_mean_ms=50)


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "1e400", "fast"])
@pytest.mark.parametrize("column", ["requests_per_s", "tpot_mean_ms", "input_tokens", "concurrency"])
def test_negative_nan_and_endless_figures_are_refused_with_their_row(column: str, value: str) -> None:
    with pytest.raises(InputFileError, match=rf"row 2\.{column}"):
        a_csv(**{column: value})


def test_a_run_that_fell_behind_its_arrivals_is_flagged() -> None:
    behind = a_csv(load_mode="rate", concurrency="", request_rate_offered=4, requests_per_s=3)
    assert one(behind).rows[0]["flags"] == "below-offered-rate"


def test_zero_completed_requests_are_refused() -> None:
    assert "completed" in refused(completed=0)
    assert "requests_per_s" in refused(requests_per_s=0)


def test_a_column_without_a_unit_is_refused() -> None:
    with pytest.raises(InputFileError, match="a unit in the column's name"):
        a_csv(tpot=9)
    with pytest.raises(InputFileError, match="a unit in the column's name"):
        a_csv(mean_ttft=9)


def test_tpot_that_falls_a_little_under_more_load_is_flagged_and_much_is_refused() -> None:
    loads = [{"concurrency": 1, "requests_per_s": 1, "tpot_mean_ms": 10}]
    little = one(a_csv(*loads, {"concurrency": 2, "requests_per_s": 2, "tpot_mean_ms": 9}))
    assert [row["flags"] for row in little.rows] == [None, "tpot-falls-with-load"]
    assert [row["tpot_mean_ms"] for row in little.rows] == [10, 9]
    much = {"concurrency": 64, "requests_per_s": 80, "tpot_mean_ms": 4.9}
    assert "fell from 10 to 4.9 ms" in refused(*loads, much)


def test_percentiles_out_of_order_are_refused() -> None:
    assert "tpot_p99_ms" in refused(tpot_p50_ms=9, tpot_p99_ms=8.9)


def test_many_failures_disqualify_and_few_are_flagged() -> None:
    few, many = one(a_csv(completed=990, failed=10)).rows[0], one(a_csv(completed=90, failed=10)).rows[0]
    assert (few["flags"], few["not_evidence_because"]) == ("failed-1-percent", None)
    assert many["not_evidence_because"] == "10 % of its requests failed"


def test_a_percentile_of_few_requests_says_of_how_many() -> None:
    assert one(a_csv(completed=24, tpot_p99_ms=12)).rows[0]["flags"] == "p99-of-24-requests"


def test_another_model_than_it_says_is_refused() -> None:
    with pytest.raises(InputFileError, match="the file is of another"):
        understood(a_csv(), given=Given(model="Llama-3.1-70B"))
    with pytest.raises(InputFileError, match="the file is of another"):
        understood(a_csv(), given=Given(accelerator="a100-sxm-80gb"))
    with pytest.raises(InputFileError, match="the file says otherwise"):
        understood(a_csv(), given=Given(tensor_parallel=2))


def test_a_served_name_nobody_knows_needs_the_model_and_is_noted() -> None:
    with pytest.raises(UsageError, match="--model says which"):
        understood(a_csv(model="chat-prod"))
    found = understood(a_csv(model="chat-prod"), given=Given(model="Llama-3.1-8B"))
    assert any("calls the model 'chat-prod'" in note for note in found.notes)
    assert found.profiles[0].rows[0]["model_as_published"] == "chat-prod"


def test_what_nobody_says_is_asked_for_all_at_once() -> None:
    with pytest.raises(UsageError, match=r"give --accelerator, --tp, --precision, --engine$"):
        understood(recorded("guidellm/concurrent.json"), given=Given(model="Llama-3.1-8B"))
    with pytest.raises(UnknownName, match="precision"):
        understood(a_csv(precision="bf17"))


def test_an_option_may_narrow_what_the_file_leaves_open() -> None:
    profile = one(a_csv(gpu="H100"), given=Given(accelerator="h100-sxm-80gb"))
    assert profile.rows[0]["accelerator"] == "h100-sxm-80gb"
    with pytest.raises(UsageError, match="--accelerator says which"):
        understood(a_csv(gpu="H100"))


def test_two_rows_of_one_load_are_both_kept() -> None:
    rows = one(a_csv({"requests_per_s": 1.0}, {"requests_per_s": 1.02})).rows
    assert [(row["requests_per_s"], row["flags"]) for row in rows] == [(1.0, None), (1.02, "repeated-load")]


def test_loads_whose_mean_sizes_nearly_agree_are_one_size_the_smallest() -> None:
    rows = one(
        a_csv({"input_tokens": 1000}, {"input_tokens": 1020, "concurrency": 2, "requests_per_s": 2})
    ).rows
    assert {row["input_tokens"] for row in rows} == {1000}
    assert [row["flags"] for row in rows] == [None, "mean-size-1020x100"]
    apart = one(
        a_csv({"input_tokens": 1000}, {"input_tokens": 1100, "concurrency": 2, "requests_per_s": 2})
    ).rows
    assert {row["input_tokens"] for row in apart} == {1000, 1100}


def test_rows_of_more_than_one_replica_answer_no_slo() -> None:
    assert one(a_csv(gpu_count=8)).rows[0]["not_evidence_because"] == "not one tensor-parallel replica"


def test_closed_loops_and_open_arrivals_become_two_profiles() -> None:
    found = understood(
        recorded("guidellm/concurrent.json"), recorded("guidellm/constant.json"), given=EVERYTHING
    )
    assert [p.rows[0]["load_mode"] for p in found.profiles] == ["concurrency", "rate"]


def test_a_whole_request_shorter_than_its_first_token_is_refused() -> None:
    text = refused(ttft_mean_ms=80, e2e_mean_ms=70)
    assert "row 2.e2e_mean_ms" in text
    assert "at least the TTFT mean of 80 ms" in text
    assert "e2e_p99_ms" in refused(ttft_p99_ms=900, e2e_p99_ms=800)


def test_end_to_end_times_in_seconds_beside_parts_in_milliseconds_are_refused() -> None:
    # 100 + 99 x 9 = 991 ms; a thousand times that is a unit mistaken for another
    assert "check units" in refused(
        ttft_mean_ms=100, tpot_mean_ms=9, e2e_mean_ms=991_000, load_mode="rate", concurrency="",
        request_rate_offered=1,
    )  # fmt: skip
    apart = a_csv(
        ttft_mean_ms=100, tpot_mean_ms=9, e2e_mean_ms=3000, load_mode="rate", concurrency="",
        request_rate_offered=1,
    )  # fmt: skip
    assert "e2e-apart-from-its-parts" in one(apart).rows[0]["flags"]


def test_end_to_end_times_that_fall_while_load_rises_are_flagged_or_refused() -> None:
    def loads(lighter: float, heavier: float) -> tuple[dict[str, float], dict[str, float]]:
        return (
            {"concurrency": 1, "requests_per_s": 1.0, "e2e_p50_ms": lighter},
            {"concurrency": 2, "requests_per_s": 1.8, "e2e_p50_ms": heavier},
        )

    assert "e2e-falls-with-load" in one(a_csv(*loads(1000, 900))).rows[1]["flags"]
    assert "E2E p50 fell from 1000 to 400 ms while load rose" in refused(*loads(1000, 400))
    assert one(a_csv(*loads(1000, 1100))).rows[1]["flags"] in (None, "")
