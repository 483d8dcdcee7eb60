"""`advisor profile show`: the points of one profile, or a matrix of rates for every request size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from advisor.cli.options import statistic
from advisor.cli.output import Col, Format, FormatOption, Listing, OutputOption, write_listing
from advisor.cli.profile_options import precision_id, profile_store
from advisor.cli.profile_points import point_table
from advisor.domain import EvidenceKind, Slo, SloStatistic, Throughput
from advisor.errors import UnknownName, UsageError
from advisor.profiles.imported_rows import OWN_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.domain import NoThroughput
    from advisor.profiles.query import ProfileStore
    from advisor.profiles.replica import Replica

    Answer = Throughput | NoThroughput
    Record = dict[str, Any]

ESTIMATE_ID: Final = "estimated:VERSION:MODEL:PRECISION:ENGINE:ACCELERATOR:tpK"

MARKS: Final = {EvidenceKind.MEASURED: "m", EvidenceKind.SIMULATED: "s", EvidenceKind.ESTIMATED: "e"}


def show(
    profile_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Id from list or a plan.")] = None,
    model: Annotated[str | None, typer.Option(help="Instead of an id: a matrix for this model …")] = None,
    accelerator: Annotated[str | None, typer.Option(help="… on this accelerator …")] = None,
    tp: Annotated[int, typer.Option("--tp", min=1, help="… over so many per replica.")] = 1,
    precision: Annotated[
        str, typer.Option(help="Of the weights: bf16, fp16, fp8, fp4, int8, int4.")
    ] = "bf16",
    engine: Annotated[str, typer.Option(help="Serving engine, or 'any'.")] = "vLLM",
    tpot_ms: Annotated[float | None, typer.Option(help="Limit on time per output token.")] = None,
    ttft_ms: Annotated[float | None, typer.Option(help="Limit on time to first token.")] = None,
    slo_stat: Annotated[
        SloStatistic, typer.Option(help="Statistic the limits bind.", metavar="STAT", parser=statistic)
    ] = SloStatistic.MEAN,
    evidence: Annotated[
        EvidenceKind, typer.Option(help="Weakest evidence accepted.")
    ] = EvidenceKind.ESTIMATED,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """The points of one profile, or requests per second for every request size within an SLO.

    Example: [b]advisor profile show --model Llama-3.1-8B --accelerator l4-24gb --tp 1 --tpot-ms 120[/]
    """
    store = profile_store()
    slo = Slo(_limit("--tpot-ms", tpot_ms), _limit("--ttft-ms", ttft_ms), slo_stat)
    if profile_id is not None and not profile_id.casefold().startswith(f"{EvidenceKind.ESTIMATED.value}:"):
        write_listing(_points(store.points(_whole_id(profile_id, store))), form, output)
        return
    if profile_id is not None:
        replica, estimates_alone = _estimated_replica(profile_id), True
    else:
        replica, estimates_alone = _replica(model, accelerator, precision, engine, tp), False
    asked = _Matrix(replica, slo, evidence, estimates_alone)
    write_listing(_matrix(asked, store, form), form, output)


def _limit(option: str, value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise UsageError(f"{option}: {value:g} is not allowed; a positive number of milliseconds is")
    return value


@dataclass(frozen=True, slots=True)
class _Matrix:
    """What a matrix is about."""

    replica: Replica
    slo: Slo
    weakest: EvidenceKind
    estimates_alone: bool  #: of an estimate's id: what was measured is left out

    def rates(self, store: ProfileStore, sizes: list[tuple[float, float]]) -> Sequence[Answer]:
        from advisor.profiles.evaluate import Evaluation, evaluate

        if self.estimates_alone:
            return evaluate(Evaluation(self.replica, self.slo, self.weakest, (), store.calibration), sizes)
        return store.throughputs(self.replica, sizes, self.slo, self.weakest)


def _whole_id(name: str, store: ProfileStore) -> str:
    """The profile's id; ``own-…`` alone names a profile of the user's own."""
    if not name.casefold().startswith(OWN_ID):
        return name
    found = (s["profile_id"] for s in store.summaries() if s["source_id"] == name.casefold())
    return str(next(found, name))


def _points(records: list[Record]) -> Listing:
    """Every row of a profile, in the columns it states."""
    columns, records = point_table(records)
    first = records[0]
    words = [f"Rates are of the whole row: {first['accelerators']} × {first['accelerator']}."]
    words.append(f"Source {first['source_id']}, {first['date'] or 'undated'}, licence {first['licence']}.")
    if first["model_as_published"] != first["model"]:
        words.append(f"Published as {first['model_as_published']}.")
    reasons = sorted({r["not_evidence_because"] for r in records if r["not_evidence_because"]})
    words += [f"Not used for SLOs: {reason}." for reason in reasons]
    return Listing(first["profile_id"], columns, records, tuple(words))


def _replica(
    model: str | None, accelerator: str | None, precision: str, engine: str, tensor_parallel: int
) -> Replica:
    from advisor.catalog.facts import load_facts
    from advisor.profiles.engines import Engine
    from advisor.profiles.replica import Replica, Shape

    if model is None or accelerator is None:
        raise UsageError("say which: an id from `advisor profile list`, or --model and --accelerator")
    facts = load_facts()
    chip, shape = facts.accelerator(accelerator), Shape(tensor_parallel)
    return Replica(facts.model(model), precision_id(precision), chip, shape, Engine.named(engine))


def _estimated_replica(profile_id: str) -> Replica:
    """The replica of an id like :data:`ESTIMATE_ID`."""
    from advisor.profiles.engines import ANY
    from advisor.profiles.replica import ANY_ENGINE_ID

    parts = profile_id.strip().casefold().split(":")
    degree = parts[-1].removeprefix("tp")
    if len(parts) != 7 or not degree.isdecimal() or int(degree) < 1:
        raise UnknownName("estimate", profile_id, (ESTIMATE_ID,))
    engine = ANY if parts[4] == ANY_ENGINE_ID else parts[4]
    return _replica(parts[2], parts[5], parts[3], engine, int(degree))


def _matrix(asked: _Matrix, store: ProfileStore, form: Format) -> Listing:
    from advisor.workload.buckets import DEFAULT_INPUT_EDGES, DEFAULT_OUTPUT_EDGES

    sizes = [(float(i), float(o)) for i in DEFAULT_INPUT_EDGES for o in DEFAULT_OUTPUT_EDGES]
    replica, answers = asked.replica, asked.rates(store, sizes)
    title = (
        f"Requests/s of one replica: {replica.model.id} {replica.precision}, {replica.tensor_parallel} × "
        f"{replica.accelerator.id}, {replica.engine}, {asked.slo}"
    )
    if form in (Format.JSON, Format.CSV):
        cells = [_cell_record(size, answer) for size, answer in zip(sizes, answers, strict=True)]
        return Listing(title, _CELL_COLUMNS, cells)
    width = len(DEFAULT_OUTPUT_EDGES)
    rows = [
        {"input_tokens": f"{edge:,}", **{str(output): _cell(answers[row * width + column])
                                  for column, output in enumerate(DEFAULT_OUTPUT_EDGES)}}
        for row, edge in enumerate(DEFAULT_INPUT_EDGES)
    ]  # fmt: skip
    corner = Col("input_tokens", "tokens in ↓ out →", numeric=True)
    columns = (corner, *(Col(str(output), f"{output:,}", numeric=True) for output in DEFAULT_OUTPUT_EDGES))
    return Listing(title, columns, rows, _matrix_words(answers, str(replica.engine)))


def _cell(answer: Answer) -> str:
    if isinstance(answer, Throughput):
        return f"{answer.requests_per_s:.3g} {MARKS[answer.kind]}"
    return "–"


def _matrix_words(answers: Sequence[Answer], engine: str) -> tuple[str, ...]:
    figures = [answer for answer in answers if isinstance(answer, Throughput)]
    words = ["m measured, s simulated, e estimated, – none."] if figures else []
    if figures and all(figure.kind is EvidenceKind.ESTIMATED for figure in figures):
        words.append(f"No profile of this replica on {engine} answers: an estimate.")
    seen: dict[str, str] = {}
    for figure in figures:
        error = "of unknown error" if figure.error_pct is None else f"typically {figure.error_pct:g}% off"
        seen.setdefault(figure.profile_id, f"{MARKS[figure.kind]}, {error}: {figure.profile_id}")
    words += seen.values()
    reasons: dict[str, str] = {}
    for answer in answers:
        if not isinstance(answer, Throughput):
            reasons.setdefault(answer.reason, f"–: {answer.reason}, e.g. {answer.detail}")
    return (*words, *reasons.values())


def _cell_record(size: tuple[float, float], answer: Answer) -> Record:
    record: Record = {"input_tokens": int(size[0]), "output_tokens": int(size[1])}
    if isinstance(answer, Throughput):
        names = ("requests_per_s", "kind", "error_pct", "limited_by", "source", "profile_id")
        return record | {name: getattr(answer, name) for name in names}
    return record | {"reason": answer.reason, "detail": answer.detail}


_CELL_COLUMNS: Final = tuple(
    Col(name, name)
    for name in (
        *("input_tokens", "output_tokens", "requests_per_s", "kind", "error_pct", "limited_by"),
        *("source", "profile_id", "reason", "detail"),
    )
)
