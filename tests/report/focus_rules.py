"""Rules of FOCUS 1.2 that a usage row must keep, written from the specification; each names its column.

A rule returns what is wrong with a row, or nothing. They share no code with the product.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

Row = Mapping[str, str | None]
Rule = Callable[[Row], str | None]

MANDATORY: Final = (
    "BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
    "ChargeCategory", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost", "EffectiveCost",
    "InvoiceIssuerName", "ListCost", "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory",
    "ServiceName",
)  # fmt: skip
"""Columns that a usage row may not leave null. (BillingAccountName, ChargeClass and the like may be.)"""

ALLOWED: Final = {
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {None, "Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "PricingCategory": {"Standard", "Dynamic", "Committed", "Other"},
    "CommitmentDiscountStatus": {None, "Used", "Unused"},
    "CommitmentDiscountCategory": {None, "Spend", "Usage"},
    "CapacityReservationStatus": {None, "Used", "Unused"},
    "ServiceCategory": {
        "AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases",
        "Developer Tools", "Multicloud", "Identity", "Integration", "Internet of Things",
        "Management and Governance", "Media", "Migration", "Mobile", "Networking", "Security", "Storage",
        "Web", "Other",
    },
}  # fmt: skip

SUBCATEGORIES: Final = {
    "Compute": {
        "Containers", "End User Computing", "Quantum Compute", "Serverless Compute", "Virtual Machines",
        "Other (Compute)",
    },
    "Networking": {
        "Application Networking", "Content Delivery", "Network Connectivity", "Network Infrastructure",
        "Network Routing", "Network Security", "Other (Networking)",
    },
}  # fmt: skip

NUMERIC: Final = (
    "BilledCost", "ConsumedQuantity", "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "ListCost",
    "ListUnitPrice", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice", "PricingQuantity",
)  # fmt: skip
MOMENTS: Final = ("BillingPeriodEnd", "BillingPeriodStart", "ChargePeriodEnd", "ChargePeriodStart")
SKU_PRICE_KEYS: Final = {
    "CoreCount", "DiskMaxIops", "DiskSpace", "DiskType", "GpuCount", "InstanceType", "InstanceSeries",
    "MemorySize", "NetworkMaxIops", "NetworkMaxThroughput", "OperatingSystem", "Redundancy",
    "StorageClass",
}  # fmt: skip

_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def violations(row: Row) -> dict[str, str]:
    """What is wrong, by rule."""
    return {name: wrong for name, rule in RULES.items() if (wrong := rule(row)) is not None}


def _not_null(row: Row) -> str | None:
    return ", ".join(name for name in MANDATORY if row.get(name) in (None, "")) or None


def _allowed(row: Row) -> str | None:
    return ", ".join(name for name, values in ALLOWED.items() if row.get(name) not in values) or None


def _numbers(row: Row) -> str | None:
    bad = [name for name in NUMERIC if row.get(name) is None or not _NUMBER.fullmatch(str(row[name]))]
    return ", ".join(bad) or None


def _moments(row: Row) -> str | None:
    return ", ".join(name for name in MOMENTS if not _MOMENT.fullmatch(str(row.get(name)))) or None


def _periods(row: Row) -> str | None:
    if _moments(row):
        return "unreadable"
    starts, ends = (
        [datetime.fromisoformat(str(row[f"{kind}Period{end}"])) for kind in ("Billing", "Charge")]
        for end in ("Start", "End")
    )
    inside = starts[0] <= starts[1] < ends[1] <= ends[0]
    return None if inside else "a charge lies within its billing period, and ends after it starts"


def _product(price: str, cost: str) -> Rule:
    def rule(row: Row) -> str | None:
        if _numbers(row):
            return "no number"
        product = Decimal(str(row[price])) * Decimal(str(row["PricingQuantity"]))
        return None if product == Decimal(str(row[cost])) else f"{price} × PricingQuantity is {product}"

    return rule


def _ascii(row: Row) -> str | None:
    return ", ".join(name for name, value in row.items() if value and not value.isascii()) or None


def _currency(row: Row) -> str | None:
    codes = (row.get("BillingCurrency"), row.get("PricingCurrency"))
    return None if all(re.fullmatch(r"[A-Z]{3}", str(code)) for code in codes) else f"{codes}"


def _together(*names: str) -> Rule:
    """Either all of them are null, or none."""

    def rule(row: Row) -> str | None:
        return None if len({row.get(name) is None for name in names}) == 1 else ", ".join(names)

    return rule


def _follows(name: str, leader: str) -> Rule:
    """Null where its leader is."""

    def rule(row: Row) -> str | None:
        return f"{leader} is null" if row.get(leader) is None and row.get(name) is not None else None

    return rule


def _subcategory(row: Row) -> str | None:
    known = SUBCATEGORIES.get(str(row.get("ServiceCategory")), set())
    return None if row.get("ServiceSubcategory") in known else f"not one of {row.get('ServiceCategory')}"


def _sku(row: Row) -> str | None:
    return None if row.get("SkuId") and row.get("SkuPriceId") else "a usage row has both"


def _sku_details(row: Row) -> str | None:
    text = row.get("SkuPriceDetails")
    if text is None:
        return None
    details = json.loads(text)
    if not isinstance(details, dict):
        return "not an object"
    foreign = {key for key in details if key not in SKU_PRICE_KEYS and not key.startswith("x_")}
    return f"keys without x_: {foreign}" if foreign else None


def _no_discount(row: Row) -> str | None:
    """No negotiated price: contracted is list, and effective is contracted."""
    same = len({row.get("ContractedCost"), row.get("EffectiveCost"), row.get("BilledCost")}) == 1
    return None if same else "contracted, effective and billed cost differ"


RULES: Final[dict[str, Rule]] = {
    "mandatory columns are not null": _not_null,
    "values are from the lists": _allowed,
    "numbers are numbers": _numbers,
    "moments are UTC in ISO 8601": _moments,
    "periods nest": _periods,
    "ListUnitPrice × PricingQuantity = ListCost": _product("ListUnitPrice", "ListCost"),
    "ContractedUnitPrice × PricingQuantity = ContractedCost": _product(
        "ContractedUnitPrice", "ContractedCost"
    ),
    "the pricing currency's effective cost fits": _product(
        "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost"
    ),
    "text is ASCII": _ascii,
    "currencies are ISO 4217": _currency,
    "quantity and unit of consumption go together": _together("ConsumedQuantity", "ConsumedUnit"),
    "quantity and unit of pricing go together": _together("PricingQuantity", "PricingUnit"),
    "account id and type go together": _together("BillingAccountId", "BillingAccountType"),
    "reservation status follows its id": _follows("CapacityReservationStatus", "CapacityReservationId"),
    "commitment status follows its id": _follows("CommitmentDiscountStatus", "CommitmentDiscountId"),
    "commitment name follows its id": _follows("CommitmentDiscountName", "CommitmentDiscountId"),
    "resource type follows its id": _follows("ResourceType", "ResourceId"),
    "subaccount name follows its id": _follows("SubAccountName", "SubAccountId"),
    "subcategory belongs to its category": _subcategory,
    "a SKU is named": _sku,
    "SKU details are an object with known keys": _sku_details,
    "nothing is discounted without a reason": _no_discount,
}
