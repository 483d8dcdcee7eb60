"""aiconfigurator, NVIDIA's simulator of serving engines, as an optional source of simulated profiles.

It computes latencies from its own measured operations, offline, for the models whose configuration ships
with it; for another, a local folder with ``config.json`` is named. What it finds is kept as a file in its own
columns and read by its importer, so that it becomes a profile like any other: it counts in a plan's inputs,
and no plan depends on what happens to be installed. Imported only when asked for; a simulation that is on
disk needs no package.

Source: aiconfigurator 0.12.0 (Apache-2.0, code and data), ``aiconfigurator.cli.api.cli_estimate``, mode
``agg``, database mode SILICON: aggregated serving, a closed loop, one prompt's tokens of prefill per step.
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import os
import tempfile
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from advisor.errors import InputFileError, UnknownName, UsageError
from advisor.profiles.importers import aiconfigurator as importer
from advisor.profiles.importers.registry import read_file
from advisor.profiles.memory import precision_of
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from advisor.domain import Model
    from advisor.profiles.importers.reading import ImportedFile
    from advisor.profiles.replica import Replica

PACKAGE: Final = "aiconfigurator"
INSTALL: Final = "pip install 'llm-fleet-advisor[aiconfigurator]'"
_QUANTISATION: Final = {
    "bf16": "bfloat16",
    "fp16": "float16",
    "fp8": "fp8",
    "fp4": "nvfp4",
    "nvfp4": "nvfp4",
    "int8": "int8_wo",
    "int4": "int4_wo",
}
_KV: Final = "bfloat16"
_COLUMNS: Final = (
    *("model", "isl", "osl", "prefix", "concurrency", "seq/s", "tokens/s", "ttft", "tpot", "request_latency"),
    *("num_total_gpus", "tp", "pp", "dp", "gemm", "kvcache", "backend", "version", "system"),
)
_MEMORY_FULL: Final = "OOM"  # how its message starts when a batch does not fit
_STILL_RISING: Final = 1.01  # more requests in flight that gain less than this only wait
_LONGEST_COMPLAINT: Final = 300


@dataclass(frozen=True, slots=True)
class SimulatedSweep:
    """What to simulate, in aiconfigurator's words where it has its own."""

    model: str  #: publisher's repository name, as the file will say
    model_path: str  #: a name it knows, or a folder with ``config.json``
    mixture_of_experts: bool
    system: str
    backend: str
    quantisation: str
    tensor_parallel: int
    sizes: tuple[tuple[int, int], ...]  #: (input, output) tokens
    concurrencies: tuple[int, ...]  #: rising
    tpot_ms: float  #: a size ends with the first load beyond it, which is kept

    def fingerprint(self, version: str) -> str:
        """Of everything the result depends on."""
        return hashlib.sha256(repr((version, sorted(asdict(self).items()))).encode()).hexdigest()[:16]


class Estimate(Protocol):
    """``cli_estimate`` of aiconfigurator: one size under one load; its result has a dict ``raw``."""

    def __call__(self, model_path: str, system_name: str, **options: Any) -> Any:
        """Raises RuntimeError whose message starts with OOM where the load does not fit in memory."""
        ...


@dataclass(frozen=True, slots=True)
class Aiconfigurator:
    """The package as far as it is used."""

    version: str
    estimate: Estimate
    models: frozenset[str]  #: repository names whose configuration ships with it


def installed_version() -> str | None:
    """Its version, without importing it; None where it is not installed."""
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return None


def load_engine() -> Aiconfigurator:
    """Import it: seconds, and some hundred megabytes.

    Raises:
        UsageError: it is not installed, or not the package it was.
    """
    version = installed_version()
    if version is None:
        raise UsageError(f"{PACKAGE} is not there: {INSTALL}")
    logging.getLogger(PACKAGE).setLevel(logging.ERROR)
    logging.getLogger("aiconfigurator_core").setLevel(logging.ERROR)
    try:
        estimate = import_module(f"{PACKAGE}.cli.api").cli_estimate
        models = import_module("aiconfigurator_core.sdk.common").DefaultHFModels
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{PACKAGE} {version} is not one that is understood ({error}): {INSTALL}") from error
    return Aiconfigurator(version, estimate, frozenset(models))


def simulation_of(
    replica: Replica,
    sizes: tuple[tuple[int, int], ...],
    concurrencies: tuple[int, ...],
    tpot_ms: float,
    *,
    known: frozenset[str],
    config: Path | None,
) -> SimulatedSweep:
    """A simulation in aiconfigurator's words.

    Raises:
        UsageError: it knows no such chip, engine, precision or model.
    """
    precision, engine = replica.precision.casefold(), replica.engine.name or ""
    precision_of(precision)
    systems = {chip: system for system, chip in reversed(importer.SYSTEMS.items())}  # the first spelling wins
    backends = {name: backend for backend, name in importer.ENGINES.items()}
    if replica.accelerator.id not in systems:
        raise UnknownName("accelerator of aiconfigurator", replica.accelerator.id, systems)
    if engine not in backends:
        raise UnknownName("engine of aiconfigurator", engine, backends)
    if precision not in _QUANTISATION:
        raise UnknownName("precision of aiconfigurator", precision, _QUANTISATION)
    return SimulatedSweep(
        model=replica.model.hf_id,
        model_path=_model_path(replica.model, known, config),
        mixture_of_experts=replica.model.is_moe,
        system=systems[replica.accelerator.id],
        backend=backends[engine],
        quantisation=_QUANTISATION[precision],
        tensor_parallel=replica.tensor_parallel,
        sizes=sizes,
        concurrencies=concurrencies,
        tpot_ms=tpot_ms,
    )


def run(
    simulation: SimulatedSweep, engine: Aiconfigurator, folder: Path, say: Callable[[str], None]
) -> ImportedFile:
    """The loads it finds, from ``folder`` where they were found before.

    Raises:
        UsageError: it has no figure for any of the sizes; its own reason is told.
    """
    kept = folder / f"{PACKAGE}-{engine.version}" / f"{simulation.fingerprint(engine.version)}.csv"
    known = _earlier(kept)
    if known is not None:
        say(f"simulated before: {kept}")
        return known
    _write(kept, _rows(simulation, engine, say))
    return read_file(kept)


def _model_path(model: Model, known: frozenset[str], config: Path | None) -> str:
    if config is not None:
        if not (config / "config.json").is_file():
            raise UsageError(f"--model-config: {config} holds no config.json")
        return str(config.resolve())
    names = [name for name in (model.hf_id, *model.aliases) if name in known]
    if not names:
        raise UsageError(
            f"{PACKAGE} does not ship the configuration of {model.id}; name a folder with its config.json: "
            "--model-config DIR"
        )
    return names[0]


def _rows(
    simulation: SimulatedSweep, engine: Aiconfigurator, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """One per load, rising; a size ends beyond the limit, where memory is full, or at its highest rate."""
    rows: list[dict[str, Any]] = []
    for size in simulation.sizes:
        highest = 0.0
        for concurrency in simulation.concurrencies:
            try:
                raw = _estimate(simulation, engine, size, concurrency, rows[0]["version"] if rows else None)
            except Exception as error:  # whatever it raises is about this load alone
                complaint = printable(str(error))[:_LONGEST_COMPLAINT]
                if not rows and not complaint.startswith(_MEMORY_FULL):
                    raise UsageError(f"{PACKAGE} {engine.version}: {complaint}") from error
                say(f"{size[0]}x{size[1]} ends before {concurrency}: {complaint}")
                break
            if float(raw["seq/s"]) < highest * _STILL_RISING:
                break
            highest = float(raw["seq/s"])
            rows.append({**{name: raw.get(name) for name in _COLUMNS}, "model": simulation.model})
            if float(raw["tpot"]) > simulation.tpot_ms:
                break
    if not rows:
        raise UsageError(f"{PACKAGE} {engine.version}: no load of these sizes fits in memory")
    return rows


def _estimate(
    simulation: SimulatedSweep,
    engine: Aiconfigurator,
    size: tuple[int, int],
    concurrency: int,
    version: str | None,
) -> dict[str, Any]:
    options: dict[str, Any] = {
        "mode": "agg",
        "backend_name": simulation.backend,
        "backend_version": version,
        "isl": size[0],
        "osl": size[1],
        "batch_size": concurrency,
        "tp_size": simulation.tensor_parallel,
        "gemm_quant_mode": simulation.quantisation,
        "kvcache_quant_mode": _KV,
    }
    if simulation.mixture_of_experts:
        options |= {
            "moe_tp_size": simulation.tensor_parallel,
            "moe_ep_size": 1,
            "moe_quant_mode": simulation.quantisation,
        }
    raw: dict[str, Any] = engine.estimate(simulation.model_path, simulation.system, **options).raw
    return raw


def _earlier(kept: Path) -> ImportedFile | None:
    """What was found before; None where it was not, or cannot be read."""
    if not kept.is_file():
        return None
    try:
        return read_file(kept)
    except InputFileError:
        return None


def _write(kept: Path, rows: Iterable[dict[str, Any]]) -> None:
    """The whole file or none of it."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=kept.parent, suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(buffer.getvalue())
        Path(part).replace(kept)
    except OSError as error:
        raise UsageError(f"cannot write {kept}: {error.strerror or error}") from error
