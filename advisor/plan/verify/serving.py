"""Demand, packing and utilisation, recomputed from the plan's own loads and capacities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from advisor.plan.verify.packing import instances_needed
from advisor.plan.verify.violation import CEILING_SLACK, Violation, same_rate, same_share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.plan.plan import Allocation, Plan, Purchase, ServiceLine
    from advisor.plan.verify.against import Against, Shares


def check_serving(plan: Plan, against: Against) -> Iterator[Violation]:
    """Services add up, allocations stand on purchases, replicas fit, demand is served within the headroom."""
    known_shares = against.workload_shares or {}
    for index, service in enumerate(plan.services):
        yield from _service(service, f"services[{index}]", known_shares.get(service.name))
    if plan.status == "infeasible":
        return
    for index, allocation in enumerate(plan.allocations):
        yield from _allocation(plan, allocation, f"allocations[{index}]")
    for index, line in enumerate(plan.purchase):
        yield from _line(plan, line, f"purchase[{index}]")
    for index, service in enumerate(plan.services):
        yield from _demand(plan, service, f"services[{index}]")


def offer_id(allocation: Allocation) -> str:
    """The id of the purchase line an allocation stands on, spelt as the purchase spells it."""
    place = allocation.region if allocation.zone is None else f"{allocation.region}/{allocation.zone}"
    return f"{allocation.provider}:{place}:{allocation.instance_type}:{allocation.market.value}"


def used_share(allocation: Allocation) -> float:
    """Replicas' worth of load: sum of load / capacity; infinite where there is load without capacity."""
    total = 0.0
    for load in allocation.load:
        if load.capacity_requests_per_s > 0:
            total += load.requests_per_s / load.capacity_requests_per_s
        elif load.requests_per_s > 0:
            return math.inf
    return total


def _service(service: ServiceLine, at: str, known: Shares | None) -> Iterator[Violation]:
    limits = (("tpot_ms", service.tpot_ms), ("ttft_ms", service.ttft_ms), ("e2e_ms", service.e2e_ms))
    wrong = [(n, ms) for n, ms in limits if ms is not None and not (math.isfinite(ms) and ms > 0)]
    for name, limit in wrong:
        yield Violation("service", f"{at}.{name}", "a limit above 0 ms", f"{limit:g}")
    if not wrong and service.slo != (slo := str(service.stated_slo())):
        yield Violation("service", f"{at}.slo", slo, service.slo)
    if service.rate_requests_per_s <= 0:
        yield Violation("service", f"{at}.rate_requests_per_s", "above 0", f"{service.rate_requests_per_s:g}")
    shares = math.fsum([service.left_out_share, *(bucket.share for bucket in service.buckets)])
    if not same_share(shares, 1.0):
        yield Violation("service", f"{at}.buckets", "shares and left_out_share sum to 1", f"{shares:.9g}")
    for index, bucket in enumerate(service.buckets):
        here = f"{at}.buckets[{index}]"
        rate = bucket.share * service.rate_requests_per_s
        if not same_rate(bucket.requests_per_s, rate):
            yield Violation(
                "service", f"{here}.requests_per_s", f"{rate:.9g}", f"{bucket.requests_per_s:.9g}"
            )
        for side in ("input", "output"):
            low, high = getattr(bucket, f"{side}_tokens_min"), getattr(bucket, f"{side}_tokens_max")
            size = getattr(bucket, f"{side}_tokens")
            if not 0 <= low < high or not low <= size <= high:
                yield Violation(
                    "service", f"{here}.{side}_tokens", f"a size from {low} to {high}", f"{size:g}"
                )
        key = (
            bucket.input_tokens_min,
            bucket.input_tokens_max,
            bucket.output_tokens_min,
            bucket.output_tokens_max,
        )
        if known is not None and not same_share(bucket.share, known.get(key, 0.0)):
            expected = f"{known[key]:.9g}" if key in known else f"no such bucket in {service.workload}"
            yield Violation("workload", f"{here}.share", expected, f"{bucket.share:.9g}")


def _allocation(plan: Plan, allocation: Allocation, at: str) -> Iterator[Violation]:
    if not any(line.offer_id == offer_id(allocation) for line in plan.purchase):
        yield Violation("unknown_purchase", at, "a purchase line", offer_id(allocation))
    service = next((s for s in plan.services if s.name == allocation.service), None)
    if service is None:
        known = ", ".join(s.name for s in plan.services)
        yield Violation("unknown_service", f"{at}.service", known, allocation.service)
        return
    sizes = {(bucket.input_tokens_max, bucket.output_tokens_max) for bucket in service.buckets}
    for index, load in enumerate(allocation.load):
        size = (load.input_tokens_max, load.output_tokens_max)
        if size not in sizes:
            found = f"{size[0]} × {size[1]} tokens"
            yield Violation("unknown_bucket", f"{at}.load[{index}]", f"a bucket of {service.name}", found)
    stands_by = may_idle(plan) or service.min_replicas
    if not stands_by and not any(load.requests_per_s > 0 for load in allocation.load):
        yield Violation("idle", at, "some load", "none")
    busy = used_share(allocation) / allocation.replicas
    if not same_share(allocation.utilization, busy):
        yield Violation("utilization", f"{at}.utilization", f"{busy:.9g}", f"{allocation.utilization:.9g}")
    ceiling = 1.0 - service.headroom
    if busy > ceiling + CEILING_SLACK:
        yield Violation("headroom", at, f"at most {ceiling:.9g} of capacity", f"{busy:.12g}")


def _line(plan: Plan, line: Purchase, at: str) -> Iterator[Violation]:
    here = [allocation for allocation in plan.allocations if offer_id(allocation) == line.offer_id]
    if not here:
        if not may_idle(plan):
            yield Violation("idle", at, "an allocation on every line", "none")
        return
    replicas: dict[int, int] = {}
    for allocation in here:
        replicas[allocation.tensor_parallel] = (
            replicas.get(allocation.tensor_parallel, 0) + allocation.replicas
        )
    needed = instances_needed(replicas, line.accelerators_per_instance)
    if needed is None or needed > line.instances:
        said = ", ".join(f"{count} × {degree} accelerators" for degree, count in sorted(replicas.items()))
        room = f"{line.instances} × {line.accelerators_per_instance} accelerators"
        yield Violation("packing", at, f"replicas that fit in {room}", said)
    rented = line.accelerators_per_instance * line.instances
    busy = math.fsum(used_share(allocation) * allocation.tensor_parallel for allocation in here) / rented
    if not same_share(line.utilization, busy):
        yield Violation("utilization", f"{at}.utilization", f"{busy:.9g}", f"{line.utilization:.9g}")


def may_idle(plan: Plan) -> bool:
    """Whether something may ask for instances that serve nothing today: a bad day, or the fleet held."""
    kept = plan.migration is not None and plan.migration.decision == "keep"
    return kept or any(rule.kind in ("survive", "demand", "doubt") for rule in plan.rules)


def _demand(plan: Plan, service: ServiceLine, at: str) -> Iterator[Violation]:
    served: dict[tuple[int, int], list[float]] = {}
    for allocation in plan.allocations:
        if allocation.service == service.name:
            for load in allocation.load:
                size = (load.input_tokens_max, load.output_tokens_max)
                served.setdefault(size, []).append(load.requests_per_s)
    for index, bucket in enumerate(service.buckets):
        rates = served.get((bucket.input_tokens_max, bucket.output_tokens_max), [])
        total = math.fsum(rates)
        wanted = bucket.requests_per_s * bucket.served_share
        if not same_rate(total, wanted):
            where = f"{at}.buckets[{index}]"
            yield Violation("demand", where, f"{wanted:.9g} requests/s", f"{total:.9g} served")
