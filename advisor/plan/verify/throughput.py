"""Every capacity asked for again: the rate, the evidence behind it, the split and the memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from advisor.domain import NoThroughput
from advisor.plan.verify.serving import offer_id
from advisor.plan.verify.violation import Violation, same_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.domain import Throughput
    from advisor.plan.plan import Allocation, BucketLine, Load, Plan, ProfileReference, ServiceLine
    from advisor.plan.verify.against import Against


def check_throughput(plan: Plan, against: Against) -> Iterator[Violation]:
    """Capacities and evidence against the profiles; without them, only that the plan's own words agree."""
    accelerators = {line.offer_id: line.accelerator for line in plan.purchase}
    services = {service.name: service for service in plan.services}
    for index, allocation in enumerate(plan.allocations):
        at = f"allocations[{index}]"
        yield from _stated_evidence(plan, allocation, at)
        service, accelerator = services.get(allocation.service), accelerators.get(offer_id(allocation))
        if service is None or accelerator is None:
            continue  # said already: unknown_service, unknown_purchase
        if against.misfit is not None:
            misfit = against.misfit(service, accelerator, allocation.tensor_parallel)
            if misfit is not None:
                found = f"{allocation.tensor_parallel} × {accelerator}"
                yield Violation(misfit[0], f"{at}.tensor_parallel", misfit[1], found)
                continue
        if against.capacities is not None:
            yield from _capacities(service, accelerator, allocation, against, at)


def _stated_evidence(plan: Plan, allocation: Allocation, at: str) -> Iterator[Violation]:
    floor = plan.inputs.evidence
    for index, load in enumerate(allocation.load):
        if load.profile.kind.rank > floor.rank:
            where = f"{at}.load[{index}].profile.kind"
            yield Violation("evidence", where, f"{floor.value} or stronger", load.profile.kind.value)
    if not allocation.load:
        return
    weakest = max((load.profile for load in allocation.load), key=_weakness)
    if _weakness(allocation.profile) != _weakness(weakest):
        expected = f"the weakest of its loads, {_said(weakest)}"
        yield Violation("evidence", f"{at}.profile", expected, _said(allocation.profile))
    elif allocation.profile not in [load.profile for load in allocation.load]:
        yield Violation(
            "profile", f"{at}.profile", "the profile of one of its loads", _said(allocation.profile)
        )


def _capacities(
    service: ServiceLine, accelerator: str, allocation: Allocation, against: Against, at: str
) -> Iterator[Violation]:
    assert against.capacities is not None
    buckets = {(bucket.input_tokens_max, bucket.output_tokens_max): bucket for bucket in service.buckets}
    asked: list[tuple[int, Load, BucketLine]] = []
    for index, load in enumerate(allocation.load):
        bucket = buckets.get((load.input_tokens_max, load.output_tokens_max))
        if bucket is not None:
            asked.append((index, load, bucket))
    wanted = [bucket for _, _, bucket in asked]
    answers = against.capacities(service, accelerator, allocation.tensor_parallel, wanted)
    for (index, load, _), answer in zip(asked, answers, strict=True):
        where = f"{at}.load[{index}]"
        if isinstance(answer, NoThroughput):
            yield Violation("no_capacity", where, f"{answer.reason}: {answer.detail}", "a load")
        else:
            yield from _as_profiled(load, answer, where)
            if against.interval is not None:
                yield from _interval(load, against.interval(answer, accelerator), where)


def _interval(load: Load, expected: tuple[float, float] | None, at: str) -> Iterator[Violation]:
    for end, field in enumerate(("capacity_low_requests_per_s", "capacity_high_requests_per_s")):
        found, known = getattr(load, field), None if expected is None else expected[end]
        if found is not known and not _same_number(found, known):
            yield Violation("interval", f"{at}.{field}", f"{known}", f"{found}")


def _as_profiled(load: Load, answer: Throughput, at: str) -> Iterator[Violation]:
    if not same_rate(load.capacity_requests_per_s, answer.requests_per_s):
        where = f"{at}.capacity_requests_per_s"
        yield Violation(
            "capacity", where, f"{answer.requests_per_s:.9g}", f"{load.capacity_requests_per_s:.9g}"
        )
    if load.profile.kind is not answer.kind:
        yield Violation("evidence", f"{at}.profile.kind", answer.kind.value, load.profile.kind.value)
    facts: tuple[tuple[str, object, object], ...] = (
        ("id", load.profile.id, answer.profile_id),
        ("source", load.profile.source, answer.source),
        ("error_pct", load.profile.error_pct, answer.error_pct),
    )
    for field, found, expected in facts:
        if found != expected and not _same_number(found, expected):
            yield Violation("profile", f"{at}.profile.{field}", str(expected), str(found))


def _same_number(found: object, expected: object) -> bool:
    return isinstance(found, float) and isinstance(expected, float) and same_rate(found, expected)


def _said(reference: ProfileReference) -> str:
    error = "unknown" if reference.error_pct is None else f"{reference.error_pct:g} %"
    return f"{reference.kind.value} {reference.id} (error {error})"


def _weakness(reference: ProfileReference) -> tuple[int, float]:
    """Larger is weaker; an unknown error is the weakest of its kind."""
    return reference.kind.rank, math.inf if reference.error_pct is None else reference.error_pct
