"""The service file: one model, its stream of requests, its SLO, and what may be bought for it.

Required are ``name``, ``model``, ``workload``, ``rate_requests_per_s`` and ``slo``; what else is absent is
None here, and whoever plans fills in a default and shows it. Model, engine, region, provider and accelerator
names are resolved by the rooms that know them.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from advisor.documents import read_document
from advisor.documents.records import check
from advisor.domain import Slo, SloStatistic, Workload
from advisor.units import MAX_LATENCY_MS, MAX_USD_PER_HOUR
from advisor.workload.named import load_workload
from advisor.workload.workload_file import Name, Rate, StrictRecord, WorkloadRecord

if TYPE_CHECKING:
    from pathlib import Path

MAX_NAMES: Final = 1000

_DOLLARS: Final = r"^([0-9]{1,6}(\.[0-9]{1,8})?|1000000)$"


def _money(value: object) -> object:
    """Numbers and plain decimal strings become Decimal, as written; anything else is refused later."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, float) and math.isfinite(value):
        return Decimal(str(value))
    if isinstance(value, str) and re.match(_DOLLARS, value, re.ASCII):
        return Decimal(value)
    return value


Milliseconds = Annotated[
    float,
    Field(
        gt=0,
        le=MAX_LATENCY_MS,
        allow_inf_nan=False,
        description=f"milliseconds, a number above 0 and at most {MAX_LATENCY_MS:,.0f}",
    ),
]
UsdPerHour = Annotated[
    Decimal,
    BeforeValidator(_money),
    Field(
        gt=0,
        le=MAX_USD_PER_HOUR,
        allow_inf_nan=False,
        description=f"dollars per hour, a number above 0 and at most {MAX_USD_PER_HOUR:,}",
    ),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_USD_PER_HOUR},
                {"type": "string", "pattern": _DOLLARS},
            ],
            "description": f"dollars per hour, above 0 and at most {MAX_USD_PER_HOUR:,}",
        }
    ),
]
Names = Annotated[
    list[Name], Field(min_length=1, max_length=MAX_NAMES, description=f"a list of 1 to {MAX_NAMES:,} names")
]


class SloRecord(StrictRecord):
    """At least one limit."""

    tpot_ms: Milliseconds | None = None
    ttft_ms: Milliseconds | None = None
    statistic: Literal["mean", "p50", "p90", "p99"] = Field(
        default="mean", description="mean, p50, p90 or p99: which statistic of the latencies is limited"
    )

    @model_validator(mode="after")
    def _limits_something(self) -> SloRecord:
        if self.tpot_ms is None and self.ttft_ms is None:
            raise ValueError("at least one of tpot_ms and ttft_ms is required")
        return self

    def slo(self) -> Slo:
        """As the domain has it."""
        return Slo(self.tpot_ms, self.ttft_ms, SloStatistic(self.statistic))


def _workload_kind(value: object) -> str:
    return "(inline)" if isinstance(value, dict | WorkloadRecord) else "(name)"


class ServiceRecord(StrictRecord):
    """One service. None where the file leaves the choice to the planner's documented default."""

    name: Name
    model: Name
    precision: Literal["bf16", "fp16", "fp8", "fp4", "int8", "int4"] | None = Field(
        default=None, description="precision of the weights: bf16, fp16, fp8, fp4, int8 or int4"
    )
    engine: Name | None = None
    workload: Annotated[
        Annotated[Name, Tag("(name)")] | Annotated[WorkloadRecord, Tag("(inline)")],
        Discriminator(_workload_kind),
    ] = Field(
        description="a workload's name, the path of a workload file or trace, or a mapping with buckets"
    )
    rate_requests_per_s: Rate
    slo: SloRecord = Field(description="a mapping with tpot_ms, ttft_ms or both, and optionally statistic")
    headroom: float | None = Field(
        default=None,
        ge=0,
        le=0.99,
        allow_inf_nan=False,
        description="share of capacity kept free, a number from 0 to 0.99",
    )


class ServiceFile(StrictRecord):
    """A service file: ``service``, or ``services`` with exactly one of them."""

    schema_version: Literal[1] = Field(description="1, the only version there is")
    service: ServiceRecord | None = Field(default=None, description="a mapping that describes the service")
    services: list[ServiceRecord] | None = Field(default=None, description="a list of exactly one service")
    regions: Names | None = None
    near: Name | None = None
    providers: Names | None = None
    markets: list[Literal["on_demand", "on-demand", "spot", "any"]] | None = Field(
        default=None, min_length=1, max_length=3, description="a list of on_demand, spot or any"
    )
    accelerators: Names | None = None
    exclude_accelerators: Names | None = None
    evidence: Literal["measured", "simulated", "estimated"] | None = Field(
        default=None, description="measured, simulated or estimated: the weakest evidence accepted"
    )
    max_usd_per_hour: UsdPerHour | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_service(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if ("service" in data) == ("services" in data):
            raise ValueError("exactly one of service and services is required")
        several = data.get("services")
        if isinstance(several, list) and len(several) != 1:
            raise ValueError(
                f"services must hold exactly one service, not {len(several)}; planning several together "
                "comes in a later version, so plan each with a file of its own"
            )
        if data.get("service") is None and several is None:
            raise ValueError(
                "the service is empty; it needs name, model, workload, rate_requests_per_s and slo"
            )
        return data

    @property
    def only(self) -> ServiceRecord:
        """The one service."""
        if self.service is not None:
            return self.service
        assert self.services is not None  # one of both, by validation
        return self.services[0]


def load_service(path: Path) -> ServiceFile:
    """A service file, checked.

    Raises:
        InputFileError: file, field path such as ``service.slo.tpot_ms``, value and what is allowed.
    """
    return check(ServiceFile, read_document(path, "a service file"), str(path))


def service_workload(service_file: ServiceFile, path: Path, root: Path | None = None) -> Workload:
    """The workload of a service file's service; a relative path is relative to the service file.

    Raises:
        UnknownName: no such workload.
        InputFileError: the workload's own file is bad.
    """
    workload = service_file.only.workload
    if isinstance(workload, WorkloadRecord):
        return workload.workload()
    return load_workload(workload, root, base=path.parent)


def service_json_schema() -> dict[str, Any]:
    """JSON Schema of a service file."""
    schema = ServiceFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "advisor service file"
    schema["oneOf"] = [{"required": ["service"]}, {"required": ["services"]}]
    schema["properties"]["services"] |= {"minItems": 1, "maxItems": 1}
    return schema
