"""A plan read back as the request it answered, so that it can be asked again under other circumstances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.domain import Bucket, Service, Slo, Workload
from advisor.recommendation.request import Request

if TYPE_CHECKING:
    from advisor.plan.demand import ServiceLine
    from advisor.plan.plan import Plan


def request_of(plan: Plan) -> Request:
    """The request a plan answers.

    Names are those the plan resolved: regions and providers are listed one by one, and a workload holds the
    buckets planned for, so that what ``--coverage`` left out stays out.
    """
    inputs = plan.inputs
    return Request(
        service=service_of(plan.services[0]),
        regions=tuple(inputs.regions),
        providers=tuple(inputs.providers),
        markets=tuple(inputs.markets),
        accelerators=tuple(inputs.accelerators),
        exclude_accelerators=tuple(inputs.exclude_accelerators),
        evidence=inputs.evidence,
        include=frozenset(inputs.include),
        allow_unknown_availability=inputs.allow_unknown_availability,
        max_usd_per_hour=inputs.max_usd_per_hour,
        command=plan.command,
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
        slo=Slo(line.tpot_ms, line.ttft_ms, line.slo_statistic),
        headroom=line.headroom,
    )


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
