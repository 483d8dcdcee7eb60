"""`advisor profile list`: which profiles there are, filtered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from advisor.cli.output import Col, Format, FormatOption, Listing, OutputOption, note, write_listing
from advisor.cli.profile_options import precision_id, profile_store
from advisor.domain import EvidenceKind
from advisor.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.catalog.facts import Facts

    Record = dict[str, Any]

TABLE_LIMIT: Final = 40
"""Rows of a table unless ``--limit`` says otherwise: about a screen. JSON and CSV are whole."""

LimitOption = Annotated[
    int | None, typer.Option(min=1, help=f"Rows to show; default {TABLE_LIMIT} in a table, else all.")
]


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

    records = profile_store().summaries()
    wanted = _Filter.of(load_facts(), records, model, accelerator, kind, engine, precision)
    found = sorted((record for record in records if wanted.keeps(record)), key=lambda r: r["slo_points"] == 0)
    most = limit or (TABLE_LIMIT if form is Format.TABLE else None)
    words = _list_words(found, most)
    write_listing(Listing("Throughput profiles", _LIST_COLUMNS, found[:most], words), form, output)
    if form in (Format.JSON, Format.CSV):
        note(*words)


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
        records: Sequence[Record],
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
        known_engines = {record["engine"] for record in records if record["engine"]}
        if engine is not None and engine.strip().casefold() not in map(str.casefold, known_engines):
            raise UnknownName("engine", engine, known_engines)
        if precision is not None:
            precision = precision_id(precision)
        return cls(models, chips, kind, engine, precision)

    def keeps(self, record: Record) -> bool:
        """Whether a summary passes every filter."""
        from advisor.profiles.equivalence import precision_class

        stated = record["precision"]
        return (
            (self.models is None or record["model"] in self.models)
            and (self.accelerators is None or record["accelerator"] in self.accelerators)
            and (self.kind is None or record["kind"] == self.kind.value)
            and (self.engine is None or (record["engine"] or "").casefold() == self.engine.strip().casefold())
            and (
                self.precision is None
                or (stated is not None and precision_class(stated) == precision_class(self.precision.strip()))
            )
        )


def _list_words(found: Sequence[Record], most: int | None) -> tuple[str, ...]:
    idle = sum(1 for record in found if not record["slo_points"])
    words = []
    if not found:
        return ("No profile passes all filters together; leave one out.",)
    if most is not None and len(found) > most:
        words.append(f"{most} of {len(found):,} profiles; --limit shows more.")
    if idle:
        words.append(
            f"{idle} cannot say what rate an SLO allows: no plan uses them; they come last, with the reason."
        )
    return tuple(words)


_LIST_COLUMNS: Final = (
    Col("kind", "kind"),
    Col("model", "model"),
    Col("precision", "precision", importance=2),
    Col("accelerator", "accelerator"),
    Col("tensor_parallel", "TP", numeric=True),
    Col("accelerators", "GPUs", numeric=True, importance=7),
    Col("engine", "engine"),
    Col("engine_version", "version", importance=4),
    Col("sizes", "sizes", numeric=True, importance=3),
    Col("points", "points", numeric=True, importance=6),
    Col("slo_points", "for SLOs", numeric=True),
    Col("date", "date", importance=5),
    Col("profile_id", "profile", importance=8),
    Col("load_modes", "loads", importance=9),
    Col("source_id", "source", importance=10),
    Col("licence", "licence", importance=11),
    Col("not_evidence_because", "not for SLOs because", importance=12, wrap=True),
)
