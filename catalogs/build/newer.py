"""Newer readings of the same price lists, laid over the older ones row by row.

A folder ``new_*`` beside the older files holds files of the same names and columns. A newer row stands in
place of the older one of the same type, place and market. What it contradicts goes too: an older zonal spot
price of a region whose newer cheapest zone is known, and an older list price that was the same per
accelerator as one that has since moved.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.domain import Market
from catalogs.build.aws_offers import SPOT_RESOLUTION_USD, read_newer_aws
from catalogs.build.offers import (
    COLUMNS,
    no_stock_stated,
    offer_of,
    priced_in_region,
    prices_of,
    uniform_price,
)
from catalogs.build.source import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal
    from pathlib import Path

    from advisor.domain import Offer
    from catalogs.build.source import SourceRow

_FILES: Final = (
    ("azure.csv", priced_in_region),
    ("gcp.csv", priced_in_region),
    ("nebius.csv", priced_in_region),
    ("lambda.csv", uniform_price),
    ("runpod.csv", no_stock_stated),
    ("crusoe_sfcompute.csv", no_stock_stated),
)
_SAME_PRICE: Final = 0.001
"""List prices per accelerator that differ by less are one price."""


@dataclass(frozen=True, slots=True)
class Laid:
    """Offers after newer ones were laid over, and what that changed, in counted sentences."""

    offers: tuple[Offer, ...]
    notes: tuple[str, ...]


def laid_over(offers: Sequence[Offer], prices: Path) -> Laid:
    """The offers with those of every ``new_*`` folder, oldest folder first.

    Raises:
        InputFileError: a row that cannot be an offer.
    """
    notes: list[str] = []
    for folder in sorted(path for path in prices.glob("new_*") if path.is_dir()):
        offers = _laid(offers, _read(folder, prices), folder.name, notes)
    return Laid(tuple(offers), tuple(notes))


def _read(folder: Path, prices: Path) -> list[Offer]:
    """Every offer of one folder; files it lacks bring none."""
    found = read_newer_aws(folder / "aws.csv", prices) if (folder / "aws.csv").is_file() else []
    for name, judge in _FILES:
        if (folder / name).is_file():
            found += [
                offer_of(row, price, judge(row, price.market))
                for row in read_rows(folder / name, COLUMNS)
                if not _is_part_of_a_price(row)
                for price in prices_of(row)
            ]
    return found


def _is_part_of_a_price(row: SourceRow) -> bool:
    """Without the disk a type must have, or without the host: less than anybody pays."""
    flags = row.cells["flags"].split(";")
    return "local_ssd_not_included" in flags or (
        row.text("provider") == "nebius" and "per_gpu_price" in flags
    )


def _laid(older: Sequence[Offer], newer: Sequence[Offer], folder: str, notes: list[str]) -> tuple[Offer, ...]:
    dear = _above_list(newer)
    kept = {offer.id: offer for offer in newer if offer.id not in dear}
    live = {offer.id: offer for offer in older if "superseded" not in offer.flags}
    gone = _zones_of(kept.values(), live.values()) | _contradicted(kept, live)
    stays = [
        _superseded(offer) if offer.id in gone else offer
        for offer in older
        if offer.id not in kept or "superseded" in offer.flags
    ]
    notes += [
        f"{len(kept)} offers of {folder}, {len(kept.keys() & live.keys())} in place of an older one",
        f"{len(gone)} older offers kept, flagged superseded: {folder} contradicts them",
    ]
    if dear:
        notes.append(f"{len(dear)} spot prices of {folder}: above the list price of the same day by rounding")
    return (*stays, *kept.values())


def _above_list(offers: Iterable[Offer]) -> set[str]:
    """Ids of spot offers above their own list price, which no spot price is."""
    by_market = {(_place(offer), offer.market): offer for offer in offers}
    found = set()
    for (place, market), offer in by_market.items():
        listed = by_market.get((place, Market.ON_DEMAND))
        if market is Market.SPOT and listed is not None:
            above = offer.usd_per_hour - listed.usd_per_hour
            found |= {offer.id} if above >= SPOT_RESOLUTION_USD else set()
    return found


def _zones_of(newer: Iterable[Offer], older: Iterable[Offer]) -> set[str]:
    """Ids of older zonal spot offers of places whose newer price names no zone."""
    regions = {_place(offer) for offer in newer if offer.market is Market.SPOT and offer.zone is None}
    return {
        offer.id
        for offer in older
        if offer.market is Market.SPOT and offer.zone is not None and _place(offer) in regions
    }


def _contradicted(newer: dict[str, Offer], older: dict[str, Offer]) -> set[str]:
    """Ids of older list prices that were the same per accelerator as one that has moved since."""
    then: dict[tuple[str, str], list[tuple[Decimal, Decimal]]] = defaultdict(list)
    for offer_id, offer in newer.items():
        if offer.market is Market.ON_DEMAND and offer_id in older:
            before = _per_accelerator(older[offer_id])
            then[offer.provider, offer.accelerator].append((before, _per_accelerator(offer)))
    return {
        offer.id
        for offer in older.values()
        if offer.market is Market.ON_DEMAND and offer.id not in newer
        for before, now in then[offer.provider, offer.accelerator]
        if _same(before, _per_accelerator(offer)) and not _same(before, now)
    }


def _place(offer: Offer) -> tuple[str, str, str]:
    return (offer.provider, offer.region, offer.instance_type)


def _per_accelerator(offer: Offer) -> Decimal:
    return offer.usd_per_hour / offer.accelerators


def _same(one: Decimal, other: Decimal) -> bool:
    return abs(float(one / other) - 1) < _SAME_PRICE


def _superseded(offer: Offer) -> Offer:
    return replace(offer, flags=tuple(sorted({*offer.flags, "superseded"})))
