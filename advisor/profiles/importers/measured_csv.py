"""Plain CSV: one row per run, in the columns of the measurements this package is built from.

Every column that holds a quantity names its unit (``tpot_mean_ms``, ``requests_per_s``); one that does not
is refused, because seconds and milliseconds look alike.
"""

from __future__ import annotations

import re
from typing import Any, Final

from advisor.domain import EvidenceKind
from advisor.errors import InputFileError
from advisor.profiles.importers.reading import (
    CLOSED_LOOP,
    LOAD_MODES,
    OPEN_LOOP,
    Document,
    ImportedFile,
    ImportedRow,
    Payload,
)
from advisor.profiles.latency_metrics import stated_in

TOOL: Final = "CSV"
SOURCE: Final = "this package: the columns of catalogs/profiles"
REQUIRED: Final = ("input_tokens", "output_tokens", "requests_per_s")
MARKS: Final = frozenset(REQUIRED)
_TEXTS: Final = (
    "model",
    "precision",
    "kv_precision",
    "engine",
    "engine_version",
    "date",
    "licence",
    "workload",
)
_POSITIVE: Final = ("input_tokens", "output_tokens", "concurrency", "slo_ttft_ms", "slo_tpot_ms")
_NUMBERS: Final = ("requests_per_s", "output_tokens_per_s", "completed", "failed")
_COUNTS: Final = {
    "accelerators": ("gpu_count", "accelerators"),
    "tensor_parallel": ("tp", "tensor_parallel"),
    "pipeline_parallel": ("pp", "pipeline_parallel"),
}
_OTHERS: Final = (
    *("source_id", "source", "kind", "gpu", "accelerator", "load_mode", "request_rate_offered", "flags"),
    *(name for names in _COUNTS.values() for name in names),
)
_KNOWN: Final = frozenset({*_TEXTS, *_POSITIVE, *_NUMBERS, *_OTHERS})
_UNITLESS: Final = re.compile(
    r"^(?:(?:mean|median|avg|p\d\d)_)?(ttft|tpot|itl|e2e|e2el|latency|throughput|rate|"
    r"time_to_first_token|time_per_output_token)(?:_(?:mean|median|avg|p\d\d))?$"
)


def recognises(document: Document) -> bool:
    """A table of request sizes."""
    return document.columns >= {"input_tokens", "output_tokens"}


def read(document: Document) -> ImportedFile:
    """One load per row."""
    for column in sorted(document.columns):
        if _UNITLESS.match(column):
            raise InputFileError(
                document.name, column, "no unit", "a unit in the column's name: …_ms, requests_per_s"
            )
    missing = [column for column in REQUIRED if column not in document.columns]
    if missing:
        raise InputFileError(document.name, missing[0], None, f"the columns {', '.join(REQUIRED)} are needed")
    loads = tuple(_load(row) for row in document.payloads())
    unread = sorted(name for name in document.columns - _KNOWN - {""} if not stated_in(name))
    notes = (f"columns not read: {', '.join(unread)}",) if unread else ()
    return ImportedFile(document.name, TOOL, None, loads, notes)


def _load(row: Payload) -> ImportedRow:
    mode = row.text("load_mode")
    concurrency, rate = row.positive("concurrency"), row.number("request_rate_offered", infinite=True)
    if mode is None:
        mode = CLOSED_LOOP if concurrency is not None else OPEN_LOOP if rate is not None else None
    kind = row.text("kind") or EvidenceKind.MEASURED.value
    if kind not in (EvidenceKind.MEASURED.value, EvidenceKind.SIMULATED.value):
        raise row.refuse("kind", "measured or simulated")
    latencies = {name: row.positive(name) for name in row.content if stated_in(name)}
    cells: dict[str, Any] = {name: row.text(name) for name in _TEXTS}
    cells |= {name: row.positive(name) for name in _POSITIVE}
    cells |= {name: row.number(name) for name in _NUMBERS}
    cells |= {name: row.count(short) or row.count(long) for name, (short, long) in _COUNTS.items()}
    return ImportedRow(
        place=row.at,
        evidence=EvidenceKind(kind),
        accelerator=row.text("gpu") or row.text("accelerator"),
        source=row.text("source_id") or row.text("source"),
        load_mode=mode,
        request_rate_offered=rate,
        latencies_ms={name: ms for name, ms in latencies.items() if ms is not None},
        flags=tuple(word for word in (row.text("flags") or "").split(";") if word),
        unfit=None if mode in (None, *LOAD_MODES) else f"load mode {mode} is no steady load of one replica",
        **cells,
    )
