"""`advisor offers` and `advisor catalog status`, over a snapshot of the user's own."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import typer
from catalog_builders import an_offer
from typer.testing import CliRunner

from advisor.catalog.snapshot_writing import write_snapshot
from advisor.cli import catalog
from advisor.cli.offers import offers
from advisor.domain import Availability, Market
from advisor.errors import AdvisorError, CorruptSnapshot, UnknownName, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

FAR_FUTURE = datetime(2099, 1, 1, tzinfo=UTC)  # newer than any snapshot shipped

app = typer.Typer()
app.command("offers")(offers)
app.add_typer(catalog.app, name="catalog")


@pytest.fixture(autouse=True)
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")
    new = datetime.now(UTC) - timedelta(days=3)
    given = [
        an_offer(collected_at=new),
        an_offer(collected_at=new, market=Market.SPOT, zone="use1-az1", usd_per_hour="2.5"),
        an_offer(collected_at=new, instance_type="p5.48xlarge", accelerators=8, usd_per_hour="55.04"),
        an_offer(collected_at=new, region="us-west-2", usd_per_hour="6.00"),
        an_offer(collected_at=new, provider="gcp", region="us-east4", instance_type="g2-standard-4",
                 accelerator="l4-24gb", usd_per_hour="0.70", vcpus=4),
        an_offer(collected_at=new - timedelta(days=100), provider="lambda", instance_type="gpu_1x_h100_sxm5",
                 usd_per_hour="4.29", availability=Availability.UNKNOWN),
        an_offer(collected_at=new, zone="us-east-1-atl-1a", flags=("local_zone",), usd_per_hour="8.6"),
    ]  # fmt: skip
    return write_snapshot(given, tmp_path / "snapshots", FAR_FUTURE, "test prices")


def run(*words: str) -> Result:
    result = CliRunner().invoke(app, list(words), catch_exceptions=not words)
    assert result.exit_code == 0, result.output
    return result


def records(*words: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(run(*words, "--format", "json").stdout)
    return found


def test_offers_are_listed_cheapest_first() -> None:
    found = records("offers")
    assert [record["usd_per_hour"] for record in found] == ["0.7", "2.5", "6", "6.88", "55.04"]
    assert found[4]["usd_per_accelerator_hour"] == "6.88"


def test_what_is_not_shown_is_counted_with_its_reason() -> None:
    text = run("offers").stdout
    assert "Not shown: 2 (--all shows what cannot be bought as it stands)" in text
    assert "1  availability_unknown: nobody states whether the region has stock" in text
    assert "1  local_zone: a Local or Wavelength Zone" in text


def test_all_shows_what_cannot_be_bought_and_why() -> None:
    why = {record["offer_id"]: record["why_not"] for record in records("offers", "--all")}
    assert len(why) == 7
    assert why["lambda:us-east-1:gpu_1x_h100_sxm5:on_demand"] == "availability_unknown"
    assert why["aws:us-east-1/us-east-1-atl-1a:p5.4xlarge:on_demand"] == "local_zone"
    assert why["aws:us-east-1:p5.4xlarge:on_demand"] is None


def test_filters_narrow_the_list() -> None:
    found = records(
        "offers",
        "--region",
        "us-east-1",
        "--market",
        "on-demand",
        "--max-usd-per-hour",
        "10",
        "--accelerator",
        "H100",
    )
    assert [record["offer_id"] for record in found] == ["aws:us-east-1:p5.4xlarge:on_demand"]
    assert [record["provider"] for record in records("offers", "--provider", "g*")] == ["gcp"]
    assert {record["region"] for record in records("offers", "--near", "us-east-1=100")} == {
        "us-east-1",
        "us-east4",
    }


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("usd_per_hour", "0.7"),
        ("usd_per_accelerator_hour", "0.7"),
        ("provider", "2.5"),
        ("region", "2.5"),
        ("accelerator", "2.5"),
    ],
)
def test_the_order_can_be_chosen(sort: str, first: str) -> None:
    assert records("offers", "--sort", sort)[0]["usd_per_hour"] == first


def test_the_youngest_price_comes_first_by_age() -> None:
    assert records("offers", "--all", "--sort", "age")[-1]["provider"] == "lambda"


def test_groups_show_their_cheapest() -> None:
    aws, gcp = sorted(records("offers", "--group-by", "provider"), key=lambda record: record["provider"])
    assert (aws["offers"], aws["usd_per_hour_min"], aws["usd_per_accelerator_hour_max"]) == (4, "2.5", "6.88")
    assert aws["cheapest_offer_id"] == "aws:us-east-1/use1-az1:p5.4xlarge:spot"
    assert gcp["offers"] == 1


def test_a_limit_says_how_many_there_are() -> None:
    text = run("offers", "--limit", "2").stdout
    assert "2 of 5 offers; --limit shows more." in text
    assert "55.04" not in text


@pytest.mark.parametrize("width", ["80", "160"])
def test_identifiers_and_prices_are_whole_at_any_width(monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    lines = run("offers").stdout.splitlines()
    assert max(len(line) for line in lines) <= int(width)
    (row,) = (line for line in lines if "p5.48xlarge" in line)
    assert row.split()[:3] == ["aws", "us-east-1", "p5.48xlarge"]
    assert "55.0400" in row
    assert any("use1-az1" in line for line in lines)


def test_csv_has_every_column_and_notes_stay_off_stdout() -> None:
    result = run("offers", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == 5
    assert rows[0]["source"] == "price list"
    assert "Not shown: 2" in result.stderr


def test_markdown_is_a_table() -> None:
    assert "| Provider | Region |" in run("offers", "--format", "markdown").stdout


def test_nothing_found_is_said_with_the_reason() -> None:
    text = run("offers", "--region", "lambda:us-east-1").stdout
    assert "No offers." in text
    assert "availability_unknown" in text
    assert records("offers", "--region", "lambda:us-east-1") == []


def test_the_result_can_go_to_a_file(tmp_path: Path) -> None:
    assert run("offers", "--format", "json", "-o", str(tmp_path / "out.json")).stdout == ""
    assert len(json.loads((tmp_path / "out.json").read_text())) == 5


@pytest.mark.parametrize(
    ("words", "kind", "complaint"),
    [
        (["--region", "us-eest-1"], UnknownName, "did you mean"),
        (["--accelerator", "H1000"], UnknownName, "unknown accelerator"),
        (["--max-usd-per-hour", "cheap"], UsageError, "'cheap' is not allowed"),
        (["--max-usd-per-hour", "nan"], UsageError, "'nan' is not allowed"),
        (["--max-usd-per-hour", "-1"], UsageError, "'-1' is not allowed"),
        (["--snapshot", "2020-01-01-000000000000"], UnknownName, "unknown snapshot"),
    ],
)
def test_bad_words_are_refused(words: list[str], kind: type[AdvisorError], complaint: str) -> None:
    with pytest.raises(kind, match=complaint):
        CliRunner().invoke(app, ["offers", *words], catch_exceptions=False)


def test_a_truncated_newest_snapshot_is_refused_by_name(snapshot: Path) -> None:
    snapshot.write_bytes(snapshot.read_bytes()[:-10])
    for words in (["offers"], ["catalog", "status"]):
        with pytest.raises(CorruptSnapshot, match=rf"{snapshot.name}: truncated"):
            CliRunner().invoke(app, words, catch_exceptions=False)


def test_status_tells_the_age_per_provider_and_market(snapshot: Path) -> None:
    found = {(record["provider"], record["market"]): record for record in records("catalog", "status")}
    assert found["aws", "on_demand"]["state"] == "fresh"
    assert found["aws", "on_demand"]["offers"] == 4
    assert found["lambda", "on_demand"]["state"] == "stale"
    assert found["lambda", "spot"]["state"] == "missing"
    assert found["aws", "on_demand"]["flags"] == "local_zone"
    assert found["gcp", "on_demand"]["snapshot_id"] == snapshot.stem
    assert found["gcp", "on_demand"]["snapshot_path"] == str(snapshot)


@pytest.mark.parametrize("width", ["80", "160"])
def test_status_names_the_snapshot_its_sources_and_what_is_stale(
    monkeypatch: pytest.MonkeyPatch, snapshot: Path, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    text = run("catalog", "status").stdout
    assert max(len(line) for line in text.splitlines()) <= int(width)
    assert f"Snapshot {snapshot.stem}" in text
    assert "Stale: 1 of 6 lines" in text
    assert "  price list" in text


@pytest.mark.parametrize("words", [["offers"], ["catalog", "status"]])
def test_help_has_an_example(words: list[str]) -> None:
    assert f"advisor {' '.join(words)} --" in run(*words, "--help").stdout
