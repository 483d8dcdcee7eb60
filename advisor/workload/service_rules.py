"""The rules of a service file: what the whole fleet has to get through, may cost, and should stay near to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from advisor.workload.service_fields import (
    Count,
    Dollars,
    Names,
    Percent,
    Places,
    ShareAbove0,
    ShareBelow1,
)
from advisor.workload.workload_file import Name, StrictRecord

LOSABLE = ("instance", "pool", "zone", "region", "provider", "spot")
DISTINCT = {
    "accelerators": "accelerator",
    "instance_types": "instance_type",
    "providers": "provider",
    "regions": "region",
    "zones": "zone",
}
"""What ``at_most`` may count, and what one of it is called."""


class SurviveRecord(StrictRecord):
    """A loss the fleet gets through."""

    lose: Literal["instance", "pool", "zone", "region", "provider", "spot"] = Field(
        description=f"one of {', '.join(LOSABLE)}; a pool is one instance type in one zone and market"
    )
    count: Count = 1
    keeps: ShareAbove0 = 1.0
    services: Names | None = None
    headroom: ShareBelow1 | None = None
    demand_factor: float = Field(
        default=1.0,
        gt=0,
        le=100,
        allow_inf_nan=False,
        description="what demand is multiplied by on that day, a number above 0 and at most 100",
    )

    @model_validator(mode="after")
    def _spot_is_one(self) -> SurviveRecord:
        if self.lose == "spot" and self.count != 1:
            raise ValueError("lose: spot takes all spot capacity at once; leave count out")
        return self


class DoubtRecord(StrictRecord):
    """Throughput may be at the low end of its interval."""

    accelerators: Count = Field(
        description="so many accelerator types at once, a whole number from 1 to 1,000"
    )


class AtMostRecord(StrictRecord):
    """Simplicity: so many different ones at most."""

    accelerators: Count | None = None
    instance_types: Count | None = None
    providers: Count | None = None
    regions: Count | None = None
    zones: Count | None = None

    def limits(self) -> tuple[tuple[str, int], ...]:
        """(what is counted, how many), in a fixed order."""
        stated = ((kind, getattr(self, plural)) for plural, kind in DISTINCT.items())
        return tuple((kind, limit) for kind, limit in stated if limit is not None)


class PreferRecord(StrictRecord):
    """Places to stay in unless it costs too much."""

    regions: Places
    percent_dearer: Percent


class CurrentRecord(StrictRecord):
    """What runs now, and what a change costs."""

    fleet: Name = Field(description="the path of a fleet file, as `advisor fleet import` writes it")
    usd_per_instance_started: Dollars | None = None
    usd_per_instance_stopped: Dollars | None = None
    horizon_hours: float | None = Field(
        default=None,
        gt=0,
        le=100_000,
        allow_inf_nan=False,
        description="hours until the next change, over which its cost is spread; above 0 and at most 100,000",
    )
    change_only_if_saving_percent: Percent | None = None


class CarbonRecord(StrictRecord):
    """A cap on estimated emissions."""

    most_kg_co2e_per_hour: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="kilograms of CO2 equivalent per hour, a number above 0 and at most 1,000,000",
    )
