"""llmperf's ``*_summary.json`` (``token_benchmark_ray.py``): one load per file; times are in seconds.

Its inter-token latency spreads the time to the first token over the answer, so mean TPOT is what its
end-to-end time leaves after the first token. Sizes are counted by its own tokenizer. It tops requests up in
waves: where those in flight fall short of the number asked for, the point answers no SLO.
"""

from __future__ import annotations

from typing import Final

from advisor.profiles.importers.reading import CLOSED_LOOP, Document, ImportedFile, ImportedRow, Payload
from advisor.profiles.latency_metrics import MEAN, column

TOOL: Final = "llmperf"
SOURCE: Final = "ray-project/llmperf, token_benchmark_ray.py, read on 2026-12-01"
MARKS: Final = frozenset({
    "num_concurrent_requests", "results_ttft_s_mean", "results_end_to_end_latency_s_mean",
    "results_num_completed_requests_per_min",
})  # fmt: skip
NOTE: Final = "TPOT is (E2E - TTFT) / (output - 1) of llmperf's means"
_METRICS: Final = {"ttft": "ttft_s", "e2e": "end_to_end_latency_s"}
_PERCENTILES: Final = ("p50", "p75", "p90", "p95", "p99")
_PER_MINUTE: Final = 60.0


def recognises(document: Document) -> bool:
    """By its flattened names."""
    return bool(document.records) and all(record.keys() >= MARKS for record in document.records)


def read(document: Document) -> ImportedFile:
    """One load per summary."""
    loads = tuple(_load(summary) for summary in document.payloads("summary"))
    return ImportedFile(document.name, TOOL, None, loads, (NOTE,))


def _load(summary: Payload) -> ImportedRow:
    output = summary.number("results_number_output_tokens_mean")
    per_minute = summary.number("results_num_completed_requests_per_min")
    return ImportedRow(
        place=summary.at,
        input_tokens=summary.number("results_number_input_tokens_mean"),
        output_tokens=output,
        load_mode=CLOSED_LOOP,
        concurrency=summary.positive("num_concurrent_requests"),
        requests_per_s=None if per_minute is None else per_minute / _PER_MINUTE,
        output_tokens_per_s=summary.number("results_mean_output_throughput_token_per_s"),
        latencies_ms=_latencies(summary, output),
        completed=summary.number("results_num_completed_requests"),
        failed=summary.number("results_number_errors"),
        model=summary.text("model"),
        date=summary.day("timestamp"),
    )


def _latencies(summary: Payload, output: float | None) -> dict[str, float]:
    stated = {
        column(metric, statistic): summary.time_ms(f"results_{name}_{key}", 1e3)
        for metric, name in _METRICS.items()
        for statistic, key in ((MEAN, "mean"), *((share, f"quantiles_{share}") for share in _PERCENTILES))
    }
    found = {name: ms for name, ms in stated.items() if ms is not None}
    whole, first = found.get(column("e2e", MEAN)), found.get(column("ttft", MEAN))
    if whole and first and output and output > 1.0 and whole > first:
        found[column("tpot", MEAN)] = (whole - first) / (output - 1.0)
    return found
