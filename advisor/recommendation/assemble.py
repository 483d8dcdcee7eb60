"""Turn a solution into a plan: lines to buy, what each serves, and the evidence behind every number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from advisor.domain import Bucket, Throughput
from advisor.optimize.problem import Solution, SolveStatus
from advisor.plan.identity import identified
from advisor.plan.plan import (
    Allocation,
    Baseline,
    Load,
    Optimality,
    OriginRate,
    Plan,
    ProfileReference,
    Purchase,
    QuotaDrawLine,
)
from advisor.profiles.interval import interval_of
from advisor.recommendation import assuming, risks, wording
from advisor.recommendation.bill import bill, held_capacity
from advisor.recommendation.foundations import catalog_states, exclusion_counts, inputs_of
from advisor.recommendation.service_lines import service_lines
from advisor.recommendation.situation import free_units
from advisor.units import usd_per_month
from advisor.version import __version__

if TYPE_CHECKING:
    from decimal import Decimal

    from advisor.optimize.candidates import Candidate, Degree
    from advisor.plan.migration import Migration
    from advisor.plan.rules import RuleLine
    from advisor.profiles.interval import Interval
    from advisor.recommendation.findings import Findings

_NEGLIGIBLE_SHARE = 1e-9  # of a bucket's demand; a smaller split is the solver's dust, not a route


@dataclass(frozen=True, slots=True)
class Outcome:
    """What deciding and comparing came to."""

    solution: Solution
    baselines: list[Baseline]
    rules: list[RuleLine]
    migration: Migration | None = None


def assemble(found: Findings, outcome: Outcome) -> Plan:
    """The plan of a decision."""
    solution = outcome.solution
    candidates = found.joined.by_id()
    drafts = (
        _allocation(found, candidates[column], service, tensor_parallel, replicas, solution)
        for (column, service, tensor_parallel), replicas in sorted(solution.replicas.items())
    )
    allocations = [allocation for allocation in drafts if allocation is not None]
    purchase = [
        _purchase(found, candidates[column], count, allocations)
        for column, count in sorted(solution.instances.items(), key=lambda item: _spend(candidates, item))
    ]
    status = "optimal" if solution.status is SolveStatus.OPTIMAL else "feasible"
    return _plan(
        found,
        solution,
        status=status,
        usd_per_hour=solution.usd_per_hour,
        usd_per_month=usd_per_month(solution.usd_per_hour),
        optimality=Optimality(
            proved=solution.proved,
            lower_bound_usd_per_hour=solution.lower_bound_usd_per_hour,
            relative_gap=solution.relative_gap,
            solver=solution.solver,
            solve_seconds=round(solution.solve_seconds, 4),
        ),
        purchase=purchase,
        allocations=allocations,
        baselines=outcome.baselines,
        rules=outcome.rules,
        migration=outcome.migration,
        risk=risks.risk_of(found, purchase),
        side_costs=risks.side_costs_of(found, purchase, solution),
        carbon=risks.carbon_of(found, purchase),
    )


def refuse(found: Findings, reason: str) -> Plan:
    """The plan that says no, and why."""
    return _plan(
        found,
        None,
        status="infeasible",
        usd_per_hour=None,
        usd_per_month=None,
        optimality=None,
        purchase=[],
        allocations=[],
        baselines=[],
        reason=reason,
    )


def _plan(found: Findings, solution: Solution | None, **answer: Any) -> Plan:
    request = found.request
    states = catalog_states(found)
    services = service_lines(found, solution.served_share if solution is not None else {})
    held = held_capacity(found, answer["purchase"])
    draft = Plan(
        plan_id="",
        held=held,
        bill_usd_per_hour=bill(held, answer["usd_per_hour"]),
        created_at=found.now,
        advisor_version=__version__,
        command=request.command,
        services=services,
        exclusions=exclusion_counts(found.joined.exclusions, answer["baselines"]),
        assumptions=assuming.assumptions(found, answer["purchase"]),
        warnings=wording.warnings(found, services, answer),
        catalog=states,
        inputs=inputs_of(found),
        **answer,
    )
    return identified(draft)


def _spend(candidates: dict[str, Candidate], item: tuple[str, int]) -> tuple[Decimal, str]:
    column, count = item
    return -candidates[column].offer.usd_per_hour * count, column


def _purchase(found: Findings, candidate: Candidate, count: int, allocations: list[Allocation]) -> Purchase:
    offer = candidate.offer
    used = sum(
        a.utilization * a.replicas * a.tensor_parallel for a in allocations if _line_of(a) == _line_of(offer)
    )
    cost = offer.usd_per_hour * count
    return Purchase(
        provider=offer.provider,
        region=offer.region,
        zone=offer.zone,
        instance_type=offer.instance_type,
        market=offer.market,
        accelerator=offer.accelerator,
        accelerators_per_instance=int(offer.accelerators),
        instances=count,
        utilization=min(1.0, used / (int(offer.accelerators) * count)),
        usd_per_hour_each=offer.usd_per_hour,
        usd_per_hour=cost,
        usd_per_month=usd_per_month(cost),
        price_collected_at=offer.collected_at,
        price_source=offer.source,
        price_basis=offer.price_basis,
        price_evidence=offer.evidence,
        availability=offer.availability.value,
        interruption=offer.interruption,
        flags=list(offer.flags),
        quota_draw=_quota_draw(found, candidate, count),
    )


def _line_of(part: Any) -> tuple[str, str, str | None, str, str]:
    return part.provider, part.region, part.zone, part.instance_type, part.market


def _quota_draw(found: Findings, candidate: Candidate, count: int) -> list[QuotaDrawLine]:
    free = free_units(found)
    return [
        QuotaDrawLine(
            pool=draw.pool,
            region=draw.region,
            unit=draw.unit,
            units=draw.units_per_instance * count,
            free_units=free.get(draw.key),
        )
        for draw in candidate.draws
    ]


def _allocation(
    found: Findings,
    candidate: Candidate,
    service: int,
    tensor_parallel: int,
    replicas: int,
    solution: Solution,
) -> Allocation | None:
    """What replicas of one degree serve, or None where they serve nothing but rounding dust."""
    degree = next(
        d for d in candidate.degrees if (d.service, d.tensor_parallel) == (service, tensor_parallel)
    )
    buckets = found.request.services[service].workload.buckets
    demands = found.joined.demands
    errors = found.catalog.profiles.errors
    loads: list[Load] = []
    for index, answer in enumerate(degree.answers, start=degree.first):
        rate = solution.load_requests_per_s.get((candidate.offer.id, tensor_parallel, index), 0.0)
        if rate > _NEGLIGIBLE_SHARE * demands[index].requests_per_s and isinstance(answer, Throughput):
            interval = interval_of(answer, candidate.offer.accelerator, errors)
            origins = _origins(found, candidate, index, rate, solution)
            loads.append(_load(buckets[demands[index].bucket], rate, answer, interval, origins))
    if not loads and not _stands_by(found):
        return None
    offer = candidate.offer
    busy = sum(load.requests_per_s / load.capacity_requests_per_s for load in loads)
    return Allocation(
        service=found.request.services[service].name,
        provider=offer.provider,
        region=offer.region,
        zone=offer.zone,
        instance_type=offer.instance_type,
        market=offer.market,
        tensor_parallel=tensor_parallel,
        replicas=replicas,
        utilization=min(1.0, busy / replicas),
        load=loads,
        profile=max((load.profile for load in loads) if loads else _profiles(degree), key=_weakness),
    )


def _stands_by(found: Findings) -> bool:
    """Whether replicas without load have a reason to run: a loss, or a minimum."""
    request = found.request
    return request.policy.has_rules or any(service.min_replicas for service in request.services)


def _profiles(degree: Degree) -> list[ProfileReference]:
    return [_profile(answer) for answer in degree.answers if isinstance(answer, Throughput)]


def _profile(answer: Throughput) -> ProfileReference:
    return ProfileReference(
        id=answer.profile_id, kind=answer.kind, source=answer.source, error_pct=answer.error_pct
    )


def _origins(
    found: Findings, candidate: Candidate, demand: int, rate: float, solution: Solution
) -> list[OriginRate]:
    """Whose requests these are: every line of a location serves its origins alike."""
    if not solution.flow_requests_per_s:
        return []
    service = found.joined.demands[demand].service
    if not found.request.services[service].users:
        return []
    location = found.location_of[f"{candidate.offer.provider}:{candidate.offer.region}"]
    origins = found.siting.origins()
    flows = {
        origins[origin]: flow
        for (b, origin, place), flow in solution.flow_requests_per_s.items()
        if (b, place) == (demand, location) and flow > 0
    }
    total = sum(flows.values())
    return [
        OriginRate(origin=origin, requests_per_s=rate * flow / total)
        for origin, flow in sorted(flows.items())
    ]


def _load(
    bucket: Bucket, rate: float, answer: Throughput, interval: Interval | None, origins: list[OriginRate]
) -> Load:
    return Load(
        input_tokens_max=bucket.input_tokens_max,
        output_tokens_max=bucket.output_tokens_max,
        requests_per_s=rate,
        capacity_requests_per_s=answer.requests_per_s,
        capacity_low_requests_per_s=None if interval is None else interval.low,
        capacity_high_requests_per_s=None if interval is None else interval.high,
        profile=_profile(answer),
        origins=origins,
    )


def _weakness(profile: ProfileReference) -> tuple[int, float]:
    return profile.kind.rank, profile.error_pct if profile.error_pct is not None else float("inf")
