"""What the fleet costs besides its price per hour: lost spot capacity, egress, emissions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from advisor.plan.record import Rate, Record, Share, Usd


class Fallback(Record):
    """What replaces a spot line while it is reclaimed."""

    offer: str = Field(description="offer id of the spot line")
    instances: Annotated[int, Field(ge=1)] = Field(description="of the line")
    interruption: str | None = Field(description="band per month, as the provider states it; null not known")
    interruption_share: Share | None = Field(
        description="upper end of the band as a share of instances reclaimed per month; null not known"
    )
    fallback: str | None = Field(
        description="offer id of the cheapest on-demand offer of the same type and region; null there is none"
    )
    fallback_usd_per_hour_each: Usd | None = Field(description="its price; null there is none")


class Risk(Record):
    """What the fleet costs when spot capacity goes."""

    expected_usd_per_hour: Usd | None = Field(
        description="if every reclaimed instance runs on its fallback for hours_on_fallback; null where a "
        "band or a fallback is not known"
    )
    worst_usd_per_hour: Usd | None = Field(
        description="if all spot lines run on their fallbacks at once; null where one has none"
    )
    hours_on_fallback: Rate = Field(description="assumed per interruption; an assumption of the plan")
    fallbacks: list[Fallback] = Field(description="per spot line")


class SideCost(Record):
    """What the fleet costs besides instances."""

    name: Literal["egress"] = Field(description="what is paid for")
    usd_per_hour: Usd = Field(description="at the planned load")
    basis: str = Field(description="how it was computed, with source and date of the rate")


class CarbonLine(Record):
    """Emissions of one purchase line, estimated."""

    offer: str = Field(description="offer id of the line")
    kw: Rate | None = Field(description="electric power assumed; null where the board power is not known")
    g_co2e_per_kwh: Rate | None = Field(description="of the country's grid; null is not known")
    kg_co2e_per_hour: Rate | None = Field(description="null where either is not known")


class Carbon(Record):
    """Estimated emissions of the fleet: board power x utilisation-independent x grid intensity."""

    kg_co2e_per_hour: Rate | None = Field(description="of all lines; null where one is not known")
    basis: str = Field(description="how it was estimated, with sources and their years")
    lines: list[CarbonLine] = Field(description="per purchase line")
