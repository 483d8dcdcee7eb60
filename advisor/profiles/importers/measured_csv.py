"""Plain CSV: one row per run, in the columns of the measurements this package is built from.

Every column that holds a quantity names its unit (``tpot_mean_ms``, ``requests_per_s``); one that does not
is refused, because seconds and milliseconds look alike.
"""

from __future__ import annotations

import re
from typing import Final

from advisor.domain import EvidenceKind
from advisor.errors import InputFileError
from advisor.profiles.importers.reading import (
    CLOSED_LOOP,
    LOAD_MODES,
    OPEN_LOOP,
    Document,
    Load,
    Payload,
    Reading,
    Stated,
    Stats,
)

TOOL: Final = "CSV"
REQUIRED: Final = ("input_tokens", "output_tokens", "requests_per_s")
_KNOWN: Final = frozenset(
    {
        *REQUIRED,
        "source_id",
        "source",
        "licence",
        "kind",
        "model",
        "precision",
        "kv_precision",
        "engine",
        "engine_version",
        "gpu",
        "accelerator",
        "gpu_count",
        "accelerators",
        "tp",
        "tensor_parallel",
        "pp",
        "pipeline_parallel",
        "workload",
        "load_mode",
        "concurrency",
        "request_rate_offered",
        "output_tokens_per_s",
        "slo_ttft_ms",
        "slo_tpot_ms",
        "date",
        "flags",
        "completed",
        "failed",
        *(f"{what}_{stat}_ms" for what in ("ttft", "tpot", "e2e") for stat in ("mean", "p50", "p90", "p99")),
    }
)
_UNITLESS: Final = re.compile(
    r"^(?:(?:mean|median|avg|p\d\d)_)?(ttft|tpot|itl|e2e|e2el|latency|throughput|rate|"
    r"time_to_first_token|time_per_output_token)(?:_(?:mean|median|avg|p\d\d))?$"
)


def recognises(document: Document) -> bool:
    """A table of request sizes."""
    return document.columns >= {"input_tokens", "output_tokens"}


def read(document: Document) -> Reading:
    """One load per row."""
    for column in sorted(document.columns):
        if _UNITLESS.match(column):
            raise InputFileError(
                document.name, column, "no unit", "a unit in the column's name: …_ms, requests_per_s"
            )
    missing = [column for column in REQUIRED if column not in document.columns]
    if missing:
        raise InputFileError(document.name, missing[0], None, f"the columns {', '.join(REQUIRED)} are needed")
    loads = tuple(
        _load(Payload(document.name, dict(row), f"row {i + 2}")) for i, row in enumerate(document.table)
    )
    unread = sorted(document.columns - _KNOWN - {""})
    notes = (f"columns not read: {', '.join(unread)}",) if unread else ()
    return Reading(document.name, TOOL, None, loads, notes)


def _load(row: Payload) -> Load:
    mode = row.text("load_mode")
    concurrency, rate = row.positive("concurrency"), row.number("request_rate_offered", infinite=True)
    if mode is None:
        mode = CLOSED_LOOP if concurrency is not None else OPEN_LOOP if rate is not None else None
    flags = tuple(word for word in (row.text("flags") or "").split(";") if word)
    return Load(
        place=row.at,
        input_tokens=row.positive("input_tokens"),
        output_tokens=row.positive("output_tokens"),
        load_mode=mode,
        concurrency=concurrency,
        request_rate_offered=rate,
        requests_per_s=row.number("requests_per_s"),
        output_tokens_per_s=row.number("output_tokens_per_s"),
        ttft=_stats(row, "ttft"),
        tpot=_stats(row, "tpot"),
        e2e=_stats(row, "e2e"),
        slo_ttft_ms=row.positive("slo_ttft_ms"),
        slo_tpot_ms=row.positive("slo_tpot_ms"),
        completed=row.number("completed"),
        failed=row.number("failed"),
        workload=row.text("workload"),
        flags=flags,
        unfit=None if mode in (None, *LOAD_MODES) else f"load mode {mode} is no steady load of one replica",
        stated=_stated(row),
    )


def _stats(row: Payload, name: str) -> Stats:
    return Stats(*(row.positive(f"{name}_{stat}_ms") for stat in ("mean", "p50", "p90", "p99")))


def _stated(row: Payload) -> Stated:
    kind = row.text("kind") or EvidenceKind.MEASURED.value
    if kind not in (EvidenceKind.MEASURED.value, EvidenceKind.SIMULATED.value):
        raise row.refuse("kind", "measured or simulated")
    return Stated(
        model=row.text("model"),
        accelerator=row.text("gpu") or row.text("accelerator"),
        accelerators=row.count("gpu_count") or row.count("accelerators"),
        tensor_parallel=row.count("tp") or row.count("tensor_parallel"),
        pipeline_parallel=row.count("pp") or row.count("pipeline_parallel"),
        precision=row.text("precision"),
        kv_precision=row.text("kv_precision"),
        engine=row.text("engine"),
        engine_version=row.text("engine_version"),
        date=row.text("date"),
        source=row.text("source_id") or row.text("source"),
        licence=row.text("licence"),
        evidence=EvidenceKind(kind),
    )
