"""Where snapshots live, and which one is meant.

Shipped ones are in the package, those that a refresh publishes in ``$ADVISOR_HOME/snapshots``. The newest
wins: by the time it was made, then by name. One that cannot be read is never passed over in silence.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.catalog.snapshot import Snapshot, read_created_at, read_snapshot, snapshot_day
from advisor.errors import CorruptSnapshot, DataError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping

APPLICATION = "llm-fleet-advisor"


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
        rivals = [path for path in paths if snapshot_day(path.stem) == snapshot_day(paths[0].stem)]
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
        path = self.newest() if selector is None else self._find(selector)
        try:
            return read_snapshot(path, shipped=path.parent == self.shipped)
        except CorruptSnapshot as error:
            raise self._refusal(error, path) from error

    def _find(self, selector: str | Path) -> Path:
        if isinstance(selector, Path) or os.sep in selector or selector.endswith(".parquet"):
            path = Path(selector).expanduser()
            if not path.is_file():
                raise UnknownName("snapshot file", str(selector), (str(known) for known in self.paths()))
            return path
        known = {path.stem: path for path in self.paths()}
        if selector not in known:
            raise UnknownName("snapshot", selector, known)
        return known[selector]

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
    """The snapshot of that id or path, by default the newest, wherever :class:`Store` finds it."""
    return Store(home=advisor_home(), shipped=shipped_folder()).open(selector)


def _parquet_files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".parquet")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror or error}") from error
