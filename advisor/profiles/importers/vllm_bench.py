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
    Load,
    Payload,
    Reading,
    Stated,
    Stats,
)

TOOL: Final = "vllm bench serve"
_MARKS: Final = ("completed", "request_throughput", "total_input_tokens", "total_output_tokens")


def recognises(document: Document) -> bool:
    """By its field names."""
    return bool(document.records) and all(set(_MARKS) <= record.keys() for record in document.records)


def read(document: Document) -> Reading:
    """One load per object."""
    many = len(document.records) > 1
    loads = tuple(
        _load(Payload(document.name, record, f"result {i + 1}" if many else ""))
        for i, record in enumerate(document.records)
    )
    return Reading(document.name, TOOL, None, loads)


def _load(result: Payload) -> Load:
    completed = result.number("completed") or 0.0
    rate = result.number("request_rate", infinite=True)
    limit = result.positive("max_concurrency")
    closed = limit is not None and (rate is None or math.isinf(rate))
    capped = limit is not None and not closed
    return Load(
        place=result.at,
        input_tokens=_each(result, "total_input_tokens", completed),
        output_tokens=_each(result, "total_output_tokens", completed),
        load_mode=CLOSED_LOOP if closed else OPEN_LOOP if rate is not None else None,
        concurrency=limit if closed else None,
        request_rate_offered=None if closed else rate,
        requests_per_s=result.number("request_throughput"),
        output_tokens_per_s=result.number("output_throughput"),
        ttft=_stats(result, "ttft"),
        tpot=_stats(result, "tpot"),
        e2e=_stats(result, "e2el"),
        completed=completed,
        failed=_failed(result, completed),
        flags=(f"rate-capped-at-{limit:g}-in-flight",) if capped else (),
        stated=Stated(
            model=result.text("model_id"),
            date=_day(result.text("date")),
        ),
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


def _stats(result: Payload, name: str) -> Stats:
    median = result.time_ms(f"median_{name}_ms")
    return Stats(
        result.time_ms(f"mean_{name}_ms"),
        median if median is not None else result.time_ms(f"p50_{name}_ms"),
        result.time_ms(f"p90_{name}_ms"),
        result.time_ms(f"p99_{name}_ms"),
    )


def _day(date: str | None) -> str | None:
    """``20251122-101500`` as a day."""
    found = re.match(r"(\d{4})(\d{2})(\d{2})-", date or "")
    return "-".join(found.groups()) if found else None
