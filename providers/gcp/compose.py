"""From parts to machines: no SKU is a machine, so each offer is a bill of vCPU, memory, GPU and local SSD."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import LISTED_MARKETS, Availability, Market, Offer
from providers._payload import price
from providers.gcp.shapes import ALIASES, DOCUMENTED, NAME, SOURCE, Shape, parts_of, sold
from providers.gcp.skus import PriceBook, Rate, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from advisor.provider import Ledger, Scope
    from providers.gcp.machines import Listing
    from providers.gcp.shapes import Part

_ORIGIN: Final = "cloudbilling.googleapis.com services/6F81-5844-456A/skus"


@dataclass(frozen=True, slots=True)
class Place:
    """A shape in a region, and whether it can be had there as far as Google says."""

    region: str
    shape: Shape
    availability: Availability
    basis: str
    flags: tuple[str, ...] = ()
    claimed: bool = True  #: somebody says that it is there: without a price that is worth a rejection


def documented_places(book: PriceBook, basis: str) -> Iterator[Place]:
    """Every documented shape wherever its GPU is priced; whether the region has it is not known."""
    for shape in DOCUMENTED:
        for region in sorted(book.regions(ALIASES[shape.accelerator_type][1])):
            yield Place(region, shape, Availability.UNKNOWN, basis)


def listed_places(book: PriceBook, listed: Listing, said_at: datetime) -> Iterator[Place]:
    """Every shape the project's list holds, then documented ones it does not hold but that are priced."""
    day = f"{said_at:%Y-%m-%d %H:%M}Z"
    for (region, shape), zones in listed.zones.items():
        if zones:
            names = ", ".join(sorted(set(zones)))
            yield Place(region, shape, Availability.AVAILABLE, f"Compute API lists it in {names}, {day}")
        else:
            basis = f"Compute API calls it deprecated in every zone, {day}"
            yield Place(region, shape, Availability.UNAVAILABLE, basis, ("retired",))
    held = {(region, shape.name) for region, shape in listed.zones}
    for place in documented_places(book, ""):
        region = place.region
        if (region, place.shape.name) in held:
            continue
        if not listed.complete(region, place.shape):
            basis = f"the Compute API's list was not whole, {day}"
            yield Place(region, place.shape, Availability.UNKNOWN, basis, claimed=False)
        else:
            basis = f"no zone of the region lists it for this project, {day}"
            yield Place(region, place.shape, Availability.UNAVAILABLE, basis, ("not_offered",), claimed=False)


def compose(ledger: Ledger, place: Place, book: PriceBook, scope: Scope, said_at: datetime) -> None:
    """Both markets of one shape in one region: an offer each, or the part that is missing by name (W13)."""
    if not scope.covers_region(NAME, place.region):
        return
    parts = parts_of(place.shape)
    for market in LISTED_MARKETS:
        if not scope.covers_market(market):
            continue
        if parts is None:
            detail = "nobody documented what this series is billed by"
            ledger.reject("price_missing", place.shape.name, detail, place.region, market)
            continue
        rates = [(part, book.rate(part.keys, place.region, market)) for part in parts]
        missing = [(part, rate) for part, rate in rates if isinstance(rate, Trouble)]
        if not missing:
            _offer(
                ledger,
                place,
                market,
                [(part, rate) for part, rate in rates if isinstance(rate, Rate)],
                said_at,
            )
        elif place.claimed:
            detail = "; ".join(f"{part.name}: {trouble.detail}" for part, trouble in missing)
            reasons = {trouble.reason for _, trouble in missing}
            reason = "price_conflict" if "price_conflict" in reasons else "price_missing"
            ledger.reject(reason, place.shape.name, detail, place.region, market)


def _offer(
    ledger: Ledger, place: Place, market: Market, bill: list[tuple[Part, Rate]], said_at: datetime
) -> None:
    shape = place.shape
    usd_per_hour = price(sum((part.quantity * rate.usd / rate.hours for part, rate in bill), Decimal(0)))
    if usd_per_hour is None:
        ledger.reject("price_missing", shape.name, "the parts add up to no price", place.region, market)
        return
    availability, basis, flags = _how_sold(place, market)
    offer = Offer(
        provider=NAME,
        region=place.region,
        zone=None,
        instance_type=shape.name,
        market=market,
        usd_per_hour=usd_per_hour,
        accelerator=ALIASES[shape.accelerator_type][0],
        accelerators=shape.accelerators,
        vcpus=shape.vcpus,
        memory_gib=float(shape.memory_gib),
        availability=availability,
        availability_basis=basis,
        price_basis=_price_basis(shape, market),
        collected_at=said_at,
        source=_ORIGIN,
        licence=None,
        interruption=None,
        flags=flags,
    )
    ledger.offer(offer, _evidence(shape, bill))


def _how_sold(place: Place, market: Market) -> tuple[Availability, str, tuple[str, ...]]:
    flags = set(place.flags)
    if place.shape.accelerators < 1:
        flags.add("fractional_gpu")
    if place.shape.attached:
        flags.add("composed_n1_plus_gpu")
    if sold(place.shape.name, market):
        return place.availability, place.basis, tuple(sorted(flags))
    basis = f"priced, but sold only as spot, flex-start or by reservation; {SOURCE}"
    return Availability.UNAVAILABLE, basis, tuple(sorted({*flags, "not_sold_this_way"}))


def _price_basis(shape: Shape, market: Market) -> str:
    if shape.attached:
        return "list_sum_of_host_and_gpu" if market is Market.ON_DEMAND else "sum_of_host_and_gpu"
    return "list" if market is Market.ON_DEMAND else "regional_spot_price"


def _evidence(shape: Shape, bill: list[tuple[Part, Rate]]) -> dict[str, object]:
    """The SKUs as received, and what each was multiplied by; no project, no account."""
    return {
        "machine_type": shape.name,
        "parts": [
            {"part": part.name, "quantity": str(part.quantity), "per_hours": rate.hours, "sku": rate.item}
            for part, rate in bill
        ],
    }
