"""The rules a fleet obeys, what each costs, and the days it was held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from advisor.plan.record import Rate, Record, Share, Usd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from advisor.plan.purchase import Purchase


class CaseLine(Record):
    """One case of a rule that the plan was held against."""

    case: str = Field(description="what is lost or in doubt, in words")
    lost_instances: dict[str, int] = Field(
        default_factory=dict, description="instances lost, per offer id of a purchase line"
    )
    doubted: list[str] = Field(
        default_factory=list, description="accelerators whose replicas run at the low end of their interval"
    )
    least_served_share: Share = Field(
        description="of any bucket's demand on that day, when the rest of the fleet serves what it can"
    )


RuleKind = Literal["survive", "demand", "doubt", "budget", "at_most", "min_replicas", "prefer", "carbon"]


class RuleLine(Record):
    """One rule the fleet was asked to obey, what it costs, and the days it was held against."""

    kind: RuleKind = Field(
        description="survive: a loss; demand: more requests than planned; doubt: throughput at the low end "
        "of its interval; budget: a cap on cost; at_most: so many different ones; min_replicas: so many of "
        "a service; prefer: places, at a price; carbon: a cap on emissions"
    )
    text: str = Field(description="the rule in words")
    lose: Literal["instance", "pool", "zone", "region", "provider", "spot"] | None = Field(
        default=None, description="what is lost; pool is one instance type in one zone and market"
    )
    count: Annotated[int, Field(ge=1)] = Field(default=1, description="how many are lost at once")
    keeps: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="share of every bucket's demand that is still served"
    )
    demand_factor: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=1.0, description="what every demand is multiplied by on that day"
    )
    doubted: Annotated[int, Field(ge=0)] = Field(
        default=0, description="so many accelerator types at once run at the low end of their interval"
    )
    services: list[str] = Field(
        default_factory=list, description="whose demand counts, or whose replicas; empty is all"
    )
    headroom: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        default=None, description="kept free on that day; null is the service's own"
    )
    of: Literal["accelerator", "instance_type", "provider", "region", "zone"] | None = Field(
        default=None, description="at_most: different ones of what"
    )
    at_most: Annotated[int, Field(ge=1)] | None = Field(default=None, description="at_most: how many")
    at_least: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="min_replicas: how many of the service named in services"
    )
    usd_per_hour: Usd | None = Field(default=None, description="budget: the cap")
    kg_co2e_per_hour: Rate | None = Field(default=None, description="carbon: the cap")
    places: list[str] = Field(default_factory=list, description="prefer: patterns of places")
    tolerance: Rate | None = Field(
        default=None, description="prefer: share by which staying there may be dearer"
    )
    kept: bool | None = Field(default=None, description="prefer: whether the fleet stays there")
    premium_usd_per_hour: float | None = Field(
        default=None,
        description="what the fleet costs more than without this rule, all others kept; null was not solved",
    )
    cases: list[CaseLine] = Field(default_factory=list, description="the cases that decide, worst first")


_TOLD_APART_BY: Final[dict[str, Callable[[Purchase], str]]] = {
    "accelerator": lambda line: line.accelerator,
    "instance_type": lambda line: f"{line.provider}:{line.instance_type}",
    "provider": lambda line: line.provider,
    "region": lambda line: f"{line.provider}:{line.region}",
    "zone": lambda line: f"{line.provider}:{line.region}/{line.zone or 'any'}",
}


def different_ones(kind: str, lines: Iterable[Purchase]) -> list[str]:
    """What an ``at_most`` rule counts, by name."""
    return sorted({_TOLD_APART_BY[kind](line) for line in lines})
