"""Which column of a trace holds what, and what a cell of it may say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from advisor.errors import InputFileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

TimeUnit = Literal["s", "ms", "us", "ns", "iso"]
TIME_UNITS: Final = ("s", "ms", "us", "ns", "iso")
PER_SECOND: Final[dict[TimeUnit, int]] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}

INPUT_COLUMNS: Final = (
    "input_tokens", "prompt_tokens", "ContextTokens",
    "num_prefill_tokens", "input_length", "Request tokens",
)  # fmt: skip
"""Recognised names of the input lengths: ours, OpenAI's usage object, Azure, Vidur, Mooncake, BurstGPT."""
OUTPUT_COLUMNS: Final = (
    "output_tokens", "completion_tokens", "GeneratedTokens",
    "num_decode_tokens", "output_length", "Response tokens",
)  # fmt: skip
"""Recognised names of the output lengths, in the same order."""
TIME_COLUMNS: Final[dict[str, TimeUnit | None]] = {
    "timestamp_s": "s", "timestamp_ms": "ms", "arrived_at": "s", "timestamp": None,
}  # fmt: skip
"""Recognised names of the arrival times; a bare ``timestamp`` shows its unit by format or neighbours."""
ARRIVAL_NAMES: Final = (
    "arrival_time", "arrival_timestamp", "arrival", "request_timestamp", "request_start_time", "request_time",
    "requested_at", "received_at", "start_time", "start_timestamp", "started_at", "created_at", "created",
    "event_time", "datetime", "date_time", "time", "ts", "date",
)  # fmt: skip
"""Names that often hold arrival times and sometimes something else, likeliest first: read as such only where
the cells are dates or moments since 1970. LiteLLM, Langfuse, OpenAI's response object, web servers."""
_UNIT_BESIDE: Final[dict[str, TimeUnit]] = {"request_tokens": "s"}  # BurstGPT
_LOOKS_LIKE_A_TIME: Final = re.compile(r"(^|_)(time|date|datetime|timestamp|ts|at|created|arrival)(_|$)")

SIZE_IN, SIZE_OUT, ARRIVAL, CACHED = "size_in", "size_out", "arrival", "cached"
"""What the columns of input, output, time and cached input are called in queries."""

_CACHED_COLUMNS: Final = re.compile(
    r"((^|_)(prompt|input)_tokens_details_|^(usage_)?)cached_(input_)?tokens$"
)
"""Input tokens served from a prefix cache, counted among the input: OpenAI's usage object, flat or nested."""

UNIT_WORDS: Final[dict[TimeUnit, str]] = {
    "s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "iso": "dates and times",
}  # fmt: skip

MAX_TIMESTAMP_S: Final = 1e13
"""Latest arrival time; far beyond any epoch in milliseconds, so nanoseconds are caught."""


@dataclass(frozen=True, slots=True)
class TraceColumns:
    """Columns the user names; None is recognised by its usual names."""

    input_tokens: str | None = None
    output_tokens: str | None = None
    timestamp: str | None = None
    timestamp_unit: TimeUnit | None = None

    def __post_init__(self) -> None:
        if self.timestamp_unit not in (None, *TIME_UNITS):
            allowed = ", ".join(TIME_UNITS)
            raise UsageError(f"--timestamp-unit: {self.timestamp_unit!r} is not allowed; one of {allowed}")


RECOGNISED: Final = TraceColumns()


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a file keeps what: header names, as spelled there."""

    input_tokens: str
    output_tokens: str
    timestamp: str | None
    timestamp_unit: TimeUnit | None  #: None: told by the cells, else refused
    header: tuple[str, ...] = ()  #: every column

    @property
    def cells(self) -> dict[str, str]:
        """The columns to read, by what they are called in queries."""
        cached = next((name for name in self.header if _CACHED_COLUMNS.search(folded(name))), None)
        columns = {
            SIZE_IN: self.input_tokens, SIZE_OUT: self.output_tokens, ARRIVAL: self.timestamp, CACHED: cached,
        }  # fmt: skip
        return {cell: name for cell, name in columns.items() if name is not None}

    @property
    def likely_arrivals(self) -> tuple[str, ...]:
        """Columns that may hold arrival times, likeliest first."""
        by_name = {folded(name): name for name in reversed(self.header)}
        return tuple(by_name[name] for name in ARRIVAL_NAMES if name in by_name)

    @property
    def unread_times(self) -> tuple[str, ...]:
        """Columns that look like times, where none is read."""
        if self.timestamp is not None:
            return ()
        return tuple(name for name in self.header if _LOOKS_LIKE_A_TIME.search(folded(name)))

    def has(self, *names: str) -> bool:
        """Whether the file has a column of one of these (folded) names."""
        return not {folded(name) for name in self.header}.isdisjoint(names)


def find_columns(file: str, header: Sequence[str], wanted: TraceColumns) -> Layout:
    """The columns to read.

    Raises:
        InputFileError: a column is absent, or two could be meant.
    """
    size_in = _one(file, header, wanted.input_tokens, INPUT_COLUMNS, "--input-column")
    size_out = _one(file, header, wanted.output_tokens, OUTPUT_COLUMNS, "--output-column")
    if size_in is None or size_out is None:
        what, names, option = (
            ("input", INPUT_COLUMNS, "advisor workload fit --input-column")
            if size_in is None
            else ("output", OUTPUT_COLUMNS, "advisor workload fit --output-column")
        )
        allowed = (
            f"a column of {what} tokens is needed: one of {', '.join(names)}, or name it with `{option}`"
        )
        raise InputFileError(file, "header", ",".join(header), allowed)
    time = _one(file, header, wanted.timestamp, tuple(TIME_COLUMNS), "--timestamp-column")
    unit = wanted.timestamp_unit
    if time is not None and unit is None:
        unit = TIME_COLUMNS.get(folded(time)) or _UNIT_BESIDE.get(folded(size_in))
    return Layout(size_in, size_out, time, unit, tuple(header))


def allowed_arrival(unit: TimeUnit | None) -> str:
    """What an arrival time may be, in words."""
    if unit is None:
        return (
            "a date and time such as 2023-11-16T18:15:46.68 is allowed here; for numbers say their unit with "
            "`advisor workload fit --timestamp-unit s|ms`, or name the column timestamp_s or timestamp_ms"
        )
    if unit == "iso":
        return "a date and time such as 2023-11-16T18:15:46.68"
    return f"{UNIT_WORDS[unit]}, a number from 0 to {MAX_TIMESTAMP_S * PER_SECOND[unit]:g}"


def _one(
    file: str, header: Sequence[str], named: str | None, known: tuple[str, ...], option: str
) -> str | None:
    """The one header name meant, None if there is none of the usual ones."""
    if named is not None:
        found = [name for name in header if name == named]
        if not found:
            raise InputFileError(
                file, "header", ",".join(header), f"{option} names {named!r}, which is not a column"
            )
    else:
        usual = {folded(name) for name in known}
        found = [name for name in header if folded(name) in usual]
        found = found or [name for name in header if _in_usage(folded(name)) in usual]
    if len(found) > 1:
        raise InputFileError(file, "header", ",".join(found), f"one such column; choose it with {option}")
    return found[0] if found else None


def _in_usage(name: str) -> str:
    """``prompt_tokens`` of ``response_usage_prompt_tokens``; ``input_tokens`` of ``usage_input``."""
    _, usage, rest = f"_{name}".rpartition("_usage_")
    return f"{rest}_tokens" if usage and rest in ("input", "output") else rest if usage else ""


def folded(name: str) -> str:
    """``startTime``, ``Start Time`` and ``start-time`` are one name."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", apart.casefold()).strip("_")


def arrivals_words(layout: Layout) -> str:
    """``startTime, dates and times``; empty where no arrival times are read."""
    if layout.timestamp is None:
        return ""
    return f"{layout.timestamp}, {UNIT_WORDS[layout.timestamp_unit or 'iso']}"
