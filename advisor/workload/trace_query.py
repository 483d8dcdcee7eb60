"""All requests of a file by one query, every cell checked: whole token counts, seconds or a date and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.errors import InputFileError
from advisor.workload.arrival import is_date, settled
from advisor.workload.buckets import MAX_TOKENS
from advisor.workload.columns import CELLS, MAX_TIMESTAMP_S, PER_SECOND, allowed_arrival
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


def columns_of(trace: TraceFile) -> tuple[Any, Any, Any | None]:
    """Input sizes, output sizes and, where the file has times, seconds: NumPy arrays, in the file's order.

    Raises:
        InputFileError: the file is broken or empty, or a cell is not what it must be.
    """
    import numpy as np

    trace.layout = settled(trace)
    found = _fetched(trace)
    bad = [np.ma.getmaskarray(values) for values in found]
    first = min((int(mask.argmax()) for mask in bad if mask.any()), default=None)
    if first is not None:
        raise _refused(trace, first, next(number for number, mask in enumerate(bad) if mask[first]))
    rows = len(found[0])
    if rows > MAX_REQUESTS:
        raise InputFileError(trace.file, f"row {rows}", "one more row", f"at most {MAX_REQUESTS:,} requests")
    if not rows:
        raise InputFileError(trace.file, "", "no requests", "at least one row below the header is needed")
    sizes_in, sizes_out, *times = map(np.ma.getdata, found)
    return sizes_in, sizes_out, times[0] if times else None


def _refused(trace: TraceFile, index: int, number: int) -> InputFileError:
    """What is wrong with a cell, the ``number``-th of those read in a row."""
    place, cells = trace.row(index)
    tokens = "a whole number of tokens from {} to {:,}"
    allowed = (
        tokens.format(1, MAX_TOKENS),
        tokens.format(0, MAX_TOKENS),
        allowed_arrival(trace.layout.timestamp_unit),
    )
    return InputFileError(
        trace.file, f"{place}, {trace.layout.names[number]}", cells[number], allowed[number]
    )


def _fetched(trace: TraceFile) -> list[Any]:
    import duckdb

    with connected(trace.file, "a readable, complete file is needed") as connection:
        try:
            return _query(connection, trace, strict=True)
        except duckdb.Error:
            trace.row(MAX_REQUESTS)  # says what is wrong, if Python finds it wrong too
            return _query(connection, trace, strict=False)  # e.g. line ends of two kinds


def _query(connection: DuckDBPyConnection, trace: TraceFile, *, strict: bool) -> list[Any]:
    types = getattr(trace, "types", {})
    chosen = ", ".join(
        _check(cell, types.get(name, "VARCHAR"), trace.layout.timestamp_unit)
        for cell, name in zip(CELLS, trace.layout.names, strict=False)
    )
    query = f"SELECT {chosen} FROM ({trace.select(strict=strict)}) LIMIT {MAX_REQUESTS + 1}"  # noqa: S608
    return list(connection.execute(query, [source(trace.path)]).fetchnumpy().values())


def _check(cell: str, kind: str, unit: TimeUnit | None) -> str:
    """SQL of the value; NULL where the cell is none."""
    if cell == CELLS[2]:
        return _arrival(cell, kind, unit)
    inside = f"BETWEEN {0 if cell == CELLS[1] else 1} AND {MAX_TOKENS}"
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
