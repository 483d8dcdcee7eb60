"""One service of a service file: what is asked of it, who uses it, where it may run."""

from __future__ import annotations

from math import fsum
from typing import Annotated, Final, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from advisor.domain import LatencyLimit, Slo, SloStatistic
from advisor.workload.named import is_path
from advisor.workload.service_demand import DemandRecord
from advisor.workload.service_fields import CountOr0, Milliseconds, Places, ShareAbove0, ShareBelow1
from advisor.workload.workload_file import Name, Rate, StrictRecord, TrafficRecord, WorkloadRecord

MAX_USERS: Final = 100
SHARE_TOLERANCE: Final = 1e-6


class LimitRecord(StrictRecord):
    """A limit at another statistic than the others."""

    metric: Literal["tpot", "ttft", "e2e", "itl"] = Field(description="tpot, ttft, e2e or itl: which latency")
    ms: Milliseconds
    statistic: SloStatistic = Field(
        description="mean, or a percentile such as p95: which statistic of it is limited"
    )


Statistics = Annotated[
    dict[SloStatistic, Milliseconds],
    Field(
        min_length=1,
        description="a mapping from mean or a percentile such as p95 to milliseconds, e.g. {p95: 1000}",
    ),
]
"""Limits on one latency, by statistic."""


class SloRecord(StrictRecord):
    """At least one limit."""

    tpot_ms: Milliseconds | None = None
    ttft_ms: Milliseconds | None = None
    statistic: SloStatistic = Field(
        default=SloStatistic.MEAN,
        description="mean, or a percentile such as p95: which statistic of the latencies is limited",
    )
    e2e_ms: Milliseconds | None = None
    further: list[LimitRecord] = Field(
        default_factory=list, max_length=20, description="a list of limits with metric, ms and statistic"
    )

    ttft: Statistics | None = None
    tpot: Statistics | None = None
    itl: Statistics | None = None
    e2e: Statistics | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> SloRecord:
        if not self.slo().limits:
            raise ValueError(
                "at least one of tpot_ms and ttft_ms, or e2e_ms or further, or ttft, tpot, itl and e2e, "
                "is required"
            )
        return self

    def slo(self) -> Slo:
        """As the domain has it."""
        by_metric = (("ttft", self.ttft), ("tpot", self.tpot), ("itl", self.itl), ("e2e", self.e2e))
        named = [LatencyLimit(m, ms, at) for m, limits in by_metric for at, ms in (limits or {}).items()]
        listed = [LatencyLimit(one.metric, one.ms, one.statistic) for one in self.further]
        further = tuple(dict.fromkeys((*named, *listed)))
        return Slo(self.tpot_ms, self.ttft_ms, self.statistic, self.e2e_ms, further)


class UsersRecord(StrictRecord):
    """Where a share of the users is."""

    at: Name = Field(description="a region near them, e.g. aws:eu-west-1")
    share: ShareAbove0


def _workload_kind(value: object) -> str:
    return "(inline)" if isinstance(value, dict | WorkloadRecord) else "(name)"


def _headroom_kind(value: object) -> str:
    return "(auto)" if isinstance(value, str) else "(number)"


class ServiceRecord(StrictRecord):
    """One service. None where the file leaves the choice to the planner's documented default."""

    name: Name
    model: Name
    precision: Literal["bf16", "fp16", "fp8", "fp4", "int8", "int4", "mxfp4"] | None = Field(
        default=None, description="precision of the weights: bf16, fp16, fp8, fp4, int8 or int4; mxfp4"
    )
    engine: Name | None = None
    workload: Annotated[
        Annotated[Name, Tag("(name)")] | Annotated[WorkloadRecord, Tag("(inline)")],
        Discriminator(_workload_kind),
    ] = Field(
        description="a workload's name, the path of a workload file or trace, or a mapping with buckets"
    )
    demand: DemandRecord | None = Field(
        default=None,
        description="a mapping with one of requests_per_minute, users and think_time_s, concurrency, or "
        "tokens_per_day, and optionally growth_factor",
    )
    rate_requests_per_s: Rate | None = Field(
        default=None,
        validate_default=True,
        description="requests per second, a number above 0 and at most 10,000,000; absent, what demand says, "
        "or the own rate of a workload that is a file",
    )
    slo: SloRecord = Field(
        description="a mapping with tpot_ms, ttft_ms, e2e_ms or several, and optionally statistic and further"
    )
    headroom: (
        Annotated[
            Annotated[ShareBelow1, Tag("(number)")] | Annotated[Literal["auto"], Tag("(auto)")],
            Discriminator(_headroom_kind),
        ]
        | None
    ) = Field(
        default=None,
        description="share of capacity kept free, a number from 0 to 0.99, or auto: from the bursts of the "
        "workload's trace",
    )
    min_replicas: CountOr0 | None = None
    weight: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="what a request counts when a budget cannot pay for all, above 0 and at most 1,000,000",
    )
    traffic: TrafficRecord | None = Field(
        default=None,
        description="a mapping with prefix_cache_hit_rate, reasoning_tokens, lora_adapters and lora_rank, or "
        "arrival_cv; absent, what the workload states",
    )
    users: list[UsersRecord] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_USERS,
        description=f"a list of 1 to {MAX_USERS} places with at and share; the shares sum to 1",
    )
    network_ms: Milliseconds | None = None
    residency: Places | None = None

    @field_validator("rate_requests_per_s")
    @classmethod
    def _some_demand(cls, rate: float | None, info: ValidationInfo) -> float | None:
        demand, workload = info.data.get("demand"), info.data.get("workload")
        if rate is not None and demand is not None and demand.stated:
            raise ValueError(f"demand says {demand.stated[0]}: give one of them")
        silent = rate is None and (demand is None or not demand.stated)
        if silent and isinstance(workload, str) and not is_path(workload):
            raise ValueError("it is required, or demand, or a workload file with a rate of its own")
        return rate

    @field_validator("users")
    @classmethod
    def _users_make_a_whole(cls, users: list[UsersRecord] | None) -> list[UsersRecord] | None:
        if users is None:
            return None
        total = fsum(one.share for one in users)
        if abs(total - 1) > SHARE_TOLERANCE:
            raise ValueError(f"the shares of users must sum to 1; they sum to {total:g}")
        if len({one.at for one in users}) < len(users):
            raise ValueError("one entry per place")
        return users

    @field_validator("network_ms")
    @classmethod
    def _network_leads_to_users(cls, limit: float | None, info: ValidationInfo) -> float | None:
        if limit is not None and info.data.get("users", ()) is None:
            raise ValueError("it is a round trip to users: say where they are with users")
        return limit
