"""The way from the fleet held to the fleet planned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from advisor.plan.record import Rate, Record, Share, Usd


class FleetChange(Record):
    """How many instances of one kind there are, and how many there will be."""

    offer: str = Field(description="offer id")
    before: Annotated[int, Field(ge=0)] = Field(description="instances held")
    after: Annotated[int, Field(ge=0)] = Field(description="instances planned")


class MigrationStep(Record):
    """One step of a change that keeps capacity at every moment."""

    action: Literal["start", "wait", "route", "stop"] = Field(description="what to do")
    offer: str | None = Field(default=None, description="offer id it concerns")
    instances: Annotated[int, Field(ge=1)] | None = Field(default=None, description="how many")
    text: str = Field(description="the step in words")
    usd_per_hour: Usd = Field(description="what runs and is paid for after this step")


class Migration(Record):
    """The way from the fleet held to the fleet planned, and whether it is worth going."""

    decision: Literal["keep", "change"] = Field(
        description="keep: the saving is below the threshold, and the plan is the fleet held"
    )
    fleet_source: str = Field(description="where the fleet held was read from")
    held_usd_per_hour: Usd | None = Field(description="at today's prices; null where a line has none")
    held_serves: bool = Field(description="whether the fleet held serves the demand within every rule")
    best_usd_per_hour: Usd = Field(description="of the cheapest fleet, change costs left out")
    saving_usd_per_hour: float | None = Field(description="held minus best; null where held has no price")
    threshold: Share = Field(description="share of the held cost a change must save")
    one_off_usd: Usd = Field(description="of all instances started and given up, by the stated cost of each")
    usd_per_instance_started: Usd = Field(description="what starting one instance costs, once")
    usd_per_instance_stopped: Usd = Field(description="what giving one instance up costs, once")
    horizon_hours: Rate = Field(description="hours over which the optimum spreads the cost of the change")
    payback_hours: Rate | None = Field(description="one_off_usd over the saving; null where nothing is saved")
    changes: list[FleetChange] = Field(description="every line held or planned")
    steps: list[MigrationStep] = Field(description="in order; empty when nothing changes")
    unknown: list[str] = Field(
        default_factory=list, description="lines of the fleet the catalog does not know"
    )
