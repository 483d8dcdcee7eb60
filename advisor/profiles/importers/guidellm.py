"""GuideLLM's benchmark report (JSON), from 0.2 on: one benchmark per load.

TPOT is GuideLLM's ``inter_token_latency_ms`` (first token left out); its own ``time_per_output_token_ms``
spreads the time to the first token over the answer. ``request_latency`` is in seconds. Only successful
requests count.
"""

from __future__ import annotations

from typing import Final

from advisor.profiles.importers.reading import (
    CLOSED_LOOP,
    OPEN_LOOP,
    Document,
    ImportedFile,
    ImportedRow,
    Payload,
)

TOOL: Final = "GuideLLM"
TPOT_NOTE: Final = "TPOT is GuideLLM's inter-token latency, which leaves the first token out"
SOURCE: Final = "guidellm 0.8.1 and 0.2.1 (PyPI), run on 2026-11-22"
MARKS: Final = frozenset({"requests_per_second", "time_to_first_token_ms", "inter_token_latency_ms"})


def recognises(document: Document) -> bool:
    """An object with benchmarks that have GuideLLM's metrics."""
    if len(document.records) != 1:
        return False
    benchmarks = document.records[0].get("benchmarks")
    if not isinstance(benchmarks, list) or not benchmarks or not isinstance(benchmarks[0], dict):
        return False
    metrics = benchmarks[0].get("metrics")
    return isinstance(metrics, dict) and metrics.keys() >= MARKS


def read(document: Document) -> ImportedFile:
    """One load per benchmark."""
    report = Payload(document.name, document.records[0])
    version = report.child("metadata").text("guidellm_version")
    loads = tuple(_load(benchmark) for benchmark in report.children("benchmarks"))
    return ImportedFile(document.name, TOOL, version, loads, (TPOT_NOTE,))


def _load(benchmark: Payload) -> ImportedRow:
    metrics = benchmark.child("metrics")
    config = benchmark.child("config" if benchmark.has("config") else "args")
    mode, concurrency, rate = _offered(config.child("strategy"))
    totals = metrics.child("request_totals")
    return ImportedRow(
        place=benchmark.at,
        input_tokens=metrics.child("prompt_token_count", "successful").number("mean"),
        output_tokens=metrics.child("output_token_count", "successful").number("mean"),
        load_mode=mode,
        concurrency=concurrency,
        request_rate_offered=rate,
        requests_per_s=metrics.child("requests_per_second", "successful").number("mean"),
        output_tokens_per_s=metrics.child("output_tokens_per_second", "successful").number("mean"),
        latencies_ms={
            **_latencies(metrics, "ttft", "time_to_first_token_ms"),
            **_latencies(metrics, "tpot", "inter_token_latency_ms"),
            **_latencies(metrics, "e2e", "request_latency", 1e3),
        },
        completed=totals.number("successful"),
        failed=totals.number("errored"),
        model=_model(benchmark, config),
        date=benchmark.day("start_time") or benchmark.child("run_stats").day("start_time"),
    )


def _offered(strategy: Payload) -> tuple[str | None, float | None, float | None]:
    """ImportedRow mode, requests in flight, arrivals per second."""
    kind = strategy.text("type_") or strategy.text("kind")
    if kind == "synchronous":
        return CLOSED_LOOP, 1.0, None
    if kind == "concurrent":
        return CLOSED_LOOP, strategy.positive("streams"), None
    if kind in ("constant", "poisson", "async"):
        return OPEN_LOOP, None, strategy.positive("rate")
    if kind == "throughput":
        most = strategy.positive("max_concurrency")
        return (CLOSED_LOOP, most, None) if most else (OPEN_LOOP, None, float("inf"))
    return None, None, None


def _latencies(metrics: Payload, metric: str, name: str, scale: float = 1.0) -> dict[str, float]:
    taken = metrics.child(name, "successful")
    shares = taken.child("percentiles").latencies(metric, ("", "", "p90", "p99"), scale)
    return taken.latencies(metric, ("mean", "median", "", ""), scale) | shares


def _model(benchmark: Payload, config: Payload) -> str | None:
    return (
        config.child("backend").text("model")
        or benchmark.child("worker").text("backend_model")
        or benchmark.child("benchmarker", "backend").text("model")
    )
