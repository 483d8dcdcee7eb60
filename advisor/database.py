"""One DuckDB per process for every Parquet file: one takes 30 ms to start, a connection to it nothing."""

from __future__ import annotations

import contextlib
import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def connect() -> DuckDBPyConnection:
    """A connection of the caller's own, to be closed; tables made through it have to be temporary.

    Files are read anew every time, and nothing is downloaded.
    """
    import duckdb

    try:
        connection = _database(os.getpid()).cursor()
        connection.execute("SELECT 1")
    except duckdb.Error:  # a file so damaged that DuckDB gave up on itself must not cost us the others
        _database.cache_clear()
        connection = _database(os.getpid()).cursor()
    return connection


@cache
def _database(process_id: int) -> DuckDBPyConnection:
    """In memory, in one thread. A forked process gets its own: locks do not survive a fork."""
    import duckdb

    database = duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": False})
    with contextlib.suppress(duckdb.CatalogException):  # a release before 1.3 keeps nothing of a file
        database.execute("SET enable_external_file_cache = false")
    return database
