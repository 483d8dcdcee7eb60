"""What the account holds already and pays for, used or not: sunk, beside what the plan spends anew."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from advisor.plan.record import Record, Usd


class HeldCapacity(Record):
    """One line of the account, and what the plan makes of it."""

    offer: str = Field(description="provider:region[/zone]:instance_type:reserved")
    kind: Literal["owned", "capacity", "discount"] = Field(description="what is held")
    instances: Annotated[int, Field(ge=1)] = Field(description="how many are held")
    used: Annotated[int, Field(ge=0)] = Field(description="of them, by the plan; the rest stays idle")
    usd_per_hour_each: Usd = Field(description="what one costs, used or not")
    usd_per_hour: Usd = Field(description="what all cost: sunk")
    idle_usd_per_hour: Usd = Field(description="of that, for those that stay idle")
    until: date | None = Field(description="the last day; null is no end")
