"""aiconfigurator's ``best_config_topn.csv`` and ``pareto.csv``: simulated, aggregated serving; times are in
milliseconds.

``seq/s`` is the rate of the whole row (``num_total_gpus``). Disaggregated deployments are no single
replica and are refused.
"""

from __future__ import annotations

from typing import Final

from advisor.domain import EvidenceKind
from advisor.errors import InputFileError
from advisor.profiles.importers.reading import CLOSED_LOOP, Document, ImportedFile, ImportedRow, Payload
from advisor.profiles.latency_metrics import MEAN, column

TOOL: Final = "aiconfigurator"
SOURCE: Final = "aiconfigurator 0.12.0 (PyPI), run on 2026-11-22"
MARKS: Final = frozenset({"isl", "osl", "seq/s", "ttft", "tpot", "system"})
SYSTEMS: Final = {
    "a100_sxm": "a100-sxm-80gb",
    "a100_pcie": "a100-pcie-80gb",
    "h100_sxm": "h100-sxm-80gb",
    "h200_sxm": "h200-sxm-141gb",
    "b200_sxm": "b200-sxm-180gb",
    "b300_sxm": "b300-sxm-288gb",
    "gb200": "gb200-186gb",
    "gb200_sxm": "gb200-186gb",
    "gb300": "gb300-288gb",
    "l40s": "l40s-48gb",
    "h100_pcie": "h100-pcie-80gb",
    "l4": "l4-24gb",
    "a30": "a30-24gb",
    "rtx_pro_6000_server": "rtx-pro-6000-96gb",
}
ENGINES: Final = {"vllm": "vLLM", "sglang": "SGLang", "trtllm": "TensorRT-LLM"}
_PRECISIONS: Final = {
    "bfloat16": "bf16",
    "float16": "fp16",
    "fp8": "fp8",
    "fp8_static": "fp8",
    "fp8_block": "fp8",
    "fp8_ootb": "fp8",
    "nvfp4": "fp4",
    "int8_wo": "int8",
    "int4_wo": "int4",
}
_KV: Final = {"bfloat16": "fp16", "float16": "fp16", "fp8": "fp8", "int8": "int8"}


def recognises(document: Document) -> bool:
    """By its column names."""
    return document.columns >= MARKS or "(p)tp" in document.columns


def read(document: Document) -> ImportedFile:
    """One load per row."""
    if "(p)tp" in document.columns or "(p)workers" in document.columns:
        raise InputFileError(document.name, "(p)tp", "disaggregated serving", "rows of aggregated serving")
    loads = tuple(_load(row) for row in document.payloads())
    return ImportedFile(document.name, TOOL, None, loads)


def _load(row: Payload) -> ImportedRow:
    prefix = row.number("prefix") or 0.0
    groups = max(row.count("dp") or 1, row.count("moe_ep") or 1, row.count("cp") or 1)
    return ImportedRow(
        place=row.at,
        input_tokens=row.positive("isl"),
        output_tokens=row.positive("osl"),
        load_mode=CLOSED_LOOP,
        concurrency=row.positive("concurrency"),
        requests_per_s=row.number("seq/s"),
        output_tokens_per_s=row.number("tokens/s"),
        latencies_ms={
            column(metric, MEAN): ms
            for metric, key in (("ttft", "ttft"), ("tpot", "tpot"), ("e2e", "request_latency"))
            if (ms := row.time_ms(key)) is not None
        },
        flags=(f"prefix-of-{prefix:g}-tokens-cached",) if prefix else (),
        unfit="data- or expert-parallel deployment"
        if groups > 1
        else "its prompts share a cached prefix"
        if prefix
        else None,
        model=row.text("model"),
        accelerator=_named(row, "system", SYSTEMS),
        accelerators=row.count("num_total_gpus"),
        tensor_parallel=row.count("tp"),
        pipeline_parallel=row.count("pp"),
        precision=_named(row, "gemm", _PRECISIONS),
        kv_precision=_named(row, "kvcache", _KV),
        engine=_named(row, "backend", ENGINES),
        engine_version=row.text("version"),
        evidence=EvidenceKind.SIMULATED,
    )


def _named(row: Payload, key: str, known: dict[str, str]) -> str | None:
    text = row.text(key)
    if text is not None and text not in known:
        raise row.refuse(key, f"one of {', '.join(known)}")
    return known[text] if text is not None else None
