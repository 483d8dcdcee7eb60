"""Collected price rows -> :class:`~advisor.domain.Offer`, one per market that has a price.

What differs per file is who states availability; that is the ``Judge`` each file is read with.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.domain import Availability, Market, Offer
from catalogs.build.accelerator_names import ID_OF_OFFER_NAME
from catalogs.build.licences import licence_of
from catalogs.build.source import SourceRow, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path

COLUMNS: Final = (
    "provider",
    "instance_type",
    "region",
    "zone",
    "accelerator_name",
    "accelerator_count",
    "accelerator_form",
    "vcpus",
    "memory_gib",
    "on_demand_usd_per_hour",
    "spot_usd_per_hour",
    "currency",
    "observed_on",
    "source",
    "spot_observed_on",
    "spot_source",
    "spot_basis",
    "flags",
)

_FLAG_OF_SOURCE_FLAG: Final[dict[str, str | None]] = {
    "fractional_gpu": "fractional_gpu",
    "local_or_wavelength_zone": "local_zone",
    "spot_at_on_demand_cap": "spot_at_on_demand_cap",
    "retired_2025": "retired",
    "composed_n1_plus_gpu": "composed_n1_plus_gpu",
    "uniform_price_all_regions": "uniform_price_all_regions",
    "per_gpu_price": "per_gpu_price",
    "vcpu_memory_unknown": "vcpu_memory_unknown",
    "marketplace_median": "marketplace_median",
    "community_cloud_lowest": "community_cloud",
    "secure_cloud": "secure_cloud",
    "observed_on_inferred": "date_inferred",
    # Said by a column instead: no on-demand price, availability, or the price basis.
    "no_public_on_demand": None,
    "not_in_offerings_2026_10": None,
    "zone_not_in_offerings_2026_10": None,
    "regional_availability_unknown": None,
    "market_price": None,
    "region_unknown": None,
}
_COUNTED_FLAG: Final = re.compile(r"n_(on_demand|interruptible)_offers=(\d+)")

_GCP_NOT_SOLD_ON_DEMAND: Final = re.compile(r"a3-highgpu-[124]g|a3-ultragpu-.*|a4-.*|a4x-.*")
"""Priced in the billing catalog, but sold only as spot, flex-start or reservation (gpuhunt PR 176)."""

NOT_SOLD_BASIS: Final = (
    "sold only as spot, flex-start or reservation (gpuhunt PR 176; provider documentation)"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an offer can be bought, who says so, and the flags that follow."""

    availability: Availability
    basis: str
    flags: tuple[str, ...] = ()


Judge = Callable[[SourceRow, Market], Verdict]


@dataclass(frozen=True, slots=True)
class Price:
    """One price of a row, with its own date and origin."""

    market: Market
    usd_per_hour: Decimal
    basis: str
    collected_at: datetime
    source: str


def read_offers(path: Path, judge: Judge) -> list[Offer]:
    """Every offer of one price file.

    Raises:
        InputFileError: an unknown accelerator or flag, another currency than USD, a price of 0 or below, …
    """
    rows = read_rows(path, COLUMNS)
    return [offer_of(row, price, judge(row, price.market)) for row in rows for price in prices_of(row)]


def prices_of(row: SourceRow) -> Iterator[Price]:
    """The on-demand price and the spot price of a row, as far as it has them."""
    if row.text("currency") != "USD":
        raise row.refuse("currency", "only USD is read; convert with a dated rate before collecting")
    flags = source_flags(row)
    on_demand = row.price("on_demand_usd_per_hour")
    if on_demand is not None:
        basis = _on_demand_basis(flags)
        yield Price(Market.ON_DEMAND, on_demand, basis, row.day("observed_on"), row.text("source"))
    spot = row.price("spot_usd_per_hour")
    if spot is not None:
        day, source = row.day("spot_observed_on"), row.text("spot_source")
        yield Price(Market.SPOT, spot, row.text("spot_basis"), day, source)


def _on_demand_basis(flags: frozenset[str]) -> str:
    if "marketplace_median" in flags:
        return "marketplace_median"
    if "community_cloud_lowest" in flags:
        return "community_cloud_lowest"
    if "composed_n1_plus_gpu" in flags:
        return "list_sum_of_host_and_gpu"
    return "list"


def offer_of(row: SourceRow, price: Price, verdict: Verdict, interruption: str | None = None) -> Offer:
    """One offer from a row, one of its prices and what is known of its availability."""
    count = row.decimal("accelerator_count")
    return Offer(
        provider=row.text("provider"),
        region=row.text("region"),
        zone=row.optional_text("zone"),
        instance_type=row.text("instance_type"),
        market=price.market,
        usd_per_hour=price.usd_per_hour,
        accelerator=accelerator_of(row),
        accelerators=count,
        vcpus=row.optional_count("vcpus"),
        memory_gib=row.optional_number("memory_gib"),
        availability=verdict.availability,
        availability_basis=verdict.basis,
        price_basis=price.basis,
        collected_at=price.collected_at,
        source=price.source,
        licence=licence_of(price.source),
        interruption=interruption,
        flags=_flags(row, price.market, verdict),
    )


def accelerator_of(row: SourceRow) -> str:
    """The canonical id of the row's accelerator."""
    pair = (row.text("accelerator_name"), row.cells["accelerator_form"].strip())
    if pair not in ID_OF_OFFER_NAME:
        form = f"with form {pair[1]!r} " if pair[1] else ""
        raise row.refuse("accelerator_name", f"{form}it has no entry in catalogs/build/accelerator_names.py")
    return ID_OF_OFFER_NAME[pair]


def source_flags(row: SourceRow) -> frozenset[str]:
    """The flags as collected; an unknown one is refused, so that none is ever dropped unread."""
    flags = frozenset(flag for flag in row.cells["flags"].split(";") if flag)
    for flag in flags:
        if flag not in _FLAG_OF_SOURCE_FLAG and not _COUNTED_FLAG.fullmatch(flag):
            raise row.refuse("flags", f"{flag!r} is not one of {', '.join(sorted(_FLAG_OF_SOURCE_FLAG))}")
    if ("fractional_gpu" in flags) != (row.decimal("accelerator_count") < 1):
        raise row.refuse("accelerator_count", "below 1 exactly where the flag fractional_gpu is set")
    return flags


def _flags(row: SourceRow, market: Market, verdict: Verdict) -> tuple[str, ...]:
    flags = {_FLAG_OF_SOURCE_FLAG.get(flag) for flag in source_flags(row)} - {None}
    if market is Market.ON_DEMAND:
        flags.discard("spot_at_on_demand_cap")
    return tuple(sorted({flag for flag in flags if flag} | set(verdict.flags)))


def priced_in_region(row: SourceRow, market: Market) -> Verdict:
    """For providers that publish a price per region: they sell there, whatever the stock."""
    day = row.text("observed_on" if market is Market.ON_DEMAND else "spot_observed_on")
    if "retired_2025" in source_flags(row):
        return Verdict(Availability.UNAVAILABLE, "retired by the provider in 2025")
    if (
        row.text("provider") == "gcp"
        and market is Market.ON_DEMAND
        and _GCP_NOT_SOLD_ON_DEMAND.fullmatch(row.text("instance_type"))
    ):
        return Verdict(Availability.UNAVAILABLE, NOT_SOLD_BASIS, ("not_sold_this_way",))
    return Verdict(
        Availability.AVAILABLE,
        f"priced in this region by the provider's regional price list, {day}; stock not stated",
    )


def uniform_price(row: SourceRow, market: Market) -> Verdict:
    """For a provider with one price for every region: nobody states which regions have stock."""
    day = row.text("observed_on")
    return Verdict(Availability.UNKNOWN, f"one price for all regions, {day}; regional stock not stated")


def no_stock_stated(row: SourceRow, market: Market) -> Verdict:
    """For a provider whose price names no region of its own."""
    day = row.text("observed_on" if market is Market.ON_DEMAND else "spot_observed_on")
    return Verdict(Availability.UNKNOWN, f"provider's price page or API, {day}; stock not stated")


def seen_on_marketplace(row: SourceRow, market: Market) -> Verdict:
    """For a marketplace: how many offers stood there on the one day it was read."""
    wanted = "on_demand" if market is Market.ON_DEMAND else "interruptible"
    counts = {m[1]: m[2] for flag in source_flags(row) if (m := _COUNTED_FLAG.fullmatch(flag))}
    day = row.text("observed_on" if market is Market.ON_DEMAND else "spot_observed_on")
    return Verdict(
        Availability.UNKNOWN,
        f"median of {counts[wanted]} marketplace offer(s) seen on {day}; offers come and go",
    )
