"""InferenceX's (formerly InferenceMAX) aggregates, ``agg_*.json`` and lists of them: one object per point.

Times are in seconds, throughput is in tokens per second and GPU; the rate follows from the output tokens:
``output_tput_per_gpu × tp / osl``. Sizes are those asked for. Disaggregated, data- or expert-parallel points
and those on several nodes are no single replica: kept, but no SLO is answered from them.
"""

from __future__ import annotations

import re
from typing import Final

from advisor.profiles.importers import run_words
from advisor.profiles.importers.reading import CLOSED_LOOP, Document, ImportedFile, ImportedRow, Payload
from advisor.profiles.latency_metrics import column, stated_in

TOOL: Final = "InferenceX"
SOURCE: Final = "SemiAnalysisAI/InferenceX, utils/process_result.py, read on 2026-12-01"
MARKS: Final = frozenset({"hw", "conc", "framework", "precision", "tput_per_gpu", "output_tput_per_gpu"})
NOTE: Final = "InferenceX: sizes are those asked for; requests/s are output tokens/s over their length"
_CHIPS: Final = {"h100": "h100-sxm-80gb", "h200": "h200-sxm-141gb"}
_METRICS: Final = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2e"}
_LATENCY: Final = re.compile(rf"(mean|median|p\d+(?:\.\d+)?)_({'|'.join(_METRICS)})")


def recognises(document: Document) -> bool:
    """By its field names."""
    return bool(document.records) and all(record.keys() >= MARKS for record in document.records)


def read(document: Document) -> ImportedFile:
    """One load per object."""
    loads = tuple(_load(point) for point in document.payloads())
    return ImportedFile(document.name, TOOL, None, loads, (NOTE,))


def _load(point: Payload) -> ImportedRow:
    tensor = point.count("tp")
    length = point.positive("osl")
    tokens_per_s = point.number("output_tput_per_gpu")
    tokens_per_s = tokens_per_s * tensor if tokens_per_s and tensor else None
    return ImportedRow(
        place=point.at,
        input_tokens=point.positive("isl"),
        output_tokens=length,
        load_mode=CLOSED_LOOP,
        concurrency=point.positive("conc"),
        requests_per_s=tokens_per_s / length if tokens_per_s and length else None,
        output_tokens_per_s=tokens_per_s,
        latencies_ms=_latencies(point),
        model=point.text("model"),
        accelerator=_chip(point.text("hw")),
        tensor_parallel=tensor,
        precision=(point.text("precision") or "").casefold() or None,
        engine=run_words.engine_of(point.text("framework")),
        engine_version=run_words.version_of_image(point.text("image")),
        speculative=_speculative(point),
        unfit=_unfit(point),
    )


def _latencies(point: Payload) -> dict[str, float]:
    found: dict[str, float] = {}
    for key in point.content:
        named = _LATENCY.fullmatch(key)
        if named is None:
            continue
        name = column(_METRICS[named[2]], "p50" if named[1] == "median" else named[1])
        if stated_in(name) and (ms := point.time_ms(key, 1e3)) is not None:
            found[name] = ms
    return found


def _chip(runner: str | None) -> str | None:
    """``h100-cw`` is a pool of H100s, which are all SXM modules."""
    first = (runner or "").casefold().partition("-")[0]
    return _CHIPS.get(first, first) or None


def _speculative(point: Payload) -> str | None:
    method = point.text("spec_decoding") or point.text("mtp")
    return None if method is None or method.casefold() in ("none", "off", "false") else method


def _unfit(point: Payload) -> str | None:
    if _yes(point, "disagg"):
        return "prefill and decode are apart: not one replica"
    if _yes(point, "is_multinode"):
        return "on several nodes: not one replica"
    if _yes(point, "dp_attention") or (point.count("ep") or 1) > 1:
        return "data- or expert-parallel deployment"
    return None


def _yes(point: Payload, key: str) -> bool:
    """Booleans are texts in some versions."""
    return str(point.content.get(key)).casefold() == "true"
