"""Which column holds the arrival times and in which unit, told by the cells where the header does not.

Numbers since 1970 show their unit by their size: of the seconds, milliseconds, microseconds and nanoseconds
between 2001 and 2100 none can be taken for another. Numbers since a trace's own start do not; two published
formats share the same names for them, Mooncake (whole milliseconds) and Qwen-Bailian (seconds, with the turns
of a chat beside). What fits neither is left to the user.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from advisor.errors import InputFileError
from advisor.workload.columns import ARRIVAL, PER_SECOND, folded
from advisor.workload.trace_files import connected, source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.workload.columns import Layout, TimeUnit
    from advisor.workload.trace_files import TraceFile

SAMPLE_ROWS: Final = 10_000
MAX_REQUESTS_PER_S: Final = 1_000
"""Mooncake's own traces have 4 to 6; read as milliseconds, one in seconds seems to have thousands."""
_Cell = tuple[str | None, bool]
"""Its text, and whether that is a date and time."""

_EPOCH_S: Final = (1e9, 4.1e9)
"""2001-09-09 to 2099-12-03 in seconds since 1970."""


def settled(trace: TraceFile) -> Layout:
    """The layout with the column of arrival times and their unit, as far as the file tells."""
    layout = trace.layout
    if layout.timestamp is not None:
        if layout.timestamp_unit is None:
            return replace(layout, timestamp_unit=_unit(layout, _sample(trace, layout)))
        return layout
    for name in layout.likely_arrivals:
        likely = replace(layout, timestamp=name)
        unit = _moments(_sample(trace, likely))
        if unit is not None:
            return replace(likely, timestamp_unit=unit)
    return layout


def is_date(cell: str) -> str:
    """SQL of whether a cell is a date and time."""
    return f"(contains({cell}::VARCHAR, '-') AND isfinite(TRY_CAST({cell}::VARCHAR AS TIMESTAMPTZ)))"


def _sample(trace: TraceFile, layout: Layout) -> list[_Cell]:
    """The first cells of the column; none where the file cannot be read, which is said later."""
    before, trace.layout = trace.layout, layout
    try:
        with connected(trace.file, "") as connection:
            query = (
                f"SELECT {ARRIVAL}::VARCHAR, coalesce({is_date(ARRIVAL)}, false) "  # noqa: S608 our own words
                f"FROM ({trace.select(strict=False)}) LIMIT {SAMPLE_ROWS}"
            )
            return connection.execute(query, [source(trace.path)]).fetchall()
    except InputFileError:
        return []
    finally:
        trace.layout = before


def _unit(layout: Layout, cells: Sequence[_Cell]) -> TimeUnit | None:
    """Of a column that must hold arrival times; None where nothing tells."""
    numbers = _numbers(cells)
    if folded(layout.input_tokens) == "input_length" and numbers and _epoch(numbers) is None:
        return _since_start(numbers, chats=layout.has("chat_id", "parent_chat_id", "turn"))
    return _moments(cells)


def _since_start(numbers: Sequence[float], *, chats: bool) -> TimeUnit | None:
    """Of a trace with Mooncake's names."""
    whole = all(number.is_integer() for number in numbers)
    span = max(numbers) - min(numbers)
    too_fast = (len(numbers) - 1) * 1000 > MAX_REQUESTS_PER_S * span
    if chats:
        return None if whole and len(numbers) > 1 else "s"
    if whole:
        return None if too_fast and len(numbers) > 1 else "ms"
    return "s" if too_fast else None


def _moments(cells: Sequence[_Cell]) -> TimeUnit | None:
    """Of a column that holds nothing but moments of our time; None of any other."""
    numbers = _numbers(cells)
    if numbers:
        return _epoch(numbers)
    return "iso" if cells and all(is_date for _, is_date in cells) else None


def _epoch(numbers: Sequence[float]) -> TimeUnit | None:
    low, high = min(numbers), max(numbers)
    first, last = _EPOCH_S
    fits = (unit for unit, per_s in PER_SECOND.items() if first * per_s <= low <= high <= last * per_s)
    return next(fits, None)


def _numbers(cells: Sequence[_Cell]) -> list[float]:
    """The cells as numbers; none if one of them is not a finite number."""
    try:
        numbers = [float(text or "") for text, _ in cells]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []
