"""Spot: current price per zone, how often AWS takes capacity back, and what one may ask besides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import Availability, Market, Offer
from advisor.errors import PayloadError
from providers._payload import is_object, name, shown, whole
from providers.aws.hardware import NAME, Shape, listing
from providers.aws.prices import usd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.provider import Ledger
    from providers.aws.settings import BlockWish

PRODUCT: Final = "Linux/UNIX"
MOST_LIKELY_SCORE: Final = 10
LEAST_LIKELY_SCORE: Final = 1
"""AWS: 10 is highly likely to succeed, 1 is not likely to succeed at all (GetSpotPlacementScores)."""


@dataclass(frozen=True, slots=True)
class SpotSurroundings:
    """What else is known of a region when its spot prices are read."""

    shapes: Mapping[str, Shape]
    told: frozenset[str]
    offered: Mapping[str, frozenset[str]] | None
    list_prices: Mapping[str, Decimal]
    bands: Mapping[str, str]  #: instance type to interruption band
    scores: Mapping[tuple[str, str], int]  #: accelerator and zone id to placement score


def parse_spot_history(
    payload: object, ledger: Ledger, region: str, around: SpotSurroundings, said_at: datetime
) -> None:
    """One offer per type and zone: the newest row, which is the price now."""
    newest: dict[tuple[str, str], list[tuple[datetime, dict[str, object]]]] = {}
    for item in listing(payload, "describe_spot_price_history", "SpotPriceHistory"):
        instance_type = name(item.get("InstanceType")) if is_object(item) else None
        at = _instant(item.get("Timestamp")) if is_object(item) else None
        if instance_type is None or at is None or not is_object(item):
            _reject(ledger, "malformed_item", "describe_spot_price_history", shown(item), region)
            continue
        if item.get("ProductDescription") != PRODUCT:
            continue  # Windows, SUSE, Red Hat: another product
        zone = name(item.get("AvailabilityZoneId"))
        if zone is None:  # the name of a zone means another zone in another account
            detail = f"AvailabilityZoneId is {shown(item.get('AvailabilityZoneId'))}"
            _reject(ledger, "region_unknown", instance_type, detail, region)
            continue
        newest.setdefault((instance_type, zone), []).append((at, item))
    for (instance_type, zone), rows in sorted(newest.items()):
        latest = max(at for at, _ in rows)
        for item in (item for at, item in rows if at == latest):
            _read_row(ledger, region, zone, instance_type, item, around, said_at)


def _read_row(
    ledger: Ledger,
    region: str,
    zone: str,
    instance_type: str,
    item: dict[str, object],
    around: SpotSurroundings,
    said_at: datetime,
) -> None:
    shape = around.shapes.get(instance_type)
    if shape is None:
        if instance_type not in around.told:
            detail = "a spot price, but no hardware is described for it"
            _reject(ledger, "unknown_accelerator", instance_type, detail, region)
        return
    usd_per_hour = usd(item.get("SpotPrice"))
    if usd_per_hour is None:
        detail = f"SpotPrice is {shown(item.get('SpotPrice'))} in {zone}"
        _reject(ledger, "price_missing", instance_type, detail, region)
        return
    availability, basis = _availability(shape, zone, around, said_at)
    flags = {"fractional_gpu"} if shape.accelerators < 1 else set()
    flags |= {"local_zone"} if zone.count("-") > 1 else set()  # use1-atl1-az1 against use1-az1
    flags |= {"not_offered"} if availability is Availability.UNAVAILABLE else set()
    flags |= {"vcpu_memory_unknown"} if shape.vcpus is None or shape.memory_gib is None else set()
    flags |= {"spot_at_on_demand_cap"} if around.list_prices.get(instance_type) == usd_per_hour else set()
    offer = Offer(
        provider=NAME,
        region=region,
        zone=zone,
        instance_type=instance_type,
        market=Market.SPOT,
        usd_per_hour=usd_per_hour,
        accelerator=shape.accelerator,
        accelerators=shape.accelerators,
        vcpus=shape.vcpus,
        memory_gib=shape.memory_gib,
        availability=availability,
        availability_basis=basis,
        price_basis="zone_spot_price",
        collected_at=said_at,
        source="EC2 DescribeSpotPriceHistory",
        licence=None,
        interruption=around.bands.get(instance_type),
        flags=tuple(sorted(flags)),
    )
    ledger.offer(offer, item)


def _availability(
    shape: Shape, zone: str, around: SpotSurroundings, said_at: datetime
) -> tuple[Availability, str]:
    """A price is not capacity; a zone without the type has none (karpenter #2256)."""
    at = f"{said_at:%Y-%m-%d %H:%M}Z"
    if around.offered is not None and zone not in around.offered.get(shape.instance_type, frozenset()):
        return Availability.UNAVAILABLE, f"EC2's offerings, {at}: not in {zone}"
    score = around.scores.get((shape.accelerator, zone))
    if score is not None:
        known = Availability.CONSTRAINED if score <= LEAST_LIKELY_SCORE else Availability.AVAILABLE
        return known, f"AWS placement score {score} of {MOST_LIKELY_SCORE} for {shape.accelerator}, {at}"
    if around.offered is None:
        return Availability.UNKNOWN, f"priced in {zone}, {at}; its offerings were not seen"
    return (
        Availability.AVAILABLE,
        f"EC2's offerings and a spot price in {zone}, {at}; a price is not capacity",
    )


def parse_spot_advisor(payload: object, ledger: Ledger) -> dict[str, dict[str, str]]:
    """Region to instance type to interruption band per month, Linux.

    Raises:
        PayloadError: not the file it was.
    """
    ranges = payload.get("ranges") if is_object(payload) else None
    regions = payload.get("spot_advisor") if is_object(payload) else None
    if not isinstance(ranges, list) or not is_object(regions):
        raise PayloadError(f"{NAME}: Spot Advisor: not the known answer (no ranges or spot_advisor)")
    labels = {
        one["index"]: one["label"]
        for one in ranges
        if is_object(one) and type(one.get("index")) is int and name_of_band(one.get("label"))
    }
    bands: dict[str, dict[str, str]] = {}
    for region, systems in regions.items():
        linux = systems.get("Linux") if is_object(systems) else None
        if not is_object(linux):
            ledger.reject("malformed_item", "Spot Advisor", f"no Linux in {shown(region)}")
            continue
        bands[region] = _region_bands(linux, labels)
    return bands


def _region_bands(linux: dict[str, object], labels: Mapping[object, object]) -> dict[str, str]:
    found = {}
    for instance_type, entry in linux.items():
        index = entry.get("r") if is_object(entry) else None
        label = labels.get(index) if type(index) is int else None
        if isinstance(label, str):
            found[instance_type] = label
    return found


def name_of_band(label: object) -> bool:
    """Whether a label is one of the forms AWS uses: ``<5%``, ``5-10%``, ``>20%``."""
    return isinstance(label, str) and 2 <= len(label) <= 8 and label.endswith("%") and label.isascii()


def parse_scores(payload: object, accelerator: str) -> dict[tuple[str, str], int]:
    """Accelerator and zone id to placement score."""
    found = {}
    for item in listing(payload, "get_spot_placement_scores", "SpotPlacementScores"):
        zone = name(item.get("AvailabilityZoneId")) if is_object(item) else None
        score = whole(item.get("Score"), at_most=MOST_LIKELY_SCORE) if is_object(item) else None
        if zone is not None and score is not None:
            found[accelerator, zone] = score
    return found


def describe_blocks(payload: object, ledger: Ledger, region: str, wish: BlockWish) -> list[str]:
    """A sentence per capacity block on offer: reserved ahead and paid at once, so never an hourly offer."""
    sentences = []
    for item in listing(payload, "describe_capacity_block_offerings", "CapacityBlockOfferings"):
        if not is_object(item):
            ledger.reject("malformed_item", wish.instance_type, shown(item), region)
            continue
        fee = usd(item.get("UpfrontFee"))
        count = whole(item.get("InstanceCount"), at_most=1000)
        hours = whole(item.get("CapacityBlockDurationHours"), at_most=10_000)
        start = _instant(item.get("StartDate"))
        if (
            fee is None
            or count is None
            or hours is None
            or start is None
            or item.get("CurrencyCode") != "USD"
        ):
            detail = f"a capacity block without fee, count, hours, start or dollars: {shown(item)}"
            ledger.reject("malformed_item", wish.instance_type, detail, region)
            continue
        each = (fee / (count * hours)).quantize(Decimal("0.0001"))
        sentences.append(
            f"{region}: a capacity block of {count} x {wish.instance_type} for {hours} h from"
            f" {start:%Y-%m-%d %H:%M}Z costs ${fee} ahead, ${each} an hour each"
        )
    return sentences


def _instant(stated: object) -> datetime | None:
    if isinstance(stated, datetime):
        return stated.astimezone(UTC) if stated.tzinfo else None
    try:
        at = datetime.fromisoformat(stated) if isinstance(stated, str) else None
        return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _reject(ledger: Ledger, reason: str, subject: str, detail: str, region: str) -> None:
    ledger.reject(reason, subject, detail, region, Market.SPOT)
