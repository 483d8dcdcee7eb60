"""What to buy: one line of a plan, its price with where that comes from, and what it takes from quotas."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from advisor.domain import Market, QuotaUnit
from advisor.plan.record import Amount, Record, Share, Usd


class QuotaDrawLine(Record):
    """What a purchase line takes from one pool, beside what the account has free."""

    pool: str = Field(description="the provider's own id of the quota, e.g. L-417A185B")
    region: str = Field(description="the region the quota is held in, or global")
    unit: QuotaUnit = Field(description="what the quota counts")
    units: Amount = Field(description="for all instances of the line")
    free_units: Amount | None = Field(description="null: the account file does not say")


class Purchase(Record):
    """One line to buy."""

    provider: str = Field(description="cloud provider, e.g. aws")
    region: str = Field(description="the provider's own region id")
    zone: str | None = Field(description="the provider's own zone id; null when the price is regional")
    instance_type: str = Field(description="the provider's name of the shape")
    market: Market = Field(description="how it is bought")
    accelerator: str = Field(description="canonical accelerator id, e.g. h100-sxm-80gb")
    accelerators_per_instance: int = Field(ge=1, description="whole accelerators in one instance")
    instances: int = Field(ge=1, description="how many to rent")
    utilization: Share = Field(
        description="share of the line's accelerators kept busy: sum over allocations of load / capacity × "
        "tensor_parallel, over all accelerators rented, before headroom"
    )
    usd_per_hour_each: Usd = Field(description="price of one instance, list price before tax")
    usd_per_hour: Usd = Field(description="instances times the price of one")
    usd_per_month: Usd = Field(description="usd_per_hour times hours_per_month, to the cent, halves up")
    price_collected_at: AwareDatetime = Field(description="when the vendor stated the price")
    price_source: str = Field(description="where the price comes from")
    price_basis: str = Field(description="what kind of figure the price is, e.g. list")
    price_evidence: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 of the vendor's own item as received; `advisor catalog evidence` shows it; "
        "null where none was kept",
    )
    availability: str = Field(
        description="available, constrained, unavailable or unknown, as anybody states it"
    )
    interruption: str | None = Field(description="spot interruption band per month; null is not known")
    flags: list[str] = Field(
        default_factory=list, description="what else is known of the offer, e.g. local_zone"
    )
    quota_draw: list[QuotaDrawLine] = Field(
        default_factory=list, description="what the line takes from the account's quotas"
    )

    @property
    def offer_id(self) -> str:
        """The same id as :attr:`advisor.domain.Offer.id`."""
        place = self.region if self.zone is None else f"{self.region}/{self.zone}"
        return f"{self.provider}:{place}:{self.instance_type}:{self.market.value}"
