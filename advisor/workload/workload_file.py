"""The workload file: what ``advisor workload fit`` writes and ``--workload`` and service files accept.

Shares and sizes are written in full, so that reading a written workload gives the same workload.
"""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from advisor.documents import read_document
from advisor.documents.records import check
from advisor.documents.yaml_text import OneLine, yaml_text
from advisor.domain import PLAIN_TRAFFIC, Bucket, Traffic, Workload
from advisor.text import ONE_LINE
from advisor.units import MAX_RATE_REQUESTS_PER_S
from advisor.workload.buckets import MAX_TOKENS

if TYPE_CHECKING:
    from pathlib import Path

MAX_BUCKETS: Final = 5000
MAX_HIT_RATE: Final = 0.99
MAX_ADAPTERS: Final = 10_000
MAX_RANK: Final = 4096
MAX_ARRIVAL_CV: Final = 100.0
SHARE_TOLERANCE: Final = 1e-6
"""How far the shares may be from summing to 1, for files that round them."""

_TOKENS: Final = f"to {MAX_TOKENS:,} tokens"
Lower = Annotated[
    int, Field(ge=0, lt=MAX_TOKENS, description=f"the exclusive lower edge, a whole number from 0 {_TOKENS}")
]
Upper = Annotated[
    int, Field(ge=1, le=MAX_TOKENS, description=f"the inclusive upper edge, a whole number from 1 {_TOKENS}")
]
Size = Annotated[
    float,
    Field(
        gt=0,
        le=MAX_TOKENS,
        allow_inf_nan=False,
        description="the size that stands for the bucket, within its edges",
    ),
]
Rate = Annotated[
    float,
    Field(
        gt=0,
        le=MAX_RATE_REQUESTS_PER_S,
        allow_inf_nan=False,
        description=f"requests per second, a number above 0 and at most {MAX_RATE_REQUESTS_PER_S:,.0f}",
    ),
]
Text = Annotated[str, Field(max_length=2000, description="a text of at most 2,000 characters")]
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        pattern=ONE_LINE,
        description="one line of 1 to 100 characters",
    ),
]


class StrictRecord(BaseModel):
    """No unknown fields, no conversions, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BucketRecord(StrictRecord):
    """One bucket. Without sizes its upper edges stand for it, and it says so."""

    input_tokens_min: Lower
    input_tokens_max: Upper
    output_tokens_min: Lower
    output_tokens_max: Upper
    share: float = Field(
        ge=0, le=1, allow_inf_nan=False, description="the share of all requests, a number from 0 to 1"
    )
    input_tokens: Size | None = None
    output_tokens: Size | None = None
    size_basis: Literal["mean", "upper_edge"] | None = Field(
        default=None, description="mean or upper_edge: what the sizes are; mean if sizes are given"
    )

    @model_validator(mode="after")
    def _edges_hold(self) -> BucketRecord:
        if (self.input_tokens is None) != (self.output_tokens is None):
            raise ValueError("give both input_tokens and output_tokens, or neither")
        if self.input_tokens is None and self.size_basis == "mean":
            raise ValueError("size_basis mean needs input_tokens and output_tokens")
        for word in ("input", "output"):
            low, high = getattr(self, f"{word}_tokens_min"), getattr(self, f"{word}_tokens_max")
            if low >= high:
                raise ValueError(
                    f"{word}_tokens_min must be below {word}_tokens_max, {low} is not below {high}"
                )
            size = getattr(self, f"{word}_tokens")
            if size is not None and not low < size <= high:
                raise ValueError(f"{word}_tokens must be above {low} and at most {high}, {size:g} is not")
        return self

    def bucket(self) -> Bucket:
        """As the domain has it."""
        sized = self.input_tokens is not None and self.output_tokens is not None
        return Bucket(
            self.input_tokens_min,
            self.input_tokens_max,
            self.output_tokens_min,
            self.output_tokens_max,
            share=self.share,
            input_tokens=float(self.input_tokens if self.input_tokens is not None else self.input_tokens_max),
            output_tokens=float(
                self.output_tokens if self.output_tokens is not None else self.output_tokens_max
            ),
            size_basis=self.size_basis or ("mean" if sized else "upper_edge"),
        )


class TrafficRecord(StrictRecord):
    """What requests are besides their lengths; what is left out is off."""

    prefix_cache_hit_rate: float = Field(
        default=0.0,
        ge=0,
        le=MAX_HIT_RATE,
        allow_inf_nan=False,
        description=f"the share of input tokens served from the prefix cache, from 0 to {MAX_HIT_RATE}",
    )
    reasoning_tokens: float = Field(
        default=0.0,
        ge=0,
        le=MAX_TOKENS,
        allow_inf_nan=False,
        description=f"hidden output tokens per request, a number from 0 to {MAX_TOKENS:,}",
    )
    lora_adapters: int = Field(
        default=0, ge=0, le=MAX_ADAPTERS, description=f"adapters kept loaded, from 0 to {MAX_ADAPTERS:,}"
    )
    lora_rank: int = Field(
        default=0, ge=0, le=MAX_RANK, description=f"the rank of each adapter, from 0 to {MAX_RANK:,}"
    )
    arrival_cv: float = Field(
        default=1.0,
        ge=0,
        le=MAX_ARRIVAL_CV,
        allow_inf_nan=False,
        description=(
            "the coefficient of variation of the times between arrivals, "
            f"a number from 0 to {MAX_ARRIVAL_CV:g}; 1 is Poisson"
        ),
    )

    @model_validator(mode="after")
    def _adapters_have_a_rank(self) -> TrafficRecord:
        if (self.lora_adapters > 0) != (self.lora_rank > 0):
            raise ValueError("lora_adapters and lora_rank go together: give both above 0, or neither")
        return self

    def traffic(self) -> Traffic:
        """As the domain has it."""
        return Traffic(**{name: getattr(self, name) for name in TrafficRecord.model_fields})


class WorkloadRecord(StrictRecord):
    """A workload, inline in a service file or on its own."""

    schema_version: Literal[1] = Field(default=1, description="1")
    kind: Literal["workload"] = Field(default="workload", description="workload")
    name: Name = "inline"
    requests: (
        Annotated[int, Field(ge=1, le=10**12, description="a whole number of requests, at least 1")] | None
    ) = None
    rate_requests_per_s: Rate | None = None
    source: Text = "the user's file"
    licence: Text | None = None
    note: Text = ""
    traffic: TrafficRecord | None = Field(
        default=None,
        description=(
            "a mapping with any of prefix_cache_hit_rate, reasoning_tokens, lora_adapters with lora_rank, "
            "and arrival_cv"
        ),
    )
    buckets: list[BucketRecord] = Field(
        min_length=1, max_length=MAX_BUCKETS, description=f"a list of 1 to {MAX_BUCKETS:,} buckets"
    )

    @field_validator("buckets", mode="after")
    @classmethod
    def _shares_sum_to_one(cls, buckets: list[BucketRecord]) -> list[BucketRecord]:
        total = fsum(bucket.share for bucket in buckets)
        if abs(total - 1) > SHARE_TOLERANCE:
            raise ValueError(f"the shares must sum to 1, they sum to {total:.9g}")
        pair = _overlap(buckets)
        if pair is not None:
            raise ValueError(
                f"buckets may not overlap: {pair[0].bucket().label} and {pair[1].bucket().label}"
            )
        return buckets

    def workload(self) -> Workload:
        """As the domain has it: only buckets with a share, by input then output edge."""
        buckets = sorted(
            (record.bucket() for record in self.buckets if record.share > 0),
            key=lambda bucket: (bucket.input_tokens_min, bucket.output_tokens_min),
        )
        return Workload(
            self.name,
            tuple(buckets),
            self.requests,
            self.rate_requests_per_s,
            self.source,
            self.licence,
            self.note,
            PLAIN_TRAFFIC if self.traffic is None else self.traffic.traffic(),
        )


def read_workload_file(path: Path) -> Workload:
    """The workload a YAML or JSON file describes.

    Raises:
        InputFileError: file, field, value and what is allowed.
    """
    return check(WorkloadRecord, read_document(path, "a workload file"), str(path)).workload()


def workload_yaml(workload: Workload) -> str:
    """YAML, one line per bucket, that :func:`read_workload_file` reads back unchanged."""
    edges = "Of buckets the lower edges are exclusive, the upper edges inclusive, in tokens."
    return yaml_text(workload_document(workload), heads=[edges])


def workload_document(workload: Workload) -> dict[str, object]:
    """The same as plain data, for JSON."""
    stated = {name: getattr(workload.traffic, name) for name in TrafficRecord.model_fields}
    record = {
        "schema_version": 1,
        "kind": "workload",
        "name": workload.name,
        "requests": workload.requests,
        "rate_requests_per_s": workload.rate_requests_per_s,
        "source": workload.source,
        "licence": workload.licence,
        "note": workload.note,
        "traffic": OneLine(
            {name: value for name, value in stated.items() if value != getattr(PLAIN_TRAFFIC, name)}
        ),
        "buckets": [
            OneLine({name: getattr(bucket, name) for name in BucketRecord.model_fields})
            for bucket in workload.buckets
        ],
    }
    return {key: value for key, value in record.items() if value not in (None, "", {})}


def _overlap(buckets: list[BucketRecord]) -> tuple[BucketRecord, BucketRecord] | None:
    """Two buckets that share a request size, if any do."""
    ordered = sorted(buckets, key=lambda bucket: bucket.input_tokens_min)
    for index, one in enumerate(ordered):
        for other in ordered[index + 1 :]:
            if other.input_tokens_min >= one.input_tokens_max:
                break
            apart = (
                other.output_tokens_min >= one.output_tokens_max
                or one.output_tokens_min >= other.output_tokens_max
            )
            if not apart:
                return one, other
    return None
