"""Capacity the account already holds: usable up to its count, whatever the on-demand quota says (W21).

What is paid whether it is used or not costs nothing more when it is used: such capacity is offered at 0, and
what it costs stands beside the plan as sunk (:class:`advisor.plan.held.HeldCapacity`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from advisor.domain import Availability, Market

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime

    from advisor.domain import Offer

SOURCE: Final = "account file"
PRICE_BASIS: Final = "manual"


class HeldKind(StrEnum):
    """What is held, and so what its use costs and takes."""

    OWNED = "owned"  #: machines of one's own: sunk, beside every quota
    CAPACITY = "capacity"  #: a capacity reservation or block: billed used or not, beside every quota
    DISCOUNT = "discount"  #: a reserved instance or committed use: billed used or not, within the quota


@dataclass(frozen=True, slots=True)
class Reservation:
    """So many instances of one kind in one place, held until a day."""

    provider: str
    region: str  #: the provider's own region id
    zone: str | None  #: the provider's own zone id; None: anywhere in the region
    instance_type: str
    instances: int  #: how many may run on it
    usd_per_hour_each: Decimal  #: what one costs, used or not
    until: date | None  #: last day, UTC; None: no end is stated
    kind: HeldKind = HeldKind.CAPACITY
    start: date | None = None  #: first day, UTC; None: it runs already

    @property
    def id(self) -> str:
        """The id its offer has."""
        place = self.region if self.zone is None else f"{self.region}/{self.zone}"
        return f"{self.provider}:{place}:{self.instance_type}:{Market.RESERVED.value}"

    def runs(self, now: datetime) -> bool:
        """Whether it is held today."""
        today = now.astimezone(UTC).date()
        return (self.until is None or today <= self.until) and (self.start is None or self.start <= today)


@dataclass(frozen=True, slots=True)
class Held:
    """What reservations come to."""

    offers: tuple[Offer, ...]  #: one per reservation that can be used, market ``reserved``
    instances: dict[str, int]  #: how many of each, by offer id
    notes: tuple[str, ...]  #: sentences: reservations that cannot be used


def held_by(reservations: Iterable[Reservation], listed: Sequence[Offer], now: datetime) -> Held:
    """Reservations as offers; their shape is that of a listed offer of the same type."""
    shapes = _shapes(listed)
    offers, notes = [], []
    counts: dict[str, int] = {}
    for reservation in reservations:
        shape = shapes.get((reservation.provider, reservation.instance_type, reservation.region))
        shape = shape or shapes.get((reservation.provider, reservation.instance_type, None))
        if not reservation.runs(now):
            when = (
                f"ended on {reservation.until}"
                if reservation.start is None or reservation.start <= now.astimezone(UTC).date()
                else f"starts on {reservation.start}"
            )
            notes.append(f"Reservation {reservation.id} {when}: it is not used.")
        elif shape is None:
            notes.append(f"Reservation {reservation.id}: no listed offer tells its shape; it is not used.")
        else:
            offers.append(_offer(reservation, shape, now))
            counts[reservation.id] = reservation.instances
    return Held(tuple(offers), counts, tuple(notes))


def _shapes(listed: Sequence[Offer]) -> dict[tuple[str, str, str | None], Offer]:
    """A listed offer per type and region, and per type, always the same one."""
    found: dict[tuple[str, str, str | None], Offer] = {}
    for offer in sorted(listed, key=lambda each: each.id):
        found.setdefault((offer.provider, offer.instance_type, offer.region), offer)
        found.setdefault((offer.provider, offer.instance_type, None), offer)
    return found


def _offer(reservation: Reservation, shape: Offer, now: datetime) -> Offer:
    return replace(
        shape,
        region=reservation.region,
        zone=reservation.zone,
        market=Market.RESERVED,
        usd_per_hour=Decimal(0),
        availability=Availability.AVAILABLE,
        availability_basis="the account holds it",
        price_basis=PRICE_BASIS,
        collected_at=now,
        source=SOURCE,
        licence=None,
        interruption=None,
        flags=(),
        evidence=None,
    )
