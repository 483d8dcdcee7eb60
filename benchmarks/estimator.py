"""Recomputes how wrong the analytical estimator is on rows it has not seen, and prints the tables.

Run from a checkout: ``python -m benchmarks.estimator``. Reads ``catalogs/profiles/measured.parquet``, or
makes it in a scratch folder from collected source files with ``--from DIR``. ``--peer FILE`` takes another
set of constants (JSON with ``fitted_dense_nvidia`` and ``fitted_moe_nvidia``) and scores it on the same rows
by its own equations; that set has seen these rows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from advisor.catalog.facts import load_facts
from advisor.profiles import calibration, memory
from advisor.profiles.curve import Curve
from advisor.profiles.engines import Engine
from advisor.profiles.equivalence import shape_key
from advisor.profiles.estimate import Deployment, LoadMode, estimate, refusal
from advisor.profiles.interval import Interval
from advisor.profiles.replica import Replica, Shape
from catalogs.build import estimator_amd, profiles
from catalogs.build.estimator_fit import fit
from catalogs.build.estimator_held_out import (
    COVERED_PCT,
    KEYS,
    Score,
    distances,
    held_out,
    score,
    scores,
    spread,
)  # fmt: skip
from catalogs.build.estimator_runs import (
    ENGINES,
    MOST_ACCELERATORS,
    Fitted,
    Table,
    measured_rows,
    read_never_fitted,
    read_runs,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from advisor.catalog.facts import Facts
    from advisor.profiles.roofline import Floats
    from catalogs.build.estimator_held_out import Part
    from catalogs.build.estimator_runs import Run

CATALOGS = Path(__file__).resolve().parent.parent / "catalogs"
MLPERF_MODELS = ("Llama-2-70B", "Llama-3.1-8B", "Llama-3.1-405B", "Mixtral-8x7B")
HEADER = f"{'family':7}{'test':44}{'rows':>6}{'median %':>10}{'p90 %':>8}{'ratio':>7}"
APART = 1.25
"""Measured rates that differ by so much are told apart."""


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--peer", type=Path)
    options = parser.parse_args()
    facts = load_facts()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        catalogs = _catalogs(options.source, scratch)
        runs = read_runs(catalogs, facts)
        amd = estimator_amd.read_amd_runs(catalogs, facts, _bases())
        engines = list(_engines(catalogs, facts))
        never_fitted = list(_never_fitted(catalogs, facts))
    print("estimated against measured; ratio is the median of estimated / measured\n" + HEADER)
    by_gpu: list[Part] = []
    coverage: list[str] = []
    for family in ("dense", "moe"):
        mine = [run for run in runs if calibration.family_of(run.model) == family]
        by_gpu += _held_out_tables(family, mine, options.peer, coverage)
    print("\nnever fitted\n" + HEADER)
    for label in sorted({label for label, _ in never_fitted}):
        _line("", label, score(np.array([ratio for name, ratio in never_fitted if name == label])))
    print("\nmeasured rates within the 90 % interval that all other groups give, %")
    print(*coverage, sep="\n")
    print(_ranking(by_gpu))
    print("\nAMD, of which today's engines, and 16-bit ones of 2024\n" + HEADER)
    _amd(amd)
    print("\nby engine, shipped constants: rows, median estimated / measured, % in the interval")
    print(*engines, sep="\n")
    print(f"\nfitted and scored in {time.perf_counter() - started:.0f} s")
    print(_speed(facts))


def _catalogs(source: Path | None, scratch: str) -> Path:
    if source is None:
        return CATALOGS
    profiles.build(source, Path(scratch))
    return Path(scratch)


def _held_out_tables(
    family: str, runs: list[Run], peer: Path | None, coverage: list[str]
) -> tuple[Part, ...]:
    """Print every test of a family, note what its intervals cover, and return the parts by GPU."""
    fitted, table = fit(runs), Table(runs)
    constants = table.constants(fitted)
    _line(family, "in sample: rate", score(table.rate_ratio(constants)))
    _line(family, "in sample: TPOT", score(_stated(table.tpot_ratio(constants))))
    if peer is not None:
        theirs = json.loads(peer.read_text(encoding="utf-8"))[f"fitted_{family}_nvidia"]
        found = _peer_ratio(table, table.batch(constants), theirs)
        _line(family, "peer's constants, in its sample: rate", score(found))
    parts_of = {test: held_out(runs, test) for test in KEYS}
    for test, parts in parts_of.items():
        for of, label in (("rate", test), ("tpot", f"TPOT, {test}"), ("ttft", f"TTFT, {test}")):
            _pooled_and_parts(family, label, scores(parts, of))
        _pooled_and_parts(family, f"SLO-limited, {test}", scores(parts, "slo"))
        if test == "leave-one-gpu-out":
            _by_model(parts)
        for asked, of in zip(calibration.ASKED, ("rate", "slo"), strict=True):
            found_spread = spread(distances(parts, of), COVERED_PCT[family][asked])
            low, high = found_spread.low, found_spread.high
            row = f"{family:7}{test + ', ' + asked:50}{found_spread.rows:6}{found_spread.covered_pct:8.1f}"
            coverage.append(f"{row}   {low:.2f} to {high:.2f} x the estimate")
    return parts_of["leave-one-gpu-out"]


def _by_model(parts: Iterable[Part]) -> None:
    """Rate errors of held-out GPUs, by model."""
    found: dict[str, list[float]] = {}
    for part in parts:
        table = Table(part.runs)
        for run, ratio in zip(
            part.runs, table.rate_ratio(table.constants(part.fitted)).tolist(), strict=True
        ):
            found.setdefault(run.model.id, []).append(ratio)
    for name, values in sorted(found.items()):
        _line("", "  by model: " + name, score(np.array(values)))


def _pooled_and_parts(family: str, test: str, found: dict[str, Score]) -> None:
    if not found:
        return
    _line(family, test, found["(pooled)"])
    for name, each in found.items():
        if name != "(pooled)":
            _line("", "  " + name.replace("aic-silicon-sample", "aic"), each)


def _line(family: str, label: str, found: Score) -> None:
    numbers = f"{found.rows:6}{found.median_abs_pct:10.1f}{found.p90_abs_pct:8.1f}{found.median_ratio:7.2f}"
    print(f"{family:7}{label[:43]:44}{numbers}")


def _stated(found: Floats) -> Floats:
    return found[~np.isnan(found)]


def _peer_ratio(table: Table, batch: Floats, c: dict[str, float]) -> Floats:
    """Rate by the peer's equations: weights or arithmetic, whichever takes longer; our memory arithmetic."""
    work, bits = table.work, np.asarray(table.work.bits)
    t = np.asarray(work.tensor_parallel)
    flops = t * work.flop_per_s * np.select([bits == 16, bits == 8], [c["mfu16"], c["mfu8"]], c["mfu4"])
    bandwidth = work.bytes_per_s * c["mbu"]

    def comm(tokens: Any) -> Floats:
        moved = tokens * work.hidden * 4 * (t - 1) / t / (work.link_bytes_per_s * c["le"])
        seconds = 2 * work.layers * (np.where(work.through_host, c["a1"], c["a0"]) * 1e-6 + moved)
        return np.where(t > 1, seconds, 0.0)

    weights = work.other_bytes + work.expert_bytes * (1 - np.power(work.idle_share, batch))
    step = np.maximum(weights / bandwidth, work.flop_per_token * batch / flops)
    step = step + batch * (table.tokens_in + table.tokens_out / 2) * work.kv_bytes / bandwidth
    step = step + comm(batch) + c["c0"] * 1e-3 + batch * c["c1"] * 1e-6
    flop = work.flop_per_token * table.tokens_in + work.prefill_flop_per_token2 * table.tokens_in**2
    prefill = flop / flops + comm(table.tokens_in)
    return np.asarray(batch / (table.tokens_out * step + batch * prefill) / table.measured_rate)


def _never_fitted(catalogs: Path, facts: Facts) -> Iterator[tuple[str, float]]:
    """MLPerf closed on NVIDIA, whole submissions at their best degree; open streams of TensorRT-LLM 0.14;
    older models."""
    known = calibration.load()
    yield from _older_models(read_never_fitted(catalogs, facts), known)
    for row in measured_rows(catalogs):
        chip, model = facts.accelerators.get(row["accelerator"]), facts.models.get(row["model"])
        if chip is None or model is None or chip.vendor != "nvidia" or not row["requests_per_s"]:
            continue
        size = np.array([[row["input_tokens"] or 0.0, row["output_tokens"] or 0.0]])
        if row["load_mode"] == "rate":
            engine = Engine.named(row["engine"], row["engine_version"], row["date"])
            replica = Replica(model, row["precision"], chip, Shape(row["tensor_parallel"]), engine)
            yield from _open_stream(row, Deployment(replica), size)
        elif (
            row["source_id"].startswith("mlperf") and "closed" in (row["flags"] or "") and row["input_tokens"]
        ):
            if row["model"] not in MLPERF_MODELS or row["load_mode"] not in (
                "offline-saturation",
                "server-slo",
            ):
                continue
            narrow = "fp8" if chip.fp8_dense_tflops else "bf16"
            precision = "fp4" if chip.fp4_dense_tflops else narrow
            limit, mode = np.array([row["slo_tpot_ms"] or 1.0]), LoadMode(row["load_mode"])
            best = 0.0
            for degree in memory.valid_tensor_parallel(model, min(row["accelerators"], MOST_ACCELERATORS)):
                replicas = row["accelerators"] // degree
                replica = Replica(model, precision, chip, Shape(degree), kv_precision="fp8")
                tried = Deployment(replica, replicas, tuned=True)
                if refusal(replica, known) is None:
                    found = estimate(tried, mode, size, limit, known)
                    best = max(best, float(np.nan_to_num(found.requests_per_s[0])))
            if best > 0:
                which = "offline" if mode is LoadMode.SATURATED else "server"
                yield f"MLPerf {which}, {model.id}", best / row["requests_per_s"]
                yield f"MLPerf {which}", best / row["requests_per_s"]


def _older_models(runs: Sequence[Run], known: calibration.Calibration) -> Iterator[tuple[str, float]]:
    table = Table(runs)
    effects = {key[2:]: effect for key, effect in known.effects.items() if key[:2] == ("nvidia", "dense")}
    found = table.rate_ratio(table.constants(Fitted(known.fitted["nvidia", "dense"], effects)))
    for run, ratio in zip(runs, found.tolist(), strict=True):
        yield "models of 2022-23", ratio
        yield f"models of 2022-23, {run.model.id}", ratio


def _open_stream(row: dict[str, Any], deployment: Deployment, size: Floats) -> Iterator[tuple[str, float]]:
    offered = np.array([row["request_rate_offered"]])
    found = estimate(deployment, LoadMode.OPEN, size, offered, calibration.load())
    which = "all at once" if np.isinf(offered[0]) else "open stream"
    yield f"{which}: rate", float(found.requests_per_s[0] / row["requests_per_s"])
    for name, estimated in (("tpot", found.tpot_ms[0]), ("ttft", found.ttft_ms[0])):
        measured = row[f"{name}_mean_ms"]
        if measured and not np.isnan(estimated):
            yield f"{which}: {name.upper()}", float(estimated / measured)


def _ranking(parts: Sequence[Part]) -> str:
    """Pairs of GPUs in the same test: is the faster one estimated so, each by constants without its rows?"""
    same: dict[tuple[object, ...], dict[str, list[tuple[float, float]]]] = {}
    known = calibration.load()
    spans: dict[str, tuple[float, float]] = {}
    for part in parts:
        table = Table(part.runs)
        found = table.rate_ratio(table.constants(part.fitted)).tolist()
        for run, ratio in zip(part.runs, found, strict=True):
            key = (
                shape_key(run.model), run.precision, run.engine, run.era, run.tensor_parallel, run.batch,
                run.input_tokens, run.output_tokens,
            )  # fmt: skip
            pair = run.requests_per_s, run.requests_per_s * ratio
            same.setdefault(key, {}).setdefault(run.accelerator.id, []).append(pair)
            family = calibration.family_of(run.model)
            held = known.spreads["nvidia", family, "accelerator", calibration.ASKED[0]]
            spans[shape_key(run.model)] = held.low, held.high
    told = right = ties = wrong = 0
    for test, chips in same.items():
        low, high = spans[str(test[0])]
        each = [tuple(np.median(np.array(pairs), axis=0)) for pairs in chips.values()]
        for (measured, guess), (other, other_guess) in itertools.combinations(each, 2):
            if max(measured, other) < APART * min(measured, other):
                continue
            told += 1
            agrees = (measured > other) == (guess > other_guess)
            right += agrees
            mine, theirs = (Interval(middle * low, middle * high) for middle in (guess, other_guess))
            ties += mine.overlaps(theirs)
            wrong += not agrees and not mine.overlaps(theirs)
    return (
        f"\nranking: {told} pairs of GPUs whose measured rates differ by 25 % or more; {right / told:.1%} in"
        f" the measured order; {ties / told:.1%} a tie (intervals overlap), {wrong / told:.1%} wrong"
    )


def _bases() -> dict[str, calibration.Constants]:
    known = calibration.load()
    return {family: known.fitted["nvidia", family] for family in ("dense", "moe")}


def _amd(runs: Sequence[Run]) -> None:
    """Every test of AMD's constants, by what was held out, and what the intervals cover."""
    bases = _bases()
    early = [run for run in runs if estimator_amd.is_early(run)]
    for family, base in bases.items():
        mine = [run for run in runs if calibration.family_of(run.model) == family and run not in early]
        _line(family, "by NVIDIA's constants: rate", score(Table(mine).rate_ratio(base)))
        for chip in sorted({run.accelerator.id for run in mine}):
            own = Table([run for run in mine if run.accelerator.id == chip])
            slower = estimator_amd.slowed(mine, bases).of(base)
            _line("", f"  in sample: rate, {chip}", score(own.rate_ratio(slower)))
        _amd_tests(family, estimator_amd.parts_of(mine, bases))
    _amd_tests("2024", estimator_amd.parts_of(early, bases))
    for key, each in calibration.load().spreads.items():
        if key[0] != "nvidia":
            covered = f"{each.rows:6}{each.covered_pct:8.1f}"
            print(f"{' '.join(key):70}{covered}   {each.low:.2f} to {each.high:.2f} x the estimate")


def _amd_tests(family: str, parts: estimator_amd.Parts) -> None:
    for test, each in parts.items():
        for of, label in (("rate", test), ("tpot", f"TPOT, {test}"), ("slo", f"SLO-limited, {test}")):
            _pooled_and_parts(family, label, scores(each, of))


def _engines(catalogs: Path, facts: Facts) -> Iterator[str]:
    """Per engine, on NVIDIA: how far off, and how many in the interval of a chip and a model seen."""
    known = calibration.load()
    for engine in (*sorted(ENGINES), "Deepspeed-MII"):
        ratios, inside = [], []
        for run in read_runs(catalogs, facts, engines=frozenset({engine})):
            constants, (low, high) = known.constants(run.replica), known.interval(run.replica)
            ratio = float(Table([run]).rate_ratio(constants)[0])
            ratios.append(ratio)
            inside.append(low <= 1.0 / ratio <= high)
        found = f"{len(ratios):6}{float(np.median(ratios)):7.2f}{100.0 * float(np.mean(inside)):7.1f}"
        yield f"{engine:20}{found}"


def _speed(facts: Facts) -> str:
    """The product's load: 50 accelerators, 4 degrees, 60 sizes; and one question."""
    known = calibration.load()
    sizes = np.array([[i, o] for i in np.geomspace(10, 30_000, 10) for o in np.geomspace(10, 2_000, 6)])
    lines = []
    for name in ("Llama-3.1-70B", "DeepSeek-V3"):
        model = facts.models[name]
        chips = [
            chip
            for chip in facts.accelerators.values()
            if known.supports(Replica(model, "fp16", chip)) is None
        ]
        fifty = [chips[index % len(chips)] for index in range(50)]

        def matrix(model: Any = model, fifty: Any = fifty) -> None:
            for chip, tp in itertools.product(fifty, (1, 2, 4, 8)):
                Curve.of(Replica(model, "fp16", chip, Shape(tp)), sizes, known).within_tpot(60.0)

        def one(model: Any = model, chip: Any = chips[0]) -> None:
            Curve.of(Replica(model, "fp16", chip, Shape(2)), sizes[:1], known).within_tpot(60.0)

        whole, single = _best(matrix), _best(one) * 1e3
        lines.append(
            f"{name}: {whole:.3f} s for 50 accelerators x 4 degrees x 60 sizes; {single:.2f} ms for one"
        )
    return "\n".join(lines)


def _best(work: Any, times: int = 7) -> float:
    """Least wall seconds of some runs."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


if __name__ == "__main__":
    main()
