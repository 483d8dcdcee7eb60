"""Cloud Billing catalogue: from SKUs to the price of one unit of a part, per region and market.

A SKU says what it is in its description only. Many SKUs describe the same part bought in other ways, all
tagged OnDemand (H100 Mega: 10.344276 plain, 4.841121 in Calendar Mode, 4.423936 attached to DWS VMs), and
some spot SKUs are tagged OnDemand too (W6): the description wins, and of what is left prices must agree (W8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import Market
from advisor.errors import PayloadError
from advisor.units import decimal_text
from providers._payload import is_object, name, shown, text
from providers.gcp.shapes import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from advisor.provider import Ledger

HOURS_PER_MONTH: Final = 730
"""Google's own month, as its price pages state (cloud.google.com/compute/all-pricing)."""

_GPUS: Final = {
    # description before "running in", case folded: the part it is one unit of
    "a4 nvidia b200 (1 gpu slice)": "vm:b200",
    "h200 141gb gpu": "gpu:h200",
    "nvidia a100 80gb gpu": "gpu:a100-80gb",
    "nvidia h100 80gb gpu": "gpu:h100",
    "nvidia h100 80gb mega gpu": "gpu:h100-mega",
    "nvidia h100 80gb plus gpu": "gpu:h100-mega",
    "nvidia h100 mega 80gb gpu": "gpu:h100-mega",
    "nvidia l4 gpu": "gpu:l4",
    "nvidia tesla a100 80gb gpu": "gpu:a100-80gb",
    "nvidia tesla a100 gpu": "gpu:a100-40gb",
    "nvidia tesla t4 gpu": "gpu:t4",
    "nvidia tesla v100 gpu": "gpu:v100",
    "rtx 6000 96gb": "gpu:rtx-pro-6000",
}
_HOST: Final = re.compile(r"(a2|a3|a3plus|a3 ?ultra|g2|g4|n1 predefined) instance (core|ram|local ssd)")
_GENERIC_SSD: Final = "ssd backed local storage"

_OTHER_WAYS: Final = re.compile(
    r"reserved|calendar|\bdws\b|defined duration|flex|commit|sole tenan|premium|custom|upgrade|suspended",
    re.I,
)
_SPOT: Final = re.compile(r"\b(spot|preemptible)\b", re.I)
_WORDING: Final = re.compile(
    r"(?:spot )?(?:preemptible )?(.+?)(?: attached to (?:spot )?preemptible vms)?(?: (?:running )?in .+)?"
)
_UNITS: Final = {
    # kind of part: usageUnit it may be priced in, and hours that unit lasts
    "gpu": {"h": 1},
    "vm": {"h": 1},
    "core": {"h": 1},
    "ram": {"GiBy.h": 1},
    "ssd": {"GiBy.mo": HOURS_PER_MONTH, "GiBy.h": 1},
}


@dataclass(frozen=True, slots=True)
class Rate:
    """What one SKU asks for one unit of a part."""

    usd: Decimal  #: per unit and ``hours``
    hours: int
    sku_id: str
    item: dict[str, object]  #: the SKU as received: evidence, not to be read again

    @property
    def usd_per_hour(self) -> Decimal:
        """Per unit and hour, at full precision."""
        return self.usd / self.hours


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a part has no price: a key of the rejection reasons, and words."""

    reason: str
    detail: str


@dataclass(slots=True)
class PriceBook:
    """Rates of all parts, by part, region and market."""

    rates: dict[tuple[str, str, Market], list[Rate]] = field(default_factory=dict)

    def regions(self, part: str) -> set[str]:
        """Where the part is priced, in any market."""
        return {region for key, region, _ in self.rates if key == part}

    def rate(self, parts: tuple[str, ...], region: str, market: Market) -> Rate | Trouble:
        """The rate of the first of these parts that is priced there, never one of several that disagree."""
        for part in parts:
            rates = self.rates.get((part, region, market), [])
            prices = sorted({rate.usd_per_hour for rate in rates})
            if len(prices) == 1:
                return min(rates, key=lambda rate: rate.sku_id)
            if prices:
                stated = ", ".join(f"${decimal_text(price)}" for price in prices[:5])
                ids = ", ".join(sorted(rate.sku_id for rate in rates)[:5])
                return Trouble("price_conflict", f"{len(rates)} SKUs ({ids}) say {stated}")
        return Trouble("price_missing", f"no {market.value} SKU covers the region")


def page_of(payload: object) -> tuple[list[object], str]:
    """The SKUs of one page, and the token of the next ("" is none).

    Raises:
        PayloadError: it is not a page of SKUs.
    """
    token = payload.get("nextPageToken", "") if is_object(payload) else None
    skus = payload.get("skus", []) if is_object(payload) else None
    if not isinstance(token, str) or not isinstance(skus, list):
        raise PayloadError(f"{NAME}: skus: not the documented answer (no list of skus and nextPageToken)")
    return skus, token


def price_book(ledger: Ledger, items: Iterable[object]) -> PriceBook:
    """Rates of every part a GPU machine may be made of; SKUs of ours that cannot be read are rejected."""
    book = PriceBook()
    for item in items:
        _read_sku(ledger, item, book)
    return book


def _read_sku(ledger: Ledger, item: object, book: PriceBook) -> None:
    description = text(item.get("description")) if is_object(item) else None
    if not is_object(item) or description is None:
        ledger.reject("malformed_item", "sku", f"an item without a description: {shown(item)}")
        return
    if _OTHER_WAYS.search(description):
        return
    category = item.get("category")
    category = category if is_object(category) else {}
    product = _product(description)
    part = _part(product)
    if part is None:
        if category.get("resourceGroup") == "GPU":
            ledger.reject("unknown_accelerator", product, "a GPU SKU of the billing catalogue")
        return
    market = _market(description, category.get("usageType"))
    if market is None:
        return
    rate = _rate(item, part)
    regions = item.get("serviceRegions")
    if isinstance(rate, Trouble) or not isinstance(regions, list):
        trouble = (
            rate if isinstance(rate, Trouble) else Trouble("region_unknown", "serviceRegions is not a list")
        )
        ledger.reject(
            trouble.reason, f"sku {shown(item.get('skuId'))} {product}", trouble.detail, None, market
        )
        return
    for region in dict.fromkeys(known for region in regions if (known := name(region)) is not None):
        book.rates.setdefault((part, region, market), []).append(rate)


def _product(description: str) -> str:
    plain = " ".join(description[:200].casefold().split())
    match = _WORDING.fullmatch(plain)
    return match.group(1) if match else plain


def _part(product: str) -> str | None:
    if product in _GPUS:
        return _GPUS[product]
    if product == _GENERIC_SSD:
        return "ssd"
    match = _HOST.fullmatch(product)
    if match is None:
        return None
    return f"{match.group(2).removeprefix('local ')}:{match.group(1).replace(' ', '')}"


def _market(description: str, usage_type: object) -> Market | None:
    """Described as spot it is spot, however it is tagged; None where it is neither spot nor on demand."""
    if usage_type not in ("OnDemand", "Preemptible"):
        return None
    return Market.SPOT if _SPOT.search(description) or usage_type == "Preemptible" else Market.ON_DEMAND


def _rate(item: Mapping[str, object], part: str) -> Rate | Trouble:
    sku_id = text(item.get("skuId"))
    timeline = item.get("pricingInfo")
    if sku_id is None or (isinstance(timeline, list) and len(timeline) > 1):
        return Trouble("malformed_item", "no skuId, or more than one pricingInfo")
    info = timeline[0] if isinstance(timeline, list) and timeline else None
    expression = info.get("pricingExpression") if is_object(info) else None
    if not is_object(expression):
        return Trouble("price_missing", "no pricingExpression")
    unit = expression.get("usageUnit")
    hours = _UNITS[part.partition(":")[0]].get(unit) if isinstance(unit, str) else None
    if hours is None:
        return Trouble("malformed_item", f"usageUnit is {shown(unit)}")
    usd = _flat_price(expression.get("tieredRates"))
    return usd if isinstance(usd, Trouble) else Rate(usd, hours, sku_id, dict(item))


def _flat_price(tiers: object) -> Decimal | Trouble:
    """The one positive price of all tiers; a free first tier is no price."""
    if not isinstance(tiers, list):
        return Trouble("price_missing", "no tieredRates")
    prices = set()
    for tier in tiers:
        usd = _usd(tier.get("unitPrice") if is_object(tier) else None)
        if isinstance(usd, Trouble):
            return usd
        if usd > 0:
            prices.add(usd)
    if not prices:
        return Trouble("price_missing", "no positive unitPrice")
    if len(prices) > 1:
        return Trouble("price_conflict", f"{len(prices)} prices by the amount used")
    return prices.pop()


def _usd(unit_price: object) -> Decimal | Trouble:
    """``units`` and ``nanos`` as one exact figure; zero is a figure here, a negative one is not."""
    if not is_object(unit_price):
        return Trouble("price_missing", f"unitPrice is {shown(unit_price)}")
    if unit_price.get("currencyCode") != "USD":
        return Trouble("malformed_item", f"currencyCode is {shown(unit_price.get('currencyCode'))}, not USD")
    units, nanos = unit_price.get("units", "0"), unit_price.get("nanos", 0)
    whole = int(units) if isinstance(units, str) and re.fullmatch(r"[0-9]{1,9}", units) else None
    if whole is None or isinstance(nanos, bool) or not isinstance(nanos, int) or not 0 <= nanos < 10**9:
        return Trouble("price_missing", f"units is {shown(units)}, nanos is {shown(nanos)}")
    return whole + Decimal(nanos).scaleb(-9)
