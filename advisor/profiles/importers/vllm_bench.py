"""``vllm bench serve --save-result`` or ``--append-result``, or a sweep's ``summary.json`` or ``.csv``.

One object or row per load point.

Milliseconds are in the names, rates are per second, any percentile is read. ``max_concurrency`` null with
``request_rate`` "inf" means that all requests were sent at once. The older ``benchmark_serving.py`` writes
the same fields. ``backend`` is a dialect of the API, not the engine behind it. What a sweep varied, or
``--metadata`` added, is believed: ``tensor_parallel_size``, ``quantization``, ``kv_cache_dtype``.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from advisor.errors import InputFileError
from advisor.profiles.importers import run_words
from advisor.profiles.importers.reading import (
    CLOSED_LOOP,
    OPEN_LOOP,
    Document,
    ImportedFile,
    ImportedRow,
    Payload,
)
from advisor.profiles.latency_metrics import column, stated_in

TOOL: Final = "vllm bench serve"
SOURCE: Final = "vllm 0.33.0 (PyPI), vllm/benchmarks/serve.py, run on 2026-11-22"
MARKS: Final = frozenset({"completed", "request_throughput", "total_input_tokens", "total_output_tokens"})
_METRICS: Final = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2e", "e2e_latency": "e2e"}
_LATENCY: Final = re.compile(rf"(mean|median|p\d+(?:\.\d+)?)_({'|'.join(_METRICS)})(_ms)?")
_TENSOR_PARALLEL: Final = ("tensor_parallel_size", "tp_size", "tp")


def recognises(document: Document) -> bool:
    """By its field names, or its columns: a sweep also writes ``summary.csv``."""
    if not document.records:
        return document.columns >= MARKS
    return all(record.keys() >= MARKS for record in document.records)


def read(document: Document) -> ImportedFile:
    """One load per object."""
    return ImportedFile(
        document.name, TOOL, None, tuple(serving_load(result) for result in document.payloads())
    )


def serving_load(result: Payload, **said: Any) -> ImportedRow:
    """A load as this family of tools writes it; ``said``: what else is known of the run."""
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
        date=_day(result.text("date")),
        **(_ran(result) | said),
    )


def _ran(result: Payload) -> dict[str, Any]:
    """What a sweep or the user's own metadata say of the server, however they write its options."""
    words = {name.replace("-", "_"): value for name, value in result.content.items()}
    server = Payload(result.file, words, result.at)
    return {
        "model": result.text("model_id"),
        "tensor_parallel": next((n for name in _TENSOR_PARALLEL if (n := server.count(name))), None),
        "pipeline_parallel": server.count("pipeline_parallel_size"),
        "precision": run_words.precision_of(_word(words, "quantization")),
        "kv_precision": run_words.kv_precision_of(_word(words, "kv_cache_dtype")),
    }


def _word(words: dict[str, Any], name: str) -> str | None:
    value = words.get(name)
    return value if isinstance(value, str) else None


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
    """Its ``itl`` is of all gaps, ``e2el`` (SGLang: ``e2e_latency``) our E2E, the median our p50."""
    found: dict[str, float] = {}
    for key in result.content:
        named = _LATENCY.fullmatch(key)
        if named is None:
            continue
        if named[3] is None:
            raise InputFileError(result.file, result.path(key), "no unit", f"{key}_ms is")
        name = column(_METRICS[named[2]], "p50" if named[1] == "median" else named[1])
        if stated_in(name) and (ms := result.time_ms(key)) is not None:
            found[name] = ms
    return found


def _day(date: str | None) -> str | None:
    """``20251122-101500`` as a day."""
    found = re.match(r"(\d{4})(\d{2})(\d{2})-", date or "")
    return "-".join(found.groups()) if found else None
