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

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.profiles.imported_rows import Imported

FOLDER: Final = "profiles"

COLUMNS: Final = {
    "profile_id": "VARCHAR",
    "kind": "VARCHAR",
    "source_id": "VARCHAR",
    "licence": "VARCHAR",
    "model": "VARCHAR",
    "model_as_published": "VARCHAR",
    "shape": "VARCHAR",
    "precision": "VARCHAR",
    "kv_precision": "VARCHAR",
    "engine": "VARCHAR",
    "engine_version": "VARCHAR",
    "accelerator": "VARCHAR",
    "accelerators": "INTEGER",
    "tensor_parallel": "INTEGER",
    "pipeline_parallel": "INTEGER",
    "workload": "VARCHAR",
    "input_tokens": "DOUBLE",
    "output_tokens": "DOUBLE",
    "load_mode": "VARCHAR",
    "concurrency": "DOUBLE",
    "request_rate_offered": "DOUBLE",
    "ttft_mean_ms": "DOUBLE",
    "ttft_p50_ms": "DOUBLE",
    "ttft_p99_ms": "DOUBLE",
    "tpot_mean_ms": "DOUBLE",
    "tpot_p50_ms": "DOUBLE",
    "tpot_p99_ms": "DOUBLE",
    "requests_per_s": "DOUBLE",
    "output_tokens_per_s": "DOUBLE",
    "slo_ttft_ms": "DOUBLE",
    "slo_tpot_ms": "DOUBLE",
    "date": "VARCHAR",
    "flags": "VARCHAR",
    "not_evidence_because": "VARCHAR",
    "ttft_p90_ms": "DOUBLE",
    "tpot_p90_ms": "DOUBLE",
    "e2e_mean_ms": "DOUBLE",
    "e2e_p50_ms": "DOUBLE",
    "e2e_p90_ms": "DOUBLE",
    "e2e_p99_ms": "DOUBLE",
    "error_pct": "DOUBLE",
    "completed_requests": "DOUBLE",
    "failed_requests": "DOUBLE",
    "source": "VARCHAR",
}
"""The shipped columns in their order, then what only users' figures state."""


def own_files(folder: Path | None) -> tuple[Path, ...]:
    """The profiles there are, by name; none where the folder is missing."""
    if folder is None or not folder.is_dir():
        return ()
    return tuple(sorted(path for path in folder.glob("*.parquet") if not path.name.startswith(".")))


def save(profiles: Iterable[Imported], folder: Path) -> tuple[Path, ...]:
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


def _write(profile: Imported, path: Path) -> None:
    import duckdb

    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    marks = ", ".join("?" for _ in COLUMNS)
    target = str(path).replace("'", "''")
    try:
        with database.connect() as connection:
            connection.execute(f"CREATE TEMPORARY TABLE rows ({columns})")
            connection.executemany(
                f"INSERT INTO rows VALUES ({marks})",  # noqa: S608
                [[row.get(name) for name in COLUMNS] for row in profile.rows],
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
