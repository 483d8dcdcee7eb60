"""The nouns, frozen and without I/O. One line per field; the data dictionary is generated from those lines.

Words: an *offer* is an instance type in a region (or zone) and market, with a price. An *accelerator* is a
canonical chip id such as ``h100-sxm-80gb``. A *replica* is one copy of the model on ``tensor_parallel``
accelerators. A *bucket* is a range of input tokens times a range of output tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from typing import Any, ClassVar, Final


class Market(StrEnum):
    """How capacity is bought."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"
    RESERVED = "reserved"  #: capacity the account already holds; never in a snapshot


LISTED_MARKETS = (Market.ON_DEMAND, Market.SPOT)
"""The markets that have a public price."""


class Availability(StrEnum):
    """Whether the offer can be bought, as far as anybody states it."""

    AVAILABLE = "available"
    CONSTRAINED = "constrained"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"


class EvidenceKind(StrEnum):
    """Where a throughput comes from, strongest first."""

    MEASURED = "measured"
    SIMULATED = "simulated"
    ESTIMATED = "estimated"

    @property
    def rank(self) -> int:
        """0 for measured, 1 for simulated, 2 for estimated: lower is stronger."""
        return list(EvidenceKind).index(self)


class QuotaUnit(StrEnum):
    """What a quota counts."""

    VCPU = "vcpu"
    GPU = "gpu"
    INSTANCE = "instance"


class SloStatistic(str):
    """Which statistic of a latency a limit binds: ``mean``, or a percentile such as ``p95`` or ``p99.9``.

    pNN of a service's requests is within ms means that NN % of them are within ms.

    Raises:
        ValueError: any other text.
    """

    __slots__ = ()
    MEAN: ClassVar[SloStatistic]

    def __new__(cls, text: str) -> SloStatistic:
        word = str(text).strip().casefold()
        if word != "mean" and not _PERCENTILE.fullmatch(word):
            raise ValueError(f"{text!r} is no statistic; mean, or a percentile such as p50, p95 or p99.9, is")
        return super().__new__(cls, word)

    @property
    def value(self) -> str:
        """As written."""
        return str(self)

    @property
    def share(self) -> float | None:
        """Of requests that must be within the limit; None for the mean."""
        return None if self == "mean" else float(self[1:]) / 100.0

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        from pydantic_core import core_schema

        text = core_schema.str_schema(pattern=_STATISTIC)
        return core_schema.no_info_after_validator_function(
            cls, text, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )


_PERCENTILE: Final = re.compile(r"p[1-9]\d?(\.\d+)?")
_STATISTIC: Final = r"^(mean|p[1-9]\d?(\.\d+)?)$"
SloStatistic.MEAN = SloStatistic("mean")


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One chip as software sees it. ``None`` is not known; nothing is filled in."""

    id: str  #: canonical id, e.g. ``h100-sxm-80gb``
    name: str  #: how people write it, e.g. ``H100 SXM 80GB``
    vendor: str  #: ``nvidia``, ``amd``, ``aws``, ``google`` or ``intel``
    family: str  #: generation, e.g. ``Hopper``
    memory_gb: float  #: the vendor's nominal figure, e.g. 24 for an L4
    memory_reported_gib: (
        float | None
    )  #: what software sees (EC2's own report), e.g. 22.35 for an L4; None is not known
    memory_bandwidth_gb_per_s: float | None  #: peak
    bf16_dense_tflops: float | None  #: peak dense 16-bit (fp16 on chips without bf16)
    fp8_dense_tflops: float | None  #: peak dense 8-bit
    fp4_dense_tflops: float | None  #: peak dense 4-bit
    has_bf16: bool  #: False on chips that compute fp16 only (Volta, Turing)
    interconnect: str | None  #: e.g. ``NVLink4``, ``PCIe4 x16``
    interconnect_gb_per_s_one_way: float | None  #: per chip
    tdp_w: float | None  #: board power
    aliases: tuple[str, ...]  #: other spellings users and vendors write
    source: str  #: where the figures come from


@dataclass(frozen=True, slots=True)
class Model:
    """A language model's shape, as far as memory and arithmetic need it."""

    id: str  #: canonical id, e.g. ``Llama-3.1-8B``
    hf_id: str  #: the publisher's repository name
    params_b: float  #: billions of parameters, all
    active_params_b: float  #: billions of parameters used per token
    layers: int  #: transformer layers
    hidden: int  #: width of the residual stream
    heads: int  #: attention heads per layer
    kv_heads: int  #: key and value heads per layer
    head_dim: int  #: width of one head
    vocab: int  #: entries of the vocabulary, padding included
    max_context: int  #: tokens, input and output together
    experts: int | None  #: None for a dense model
    experts_per_token: int | None  #: routed experts a token passes through; None for a dense model
    moe_ffn: int | None  #: width of one expert
    shared_experts: int | None  #: experts every token passes through
    dense_layers: int | None  #: layers of a mixture-of-experts model that are dense
    attention: str  #: ``mha``, ``gqa``, ``mla``, or ``hybrid``: full (gqa) in some layers only
    kv_bytes_per_token_fp16: int  #: all layers, all devices together
    sliding_window: int | None  #: tokens; None where attention is full
    sliding_window_layers: str | None  #: which layers slide, in words
    aliases: tuple[str, ...]  #: other spellings
    source: str  #: where the shape comes from
    released_precision: str | None = None  #: of the publisher's own checkpoint; None: 16 bits

    @property
    def is_moe(self) -> bool:
        """Whether only some parameters are touched per token."""
        return self.experts is not None

    @property
    def attention_layers(self) -> float:
        """Layers that attend to the whole context; the others of a hybrid keep a state of fixed size."""
        if self.attention != "hybrid":
            return float(self.layers)
        return self.kv_bytes_per_token_fp16 / (2 * 2.0 * self.kv_heads * self.head_dim)


def regional_id(offer_id: str) -> str:
    """The id of the same offer at its region's price, which a zone may have no other than."""
    provider, place, rest = offer_id.split(":", 2)
    return f"{provider}:{place.partition('/')[0]}:{rest}"


@dataclass(frozen=True, slots=True)
class Region:
    """A provider's own region, with where it stands."""

    provider: str  #: whose region it is
    id: str  #: the provider's own region id
    name: str  #: the provider's display name
    country: str | None  #: ISO 3166-1 alpha-2
    continent: str | None  #: assigned from the country
    latitude: float | None  #: degrees north; None is not known
    longitude: float | None  #: degrees east
    zones: tuple[str, ...]  #: the provider's zone ids
    active: bool | None  #: whether the provider still runs it; None is not known
    source: str  #: where name and coordinates come from

    @property
    def qualified(self) -> str:
        """``provider:region``, unique across providers."""
        return f"{self.provider}:{self.id}"


@dataclass(frozen=True, slots=True)
class Offer:
    """A priced way to rent one instance. No price, no offer."""

    provider: str  #: ``aws``, ``azure``, ``gcp``, ``lambda`` …
    region: str  #: the provider's own region id (``global`` where it has none)
    zone: str | None  #: the provider's own zone id; None when the price is regional
    instance_type: str  #: the provider's named shape
    market: Market  #: ``on_demand`` or ``spot``
    usd_per_hour: Decimal  #: for the whole instance, list price before tax
    accelerator: str  #: canonical accelerator id
    accelerators: Decimal  #: per instance; below 1 for a fractional GPU
    vcpus: int | None  #: of the whole instance
    memory_gib: float | None  #: of the host
    availability: Availability  #: ``available``, ``constrained``, ``unavailable`` or ``unknown``
    availability_basis: str  #: who says so, e.g. ``provider's offerings, 2026-10-27``
    price_basis: str  #: what kind of figure the price is, e.g. ``list``, ``zone_spot_price``
    collected_at: datetime  #: when the vendor said it, aware UTC
    source: str  #: origin of the price
    licence: str | None  #: licence of that origin; None where none was stated
    interruption: str | None  #: spot interruption band per month, e.g. ``<5%``; None is not known
    flags: tuple[str, ...] = ()  #: sorted, e.g. ``fractional_gpu``, ``local_zone``, ``retired``
    evidence: str | None = None  #: SHA-256 (hex) of the vendor's own item; None where none was kept
    max_instances: int | None = None  #: that can be had at once, as its source states it; None: not stated

    def __post_init__(self) -> None:
        paid_anyway = self.market is Market.RESERVED and self.usd_per_hour == 0
        if not (self.usd_per_hour.is_finite() and (self.usd_per_hour > 0 or paid_anyway)):
            raise ValueError(f"{self.id}: usd_per_hour must be positive, got {self.usd_per_hour}")
        if self.max_instances is not None and self.max_instances < 1:
            raise ValueError(f"{self.id}: max_instances must be at least 1, got {self.max_instances}")
        if self.accelerators <= 0:
            raise ValueError(f"{self.id}: accelerators must be positive, got {self.accelerators}")
        if self.collected_at.tzinfo is None:
            raise ValueError(f"{self.id}: collected_at must carry a time zone")

    @property
    def id(self) -> str:
        """``provider:region[/zone]:instance_type:market``, unique within a snapshot's live offers."""
        place = self.region if self.zone is None else f"{self.region}/{self.zone}"
        return f"{self.provider}:{place}:{self.instance_type}:{self.market.value}"

    @property
    def is_fractional(self) -> bool:
        """Whether the instance holds less than one whole accelerator."""
        return self.accelerators < 1


@dataclass(frozen=True, slots=True)
class QuotaPool:
    """A limit a provider sets on what may run at once, and what counts against it."""

    provider: str  #: who sets the limit
    pool: str  #: the provider's own id, e.g. ``L-417A185B``, ``NVIDIA_L4_GPUS``
    name: str  #: the provider's own wording
    market: Market | None  #: None counts both
    unit: QuotaUnit  #: what the pool counts: ``vcpu``, ``gpu`` or ``instance``
    scope: str  #: ``region`` or ``global``
    instance_types: tuple[str, ...]  #: shell patterns of the instance types that draw on it
    default_limit: Decimal | None  #: what a new account has; None is not published
    source: str  #: where the pool and its default are documented


@dataclass(frozen=True, slots=True)
class QuotaDraw:
    """What one instance takes from one pool."""

    provider: str
    region: str  #: a region id, or ``global``
    pool: str
    unit: QuotaUnit
    units_per_instance: Decimal

    @property
    def key(self) -> str:
        """``provider:region:pool``: the row of the problem this draw belongs to."""
        return f"{self.provider}:{self.region}:{self.pool}"


@dataclass(frozen=True, slots=True)
class QuotaLimit:
    """One line of an account file: a limit held, and how much of it is taken."""

    provider: str
    region: str  #: a region id, or ``global``
    pool: str
    unit: QuotaUnit
    limit: Decimal
    used: Decimal = Decimal(0)

    @property
    def key(self) -> str:
        """The same key as :attr:`QuotaDraw.key`."""
        return f"{self.provider}:{self.region}:{self.pool}"

    @property
    def free(self) -> Decimal:
        """Units that may still be taken; never negative."""
        return max(self.limit - self.used, Decimal(0))


@dataclass(frozen=True, slots=True)
class Bucket:
    """Requests whose input and output lengths fall in one cell of the grid.

    Lower edges are exclusive, upper edges inclusive, in tokens.
    """

    input_tokens_min: int
    input_tokens_max: int
    output_tokens_min: int
    output_tokens_max: int
    share: float  #: of all requests, 0 to 1
    input_tokens: float  #: the input size that stands for the bucket
    output_tokens: float  #: the output size that stands for the bucket
    size_basis: str  #: ``mean`` of the requests in it, or ``upper_edge``

    @property
    def label(self) -> str:
        """``501-1000 in x 101-250 out``."""
        return (
            f"{self.input_tokens_min + 1}-{self.input_tokens_max} in × "
            f"{self.output_tokens_min + 1}-{self.output_tokens_max} out"
        )


@dataclass(frozen=True, slots=True)
class Traffic:
    """What requests are besides their lengths. Stated by whoever knows the traffic, never guessed."""

    prefix_cache_hit_rate: float = 0.0  #: share of input tokens whose prefill is served from cache
    reasoning_tokens: float = 0.0  #: hidden output tokens per request, on top of the visible ones
    lora_adapters: int = 0  #: LoRA adapters kept loaded beside the weights
    lora_rank: int = 0  #: rank of each adapter
    arrival_cv: float = 1.0  #: coefficient of variation of the times between arrivals; 1 is Poisson

    def __post_init__(self) -> None:
        for name in ("prefix_cache_hit_rate", "reasoning_tokens", "arrival_cv"):
            if not isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be a number, got {getattr(self, name)}")
        if not 0 <= self.prefix_cache_hit_rate < 1:
            raise ValueError(
                f"prefix_cache_hit_rate must be at least 0 and below 1, got {self.prefix_cache_hit_rate:g}"
            )
        for name in ("reasoning_tokens", "lora_adapters", "lora_rank", "arrival_cv"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name):g}")
        if (self.lora_adapters > 0) != (self.lora_rank > 0):
            raise ValueError(
                f"lora_adapters and lora_rank go together, "
                f"got {self.lora_adapters} adapters of rank {self.lora_rank}"
            )

    @property
    def is_plain(self) -> bool:
        """Whether nothing is stated: no cache hits, no hidden tokens, no adapters, Poisson arrivals."""
        return self == PLAIN_TRAFFIC


PLAIN_TRAFFIC = Traffic()
"""Nothing stated."""


@dataclass(frozen=True, slots=True)
class Workload:
    """How large requests are: shares per bucket, summing to 1."""

    name: str
    buckets: tuple[Bucket, ...]  #: only those with a share, by input then output edge
    requests: int | None  #: how many requests it was fitted on
    rate_requests_per_s: float | None  #: mean arrival rate of the trace; None without timestamps
    source: str
    licence: str | None
    note: str = ""
    traffic: Traffic = PLAIN_TRAFFIC  #: what requests are besides their lengths


LATENCIES = ("tpot", "ttft", "e2e", "itl")
"""Latencies a limit can bind: per output token after the first, to the first token, of the whole request, and
every gap between two tokens; ``advisor.profiles.latency_metrics`` has an entry for each."""


@dataclass(frozen=True, slots=True)
class LatencyLimit:
    """One statistic of one latency, and what it may be at most."""

    metric: str  #: ``tpot``, ``ttft``, ``e2e`` or ``itl``
    ms: float
    statistic: SloStatistic = SloStatistic.MEAN

    def __post_init__(self) -> None:
        if self.metric not in LATENCIES:
            raise ValueError(f"metric {self.metric!r} is not a latency; {', '.join(LATENCIES)} are")
        if not (isfinite(self.ms) and self.ms > 0):
            raise ValueError(f"{self.metric}: {self.ms:g} ms is not allowed; a number above 0 is")

    def __str__(self) -> str:
        return f"{self.statistic.value} {self.metric.upper()} ≤ {self.ms:g} ms"


@dataclass(frozen=True, slots=True)
class Slo:
    """Latency limits a request must meet, all of them at once. TPOT excludes the first token."""

    tpot_ms: float | None = None  #: time per output token after the first
    ttft_ms: float | None = None  #: time to first token, queueing included
    statistic: SloStatistic = SloStatistic.MEAN  #: of ``tpot_ms``, ``ttft_ms`` and ``e2e_ms``
    e2e_ms: float | None = None  #: from arrival to the last token, queueing included
    further: tuple[LatencyLimit, ...] = ()  #: limits at other statistics

    @property
    def limits(self) -> tuple[LatencyLimit, ...]:
        """Every limit there is: TPOT, TTFT and E2E at ``statistic``, then ``further`` as given."""
        own = (("tpot", self.tpot_ms), ("ttft", self.ttft_ms), ("e2e", self.e2e_ms))
        stated = tuple(LatencyLimit(metric, ms, self.statistic) for metric, ms in own if ms is not None)
        return stated + self.further

    def __str__(self) -> str:
        return ", ".join(map(str, self.limits)) or "no latency limit"


@dataclass(frozen=True, slots=True)
class Users:
    """Where a share of a service's users is."""

    at: str  #: a region near them, ``provider:region``
    share: float  #: of the service's requests
    served_from: tuple[str, ...] | None = (
        None  #: ``provider:region``; None: wherever the network limit allows
    )

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"users at {self.at}: a share is above 0 and at most 1, got {self.share:g}")


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How much of its capacity replicas of one shape may carry, so that a replay keeps the SLO."""

    accelerator: str
    tensor_parallel: int
    share: float  #: of the rate that the evidence gives, above 0 and at most 1


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """Users who wait for each answer before they ask again."""

    users: float
    think_time_s: float  #: from an answer to the same user's next request; 0: all are always waiting
    answer_s: float  #: what an answer takes; 0 where nothing bounds it
    answer_basis: str = ""  #: what that rests on
    growth_factor: float = 1.0

    @property
    def round_s(self) -> float:
        """From one request of a user to the next."""
        return self.think_time_s + self.answer_s

    @property
    def rate_requests_per_s(self) -> float:
        """All users together."""
        return self.growth_factor * self.users / self.round_s


@dataclass(frozen=True, slots=True)
class Service:
    """One model served to one stream of requests under one SLO."""

    name: str
    model: str  #: canonical model id
    precision: str  #: of the weights: ``bf16``, ``fp16``, ``fp8``, ``fp4``, ``int8``, ``int4``
    engine: str  #: ``vLLM``, ``TensorRT-LLM``, ``SGLang``
    workload: Workload
    rate_requests_per_s: float
    slo: Slo
    headroom: float = 0.0  #: share of every replica's capacity kept free, 0 to below 1
    traffic: Traffic = PLAIN_TRAFFIC  #: what requests are besides their lengths
    users: tuple[Users, ...] = ()  #: shares sum to 1; empty: anywhere, served from anywhere
    network_ms: float | None = None  #: most network round trip between users and fleet; None is no limit
    residency: tuple[str, ...] = ()  #: patterns of places, ``!`` before one denies it; empty is anywhere
    min_replicas: int = 0  #: fewest replicas over the whole fleet
    weight: float = 1.0  #: what one request counts when a budget cannot pay for all
    closed_loop: ClosedLoop | None = None  #: where the rate follows from how long answers take
    rate_basis: str = ""  #: what the rate was made of, e.g. ``500 users, each asking every 67 s``
    checkpoint: str | None = None  #: repository of the weights asked for; None: whichever has the shape
    for_replay: bool = False  #: whether queueing and percentiles are left to a replay that holds the plan
    ceilings: tuple[Ceiling, ...] = ()  #: what replays called for; shapes that are not named may be full
    idle_buckets: tuple[int, ...] = ()
    """Of the workload, those that go only where an idle replica is within every limit."""

    def ceiling(self, accelerator: str, tensor_parallel: int) -> float:
        """Share of its capacity a replica of that shape may carry."""
        for one in self.ceilings:
            if (one.accelerator, one.tensor_parallel) == (accelerator, tensor_parallel):
                return one.share
        return 1.0


@dataclass(frozen=True, slots=True)
class Throughput:
    """Requests per second one replica sustains for one request size within an SLO."""

    requests_per_s: float
    kind: EvidenceKind
    source: str  #: source id and version
    profile_id: str  #: resolves with `advisor profile show`
    error_pct: float | None  #: typical (median absolute) error of this kind of figure; None is not known
    limited_by: str  #: a latency, ``memory`` (KV cache), ``engine`` or ``load`` (none higher profiled)
    low_requests_per_s: float | None = None  #: lower end of the 90 % interval, where one is known
    high_requests_per_s: float | None = None  #: upper end of the 90 % interval, where one is known


@dataclass(frozen=True, slots=True)
class NoThroughput:
    """Why there is no figure, in a form that can be counted."""

    reason: str  #: an exclusion reason, e.g. ``does_not_fit``, ``slo_unreachable``
    detail: str  #: with the arithmetic, e.g. ``weights 131.4 GiB > 72.0 GiB usable on 1 × …``
    best_tpot_ms: float | None = None  #: what the lightest load would take, where the SLO was out of reach


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Why an offer is not a candidate."""

    reason: str  #: one of advisor.domain.EXCLUSION_REASONS
    subject: str  #: offer id, accelerator id or instance type
    detail: str


EXCLUSION_REASONS: dict[str, str] = {
    "availability_unknown": "nobody states whether the region has stock",
    "not_sold_this_way": "priced, but sold only as spot or by reservation",
    "not_offered": "priced, but the region or zone does not offer the type",
    "retired": "retired by the provider",
    "fractional_gpu": "holds less than one whole accelerator",
    "local_zone": "a Local or Wavelength Zone",
    "estimated_price": "the price is an old ratio applied to today's list price",
    "stale_price": "its last known spot price is past its age limit",
    "superseded": "a newer price for the same instance type and region exists",
    "over_price_limit": "dearer than --max-usd-per-hour",
    "accelerator_excluded": "left out by --accelerator or --exclude-accelerator",
    "instance_type_excluded": "left out by --instance-type",
    "no_specification": "the accelerator's memory or speed is not known",
    "no_throughput_data": "no measured, simulated or estimable throughput for it",
    "evidence_too_weak": "only weaker evidence than --evidence accepts",
    "precision_unsupported": "the chip cannot compute in the service's precision",
    "does_not_fit": "the model does not fit in the accelerators' memory",
    "exceeds_context": "every request size of the workload is longer than the model's context",
    "slo_unreachable": "no request size of the workload meets the SLO on it",
    "outside_residency": "no service may keep its data there",
    "network_too_far": "too far from every service's users",
    "emissions_unknown": "its emissions are not known, and they are capped",
    "quota_draw_unknown": "how much of a quota the account limits one instance takes is not known",
}
"""Every reason an offer can be left out, and what it means in words."""


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """Which prices a plan rests on."""

    snapshot_id: str
    path: str  #: where it was read from; never written to a plan
    offers: int
    created_at: datetime
    shipped: bool  #: True for the one in the package
    sources: tuple[str, ...] = field(default=())


def utc_midnight(day: date) -> datetime:
    """The instant a dated, untimed observation stands for."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
