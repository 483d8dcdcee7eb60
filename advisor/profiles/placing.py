"""Which replica a row of a file is about: the file's word, completed and held against the user's.

A contradiction between file and options is refused; what neither says is asked for, all at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.errors import InputFileError, UnknownName, UsageError
from advisor.profiles import memory
from advisor.profiles.engines import Engine
from advisor.profiles.equivalence import shape_key
from advisor.profiles.importers import melange
from advisor.profiles.importers.reading import CLOSED_LOOP, SLO_MAXIMUM
from advisor.profiles.latency_metrics import MEAN, column
from advisor.profiles.replica import Replica, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from advisor.domain import Accelerator, Model
    from advisor.profiles.importers.reading import ImportedFile, ImportedRow

OPTIONS: Final = {
    "model": "--model",
    "accelerator": "--accelerator",
    "tensor_parallel": "--tp",
    "precision": "--precision",
    "engine": "--engine",
}
"""What a profile cannot be without, and the option that says it."""

_AGREE: Final = ("tensor_parallel", "precision", "engine", "engine_version", "date", "licence")


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
    slo_statistic: str = MEAN  #: which statistic of it
    input_tokens: tuple[float, ...] = ()  #: sizes a matrix' rows stand for
    output_tokens: tuple[float, ...] = ()
    draft_tokens: int = 0  #: speculative tokens per pass


@dataclass(frozen=True, slots=True)
class Names:
    """How spellings become facts; handed in, since facts live in another room."""

    model: Callable[[str], Model]
    accelerator: Callable[[str], Accelerator]


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A row, complete, with the replica it is about."""

    row: ImportedRow
    replica: Replica
    draft_tokens: int = 0  #: speculative tokens per pass

    @property
    def key(self) -> tuple[object, ...]:
        """Rows of one profile share it; closed loops and open arrivals are different curves."""
        row, replica = self.row, self.replica
        run = (row.evidence, row.kv_precision, row.engine, row.engine_version, row.accelerators)
        whose = (row.pipeline_parallel, row.date, row.licence, row.error_pct, row.load_mode)
        return replica.model.id, replica.precision, replica.accelerator.id, replica.shape, *run, *whose


def place(file: ImportedFile, row: ImportedRow, given: Given, names: Names, notes: list[str]) -> PlacedRow:
    """A row with what the options add to it.

    Raises:
        UsageError: something neither says.
        InputFileError: they contradict each other.
    """
    row = _completed(file, _loaded(file.name, row, given), given)
    model = _model(file.name, row, given, names, notes)
    chip = _accelerator(file.name, row, given, names)
    precision = (row.precision or "").strip().casefold()
    if precision not in memory.PRECISIONS:
        raise UnknownName("precision", row.precision or "", memory.PRECISIONS)
    degree, pipeline, engine = row.tensor_parallel or 1, row.pipeline_parallel or 1, Engine.named(row.engine)
    tool = " ".join(word for word in (file.tool, file.tool_version) if word)
    row = replace(
        row,
        file=file.name,
        accelerators=row.accelerators or degree * pipeline,
        pipeline_parallel=pipeline,
        engine=engine.name or row.engine,
        source=given.source or row.source or f"{tool}, {file.name}",
    )
    replica = Replica(model, precision, chip, Shape(degree), engine, row.kv_precision)
    return PlacedRow(row, replica, given.draft_tokens)


def _completed(file: ImportedFile, row: ImportedRow, given: Given) -> ImportedRow:
    """The file's word, completed by the options; contradictions are refused."""
    for field in _AGREE:
        said, added = getattr(row, field), getattr(given, field)
        if said is not None and added is not None and str(said).casefold() != str(added).casefold():
            raise InputFileError(file.name, field, said, f"{added} was given: the file says otherwise")
        if said is None:
            row = replace(row, **{field: added})
    missing = [
        option
        for field, option in OPTIONS.items()
        if getattr(row, field) is None and getattr(given, field) is None
    ]
    if missing:
        raise UsageError(f"{file.name} ({file.tool}) does not say what was run: give {', '.join(missing)}")
    return row


def _model(file: str, row: ImportedRow, given: Given, names: Names, notes: list[str]) -> Model:
    if given.model is None:
        try:
            return names.model(row.model or "")
        except UnknownName as error:
            raise UsageError(f"{file}: {error}; --model says which model it is") from None
    model = names.model(given.model)
    if row.model is None:
        return model
    try:
        said = names.model(row.model)
    except UnknownName:
        notes.append(f"the file calls the model {row.model!r}; taken as {model.id}, as --model says")
        return model
    if said.id != model.id and shape_key(said) != shape_key(model):
        raise InputFileError(
            file, "model", row.model, f"--model {given.model} was given: the file is of another"
        )
    return model


def _accelerator(file: str, row: ImportedRow, given: Given, names: Names) -> Accelerator:
    """The option narrows what the file leaves open: ``A100`` to ``a100-sxm-80gb``."""
    if given.accelerator is None:
        try:
            return names.accelerator(row.accelerator or "")
        except UsageError as error:
            raise UsageError(f"{file}: {error}; --accelerator says which it is") from None
    chip = names.accelerator(given.accelerator)
    try:
        said = names.accelerator(row.accelerator) if row.accelerator else chip
    except UsageError:
        return chip
    if said.id != chip.id:
        allowed = f"--accelerator {given.accelerator} was given: the file is of another"
        raise InputFileError(file, "accelerator", row.accelerator, allowed)
    return chip


def _loaded(file: str, row: ImportedRow, given: Given) -> ImportedRow:
    """A row with the load, the sizes and the limit that only the options know."""
    if row.load_mode is None:
        if given.concurrency is None:
            where = f"{file}: {row.place}" if row.place else file
            raise UsageError(f"{where} does not say its load: give --concurrency")
        row = replace(row, load_mode=CLOSED_LOOP, concurrency=given.concurrency)
    if row.load_mode != SLO_MAXIMUM:
        return row
    if row.input_tokens is None and melange.cell_of(row.place):
        if not given.input_tokens or not given.output_tokens:
            raise UsageError(
                f"{file} does not say the sizes of its rows and columns: give --input-tokens and"
                " --output-tokens"
            )
        row = melange.sized(row, given.input_tokens, given.output_tokens, file)
    if row.slo_tpot_ms is None and row.unfit is None:
        if given.tpot_ms is None:
            raise UsageError(f"{file} does not say which limit its rates keep: give --tpot-ms")
        limit = {column("tpot", given.slo_statistic): given.tpot_ms}
        row = replace(row, slo_tpot_ms=given.tpot_ms, latencies_ms=limit)
    return row
