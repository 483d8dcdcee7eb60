"""On-demand list prices, from the price list's API or its public CSV file: one reading for both.

The list mixes many products under one instance type. Those below are the only ones that are on-demand Linux;
everything else (Windows, SQL, BYOL, unused reservations, capacity blocks at $0) is another product, and is
passed over, not rejected. Source: AWS price list, offer version 20260910195514.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import Availability, Market, Offer
from advisor.errors import PayloadError
from providers._http import decoded
from providers._payload import is_object, name, price, shown
from providers.aws.hardware import FAMILIES, NAME, Shape, listing, shape_from_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from advisor.provider import Ledger

FILTERS: Final[dict[str, str]] = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "preInstalledSw": "NA",
    "licenseModel": "No License required",
    "marketoption": "OnDemand",
}
"""Every one is load-bearing: leave one out and a dearer, cheaper or zero row answers to the same type."""

COLUMNS: Final[dict[str, str]] = {
    # the CSV file's column: the API's attribute
    "Instance Type": "instanceType",
    "vCPU": "vcpu",
    "Memory": "memory",
    "GPU": "gpu",
    "GPU Memory": "gpuMemory",
    "Instance Family": "instanceFamily",
    "Operating System": "operatingSystem",
    "Tenancy": "tenancy",
    "CapacityStatus": "capacitystatus",
    "Pre Installed S/W": "preInstalledSw",
    "License Model": "licenseModel",
    "MarketOption": "marketoption",
    "operation": "operation",
    "Region Code": "regionCode",
    "Location Type": "locationType",
}

_USD: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?")
_DESCRIBED: Final = re.compile(r"\$([0-9]{1,9}(?:\.[0-9]{1,12})?) per .*")
_AGREES: Final = Decimal("0.01")
_PARENT: Final = re.compile(r"([a-z]{2}(?:-[a-z]+)+-[0-9]+)-[a-z0-9-]+")
_ZONE_KINDS: Final = ("AWS Local Zone", "AWS Wavelength Zone")
_ACCELERATED: Final = ("GPU instance", "Machine Learning ASIC Instances")


class ListReader:
    """Reads the list prices of one region into a ledger."""

    def __init__(
        self,
        ledger: Ledger,
        region: str,
        shapes: Mapping[str, Shape],
        told: frozenset[str],
        offered: Mapping[str, frozenset[str]] | None,
        unseen_why: str,
        said_at: datetime,
    ) -> None:
        self._ledger = ledger
        self._region = region
        self._shapes = shapes
        self._told = told  # types the hardware list speaks of, so that what it rejects is rejected once
        self._offered = offered  # None: not seen, and unseen_why says so
        self._unseen_why = unseen_why
        self._said_at = said_at
        self.prices: dict[str, Decimal] = {}
        self.found: dict[str, Shape] = {}
        self._mentioned: set[str] = set()

    def read_products(self, payload: object) -> None:
        """Take the answer of ``GetProducts``, whose elements are JSON in strings.

        Raises:
            PayloadError: it holds no such list.
        """
        for element in listing(payload, "get_products", "PriceList"):
            try:
                item = (
                    decoded(f"{NAME}: get_products", element.encode()) if isinstance(element, str) else None
                )
            except (PayloadError, UnicodeEncodeError):
                item = None
            product = item.get("product") if is_object(item) else None
            stated = product.get("attributes") if is_object(product) else None
            if not is_object(item) or not is_object(stated):
                self._reject("malformed_item", "get_products", f"not a product: {shown(element)}")
                continue
            attributes = {key: value for key, value in stated.items() if isinstance(value, str)}
            self._read(attributes, item, list(_dimensions(item)))

    def read_rows(self, payload: object) -> None:
        """Take rows of the CSV file, each a mapping of column to text.

        Raises:
            PayloadError: it holds no rows.
        """
        for row in listing(payload, "bulk price list", "rows"):
            if not is_object(row):
                self._reject("malformed_item", "bulk price list", f"not a row: {shown(row)}")
                continue
            found = {key: row.get(column) for column, key in COLUMNS.items()}
            attributes = {key: value for key, value in found.items() if isinstance(value, str)}
            attributes.setdefault("operation", "RunInstances")
            if row.get("TermType") == "OnDemand":
                dimension = {"unit": row.get("Unit"), "description": row.get("PriceDescription")}
                dimension["pricePerUnit"] = {str(row.get("Currency")): row.get("PricePerUnit")}
                self._read(attributes, row, [dimension])

    def missing(self) -> None:
        """Say which types are offered here, but have no on-demand price (p5e, trn2 and their like)."""
        for instance_type, zones in sorted((self._offered or {}).items()):
            shape = self._shapes.get(instance_type)
            if shape is None or instance_type in self._mentioned:
                continue
            if shape.usage_classes is not None and "on-demand" not in shape.usage_classes:
                detail = f"offered in {_some(zones)}, but not on demand: {_some(shape.usage_classes)}"
                self._reject("not_sold_this_way", instance_type, detail)
            else:
                detail = f"offered in {_some(zones)}, but the price list has no on-demand row"
                self._reject("price_missing", instance_type, detail)

    def _read(self, attributes: Mapping[str, str], item: object, dimensions: list[dict[str, object]]) -> None:
        if not _is_on_demand_linux(attributes):
            return
        instance_type = name(attributes.get("instanceType"))
        if instance_type is None:
            stated = shown(attributes.get("instanceType"))
            self._reject("malformed_item", "price list", f"a row without an instance type: {stated}")
            return
        if instance_type in self._told and instance_type not in self._shapes:
            return  # no accelerator, or rejected with the hardware
        if instance_type not in self._shapes and not _is_accelerated(instance_type, attributes):
            return
        self._mentioned.add(instance_type)
        place = _place(attributes, self._region)
        if place is None:
            detail = f"{shown(attributes.get('regionCode'))} in the list of {self._region}"
            self._reject("region_unknown", instance_type, detail)
            return
        shape = self._shapes.get(instance_type) or shape_from_attributes(
            self._ledger, instance_type, attributes, self._region
        )
        if shape is None:
            return
        self.found[instance_type] = shape
        if not dimensions:
            self._reject("price_missing", instance_type, "no on-demand term")
        for dimension in dimensions:
            self._read_price(shape, place, dimension, item)

    def _read_price(
        self, shape: Shape, place: tuple[str, str | None], dimension: dict[str, object], item: object
    ) -> None:
        problem, usd_per_hour = _price(shape.instance_type, dimension)
        if usd_per_hour is None:
            self._reject(problem[0], shape.instance_type, problem[1])
            return
        region, zone = place
        availability, basis = self._availability(shape.instance_type, zone)
        flags = {"fractional_gpu"} if shape.accelerators < 1 else set()
        flags |= {"local_zone"} if zone is not None else set()
        flags |= {"vcpu_memory_unknown"} if shape.vcpus is None or shape.memory_gib is None else set()
        flags |= {"not_offered"} if availability is Availability.UNAVAILABLE else set()
        offer = Offer(
            provider=NAME,
            region=region,
            zone=zone,
            instance_type=shape.instance_type,
            market=Market.ON_DEMAND,
            usd_per_hour=usd_per_hour,
            accelerator=shape.accelerator,
            accelerators=shape.accelerators,
            vcpus=shape.vcpus,
            memory_gib=shape.memory_gib,
            availability=availability,
            availability_basis=basis,
            price_basis="list",
            collected_at=self._said_at,
            source="AWS price list, AmazonEC2",
            licence=None,
            interruption=None,
            flags=tuple(sorted(flags)),
        )
        if zone is None:
            self.prices[shape.instance_type] = usd_per_hour
        self._ledger.offer(offer, item)

    def _availability(self, instance_type: str, zone: str | None) -> tuple[Availability, str]:
        if self._offered is None:
            return Availability.UNKNOWN, f"not seen: {self._unseen_why}"
        said = f"EC2's offerings, {self._said_at:%Y-%m-%d %H:%M}Z"
        if zone is not None:
            return Availability.UNKNOWN, f"{said}: Local Zones are not asked"
        zones = self._offered.get(instance_type)
        if not zones:
            return Availability.UNAVAILABLE, f"{said}: in no zone"
        return Availability.AVAILABLE, f"{said}: {_some(zones)}"

    def _reject(self, reason: str, subject: str, detail: str) -> None:
        self._ledger.reject(reason, subject, detail, self._region, Market.ON_DEMAND)


def _is_on_demand_linux(attributes: Mapping[str, str]) -> bool:
    stated = {key: attributes.get(key) or "" for key in FILTERS}
    stated["preInstalledSw"] = stated["preInstalledSw"] or "NA"  # blank in some rows of the CSV file
    return stated == FILTERS and attributes.get("operation", "") == "RunInstances"


def _is_accelerated(instance_type: str, attributes: Mapping[str, str]) -> bool:
    """Whether the row is about an accelerator, even one whose number of chips is blank (W14)."""
    return (
        attributes.get("gpu", "NA") not in ("", "NA", "0")
        or attributes.get("instanceFamily") in _ACCELERATED
        or instance_type.partition(".")[0] in FAMILIES
    )


def _place(attributes: Mapping[str, str], region: str) -> tuple[str, str | None] | None:
    """Region, and the zone of a price that holds in a Local or Wavelength Zone only."""
    code = name(attributes.get("regionCode"))
    if code is None:
        return None
    parent = parent_region(code)
    if attributes.get("locationType") in _ZONE_KINDS or parent is not None:
        return (parent, code) if parent is not None and region in (code, parent) else None
    return (code, None) if code == region else None


def parent_region(code: str) -> str | None:
    """The region a Local or Wavelength Zone's code belongs to; None for a region."""
    form = _PARENT.fullmatch(code)
    return None if form is None else form[1]


def _dimensions(item: dict[str, object]) -> list[dict[str, object]]:
    terms = item.get("terms")
    on_demand = terms.get("OnDemand") if is_object(terms) else None
    found: list[dict[str, object]] = []
    for term in on_demand.values() if is_object(on_demand) else ():
        dimensions = term.get("priceDimensions") if is_object(term) else None
        found += [one for one in dimensions.values() if is_object(one)] if is_object(dimensions) else []
    return found


def _price(instance_type: str, dimension: dict[str, object]) -> tuple[tuple[str, str], Decimal | None]:
    """The price of an hour, or a reason and a detail."""
    if dimension.get("unit") != "Hrs":
        return ("malformed_item", f"unit is {shown(dimension.get('unit'))}, not Hrs"), None
    amounts = dimension.get("pricePerUnit")
    usd_per_hour = usd(amounts.get("USD")) if is_object(amounts) else None
    if is_object(amounts) and amounts and "USD" not in amounts:
        return ("foreign_currency", f"pricePerUnit is {shown(amounts)}"), None
    if usd_per_hour is None:
        return ("price_missing", f"pricePerUnit is {shown(amounts)}"), None
    described = dimension.get("description")
    form = _DESCRIBED.fullmatch(described) if isinstance(described, str) else None
    if form is not None and abs(Decimal(form[1]) - usd_per_hour) > usd_per_hour * _AGREES:
        return ("price_conflict", f"${usd_per_hour}, described as {shown(described)}"), None
    if form is not None and f" {instance_type} " not in f"{described} ":
        return ("price_conflict", f"the price of something else: {shown(described)}"), None
    return ("", ""), usd_per_hour


def usd(stated: object) -> Decimal | None:
    """Dollars an hour from a vendor's text; None unless it is a plain positive number."""
    if not isinstance(stated, str) or not _USD.fullmatch(stated):
        return None
    return price(Decimal(stated))


def _some(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)[:8])
