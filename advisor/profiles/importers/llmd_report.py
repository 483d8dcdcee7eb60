"""llm-d's benchmark report, schema 0.1 and 0.2, as YAML or JSON: one load per file, every figure with its
unit.

States model, accelerator and parallelism of every engine behind the endpoint; several of them, or prefill and
decode apart, are no single replica. Prompts that share a prefix or are turns of one conversation answer no
SLO of prompts that do not.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from advisor.documents import parse
from advisor.profiles.importers import run_words
from advisor.profiles.importers.reading import (
    CLOSED_LOOP,
    OPEN_LOOP,
    Document,
    ImportedFile,
    ImportedRow,
    Payload,
)
from advisor.profiles.latency_metrics import MEAN, column

TOOL: Final = "llm-d benchmark report"
SOURCE: Final = (
    "llm-d/llm-d-benchmark, benchmark_report/schema_v0_1.py and schema_v0_2.py, read on 2026-12-01"
)
MARKS: Final = frozenset({"version", "scenario"})
_RESULTS: Final = {"0.1": "metrics", "0.2": "results"}
_MOST_YAML: Final = 4 * 2**20  # characters; a report without time series has some thousand
_METRICS: Final = {
    "ttft": "time_to_first_token",
    "tpot": "time_per_output_token",
    "itl": "inter_token_latency",
    "e2e": "request_latency",
}
_ENGINE: Final = "inference_engine"
_TO_MS: Final = {"ms": 1.0, "s": 1e3, "ms/token": 1.0, "s/token": 1e3}
_STATISTICS: Final = {MEAN: MEAN, "p50": "p50", "p75": "p75", "p90": "p90", "p95": "p95", "p99": "p99",
                      "p99.9": "p99p9"}  # fmt: skip


def recognises(document: Document) -> bool:
    """By its version and its two halves."""
    if document.records:
        first = document.records[0]
        return (
            len(document.records) == 1 and _RESULTS.get(str(first.get("version")), "") in first.keys() - MARKS
        )
    text = document.text
    halves = (rf"^{name}:" for name in ("version", "scenario", "metrics|^results"))
    return len(text) <= _MOST_YAML and all(re.search(half, text, re.MULTILINE) for half in halves)


def read(document: Document) -> ImportedFile:
    """One load."""
    content = document.records[0] if document.records else parse(document.text, document.name, "yaml")
    report = Payload(document.name, content if isinstance(content, dict) else {})
    version = report.text("version")
    if version not in _RESULTS:
        raise report.refuse("version", f"one of {', '.join(_RESULTS)}")
    load = _first(report) if version == "0.1" else _second(report)
    return ImportedFile(document.name, TOOL, version, (load,))


def _first(report: Payload) -> ImportedRow:
    """Schema 0.1."""
    scenario, metrics = report.child("scenario"), report.child("metrics")
    host, arguments = scenario.child("host"), scenario.child("load", "args")
    roles = [role for role in _listed(host, "type") if isinstance(role, str)]
    engine = _mapping(_listed(scenario.child("platform"), "engine"), scenario, "platform.engine")
    chips = [_mapping([chip], host, "accelerator") for chip in _listed(host, "accelerator")]
    pace = metrics.child("throughput")
    return _row(
        metrics.child("requests"), metrics.child("latency"), roles, chips,
        rate=arguments.number("request_rate", infinite=True),
        limit=arguments.positive("max_concurrency"),
        requests_per_s=pace.number("requests_per_sec"),
        output_tokens_per_s=pace.number("output_tokens_per_sec"),
        model=scenario.child("model").text("name"),
        precision=run_words.precision_of(scenario.child("model").text("quantization")),
        engine=run_words.engine_within(engine.text("name")),
        engine_version=engine.text("version") or run_words.version_of_image(engine.text("name")),
        date=metrics.child("time").day("start"),
    )  # fmt: skip


def _second(report: Payload) -> ImportedRow:
    """Schema 0.2."""
    scenario = report.child("scenario")
    parts = scenario.children("stack") if scenario.has("stack") else ()
    engines = [
        part.child("standardized")
        for part in parts
        if part.child("metadata").text("kind") == "inference_engine"
    ]
    first = engines[0] if engines else Payload(report.file, {})
    load = scenario.child("load", "standardized")
    found = report.child("results", "request_performance", "aggregate")
    pace, limit = found.child("throughput"), load.number("concurrency", infinite=True)
    return _row(
        found.child("requests"), found.child("latency"),
        [role for engine in engines if (role := engine.text("role"))],
        [engine.child("accelerator") for engine in engines],
        rate=load.number("rate_qps", infinite=True),
        limit=None if limit is None or math.isinf(limit) else limit,
        requests_per_s=_measured(pace, "requests_rate", "queries/s"),
        output_tokens_per_s=_measured(pace, "output_token_rate", "tokens/s"),
        model=first.child("model").text("name"),
        engine=_engine(first),
        engine_version=_version(first),
        date=(report.child("run", "time").text("start") or "")[:10] or None,
        unfit=_shared(load),
    )  # fmt: skip


def _row(
    asked: Payload, latency: Payload, roles: list[str], chips: list[Payload], *, rate: float | None,
    limit: float | None, unfit: str | None = None, **said: Any,
) -> ImportedRow:  # fmt: skip
    closed = limit is not None and (rate is None or math.isinf(rate))
    shape = chips[0].child("parallelism") if chips else Payload(asked.file, {})
    counts = [chip.count("count") for chip in chips]
    total, lost = (
        asked.number("total"),
        (asked.number("failures") or 0.0) + (asked.number("incomplete") or 0.0),
    )
    if {"prefill", "decode"} & set(roles):
        unfit = "prefill and decode are apart: not one replica"
    elif len(chips) > 1:
        unfit = f"{len(chips)} replicas behind one endpoint"
    return ImportedRow(
        place="",
        input_tokens=_measured(asked, "input_length", "count"),
        output_tokens=_measured(asked, "output_length", "count"),
        load_mode=CLOSED_LOOP if closed else OPEN_LOOP if rate is not None else None,
        concurrency=limit if closed else None,
        request_rate_offered=None if closed else rate,
        latencies_ms=_latencies(latency),
        completed=None if total is None else max(total - lost, 0.0),
        failed=lost,
        accelerator=chips[0].text("model") if chips else None,
        accelerators=sum(count or 1 for count in counts) if counts else None,
        tensor_parallel=shape.count("tp"),
        pipeline_parallel=shape.count("pp"),
        unfit=unfit,
        **said,
    )


def _latencies(latency: Payload) -> dict[str, float]:
    found: dict[str, float] = {}
    for metric, name in _METRICS.items():
        taken = latency.child(name)
        if not taken.has(MEAN):
            continue
        scale = _TO_MS.get(taken.text("units") or "")
        if scale is None:
            raise taken.refuse("units", f"one of {', '.join(_TO_MS)}")
        stated = {column(metric, ours): taken.time_ms(theirs, scale) for ours, theirs in _STATISTICS.items()}
        found |= {key: ms for key, ms in stated.items() if ms is not None}
    return found


def _measured(where: Payload, key: str, unit: str) -> float | None:
    """The mean of a figure whose unit is as it has to be."""
    figure = where.child(key)
    if not figure.has(MEAN):
        return None
    if figure.text("units") != unit:
        raise figure.refuse("units", unit)
    return figure.number(MEAN)


def _engine(engine: Payload) -> str | None:
    named = (run_words.engine_within(engine.text(key)) for key in ("tool", "tool_version"))
    return next((name for name in named if name), None)


def _version(engine: Payload) -> str | None:
    """An image's tag, or the version alone."""
    text = engine.text("tool_version")
    if _engine(engine) is None:
        return None  # of a stack, whose engine has another
    return run_words.version_of_image(text) or (text if text and re.match(r"v?\d", text) else None)


def _shared(load: Payload) -> str | None:
    if load.has("prefix"):
        return "its prompts share a cached prefix"
    return (
        "its requests are turns of conversations" if load.child("multi_turn").content.get("enabled") else None
    )


def _listed(where: Payload, key: str) -> list[Any]:
    value = where.content.get(key)
    return value if isinstance(value, list) else [] if value is None else [value]


def _mapping(values: list[Any], where: Payload, key: str) -> Payload:
    first = values[0] if values else {}
    return Payload(where.file, first if isinstance(first, dict) else {}, where.path(key))
