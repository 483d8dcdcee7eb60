"""`advisor profile`: what is known about how fast replicas are, and where each figure comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from advisor.cli.output import Col, Format, Listing, note, write_listing
from advisor.domain import EvidenceKind, Slo, SloStatistic, Throughput
from advisor.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from advisor.catalog.facts import Facts
    from advisor.domain import Accelerator, Model, NoThroughput
    from advisor.profiles.query import ProfileStore

    Record = dict[str, Any]

TABLE_LIMIT: Final = 40
"""Rows of a table unless ``--limit`` says otherwise: about a screen. JSON and CSV are whole."""

MARKS: Final = {EvidenceKind.MEASURED: "m", EvidenceKind.SIMULATED: "s", EvidenceKind.ESTIMATED: "e"}

app = typer.Typer(
    help="Throughput profiles: ours, your own, estimates, and what to measure next.", no_args_is_help=True
)

FormatOption = Annotated[Format, typer.Option("--format", help="Dress of the result.")]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file.")]
LimitOption = Annotated[
    int | None, typer.Option(min=1, help=f"Rows to show; default {TABLE_LIMIT} in a table, else all.")
]


@app.command("list")
def list_(
    model: Annotated[str | None, typer.Option(help="Model id, alias or repository name.")] = None,
    accelerator: Annotated[
        str | None, typer.Option(help="Accelerator: h100-sxm-80gb, H100, 'a100-*'.")
    ] = None,
    kind: Annotated[EvidenceKind | None, typer.Option(help="measured or simulated.")] = None,
    engine: Annotated[str | None, typer.Option(help="Serving engine, e.g. vLLM.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="Of the weights, e.g. bf16; fp16 is the same.")
    ] = None,
    limit: LimitOption = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Measured and simulated profiles: sizes, loads, date, source, licence.

    Example: [b]advisor profile list --model Llama-3.1-8B --kind simulated[/]
    """
    from advisor.catalog.facts import load_facts

    records = _store().summaries()
    wanted = _Filter.of(load_facts(), records, model, accelerator, kind, engine, precision)
    found = sorted((record for record in records if wanted.keeps(record)), key=lambda r: r["slo_points"] == 0)
    most = limit or (TABLE_LIMIT if form is Format.TABLE else None)
    words = _list_words(found, most)
    write_listing(Listing("Throughput profiles", _LIST_COLUMNS, found[:most], words), form, output)
    if form in (Format.JSON, Format.CSV):
        note(*words)


@app.command()
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
    slo_stat: Annotated[SloStatistic, typer.Option(help="Statistic the limits bind.")] = SloStatistic.MEAN,
    evidence: Annotated[
        EvidenceKind, typer.Option(help="Weakest evidence accepted.")
    ] = EvidenceKind.ESTIMATED,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """The points of one profile, or requests per second for every request size within an SLO.

    Example: [b]advisor profile show --model Llama-3.1-8B --accelerator l4-24gb --tp 1 --tpot-ms 120[/]
    """
    store = _store()
    slo = Slo(_limit("--tpot-ms", tpot_ms), _limit("--ttft-ms", ttft_ms), slo_stat)
    if profile_id is not None and not profile_id.casefold().startswith(f"{EvidenceKind.ESTIMATED.value}:"):
        write_listing(_points(profile_id, store.points(profile_id)), form, output)
        return
    if profile_id is not None:
        replica = _estimated_replica(profile_id, slo, evidence)
    else:
        replica = _replica(model, accelerator, precision, engine, tp, slo, evidence)
    write_listing(_matrix(replica, store, form), form, output)


def _store() -> ProfileStore:
    from advisor.catalog.store import advisor_home
    from advisor.profiles.own_store import FOLDER
    from advisor.profiles.query import ProfileStore

    return ProfileStore.load(own=advisor_home() / FOLDER)


def _limit(option: str, value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise UsageError(f"{option}: {value:g} is not allowed; a positive number of milliseconds is")
    return value


@dataclass(frozen=True, slots=True)
class _Replica:
    """What a matrix is about."""

    model: Model
    accelerator: Accelerator
    precision: str
    engine: str
    tensor_parallel: int
    slo: Slo
    weakest: EvidenceKind


@dataclass(frozen=True, slots=True)
class _Filter:
    """Rows a listing keeps; None keeps all."""

    models: frozenset[str] | None
    accelerators: frozenset[str] | None
    kind: EvidenceKind | None
    engine: str | None
    precision: str | None

    @classmethod
    def of(
        cls,
        facts: Facts,
        records: Iterable[Record],
        model: str | None,
        accelerator: str | None,
        kind: EvidenceKind | None,
        engine: str | None,
        precision: str | None,
    ) -> _Filter:
        """Spellings resolved; a model may also be one that only profiles know."""
        if kind is EvidenceKind.ESTIMATED:
            raise UsageError(
                "estimates are worked out when asked for: `advisor profile show --model … --accelerator …`"
            )
        names = {record["model"].casefold(): record["model"] for record in records}
        models = None
        if model is not None:
            known = names.get(model.strip().casefold())
            models = frozenset({known or facts.model(model).id})
        chips = None
        if accelerator is not None:
            chips = frozenset(chip.id for chip in facts.accelerators_matching(accelerator))
        return cls(models, chips, kind, engine, precision)

    def keeps(self, record: Record) -> bool:
        """Whether a summary passes every filter."""
        from advisor.profiles.evidence import precision_class

        stated = record["precision"]
        return (
            (self.models is None or record["model"] in self.models)
            and (self.accelerators is None or record["accelerator"] in self.accelerators)
            and (self.kind is None or record["kind"] == self.kind.value)
            and (self.engine is None or (record["engine"] or "").casefold() == self.engine.casefold())
            and (
                self.precision is None
                or (stated is not None and precision_class(stated) == precision_class(self.precision))
            )
        )


def _list_words(found: Sequence[Record], most: int | None) -> tuple[str, ...]:
    idle = sum(1 for record in found if not record["slo_points"])
    words = []
    if most is not None and len(found) > most:
        words.append(f"{most} of {len(found):,} profiles; --limit shows more.")
    if idle:
        words.append(
            f"{idle} cannot say what rate an SLO allows: no plan uses them; they come last, with the reason."
        )
    return tuple(words)


def _points(profile_id: str, records: list[Record]) -> Listing:
    records = [{name: _as_text_if_infinite(value) for name, value in record.items()} for record in records]
    first = records[0]
    stated = {key for record in records for key, value in record.items() if value is not None}
    columns = tuple(column for column in _POINT_COLUMNS if column.key in stated)
    words = [f"Rates are of the whole row: {first['accelerators']} × {first['accelerator']}."]
    words.append(f"Source {first['source_id']}, {first['date'] or 'undated'}, licence {first['licence']}.")
    if first["model_as_published"] != first["model"]:
        words.append(f"Published as {first['model_as_published']}.")
    reasons = sorted({r["not_evidence_because"] for r in records if r["not_evidence_because"]})
    words += [f"Not used for SLOs: {reason}." for reason in reasons]
    return Listing(profile_id, columns, records, tuple(words))


def _replica(
    model: str | None,
    accelerator: str | None,
    precision: str,
    engine: str,
    tensor_parallel: int,
    slo: Slo,
    weakest: EvidenceKind,
) -> _Replica:
    from advisor.catalog.facts import load_facts

    if model is None or accelerator is None:
        raise UsageError("say which: an id from `advisor profile list`, or --model and --accelerator")
    facts = load_facts()
    chip = facts.accelerator(accelerator)
    return _Replica(facts.model(model), chip, precision.strip(), engine, tensor_parallel, slo, weakest)


def _estimated_replica(profile_id: str, slo: Slo, weakest: EvidenceKind) -> _Replica:
    """The replica of an id ``estimated:VERSION:MODEL:PRECISION:any-engine:ACCELERATOR:tpK``."""
    parts = profile_id.strip().casefold().split(":")
    degree = parts[-1].removeprefix("tp")
    if len(parts) != 7 or not degree.isdecimal() or int(degree) < 1:
        raise UnknownName("profile", profile_id, ())
    # An engine nobody has figures for leaves the estimate alone.
    return _replica(parts[2], parts[5], parts[3], parts[4], int(degree), slo, weakest)


def _matrix(replica: _Replica, store: ProfileStore, form: Format) -> Listing:
    from advisor.workload.buckets import DEFAULT_INPUT_EDGES, DEFAULT_OUTPUT_EDGES

    sizes = [(float(i), float(o)) for i in DEFAULT_INPUT_EDGES for o in DEFAULT_OUTPUT_EDGES]
    answers = store.throughputs(
        replica.model,
        replica.precision,
        replica.engine,
        replica.accelerator,
        replica.tensor_parallel,
        sizes,
        replica.slo,
        replica.weakest,
    )
    title = (
        f"Requests/s of one replica: {replica.model.id} {replica.precision}, {replica.tensor_parallel} × "
        f"{replica.accelerator.id}, {replica.engine}, {replica.slo}"
    )
    if form in (Format.JSON, Format.CSV):
        cells = [_cell_record(size, answer) for size, answer in zip(sizes, answers, strict=True)]
        return Listing(title, _CELL_COLUMNS, cells)
    width = len(DEFAULT_OUTPUT_EDGES)
    rows = [
        {"input_tokens": edge, **{str(output): _cell(answers[row * width + column])
                                  for column, output in enumerate(DEFAULT_OUTPUT_EDGES)}}
        for row, edge in enumerate(DEFAULT_INPUT_EDGES)
    ]  # fmt: skip
    corner = Col("input_tokens", "input ↓ output →", numeric=True)
    columns = (corner, *(Col(str(output), f"{output:,}", numeric=True) for output in DEFAULT_OUTPUT_EDGES))
    return Listing(title, columns, rows, _matrix_words(answers))


def _cell(answer: Throughput | NoThroughput) -> str:
    if isinstance(answer, Throughput):
        return f"{answer.requests_per_s:.3g} {MARKS[answer.kind]}"
    return "–"


def _matrix_words(answers: Sequence[Throughput | NoThroughput]) -> tuple[str, ...]:
    figures = [answer for answer in answers if isinstance(answer, Throughput)]
    words = ["m measured, s simulated, e estimated, – none."] if figures else []
    seen: dict[str, str] = {}
    for figure in figures:
        error = "" if figure.error_pct is None else f", typically {figure.error_pct:g} % off"
        seen.setdefault(figure.profile_id, f"{MARKS[figure.kind]}: {figure.profile_id}{error}")
    words += seen.values()
    reasons: dict[str, str] = {}
    for answer in answers:
        if not isinstance(answer, Throughput):
            reasons.setdefault(answer.reason, f"–: {answer.reason}, e.g. {answer.detail}")
    return (*words, *reasons.values())


def _cell_record(size: tuple[float, float], answer: Throughput | NoThroughput) -> Record:
    record: Record = {"input_tokens": int(size[0]), "output_tokens": int(size[1])}
    if isinstance(answer, Throughput):
        names = ("requests_per_s", "kind", "error_pct", "limited_by", "source", "profile_id")
        return record | {name: getattr(answer, name) for name in names}
    return record | {"reason": answer.reason, "detail": answer.detail}


def _number(value: float | str | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "–" if value is None else str(value)


def _as_text_if_infinite(value: object) -> object:
    """JSON has no infinity: an offered rate without bound is the word ``inf``."""
    return "inf" if isinstance(value, float) and math.isinf(value) else value


_LIST_COLUMNS: Final = (
    Col("kind", "kind"),
    Col("model", "model", importance=3),
    Col("precision", "precision", importance=2),
    Col("accelerator", "accelerator"),
    Col("tensor_parallel", "TP", numeric=True),
    Col("accelerators", "GPUs", numeric=True, importance=7),
    Col("engine", "engine"),
    Col("engine_version", "version", importance=2),
    Col("sizes", "sizes", numeric=True),
    Col("points", "points", numeric=True, importance=6),
    Col("slo_points", "for SLOs", numeric=True),
    Col("date", "date", importance=5),
    Col("profile_id", "profile", importance=8),
    Col("load_modes", "loads", importance=9),
    Col("source_id", "source", importance=10),
    Col("licence", "licence", importance=11),
    Col("not_evidence_because", "not for SLOs because", importance=12, wrap=True),
)

_POINT_COLUMNS: Final = (
    Col("input_tokens", "input", numeric=True, text=_number),
    Col("output_tokens", "output", numeric=True, text=_number),
    Col("load_mode", "load", importance=3),
    Col("concurrency", "concurrency", numeric=True, text=_number),
    Col("request_rate_offered", "offered req/s", numeric=True, text=_number, importance=2),
    Col("requests_per_s", "req/s", numeric=True, text=_number),
    Col("output_tokens_per_s", "output tok/s", numeric=True, text=_number, importance=4),
    Col("tpot_mean_ms", "TPOT mean ms", numeric=True, text=_number),
    Col("tpot_p50_ms", "TPOT p50 ms", numeric=True, text=_number, importance=5),
    Col("tpot_p90_ms", "TPOT p90 ms", numeric=True, text=_number, importance=5),
    Col("tpot_p99_ms", "TPOT p99 ms", numeric=True, text=_number, importance=5),
    Col("ttft_mean_ms", "TTFT mean ms", numeric=True, text=_number, importance=2),
    Col("ttft_p50_ms", "TTFT p50 ms", numeric=True, text=_number, importance=5),
    Col("ttft_p90_ms", "TTFT p90 ms", numeric=True, text=_number, importance=5),
    Col("ttft_p99_ms", "TTFT p99 ms", numeric=True, text=_number, importance=5),
    Col("slo_tpot_ms", "SLO TPOT ms", numeric=True, text=_number, importance=6),
    Col("slo_ttft_ms", "SLO TTFT ms", numeric=True, text=_number, importance=6),
    Col("workload", "workload", importance=7),
    Col("flags", "flags", importance=8),
    Col("not_evidence_because", "not for SLOs because", importance=7),
)

_CELL_COLUMNS: Final = tuple(
    Col(name, name)
    for name in (
        *("input_tokens", "output_tokens", "requests_per_s", "kind", "error_pct", "limited_by"),
        *("source", "profile_id", "reason", "detail"),
    )
)


def _register() -> None:
    """The commands that bring figures in live in a file of their own."""
    from advisor.cli import (
        profile_compare,
        profile_estimate,
        profile_fit,
        profile_import,
        profile_next,
        profile_simulate,
    )

    app.command("import")(profile_import.import_)
    app.command("measure")(profile_import.measure)
    app.command("forget")(profile_import.forget)
    app.command("compare")(profile_compare.compare)
    app.command("estimate")(profile_estimate.estimate)
    app.command("next")(profile_next.next_)
    app.command("simulate")(profile_simulate.simulate)
    app.command("fit")(profile_fit.fit)


_register()
