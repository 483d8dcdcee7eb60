"""Which column of a trace holds what, and what a cell of it may say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from advisor.errors import InputFileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

TimeUnit = Literal["s", "ms", "iso"]

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
_UNIT_BESIDE: Final[dict[str, TimeUnit]] = {"input_length": "ms", "request_tokens": "s"}  # Mooncake, BurstGPT

CELLS: Final = ("size_in", "size_out", "arrival")
"""What the columns of input, output and time are called in queries."""

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
        if self.timestamp_unit not in (None, "s", "ms", "iso"):
            raise UsageError(f"--timestamp-unit: {self.timestamp_unit!r} is not allowed; s, ms or iso")


RECOGNISED: Final = TraceColumns()


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a file keeps what: header names, as spelled there."""

    input_tokens: str
    output_tokens: str
    timestamp: str | None
    timestamp_unit: TimeUnit | None  #: None: an ISO date and time, or refused

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns to read: input, output and, where there is one, time."""
        sizes = (self.input_tokens, self.output_tokens)
        return sizes if self.timestamp is None else (*sizes, self.timestamp)


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
        unit = TIME_COLUMNS.get(_folded(time)) or _UNIT_BESIDE.get(_folded(size_in))
    return Layout(size_in, size_out, time, unit)


def allowed_arrival(unit: TimeUnit | None) -> str:
    """What an arrival time may be, in words."""
    if unit is None:
        return (
            "a date and time such as 2023-11-16T18:15:46.68 is allowed here; for numbers say their unit with "
            "--timestamp-unit s|ms, or name the column timestamp_s or timestamp_ms"
        )
    if unit == "iso":
        return "a date and time such as 2023-11-16T18:15:46.68"
    word = "seconds" if unit == "s" else "milliseconds"
    return f"{word}, a number from 0 to {MAX_TIMESTAMP_S * (1000 if unit == 'ms' else 1):g}"


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
        folded = {_folded(name) for name in known}
        found = [name for name in header if _folded(name) in folded]
    if len(found) > 1:
        raise InputFileError(file, "header", ",".join(found), f"one such column; choose it with {option}")
    return found[0] if found else None


def _folded(name: str) -> str:
    return name.strip().casefold().replace(" ", "_")
