"""`advisor profile list` and `show`."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from advisor.cli.profile import app
from advisor.errors import UnknownName, UsageError

SIMULATED = "simulated:aiconfigurator-0.12.0:llama-3.1-8b:bf16:vllm-0.24.0:h100-sxm-80gb:tp1"
MATRIX = ("show", "--model", "llama-3.1-8b", "--accelerator", "h100-sxm-80gb", "--tpot-ms", "80")


def run(*arguments: str, columns: int = 200) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": str(columns)})
    if result.exception is not None:
        raise result.exception
    return result.stdout


def as_json(*arguments: str) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(run(*arguments, "--format", "json"))
    return records


def test_list_filters_by_model_kind_precision_and_engine() -> None:
    found = as_json(
        "list", "--model", "meta-llama/Llama-3.1-8B", "--kind", "simulated", "--precision", "fp16"
    )
    assert {record["accelerator"] for record in found} >= {"a100-sxm-80gb", "l40s-48gb", "h100-sxm-80gb"}
    assert {(r["model"], r["precision"], r["kind"], r["sizes"]) for r in found} == {
        ("Llama-3.1-8B", "bf16", "simulated", 60)
    }
    assert {r["licence"] for r in found} == {"Apache-2.0"}
    assert as_json("list", "--engine", "sglang", "--model", "Llama-3.1-8B", "--kind", "simulated") == []


def test_list_shows_what_cannot_answer_last_and_why() -> None:
    found = as_json("list", "--model", "Llama-2-70B", "--kind", "measured")
    reasons = [record["not_evidence_because"] for record in found if record["slo_points"] == 0]
    assert any("whole submission, number of replicas unknown" in reason for reason in reasons)
    assert "one closed batch, not continuous load" in reasons
    points = [record["slo_points"] > 0 for record in found]
    assert points == sorted(points, reverse=True)


def test_a_long_table_is_cut_and_says_so() -> None:
    everything = as_json("list")
    assert len({record["profile_id"] for record in everything}) == len(everything)
    assert f"40 of {len(everything)} profiles; --limit shows more." in run("list")


def test_show_prints_every_point_with_its_source() -> None:
    text = run("show", SIMULATED, "--format", "markdown")
    assert "Rates are of the whole row: 1 × h100-sxm-80gb." in text
    assert "Source aiconfigurator-0.12.0, 2026-09, licence Apache-2.0." in text
    assert len(as_json("show", SIMULATED)) == 903


def test_an_unbounded_offered_rate_is_a_word_in_json() -> None:
    name = "measured:trtllm-online-v0.14@2024-11:llama-3.1-8b:bf16:tensorrt-llm-0.14.0:h100-sxm-80gb:tp1"
    offered = {record["request_rate_offered"] for record in as_json("show", name)}
    assert offered == {2.0, 4.0, 8.0, 16.0, 32.0, "inf"}


def test_a_matrix_marks_the_kind_of_every_cell() -> None:
    rows = list(csv.DictReader(io.StringIO(run(*MATRIX, "--format", "csv"))))
    assert len(rows) == 60
    assert {row["kind"] for row in rows} == {"simulated"}
    cell = next(row for row in rows if (row["input_tokens"], row["output_tokens"]) == ("25", "25"))
    assert cell["profile_id"] == SIMULATED
    assert f"{float(cell['requests_per_s']):.3g} s" in run(*MATRIX)


def test_a_matrix_with_no_figures_says_why() -> None:
    text = run("show", "--model", "Llama-3.1-70B", "--accelerator", "l4-24gb", "--format", "markdown")
    assert "does_not_fit" in text
    assert "weights 131.4 GiB" in text


def test_an_estimates_id_resolves_to_its_matrix() -> None:
    matrix = ("show", "--model", "llama-3.1-8b", "--accelerator", "a10g-24gb", "--tpot-ms", "120")
    named = as_json(*matrix)[0]["profile_id"]
    assert named.startswith("estimated:")
    assert as_json("show", named, "--tpot-ms", "120") == as_json(*matrix)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("show", "no-such-profile"), UnknownName),
        (("show", "estimated:nonsense"), UnknownName),
        (("show",), UsageError),
        (("show", "--model", "Llama-9"), UsageError),
        (("list", "--model", "Llama-9"), UnknownName),
        (("list", "--kind", "estimated"), UsageError),
        ((*MATRIX[:5], "--tpot-ms", "nan"), UsageError),
        ((*MATRIX[:5], "--ttft-ms", "0"), UsageError),
    ],
)
def test_what_is_not_known_is_refused(arguments: tuple[str, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        run(*arguments)


@pytest.mark.parametrize("option", ["--engine", "--precision"])
def test_a_misspelt_filter_is_named_with_its_neighbours_not_an_empty_list(option: str) -> None:
    near = {"--engine": "did you mean vLLM", "--precision": "did you mean fp8"}[option]
    with pytest.raises(UnknownName, match=near):
        run("list", option, {"--engine": "vlm", "--precision": "fp7"}[option])


def test_filters_that_exclude_each_other_say_so() -> None:
    assert "No profile passes all filters together" in run(
        "list", "--engine", "sglang", "--model", "Llama-3.1-8B", "--kind", "simulated"
    )


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_an_id_longer_than_the_screen_breaks_between_its_parts(columns: int) -> None:
    name = next(r["profile_id"] for r in as_json("list") if len(r["profile_id"]) > 100 and r["points"] < 100)
    lines = run("show", name, columns=columns).splitlines()
    last = next(i for i, line in enumerate(lines) if name.endswith(line))
    assert "".join(lines[: last + 1]) == name
    assert all(line.endswith((":", "@", "/")) for line in lines[:last])


def test_the_list_names_the_model_on_a_narrow_screen() -> None:
    header = run("list", "--limit", "3", columns=80).splitlines()[1]
    assert header.split()[:3] == ["kind", "model", "precision"]


def test_latencies_of_many_seconds_are_written_out() -> None:
    name = "measured:aic-silicon-sample-0.12.0@2025-11-10:deepseek-r1:fp4:sglang:b200-sxm-180gb:tp4"
    slowest = max(record["ttft_mean_ms"] for record in as_json("show", name))
    assert slowest > 10_000
    text = run("show", name)
    assert f"{slowest:,.0f}" in text
    assert "e+" not in text


def test_an_estimate_says_that_the_engine_asked_for_has_no_figures() -> None:
    text = run("show", "--model", "llama-3.1-8b", "--accelerator", "l4-24gb", "--engine", "vlm")
    assert "on vlm answers: an estimate" in text


@pytest.mark.parametrize(("command", "extra"), [("measure", "measure"), ("simulate", "aiconfigurator")])
def test_help_names_the_extra_to_install(command: str, extra: str) -> None:
    assert f"'llm-fleet-advisor[{extra}]'" in " ".join(run(command, "--help").split())
