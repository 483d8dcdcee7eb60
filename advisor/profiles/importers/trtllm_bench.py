"""``trtllm-bench throughput`` and ``latency`` with ``--report_json``: one load per file.

States model, version, quantization, parallelism and, from 1.0 on, the GPU. Its load is the mean number of
requests in flight. TTFT and TPOT are there with ``--streaming`` only.
"""

from __future__ import annotations

from typing import Final

from advisor.profiles.importers import run_words
from advisor.profiles.importers.reading import CLOSED_LOOP, Document, ImportedFile, ImportedRow, Payload
from advisor.profiles.latency_metrics import MEAN, column, stated_in

TOOL: Final = "trtllm-bench"
SOURCE: Final = "NVIDIA/TensorRT-LLM, tensorrt_llm/bench/dataclasses/reporting.py, read on 2026-12-01"
MARKS: Final = frozenset({"engine", "world_info", "request_info", "performance"})
NOTE: Final = "the load is trtllm-bench's mean number of requests in flight"
NOT_STREAMED: Final = "trtllm-bench without --streaming times no tokens"
_PERCENTILES: Final = ("p50", "p90", "p95", "p99", "p99.9")


def recognises(document: Document) -> bool:
    """By its parts."""
    return bool(document.records) and all(record.keys() >= MARKS for record in document.records)


def read(document: Document) -> ImportedFile:
    """One load per report."""
    reports = document.payloads("report")
    streamed = all(report.has("streaming_metrics") for report in reports)
    notes = (NOTE,) if streamed else (NOTE, NOT_STREAMED)
    versions = {report.child("engine").text("version") for report in reports}
    version = versions.pop() if len(versions) == 1 else None
    return ImportedFile(document.name, TOOL, version, tuple(_load(report) for report in reports), notes)


def _load(report: Payload) -> ImportedRow:
    engine, world = report.child("engine"), report.child("world_info")
    asked, pace = report.child("request_info"), report.child("performance")
    groups = world.count("ep_size") or 1
    return ImportedRow(
        place=report.at,
        input_tokens=asked.positive("avg_input_length"),
        output_tokens=asked.positive("avg_output_length"),
        load_mode=CLOSED_LOOP,
        concurrency=asked.positive("avg_num_concurrent_requests"),
        requests_per_s=pace.number("request_throughput_req_s"),
        output_tokens_per_s=pace.number("system_output_throughput_tok_s"),
        latencies_ms=_latencies(report),
        completed=asked.number("num_requests"),
        model=engine.text("model"),
        accelerator=report.child("machine").text("name"),
        accelerators=world.count("world_size"),
        tensor_parallel=world.count("tp_size"),
        pipeline_parallel=world.count("pp_size"),
        precision=_precision(engine),
        kv_precision=run_words.kv_precision_of(engine.text("kv_cache_dtype")),
        engine="TensorRT-LLM",
        engine_version=engine.text("version"),
        speculative=report.child("decoding_stats").text("mode"),
        unfit="data- or expert-parallel deployment" if groups > 1 else None,
    )


def _precision(engine: Payload) -> str | None:
    """The checkpoint's quantization, else its data type."""
    word = engine.text("quantization")
    if word is None or word.casefold() in ("none", "no_quant"):
        return run_words.precision_of_type(engine.text("dtype"))
    return run_words.precision_of(word)


def _latencies(report: Payload) -> dict[str, float]:
    streamed, pace = report.child("streaming_metrics"), report.child("performance")
    means = {
        column("ttft", MEAN): streamed.time_ms("avg_ttft_ms"),
        column("tpot", MEAN): streamed.time_ms("avg_tpot_ms"),
        column("e2e", MEAN): pace.time_ms("avg_request_latency_ms"),
    }
    shares = {
        "ttft": streamed.child("ttft_percentiles"),
        "tpot": streamed.child("tpot_percentiles"),
        "e2e": pace.child("request_latency_percentiles_ms"),
    }
    found = means | {
        column(metric, name): taken.time_ms(name) for metric, taken in shares.items() for name in _PERCENTILES
    }
    return {name: ms for name, ms in found.items() if ms is not None and stated_in(name)}
