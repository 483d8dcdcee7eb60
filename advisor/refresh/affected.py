"""What a refresh means for the plans at hand: which of their lines moved, went, or wait."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

from advisor.catalog.held import Kind
from advisor.units import usd_per_month

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from advisor.domain import Offer
    from advisor.plan.plan import Plan
    from advisor.refresh.refresh import RefreshResult

What = Literal["gone", "unread", "held", "unlisted", "moved"]
_ORDER: Final[tuple[What, ...]] = ("gone", "held", "moved", "unread", "unlisted")


@dataclass(frozen=True, slots=True)
class Affected:
    """One line of one plan."""

    plan: str  #: name of its file
    offer_id: str
    instances: int
    what: What
    before_usd_per_hour: Decimal | None  #: of one instance, in force before
    after_usd_per_hour: Decimal | None  #: as the vendor says now; None where it says nothing
    usd_per_month: Decimal | None  #: what the line costs more, or is said to


def affected(result: RefreshResult, plans: Mapping[str, Plan]) -> tuple[Affected, ...]:
    """Lines of the plans whose offer did not stay as it was, the gravest kind and the most money first.

    Args:
        result: of the refresh.
        plans: by the name of their file.
    """
    found = [one for name, plan in sorted(plans.items()) for one in _of(result, name, plan)]
    return tuple(sorted(found, key=_gravest))


def _gravest(one: Affected) -> tuple[int, Decimal, str, str]:
    return (_ORDER.index(one.what), -abs(one.usd_per_month or Decimal(0)), one.plan, one.offer_id)


def _of(result: RefreshResult, name: str, plan: Plan) -> Iterator[Affected]:
    before = _in_force(result.previous.offers if result.previous else ())
    after = _in_force(result.offers)
    gone = {one.offer.id for one in result.withdrawn}
    unread = {one.offer.id for one in result.unread}
    waits = {one.offer_id: one for one in result.held}
    for line in plan.purchase:
        key, old = line.offer_id, before.get(line.offer_id)
        wait = waits.get(key)
        what: What | None = None
        new = after.get(key)
        if key in gone:
            what, new = "gone", None
        elif key in unread:
            what, new = "unread", None
        elif wait is not None and wait.kind is Kind.PRICE and wait.stated is not None:
            what, new = "held", wait.stated.usd_per_hour
        elif wait is not None:
            what, new = "unlisted", None
        elif old is not None and new is not None and old != new:
            what = "moved"
        if what is not None:
            more = None if old is None or new is None else usd_per_month((new - old) * line.instances)
            yield Affected(name, key, line.instances, what, old, new, more)


def _in_force(offers: Iterable[Offer]) -> dict[str, Decimal]:
    return {offer.id: offer.usd_per_hour for offer in offers if "superseded" not in offer.flags}
