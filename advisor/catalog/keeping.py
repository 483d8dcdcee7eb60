"""Keeping house among the snapshots: which there are, which may go, and setting one aside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.catalog.evidence import evidence_path
from advisor.catalog.snapshot import read_created_at
from advisor.errors import CorruptSnapshot, DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from pathlib import Path

    from advisor.catalog.store import Store

ASIDE: Final = "set-aside"
"""The folder, beside the snapshots, of those that nobody reads any more."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One snapshot at hand."""

    path: Path
    created_at: datetime | None  #: None where it cannot be read
    size_bytes: int  #: with its evidence
    is_shipped: bool


def kept_snapshots(store: Store) -> list[Kept]:
    """Every snapshot, the newest first; one that cannot be read stands where its day is."""
    found = [_kept(path, store) for path in store.paths()]
    return sorted(
        found,
        key=lambda one: (one.path.stem[:10], one.created_at.timestamp() if one.created_at else 0.0),
        reverse=True,
    )


def _kept(path: Path, store: Store) -> Kept:
    files = [file for file in (path, evidence_path(path)) if file.exists()]
    try:
        created_at: datetime | None = read_created_at(path)
    except CorruptSnapshot:
        created_at = None
    return Kept(path, created_at, sum(file.stat().st_size for file in files), path.parent == store.shipped)


def prune(store: Store, keep: int, named: Collection[str], *, dry_run: bool) -> list[Kept]:
    """Delete published snapshots but for the newest; those that were, or would be.

    Args:
        keep: how many of the newest stay, at least one.
        named: ids that stay in any case, such as those plans rest on.

    Raises:
        DataError: one cannot be deleted; those before it are.
    """
    own = [one for one in kept_snapshots(store) if not one.is_shipped]
    leaving = [one for one in own[keep:] if one.path.stem not in named]
    for one in leaving if not dry_run else ():
        try:
            one.path.unlink()  # first, so that no snapshot is ever without its evidence
            evidence_path(one.path).unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"cannot delete {one.path}: {error.strerror or error}") from error
    return leaving


def set_aside(store: Store, path: Path) -> Path:
    """Move a published snapshot to where nobody reads it; its new place.

    Raises:
        UsageError: it is shipped with the package, or a file elsewhere.
        DataError: it cannot be moved.
    """
    folder = store.home / "snapshots"
    if path.parent != folder:
        raise UsageError(f"{path} was not published here; only those in {folder} can be set aside")
    try:
        (folder / ASIDE).mkdir(exist_ok=True)
        for file in (evidence_path(path), path):
            if file.exists():
                file.rename(folder / ASIDE / file.name)
    except OSError as error:
        raise DataError(f"cannot set {path} aside: {error.strerror or error}") from error
    return folder / ASIDE / path.name
