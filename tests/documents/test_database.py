"""One database for all readers: none is in another's way, and a damaged file costs nobody the next."""

from __future__ import annotations

import contextlib
import os
import random
from typing import TYPE_CHECKING

import duckdb
import pytest

from advisor import database
from advisor.catalog.store import shipped_folder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast


def rows(path: Path) -> int:
    with database.connect() as connection:
        return len(connection.execute("SELECT provider, flags FROM read_parquet(?)", [str(path)]).fetchall())


@pytest.fixture
def shipped() -> Path:
    (path, *_) = sorted(shipped_folder().glob("*.parquet"))
    return path


def test_tables_of_one_connection_are_not_seen_by_another() -> None:
    with database.connect() as one, database.connect() as other:
        one.execute("CREATE TEMPORARY TABLE offers AS SELECT 1 AS x")
        other.execute("CREATE TEMPORARY TABLE offers AS SELECT 2 AS x")
        assert one.execute("FROM offers").fetchall() == [(1,)]
        assert other.execute("FROM offers").fetchall() == [(2,)]


def test_a_file_written_again_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    for value in (1, 2):  # as long as the other, and within the same tick of the file system's clock
        with database.connect() as connection:
            connection.execute(f"COPY (SELECT {value} AS x) TO '{path}'")
            os.utime(path, (0, 0))
            assert connection.execute("FROM read_parquet(?)", [str(path)]).fetchall() == [(value,)]


@pytest.mark.parametrize("seed", range(40))
def test_however_a_file_is_damaged_the_next_one_is_read(tmp_path: Path, shipped: Path, seed: int) -> None:
    """Some damage makes DuckDB give up on itself for good ("database has been invalidated")."""
    dice = random.Random(seed)
    damaged = bytearray(shipped.read_bytes())
    for _ in range(6):
        damaged[-dice.randrange(9, 4000)] = dice.randrange(256)
    path = tmp_path / "damaged.parquet"
    path.write_bytes(damaged)
    with contextlib.suppress(duckdb.Error):
        rows(path)
    assert rows(shipped) > 1000


def test_a_database_that_is_gone_is_made_again(shipped: Path) -> None:
    database._database(os.getpid()).close()
    assert rows(shipped) > 1000
