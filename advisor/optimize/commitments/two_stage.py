"""The programme of what to commit for all hours and what to rent on top in each: one day per level of demand.

Sets        t terms   m commitments (candidates under a term)   c candidates rented by the hour   h levels
Parameters  usd_per_hour[m]  usd_per_hour[c]  weight[h] (share of the hours)  factor[h] (of the highest level)
            most[t]
Variables   committed[m] integer >= 0, once      instances[h,m], instances[h,c] integer >= 0, per level
Minimise    commitment_cost   sum over m of usd_per_hour · committed
          + hourly_cost       sum over h of weight · (sum over c of usd_per_hour · instances + side_cost)

Once         most_committed[t]         sum over m of t of committed <= most
Every level  committed_runs[h,m]       instances <= committed
             known_level_cost[h]       sum over p of usd_per_hour[p] · instances of p >= least_usd_per_hour[h]
             and the rows of a plain day (:mod:`advisor.optimize.formulation`), replicas_needed times factor:
             serve_demand, serve_stream, route, replica_capacity, presence, accelerator_packing,
             and what rules ask of a day
             quota[q,h]                sum over m, c of units · instances <= free_units

``known_level_cost`` cuts off no plan: priced at what its kind p rents for at least, whatever runs in an hour
costs no less than the cheapest fleet of that hour alone, without limits. It lifts the bound on fleets of a
few instances, where whole instances matter (benchmarks/README.md).

A commitment is paid whether it runs or not, so its instances cost nothing more. It draws on a quota where
it runs, unless it holds capacity of its own; then it has no draws. Starting and stopping take no time here.
Columns are k0, k1 … for what is committed, and those of a day with h0, h1 … in front.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.optimize.arrays import INFINITY, Arrays, LinearRow, Sum, row, total
from advisor.optimize.day import DayColumns, add_flows, add_pools
from advisor.optimize.formulation.families import (
    accelerator_packing,
    presence,
    quota,
    replica_capacity,
    route,
    serve_demand,
    serve_stream,
)
from advisor.optimize.formulation.programme import side_cost
from advisor.optimize.rules import rules_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from decimal import Decimal

    from advisor.optimize.reduced import Reduced

_SHY: Final = 1e-9  # relative: a bound that is the sum of floats is held a little lower
_FAMILIES: Final = (serve_demand, serve_stream, route, replica_capacity, presence, accelerator_packing)


@dataclass(frozen=True, slots=True)
class LevelTerms:
    """A level of demand."""

    factor: float  #: of the highest
    weight: float  #: its share of the hours
    least_usd_per_hour: float  #: of the cheapest fleet, without limits, at :func:`least_prices`


@dataclass(frozen=True, slots=True)
class TwoStage:
    """The programme of all levels, and where its commitments stand."""

    arrays: Arrays
    committed: Mapping[int, int]  #: per candidate under a term, its column


def commitments_programme(
    reduced: Reduced,
    term_of: Mapping[int, str],
    most: Mapping[str, int],
    levels: Sequence[LevelTerms],
) -> TwoStage:
    """The problem of what to commit.

    Args:
        reduced: from presolve, at the highest level; it holds rented and committed candidates.
        term_of: per committed candidate, its term.
        most: per term with a limit, instances in all.
        levels: all of them.
    """
    arrays = Arrays("commitments")
    committed = {
        m: arrays.add(f"k{m}", 0, reduced.candidates[m].max_instances, integer=True) for m in sorted(term_of)
    }
    prices = np.array([float(reduced.candidates[m].usd_per_hour) for m in committed])
    arrays.minimise(Sum(np.array(list(committed.values()), dtype=np.intp), prices))
    arrays.add_rows(most_committed(term_of, most, committed))
    for number, level in enumerate(levels):
        _add_level(arrays, reduced, committed, number, level)
    return TwoStage(arrays, committed)


def most_committed(
    term_of: Mapping[int, str], most: Mapping[str, int], committed: Mapping[int, int]
) -> Iterator[LinearRow]:
    """No more instances under a term than it is offered for: sum of committed <= most."""
    for number, (term, limit) in enumerate(sorted(most.items())):
        columns = [(committed[m], 1.0) for m, name in sorted(term_of.items()) if name == term]
        if columns:
            yield row(f"most_committed_{number}", columns, -INFINITY, float(limit))


def committed_runs(label: str, instances: int, committed: Mapping[int, int]) -> Iterator[LinearRow]:
    """In no hour run more than are committed: instances <= committed."""
    for m, column in committed.items():
        yield row(f"committed_runs_{label}{m}", [(instances + m, 1.0), (column, -1.0)], -INFINITY, 0.0)


def known_level_cost(
    number: int, reduced: Reduced, instances: int, committed: Mapping[int, int], least_usd_per_hour: float
) -> Iterator[LinearRow]:
    """What runs costs no less than the level alone: sum of the kind's least price · instances >= least."""
    prices = least_prices(reduced, committed)
    value = np.array([float(prices[x.kind]) for x in reduced.candidates])
    index = instances + np.arange(len(value))
    yield LinearRow(f"known_level_cost_{number}", index, value, least_usd_per_hour * (1 - _SHY), INFINITY)


def least_prices(reduced: Reduced, committed: Collection[int]) -> list[Decimal]:
    """Per kind, what it rents for at least; of a kind that nobody rents out, the least committed price."""
    return [
        min((c in committed, reduced.candidates[c].usd_per_hour) for c in kind.members)[1]
        for kind in reduced.kinds
    ]


def hourly_cost(
    reduced: Reduced, day: DayColumns, instances: int, committed: Mapping[int, int], factor: float
) -> Sum:
    """Of one level: what is rented, and side costs; what is committed is paid already."""
    rented = [c for c in range(len(reduced.candidates)) if c not in committed]
    prices = np.array([float(reduced.candidates[c].usd_per_hour) for c in rented])
    fleet = Sum(instances + np.array(rented, dtype=np.intp), prices)
    return total([fleet, side_cost(reduced, day).times(factor)])


def _add_level(
    arrays: Arrays,
    reduced: Reduced,
    committed: Mapping[int, int],
    number: int,
    level: LevelTerms,
) -> None:
    factor = level.factor
    label, prefix = f"h{number}_", f"h{number}"
    most = np.array([x.max_instances for x in reduced.candidates], dtype=np.float64)
    instances = arrays.add(f"{prefix}i", 0, most, integer=True, over=range(len(most)))
    standing = {
        p: Sum(instances + np.array(kind.members, dtype=np.intp), np.ones(len(kind.members)))
        for p, kind in enumerate(reduced.kinds)
    }
    day = DayColumns(label, standing, frozenset(range(len(reduced.problem.services))))
    add_pools(arrays, day, reduced, lambda p, u: reduced.kinds[p].uses[u].needed * factor, prefix=prefix)
    add_flows(arrays, day, reduced, prefix=prefix)
    for family in _FAMILIES:
        arrays.add_rows(family(reduced, day))
    rules = (row for rule in rules_of(reduced.problem) for row in rule.day_rows(day))
    for each in (*rules, *quota(reduced, instances, {})):
        arrays.add_rows([replace(each, name=f"{each.name}_{number}")])
    arrays.add_rows(committed_runs(label, instances, committed))
    arrays.add_rows(known_level_cost(number, reduced, instances, committed, level.least_usd_per_hour))
    arrays.minimise(hourly_cost(reduced, day, instances, committed, factor).times(level.weight))
