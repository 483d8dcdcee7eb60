"""The programmes: which families make up which question."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.optimize.arrays import INFINITY, Arrays, LinearRow, Sum, total
from advisor.optimize.day import DayColumns, add_flows, add_pools, served
from advisor.optimize.formulation.case import add_case, needed_on, services_on
from advisor.optimize.formulation.families import (
    accelerator_packing,
    enough_work,
    presence,
    quota,
    replica_capacity,
    route,
    serve_demand,
    serve_stream,
    stock_limit,
)
from advisor.optimize.rules import FleetDraft, rules_of, traits_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from advisor.optimize.formulation.case import Case
    from advisor.optimize.formulation.families import WorkCut
    from advisor.optimize.reduced import Reduced

_ROUNDING: Final = 1e-7  # of a slice: how near a whole number counts as one


@dataclass(slots=True)
class Programme:
    """Arrays, and which of their columns mean what."""

    arrays: Arrays
    reduced: Reduced
    day: DayColumns  #: the plain one, or the only one
    instances: int | None = None  #: column of the first candidate's; None if they are given
    counts: tuple[int, ...] = ()  #: instances that are given
    given: Mapping[tuple[int, int], int] = field(default_factory=dict)  #: replicas that are given
    cases: list[DayColumns] = field(default_factory=list)
    extras: dict[str, int] = field(default_factory=dict)  #: column per limit that may grow
    cost: Sum | None = None  #: in dollars per hour
    sliced: bool = False

    def keep(self, counts: Sequence[int]) -> None:
        """Look only at fleets that hold so many instances of every candidate or more."""
        assert self.instances is not None
        for c, count in enumerate(counts):
            if count:
                self.arrays.narrow(self.instances + c, count, self.reduced.candidates[c].max_instances)


# --- objective ------------------------------------------------------------------------------------


def fleet_cost(reduced: Reduced, instances: int) -> Sum:
    """Sum over c of usd_per_hour · instances. The one place where money becomes a float."""
    prices = np.array([float(x.usd_per_hour) for x in reduced.candidates])
    return Sum(instances + np.arange(len(prices)), prices)


def side_cost(reduced: Reduced, day: DayColumns) -> Sum:
    """Sum over shares of what serving all of a demand there costs besides, in dollars per hour."""
    parts = []
    for pool in day.pools:
        usd = reduced.kinds[pool.kind].usd_per_hour_of
        if usd is not None:
            parts.append(Sum(pool.shares + np.arange(len(pool.demands)), usd[pool.demands]))
    return total(parts)


def weighted_served(reduced: Reduced, day: DayColumns) -> Sum:
    """Sum over shares of weight · demand · share."""
    weight = np.array(
        [
            reduced.problem.services[s].weight * rate
            for s, rate in zip(reduced.demand_service, reduced.demand_requests_per_s, strict=True)
        ]
    )
    return total(Sum(pool.shares + np.arange(len(pool.demands)), weight[pool.demands]) for pool in day.pools)


# --- programmes -----------------------------------------------------------------------------------


def cheapest_fleet(
    reduced: Reduced,
    *,
    cases: Sequence[Case] = (),
    eased: Collection[Case] = (),
    slices: int | None = None,
    counts: tuple[int, ...] | None = None,
    near: Mapping[tuple[int, int, int], float] | None = None,
    at_least_usd_per_hour: float | None = None,
    at_least_served: float | None = None,
    cuts: Sequence[WorkCut] = (),
) -> Programme:
    """The problem itself.

    Args:
        reduced: from presolve.
        cases: of contingencies, to get through.
        eased: those of them in which replicas may be fractions. No fleet is lost by that, some are gained.
        slices: cut each demand into so many equal indivisible slices; shares become whole numbers of them.
            Slices of one demand are alike, so counting them is the same problem as one binary per slice.
        counts: instances per candidate, if they are no longer a question.
        near: shares of a free split; only the whole numbers of slices next to them are considered.
        at_least_usd_per_hour: a proved bound on the cost, as a row.
        at_least_served: with a budget, the weighted requests per second to serve.
        cuts: what every fleet keeps and some answer broke.
    """
    programme = _fleet("cheapest_fleet", reduced, cases, eased=eased, slices=slices, counts=counts)
    if near is not None:
        _keep_near(programme, near, float(slices or 1))
    assert programme.cost is not None
    programme.arrays.minimise(programme.cost)
    programme.arrays.add_rows(enough_work(reduced, programme.day, cuts))
    if at_least_usd_per_hour is not None:
        programme.arrays.add_rows(known_bound(programme.cost, at_least_usd_per_hour))
    if at_least_served is not None:
        programme.arrays.add_rows(enough_served(weighted_served(reduced, programme.day), at_least_served))
    return programme


def most_served(reduced: Reduced, *, cases: Sequence[Case] = (), eased: Collection[Case] = ()) -> Programme:
    """How much can be served within the limits and the budget, by weight; demands may be served in part."""
    programme = _fleet("most_served", reduced, cases, eased=eased, partly=True)
    programme.arrays.minimise(weighted_served(reduced, programme.day).times(-1.0))
    return programme


def balanced_routing(
    reduced: Reduced, counts: tuple[int, ...], replicas: Mapping[tuple[int, int], int]
) -> Programme:
    """Shares for a fleet that is already chosen, as an LP: the fullest pool as little loaded as can be."""
    arrays = Arrays("balanced_routing")
    overload = arrays.add("overload")
    arrays.minimise(Sum(np.array([overload]), np.ones(1)))
    return _routing(arrays, reduced, counts, replicas, overload)


def cheapest_routing(
    reduced: Reduced, counts: tuple[int, ...], replicas: Mapping[tuple[int, int], int]
) -> Programme:
    """Shares for a fleet that is already chosen, as an LP: the side costs as low as can be."""
    programme = _routing(Arrays("cheapest_routing"), reduced, counts, replicas)
    programme.arrays.minimise(side_cost(reduced, programme.day))
    return programme


def _routing(
    arrays: Arrays,
    reduced: Reduced,
    counts: tuple[int, ...],
    replicas: Mapping[tuple[int, int], int],
    overload: int | None = None,
) -> Programme:
    day = DayColumns("", _standing(reduced, counts), _all_services(reduced), overload=overload)
    add_pools(arrays, day, reduced, _plain_needs(reduced), replicas=replicas)
    add_flows(arrays, day, reduced)
    for family in (serve_demand, serve_stream, route, replica_capacity):
        arrays.add_rows(family(reduced, day))
    return Programme(arrays, reduced, day, counts=counts, given=replicas)


def most_kept(
    reduced: Reduced,
    case: Case,
    standing: Mapping[int, int],
    parts: Mapping[tuple[int, int | None], float] | None = None,
    replicas: Mapping[tuple[int, int], int] | None = None,
) -> Programme:
    """The largest share of every demand that what stands can serve in a case, at most 1.

    Args:
        reduced: from presolve.
        case: what happens.
        standing: instances left per kind.
        parts: what is served of (demand, stream) on a plain day, if not all.
        replicas: those that run, if they are no longer a question.
    """
    arrays = Arrays("most_kept")
    least = arrays.add("least", 0.0, 1.0)
    left = {p: Sum(np.zeros(0, np.intp), np.zeros(0), float(n)) for p, n in standing.items()}
    day = DayColumns("", left, services_on(reduced, case), least=least, parts=parts)
    add_pools(arrays, day, reduced, needed_on(reduced, case), replicas=replicas)
    add_flows(arrays, day, reduced)
    arrays.minimise(Sum(np.array([least]), np.array([-1.0])))
    _add_day(arrays, reduced, day)
    return Programme(arrays, reduced, day, given=replicas or {})


def most_worthwhile(reduced: Reduced, worth: Mapping[tuple[int, int | None], float]) -> Programme:
    """The cheapest fleet when leaving a (demand, stream) unserved has a price, so that some fleet fits."""
    programme = _fleet("most_worthwhile", reduced, (), partly=True)
    assert programme.cost is not None
    programme.arrays.minimise(programme.cost)
    for key, shares in served(programme.day, reduced).items():
        programme.arrays.minimise(shares.times(-worth[key]))
    return programme


def least_additions(reduced: Reduced, weights: Mapping[str, float], stock: Mapping[int, int]) -> Programme:
    """How little would have to be added: limits elastic, minimise sum of weight · extra.

    Args:
        reduced: with its limits not enforced on columns.
        weights: per pool key, and per stock label (see :func:`stock_label`), what one added unit counts.
        stock: instances in stock, of candidates that have a stock.
    """
    programme = _fleet("least_additions", reduced, (), elastic=sorted(weights))
    extras = np.array([programme.extras[limit] for limit in sorted(weights)], dtype=np.intp)
    programme.arrays.minimise(Sum(extras, np.array([weights[limit] for limit in sorted(weights)])))
    assert programme.instances is not None
    programme.arrays.add_rows(stock_limit(programme.instances, stock, programme.extras))
    return programme


def _fleet(
    name: str,
    reduced: Reduced,
    cases: Sequence[Case],
    *,
    eased: Collection[Case] = (),
    slices: int | None = None,
    counts: tuple[int, ...] | None = None,
    partly: bool = False,
    elastic: Sequence[str] = (),
) -> Programme:
    """Everything but an objective."""
    arrays = Arrays(name)
    most = np.array([x.max_instances for x in reduced.candidates], dtype=np.float64)
    low, high = (np.zeros(len(most)), most) if counts is None else (np.array(counts), np.array(counts))
    instances = arrays.add("i", low, high, integer=True, over=range(len(most)))
    extras = {limit: arrays.add(f"extra_{i}") for i, limit in enumerate(elastic)}
    standing = {
        p: Sum(instances + np.array(kind.members, dtype=np.intp), np.ones(len(kind.members)))
        for p, kind in enumerate(reduced.kinds)
    }
    partly = partly or not traits_of(reduced.problem).serves_all
    day = DayColumns("", standing, _all_services(reduced), keeps=float(slices or 1), at_most=partly)
    add_pools(arrays, day, reduced, _plain_needs(reduced), slices=slices)
    add_flows(arrays, day, reduced)
    _add_day(arrays, reduced, day)
    programme = Programme(arrays, reduced, day, instances, extras=extras, sliced=slices is not None)
    arrays.add_rows(quota(reduced, instances, extras))
    _add_rules(programme)
    for number, case in enumerate(cases, 1):
        _add_case_day(programme, case, number, partly=partly, whole=case not in eased)
    return programme


def _add_rules(programme: Programme) -> None:
    """Columns and rows of the rules in force, and the cost."""
    arrays, reduced, day, instances = programme.arrays, programme.reduced, programme.day, programme.instances
    assert instances is not None
    spent = total([fleet_cost(reduced, instances), side_cost(reduced, day)])
    draft = FleetDraft(arrays, reduced.candidates, instances, spent)
    for rule in rules_of(reduced.problem):
        arrays.add_rows(rule.day_rows(day))
        rule.enter(draft)
    programme.cost = total([spent, *draft.costs])


def _add_case_day(programme: Programme, case: Case, number: int, *, partly: bool, whole: bool) -> None:
    arrays, reduced = programme.arrays, programme.reduced
    assert programme.instances is not None
    day = add_case(arrays, reduced, case, number, programme.instances)
    if partly:
        day.of = programme.day
    add_pools(arrays, day, reduced, needed_on(reduced, case), prefix=f"e{number}", whole=whole)
    add_flows(arrays, day, reduced, prefix=f"e{number}")
    _add_day(arrays, reduced, day)
    programme.cases.append(day)


def _add_day(arrays: Arrays, reduced: Reduced, day: DayColumns) -> None:
    for family in (serve_demand, serve_stream, route, replica_capacity, presence, accelerator_packing):
        arrays.add_rows(family(reduced, day))


def _plain_needs(reduced: Reduced) -> Callable[[int, int], NDArray[np.float64]]:
    return lambda p, u: reduced.kinds[p].uses[u].needed


def _all_services(reduced: Reduced) -> frozenset[int]:
    return frozenset(range(len(reduced.problem.services)))


def _standing(reduced: Reduced, counts: Sequence[int]) -> dict[int, Sum]:
    return {
        p: Sum(np.zeros(0, np.intp), np.zeros(0), float(sum(counts[c] for c in kind.members)))
        for p, kind in enumerate(reduced.kinds)
    }


def _keep_near(programme: Programme, near: Mapping[tuple[int, int, int], float], whole: float) -> None:
    for pool in programme.day.pools:
        for i, b in enumerate(pool.demands.tolist()):
            wanted = near.get((pool.kind, pool.use, b), 0.0) * whole
            programme.arrays.narrow(
                pool.shares + i, math.floor(wanted + _ROUNDING), math.ceil(wanted - _ROUNDING)
            )


# --- rows of one programme alone ------------------------------------------------------------------


def enough_served(served: Sum, weighted_requests_per_s: float) -> Iterator[LinearRow]:
    """The second stage of a budget: sum of weight · demand · share >= what the first stage reached."""
    yield LinearRow("enough_served_0", served.index, served.value, weighted_requests_per_s, INFINITY)


def known_bound(cost: Sum, at_least_usd_per_hour: float) -> Iterator[LinearRow]:
    """A proved bound on the cost, as a row."""
    yield LinearRow("known_bound_0", cost.index, cost.value, at_least_usd_per_hour, INFINITY)
