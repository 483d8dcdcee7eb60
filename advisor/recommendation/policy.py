"""The rules a fleet obeys besides serving its demand: one noun per kind of rule."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from advisor.catalog.latency import LatencyMatrix
    from advisor.fleet import Fleet

DEFAULT_HORIZON_HOURS: Final = 730.0
"""Hours over which the cost of a change is spread, unless told: a month, after which prices have moved."""


@dataclass(frozen=True, slots=True)
class Survive:
    """A loss the fleet gets through."""

    lose: str  #: ``instance``, ``pool``, ``zone``, ``region``, ``provider`` or ``spot``
    count: int = 1  #: how many at once
    keeps: float = 1.0  #: share of every bucket's demand still served
    services: tuple[str, ...] = ()  #: whose demand counts; empty is all
    headroom: float | None = None  #: kept free on that day; None is each service's own
    demand_factor: float = 1.0  #: what demand is multiplied by on that day

    def __str__(self) -> str:
        parts = [
            f"survives the loss of {self.lost}",
            f"still serving {_percent(self.keeps)} of every size" if self.keeps < 1 else "",
            f"at {self.demand_factor:g} times the demand" if self.demand_factor != 1 else "",
            f"with {self.headroom:.0%} headroom" if self.headroom is not None else "",
            f"for {', '.join(self.services)}" if self.services else "",
        ]
        return ", ".join(part for part in parts if part)

    @property
    def lost(self) -> str:
        """What is lost, in words."""
        if self.lose == "spot":
            return "all spot capacity"
        return f"any {self.lose}" if self.count == 1 else f"any {self.count} {self.lose}s"


@dataclass(frozen=True, slots=True)
class Preference:
    """Places to stay in unless it costs too much."""

    places: tuple[str, ...]  #: patterns
    tolerance: float  #: share by which staying may be dearer

    def __str__(self) -> str:
        return f"stays in {', '.join(self.places)} if that is at most {_percent(self.tolerance)} dearer"


@dataclass(frozen=True, slots=True)
class Holding:
    """The fleet that runs now, and what it takes to leave it."""

    fleet: Fleet
    usd_per_started: Decimal = Decimal(0)  #: once per instance
    usd_per_stopped: Decimal = Decimal(0)  #: once per instance
    horizon_hours: float = DEFAULT_HORIZON_HOURS
    threshold: float = 0.0  #: share of the held cost a change must save


@dataclass(frozen=True, slots=True)
class Policy:
    """Every rule of a request; the default has none."""

    survive: tuple[Survive, ...] = ()
    demand_error: float = 0.0  #: share by which demand may be higher than planned
    doubted: int = 0  #: accelerator types at once whose throughput is at its low end
    budget_usd_per_hour: Decimal | None = None
    at_most: tuple[tuple[str, int], ...] = ()  #: (kind of thing, how many different ones)
    prefer: Preference | None = None
    holding: Holding | None = None
    latency: LatencyMatrix | None = None  #: None: round trips are estimated
    carbon: bool = False  #: whether emissions are estimated
    most_kg_co2e_per_hour: float | None = None

    @property
    def has_rules(self) -> bool:
        """Whether anything but demand and quotas binds the fleet."""
        return bool(
            self.survive
            or self.demand_error
            or self.doubted
            or self.budget_usd_per_hour is not None
            or self.at_most
            or self.prefer
            or self.most_kg_co2e_per_hour is not None
        )

    @property
    def tells_zones_apart(self) -> bool:
        """Whether it matters in which zone an instance stands."""
        told = {rule.lose for rule in self.survive} | {kind for kind, _ in self.at_most}
        return "zone" in told


def demand_words(error: float) -> str:
    """The rule on demand in words."""
    return f"serves {_percent(error)} more demand than planned"


def doubt_words(count: int) -> str:
    """The rule on throughput in words."""
    types = "type" if count == 1 else "types"
    return f"holds with any {count} accelerator {types} at the low end of the throughput interval"


def at_most_words(kind: str, limit: int) -> str:
    """The rule on variety in words."""
    noun = kind.replace("_", " ")
    return f"at most {limit} {noun}{'' if limit == 1 else 's'}"


def min_replicas_words(service: str, least: int) -> str:
    """The minimum of replicas in words."""
    return f"at least {least} replica{'' if least == 1 else 's'} of {service}"


def carbon_words(most: float) -> str:
    """The cap on emissions in words."""
    return f"at most {most:g} kg CO2e an hour, estimated"


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"
