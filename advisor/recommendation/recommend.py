"""Answer a request: select, join, solve, compare, assemble. Reads nothing from a network and no clock."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from advisor.catalog.buyable import INCLUDABLE, screen
from advisor.catalog.quota import draws_for, undetermined_pools
from advisor.catalog.selection import Criteria, select
from advisor.domain import Availability, Exclusion, Offer, Slo
from advisor.errors import Infeasible, NoCandidates, StaleSnapshot
from advisor.optimize.candidates import Demand, Joined, ThroughputTable, join, problem_of
from advisor.optimize.solve import solve
from advisor.recommendation.assemble import assemble, refuse
from advisor.recommendation.comparison import compare
from advisor.recommendation.findings import Findings
from advisor.recommendation.refusal import why_nobody_serves
from advisor.recommendation.wording import stale_lines
from advisor.workload.demand import cover, demands

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.catalog.facts import Facts
    from advisor.plan.plan import Plan
    from advisor.recommendation.findings import Catalog
    from advisor.recommendation.request import Request


def recommend(request: Request, catalog: Catalog, account: Account | None, now: datetime) -> Plan:
    """The cheapest fleet that serves the request, proved, or a plan of status ``infeasible`` that says why.

    Raises:
        UnknownName, UsageError: a region, provider or accelerator pattern that matches nothing.
        StaleSnapshot: the fleet rests on stale prices, and the request refuses those.
        SolverFailed: the solver gave no usable answer.
    """
    time_left = _countdown(request.time_limit_s)
    selected = select(catalog.snapshot.offers, catalog.facts, _criteria(request))
    workload, left_out_share, left_out = cover(request.service.workload, request.coverage_percent)
    service = replace(request.service, workload=workload)
    request = replace(request, service=service)
    buckets = demands(workload, service.rate_requests_per_s)
    wanted = tuple(
        Demand(bucket.label, bucket.input_tokens, bucket.output_tokens, rate) for bucket, rate in buckets
    )

    def joined_under(slo: Slo) -> Joined:
        """The join, if the limit were this one."""
        asked = replace(service, slo=slo)
        return join(
            selected,
            wanted,
            ThroughputTable(asked, wanted, catalog.facts, catalog.profiles, request.evidence),
            _Screen(request, catalog.facts, account),
            lambda offer: draws_for(offer, catalog.facts.quota_pools),
        )

    def serves_all(tpot_ms: float) -> bool:
        """Whether every request size would find a candidate under a looser limit."""
        looser = joined_under(replace(service.slo, tpot_ms=tpot_ms))
        return bool(looser.candidates) and not looser.unserved

    joined = joined_under(service.slo)
    free_units = {limit.key: limit.free for limit in account.limits} if account else {}
    pool_units = {limit.key: limit.unit.value for limit in account.limits} if account else {}
    ceiling = 1.0 - service.headroom
    findings = Findings(request, catalog, account, selected, joined, left_out_share, left_out, now)
    problem = problem_of(wanted, joined.candidates, free_units, ceiling)
    try:
        if not joined.candidates or joined.unserved:
            raise NoCandidates(why_nobody_serves(joined, service.workload, service.slo, serves_all))
        solution = solve(problem, time_limit_s=time_left(), pool_units=pool_units)
    except (NoCandidates, Infeasible) as no:
        return refuse(findings, str(no))
    baselines = compare(problem, joined, solution, free_units, ceiling, time_left)
    plan = assemble(findings, solution, baselines)
    if request.refuse_stale and (stale := stale_lines(plan.catalog, plan.purchase)):
        raise StaleSnapshot(
            f"the cheapest fleet rests on stale prices ({'; '.join(stale)}); run `advisor refresh`, "
            "or set on_stale: warn (ADVISOR_ON_STALE=warn)"
        )
    return plan


def _countdown(seconds: float) -> Callable[[], float]:
    """What is left of a time limit, never below zero."""
    deadline = time.monotonic() + seconds
    return lambda: max(deadline - time.monotonic(), 0.0)


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
