"""Prices that hardly moved, put back where they were: what is left of a regret is no noise."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from advisor.catalog.snapshot import Snapshot

NOISE: Final = Decimal("0.02")
"""Share by which a price may stand off from the plan's day and count as unmoved. Between fleets of one cost,
prices within 2 % of themselves make a regret of up to 3.9 % (1 - 0.98 / 1.02); no single move of at most 2 %
makes one of 2 %."""


def without_noise(today: Snapshot, before: Snapshot, threshold: float) -> Snapshot:
    """Today's prices, with those within the noise of the plan's day at their price of that day.

    Args:
        today: prices in force.
        before: prices the plan was made on.
        threshold: share of regret that is looked for; the noise is never wider.
    """
    band = min(NOISE, Decimal(repr(threshold)))
    then = {offer.id: offer.usd_per_hour for offer in before.offers if "superseded" not in offer.flags}
    offers = tuple(
        replace(offer, usd_per_hour=then[offer.id])
        if offer.id in then and abs(offer.usd_per_hour - then[offer.id]) <= band * then[offer.id]
        else offer
        for offer in today.offers
    )
    return replace(today, offers=offers)
