"""What is served, complete enough to check the plan against."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from advisor.domain import LatencyLimit, Slo, SloStatistic, Traffic
from advisor.plan.record import Rate, Record, Share


class LimitLine(Record):
    """One latency limit."""

    metric: Literal["tpot", "ttft", "e2e", "itl"] = Field(description="which latency")
    ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(description="its limit")
    statistic: SloStatistic = Field(description="which statistic of it the limit binds")


class TrafficLine(Record):
    """What else is known of a service's requests; the defaults leave throughput as it is."""

    prefix_cache_hit_rate: Share = Field(default=0.0, description="share of input tokens served from cache")
    reasoning_tokens: Rate = Field(default=0.0, description="hidden output tokens per request")
    lora_adapters: Annotated[int, Field(ge=0)] = Field(default=0, description="adapters kept loaded")
    lora_rank: Annotated[int, Field(ge=0)] = Field(default=0, description="rank of an adapter")
    arrival_cv: Rate = Field(default=1.0, description="coefficient of variation of the gaps between arrivals")

    def traffic(self) -> Traffic:
        """As the domain has it."""
        return Traffic(**self.model_dump())


class UsersLine(Record):
    """Where a share of a service's users is, and where they may be served from."""

    at: str = Field(description="a region near them, provider:region")
    share: Share = Field(description="of the service's requests")
    served_from: list[str] = Field(description="provider:region of every place that may serve them")


class CeilingLine(Record):
    """How much of its capacity replicas of one shape may carry, so that a replay keeps the SLO."""

    accelerator: str = Field(description="id of the chip")
    tensor_parallel: Annotated[int, Field(ge=1)] = Field(description="accelerators of one replica")
    share: Annotated[float, Field(gt=0, le=1)] = Field(description="of the rate that the evidence gives")


class BucketLine(Record):
    """Demand per bucket."""

    input_tokens_min: int = Field(description="lower input edge, exclusive")
    input_tokens_max: int = Field(description="upper input edge, inclusive")
    output_tokens_min: int = Field(description="lower output edge, exclusive")
    output_tokens_max: int = Field(description="upper output edge, inclusive")
    input_tokens: float = Field(description="the size that stands for the bucket")
    output_tokens: float = Field(description="the output size that stands for the bucket")
    size_basis: str = Field(description="mean of the requests in it, or upper_edge")
    share: Share = Field(description="of all requests of the service")
    requests_per_s: Rate = Field(description="share times the service's rate")
    served_share: Share = Field(
        default=1.0, description="of the bucket's requests; below 1 only where a budget leaves some unserved"
    )
    idle_limits: bool = Field(
        default=False, description="whether it goes only where an idle replica is within every limit for it"
    )


class ServiceLine(Record):
    """The service as planned, complete enough to check the plan against."""

    name: str = Field(description="name of the service, unique in the plan")
    model: str = Field(description="canonical model id")
    checkpoint: str | None = Field(
        default=None, description="repository of the weights asked for; null: the model's own"
    )
    precision: str = Field(description="of the weights, e.g. bf16")
    engine: str = Field(description="serving engine")
    workload: str = Field(description="name of the distribution of request sizes")
    workload_source: str = Field(description="where the distribution comes from")
    rate_requests_per_s: Rate = Field(description="requests per second, all buckets together")
    slo: str = Field(description="the latency limits in words")
    tpot_ms: float | None = Field(
        description="limit on the time per output token after the first; null is no limit"
    )
    ttft_ms: float | None = Field(description="limit on the time to the first token; null is no limit")
    slo_statistic: SloStatistic = Field(description="which statistic of the latencies the limits bind")
    headroom: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="share of every replica's capacity kept free"
    )
    buckets: list[BucketLine] = Field(description="demand per range of request sizes")
    left_out_share: Share = Field(default=0.0, description="of requests, by --coverage")
    e2e_ms: float | None = Field(
        default=None, description="limit on the time from request to last token; null is no limit"
    )
    further_limits: list[LimitLine] = Field(
        default_factory=list, description="limits on other statistics than slo_statistic"
    )
    traffic: TrafficLine = Field(
        default_factory=TrafficLine, description="what else is known of its requests"
    )
    users: list[UsersLine] = Field(
        default_factory=list, description="where its users are; empty: anywhere, served from anywhere"
    )
    network_ms: float | None = Field(
        default=None, description="most network round trip between users and fleet; null is no limit"
    )
    residency: list[str] = Field(
        default_factory=list, description="patterns of places its data may be; empty is anywhere"
    )
    min_replicas: Annotated[int, Field(ge=0)] = Field(default=0, description="fewest replicas it must have")
    weight: Rate = Field(default=1.0, description="what a request counts when a budget cannot pay for all")
    rate_basis: str = Field(
        default="", description="what the rate was made of, in words; empty where the rate itself was said"
    )
    served_share: Share = Field(
        default=1.0, description="of its planned requests; below 1 only where a budget leaves some unserved"
    )

    for_replay: bool = Field(
        default=False, description="whether queueing and percentiles were left to the replay to judge"
    )
    ceilings: list[CeilingLine] = Field(
        default_factory=list, description="of replica shapes that a replay found too full at their capacity"
    )

    def ceiling(self, accelerator: str, tensor_parallel: int) -> float:
        """Share of its capacity a replica of that shape may carry."""
        shares = {(one.accelerator, one.tensor_parallel): one.share for one in self.ceilings}
        return shares.get((accelerator, tensor_parallel), 1.0)

    def stated_slo(self) -> Slo:
        """The latency limits as the domain has them.

        Raises:
            ValueError: one of them is no limit.
        """
        further = tuple(LatencyLimit(one.metric, one.ms, one.statistic) for one in self.further_limits)
        return Slo(self.tpot_ms, self.ttft_ms, self.slo_statistic, e2e_ms=self.e2e_ms, further=further)
