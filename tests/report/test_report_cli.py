"""`advisor report` from the command line: five endings, one line per mistake, nothing loaded in vain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cli_harness import call
from report_builder import a_plan_document, an_infeasible_document

if TYPE_CHECKING:
    from pathlib import Path

ENDINGS = ("html", "xlsx", "md", "csv", "json")
STARTS = {"html": b"<!doctype html>", "xlsx": b"PK", "md": b"# ", "csv": b"AvailabilityZone,", "json": b"{"}


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1793000000")


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(a_plan_document()))
    return path


@pytest.fixture(scope="module")
def real_plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan of the shipped catalog, whose inputs are at hand."""
    path = tmp_path_factory.mktemp("real") / "plan.json"
    words = (
        "--region",
        "us-east-1",
        "--accelerator",
        "l40s-48gb",
        "--rate",
        "4",
        "--format",
        "json",
        "-o",
        str(path),
    )
    assert call("recommend", *words).code == 0
    return path


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_ending_decides_the_dress(plan: Path, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"report.{ending}"
    said = call("report", str(plan), "-o", str(target))
    assert (said.code, said.out) == (0, "")
    assert target.read_bytes().startswith(STARTS[ending])
    assert "valid until" in said.err


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_plan_and_moment_give_the_same_bytes(plan: Path, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"report.{ending}"
    contents = []
    for _ in range(2):
        assert call("report", str(plan), "-o", str(target)).code == 0
        contents.append(target.read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize("name", ["report.pdf", "report", "report.html.gz"])
def test_another_ending_is_refused_in_one_line_before_anything_is_read(tmp_path: Path, name: str) -> None:
    said = call("report", str(tmp_path / "no-such-plan.json"), "-o", str(tmp_path / name))
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert ".html, .xlsx, .md, .csv, .json" in said.err


def test_a_plan_that_buys_nothing_is_a_no(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(an_infeasible_document()))
    said = call("report", str(path), "-o", str(tmp_path / "report.html"))
    assert said.code == 3
    assert "L-3819A6DF leaves 0 of 48 vCPUs" in said.err
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("days", ["0", "-1", "4000"])
def test_a_validity_out_of_range_is_refused(plan: Path, tmp_path: Path, days: str) -> None:
    said = call("report", str(plan), "-o", str(tmp_path / "r.md"), "--valid-days", days)
    assert said.code == 2
    assert f"--valid-days {days} is not allowed; 1 to 3,650 days" in said.err


def test_an_answer_about_another_plan_is_refused(plan: Path, tmp_path: Path) -> None:
    other = tmp_path / "sim.json"
    other.write_text(
        json.dumps(
            {"plan_id": "000000000000", "verdict": "pass", "attainment": {"overall": {"percent": 99.0}}}
        )
    )
    said = call("report", str(plan), "-o", str(tmp_path / "r.md"), "--simulation", str(other))
    assert said.code == 2
    assert "plan_id: '000000000000' is not allowed; this report is of plan" in said.err


def test_without_the_plans_own_prices_it_says_what_was_not_run(plan: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.md"
    assert call("report", str(plan), "-o", str(target)).code == 0
    assert "Sensitivity: not run, since the plan's prices are not at hand" in target.read_text()


def test_with_them_sensitivity_and_heat_map_are_there(real_plan: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    assert call("report", str(real_plan), "-o", str(target)).code == 0
    parts = {part["id"]: part for part in json.loads(target.read_text())["sections"]}
    assert parts["sensitivity"]["absent"] is None
    (swing,) = [r for r in rows(parts["sensitivity"]) if r["input"] == "Demand"]
    assert float(swing["low_usd_per_hour"]) < float(swing["high_usd_per_hour"])
    assert len(rows(parts["heat_map"])) == 10


def rows(part: dict[str, Any]) -> list[dict[str, Any]]:
    (found,) = [block["figure"]["table"]["rows"] for block in part["content"] if "figure" in block]
    return found


def test_what_if_can_be_left_out(real_plan: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.md"
    assert call("report", str(real_plan), "-o", str(target), "--no-what-if").code == 0
    assert "Sensitivity: not run (--no-what-if)" in target.read_text()


def test_it_reads_standard_input(real_plan: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.csv"
    done = subprocess.run(
        [sys.executable, "-m", "advisor", "report", "-", "-o", str(target)],
        input=real_plan.read_bytes(), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert target.read_text().count("\n") >= 2


PROBE = (
    "import sys, runpy; sys.argv = ['advisor', *sys.argv[1:]]\n"
    "try:\n    runpy.run_module('advisor', run_name='__main__', alter_sys=True)\n"
    "except SystemExit: pass\n"
    "print('\\n' + ' '.join(sorted({name.partition('.')[0] for name in sys.modules})))"
)


def loaded(*words: str) -> set[str]:
    """Packages a run of the command loads."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ.copy(),
    )
    return set(done.stdout.splitlines()[-1].split())


def test_only_the_dress_asked_for_is_loaded(real_plan: Path, tmp_path: Path) -> None:
    heavy = {"xlsxwriter", "jinja2", "openpyxl"}
    assert heavy & loaded("report", str(real_plan), "-o", str(tmp_path / "r.csv")) == set()
    assert heavy & loaded("report", str(real_plan), "-o", str(tmp_path / "r.xlsx")) == {"xlsxwriter"}
    assert heavy & loaded("report", str(real_plan), "-o", str(tmp_path / "r.html")) == {"jinja2"}


def test_other_commands_load_no_report_library(real_plan: Path) -> None:
    heavy = {"xlsxwriter", "jinja2"}
    assert heavy & loaded("verify", str(real_plan)) == set()
    assert heavy & loaded("report", "--help") == set()
