"""The allocation problem and its answer, free of providers, prices lists and solvers.

Sets        c columns (things that can be bought)   k tensor-parallel degrees   b demands   p quota pools
Parameters  usd_per_hour[c]  accelerators[c]  requests_per_s[c,k,b] of one replica
            demand_requests_per_s[b]  units[c,p]  free_units[p]  utilisation_ceiling
Variables   instances[c] integer   replicas[c,k] integer   load_requests_per_s[c,k,b] >= 0
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal


class SolveStatus(StrEnum):
    """What the answer is worth."""

    OPTIMAL = "optimal"  #: proved: bound and incumbent agree within the gap asked for
    FEASIBLE = "feasible"  #: a valid fleet, not proved cheapest
    INFEASIBLE = "infeasible"  #: proved: no fleet exists


@dataclass(frozen=True, slots=True)
class ServingOption:
    """One tensor-parallel degree on a column's instance."""

    tensor_parallel: int  #: accelerators per replica
    requests_per_s: tuple[float, ...]  #: of one replica, per demand; 0.0 where it cannot serve


@dataclass(frozen=True, slots=True)
class Column:
    """Something that can be bought in whole instances."""

    id: str  #: unique; opaque to the optimiser
    usd_per_hour: Decimal
    accelerators: int  #: whole accelerators per instance
    options: tuple[ServingOption, ...]
    draws: tuple[tuple[str, Decimal], ...] = ()  #: (pool key, units one instance takes)
    max_instances: int | None = None  #: stock; None is unlimited


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything the optimiser may know."""

    demand_requests_per_s: tuple[float, ...]
    demand_labels: tuple[str, ...]  #: same length, for messages
    columns: tuple[Column, ...]
    free_units: dict[str, Decimal]  #: per pool key; a pool that is absent is unlimited
    utilisation_ceiling: float = 1.0  #: share of a replica's capacity that may be planned on


@dataclass(frozen=True, slots=True)
class Solution:
    """A fleet, its load, and what is proved about it. Counts are exact integers."""

    status: SolveStatus
    instances: dict[str, int]  #: per column id, only those bought
    replicas: dict[tuple[str, int], int]  #: per (column id, tensor_parallel), only those run
    load_requests_per_s: dict[tuple[str, int, int], float]  #: per (column id, tensor_parallel, demand index)
    usd_per_hour: Decimal  #: counts times prices, never the solver's number
    lower_bound_usd_per_hour: float
    solver: str  #: name and version
    solve_seconds: float

    @property
    def relative_gap(self) -> float:
        """(cost - bound) / cost, never negative; 0.0 for a free fleet."""
        cost = float(self.usd_per_hour)
        return max(0.0, (cost - self.lower_bound_usd_per_hour) / cost) if cost else 0.0

    @property
    def proved(self) -> bool:
        """Whether this is the cheapest fleet, proved."""
        return self.status is SolveStatus.OPTIMAL
