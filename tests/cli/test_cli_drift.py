"""`advisor drift` says nothing while a plan holds, and everything when it does not."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from cli_harness import ROOT, Said, call

from advisor.catalog.snapshot_writing import write_snapshot
from advisor.cli.drift_view import _why
from advisor.domain import Availability, Market, Offer
from advisor.recommendation.drift import DEFAULT_THRESHOLD
from advisor.recommendation.drift_reasons import Kind, Reason

if TYPE_CHECKING:
    from pathlib import Path
from types import SimpleNamespace

MADE = datetime(2027, 1, 4, tzinfo=UTC)  # after the snapshot that ships, so that ours is the newest
A_WEEK = timedelta(days=7)
KEPT = "aws:us-east-1:g6e.xlarge:on_demand"
OTHER = "aws:us-east-1:g6e.2xlarge:on_demand"


def an_offer(instance_type: str, usd_per_hour: str, at: datetime, **given: Any) -> Offer:
    fields: dict[str, Any] = {
        "provider": "aws",
        "region": "us-east-1",
        "zone": None,
        "instance_type": instance_type,
        "market": Market.ON_DEMAND,
        "usd_per_hour": Decimal(usd_per_hour),
        "accelerator": "l40s-48gb",
        "accelerators": Decimal(1),
        "vcpus": 4,
        "memory_gib": 32.0,
        "availability": Availability.AVAILABLE,
        "availability_basis": "hand-made",
        "price_basis": "list",
        "collected_at": at,
        "source": "hand-made",
        "licence": None,
        "interruption": None,
    }
    return Offer(**(fields | given))


def published(home: Path, at: datetime, kept: str | None, other: str) -> str:
    """A snapshot in the user's folder with one card in two shapes; its id."""
    offers = [an_offer("g6e.2xlarge", other, at)]
    if kept is not None:
        offers.append(an_offer("g6e.xlarge", kept, at))
    return write_snapshot(offers, home / "snapshots", at, "hand-made").stem


@pytest.fixture(scope="module")
def plan_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A plan on prices of its day."""
    folder = tmp_path_factory.mktemp("made")
    snapshot = published(folder, MADE, "2.00", "2.50")
    moment = {"SOURCE_DATE_EPOCH": str(int(MADE.timestamp())), "ADVISOR_HOME": str(folder)}
    said = call("recommend", "--region", "us-east-1", "--snapshot", snapshot, "--format", "json", **moment)
    assert said.code == 0, said.err
    assert {line["instance_type"] for line in json.loads(said.out)["purchase"]} == {"g6e.xlarge"}
    return said.out


@pytest.fixture
def plan(plan_text: str, tmp_path: Path) -> Path:
    """The same in a file."""
    path = tmp_path / "plan.json"
    path.write_text(plan_text)
    return path


def a_week_later(plan: Path, *words: str, **environment: str) -> Said:
    later = str(int((MADE + A_WEEK).timestamp()))
    return call("drift", str(plan), *words, **({"SOURCE_DATE_EPOCH": later} | environment))


def test_a_plan_that_holds_is_silent_but_for_one_line_on_stderr(home: Path, plan: Path) -> None:
    published(home, MADE + A_WEEK, "2.01", "2.50")
    said = a_week_later(plan)
    assert (said.code, said.out) == (0, "")
    (line,) = said.err.splitlines()
    assert "holds" in line
    assert "below the threshold of 2 %" in line


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_the_file_of_last_week_does_not_outlive_its_reason(
    home: Path, plan: Path, tmp_path: Path, form: str
) -> None:
    published(home, MADE + A_WEEK, "2.01", "2.50")
    written = tmp_path / "drift.md"
    written.write_text("last week's alarm\n")
    assert a_week_later(plan, "--format", form, "-o", str(written)).code == 0
    assert written.read_text() == ""


def test_json_always_comes(home: Path, plan: Path) -> None:
    newest = published(home, MADE + A_WEEK, "2.01", "2.50")
    document = json.loads(a_week_later(plan, "--format", "json").out)
    assert (document["schema_version"], document["kind"], document["verdict"]) == (1, "drift", "holds")
    assert document["plan_id"] == json.loads(plan.read_text())["plan_id"]
    assert (document["snapshot_id"], document["reasons"], document["new_plan"]) == (newest, [], None)
    assert document["regret_usd_per_month"] == "0"
    assert document["prices"][0]["change_fraction"] == pytest.approx(0.005)


def test_drift_ends_with_3_and_a_new_plan_that_verifies(home: Path, plan: Path, tmp_path: Path) -> None:
    newest = published(home, MADE + A_WEEK, "2.00", "1.50")
    said = a_week_later(plan, "--format", "json")
    assert (said.code, said.err) == (3, "")
    document = json.loads(said.out)
    assert document["verdict"] == "drift"
    (reason,) = document["reasons"]
    assert reason["kind"] == "regret"
    instances = document["prices"][0]["instances_kept"]
    assert Decimal(reason["figures"]["regret_usd_per_month"]) == Decimal("0.50") * instances * 730
    new = tmp_path / "new.json"
    new.write_text(json.dumps(document["new_plan"]))
    assert call("verify", str(new), "--snapshot", newest).code == 0
    assert document["new_plan"]["command"].startswith("advisor drift")


def test_markdown_stands_alone_in_a_pull_request(home: Path, plan: Path) -> None:
    published(home, MADE + A_WEEK, "3.00", "2.50")
    said = a_week_later(plan, "--format", "markdown")
    assert said.code == 3
    assert said.out.startswith("### Plan ")
    for words in ("A cheaper fleet", KEPT, OTHER, "+50.0%", "2027-01-04 → 2027-01-11", "| Step |"):
        assert words in said.out, words


@pytest.mark.parametrize("columns", ["80", "160"])
def test_no_line_is_wider_than_the_terminal(home: Path, plan: Path, columns: str) -> None:
    published(home, MADE + A_WEEK, None, "2.50")
    said = a_week_later(plan, COLUMNS=columns)
    assert said.code == 3
    assert "Offer gone" in said.out
    assert max(map(len, said.out.splitlines())) <= int(columns)


def test_the_threshold_is_the_users(home: Path, plan: Path) -> None:
    """12.5 % of the kept cost: 1 - 1.75 / 2.00."""
    published(home, MADE + A_WEEK, "2.00", "1.75")
    assert a_week_later(plan, "--threshold-percent", "12.5").code == 3
    assert a_week_later(plan, "--threshold-percent", "12.6").code == 0


@pytest.mark.parametrize("percent", ["-1", "101", "nan"])
def test_a_threshold_out_of_range_is_refused_in_one_line(plan: Path, percent: str) -> None:
    said = a_week_later(plan, "--threshold-percent", percent)
    assert (said.code, said.out) == (2, "")
    assert "--threshold-percent" in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"kind": "fleet"}'])
def test_a_file_that_is_no_plan_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(content)
    said = call("drift", str(path))
    assert (said.code, said.out) == (2, "")
    assert "wrong.json" in said.err
    assert len(said.err.splitlines()) == 1


def test_stale_prices_are_the_settings_to_judge(home: Path, plan: Path) -> None:
    published(home, MADE + timedelta(days=1), "2.00", "2.50")
    said = a_week_later(plan, ADVISOR_MAX_AGE_ON_DEMAND_DAYS="5")
    assert said.code == 3
    assert "Prices stale" in said.out
    assert a_week_later(plan).code == 0


def test_a_lowered_quota_is_found_in_the_account_at_hand(home: Path, plan: Path, tmp_path: Path) -> None:
    published(home, MADE + A_WEEK, "2.00", "2.50")
    account = tmp_path / "account.yaml"
    line = "{provider: aws, region: us-east-1, pool: L-DB2E81BA, unit: vcpu, limit: 4}"
    account.write_text(f"quotas:\n  - {line}\n")
    said = a_week_later(plan, "--quota", str(account))
    assert said.code == 3
    assert "Quota short" in said.out
    assert "admits 4 vcpu" in said.out


def test_hostile_words_of_a_snapshot_cannot_break_the_table(home: Path, plan: Path) -> None:
    at = MADE + A_WEEK
    hostile = an_offer("g6e.2xlarge", "1.00", at, source="evil | \x1b[31mred\n| `cell` <b>")
    write_snapshot([hostile, an_offer("g6e.xlarge", "2.00", at)], home / "snapshots", at, "hand-made")
    said = a_week_later(plan, "--format", "markdown")
    assert said.code == 3
    assert "\x1b" not in said.out
    assert "<b>" not in said.out
    assert "\\|" in said.out


@pytest.mark.parametrize(
    ("refresh", "watch", "ends", "written"),
    [
        (0, 0, 0, ""),
        (5, 3, 3, "news\n"),
        (0, 3, 3, "news\n"),
        (6, 0, 6, ""),
        (6, 3, 6, "news\n"),
        (0, 4, 4, ""),
    ],
)
def test_the_cron_script_writes_only_what_somebody_should_read(
    tmp_path: Path, refresh: int, watch: int, ends: int, written: str
) -> None:
    """With an `advisor` that ends as told."""
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "a plan.json").write_text("{}")
    stand_in = tmp_path / "advisor"
    says = "echo news;" if watch == 3 else ""
    lines = [
        "#!/bin/sh",
        f'[ "$1" != refresh ] || {{ echo summary; exit {refresh}; }}',
        '[ "$1 $2 $3" = "watch --format markdown" ] && [ "${4##*/}" = "a plan.json" ] || exit 1',
        f"{says} echo a line >&2; exit {watch}",
        "",
    ]
    stand_in.write_text("\n".join(lines))
    stand_in.chmod(0o755)
    environ = {"PATH": os.environ["PATH"], "ADVISOR": str(stand_in), "PLANS": str(plans)}
    script = ROOT / "docs" / "cron" / "drift.sh"
    done = subprocess.run([script], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (ends, written)
    assert bool(done.stderr) == any(code not in (0, 3, 5) for code in (refresh, watch))


def test_the_threshold_that_help_names_is_the_one_in_force() -> None:
    assert f"[default: {100 * DEFAULT_THRESHOLD}]" in call("drift", "--help", COLUMNS="200").out


@pytest.mark.parametrize("beside", [True, False], ids=["beside the file named", "in the home"])
def test_noise_is_told_from_moves_by_the_prices_the_plan_was_made_on(
    home: Path, tmp_path: Path, beside: bool
) -> None:
    """Two shapes of one card at one price; then one 2 % up, the other 2 % down: 3.9 %, all of it noise."""
    folder = tmp_path / "elsewhere" if beside else home
    where = folder / "snapshots"
    made_on = where / f"{published(folder, MADE, '2.00', '2.00')}.parquet"
    moment = {"SOURCE_DATE_EPOCH": str(int(MADE.timestamp()))}
    plan = tmp_path / "tie.json"
    said = call(
        "recommend", "--region", "us-east-1", "--snapshot", str(made_on), "--format", "json", **moment
    )
    plan.write_text(said.out)
    bought = {line["instance_type"] for line in json.loads(said.out)["purchase"]}
    prices = ("2.04", "1.96") if bought == {"g6e.xlarge"} else ("1.96", "2.04")
    now = where / f"{published(folder, MADE + A_WEEK, *prices)}.parquet"
    held = a_week_later(plan, *(["--snapshot", str(now)] if beside else []))
    assert (held.code, held.out) == (0, "")
    assert "3.9%" in held.err
    assert "0.0% where prices that moved by at most 2 % count as unmoved" in held.err
    made_on.unlink()
    assert a_week_later(plan, "--snapshot", str(now)).code == 3


def test_prices_too_old_for_one_limit_are_told_in_one_line_with_what_to_do() -> None:
    figures = {"age_hours": 24.0 * 40, "limit_hours": 24.0 * 7}
    older = figures | {"age_hours": 24.0 * 50}
    stale = (
        Reason(Kind.PRICES_STALE, "aws:r:a:spot", "one", figures),
        Reason(Kind.PRICES_STALE, "aws:r:b:spot", "two", older),
    )
    found = SimpleNamespace(reasons=(Reason(Kind.OFFER_GONE, "c", "c is gone."), *stale))
    assert list(_why(found)) == [
        "Offer gone: c is gone.",
        "Prices stale: 2 prices are up to 50 days old, the limit 7 days; the oldest is aws:r:b:spot.",
    ]
    assert list(_why(SimpleNamespace(reasons=stale[:1]))) == ["Prices stale: one"]
