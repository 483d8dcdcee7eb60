"""A throughput profile as users bring it: one accelerator, one model, one engine, and what was measured."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from advisor.domain import EvidenceKind
from advisor.profiles.latency_metrics import COLUMNS, MEAN, METRICS, STATISTICS, column

if TYPE_CHECKING:
    from advisor.profiles.latency_metrics import LatencyMetric

SCHEMA_VERSION: Final = 1

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


class _ProfileRecord(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Point(_ProfileRecord):
    """What one replica did at one request size and one load; a figure that was not taken is left out."""

    input_tokens: _Positive = Field(description="per request; the mean where requests differ")
    output_tokens: _Positive = Field(description="per request; the mean where requests differ")
    concurrency: _Positive | None = Field(
        default=None, description="requests in flight, kept constant (closed loop)"
    )
    offered_requests_per_s: _Positive | None = Field(
        default=None, description="arrival rate, kept constant (open loop)"
    )
    requests_per_s: _Positive = Field(description="requests one replica completed per second")

    @model_validator(mode="after")
    def _has_a_latency(self) -> _Point:
        if not self.latencies_ms:
            raise ValueError(
                "a point needs at least one tpot_… or ttft_… figure, else no SLO can be judged by it"
            )
        return self

    @property
    def latencies_ms(self) -> dict[str, float]:
        """What is stated, by column."""
        return {name: ms for name, ms in self if name in COLUMNS and ms is not None}


def _described(metric: LatencyMetric, statistic: str) -> str:
    words = {MEAN: "mean", "p50": "median"}.get(statistic, f"{statistic.removeprefix('p')}th percentile")
    return f"{metric.label}, {words}: {metric.definition}"


if TYPE_CHECKING:
    ProfilePoint = _Point
else:
    ProfilePoint = create_model(
        "ProfilePoint",
        __base__=_Point,
        __doc__=_Point.__doc__,
        **{
            column(metric.name, statistic): (
                _Positive | None,
                Field(default=None, description=_described(metric, statistic)),
            )
            for metric in METRICS.values()
            for statistic in STATISTICS
        },
    )


class ProfileFile(_ProfileRecord):
    """Throughput of one model on one kind of accelerator under one engine, as measured or simulated."""

    schema_version: Literal[1] = Field(default=SCHEMA_VERSION, description="version of this format")
    kind: Literal["profile"] = Field(default="profile", description="what the file is")
    model: _Name = Field(description="model id or repository name, e.g. Llama-3.1-8B-Instruct")
    accelerator: _Name = Field(description="accelerator id, e.g. h100-sxm-80gb")
    tensor_parallel: int = Field(ge=1, le=1024, description="accelerators per replica")
    precision: _Name = Field(description="of the weights, e.g. bf16")
    engine: _Name = Field(description="serving engine, e.g. vLLM")
    engine_version: _Name | None = Field(default=None, description="of the engine; null is not known")
    evidence: Literal[EvidenceKind.MEASURED, EvidenceKind.SIMULATED] = Field(
        default=EvidenceKind.MEASURED, description="measured on the accelerator, or simulated"
    )
    max_num_seqs: Annotated[int, Field(ge=1, le=65_536)] | None = Field(
        default=None, description="largest batch the engine was started with; null is not known"
    )
    max_num_batched_tokens: Annotated[int, Field(ge=1, le=4_194_304)] | None = Field(
        default=None, description="tokens one step may process, decoded ones included; null is not known"
    )
    chunked_prefill: bool | None = Field(
        default=None, description="whether a prompt may be read over several steps; null is not known"
    )
    prefix_caching: bool | None = Field(
        default=None, description="whether prompts that begin alike are read once; null is not known"
    )
    error_pct: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=None, description="typical (median absolute) error of the figures, percent; null is not known"
    )
    source: _Name = Field(description="who took the figures, with what; an address where there is one")
    date: dt.date = Field(description="when they were taken")
    licence: _Name | None = Field(default=None, description="of the figures; null is not stated")
    points: list[ProfilePoint] = Field(min_length=1, description="one per request size and load")


def profile_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a profile file."""
    return {
        **ProfileFile.model_json_schema(),
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:llm-fleet-advisor:schema:profile:{SCHEMA_VERSION}",
        "title": "Throughput profile for the LLM fleet advisor",
    }
