"""Candidates and the rules of a request -> the problem the optimiser gets.

A column names only those groups that some rule asks for, and only those places that some user is near: what
no rule tells apart stays alike, which keeps the problem small.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from advisor.domain import Market
from advisor.optimize.problem import Column, Problem, ServiceTerms, ServingOption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from decimal import Decimal

    from advisor.domain import Offer, Throughput
    from advisor.optimize.candidates import Candidate, Demand
    from advisor.optimize.problem import ChangeCost, Contingency, Routing

EMISSIONS: Final = "emissions"
"""Key of the pool that a cap on emissions makes, in kg CO2e per hour."""


@dataclass(frozen=True, slots=True)
class ProblemBuilder:
    """Everything a problem holds besides its candidates."""

    demands: tuple[Demand, ...]
    services: tuple[ServiceTerms, ...]
    free_units: Mapping[str, Decimal] = field(default_factory=dict)
    routing: Routing | None = None
    location_of: Mapping[str, str] = field(default_factory=dict)  #: per ``provider:region``
    usd_per_request: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  #: per ``provider:region``
    zones: Callable[[Offer], tuple[str, ...]] = lambda offer: ()  #: that sell an offer; empty: not known
    kg_co2e_per_hour: Callable[[Offer], Decimal | None] | None = None  #: asked where a cap is set
    low: Callable[[Throughput, str], float] | None = None  #: low end of a figure on an accelerator
    held: Mapping[str, int] = field(default_factory=dict)  #: instances, per offer id
    contingencies: tuple[Contingency, ...] = ()
    most_distinct: tuple[tuple[str, int], ...] = ()
    budget_usd_per_hour: Decimal | None = None
    change: ChangeCost | None = None

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of group that some rule tells apart."""
        lost = {rule.lose for rule in self.contingencies if rule.lose is not None}
        doubted = {rule.doubted_kind for rule in self.contingencies if rule.doubted}
        return frozenset(lost | doubted | {kind for kind, _ in self.most_distinct})

    def problem(self, candidates: Iterable[Candidate]) -> Problem:
        """The optimiser's view of a set of candidates."""
        return Problem(
            demand_requests_per_s=tuple(demand.requests_per_s for demand in self.demands),
            demand_labels=tuple(demand.label for demand in self.demands),
            columns=self._columns(candidates),
            free_units=self.free_units,
            services=self.services,
            demand_service=tuple(d.service for d in self.demands) if len(self.services) > 1 else None,
            routing=self.routing,
            contingencies=self.contingencies,
            most_distinct=self.most_distinct,
            budget_usd_per_hour=self.budget_usd_per_hour,
            change=self.change,
        )

    def _columns(self, candidates: Iterable[Candidate]) -> tuple[Column, ...]:
        options: dict[tuple[int, str], tuple[ServingOption, ...]] = {}
        kinds = self.kinds
        columns = []
        candidates = tuple(candidates)
        named = _named_zones(candidates) if "zone" in kinds else {}
        for candidate in candidates:
            offer = candidate.offer
            place = f"{offer.provider}:{offer.region}"
            key = (id(candidate.degrees), offer.accelerator)
            if key not in options:
                options[key] = self._options(candidate)
            columns.append(
                Column(
                    id=offer.id,
                    usd_per_hour=offer.usd_per_hour,
                    accelerators=int(offer.accelerators),
                    options=options[key],
                    draws=self._draws(candidate),
                    max_instances=candidate.most,
                    location=self.location_of.get(place, ""),
                    usd_per_request=self.usd_per_request.get(place, ()),
                    groups=groups_of(offer, kinds, self.zones(offer) or named.get(place, ())),
                    held=self.held.get(offer.id, 0),
                )
            )
        return tuple(columns)

    def _options(self, candidate: Candidate) -> tuple[ServingOption, ...]:
        low, chip = self.low, candidate.offer.accelerator
        lowest = None if low is None else (lambda figure: low(figure, chip))
        return tuple(degree.option(len(self.demands), lowest) for degree in candidate.degrees)

    def _draws(self, candidate: Candidate) -> tuple[tuple[str, Decimal], ...]:
        draws = tuple((d.key, d.units_per_instance) for d in candidate.draws if d.key in self.free_units)
        emitted = self.kg_co2e_per_hour(candidate.offer) if self.kg_co2e_per_hour is not None else None
        return draws if emitted is None else (*draws, (EMISSIONS, emitted))


def groups_of(
    offer: Offer, kinds: frozenset[str], may_stand_in: tuple[str, ...]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What an offer shares its fate with, of the kinds asked for.

    Args:
        offer: where it names a zone, it stands there.
        kinds: asked for.
        may_stand_in: zones, one of which it stands in if it names none; where even those are not known, the
            region stands for one.
    """
    place = f"{offer.provider}:{offer.region}"
    zones = may_stand_in if offer.zone is None else (offer.zone,)
    names: dict[str, Callable[[], tuple[str, ...]]] = {
        "zone": lambda: tuple(f"{place}/{zone}" for zone in zones) or (place,),
        "region": lambda: (place,),
        "provider": lambda: (offer.provider,),
        "pool": lambda: (offer.id,),
        "market": lambda: (offer.market.value,),
        "accelerator": lambda: (offer.accelerator,),
        "instance_type": lambda: (f"{offer.provider}:{offer.instance_type}",),
    }
    return tuple((kind, name()) for kind, name in names.items() if kind in kinds)


def _named_zones(candidates: Iterable[Candidate]) -> dict[str, tuple[str, ...]]:
    """Zones that candidates name, by ``provider:region``: what is sold somewhere there may stand in any."""
    named: dict[str, set[str]] = {}
    for candidate in candidates:
        offer = candidate.offer
        if offer.zone is not None:
            named.setdefault(f"{offer.provider}:{offer.region}", set()).add(offer.zone)
    return {place: tuple(sorted(zones)) for place, zones in named.items()}


SPOT: Final = frozenset({Market.SPOT.value})
"""The group of kind ``market`` that goes when all spot capacity goes."""
