"""AWS: which spot price of which zone stands, and what the offerings data say is sold where."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import Availability, Market, Offer
from advisor.errors import InputFileError
from catalogs.build.offers import COLUMNS, Price, Verdict, offer_of, prices_of, source_flags
from catalogs.build.source import SourceRow, read_rows

if TYPE_CHECKING:
    from pathlib import Path

    from catalogs.build.offers import Judge

Pair = tuple[str, str]
"""(instance type, region)."""

ZONE_ID: Final = re.compile(r"[a-z]+\d+-az\d+")
"""An Availability Zone id; a Local Zone's has a further part (``use1-atl2-az1``)."""

LOWEST_ZONE: Final = "lowest_zone_spot"
"""Price basis of the cheapest zone of a region, which nobody names."""

SPOT_RESOLUTION_USD: Final = Decimal("0.00005")
"""Half a unit of the fourth decimal, which spot prices are rounded to in the collected data."""


@dataclass(frozen=True, slots=True)
class Offerings:
    """What EC2's instance type offerings list, and when."""

    listed: dict[Pair, tuple[frozenset[str], frozenset[str]]]  #: pair -> zone ids, usage classes
    observed_on: str

    def verdict(self, row: SourceRow, market: Market) -> Verdict:
        """What the offerings say of a price row; nothing about regions and zones they do not cover."""
        region, zone = row.text("region"), row.optional_text("zone")
        basis = f"provider's offerings, {self.observed_on}"
        if region not in {listed for _, listed in self.listed}:
            return Verdict(Availability.UNKNOWN, f"{basis}, do not cover region {region}")
        if "zone_not_in_offerings_2026_10" in source_flags(row):
            return _not_offered(f"{basis}: zone {zone} does not offer it")
        if zone is not None and not ZONE_ID.fullmatch(zone):
            return Verdict(Availability.UNKNOWN, f"{basis}, do not cover Local and Wavelength Zones")
        return self._listed_verdict((row.text("instance_type"), region), zone, market, basis)

    def _listed_verdict(self, pair: Pair, zone: str | None, market: Market, basis: str) -> Verdict:
        if pair not in self.listed:
            return _not_offered(f"{basis}: the region does not offer it")
        zones, usage_classes = self.listed[pair]
        if zone is not None and zone not in zones:
            return _not_offered(f"{basis}: zone {zone} does not offer it")
        if market.value.replace("_", "-") not in usage_classes:
            return _not_offered(f"{basis}: not offered as {market.value}")
        return Verdict(Availability.AVAILABLE, basis)


def _not_offered(basis: str) -> Verdict:
    return Verdict(Availability.UNAVAILABLE, basis, ("not_offered",))


def read_offerings(path: Path) -> Offerings:
    """The offerings file; one observation date for all of it."""
    rows = read_rows(path, ("instance_type", "region", "zone_ids", "usage_classes", "observed_on"))
    listed = {}
    for row in rows:
        zones = frozenset(row.text("zone_ids").split(";"))
        usage_classes = frozenset(row.text("usage_classes").split(";"))
        listed[row.text("instance_type"), row.text("region")] = (zones, usage_classes)
    dates = {row.text("observed_on") for row in rows}
    if len(dates) != 1:
        raise InputFileError(
            path.name, "observed_on", sorted(dates), "one observation date for the whole file"
        )
    return Offerings(listed, dates.pop())


def read_interruption_bands(path: Path) -> dict[Pair, str]:
    """Spot Advisor's interruption band, e.g. ``<5%``, per instance type and region."""
    rows = read_rows(path, ("instance_type", "region", "interruption_band"))
    return {(row.text("instance_type"), row.text("region")): row.text("interruption_band") for row in rows}


@dataclass(frozen=True, slots=True)
class AwsOffers:
    """Every AWS offer, and how many rows gave none."""

    offers: tuple[Offer, ...]
    medians_dropped: int  #: regional spot medians that zonal rows replace
    zones_without_spot: int  #: zonal rows that state there is no spot price
    superseded: int  #: zonal spot prices a newer regional one stands above


def read_aws_offers(folder: Path) -> AwsOffers:
    """On-demand from ``aws.csv``; spot per zone, and the newer lowest zone of a region where there is one."""
    offerings = read_offerings(folder / "aws_availability.csv")
    bands = read_interruption_bands(folder / "aws_spot_interruption.csv")
    list_rows = read_rows(folder / "aws.csv", COLUMNS)
    zone_rows = read_rows(folder / "aws_spot_by_zone.csv", COLUMNS)
    _check_same_list_price(list_rows, zone_rows)
    zonal = [offer for row in zone_rows for offer in _spot(row, offerings.verdict, bands)]
    zonal_pairs = {(offer.instance_type, offer.region) for offer in zonal}
    regional, dropped = _regional(list_rows, offerings, bands, zonal_pairs)
    lowest = _lowest_zone_offers(folder / "aws_spot_2026_10.csv", list_rows, offerings, bands)
    newer = {(offer.instance_type, offer.region) for offer in lowest}
    marked = [
        _superseded(offer) if (offer.instance_type, offer.region) in newer else offer for offer in zonal
    ]
    return AwsOffers(
        offers=(*regional, *marked, *lowest),
        medians_dropped=dropped,
        zones_without_spot=len(zone_rows) - len(zonal),
        superseded=sum("superseded" in offer.flags for offer in marked),
    )


def read_newer_aws(path: Path, prices: Path) -> list[Offer]:
    """Offers of a newer reading, judged by the same offerings; its spot prices name no zone."""
    offerings = read_offerings(prices / "aws_availability.csv")
    bands = read_interruption_bands(prices / "aws_spot_interruption.csv")
    offers, _ = _regional(read_rows(path, COLUMNS), offerings, bands, set())
    return [
        replace(
            offer,
            price_basis=LOWEST_ZONE,
            availability_basis=f"{offer.availability_basis}; lowest zone of the region, zone not named",
        )
        if offer.market is Market.SPOT
        else offer
        for offer in offers
    ]


def _regional(
    rows: list[SourceRow], offerings: Offerings, bands: dict[Pair, str], zonal_pairs: set[Pair]
) -> tuple[list[Offer], int]:
    """Offers of ``aws.csv``; its spot medians only where no zone price is known."""
    offers, dropped = [], 0
    for row in rows:
        pair = (row.text("instance_type"), row.text("region"))
        for price in prices_of(row):
            if price.market is Market.SPOT and pair in zonal_pairs:
                dropped += 1
                continue
            band = bands.get(pair) if price.market is Market.SPOT else None
            offers.append(offer_of(row, price, offerings.verdict(row, price.market), band))
    return offers, dropped


def _spot(row: SourceRow, judge: Judge, bands: dict[Pair, str]) -> list[Offer]:
    """The spot offer of a zonal row, if the zone has a price. Its date is inferred, see PROVENANCE.md."""
    price = next((price for price in prices_of(row) if price.market is Market.SPOT), None)
    if price is None:
        return []
    is_local = not ZONE_ID.fullmatch(row.text("zone"))
    verdict = judge(row, Market.SPOT)
    flags = (*verdict.flags, "date_inferred", *(("local_zone",) if is_local else ()))
    band = None if is_local else bands.get((row.text("instance_type"), row.text("region")))
    return [offer_of(row, price, replace(verdict, flags=flags), band)]


def _superseded(offer: Offer) -> Offer:
    return replace(offer, flags=tuple(sorted({*offer.flags, "superseded"})))


def _check_same_list_price(list_rows: list[SourceRow], zone_rows: list[SourceRow]) -> None:
    """The zonal file repeats on-demand prices; one that disagrees with ``aws.csv`` stops the build."""
    listed = {
        (row.text("instance_type"), row.text("region")): row.price("on_demand_usd_per_hour")
        for row in list_rows
        if row.optional_text("zone") is None
    }
    for row in zone_rows:
        repeated = row.price("on_demand_usd_per_hour")
        expected = listed.get((row.text("instance_type"), row.text("region")))
        if repeated is not None and repeated != expected:
            raise row.refuse("on_demand_usd_per_hour", f"aws.csv says {expected} for this type and region")


def _lowest_zone_offers(
    path: Path, list_rows: list[SourceRow], offerings: Offerings, bands: dict[Pair, str]
) -> list[Offer]:
    """The newer spot prices: the lowest zone of each region, which the source does not name."""
    shapes = {row.text("instance_type"): row for row in list_rows if row.optional_text("zone") is None}
    on_demand = {
        (row.text("instance_type"), row.text("region")): row.price("on_demand_usd_per_hour")
        for row in list_rows
        if row.optional_text("zone") is None
    }
    offers = []
    for row in read_rows(path, ("instance_type", "region", "spot_usd_per_hour", "observed_on", "source")):
        pair = (row.text("instance_type"), row.text("region"))
        if pair[0] not in shapes:
            raise row.refuse("instance_type", "its shape must stand in aws.csv")
        offers.append(
            _lowest_zone_offer(row, shapes[pair[0]], on_demand.get(pair), offerings, bands.get(pair))
        )
    return offers


def _lowest_zone_offer(
    row: SourceRow, shape: SourceRow, on_demand: Decimal | None, offerings: Offerings, band: str | None
) -> Offer:
    usd_per_hour = row.price("spot_usd_per_hour")
    if usd_per_hour is None:
        raise row.refuse("spot_usd_per_hour", "a price is needed")
    kept_flags = ";".join(source_flags(shape) & {"fractional_gpu"})
    moved = {"region": row.text("region"), "zone": "", "flags": kept_flags}
    placed = replace(shape, cells={**shape.cells, **moved})
    verdict = offerings.verdict(placed, Market.SPOT)
    at_cap = on_demand is not None and abs(usd_per_hour - on_demand) < SPOT_RESOLUTION_USD
    flags = (*verdict.flags, *(("spot_at_on_demand_cap",) if at_cap else ()))
    basis = f"{verdict.basis}; lowest zone of the region, zone not named"
    price = Price(Market.SPOT, usd_per_hour, LOWEST_ZONE, row.day("observed_on"), row.text("source"))
    return offer_of(placed, price, Verdict(verdict.availability, basis, flags), band)
