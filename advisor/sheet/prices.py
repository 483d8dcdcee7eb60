"""What a price sheet says: a negotiated quote or any price list, and discounts on list prices. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from advisor.domain import Market, Offer

ANY: Final = "*"

_PRICE_STEP: Final = Decimal("0.00000001")  # the snapshot's DECIMAL(18, 8)


@dataclass(frozen=True, slots=True)
class SheetPrice:
    """One price of the user's own, which wins over the list."""

    place: str  #: where in the sheet, e.g. ``line 4`` or ``prices[2]``
    provider: str
    instance_type: str
    region: str  #: a region id, or ``*`` for every region the list has
    zone: str | None  #: None is every zone
    market: Market
    usd_per_hour: Decimal | None  #: None where the price is per accelerator
    usd_per_accelerator_hour: Decimal | None
    accelerator: str | None  #: canonical id; None takes the list's
    accelerators: Decimal | None  #: per instance; None takes the list's
    vcpus: int | None
    memory_gib: Decimal | None
    valid_from: date | None  #: first day, UTC
    valid_until: date | None  #: last day, UTC
    source: str | None  #: the contract or quote

    def in_force(self, now: datetime) -> bool:
        """Whether the price holds at that moment."""
        return _in_force(self.valid_from, self.valid_until, now)

    def instance_usd_per_hour(self, accelerators: Decimal | None) -> Decimal | None:
        """The price of a whole instance with so many accelerators (W3); None where the count is not known."""
        if self.usd_per_hour is not None:
            return self.usd_per_hour
        if self.usd_per_accelerator_hour is None or accelerators is None:
            return None
        return rounded(self.usd_per_accelerator_hour * accelerators)

    def covers(self, offer: Offer) -> bool:
        """Whether the offer's price is this one."""
        return (
            (self.provider, self.instance_type, self.market)
            == (offer.provider, offer.instance_type, offer.market)
            and self.region in (ANY, offer.region)
            and self.zone in (None, offer.zone)
        )


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A discount, surcharge or fee on list prices."""

    place: str  #: where in the sheet, e.g. ``adjustments[0]``
    provider: str  #: shell pattern, as are the next two
    instance_type: str
    region: str
    market: Market | None  #: None is every market
    percent: Decimal | None  #: -12 is 12 % off
    usd_per_hour: Decimal | None  #: a fee (or, negative, a rebate) per instance and hour
    valid_from: date | None
    valid_until: date | None
    source: str | None

    def in_force(self, now: datetime) -> bool:
        """Whether it holds at that moment."""
        return _in_force(self.valid_from, self.valid_until, now)

    def covers(self, offer: Offer) -> bool:
        """Whether it applies to the offer."""
        return (
            fnmatchcase(offer.provider, self.provider)
            and fnmatchcase(offer.instance_type, self.instance_type)
            and fnmatchcase(offer.region, self.region)
            and self.market in (None, offer.market)
        )

    def applied_to(self, usd_per_hour: Decimal) -> Decimal:
        """The price after it, not rounded; may be zero or below."""
        if self.percent is not None:
            return usd_per_hour * (100 + self.percent) / 100
        return usd_per_hour + (self.usd_per_hour or 0)

    def __str__(self) -> str:
        amount = f"{self.percent:+f}%" if self.percent is not None else f"{self.usd_per_hour or 0:+f} USD/h"
        return amount if self.source is None else f"{amount} ({self.source})"


@dataclass(frozen=True, slots=True)
class PriceSheet:
    """A sheet, checked."""

    file: str
    prices: tuple[SheetPrice, ...]
    adjustments: tuple[Adjustment, ...]  #: in the order written, which is the order of application


def rounded(usd_per_hour: Decimal) -> Decimal:
    """A price at the resolution of a snapshot."""
    return usd_per_hour.quantize(_PRICE_STEP, rounding=ROUND_HALF_UP).normalize()


def _in_force(first: date | None, last: date | None, now: datetime) -> bool:
    today = now.astimezone(UTC).date()
    return (first is None or first <= today) and (last is None or today <= last)
