"""`advisor catalog history`: one price over time."""

from __future__ import annotations

from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from advisor.cli.output import (
    Col,
    Format,
    FormatOption,
    Listing,
    OutputOption,
    listing_table,
    note,
    show,
    write_listing,
)
from advisor.clock import now_utc
from advisor.errors import UsageError
from advisor.units import usd_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from advisor.catalog.history import Observation, PriceHistory
    from advisor.domain import Market

TABLE_LIMIT: Final = 20
"""Newest observations in a table unless ``--limit`` says otherwise. JSON and CSV are whole."""

CHART_WIDTH: Final = 80


def history(
    instance_type: Annotated[str, typer.Argument(help="The provider's own name, e.g. p5.48xlarge.")],
    region: Annotated[str, typer.Option(help="The provider's own region id, e.g. us-east-1.")],
    market: Annotated[str | None, typer.Option(help="on-demand, spot or any; default any.")] = None,
    provider: Annotated[str | None, typer.Option(help="Needed where two sell that name there.")] = None,
    zone: Annotated[str | None, typer.Option(help="One zone; default the region and all its zones.")] = None,
    since: Annotated[str | None, typer.Option(help="First day of interest, YYYY-MM-DD.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"Observations to list; default {TABLE_LIMIT} in a table.")
    ] = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Show what an instance type cost over time, from the history shipped and every snapshot at hand.

    Example: [b]advisor catalog history p5.48xlarge --region us-east-1 --market on-demand[/]
    """
    found = _found(instance_type, region, _market(market), provider, zone, _day(since))
    records = [_record(observation) for observation in found.observations]
    short = form in (Format.TABLE, Format.MARKDOWN)
    most = limit or (TABLE_LIMIT if short else len(records))
    words = _footer(found, min(most, len(records)))
    listing = Listing(
        title=f"{found.provider} {found.instance_type} in {found.region}, USD an hour",
        columns=_COLUMNS if short else _COLUMNS + _DETAILS,
        records=_newest(records, most),
        footer=words,
        empty="\n".join(["No price in that time and market.", *words]),
    )
    if form is not Format.TABLE or not records:
        write_listing(listing, form, output)
    else:
        show(lambda width: _page(found, listing, width), output)
    if form in (Format.JSON, Format.CSV):
        note(*words)


def _found(
    instance_type: str,
    region: str,
    market: Market | None,
    provider: str | None,
    zone: str | None,
    since: date | None,
) -> PriceHistory:
    from advisor.catalog.history import history_folder, price_history
    from advisor.catalog.store import Store, advisor_home, shipped_folder

    store = Store(home=advisor_home(), shipped=shipped_folder())
    return price_history(
        instance_type,
        region,
        market,
        snapshots=store.paths(),
        imported=sorted(history_folder().glob("*.parquet")),
        provider=provider,
        zone=zone,
        since=since,
    )


def _market(text: str | None) -> Market | None:
    from advisor.domain import LISTED_MARKETS, Market

    name = (text or "any").strip().casefold().replace("-", "_")
    if name == "any":
        return None
    if name not in LISTED_MARKETS:
        raise UsageError(f"--market: '{text}' is not allowed; on-demand, spot or any")
    return Market(name)


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since: '{text}' is not allowed; a day as YYYY-MM-DD") from None


def _record(observation: Observation) -> dict[str, Any]:
    return {
        "provider": observation.provider,
        "region": observation.region,
        "zone": observation.zone,
        "instance_type": observation.instance_type,
        "market": observation.market.value,
        "usd_per_hour": observation.usd_per_hour.normalize(),
        "valid_from": observation.valid_from.isoformat(),
        "observed_until": observation.observed_until.isoformat(),
        "source": observation.source,
        "licence": observation.licence,
        "found_in": observation.found_in,
    }


def _newest(records: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """The newest so many, in the order they came."""
    by_age = sorted(range(len(records)), key=lambda place: records[place]["observed_until"], reverse=True)
    return [records[place] for place in sorted(by_age[:most])]


def _page(found: PriceHistory, listing: Listing, width: int) -> Sequence[RenderableType]:
    """One chart per market, then the table."""
    from rich.text import Text

    parts: list[RenderableType] = []
    for _, group in groupby(found.observations, key=lambda seen: seen.market):
        parts.append(Text("\n".join(_chart(list(group), min(width, CHART_WIDTH))) + "\n"))
    return [*parts, listing_table(listing, width)]


def _chart(observations: Sequence[Observation], width: int) -> list[str]:
    """A chart of a market's only series, or of the one seen last."""
    from advisor.cli.price_chart import price_chart

    series: dict[str | None, list[Observation]] = {}
    for observation in observations:
        series.setdefault(observation.zone, []).append(observation)
    zone = max(series, key=lambda name: (max(seen.observed_until for seen in series[name]), name or ""))
    newest = max(seen.observed_until for seen in observations)
    market = observations[0].market.value
    words = f"{market}, {'region' if zone is None else f'zone {zone}'}"
    if len(series) > 1:
        words += f" (1 of {len(series)} series; --zone picks another)"
    today = max(newest, now_utc().date())
    return [words, *price_chart(series[zone], today, width)]


def _footer(found: PriceHistory, shown: int) -> tuple[str, ...]:
    total = len(found.observations)
    lines = [f"{shown} of {total:,} observations, the newest; --limit shows more."] if shown < total else []
    if found.observations:
        last = max(observation.observed_until for observation in found.observations)
        lines.append(f"Last seen {last.isoformat()}. Sources: {'; '.join(_sources(found))}.")
    return tuple(lines)


def _sources(found: PriceHistory) -> list[str]:
    return sorted({observation.source for observation in found.observations})


_COLUMNS: Final = (
    Col("market", "Market"),
    Col("zone", "Zone", text=lambda value: value or "", importance=2),
    Col("usd_per_hour", "USD/h", numeric=True, text=lambda value: usd_text(value, 4)),
    Col("valid_from", "From"),
    Col("observed_until", "Last seen"),
    Col("found_in", "Found in", importance=3),
)

_DETAILS: Final = tuple(
    Col(name, name) for name in ("provider", "region", "instance_type", "source", "licence")
)
