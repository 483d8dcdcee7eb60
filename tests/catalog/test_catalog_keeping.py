"""Which snapshots there are, which one is meant by a day or a few digits, and which may go."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from catalog_builders import NOON, an_offer
from cli_harness import call

from advisor.catalog.keeping import kept_snapshots, prune, set_aside
from advisor.catalog.snapshot_writing import write_snapshot
from advisor.catalog.store import Store
from advisor.errors import UnknownName, UsageError

pytestmark = pytest.mark.fast


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three weeks of snapshots, two of them on the last day."""
    found = Store(home=tmp_path, shipped=tmp_path / "shipped")
    write_snapshot([an_offer(usd_per_hour="9")], found.shipped, NOON - timedelta(days=30), "")
    for number, moment in enumerate((NOON, NOON - timedelta(hours=3), NOON - timedelta(days=7))):
        write_snapshot([an_offer(usd_per_hour=str(number + 1))], tmp_path / "snapshots", moment, "")
    return found


def price(store: Store, selector: str) -> str:
    return str(store.open(selector).offers[0].usd_per_hour.normalize())


def test_a_day_means_its_newest_and_a_few_digits_the_one_that_has_them(store: Store) -> None:
    newest = store.newest().stem
    assert price(store, newest) == price(store, newest[:10]) == price(store, newest[11:15]) == "1"
    with pytest.raises(UnknownName):
        store.open("2020-01-01")
    with pytest.raises(UnknownName):
        store.open(newest[11:14])  # three digits are too few


def test_digits_that_two_have_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [Path(f"2026-10-0{day}-abcd0000000{day}.parquet") for day in (1, 2)]
    monkeypatch.setattr(Store, "paths", lambda _: paths)
    with pytest.raises(UsageError, match=r"abcd00000001 and .*abcd00000002 have these digits"):
        store.path_of("abcd")


def test_only_the_newest_published_stay_and_what_plans_rest_on(store: Store) -> None:
    ids = [one.path.stem for one in kept_snapshots(store)]
    assert [one.path.stem for one in prune(store, 1, {ids[1]}, dry_run=True)] == [ids[2]]
    assert len(kept_snapshots(store)) == 4
    prune(store, 1, {ids[1]}, dry_run=False)
    assert [one.path.stem for one in kept_snapshots(store)] == [ids[0], ids[1], ids[3]]


def test_what_is_set_aside_is_read_no_more(store: Store) -> None:
    newest = store.newest()
    assert set_aside(store, newest).exists()
    assert store.newest() != newest
    with pytest.raises(UsageError, match="was not published here"):
        set_aside(store, kept_snapshots(store)[-1].path)


def test_through_the_command_line(store: Store) -> None:
    home = {"ADVISOR_HOME": str(store.home)}
    newest = store.newest().stem
    listed = json.loads(call("catalog", "list", "--format", "json", **home).out)
    assert newest in [one["snapshot_id"] for one in listed]
    (store.home / "plans").mkdir()
    rests = sorted(path.stem for path in (store.home / "snapshots").glob("*.parquet"))[0]
    (store.home / "plans" / "a.json").write_text(json.dumps({"inputs": {"snapshot_id": rests}}))
    (store.home / "plans" / "b.json").write_text("no plan")
    gone = call("catalog", "prune", "--keep", "1", **home).out.split()
    left = {path.stem for path in (store.home / "snapshots").glob("*.parquet")}
    assert (len(gone), left) == (1, {newest, rests})
    assert call("catalog", "set-aside", newest[11:], **home).code == 0
    assert not (store.home / "snapshots" / f"{newest}.parquet").exists()
