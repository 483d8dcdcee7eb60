"""What the reader of a plan should be warned of, in sentences."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from advisor.catalog.freshness import MANUAL_BASIS
from advisor.catalog.held import HELD
from advisor.catalog.price_moves import factor_at
from advisor.domain import EvidenceKind, Market
from advisor.recommendation.risks import egress_unknown
from advisor.units import HOURS_PER_MONTH, usd_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from advisor.catalog.price_moves import PriceMove
    from advisor.plan.plan import Allocation, Baseline, Carbon, Migration, Purchase, ServiceLine
    from advisor.recommendation.findings import Findings

_AS_IT_WAS: Final = 1.005
"""A factor below it is no move."""


def warnings(
    found: Findings,
    services: Sequence[ServiceLine],
    answer: Mapping[str, Any],
) -> list[str]:
    """What should make a reader pause, most important first.

    Args:
        answer: the rest of the plan, by field.
    """
    purchase, allocations = answer["purchase"], answer["allocations"]
    return [
        *_unserved(services),
        *_kept(answer.get("migration")),
        *_stale(found, purchase),
        *_spot(purchase, answer["baselines"]),
        *_spot_left_out(found, answer["baselines"], answer.get("usd_per_hour")),
        *_ending(found, purchase),
        *_evidence(allocations),
        *_doubt(found, allocations),
        *_standby(purchase),
        *_flags(purchase),
        *_uncounted(found, purchase, answer.get("carbon")),
        *_ties(allocations, answer["baselines"]),
    ]


def _unserved(services: Sequence[ServiceLine]) -> list[str]:
    """What the budget leaves unserved."""
    short = [line for line in services if line.served_share < 1]
    if not short:
        return []
    whose = {line.name: f" of {line.name}" if len(services) > 1 else "" for line in short}
    said = ", ".join(f"{line.served_share:.1%}{whose[line.name]}" for line in short)
    return [f"The budget does not pay for all requests, only for {said}."]


def _kept(migration: Migration | None) -> list[str]:
    """That a cheaper fleet exists, where what runs is kept; and what of it nobody knows."""
    if migration is None:
        return []
    said = []
    if migration.decision == "keep" and migration.saving_usd_per_hour:
        said.append(
            f"The fleet held is kept: the cheapest costs ${usd_text(migration.best_usd_per_hour)}/h, which "
            f"saves less than {migration.threshold:.1%} once the change is paid for."
        )
    if migration.unknown:
        said.append(
            f"Of the fleet held, {len(migration.unknown)} not in the catalog and not counted on, for "
            f"example {migration.unknown[0]}."
        )
    return said


def _standby(purchase: Sequence[Purchase]) -> list[str]:
    """What is paid for and serves nothing on an ordinary day."""
    idle = [line for line in purchase if not line.utilization]
    if not idle:
        return []
    said = ", ".join(f"{line.instances} × {line.offer_id}" for line in idle)
    return [f"On an ordinary day nothing is served by {said}: kept for the rules, or held before."]


def _doubt(found: Findings, allocations: Sequence[Allocation]) -> list[str]:
    """That a rule on doubt cannot doubt what has no known error."""
    if not found.request.policy.doubted:
        return []
    blind = [load for a in allocations for load in a.load if load.capacity_low_requests_per_s is None]
    rate = sum(load.requests_per_s for load in blind)
    total = sum(load.requests_per_s for a in allocations for load in a.load)
    if not rate or not total:
        return []
    return [
        f"The throughput behind {rate / total:.0%} of the requests has no known error and was not doubted."
    ]


def _uncounted(found: Findings, purchase: Sequence[Purchase], carbon: Carbon | None) -> list[str]:
    """Costs and emissions nobody could count."""
    said = []
    places = egress_unknown(found, purchase)
    if places:
        said.append(f"Egress from {', '.join(places)} is not known and not in the figures.")
    if carbon is not None and carbon.kg_co2e_per_hour is None:
        unknown = [line.offer for line in carbon.lines if line.kg_co2e_per_hour is None]
        said.append(f"Emissions of {', '.join(unknown)} are not known: the total is not stated.")
    return said


def _stale(found: Findings, purchase: Sequence[Purchase]) -> list[str]:
    said = stale_lines(found, purchase)
    if not said:
        return []
    return [f"Prices bought on are stale ({'; '.join(said)}): check the current price before renting."]


def stale_lines(found: Findings, purchase: Sequence[Purchase]) -> list[str]:
    """Provider, market and age of every stale price that is bought; other rows' ages say nothing of these."""
    request = found.request
    limits = {Market.ON_DEMAND: request.on_demand_limit, Market.SPOT: request.spot_limit}
    oldest: dict[tuple[str, Market], timedelta] = {}
    for line in purchase:
        age, key = found.now - line.price_collected_at, (line.provider, line.market)
        if line.market in limits and line.price_basis != MANUAL_BASIS and age > limits[line.market]:
            oldest[key] = max(age, oldest.get(key, age))
    moves = found.catalog.facts.price_moves
    return [
        f"{provider} {market.value} {age_words(age / timedelta(hours=1))},"
        f" {_moved_words(moves, provider, market, age)}"
        for (provider, market), age in oldest.items()
    ]


def _moved_words(moves: Iterable[PriceMove], provider: str, market: Market, age: timedelta) -> str:
    """What nine in ten prices of that age have become."""
    factor = factor_at(moves, provider, market, age / timedelta(days=1))
    if factor is None:
        return "how such prices move is not known"
    if factor < _AS_IT_WAS:
        return "nine in ten such prices are as they were"
    return f"nine in ten such prices are now {1 / factor:.2g} to {factor:.2g} times as much"


def age_words(hours: float) -> str:
    """``5 h old`` below two days, then whole days."""
    return f"{hours:.0f} h old" if hours < 48 else f"{hours / 24:.0f} days old"


def _spot(purchase: Sequence[Purchase], baselines: Sequence[Baseline]) -> list[str]:
    spot = sum((line.usd_per_hour for line in purchase if line.market is Market.SPOT), Decimal(0))
    if not spot:
        return []
    whole = sum((line.usd_per_hour for line in purchase), Decimal(0))
    bands = sorted({line.interruption or "unknown" for line in purchase if line.market is Market.SPOT})
    fallback = next((b for b in baselines if b.kind == "market" and b.saving_fraction is not None), None)
    instead = (
        f"; on-demand only costs ${usd_text(fallback.usd_per_hour)}/h"
        if fallback and fallback.usd_per_hour
        else ""
    )
    share = f"{spot / whole:.0%} of the cost is spot, which the provider may reclaim at any moment"
    return [f"{share} (interrupted per month: {', '.join(bands)}){instead}."]


def _ending(found: Findings, purchase: Sequence[Purchase]) -> list[str]:
    """What is held and used, and ends within the month the plan is stated for."""
    held = {one.id: one for one in (found.account.reservations if found.account is not None else ())}
    horizon = (found.now + timedelta(hours=HOURS_PER_MONTH)).date()
    said = []
    for line in purchase:
        until = held[line.offer_id].until if line.offer_id in held else None
        if until is not None and until < horizon:
            days = (until - found.now.date()).days
            said.append(
                f"{line.instances} × {line.offer_id} is held until {until}, {days} more days: what follows "
                "it is not planned."
            )
    return said


def _spot_left_out(found: Findings, baselines: Sequence[Baseline], usd_per_hour: Decimal | None) -> list[str]:
    """What spot would cost at prices that nobody has seen for too long, and where it stops to pay."""
    for other in baselines:
        saves = other.saving_fraction is not None and other.saving_fraction < 0
        if (other.kind, other.name) == ("admitting", "stale_price") and other.usd_per_hour and saves:
            price = f"Spot at its last known price would cost ${usd_text(other.usd_per_hour)}/h"
            span = _span(found, other.fleet)
            if span is not None:
                price += f", nine times in ten ${usd_text(span[0])} to ${usd_text(span[1])} by now"
            if usd_per_hour is not None:
                price += f"; it is cheaper below ${usd_text(usd_per_hour)}/h"
            return [f"{price}; it is past its age limit: refresh, or plan with it (--stale-spot use)."]
    return []


def _span(found: Findings, fleet: Iterable[str]) -> tuple[Decimal, Decimal] | None:
    """What a fleet of old prices may cost now, lowest and highest; None where no history tells of a line."""
    offers = {offer.id: offer for offer in found.catalog.snapshot.offers if "superseded" not in offer.flags}
    low, high = Decimal(0), Decimal(0)
    for line in fleet:
        count, _, offer_id = line.partition(" × ")
        offer = offers.get(offer_id)
        if offer is None or not count.isdigit():
            return None
        age = (found.now - offer.collected_at) / timedelta(days=1)
        factor = factor_at(found.catalog.facts.price_moves, offer.provider, offer.market, age)
        if factor is None:
            return None
        cost = offer.usd_per_hour * int(count)
        low, high = low + cost / Decimal(repr(factor)), high + cost * Decimal(repr(factor))
    return (low, high) if high > low else None


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
        said.append("Some prices are estimates: a spot ratio of another day applied to the list price.")
    unknown = sorted({line.provider for line in purchase if line.availability == "unknown"})
    if unknown:
        said.append(f"Nobody states whether {', '.join(unknown)} has this capacity in stock.")
    scarce = [line.offer_id for line in purchase if line.availability == "constrained"]
    if scarce:
        said.append(f"Stock is short of {', '.join(scarce)}: order before counting on it.")
    if any("community_cloud" in line.flags for line in purchase):
        said.append("Some instances are other people's machines (community hosts).")
    if any("date_inferred" in line.flags for line in purchase):
        said.append("The date of some prices was inferred, not stated by their source.")
    said += [
        f"{line.offer_id} is reckoned at ${usd_text(line.usd_per_hour_each, 4)}/h, the dearer of two prices:"
        f" {line.price_basis.partition(', ')[2]}; advisor refresh --accept '{line.offer_id}' confirms it."
        for line in purchase
        if HELD in line.flags
    ]
    return said


def _ties(allocations: Sequence[Allocation], baselines: Sequence[Baseline]) -> list[str]:
    error = planned_error(allocations)
    if error is None:
        return []
    near = [
        b.name
        for b in baselines
        if b.kind == "single_accelerator" and b.saving_fraction is not None and 0 < b.saving_fraction < error
    ]
    if not near:
        return []
    tie = f"Within the throughput error ({error:.0%}) the fleet is a tie with {', '.join(near)} alone"
    return [f"{tie}: a simpler fleet costs about the same."]


def planned_error(allocations: Sequence[Allocation]) -> float | None:
    """Largest throughput error of the plan, as a share; None where nobody states one.

    A figure without a stated error is not one without error: it leaves the others to speak.
    """
    errors = [load.profile.error_pct for a in allocations for load in a.load]
    stated = [error for error in errors if error is not None]
    return max(stated) / 100 if stated else None


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
