"""Where snapshots live, and which one is meant.

Shipped ones are in the package, those that a refresh publishes in ``$ADVISOR_HOME/snapshots``. The newest
wins: by the time it was made, then by name. One that cannot be read is never passed over in silence.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from advisor.catalog.held import as_planned
from advisor.catalog.snapshot import Snapshot, read_created_at, read_snapshot, snapshot_day
from advisor.errors import CorruptSnapshot, DataError, UnknownName, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

APPLICATION = "llm-fleet-advisor"
_DAY = len("2026-12-07-")
_SHORT = re.compile(r"[0-9a-f]{4,12}")


def advisor_home(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's folder: ``$ADVISOR_HOME``, by default the platform's user data folder."""
    if chosen := environ.get("ADVISOR_HOME"):
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir(APPLICATION, appauthor=False))


def shipped_folder() -> Path:
    """The folder of the snapshots in the package."""
    from importlib.resources import files

    return Path(str(files("catalogs"))) / "snapshots"


QUOTES: Final = "quotes"
"""The folder, in the home, of snapshots that a user's own prices made for one question."""


@dataclass(frozen=True, slots=True)
class Store:
    """The snapshots at hand. Nothing is read before it is asked for."""

    home: Path
    shipped: Path

    def paths(self) -> tuple[Path, ...]:
        """Every file named like a snapshot, newest day first; the package's copy wins where both have one."""
        found: dict[str, Path] = {}
        for folder in (self.shipped, self.home / "snapshots"):
            for path in _parquet_files(folder):
                if snapshot_day(path.stem):
                    found.setdefault(path.stem, path)
        return tuple(found[snapshot_id] for snapshot_id in sorted(found, reverse=True))

    def quotes(self) -> tuple[Path, ...]:
        """Snapshots with somebody's price sheet laid over them: found by id, and never the newest."""
        return tuple(path for path in _parquet_files(self.home / QUOTES) if snapshot_day(path.stem))

    def newest(self) -> Path:
        """The snapshot in force.

        A file of the newest day that does not tell when it was made counts as the newest: it may well be.

        Raises:
            DataError: there is none.
        """
        paths = self.paths()
        if not paths:
            raise DataError(
                f"no snapshot in {self.shipped} nor in {self.home / 'snapshots'}: reinstall the package"
            )
        return self._newest_of(
            [path for path in paths if snapshot_day(path.stem) == snapshot_day(paths[0].stem)]
        )

    def _newest_of(self, rivals: Sequence[Path]) -> Path:
        """Of files of one day; one that does not tell when it was made may well be the newest."""
        if len(rivals) == 1:
            return rivals[0]
        made_at = {}
        for path in rivals:
            try:
                made_at[path] = read_created_at(path)
            except CorruptSnapshot:
                return path
        return max(rivals, key=lambda path: (made_at[path], path.stem))

    def open(self, selector: str | Path | None = None) -> Snapshot:
        """The snapshot of that id or path; by default the newest.

        Raises:
            UnknownName: no snapshot has that id.
            CorruptSnapshot: it cannot be used; the message names the one that only the user may fall back on.
            DataError: there is no snapshot at all.
        """
        path = self.newest() if selector is None else self.path_of(selector)
        try:
            return read_snapshot(path, shipped=path.parent == self.shipped)
        except CorruptSnapshot as error:
            raise self._refusal(error, path) from error

    def path_of(self, selector: str | Path) -> Path:
        """The file meant: by path, by id, by the digits at the end of one, or by day: the newest of it.

        Raises:
            UnknownName: there is none.
            UsageError: the digits are those of several.
        """
        if isinstance(selector, Path) or os.sep in selector or selector.endswith(".parquet"):
            path = Path(selector).expanduser()
            if not path.is_file():
                raise UnknownName("snapshot file", str(selector), (str(known) for known in self.paths()))
            return path
        known = {path.stem: path for path in self.paths()}
        named = known | {path.stem: path for path in self.quotes()}
        if selector in named:
            return named[selector]
        of_day = [path for name, path in known.items() if snapshot_day(name) == selector]
        if of_day:
            return self._newest_of(of_day)
        meant = (
            [name for name in known if name[_DAY:].startswith(selector)] if _SHORT.fullmatch(selector) else []
        )
        if len(meant) > 1:
            raise UsageError(
                f"--snapshot {selector}: {' and '.join(sorted(meant))} have these digits; give more"
            )
        if not meant:
            raise UnknownName("snapshot", selector, known)
        return known[meant[0]]

    def _refusal(self, error: CorruptSnapshot, refused: Path) -> CorruptSnapshot:
        """The complaint, with the newest other snapshot that is sound."""
        for path in self.paths():
            if path == refused:
                continue
            try:
                read_snapshot(path)
            except CorruptSnapshot:
                continue
            return CorruptSnapshot(
                f"{error}. Nothing took its place; to use the one before: --snapshot {path.stem}"
            )
        return CorruptSnapshot(f"{error}. There is no other snapshot to use")


def open_snapshot(selector: str | Path | None = None) -> Snapshot:
    """The snapshot of that id or path, by default the newest, wherever :class:`Store` finds it.

    A price that waits to be confirmed is reckoned at the higher of its two figures.
    """
    snapshot = Store(home=advisor_home(), shipped=shipped_folder()).open(selector)
    return replace(snapshot, offers=as_planned(snapshot.offers, snapshot.held))


def _parquet_files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".parquet")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror or error}") from error
