"""Recomputes how wrong the analytical estimator is on rows it has not seen, and prints the tables.

Run from a checkout: ``python -m benchmarks.estimator``. Reads ``catalogs/profiles/measured.parquet``, or
makes it in a scratch folder from collected source files with ``--from DIR``. ``--peer FILE`` takes another
set of constants (JSON with ``fitted_dense_nvidia`` and ``fitted_moe_nvidia``) and scores it on the same rows
by its own equations; that set has seen these rows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from advisor.catalog.facts import load_facts
from advisor.profiles import calibration, memory, roofline
from catalogs.build import estimator, profiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.catalog.facts import Facts
    from advisor.profiles.roofline import Floats
    from catalogs.build.estimator import Run, Score, Table

CATALOGS = Path(__file__).resolve().parent.parent / "catalogs"
MLPERF_MODELS = ("Llama-2-70B", "Llama-3.1-8B", "Llama-3.1-405B", "Mixtral-8x7B")
HEADER = f"{'family':7}{'test':38}{'rows':>6}{'median %':>10}{'p90 %':>8}{'ratio':>7}"


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--peer", type=Path)
    options = parser.parse_args()
    facts = load_facts()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        runs = {
            v: estimator.read_runs(_catalogs(options.source, scratch), facts, v) for v in ("nvidia", "amd")
        }
        mlperf = list(_mlperf_ratios(_catalogs(options.source, scratch), facts))
        bursts = np.array(list(_burst_ratios(_catalogs(options.source, scratch), facts)))
    print("estimated against measured; ratio is the median of estimated / measured\n" + HEADER)
    for family in ("dense", "moe"):
        mine = [run for run in runs["nvidia"] if calibration.family_of(run.model) == family]
        _held_out_tables(family, mine, options.peer)
    print("\nnever fitted: MLPerf 4.1, 5.0, 5.1 closed on NVIDIA, and a burst\n" + HEADER)
    for label in sorted({label for label, _ in mlperf}):
        _line("", label, estimator.score(np.array([ratio for name, ratio in mlperf if name == label])))
    _line("dense", "TensorRT-LLM 0.14, all at once", estimator.score(bursts))
    print("\nAMD, dense: why the estimator refuses it\n" + HEADER)
    _amd(runs["amd"], runs["nvidia"])
    print(f"\nfitted and scored in {time.perf_counter() - started:.1f} s; {_speed(facts)}")


def _catalogs(source: Path | None, scratch: str) -> Path:
    if source is None:
        return CATALOGS
    if not (Path(scratch) / "profiles" / "measured.parquet").is_file():
        profiles.build(source, Path(scratch))
    return Path(scratch)


def _held_out_tables(family: str, runs: list[Run], peer: Path | None) -> None:
    table = estimator.Table(runs)
    constants = estimator.fit(table)
    _line(family, "in sample: rate", estimator.score(table.rate_ratio(constants)))
    _line(family, "in sample: TPOT", estimator.score(_stated(table.tpot_ratio(constants))))
    if peer is not None:
        theirs = json.loads(peer.read_text(encoding="utf-8"))[f"fitted_{family}_nvidia"]
        _line(family, "peer's constants, in its sample: rate", estimator.score(_peer_ratio(table, theirs)))
    for test in estimator.KEYS:
        parts = estimator.held_out(runs, test)
        _pooled_and_parts(family, test, estimator.rate_scores(parts))
        if test == "leave-one-gpu-out":
            tpot = np.concatenate([_stated(estimator.Table(r).tpot_ratio(c)) for r, c in parts.values()])
            _line(family, "leave-one-gpu-out: TPOT", estimator.score(tpot))
            _pooled_and_parts(family, "SLO-limited, leave-one-gpu-out", estimator.slo_scores(parts))


def _pooled_and_parts(family: str, test: str, scores: dict[str, Score]) -> None:
    _line(family, test, scores["(pooled)"])
    for name, found in scores.items():
        if name != "(pooled)":
            _line("", "  " + name.replace("aic-silicon-sample", "aic"), found)


def _line(family: str, label: str, found: Score) -> None:
    numbers = f"{found.rows:6}{found.median_abs_pct:10.1f}{found.p90_abs_pct:8.1f}{found.median_ratio:7.2f}"
    print(f"{family:7}{label[:38]:38}{numbers}")


def _stated(ratios: Floats) -> Floats:
    return ratios[~np.isnan(ratios)]


def _peer_ratio(table: Table, c: dict[str, float]) -> Floats:
    """Rate by the peer's equations: weights or arithmetic, whichever takes longer; our memory arithmetic."""
    work, batch, bits = table.work, table.batch, np.asarray(table.work.bits)
    t = np.asarray(work.tensor_parallel)
    flops = t * work.flop_per_s * np.select([bits == 16, bits == 8], [c["mfu16"], c["mfu8"]], c["mfu4"])
    bandwidth = work.bytes_per_s * c["mbu"]
    slow = np.asarray(work.link_bytes_per_s) < roofline.FAST_LINK_GB_PER_S * 1e9

    def comm(tokens: Any) -> Floats:
        moved = tokens * work.hidden * 4 * (t - 1) / t / (work.link_bytes_per_s * c["le"])
        seconds = 2 * work.layers * (np.where(slow, c["a1"], c["a0"]) * 1e-6 + moved)
        return np.where(t > 1, seconds, 0.0)

    weights = work.other_bytes + work.expert_bytes * (1 - np.power(work.idle_share, batch))
    step = np.maximum(weights / bandwidth, work.flop_per_token * batch / flops)
    step = step + batch * (table.tokens_in + table.tokens_out / 2) * work.kv_bytes / bandwidth
    step = step + comm(batch) + c["c0"] * 1e-3 + batch * c["c1"] * 1e-6
    flop = work.flop_per_token * table.tokens_in + work.prefill_flop_per_token2 * table.tokens_in**2
    prefill = flop / flops + comm(table.tokens_in)
    return np.asarray(batch / (table.tokens_out * step + batch * prefill) / table.measured_rate)


def _mlperf_ratios(catalogs: Path, facts: Facts) -> Iterator[tuple[str, float]]:
    """Whole submissions, best degree; 8-bit cache, weights in the narrowest format the chip computes in."""
    known = calibration.load()
    for row in estimator.measured_rows(catalogs):
        chip = facts.accelerators.get(row["accelerator"])
        usable = row["source_id"].startswith("mlperf") and "closed" in (row["flags"] or "")
        if not usable or row["model"] not in MLPERF_MODELS or chip is None or chip.vendor != "nvidia":
            continue
        if row["load_mode"] not in ("offline-saturation", "server-slo") or not row["input_tokens"]:
            continue
        model, chips = facts.models[row["model"]], row["accelerators"]
        narrow = "fp8" if chip.fp8_dense_tflops else "bf16"
        precision = "fp4" if chip.fp4_dense_tflops else narrow
        if not row["requests_per_s"] or known.supports(model, precision, chip):
            continue
        size = np.array([[row["input_tokens"], row["output_tokens"]]])
        limit = row["slo_tpot_ms"] if row["load_mode"] == "server-slo" else None
        degrees = memory.valid_tensor_parallel(model, min(chips, estimator.MOST_ACCELERATORS))
        each = {
            tp: roofline.max_rates(model, precision, chip, tp, size, limit, known, "fp8") for tp in degrees
        }
        best = max(chips // tp * float(found.requests_per_s[0]) for tp, found in each.items())
        if best > 0:
            yield f"{row['load_mode']} {model.id}", best / row["requests_per_s"]


def _burst_ratios(catalogs: Path, facts: Facts) -> Iterator[float]:
    """A server handed all requests at once: saturated, with its own unstated limit on requests in flight."""
    known = calibration.load()
    for row in estimator.measured_rows(catalogs):
        if row["load_mode"] == "rate" and row["request_rate_offered"] == np.inf:
            model, chip = facts.models[row["model"]], facts.accelerators[row["accelerator"]]
            size = np.array([[row["input_tokens"], row["output_tokens"]]])
            degree = row["tensor_parallel"]
            found = roofline.max_rates(model, row["precision"], chip, degree, size, None, known)
            yield float(found.requests_per_s[0] / row["requests_per_s"])


def _amd(runs: list[Run], nvidia: list[Run]) -> None:
    dense = [run for run in runs if not run.model.is_moe]
    theirs = estimator.fit(estimator.Table([run for run in nvidia if not run.model.is_moe]))
    _line("dense", "NVIDIA's constants", estimator.score(estimator.Table(dense).rate_ratio(theirs)))
    _pooled_and_parts(
        "dense",
        "fitted on AMD, leave-one-gpu-out",
        estimator.rate_scores(estimator.held_out(dense, "leave-one-gpu-out")),
    )


def _speed(facts: Facts) -> str:
    """The product's load: 50 accelerators, 4 degrees, 60 sizes."""
    known, model = calibration.load(), facts.models["Llama-3.1-70B"]
    chips = [chip for chip in facts.accelerators.values() if known.supports(model, "fp16", chip) is None]
    sizes = np.array([[i, o] for i in np.geomspace(10, 30_000, 10) for o in np.geomspace(10, 2_000, 6)])
    started, calls = time.perf_counter(), 0
    for index in range(50):
        for tp in (1, 2, 4, 8):
            roofline.max_rates(model, "fp16", chips[index % len(chips)], tp, sizes, 60.0, known)
            calls += 1
    return f"{calls} max_rates calls of {len(sizes)} sizes in {time.perf_counter() - started:.3f} s"


if __name__ == "__main__":
    main()
