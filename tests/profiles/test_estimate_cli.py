"""`advisor profile estimate` as typed: one deployment, a file, standard input, refusals."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from advisor.catalog.facts import load_facts
from advisor.cli.profile import app
from advisor.domain import EvidenceKind, Slo
from advisor.errors import InputFileError, NoCandidates, UnknownName, UsageError
from advisor.profiles import calibration, memory
from advisor.profiles.evaluate import Evaluation, evaluate
from advisor.profiles.replica import Replica

FIXTURE = Path(__file__).parents[2] / "fixtures" / "profiles" / "estimate" / "runs.csv"
ONE = ("estimate", "--model", "Llama-3.1-8B", "--accelerator", "h100-sxm-80gb")


def run(*arguments, text=None, columns="160"):
    result = CliRunner().invoke(app, list(arguments), input=text, env={"COLUMNS": columns})
    if result.exception is not None:
        raise result.exception
    return result.stdout


def record(*arguments):
    (found,) = json.loads(run(*arguments, "--format", "json"))
    return found


def test_one_deployment_shows_rate_interval_and_latencies():
    found = record(*ONE, "--concurrency", "64")
    assert found["low_requests_per_s"] < found["requests_per_s"] < found["high_requests_per_s"]
    seconds = (found["ttft_ms"] + 249 * found["tpot_ms"]) / 1e3
    assert found["requests_per_s"] * seconds == pytest.approx(64, rel=1e-2)
    assert found["limited_by"] == "load"


def test_a_tpot_limit_gives_the_planners_rate():
    facts, known = load_facts(), calibration.load()
    replica = Replica(facts.models["Llama-3.1-8B"], "bf16", facts.accelerators["h100-sxm-80gb"])
    asked = Evaluation(replica, Slo(tpot_ms=20.0), EvidenceKind.ESTIMATED, (), known)
    planned = evaluate(asked, [(1000, 250)])[0].requests_per_s
    assert record(*ONE, "--tpot-ms", "20")["requests_per_s"] == pytest.approx(planned, rel=1e-3)


def test_the_fit_arithmetic_stands_below_the_table():
    facts = load_facts()
    fit = memory.account(facts.models["Llama-3.1-8B"], "bf16", facts.accelerators["h100-sxm-80gb"], 1)
    shown = run(*ONE, "--concurrency", "8", columns="400")
    assert fit.detail in shown
    assert f"{fit.max_tokens // 1250:,} requests of this size" in shown


def test_a_figure_that_is_missing_says_why():
    shown = run(*ONE, "--rate", "5000", columns="400")
    assert "the queue grows" in shown


@pytest.mark.parametrize("columns", ["80", "160"])
def test_no_line_is_wider_than_the_terminal(columns):
    assert all(len(line) <= int(columns) for line in run(*ONE, "--rate", "3", columns=columns).splitlines())


def test_a_file_and_standard_input_give_the_same(tmp_path):
    from_file = run("estimate", "--batch", str(FIXTURE))
    assert run("estimate", "--batch", "-", text=FIXTURE.read_text(encoding="utf-8")) == from_file
    written = tmp_path / "out.csv"
    assert run("estimate", "--batch", str(FIXTURE), "-o", str(written)) == ""
    assert written.read_text(encoding="utf-8") == from_file


def test_every_row_of_a_file_has_a_rate_or_a_reason():
    rows = list(csv.DictReader(io.StringIO(run("estimate", "--batch", str(FIXTURE)))))
    assert all(row["predicted_requests_per_s"] or row["reason"] for row in rows)
    assert [bool(row["predicted_requests_per_s"]) for row in rows] == [True] * 5 + [False] * 2 + [True]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("estimate",), UsageError, "--model and --accelerator"),
        ((*ONE, "--rate", "1", "--concurrency", "1"), UsageError, "two loads"),
        ((*ONE, "--rate", "0"), UsageError, "--rate: 0"),
        ((*ONE, "--input-tokens", "-1"), UsageError, "--input-tokens: -1"),
        ((*ONE, "--precision", "fp3"), UnknownName, "unknown precision 'fp3'"),
        (("estimate", "--model", "x", "--batch", "a.csv"), UsageError, "--batch reads"),
        (("estimate", "--batch", "nowhere.csv"), InputFileError, "nowhere.csv"),
        ((*ONE[:-1], "gaudi3-128gb"), NoCandidates, "do not transfer"),
        ((*ONE, "--tpot-ms", "0.1"), NoCandidates, "longer than the limit"),
    ],
)
def test_what_cannot_be_answered_is_one_line(arguments, error, words):
    with pytest.raises(error) as refused:
        run(*arguments)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
