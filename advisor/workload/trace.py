"""Traces: token counts per request, optionally with arrival times, from CSV, JSONL or Parquet.

Every row is read or the file is refused: nothing is skipped but empty lines. Rows that are out of order in
time are sorted (stable), and the trace says how many there were.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from advisor.documents import require_file
from advisor.errors import InputFileError
from advisor.workload.columns import (
    ARRIVAL,
    CACHED,
    RECOGNISED,
    SIZE_IN,
    SIZE_OUT,
    TraceColumns,
    arrivals_words,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from advisor.workload.trace_files import TraceFile

_TEXT_ENDINGS: Final = (".csv", ".tsv", ".jsonl", ".ndjson")
TRACE_ENDINGS: Final = (*_TEXT_ENDINGS, ".parquet", *(f"{ending}.gz" for ending in _TEXT_ENDINGS))
"""File endings read as traces."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests in order of arrival (of the file, where there are no times)."""

    input_tokens: Sequence[int]
    output_tokens: Sequence[int]  #: 0 where nothing was generated
    timestamps_s: Sequence[float] | None  #: since the first request; None if the file has none
    out_of_order: int = 0  #: rows that came earlier than the row before them, before sorting
    arrivals_from: str = ""  #: the column of the arrival times and their unit, in words
    cached_input_tokens: int | None = None  #: of all requests, served from a prefix cache; None is not said
    unread_times: tuple[str, ...] = ()  #: columns that look like times, where no arrival times were read

    @property
    def requests(self) -> int:
        """How many."""
        return len(self.input_tokens)

    @property
    def zero_outputs(self) -> int:
        """Requests without output; a fit counts each as one output token."""
        return self.output_tokens.count(0)

    @property
    def prefix_cache_hit_rate(self) -> float | None:
        """Share of the input tokens that was served from a prefix cache; None where the file does not say."""
        if self.cached_input_tokens is None:
            return None
        return self.cached_input_tokens / sum(self.input_tokens)

    @property
    def duration_s(self) -> float | None:
        """First to last arrival; None without timestamps."""
        return self.timestamps_s[-1] - self.timestamps_s[0] if self.timestamps_s else None

    @property
    def rate_requests_per_s(self) -> float | None:
        """Gaps per second: (n - 1) / (last - first). None without timestamps or if all arrive at once."""
        duration_s = self.duration_s
        return (self.requests - 1) / duration_s if duration_s else None


def is_trace_file(path: Path) -> bool:
    """Whether the ending is one of a trace, or the file is a JSON array, as no workload file is."""
    return path.name.casefold().endswith(TRACE_ENDINGS) or _is_json_array(path)


def _is_json_array(path: Path) -> bool:
    if path.suffix.casefold() != ".json" or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def read_trace(path: Path, columns: TraceColumns = RECOGNISED) -> Trace:
    """All requests of a file, every one checked.

    Raises:
        InputFileError: unreadable, empty, a column missing, or a bad cell: file, line, column, value.
    """
    from advisor.workload.trace_files import CsvFile, JsonArray, JsonLines, ParquetFile

    name = path.name.casefold()
    if not is_trace_file(path):
        raise InputFileError(str(path), "", path.suffix, f"a trace ends in one of {' '.join(TRACE_ENDINGS)}")
    require_file(path)
    if name.endswith(".parquet"):
        return _trace(ParquetFile(path, columns))
    if name.endswith(".json"):
        return _trace(JsonArray(path, columns))
    if ".json" in name or ".ndjson" in name:
        return _trace(JsonLines(path, columns))
    return _trace(CsvFile(path, columns, "\t" if ".tsv" in name else ","))


def _trace(file: TraceFile) -> Trace:
    """Its requests, and where their times were found."""
    from advisor.workload.trace_query import columns_of

    columns = columns_of(file)
    cached = int(columns[CACHED].sum(dtype="int64")) if CACHED in columns else None
    found, layout = _by_time(columns[SIZE_IN], columns[SIZE_OUT], columns.get(ARRIVAL)), file.layout
    return replace(
        found,
        arrivals_from=arrivals_words(layout),
        unread_times=layout.unread_times,
        cached_input_tokens=cached,
    )


def _by_time(sizes_in: Any, sizes_out: Any, times_s: Any | None) -> Trace:
    """NumPy's columns as a trace."""
    import numpy as np

    if times_s is None:
        return Trace(_packed("i", sizes_in), _packed("i", sizes_out), None)
    late = int(np.count_nonzero(times_s[1:] < times_s[:-1]))
    if late:
        order = np.argsort(times_s, kind="stable")
        sizes_in, sizes_out, times_s = sizes_in[order], sizes_out[order], times_s[order]
    since_first = _packed("d", times_s - times_s[0])
    return Trace(_packed("i", sizes_in), _packed("i", sizes_out), since_first, out_of_order=late)


def _packed(code: str, values: Any) -> array[Any]:
    import numpy as np

    packed, contiguous = array(code), np.ascontiguousarray(values, dtype=code)
    packed.frombytes(contiguous.data.cast("B"))
    return packed
