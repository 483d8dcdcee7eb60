"""What is paid in all: what the plan spends anew, and what the account pays already, used or not."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.plan.held import HeldCapacity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.catalog.reservations import Reservation
    from advisor.plan.plan import Purchase
    from advisor.recommendation.findings import Findings


def held_capacity(found: Findings, purchase: Sequence[Purchase]) -> list[HeldCapacity]:
    """Every line of the account that runs today, in scope or not: all of it is paid."""
    if found.account is None:
        return []
    used = {line.offer_id: line.instances for line in purchase}
    return [
        _line(one, min(used.get(one.id, 0), one.instances))
        for one in found.account.reservations
        if one.runs(found.now)
    ]


def _line(one: Reservation, used: int) -> HeldCapacity:
    return HeldCapacity(
        offer=one.id,
        kind=one.kind.value,
        instances=one.instances,
        used=used,
        usd_per_hour_each=one.usd_per_hour_each,
        usd_per_hour=one.usd_per_hour_each * one.instances,
        idle_usd_per_hour=one.usd_per_hour_each * (one.instances - used),
        until=one.until,
    )


def bill(held: Sequence[HeldCapacity], new_usd_per_hour: Decimal | None) -> Decimal | None:
    """New spend and sunk together; None where nothing is held, or no fleet serves."""
    if not held or new_usd_per_hour is None:
        return None
    return new_usd_per_hour + sum((line.usd_per_hour for line in held), Decimal(0))
