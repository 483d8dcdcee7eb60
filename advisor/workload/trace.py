"""Traces: token counts per request, optionally with arrival times, from CSV, JSONL or Parquet.

Every row is read or the file is refused: nothing is skipped but empty lines. Rows that are out of order in
time are sorted (stable), and the trace says how many there were.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from array import array
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from advisor.documents import unique_keys
from advisor.errors import InputFileError
from advisor.workload.buckets import MAX_TOKENS
from advisor.workload.columns import (
    RECOGNISED,
    Layout,
    TraceColumns,
    allowed_arrival,
    arrival_s,
    find_columns,
    token_count,
)

if TYPE_CHECKING:
    from _csv import Reader
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TRACE_ENDINGS: Final = (
    ".csv",
    ".tsv",
    ".jsonl",
    ".ndjson",
    ".parquet",
    ".csv.gz",
    ".tsv.gz",
    ".jsonl.gz",
    ".ndjson.gz",
)
"""File endings read as traces."""
MAX_REQUESTS: Final = 20_000_000
"""Most rows of a trace; at 24 bytes each about half a gigabyte."""

_INPUT_ALLOWED: Final = f"a whole number of tokens from 1 to {MAX_TOKENS:,}"
_OUTPUT_ALLOWED: Final = f"a whole number of tokens from 0 to {MAX_TOKENS:,}"


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests in order of arrival (of the file, where there are no times)."""

    input_tokens: Sequence[int]
    output_tokens: Sequence[int]  #: 0 where nothing was generated
    timestamps_s: Sequence[float] | None  #: since the first request; None if the file has none
    out_of_order: int = 0  #: rows that came earlier than the row before them, before sorting

    @property
    def requests(self) -> int:
        """How many."""
        return len(self.input_tokens)

    @property
    def zero_outputs(self) -> int:
        """Requests without output; a fit counts each as one output token."""
        return sum(1 for tokens in self.output_tokens if tokens == 0)

    @property
    def duration_s(self) -> float | None:
        """First to last arrival; None without timestamps."""
        return self.timestamps_s[-1] - self.timestamps_s[0] if self.timestamps_s else None

    @property
    def rate_requests_per_s(self) -> float | None:
        """Gaps per second: (n - 1) / (last - first). None without timestamps or if all arrive at once."""
        duration_s = self.duration_s
        return (self.requests - 1) / duration_s if duration_s else None


class _Row(NamedTuple):
    place: int
    input_tokens: object
    output_tokens: object
    timestamp: object


def is_trace_file(path: Path) -> bool:
    """Whether the ending is one of a trace."""
    return path.name.casefold().endswith(TRACE_ENDINGS)


def read_trace(path: Path, columns: TraceColumns = RECOGNISED) -> Trace:
    """All requests of a file, every one checked.

    Raises:
        InputFileError: unreadable, empty, a column missing, or a bad cell: file, line, column, value.
    """
    name = path.name.casefold()
    if not is_trace_file(path):
        raise InputFileError(str(path), "", path.suffix, f"a trace ends in one of {' '.join(TRACE_ENDINGS)}")
    if not _is_file(path):
        raise InputFileError(str(path), "", "no such file", "a readable file is needed")
    if name.endswith(".parquet"):
        from advisor.workload.trace_parquet import read_parquet

        layout, rows = read_parquet(path, columns)
        return _collect(str(path), "row", layout, (_Row(*row) for row in rows))
    with _opened(path) as stream:
        if ".json" in name or ".ndjson" in name:
            layout, lines = _jsonl(str(path), stream, columns)
        else:
            layout, lines = _csv(str(path), stream, columns, "\t" if ".tsv" in name else ",")
        return _collect(str(path), "line", layout, lines)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # e.g. a name too long for the file system
        return False


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """The file as text, byte order mark removed, gzip undone; reading errors are the file's fault."""
    try:
        if path.name.casefold().endswith(".gz"):
            with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as stream:
                yield stream
        else:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                yield stream
    except UnicodeDecodeError as error:
        raise InputFileError(str(path), "", error.object[error.start : error.end], "UTF-8 text") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputFileError(str(path), "", str(error), "a readable, complete file is needed") from error


def _csv(file: str, stream: IO[str], columns: TraceColumns, delimiter: str) -> tuple[Layout, Iterator[_Row]]:
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    header = next((row for row in _records(file, reader) if row), None)
    if header is None:
        raise InputFileError(file, "line 1", "", "a header line with column names is needed")
    names = [name.strip() for name in header]
    layout = find_columns(file, names, columns)
    positions = [names.index(layout.input_tokens), names.index(layout.output_tokens)]
    if layout.timestamp is not None:
        positions.append(names.index(layout.timestamp))
    return layout, _csv_rows(file, reader, len(names), positions)


def _csv_rows(file: str, reader: Reader, width: int, positions: Sequence[int]) -> Iterator[_Row]:
    size_in, size_out, *time = positions
    for row in _records(file, reader):
        if len(row) != width:
            if not row:
                continue
            allowed = f"{width} fields, as in the header"
            raise InputFileError(file, f"line {reader.line_num}", ",".join(row), allowed)
        yield _Row(reader.line_num, row[size_in], row[size_out], row[time[0]] if time else None)


def _records(file: str, reader: Reader) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise InputFileError(file, f"line {reader.line_num}", str(error), "well-formed CSV") from error


def _jsonl(file: str, stream: IO[str], columns: TraceColumns) -> tuple[Layout, Iterator[_Row]]:
    objects = _json_objects(file, stream)
    first = next(objects, None)
    if first is None:
        raise InputFileError(file, "line 1", "", "one JSON object per line is needed")
    layout = find_columns(file, list(first[1]), columns)
    return layout, (_json_row(number, record, layout) for number, record in chain((first,), objects))


def _json_row(number: int, record: dict[str, object], layout: Layout) -> _Row:
    time = record.get(layout.timestamp) if layout.timestamp is not None else None
    return _Row(number, record.get(layout.input_tokens), record.get(layout.output_tokens), time)


def _json_objects(file: str, stream: IO[str]) -> Iterator[tuple[int, dict[str, object]]]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, object_pairs_hook=unique_keys)
        except (ValueError, RecursionError) as error:
            raise InputFileError(
                file, f"line {number}", line.strip(), f"one JSON object ({error})"
            ) from error
        if not isinstance(record, dict):
            raise InputFileError(file, f"line {number}", record, "one JSON object per line")
        yield number, record


def _collect(file: str, word: str, layout: Layout, rows: Iterator[_Row]) -> Trace:
    """Checked columns of all rows."""
    sizes_in, sizes_out, times = array("q"), array("q"), array("d")
    for row in rows:
        size_in = token_count(row.input_tokens, 1)
        if size_in is None:
            raise _bad(file, word, row, layout.input_tokens, row.input_tokens, _INPUT_ALLOWED)
        size_out = token_count(row.output_tokens, 0)
        if size_out is None:
            raise _bad(file, word, row, layout.output_tokens, row.output_tokens, _OUTPUT_ALLOWED)
        if layout.timestamp is not None:
            time_s = arrival_s(row.timestamp, layout.timestamp_unit)
            if time_s is None:
                allowed = allowed_arrival(layout.timestamp_unit)
                raise _bad(file, word, row, layout.timestamp, row.timestamp, allowed)
            times.append(time_s)
        sizes_in.append(size_in)
        sizes_out.append(size_out)
        if len(sizes_in) > MAX_REQUESTS:
            raise InputFileError(
                file, f"{word} {row.place}", "one more row", f"at most {MAX_REQUESTS:,} requests"
            )
    if not sizes_in:
        raise InputFileError(file, "", "no requests", "at least one row below the header is needed")
    if layout.timestamp is None:
        return Trace(sizes_in, sizes_out, None)
    return _by_time(sizes_in, sizes_out, times)


def _bad(file: str, word: str, row: _Row, column: str, value: object, allowed: str) -> InputFileError:
    return InputFileError(file, f"{word} {row.place}, {column}", value, allowed)


def _by_time(sizes_in: array[int], sizes_out: array[int], times: array[float]) -> Trace:
    late = sum(1 for before, after in pairwise(times) if after < before)
    if late:
        order = sorted(range(len(times)), key=times.__getitem__)
        sizes_in = array("q", (sizes_in[index] for index in order))
        sizes_out = array("q", (sizes_out[index] for index in order))
        times = array("d", (times[index] for index in order))
    start_s = times[0]
    return Trace(sizes_in, sizes_out, array("d", (time_s - start_s for time_s in times)), out_of_order=late)
