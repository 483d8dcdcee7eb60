"""What a subscription's SKUs and usages mean: pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import Availability, QuotaLimit, QuotaUnit
from advisor.errors import PayloadError
from advisor.provider import Ledger, PricedOffer, Reading
from providers._payload import is_object, name, shown, text
from providers.azure.sizes import SIZES, folded, size_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

NAME: Final = "azure"
REGIONAL_POOLS: Final = ("cores", "lowPriorityCores")
"""All on-demand vCPUs of a region; all spot vCPUs (usages API, api-version 2026-04-01)."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What the subscription may do with one size in one region."""

    availability: Availability
    basis: str
    family: str | None  #: the quota family as the SKU spells it
    mismatch: str | None  #: where the SKU contradicts our table


def parse_skus(payload: object, region: str, said_at: datetime) -> tuple[dict[str, Stock], Reading]:
    """Stock per size of our table, and GPU sizes the table lacks.

    Raises:
        PayloadError: it is not a list.
    """
    if not isinstance(payload, list):
        raise PayloadError(f"{NAME}: SKUs of {region}: not a list")
    ledger = Ledger(NAME)
    stock: dict[str, Stock] = {}
    for sku in payload:
        stated = name(sku.get("name")) if is_object(sku) else None
        if not is_object(sku) or stated is None:
            ledger.reject("malformed_item", "SKUs", f"an item without a name: {shown(sku)}", region)
            continue
        size = size_named(stated)
        if size is not None:
            stock[size] = _stock(sku, size, region, said_at)
        elif sku.get("resourceType") == "virtualMachines" and _gpus(sku) not in (None, "0"):
            detail = f"the subscription lists it with {shown(_gpus(sku))} GPUs; our table lacks it"
            ledger.reject("unknown_accelerator", stated, detail, region)
    return stock, ledger.reading()


def _gpus(sku: dict[str, object]) -> str | None:
    return _capabilities(sku).get("GPUs")


def _capabilities(sku: dict[str, object]) -> dict[str, str]:
    """Capabilities by name; all values are strings in Azure's answer, and others are left out."""
    listed = sku.get("capabilities")
    pairs = [pair for pair in listed if is_object(pair)] if isinstance(listed, list) else []
    return {
        key: value
        for pair in pairs
        if (key := text(pair.get("name"))) is not None and (value := text(pair.get("value"))) is not None
    }


def _stock(sku: dict[str, object], size: str, region: str, said_at: datetime) -> Stock:
    asked = f"the subscription's SKUs, {said_at:%Y-%m-%d %H:%M}Z"
    zones = _zones(sku, region)
    where = f"zones {', '.join(zones)}" if zones else "no zones"
    restrictions = [each for each in _objects(sku.get("restrictions")) if _concerns(each, region)]
    closed = [each for each in restrictions if each.get("type") == "Location"]
    barred = sorted({zone for each in restrictions for zone in _barred_zones(each)})
    if closed:
        found = Availability.UNAVAILABLE, f"{asked}: not usable in {region} ({_why(closed[0])})"
    elif barred and set(zones) <= set(barred):
        found = Availability.CONSTRAINED, f"{asked}: {where}, none of them usable ({_why(restrictions[0])})"
    elif barred:
        found = Availability.AVAILABLE, f"{asked}: {where}, not in {', '.join(barred)}"
    elif restrictions:
        found = Availability.UNKNOWN, f"{asked}: a restriction of unknown kind ({_why(restrictions[0])})"
    else:
        found = Availability.AVAILABLE, f"{asked}: {where}, no restriction"
    return Stock(*found, text(sku.get("family")), _mismatch(_capabilities(sku), size))


def _objects(value: object) -> list[dict[str, object]]:
    return [each for each in value if is_object(each)] if isinstance(value, list) else []


def _zones(sku: dict[str, object], region: str) -> list[str]:
    here = [
        info for info in _objects(sku.get("locationInfo")) if str(info.get("location")).casefold() == region
    ]
    zones = [info.get("zones") for info in here]
    return sorted({zone for each in zones if isinstance(each, list) for zone in each if name(zone)})


def _concerns(restriction: dict[str, object], region: str) -> bool:
    """Whether it is about the region; one that names no region is about the one asked."""
    info = restriction.get("restrictionInfo")
    named = info.get("locations") if is_object(info) else None
    if not isinstance(named, list):
        named = restriction.get("values") if restriction.get("type") == "Location" else None
    return not isinstance(named, list) or not named or region in {str(each).casefold() for each in named}


def _barred_zones(restriction: dict[str, object]) -> list[str]:
    if restriction.get("type") != "Zone":
        return []
    info = restriction.get("restrictionInfo")
    zones = info.get("zones") if is_object(info) else None
    return [zone for zone in zones if name(zone)] if isinstance(zones, list) else []


def _why(restriction: dict[str, object]) -> str:
    return name(restriction.get("reasonCode")) or "no reason stated"


def _mismatch(capabilities: Mapping[str, str], size: str) -> str | None:
    """Where the SKU contradicts our table; ``GPUs`` is "1" for a share of a GPU too."""
    known = SIZES[size]
    gpus = max(known.accelerators, Decimal(1))
    for field, ours in (("vCPUs", Decimal(known.vcpus)), ("GPUs", gpus)):
        stated = capabilities.get(field)
        if stated is not None and stated != str(ours):
            return f"{field} is {shown(stated)}, {ours} in our table"
    return None


def with_stock(reading: Reading, stock: Mapping[str, Stock], region: str, said_at: datetime) -> Reading:
    """The region's offers with the subscription's availability; a size it contradicts is rejected."""
    ledger = Ledger(NAME)
    kept: list[PricedOffer] = []
    for priced in reading.offers:
        offer, found = priced.offer, stock.get(priced.offer.instance_type)
        if found is not None and found.mismatch is not None:
            ledger.reject("specification_mismatch", offer.instance_type, found.mismatch, region)
            continue
        if found is None:
            basis = f"not among the subscription's SKUs of {region}, {said_at:%Y-%m-%d %H:%M}Z"
            flags = tuple(sorted({*offer.flags, "not_offered"}))
            offer = replace(
                offer, availability=Availability.UNAVAILABLE, availability_basis=basis, flags=flags
            )
        else:
            offer = replace(offer, availability=found.availability, availability_basis=found.basis)
        kept.append(PricedOffer(offer, priced.evidence_digest))
    used = {priced.evidence_digest for priced in kept}
    evidence = {digest: content for digest, content in reading.evidence.items() if digest in used}
    return Reading(tuple(kept), (*reading.rejections, *ledger.reading().rejections), evidence)


def parse_usages(
    payload: object, region: str, families: Iterable[str] = ()
) -> tuple[tuple[QuotaLimit, ...], Reading]:
    """Limits of the pools GPU sizes draw on; ``families`` are names to know besides those of our table.

    Raises:
        PayloadError: it is not a list.
    """
    if not isinstance(payload, list):
        raise PayloadError(f"{NAME}: usages of {region}: not a list")
    ours = [size.family for size in SIZES.values() if size.family is not None]
    pools = {folded(pool): pool for pool in (*families, *REGIONAL_POOLS, *ours)}
    ledger = Ledger(NAME)
    limits: dict[str, QuotaLimit] = {}
    for usage in payload:
        named = usage.get("name") if is_object(usage) else None
        stated = text(named.get("value")) if is_object(named) else None
        if not is_object(usage) or stated is None:
            ledger.reject("malformed_item", "usages", f"an item without name.value: {shown(usage)}", region)
            continue
        pool = pools.get(folded(stated))
        if pool is None:
            continue  # quotas of disks, addresses and CPU families are not asked for
        limit, used = _count(usage.get("limit")), _count(usage.get("currentValue"))
        if limit is None or used is None or pool in limits:
            detail = f"limit {shown(usage.get('limit'))}, currentValue {shown(usage.get('currentValue'))}"
            again = "; stated before" if pool in limits else ""
            ledger.reject("malformed_item", f"quota {pool}", f"{detail}{again}", region)
            continue
        limits[pool] = QuotaLimit(NAME, region, pool, QuotaUnit.VCPU, limit, used)
    return tuple(limits[pool] for pool in sorted(limits)), ledger.reading()


def _count(value: object) -> Decimal | None:
    """A number of vCPUs, 0 included; -1 and the like say nothing that could be planned on."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**9:
        return None
    return Decimal(value)
