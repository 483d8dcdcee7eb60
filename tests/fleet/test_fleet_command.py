"""`advisor fleet import` and `show` from the command line."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from fleet_samples import FIXTURES

from advisor.cli.app import main
from advisor.fleet import read_fleet

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast


def advisor(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Run the command line; its exit code."""
    monkeypatch.setattr(sys, "argv", ["advisor", *map(str, words)])
    try:
        main()
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


@pytest.mark.parametrize("ending", [".yaml", ".json"])
def test_what_import_writes_the_other_commands_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    path = tmp_path / f"fleet{ending}"
    assert advisor(monkeypatch, "fleet", "import", FIXTURES / "nodes.json", "-o", path) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "ip-10-0-4-41.ec2.internal" in said.err
    assert read_fleet(path).instances == 8


def test_import_to_stdout_is_a_fleet_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert advisor(monkeypatch, "fleet", "import", FIXTURES / "sky_status.json") == 0
    path = tmp_path / "fleet.yaml"
    path.write_text(capsys.readouterr().out)
    assert read_fleet(path).instances == 10


def test_a_fleet_file_needs_no_import(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert advisor(monkeypatch, "fleet", "import", FIXTURES / "fleet.yaml") == 2
    assert "needs no import" in capsys.readouterr().err


def test_the_tool_named_is_the_tool_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert advisor(monkeypatch, "fleet", "import", FIXTURES / "nodes.json", "--from", "kubernetes") == 0
    assert advisor(monkeypatch, "fleet", "import", FIXTURES / "nodes.json", "--from", "terraform") == 2


def test_an_output_that_no_command_would_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert advisor(monkeypatch, "fleet", "import", FIXTURES / "nodes.json", "-o", tmp_path / "fleet.txt") == 2


@pytest.mark.parametrize("width", ["80", "160"])
def test_show_fits_its_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    assert advisor(monkeypatch, "fleet", "show", FIXTURES / "fleet.yaml") == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= int(width)
    assert "the box in the cellar" in out
    assert "6 instances in 2 lines, 1 not recognised" in out


def test_show_gives_the_same_fleet_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert advisor(monkeypatch, "fleet", "show", FIXTURES / "fleet.yaml", "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [line["instances"] for line in document["lines"]] == [4, 2]
    assert document["lines"][0]["usd_per_hour_each"] == "0.8059"
