"""Fits the constants of the analytical estimator to measured runs: ``catalogs/profiles/estimator.toml``.

Runs after the facts and the profiles: it reads ``measured.parquet``, ``models.csv`` and ``accelerators.toml``
of the catalogs folder. A run predicts its request rate and, where one is stated, its mean TPOT. Residuals are
log ratios under a robust loss (soft L1), so one bad table cannot pull the fit; a source's rows together weigh
as the square root of their number, so the largest does not decide alone; a constant the rows do not identify
stays where it starts. MLPerf rows are never fitted. Deterministic: fixed start, no random numbers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.optimize import least_squares

from advisor.catalog.facts import load_facts
from advisor.profiles import memory, roofline
from advisor.profiles.calibration import Constants, family_of
from catalogs.build.source import write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from advisor.catalog.facts import Facts
    from advisor.domain import Accelerator, Model
    from advisor.profiles.roofline import Floats, Quantity, Work

ENGINES: Final = frozenset({"vLLM", "TensorRT-LLM", "SGLang", "TGI", "NIM(TensorRT-LLM)"})
LOAD_MODES: Final = frozenset({"concurrency", "static-batch", "offline-saturation"})
LEFT_OUT_FLAGS: Final = (
    "suspect",
    "outlier",
    "inconsistent",
    "attn-dp",
    "source-throughput-differs",
    "precision-assumed",
    "mlperf",
)
MOST_ACCELERATORS: Final = 8
"""Larger replicas are wide expert-parallel clusters, which one rented instance is not."""
SATURATED_SEQUENCES: Final = 2048.0
"""What a saturated table may have held at once: TensorRT-LLM's default ``max_batch_size``."""
MAX_SEQUENCES: Final = 512.0
"""Largest closed-loop batch on at most eight accelerators among the fitted runs; the product stops there."""
TPOT_WEIGHT: Final = 0.5
"""Of a TPOT residual against the same run's rate residual: the two are not independent."""
ROBUST_FROM: Final = 0.1
"""Log ratio from which a residual counts linearly."""
PRIOR_WEIGHT: Final = 0.2
"""Pull of a constant towards its start per natural-log unit; a source of 1,000 rows weighs about 32."""

BOUNDS: Final[dict[str, tuple[float, float, float]]] = {  # start (textbook values), least, most
    "mfu_16": (0.60, 0.2, 0.95),
    "mfu_8": (0.50, 0.2, 0.95),
    "mfu_4": (0.35, 0.1, 0.95),
    "mbu": (0.75, 0.4, 0.95),
    "step_ms": (2.0, 0.05, 10.0),
    "sequence_us": (10.0, 0.1, 150.0),
    "link_share": (0.60, 0.1, 0.95),
    "allreduce_us_fast": (12.0, 0.5, 120.0),
    "allreduce_us_slow": (40.0, 1.0, 600.0),
}


@dataclass(frozen=True, slots=True)
class Run:
    """One measured row that the equations apply to."""

    source: str  #: source id and engine
    profile_id: str
    model: Model
    accelerator: Accelerator
    precision: str
    kv_precision: str
    tensor_parallel: int
    input_tokens: float
    output_tokens: float
    batch: float | None  #: None for a saturated run
    requests_per_s: float
    tpot_ms: float | None  #: None for a static batch, which has no continuous load


class Table:
    """Runs as arrays, and what constants make of them."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = tuple(runs)
        works = [_work(run) for run in runs]
        self.work: Work = roofline.Work(
            **{f.name: np.array([getattr(w, f.name) for w in works]) for f in fields(roofline.Work)}
        )
        self.tokens_in = np.array([run.input_tokens for run in runs])
        self.tokens_out = np.array([run.output_tokens for run in runs])
        self.measured_rate = np.array([run.requests_per_s for run in runs])
        self.measured_tpot = np.array([(run.tpot_ms or np.nan) * 1e-3 for run in runs])
        room = np.array([_room(run) for run in runs]) / (self.tokens_in + self.tokens_out / 2.0)
        asked = np.array([run.batch or SATURATED_SEQUENCES for run in runs])
        self.batch = np.maximum(np.minimum(asked, room), 1.0)
        counts = Counter(run.source for run in runs)
        self.weight = np.array([counts[run.source] ** -0.25 for run in runs])  # squared and summed: √rows

    def rate_ratio(self, constants: Constants) -> Floats:
        """Estimated over measured request rate."""
        return self._over(roofline.rate_per_s, constants, self.measured_rate)

    def tpot_ratio(self, constants: Constants) -> Floats:
        """Estimated over measured TPOT; NaN where none is stated."""
        return self._over(roofline.tpot_s, constants, self.measured_tpot)

    def _over(self, equation: Any, constants: Constants, measured: Floats) -> Floats:
        estimated: Quantity = equation(self.work, constants, self.batch, self.tokens_in, self.tokens_out)
        return np.asarray(estimated / measured)


@dataclass(frozen=True, slots=True)
class Score:
    """How a set of ratios (estimated over measured) looks."""

    rows: int
    median_abs_pct: float
    p90_abs_pct: float
    median_ratio: float


def score(ratios: Floats) -> Score:
    """Median and 90th percentile of |ratio − 1| in percent, and the median ratio."""
    error = np.abs(ratios - 1.0) * 100.0
    p50, p90 = (round(float(np.percentile(error, q)), 1) for q in (50, 90))
    return Score(len(ratios), p50, p90, round(float(np.median(ratios)), 2))


def read_runs(catalogs: Path, facts: Facts, vendor: str = "nvidia") -> list[Run]:
    """Every measured row of a vendor's chips that the equations apply to and whose model fits in memory."""
    return [
        run
        for row in measured_rows(catalogs)
        if (run := _run(row, facts)) is not None
        and run.accelerator.vendor == vendor
        and _room(run) >= run.input_tokens + run.output_tokens
    ]


def measured_rows(catalogs: Path) -> Iterator[dict[str, Any]]:
    """Rows of ``measured.parquet`` in a fixed order."""
    import duckdb

    path = str(catalogs / "profiles" / "measured.parquet")
    with duckdb.connect(config={"threads": 1}) as connection:
        found = connection.execute("SELECT * FROM read_parquet(?) ORDER BY ALL", [path])
        names = [column[0] for column in found.description or ()]
        rows = found.fetchall()
    for row in rows:
        yield dict(zip(names, row, strict=True))


def fit(table: Table) -> Constants:
    """Constants that fit a table best, under the loss of the module's docstring."""
    start, least, most = (np.log([limits[i] for limits in BOUNDS.values()]) for i in range(3))
    stated = ~np.isnan(table.measured_tpot)

    def residuals(x: Floats) -> Floats:
        constants = _constants(x)
        rate = np.log(table.rate_ratio(constants)) * table.weight
        tpot = np.log(table.tpot_ratio(constants)[stated]) * table.weight[stated] * TPOT_WEIGHT
        return np.concatenate([rate, tpot, PRIOR_WEIGHT * (x - start)])

    found = least_squares(residuals, start, bounds=(least, most), loss="soft_l1", f_scale=ROBUST_FROM)
    return _constants(found.x)


KEYS: Final[dict[str, Callable[[Run], str]]] = {
    "leave-one-gpu-out": lambda run: run.accelerator.id,
    "leave-one-model-out": lambda run: run.model.id,
    "leave-one-source-out": lambda run: run.source,
}


def held_out(runs: Sequence[Run], test: str) -> dict[str, tuple[list[Run], Constants]]:
    """For every value of the test's key: its runs, and constants fitted without them."""
    key = KEYS[test]
    values = sorted({key(run) for run in runs})
    split = {value: [run for run in runs if key(run) == value] for value in values}
    return {
        value: (mine, fit(Table([run for run in runs if key(run) != value]))) for value, mine in split.items()
    }


def rate_scores(parts: dict[str, tuple[list[Run], Constants]]) -> dict[str, Score]:
    """Rate error at the measured batch, per part and pooled."""
    return _scores({name: Table(mine).rate_ratio(constants) for name, (mine, constants) in parts.items()})


def slo_scores(parts: dict[str, tuple[list[Run], Constants]]) -> dict[str, Score]:
    """Error of the largest rate within a TPOT limit, per part and pooled: what a plan rests on."""
    ratios = {name: np.array(list(_slo_ratios(mine, constants))) for name, (mine, constants) in parts.items()}
    return _scores({name: found for name, found in ratios.items() if len(found)})


SLO_LIMITS_MS: Final = (20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 120.0, 150.0, 200.0)


def sweeps(runs: Iterable[Run]) -> list[list[Run]]:
    """Closed-loop runs of one configuration and size at two loads or more, by rising TPOT."""
    groups: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        if run.batch is not None and run.tpot_ms is not None:
            key = (run.profile_id, run.kv_precision, run.input_tokens, run.output_tokens)
            groups.setdefault(key, []).append(run)
    ordered = [sorted(group, key=lambda run: (run.tpot_ms, run.batch)) for group in groups.values()]
    return [group for group in ordered if len(group) > 1]


def build(source: Path, catalogs: Path) -> None:
    """Write ``profiles/estimator.toml`` from what the folder already holds; ``source`` is not read."""
    facts = load_facts(catalogs)
    runs = read_runs(catalogs, facts)
    write_text(catalogs / "profiles" / "estimator.toml", render(runs))


def render(runs: Sequence[Run]) -> str:
    """The text of estimator.toml: constants, then errors on held-out rows."""
    lines = [_HEADER]
    families = {name: [run for run in runs if family_of(run.model) == name] for name in ("dense", "moe")}
    for family, mine in families.items():
        constants = fit(Table(mine))
        lines.append(f"[constants.nvidia.{family}]  # {len(mine)} rows")
        lines += [f"{f.name} = {_number(getattr(constants, f.name))}" for f in fields(Constants)]
        lines.append("")
    for family, mine in families.items():
        for test in KEYS:
            parts = held_out(mine, test)
            lines += _error_lines(test, family, rate_scores(parts))
            if test == "leave-one-gpu-out":
                lines += _error_lines("slo-limited, leave-one-gpu-out", family, slo_scores(parts))
    return "\n".join(lines)


_HEADER: Final = """\
# Constants of the analytical estimator (advisor/profiles/roofline.py has the equations) and how wrong it is.
# Written by catalogs/build/estimator.py from measured.parquet; do not edit. Shares are of peak figures.
# errors: estimated against measured on rows the constants had not seen. slo-limited: the largest rate within
# a mean TPOT limit, interpolated in measured sweeps; the other tests: the rate at the measured batch.
version = "roofline-1"
source = "fitted on measured.parquet: NVIDIA, up to 8 accelerators, without MLPerf and flagged rows"
"""


def _error_lines(test: str, family: str, scores: dict[str, Score]) -> list[str]:
    lines = []
    for name, found in scores.items():
        rows, median, p90, ratio = astuple(found)
        lines += [
            "[[errors]]",
            f'test = "{test}"',
            'vendor = "nvidia"',
            f'family = "{family}"',
            f'held_out = "{name}"',
            f"rows = {rows}",
            f"median_abs_pct = {median}",
            f"p90_abs_pct = {p90}",
            f"median_ratio = {ratio}",
            "",
        ]
    return lines


def _scores(ratios: dict[str, Floats]) -> dict[str, Score]:
    return {name: score(found) for name, found in ratios.items()} | {
        "(pooled)": score(np.concatenate(list(ratios.values())))
    }


def _slo_ratios(runs: Sequence[Run], constants: Constants) -> Iterator[float]:
    for sweep in sweeps(runs):
        tpots = [run.tpot_ms or 0.0 for run in sweep]
        rates = np.maximum.accumulate([run.requests_per_s for run in sweep])
        run, size = sweep[0], np.array([[sweep[0].input_tokens, sweep[0].output_tokens]])
        for limit in SLO_LIMITS_MS:
            if tpots[0] <= limit <= tpots[-1]:
                found = roofline.rates_within(_work(run), constants, _room(run), size, limit)
                yield float(found.requests_per_s[0] / np.interp(limit, tpots, rates))


def _run(row: dict[str, Any], facts: Facts) -> Run | None:
    """A row as a run, or None where the equations do not apply or the row is not to be trusted."""
    model, accelerator = facts.models.get(row["model"]), facts.accelerators.get(row["accelerator"])
    if model is None or accelerator is None or row["engine"] not in ENGINES:
        return None
    if row["load_mode"] not in LOAD_MODES or any(flag in (row["flags"] or "") for flag in LEFT_OUT_FLAGS):
        return None
    one_replica = row["tensor_parallel"] == row["accelerators"] and row["pipeline_parallel"] == 1
    if not one_replica or row["accelerators"] > MOST_ACCELERATORS:
        return None
    if row["requests_per_s"] is None or row["input_tokens"] is None or row["output_tokens"] is None:
        return None
    saturated = row["load_mode"] == "offline-saturation"
    return Run(
        source=f"{row['source_id']} {row['engine']}",
        profile_id=row["profile_id"],
        model=model,
        accelerator=accelerator,
        precision=_precision(row),
        kv_precision=row["kv_precision"] or _unstated_kv_precision(row),
        tensor_parallel=row["tensor_parallel"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        batch=None if saturated else row["concurrency"],
        requests_per_s=row["requests_per_s"],
        tpot_ms=row["tpot_mean_ms"] if row["load_mode"] == "concurrency" else None,
    )


def _precision(row: dict[str, Any]) -> str:
    """Blank means 16-bit: the one source that leaves it out names every narrower format."""
    return row["precision"] or "bf16"


def _unstated_kv_precision(row: dict[str, Any]) -> str:
    """TensorRT-LLM's 8- and 4-bit recipes keep an 8-bit cache; the other engines' default is 16-bit."""
    narrow = _precision(row) in ("fp8", "fp4")
    return "fp8" if narrow and row["engine"] == "TensorRT-LLM" else "fp16"


def _work(run: Run) -> Work:
    return roofline.work_of(run.model, run.precision, run.accelerator, run.tensor_parallel, run.kv_precision)


def _room(run: Run) -> int:
    found = memory.fit(run.model, run.precision, run.accelerator, run.tensor_parallel, run.kv_precision)
    return found.max_tokens


def _constants(x: Floats) -> Constants:
    named = {name: float(value) for name, value in zip(BOUNDS, np.exp(x), strict=True)}
    return Constants(**named, max_sequences=MAX_SEQUENCES)


def _number(value: float) -> str:
    return f"{value:.4g}"
