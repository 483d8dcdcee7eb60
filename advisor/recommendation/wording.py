"""What the plan says in sentences: what it assumes, and what its reader should be warned of."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.domain import EvidenceKind, Market
from advisor.units import HOURS_PER_MONTH, usd_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.domain import Workload
    from advisor.plan.plan import Allocation, Baseline, CatalogState, Purchase
    from advisor.recommendation.findings import Findings


def assumptions(found: Findings, purchase: Sequence[Purchase]) -> list[str]:
    """Everything the plan takes for granted, one sentence each."""
    service = found.request.service
    said = [
        _prices(),
        _adding_up(),
        _headroom(service.headroom),
        _size_basis(found),
        _workload(service.workload),
        *_quotas(purchase),
        *found.selected.notes,
    ]
    if found.left_out:
        labels = ", ".join(bucket.label for bucket in found.left_out[:3])
        said.append(
            f"{found.left_out_share:.3%} of requests are not planned for (--coverage "
            f"{found.request.coverage_percent:g}): {labels}{' …' if len(found.left_out) > 3 else ''}."
        )
    return said


def _prices() -> str:
    return (
        f"Prices are list prices before tax, {HOURS_PER_MONTH} hours a month; disk, egress, load balancers, "
        "licences and negotiated discounts are not included."
    )


def _adding_up() -> str:
    return (
        "A router splits each request size freely by weight and knows the output length it routes on; "
        "loads of different sizes add up linearly on a replica."
    )


def _headroom(headroom: float) -> str:
    return (
        f"{headroom:.0%} of every replica's capacity is kept free (--headroom); "
        "replicas of one instance do not slow each other down."
    )


def _workload(workload: Workload) -> str:
    licence = f" ({workload.licence})" if workload.licence else ""
    rate = workload.rate_requests_per_s
    parts = [
        f"Workload {workload.name}: {workload.source}{licence}",
        workload.note.rstrip("."),
        f"Scaled from the trace's {rate:.2f} requests/s" if rate else "",
    ]
    return ". ".join(part for part in parts if part) + "."


def _size_basis(found: Findings) -> str:
    bases = {bucket.size_basis for bucket in found.request.service.workload.buckets}
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
        {f"{line.provider} {line.instance_type}" for line in purchase if not line.quota_draw}
    )
    if undocumented:
        said.append(f"No quota is documented for {', '.join(undocumented)}: assumed sufficient.")
    return said


def warnings(
    found: Findings,
    states: Sequence[CatalogState],
    purchase: Sequence[Purchase],
    allocations: Sequence[Allocation],
    baselines: Sequence[Baseline],
) -> list[str]:
    """What should make a reader pause, most important first."""
    return [
        *_stale(states, purchase),
        *_spot(purchase, baselines),
        *_evidence(allocations),
        *_flags(purchase),
        *_ties(allocations, baselines),
    ]


def _stale(states: Sequence[CatalogState], purchase: Sequence[Purchase]) -> list[str]:
    said = stale_lines(states, purchase)
    if not said:
        return []
    return [f"Prices bought on are stale ({'; '.join(said)}): check the current price before renting."]


def stale_lines(states: Sequence[CatalogState], purchase: Sequence[Purchase]) -> list[str]:
    """Provider, market and age of every stale price the purchase rests on."""
    bought = {(line.provider, line.market) for line in purchase}
    return [
        f"{state.provider} {state.market.value} {age_words(state.age_hours)}"
        for state in states
        if state.state == "stale" and state.age_hours is not None and (state.provider, state.market) in bought
    ]


def age_words(hours: float) -> str:
    """``5 h old`` below two days, then whole days."""
    return f"{hours:.0f} h old" if hours < 48 else f"{hours / 24:.0f} days old"


def _spot(purchase: Sequence[Purchase], baselines: Sequence[Baseline]) -> list[str]:
    spot = sum((line.usd_per_hour for line in purchase if line.market is Market.SPOT), Decimal(0))
    if not spot:
        return []
    whole = sum((line.usd_per_hour for line in purchase), Decimal(0))
    bands = sorted({line.interruption or "unknown" for line in purchase if line.market is Market.SPOT})
    fallback = next((b for b in baselines if b.kind == "market" and b.usd_per_hour is not None), None)
    instead = (
        f"; on-demand only costs ${usd_text(fallback.usd_per_hour)}/h"
        if fallback and fallback.usd_per_hour
        else ""
    )
    share = f"{spot / whole:.0%} of the cost is spot, which the provider may reclaim at any moment"
    return [f"{share} (interrupted per month: {', '.join(bands)}){instead}."]


def _evidence(allocations: Sequence[Allocation]) -> list[str]:
    loads = [load for allocation in allocations for load in allocation.load]
    rate = dict.fromkeys(EvidenceKind, 0.0)
    worst: dict[EvidenceKind, float | None] = {}
    for load in loads:
        kind = load.profile.kind
        rate[kind] += load.requests_per_s
        error = load.profile.error_pct
        if error is not None:
            worst[kind] = max(worst.get(kind) or 0.0, error)
    total = sum(rate.values())
    if not total or rate[EvidenceKind.MEASURED] == total:
        return []
    parts = [
        f"{rate[kind] / total:.0%} {kind.value}"
        + (f" (typical error {worst[kind]:.0f} %)" if worst.get(kind) is not None else " (error not known)")
        for kind in EvidenceKind
        if rate[kind]
    ]
    return [f"Throughput behind the planned requests: {', '.join(parts)}. Measure before committing."]


def _flags(purchase: Sequence[Purchase]) -> list[str]:
    said = []
    if any("estimated_price" in line.flags for line in purchase):
        said.append("Some prices are estimates: a 2024 spot ratio applied to today's list price.")
    unknown = sorted({line.provider for line in purchase if line.availability == "unknown"})
    if unknown:
        said.append(f"Nobody states whether {', '.join(unknown)} has this capacity in stock.")
    if any("date_inferred" in line.flags for line in purchase):
        said.append("The date of some prices was inferred, not stated by their source.")
    return said


def _ties(allocations: Sequence[Allocation], baselines: Sequence[Baseline]) -> list[str]:
    error = planned_error(allocations)
    near = [
        b.name
        for b in baselines
        if b.kind == "single_accelerator" and b.saving_fraction is not None and 0 < b.saving_fraction < error
    ]
    if not near:
        return []
    tie = f"Within the throughput error ({error:.0%}) the fleet is a tie with {', '.join(near)} alone"
    return [f"{tie}: a simpler fleet costs about the same."]


def planned_error(allocations: Sequence[Allocation]) -> float:
    """Largest stated throughput error of the plan, as a share; 0.0 where none is stated."""
    errors = [load.profile.error_pct or 0.0 for a in allocations for load in a.load]
    return max(errors, default=0.0) / 100


def saving_if_admitted(admitted: Baseline) -> str:
    """What the plan would save by admitting a held-back group, in words."""
    if admitted.usd_per_hour is None or admitted.saving_fraction is None:
        return "no fleet would change"
    saved = -admitted.saving_fraction
    if saved <= 0:
        return f"would save nothing {admitted.detail}"
    return (
        f"would cost ${usd_text(admitted.usd_per_hour)}/h, {saved / (1 + saved):.0%} less, {admitted.detail}"
    )
