"""`advisor workload` as typed: what is on stdout, what is on stderr, which exit code."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from advisor.cli.workload import app
from advisor.errors import InputFileError, UnknownName, UsageError
from advisor.workload.named import load_workload, workload_names

TINY = str(Path(__file__).parents[2] / "fixtures" / "workload" / "tiny.csv")


def advisor_workload(*words: str, columns: int = 80) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": str(columns), "NO_COLOR": "1"})


def printed(*words: str, columns: int = 80) -> str:
    result = advisor_workload(*words, columns=columns)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_list_names_every_workload_and_fits_80_columns() -> None:
    lines = printed("list").splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[0] for line in lines[2:15]] == list(workload_names())
    assert "azure-2023-conv is the default" in "\n".join(lines)


def test_list_as_json_carries_source_licence_and_caution() -> None:
    records = json.loads(printed("list", "--format", "json"))
    assert [record["name"] for record in records] == list(workload_names())
    assert all(record["source"] and record["licence"] and record["note"] for record in records)
    assert [record["name"] for record in records if record["default"]] == ["azure-2023-conv"]


@pytest.mark.parametrize("name", workload_names())
def test_show_fits_80_columns_without_cutting_a_figure(name: str) -> None:
    lines = printed("show", name).splitlines()
    assert all(len(line) <= 80 for line in lines)
    total = next(line for line in lines if line.startswith("all "))
    assert total.split()[-2] == "100.00"


def test_show_is_a_matrix_of_percents_with_overflow_marked() -> None:
    text = printed("show", TINY)
    cells = {
        line.split()[0]: line.split()[1:]
        for line in text.splitlines()
        if line.startswith(("≤", ">", "all")) and "edge" not in line
    }
    assert "in \\ out    ≤25   ≤100  ≤1000  ≤2000  >2000     all  mean in" in text
    assert cells["≤25"] == ["20.00", "·", "·", "·", "·", "20.00", "13"]
    assert cells["≤100"] == ["20.00", "10.00", "·", "·", "10.00", "40.00", "69"]
    assert cells[">16000"] == ["20.00", "·", "·", "·", "·", "20.00", "18,000"]
    assert ">16000 input is beyond the grid's last edge; the largest seen is 20,000." in text
    assert ">2000 output is beyond the grid's last edge; the largest seen is 2,001." in text


def test_show_as_csv_has_a_line_per_bucket() -> None:
    rows = list(csv.DictReader(io.StringIO(printed("show", TINY, "--format", "csv"))))
    assert len(rows) == 7
    assert rows[0] == {
        "input_tokens_min": "0", "input_tokens_max": "25",
        "output_tokens_min": "0", "output_tokens_max": "25",
        "share": "0.2", "input_tokens": "13.0", "output_tokens": "13.0", "size_basis": "mean",
    }  # fmt: skip


def test_show_of_buckets_that_are_no_grid_names_both_ends(tmp_path: Path) -> None:
    edges = ("input_tokens_min", "input_tokens_max", "output_tokens_min", "output_tokens_max")
    cells = ((0, 100, 0, 50), (50, 70, 50, 60))
    buckets = [dict(zip(edges, cell, strict=True)) | {"share": 0.5} for cell in cells]
    path = tmp_path / "w.json"
    path.write_text(json.dumps({"buckets": buckets}), encoding="utf-8")
    text = printed("show", str(path))
    assert "1-100" in text
    assert "51-70" in text


@pytest.mark.parametrize("name", ["out.yaml", "out.json"])
def test_fit_writes_what_workload_options_read(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    result = advisor_workload("fit", TINY, "-o", str(target), "--name", "mine", "--source", "by hand")
    assert (result.exit_code, result.stdout) == (0, "")
    written, fitted = load_workload(str(target)), load_workload(TINY)
    assert written.buckets == fitted.buckets
    assert (written.name, written.source, written.rate_requests_per_s) == ("mine", "by hand", 0.9)


def test_fit_tells_what_it_found_on_stderr_and_prints_the_file() -> None:
    result = advisor_workload("fit", TINY)
    assert result.stderr.splitlines() == [
        "tiny: 10 requests in 7 buckets, 0.9 requests/s over 10 s",
        "arrival times: column timestamp_s, seconds",
        "requests without output: 1, each counted as 1 output token",
        "requests beyond the last edge: 3, in buckets up to the largest seen",
    ]
    assert "\nschema_version: 1\nkind: workload\n" in result.stdout


def test_fit_takes_other_edges_also_for_a_name() -> None:
    text = printed("fit", TINY, "--input-edges", "100,1000", "--output-edges", "100", "--format", "json")
    buckets = json.loads(text)["buckets"]
    assert [(b["input_tokens_max"], b["output_tokens_max"], b["share"]) for b in buckets] == [
        (100, 100, 0.5), (100, 2001, 0.1), (1000, 2001, 0.1), (20000, 100, 0.2), (20000, 2001, 0.1),
    ]  # fmt: skip
    text = printed("fit", "openorca", "--input-edges", "2000", "--output-edges=2000", "--format", "json")
    assert [b["share"] for b in json.loads(text)["buckets"]] == [1.0]
    assert json.loads(text)["licence"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("show", "opnorca"), UnknownName),
        (("show", "gone.yaml"), InputFileError),
        (("fit", "gone.csv"), InputFileError),
        (("fit", TINY, "--input-edges", "5,4"), UsageError),
        (("fit", TINY, "--input-column", "nope"), InputFileError),
        (("fit", TINY, "--timestamp-unit", "h"), UsageError),
        (("fit", TINY, "--name", "a\nb"), UsageError),
        (("fit", TINY, "-o", "out.xlsx"), UsageError),
    ],
)
def test_bad_words_are_usage_errors(words: tuple[str, ...], error: type[Exception]) -> None:
    result = advisor_workload(*words)
    assert isinstance(result.exception, error)
    assert result.stdout == ""
