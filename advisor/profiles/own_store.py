"""The user's own profiles: one Parquet file each in ``$ADVISOR_HOME/profiles``, in the columns of the shipped
ones.

A file is named by its content, written whole or not at all, and never changed.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from advisor import database
from advisor.errors import UnknownName, UsageError
from advisor.profiles.latency_metrics import COLUMNS, stated_in
from advisor.profiles.scheduler import SETTING_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.profiles.imported_rows import OwnProfile

FOLDER: Final = "profiles"

_TEXTS: Final = (
    *("profile_id", "kind", "source_id", "licence", "model", "model_as_published", "shape", "precision"),
    *("kv_precision", "engine", "engine_version", "accelerator"),
)
_COUNTS: Final = ("accelerators", "tensor_parallel", "pipeline_parallel")
_NUMBERS: Final = (
    *("input_tokens", "output_tokens", "concurrency", "request_rate_offered", "requests_per_s"),
    *("output_tokens_per_s", "slo_ttft_ms", "slo_tpot_ms", "error_pct", "completed_requests"),
    "failed_requests",
)
_MORE_TEXTS: Final = ("workload", "load_mode", "date", "flags", "not_evidence_because", "source")


def _columns(profile: OwnProfile) -> dict[str, str]:
    """The columns of a file and their types: the shipped ones, and what only users' figures state."""
    stated = sorted({name for row in profile.rows for name in row if stated_in(name)} - {*COLUMNS})
    return (
        dict.fromkeys((*_TEXTS, *_MORE_TEXTS), "VARCHAR")
        | dict.fromkeys(_COUNTS, "INTEGER")
        | dict.fromkeys((*_NUMBERS, *COLUMNS, *stated), "DOUBLE")
        | {name: kind for name, kind in SETTING_TYPES.items() if name in profile.rows[0]}
    )


def own_files(folder: Path | None) -> tuple[Path, ...]:
    """The profiles there are, by name; none where the folder is missing."""
    if folder is None or not folder.is_dir():
        return ()
    return tuple(sorted(path for path in folder.glob("*.parquet") if not path.name.startswith(".")))


def save(profiles: Iterable[OwnProfile], folder: Path) -> tuple[Path, ...]:
    """Write every profile or none.

    Raises:
        UsageError: the folder cannot be written.
    """
    pending: list[tuple[Path, Path]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for profile in profiles:
                pending.append((_temporary(folder), folder / f"{profile.rows[0]['source_id']}.parquet"))
                _write(profile, pending[-1][0])
            for temporary, final in pending:
                temporary.replace(final)
        finally:
            for temporary, _ in pending:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror or error}") from error
    return tuple(final for _, final in pending)


def forget(name: str, folder: Path | None) -> str:
    """Remove the profile of that id (or of that ``own-…`` part of it); the id that was removed.

    Raises:
        UnknownName: the user has no such profile.
    """
    wanted = name.strip().casefold()
    ids = {_profile_id(path): path for path in own_files(folder)}
    for profile_id, path in ids.items():
        if wanted in (profile_id, path.stem):
            path.unlink()
            return profile_id
    raise UnknownName("profile of your own", name, [path.stem for path in ids.values()])


def _temporary(folder: Path) -> Path:
    handle, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
    os.close(handle)
    return Path(name)


def _write(profile: OwnProfile, path: Path) -> None:
    import duckdb

    of_file = _columns(profile)
    columns = ", ".join(f'"{name}" {kind}' for name, kind in of_file.items())
    marks = ", ".join("?" for _ in of_file)
    target = str(path).replace("'", "''")
    try:
        with database.connect() as connection:
            connection.execute(f"CREATE TEMPORARY TABLE rows ({columns})")
            connection.executemany(
                f"INSERT INTO rows VALUES ({marks})",  # noqa: S608
                [[row.get(name) for name in of_file] for row in profile.rows],
            )
            connection.execute(f"COPY rows TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    except duckdb.IOException as error:
        raise OSError(str(error).splitlines()[0]) from error
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    path.chmod(0o644)


def _profile_id(path: Path) -> str:
    import duckdb

    from advisor.errors import CorruptSnapshot

    try:
        with database.connect() as connection:
            found = connection.execute(
                "SELECT any_value(profile_id) FROM read_parquet(?)", [str(path)]
            ).fetchone()
    except duckdb.Error as error:
        raise CorruptSnapshot(f"{path}: {str(error).splitlines()[0]}") from error
    return str(found[0]) if found else path.stem
