"""What one file states, in the advisor's words and units; blank is not stated, nothing is filled in."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from advisor.domain import EvidenceKind
from advisor.errors import InputFileError
from advisor.profiles.latency_metrics import MEAN, STATISTICS, column
from advisor.profiles.scheduler import AS_IT_CHOOSES, Scheduler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CLOSED_LOOP: Final = "concurrency"
OPEN_LOOP: Final = "rate"
SLO_MAXIMUM: Final = "slo-maximum"
LOAD_MODES: Final = (CLOSED_LOOP, OPEN_LOOP, SLO_MAXIMUM)

A_NUMBER: Final = "a finite number that is not negative"
MOST_RESULTS: Final = 100_000
"""Objects or rows of a file; a grid of every size and load has some thousand."""

_LONGEST_HEAD: Final = 65_536  # characters
_YEAR_3000_S: Final = 32503680000.0
_LARGEST: Final = 1e15  # beyond any count, rate or time of a benchmark; keeps arithmetic finite


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One request size under one load: what a file states, and what the user adds; None is not said."""

    place: str  #: where in the file, for messages
    file: str = ""
    evidence: EvidenceKind = EvidenceKind.MEASURED
    model: str | None = None
    accelerator: str | None = None
    accelerators: int | None = None  #: of the whole row
    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    precision: str | None = None
    kv_precision: str | None = None
    engine: str | None = None
    engine_version: str | None = None
    date: str | None = None
    source: str | None = None
    licence: str | None = None
    error_pct: float | None = None
    workload: str | None = None
    input_tokens: float | None = None  #: per request, the mean
    output_tokens: float | None = None  #: per request, the mean
    load_mode: str | None = None  #: one of :data:`LOAD_MODES`
    concurrency: float | None = None
    request_rate_offered: float | None = None  #: infinite where all requests are sent at once
    requests_per_s: float | None = None
    output_tokens_per_s: float | None = None
    latencies_ms: Mapping[str, float] = field(default_factory=dict)  #: by column, such as ``tpot_p99_ms``
    slo_ttft_ms: float | None = None
    slo_tpot_ms: float | None = None
    completed: float | None = None  #: requests
    failed: float | None = None  #: requests
    flags: tuple[str, ...] = ()
    unfit: str | None = None  #: why no SLO may be answered from it
    speculative: str | None = None  #: speculative decoding's method, where it ran
    draft_tokens: int | None = None  #: per pass
    scheduler: Scheduler = AS_IT_CHOOSES  #: as the engine was started

    def ms(self, metric: str, statistic: str = MEAN) -> float | None:
        """One latency; None where the file does not state it."""
        return self.latencies_ms.get(column(metric, statistic))


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """A file as understood."""

    name: str
    tool: str
    tool_version: str | None
    rows: tuple[ImportedRow, ...]
    notes: tuple[str, ...] = ()  #: how a figure of the tool became one of ours


@dataclass(frozen=True)
class Document:
    """The text of a file, decoded once."""

    name: str
    text: str

    @cached_property
    def head(self) -> str:
        """Its first line that is not blank, or as much of it as a line of columns may have."""
        return self.text[:_LONGEST_HEAD].lstrip("\ufeff").lstrip().partition("\n")[0].rstrip("\r")

    @cached_property
    def records(self) -> tuple[dict[str, Any], ...]:
        """Its JSON objects: one, an array of them, or one after the other; none where it is not that.

        Raises:
            InputFileError: more than any benchmark has results.
        """
        if not self.head.startswith(("{", "[")):
            return ()
        decoder, found, at = json.JSONDecoder(), [], 0
        text = self.text.lstrip("\ufeff")
        try:
            while (at := _next(text, at)) < len(text):
                value, at = decoder.raw_decode(text, at)
                found += value if isinstance(value, list) else [value]
                self._bounded(len(found), "objects")
        except (ValueError, RecursionError):
            return ()
        return tuple(found) if found and all(isinstance(value, dict) for value in found) else ()

    def payloads(self, word: str = "result") -> tuple[Payload, ...]:
        """Its objects, or its rows where it is CSV; of several, each has its place."""
        if not self.records:
            return tuple(Payload(self.name, dict(row), f"row {i + 2}") for i, row in enumerate(self.table))
        many = len(self.records) > 1
        places = (f"{word} {i + 1}" if many else "" for i in range(len(self.records)))
        return tuple(
            Payload(self.name, record, place) for record, place in zip(self.records, places, strict=True)
        )

    @cached_property
    def columns(self) -> frozenset[str]:
        """Names of its columns as CSV, folded; none where its first line is not that of a table."""
        if self.head[:1] in ("{", "[") or "," not in self.head:
            return frozenset()
        try:
            names = [_folded(name) for name in next(csv.reader([self.head]))]
        except csv.Error:
            return frozenset()
        return frozenset(names)

    @cached_property
    def table(self) -> tuple[dict[str, str], ...]:
        """Its rows as CSV, column names folded; none where it is not that.

        Raises:
            InputFileError: more than any benchmark has results.
        """
        if not self.columns:
            return ()
        rows: list[dict[str, str]] = []
        lines = csv.DictReader(io.StringIO(self.text.lstrip("\ufeff").lstrip()), restkey="", restval="")
        try:
            for row in lines:
                self._even(row, len(rows) + 2)
                rows.append(
                    {
                        _folded(name or ""): value or ""
                        for name, value in row.items()
                        if isinstance(value, str)
                    }
                )
                self._bounded(len(rows), "rows")
        except csv.Error:
            return ()
        return tuple(rows)

    def _even(self, row: dict[str, Any], number: int) -> None:
        """Every cell has a column of its own, so that none is lost or shifted."""
        names = [_folded(name or "") for name in row]
        twice = next((name for name in names if name and names.count(name) > 1), None)
        if twice is not None:
            raise InputFileError(self.name, "", twice, "each column once")
        if "" in row and isinstance(row[""], list):
            cells = f"{len(row) - 1 + len(row[''])} cells"
            allowed = f"as many cells as columns, {len(row) - 1}; a decimal comma needs quotes"
            raise InputFileError(self.name, f"row {number}", cells, allowed)

    def _bounded(self, number: int, what: str) -> None:
        if number > MOST_RESULTS:
            allowed = "results of benchmarks are fewer; a trace of requests is for `advisor workload fit`"
            raise InputFileError(self.name, "", f"more than {MOST_RESULTS:,} {what}", allowed)


def _folded(name: str) -> str:
    """A column's name: case and separators do not matter."""
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _next(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at


@dataclass(frozen=True, slots=True)
class Payload:
    """A mapping out of a file, asked for typed values; complaints name file and field."""

    file: str
    content: dict[str, Any]
    at: str = ""

    def path(self, key: str) -> str:
        """The field's full name."""
        return f"{self.at}.{key}" if self.at else key

    def has(self, *keys: str) -> bool:
        """Whether all keys are there and not null."""
        return all(self.content.get(key) is not None for key in keys)

    def child(self, *keys: str) -> Payload:
        """The mapping at a path; empty where there is none."""
        here = self
        for key in keys:
            value = here.content.get(key)
            here = Payload(self.file, value if isinstance(value, dict) else {}, here.path(key))
        return here

    def children(self, key: str) -> tuple[Payload, ...]:
        """The mappings of an array."""
        value = self.content.get(key)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise InputFileError(self.file, self.path(key), value, "a list of objects is needed")
        return tuple(Payload(self.file, item, f"{self.path(key)}[{i}]") for i, item in enumerate(value))

    def text(self, key: str) -> str | None:
        """A text; None where it is missing or empty."""
        value = self.content.get(key)
        if value is None or value == "":
            return None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str) or len(value) > 500:
            raise InputFileError(self.file, self.path(key), value, "a short text")
        return value.strip() or None

    def number(self, key: str, *, infinite: bool = False) -> float | None:
        """A number, zero included; None where it is missing.

        Raises:
            InputFileError: no number, negative, NaN, or (unless ``infinite``) infinite.
        """
        value = self.content.get(key)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        number = _number(value)
        if number is None or number < 0 or not (number <= _LARGEST or (infinite and math.isinf(number))):
            raise InputFileError(self.file, self.path(key), value, A_NUMBER)
        return number

    def positive(self, key: str) -> float | None:
        """A number above zero; None where it is missing.

        Raises:
            InputFileError: zero, or what :meth:`number` refuses.
        """
        number = self.number(key)
        if number == 0:
            raise InputFileError(self.file, self.path(key), self.content[key], "a number above 0")
        return number

    def count(self, key: str) -> int | None:
        """A whole number from 1; None where it is missing."""
        number = self.number(key)
        if number is not None and (number != int(number) or not 1 <= number <= 4096):
            raise InputFileError(self.file, self.path(key), self.content[key], "a whole number, 1 to 4096")
        return None if number is None else int(number)

    def time_ms(self, key: str, scale: float = 1.0) -> float | None:
        """A duration in milliseconds; tools write 0 for what they did not take, which is None here."""
        number = self.number(key)
        return number * scale if number else None

    def latencies(self, metric: str, keys: Sequence[str], scale: float = 1.0) -> dict[str, float]:
        """The columns of a latency whose mean, p50, p90 and p99 stand under these keys, in milliseconds."""
        stated = ((name, self.time_ms(key, scale)) for name, key in zip(STATISTICS, keys, strict=True))
        return {column(metric, name): ms for name, ms in stated if ms is not None}

    def day(self, key: str) -> str | None:
        """Seconds since 1970 as a day; None where there are none, or none that can be."""
        seconds = self.number(key)
        if not seconds or seconds > _YEAR_3000_S:
            return None
        return dt.datetime.fromtimestamp(seconds, dt.UTC).date().isoformat()

    def refuse(self, key: str, allowed: str) -> InputFileError:
        """The complaint about a field."""
        return InputFileError(self.file, self.path(key), self.content.get(key), allowed)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number
