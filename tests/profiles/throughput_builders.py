"""Builders for throughput tests: a store of hand-written points, and the facts they are about."""

from __future__ import annotations

import shutil
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from advisor.catalog.facts import load_facts
from advisor.domain import EvidenceKind, Slo
from advisor.profiles.engines import Engine
from advisor.profiles.equivalence import shape_key
from advisor.profiles.evidence import Profile, SizePoints
from advisor.profiles.query import ProfileStore
from advisor.profiles.replica import Replica, Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from advisor.domain import Accelerator, Model, NoThroughput, Throughput

SHIPPED = Path(str(files("catalogs"))) / "profiles"


@cache
def facts() -> Any:
    return load_facts()


def a_model(name: str = "Llama-3.1-8B") -> Model:
    model: Model = facts().models[name]
    return model


def a_chip(name: str = "h100-sxm-80gb") -> Accelerator:
    chip: Accelerator = facts().accelerators[name]
    return chip


def a_point(**changes: Any) -> dict[str, Any]:
    """A usable measured load point of one replica on one H100."""
    point: dict[str, Any] = {
        "kind": "measured",
        "source_id": "test-runs",
        "licence": "none",
        "model": "Llama-3.1-8B",
        "precision": "bf16",
        "engine": "vLLM",
        "engine_version": "1.0",
        "accelerator": "h100-sxm-80gb",
        "accelerators": 1,
        "tensor_parallel": 1,
        "pipeline_parallel": 1,
        "input_tokens": 1000.0,
        "output_tokens": 100.0,
        "load_mode": "concurrency",
        "concurrency": 1.0,
        "tpot_mean_ms": 10.0,
        "ttft_mean_ms": 50.0,
        "requests_per_s": 1.0,
        "date": "2026-01-01",
    } | changes
    point.setdefault("shape", shape_key(a_model(point["model"])))
    names = ("kind", "source_id", "model", "precision", "engine", "accelerator", "tensor_parallel", "date")
    point.setdefault("profile_id", ":".join(str(point[name]) for name in names).lower())
    return point


def a_sweep(*loads: tuple[float, float, float], **changes: Any) -> list[dict[str, Any]]:
    """Points of one size: (concurrency, mean TPOT in ms, requests per second) each."""
    return [a_point(concurrency=c, tpot_mean_ms=t, requests_per_s=r, **changes) for c, t, r in loads]


def a_store(root: Path, points: Iterable[dict[str, Any]] = ()) -> ProfileStore:
    """A store whose files hold these points and nothing else, with the shipped estimator."""
    folder = root / "profiles"
    folder.mkdir()
    shutil.copy(SHIPPED / "estimator.toml", folder)
    rows = list(points)
    with duckdb.connect() as connection:
        for kind in ("measured", "simulated"):
            connection.execute(f"CREATE TABLE {kind} AS FROM '{SHIPPED / kind}.parquet' LIMIT 0")
            there = {row[0] for row in connection.execute(f"DESCRIBE {kind}").fetchall()}
            for name in sorted({name for row in rows for name in row if name not in there}):
                connection.execute(f"ALTER TABLE {kind} ADD COLUMN {name} DOUBLE")
            for row in (row for row in rows if row["kind"] == kind):
                _insert(connection, kind, row)
            connection.execute(f"COPY {kind} TO '{folder / kind}.parquet' (FORMAT parquet)")
    return ProfileStore.load(root)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, row: dict[str, Any]) -> None:
    marks = ", ".join("?" for _ in row)
    connection.execute(
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})",  # noqa: S608
        list(row.values()),
    )


def ask(
    store: ProfileStore,
    *sizes: tuple[float, float],
    slo: Slo | None = None,
    model: str = "Llama-3.1-8B",
    chip: str = "h100-sxm-80gb",
    precision: str = "bf16",
    engine: str = "vLLM",
    tensor_parallel: int = 1,
    weakest: EvidenceKind = EvidenceKind.ESTIMATED,
) -> tuple[Throughput | NoThroughput, ...]:
    wanted = sizes or ((1000.0, 100.0),)
    limits = slo or Slo(tpot_ms=50)
    replica = a_replica(model, chip, precision, engine, tensor_parallel)
    return store.throughputs(replica, wanted, limits, weakest)


def a_replica(
    model: str = "Llama-3.1-8B",
    chip: str = "h100-sxm-80gb",
    precision: str = "bf16",
    engine: str | None = "vLLM",
    tensor_parallel: int = 1,
    **changes: Any,
) -> Replica:
    """Llama-3.1-8B in bf16 on one H100 by today's vLLM."""
    fields = {"engine": Engine.named(engine)} | changes
    return Replica(a_model(model), precision, a_chip(chip), Shape(tensor_parallel), **fields)


def size_points(
    loads: Sequence[tuple[float, float, float]], input_tokens: float = 100, output_tokens: float = 100
) -> SizePoints:
    """(TPOT in ms, TTFT in ms, requests per second) each, by rising TPOT."""
    columns = [np.array([load[i] for load in loads], dtype=np.float64) for i in range(3)]
    concurrency = np.arange(1, len(loads) + 1, dtype=np.float64)
    return SizePoints(
        float(input_tokens), float(output_tokens), columns[0], columns[1], columns[2], concurrency
    )


def a_profile(*sizes: SizePoints) -> Profile:
    return Profile(
        "test",
        EvidenceKind.SIMULATED,
        "test",
        "Llama-3.1-8B",
        "bf16",
        "vLLM",
        "1.0",
        "h100-sxm-80gb",
        1,
        None,
        None,
        (),
        sizes,
    )


def flat_profile(rates: dict[tuple[float, float], float]) -> Profile:
    """One load point per (input, output) size, at 10 ms TPOT; a rate of 0 means at 99 ms."""
    return a_profile(
        *(size_points([(10.0 if rate else 99.0, 1.0, rate or 1.0)], *size) for size, rate in rates.items())
    )
