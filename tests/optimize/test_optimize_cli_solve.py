"""``advisor solve``: JSON by default, exit 3 for a correct no, one line for a bad file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from advisor.cli.solve import solve
from advisor.errors import Infeasible, InputFileError, UsageError

FIXTURES = Path(__file__).parents[2] / "fixtures" / "melange"


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(solve)
    return app


def test_json_is_the_whole_of_stdout(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, [str(FIXTURES / "example.json")])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["counts"] == {"A10G": 2, "A100-80GB": 1}
    assert result.stderr == ""


def test_a_free_split_as_a_table(app: typer.Typer) -> None:
    result = CliRunner().invoke(
        app, [str(FIXTURES / "example.json"), "--split", "fluid", "--format", "table"]
    )
    assert result.exit_code == 0
    assert "Total $4.68/h, proved optimal (fluid split)." in result.stdout


def test_infeasible_is_an_answer_with_exit_code_3(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, [str(FIXTURES / "limited.json")])
    assert result.exit_code == 3
    answer = json.loads(result.stdout)
    assert list(answer) == ["status", "reason"]
    assert answer["status"] == "infeasible"
    assert "A10G" in answer["reason"]
    table = CliRunner().invoke(app, [str(FIXTURES / "limited.json"), "--format", "table"])
    assert isinstance(table.exception, Infeasible)


def test_the_answer_goes_to_a_file(app: typer.Typer, tmp_path: Path) -> None:
    out = tmp_path / "answer.json"
    result = CliRunner().invoke(app, [str(FIXTURES / "example.json"), "-o", str(out)])
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(out.read_text())["usd_per_hour"] == 5.69


def test_a_bad_file_or_option_is_a_usage_error(app: typer.Typer, tmp_path: Path) -> None:
    missing = CliRunner().invoke(app, [str(tmp_path / "none.json")])
    assert isinstance(missing.exception, InputFileError)
    for seconds in ("0", "-1", "nan", "inf"):
        result = CliRunner().invoke(app, [str(FIXTURES / "example.json"), "--time-limit-s", seconds])
        assert isinstance(result.exception, UsageError), seconds


def test_the_input_file_is_not_changed(app: typer.Typer) -> None:
    before = (FIXTURES / "example.json").read_bytes()
    CliRunner().invoke(app, [str(FIXTURES / "example.json")])
    assert (FIXTURES / "example.json").read_bytes() == before
