"""How wrong the figures are: simulated against measured, and measured against measured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import duckdb
import numpy as np

from advisor.domain import EvidenceKind, Slo

if TYPE_CHECKING:
    from pathlib import Path

ENOUGH_ROWS: Final = 10
"""Measured rows from which an accelerator's own error is stated."""

_HEAD: Final = """\
# Typical errors of throughput figures, in percent: median and 90th percentile of |figure / measured - 1|.
# Written by the build from measured.parquet and simulated.parquet; rows counts the measured points compared.
"""

LOADED: Final = 16
"""Requests in flight from which points are compared. Below, TPOT hardly moves with load, so the rate at a
given TPOT says
nothing; fleets are not planned there."""

_MEASURED_BASIS: Final = (
    "runs with another engine version against the newest run of the same model, precision, engine, "
    "accelerators, sizes and concurrency: what a measurement is off when your version is not the one measured"
)
_SIMULATED_BASIS: Final = (
    "rate at the same mean TPOT against measured vLLM runs of the same shape, precision and "
    f"tensor-parallel degree, {LOADED} or more requests in flight"
)
_L40S_BASIS: Final = "the simulator's TensorRT-LLM figures against the vendor's offline table v0.17"

_REPEATS: Final = """
    WITH runs AS (
        SELECT model, precision, engine, accelerator, tensor_parallel, input_tokens, output_tokens,
               concurrency, date, engine_version, avg(requests_per_s) AS rate
        FROM read_parquet(?) WHERE not_evidence_because IS NULL AND load_mode = 'concurrency' GROUP BY ALL
    ), ranked AS (
        SELECT rate, engine_version, first_value(rate) OVER newest AS newest_rate,
               first_value(engine_version) OVER newest AS newest_version
        FROM runs
        WINDOW newest AS (
            PARTITION BY model, precision, engine, accelerator, tensor_parallel, input_tokens, output_tokens,
                         concurrency
            ORDER BY date DESC NULLS LAST, engine_version DESC NULLS LAST)
    )
    SELECT 100 * abs(rate / newest_rate - 1) FROM ranked WHERE engine_version IS DISTINCT FROM newest_version
"""

_COMPARED: Final = """
    SELECT DISTINCT shape, precision, engine, accelerator, tensor_parallel, input_tokens, output_tokens,
           tpot_mean_ms, requests_per_s, concurrency
    FROM read_parquet(?)
    WHERE not_evidence_because IS NULL AND shape IS NOT NULL AND tpot_mean_ms IS NOT NULL
    WINDOW size AS (PARTITION BY profile_id, input_tokens, output_tokens)
    QUALIFY min(concurrency) OVER size < max(concurrency) OVER size AND concurrency >= ?
    ORDER BY ALL
"""


def write_errors(source_profiles: Path, target: Path) -> None:
    """Write ``errors.toml`` beside the Parquet files it is worked out from."""
    measured = str(target / "measured.parquet")
    with duckdb.connect(config={"threads": 1}) as connection:
        repeats = np.array([row[0] for row in connection.execute(_REPEATS, [measured]).fetchall()])
        rows = connection.execute(_COMPARED, [measured, LOADED]).fetchall()
        simulated = _simulated_profiles(connection, target)
    compared = _compare(rows, simulated)
    tables = json.loads((source_profiles / "estimator_calibration.json").read_text(encoding="utf-8"))
    (target / "errors.toml").write_text(
        _text(repeats, compared, tables["aiconfigurator_vs_trtllm_tables"]), encoding="utf-8"
    )


def _simulated_profiles(connection: duckdb.DuckDBPyConnection, target: Path) -> dict[tuple[Any, ...], Any]:
    """By shape, precision, engine, accelerator and tensor-parallel degree."""
    from advisor.profiles.read import read_profiles

    files = [str(target / "simulated.parquet")]
    shapes = connection.execute(
        "SELECT DISTINCT model, shape FROM read_parquet(?) ORDER BY ALL", [files]
    ).fetchall()
    return {
        (shape, p.precision, p.engine, p.accelerator, p.tensor_parallel): p
        for model, shape in shapes
        for p in read_profiles(connection, files, model, shape, lambda _kind, _accelerator: None)
        if p.kind is EvidenceKind.SIMULATED
    }


def _compare(rows: list[tuple[Any, ...]], simulated: dict[tuple[Any, ...], Any]) -> dict[str, list[float]]:
    """Simulated over measured rate at the measured point's own TPOT, per accelerator; 0 is out of reach."""
    from advisor.profiles.interpolate import rate_grid

    ratios: dict[str, list[float]] = {}
    for shape, precision, engine, accelerator, degree, tokens_in, tokens_out, tpot_ms, rate, _load in rows:
        profile = simulated.get((shape, precision, engine, accelerator, degree))
        if profile is None:
            continue
        grid = rate_grid(profile, Slo(tpot_ms=tpot_ms), clamp_below=False, proves_unreachable=True)
        found = float(grid.at(np.array([[tokens_in, tokens_out]]))[0])
        if not np.isnan(found):
            ratios.setdefault(accelerator, []).append(found / rate)
    return ratios


def _text(repeats: Any, compared: dict[str, list[float]], tables: list[dict[str, Any]]) -> str:
    everything = np.array([ratio for ratios in compared.values() for ratio in ratios])
    parts = [_HEAD, "[measured]", *_figures(repeats), f'basis = "{_MEASURED_BASIS}"', ""]
    parts += ["[simulated]", *_error_figures(everything), f'basis = "{_SIMULATED_BASIS}"', ""]
    for accelerator, ratios in sorted(compared.items()):
        if len(ratios) >= ENOUGH_ROWS:
            parts += [f"[simulated.by_accelerator.{accelerator}]", *_error_figures(np.array(ratios)), ""]
    l40s = next(table for table in tables if "L40S" in table["table"])
    parts += ["[simulated.by_accelerator.l40s-48gb]", *_table_figures(l40s)]
    parts += [f"median_ratio = {l40s['median_ratio']}", f'basis = "{_L40S_BASIS}"', ""]
    for table in tables:
        parts += [
            "[[simulated.vendor_tables]]",
            f'table = "TensorRT-LLM {table["table"]}"',
            *_table_figures(table),
            "",
        ]
    return "\n".join(parts)


def _table_figures(table: dict[str, Any]) -> list[str]:
    return [f"median_abs_pct = {table['median_abs_pct_error']}", f"rows = {table['rows']}"]


def _figures(errors_pct: Any) -> list[str]:
    if not len(errors_pct):
        return ["rows = 0"]
    median, p90 = np.median(errors_pct), np.quantile(errors_pct, 0.9)
    return [f"median_abs_pct = {median:.1f}", f"p90_abs_pct = {p90:.1f}", f"rows = {len(errors_pct)}"]


def _error_figures(ratios: Any) -> list[str]:
    errors = _figures(100 * np.abs(ratios - 1))
    reached = ratios[ratios > 0]
    if len(reached):
        errors.append(f"median_ratio = {np.median(reached):.2f}")
    return [*errors, f"out_of_reach = {int((ratios == 0).sum())}"]
