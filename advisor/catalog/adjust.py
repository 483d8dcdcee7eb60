"""The user's own prices laid over list prices (W16): discounts and fees first, then prices that win. Pure."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.errors import InputFileError
from advisor.sheet.prices import ANY, rounded
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from advisor.domain import Offer
    from advisor.sheet.prices import Adjustment, PriceSheet, SheetPrice

MANUAL: Final = "manual"
"""``price_basis`` of a price that the user stated; its freshness is ``manual`` too."""


def priced_by(offers: Iterable[Offer], sheet: PriceSheet, now: datetime) -> tuple[Offer, ...]:
    """The offers as the user would pay for them; order and number stay.

    Raises:
        InputFileError: a price would not be positive, or the sheet contradicts an offer it prices.
    """
    prices = [price for price in sheet.prices if price.in_force(now)]
    return overridden(adjusted(offers, sheet.adjustments, now, sheet.file), prices, now, sheet.file)


def adjusted(
    offers: Iterable[Offer], adjustments: Iterable[Adjustment], now: datetime, file: str = "price sheet"
) -> tuple[Offer, ...]:
    """List prices with every adjustment in force that covers them, one after the other as written.

    A price the user stated is not adjusted. Rounded once, at the end.

    Raises:
        InputFileError: a price would not be positive.
    """
    current = [adjustment for adjustment in adjustments if adjustment.in_force(now)]
    return tuple(_adjusted(offer, current, file) for offer in offers)


def _adjusted(offer: Offer, adjustments: Iterable[Adjustment], file: str) -> Offer:
    applied = [adjustment for adjustment in adjustments if adjustment.covers(offer)]
    if offer.price_basis == MANUAL or not applied:
        return offer
    usd_per_hour = offer.usd_per_hour
    for adjustment in applied:
        usd_per_hour = adjustment.applied_to(usd_per_hour)
        if rounded(usd_per_hour) <= 0:
            allowed = f"{offer.id} would cost ${decimal_text(usd_per_hour)} an hour; a price is above 0"
            raise InputFileError(file, adjustment.place, str(adjustment), allowed)
    basis = ", ".join([offer.price_basis, *map(str, applied)])
    return replace(offer, usd_per_hour=rounded(usd_per_hour), price_basis=basis)


def overridden(
    offers: Iterable[Offer], prices: Iterable[SheetPrice], now: datetime, file: str = "price sheet"
) -> tuple[Offer, ...]:
    """Offers at the user's price where one is stated; of several the one that names region and zone wins.

    Raises:
        InputFileError: the sheet contradicts an offer it prices.
    """
    by_type: dict[tuple[str, str], list[SheetPrice]] = {}
    for price in prices:
        by_type.setdefault((price.provider, price.instance_type), []).append(price)
    return tuple(
        _overridden(offer, by_type.get((offer.provider, offer.instance_type), []), now, file)
        for offer in offers
    )


def _overridden(offer: Offer, prices: Iterable[SheetPrice], now: datetime, file: str) -> Offer:
    covering = [price for price in prices if price.covers(offer)]
    if not covering:
        return offer
    price = max(covering, key=lambda each: (each.zone is not None, each.region != ANY))
    _refuse_contradiction(offer, price, file)
    usd_per_hour = price.instance_usd_per_hour(offer.accelerators)
    if usd_per_hour is None:
        raise AssertionError("a sheet price is per instance or per accelerator")
    return replace(
        offer,
        usd_per_hour=usd_per_hour,
        price_basis=MANUAL,
        collected_at=now,
        source=price.source or file,
        licence=None,
    )


def _refuse_contradiction(offer: Offer, price: SheetPrice, file: str) -> None:
    """A sheet that means another shape must not price this one."""
    memory = None if offer.memory_gib is None else Decimal(str(offer.memory_gib))
    compared: tuple[tuple[str, object, object], ...] = (
        ("accelerator", price.accelerator, offer.accelerator),
        ("accelerators", price.accelerators, offer.accelerators),
        ("vcpus", price.vcpus, offer.vcpus),
        ("memory_gib", price.memory_gib, memory),
    )
    for field, ours, listed in compared:
        if ours is not None and listed is not None and ours != listed:
            allowed = f"{offer.id} has {listed}; leave the cell blank to take the list's"
            raise InputFileError(file, f"{price.place}, {field}", str(ours), allowed)
