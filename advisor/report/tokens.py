"""What a million tokens cost on the fleet, at the stated load and when it is full; and beside a hosted API.

Tokens of a bucket are its requests times the size that stands for it. Full means: the same mix and the same
routing, scaled until the busiest group of replicas has no capacity left, headroom included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from advisor.catalog.hosted_api import HostedPrice
    from advisor.plan.plan import Plan, ServiceLine

SECONDS_PER_HOUR: Final = 3600
MILLION: Final = 10**6
_RESOLUTION: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class TokenEconomics:
    """Of one service, its share of the fleet's cost included."""

    service: ServiceLine
    usd_per_hour: Decimal  #: the service's share of the fleet's cost
    input_tokens_per_hour: float
    output_tokens_per_hour: float
    saturation_factor: float  #: by how much the load may grow until the fleet is full

    @property
    def tokens_per_hour(self) -> float:
        """Input and output together."""
        return self.input_tokens_per_hour + self.output_tokens_per_hour

    @property
    def served_requests_per_s(self) -> float:
        """Requests the plan serves."""
        return math.fsum(b.requests_per_s * b.served_share for b in self.service.buckets)

    @property
    def usd_per_million_at_load(self) -> Decimal | None:
        """Per million tokens, input and output together, at the stated load."""
        if not self.tokens_per_hour:
            return None
        return _money(self.usd_per_hour / Decimal(repr(self.tokens_per_hour / MILLION)))

    @property
    def usd_per_million_when_full(self) -> Decimal | None:
        """The same when the fleet is full."""
        at_load = self.usd_per_million_at_load
        return None if at_load is None else _money(at_load / Decimal(repr(self.saturation_factor)))

    def hosted_usd_per_hour(self, price: HostedPrice) -> Decimal:
        """What the same tokens cost at a hosted API's list price."""
        millions_in = Decimal(repr(self.input_tokens_per_hour / MILLION))
        millions_out = Decimal(repr(self.output_tokens_per_hour / MILLION))
        return (
            millions_in * price.input_usd_per_million_tokens
            + millions_out * price.output_usd_per_million_tokens
        )

    def hosted_usd_per_million(self, price: HostedPrice) -> Decimal | None:
        """Per million tokens of this service's mix at a hosted API's list price."""
        if not self.tokens_per_hour:
            return None
        return _money(self.hosted_usd_per_hour(price) / Decimal(repr(self.tokens_per_hour / MILLION)))

    def break_even_requests_per_s(self, price: HostedPrice) -> float | None:
        """The load at which the hosted API costs what the fleet costs; None where the API is free."""
        hosted = self.hosted_usd_per_hour(price)
        return float(self.usd_per_hour / hosted) * self.served_requests_per_s if hosted else None


def token_economics(plan: Plan, fleet_usd_per_hour: Decimal) -> list[TokenEconomics]:
    """One per service; their costs add up to the fleet's."""
    weights = _allocated(plan)
    whole = sum(weights.values(), Decimal(0))
    busiest = max((a.utilization for a in plan.allocations), default=0.0)
    found = []
    for service in plan.services:
        share = weights.get(service.name, Decimal(0)) / whole if whole else Decimal(0)
        hidden = service.traffic.reasoning_tokens
        served = [(b, b.requests_per_s * b.served_share * SECONDS_PER_HOUR) for b in service.buckets]
        found.append(
            TokenEconomics(
                service=service,
                usd_per_hour=fleet_usd_per_hour * share,
                input_tokens_per_hour=math.fsum(rate * b.input_tokens for b, rate in served),
                output_tokens_per_hour=math.fsum(rate * (b.output_tokens + hidden) for b, rate in served),
                saturation_factor=1 / busiest if busiest else 1.0,
            )
        )
    return found


def _allocated(plan: Plan) -> dict[str, Decimal]:
    """Each service's part of what the lines cost, by the accelerators its replicas hold."""
    chips: dict[tuple[str, str], int] = {}
    on_line: dict[str, int] = {}
    for a in plan.allocations:
        place = a.region if a.zone is None else f"{a.region}/{a.zone}"
        offer = f"{a.provider}:{place}:{a.instance_type}:{a.market.value}"
        held = a.replicas * a.tensor_parallel
        chips[a.service, offer] = chips.get((a.service, offer), 0) + held
        on_line[offer] = on_line.get(offer, 0) + held
    cost = {line.offer_id: line.usd_per_hour for line in plan.purchase}
    found: dict[str, Decimal] = {}
    for (service, offer), held in chips.items():
        part = cost.get(offer, Decimal(0)) * held / on_line[offer]
        found[service] = found.get(service, Decimal(0)) + part
    return found


def _money(amount: Decimal) -> Decimal:
    return amount.quantize(_RESOLUTION)
