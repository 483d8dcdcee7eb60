"""The allocation problem and its answer, free of providers, prices lists and solvers.

Sets        s services   b demands (one request size of one service)   c columns (things that can be bought)
            k tensor-parallel degrees   o origins (where users are)   l locations (where columns are)
            p quota pools   e contingencies (bad days the fleet must get through)
Parameters  usd_per_hour[c]  accelerators[c]  requests_per_s[c,s,k,b] of one replica
            demand_requests_per_s[b]  share[s,o]  units[c,p]  free_units[p]  utilisation_ceiling[s]
Variables   instances[c] integer   replicas[c,s,k] integer   load_requests_per_s[c,k,b] >= 0
            flow_requests_per_s[b,o,l] >= 0
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

SECONDS_PER_HOUR: Final = 3600.0

INSTANCE: Final = "instance"
"""What a contingency loses when it takes single instances, rather than all of a group."""


class SolveStatus(StrEnum):
    """What the answer is worth."""

    OPTIMAL = "optimal"  #: proved: bound and cost agree to one part in a million, and a second search says so
    FEASIBLE = "feasible"  #: a valid fleet, not proved cheapest
    INFEASIBLE = "infeasible"  #: proved: no fleet exists


@dataclass(frozen=True, slots=True)
class ServiceTerms:
    """What one service asks of the fleet besides its demands."""

    name: str = "default"
    utilisation_ceiling: float = 1.0  #: share of a replica's capacity that may be planned on, above 0 to 1
    min_replicas: int = 0  #: of this service, over the whole fleet, where somebody may be served by them
    weight: float = 1.0  #: what one of its requests counts when a budget cannot pay for all


@dataclass(frozen=True, slots=True)
class ServingOption:
    """One service at one tensor-parallel degree on a column's instance."""

    tensor_parallel: int  #: accelerators per replica
    requests_per_s: tuple[float, ...]  #: of one replica, per demand; 0.0 where it cannot serve
    service: int = 0  #: index; demands of other services have 0.0
    low_requests_per_s: tuple[float, ...] | None = None  #: the low end of the error band; None: no band known


@dataclass(frozen=True, slots=True)
class Column:
    """Something that can be bought in whole instances."""

    id: str  #: unique; opaque to the optimiser
    usd_per_hour: Decimal
    accelerators: int  #: whole accelerators per instance
    options: tuple[ServingOption, ...]
    draws: tuple[tuple[str, Decimal], ...] = ()  #: (pool key, units one instance takes)
    max_instances: int | None = None  #: stock; None is unlimited
    location: str = ""  #: where it stands, as :class:`Routing` names places
    usd_per_request: tuple[float, ...] = ()  #: side cost (egress) per demand; empty is none
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What it shares its fate with: (kind, names), e.g. ``("zone", ("us-east-1a",))``. Several names of one
    kind: it stands in one of them, and it is not known in which; the loss of any may take all of it."""
    held: int = 0  #: instances of the current fleet

    def group(self, kind: str) -> tuple[str, ...]:
        """Names of one kind; empty where it belongs to none."""
        return dict(self.groups).get(kind, ())


@dataclass(frozen=True, slots=True)
class Routing:
    """Which origins may be served from which locations. Every demand of a service splits alike by origin."""

    origins: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]  #: per service and origin, summing to 1 per service
    admits: frozenset[tuple[int, int, str]]  #: (service, origin, location) that are allowed


@dataclass(frozen=True, slots=True)
class Contingency:
    """A kind of bad day. Whichever case of it happens, ``keeps`` of every demand is still served.

    Its cases are every choice of ``count`` things to lose, combined with every choice of up to ``doubted``
    groups of ``doubted_kind`` whose replicas run at the low end of their error bands. After a loss the
    router may send everything elsewhere, so each case has a routing of its own, and replicas may be started
    anew on the instances left. ``keeps`` holds for every demand from every stream of origins alike; where a
    budget leaves some of a demand unserved, for what is served of it. A fleet that has fewer things than
    ``count`` loses all of them.
    """

    label: str
    lose: str | None = None  #: a kind of group, or :data:`INSTANCE`; None loses nothing
    count: int = 1  #: how many of them at once
    only: frozenset[str] = frozenset()  #: the groups that can be lost; empty is any
    keeps: float = 1.0  #: share of every demand, above 0 to 1
    demand_factor: float = 1.0  #: what every demand is multiplied by
    doubted: int = 0
    doubted_kind: str = "accelerator"
    services: frozenset[int] | None = None  #: whose demands count; None is all
    utilisation_ceiling: float | None = None  #: on that day; None is each service's own


@dataclass(frozen=True, slots=True)
class ChangeCost:
    """What it costs to depart from the fleet held, spread over the hours until the next change."""

    usd_per_added: Decimal  #: once per instance started
    usd_per_removed: Decimal  #: once per instance given up
    horizon_hours: float  #: above 0

    @property
    def usd_per_hour(self) -> tuple[float, float]:
        """(per instance started, per instance given up), spread over the horizon."""
        return float(self.usd_per_added) / self.horizon_hours, float(
            self.usd_per_removed
        ) / self.horizon_hours


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything the optimiser may know."""

    demand_requests_per_s: tuple[float, ...]
    demand_labels: tuple[str, ...]  #: same length, for messages
    columns: tuple[Column, ...]
    free_units: Mapping[str, Decimal] = field(default_factory=dict)  #: per pool key; absent is unlimited
    services: tuple[ServiceTerms, ...] = (ServiceTerms(),)
    demand_service: tuple[int, ...] | None = None  #: per demand; None: all of service 0
    routing: Routing | None = None  #: None: every location serves everybody
    contingencies: tuple[Contingency, ...] = ()
    most_distinct: tuple[tuple[str, int], ...] = ()  #: (kind of group, how many different ones at most)
    budget_usd_per_hour: Decimal | None = None
    """For the fleet and its side costs: serve the most (by weight) this pays for, then the cheapest."""
    change: ChangeCost | None = None  #: None: the fleet held does not matter

    def service_of(self, demand: int) -> int:
        """Index of the service a demand belongs to."""
        return 0 if self.demand_service is None else self.demand_service[demand]


@dataclass(frozen=True, slots=True)
class CaseProof:
    """One case of a contingency that was enforced, and how the fleet gets through it."""

    contingency: str  #: its label
    case: str  #: what is lost or in doubt, in words
    lost_instances: Mapping[str, int]  #: per column id
    doubted: frozenset[str]  #: groups at the low end of their bands
    least_served_share: float  #: of any demand, when the remaining fleet serves as much as it can, at most 1


@dataclass(frozen=True, slots=True)
class Solution:
    """A fleet, its load, and what is proved about it. Counts are exact integers."""

    status: SolveStatus
    instances: dict[str, int]  #: per column id, only those bought
    replicas: dict[tuple[str, int, int], int]  #: per (column id, service, tensor_parallel), only those run
    load_requests_per_s: dict[tuple[str, int, int], float]  #: per (column id, tensor_parallel, demand index)
    usd_per_hour: Decimal  #: counts times prices, never the solver's number
    lower_bound_usd_per_hour: float  #: on usd_per_hour + side_usd_per_hour + change_usd_per_hour
    solver: str  #: name and version
    solve_seconds: float
    side_usd_per_hour: float = 0.0  #: egress and the like, by load
    change_usd_per_hour: float = 0.0  #: of departing from the fleet held, spread over the horizon
    flow_requests_per_s: Mapping[tuple[int, int, str], float] = field(default_factory=dict)
    """Per (demand, origin, location); empty without :class:`Routing`."""
    served_share: Mapping[int, float] = field(default_factory=dict)
    """Per demand, where a budget leaves some unserved; a demand that is absent is served whole."""
    cases: tuple[CaseProof, ...] = ()  #: the binding cases of every contingency

    @property
    def objective_usd_per_hour(self) -> float:
        """What was minimised: the fleet, its side costs and the change."""
        return float(self.usd_per_hour) + self.side_usd_per_hour + self.change_usd_per_hour

    @property
    def relative_gap(self) -> float:
        """(objective - bound) / objective, never negative; 0.0 for a free fleet."""
        cost = self.objective_usd_per_hour
        return max(0.0, (cost - self.lower_bound_usd_per_hour) / cost) if cost else 0.0

    @property
    def proved(self) -> bool:
        """Whether this is the cheapest fleet, proved."""
        return self.status is SolveStatus.OPTIMAL


def fleet_words(instances: Mapping[str, int], usd_per_hour: Mapping[str, Decimal]) -> tuple[str, ...]:
    """``count × column id``, most money first; prices per column id."""
    bought = sorted(instances.items(), key=lambda item: (-usd_per_hour[item[0]] * item[1], item[0]))
    return tuple(f"{count} × {column}" for column, count in bought)
