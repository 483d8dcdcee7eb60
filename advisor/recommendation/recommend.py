"""Answer a request: select, join, solve, compare, assemble. Reads nothing from a network and no clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from advisor.catalog.buyable import screen
from advisor.catalog.quota import draws_for
from advisor.catalog.selection import Selected, Selection, select
from advisor.domain import Exclusion, Offer
from advisor.errors import Infeasible, NoCandidates
from advisor.optimize.candidates import Demand, Joined, ThroughputTable, join, problem_of
from advisor.optimize.solve import solve
from advisor.recommendation.assemble import Answered, assemble, refuse
from advisor.recommendation.comparison import compare
from advisor.recommendation.request import Request
from advisor.workload.demand import cover, demands

if TYPE_CHECKING:
    from advisor.catalog.account import Account
    from advisor.catalog.facts import Facts
    from advisor.catalog.snapshot import Snapshot
    from advisor.plan.plan import Plan
    from advisor.profiles.query import ProfileStore


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything public a plan rests on: prices, facts, throughput."""

    snapshot: Snapshot
    facts: Facts
    profiles: ProfileStore


def recommend(request: Request, catalog: Catalog, account: Account | None, now: datetime) -> Plan:
    """The cheapest fleet that serves the request, proved, or a plan of status ``infeasible`` that says why.

    Raises:
        UnknownName, UsageError: a region, provider or accelerator pattern that matches nothing.
        SolverFailed: the solver gave no usable answer.
    """
    selected = select(
        catalog.snapshot.offers, catalog.facts,
        Selection(request.regions, request.near, request.providers, request.markets),
    )  # fmt: skip
    workload, left_out_share, left_out = cover(request.service.workload, request.coverage_percent)
    service = replace(request.service, workload=workload)
    request = replace(request, service=service)
    buckets = demands(workload, service.rate_requests_per_s)
    wanted = tuple(Demand(bucket.label, bucket.input_tokens, bucket.output_tokens, rate) for bucket, rate in buckets)
    table = ThroughputTable(service, wanted, catalog.facts, catalog.profiles, request.evidence)
    joined = join(
        selected.offers, wanted, table,
        _screen(request, catalog.facts),
        lambda offer: draws_for(offer, catalog.facts.quota_pools),
    )  # fmt: skip
    free_units = {limit.key: limit.free for limit in account.limits} if account else {}
    ceiling = 1.0 - service.headroom
    answered = Answered(request, catalog, account, selected, joined, left_out_share, left_out, now)
    problem = problem_of(wanted, joined.candidates, free_units, ceiling)
    try:
        if not joined.candidates or joined.unserved:
            raise NoCandidates(unserved_words(joined))
        solution = solve(problem, time_limit_s=request.time_limit_s)
    except (NoCandidates, Infeasible) as no:
        return refuse(answered, str(no))
    baselines = compare(problem, joined, solution, free_units, ceiling, time_limit_s=request.time_limit_s)
    return assemble(answered, solution, baselines)


def _screen(request: Request, facts: Facts) -> _Screen:
    wanted = {a.id for pattern in request.accelerators for a in facts.accelerators_matching(pattern)}
    unwanted = {a.id for pattern in request.exclude_accelerators for a in facts.accelerators_matching(pattern)}
    return _Screen(request, frozenset(wanted), frozenset(unwanted))


@dataclass(frozen=True, slots=True)
class _Screen:
    """Why an offer may not be bought: the user's own wishes first, then whether it can be bought at all."""

    request: Request
    wanted: frozenset[str]  #: empty is every accelerator
    unwanted: frozenset[str]

    def __call__(self, offer: Offer) -> Exclusion | None:
        if offer.accelerator in self.unwanted or (self.wanted and offer.accelerator not in self.wanted):
            return Exclusion("accelerator_excluded", offer.id, offer.accelerator)
        limit = self.request.max_usd_per_hour
        if limit is not None and offer.usd_per_hour > limit:
            return Exclusion("over_price_limit", offer.id, f"${offer.usd_per_hour}/h is above ${limit}/h")
        return screen(
            offer,
            include=self.request.include,
            allow_unknown_availability=self.request.allow_unknown_availability,
        )


def unserved_words(joined: Joined) -> str:
    """Which request sizes nobody serves, and the nearest miss of each kind."""
    if not joined.candidates:
        counts: dict[str, int] = {}
        for exclusion in joined.exclusions:
            counts[exclusion.reason] = counts.get(exclusion.reason, 0) + 1
        said = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items(), key=lambda i: -i[1]))
        example = next((e for e in joined.exclusions if e.reason not in ("accelerator_excluded", "over_price_limit")), None)
        nearest = f"; for example {example.subject}: {example.detail}" if example else ""
        return f"no offer in scope can be bought and serve the model ({said or 'no offers at all'}){nearest}"
    lines = []
    for index, refusals in sorted(joined.unserved.items())[:3]:
        why = "; ".join(dict.fromkeys(refusal.detail for refusal in refusals[:3]))
        lines.append(f"requests of {joined.demands[index].label} tokens cannot be served by any candidate ({why})")
    more = len(joined.unserved) - len(lines)
    return "; ".join(lines) + (f"; and {more} more sizes" if more > 0 else "")


__all__ = ["Catalog", "Selected", "recommend", "unserved_words"]
