"""How `advisor profile compare` looks: the table, its footnotes, the chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.cli.output import Col, Format, Listing, listing_table
from advisor.domain import EvidenceKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from advisor.cli.throughput_chart import Line
    from advisor.profiles.compare import ComparedCell, ComparedFigure, Condition
    from advisor.profiles.replica import Replica
    from advisor.profiles.verdict import Ranks

    Record = dict[str, Any]

CHART_ROWS: Final = 36
MARKS: Final = {EvidenceKind.MEASURED: "●", EvidenceKind.SIMULATED: "◆", EvidenceKind.ESTIMATED: "○"}
_RANKS: Final = {"fastest": "fastest", "tie": "tie with fastest", "slower": "slower", "open": "may be faster"}
_KEY: Final = "● measured, ◆ simulated, ○ estimated, ├─┤ 90 % interval where one is known"


def comparison_listing(
    cells: Sequence[ComparedCell], replicas: Sequence[Replica], condition: Condition, form: Format
) -> Listing:
    """One record per figure; a table says a cell's name once."""
    from advisor.profiles.verdict import against_fastest

    ranks = against_fastest(cells, condition)
    first = replicas[0]
    held = (
        f"{condition.slo}"
        if condition.concurrency is None
        else f"{condition.concurrency:g} requests in flight"
    )
    title = f"{first.model.id} {first.precision}, {first.engine}, {held}: requests/s of one replica"
    records = [
        _record(cell, figure, condition, ranks if figure is cell.strongest else {})
        for cell in cells
        for figure in cell.figures
    ]
    columns = _RECORD if form in (Format.JSON, Format.CSV) else _columns(form)
    if form is Format.TABLE:
        records = _said_once(records)
    return Listing(title, columns, records, _footer(cells, condition, ranks))


def _said_once(records: list[Record]) -> list[Record]:
    """A cell's name in its first row, its size in the second, its place in the third: each has three."""
    places = {(r["replica"], r["size"]): r["against_fastest"] for r in records if r["against_fastest"]}
    told: dict[tuple[str, str], int] = {}
    shown = []
    for record in records:
        key = record["replica"], record["size"]
        row = told[key] = told.get(key, 0) + 1
        words = {
            1: record["replica"],
            2: f"  {record['size']}",
            3: f"  {_RANKS.get(places.get(key, ''), '')}",
        }
        shown.append(record | {"cell": words.get(row, "").rstrip()})
    return shown


def _record(cell: ComparedCell, figure: ComparedFigure, condition: Condition, ranks: Ranks) -> Record:
    from advisor.profiles.verdict import is_lower_bound, ratio, verdict

    replica, reference = cell.replica, cell.measured
    alone = figure is reference
    return {
        "replica": _replica_words(replica),
        "accelerator": replica.accelerator.id,
        "tensor_parallel": replica.tensor_parallel,
        "size": f"{cell.size[0]:.0f} × {cell.size[1]:.0f}",
        "input_tokens": cell.size[0],
        "output_tokens": cell.size[1],
        "kind": figure.kind.value,
        "requests_per_s": figure.requests_per_s,
        "rate": _rate(figure, condition),
        "lower_bound": None if figure.requests_per_s is None else is_lower_bound(figure, condition),
        "interval": _interval(figure),
        "low_requests_per_s": None if figure.interval is None else figure.interval.low,
        "high_requests_per_s": None if figure.interval is None else figure.interval.high,
        "ratio_to_measured": None if alone else ratio(figure, reference),
        "against_measured": None if alone else verdict(figure, reference, condition),
        "versus": _versus(figure, reference, condition),
        "against_fastest": ranks.get((replica.accelerator.id, replica.tensor_parallel, cell.size)),
        "tpot_ms": figure.tpot_ms,
        "ttft_ms": figure.ttft_ms,
        "limited_by": figure.limited_by,
        "engine": figure.engine,
        "engine_version": figure.engine_version,
        "date": figure.date,
        "profile_id": figure.profile_id,
        "source": figure.source,
        "why_none": figure.reason,
    }


def _replica_words(replica: Replica) -> str:
    degree = replica.tensor_parallel
    return replica.accelerator.id if degree == 1 else f"{degree} × {replica.accelerator.id}"


def _rate(figure: ComparedFigure, condition: Condition) -> str | None:
    from advisor.profiles.verdict import is_lower_bound

    if figure.requests_per_s is None:
        return None
    return f"{'≥ ' if is_lower_bound(figure, condition) else ''}{_number(figure.requests_per_s)}"


def _interval(figure: ComparedFigure) -> str | None:
    span = figure.interval
    return None if span is None else f"{_number(span.low)}–{_number(span.high)}"


def _footer(cells: Sequence[ComparedCell], condition: Condition, ranks: Ranks) -> tuple[str, ...]:
    from advisor.profiles.verdict import is_lower_bound

    figures = [figure for cell in cells for figure in cell.figures]
    words = []
    if not any(cell.measured for cell in cells):
        words.append("Nothing measured reaches these cells: no ratio can be given.")
    else:
        words.append("tie: the 90 % intervals overlap; a figure of unknown error counts as exact.")
    if any(is_lower_bound(figure, condition) for figure in figures):
        words.append(
            "≥: no higher load was profiled, and the limit still held; open: such a bound decides nothing, "
            "--concurrency compares at one load."
        )
    if any(figure.ttft_ms is not None for figure in figures):
        words.append(
            "TTFT: mean of the load as profiled, usually a closed loop; an open stream waits longer."
        )
    if ranks:
        words.append("fastest: of the replicas, by the strongest evidence of each.")
    reasons: dict[str, str] = {}
    for cell in cells:
        for figure in cell.figures:
            if figure.reason is not None:
                said = f"No {figure.kind.value} figure: {figure.reason}"
                reasons.setdefault(said, _replica_words(cell.replica))
    words += [f"{reason} (e.g. {replica})." for reason, replica in list(reasons.items())[:4]]
    return tuple(words)


def comparison_parts(
    listing: Listing, cells: Sequence[ComparedCell], width: int, *, chart: bool
) -> list[RenderableType]:
    """The table, and the chart below it."""
    from rich.text import Text

    from advisor.cli.throughput_chart import throughput_chart

    drawn = _lines(cells)
    parts: list[RenderableType] = [listing_table(listing, width)]
    if chart and drawn:
        left = len(drawn) - CHART_ROWS
        parts.append(Text(""))
        parts += [
            Text(line) for line in throughput_chart(drawn[:CHART_ROWS], min(width, 100), "Requests/s", _KEY)
        ]
        if left > 0:
            parts.append(Text(f"{left} more figures are not drawn."))
    return parts


def _lines(cells: Sequence[ComparedCell]) -> list[Line]:
    from advisor.cli.throughput_chart import Line

    degrees = {cell.replica.tensor_parallel for cell in cells}
    several = len({cell.size for cell in cells}) > 1
    return [
        Line(
            " ".join(
                [
                    cell.replica.accelerator.id,
                    *([f"tp{cell.replica.tensor_parallel}"] if degrees != {1} else []),
                    *([f"{cell.size[0]:.0f}×{cell.size[1]:.0f}"] if several else []),
                ]
            ),
            MARKS[figure.kind],
            figure.requests_per_s,
            figure.interval.low if figure.interval else None,
            figure.interval.high if figure.interval else None,
        )
        for cell in cells
        for figure in cell.figures
        if figure.requests_per_s
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _versus(figure: ComparedFigure, reference: ComparedFigure | None, condition: Condition) -> str | None:
    from advisor.profiles.verdict import ratio, verdict

    share = None if figure is reference else ratio(figure, reference)
    return None if share is None else f"{share:.2f} {verdict(figure, reference, condition)}"


def _columns(form: Format) -> tuple[Col, ...]:
    cell = (
        (Col("cell", "replica, in × out"),)
        if form is Format.TABLE
        else (
            Col("replica", "replica"),
            Col("size", "in × out", numeric=True),
            Col("against_fastest", "vs fastest"),
        )
    )
    return (
        *cell,
        Col("kind", "kind"),
        Col("rate", "req/s", numeric=True),
        Col("interval", "90 %", numeric=True),
        Col("versus", "× measured"),
        Col("tpot_ms", "TPOT ms", numeric=True, text=_number, importance=2),
        Col("ttft_ms", "TTFT ms", numeric=True, text=_number, importance=3),
        Col("engine", "engine", importance=4),
        Col("engine_version", "version", importance=4),
        Col("date", "date", importance=5),
        Col("profile_id", "profile", importance=6),
    )


_RECORD: Final = tuple(
    Col(name, name)
    for name in (
        *(
            "accelerator",
            "tensor_parallel",
            "input_tokens",
            "output_tokens",
            "kind",
            "requests_per_s",
            "lower_bound",
        ),
        *("low_requests_per_s", "high_requests_per_s", "ratio_to_measured", "against_measured"),
        *(
            "against_fastest",
            "tpot_ms",
            "ttft_ms",
            "limited_by",
            "engine",
            "engine_version",
            "date",
            "profile_id",
        ),
        *("source", "why_none"),
    )
)
