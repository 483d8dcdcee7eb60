"""What a request asks of its problem besides candidates: rules, routing, side costs, quotas, what runs."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.catalog.carbon import emission, kg_units
from advisor.catalog.egress import Egress
from advisor.catalog.quota import draws_for
from advisor.domain import regional_id
from advisor.optimize.problem import ChangeCost, Contingency, ServiceTerms
from advisor.optimize.problem_builder import EMISSIONS, SPOT, ProblemBuilder
from advisor.profiles.interval import low_end
from advisor.recommendation import policy as rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from advisor.catalog.facts import Facts
    from advisor.domain import Offer, Service
    from advisor.optimize.candidates import Demand
    from advisor.recommendation.findings import Findings
    from advisor.recommendation.policy import Policy


def situation_of(found: Findings) -> ProblemBuilder:
    """Everything the problem holds besides its candidates."""
    request, policy = found.request, found.request.policy
    demands, services = found.joined.demands, request.services
    places = {f"{c.offer.provider}:{c.offer.region}" for c in found.joined.by_id().values()}
    routing, location_of = found.siting.routing(places)
    free = free_units(found)
    if policy.most_kg_co2e_per_hour is not None:
        free[EMISSIONS] = kg_units(policy.most_kg_co2e_per_hour)
    return ProblemBuilder(
        demands=demands,
        services=tuple(map(_terms, services)),
        free_units=free,
        routing=routing,
        location_of=location_of,
        usd_per_request=_egress(found, demands, places),
        zones=zones_of(found.catalog.facts),
        kg_co2e_per_hour=_emitted(found) if policy.most_kg_co2e_per_hour is not None else None,
        low=low_end(found.catalog.profiles.errors) if policy.doubted else None,
        held=found.holding.instances,
        contingencies=contingencies(policy, services),
        most_distinct=policy.at_most,
        budget_usd_per_hour=policy.budget_usd_per_hour,
        change=_change(policy),
    )


def zones_of(facts: Facts) -> Callable[[Offer], tuple[str, ...]]:
    """Zones that sell an offer's type; empty where nobody says which."""
    return lambda offer: facts.offering_zones(offer.provider, offer.region, offer.instance_type)


def _terms(service: Service) -> ServiceTerms:
    return ServiceTerms(service.name, 1.0 - service.headroom, service.min_replicas, service.weight)


def contingencies(policy: Policy, services: tuple[Service, ...]) -> tuple[Contingency, ...]:
    """The bad days a policy names, each labelled with its rule in words."""
    names = [service.name for service in services]
    found = [
        Contingency(
            label=str(rule),
            lose="market" if rule.lose == "spot" else rule.lose,
            count=rule.count,
            only=SPOT if rule.lose == "spot" else frozenset(),
            keeps=rule.keeps,
            demand_factor=rule.demand_factor,
            services=frozenset(map(names.index, rule.services)) if rule.services else None,
            utilisation_ceiling=None if rule.headroom is None else 1.0 - rule.headroom,
        )
        for rule in policy.survive
    ]
    if policy.demand_error:
        words = rules.demand_words(policy.demand_error)
        found.append(Contingency(words, demand_factor=1.0 + policy.demand_error))
    if policy.doubted:
        found.append(Contingency(rules.doubt_words(policy.doubted), doubted=policy.doubted))
    return tuple(found)


def free_units(found: Findings) -> dict[str, Decimal]:
    """Units per pool that the planned fleet may take; what the fleet held takes of them it may give back."""
    if found.account is None:
        return {}
    held = held_units(found)
    return {
        limit.key: max(
            limit.limit - max(limit.used - held.get(limit.key, Decimal(0)), Decimal(0)), Decimal(0)
        )
        for limit in found.account.limits
    }


def held_units(found: Findings) -> dict[str, Decimal]:
    """What the fleet held takes of every pool."""
    units: dict[str, Decimal] = {}
    running = found.holding.instances
    offers = {offer.id: offer for offer in found.catalog.snapshot.offers}
    for held, count in sorted(running.items()):
        offer = offers.get(held) or offers.get(regional_id(held))
        for draw in draws_for(offer, found.catalog.facts.quota_pools) if offer is not None else ():
            units[draw.key] = units.get(draw.key, Decimal(0)) + draw.units_per_instance * count
    return units


def egress_of(found: Findings) -> Egress | None:
    """Egress prices; None where no service says where its users are, and traffic is not priced."""
    if not any(service.users for service in found.request.services):
        return None
    facts = found.catalog.facts
    return Egress.of(facts.egress, facts.regions)


def _egress(
    found: Findings, demands: tuple[Demand, ...], places: set[str]
) -> Mapping[str, tuple[float, ...]]:
    """Dollars per request of every demand at places whose rate is known; the others are warned of."""
    egress = egress_of(found)
    if egress is None:
        return {}
    with_users = [bool(service.users) for service in found.request.services]
    costs: dict[str, tuple[float, ...]] = {}
    for place in sorted(places):
        if egress.rate(place) is not None:
            costs[place] = tuple(
                (egress.usd_per_request(place, demand.output_tokens) or 0.0)
                if with_users[demand.service]
                else 0.0
                for demand in demands
            )
    return costs


def _emitted(found: Findings) -> Callable[[Offer], Decimal | None]:
    facts = found.catalog.facts

    def emitted(offer: Offer) -> Decimal | None:
        region = facts.regions.get(f"{offer.provider}:{offer.region}")
        chip = facts.accelerators[offer.accelerator]
        kg = emission(chip, int(offer.accelerators), region, facts.grid).kg_co2e_per_hour
        return None if kg is None else kg_units(kg)

    return emitted


def _change(policy: Policy) -> ChangeCost | None:
    holding = policy.holding
    if holding is None:
        return None
    return ChangeCost(holding.usd_per_started, holding.usd_per_stopped, holding.horizon_hours)
