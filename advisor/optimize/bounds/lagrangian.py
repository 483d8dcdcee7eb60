"""What several services cost at least, when each is solved alone at prices for what they share.

One programme of ten services and ten thousand offers has an LP relaxation that is quick and weak: it runs
fractions of replicas. At its prices for slots on instances every service is a small problem of its own,
solved as any other, in whole replicas. Their bounds, with what the purchase costs net of the slots it sells,
bound every fleet (:mod:`~advisor.optimize.formulation.relaxation`).
"""

from __future__ import annotations

import time
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Final

from advisor.optimize.formulation import (
    Outcome,
    Relaxed,
    cheapest_fleet,
    is_large,
    least_cost_of,
    purchase_bound,
    run,
    slot_prices,
    solve_guided,
)
from advisor.optimize.presolve.reduce import reduce
from advisor.optimize.problem import SECONDS_PER_HOUR, Column, Problem, Routing, ServiceTerms, ServingOption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.optimize.bounds.column_generation import Valued
    from advisor.optimize.formulation import Programme, Slots
    from advisor.optimize.reduced import Reduced

_SHARE: Final = 0.5  # of the time that is left
_GAP: Final = 1e-3  # of each service's own problem
_QUANTUM: Final = Decimal("1e-9")


def separable(reduced: Reduced) -> bool:
    """Whether services share instances, quotas, stock and the cost of change only, and there are several."""
    problem = reduced.problem
    return (
        len(set(reduced.demand_service)) > 1
        and not problem.contingencies
        and not problem.most_distinct
        and problem.budget_usd_per_hour is None
    )


def priced_bound(programme: Programme, relaxed: Relaxed, time_limit_s: float) -> float:
    """A lower bound on the cost of every fleet, never below the relaxation's.

    Args:
        programme: of the cheapest fleet for a separable problem.
        relaxed: its relaxation.
        time_limit_s: half of it is used at most.
    """
    slots = slot_prices(programme, relaxed)
    least = _whole_replicas(programme.reduced, slots, time.perf_counter() + _SHARE * time_limit_s)
    if least is None:
        return relaxed.objective
    return max(purchase_bound(programme, relaxed, slots) + least, relaxed.objective)


def market_bound(reduced: Reduced, valued: Valued, until: float) -> float:
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
    least = _whole_replicas(reduced, slots, until)
    if least is None:
        return valued.bound
    purchase = sum(least_cost_of(reduced, c, float(usd)) for c, usd in enumerate(net))
    purchase -= sum(valued.quota_usd.get(pool, 0.0) * float(free) for pool, free in reduced.free_units)
    return max(purchase + least, valued.bound)


def _whole_replicas(reduced: Reduced, slots: Mapping[Slots, float], until: float) -> float | None:
    """What all services pay at least for whole replicas on slots at these prices; None if time shows none."""
    total = 0.0
    services = sorted(set(reduced.demand_service))
    for position, s in enumerate(services):
        share = (until - time.perf_counter()) / (len(services) - position)
        least = _least_cost(_alone(reduced, s, slots), share)
        if least is None:
            return None
        total += least
    return total


def _least_cost(problem: Problem, time_limit_s: float) -> float | None:
    """A bound on what one service costs; None if the time shows none."""
    reduced = reduce(problem)
    if not reduced.servable():
        return None
    programme = cheapest_fleet(reduced)
    if is_large(programme):
        answer = solve_guided(programme, time_limit_s=time_limit_s, relative_gap=_GAP)
    else:
        answer = run(programme, time_limit_s=time_limit_s, relative_gap=_GAP, bound_only=True)
    return None if answer.outcome is Outcome.INFEASIBLE or answer.bound < 0 else answer.bound


def _alone(reduced: Reduced, service: int, slots: Mapping[Slots, float]) -> Problem:
    """One service's problem: each use of a kind is a column of one replica at the price of its slots."""
    own = [b for b, s in enumerate(reduced.demand_service) if s == service]
    streams = reduced.places.streams[service]
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
        services=(ServiceTerms(min_replicas=reduced.problem.services[service].min_replicas),),
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
