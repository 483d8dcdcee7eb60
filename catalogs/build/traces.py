"""Named workloads: the traces as Parquet, and one index with their exact sums per bucket."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from advisor.workload.buckets import DEFAULT_INPUT_EDGES, DEFAULT_OUTPUT_EDGES, count_cells
from advisor.workload.trace import Trace, read_trace

if TYPE_CHECKING:
    from pathlib import Path

_DASHBOARD = "openshift-psap/performance-dashboard@71007029 (2026-07-30)"
_REFERENCE = "Outputs are the lengths of reference answers, not of model outputs."
_MIXED = (
    "80 % chat, 20 % long documents by number of requests; stands in for the Mélange paper's mixed workload."
)
_NO_TIMES = "Lengths only, no arrival times."


@dataclass(frozen=True)
class _Origin:
    name: str
    file: str
    source: str
    licence: str
    note: str


ORIGINS = (
    _Origin(
        "azure-2023-conv",
        "azure_2023_conv.csv",
        "Microsoft, Azure LLM inference trace 2023 (Splitwise, ISCA 2024): Azure/AzurePublicDataset@b469a113 "
        "AzureLLMInferenceTrace_conv.csv (2023-11-16)",
        "CC-BY-4.0",
        "Production chat traffic, one hour.",
    ),
    _Origin(
        "azure-2023-code",
        "azure_2023_code.csv",
        "Microsoft, Azure LLM inference trace 2023 (Splitwise, ISCA 2024): Azure/AzurePublicDataset@b469a113 "
        "AzureLLMInferenceTrace_code.csv (2023-11-16)",
        "CC-BY-4.0",
        "Production code completion, one hour.",
    ),
    _Origin(
        "arxiv-summarization",
        "arxiv_summarization_lengths.csv",
        "microsoft/vidur@7d475133 (2024-11-19) arxiv_summarization_stats_llama2_tokenizer_filtered_v2.csv",
        "MIT",
        f"Llama-2 tokens, cut to a context of 4k. {_NO_TIMES}",
    ),
    _Origin(
        "openorca",
        "openorca_lengths.csv",
        f"{_DASHBOARD} mlperf-data/summaries/llama2-70b-99.csv",
        "Apache-2.0",
        f"MLPerf's dataset for Llama-2-70B. {_REFERENCE} {_NO_TIMES}",
    ),
    _Origin(
        "sharegpt",
        "sharegpt_lengths.csv",
        f"{_DASHBOARD} datasets/summaries/sharegpt-vicuna.csv",
        "Apache-2.0",
        f"First turns of conversations. {_NO_TIMES}",
    ),
    _Origin(
        "sharegpt-8k",
        "sharegpt_8k_llama2_lengths.csv",
        "project-etalon/etalon@d5f18de1 (2024-08-29) sharegpt_8k_filtered_stats_llama2_tokenizer.csv",
        "Apache-2.0",
        f"Llama-2 tokens; conversations with their history, up to 8k. {_NO_TIMES}",
    ),
    _Origin(
        "cnn-dailymail",
        "cnn_dailymail_lengths.csv",
        f"{_DASHBOARD} mlperf-data/summaries/llama3-1-8b-datacenter.csv",
        "Apache-2.0",
        f"MLPerf's dataset for Llama-3.1-8B. {_REFERENCE} {_NO_TIMES}",
    ),
    _Origin(
        "mixtral-mlperf",
        "mlperf_mixtral_lengths.csv",
        f"{_DASHBOARD} mlperf-data/summaries/mixtral-8x7b.csv",
        "Apache-2.0",
        f"OpenOrca, GSM8K and MBXP. {_REFERENCE} {_NO_TIMES}",
    ),
    _Origin(
        "llama405b-mlperf",
        "mlperf_llama405b_lengths.csv",
        f"{_DASHBOARD} mlperf-data/summaries/llama3-1-405b.csv",
        "Apache-2.0",
        f"A mix of long contexts. {_NO_TIMES}",
    ),
    _Origin(
        "deepseek-r1-mlperf",
        "mlperf_deepseek_r1_lengths.csv",
        f"{_DASHBOARD} mlperf-data/summaries/deepseek-r1.csv",
        "Apache-2.0",
        f"Outputs with reasoning, the longest 32,768 tokens. {_NO_TIMES}",
    ),
    _Origin(
        "mooncake",
        "mooncake_synthetic.csv",
        "kvcache-ai/Mooncake@3b5a5941 (2026-08-22) FAST25-release/traces/synthetic_trace.jsonl",
        "Apache-2.0",
        "Synthetic trace; its hits in a prefix cache are not modelled, every prefill counts in full.",
    ),
)

_MIXTURES: tuple[tuple[str, tuple[tuple[str, float], ...], str], ...] = (
    (
        "mixed-80-openorca-20-arxiv",
        (("openorca", 0.8), ("arxiv-summarization", 0.2)),
        f"{_MIXED} OpenOrca's outputs are the lengths of reference answers.",
    ),
    (
        "mixed-80-azure-conv-20-arxiv",
        (("azure-2023-conv", 0.8), ("arxiv-summarization", 0.2)),
        _MIXED,
    ),
)


def build(source: Path, catalogs: Path) -> None:
    """Write ``catalogs/workloads`` from the collected traces.

    Args:
        source: the folder of collected data; the traces are in its ``traces`` folder.
        catalogs: where the shipped catalog lies.
    """
    folder = catalogs / "workloads"
    (folder / "traces").mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    for origin in ORIGINS:
        trace = read_trace(source / "traces" / origin.file)
        target = folder / "traces" / f"{origin.name}.parquet"
        _write_trace(source / "traces" / origin.file, trace, target)
        entries.append(_entry(origin, trace, target.relative_to(folder)))
    entries.extend(
        {"name": name, "mixture": [{"name": part, "weight": weight} for part, weight in parts], "note": note}
        for name, parts, note in _MIXTURES
    )
    (folder / "workloads.json").write_text(_index_text(entries), encoding="utf-8")
    (folder / "SOURCES.md").write_text(_sources_text(), encoding="utf-8")


def _write_trace(source: Path, trace: Trace, target: Path) -> None:
    """Whole numbers only, in order of arrival, always the same bytes."""
    timed = trace.timestamps_s is not None
    time = "CAST(round(timestamp_s * 1000) AS INTEGER) AS timestamp_ms, " if timed else ""
    order = "ORDER BY timestamp_ms, position" if timed else "ORDER BY position"
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(
        f"COPY (SELECT * EXCLUDE position FROM (SELECT {time}CAST(input_tokens AS INTEGER) AS input_tokens, "  # noqa: S608
        "CAST(output_tokens AS INTEGER) AS output_tokens, row_number() OVER () AS position "
        f"FROM read_csv('{_quoted(source)}', header = true)) {order}) "
        f"TO '{_quoted(target)}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 19)"
    )
    connection.close()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _entry(origin: _Origin, trace: Trace, target: Path) -> dict[str, Any]:
    cells = count_cells(trace.input_tokens, trace.output_tokens)
    return {
        "name": origin.name,
        "trace": target.as_posix(),
        "requests": trace.requests,
        "rate_requests_per_s": trace.rate_requests_per_s,
        "duration_s": trace.duration_s,
        "statistics": {
            **_statistics("input_tokens", trace.input_tokens),
            **_statistics("output_tokens", trace.output_tokens),
        },
        "source": origin.source,
        "licence": origin.licence,
        "note": origin.note,
        "cells": [
            [
                cell.input_tokens_min, cell.input_tokens_max, cell.output_tokens_min, cell.output_tokens_max,
                cell.requests, cell.input_tokens_sum, cell.output_tokens_sum,
            ]
            for cell in cells
        ],
    }  # fmt: skip


def _statistics(name: str, sizes: Any) -> dict[str, float]:
    """Mean, percentiles (nearest rank) and largest."""
    ordered = sorted(sizes)
    count = len(ordered)
    return {
        f"{name}_mean": sum(ordered) / count,
        f"{name}_p50": ordered[-(-count * 50 // 100) - 1],
        f"{name}_p99": ordered[-(-count * 99 // 100) - 1],
        f"{name}_max": ordered[-1],
    }


def _index_text(entries: list[dict[str, Any]]) -> str:
    """One line per workload field and per cell: readable, and small changes make small differences."""
    head = {
        "schema_version": 1,
        "input_edges": DEFAULT_INPUT_EDGES,
        "output_edges": DEFAULT_OUTPUT_EDGES,
        "cell_fields": [
            "input_tokens_min", "input_tokens_max", "output_tokens_min", "output_tokens_max",
            "requests", "input_tokens_sum", "output_tokens_sum",
        ],
    }  # fmt: skip
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    blocks = [_entry_text(entry) for entry in entries]
    return "{\n" + "\n".join(lines) + '\n  "workloads": [\n' + ",\n".join(blocks) + "\n  ]\n}\n"


def _entry_text(entry: dict[str, Any]) -> str:
    lines = []
    for key, value in entry.items():
        if key == "cells":
            cells = ",\n".join(f"      {json.dumps(cell)}" for cell in value)
            lines.append(f'     "cells": [\n{cells}\n     ]')
        else:
            lines.append(f"     {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    return "    {\n" + ",\n".join(lines) + "\n    }"


def _sources_text() -> str:
    rows = [f"| {origin.name} | {origin.source} | {origin.licence} | {origin.note} |" for origin in ORIGINS]
    mixtures = [
        f"| {name} | {' + '.join(part for part, _ in parts)} | as its parts | {note} |"
        for name, parts, note in _MIXTURES
    ]
    return "\n".join(
        [
            "# Named workloads: where they come from",
            "",
            "Token counts and arrival times only; prompts, identifiers and cache hashes were never kept.",
            "Looked at on 2026-11-22. `traces/*.parquet` hold one row per request, `workloads.json` exact",
            "sums per bucket. Changes made to the originals: columns renamed and dropped, arrival times",
            "counted from the first request in whole milliseconds.",
            "",
            "| workload | source | licence | note |",
            "| --- | --- | --- | --- |",
            *rows,
            *mixtures,
            "",
        ]
    )
