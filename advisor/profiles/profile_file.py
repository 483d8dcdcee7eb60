"""A throughput profile as users bring it: one accelerator, one model, one engine, and what was measured."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from advisor.domain import EvidenceKind

SCHEMA_VERSION: Final = 1

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProfilePoint(_Record):
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
    tpot_mean_ms: _Positive | None = Field(default=None, description="time per output token after the first")
    tpot_p50_ms: _Positive | None = Field(default=None, description="median of the same")
    tpot_p90_ms: _Positive | None = Field(default=None, description="90th percentile of the same")
    tpot_p99_ms: _Positive | None = Field(default=None, description="99th percentile of the same")
    ttft_mean_ms: _Positive | None = Field(
        default=None, description="time to the first token, queueing included"
    )
    ttft_p50_ms: _Positive | None = Field(default=None, description="median of the same")
    ttft_p90_ms: _Positive | None = Field(default=None, description="90th percentile of the same")
    ttft_p99_ms: _Positive | None = Field(default=None, description="99th percentile of the same")

    @model_validator(mode="after")
    def _has_a_latency(self) -> ProfilePoint:
        latencies = [value for name, value in self if name.startswith(("tpot_", "ttft_"))]
        if all(value is None for value in latencies):
            raise ValueError(
                "a point needs at least one tpot_… or ttft_… figure, else no SLO can be judged by it"
            )
        return self


class ProfileFile(_Record):
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
