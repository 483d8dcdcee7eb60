"""What several services cost at least, when each is solved alone at prices for what they share.

One programme of ten services and ten thousand offers has an LP relaxation that is quick and weak: it runs
fractions of replicas. For any prices >= 0 of slots on instances, and of quotas, the least each service can
pay for its replicas plus the least the purchase costs net of them is no more than any fleet costs (Lagrange).
At the relaxation's prices every service is a small problem of its own, solved as any other, in whole
replicas; so the sum is no worse than the relaxation, and mostly much better.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Final

from advisor.optimize.bounds.column_generation import least_cost_of
from advisor.optimize.bounds.reduced_cost_fixing import is_large, solve_large
from advisor.optimize.formulation import (
    SolverVerdict,
    cheapest_fleet,
    fleet_cost,
    needed_packing_rows,
    quota,
    run,
)
from advisor.optimize.presolve import reduce
from advisor.optimize.problem import SECONDS_PER_HOUR, Column, Problem, Routing, ServingOption
from advisor.optimize.rules import traits_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.optimize.bounds.column_generation import ValuedMarket
    from advisor.optimize.effort import Effort
    from advisor.optimize.formulation import Programme, Relaxed
    from advisor.optimize.reduced import Reduced

    Slots = tuple[int, int]  # (kind, degree): what a price is for

_SHARE: Final = 0.5  # of the time that is left
_GAP: Final = 1e-3  # of each service's own problem
_QUANTUM: Final = Decimal("1e-9")


def separable(reduced: Reduced) -> bool:
    """Whether services share instances, quotas, stock and the cost of change only, and there are several."""
    return len(set(reduced.demand_service)) > 1 and traits_of(reduced.problem).separable


def priced_bound(programme: Programme, relaxed: Relaxed, effort: Effort) -> float:
    """A lower bound on the cost of every fleet, never below the relaxation's.

    Args:
        programme: of the cheapest fleet for a separable problem.
        relaxed: its relaxation.
        effort: half of its time is used at most.
    """
    slots = slot_prices(programme, relaxed)
    least = _whole_replicas(programme.reduced, slots, effort.share(_SHARE))
    if least is None:
        return relaxed.objective
    return max(purchase_bound(programme, relaxed, slots) + least, relaxed.objective)


def market_bound(reduced: Reduced, valued: ValuedMarket, effort: Effort) -> float:
    """The same where the programme is not written down, at the prices of a valued market.

    A slot costs what the kind's instances earn there, or, where that does not pay for the cheapest of them,
    what that one costs: dearer slots sell no more instances, and every service pays more for its replicas.
    """
    slots: dict[Slots, float] = {}
    net = valued.net.copy()
    for p, kind in enumerate(reduced.kinds):
        members = list(kind.members)
        if not kind.uses or not members:
            continue
        idle = max(0.0, float(net[members].min()))
        smallest = min(use.tensor_parallel for use in kind.uses)
        earned = float(valued.earns[p].max()) + idle
        slots[p, smallest] = earned / (kind.accelerators // smallest)
        net[members] -= idle
    least = _whole_replicas(reduced, slots, effort)
    if least is None:
        return valued.bound
    purchase = sum(least_cost_of(reduced, c, float(usd)) for c, usd in enumerate(net))
    purchase -= sum(valued.quota_usd.get(pool, 0.0) * float(free) for pool, free in reduced.free_units)
    return max(purchase + least, valued.bound)


# --- prices and what is bought at them ------------------------------------------------------------


def slot_prices(programme: Programme, relaxed: Relaxed) -> dict[Slots, float]:
    """What the relaxation would pay for one more replica's slot, per kind and degree."""
    prices: dict[Slots, float] = {}
    capacity = []
    for i, row in enumerate(programme.arrays.rows):
        if row.name.startswith("accelerator_packing_"):
            p, k = row.name.removeprefix("accelerator_packing_").split("_")
            prices[int(p), int(k)] = max(0.0, -float(relaxed.dual[i]))
        elif row.name.startswith("replica_capacity_"):
            capacity.append(i)
    for pool, i in zip(programme.day.pools, capacity, strict=True):
        if len(programme.reduced.kinds[pool.kind].uses) == 1:
            prices[pool.kind, pool.tensor_parallel] = max(0.0, -float(relaxed.dual[i]))
    return prices


def purchase_bound(programme: Programme, relaxed: Relaxed, slots: Mapping[Slots, float]) -> float:
    """The least that any purchase within stock and quotas costs net of its slots, by weak duality."""
    reduced = programme.reduced
    quotas = {
        row.name: max(0.0, -float(relaxed.dual[i]))
        for i, row in enumerate(programme.arrays.rows)
        if row.name.startswith("quota_")
    }
    net = fleet_cost(reduced, 0).value.copy()
    constant = 0.0
    for row in quota(reduced, 0, {}):
        net[row.index] += quotas[row.name] * row.value
        constant -= quotas[row.name] * row.high
    for p, kind in enumerate(reduced.kinds):
        net[list(kind.members)] -= sum(slots.get((p, k), 0.0) * count for k, count in _slots_of(reduced, p))
    return constant + sum(least_cost_of(reduced, c, float(usd)) for c, usd in enumerate(net))


def _slots_of(reduced: Reduced, p: int) -> list[tuple[int, int]]:
    kind = reduced.kinds[p]
    if len(kind.uses) == 1:
        return [(kind.uses[0].tensor_parallel, kind.uses[0].slots)]
    return needed_packing_rows(kind)


# --- each service alone ---------------------------------------------------------------------------


def _whole_replicas(reduced: Reduced, slots: Mapping[Slots, float], effort: Effort) -> float | None:
    """What all services pay at least for whole replicas on slots at these prices; None if time shows none."""
    total = 0.0
    services = sorted(set(reduced.demand_service))
    for position, s in enumerate(services):
        least = _least_cost(_alone(reduced, s, slots), effort.share(1 / (len(services) - position)))
        if least is None:
            return None
        total += least
    return total


def _least_cost(problem: Problem, effort: Effort) -> float | None:
    """A bound on what one service costs; None if the time shows none."""
    reduced = reduce(problem)
    if not reduced.servable():
        return None
    programme, effort = cheapest_fleet(reduced), effort.at_gap(_GAP)
    if is_large(programme):
        answer = solve_large(programme, effort)
    else:
        answer = run(programme, effort.left(), relative_gap=_GAP, bound_only=True, solver=effort.solver)
    return None if answer.verdict is SolverVerdict.INFEASIBLE or answer.bound < 0 else answer.bound


def _alone(reduced: Reduced, service: int, slots: Mapping[Slots, float]) -> Problem:
    """One service's problem: each use of a kind is a column of one replica at the price of its slots."""
    own = [b for b, s in enumerate(reduced.demand_service) if s == service]
    streams = reduced.locations.streams[service]
    routing = Routing(
        tuple(str(j) for j in range(len(streams))),
        (tuple(stream.share for stream in streams),),
        frozenset((0, j, str(place)) for j, stream in enumerate(streams) for place in stream.places),
    )
    return Problem(
        tuple(reduced.demand_requests_per_s[b] for b in own),
        tuple(f"{b:05}" for b in own),
        tuple(
            _replica(reduced, p, u, own, slots)
            for p, kind in enumerate(reduced.kinds)
            for u, use in enumerate(kind.uses)
            if use.service == service
        ),
        services=(replace(reduced.problem.services[service], utilisation_ceiling=1.0),),
        routing=routing if len(streams) > 1 else None,
    )


def _replica(reduced: Reduced, p: int, u: int, own: list[int], slots: Mapping[Slots, float]) -> Column:
    kind, k = reduced.kinds[p], reduced.kinds[p].uses[u].tensor_parallel
    usd = sum(price * (k // small) for (q, small), price in slots.items() if q == p and small <= k)
    place_of = {b: i for i, b in enumerate(own)}
    rates, side = [0.0] * len(own), [0.0] * len(own)
    use = kind.uses[u]
    for b, needed in zip(use.demands.tolist(), use.needed.tolist(), strict=True):
        rates[place_of[b]] = reduced.demand_requests_per_s[b] / needed
        if kind.usd_per_hour_of is not None:
            per_hour = reduced.demand_requests_per_s[b] * SECONDS_PER_HOUR
            side[place_of[b]] = float(kind.usd_per_hour_of[b]) / per_hour
    return Column(
        f"{p} {u}",
        Decimal(usd).quantize(_QUANTUM, rounding=ROUND_FLOOR),
        1,
        (ServingOption(1, tuple(rates)),),
        location=str(kind.place),
        usd_per_request=tuple(side) if any(side) else (),
    )
