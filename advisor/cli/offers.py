"""`advisor offers`: what there is to rent, at which price."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from advisor.cli import options
from advisor.cli.output import Col, Format, FormatOption, Listing, OutputOption, note, write_listing
from advisor.clock import now_utc
from advisor.domain import EXCLUSION_REASONS
from advisor.errors import UsageError
from advisor.units import usd_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from advisor.catalog.selection import Selection
    from advisor.domain import Exclusion, Offer

TABLE_LIMIT: Final = 40
"""Rows of a table unless ``--limit`` says otherwise: about a screen. JSON and CSV are whole."""


class Sort(StrEnum):
    """Orders of the listing; all of them end with the cheaper offer first."""

    USD_PER_HOUR = "usd_per_hour"
    USD_PER_ACCELERATOR_HOUR = "usd_per_accelerator_hour"
    PROVIDER = "provider"
    REGION = "region"
    ACCELERATOR = "accelerator"
    AGE = "age"


class Group(StrEnum):
    """What offers can be gathered by."""

    PROVIDER = "provider"
    REGION = "region"
    ACCELERATOR = "accelerator"
    INSTANCE_TYPE = "instance_type"
    MARKET = "market"


def offers(
    region: Annotated[
        list[str] | None,
        typer.Option(
            help="Region id of any provider, [b]aws:us-east-1[/], or a glob such as 'us-*'. Repeatable."
        ),
    ] = None,
    near: Annotated[
        list[str] | None,
        typer.Option(help="Every cloud's regions around one: REGION or REGION=KM. Repeatable."),
    ] = None,
    provider: Annotated[list[str] | None, typer.Option(help="Provider, or a glob. Repeatable.")] = None,
    accelerator: Annotated[
        list[str] | None, typer.Option(help="Accelerator: h100-sxm-80gb, H100, 'a100-*'. Repeatable.")
    ] = None,
    market: Annotated[list[str] | None, typer.Option(help="on-demand, spot or any. Repeatable.")] = None,
    max_usd_per_hour: Annotated[
        str | None, typer.Option(help="Dearest instance to show, USD an hour.")
    ] = None,
    sort: Annotated[Sort, typer.Option(help="Order of the rows.")] = Sort.USD_PER_HOUR,
    group_by: Annotated[
        Group | None, typer.Option(help="One row per group, with its cheapest offer.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"Rows to show; default {TABLE_LIMIT} in a table, else all.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what cannot be bought as it stands, with the reason.")
    ] = False,
    snapshot: Annotated[
        str | None, typer.Option(help="Id or path of a snapshot; default the newest.")
    ] = None,
    prices: options.Prices = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """List priced offers, the cheapest first.

    Example: [b]advisor offers --region us-east-1 --accelerator H100 --sort usd_per_accelerator_hour[/]
    """
    from advisor.catalog.facts import load_facts
    from advisor.catalog.selection import Criteria, select
    from advisor.catalog.store import open_snapshot
    from advisor.cli.prices import priced

    catalog = open_snapshot(priced(snapshot, prices))
    selection = select(
        catalog.offers,
        load_facts(),
        Criteria(
            regions=tuple(region or ()),
            near=tuple(near or ()),
            providers=tuple(provider or ()),
            markets=tuple(market or ()),
            accelerators=tuple(accelerator or ()),
            max_usd_per_hour=parse_usd_per_hour(max_usd_per_hour),
        ),
    )
    shown, hidden = _screened(selection, everything)
    now = now_utc()
    records = [
        _record(offer, why_not, now)
        for offer, why_not in sorted(shown, key=lambda pair: _order(pair[0], sort))
    ]
    if group_by is not None:
        records = _grouped(records, group_by)
    most = limit or (TABLE_LIMIT if form is Format.TABLE else None)
    words = [*_count_line(len(records), most, group_by), *_hidden_lines(hidden, everything), *selection.notes]
    listing = Listing(
        title=f"Offers in snapshot {catalog.info.snapshot_id}",
        columns=_group_columns(group_by) if group_by else _columns(records, form, everything),
        records=records[:most],
        footer=tuple(words),
        empty="\n".join(["No offers.", *words]),
    )
    write_listing(listing, form, output)
    if form in (Format.JSON, Format.CSV):
        note(*words)


def parse_usd_per_hour(text: str | None) -> Decimal | None:
    """The price limit of an option.

    Raises:
        UsageError: not a positive number of dollars.
    """
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0:
        raise UsageError(f"--max-usd-per-hour: '{text}' is not allowed; a positive number of USD, e.g. 12.50")
    return amount


def _screened(
    selection: Selection, everything: bool
) -> tuple[list[tuple[Offer, str | None]], list[Exclusion]]:
    """Offers to show, each with why it cannot be bought, and exclusions of those not shown."""
    from advisor.catalog.buyable import screen

    shown: list[tuple[Offer, str | None]] = []
    hidden = list(selection.exclusions)
    for offer in selection.offers:
        exclusion = screen(offer, include=frozenset(), allow_unknown_availability=False)
        if exclusion is None or everything:
            shown.append((offer, exclusion.reason if exclusion else None))
        else:
            hidden.append(exclusion)
    return shown, hidden


def _order(offer: Offer, sort: Sort) -> tuple[Any, ...]:
    per_accelerator = offer.usd_per_hour / offer.accelerators
    first: dict[Sort, Callable[[], object]] = {
        Sort.USD_PER_HOUR: lambda: offer.usd_per_hour,
        Sort.USD_PER_ACCELERATOR_HOUR: lambda: per_accelerator,
        Sort.PROVIDER: lambda: offer.provider,
        Sort.REGION: lambda: offer.region,
        Sort.ACCELERATOR: lambda: offer.accelerator,
        Sort.AGE: lambda: -offer.collected_at.timestamp(),
    }
    return (first[sort](), offer.usd_per_hour, per_accelerator, offer.id, offer.collected_at)


def _record(offer: Offer, why_not: str | None, now: datetime) -> dict[str, Any]:
    return {
        "provider": offer.provider,
        "region": offer.region,
        "zone": offer.zone,
        "instance_type": offer.instance_type,
        "market": offer.market.value,
        "accelerators": offer.accelerators.normalize(),
        "accelerator": offer.accelerator,
        "usd_per_hour": offer.usd_per_hour.normalize(),
        "usd_per_accelerator_hour": round(offer.usd_per_hour / offer.accelerators, 8).normalize(),
        "vcpus": offer.vcpus,
        "memory_gib": offer.memory_gib,
        "availability": offer.availability.value,
        "availability_basis": offer.availability_basis,
        "interruption": offer.interruption,
        "age_days": max(0, (now - offer.collected_at).days),
        "collected_at": offer.collected_at.isoformat(),
        "price_basis": offer.price_basis,
        "flags": ";".join(offer.flags),
        "source": offer.source,
        "licence": offer.licence,
        "why_not": why_not,
        "offer_id": offer.id,
    }


def _usd(value: Decimal) -> str:
    return usd_text(value, 4)


def _blank(value: object) -> str:
    return "" if value is None else str(value)


def _columns(records: Sequence[dict[str, Any]], form: Format, everything: bool) -> tuple[Col, ...]:
    """Columns by reading order. What names the offer, and its price, always stays; programs get all."""
    zoned = any(record["zone"] for record in records)
    seen = (
        Col("provider", "Provider"),
        Col("region", "Region"),
        Col("zone", "Zone", text=_blank, importance=2 if zoned else 14),
        Col("instance_type", "Instance type"),
        Col("market", "Market"),
        Col("accelerators", "GPUs", numeric=True, importance=5),
        Col("accelerator", "Accelerator", importance=3),
        Col("usd_per_hour", "USD/h", numeric=True, text=_usd),
        Col("usd_per_accelerator_hour", "USD/GPU-h", numeric=True, text=_usd, importance=4),
        Col("vcpus", "vCPUs", numeric=True, importance=9),
        Col("memory_gib", "GiB", numeric=True, text=_gib, importance=10),
        Col("availability", "Availability", importance=8),
        Col("interruption", "Interrupted/month", importance=11),
        Col("age_days", "Age (days)", numeric=True, importance=6),
        Col("price_basis", "Price basis", importance=12),
        Col("flags", "Flags", importance=13),
    )
    why_not = (Col("why_not", "Why not", text=_blank),)
    if form in (Format.TABLE, Format.MARKDOWN):
        return seen + why_not if everything else seen
    rest = ("collected_at", "source", "licence", "availability_basis", "offer_id")
    return seen + why_not + tuple(Col(name, name) for name in rest)


def _gib(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _grouped(records: Sequence[dict[str, Any]], group_by: Group) -> list[dict[str, Any]]:
    """One record per group, in the order in which groups first appear."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        groups.setdefault(record[group_by.value], []).append(record)
    return [_group_record(group_by, name, members) for name, members in groups.items()]


def _group_record(group_by: Group, name: str, members: Sequence[dict[str, Any]]) -> dict[str, Any]:
    per_accelerator = [member["usd_per_accelerator_hour"] for member in members]
    cheapest = min(members, key=lambda member: (member["usd_per_accelerator_hour"], member["offer_id"]))
    return {
        group_by.value: name,
        "offers": len(members),
        "usd_per_hour_min": min(member["usd_per_hour"] for member in members),
        "usd_per_accelerator_hour_min": min(per_accelerator),
        "usd_per_accelerator_hour_max": max(per_accelerator),
        "age_days_max": max(member["age_days"] for member in members),
        "cheapest_offer_id": cheapest["offer_id"],
    }


def _group_columns(group_by: Group) -> tuple[Col, ...]:
    return (
        Col(group_by.value, group_by.value.replace("_", " ").capitalize()),
        Col("offers", "Offers", numeric=True),
        Col("usd_per_accelerator_hour_min", "USD/GPU-h from", numeric=True, text=_usd),
        Col("usd_per_accelerator_hour_max", "to", numeric=True, text=_usd, importance=2),
        Col("usd_per_hour_min", "USD/h from", numeric=True, text=_usd, importance=4),
        Col("age_days_max", "Oldest (days)", numeric=True, importance=5),
        Col("cheapest_offer_id", "Cheapest per GPU", importance=3),
    )


def _count_line(total: int, most: int | None, group_by: Group | None) -> Iterable[str]:
    things = "groups" if group_by else "offers"
    if most is not None and total > most:
        yield f"{most} of {total:,} {things}; --limit shows more."
    elif total:
        yield f"{total:,} {things if total > 1 else things.removesuffix('s')}."


def _hidden_lines(hidden: Sequence[Exclusion], everything: bool) -> Iterable[str]:
    """How many offers in scope are not shown, and why."""
    if not hidden:
        return
    counts = Counter(exclusion.reason for exclusion in hidden)
    limits = {"accelerator_excluded", "over_price_limit"}
    hint = (
        "" if everything or counts.keys() <= limits else " (--all shows what cannot be bought as it stands)"
    )
    yield f"Not shown: {len(hidden):,}{hint}"
    for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield f"  {count:>5,}  {reason}: {EXCLUSION_REASONS[reason]}"
