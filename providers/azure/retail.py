"""What rows of Azure's Retail Prices mean: pure.

A row has no mark for Linux, spot or the GPU; they are read off names (shapes recorded 2026-08):
``skuName``/``meterName`` end in " Spot" or " Low Priority", ``productName`` names Windows, Cloud Services
and Dedicated. A Reservation row says "1 Hour" and means the whole term (W23: 29,279 for one year of a size at
5.222 an hour).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import Availability, Market, Offer
from advisor.errors import PayloadError
from advisor.provider import Ledger, Reading
from advisor.units import decimal_text
from providers._payload import is_object, price, shown, text
from providers.azure.sizes import SIZES, size_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from advisor.provider import Scope

NAME: Final = "azure"
SOURCE: Final = "prices.azure.com/api/retail/prices"

SPOT_FLOOR: Final = Decimal("0.09")
"""Least believed share of the on-demand price (W9). Azure names discounts of up to 90 %; of 540 pairs of size
and region recorded on 2024-08-09 the lowest share was 0.10."""

_SPOT: Final = " spot"
_LOW_PRIORITY: Final = " low priority"
_OTHER_SYSTEM: Final = re.compile(r"windows|\bwin\b", re.IGNORECASE)
_OTHER_SERVICE: Final = re.compile(r"cloud ?services|dedicated", re.IGNORECASE)
_GPU_SERIES: Final = re.compile(r"(standard_)?n[a-z]{0,2}\d", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Row:
    """A usable row: a Linux price of a GPU size."""

    size: str
    market: Market
    usd_per_hour: Decimal
    meter: str | None
    start: datetime | None
    primary: bool | None
    item: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why a row of a GPU size cannot be used."""

    reason: str
    subject: str
    detail: str
    market: Market | None = None


@dataclass(frozen=True, slots=True)
class _Aside:
    """A row that is about something else; only counted."""

    reason: str
    what: str


def items_of(payload: object) -> list[object]:
    """The rows of one page.

    Raises:
        PayloadError: it is not the documented envelope.
    """
    items = payload.get("Items") if is_object(payload) else None
    if not isinstance(items, list):
        raise PayloadError(f"{NAME}: retail prices: not the documented answer (no Items)")
    return items


def parse_region(region: str, items: Iterable[object], scope: Scope, said_at: datetime) -> Reading:
    """All rows of one region, from all its pages, as offers with unknown availability, and reasons.

    Low-value rows (other systems, services, sizes without a GPU) are counted in one rejection per kind.
    """
    ledger = Ledger(NAME)
    asides: Counter[_Aside] = Counter()
    rows: dict[tuple[str, Market], list[_Row]] = {}
    for item in items:
        read = _read(item, region, said_at)
        if isinstance(read, _Row):
            rows.setdefault((read.size, read.market), []).append(read)
        elif isinstance(read, _Refused):
            ledger.reject(read.reason, read.subject, read.detail, region, read.market)
        else:
            asides[read] += 1
    current = {key: _in_place(ledger, region, asides, rows[key]) for key in sorted(rows)}
    for (size, market), kept in current.items():
        if scope.covers_market(market):
            listed = {row.usd_per_hour for row in current.get((size, Market.ON_DEMAND), [])}
            _offer(ledger, region, kept, listed.pop() if len(listed) == 1 else None, said_at)
    for aside in sorted(asides, key=lambda aside: (aside.reason, aside.what)):
        ledger.reject(aside.reason, f"{asides[aside]} rows", aside.what, region)
    return ledger.reading()


def _read(item: object, region: str, said_at: datetime) -> _Row | _Refused | _Aside:
    if not is_object(item):
        return _Refused("malformed_item", "retail prices", f"a row that is no object: {shown(item)}")
    stated_region = text(item.get("armRegionName"))
    if stated_region is None:
        return _Refused(
            "region_unknown", _subject(item), f"armRegionName is {shown(item.get('armRegionName'))}"
        )
    if stated_region.casefold() != region:
        return _Aside("other_product", "rows of a region that was not asked for")
    size = _identified(item)
    if not isinstance(size, str):
        return size
    return _aside(item) or _refused(item, size) or _priced(item, size, said_at)


def _subject(item: dict[str, object]) -> str:
    for field in ("armSkuName", "skuName", "meterName"):
        name = text(item.get(field))
        if name is not None:
            return name if name.isascii() and name.isprintable() and len(name) <= 80 else shown(name)
    return "a row without a name"


def _identified(item: dict[str, object]) -> str | _Refused | _Aside:
    """The size of the row: one of our table, or the vendor's own name for one that is not."""
    stated = text(item.get("armSkuName"))
    if not isinstance(item.get("armSkuName", ""), str | None):
        detail = f"armSkuName is {shown(item['armSkuName'])}"
        return _Refused("malformed_item", _subject(item), detail)
    bare = [_bare(name) for name in (text(item.get("skuName")), text(item.get("meterName"))) if name]
    named = sorted({size for name in bare if (size := size_named(name)) is not None})
    known = size_named(stated) if stated is not None else None
    if known is not None and any(size != known for size in named):  # W10
        return _Refused("price_conflict", _subject(item), f"its other names mean {', '.join(named)}")
    if known is not None:
        return known
    if stated is not None:
        if _GPU_SERIES.match(stated):
            return _subject(item)
        return _Aside("no_accelerator", "sizes of series without a GPU")
    if len(named) == 1:
        return named[0]
    if any(_GPU_SERIES.match(name) for name in bare):
        return _Refused(
            "malformed_item", _subject(item), "no armSkuName, and its other names mean no known size"
        )
    return _Aside("no_accelerator", "rows without armSkuName whose names are of no GPU series")


def _bare(name: str) -> str:
    """A SKU's or meter's name without the mark of how it is sold."""
    folded = name.casefold()
    for mark in (_SPOT, _LOW_PRIORITY):
        if folded.endswith(mark):
            return name[: -len(mark)]
    return name


def _aside(item: dict[str, object]) -> _Aside | None:
    """What else the row is a price of, else None."""
    product = text(item.get("productName")) or ""
    service = item.get("serviceName")
    names = [text(item.get(field)) or "" for field in ("skuName", "meterName", "armSkuName")]
    if service is not None and service != "Virtual Machines":
        return _Aside("other_product", "another service than Virtual Machines")
    if _OTHER_SYSTEM.search(product):
        return _Aside("other_product", "Windows")
    if _OTHER_SERVICE.search(product):
        return _Aside("other_product", "Cloud Services or Dedicated Hosts")
    if any(name.casefold().endswith(_LOW_PRIORITY) for name in names):
        return _Aside("other_product", "Low Priority (Batch, retired)")
    if any(name.casefold().replace("_", " ").endswith(" promo") for name in names):
        return _Aside("other_product", "promotional sizes")
    if item.get("type") == "DevTestConsumption":
        return _Aside("other_product", "dev/test subscriptions")
    return None


def _refused(item: dict[str, object], size: str) -> _Refused | None:
    """Why the row is no hourly price in dollars of a known size, else None."""
    kind, unit, currency = item.get("type"), item.get("unitOfMeasure"), item.get("currencyCode")
    if kind == "Reservation" or item.get("reservationTerm") not in (None, ""):  # W23
        amount, term = shown(item.get("retailPrice")), shown(item.get("reservationTerm"))
        detail = f"{amount} is for a whole term ({term}), though type {shown(kind)} says unit {shown(unit)}"
        return _Refused("reservation_term", size, detail)
    if kind != "Consumption":
        return _Refused("malformed_item", size, f"type is {shown(kind)}, not Consumption")
    if unit != "1 Hour":
        return _Refused("malformed_item", size, f"unitOfMeasure is {shown(unit)}, not 1 Hour")
    if currency != "USD":  # W24
        return _Refused("foreign_currency", size, f"currencyCode is {shown(currency)}, not USD")
    tier = item.get("tierMinimumUnits", 0)
    if isinstance(tier, bool) or not isinstance(tier, int | Decimal) or not Decimal(tier).is_zero():
        return _Refused(
            "other_product", size, f"tierMinimumUnits is {shown(tier)}: not the first tier's price"
        )
    if size not in SIZES:
        return _Refused("unknown_accelerator", size, "the price names no GPU, and our table has no such size")
    return None


def _priced(item: dict[str, object], size: str, said_at: datetime) -> _Row | _Refused:
    names = [name for field in ("skuName", "meterName") if (name := text(item.get(field))) is not None]
    marks = {name.casefold().endswith(_SPOT) for name in names}
    if len(marks) != 1:
        detail = f"skuName {shown(item.get('skuName'))} and meterName {shown(item.get('meterName'))}"
        return _Refused("malformed_item", size, f"{detail} do not tell on-demand from spot")
    market = Market.SPOT if marks.pop() else Market.ON_DEMAND
    usd_per_hour = price(item.get("retailPrice"))
    if usd_per_hour is None:  # W2
        return _Refused("price_missing", size, f"retailPrice is {shown(item.get('retailPrice'))}", market)
    if "unitPrice" in item and price(item["unitPrice"]) != usd_per_hour:
        detail = f"retailPrice is {shown(item['retailPrice'])}, unitPrice {shown(item['unitPrice'])}"
        return _Refused("price_conflict", size, detail, market)
    start, end = _instant(item.get("effectiveStartDate")), _instant(item.get("effectiveEndDate"))
    if isinstance(start, str) or isinstance(end, str):
        return _Refused(
            "malformed_item", size, f"not a time: {start if isinstance(start, str) else end}", market
        )
    if (start is not None and start > said_at) or (end is not None and end <= said_at):
        since, until = start or "the beginning", end or "further notice"
        return _Refused("not_in_force", size, f"valid from {since} until {until}", market)
    primary = item.get("isPrimaryMeterRegion")
    return _Row(
        size=size,
        market=market,
        usd_per_hour=usd_per_hour,
        meter=text(item.get("meterId")),
        start=start,
        primary=primary if isinstance(primary, bool) else None,
        item=item,
    )


def _instant(value: object) -> datetime | str | None:
    """A moment in UTC, None where none is stated, or what is stated where that is no moment."""
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        return shown(value) if at is None else _utc(at)
    except (ValueError, OverflowError):
        return shown(value)


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _in_place(ledger: Ledger, region: str, asides: Counter[_Aside], rows: Sequence[_Row]) -> list[_Row]:
    """The rows that count: of primary meters where there are any, and of each meter the newest in force.

    Two meters that disagree are both kept, so that they end as a conflict (W8).
    """
    primary = [row for row in rows if row.primary is not False]
    if len(primary) < len(rows) and primary:
        aside = _Aside("other_product", "repetitions of a meter whose primary region is elsewhere")
        asides[aside] += len(rows) - len(primary)
    kept = []
    beginning = datetime.min.replace(tzinfo=UTC)
    considered = primary or list(rows)
    for row in considered:
        starts = [other.start or beginning for other in considered if other.meter == row.meter is not None]
        newest = max(starts, default=beginning)
        if row.meter is None or (row.start or beginning) == newest:
            kept.append(row)
        else:
            detail = f"since {row.start}; the same meter has a newer price since {newest:%Y-%m-%d}"
            ledger.reject("not_in_force", row.size, detail, region, row.market)
    return kept


def _offer(
    ledger: Ledger, region: str, rows: Sequence[_Row], on_demand: Decimal | None, said_at: datetime
) -> None:
    for row in rows:
        problem = _spot_problem(row.usd_per_hour, on_demand) if row.market is Market.SPOT else None
        if problem is not None:
            ledger.reject(problem[0], row.size, problem[1], region, row.market)
            continue
        offer = _as_offer(row, region, said_at)
        if row.market is Market.SPOT and row.usd_per_hour == on_demand:
            offer = replace(offer, flags=tuple(sorted((*offer.flags, "spot_at_on_demand_cap"))))
        ledger.offer(offer, row.item)


def _spot_problem(spot: Decimal, on_demand: Decimal | None) -> tuple[str, str] | None:
    """Why a spot price cannot be, given the on-demand price of the same size and region."""
    if on_demand is None:
        return None
    said = f"spot ${decimal_text(spot)}, on-demand ${decimal_text(on_demand)} an hour"
    if spot > on_demand:  # W11; a spot VM pays "whichever is less" (Azure's spot documentation, 2023-05-31)
        return "spot_above_on_demand", said
    if spot < on_demand * SPOT_FLOOR:  # W9
        return "spot_implausible", f"{said}: below {SPOT_FLOOR} of it"
    return None


def _as_offer(row: _Row, region: str, said_at: datetime) -> Offer:
    size = SIZES[row.size]
    flags = {"fractional_gpu": size.accelerators < 1, "retired": size.retired}
    return Offer(
        provider=NAME,
        region=region,
        zone=None,
        instance_type=row.size,
        market=row.market,
        usd_per_hour=row.usd_per_hour,
        accelerator=size.accelerator,
        accelerators=size.accelerators,
        vcpus=size.vcpus,
        memory_gib=float(size.memory_gib),
        availability=Availability.UNKNOWN,
        availability_basis="priced in Azure's retail list, which tells neither stock nor restrictions",
        price_basis="list" if row.market is Market.ON_DEMAND else "regional_spot_price",
        collected_at=said_at,
        source=SOURCE,
        licence=None,
        interruption=None,
        flags=tuple(sorted(flag for flag, holds in flags.items() if holds)),
    )
