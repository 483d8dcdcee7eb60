"""What a plan takes for granted, in sentences."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.catalog.latency import ROUTE_FACTOR
from advisor.domain import Market
from advisor.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.domain import Service, Workload
    from advisor.plan.plan import Purchase
    from advisor.recommendation.findings import Findings


_NAMED_SIZES: Final = 3


def assumptions(found: Findings, purchase: Sequence[Purchase]) -> list[str]:
    """Everything the plan takes for granted, one sentence each."""
    services = found.request.services
    return [
        _prices(counted=any(service.users for service in services)),
        _adding_up(),
        *_headrooms(services),
        _size_basis(services),
        *dict.fromkeys(_workload(service.workload, service.rate_requests_per_s) for service in services),
        *_waiting(services),
        *_network(found),
        *_rules(found),
        *_quotas(purchase),
        *_held(found),
        *found.selected.notes,
        *found.request.notes,
        *_left_out(found),
    ]


def _left_out(found: Findings) -> list[str]:
    """What coverage leaves out, per service."""
    said = []
    for service, out in zip(found.request.services, found.left_out, strict=True):
        if out.buckets:
            labels = ", ".join(bucket.label for bucket in out.buckets[:_NAMED_SIZES])
            others = len(out.buckets) - _NAMED_SIZES
            more = f" and {others} more sizes" if others > 0 else ""
            whose = f" of {service.name}" if len(found.request.services) > 1 else ""
            said.append(
                f"{out.share:.3%} of requests{whose} are not planned for (--coverage "
                f"{found.request.coverage_percent:g}): {labels}{more}."
            )
    return said


def _prices(*, counted: bool) -> str:
    besides = "egress is counted beside them; disk" if counted else "disk, egress"
    return (
        f"Prices are list prices before tax, {HOURS_PER_MONTH} hours a month; {besides}, load balancers, "
        "licences and negotiated discounts are not included."
    )


def _adding_up() -> str:
    return (
        "A router splits each request size freely by weight and knows the output length it routes on; "
        "loads of different sizes add up linearly on a replica."
    )


def _headrooms(services: Sequence[Service]) -> list[str]:
    """One sentence where all agree, else one per service."""
    if len({service.headroom for service in services}) == 1:
        return [_headroom(services[0].headroom)]
    kept = ", ".join(f"{service.name} {service.headroom:.0%}" for service in services)
    said = f"Kept free of every replica's capacity: {kept}"
    return [f"{said}; replicas of one instance do not slow each other down."]


def _network(found: Findings) -> list[str]:
    """How far users may be, and how that is known."""
    services = [service for service in found.request.services if service.users]
    if not services:
        return []
    measured = found.request.policy.latency
    if measured is not None:
        basis = f"Round trips are those of {measured.file}; pairs it lacks are estimated"
    else:
        basis = "Round trips are estimated"
    trips = (
        f"{basis} from coordinates: the distance there and back, times {ROUTE_FACTOR:g} for the route, at "
        "two thirds of the speed of light. The requests of every origin have the same sizes."
    )
    shared = [
        f"{service.name}: the limits on TTFT and E2E hold at the server; {service.network_ms:g} ms of what "
        "its users were promised are left to the network."
        for service in services
        if service.network_ms is not None
        and any(limit.metric in ("ttft", "e2e") for limit in service.slo.limits)
    ]
    return [trips, *shared]


def _rules(found: Findings) -> list[str]:
    """What losses are taken to be."""
    policy = found.request.policy
    if not policy.survive:
        return []
    said = (
        "After a loss the router sends every request elsewhere at once, and what is lost is not replaced in "
        "time."
    )
    spread = (
        "On-demand instances stand in the zone their line names, of those that sell the type; nobody says "
        "whether it is in stock there. Where a line names none, all of it may stand in one zone."
    )
    return [said, spread] if any(rule.lose == "zone" for rule in policy.survive) else [said]


def _held(found: Findings) -> list[str]:
    """How the fleet held was understood."""
    if found.request.policy.holding is None:
        return []
    said = [f"Fleet held: {note}." for note in found.request.policy.holding.fleet.notes]
    said += found.holding.notes
    if found.account is not None and any(limit.used for limit in found.account.limits):
        said.append("What the account file calls used is taken to include the fleet held.")
    return said


def _waiting(services: Sequence[Service]) -> list[str]:
    """Of users who wait for their answers, how long those take."""
    said = []
    for service in services:
        loop = service.closed_loop
        if loop is not None:
            whose = f" of {service.name}" if len(services) > 1 else ""
            pause = f"thinks for {loop.think_time_s:g} s" if loop.think_time_s else "asks again at once"
            said.append(
                f"Each of the {loop.users:,.6g} users{whose} waits {loop.answer_s:.4g} s for an answer "
                f"({loop.answer_basis}) and then {pause}."
            )
    return said


def _headroom(headroom: float) -> str:
    return (
        f"{headroom:.0%} of every replica's capacity is kept free (--headroom); "
        "replicas of one instance do not slow each other down."
    )


def _workload(workload: Workload, planned: float) -> str:
    licence = f" ({workload.licence})" if workload.licence else ""
    rate = workload.rate_requests_per_s
    parts = [
        f"Workload {workload.name}: {workload.source}{licence}",
        workload.note.rstrip("."),
        f"Scaled from the trace's {rate:.2f} requests/s" if rate and rate != planned else "",
    ]
    return ". ".join(part for part in parts if part) + "."


def _size_basis(services: Sequence[Service]) -> str:
    bases = {bucket.size_basis for service in services for bucket in service.workload.buckets}
    if bases == {"mean"}:
        return "Each request-size bucket stands at the mean of the requests in it."
    if bases == {"upper_edge"}:
        return "Each request-size bucket stands at its upper edge: requests are at most that large."
    return "Buckets stand at the mean of their requests where known, else at their upper edge."


def _quotas(purchase: Sequence[Purchase]) -> list[str]:
    unknown: dict[tuple[str, str, str], Decimal] = {}
    units: dict[tuple[str, str, str], str] = {}
    for line in purchase:
        for draw in line.quota_draw:
            if draw.free_units is None:
                key = (line.provider, draw.region, draw.pool)
                unknown[key] = unknown.get(key, Decimal(0)) + draw.units
                units[key] = draw.unit.value
    said = []
    if unknown:
        needs = "; ".join(
            f"{provider} {region} {pool}: {amount.normalize():f} {units[provider, region, pool]}"
            for (provider, region, pool), amount in sorted(unknown.items())
        )
        said.append(f"Quotas not given are assumed sufficient (--quota FILE): {needs}.")
    undocumented = sorted(
        {
            f"{line.provider} {line.instance_type}"
            for line in purchase
            if not line.quota_draw and line.market is not Market.RESERVED
        }
    )
    if undocumented:
        said.append(f"No quota is documented for {', '.join(undocumented)}: assumed sufficient.")
    return said
