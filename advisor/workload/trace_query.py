"""All requests of a file by one query, every cell checked: whole token counts, seconds or a date and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.errors import InputFileError
from advisor.workload.arrival import is_date, settled
from advisor.workload.buckets import MAX_TOKENS
from advisor.workload.columns import (
    ARRIVAL,
    CACHED,
    MAX_TIMESTAMP_S,
    PER_SECOND,
    SIZE_IN,
    SIZE_OUT,
    allowed_arrival,
)
from advisor.workload.trace_files import connected, source

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from advisor.workload.columns import TimeUnit
    from advisor.workload.trace_files import TraceFile

MAX_REQUESTS: Final = 20_000_000
"""Most rows of a trace; at 16 bytes each a third of a gigabyte."""

_WHOLE: Final = r"'\s*[0-9]{1,20}(\.0*)?\s*'"
_INTEGERS: Final = frozenset(
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
)


def columns_of(trace: TraceFile) -> dict[str, Any]:
    """Input sizes, output sizes and, where the file has them, seconds and cached input: NumPy arrays by cell.

    Raises:
        InputFileError: the file is broken or empty, or a cell is not what it must be.
    """
    import numpy as np

    trace.layout = settled(trace)
    found = _fetched(trace)
    bad = {cell: np.ma.getmaskarray(values) for cell, values in found.items()}
    first = min((int(mask.argmax()) for mask in bad.values() if mask.any()), default=None)
    if first is not None:
        raise _refused(trace, first, next(cell for cell, mask in bad.items() if mask[first]))
    rows = len(found[SIZE_IN])
    if rows > MAX_REQUESTS:
        raise InputFileError(trace.file, f"row {rows}", "one more row", f"at most {MAX_REQUESTS:,} requests")
    if not rows:
        raise InputFileError(trace.file, "", "no requests", "at least one row below the header is needed")
    return {cell: np.ma.getdata(values) for cell, values in found.items()}


def _refused(trace: TraceFile, index: int, cell: str) -> InputFileError:
    """What is wrong with a cell of a row."""
    place, cells = trace.row(index)
    tokens = "a whole number of tokens from {} to {}"
    allowed = {
        SIZE_IN: tokens.format(1, f"{MAX_TOKENS:,}"),
        SIZE_OUT: tokens.format(0, f"{MAX_TOKENS:,}"),
        ARRIVAL: allowed_arrival(trace.layout.timestamp_unit),
        CACHED: tokens.format(0, "those of the input"),
    }
    return InputFileError(trace.file, f"{place}, {trace.layout.cells[cell]}", cells.get(cell), allowed[cell])


def _fetched(trace: TraceFile) -> dict[str, Any]:
    import duckdb

    with connected(trace.file, "a readable, complete file is needed") as connection:
        try:
            return _query(connection, trace, strict=True)
        except duckdb.Error:
            trace.row(MAX_REQUESTS)  # says what is wrong, if Python finds it wrong too
            return _query(connection, trace, strict=False)  # e.g. line ends of two kinds


def _query(connection: DuckDBPyConnection, trace: TraceFile, *, strict: bool) -> dict[str, Any]:
    types = getattr(trace, "types", {})
    chosen = ", ".join(
        f"{_check(cell, types.get(name, 'VARCHAR'), trace.layout.timestamp_unit)} AS {cell}_value"
        for cell, name in trace.layout.cells.items()
    )
    query = f"SELECT {chosen} FROM ({trace.select(strict=strict)}) LIMIT {MAX_REQUESTS + 1}"  # noqa: S608
    found = connection.execute(query, [source(trace.path)]).fetchnumpy()
    return {name.removesuffix("_value"): values for name, values in found.items()}


def _check(cell: str, kind: str, unit: TimeUnit | None) -> str:
    """SQL of the value; NULL where the cell is none."""
    if cell == ARRIVAL:
        return _arrival(cell, kind, unit)
    if cell == CACHED:
        tokens = _tokens(cell, kind, f"BETWEEN 0 AND TRY_CAST({SIZE_IN}::VARCHAR AS DOUBLE)")
        return f"CASE WHEN {cell} IS NULL OR {cell}::VARCHAR = '' THEN 0 ELSE {tokens} END"
    return _tokens(cell, kind, f"BETWEEN {0 if cell == SIZE_OUT else 1} AND {MAX_TOKENS}")


def _tokens(cell: str, kind: str, inside: str) -> str:
    if kind in _INTEGERS:
        return f"CASE WHEN {cell} {inside} THEN {cell}::INTEGER END"
    text, number = f"{cell}::VARCHAR", f"TRY_CAST({cell}::VARCHAR AS DOUBLE)"
    return f"CASE WHEN regexp_full_match({text}, {_WHOLE}) AND {number} {inside} THEN {number}::INTEGER END"


def _arrival(cell: str, kind: str, unit: TimeUnit | None) -> str:
    """In seconds: those of a clock, or since 1970 of a date and time, which is UTC unless it says."""
    if kind.startswith("TIMESTAMP"):
        return f"CASE WHEN {cell} >= TIMESTAMP '1970-01-01' THEN epoch_us({cell}) / 1e6 END"
    if unit in (None, "iso"):
        return f"CASE WHEN {is_date(cell)} THEN epoch_us(TRY_CAST({cell}::VARCHAR AS TIMESTAMPTZ)) / 1e6 END"
    number, scale = f"TRY_CAST({cell}::VARCHAR AS DOUBLE)", PER_SECOND[unit]
    inside = f"{number} BETWEEN 0 AND {MAX_TIMESTAMP_S * scale:.0f}"
    return f"CASE WHEN NOT contains({cell}::VARCHAR, '_') AND {inside} THEN {number} / {scale} END"
