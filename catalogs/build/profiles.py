"""Throughput evidence: measured and simulated load points as two Parquet files of one schema.

Every row of the sources is kept. A row that may not answer "what rate within an SLO" says why in
``not_evidence_because``; the rest are load points of one replica.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

import duckdb

from catalogs.build.model_shapes import model_rows

ACCELERATOR_IDS: Final[dict[str, str]] = {
    "A100-40GB-SXM": "a100-sxm-40gb",
    "A100-80GB-SXM": "a100-sxm-80gb",
    "A10G-24GB": "a10g-24gb",
    "B200-180GB-SXM": "b200-sxm-180gb",
    "B300-270GB-SXM": "b300-sxm-288gb",
    "GB200-186GB": "gb200-186gb",
    "GB300-277GB": "gb300-288gb",
    "GH200-96GB": "gh200-96gb",
    "GH200-144GB": "gh200-144gb",
    "Gaudi2-96GB": "gaudi2-96gb",
    "H100-80GB-PCIe": "h100-pcie-80gb",
    "H100-80GB-SXM": "h100-sxm-80gb",
    "H100-94GB-NVL": "h100-nvl-94gb",
    "H200-141GB-NVL": "h200-nvl-141gb",
    "H200-141GB-SXM": "h200-sxm-141gb",
    "Inferentia2": "inferentia2-32gb",
    "Intel-Arc-Pro-B60-24GB": "arc-pro-b60-24gb",
    "Intel-Max-1550-128GB": "max-1550-128gb",
    "L4-24GB": "l4-24gb",
    "L40S-48GB": "l40s-48gb",
    "MI250-128GB": "mi250-128gb",
    "MI300X-192GB": "mi300x-192gb",
    "MI325X-256GB": "mi325x-256gb",
    "MI355X-288GB": "mi355x-288gb",
    "RTX-4090-24GB": "rtx-4090-24gb",
    "RTX-PRO-6000-BSE-96GB": "rtx-pro-6000-96gb",
    "TPU-v6e": "tpu-v6e-32gb",
    # Measured, but not chips this catalog knows; their rows keep the source's name as the id.
    "Jetson-AGX-Orin-64GB": "jetson-agx-orin-64gb",
    "Jetson-AGX-Thor-128GB": "jetson-agx-thor-128gb",
    "SN40L": "sn40l",
}

_SAME_MODEL: Final = {"Llama-3.3-70B(arch=3.1-70B)": "Llama-3.3-70B"}

LICENCES: Final[dict[str, str]] = {
    "aic-silicon-sample-0.12.0": "Apache-2.0",
    "aiconfigurator-0.12.0": "Apache-2.0",
    "aws-neuron-inf2": "not stated",
    "kubeai-l4": "Apache-2.0",
    "llm-inference-bench": "BSD-3-Clause",
    "llmperf-a10g-llama3-8b": "not stated",
    "melange-plot5": "not stated",
    "mlperf-inference-v4.1": "Apache-2.0",
    "mlperf-inference-v5.0": "Apache-2.0",
    "mlperf-inference-v5.1": "not stated",
    "tpu-recipes-v6e": "Apache-2.0",
    "trtllm-online-v0.14": "Apache-2.0",
    "trtllm-perf-v0.10": "Apache-2.0",
    "trtllm-perf-v0.17": "Apache-2.0",
    "trtllm-perf-v1.0": "Apache-2.0",
}

_SHAPE_COLUMNS: Final = (
    *(
        "layers",
        "hidden",
        "heads",
        "kv_heads",
        "head_dim",
        "vocab",
        "experts",
        "experts_per_token",
        "moe_ffn",
    ),
    *("shared_experts", "dense_layers", "attention", "kv_bytes_per_token_fp16", "sliding_window"),
)

# First match wins: what kind of run it was, then what the source's own flags cast doubt on.
_NOT_EVIDENCE: Final = """
    CASE
      WHEN load_mode = 'static-batch' THEN 'one closed batch, not continuous load'
      WHEN load_mode LIKE 'offline%' THEN 'offline: no latency was bound or reported'
      WHEN load_mode = 'server-slo' THEN 'whole submission, number of replicas unknown'
      WHEN load_mode = 'single-stream' THEN 'one request at a time'
      WHEN request_rate_offered = 'inf'::DOUBLE THEN 'all requests sent at once'
      WHEN regexp_matches(flags, 'suspect|outlier|inconsistent') THEN 'flagged as suspect or an outlier'
      WHEN regexp_matches(flags, 'attn-dp|ep=([2-9]|1[0-9])') THEN 'data- or expert-parallel deployment'
      WHEN regexp_matches(flags, 'batch-1-only|chip-count-[0-9]+-assumed')
        THEN 'load or chip count not stated'
      WHEN pp <> 1 OR gpu_count <> tp * pp THEN 'not one tensor-parallel replica'
      WHEN precision IS NULL THEN 'precision not stated'
      WHEN shapes.params_b * 1e9 * BYTES_PER_PARAMETER > GIB_EACH * 1073741824 * gpu_count
        THEN 'its weights alone exceed the memory stated'
      WHEN coalesce(tpot_mean_ms, tpot_p50_ms, tpot_p99_ms) IS NULL OR requests_per_s IS NULL
        THEN 'no rate or no time per output token'
    END
"""

# The least a parameter takes and the most a GPU's name can promise: what exceeds that is not what it says.
_BYTES_PER_PARAMETER: Final = """CASE WHEN precision IN ('fp16', 'bf16') THEN 2
    WHEN precision IN ('fp8', 'int8') THEN 1 ELSE 0.5 END"""
_GIB_EACH: Final = "TRY_CAST(regexp_extract(m.gpu, '-([0-9]+)GB', 1) AS DOUBLE)"

_COLUMNS: Final = """
    profile_id, kind, source_id, licence, model, model_as_published, shape, precision, kv_precision, engine,
    engine_version, accelerator, accelerators::INTEGER AS accelerators,
    tensor_parallel::INTEGER AS tensor_parallel, pipeline_parallel::INTEGER AS pipeline_parallel, workload,
    input_tokens::DOUBLE AS input_tokens, output_tokens::DOUBLE AS output_tokens, load_mode,
    concurrency::DOUBLE AS concurrency, request_rate_offered, ttft_mean_ms::DOUBLE AS ttft_mean_ms,
    ttft_p50_ms, ttft_p99_ms, tpot_mean_ms::DOUBLE AS tpot_mean_ms, tpot_p50_ms, tpot_p99_ms,
    requests_per_s::DOUBLE AS requests_per_s, output_tokens_per_s, slo_ttft_ms::DOUBLE AS slo_ttft_ms,
    slo_tpot_ms::DOUBLE AS slo_tpot_ms, date, flags, not_evidence_because
"""


def build(source: Path, catalogs: Path) -> None:
    """Write measured.parquet, simulated.parquet and errors.toml from the collected data in ``source``."""
    target = catalogs / "profiles"
    target.mkdir(parents=True, exist_ok=True)
    folder = source / "profiles"
    with duckdb.connect(config={"threads": 1}) as connection:
        _name_tables(connection, source)
        connection.read_csv(str(folder / "measured_throughput.csv"), sample_size=-1).create("measured_rows")
        connection.read_csv(str(folder / "aic_frontier.csv.gz"), sample_size=-1).create("frontier_rows")
        _slo_maxima(connection, folder / "aic_profiles.json")
        doubts = _NOT_EVIDENCE.replace("BYTES_PER_PARAMETER", _BYTES_PER_PARAMETER).replace(
            "GIB_EACH", _GIB_EACH
        )
        connection.execute(_MEASURED.replace("NOT_EVIDENCE", doubts, 1))
        connection.execute(_SIMULATED)
        for kind in ("measured", "simulated"):
            _write(connection, kind, target / f"{kind}.parquet")
    from catalogs.build.profile_errors import write_errors

    write_errors(folder, target)


def _name_tables(connection: duckdb.DuckDBPyConnection, source: Path) -> None:
    """Tables from the source's spellings to ours, and the shapes of the models we know."""
    connection.execute("CREATE TABLE chips (name VARCHAR, id VARCHAR)")
    connection.executemany("INSERT INTO chips VALUES (?, ?)", list(ACCELERATOR_IDS.items()))
    connection.execute("CREATE TABLE licences (source_id VARCHAR, licence VARCHAR)")
    connection.executemany("INSERT INTO licences VALUES (?, ?)", list(LICENCES.items()))
    connection.execute("CREATE TABLE same_models (name VARCHAR, id VARCHAR)")
    connection.executemany("INSERT INTO same_models VALUES (?, ?)", list(_SAME_MODEL.items()))
    connection.execute("CREATE TABLE shapes (model VARCHAR, shape VARCHAR, params_b DOUBLE)")
    rows = [row.cells for row in model_rows(source)]
    shapes = [(row["name"], _shape(row), float(row["params_b"])) for row in rows]
    connection.executemany("INSERT INTO shapes VALUES (?, ?, ?)", shapes)


def _shape(row: dict[str, str]) -> str:
    """The same text as ``advisor.profiles.equivalence.shape_key`` gives for the model of this row."""
    rounded = [f"{float(row[name]):g}" for name in ("params_b", "active_params_b")]
    return "/".join([*rounded, *(row[name] for name in _SHAPE_COLUMNS)])


def _slo_maxima(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """The simulator's own maxima at its SLOs, from every load it tried; the frontier holds 15 a size."""
    data = json.loads(path.read_text(encoding="utf-8"))
    replica = ("model", "gpu", "gpu_count", "precision", "engine", "engine_version")
    lines = [
        json.dumps(
            {name: profile[name] for name in replica}
            | {"input_tokens": data["input_tokens"][row], "output_tokens": data["output_tokens"][column]}
            | {"slo_ttft_ms": profile["slo"]["ttft_ms"], "slo_tpot_ms": profile["slo"]["tpot_ms"]}
            | {"requests_per_s": rate}
        )
        for profile in data["profiles"]
        if profile["slo"]["tpot_ms"] is not None
        for row, rates in enumerate(profile["max_requests_per_s"])
        for column, rate in enumerate(rates)
        if rate > 0
    ]
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "maxima.jsonl"
        file.write_text("\n".join(lines), encoding="utf-8")
        connection.read_json(str(file)).create("slo_maxima")


_MEASURED: Final = """
    CREATE TABLE measured AS
    WITH named AS (
        SELECT m.* EXCLUDE (model, engine, engine_version, kind, date), 'measured' AS kind,
               coalesce(same.id, m.model) AS model, m.model AS model_as_published, date::VARCHAR AS date,
               CASE WHEN engine ILIKE 'vllm%' THEN 'vLLM'
                    WHEN engine ILIKE 'sglang%' THEN 'SGLang'
                    WHEN engine ILIKE 'TensorRT-LLM+Triton' THEN 'TensorRT-LLM'
                    ELSE engine END AS engine,
               coalesce(engine_version,
                        nullif(regexp_extract(engine, '^(?:vLLM|SGLang) v?([0-9].*)$', 1), ''))
                   AS engine_version,
               coalesce(chips.id, lower(m.gpu)) AS accelerator, m.gpu_count AS accelerators,
               m.tp AS tensor_parallel, m.pp AS pipeline_parallel, shapes.shape AS shape,
               licences.licence AS licence, NOT_EVIDENCE AS not_evidence_because
        FROM measured_rows AS m
        LEFT JOIN same_models AS same ON same.name = m.model
        LEFT JOIN chips ON chips.name = m.gpu
        LEFT JOIN shapes ON shapes.model = coalesce(same.id, m.model)
        LEFT JOIN licences USING (source_id)
    )
    SELECT *, lower(replace(concat_ws(':', 'measured', source_id || coalesce('@' || date, ''), model,
        coalesce(precision, 'unstated'), concat_ws('-', coalesce(engine, 'unstated'), engine_version),
        accelerator,
        'tp' || tensor_parallel || CASE WHEN pipeline_parallel > 1 THEN 'pp' || pipeline_parallel ELSE '' END,
        CASE WHEN accelerators = tensor_parallel * pipeline_parallel THEN NULL ELSE 'x' || accelerators END),
        ' ', '-')) AS profile_id
    FROM named
"""

_SIMULATED: Final = """
    CREATE TABLE simulated AS
    WITH points AS (
        SELECT *, 'concurrency' AS load_mode, NULL AS slo_ttft_ms, NULL AS slo_tpot_ms FROM frontier_rows
        UNION ALL BY NAME
        SELECT *, 'slo-maximum' AS load_mode, slo_ttft_ms AS ttft_ms, slo_tpot_ms AS tpot_ms FROM slo_maxima
    )
    SELECT 'simulated' AS kind, 'aiconfigurator-0.12.0' AS source_id, 'Apache-2.0' AS licence,
           p.model AS model, p.model AS model_as_published, shapes.shape AS shape,
           CASE precision WHEN 'mxfp4' THEN 'fp4' ELSE precision END AS precision,
           NULL::VARCHAR AS kv_precision, engine, engine_version::VARCHAR AS engine_version,
           chips.id AS accelerator, gpu_count AS accelerators, gpu_count AS tensor_parallel,
           1 AS pipeline_parallel, 'fixed-sizes' AS workload, input_tokens, output_tokens, load_mode,
           concurrency, NULL::DOUBLE AS request_rate_offered, ttft_ms AS ttft_mean_ms,
           NULL::DOUBLE AS ttft_p50_ms, NULL::DOUBLE AS ttft_p99_ms, tpot_ms AS tpot_mean_ms,
           NULL::DOUBLE AS tpot_p50_ms, NULL::DOUBLE AS tpot_p99_ms, requests_per_s,
           NULL::DOUBLE AS output_tokens_per_s, slo_ttft_ms, slo_tpot_ms, '2026-09' AS date,
           CASE precision WHEN 'mxfp4' THEN 'mxfp4-weights' END AS flags,
           NULL::VARCHAR AS not_evidence_because,
           lower(concat_ws(':', 'simulated', 'aiconfigurator-0.12.0', p.model, precision,
                           concat_ws('-', engine, engine_version), chips.id, 'tp' || gpu_count))
               AS profile_id
    FROM points AS p JOIN chips ON chips.name = p.gpu LEFT JOIN shapes ON shapes.model = p.model
"""


def _write(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> None:
    """One sorted Parquet file; the same rows give the same bytes."""
    temporary = path.with_suffix(".part")
    connection.execute(
        f"COPY (SELECT {_COLUMNS} FROM {table} ORDER BY model, profile_id, input_tokens, output_tokens, "  # noqa: S608
        f"load_mode, concurrency, request_rate_offered, slo_ttft_ms, slo_tpot_ms, tpot_mean_ms, "
        f"ttft_mean_ms, requests_per_s, output_tokens_per_s, workload, accelerators, kv_precision, flags) "
        f"TO '{temporary}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 4096)"
    )
    temporary.replace(path)
