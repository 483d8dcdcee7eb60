"""`advisor refresh` and `advisor catalog evidence`, with a third party's adapter installed beside ours."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import typer
import yaml
from refresh_builders import an_offer, install_fakecloud
from typer.testing import CliRunner

from advisor.catalog.account import load_account
from advisor.catalog.facts import load_facts
from advisor.catalog.snapshot import read_snapshot
from advisor.catalog.snapshot_writing import write_snapshot
from advisor.catalog.store import open_snapshot
from advisor.cli.evidence import evidence
from advisor.cli.refresh import refresh
from advisor.errors import AdvisorError, NothingPublished, UnknownName
from advisor.refresh.publishing import refresh_lock

ROOT = Path(__file__).parents[2]

app = typer.Typer()
app.command("refresh")(refresh)
app.command("evidence")(evidence)

PRICES = {"items": [{"sku": "gpu.small", "price": 0.75}, {"sku": "gpu.big", "price": 1.5}, {"name": "?"}]}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(install_fakecloud(folder)))
    for variable in ("LAMBDA_API_KEY", "RUNPOD_API_KEY", "FAKECLOUD"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path / "home"


def say(monkeypatch: pytest.MonkeyPatch, said: dict[str, object]) -> None:
    monkeypatch.setenv("FAKECLOUD", json.dumps(said))


def run(*words: str) -> tuple[int, str, str]:
    """Exit code (as the entry point maps errors), stdout, stderr."""
    result = CliRunner().invoke(app, list(words))
    error = result.exception
    if error is not None and not isinstance(error, AdvisorError | SystemExit):
        raise error
    code = error.exit_code if isinstance(error, AdvisorError) else result.exit_code
    said = f"advisor: {error}\n" if isinstance(error, AdvisorError) else ""
    return code, result.stdout, result.stderr + said


def test_a_refresh_publishes_and_tells_on_one_screen(home, monkeypatch):
    say(monkeypatch, PRICES)
    code, out, err = run("refresh", "--provider", "fakecloud")
    assert code == 0, err
    snapshot = open_snapshot()
    assert snapshot.info.path.startswith(str(home / "snapshots"))
    assert {o.id for o in snapshot.offers if o.provider == "fakecloud"} == {
        "fakecloud:r1:gpu.small:on_demand",
        "fakecloud:r1:gpu.big:on_demand",
    }
    lines = out.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 120
    (row,) = (line.split() for line in lines if line.startswith("fakecloud "))
    # state, regions, rows, new, changed, same, kept, gone, unusable, retries
    assert row[1:11] == ["done", "1", "2", "2", "0", "0", "0", "0", "1", "0"]
    assert f"Snapshot {snapshot.info.snapshot_id}: {len(snapshot.offers):,} offers" in out
    assert "fakecloud spot price: fakecloud sells no spot" in out
    assert "fakecloud: malformed_item 1" in out
    assert "fakecloud: asking\n" in err
    assert "fakecloud: done, 1 region, 2 rows, 0 retries, 0.0 s\n" in err


def test_rows_of_clouds_that_were_not_asked_are_carried_over_untouched(monkeypatch):
    shipped = open_snapshot().offers
    say(monkeypatch, PRICES)
    run("refresh", "--provider", "fakecloud")
    assert [o for o in open_snapshot().offers if o.provider != "fakecloud"] == list(shipped)


def test_a_dry_run_publishes_nothing_and_takes_no_lock(home, monkeypatch):
    say(monkeypatch, PRICES)
    with refresh_lock(home):
        code, out, err = run("refresh", "--provider", "fakecloud", "--dry-run")
    assert (code, err.splitlines()[-1]) == (0, "dry run: nothing was published")
    assert "Nothing published; " in out
    assert not (home / "snapshots").exists()


def test_without_credentials_and_named_nothing_is_published(home):
    before = open_snapshot().info.snapshot_id
    code, out, err = run("refresh", "--provider", "fakecloud")
    assert code == NothingPublished.exit_code
    assert err.endswith("advisor: nothing published, the catalog is as it was: fakecloud: set FAKECLOUD\n")
    assert "What the others need: advisor refresh --explain-permissions" in out
    assert open_snapshot().info.snapshot_id == before
    assert not (home / "snapshots").exists()


def test_json_holds_everything(monkeypatch, tmp_path):
    say(monkeypatch, PRICES)
    run("refresh", "-p", "fakecloud")
    dearer = [{"sku": "gpu.small", "price": 0.9}, {"sku": "gpu.new", "price": 2}]
    say(monkeypatch, {"items": dearer})
    code, out, _ = run("refresh", "-p", "fakecloud", "--format", "json")
    assert code == 5  # the gate holds a move of 20 % or the row that vanished, as it may
    found = json.loads(out)
    assert found["exit_code"] == 5
    (provider,) = found["providers"]
    assert provider["provider"] == "fakecloud"
    assert provider["new"] + provider["changed"] + provider["same"] + provider["kept"] == 3
    assert found["held"]
    assert {"id", "detector", "offer", "before_usd_per_hour", "after_usd_per_hour"} < found["held"][0].keys()
    assert f"--accept {found['held'][0]['id']}" in found["next_steps"][0]
    code, out, _ = run("refresh", "-p", "fakecloud", "--accept", "all", "--format", "json")
    accepted = json.loads(out)
    assert (code, accepted["held"]) == (0, [])
    mine = [o for o in open_snapshot().offers if o.provider == "fakecloud"]
    assert {o.instance_type: o.usd_per_hour for o in mine} == {"gpu.small": Decimal("0.9"), "gpu.new": 2}


def test_markdown_goes_into_a_file_whole(monkeypatch, tmp_path):
    say(monkeypatch, PRICES)
    target = tmp_path / "summary.md"
    code, out, _ = run("refresh", "-p", "fakecloud", "--format", "markdown", "-o", str(target))
    assert (code, out) == (0, "")
    text = target.read_text()
    assert text.startswith("### Refresh of ")
    assert "| fakecloud | done | 1 | 2 | 2 | 0 |" in text
    assert "**Catalog**" in text


def test_a_summary_that_cannot_be_written_is_told_before_anybody_is_asked(home, monkeypatch, tmp_path):
    say(monkeypatch, PRICES)
    code, _, err = run("refresh", "-p", "fakecloud", "-o", str(tmp_path / "nowhere" / "summary.md"))
    assert (code, "there is no folder" in err) == (2, True)
    assert not home.exists()


def test_permissions_are_explained_without_asking_anybody(monkeypatch):
    say(monkeypatch, {"error": "must not be asked"})
    code, out, _ = run("refresh", "--explain-permissions", "--format", "json")
    assert code == 0
    told = {line["provider"]: line["permissions"] for line in json.loads(out)}
    assert told["fakecloud"] == "fakecloud: read-only access to its price list."
    assert len(told) > 1


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["--provider", "fakecluod"], UnknownName, "did you mean fakecloud"),
        (["--provider", "fakecloud", "--region", "us-east-9"], UnknownName, "unknown region"),
        (["--provider", "fakecloud", "--market", "futures"], UnknownName, "unknown market"),
    ],
)
def test_a_slip_is_told_before_anybody_is_asked(monkeypatch, words, error, said):
    say(monkeypatch, {"error": "must not be asked"})
    code, out, err = run("refresh", *words)
    assert (code, out) == (error.exit_code, "")
    assert said in err
    assert "must not be asked" not in err


def test_a_second_refresh_ends_with_exit_6_and_one_line(home, monkeypatch):
    say(monkeypatch, PRICES)
    with refresh_lock(home):
        code, out, err = run("refresh", "--provider", "fakecloud")
    assert (code, out) == (6, "")
    assert f"another refresh is running (process {os.getpid()}, " in err
    assert err.count("\n") == 1


def test_region_and_market_narrow_what_is_touched(monkeypatch):
    say(monkeypatch, PRICES)
    run("refresh", "-p", "fakecloud")
    say(monkeypatch, {"items": [{"sku": "gpu.small", "price": 0.76}]})
    _, out, _ = run("refresh", "-p", "fakecloud", "--market", "spot", "--format", "json")
    assert json.loads(out)["exit_code"] == 6
    _, out, _ = run("refresh", "-p", "fakecloud", "--region", "fakecloud:R1", "--format", "json")
    assert json.loads(out)["providers"][0]["changed"] == 1


QUOTAS = [
    {"provider": "aws", "region": "us-east-1", "pool": "L-417A185B", "unit": "vcpu", "limit": 192},
    {"provider": "aws", "region": "us-east-1", "pool": "L-NOBODY", "unit": "vcpu", "limit": 1},
    {"provider": "aws", "region": "us-east-1", "pool": "L-3819A6DF", "unit": "gpu", "limit": 1},
]


def test_quotas_are_written_only_when_asked_for_and_for_their_owner_only(home, monkeypatch):
    say(monkeypatch, PRICES | {"quotas": QUOTAS})
    path = home / "account.collected.yaml"
    _, out, _ = run("refresh", "-p", "fakecloud")
    assert "3 quotas found, not written: --save-quotas does" in out
    assert not path.exists()
    _, out, _ = run("refresh", "-p", "fakecloud", "--save-quotas")
    told = " ".join(out.split())  # wherever the lines break
    assert f"1 quota written to {path}, 2 on pools the catalog does not know left out" in told
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (limit,) = load_account(path, load_facts()).limits
    assert (limit.key, limit.limit, limit.used) == ("aws:us-east-1:L-417A185B", 192, 0)
    assert yaml.safe_load(path.read_text())["quotas"][0]["unit"] == "vcpu"
    written = b"".join(file.read_bytes() for file in (home / "snapshots").iterdir())
    assert b"L-417A185B" not in written


# --- evidence


def test_evidence_shows_the_vendors_item_with_source_and_time(monkeypatch):
    item = r'{"sku": "gpu.small", "price": 0.750, "note": "\u001b[31mred"}'
    monkeypatch.setenv("FAKECLOUD", f'{{"items": [{item}]}}')
    run("refresh", "-p", "fakecloud")
    code, out, _ = run("evidence", "fakecloud:r1:gpu.small:on_demand")
    assert code == 0
    head, _, item = out.partition("\n\n")
    assert head.startswith("fakecloud:r1:gpu.small:on_demand  $0.75 per hour, list\n")
    assert "said by fakecloud price list, 20" in head
    assert item == '{\n  "note": "\\u001b[31mred",\n  "price": 0.750,\n  "sku": "gpu.small"\n}\n'


def test_evidence_is_found_by_the_beginning_of_its_digest_and_comes_as_json(monkeypatch):
    say(monkeypatch, PRICES)
    run("refresh", "-p", "fakecloud")
    offer = next(o for o in open_snapshot().offers if o.instance_type == "gpu.big")
    code, out, _ = run("evidence", offer.evidence[:12], "--format", "json")
    found = json.loads(out)
    assert (code, found["sha256"], found["item"]) == (0, offer.evidence, {"price": 1.5, "sku": "gpu.big"})
    assert [line["id"] for line in found["offers"]] == [offer.id]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("aws:us-east-1:p5.48xlarge:on_demand", 4, "no vendor's item was kept; the price is collected"),
        ("aws:us-east-1:p5.48xlarge:on-demand", 2, "did you mean"),
        ("0123456789ab", 2, "unknown offer or digest"),
    ],
)  # fmt: skip
def test_a_price_without_evidence_says_so(words, code, said):
    found, out, err = run("evidence", words)
    assert (found, out) == (code, "")
    assert said in err


# --- the whole command, keyless and without a network


def test_keyless_and_without_a_network_it_ends_in_seconds_and_says_why(home, tmp_path):
    refused = "http://127.0.0.1:9"  # the discard port: nothing listens there
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "ADVISOR_HOME": str(home),
        "ADVISOR_HTTP_CACHE": str(tmp_path / "http.sqlite"),
        "ADVISOR_VAST_URL": refused,
        "ADVISOR_RUNPOD_URL": refused,
        "ADVISOR_LAMBDA_URL": refused,
    }
    words = ["--provider", "vast", "--provider", "runpod", "--provider", "lambda"]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, "refresh", *words],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert time.monotonic() - started < 30
    assert done.returncode == 6, done.stderr
    for name in ("vast", "runpod", "lambda"):
        assert f"  {name}: " in done.stdout
    assert "nothing published, the catalog is as it was" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "snapshots").exists()


DRIVER = """
import sys, typer
from advisor.cli.refresh import refresh
from advisor.errors import AdvisorError
app = typer.Typer()
app.command("refresh")(refresh)
app.callback()(lambda: None)
try:
    app()
except AdvisorError as error:
    print(f"advisor: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
"""


def test_what_one_refresh_published_the_next_builds_upon(home, monkeypatch):
    before = datetime.now(UTC) - timedelta(hours=1)
    write_snapshot([an_offer(provider="old", collected_at=before)], home / "snapshots", before, "")
    say(monkeypatch, PRICES)
    _, out, _ = run("refresh", "-p", "fakecloud", "--format", "json")
    found = json.loads(out)
    assert found["not_asked"] == {"old": 1}
    assert {o.provider for o in read_snapshot(Path(found["snapshot"]["path"])).offers} == {"old", "fakecloud"}
