"""What changed between two snapshots, the costliest change first."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.catalog.snapshot import read_created_at, snapshot_day
from advisor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from advisor.catalog.snapshot import Snapshot
    from advisor.domain import Offer


@dataclass(frozen=True, slots=True)
class Change:
    """One offer in two snapshots, with another price."""

    old: Offer
    new: Offer

    @property
    def offer_id(self) -> str:
        """The same in both."""
        return self.new.id

    @property
    def usd_per_hour(self) -> Decimal:
        """New less old."""
        return self.new.usd_per_hour - self.old.usd_per_hour

    @property
    def percent(self) -> Decimal:
        """Of the old price."""
        return 100 * self.usd_per_hour / self.old.usd_per_hour


@dataclass(frozen=True, slots=True)
class Diff:
    """Live offers of two snapshots side by side. Every offer is in exactly one of the five."""

    old_id: str
    new_id: str
    old_created_at: datetime
    new_created_at: datetime
    rose: tuple[Change, ...]  #: by dollars, then percent, the largest first
    fell: tuple[Change, ...]
    appeared: tuple[Offer, ...]  #: the dearest first
    vanished: tuple[Offer, ...]
    unchanged: int  #: offers with the same price in both, whatever else changed

    @property
    def changed(self) -> int:
        """Offers that are not what they were."""
        return len(self.rose) + len(self.fell) + len(self.appeared) + len(self.vanished)


def diff(old: Snapshot, new: Snapshot, *, min_percent: Decimal = Decimal(0)) -> Diff:
    """What rose, fell, appeared and vanished. Superseded offers are nobody's price and stay out.

    Moves of less than ``min_percent`` either way count as unchanged.
    """
    before, after = _live(old), _live(new)
    common = [Change(before[offer_id], after[offer_id]) for offer_id in before if offer_id in after]
    moved = [change for change in common if change.usd_per_hour and abs(change.percent) >= min_percent]
    return Diff(
        old_id=old.info.snapshot_id,
        new_id=new.info.snapshot_id,
        old_created_at=old.info.created_at,
        new_created_at=new.info.created_at,
        rose=_by_impact(change for change in moved if change.usd_per_hour > 0),
        fell=_by_impact(change for change in moved if change.usd_per_hour < 0),
        appeared=_by_price([offer for offer_id, offer in after.items() if offer_id not in before]),
        vanished=_by_price([offer for offer_id, offer in before.items() if offer_id not in after]),
        unchanged=len(common) - len(moved),
    )


def path_before(snapshot: Snapshot, paths: Iterable[Path]) -> Path:
    """The newest of these snapshots that was made before that one.

    Raises:
        UsageError: there is none.
        CorruptSnapshot: one of the day in question does not tell when it was made.
    """
    own_id, own_day = snapshot.info.snapshot_id, f"{snapshot.info.created_at:%Y-%m-%d}"
    days: dict[str, list[Path]] = {}
    for path in paths:
        day = snapshot_day(path.stem)
        if day is not None and day <= own_day and path.stem != own_id:
            days.setdefault(day, []).append(path)
    for day in sorted(days, reverse=True):
        made_at = {path: read_created_at(path) for path in days[day]}
        older = [path for path, moment in made_at.items() if moment <= snapshot.info.created_at]
        if older:
            return max(older, key=lambda path: (made_at[path], path.stem))
    raise UsageError(f"no snapshot before {own_id} is at hand; `advisor refresh` publishes one")


def _live(snapshot: Snapshot) -> dict[str, Offer]:
    return {offer.id: offer for offer in snapshot.offers if "superseded" not in offer.flags}


def _by_impact(changes: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(
        sorted(changes, key=lambda change: (-abs(change.usd_per_hour), -abs(change.percent), change.offer_id))
    )


def _by_price(offers: Sequence[Offer]) -> tuple[Offer, ...]:
    return tuple(sorted(offers, key=lambda offer: (-offer.usd_per_hour, offer.id)))
