"""A plan read back as the request it answered, so that it can be asked again under other circumstances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.domain import Bucket, Ceiling, Market, Service, Users, Workload
from advisor.fleet import Fleet, HeldLine, Unrecognised
from advisor.recommendation.policy import Holding, Policy, Preference, Survive
from advisor.recommendation.request import Request

if TYPE_CHECKING:
    from advisor.plan.demand import ServiceLine
    from advisor.plan.migration import Migration
    from advisor.plan.plan import Plan
    from advisor.plan.rules import RuleLine


def request_of(plan: Plan) -> Request:
    """The request a plan answers.

    Names are those the plan resolved: regions and providers are listed one by one, a workload holds the
    buckets planned for, so that what ``--coverage`` left out stays out, and users name every place that may
    serve them, so that no latency needs to be known again.
    """
    inputs = plan.inputs
    return Request(
        services=tuple(map(service_of, plan.services)),
        regions=tuple(inputs.regions),
        providers=tuple(inputs.providers),
        markets=tuple(inputs.markets),
        accelerators=tuple(inputs.accelerators),
        exclude_accelerators=tuple(inputs.exclude_accelerators),
        instance_types=tuple(inputs.instance_types),
        evidence=inputs.evidence,
        include=frozenset(inputs.include),
        allow_unknown_availability=inputs.allow_unknown_availability,
        max_usd_per_hour=inputs.max_usd_per_hour,
        command=plan.command,
        policy=policy_of(plan),
        attain_percent=plan.simulation.target_percent if plan.simulation is not None else None,
    )


def service_of(line: ServiceLine) -> Service:
    """A service of a plan, as the planner takes it."""
    return Service(
        name=line.name,
        model=line.model,
        precision=line.precision,
        engine=line.engine,
        workload=_workload(line),
        rate_requests_per_s=line.rate_requests_per_s,
        slo=line.stated_slo(),
        headroom=line.headroom,
        traffic=line.traffic.traffic(),
        users=tuple(Users(users.at, users.share, tuple(users.served_from)) for users in line.users),
        network_ms=line.network_ms,
        residency=tuple(line.residency),
        min_replicas=line.min_replicas,
        weight=line.weight,
        for_replay=line.for_replay,
        idle_buckets=tuple(place for place, bucket in enumerate(line.buckets) if bucket.idle_limits),
        ceilings=tuple(Ceiling(one.accelerator, one.tensor_parallel, one.share) for one in line.ceilings),
        rate_basis=line.rate_basis,
        checkpoint=line.checkpoint,
    )


def policy_of(plan: Plan) -> Policy:
    """The rules of a plan."""

    def first(kind: str) -> RuleLine | None:
        return next((rule for rule in plan.rules if rule.kind == kind), None)

    demand, doubt, budget, prefer, carbon = map(first, ("demand", "doubt", "budget", "prefer", "carbon"))
    return Policy(
        survive=tuple(_survive(rule) for rule in plan.rules if rule.kind == "survive"),
        demand_error=round(demand.demand_factor - 1, 12) if demand is not None else 0.0,
        doubted=doubt.doubted if doubt is not None else 0,
        budget_usd_per_hour=budget.usd_per_hour if budget is not None else None,
        at_most=tuple(
            (rule.of, rule.at_most) for rule in plan.rules if rule.of is not None and rule.at_most is not None
        ),
        prefer=Preference(tuple(prefer.places), prefer.tolerance or 0.0) if prefer is not None else None,
        holding=_holding(plan, plan.migration) if plan.migration is not None else None,
        carbon=plan.carbon is not None,
        most_kg_co2e_per_hour=carbon.kg_co2e_per_hour if carbon is not None else None,
    )


def _survive(rule: RuleLine) -> Survive:
    assert rule.lose is not None
    return Survive(rule.lose, rule.count, rule.keeps, tuple(rule.services), rule.headroom, rule.demand_factor)


def _holding(plan: Plan, migration: Migration) -> Holding:
    """The fleet held, from the lines of the change."""
    lines = tuple(_held(change.offer, change.before) for change in migration.changes if change.before)
    unknown = tuple(Unrecognised(said, None, "as the plan lists it") for said in migration.unknown)
    return Holding(
        Fleet(lines, unknown, migration.fleet_source, plan.inputs.fleet_sha256 or ""),
        migration.usd_per_instance_started,
        migration.usd_per_instance_stopped,
        migration.horizon_hours,
        migration.threshold,
    )


def _held(offer_id: str, instances: int) -> HeldLine:
    """A line from ``provider:region[/zone]:instance_type:market``."""
    provider, place, rest = offer_id.split(":", 2)
    region, _, zone = place.partition("/")
    instance_type, _, market = rest.rpartition(":")
    return HeldLine(provider, region, zone or None, instance_type, Market(market), instances)


def _workload(line: ServiceLine) -> Workload:
    buckets = tuple(
        Bucket(
            b.input_tokens_min,
            b.input_tokens_max,
            b.output_tokens_min,
            b.output_tokens_max,
            b.share,
            b.input_tokens,
            b.output_tokens,
            b.size_basis,
        )
        for b in line.buckets
    )
    return Workload(line.workload, buckets, None, None, line.workload_source, None)
