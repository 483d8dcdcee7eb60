"""Demand hour by hour: a file of hours, or a request trace added up by hour of the week.

A file of hours is a CSV with the columns ``hour`` (whole numbers from 0 or 1, each once) and either
``requests_per_s`` or ``factor`` (of the rate asked about). A week has 168 of them, but any number will do:
the hours stand for all time to come in equal parts.

A trace counts from its first request. Its hours are those that it covers whole (all of it, where it is
shorter than one); from the 169th on they fall on the hours of the first week, and equal hours are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from advisor.documents import read_text, require_file
from advisor.documents.records import check, fields_of
from advisor.documents.table import csv_rows
from advisor.errors import InputFileError
from advisor.units import MAX_RATE_REQUESTS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from advisor.workload.trace import Trace

HOURS_PER_WEEK: Final = 168
MAX_HOURS: Final = 10_000
"""Longest file of hours: over a year of them."""

_SECONDS_PER_HOUR: Final = 3600
_MAX_BYTES: Final = 2**20
_NAMES: Final = ("requests_per_s", "factor")
_HOUR: Final = f"a whole number from 0 to {MAX_HOURS:,}, each once"
_Value = Annotated[
    float,
    Field(
        ge=0,
        le=MAX_RATE_REQUESTS_PER_S,
        allow_inf_nan=False,
        description=f"a number from 0 to {MAX_RATE_REQUESTS_PER_S:g}",
    ),
]


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
    import numpy as np

    hours = (np.asarray(trace.timestamps_s or (), dtype=float) // _SECONDS_PER_HOUR).astype(int)
    whole = int(hours[-1]) if len(hours) else 0
    if not whole:
        return (trace.rate_requests_per_s or trace.requests / _SECONDS_PER_HOUR,)
    counts = np.bincount(hours)[:whole]
    same = (counts[hour::HOURS_PER_WEEK] for hour in range(min(whole, HOURS_PER_WEEK)))
    return tuple(float(each.mean()) / _SECONDS_PER_HOUR for each in same)


def _has_hours(path: Path) -> bool:
    require_file(path)
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            return "hour" in [name.strip().casefold() for name in stream.readline(10_000).split(",")]
    except OSError as error:
        raise InputFileError(
            str(path), "", error.strerror or str(error), "a readable file is needed"
        ) from error


class _HourRow(BaseModel):
    """One hour, and the demand in it."""

    model_config = ConfigDict(extra="forbid")

    hour: int = Field(ge=0, le=MAX_HOURS, description=_HOUR)
    requests_per_s: _Value | None = None
    factor: _Value | None = None


def _hours(path: Path) -> Week:
    file = str(path)
    rows = csv_rows(file, read_text(path, _MAX_BYTES, "a file of hours"), fields_of(_HourRow))
    if not rows:
        raise InputFileError(file, "", "no hours", "at least one row below the header is needed")
    names = [name for name in rows[0][1] if name != "hour"]
    if len(names) != 1:
        allowed = f"the columns hour and one of {', '.join(_NAMES)}"
        raise InputFileError(file, "header", ",".join(rows[0][1]), allowed)
    values: dict[int, float] = {}
    for place, cells in rows:
        row = check(_HourRow, cells, file, place)
        if row.hour in values:
            raise InputFileError(file, f"{place}, hour", row.hour, _HOUR)
        values[row.hour] = getattr(row, names[0])
    _check_gaps(file, values)
    demand = tuple(values[hour] for hour in sorted(values))
    return Week(demand, names[0] == "factor", f"{path.name}: {len(values)} hours")


def _check_gaps(file: str, values: Mapping[int, float]) -> None:
    first, last = min(values), max(values)
    if first > 1 or last - first + 1 != len(values):
        missing = next((h for h in range(min(first, 1), last) if h not in values), first)
        raise InputFileError(file, "hour", missing, "every hour from 0 (or 1) on, without gaps")
    if not any(values.values()):
        raise InputFileError(file, "", "no demand", "at least one hour above 0 is needed")
