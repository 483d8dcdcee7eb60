"""Which price moved: what every line kept or proposed cost when the plan was made, and costs now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from advisor.fleet import HeldLine
from advisor.recommendation.drift_reasons import today_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from advisor.catalog.snapshot import Snapshot
    from advisor.domain import Offer
    from advisor.plan.plan import Plan, Purchase


@dataclass(frozen=True, slots=True)
class Quote:
    """A price, when it was stated and by whose evidence."""

    usd_per_hour: Decimal  #: of one instance
    collected_at: datetime
    source: str
    evidence: str | None  #: SHA-256 of the vendor's own item; None where none was kept
    snapshot_id: str


@dataclass(frozen=True, slots=True)
class Move:
    """What one instance cost when the plan was made, and costs now."""

    offer: str  #: offer id, as the plan kept or the plan proposed has it
    priced_as: str | None  #: offer id whose price it has today; None where nothing does
    instances_kept: int
    instances_proposed: int | None  #: None where no change is proposed
    before: Quote | None  #: None: not known
    now: Quote | None  #: None: no longer offered

    @property
    def change_fraction(self) -> float | None:
        """(now - before) / before; None where either is not known."""
        if self.before is None or self.now is None:
            return None
        return float((self.now.usd_per_hour - self.before.usd_per_hour) / self.before.usd_per_hour)


def held_line(line: Purchase) -> HeldLine:
    """A purchase line as what runs after it was bought."""
    return HeldLine(
        line.provider,
        line.region,
        line.zone,
        line.instance_type,
        line.market,
        line.instances,
        line.usd_per_hour_each,
    )


def instances_of(plan: Plan) -> dict[str, int]:
    """How many of each offer a plan buys."""
    return {line.offer_id: line.instances for line in plan.purchase}


def moves_of(
    plan: Plan, new: Plan | None, today: Snapshot, listed: tuple[Offer, ...], before: Snapshot | None
) -> tuple[Move, ...]:
    """The prices of every line kept or proposed, then and now."""
    proposed = None if new is None else instances_of(new)
    moves = [
        _kept(plan, line, today_of(held_line(line), listed), proposed, today)
        for line in sorted(plan.purchase, key=lambda one: (-one.usd_per_hour, one.offer_id))
    ]
    shown = {move.priced_as for move in moves}
    then, now = _quotes(before), _quotes(today)
    added = {key: count for key, count in (proposed or {}).items() if key not in shown}
    return (*moves, *(Move(key, key, 0, count, then.get(key), now.get(key)) for key, count in added.items()))


def _kept(
    plan: Plan, line: Purchase, offer: Offer | None, proposed: Mapping[str, int] | None, today: Snapshot
) -> Move:
    then = Quote(
        line.usd_per_hour_each,
        line.price_collected_at,
        line.price_source,
        line.price_evidence,
        plan.inputs.snapshot_id,
    )
    key = None if offer is None else offer.id
    count = None if proposed is None else proposed.get(key or "", 0)
    return Move(
        line.offer_id, key, line.instances, count, then, None if offer is None else _quote(offer, today)
    )


def _quotes(snapshot: Snapshot | None) -> dict[str, Quote]:
    if snapshot is None:
        return {}
    return {o.id: _quote(o, snapshot) for o in snapshot.offers if "superseded" not in o.flags}


def _quote(offer: Offer, snapshot: Snapshot) -> Quote:
    return Quote(
        offer.usd_per_hour, offer.collected_at, offer.source, offer.evidence, snapshot.info.snapshot_id
    )
