"""How old the prices are, per provider and market. Pure: ``now`` is passed in."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from advisor.domain import LISTED_MARKETS, Availability, Market

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from advisor.domain import Offer

ON_DEMAND_LIMIT: Final = timedelta(days=35)
"""List prices move rarely (the same AWS list from January to July 2026); five weekly refreshes may fail."""

SPOT_LIMIT: Final = timedelta(days=8)
"""Spot prices move daily; one weekly refresh must have worked, and may be a day late."""

FRESH_SHARE: Final = 0.9
"""Of the prices that can be bought: with fewer of them within their limit, provider and market are stale."""

_NOT_FOR_SALE: Final = frozenset({"retired", "not_offered", "not_sold_this_way"})

MANUAL_BASIS: Final = "manual"
"""``price_basis`` of a price somebody typed in: its age says nothing about a feed."""

State = Literal["fresh", "stale", "missing", "manual"]


@dataclass(frozen=True, slots=True)
class Freshness:
    """The age of one provider's prices in one market."""

    provider: str
    market: Market
    state: State  #: judged by the share of fresh prices
    offers: int
    oldest: datetime | None  #: when the oldest price was collected; None without prices
    newest: datetime | None
    fresh_share: float | None  #: of the prices that can be bought, those within the limit
    age_hours: float | None  #: of the oldest; never negative
    limit_hours: float  #: older is stale
    sources: tuple[str, ...]
    flags: tuple[str, ...]  #: that any of the offers carries


def freshness(
    offers: Iterable[Offer],
    now: datetime,
    *,
    providers: Iterable[str] = (),
    markets: Iterable[Market] = LISTED_MARKETS,
    on_demand_limit: timedelta = ON_DEMAND_LIMIT,
    spot_limit: timedelta = SPOT_LIMIT,
) -> tuple[Freshness, ...]:
    """One line per provider and market, by name: with offers, or ``missing`` where ``providers`` has none.

    Superseded offers do not count: nobody is charged their price. Nor does what the account already holds:
    its price is the account's.
    """
    limits = {Market.ON_DEMAND: on_demand_limit, Market.SPOT: spot_limit}
    groups: dict[tuple[str, Market], list[Offer]] = defaultdict(list)
    for offer in offers:
        if "superseded" not in offer.flags and offer.market in LISTED_MARKETS:
            groups[offer.provider, offer.market].append(offer)
    asked = {(provider, market) for provider in providers for market in markets}
    return tuple(
        _line(provider, market, groups.get((provider, market), []), now, limits[market])
        for provider, market in sorted(asked | set(groups))
    )


def _line(provider: str, market: Market, offers: list[Offer], now: datetime, limit: timedelta) -> Freshness:
    limit_hours = limit / timedelta(hours=1)
    if not offers:
        return Freshness(provider, market, "missing", 0, None, None, None, None, limit_hours, (), ())
    moments = [offer.collected_at for offer in offers]
    age = max(now - min(moments), timedelta(0))
    buyable = [offer for offer in offers if _is_for_sale(offer)] or offers
    share = sum(now - offer.collected_at <= limit for offer in buyable) / len(buyable)
    state: State = "stale" if share < FRESH_SHARE else "fresh"
    if all(offer.price_basis == MANUAL_BASIS for offer in offers):
        state = "manual"
    return Freshness(
        provider,
        market,
        state,
        len(offers),
        min(moments),
        max(moments),
        share,
        age / timedelta(hours=1),
        limit_hours,
        tuple(sorted({offer.source for offer in offers})),
        tuple(sorted({flag for offer in offers for flag in offer.flags})),
    )


def _is_for_sale(offer: Offer) -> bool:
    return _NOT_FOR_SALE.isdisjoint(offer.flags) and offer.availability is not Availability.UNAVAILABLE
