"""AIPerf's ``profile_export_aiperf.json`` and genai-perf's ``profile_export_genai_perf.json`` (and their
CSV).

One file is one load point. Every metric states its unit, and a unit not known here is refused. The load is
among the settings, which the CSV does not hold: there it must be given.
"""

from __future__ import annotations

import re
from typing import Final

from advisor.errors import InputFileError
from advisor.profiles.importers.reading import (
    CLOSED_LOOP,
    OPEN_LOOP,
    Document,
    ImportedFile,
    ImportedRow,
    Payload,
)

AIPERF: Final = "AIPerf"
GENAI_PERF: Final = "genai-perf"
SOURCE: Final = "aiperf 0.13.0 (PyPI), run on 2026-11-22; genai-perf 0.0.16 (PyPI), read on 2026-11-22"
TPOT_NOTE: Final = "TPOT is the tool's inter-token latency, which leaves the first token out"
MARKS: Final = frozenset({"request_throughput", "request_latency", "request_count"})
_STREAMED: Final = frozenset({"request_throughput", "time_to_first_token"})
_TO_MS: Final = {"ms": 1.0, "s": 1e3, "sec": 1e3, "seconds": 1e3, "us": 1e-3, "µs": 1e-3, "ns": 1e-6}
_PER_S: Final = frozenset({"requests/sec", "requests/s", "per sec", "requests per second"})
_TOKENS_PER_S: Final = frozenset({"tokens/sec", "tokens/s", "per sec"})
_TOKENS: Final = frozenset({"tokens"})
_NAME: Final = re.compile(r"^(?P<name>[^()]+?)(?: \((?P<unit>[^()]+)\))?$")


def recognises(document: Document) -> bool:
    """By its metrics."""
    if len(document.records) == 1:
        record = document.records[0]
        return record.keys() >= MARKS and all(isinstance(record[name], dict) for name in MARKS)
    return document.head.casefold().startswith("metric,avg")


def read(document: Document) -> ImportedFile:
    """One load."""
    content = dict(document.records[0]) if document.records else _from_csv(document)
    if not content.keys() >= _STREAMED:
        raise InputFileError(
            document.name,
            "time_to_first_token",
            None,
            "the metrics of a streaming run are needed (--streaming)",
        )
    export = Payload(document.name, content)
    version = export.text("aiperf_version")
    settings = export.child("input_config")
    concurrency, rate = _offered(settings)
    closed = concurrency is not None and rate is None
    load = ImportedRow(
        place="",
        input_tokens=_average(export, "input_sequence_length", _TOKENS),
        output_tokens=_average(export, "output_sequence_length", _TOKENS),
        load_mode=CLOSED_LOOP if closed else OPEN_LOOP if rate is not None else None,
        concurrency=concurrency if closed else None,
        request_rate_offered=rate,
        requests_per_s=_average(export, "request_throughput", _PER_S),
        output_tokens_per_s=_average(export, "output_token_throughput", _TOKENS_PER_S),
        latencies_ms={
            **_latencies(export, "ttft", "time_to_first_token"),
            **_latencies(export, "tpot", "inter_token_latency"),
            **_latencies(export, "e2e", "request_latency"),
        },
        completed=export.child("request_count").number("avg"),
        failed=_failed(export),
        flags=(f"rate-capped-at-{concurrency:g}-in-flight",) if rate and concurrency else (),
        unfit="the run was cancelled" if export.content.get("was_cancelled") is True else None,
        model=_model(settings),
        date=_day(export),
    )
    tool = AIPERF if version or "aiperf" in document.text[:2000].casefold() else f"{GENAI_PERF}/{AIPERF}"
    return ImportedFile(document.name, tool, version, (load,), (TPOT_NOTE,))


def _failed(export: Payload) -> float | None:
    """``completed_request_count`` counts successes and errors, ``request_count`` successes."""
    ended = export.child("completed_request_count").number("avg")
    good = export.child("request_count").number("avg")
    return None if ended is None or good is None else max(ended - good, 0.0)


def _average(export: Payload, name: str, units: frozenset[str]) -> float | None:
    metric = export.child(name)
    if not metric.has("avg"):
        return None
    _unit(metric, units)
    return metric.number("avg")


def _latencies(export: Payload, metric: str, name: str) -> dict[str, float]:
    taken = export.child(name)
    if not taken.has("avg"):
        return {}
    scale = _TO_MS[_unit(taken, frozenset(_TO_MS))]
    return taken.latencies(metric, ("avg", "p50", "p90", "p99"), scale)


def _unit(metric: Payload, known: frozenset[str]) -> str:
    unit = (metric.text("unit") or "").casefold()
    if unit not in known:
        raise metric.refuse("unit", f"a unit is needed: {', '.join(sorted(known))}")
    return unit


def _offered(settings: Payload) -> tuple[float | None, float | None]:
    """Requests in flight and arrivals per second, wherever this version keeps them."""
    stimulus = settings.child("perf_analyzer", "stimulus")
    for place in (stimulus, settings.child("loadgen"), *_phases(settings)):
        if place.has("concurrency") or place.has("request_rate") or place.has("rate"):
            rate = place.positive("request_rate") if place.has("request_rate") else place.positive("rate")
            return place.positive("concurrency"), rate
    return None, None


def _phases(settings: Payload) -> tuple[Payload, ...]:
    """AIPerf from 0.9 on: a list of phases, the warm-up apart."""
    if not isinstance(settings.content.get("phases"), list):
        return ()
    return tuple(
        phase
        for phase in settings.children("phases")
        if phase.text("name") != "warmup" and not phase.content.get("exclude_from_results")
    )


def _model(settings: Payload) -> str | None:
    names = settings.child("endpoint").content.get("model_names") or settings.content.get("model_names")
    if names is None:
        items = settings.child("models").content.get("items")
        names = (
            [item.get("name") for item in items if isinstance(item, dict)]
            if isinstance(items, list)
            else None
        )
    if isinstance(names, list) and len(names) == 1 and isinstance(names[0], str):
        return names[0][:500]
    return names[:500] if isinstance(names, str) and names else None


def _day(export: Payload) -> str | None:
    found = re.match(r"\d{4}-\d{2}-\d{2}", export.text("start_time") or "")
    return found[0] if found else None


def _from_csv(document: Document) -> dict[str, object]:
    """The CSV's two tables, statistics and single values, as the JSON has them."""
    found: dict[str, object] = {}
    columns: list[str] = []
    for line in document.text.lstrip("\ufeff").splitlines():
        cells = [cell.strip().strip('"') for cell in line.split(",")]
        if cells[0].casefold() == "metric":
            columns = [cell.casefold() for cell in cells]
            continue
        named = _NAME.match(cells[0])
        if not columns or not named or not cells[0]:
            columns = columns if cells[0] else []
            continue
        values = dict(zip(columns[1:], cells[1:], strict=False))
        if "value" in values:
            values["avg"] = values.pop("value")
        name = named["name"].casefold().replace(" ", "_")
        found[name] = values | ({"unit": named["unit"]} if named["unit"] else {})
    return found
