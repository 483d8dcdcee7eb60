"""The programmes: which families make up which question."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.optimize.arrays import Model, Sum, total
from advisor.optimize.formulation.case import add_case, needed_on, services_on
from advisor.optimize.formulation.day import Day, add_flows, add_pools, served
from advisor.optimize.formulation.families import (
    accelerator_packing,
    presence,
    quota,
    replica_capacity,
    route,
    serve_demand,
    serve_stream,
    stock_limit,
)
from advisor.optimize.formulation.rules import (
    add_present,
    budget,
    departure,
    enough_served,
    known_bound,
    min_replicas,
    most_distinct,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from advisor.optimize.formulation.case import Case
    from advisor.optimize.reduced import Reduced

_ROUNDING: Final = 1e-7  # of a slice: how near a whole number counts as one


@dataclass(slots=True)
class Programme:
    """A model, and which of its columns mean what."""

    model: Model
    reduced: Reduced
    day: Day  #: the plain one, or the only one
    instances: int | None = None  #: column of the first candidate's; None if they are given
    counts: tuple[int, ...] = ()  #: instances that are given
    given: Mapping[tuple[int, int], int] = field(default_factory=dict)  #: replicas that are given
    cases: list[Day] = field(default_factory=list)
    extras: dict[str, int] = field(default_factory=dict)  #: column per limit that may grow
    cost: Sum | None = None  #: in dollars per hour
    sliced: bool = False

    def keep(self, counts: Sequence[int]) -> None:
        """Look only at fleets that hold so many instances of every candidate or more."""
        assert self.instances is not None
        for c, count in enumerate(counts):
            if count:
                self.model.narrow(self.instances + c, count, self.reduced.candidates[c].max_instances)


# --- objective ------------------------------------------------------------------------------------


def fleet_cost(reduced: Reduced, instances: int) -> Sum:
    """Sum over c of usd_per_hour · instances. The one place where money becomes a float."""
    prices = np.array([float(x.usd_per_hour) for x in reduced.candidates])
    return Sum(instances + np.arange(len(prices)), prices)


def side_cost(reduced: Reduced, day: Day) -> Sum:
    """Sum over shares of what serving all of a demand there costs besides, in dollars per hour."""
    parts = []
    for pool in day.pools:
        usd = reduced.kinds[pool.kind].usd_per_hour_of
        if usd is not None:
            parts.append(Sum(pool.shares + np.arange(len(pool.demands)), usd[pool.demands]))
    return total(parts)


def change_cost(reduced: Reduced, instances: int, change: Mapping[int, tuple[int, int]]) -> Sum:
    """Sum of usd_per_added · added + usd_per_removed · removed, spread over the horizon's hours."""
    terms = reduced.problem.change
    if terms is None:
        return total([])
    start, stop = (float(usd) / terms.horizon_hours for usd in (terms.usd_per_added, terms.usd_per_removed))
    parts = [
        Sum(np.array(change[c]), np.array([start, stop]))
        if c in change
        else Sum(np.array([instances + c]), np.array([start]))
        for c in range(len(reduced.candidates))
    ]
    return total(parts)


def weighted_served(reduced: Reduced, day: Day) -> Sum:
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
    """
    programme = _fleet("cheapest_fleet", reduced, cases, eased=eased, slices=slices, counts=counts)
    if near is not None:
        _keep_near(programme, near, float(slices or 1))
    assert programme.cost is not None
    programme.model.minimise(programme.cost)
    if at_least_usd_per_hour is not None:
        programme.model.add_rows(known_bound(programme.cost, at_least_usd_per_hour))
    if at_least_served is not None:
        programme.model.add_rows(enough_served(weighted_served(reduced, programme.day), at_least_served))
    return programme


def most_served(reduced: Reduced, *, cases: Sequence[Case] = (), eased: Collection[Case] = ()) -> Programme:
    """How much can be served within the limits and the budget, by weight; demands may be served in part."""
    programme = _fleet("most_served", reduced, cases, eased=eased, partly=True)
    programme.model.minimise(weighted_served(reduced, programme.day).times(-1.0))
    return programme


def balanced_routing(
    reduced: Reduced, counts: tuple[int, ...], replicas: Mapping[tuple[int, int], int]
) -> Programme:
    """Shares for a fleet that is already chosen, as an LP: the fullest pool as little loaded as can be."""
    model = Model("balanced_routing")
    overload = model.add("overload")
    day = Day("", _standing(reduced, counts), _all_services(reduced), overload=overload)
    add_pools(model, day, reduced, _plain_needs(reduced), replicas=replicas)
    add_flows(model, day, reduced)
    model.minimise(Sum(np.array([overload]), np.ones(1)))
    for family in (serve_demand, serve_stream, route, replica_capacity):
        model.add_rows(family(reduced, day))
    return Programme(model, reduced, day, counts=counts, given=replicas)


def most_kept(
    reduced: Reduced,
    case: Case,
    standing: Mapping[int, int],
    parts: Mapping[tuple[int, int | None], float] | None = None,
) -> Programme:
    """The largest share of every demand that what stands can serve in a case, at most 1.

    Args:
        reduced: from presolve.
        case: what happens.
        standing: instances left per kind.
        parts: what is served of (demand, stream) on a plain day, if not all.
    """
    model = Model("most_kept")
    least = model.add("least", 0.0, 1.0)
    left = {p: Sum(np.zeros(0, np.intp), np.zeros(0), float(n)) for p, n in standing.items()}
    day = Day("", left, services_on(reduced, case), least=least, parts=parts)
    add_pools(model, day, reduced, needed_on(reduced, case))
    add_flows(model, day, reduced)
    model.minimise(Sum(np.array([least]), np.array([-1.0])))
    _add_day(model, reduced, day)
    return Programme(model, reduced, day)


def most_worthwhile(reduced: Reduced, worth: Mapping[tuple[int, int | None], float]) -> Programme:
    """The cheapest fleet when leaving a (demand, stream) unserved has a price, so that some fleet fits."""
    programme = _fleet("most_worthwhile", reduced, (), partly=True)
    assert programme.cost is not None
    programme.model.minimise(programme.cost)
    for key, shares in served(programme.day, reduced).items():
        programme.model.minimise(shares.times(-worth[key]))
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
    programme.model.minimise(Sum(extras, np.array([weights[limit] for limit in sorted(weights)])))
    assert programme.instances is not None
    programme.model.add_rows(stock_limit(programme.instances, stock, programme.extras))
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
    model = Model(name)
    most = np.array([x.max_instances for x in reduced.candidates], dtype=np.float64)
    low, high = (np.zeros(len(most)), most) if counts is None else (np.array(counts), np.array(counts))
    instances = model.add("i", low, high, integer=True, over=range(len(most)))
    extras = {limit: model.add(f"extra_{i}") for i, limit in enumerate(elastic)}
    standing = {
        p: Sum(instances + np.array(kind.members, dtype=np.intp), np.ones(len(kind.members)))
        for p, kind in enumerate(reduced.kinds)
    }
    partly = partly or reduced.problem.budget_usd_per_hour is not None
    day = Day("", standing, _all_services(reduced), keeps=float(slices or 1), at_most=partly)
    add_pools(model, day, reduced, _plain_needs(reduced), slices=slices)
    add_flows(model, day, reduced)
    _add_day(model, reduced, day)
    programme = Programme(model, reduced, day, instances, extras=extras, sliced=slices is not None)
    model.add_rows(quota(reduced, instances, extras))
    _add_rules(programme)
    for number, case in enumerate(cases, 1):
        _add_case_day(programme, case, number, partly=partly, whole=case not in eased)
    return programme


def _add_rules(programme: Programme) -> None:
    """Rows of the rules in force, and the cost."""
    model, reduced, day, instances = programme.model, programme.reduced, programme.day, programme.instances
    assert instances is not None
    model.add_rows(min_replicas(reduced, day))
    if reduced.problem.most_distinct:
        model.add_rows(most_distinct(reduced, instances, add_present(model, reduced)))
    change = {
        c: (model.add(f"added{c}"), model.add(f"removed{c}"))
        for c, candidate in enumerate(reduced.candidates)
        if candidate.held
    }
    model.add_rows(departure(reduced, instances, change))
    spent = total([fleet_cost(reduced, instances), side_cost(reduced, day)])
    if reduced.problem.budget_usd_per_hour is not None:
        model.add_rows(budget(spent, float(reduced.problem.budget_usd_per_hour)))
    programme.cost = total([spent, change_cost(reduced, instances, change)])


def _add_case_day(programme: Programme, case: Case, number: int, *, partly: bool, whole: bool) -> None:
    model, reduced = programme.model, programme.reduced
    assert programme.instances is not None
    day = add_case(model, reduced, case, number, programme.instances)
    if partly:
        day.of = programme.day
    add_pools(model, day, reduced, needed_on(reduced, case), prefix=f"e{number}", whole=whole)
    add_flows(model, day, reduced, prefix=f"e{number}")
    _add_day(model, reduced, day)
    programme.cases.append(day)


def _add_day(model: Model, reduced: Reduced, day: Day) -> None:
    for family in (serve_demand, serve_stream, route, replica_capacity, presence, accelerator_packing):
        model.add_rows(family(reduced, day))


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
            programme.model.narrow(
                pool.shares + i, math.floor(wanted + _ROUNDING), math.ceil(wanted - _ROUNDING)
            )
