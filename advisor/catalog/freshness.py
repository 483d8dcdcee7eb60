"""How old the prices are, per provider and market. Pure: ``now`` is passed in."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from advisor.domain import LISTED_MARKETS, Market

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from advisor.domain import Offer

ON_DEMAND_LIMIT: Final = timedelta(days=35)
"""List prices move rarely (the same AWS list from January to July 2026); five weekly refreshes may fail."""

SPOT_LIMIT: Final = timedelta(days=7)
"""Spot prices move daily; one weekly refresh must have worked."""

MANUAL_BASIS: Final = "manual"
"""``price_basis`` of a price somebody typed in: its age says nothing about a feed."""

State = Literal["fresh", "stale", "missing", "manual"]


@dataclass(frozen=True, slots=True)
class Freshness:
    """The age of one provider's prices in one market."""

    provider: str
    market: Market
    state: State  #: judged by the oldest price
    offers: int
    oldest: datetime | None  #: when the oldest price was collected; None without prices
    newest: datetime | None
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
        return Freshness(provider, market, "missing", 0, None, None, None, limit_hours, (), ())
    moments = [offer.collected_at for offer in offers]
    age = max(now - min(moments), timedelta(0))
    state: State = "stale" if age > limit else "fresh"
    if all(offer.price_basis == MANUAL_BASIS for offer in offers):
        state = "manual"
    return Freshness(
        provider,
        market,
        state,
        len(offers),
        min(moments),
        max(moments),
        age / timedelta(hours=1),
        limit_hours,
        tuple(sorted({offer.source for offer in offers})),
        tuple(sorted({flag for offer in offers for flag in offer.flags})),
    )
