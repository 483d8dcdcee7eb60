"""The store: which snapshot is meant, and never a silent second best."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from catalog_builders import NOON, an_offer

from advisor.catalog.snapshot_writing import write_snapshot
from advisor.catalog.store import Store, advisor_home
from advisor.errors import CorruptSnapshot, DataError, UnknownName

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(home=tmp_path / "home", shipped=tmp_path / "shipped")


def publish(folder: Path, created_at: datetime, price: str = "1.00") -> Path:
    return write_snapshot([an_offer(usd_per_hour=price)], folder, created_at, "")


def spoil(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-1])
    return path


def test_home_is_the_users_choice_or_the_platforms_folder(tmp_path: Path) -> None:
    assert advisor_home({"ADVISOR_HOME": str(tmp_path)}) == tmp_path
    assert advisor_home({}).name == "llm-fleet-advisor"


def test_a_published_snapshot_that_is_newer_wins_over_the_shipped_one(store: Store) -> None:
    shipped = publish(store.shipped, NOON)
    assert store.open().info.shipped
    newer = publish(store.home / "snapshots", NOON + timedelta(days=7))
    assert store.open().info.snapshot_id == newer.stem
    assert not store.open().info.shipped
    assert store.open(shipped.stem).info.shipped


def test_a_release_newer_than_the_last_refresh_wins(store: Store) -> None:
    publish(store.home / "snapshots", NOON)
    shipped = publish(store.shipped, NOON + timedelta(days=30))
    assert store.open().info.snapshot_id == shipped.stem


@pytest.mark.parametrize("price", ["1.00", "2.00", "3.00", "4.00"])
def test_on_one_day_the_later_hour_wins_whatever_the_names(store: Store, price: str) -> None:
    publish(store.home / "snapshots", NOON, "9.00")
    later = publish(store.home / "snapshots", NOON + timedelta(hours=1), price)
    assert store.open().info.snapshot_id == later.stem


def test_an_unreadable_newest_snapshot_is_refused_and_the_one_before_is_named(store: Store) -> None:
    old = publish(store.shipped, NOON)
    bad = spoil(publish(store.home / "snapshots", NOON + timedelta(days=7)))
    with pytest.raises(CorruptSnapshot, match=rf"{bad.name}: truncated.*--snapshot {old.stem}$") as refusal:
        store.open()
    assert refusal.value.exit_code == 4
    assert store.open(old.stem).info.snapshot_id == old.stem


def test_an_unreadable_snapshot_of_the_newest_day_counts_as_the_newest(store: Store) -> None:
    good = publish(store.home / "snapshots", NOON + timedelta(hours=2))
    bad = spoil(publish(store.home / "snapshots", NOON, "2.00"))
    with pytest.raises(CorruptSnapshot, match=rf"{bad.name}.*--snapshot {good.stem}$"):
        store.open()


def test_the_fallback_named_is_itself_sound(store: Store) -> None:
    sound = publish(store.shipped, NOON)
    spoil(publish(store.home / "snapshots", NOON + timedelta(days=1)))
    spoil(publish(store.home / "snapshots", NOON + timedelta(days=2)))
    with pytest.raises(CorruptSnapshot, match=rf"--snapshot {sound.stem}$"):
        store.open()


def test_the_only_snapshot_is_unreadable(store: Store) -> None:
    spoil(publish(store.shipped, NOON))
    with pytest.raises(CorruptSnapshot, match="There is no other snapshot to use"):
        store.open()


def test_no_snapshot_at_all(store: Store) -> None:
    with pytest.raises(DataError, match="no snapshot in"):
        store.open()


def test_an_unknown_id_names_the_near_ones(store: Store) -> None:
    path = publish(store.shipped, NOON)
    with pytest.raises(UnknownName, match=f"unknown snapshot .*did you mean {path.stem}"):
        store.open(path.stem[:-1])


def test_a_path_is_read_wherever_it_lies(store: Store, tmp_path: Path) -> None:
    path = publish(tmp_path / "elsewhere", NOON)
    assert store.open(str(path)).info.snapshot_id == path.stem
    assert store.open(path).info.snapshot_id == path.stem


def test_a_path_that_is_not_there(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown snapshot file"):
        store.open(tmp_path / "2026-11-01-0123456789ab.parquet")


def test_drafts_and_strangers_in_the_folder_are_not_snapshots(store: Store) -> None:
    path = publish(store.shipped, NOON)
    (store.shipped / ".writing-abc").mkdir()
    (store.shipped / "zzz.parquet").write_bytes(b"")
    (store.shipped / "README.md").write_text("")
    assert store.paths() == (path,)
