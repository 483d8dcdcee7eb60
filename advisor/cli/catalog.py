"""`advisor catalog`: the prices at hand, and how old they are."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from advisor.catalog.freshness import FRESH_SHARE
from advisor.cli import catalog_diff, catalog_history, catalog_keep, evidence
from advisor.cli.output import Col, Format, FormatOption, Listing, OutputOption, note, write_listing
from advisor.clock import now_utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from advisor.catalog.freshness import Freshness
    from advisor.catalog.snapshot import Snapshot

app = typer.Typer(no_args_is_help=True, help="The prices at hand: how old they are and where they come from.")


@app.callback()
def _group() -> None:
    """The prices at hand: how old they are and where they come from."""


app.command("evidence")(evidence.evidence)
app.command("diff")(catalog_diff.diff)
app.command("history")(catalog_history.history)
app.command("export")(catalog_diff.export)
app.command("list")(catalog_keep.snapshots)
app.command("prune")(catalog_keep.prune)
app.command("set-aside")(catalog_keep.set_aside)


@app.command("status")
def status(
    snapshot: Annotated[
        str | None, typer.Option(help="Id or path of a snapshot; default the newest.")
    ] = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Show how fresh the prices are, per provider and market.

    Example: [b]advisor catalog status --format json[/]
    """
    from advisor.catalog.freshness import freshness
    from advisor.catalog.store import open_snapshot

    prices = open_snapshot(snapshot)
    now = now_utc()
    lines = freshness(prices.offers, now, providers=sorted({offer.provider for offer in prices.offers}))
    words = tuple(_footer(prices, lines))
    write_listing(
        Listing(
            title=f"Snapshot {prices.info.snapshot_id}",
            columns=_COLUMNS if form in (Format.TABLE, Format.MARKDOWN) else _COLUMNS + _DETAILS,
            records=[_record(line, prices) for line in lines],
            footer=words,
            empty="\n".join(["The snapshot holds no offers.", *words]),
        ),
        form,
        output,
    )
    if form in (Format.JSON, Format.CSV):
        note(*words)


def _record(line: Freshness, prices: Snapshot) -> dict[str, Any]:
    record = asdict(line)
    for name in ("oldest", "newest"):
        record[name] = record[name].isoformat() if record[name] else None
    record["market"] = line.market.value
    record["age_hours"] = None if line.age_hours is None else round(line.age_hours, 1)
    record["age_days"] = None if line.age_hours is None else round(line.age_hours / 24, 1)
    record["fresh_percent"] = None if line.fresh_share is None else int(100 * line.fresh_share)
    record["sources"] = "; ".join(line.sources)
    record["source_count"] = len(line.sources)
    record["flags"] = ";".join(line.flags)
    record["snapshot_id"] = prices.info.snapshot_id
    record["snapshot_path"] = prices.info.path
    return record


def _day(value: str | None) -> str:
    return value[:10] if value else "–"


_COLUMNS = (
    Col("provider", "Provider"),
    Col("market", "Market"),
    Col("state", "State"),
    Col("offers", "Offers", numeric=True),
    Col("fresh_percent", "Fresh (%)", numeric=True),
    Col("age_days", "Age (days)", numeric=True),
    Col("limit_hours", "Stale after (h)", numeric=True, text=lambda value: f"{value:g}", importance=4),
    Col("oldest", "Oldest price", text=_day, importance=2),
    Col("newest", "Newest price", text=_day, importance=3),
    Col("source_count", "Sources", numeric=True, importance=5),
    Col("flags", "Flags", text=lambda value: value.replace(";", " "), importance=6),
)

_DETAILS = tuple(Col(name, name) for name in ("age_hours", "sources", "snapshot_id", "snapshot_path"))
"""Columns for programs; a table has them below."""


def _footer(prices: Snapshot, lines: Sequence[Freshness]) -> Iterable[str]:
    info = prices.info
    origin = "shipped with the package" if info.shipped else "published on this machine"
    if prices.title:
        yield f"{prices.title}."
    yield f"{info.offers:,} offers, made {info.created_at:%Y-%m-%d %H:%M} UTC, {origin}: {info.path}"
    superseded = sum("superseded" in offer.flags for offer in prices.offers)
    if superseded:
        yield f"{superseded:,} superseded offers are not counted above."
    stale = sum(line.state == "stale" for line in lines)
    limit = f"under {FRESH_SHARE:.0%} of what can be bought is within its age limit"
    yield f"Stale: {stale} of {len(lines)} lines ({limit}); the age is that of the oldest price."
    missing = [f"{line.provider} {line.market.value}" for line in lines if line.state == "missing"]
    if missing:
        yield f"No price in this snapshot: {', '.join(missing)}."
    yield "Sources:"
    for source in info.sources:
        yield f"  {source}"
