"""The plan file: what to buy, what it serves, what is proved, and where every number comes from.

These models are the file format: ``Plan.model_json_schema()`` is what ``advisor schema plan`` prints. Money
is a decimal string; rates and milliseconds are numbers. Nothing here computes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from pydantic import AwareDatetime, Field

from advisor.domain import EvidenceKind, Market
from advisor.plan.demand import BucketLine, LimitLine, ServiceLine, TrafficLine, UsersLine
from advisor.plan.held import HeldCapacity
from advisor.plan.migration import FleetChange, Migration, MigrationStep
from advisor.plan.purchase import Purchase, QuotaDrawLine
from advisor.plan.record import DECIMAL_PATTERN, Rate, Record, Share, Usd
from advisor.plan.risk import Carbon, CarbonLine, Fallback, Risk, SideCost
from advisor.plan.rules import CaseLine, RuleLine
from advisor.plan.simulation import Simulation
from advisor.units import HOURS_PER_MONTH

SCHEMA_VERSION: Final = 1


class Optimality(Record):
    """What the solver proved, beside the price it belongs to."""

    proved: bool = Field(
        description="true only if no cheaper fleet exists within the same inputs, proved by the solver"
    )
    lower_bound_usd_per_hour: Rate = Field(description="no fleet within the same inputs costs less than this")
    relative_gap: Rate = Field(description="(cost - lower bound) / cost; 0 when they agree")
    solver: str = Field(description="name and version")
    solve_seconds: Rate = Field(description="wall-clock seconds the solver took")


class ProfileReference(Record):
    """Which throughput a number rests on."""

    id: str = Field(description="throughput profile; `advisor profile show` resolves it")
    kind: EvidenceKind = Field(description="measured, simulated or estimated")
    source: str = Field(description="where the profile comes from")
    error_pct: Rate | None = Field(
        description="typical (median absolute) error of this kind of figure, percent; null is not known"
    )


class OriginRate(Record):
    """Requests of one origin's users."""

    origin: str = Field(description="where the users are, as the service names it")
    requests_per_s: Rate = Field(description="of those users")


class Load(Record):
    """The part of one bucket's stream that an allocation serves."""

    input_tokens_max: int = Field(description="upper input edge of the bucket, inclusive")
    output_tokens_max: int = Field(description="upper output edge of the bucket, inclusive")
    requests_per_s: Rate = Field(
        description="the part of the bucket's stream served here, over all replicas of the allocation"
    )
    capacity_requests_per_s: Rate = Field(
        description="of one replica, if it served nothing else, within the SLO"
    )
    capacity_low_requests_per_s: Rate | None = Field(
        default=None, description="low end of the capacity's 90 % interval; null is not known"
    )
    capacity_high_requests_per_s: Rate | None = Field(
        default=None, description="high end of the capacity's 90 % interval; null is not known"
    )
    profile: ProfileReference = Field(description="the throughput the capacity rests on")
    origins: list[OriginRate] = Field(
        default_factory=list, description="whose requests these are; empty where the service names no users"
    )


class Allocation(Record):
    """Replicas of one service on one purchase line."""

    service: str = Field(description="name of the service served")
    provider: str = Field(description="provider of the purchase line")
    region: str = Field(description="region of the purchase line")
    zone: str | None = Field(description="zone of the purchase line")
    instance_type: str = Field(description="instance type of the purchase line")
    market: Market = Field(description="market of the purchase line")
    tensor_parallel: int = Field(ge=1, description="accelerators per replica")
    replicas: int = Field(ge=1, description="copies of the model, over all instances of the line")
    utilization: Share = Field(description="sum of load / capacity over replicas, before headroom")
    load: list[Load] = Field(description="what the replicas serve, per bucket")
    profile: ProfileReference = Field(description="the weakest evidence any of the load rests on")


class Baseline(Record):
    """A simpler plan that savings are measured against."""

    name: str = Field(description="what the simpler plan is")
    kind: Literal[
        "single_accelerator", "greedy", "market", "admitting", "without_rule", "held", "staying"
    ] = Field(
        description="how it is simpler; staying: in the places preferred, where the fleet does not stay"
    )
    usd_per_hour: Usd | None = Field(description="its cost; null if no such fleet exists")
    status: Literal["optimal", "feasible", "infeasible", "not_solved"] = Field(
        description="what its cost is worth; not_solved: the time limit came first"
    )
    instances: int | None = Field(
        default=None, description="how many instances it rents; null if no such fleet exists"
    )
    saving_fraction: float | None = Field(description="1 - plan cost / baseline cost; null if no such fleet")
    side_usd_per_hour: Rate = Field(
        default=0.0, description="egress and the like, beside the instances' cost"
    )
    served_share: Share = Field(
        default=1.0, description="of the requests by weight; below 1 only where a budget does not pay for all"
    )
    fleet: list[str] = Field(default=[], description="what it buys: count × offer id, dearest first")
    detail: str = Field(default="", description="what else there is to say about it")


class ExclusionCount(Record):
    """How many offers were left out for one reason, with a few of them."""

    count: int = Field(ge=1, description="offers left out for the reason")
    meaning: str = Field(description="the reason in words")
    examples: list[str] = Field(description="a few of them, by offer id")
    saving_if_admitted: str | None = Field(
        default=None, description="what admitting them would save, in words"
    )


class CatalogState(Record):
    """How old the prices are, per provider and market."""

    provider: str = Field(description="cloud provider")
    market: Market = Field(description="how it is bought")
    snapshot_id: str = Field(description="the snapshot the prices are in")
    offers: int = Field(description="prices of this provider and market in scope")
    collected_at: AwareDatetime | None = Field(
        description="oldest price of this provider and market in scope; null if there is none"
    )
    newest_collected_at: AwareDatetime | None = Field(
        description="newest price of this provider and market in scope; null if there is none"
    )
    age_hours: Rate | None = Field(description="of the oldest; null if there is none")
    state: Literal["fresh", "stale", "missing", "manual"] = Field(
        description="fresh where nine of ten prices that can be bought are within the age limit in force"
    )


class Inputs(Record):
    """What reproduces the plan: the same ids give the same plan."""

    snapshot_id: str = Field(description="the prices")
    facts_sha256: str = Field(description="digest of accelerators, models, regions and quota pools")
    profiles_sha256: str = Field(description="digest of the throughput profiles")
    account_sha256: str | None = Field(description="digest of the account file; null if none was given")
    regions: list[str] = Field(
        description="regions allowed, ids, provider:region, or shell patterns; empty is all"
    )
    providers: list[str] = Field(description="providers allowed; empty is all")
    markets: list[Market] = Field(description="markets allowed; empty is all")
    evidence: EvidenceKind = Field(description="weakest throughput evidence accepted")
    allow_unknown_availability: bool = Field(
        description="whether offers of which nobody states stock may be bought"
    )
    include: list[str] = Field(
        default_factory=list, description="kinds of offer admitted on request, by exclusion reason"
    )
    accelerators: list[str] = Field(default_factory=list, description="accelerators allowed; empty is all")
    exclude_accelerators: list[str] = Field(default_factory=list, description="accelerators left out")
    instance_types: list[str] = Field(
        default_factory=list, description="patterns of instance types; ! before one leaves out; empty is all"
    )
    max_usd_per_hour: Usd | None = Field(
        default=None, description="dearest instance allowed; null is no limit"
    )
    fleet_sha256: str | None = Field(
        default=None, description="digest of the file of the fleet held; null if none was given"
    )
    latency_sha256: str | None = Field(
        default=None, description="digest of the measured latency matrix; null: estimated from coordinates"
    )


class Plan(Record):
    """A recommended fleet."""

    schema_version: Literal[1] = Field(default=SCHEMA_VERSION, description="version of this format")
    kind: Literal["plan"] = Field(default="plan", description="what the file is")
    plan_id: str = Field(description="digest of the plan's content: the same plan has the same id")
    created_at: AwareDatetime = Field(description="when the plan was made")
    advisor_version: str = Field(description="version of the advisor that made it")
    command: str = Field(description="the command that made it")
    status: Literal["optimal", "feasible", "infeasible"] = Field(
        description="optimal: proved cheapest; feasible: not proved cheapest; infeasible: no fleet exists"
    )
    usd_per_hour: Usd | None = Field(description="sum over the purchase lines; null when infeasible")
    usd_per_month: Usd | None = Field(
        description="usd_per_hour times hours_per_month, to the cent, halves up; null when infeasible"
    )
    bill_usd_per_hour: Usd | None = Field(
        default=None,
        description="usd_per_hour and what the account pays already, used or not; null: it holds nothing",
    )
    held: list[HeldCapacity] = Field(
        default_factory=list, description="what the account pays already, and what the plan uses of it"
    )
    hours_per_month: Literal[730] = Field(
        default=HOURS_PER_MONTH, description="hours in the month the monthly figures are stated for"
    )
    optimality: Optimality | None = Field(description="what the solver proved; null when infeasible")
    services: list[ServiceLine] = Field(description="what is served")
    purchase: list[Purchase] = Field(description="what to rent")
    allocations: list[Allocation] = Field(description="which purchase line serves what")
    baselines: list[Baseline] = Field(description="simpler plans that savings are measured against")
    exclusions: dict[str, ExclusionCount] = Field(description="offers left out, counted per reason")
    assumptions: list[str] = Field(description="what the plan takes for granted, in sentences")
    warnings: list[str] = Field(description="what to be careful about, in sentences")
    catalog: list[CatalogState] = Field(description="how old the prices are")
    inputs: Inputs = Field(description="what reproduces the plan")
    rules: list[RuleLine] = Field(
        default_factory=list, description="what else the fleet obeys, and its price"
    )
    risk: Risk | None = Field(default=None, description="of spot lines; null where the fleet has none")
    side_costs: list[SideCost] = Field(
        default_factory=list, description="included in the optimum, not in usd_per_hour"
    )
    carbon: Carbon | None = Field(default=None, description="estimated emissions; null where not asked for")
    migration: Migration | None = Field(
        default=None, description="from the fleet held; null where none was given"
    )
    simulation: Simulation | None = Field(
        default=None, description="verdict of replaying requests against it; null was not replayed"
    )
    reason: str | None = Field(default=None, description="why there is no plan, when infeasible")


__all__ = [
    "DECIMAL_PATTERN",
    "SCHEMA_VERSION",
    "Allocation",
    "Baseline",
    "BucketLine",
    "Carbon",
    "CarbonLine",
    "CaseLine",
    "CatalogState",
    "ExclusionCount",
    "Fallback",
    "FleetChange",
    "Inputs",
    "LimitLine",
    "Load",
    "Migration",
    "MigrationStep",
    "Optimality",
    "OriginRate",
    "Plan",
    "ProfileReference",
    "Purchase",
    "QuotaDrawLine",
    "Risk",
    "RuleLine",
    "ServiceLine",
    "SideCost",
    "Simulation",
    "TrafficLine",
    "UsersLine",
    "datetime",
]
