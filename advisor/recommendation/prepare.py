"""From a request to the problem it poses: select offers, cover demand, join with throughput and quotas."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from advisor.catalog.buyable import INCLUDABLE, screen
from advisor.catalog.quota import draws_for, undetermined_pools
from advisor.catalog.selection import Criteria, Selection, select
from advisor.domain import Availability, Exclusion, Offer, Slo
from advisor.optimize.candidates import Demand, Joined, ThroughputTable, join, problem_of
from advisor.recommendation.findings import Catalog, Findings
from advisor.workload.demand import cover, demands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.catalog.facts import Facts
    from advisor.optimize.problem import Problem
    from advisor.recommendation.request import Request


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request with everything that was found for it, up to the problem the solver gets."""

    findings: Findings
    problem: Problem
    pool_units: Mapping[str, str]  #: what each quota pool counts, for messages

    @property
    def request(self) -> Request:
        """As asked, with the workload that coverage leaves."""
        return self.findings.request

    @property
    def joined(self) -> Joined:
        """Candidates and exclusions."""
        return self.findings.joined

    def serves_all_at(self, tpot_ms: float) -> bool:
        """Whether every request size would find a candidate under another TPOT limit."""
        found = self.findings
        slo = replace(found.request.service.slo, tpot_ms=tpot_ms)
        looser = _join(found.request, found.catalog, found.account, found.selected, slo)
        return bool(looser.candidates) and not looser.unserved


def prepare(request: Request, catalog: Catalog, account: Account | None, now: datetime) -> Prepared:
    """Everything up to the solver.

    Raises:
        UnknownName, UsageError: a region, provider or accelerator pattern that matches nothing.
    """
    selected = select(catalog.snapshot.offers, catalog.facts, _criteria(request))
    workload, left_out_share, left_out = cover(request.service.workload, request.coverage_percent)
    request = replace(request, service=replace(request.service, workload=workload))
    joined = _join(request, catalog, account, selected, request.service.slo)
    limits = account.limits if account else ()
    problem = problem_of(
        joined.demands,
        joined.candidates,
        {limit.key: limit.free for limit in limits},
        1.0 - request.service.headroom,
    )
    findings = Findings(request, catalog, account, selected, joined, left_out_share, left_out, now)
    return Prepared(findings, problem, {limit.key: limit.unit.value for limit in limits})


def _join(
    request: Request, catalog: Catalog, account: Account | None, selected: Selection, slo: Slo
) -> Joined:
    service = replace(request.service, slo=slo)
    wanted = tuple(
        Demand(bucket.label, bucket.input_tokens, bucket.output_tokens, rate)
        for bucket, rate in demands(service.workload, service.rate_requests_per_s)
    )
    return join(
        selected,
        wanted,
        ThroughputTable(service, wanted, catalog.facts, catalog.profiles, request.evidence),
        _Screen(request, catalog.facts, account),
        lambda offer: draws_for(offer, catalog.facts.quota_pools),
    )


def _criteria(request: Request) -> Criteria:
    return Criteria(
        regions=request.regions,
        near=request.near,
        providers=request.providers,
        markets=tuple(market.value for market in request.markets),
        accelerators=request.accelerators,
        exclude_accelerators=request.exclude_accelerators,
        max_usd_per_hour=request.max_usd_per_hour,
    )


@dataclass(frozen=True, slots=True)
class _Screen:
    """Why an offer may not be bought, the account's limits included."""

    request: Request
    facts: Facts
    account: Account | None

    def __call__(self, offer: Offer) -> Exclusion | None:
        refused = screen(
            offer,
            include=self.request.include,
            allow_unknown_availability=self.request.allow_unknown_availability,
        )
        return refused or self._draw_unknown(offer)

    def lifted(self, offer: Offer, reason: str) -> bool:
        """Whether nothing but that reason stands in the way; a reservation makes any stock available."""
        include, unknown = self.request.include, self.request.allow_unknown_availability
        if reason == "not_sold_this_way":
            flags = tuple(flag for flag in offer.flags if flag != reason)
            offer = replace(offer, flags=flags, availability=Availability.AVAILABLE)
        elif reason == "availability_unknown":
            unknown = True
        else:
            include = include | {word for word, lifts in INCLUDABLE.items() if lifts == reason}
        refused = screen(offer, include=include, allow_unknown_availability=unknown)
        return refused is None and self._draw_unknown(offer) is None

    def _draw_unknown(self, offer: Offer) -> Exclusion | None:
        """A limit is held, but nobody states how much of it one instance takes: the limit could be broken."""
        if self.account is None:
            return None
        limited = {(limit.provider, limit.pool) for limit in self.account.limits}
        for pool in undetermined_pools(offer, self.facts.quota_pools):
            if (pool.provider, pool.pool) in limited:
                detail = f"how much of quota {pool.pool} one instance takes is not known"
                return Exclusion("quota_draw_unknown", offer.id, detail)
        return None
