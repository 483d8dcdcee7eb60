"""Whether an offer may be bought at all, the account's limits and a cap on emissions included."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from advisor.catalog.buyable import INCLUDABLE, screen
from advisor.catalog.carbon import emission
from advisor.catalog.freshness import MANUAL_BASIS
from advisor.catalog.quota import undetermined_pools
from advisor.domain import Availability, Exclusion, Market

if TYPE_CHECKING:
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.catalog.facts import Facts
    from advisor.domain import Offer
    from advisor.recommendation.request import Request

_RUNS_ALL_THE_SAME = (
    "availability_unknown",
    "not_sold_this_way",
    "not_offered",
    "estimated_price",
    "stale_price",
    "local_zone",
)
"""Reasons not to buy that say nothing against what runs already."""


@dataclass(frozen=True, slots=True)
class Screening:
    """Why an offer may not be bought."""

    request: Request
    facts: Facts
    account: Account | None
    held: frozenset[str] = frozenset()  #: ids of offers that run now
    now: datetime | None = None  #: what ages refer to; None: nothing is old

    def __call__(self, offer: Offer) -> Exclusion | None:
        """The reason, or None."""
        refused = None if offer.market is Market.RESERVED else self._refused(offer)
        if refused is not None and offer.id in self.held and refused.reason in _RUNS_ALL_THE_SAME:
            refused = None
        return refused or self._draw_unknown(offer) or self._emissions_unknown(offer)

    def only_held(self, offer: Offer) -> bool:
        """Whether it may be kept, but no more of it bought."""
        return offer.market is not Market.RESERVED and self._refused(offer) is not None

    def lifted(self, offer: Offer, reason: str) -> bool:
        """Whether nothing but that reason stands in the way; a reservation makes any stock available."""
        include, unknown = self.request.include, self.request.allow_unknown_availability
        if reason == "not_sold_this_way":
            flags = tuple(flag for flag in offer.flags if flag != reason)
            offer = replace(offer, flags=flags, availability=Availability.AVAILABLE)
        elif reason == "availability_unknown":
            unknown = True
        else:
            include = include | {word for word, lifts in INCLUDABLE.items() if lifts == reason}
        refused = screen(offer, include=include, allow_unknown_availability=unknown)
        refused = refused or self._stale(offer, include)
        return (
            refused is None and self._draw_unknown(offer) is None and self._emissions_unknown(offer) is None
        )

    def _refused(self, offer: Offer) -> Exclusion | None:
        refused = screen(
            offer,
            include=self.request.include,
            allow_unknown_availability=self.request.allow_unknown_availability,
        )
        return refused or self._stale(offer, self.request.include)

    def _stale(self, offer: Offer, include: frozenset[str]) -> Exclusion | None:
        """A spot price that nobody has seen for longer than such prices stand still tells little of today."""
        if self.now is None or offer.market is not Market.SPOT or offer.price_basis == MANUAL_BASIS:
            return None
        age = self.now - offer.collected_at
        if age <= self.request.spot_limit or "stale-spot" in include:
            return None
        detail = f"its last known spot price is {age.days} days old, over {self.request.spot_limit.days}"
        return Exclusion("stale_price", offer.id, detail)

    def _draw_unknown(self, offer: Offer) -> Exclusion | None:
        """A limit is held, but nobody states how much of it one instance takes: the limit could be broken."""
        if self.account is None or offer.market is Market.RESERVED:
            return None
        limited = {(limit.provider, limit.pool) for limit in self.account.limits}
        for pool in undetermined_pools(offer, self.facts.quota_pools):
            if (pool.provider, pool.pool) in limited:
                detail = f"how much of quota {pool.pool} one instance takes is not known"
                return Exclusion("quota_draw_unknown", offer.id, detail)
        return None

    def _emissions_unknown(self, offer: Offer) -> Exclusion | None:
        """A cap is set, but nobody can say what the instance adds to it."""
        if self.request.policy.most_kg_co2e_per_hour is None:
            return None
        region = self.facts.regions.get(f"{offer.provider}:{offer.region}")
        chip = self.facts.accelerators[offer.accelerator]
        found = emission(chip, int(offer.accelerators), region, self.facts.grid)
        if found.kg_co2e_per_hour is not None:
            return None
        missing = (
            f"board power of {chip.id}" if found.kw is None else f"grid of {offer.provider} {offer.region}"
        )
        return Exclusion("emissions_unknown", offer.id, f"{missing} not known")
