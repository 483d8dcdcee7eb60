"""A fleet within a budget: one that serves everything where that can be paid for, else a part to begin with.

Without the budget the problem is one of serving everything, which the other searches are good at. The same
fraction of every demand is asked for, and halved or raised until it can be paid for; then services are
raised one after another, those that count most first. Where no fraction of all is paid for, one service is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.errors import SolverFailed
from advisor.optimize.search.result import SearchResult
from advisor.optimize.search.rounding import RoutedFleet, cost_of, weighted_served
from advisor.optimize.subproblem import part_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from advisor.optimize.effort import Effort
    from advisor.optimize.reduced import InstanceKind, Reduced, Use

    Search = Callable[[Reduced, Effort], SearchResult | None]

_GAP: Final = 5e-3  # of what is only to begin with
_STEPS: Final = 6  # of halving an interval of fractions
_ONE: Final = 0.12  # of the time, for one fraction
_EXACT: Final = 1e-9  # relative, of sums of floats


def all_within(reduced: Reduced, effort: Effort, search: Search) -> SearchResult | None:
    """The cheapest fleet that serves everything; None if the budget does not pay for it or none is found."""
    try:
        found = search(_unlimited(reduced), effort)
    except SolverFailed:
        return None
    if found is None or not _paid_for(reduced, found.fleet):
        return None
    return replace(found, served_at_most=weighted_served(reduced, found.fleet))


def part_within(reduced: Reduced, effort: Effort, search: Search) -> SearchResult | None:
    """A fleet that serves a part within the budget, with no bound of its own; None if none was found."""
    asking = _Asking(reduced, effort, search)
    services = sorted(set(reduced.demand_service), key=lambda s: -_weight(reduced, s))
    asking.raise_together(dict.fromkeys(services, 0.0), services)
    factors = asking.best_factors
    if factors is None:
        for service in services if len(services) > 1 else ():
            asking.alone(service)
    else:
        for service in services if len(services) > 1 else ():
            asking.raise_together(asking.best_factors or factors, [service])
    return asking.best


@dataclass
class _Asking:
    """Fractions asked for one after another, and the best that was paid for."""

    reduced: Reduced
    effort: Effort
    search: Search
    best: SearchResult | None = None
    best_factors: dict[int, float] | None = None

    def raise_together(self, factors: Mapping[int, float], services: list[int]) -> None:
        """The largest common fraction of some services, the others' as they are."""
        low, high = min(factors[s] for s in services), 1.0
        for _ in range(_STEPS):
            if self.effort.over:
                return
            middle = (low + high) / 2
            tried = {**factors, **dict.fromkeys(services, middle)}
            if self._serves(self.reduced, tried):
                low, self.best_factors = middle, tried
            else:
                high = middle

    def alone(self, service: int) -> None:
        """The largest fraction of one service and nothing of the others."""
        low, high = 0.0, 1.0
        middle = 1.0
        for _ in range(_STEPS):
            if self.effort.over:
                return
            low, high = (middle, high) if self._serves_alone(service, middle) else (low, middle)
            middle = (low + high) / 2

    def _serves(self, reduced: Reduced, factors: Mapping[int, float]) -> bool:
        found = self._found(_unlimited(reduced), factors)
        return found is not None and self._keep(
            replace(found, fleet=_of_whole(reduced, found.fleet, factors))
        )

    def _serves_alone(self, service: int, factor: float) -> bool:
        uses = {(p, u) for p, kind in enumerate(self.reduced.kinds) for u in range(len(kind.uses))}
        part = part_of(self.reduced, set(range(len(self.reduced.candidates))), uses, service)
        found = self._found(_unlimited(part.reduced), {service: factor})
        if found is None:
            return False
        small = _of_whole(part.reduced, found.fleet, {service: factor})
        counts = [0] * len(self.reduced.candidates)
        for c, count in zip(part.candidates, small.instances, strict=True):
            counts[c] = count
        fleet = RoutedFleet(
            tuple(counts),
            {part.uses[p][u]: count for (p, u), count in small.replicas.items()},
            {(*part.uses[p][u], part.demands[b]): x for (p, u, b), x in small.shares.items()},
            {(part.demands[b], j, place): x for (b, j, place), x in small.flows.items()},
        )
        return self._keep(SearchResult(fleet, 0.0))

    def _found(self, reduced: Reduced, factors: Mapping[int, float]) -> SearchResult | None:
        try:
            return self.search(_scaled(reduced, factors), self.effort.share(_ONE).at_gap(_GAP))
        except SolverFailed:
            return None

    def _keep(self, found: SearchResult) -> bool:
        """Whether it is paid for; the one that serves most is kept."""
        if not _paid_for(self.reduced, found.fleet):
            return False
        served = weighted_served(self.reduced, found.fleet)
        if self.best is None or served > weighted_served(self.reduced, self.best.fleet):
            self.best = replace(found, bound=0.0, served_at_most=None)
        return True


def _weight(reduced: Reduced, service: int) -> float:
    rates = zip(reduced.demand_requests_per_s, reduced.demand_service, strict=True)
    return reduced.problem.services[service].weight * sum(rate for rate, s in rates if s == service)


def _unlimited(reduced: Reduced) -> Reduced:
    return replace(reduced, problem=replace(reduced.problem, budget_usd_per_hour=None))


def _paid_for(reduced: Reduced, fleet: RoutedFleet) -> bool:
    """The cost of changing over is not spent hourly."""
    budget = reduced.problem.budget_usd_per_hour
    assert budget is not None
    staying = replace(reduced, problem=replace(reduced.problem, change=None))
    return cost_of(staying, fleet) <= float(budget) * (1 + _EXACT)


def _scaled(reduced: Reduced, factors: Mapping[int, float]) -> Reduced:
    """The same with a fraction of every service's demands."""

    def smaller(kind: InstanceKind) -> InstanceKind:
        side = kind.usd_per_hour_of
        if side is not None:
            side = side * [factors.get(s, 1.0) for s in reduced.demand_service]
        return replace(kind, uses=tuple(map(less, kind.uses)), usd_per_hour_of=side)

    def less(use: Use) -> Use:
        factor = factors.get(use.service, 1.0)
        return replace(use, needed=use.needed * factor, needed_low=use.needed_low * factor)

    return replace(reduced, kinds=tuple(map(smaller, reduced.kinds)))


def _of_whole(reduced: Reduced, fleet: RoutedFleet, factors: Mapping[int, float]) -> RoutedFleet:
    """What a fleet of a fraction serves, as shares of the whole."""
    service = reduced.demand_service
    return replace(
        fleet,
        shares={key: share * factors[service[key[2]]] for key, share in fleet.shares.items()},
        flows={key: flow * factors[service[key[0]]] for key, flow in fleet.flows.items()},
    )
