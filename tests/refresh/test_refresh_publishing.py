"""Publishing: whole or not at all, whoever interferes; real processes, real signals, a real full disk."""

from __future__ import annotations

import atexit
import hashlib
import os
import random
import signal
import time
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refresh_builders import LAST_WEEK, NOW, a_snapshot, an_offer, failing, open_gate, saying, today
from warm import Process, Server

from advisor.catalog.evidence import evidence_path, read_evidence
from advisor.catalog.snapshot import read_snapshot
from advisor.catalog.snapshot_writing import write_snapshot
from advisor.catalog.store import Store
from advisor.errors import CorruptSnapshot, DataError, NothingPublished, Unavailable
from advisor.provider import Scope, canonical_bytes
from advisor.refresh.publishing import last_snapshot, moment_after, publish, refresh_lock
from advisor.refresh.refresh import refresh

CHILD = Path(__file__).with_name("publishing_child.py")


def store_of(home: Path) -> Store:
    return Store(home=home, shipped=home / "shipped")


def refreshed(previous, *clouds, now=NOW):
    return refresh({cloud.name: cloud for cloud in clouds}, Scope(), previous, now, gate=open_gate)


def items_of(path: Path) -> dict[str, bytes]:
    """Every price's evidence, checked: the snapshot is whole and resolves to what was said."""
    snapshot = read_snapshot(path)
    digests = {offer.evidence for offer in snapshot.offers if offer.evidence}
    if not digests:
        return {}
    assert snapshot.evidence_sha256 is not None
    items = read_evidence(evidence_path(path), snapshot.evidence_sha256, digests)
    assert items.keys() == digests
    return items


# --- what is published is what was meant


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    prices=st.dictionaries(
        st.text("abcdef", min_size=1, max_size=4),
        st.decimals("0.00000001", "9999999999", places=8),
        min_size=1,
        max_size=5,
    )
)
def test_publish_then_open_is_identity(prices, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    rows = [today(instance_type=name, usd_per_hour=price) for name, price in prices.items()]
    result = refreshed(None, saying(*rows))
    path, warnings = publish(result, home)
    opened = store_of(home).open()
    assert (opened.info.path, warnings) == (str(path), ())
    assert sorted(opened.offers, key=lambda o: o.id) == sorted(result.offers, key=lambda o: o.id)
    assert opened.info.created_at == NOW
    assert [replace(offer, evidence=None) for offer in opened.offers] == sorted(rows, key=lambda o: o.id)


def test_every_price_resolves_to_the_vendors_own_item_as_received(tmp_path):
    path, _ = publish(refreshed(None, saying(today(usd_per_hour="1.10"))), tmp_path)
    (digest, item), *others = items_of(path).items()
    said = {"sku": "acme:r1:small:on_demand", "price": "1.1", "at": "r1"} | {"price": "1.10"}
    assert (item, others) == (canonical_bytes(said), [])
    assert digest == hashlib.sha256(item).hexdigest() == read_snapshot(path).offers[0].evidence


def test_a_kept_row_keeps_its_stamp_and_its_evidence(tmp_path):
    first, _ = publish(refreshed(None, saying(today())), tmp_path)
    later = NOW + timedelta(days=7)
    result = refreshed(
        read_snapshot(first),
        failing(Unavailable("acme: HTTP 503")),
        saying(today(provider="other", collected_at=later)),
        now=later,
    )
    second, warnings = publish(result, tmp_path)
    kept = next(offer for offer in read_snapshot(second).offers if offer.provider == "acme")
    assert (kept.collected_at, warnings) == (NOW, ())
    assert items_of(first).items() <= items_of(second).items()


def test_a_kept_row_whose_evidence_is_lost_says_none_and_is_told(tmp_path):
    first, _ = publish(refreshed(None, saying(today())), tmp_path)
    previous = read_snapshot(first)
    evidence_path(first).write_bytes(b"something else")
    later = NOW + timedelta(days=7)
    other = saying(today(provider="other", collected_at=later))
    second, warnings = publish(refreshed(previous, other, now=later), tmp_path)
    kept = next(offer for offer in read_snapshot(second).offers if offer.provider == "acme")
    assert kept.evidence is None
    assert len(warnings) == 1
    assert warnings[0].startswith("1 kept rows lose their evidence: ")
    items_of(second)


def test_no_snapshot_is_written_without_its_evidence(tmp_path):
    with pytest.raises(DataError, match="the evidence of acme:r1:small:on_demand is not given"):
        write_snapshot([an_offer(evidence="0" * 64)], tmp_path, NOW, "")
    with pytest.raises(DataError, match="does not hash to its name"):
        write_snapshot([an_offer(evidence="0" * 64)], tmp_path, NOW, "", {"0" * 64: b"{}"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"PAR1", None])
def test_damaged_evidence_is_refused_and_the_prices_stay_readable(tmp_path, damage):
    path, _ = publish(refreshed(None, saying(today())), tmp_path)
    beside = evidence_path(path)
    if damage is None:
        beside.unlink()
    else:
        beside.write_bytes(damage)
    snapshot = store_of(tmp_path).open()
    with pytest.raises(CorruptSnapshot, match=beside.name):
        read_evidence(beside, snapshot.evidence_sha256, ["0" * 64])


def test_older_snapshots_stay_as_history(tmp_path):
    previous = None
    for week in range(3):
        now = NOW + timedelta(weeks=week)
        path, _ = publish(refreshed(previous, saying(today(collected_at=now)), now=now), tmp_path)
        previous = read_snapshot(path)
    assert len(store_of(tmp_path).paths()) == 3
    assert store_of(tmp_path).open().info.created_at == NOW + timedelta(weeks=2)


# --- what it builds upon


def test_it_builds_upon_the_newest_sound_snapshot_and_says_which_one_is_not(tmp_path):
    folder = tmp_path / "snapshots"
    sound = write_snapshot([an_offer()], folder, LAST_WEEK, "sound")
    broken = write_snapshot([an_offer(usd_per_hour="2")], folder, NOW - timedelta(days=1), "broken")
    broken.write_bytes(broken.read_bytes()[:-100])
    snapshot, warning = last_snapshot(store_of(tmp_path), NOW)
    assert snapshot.info.snapshot_id == sound.stem
    assert broken.name in warning
    assert "it is not built upon" in warning


def test_without_any_snapshot_there_is_nothing_to_build_upon(tmp_path):
    assert last_snapshot(store_of(tmp_path), NOW) == (None, None)


def test_a_clock_behind_the_newest_snapshot_is_told_before_anything_is_asked(tmp_path):
    write_snapshot([an_offer()], tmp_path / "snapshots", NOW, "")
    behind = NOW - timedelta(minutes=16)
    said = (
        r"was made 2026-11-23 06:00Z, and .* says 2026-11-23 05:44Z.* advisor catalog set-aside 2026-11-23-"
    )
    with pytest.raises(NothingPublished, match=said):
        last_snapshot(store_of(tmp_path), behind)


def test_another_machines_clock_a_few_minutes_ahead_is_tolerated(tmp_path):
    write_snapshot([an_offer()], tmp_path / "snapshots", NOW, "")
    behind = NOW - timedelta(minutes=14)
    snapshot, _ = last_snapshot(store_of(tmp_path), behind)
    assert moment_after(snapshot, behind) == NOW + timedelta(seconds=1)
    assert moment_after(snapshot, NOW + timedelta(days=1)) == NOW + timedelta(days=1)
    assert moment_after(None, NOW) == NOW


# --- other processes


@cache
def warm_server() -> Server:
    """Has loaded what a child loads, so that it dies at its work and not on its way there."""
    server = Server("publishing_child", "advisor.cli.output")
    atexit.register(server.close)
    return server


def child(home: Path, *words: object) -> Process:
    source = "import sys, publishing_child; sys.exit(publishing_child.main())"
    return warm_server().start(source, str(home), *map(str, words), environ=os.environ)


def test_a_second_refresh_is_told_that_one_is_running_and_by_whom(tmp_path):
    with child(tmp_path, "hold") as holder:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(NothingPublished, match=rf"another refresh is running \(process {holder.pid}, "),
            refresh_lock(tmp_path),
        ):
            pass
        started = time.monotonic()
        with pytest.raises(NothingPublished, match="another refresh"), refresh_lock(tmp_path, wait_s=0.3):
            pass
        assert time.monotonic() - started >= 0.3
        holder.kill()  # the kernel gives the lock back, whatever became of its holder
    with refresh_lock(tmp_path):
        pass


def test_waiting_for_the_other_refresh_ends_when_it_ends(tmp_path):
    with child(tmp_path, "hold") as holder:
        assert holder.stdout.readline() == "held\n"
        holder.stdin.close()
        with refresh_lock(tmp_path, wait_s=20):
            pass


def test_a_home_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NothingPublished, match=r"cannot write to .*file"), refresh_lock(tmp_path / "file"):
        pass


def snapshots(home: Path) -> set[Path]:
    return set((home / "snapshots").glob("*.parquet"))


def is_whole(home: Path) -> None:
    """The newest snapshot opens, and all its evidence is there."""
    items_of(Path(store_of(home).open().info.path))


@pytest.fixture
def published(tmp_path) -> Path:
    """A home with one snapshot of a cloud that is not asked again."""
    path, _ = publish(refreshed(None, saying(an_offer(provider="kept"))), tmp_path)
    assert items_of(path)
    return tmp_path


def test_a_full_disk_changes_nothing_and_is_told_in_one_line(published):
    before = {path: path.read_bytes() for path in (published / "snapshots").iterdir()}
    for limit in (100, 1500, 3000):  # the evidence does not fit; nor the snapshot, nor its end
        with child(published, "limited", limit) as full:
            _, said = full.communicate(timeout=60)
        assert full.returncode == 6, said
        assert said.startswith("advisor: cannot publish a snapshot in ")
        assert ": File too large; " in said
        assert said.endswith("the snapshot before stays in force, unchanged\n")
        assert said.count("\n") == 1
        assert {path: path.read_bytes() for path in (published / "snapshots").iterdir()} == before
    is_whole(published)


def test_killed_at_any_step_the_newest_snapshot_is_whole_and_the_next_run_cleans_up(published):
    died, step = 0, 0
    while True:
        with child(published, "at", step) as victim:
            victim.communicate(timeout=60)
        is_whole(published)
        if victim.returncode == 0:
            break
        assert victim.returncode == -signal.SIGKILL
        died, step = died + 1, step + 4
    assert died >= 6
    names = {path.name for path in (published / "snapshots").iterdir()}
    assert names == {
        f"{path.stem}{end}" for path in snapshots(published) for end in (".parquet", ".evidence")
    }


def test_killed_at_any_moment_the_newest_snapshot_is_whole(published):
    dice = random.Random(7)
    for _ in range(10):
        before = len(snapshots(published))
        with child(published, "forever") as victim:
            lines = [victim.stdout.readline() for _ in range(dice.randint(1, 3))]
            time.sleep(dice.uniform(0, 0.25))
            victim.kill()
        assert victim.returncode == -signal.SIGKILL
        is_whole(published)
        assert len(snapshots(published)) >= before + lines.count("published\n")


def test_a_reader_at_any_moment_finds_a_whole_snapshot(published):
    seen = set()
    with child(published, "forever") as writer:
        assert writer.stdout.readline() == "ready\n"
        until = time.monotonic() + 60
        while len(seen) < 6 and time.monotonic() < until:
            snapshot = store_of(published).open()
            items_of(Path(snapshot.info.path))
            seen.add(snapshot.info.snapshot_id)
        writer.kill()
    assert len(seen) == 6


def test_nothing_of_the_users_is_swept_away(tmp_path):
    folder = tmp_path / "snapshots"
    mine = write_snapshot([an_offer()], folder, LAST_WEEK, "")
    (folder / "notes.txt").write_text("mine")
    (folder / "notes.evidence").write_text("mine")
    (folder / f"{'2026-11-16'}-{'0' * 12}.evidence").write_text("left behind")
    (folder / ".snapshot.part").write_text("left behind")
    (folder / ".writing-x").mkdir()
    publish(refreshed(a_snapshot(), saying(today())), tmp_path)
    names = {path.name for path in folder.iterdir()}
    assert {mine.name, "notes.txt", "notes.evidence"} < names
    assert len(names) == 5  # and the new snapshot with its evidence
