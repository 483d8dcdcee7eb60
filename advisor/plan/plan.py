"""The plan file: what to buy, what it serves, what is proved, and where every number comes from.

These models are the file format: ``Plan.model_json_schema()`` is what ``advisor schema plan`` prints. Money is
a decimal string; rates and milliseconds are numbers. Nothing here computes.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from advisor.domain import EvidenceKind, Market, QuotaUnit, SloStatistic
from advisor.units import HOURS_PER_MONTH, decimal_text

SCHEMA_VERSION = 1

Usd = Annotated[
    Decimal,
    Field(ge=0, allow_inf_nan=False, json_schema_extra={"type": "string", "format": "decimal"}),
    PlainSerializer(decimal_text, return_type=str, when_used="json"),
]
Amount = Annotated[Decimal, Field(ge=0, allow_inf_nan=False), PlainSerializer(decimal_text, return_type=str, when_used="json")]
Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Optimality(_Record):
    """What the solver proved, beside the price it belongs to."""

    proved: bool
    lower_bound_usd_per_hour: Rate
    relative_gap: Rate
    solver: str
    solve_seconds: Rate


class QuotaDrawLine(_Record):
    """What a purchase line takes from one pool, beside what the account has free."""

    pool: str
    region: str
    unit: QuotaUnit
    units: Amount = Field(description="for all instances of the line")
    free_units: Amount | None = Field(description="null: the account file does not say")


class Purchase(_Record):
    """One line to buy."""

    provider: str
    region: str
    zone: str | None
    instance_type: str
    market: Market
    accelerator: str
    accelerators_per_instance: int = Field(ge=1)
    instances: int = Field(ge=1)
    utilization: Share = Field(description="of the planned capacity before headroom, over all replicas of the line")
    usd_per_hour_each: Usd
    usd_per_hour: Usd
    usd_per_month: Usd
    price_collected_at: AwareDatetime
    price_source: str
    price_basis: str
    availability: str
    interruption: str | None = Field(description="spot interruption band per month; null is not known")
    flags: list[str] = []
    quota_draw: list[QuotaDrawLine] = []

    @property
    def offer_id(self) -> str:
        """The same id as :attr:`advisor.domain.Offer.id`."""
        place = self.region if self.zone is None else f"{self.region}/{self.zone}"
        return f"{self.provider}:{place}:{self.instance_type}:{self.market.value}"


class ProfileReference(_Record):
    """Which throughput a number rests on."""

    id: str
    kind: EvidenceKind
    source: str
    error_pct: Rate | None


class Load(_Record):
    """The part of one bucket's stream that an allocation serves."""

    input_tokens_max: int
    output_tokens_max: int
    requests_per_s: Rate
    capacity_requests_per_s: Rate = Field(description="of one replica, if it served nothing else, within the SLO")
    profile: ProfileReference


class Allocation(_Record):
    """Replicas of one service on one purchase line."""

    service: str
    provider: str
    region: str
    zone: str | None
    instance_type: str
    market: Market
    tensor_parallel: int = Field(ge=1)
    replicas: int = Field(ge=1)
    utilization: Share = Field(description="sum of load / capacity over replicas, before headroom")
    load: list[Load]
    profile: ProfileReference = Field(description="the weakest evidence any of the load rests on")


class ServiceLine(_Record):
    """The service as planned, complete enough to check the plan against."""

    name: str
    model: str
    precision: str
    engine: str
    workload: str
    workload_source: str
    rate_requests_per_s: Rate
    slo: str
    tpot_ms: float | None
    ttft_ms: float | None
    slo_statistic: SloStatistic
    headroom: Annotated[float, Field(ge=0, lt=1)]
    buckets: list[BucketLine]
    left_out_share: Share = Field(default=0.0, description="of requests, by --coverage")


class BucketLine(_Record):
    """Demand per bucket."""

    input_tokens_min: int
    input_tokens_max: int
    output_tokens_min: int
    output_tokens_max: int
    input_tokens: float = Field(description="the size that stands for the bucket")
    output_tokens: float
    size_basis: str
    share: Share
    requests_per_s: Rate


class Baseline(_Record):
    """A simpler plan that savings are measured against."""

    name: str
    kind: Literal["single_accelerator", "greedy", "market", "admitting"]
    usd_per_hour: Usd | None
    status: Literal["optimal", "feasible", "infeasible"]
    instances: int | None = None
    saving_fraction: float | None = Field(description="1 - plan cost / baseline cost; null if no such fleet")
    detail: str = ""


class ExclusionCount(_Record):
    """How many offers were left out for one reason, with a few of them."""

    count: int = Field(ge=1)
    meaning: str
    examples: list[str]
    saving_if_admitted: str | None = Field(default=None, description="what admitting them would save, in words")


class CatalogState(_Record):
    """How old the prices are, per provider and market."""

    provider: str
    market: Market
    snapshot_id: str
    offers: int
    collected_at: AwareDatetime = Field(description="oldest price of this provider and market in scope")
    newest_collected_at: AwareDatetime
    age_hours: Rate = Field(description="of the oldest")
    state: Literal["fresh", "stale", "missing", "manual"]


class Inputs(_Record):
    """What reproduces the plan: the same ids give the same plan."""

    snapshot_id: str
    facts_sha256: str
    profiles_sha256: str
    account_sha256: str | None
    regions: list[str]
    providers: list[str]
    markets: list[Market]
    evidence: EvidenceKind
    allow_unknown_availability: bool
    include: list[str] = []
    accelerators: list[str] = []
    exclude_accelerators: list[str] = []
    max_usd_per_hour: Usd | None = None


class Plan(_Record):
    """A recommended fleet."""

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: Literal["plan"] = "plan"
    plan_id: str
    created_at: AwareDatetime
    advisor_version: str
    command: str
    status: Literal["optimal", "feasible", "infeasible"]
    usd_per_hour: Usd | None
    usd_per_month: Usd | None
    hours_per_month: Literal[730] = HOURS_PER_MONTH
    optimality: Optimality | None
    services: list[ServiceLine]
    purchase: list[Purchase]
    allocations: list[Allocation]
    baselines: list[Baseline]
    exclusions: dict[str, ExclusionCount]
    assumptions: list[str]
    warnings: list[str]
    catalog: list[CatalogState]
    inputs: Inputs
    reason: str | None = Field(default=None, description="why there is no plan, when infeasible")


ServiceLine.model_rebuild()

__all__ = [
    "Allocation", "Baseline", "BucketLine", "CatalogState", "ExclusionCount", "Inputs", "Load", "Optimality",
    "Plan", "ProfileReference", "Purchase", "QuotaDrawLine", "SCHEMA_VERSION", "ServiceLine", "datetime",
]  # fmt: skip
