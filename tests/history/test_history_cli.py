"""`advisor catalog history`, `diff` and `export`, over snapshots of the user's own."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import duckdb
import pytest
import typer
from history_builders import an_offer, publish
from typer.testing import CliRunner

from advisor.cli.catalog_diff import diff, export
from advisor.cli.catalog_history import history
from advisor.domain import Market
from advisor.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast

app = typer.Typer()
app.command("history")(history)
app.command("diff")(diff)
app.command("export")(export)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    spot = {"market": Market.SPOT, "zone": "use1-az1", "instance_type": "x1.test"}
    for day, usd, spot_usd in (("2098-12-01", "10", "4"), ("2098-12-08", "6.5", "4.1")):
        publish(
            tmp_path / "snapshots",
            day,
            an_offer(usd, day, instance_type="x1.test"),
            an_offer(spot_usd, day, **spot),
            an_offer("3", day, instance_type="=cmd()", region=day),
        )
    return tmp_path


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def error(*words: str) -> BaseException:
    result = CliRunner().invoke(app, list(words))
    assert result.exception is not None
    return result.exception


def test_diff_compares_the_two_newest_and_sorts_by_dollars() -> None:
    found = json.loads(run("diff", "--format", "json"))
    assert [(row["change"], row["usd_per_hour_change"], row["percent"]) for row in found] == [
        ("fell", "-3.5", "-35"),
        ("rose", "0.1", "2.5"),
        ("appeared", None, None),
        ("vanished", None, None),
    ]


def test_diff_as_markdown_fits_a_pull_request() -> None:
    text = run("diff", "--format", "markdown")
    assert text.startswith("### Prices, 2098-12-01-")
    assert (
        "| fell | aws | us-east-1 |  | x1.test | on_demand | 10.0000 | 6.5000 | -3.5000 | -35.0 % |" in text
    )
    assert "- 1 rose, 1 fell, 1 appeared, 1 vanished, 0 unchanged." in text


def test_diff_leaves_out_small_moves_and_says_how_many() -> None:
    text = run("diff", "--min-percent", "5")
    assert "0 rose, 1 fell, 1 appeared, 1 vanished, 1 unchanged." in text
    assert isinstance(error("diff", "--min-percent", "-1"), UsageError)
    assert isinstance(error("diff", "--min-percent", "few"), UsageError)


def test_diff_of_a_snapshot_with_itself_says_that_nothing_changed(home: Path) -> None:
    (newest,) = home.glob("snapshots/2098-12-08-*.parquet")
    assert "\nNothing changed.\n" in run("diff", newest.stem, newest.stem)
    assert isinstance(error("diff", "2098-12-08-ffffffffffff"), UnknownName)


def test_history_draws_a_chart_for_each_market_above_the_table() -> None:
    text = run("history", "x1.test", "--region", "us-east-1")
    assert max(map(len, text.splitlines())) <= 80
    assert text.index("on_demand, region") < text.index("spot, zone use1-az1") < text.index("Last seen")
    assert "on_demand            10.0000  2098-12-01  2098-12-01" in text
    assert "2 of" not in text


def test_history_for_programs_has_every_column_and_no_chart() -> None:
    found = json.loads(
        run("history", "x1.test", "--region", "us-east-1", "--market", "spot", "--format", "json")
    )
    assert [row["usd_per_hour"] for row in found] == ["4", "4.1"]
    assert found[0]["source"] == "price list"
    rows = list(
        csv.DictReader(io.StringIO(run("history", "x1.test", "--region", "us-east-1", "--format", "csv")))
    )
    assert [row["market"] for row in rows] == ["on_demand", "on_demand", "spot", "spot"]


def test_history_reads_the_history_shipped() -> None:
    text = run(
        "history", "p5.48xlarge", "--region", "us-east-1", "--market", "on-demand", "--since", "2025-01-01"
    )
    assert "98.3200  2023-09-18  2025-03-31" in text
    assert "55.0400  2025-06-23  2026-07-20" in text


def test_history_refuses_what_it_does_not_know() -> None:
    assert "did you mean x1.test" in str(error("history", "x1.tst", "--region", "us-east-1"))
    assert "--since" in str(error("history", "x1.test", "--region", "us-east-1", "--since", "yesterday"))
    assert "--market" in str(error("history", "x1.test", "--region", "us-east-1", "--market", "futures"))


def test_export_writes_every_column_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(run("export"))))
    assert len(rows) == 3
    assert {"provider", "usd_per_hour", "collected_at", "source", "licence", "flags", "offer_id"} <= set(
        rows[0]
    )
    assert "'=cmd()" in {row["instance_type"] for row in rows}
    assert {row["usd_per_hour"] for row in rows} == {"6.5", "4.1", "3"}


def test_export_as_parquet_is_the_snapshot_itself(tmp_path: Path) -> None:
    run("export", "-o", str(tmp_path / "all.parquet"))
    assert duckdb.connect().execute(
        "SELECT count(*) FROM read_parquet(?)", [str(tmp_path / "all.parquet")]
    ).fetchall() == [(3,)]
    assert isinstance(error("export", "--format", "parquet"), UsageError)
