"""From a request to the problem it poses: select offers, cover demand, join with throughput and quotas."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.catalog.quota import draws_for, draws_under
from advisor.catalog.reservations import HeldKind, held_by
from advisor.catalog.selection import Criteria, Selection, select, within_limits
from advisor.domain import Market
from advisor.optimize.candidates import Demand, Joined, ThroughputTable, in_zones, join
from advisor.optimize.problem_builder import EMISSIONS
from advisor.recommendation.findings import Catalog, Findings, LeftOut
from advisor.recommendation.holding import held_now
from advisor.recommendation.screening import Screening
from advisor.recommendation.siting import siting_of
from advisor.recommendation.situation import situation_of, zones_of
from advisor.workload.demand import cover, demands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.domain import Offer, QuotaDraw, Service
    from advisor.optimize.problem import Problem
    from advisor.optimize.problem_builder import ProblemBuilder
    from advisor.recommendation.request import Request


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request with everything that was found for it, up to the problem the solver gets."""

    findings: Findings
    problem: Problem
    pool_units: Mapping[str, str]  #: what each quota pool counts, for messages
    situation: ProblemBuilder  #: what the problem holds besides its candidates

    @property
    def request(self) -> Request:
        """As asked, with the workload that coverage leaves."""
        return self.findings.request

    @property
    def joined(self) -> Joined:
        """Candidates and exclusions."""
        return self.findings.joined

    def serves_all_at(self, tpot_ms: float, service: int = 0) -> bool:
        """Whether every request size of a service would find a candidate under another TPOT limit."""
        found = self.findings
        asked = found.request.services[service]
        alone = (replace(asked, slo=replace(asked.slo, tpot_ms=tpot_ms)),)
        request = replace(found.request, services=alone)
        siting = replace(
            found.siting,
            services=alone,
            resident=(found.siting.resident[service],),
            reached={(0, at): places for (s, at), places in found.siting.reached.items() if s == service},
        )
        looser = _join(replace(found, request=request, siting=siting))
        return bool(looser.candidates) and not looser.unserved


def prepare(request: Request, catalog: Catalog, account: Account | None, now: datetime) -> Prepared:
    """Everything up to the solver.

    Raises:
        UnknownName, UsageError: a region, provider or accelerator pattern that matches nothing.
    """
    selected = _selected(request, catalog, account, now)
    covered = [cover(service.workload, request.coverage_percent) for service in request.services]
    services = tuple(
        replace(service, workload=workload)
        for service, (workload, _, _) in zip(request.services, covered, strict=True)
    )
    request = replace(request, services=services)
    priced = {f"{offer.provider}:{offer.region}" for offer in selected.offers}
    reserved = [offer for offer in selected.offers if offer.market is Market.RESERVED]
    siting = siting_of(services, priced, catalog.facts.regions, request.policy.latency)
    zones = zones_of(catalog.facts) if request.policy.tells_zones_apart else None
    empty = Findings(
        request=request,
        catalog=catalog,
        account=account,
        selected=selected,
        joined=Joined((), (), {}, ()),
        left_out=tuple(LeftOut(share, buckets) for _, share, buckets in covered),
        now=now,
        siting=siting,
        holding=held_now(request.policy.holding, (*catalog.snapshot.offers, *reserved), zones),
    )
    joined = _join(empty)
    if zones is not None:
        held = empty.holding.instances
        back = {reason: in_zones(group, zones, held) for reason, group in joined.held_back.items()}
        joined = replace(joined, candidates=in_zones(joined.candidates, zones, held), held_back=back)
    findings = replace(empty, joined=joined)
    situation = situation_of(findings)
    units = {limit.key: limit.unit.value for limit in (account.limits if account else ())}
    units[EMISSIONS] = "kg CO2e/h"
    findings = replace(findings, location_of=situation.location_of)
    return Prepared(findings, situation.problem(findings.joined.candidates), units, situation)


def _selected(request: Request, catalog: Catalog, account: Account | None, now: datetime) -> Selection:
    """The offers in scope, and what the account holds in it."""
    listed = catalog.snapshot.offers
    selected = select(listed, catalog.facts, _criteria(request))
    if account is None or not account.reservations:
        return selected
    held = held_by(account.reservations, listed, now)
    places = frozenset(selected.regions)
    here = [offer for offer in held.offers if f"{offer.provider}:{offer.region}" in places]
    reserved, refused = within_limits(here, catalog.facts, replace(_criteria(request), max_usd_per_hour=None))
    return replace(
        selected,
        offers=(*selected.offers, *reserved),
        exclusions=(*selected.exclusions, *refused),
        notes=(*selected.notes, *held.notes),
    )


def demands_of(services: tuple[Service, ...]) -> tuple[Demand, ...]:
    """Every bucket's stream of every service; labelled with the service's name where there are several."""
    several = len(services) > 1
    return tuple(
        Demand(
            f"{service.name}: {bucket.label}" if several else bucket.label,
            bucket.input_tokens,
            bucket.output_tokens,
            rate,
            index,
            place,
        )
        for index, service in enumerate(services)
        for place, (bucket, rate) in enumerate(demands(service.workload, service.rate_requests_per_s))
    )


def _join(found: Findings) -> Joined:
    request, catalog = found.request, found.catalog
    wanted = demands_of(request.services)
    tables = []
    for index, service in enumerate(request.services):
        mine = [demand for demand in wanted if demand.service == index]
        first = next((i for i, demand in enumerate(wanted) if demand.service == index), 0)
        tables.append(
            ThroughputTable(service, mine, catalog.facts, catalog.profiles, request.evidence, index, first)
        )
    screening = Screening(
        request, catalog.facts, found.account, frozenset(found.holding.instances), found.now
    )
    return join(
        found.selected,
        wanted,
        tables,
        screening,
        lambda offer: _draws(offer, found),
        found.siting if found.siting.binds else None,
        _most(found, screening),
    )


def _draws(offer: Offer, found: Findings) -> tuple[QuotaDraw, ...]:
    """What one instance takes of quotas; what is held stands beside them, but for what only lowers a bill."""
    pools = found.catalog.facts.quota_pools
    if offer.market is not Market.RESERVED:
        limits = found.account.limits if found.account is not None else ()
        return draws_under(offer, pools, {limit.key for limit in limits if limit.limit == 0})
    held = found.account.reservations if found.account is not None else ()
    if any(one.id == offer.id and one.kind is HeldKind.DISCOUNT for one in held):
        return draws_for(replace(offer, market=Market.ON_DEMAND, usd_per_hour=Decimal(1)), pools)
    return ()


def _most(found: Findings, screening: Screening) -> dict[str, int]:
    """Instances a source can give at once, the account holds, or run though nobody may buy more of them."""
    most = {
        offer.id: offer.max_instances for offer in found.selected.offers if offer.max_instances is not None
    }
    if found.account is not None:
        most |= {reservation.id: reservation.instances for reservation in found.account.reservations}
    return most | {
        offer.id: found.holding.instances[offer.id]
        for offer in found.selected.offers
        if offer.id in found.holding.instances and screening.only_held(offer)
    }


def _criteria(request: Request) -> Criteria:
    return Criteria(
        regions=request.regions,
        near=request.near,
        providers=request.providers,
        markets=tuple(market.value for market in request.markets),
        accelerators=request.accelerators,
        exclude_accelerators=request.exclude_accelerators,
        instance_types=request.instance_types,
        max_usd_per_hour=request.max_usd_per_hour,
    )
