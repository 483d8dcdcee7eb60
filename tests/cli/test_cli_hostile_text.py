"""Names from outside (a vendor's, a file's) that mean something to a spreadsheet, a terminal or Markdown."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from cli_harness import FIXTURES, call

from advisor.catalog.snapshot_writing import write_snapshot
from advisor.domain import Availability, Market, Offer

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = {
    "formula": "=cmd|' /C calc'!A0",
    "plus": "+1+1",
    "minus": "-2+3",
    "at": "@SUM(1)",
    "pipe": "a|b|c",
    "newline": "two\nlines",
    "return": "two\rlines",
    "tab": "\tstart",
    "script": "<script>alert(1)</script>",
    "markdown": "[x](http://example.org) **b** `c`",
    "escape": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "rich": "[bold red]shout[/]",
    "comma": 'a,"b",c',
    "direction": "\u202egnp.exe",
    "old escape": "\x9b31mred",
    "unseen": "a\u200bb",
}


def an_offer(provider: str, name: str) -> Offer:
    return Offer(
        provider=provider, region="us-east-1", zone=None, instance_type=name, market=Market.ON_DEMAND,
        usd_per_hour=Decimal("1.5"), accelerator="l40s-48gb", accelerators=Decimal(1), vcpus=4,
        memory_gib=32.0, availability=Availability.AVAILABLE, availability_basis="hand-made",
        price_basis="list", collected_at=datetime(2026, 10, 20, tzinfo=UTC), source=name,
        licence=None, interruption=None,
    )  # fmt: skip


def publish(home: Path, name: str) -> None:
    """A snapshot in the user's folder, newer than the shipped one, with that name in it."""
    write_snapshot([an_offer("aws", name)], home / "snapshots", datetime(2099, 1, 1, tzinfo=UTC), "hostile")


COMMANDS: dict[str, tuple[str, ...]] = {"offers": ("offers",), "recommend": ("recommend", "--rate", "0.5")}
SHOWN = [("offers", name) for name in HOSTILE] + [
    ("recommend", name) for name in ("formula", "pipe", "newline", "script", "escape")
]


def cells(line: str) -> int:
    """Cells of a Markdown row: bars that are not escaped."""
    return line.replace("\\\\", "").replace("\\|", "").count("|")


@pytest.mark.parametrize(("command", "name"), SHOWN)
@pytest.mark.parametrize("form", ["table", "markdown", "csv"])
def test_a_name_means_nothing_where_it_is_shown(home: Path, command: str, name: str, form: str) -> None:
    publish(home, HOSTILE[name])
    said = call(*COMMANDS[command], "--format", form)
    assert said.code == 0, said.err
    assert said.out.replace("\n", "").isprintable()
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(said.out, newline="")))
        assert len(rows) == 1
        assert None not in rows[0]
        for cell in rows[0].values():
            assert cell[:1] not in ("=", "+", "@", "\t", "\r"), cell
            assert cell[:1] != "-", cell
    if form == "markdown":
        assert "<script>" not in said.out
        for block in said.out.split("\n\n"):
            rows_of_table = [line for line in block.splitlines() if line.startswith("|")]
            assert len({cells(line) for line in rows_of_table}) <= 1, block


@pytest.mark.parametrize("name", HOSTILE)
def test_json_keeps_the_name_as_it_is_and_shows_nothing_raw(home: Path, name: str) -> None:
    publish(home, HOSTILE[name])
    text = call("offers", "--format", "json").out
    records: list[dict[str, Any]] = json.loads(text)
    assert [record["instance_type"] for record in records] == [HOSTILE[name]]
    assert text.replace("\n", "").isprintable()


def test_a_table_shows_square_brackets_as_they_are(home: Path) -> None:
    publish(home, HOSTILE["rich"])
    assert HOSTILE["rich"] in call("offers").out
    assert HOSTILE["rich"] in call("recommend", "--rate", "0.5").out


def test_a_hostile_file_name_stays_on_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a\n\x1b[31mb.yaml"
    path.write_text("[]")
    said = call("recommend", "--service", str(path))
    assert said.code == 2
    assert "\x1b" not in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("option", ["--region", "--model", "--workload", "--accelerator", "--snapshot"])
def test_a_hostile_word_stays_on_its_line(option: str) -> None:
    said = call("recommend", option, "\x1b[31mred\nline\u202e\x9b1m")
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert said.err.replace("\n", "").isprintable()


def test_a_hostile_option_is_no_option() -> None:
    said = call("offers", "--\u202eregion", "us-east-1")
    assert (said.code, said.err) == (2, "advisor: no such option: --\\u202eregion\n")


def test_a_hostile_folder_is_named_harmlessly_in_a_note(tmp_path: Path) -> None:
    folder = tmp_path / "a\x1b[31m\u202eb"
    source = str(FIXTURES / "profiles" / "imports" / "csv" / "plain.csv")
    said = call("profile", "import", source, ADVISOR_HOME=str(folder))
    assert said.code == 0
    assert "kept " in said.err
    assert said.err.replace("\n", "").isprintable()


SERVICE = """\
schema_version: 1
services:
  - {name: "%s", model: Llama-3.1-8B, workload: azure-2023-conv, rate_requests_per_s: 1, slo: {tpot_ms: 60}}
"""
ACCOUNT = '{"quotas": [{"provider": "aws", "region": "us-east-1", "pool": "%s", "unit": "vcpu", "limit": 1}]}'


@pytest.mark.parametrize("mark", ["\\u202e", "\\u200b", "\\u009b", "\\u2028", "\\ufeff", "\\u0007"])
@pytest.mark.parametrize(
    ("text", "option", "ending", "field"),
    [(SERVICE, "--service", "yaml", "services[0].name"), (ACCOUNT, "--quota", "json", "quotas[0].pool")],
    ids=["service", "account"],
)
def test_a_name_with_a_mark_that_is_not_seen_is_refused(
    tmp_path: Path, text: str, option: str, ending: str, field: str, mark: str
) -> None:
    path = tmp_path / f"given.{ending}"
    path.write_text(text % f"ab{mark}cd")
    said = call("recommend", "--region", "us-east-1", option, str(path))
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"advisor: {path}: {field}: 'ab\\")
    assert said.err.count("\n") == 1
    assert said.err.replace("\n", "").isprintable()


@pytest.mark.parametrize("name", ["Größe", "模型", "résumé 2", "قائمة"])
def test_a_name_in_any_writing_is_a_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "service.yaml"
    path.write_text(SERVICE % name)
    said = call("recommend", "--region", "us-east-1", "--service", str(path), "--format", "json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["services"][0]["name"] == name
