"""`advisor catalog diff` and `advisor catalog export`: what changed, and everything there is."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from advisor.cli.output import (
    Col,
    Format,
    FormatOption,
    Listing,
    OutputOption,
    csv_cell,
    note,
    write_file,
    write_listing,
    write_text,
)
from advisor.errors import UsageError
from advisor.units import usd_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.catalog.diff import Diff
    from advisor.catalog.snapshot import Snapshot
    from advisor.domain import Offer

TABLE_LIMIT: Final = 40
"""Rows of a table unless ``--limit`` says otherwise: about a screen. JSON and CSV are whole."""


def diff(
    old: Annotated[
        str | None, typer.Argument(help="Id or path of a snapshot; default the one before the newest.")
    ] = None,
    new: Annotated[str | None, typer.Argument(help="Id or path; default the newest.")] = None,
    min_percent: Annotated[str, typer.Option(help="Leave out price moves smaller than this.")] = "0",
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"Rows to show; default {TABLE_LIMIT} in a table or Markdown.")
    ] = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Show which prices rose, fell, appeared and vanished between two snapshots, the costliest first.

    Example: [b]advisor catalog diff --min-percent 5 --format markdown[/]
    """
    from advisor.catalog.diff import diff as compare

    before, after = _two_snapshots(old, new)
    found = compare(before, after, min_percent=_percent(min_percent))
    records = list(_records(found))
    short = form in (Format.TABLE, Format.MARKDOWN)
    most = limit or (TABLE_LIMIT if short else None)
    words = _summary(found, len(records), most)
    listing = Listing(
        title=f"Prices, {found.old_id} to {found.new_id}",
        columns=_COLUMNS if short else _COLUMNS + _DETAILS,
        records=records[:most],
        footer=words,
        empty="\n".join(["Nothing changed.", *words]),
    )
    write_listing(listing, form, output)
    if not short:
        note(*words)


def _two_snapshots(old: str | None, new: str | None) -> tuple[Snapshot, Snapshot]:
    """The snapshots named, by default the newest and the one before."""
    from advisor.catalog.diff import path_before
    from advisor.catalog.store import Store, advisor_home, shipped_folder

    store = Store(home=advisor_home(), shipped=shipped_folder())
    after = store.open(new)
    return store.open(old if old is not None else path_before(after, store.paths())), after


def _percent(text: str) -> Decimal:
    try:
        percent = Decimal(text)
    except InvalidOperation:
        percent = Decimal(-1)
    if not percent.is_finite() or percent < 0:
        raise UsageError(f"--min-percent: '{text}' is not allowed; a number of at least 0, e.g. 5")
    return percent


def _records(found: Diff) -> Iterator[dict[str, Any]]:
    """Moves of either direction by impact, then what appeared, then what vanished."""
    moves = sorted(
        (*found.rose, *found.fell),
        key=lambda move: (-abs(move.usd_per_hour), -abs(move.percent), move.offer_id),
    )
    for move in moves:
        kind = "rose" if move.usd_per_hour > 0 else "fell"
        yield _record(kind, move.old, move.new)
    for offer in found.appeared:
        yield _record("appeared", None, offer)
    for offer in found.vanished:
        yield _record("vanished", offer, None)


def _record(kind: str, old: Offer | None, new: Offer | None) -> dict[str, Any]:
    offer = new or old
    before = old.usd_per_hour if old else None
    after = new.usd_per_hour if new else None
    moved = None if before is None or after is None else after - before
    return {
        "change": kind,
        "provider": offer and offer.provider,
        "region": offer and offer.region,
        "zone": offer and offer.zone,
        "instance_type": offer and offer.instance_type,
        "market": offer and offer.market.value,
        "usd_per_hour_before": before and before.normalize(),
        "usd_per_hour_after": after and after.normalize(),
        "usd_per_hour_change": moved and moved.normalize(),
        "percent": moved and before and round(100 * moved / before, 2),
        "collected_at_before": old and old.collected_at.isoformat(),
        "collected_at_after": new and new.collected_at.isoformat(),
        "source_before": old and old.source,
        "source_after": new and new.source,
        "offer_id": offer and offer.id,
    }


def _usd(value: Decimal | None) -> str:
    return "–" if value is None else usd_text(value, 4)


def _signed(value: Decimal | None) -> str:
    return "–" if value is None else f"{'+' if value > 0 else ''}{usd_text(value, 4)}"


def _percent_text(value: Decimal | None) -> str:
    return "–" if value is None else f"{value:+.1f} %"


_COLUMNS: Final = (
    Col("change", "Change"),
    Col("provider", "Provider"),
    Col("region", "Region"),
    Col("zone", "Zone", text=lambda value: value or "", importance=3),
    Col("instance_type", "Instance type"),
    Col("market", "Market", importance=2),
    Col("usd_per_hour_before", "USD/h before", numeric=True, text=_usd),
    Col("usd_per_hour_after", "after", numeric=True, text=_usd),
    Col("usd_per_hour_change", "change", numeric=True, text=_signed, importance=4),
    Col("percent", "in %", numeric=True, text=_percent_text),
)

_DETAILS: Final = tuple(
    Col(name, name)
    for name in ("collected_at_before", "collected_at_after", "source_before", "source_after", "offer_id")
)


def _summary(found: Diff, changes: int, most: int | None) -> tuple[str, ...]:
    counts = (
        f"{len(found.rose):,} rose, {len(found.fell):,} fell, {len(found.appeared):,} appeared,"
        f" {len(found.vanished):,} vanished, {found.unchanged:,} unchanged."
    )
    made = (
        f"Snapshots made {found.old_created_at:%Y-%m-%d %H:%M} and {found.new_created_at:%Y-%m-%d %H:%M} UTC."
    )
    if most is not None and changes > most:
        return (counts, made, f"{most} of {changes:,} changes; --limit shows more.")
    return (counts, made)


class ExportFormat(StrEnum):
    """Files everything can be exported as."""

    CSV = "csv"
    PARQUET = "parquet"


def export(
    snapshot: Annotated[
        str | None, typer.Option(help="Id or path of a snapshot; default the newest.")
    ] = None,
    form: Annotated[
        ExportFormat | None,
        typer.Option("--format", "-f", help="Default by the ending of the file, else csv."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file; CSV may go to stdout.")
    ] = None,
) -> None:
    """Write every offer of a snapshot with every column, superseded ones included.

    Example: [b]advisor catalog export --format csv -o offers.csv[/]
    """
    from advisor.catalog.store import open_snapshot

    prices = open_snapshot(snapshot)
    if form is None:
        named = output is not None and output.suffix == ".parquet"
        form = ExportFormat.PARQUET if named else ExportFormat.CSV
    if form is ExportFormat.CSV:
        write_text(_csv(prices), output)
    elif output is None:
        raise UsageError("a Parquet file is not for the terminal: say -o FILE")
    else:
        write_file(Path(prices.info.path).read_bytes(), output)
    if output is not None:
        note(f"{len(prices.offers):,} offers of snapshot {prices.info.snapshot_id} written to {output}")


def _csv(prices: Snapshot) -> str:
    """Every field of every offer, lists separated by ``;``, blank where it is not known."""
    names = [field.name for field in fields(prices.offers[0])] if prices.offers else []
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["snapshot_id", "offer_id", *names])
    for offer in prices.offers:
        cells = (csv_cell(_cell(getattr(offer, name))) for name in names)
        writer.writerow([prices.info.snapshot_id, csv_cell(offer.id), *cells])
    return buffer.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        return ";".join(value)
    return value.isoformat() if isinstance(value, datetime) else value
