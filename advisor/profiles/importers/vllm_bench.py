"""``vllm bench serve --save-result`` (or ``--append-result``): one object per load point.

Field names as in vllm/benchmarks/serve.py; milliseconds are in the names, rates are per second.
``max_concurrency`` null with ``request_rate`` "inf" means that all requests were sent at once. SGLang's
``bench_serving`` and the older ``benchmark_serving.py`` write the same fields. ``backend`` is a dialect of
the API, not the engine behind it.
"""

from __future__ import annotations

import math
import re
from typing import Final

from advisor.profiles.importers.reading import (
    CLOSED_LOOP,
    OPEN_LOOP,
    Document,
    ImportedFile,
    ImportedRow,
    Payload,
)

TOOL: Final = "vllm bench serve"
_METRICS: Final = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2e": "e2el"}
_MARKS: Final = ("completed", "request_throughput", "total_input_tokens", "total_output_tokens")


def recognises(document: Document) -> bool:
    """By its field names."""
    return bool(document.records) and all(set(_MARKS) <= record.keys() for record in document.records)


def read(document: Document) -> ImportedFile:
    """One load per object."""
    many = len(document.records) > 1
    loads = tuple(
        _load(Payload(document.name, record, f"result {i + 1}" if many else ""))
        for i, record in enumerate(document.records)
    )
    return ImportedFile(document.name, TOOL, None, loads)


def _load(result: Payload) -> ImportedRow:
    completed = result.number("completed") or 0.0
    rate = result.number("request_rate", infinite=True)
    limit = result.positive("max_concurrency")
    closed = limit is not None and (rate is None or math.isinf(rate))
    capped = limit is not None and not closed
    return ImportedRow(
        place=result.at,
        input_tokens=_each(result, "total_input_tokens", completed),
        output_tokens=_each(result, "total_output_tokens", completed),
        load_mode=CLOSED_LOOP if closed else OPEN_LOOP if rate is not None else None,
        concurrency=limit if closed else None,
        request_rate_offered=None if closed else rate,
        requests_per_s=result.number("request_throughput"),
        output_tokens_per_s=result.number("output_throughput"),
        latencies_ms=_latencies(result),
        completed=completed,
        failed=_failed(result, completed),
        flags=(f"rate-capped-at-{limit:g}-in-flight",) if capped else (),
        model=result.text("model_id"),
        date=_day(result.text("date")),
    )


def _each(result: Payload, key: str, completed: float) -> float | None:
    total = result.number(key)
    return total / completed if total and completed else None


def _failed(result: Payload, completed: float) -> float | None:
    """Stated since mid-2025; before, what was asked and did not come."""
    failed, asked = result.number("failed"), result.number("num_prompts")
    if failed is not None or asked is None:
        return failed
    return max(asked - completed, 0.0)


def _latencies(result: Payload) -> dict[str, float]:
    """Its ``itl`` is of all gaps, ``e2el`` our E2E; the median is named so, in some versions ``p50``."""
    found: dict[str, float] = {}
    for metric, name in _METRICS.items():
        median = "median" if result.has(f"median_{name}_ms") else "p50"
        keys = [f"{statistic}_{name}_ms" for statistic in ("mean", median, "p90", "p99")]
        found |= result.latencies(metric, keys)
    return found


def _day(date: str | None) -> str | None:
    """``20251122-101500`` as a day."""
    found = re.match(r"(\d{4})(\d{2})(\d{2})-", date or "")
    return "-".join(found.groups()) if found else None
