"""All collected prices as one list of offers, checked together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.domain import Market, Offer
from advisor.errors import InputFileError
from catalogs.build.aws_offers import SPOT_RESOLUTION_USD, read_aws_offers
from catalogs.build.azure_spot import newer_ratios, read_azure_spot
from catalogs.build.newer import laid_over
from catalogs.build.offers import (
    no_stock_stated,
    priced_in_region,
    read_offers,
    seen_on_marketplace,
    uniform_price,
)
from catalogs.build.source import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal
    from pathlib import Path

_UNSTATED_STOCK_FILES: Final = (
    ("lambda.csv", uniform_price),
    ("runpod.csv", no_stock_stated),
    ("crusoe_sfcompute.csv", no_stock_stated),
    ("vast.csv", seen_on_marketplace),
)


@dataclass(frozen=True, slots=True)
class Collected:
    """Every offer, sorted, and what became of the rows that gave none, in counted sentences."""

    offers: tuple[Offer, ...]
    notes: tuple[str, ...]


def collect_offers(prices: Path) -> Collected:
    """Offers of every file in the ``prices`` folder.

    Raises:
        InputFileError: a row that cannot be an offer, or rows that contradict each other.
    """
    aws = read_aws_offers(prices)
    azure = read_offers(prices / "azure.csv", priced_in_region)
    azure_spot = read_azure_spot(prices / "azure_spot_2024.csv", azure, newer_ratios(prices))
    gcp = _with_oldest_part_date(
        read_offers(prices / "gcp.csv", priced_in_region), prices / "gcp_attachable_gpus.csv"
    )
    nebius = read_offers(prices / "nebius.csv", priced_in_region)
    others = [read_offers(prices / name, judge) for name, judge in _UNSTATED_STOCK_FILES]
    every = [
        *aws.offers,
        *azure,
        *azure_spot.offers,
        *gcp,
        *nebius,
        *(offer for part in others for offer in part),
    ]
    newer = laid_over(every, prices)
    offers = tuple(sorted(newer.offers, key=sort_key))
    check_together(offers)
    notes = (
        f"{aws.medians_dropped} regional spot medians of aws.csv: the zonal prices behind them stand instead",
        f"{aws.zones_without_spot} rows of aws_spot_by_zone.csv: the zone has no spot price",
        f"{aws.superseded} zonal spot prices kept, flagged superseded: aws_spot_2026_10.csv has a newer one",
        f"{azure_spot.without_ratio} rows of azure_spot_2024.csv: the on-demand price of then is not known",
        f"{azure_spot.without_list_price} rows of azure_spot_2024.csv: no list price today",
        *newer.notes,
    )
    return Collected(offers, notes)


def sort_key(offer: Offer) -> tuple[str, str, str, str, str]:
    """Order of a snapshot's rows: a regional price before its zones."""
    return (offer.provider, offer.region, offer.zone or "", offer.instance_type, offer.market.value)


def _with_oldest_part_date(offers: Iterable[Offer], attachable: Path) -> list[Offer]:
    """Composed prices dated by their GPU part: older than the host part, and its date is inferred."""
    part_day = {
        row.text("region"): row.day("observed_on") for row in read_rows(attachable, ("region", "observed_on"))
    }
    return [
        replace(
            offer,
            collected_at=min(offer.collected_at, part_day[offer.region]),
            flags=tuple(sorted({*offer.flags, "date_inferred"})),
        )
        if "composed_n1_plus_gpu" in offer.flags
        else offer
        for offer in offers
    ]


def check_together(offers: Iterable[Offer]) -> None:
    """Refuse offers that cannot all be true.

    Raises:
        InputFileError: two live offers with one id, or a spot price above the on-demand price of its place.
    """
    every = list(offers)
    live = Counter(offer.id for offer in every if "superseded" not in offer.flags)
    for offer_id, count in live.items():
        if count > 1:
            raise InputFileError("offers", offer_id, count, "one price per type, place and market")
    listed = {
        (offer.provider, offer.region, offer.zone, offer.instance_type): offer.usd_per_hour
        for offer in every
        if offer.market is Market.ON_DEMAND
    }
    for offer in every:
        if offer.market is Market.SPOT:
            _check_spot_below_list(offer, listed)


def _check_spot_below_list(offer: Offer, listed: dict[tuple[str, str, str | None, str], Decimal]) -> None:
    place = (offer.provider, offer.region)
    own_zone = listed.get((*place, offer.zone, offer.instance_type))
    ceiling = own_zone if own_zone is not None else listed.get((*place, None, offer.instance_type))
    if ceiling is not None and offer.usd_per_hour - ceiling >= SPOT_RESOLUTION_USD:
        allowed = f"a spot price is at most the on-demand price of {ceiling}"
        raise InputFileError("offers", offer.id, str(offer.usd_per_hour), allowed)
