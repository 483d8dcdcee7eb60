"""The fleet that runs now, as the catalog knows it: which offers its lines are, and what they cost today."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from decimal import Decimal

    from advisor.domain import Offer
    from advisor.fleet import HeldLine
    from advisor.recommendation.policy import Holding


@dataclass(frozen=True, slots=True)
class HeldNow:
    """Instances that run, by the id of the offer each is."""

    instances: Mapping[str, int] = field(default_factory=dict)
    usd_per_hour: Mapping[str, Decimal] = field(default_factory=dict)  #: of one, at today's prices
    unknown: tuple[str, ...] = ()  #: sentences: what runs and the catalog does not know
    notes: tuple[str, ...] = ()  #: sentences on how lines were understood


def held_now(
    holding: Holding | None, listed: Sequence[Offer], zones: Callable[[Offer], Sequence[str]] | None = None
) -> HeldNow:
    """The lines of a fleet, each as the offer it is; a line without a zone is the cheapest zone's.

    Args:
        holding: the fleet; None is none.
        listed: offers of the catalog.
        zones: that sell an offer, where the zones of a regional price are told apart.
    """
    if holding is None:
        return HeldNow()
    # Of two rows of one id, the live one counts, whichever stands first.
    by_id = {o.id: o for o in sorted(listed, key=lambda o: "superseded" not in o.flags)}
    by_shape: dict[tuple[str, str, str, str], list[Offer]] = defaultdict(list)
    for each in listed:
        by_shape[each.provider, each.region, each.instance_type, each.market.value].append(each)
    instances: Counter[str] = Counter()
    prices: dict[str, Decimal] = {}
    unknown = [f"{one.what}: {one.why}" for one in holding.fleet.unknown]
    notes: list[str] = []
    for line in holding.fleet.lines:
        offer: Offer | None = by_id.get(line.offer_id)
        if offer is None or "superseded" in offer.flags:
            offer = _nearest(line, by_shape) or offer
        if offer is None:
            paid = line.usd_per_hour_each
            price = "" if paid is None else f", paid ${paid}/h each"
            unknown.append(f"{line.instances} × {line.offer_id}{price}: no such offer in the catalog")
            continue
        if zones is not None and offer.zone is None and line.zone in zones(offer):
            offer = replace(offer, zone=line.zone)
        if offer.id != line.offer_id:
            notes.append(f"{line.instances} × {line.offer_id} of the fleet held is taken for {offer.id}.")
        instances[offer.id] += line.instances
        prices[offer.id] = offer.usd_per_hour
    return HeldNow(dict(sorted(instances.items())), prices, tuple(unknown), tuple(notes))


def _nearest(line: HeldLine, by_shape: Mapping[tuple[str, str, str, str], Iterable[Offer]]) -> Offer | None:
    """The same shape, region and market at another zone's price, where zones were not named alike."""
    same = by_shape.get((line.provider, line.region, line.instance_type, line.market.value), ())
    live = [offer for offer in same if "superseded" not in offer.flags]
    regional = [offer for offer in live if offer.zone is None]
    choice = regional or (live if line.zone is None else [])
    return min(choice, key=lambda offer: (offer.usd_per_hour, offer.id), default=None)
