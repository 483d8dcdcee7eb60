"""Which replica a row of a file is about: the file's word, completed and held against the user's.

A contradiction between file and options is refused; what neither says is asked for, all at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.errors import InputFileError, UnknownName, UsageError
from advisor.profiles import memory
from advisor.profiles.engines import Engine
from advisor.profiles.equivalence import precision_class, shape_key
from advisor.profiles.importers import melange, run_words
from advisor.profiles.importers.reading import CLOSED_LOOP, OPEN_LOOP, SLO_MAXIMUM
from advisor.profiles.latency_metrics import MEAN, column
from advisor.profiles.replica import Replica, Shape
from advisor.profiles.scheduler import AS_IT_CHOOSES, Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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

LOAD: Final = "--concurrency (or --request-rate)"
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
    request_rate: float | None = None  #: arrivals per second, likewise
    tpot_ms: float | None = None  #: limit that a matrix of rates keeps
    slo_statistic: str = MEAN  #: which statistic of it
    input_tokens: tuple[float, ...] = ()  #: sizes a matrix' rows stand for
    output_tokens: tuple[float, ...] = ()
    draft_tokens: int = 0  #: speculative tokens per pass
    scheduler: Scheduler = AS_IT_CHOOSES  #: as the engine was started


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
    def guesses_unknown(self) -> bool:
        """Whether it drafted, nobody knows how many tokens."""
        return self.row.speculative is not None and not self.draft_tokens

    @property
    def key(self) -> tuple[object, ...]:
        """Rows of one profile share it; closed loops and open arrivals are different curves."""
        row, replica = self.row, self.replica
        run = (row.evidence, row.kv_precision, row.engine, row.engine_version, row.accelerators)
        whose = (row.pipeline_parallel, row.date, row.licence, row.error_pct, row.load_mode, row.scheduler)
        return replica.model.id, replica.precision, replica.accelerator.id, replica.shape, *run, *whose


def require_stated(readings: Sequence[ImportedFile], given: Given) -> None:
    """Ask for all that no file and no option says, at once.

    Raises:
        UsageError: names the files and the options.
    """
    missing: dict[str, None] = {}
    silent: dict[str, None] = {}
    for reading in readings:
        for row in reading.rows:
            asked = [*_unsaid(row, given), *_unsaid_load(row, given)]
            missing |= dict.fromkeys(asked)
            silent |= {f"{reading.name} ({reading.tool})": None} if asked else {}
    if missing:
        first, *others = silent
        which = f"{first} and {len(others)} more do not say" if others else f"{first} does not say"
        raise UsageError(f"{which} what was run: give {', '.join(missing)}")


def _unsaid(row: ImportedRow, given: Given) -> list[str]:
    return [
        option
        for field, option in OPTIONS.items()
        if getattr(row, field) is None and getattr(given, field) is None
    ]


def _unsaid_load(row: ImportedRow, given: Given) -> list[str]:
    if row.load_mode is None:
        return [LOAD] if given.concurrency is None and given.request_rate is None else []
    if row.load_mode != SLO_MAXIMUM:
        return []
    sizes = row.input_tokens is None and melange.cell_of(row.place) is not None
    limit = row.slo_tpot_ms is None and row.unfit is None and given.tpot_ms is None
    return [
        *(["--input-tokens"] if sizes and not given.input_tokens else []),
        *(["--output-tokens"] if sizes and not given.output_tokens else []),
        *(["--tpot-ms"] if limit else []),
    ]


def place(file: ImportedFile, row: ImportedRow, given: Given, names: Names, notes: list[str]) -> PlacedRow:
    """A row with what the options add to it; :func:`require_stated` has seen to it that they do.

    Raises:
        UsageError: a name nobody knows.
        InputFileError: they contradict each other.
    """
    row = _completed(file.name, _loaded(file.name, row, given), given)
    model = _model(file.name, row, given, names, notes)
    chip = _accelerator(file.name, row, given, names)
    precision = _precision(row.precision or "")
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
    return PlacedRow(row, replica, given.draft_tokens or row.draft_tokens or 0)


def _completed(file: str, row: ImportedRow, given: Given) -> ImportedRow:
    """The file's word, completed by the options; contradictions are refused."""
    for field in _AGREE:
        said, added = getattr(row, field), getattr(given, field)
        if said is not None and added is not None and _meant(field, said) != _meant(field, added):
            raise InputFileError(file, field, said, f"{added} was given: the file says otherwise")
        if said is None:
            row = replace(row, **{field: added})
    for name, added in given.scheduler.stated.items():
        if (said := getattr(row.scheduler, name)) not in (None, added):
            raise InputFileError(file, name, said, f"{added} was given: the file says otherwise")
    return replace(row, scheduler=row.scheduler.over(given.scheduler))


def _precision(word: str) -> str:
    """Ours for a spelling of engines: ``bfloat16``, ``W4A16``, ``nvfp4``."""
    return run_words.precision_of_type(word) or run_words.precision_of(word) or word.strip().casefold()


def _meant(field: str, value: object) -> object:
    """What two spellings have in common: ``trtllm`` is TensorRT-LLM, MXFP4 is a 4-bit float format."""
    text = str(value).strip()
    if field == "engine":
        text = Engine.named(text).name or text
    return precision_class(_precision(text)) if field == "precision" else text.casefold()


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
        closed = given.concurrency is not None
        row = replace(
            row,
            load_mode=CLOSED_LOOP if closed else OPEN_LOOP,
            concurrency=given.concurrency,
            request_rate_offered=None if closed else given.request_rate,
        )
    if row.load_mode != SLO_MAXIMUM:
        return row
    if row.input_tokens is None and melange.cell_of(row.place):
        row = melange.sized(row, given.input_tokens, given.output_tokens, file)
    if row.slo_tpot_ms is None and row.unfit is None and given.tpot_ms is not None:
        limit = {column("tpot", given.slo_statistic): given.tpot_ms}
        row = replace(row, slo_tpot_ms=given.tpot_ms, latencies_ms=limit)
    return row
