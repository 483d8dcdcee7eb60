"""Source tables become evidence: names, doubts, whole rows, the same bytes twice."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from throughput_builders import a_model

from advisor.profiles.equivalence import shape_key
from catalogs.build.profiles import build

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Llama-3.1-8B as published: the build compares shapes by these columns.
SHAPE = {
    "name": "Llama-3.1-8B",
    "params_b": "8.03",
    "active_params_b": "8.03",
    "layers": "32",
    "hidden": "4096",
    "heads": "32",
    "kv_heads": "8",
    "head_dim": "128",
    "vocab": "128256",
    "experts": "",
    "experts_per_token": "",
    "moe_ffn": "",
    "shared_experts": "",
    "dense_layers": "",
    "attention": "gqa",
    "kv_bytes_per_token_fp16": "131072",
    "sliding_window": "",
}


COLUMNS = (
    *(
        "source_id",
        "kind",
        "model",
        "precision",
        "kv_precision",
        "engine",
        "engine_version",
        "gpu",
        "gpu_count",
    ),
    *(
        "tp",
        "pp",
        "workload",
        "input_tokens",
        "output_tokens",
        "load_mode",
        "concurrency",
        "request_rate_offered",
    ),
    *("ttft_mean_ms", "ttft_p50_ms", "ttft_p99_ms", "tpot_mean_ms", "tpot_p50_ms", "tpot_p99_ms"),
    *("requests_per_s", "output_tokens_per_s", "slo_ttft_ms", "slo_tpot_ms", "date", "flags"),
)


def a_row(**changes: Any) -> dict[str, Any]:
    return {
        "source_id": "aic-silicon-sample-0.12.0",
        "kind": "measured",
        "model": "Llama-3.1-8B",
        "precision": "fp8",
        "engine": "vLLM",
        "engine_version": "0.12.0",
        "gpu": "H100-80GB-SXM",
        "gpu_count": 1,
        "tp": 1,
        "pp": 1,
        "input_tokens": 1000,
        "output_tokens": 100,
        "load_mode": "concurrency",
        "concurrency": 16,
        "tpot_mean_ms": 20.5,
        "ttft_mean_ms": 100.5,
        "requests_per_s": 2.5,
        "date": "2026-01-01",
        "flags": "",
        "tpot_p50_ms": 20.5,
        "tpot_p99_ms": 30.5,
        "request_rate_offered": 1.5,
    } | changes


def built(root: Path, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Measured rows after a build from these and one simulated replica."""
    source = root / "source"
    folder = source / "profiles"
    folder.mkdir(parents=True)
    _csv(source / "models.csv", SHAPE, [SHAPE])
    # A second engine version of the same run, so that an error of measured figures can be worked out.
    rows = (*rows, a_row(concurrency=32), a_row(concurrency=32, engine_version="0.11.0", date="2025-01-01"))
    _csv(folder / "measured_throughput.csv", COLUMNS, [dict.fromkeys(COLUMNS, "") | row for row in rows])
    replica = {
        "model": "Llama-3.1-8B",
        "gpu": "H100-80GB-SXM",
        "gpu_count": 1,
        "precision": "fp8",
        "engine": "vLLM",
        "engine_version": "0.24.0",
    }
    points = [
        replica
        | {
            "input_tokens": 1000,
            "output_tokens": 100,
            "concurrency": load,
            "ttft_ms": 50.5,
            "tpot_ms": 10.5 * load,
            "requests_per_s": 1.5 * load,
        }
        for load in (1, 2, 3)
    ]
    _csv(folder / "aic_frontier.csv.gz", points[0], points)
    maxima = {
        "input_tokens": [1000],
        "output_tokens": [100],
        "profiles": [
            replica | {"slo": {"ttft_ms": None, "tpot_ms": 40}, "max_requests_per_s": [[4.75]]},
            replica | {"slo": {"ttft_ms": None, "tpot_ms": None}, "max_requests_per_s": [[9.5]]},
            replica | {"slo": {"ttft_ms": 100, "tpot_ms": 5}, "max_requests_per_s": [[0.0]]},
        ],
    }
    (folder / "aic_profiles.json").write_text(json.dumps(maxima))
    table = {"table": "v0.17 L40S only", "rows": 18, "median_abs_pct_error": 27.4, "median_ratio": 0.73}
    (folder / "estimator_calibration.json").write_text(
        json.dumps({"aiconfigurator_vs_trtllm_tables": [table]})
    )
    build(source, root / "catalogs")
    return read(root / "catalogs" / "profiles" / "measured.parquet")


def read(path: Path) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        relation = connection.execute("FROM read_parquet(?)", [str(path)])
        names = [column[0] for column in relation.description or ()]
        return [dict(zip(names, row, strict=True)) for row in relation.fetchall()]


def _csv(path: Path, names: Iterable[str], rows: Iterable[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names))
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({}, None),
        ({"load_mode": "rate", "concurrency": ""}, None),
        ({"load_mode": "static-batch"}, "one closed batch, not continuous load"),
        ({"load_mode": "offline-saturation"}, "offline: no latency was bound or reported"),
        ({"load_mode": "server-slo"}, "whole submission, number of replicas unknown"),
        ({"request_rate_offered": "inf"}, "all requests sent at once"),
        ({"flags": "a;suspect-typo-in-source"}, "flagged as suspect or an outlier"),
        ({"flags": "outlier-latency"}, "flagged as suspect or an outlier"),
        ({"flags": "attn-dp=4"}, "data- or expert-parallel deployment"),
        ({"flags": "ep=16"}, "data- or expert-parallel deployment"),
        ({"gpu_count": 8}, "not one tensor-parallel replica"),
        ({"gpu_count": 2, "pp": 2}, "not one tensor-parallel replica"),
        ({"precision": ""}, "precision not stated"),
        ({"requests_per_s": ""}, "no rate or no time per output token"),
        # 8.03e9 bytes are 7.48 GiB
        ({"gpu": "L2-7GB"}, "its weights alone exceed the memory stated"),
        ({"gpu": "L2-8GB"}, None),
        ({"gpu": "L2-8GB", "precision": "fp16"}, "its weights alone exceed the memory stated"),
        ({"flags": "req_s-derived-by-littles-law"}, None),
    ],
)
def test_a_row_is_evidence_or_says_why_not(
    tmp_path: Path, changes: dict[str, Any], because: str | None
) -> None:
    rows = built(tmp_path, a_row(**changes))
    assert len(rows) == 3
    row = next(r for r in rows if r["concurrency"] != 32)
    assert row["not_evidence_because"] == because


def test_names_become_ours_and_the_published_ones_stay(tmp_path: Path) -> None:
    rows = built(
        tmp_path,
        a_row(model="Llama-3.3-70B(arch=3.1-70B)"),
        a_row(engine="TensorRT-LLM+Triton", gpu="B300-270GB-SXM"),
    )
    renamed = next(r for r in rows if r["model"] == "Llama-3.3-70B")
    assert renamed["model_as_published"] == "Llama-3.3-70B(arch=3.1-70B)"
    assert renamed["licence"] == "Apache-2.0"
    other = next(r for r in rows if r["engine"] == "TensorRT-LLM")
    assert (other["accelerator"], other["requests_per_s"]) == ("b300-sxm-288gb", 2.5)
    assert other["profile_id"] == (
        "measured:aic-silicon-sample-0.12.0@2026-01-01:llama-3.1-8b:fp8:tensorrt-llm-0.12.0:b300-sxm-288gb:tp1"
    )


def test_shapes_in_the_files_are_the_shapes_of_the_models_that_are_asked_for(tmp_path: Path) -> None:
    assert {row["shape"] for row in built(tmp_path)} == {shape_key(a_model("Llama-3.1-8B"))}


def test_the_simulators_maxima_stand_beside_its_load_points(tmp_path: Path) -> None:
    built(tmp_path)
    rows = read(tmp_path / "catalogs" / "profiles" / "simulated.parquet")
    assert [(r["load_mode"], r["tpot_mean_ms"], r["ttft_mean_ms"], r["requests_per_s"]) for r in rows] == [
        ("concurrency", 10.5, 50.5, 1.5),
        ("concurrency", 21.0, 50.5, 3.0),
        ("concurrency", 31.5, 50.5, 4.5),
        ("slo-maximum", 40.0, None, 4.75),
    ]


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    built(tmp_path, a_row(), a_row(concurrency=8))
    folder = tmp_path / "catalogs" / "profiles"
    first = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    build(tmp_path / "source", tmp_path / "catalogs")
    assert {path.name: path.read_bytes() for path in sorted(folder.iterdir())} == first
    assert sorted(first) == ["errors.toml", "measured.parquet", "simulated.parquet"]
