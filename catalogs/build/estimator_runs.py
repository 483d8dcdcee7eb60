"""The measured runs the estimator is fitted to, as nouns and as arrays."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from advisor.profiles import roofline
from advisor.profiles.calibration import levels
from advisor.profiles.curve import Curve
from advisor.profiles.engines import Engine
from advisor.profiles.equivalence import shape_key
from advisor.profiles.replica import Replica, Shape
from advisor.profiles.roofline import Effect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from advisor.catalog.facts import Facts
    from advisor.domain import Accelerator, Model
    from advisor.profiles.roofline import Constants, Floats, Work

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
NEVER_FITTED: Final = frozenset(
    {"Aquila-7B", "DeciLM-7B", "Llama-1-7B", "Qwen1.5-7B", "bloom-7b1", "opt-6.7b"}
)
"""Models of 2022 and 2023, measured in one source's static batches alone: kept to test the estimator on
models that nothing was fitted to."""

MOST_ACCELERATORS: Final = 8
"""Larger replicas are wide expert-parallel clusters, which one rented instance is not."""


@dataclass(frozen=True, slots=True)
class Run:
    """One measured row that the equations apply to."""

    source: str  #: source id and engine
    profile_id: str
    model: Model
    accelerator: Accelerator
    precision: str
    kv_precision: str
    engine: str
    era: str  #: of the engine: ``2024`` or ``2025``
    flags: str  #: as the source has them: runs of other flags are another deployment
    tensor_parallel: int
    input_tokens: float
    output_tokens: float
    batch: float | None  #: None for a saturated run
    requests_per_s: float
    tpot_ms: float | None  #: None for a static batch, which has no continuous load
    ttft_ms: float | None  #: likewise

    @property
    def replica(self) -> Replica:
        """What ran."""
        shape, engine = Shape(self.tensor_parallel), Engine(self.engine, self.era)
        return Replica(self.model, self.precision, self.accelerator, shape, engine, self.kv_precision)

    @property
    def levels(self) -> tuple[tuple[str, str], ...]:
        """What may scale the constants of this run."""
        return levels(self.engine, self.era, shape_key(self.model), self.accelerator.id)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Constants of one family, and what scales them."""

    constants: Constants
    effects: Mapping[tuple[str, str], Effect]  #: by what and which; what is not here scales nothing

    def of(self, run: Run) -> Constants:
        """The constants of one run."""
        effect = Effect()
        for level in run.levels:
            effect = effect * self.effects.get(level, Effect())
        return self.constants.scaled(effect)


class Table:
    """Runs as arrays, and what constants make of them."""

    def __init__(self, runs: Sequence[Run], source_power: float = 0.25) -> None:
        """``source_power``: a row of a source of n rows weighs n to the minus twice this power."""
        self.runs = tuple(runs)
        works = [run.replica.work() for run in runs]
        self.work: Work = roofline.Work(
            **{f.name: np.array([getattr(w, f.name) for w in works]) for f in fields(roofline.Work)}
        )
        self.tokens_in = np.array([run.input_tokens for run in runs])
        self.tokens_out = np.array([run.output_tokens for run in runs])
        self.measured_rate = np.array([run.requests_per_s for run in runs])
        self.measured_tpot = np.array([(run.tpot_ms or np.nan) * 1e-3 for run in runs])
        self.measured_ttft = np.array([(run.ttft_ms or np.nan) * 1e-3 for run in runs])
        self._room: Floats = np.array([in_memory(run) for run in runs])
        self._asked = np.array([np.nan if run.batch is None else run.batch for run in runs])
        counts = Counter(run.source for run in runs)
        self.weight = np.array([counts[run.source] ** -source_power for run in runs])

    def batch(self, constants: Constants) -> Floats:
        """Requests in flight: as many as asked for, or as a saturated engine holds, and memory."""
        asked = np.where(np.isnan(self._asked), constants.saturated_sequences, self._asked)
        return np.maximum(np.minimum(asked, self._room), 1.0)

    def rate_ratio(self, constants: Constants) -> Floats:
        """Estimated over measured request rate."""
        return np.asarray(self.curve(constants).rate_per_s(self.batch(constants)) / self.measured_rate)

    def tpot_ratio(self, constants: Constants) -> Floats:
        """Estimated over measured TPOT; NaN where none is stated."""
        return np.asarray(self.curve(constants).tpot_s(self.batch(constants)) / self.measured_tpot)

    def ttft_ratio(self, constants: Constants) -> Floats:
        """Estimated over measured TTFT; NaN where none is stated."""
        return np.asarray(self.curve(constants).ttft_s(self.batch(constants)) / self.measured_ttft)

    def curve(self, constants: Constants) -> Curve:
        """Every run's, one element each; memory is :meth:`batch`'s concern."""
        return Curve(self.work, constants, 0, self.tokens_in, self.tokens_out)

    def constants(self, fitted: Fitted) -> Constants:
        """The constants of every run: arrays in the place of numbers, which the equations do not notice."""
        each = [[fitted.effects.get(level, Effect()) for level in run.levels] for run in self.runs]
        time: Any = np.array([np.prod([effect.time for effect in mine]) for mine in each])
        overhead: Any = np.array([np.prod([effect.overhead for effect in mine]) for mine in each])
        return fitted.constants.scaled(Effect(time, overhead))


def read_runs(
    catalogs: Path, facts: Facts, vendor: str = "nvidia", engines: frozenset[str] = ENGINES
) -> list[Run]:
    """Every measured row of a vendor's chips that constants are fitted to and whose model fits in memory."""
    return [run for run in _runs(catalogs, facts, vendor, engines) if run.model.id not in NEVER_FITTED]


def read_never_fitted(catalogs: Path, facts: Facts, vendor: str = "nvidia") -> list[Run]:
    """The rows like those of :func:`read_runs` of models nothing is fitted to."""
    return [run for run in _runs(catalogs, facts, vendor, ENGINES) if run.model.id in NEVER_FITTED]


def _runs(catalogs: Path, facts: Facts, vendor: str, engines: frozenset[str]) -> Iterator[Run]:
    for row in measured_rows(catalogs):
        run = _run(row, facts, engines)
        if run is None or run.accelerator.vendor != vendor:
            continue
        if fits(run):
            yield run


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


def fits(run: Run) -> bool:
    """Whether one request of a run fits in its replica's KV cache."""
    room = run.replica.memory()
    return bool(room.window.kept(run.input_tokens + run.output_tokens) <= room.max_tokens)


def in_memory(run: Run) -> float:
    """Requests of a run that its replica's KV cache holds."""
    room = run.replica.memory()
    return float(room.max_tokens / room.window.kept(run.input_tokens + run.output_tokens / 2.0))


def _run(row: dict[str, Any], facts: Facts, engines: frozenset[str]) -> Run | None:
    """A row as a run, or None where the equations do not apply or the row is not to be trusted."""
    model, accelerator = facts.models.get(row["model"]), facts.accelerators.get(row["accelerator"])
    if model is None or accelerator is None or row["engine"] not in engines:
        return None
    if row["load_mode"] not in LOAD_MODES or any(flag in (row["flags"] or "") for flag in LEFT_OUT_FLAGS):
        return None
    one_replica = row["tensor_parallel"] == row["accelerators"] and row["pipeline_parallel"] == 1
    if not one_replica or row["accelerators"] > MOST_ACCELERATORS:
        return None
    if row["requests_per_s"] is None or row["input_tokens"] is None or row["output_tokens"] is None:
        return None
    closed_loop = row["load_mode"] == "concurrency"
    engine = Engine.named(row["engine"], row["engine_version"], row["date"])
    return Run(
        source=f"{row['source_id']} {row['engine']}",
        profile_id=row["profile_id"],
        model=model,
        accelerator=accelerator,
        precision=_precision(row),
        kv_precision=row["kv_precision"] or engine.kv_precision(_precision(row)),
        engine=row["engine"],
        era=engine.era,
        flags=row["flags"] or "",
        tensor_parallel=row["tensor_parallel"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        batch=None if row["load_mode"] == "offline-saturation" else row["concurrency"],
        requests_per_s=row["requests_per_s"],
        tpot_ms=row["tpot_mean_ms"] if closed_loop else None,
        ttft_ms=row["ttft_mean_ms"] if closed_loop else None,
    )


def _precision(row: dict[str, Any]) -> str:
    """Blank means 16-bit: the one source that leaves it out names every narrower format."""
    return row["precision"] or "bf16"
