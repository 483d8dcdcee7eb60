"""``python -m sglang.bench_serving --output-file``: JSON lines, one per load point.

The fields of ``vllm bench serve``, but E2E is ``e2e_latency`` and ``server_info``, the server's own word,
says what ran: model, degrees of parallelism, quantization, KV cache, version. ``backend`` is the engine.
The precision of the checkpoint is not among it where nothing was quantized at load.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from advisor.profiles.importers import run_words
from advisor.profiles.importers.reading import OPEN_LOOP, Document, ImportedFile, ImportedRow, Payload
from advisor.profiles.importers.vllm_bench import serving_load

if TYPE_CHECKING:
    from collections.abc import Mapping

TOOL: Final = "sglang.bench_serving"
SOURCE: Final = "sgl-project/sglang 0.5.5, python/sglang/bench_serving.py, read on 2026-12-01"
MARKS: Final = frozenset({"backend", "completed", "request_throughput", "mean_e2e_latency_ms"})
_OF_TRACE: Final = "its arrivals are those of a trace, no steady load"


def recognises(document: Document) -> bool:
    """By its own field names."""
    return bool(document.records) and all(record.keys() >= MARKS for record in document.records)


def read(document: Document) -> ImportedFile:
    """One load per line."""
    loads = tuple(_load(result) for result in document.payloads())
    versions = {load.engine_version for load in loads}
    return ImportedFile(document.name, TOOL, versions.pop() if len(versions) == 1 else None, loads)


def _load(result: Payload) -> ImportedRow:
    traced = result.content.get("request_rate") == "trace"
    plain = {name: value for name, value in result.content.items() if not (traced and name == "request_rate")}
    said: dict[str, Any] = {"engine": run_words.engine_of(result.text("backend"))}
    if result.has("server_info"):
        said |= _server(result.child("server_info"))
    load = serving_load(Payload(result.file, plain, result.at), **said)
    return replace(load, load_mode=OPEN_LOOP, unfit=_OF_TRACE) if traced else load


def _server(info: Payload) -> Mapping[str, object]:
    """The server's arguments; with attention data-parallel its groups lie within the tensor-parallel one."""
    tensor, pipeline = info.count("tp_size") or 1, info.count("pp_size") or 1
    groups, within = info.count("dp_size") or 1, info.content.get("enable_dp_attention") is True
    return {
        "model": info.text("model_path") or info.text("served_model_name"),
        "tensor_parallel": tensor,
        "pipeline_parallel": pipeline,
        "accelerators": tensor * pipeline * (1 if within else groups),
        "precision": run_words.precision_of(info.text("quantization")),
        "kv_precision": run_words.kv_precision_of(info.text("kv_cache_dtype")),
        "engine": "SGLang",
        "engine_version": info.text("version"),
        "speculative": _stated(info, "speculative_algorithm"),
        "draft_tokens": info.count("speculative_num_steps"),
        "unfit": _unfit(info, groups),
    }


def _unfit(info: Payload, groups: int) -> str | None:
    if _stated(info, "disaggregation_mode"):
        return "prefill and decode are apart: not one replica"
    if groups > 1 or (info.count("ep_size") or 1) > 1:
        return "data- or expert-parallel deployment"
    return None


def _stated(info: Payload, key: str) -> str | None:
    """Some versions write the word null."""
    text = info.text(key)
    return None if text is None or text.casefold() in ("null", "none") else text
