"""Azure spot where no price was collected: a ratio of another day times today's list price, labelled.

The ratio is that of the pair in 2024 or, for the types of a newer ``azure_spot_ratio_*.csv``, the median of
their regions then: the ratios of 2024 were 1.7 to 5 times off for those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from advisor.domain import Market, Offer
from advisor.units import usd_from_vendor
from catalogs.build.licences import licence_of
from catalogs.build.source import SourceRow, read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class AzureSpot:
    """The estimated offers, and how many rows gave none."""

    offers: tuple[Offer, ...]
    without_ratio: int  #: rows whose on-demand price of that time is not known
    without_list_price: int  #: pairs that have no list price today


def newer_ratios(prices: Path) -> dict[str, SourceRow]:
    """Rows of the newest ratios by instance type; empty without any."""
    columns = ("instance_type", "ratio_median", "observed_on", "source")
    files = sorted(prices.glob("new_*/azure_spot_ratio_*.csv"))
    return {row.text("instance_type"): row for path in files for row in read_rows(path, columns)}


def read_azure_spot(path: Path, on_demand: list[Offer], newer: Mapping[str, SourceRow]) -> AzureSpot:
    """Spot offers of the pairs that have both a ratio and a list price today."""
    listed = {(offer.instance_type, offer.region): offer for offer in on_demand}
    offers, without_ratio, without_list_price = [], 0, 0
    for row in read_rows(
        path, ("instance_type", "region", "spot_to_on_demand_ratio", "observed_on", "source")
    ):
        today = listed.get((row.text("instance_type"), row.text("region")))
        if row.optional_text("spot_to_on_demand_ratio") is None:
            without_ratio += 1
        elif today is None:
            without_list_price += 1
        else:
            ratio = newer.get(today.instance_type)
            offers.append(
                _estimated(row, "spot_to_on_demand_ratio", today)
                if ratio is None
                else _estimated(ratio, "ratio_median", today)
            )
    return AzureSpot(tuple(offers), without_ratio, without_list_price)


def _estimated(row: SourceRow, field: str, today: Offer) -> Offer:
    ratio = row.decimal(field)
    if ratio > 1:
        raise row.refuse(field, "above 0 and at most 1")
    source = f"{row.text('source')} + {today.source}"
    observed = row.day("observed_on")
    return replace(
        today,
        market=Market.SPOT,
        usd_per_hour=usd_from_vendor(str(today.usd_per_hour * ratio)),
        price_basis=f"ratio_of_{observed:%Y_%m}_to_list",
        collected_at=observed,
        source=source,
        licence=licence_of(source),
        flags=tuple(sorted({*today.flags, "estimated_price"})),
    )
