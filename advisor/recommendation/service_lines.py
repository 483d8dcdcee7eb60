"""The services of a request as a plan records them: complete enough to ask and to check again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.plan.demand import BucketLine, CeilingLine, LimitLine, ServiceLine, TrafficLine, UsersLine
from advisor.workload.demand import demands

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.domain import Bucket, Service
    from advisor.recommendation.findings import Findings


def service_lines(found: Findings, served: Mapping[int, float]) -> list[ServiceLine]:
    """Every service, with what a budget leaves of each bucket."""
    first, lines = 0, []
    for index, service in enumerate(found.request.services):
        shares = [served.get(first + place, 1.0) for place in range(len(service.workload.buckets))]
        first += len(shares)
        lines.append(_service_line(found, index, service, shares))
    return lines


def _service_line(found: Findings, index: int, service: Service, shares: list[float]) -> ServiceLine:
    slo, traffic = service.slo, service.traffic
    streams = demands(service.workload, service.rate_requests_per_s)
    planned = sum(rate for _, rate in streams)
    served = sum(rate * share for (_, rate), share in zip(streams, shares, strict=True))
    return ServiceLine(
        name=service.name,
        model=service.model,
        checkpoint=service.checkpoint,
        precision=service.precision,
        engine=service.engine,
        workload=service.workload.name,
        workload_source=service.workload.source,
        rate_requests_per_s=service.rate_requests_per_s,
        slo=str(slo),
        tpot_ms=slo.tpot_ms,
        ttft_ms=slo.ttft_ms,
        slo_statistic=slo.statistic,
        headroom=service.headroom,
        left_out_share=found.left_out[index].share,
        buckets=[
            _bucket_line(bucket, rate, share, idle_limits=place in service.idle_buckets)
            for place, ((bucket, rate), share) in enumerate(zip(streams, shares, strict=True))
        ],
        e2e_ms=slo.e2e_ms,
        further_limits=[
            LimitLine(metric=limit.metric, ms=limit.ms, statistic=limit.statistic)  # type: ignore[arg-type]
            for limit in slo.further
        ],
        traffic=TrafficLine(
            prefix_cache_hit_rate=traffic.prefix_cache_hit_rate,
            reasoning_tokens=traffic.reasoning_tokens,
            lora_adapters=traffic.lora_adapters,
            lora_rank=traffic.lora_rank,
            arrival_cv=traffic.arrival_cv,
        ),
        users=[
            UsersLine(
                at=users.at,
                share=users.share,
                served_from=found.siting.served_from(index, users, found.selected.regions),
            )
            for users in service.users
        ],
        network_ms=service.network_ms,
        residency=list(service.residency),
        min_replicas=service.min_replicas,
        weight=service.weight,
        for_replay=service.for_replay,
        ceilings=[
            CeilingLine(accelerator=one.accelerator, tensor_parallel=one.tensor_parallel, share=one.share)
            for one in service.ceilings
        ],
        rate_basis=service.rate_basis,
        served_share=min(served / planned, 1.0) if planned and min(shares, default=1.0) < 1 else 1.0,
    )


def _bucket_line(bucket: Bucket, rate: float, served_share: float, *, idle_limits: bool) -> BucketLine:
    return BucketLine(
        input_tokens_min=bucket.input_tokens_min,
        input_tokens_max=bucket.input_tokens_max,
        output_tokens_min=bucket.output_tokens_min,
        output_tokens_max=bucket.output_tokens_max,
        input_tokens=bucket.input_tokens,
        output_tokens=bucket.output_tokens,
        size_basis=bucket.size_basis,
        share=bucket.share,
        requests_per_s=rate,
        served_share=min(max(served_share, 0.0), 1.0),
        idle_limits=idle_limits,
    )
