"""Demand hour by hour: a file of hours, or a request trace added up by hour of the week.

A file of hours is a CSV with the columns ``hour`` (whole numbers from 0 or 1, each once) and either
``requests_per_s`` or ``factor`` (of the rate asked about). A week has 168 of them, but any number will do:
the hours stand for all time to come in equal parts.

A trace counts from its first request. Its hours are those that it covers whole (all of it, where it is
shorter than one); from the 169th on they fall on the hours of the first week, and equal hours are averaged.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.documents import read_text
from advisor.errors import InputFileError
from advisor.units import MAX_RATE_REQUESTS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from advisor.workload.trace import Trace

HOURS_PER_WEEK: Final = 168
MAX_HOURS: Final = 10_000
"""Longest file of hours: over a year of them."""

_SECONDS_PER_HOUR: Final = 3600
_MAX_BYTES: Final = 2**20
_NAMES: Final = ("requests_per_s", "factor")
_VALUE: Final = f"a number from 0 to {MAX_RATE_REQUESTS_PER_S:g}"


@dataclass(frozen=True, slots=True)
class Week:
    """Demand per hour."""

    values: tuple[float, ...]
    is_factor: bool  #: of the rate asked about; else requests per second
    source: str  #: in words

    def factors(self, rate_requests_per_s: float) -> tuple[float, ...]:
        """Demand per hour as a factor of a rate."""
        return self.values if self.is_factor else tuple(x / rate_requests_per_s for x in self.values)


def load_week(path: Path) -> Week:
    """Demand per hour from a file of hours or a trace; a CSV with a column ``hour`` is the former.

    Raises:
        InputFileError: the file, a line or a field is not what it must be.
    """
    from advisor.workload.trace import is_trace_file, read_trace

    if path.suffix.casefold() == ".csv" and _has_hours(path):
        return _hours(path)
    if not is_trace_file(path):
        allowed = f"a CSV of hours (hour,{_NAMES[0]} or hour,{_NAMES[1]}), or a trace with arrival times"
        raise InputFileError(str(path), "", path.suffix or "no ending", allowed)
    trace = read_trace(path)
    if trace.timestamps_s is None:
        raise InputFileError(
            str(path), "header", "no arrival times", f"a column of times, or hour and {' or '.join(_NAMES)}"
        )
    values = hourly_rates(trace)
    return Week(values, False, f"{path.name}: {trace.requests:,} requests over {len(values)} hours of a week")


def hourly_rates(trace: Trace) -> tuple[float, ...]:
    """Requests per second in each hour of the week that a trace with arrival times covers."""
    times: Sequence[float] = trace.timestamps_s or ()
    whole = math.floor((times[-1] if times else 0.0) / _SECONDS_PER_HOUR)
    if not whole:
        return (trace.rate_requests_per_s or trace.requests / _SECONDS_PER_HOUR,)
    counts = [0] * whole
    for at in times:
        hour = int(at // _SECONDS_PER_HOUR)
        if hour < whole:
            counts[hour] += 1
    return tuple(
        sum(same) / len(same) / _SECONDS_PER_HOUR
        for same in (counts[hour::HOURS_PER_WEEK] for hour in range(min(whole, HOURS_PER_WEEK)))
    )


def _has_hours(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            return "hour" in [name.strip().casefold() for name in stream.readline(10_000).split(",")]
    except OSError as error:
        raise InputFileError(
            str(path), "", error.strerror or str(error), "a readable file is needed"
        ) from error


def _hours(path: Path) -> Week:
    text = read_text(path, _MAX_BYTES, "a file of hours")
    rows = list(csv.reader(io.StringIO(text)))
    header = [name.strip().casefold() for name in rows[0]]
    given = [name for name in _NAMES if name in header]
    if len(given) != 1 or sorted(header) != sorted(["hour", *given]):
        allowed = f"the columns hour and one of {', '.join(_NAMES)}"
        raise InputFileError(str(path), "header", ",".join(rows[0]), allowed)
    values: dict[int, float] = {}
    for number, cells in enumerate(rows[1:], start=2):
        if not cells:
            continue
        if len(cells) != len(header):
            raise InputFileError(str(path), f"line {number}", ",".join(cells), "two fields, as in the header")
        row = dict(zip(header, cells, strict=True))
        hour = _whole(row["hour"])
        if hour is None or hour in values or hour > MAX_HOURS:
            allowed = f"a whole number from 0 to {MAX_HOURS:,}, each once"
            raise InputFileError(str(path), f"line {number}, hour", row["hour"], allowed)
        value = _number(row[given[0]])
        if value is None:
            raise InputFileError(str(path), f"line {number}, {given[0]}", row[given[0]], _VALUE)
        values[hour] = value
    _check_gaps(path, values)
    return Week(
        tuple(values[hour] for hour in sorted(values)),
        given[0] == "factor",
        f"{path.name}: {len(values)} hours",
    )


def _check_gaps(path: Path, values: dict[int, float]) -> None:
    if not values:
        raise InputFileError(str(path), "", "no hours", "at least one row below the header is needed")
    first, last = min(values), max(values)
    if first > 1 or last - first + 1 != len(values):
        missing = next((h for h in range(min(first, 1), last) if h not in values), first)
        raise InputFileError(str(path), "hour", missing, "every hour from 0 (or 1) on, without gaps")
    if not any(values.values()):
        raise InputFileError(str(path), "", "no demand", "at least one hour above 0 is needed")


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= MAX_RATE_REQUESTS_PER_S and "_" not in text else None
