"""What it costs to send answers out of a cloud: list prices per region, and where none is known. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from decimal import Decimal

    from advisor.domain import Region

FILE: Final = "egress.csv"

BYTES_PER_OUTPUT_TOKEN: Final = 256
"""An assumption, not a measurement: one server-sent event of the OpenAI-compatible chat API per token. Such
an event, ``data: {"id": …, "object": "chat.completion.chunk", …}`` with one token, has about 230 bytes."""

BYTES_PER_GB: Final = 10**9
"""The sources say GB and not which; the smaller unit costs more, so it is the one taken."""


@dataclass(frozen=True, slots=True)
class EgressRate:
    """The price of traffic to the internet, of one region and one tier of monthly volume."""

    provider: str  #: who asks it
    region: str  #: the provider's own region id
    tier_start_gb: Decimal  #: monthly volume from which the price holds
    usd_per_gb: Decimal  #: list price before tax
    observed_on: date  #: the day the price was read
    source: str  #: who collected it
    licence: str | None  #: of that source; None where none was stated


@dataclass(frozen=True, slots=True)
class Egress:
    """Rates by place, and what stands for places without one of their own."""

    own: Mapping[str, EgressRate]  #: by ``provider:region``: the first tier that costs anything
    regions: Mapping[str, Region]

    @classmethod
    def of(cls, rates: Iterable[EgressRate], regions: Mapping[str, Region]) -> Egress:
        """The first tier that costs anything of every place: what is sent beyond it costs no more."""
        own: dict[str, EgressRate] = {}
        for rate in sorted(rates, key=lambda each: each.tier_start_gb):
            if rate.usd_per_gb > 0:
                own.setdefault(f"{rate.provider}:{rate.region}", rate)
        return cls(own, regions)

    def rate(self, place: str) -> EgressRate | None:
        """The rate of a ``provider:region``; None is not known, which is not zero.

        A provider that states a reference region only is taken at its word for the same continent.
        """
        if place in self.own:
            return self.own[place]
        provider, here = place.partition(":")[0], self.regions.get(place)
        known = {key: rate for key, rate in self.own.items() if rate.provider == provider}
        if here is None or here.continent is None or len(known) != 1:
            return None
        ((key, rate),) = known.items()
        there = self.regions.get(key)
        return rate if there is not None and there.continent == here.continent else None

    def usd_per_request(self, place: str, output_tokens: float) -> float | None:
        """What sending one answer out costs; None is not known."""
        rate = self.rate(place)
        if rate is None:
            return None
        return float(rate.usd_per_gb) * output_tokens * BYTES_PER_OUTPUT_TOKEN / BYTES_PER_GB
