"""The user's own prices laid over list prices (W16): discounts and fees first, then prices that win. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.catalog.freshness import MANUAL_BASIS
from advisor.errors import InputFileError
from advisor.provider import canonical_bytes
from advisor.sheet.prices import ANY, rounded
from advisor.units import decimal_text

if TYPE_CHECKING:
    from datetime import datetime

    from advisor.domain import Offer
    from advisor.sheet.prices import PriceSheet, SheetPrice


class OwnPrices:
    """A sheet at one moment: what of it is in force, ready to be asked about many offers."""

    def __init__(self, sheet: PriceSheet, now: datetime) -> None:
        self._file = sheet.file
        self._now = now
        self._adjustments = [one for one in sheet.adjustments if one.in_force(now)]
        self._prices: dict[tuple[str, str], list[SheetPrice]] = {}
        for price in sheet.prices:
            if price.in_force(now):
                self._prices.setdefault((price.provider, price.instance_type), []).append(price)

    def price_of(self, offer: Offer) -> SheetPrice | None:
        """The price stated for the offer; of several the one that names its zone, else its region."""
        covering = [p for p in self._prices.get((offer.provider, offer.instance_type), ()) if p.covers(offer)]
        return max(covering, key=lambda each: (each.zone is not None, each.region != ANY), default=None)

    def paid(self, offer: Offer) -> Offer:
        """The offer as the user would pay for it; the offer itself where the sheet says nothing of it.

        Raises:
            InputFileError: a price would not be positive, or the sheet contradicts the offer it prices.
        """
        price = self.price_of(offer)
        return self._adjusted(offer) if price is None else self._stated(offer, price)

    def _adjusted(self, offer: Offer) -> Offer:
        """Every adjustment that covers it, one after the other as written; rounded once, at the end."""
        applied = [adjustment for adjustment in self._adjustments if adjustment.covers(offer)]
        if offer.price_basis == MANUAL_BASIS or not applied:
            return offer
        usd_per_hour = offer.usd_per_hour
        for adjustment in applied:
            usd_per_hour = adjustment.applied_to(usd_per_hour)
            if rounded(usd_per_hour) <= 0:
                allowed = f"{offer.id} would cost ${decimal_text(usd_per_hour)} an hour; a price is above 0"
                raise InputFileError(self._file, adjustment.place, str(adjustment), allowed)
        basis = ", ".join([offer.price_basis, *map(str, applied)])
        return replace(offer, usd_per_hour=rounded(usd_per_hour), price_basis=basis)

    def _stated(self, offer: Offer, price: SheetPrice) -> Offer:
        """Stock, zone and facts stay as the provider stated them: a sheet says nothing of those."""
        self._refuse_contradiction(offer, price)
        usd_per_hour = price.instance_usd_per_hour(offer.accelerators)
        assert usd_per_hour is not None, "a sheet price is per instance or per accelerator"
        return replace(
            offer,
            usd_per_hour=usd_per_hour,
            price_basis=MANUAL_BASIS,
            collected_at=self._now,
            source=price.source or self._file,
            licence=None,
            evidence=hashlib.sha256(canonical_bytes(price.evidence(self._file))).hexdigest(),
        )

    def _refuse_contradiction(self, offer: Offer, price: SheetPrice) -> None:
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
                raise InputFileError(self._file, f"{price.place}, {field}", str(ours), allowed)
