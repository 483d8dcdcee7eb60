"""AMD's constants: NVIDIA's, slowed by as much as AMD's measured runs say.

Too few AMD runs are at hand to fit a dozen constants: seven models on four chips, a third of them whole
submissions. So everything takes one factor as long as NVIDIA's constants say, a factor per family: the mean
over sources of each source's median, in the logarithm, so that no source decides alone.

16-bit serving of 2024 is apart (``EARLY``): one source, whose engine reached a tenth of the arithmetic that
it reached on NVIDIA's chips. There a second factor is fitted, of 16-bit arithmetic; both families share the
two, since one mixture of experts alone could not be held out.

Unlike NVIDIA's, AMD's constants see MLPerf's offline rows: no other run of MI325X and MI355X is known here.
A whole submission counts as replicas of the degree that serves best, in the narrowest precision its chip
computes in. ``amd_runs.csv`` beside this file adds the latency tables of ROCm/vllm docs/dev-docker/README.md
(commits b309ea79 and 040de12d, Apache-2.0; a rate is batch over latency) and the DeepSeek-R1 runs of
dstackai/benchmarks Deepseek-R1/raw_data (commit 7f37e669, no licence stated; at most 256 requests at once),
and six of sgl-project/sglang docs_new (MiniMax-M2.7 05751c8d, Kimi-K2.6 0297fc67, Apache-2.0), whose random
lengths up to 1,000 count as their mean and whose rates are tokens per second over it; both models have the
shape of the version this catalog names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import least_squares

from advisor.profiles import memory
from advisor.profiles.calibration import ASKED, UNSEEN, Spread, family_of
from advisor.profiles.engines import OLD, Engine, era_of
from advisor.profiles.roofline import Effect, arithmetic
from catalogs.build.estimator_held_out import KEYS, STRETCHES, TEST_OF, distances, held_out
from catalogs.build.estimator_runs import (
    MOST_ACCELERATORS,
    Fitted,
    Run,
    Table,
    fits,
    measured_rows,
    read_runs,
)
from catalogs.build.source import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from advisor.catalog.facts import Facts
    from advisor.profiles.roofline import Constants, Floats
    from catalogs.build.estimator_held_out import Part

GENERATIONS: Final = ("CDNA3", "CDNA4")
"""MI300X and later. Rows of an MI250 do not say whether they count its two dies as one device or two."""

TODAY: Final = "amd"
EARLY: Final = f"amd {OLD} 16-bit"
EXTRA: Final = Path(__file__).resolve().parent / "amd_runs.csv"
COVERED_PCT: Final = 90.0
Parts = dict[str, tuple["Part", ...]]
"""By test."""


@dataclass(frozen=True, slots=True)
class Slowed:
    """How many times as long as by NVIDIA's constants."""

    time: float  #: everything takes
    arithmetic_16: float = 1.0  #: 16-bit arithmetic takes, besides

    def of(self, base: Constants) -> Constants:
        """NVIDIA's constants, slowed."""
        slower = base.scaled(Effect(self.time))
        return replace(slower, mfu_16=slower.mfu_16 / self.arithmetic_16)


def read_amd_runs(catalogs: Path, facts: Facts, bases: Mapping[str, Constants]) -> list[Run]:
    """Every AMD run that the constants may rest on; of a whole submission, one of its replicas."""
    measured = [run for run in read_runs(catalogs, facts, "amd") if run.accelerator.family in GENERATIONS]
    return [*measured, *_extra(facts), *_submissions(catalogs, facts, bases)]


def is_early(run: Run) -> bool:
    """Whether a run is of the 16-bit engines of 2024."""
    return run.era == OLD and arithmetic(run.precision, run.accelerator)[0] == 16


def slowed(runs: Sequence[Run], bases: Mapping[str, Constants]) -> Slowed:
    """What runs of either kind say; early ones of both families together."""
    if not is_early(runs[0]):
        return Slowed(float(np.exp(np.mean([np.median(each) for each in _by_source(runs, bases)]))))
    tables = [
        (Table(mine), bases[family])
        for family in bases
        if (mine := [run for run in runs if family_of(run.model) == family])
    ]

    def residuals(x: Floats) -> Floats:
        found = Slowed(*np.exp(x))
        return np.concatenate([np.log(table.rate_ratio(found.of(base))) for table, base in tables])

    return Slowed(*map(float, np.exp(least_squares(residuals, [0.7, 1.0], loss="soft_l1", f_scale=0.2).x)))


def parts_of(runs: Sequence[Run], bases: Mapping[str, Constants]) -> Parts:
    """Every test that has two groups or more; a part's constants are of its first run's family."""

    def fitted(rest: Sequence[Run], mine: Sequence[Run]) -> Fitted:
        return Fitted(slowed(rest, bases).of(bases[family_of(mine[0].model)]), {})

    return {test: held_out(runs, test, fitted) for test, key in KEYS.items() if len(set(map(key, runs))) > 1}


def spreads(
    parts: Parts, nvidia: Mapping[tuple[str, str], Spread], family: str
) -> dict[tuple[str, str], Spread]:
    """Intervals by what was unseen and what is asked.

    A test without two groups has the interval of the test nearest to it, widened in the logarithm as
    NVIDIA's is between the two; so has a dense model's rate within a TPOT limit, which no AMD sweep tells: as
    NVIDIA's on a chip it had not seen. Mixtures within a limit have none: so made it held 15 of 22 points.
    """
    at_load = ASKED[0]
    known = {
        unseen: spread_either_way(distances(parts[test])) for unseen, test in TEST_OF.items() if test in parts
    }
    for unseen in UNSEEN:
        if unseen not in known:
            near = known["shape"]
            known[unseen] = _widened(near, nvidia["shape", at_load], nvidia[unseen, at_load])
    loaded = {(unseen, at_load): known[unseen] for unseen in UNSEEN}
    if family == "moe":
        return loaded
    limit = partial(_widened, of=nvidia["accelerator", at_load], to=nvidia["accelerator", ASKED[1]])
    return loaded | {(unseen, ASKED[1]): limit(known[unseen]) for unseen in UNSEEN}


def spread_either_way(groups: Mapping[str, Floats]) -> Spread:
    """The interval of log(measured / estimated), as far up as down.

    With three to seven groups, on which side the next one falls is chance. It reaches as far as nine in ten
    rows lie, stretched until as many lie within what all groups but their own say.
    """
    far = {name: np.abs(found) for name, found in groups.items()}
    reach = {name: _nine_in_ten([found for other, found in far.items() if other != name]) for name in far}
    rows = sum(map(len, far.values()))

    def covered_pct(stretch: float) -> float:
        return 100.0 * sum(int((far[name] <= stretch * reach[name]).sum()) for name in far) / rows

    stretch = next((each for each in STRETCHES if covered_pct(each) >= COVERED_PCT), STRETCHES[-1])
    end = stretch * _nine_in_ten(list(far.values()))
    return Spread(rows, float(np.exp(-end)), float(np.exp(end)), round(covered_pct(stretch), 1))


def _nine_in_ten(far: Sequence[Floats]) -> float:
    return float(np.quantile(np.concatenate(far), 0.9))


def _widened(narrow: Spread, of: Spread, to: Spread) -> Spread:
    """A spread made as much wider as ``to`` is than ``of`` at the end where it is most; never narrower."""
    ends = ((to.low, of.low), (to.high, of.high))
    power = max(1.0, *(float(np.log(wide) / np.log(thin)) for wide, thin in ends))
    return replace(narrow, low=narrow.low**power, high=narrow.high**power)


def _by_source(runs: Sequence[Run], bases: Mapping[str, Constants]) -> Iterator[Floats]:
    """log(estimated / measured) by NVIDIA's constants, per source."""
    for source in sorted({run.source for run in runs}):
        mine = [run for run in runs if run.source == source]
        yield np.log(Table(mine).rate_ratio(bases[family_of(mine[0].model)]))


def _extra(facts: Facts) -> Iterator[Run]:
    for row in read_rows(EXTRA):
        cells, closed = row.cells, row.cells["load_mode"] == "concurrency"
        ttft, tpot = (
            float(cells[name]) if cells[name] else None for name in ("ttft_mean_ms", "tpot_mean_ms")
        )
        yield Run(
            source=f"{cells['source_id']} {cells['engine']}",
            profile_id=f"{cells['source_id']} {cells['engine']}-{cells['engine_version']} {cells['model']}",
            model=facts.models[cells["model"]],
            accelerator=facts.accelerator(cells["gpu"]),
            precision=cells["precision"],
            kv_precision=cells["kv_precision"] or Engine(cells["engine"]).kv_precision(cells["precision"]),
            engine=cells["engine"],
            era=era_of(cells["engine"], cells["engine_version"], cells["date"]),
            flags="",
            tensor_parallel=int(cells["tp"]),
            input_tokens=float(cells["input_tokens"]),
            output_tokens=float(cells["output_tokens"]),
            batch=float(cells["concurrency"]),
            requests_per_s=float(cells["requests_per_s"]),
            tpot_ms=tpot if closed else None,
            ttft_ms=ttft if closed else None,
        )


def _submissions(catalogs: Path, facts: Facts, bases: Mapping[str, Constants]) -> Iterator[Run]:
    """MLPerf's offline rows."""
    for row in measured_rows(catalogs):
        chip, model = facts.accelerators.get(row["accelerator"]), facts.models.get(row["model"])
        offline = row["source_id"].startswith("mlperf") and row["load_mode"] == "offline-saturation"
        if not offline or chip is None or model is None or chip.family not in GENERATIONS:
            continue
        if not (row["requests_per_s"] and row["input_tokens"] and row["output_tokens"]):
            continue
        precision = "fp4" if chip.fp4_dense_tflops else "fp8"
        engine = row["engine"] or "unstated"
        whole = Run(
            f"{row['source_id']} {engine.split(' ')[0]}", row["profile_id"], model, chip, precision, "fp8",
            engine, era_of(engine, row["engine_version"], row["date"]), row["flags"] or "",
            row["accelerators"], row["input_tokens"], row["output_tokens"], None, row["requests_per_s"],
            None, None,
        )  # fmt: skip
        yield from _best_replica(whole, bases[family_of(model)])


def _best_replica(whole: Run, base: Constants) -> Iterator[Run]:
    """One replica of a submission at the degree that serves best; none where no degree holds a request."""
    tried = []
    for degree in memory.valid_tensor_parallel(whole.model, min(whole.tensor_parallel, MOST_ACCELERATORS)):
        replicas = whole.tensor_parallel // degree
        run = replace(whole, tensor_parallel=degree, requests_per_s=whole.requests_per_s / replicas)
        if fits(run):
            tried.append((float(Table([run]).rate_ratio(base)[0]), degree, run))
    if tried:
        yield max(tried, key=lambda one: one[:2])[2]
