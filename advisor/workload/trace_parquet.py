"""Traces in Parquet, through DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from advisor import database
from advisor.errors import InputFileError
from advisor.workload.columns import Layout, TraceColumns, find_columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 50_000


def read_parquet(path: Path, columns: TraceColumns) -> tuple[Layout, Iterator[tuple[int, Any, Any, Any]]]:
    """The layout, and (row number from 1, input, output, time) of every row; dates become epoch seconds.

    Raises:
        InputFileError: not a Parquet file, or a column is missing.
    """
    import duckdb

    connection = database.connect()
    try:
        table = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        types = {str(row[0]): str(row[1]) for row in table}
        layout = find_columns(str(path), list(types), columns)
        time = "NULL"
        if layout.timestamp is not None:
            time = _quoted(layout.timestamp)
            if types[layout.timestamp].startswith("TIMESTAMP"):
                time = f"epoch_us({time}) / 1e6"
                layout = Layout(layout.input_tokens, layout.output_tokens, layout.timestamp, "s")
        query = (
            f"SELECT {_quoted(layout.input_tokens)}, {_quoted(layout.output_tokens)}, {time} "  # noqa: S608
            "FROM read_parquet(?)"
        )
        cursor = connection.execute(query, [str(path)])
    except duckdb.Error as error:
        raise InputFileError(
            str(path), "", str(error).splitlines()[0], "a readable Parquet file is needed"
        ) from error
    return layout, _rows(path, cursor)


def _rows(path: Path, cursor: Any) -> Iterator[tuple[int, Any, Any, Any]]:
    import duckdb

    number = 0
    try:
        while chunk := cursor.fetchmany(_CHUNK):
            for row in chunk:
                number += 1
                yield number, row[0], row[1], row[2]
    except duckdb.Error as error:
        raise InputFileError(
            str(path), "", str(error).splitlines()[0], "a readable Parquet file is needed"
        ) from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
