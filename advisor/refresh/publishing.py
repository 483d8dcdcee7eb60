"""Publishing what a refresh brought: one at a time, whole or not at all, and nothing left lying about.

The newest snapshot of ``$ADVISOR_HOME/snapshots`` is in force; all older ones stay, they are the history.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from advisor.catalog.evidence import SUFFIX, evidence_path, read_evidence
from advisor.catalog.snapshot import snapshot_day
from advisor.catalog.snapshot_writing import WORKSHOP_PREFIX, write_snapshot
from advisor.errors import CorruptSnapshot, DataError, NothingPublished

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from advisor.catalog.held import Held
    from advisor.catalog.snapshot import Snapshot
    from advisor.catalog.store import Store
    from advisor.domain import Offer
    from advisor.refresh.refresh import RefreshResult

LOCK_FILE: Final = "refresh.lock"
_POLL_S: Final = 0.2

AHEAD_TOLERATED: Final = timedelta(minutes=15)
"""How far the clock of another machine that refreshes the same catalog may be ahead."""


@contextlib.contextmanager
def refresh_lock(home: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the right to refresh; the kernel takes it back when the process ends, however it ends.

    Raises:
        NothingPublished: another refresh holds it, or the folder cannot be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        handle = os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise NothingPublished(f"cannot write to {home}: {error.strerror or error}") from error
    try:
        _acquire(handle, home, time.monotonic() + wait_s)
        os.ftruncate(handle, 0)
        with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _acquire(handle: int, home: Path, until: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                raise NothingPublished(
                    f"another refresh is running (process {holder}, {home / LOCK_FILE}); nothing was asked"
                    " and nothing published: let it finish, or wait for it with --wait-s"
                ) from None
            time.sleep(_POLL_S)
        else:
            return


def last_snapshot(store: Store, now: datetime) -> tuple[Snapshot | None, str | None]:
    """The newest sound snapshot to build upon, and a warning where a newer one is unusable.

    Raises:
        NothingPublished: it was made well after ``now``, so nothing published now would be in force.
    """
    warning = None
    try:
        snapshot: Snapshot | None = store.open()
    except CorruptSnapshot as error:
        warning = f"{str(error).partition('. Nothing')[0]}; it is not built upon"
        snapshot = _newest_sound(store)
    except DataError:
        return None, None
    if snapshot is not None and snapshot.info.created_at >= now + AHEAD_TOLERATED:
        made = f"{snapshot.info.created_at:%Y-%m-%d %H:%M}Z"
        raise NothingPublished(
            f"the newest snapshot, {snapshot.info.snapshot_id}, was made {made}, and this machine's clock"
            f" says {now:%Y-%m-%d %H:%M}Z; nothing was asked. Set the clock; or, if it was wrong then:"
            f" advisor catalog set-aside {snapshot.info.snapshot_id}"
        )
    return snapshot, warning


def moment_after(snapshot: Snapshot | None, now: datetime) -> datetime:
    """Now, or just after the last snapshot where another machine, whose clock is a little ahead, made it."""
    if snapshot is None or snapshot.info.created_at < now:
        return now
    return snapshot.info.created_at + timedelta(seconds=1)


def _newest_sound(store: Store) -> Snapshot | None:
    sound: list[Snapshot] = []
    for path in store.paths():
        if sound and snapshot_day(path.stem) != snapshot_day(sound[0].info.snapshot_id):
            break
        with contextlib.suppress(CorruptSnapshot):
            sound.append(store.open(path))
    return max(sound, key=lambda snapshot: snapshot.info.created_at, default=None)


def publish(result: RefreshResult, home: Path) -> tuple[Path, tuple[str, ...]]:
    """The snapshot's file, and warnings. Call it with the lock held.

    Raises:
        NothingPublished: it could not be written; what was there before is untouched.
    """
    brought = sorted(outcome.provider for outcome in result.outcomes if outcome.collected)
    whence = f"from {', '.join(brought)}" if brought else "by what was confirmed"
    title = f"Prices refreshed {result.now:%Y-%m-%d %H:%M} UTC {whence}"
    return written(result, home / "snapshots", result.now, title)


def written(
    result: RefreshResult, folder: Path, created_at: datetime, title: str
) -> tuple[Path, tuple[str, ...]]:
    """The file of what a refresh found, in a folder, and warnings.

    Raises:
        NothingPublished: it could not be written; what was there before is untouched.
    """
    offers, held, evidence, warnings = _with_evidence(result)
    try:
        sweep(folder)
        return write_snapshot(offers, folder, created_at, title, evidence, held), warnings
    except (DataError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise NothingPublished(f"{reason}; the snapshot before stays in force, unchanged") from error


def sweep(folder: Path) -> None:
    """Remove what a killed refresh left: unfinished files, and evidence without a snapshot."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith(WORKSHOP_PREFIX) and path.is_dir():
            shutil.rmtree(path)
        elif path.suffix == ".part" or (
            path.suffix == SUFFIX and snapshot_day(path.stem) and not path.with_suffix(".parquet").exists()
        ):
            path.unlink()


def _with_evidence(
    result: RefreshResult,
) -> tuple[list[Offer], list[Held], dict[str, bytes], tuple[str, ...]]:
    """Rows, rows that wait, and the vendors' items they rest on, of kept ones out of the last file."""
    stated = [one.stated for one in result.held if one.stated is not None]
    needed = {offer.evidence for offer in (*result.offers, *stated) if offer.evidence is not None}
    evidence = {digest: item for digest, item in result.evidence.items() if digest in needed}
    older = needed - evidence.keys()
    previous = result.previous
    reason = "its snapshot records none"
    if older and previous is not None and previous.evidence_sha256 is not None:
        from pathlib import Path

        try:
            path = evidence_path(Path(previous.info.path))
            evidence |= read_evidence(path, previous.evidence_sha256, older)
        except CorruptSnapshot as error:
            reason = str(error)
    lost = needed - evidence.keys()

    def known(offer: Offer) -> Offer:
        return replace(offer, evidence=None) if offer.evidence in lost else offer

    held = [one if one.stated is None else replace(one, stated=known(one.stated)) for one in result.held]
    number = sum(offer.evidence in lost for offer in result.offers)
    warnings = (f"{number} kept rows lose their evidence: {reason}",) if lost else ()
    return [known(offer) for offer in result.offers], held, evidence, warnings
