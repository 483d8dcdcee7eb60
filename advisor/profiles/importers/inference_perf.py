"""inference-perf's ``stage_N_lifecycle_metrics.json``: one load per file; times are in seconds.

A stage states the rate asked for. Model, date and engine are in no report. The summary over all stages
mixes loads and is refused. Versions that counted every streamed token twice contradict their own E2E; the
server's count of tokens, where there is one, is taken before the tool's.
"""

from __future__ import annotations

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

TOOL: Final = "inference-perf"
_METRICS: Final = {
    "ttft": "time_to_first_token",
    "tpot": "time_per_output_token",
    "itl": "inter_token_latency",
    "e2e": "request_latency",
}
_KEYS: Final = ("mean", "median", "p90", "p99")
SOURCE: Final = "inference-perf 0.7.0 (PyPI), run on 2026-11-22 and 2026-11-30"
MARKS: Final = frozenset({"load_summary", "successes", "failures"})


def recognises(document: Document) -> bool:
    """By its three parts."""
    return len(document.records) == 1 and document.records[0].keys() >= MARKS


def read(document: Document) -> ImportedFile:
    """One load."""
    report = Payload(document.name, document.records[0])
    asked = report.child("load_summary")
    rate, concurrency = asked.positive("requested_rate"), asked.positive("concurrency")
    if rate is None and concurrency is None:
        raise InputFileError(
            document.name,
            "load_summary.requested_rate",
            None,
            "a report of one stage is needed (stage_N_lifecycle_metrics.json); the summary mixes loads",
        )
    done = report.child("successes")
    latency, pace = done.child("latency"), done.child("throughput")
    load = ImportedRow(
        place="",
        input_tokens=_mean(done, "prompt_tokens", "prompt_len"),
        output_tokens=_mean(done, "output_tokens", "output_len"),
        load_mode=CLOSED_LOOP if concurrency is not None else OPEN_LOOP,
        concurrency=concurrency,
        request_rate_offered=None if concurrency is not None else rate,
        requests_per_s=pace.number("requests_per_sec"),
        output_tokens_per_s=pace.number("output_tokens_per_sec"),
        latencies_ms={
            name: ms
            for metric, key in _METRICS.items()
            for name, ms in latency.child(key).latencies(metric, _KEYS, 1e3).items()
        },
        completed=done.number("count"),
        failed=report.child("failures").number("count"),
    )
    return ImportedFile(document.name, TOOL, None, (load,))


def _mean(done: Payload, *names: str) -> float | None:
    return next((m for name in names if (m := done.child(name).number("mean")) is not None), None)
