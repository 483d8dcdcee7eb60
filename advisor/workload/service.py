"""The service file: what is served, to whom, and what may be bought for it under which rules.

A service needs ``name``, ``model``, ``workload``, ``rate_requests_per_s`` and ``slo``; what else is absent is
None here, and whoever plans fills in a default and shows it. Model, engine, region, provider and accelerator
names are resolved by the rooms that know them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from advisor.documents import read_document
from advisor.documents.records import check
from advisor.workload.named import load_workload
from advisor.workload.service_fields import MAX_SERVICES, Names, ShareAbove0, UsdPerHour
from advisor.workload.service_record import ServiceRecord, SloRecord
from advisor.workload.service_rules import (
    AtMostRecord,
    CarbonRecord,
    CurrentRecord,
    DoubtRecord,
    PreferRecord,
    SurviveRecord,
)
from advisor.workload.workload_file import Name, StrictRecord, WorkloadRecord

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.domain import Workload

_MAX_RULES = 20


class ServiceFile(StrictRecord):
    """A service file: ``service``, or ``services`` with one or more of them; and the rules of their fleet."""

    schema_version: Literal[1] = Field(description="1, the only version there is")
    service: ServiceRecord | None = Field(default=None, description="a mapping that describes the service")
    services: list[ServiceRecord] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_SERVICES,
        description=f"a list of 1 to {MAX_SERVICES} services that share the fleet",
    )
    regions: Names | None = None
    near: Name | None = None
    providers: Names | None = None
    markets: list[Literal["on_demand", "on-demand", "spot", "any"]] | None = Field(
        default=None, min_length=1, max_length=3, description="a list of on_demand, spot or any"
    )
    accelerators: Names | None = None
    exclude_accelerators: Names | None = None
    instance_types: Names | None = None
    evidence: Literal["measured", "simulated", "estimated"] | None = Field(
        default=None, description="measured, simulated or estimated: the weakest evidence accepted"
    )
    max_usd_per_hour: UsdPerHour | None = None
    survive: list[SurviveRecord] | None = Field(
        default=None,
        min_length=1,
        max_length=_MAX_RULES,
        description=f"a list of 1 to {_MAX_RULES} losses with lose, and optionally count, keeps, services, "
        "headroom and demand_factor",
    )
    on_demand_floor: ShareAbove0 | None = None
    demand_error: float | None = Field(
        default=None,
        gt=0,
        le=10,
        allow_inf_nan=False,
        description="by what share demand may be higher than planned, a number above 0 and at most 10",
    )
    throughput_doubt: DoubtRecord | None = Field(default=None, description="a mapping with accelerators")
    budget_usd_per_hour: UsdPerHour | None = None
    budget_usd_per_month: UsdPerHour | None = Field(
        default=None, description="dollars per month of 730 hours, a number above 0 and at most 1,000,000"
    )
    at_most: AtMostRecord | None = Field(
        default=None,
        description="a mapping with accelerators, instance_types, providers, regions or zones",
    )
    prefer: PreferRecord | None = Field(default=None, description="a mapping with regions and percent_dearer")
    current: CurrentRecord | None = Field(
        default=None,
        description="a mapping with fleet, and optionally usd_per_instance_started, "
        "usd_per_instance_stopped, horizon_hours and change_only_if_saving_percent",
    )
    latency: Name | None = Field(
        default=None, description="the path of a CSV file with from, to and round_trip_ms"
    )
    carbon: CarbonRecord | None = Field(
        default=None, description="a mapping, empty or with most_kg_co2e_per_hour"
    )

    @model_validator(mode="before")
    @classmethod
    def _some_service(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if ("service" in data) == ("services" in data):
            raise ValueError("exactly one of service and services is required")
        if data.get("service") is None and not data.get("services"):
            raise ValueError(
                "the service is empty; it needs name, model, workload, rate_requests_per_s and slo"
            )
        return data

    @model_validator(mode="after")
    def _hangs_together(self) -> ServiceFile:
        names = [record.name for record in self.records]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"services: every service has a name of its own; {twice[0]!r} is there twice")
        if self.budget_usd_per_hour is not None and self.budget_usd_per_month is not None:
            raise ValueError("one of budget_usd_per_hour and budget_usd_per_month, not both")
        for rule in self.survive or ():
            strangers = sorted(set(rule.services or ()) - set(names))
            if strangers:
                raise ValueError(f"survive: services: {strangers[0]!r} is none of {', '.join(names)}")
        return self

    @property
    def records(self) -> tuple[ServiceRecord, ...]:
        """The services, in the order of the file."""
        return (self.service,) if self.service is not None else tuple(self.services or ())


def load_service(path: Path) -> ServiceFile:
    """A service file, checked.

    Raises:
        InputFileError: file, field path such as ``service.slo.tpot_ms``, value and what is allowed.
    """
    return check(ServiceFile, read_document(path, "a service file"), str(path))


def service_workload(record: ServiceRecord, path: Path, root: Path | None = None) -> Workload:
    """The workload of a service of the file at ``path``; a relative path is relative to that file.

    Raises:
        UnknownName: no such workload.
        InputFileError: the workload's own file is bad.
    """
    workload = record.workload
    if isinstance(workload, WorkloadRecord):
        return workload.workload()
    return load_workload(workload, root, base=path.parent)


def service_json_schema() -> dict[str, Any]:
    """JSON Schema of a service file."""
    schema = ServiceFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "advisor service file"
    schema["oneOf"] = [{"required": ["service"]}, {"required": ["services"]}]
    return schema


__all__ = [
    "ServiceFile",
    "ServiceRecord",
    "SloRecord",
    "load_service",
    "service_json_schema",
    "service_workload",
]
