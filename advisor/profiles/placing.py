"""Which replica a row of a file is about: the file's word, completed and held against the user's.

A contradiction between file and options is refused; what neither says is asked for, all at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.errors import InputFileError, UnknownName, UsageError
from advisor.profiles import memory
from advisor.profiles.equivalence import shape_key
from advisor.profiles.importers import melange
from advisor.profiles.importers.reading import CLOSED_LOOP, SLO_MAXIMUM, Stats
from advisor.profiles.physics import Replica

if TYPE_CHECKING:
    from collections.abc import Callable

    from advisor.domain import Accelerator, Model
    from advisor.profiles.importers.reading import Load, Reading, Stated

OPTIONS: Final = {
    "model": "--model",
    "accelerator": "--accelerator",
    "tensor_parallel": "--tp",
    "precision": "--precision",
    "engine": "--engine",
}
"""What a profile cannot be without, and the option that says it."""

_ENGINES: Final = {
    "vllm": "vLLM",
    "sglang": "SGLang",
    "tensorrt-llm": "TensorRT-LLM",
    "trtllm": "TensorRT-LLM",
}


@dataclass(frozen=True, slots=True)
class Given:
    """What the user adds; None leaves it to the file."""

    model: str | None = None
    accelerator: str | None = None
    tensor_parallel: int | None = None
    precision: str | None = None
    engine: str | None = None
    engine_version: str | None = None
    source: str | None = None
    licence: str | None = None
    date: str | None = None
    concurrency: float | None = None  #: of files that do not state their load
    tpot_ms: float | None = None  #: limit that a matrix of rates keeps
    slo_statistic: str = "mean"  #: which statistic of it
    input_tokens: tuple[float, ...] = ()  #: sizes a matrix' rows stand for
    output_tokens: tuple[float, ...] = ()
    draft_tokens: int = 0  #: speculative tokens per pass


@dataclass(frozen=True, slots=True)
class Names:
    """How spellings become facts; handed in, since facts live in another room."""

    model: Callable[[str], Model]
    accelerator: Callable[[str], Accelerator]


@dataclass(frozen=True, slots=True)
class Placed:
    """A row with what it is about."""

    file: str
    load: Load
    replica: Replica
    stated: Stated
    source: str

    @property
    def key(self) -> tuple[str, ...]:
        """Rows of one profile share it; closed loops and open arrivals are different curves."""
        s = self.stated
        parts = (
            s.evidence.value,
            self.replica.model.id,
            self.replica.precision,
            s.kv_precision,
            s.engine,
            s.engine_version,
            self.replica.accelerator.id,
            s.accelerators,
            self.replica.tensor_parallel,
            s.pipeline_parallel,
            s.date,
            s.licence,
            s.error_pct,
            self.load.load_mode,
        )
        return tuple("" if part is None else str(part) for part in parts)


def place(reading: Reading, load: Load, given: Given, names: Names, notes: list[str]) -> Placed:
    load = _loaded(reading.file, load, given)
    stated = _stated(reading, load.stated, given)
    model = _model(reading.file, stated, given, names, notes)
    chip = _accelerator(reading.file, load.stated, given, names)
    precision = (stated.precision or "").strip().casefold()
    if precision not in memory.PRECISIONS:
        raise UnknownName("precision", stated.precision or "", memory.PRECISIONS)
    degree = stated.tensor_parallel or 1
    pipeline = stated.pipeline_parallel or 1
    stated = replace(
        stated,
        accelerators=stated.accelerators or degree * pipeline,
        pipeline_parallel=pipeline,
        engine=_ENGINES.get((stated.engine or "").casefold(), stated.engine),
    )
    tool = " ".join(word for word in (reading.tool, reading.tool_version) if word)
    source = given.source or stated.source or f"{tool}, {reading.file}"
    return Placed(
        reading.file, load, Replica(model, chip, precision, degree, given.draft_tokens), stated, source
    )


def _stated(reading: Reading, stated: Stated, given: Given) -> Stated:
    """The file's word, completed by the options; contradictions are refused."""
    for field in ("tensor_parallel", "precision", "engine", "engine_version", "date", "licence"):
        said, added = getattr(stated, field), getattr(given, field)
        if said is not None and added is not None and str(said).casefold() != str(added).casefold():
            raise InputFileError(reading.file, field, said, f"{added} was given: the file says otherwise")
        if said is None:
            stated = replace(stated, **{field: added})
    missing = [
        option
        for field, option in OPTIONS.items()
        if (getattr(stated, field) if field != "accelerator" else stated.accelerator or given.accelerator)
        is None
        and getattr(given, field) is None
    ]
    if missing:
        raise UsageError(
            f"{reading.file} ({reading.tool}) does not say what was run: give {', '.join(missing)}"
        )
    return stated


def _model(file: str, stated: Stated, given: Given, names: Names, notes: list[str]) -> Model:
    if given.model is None:
        try:
            return names.model(stated.model or "")
        except UnknownName as error:
            raise UsageError(f"{file}: {error}; --model says which model it is") from None
    model = names.model(given.model)
    if stated.model is None:
        return model
    try:
        said = names.model(stated.model)
    except UnknownName:
        notes.append(f"the file calls the model {stated.model!r}; taken as {model.id}, as --model says")
        return model
    if said.id != model.id and shape_key(said) != shape_key(model):
        raise InputFileError(
            file, "model", stated.model, f"--model {given.model} was given: the file is of another"
        )
    return model


def _accelerator(file: str, stated: Stated, given: Given, names: Names) -> Accelerator:
    """The option narrows what the file leaves open: ``A100`` to ``a100-sxm-80gb``."""
    if given.accelerator is None:
        try:
            return names.accelerator(stated.accelerator or "")
        except UsageError as error:
            raise UsageError(f"{file}: {error}; --accelerator says which it is") from None
    chip = names.accelerator(given.accelerator)
    try:
        said = names.accelerator(stated.accelerator) if stated.accelerator else chip
    except UsageError:
        return chip
    if said.id != chip.id:
        allowed = f"--accelerator {given.accelerator} was given: the file is of another"
        raise InputFileError(file, "accelerator", stated.accelerator, allowed)
    return chip


def _loaded(file: str, load: Load, given: Given) -> Load:
    """A row with the load, the sizes and the limit that only the options know."""
    if load.load_mode is None:
        if given.concurrency is None:
            raise UsageError(f"{_at(file, load.place)} does not say its load: give --concurrency")
        load = replace(load, load_mode=CLOSED_LOOP, concurrency=given.concurrency)
    if load.load_mode != SLO_MAXIMUM:
        return load
    if load.input_tokens is None and melange.cell_of(load.place):
        if not given.input_tokens or not given.output_tokens:
            raise UsageError(
                f"{file} does not say the sizes of its rows and columns: give --input-tokens and"
                " --output-tokens"
            )
        load = melange.sized(load, given.input_tokens, given.output_tokens, file)
    if load.slo_tpot_ms is None and load.unfit is None:
        if given.tpot_ms is None:
            raise UsageError(f"{file} does not say which limit its rates keep: give --tpot-ms")
        limit = Stats(**{given.slo_statistic: given.tpot_ms})
        load = replace(load, slo_tpot_ms=given.tpot_ms, tpot=limit)
    return load


def _at(file: str, place: str) -> str:
    return f"{file}: {place}" if place else file
