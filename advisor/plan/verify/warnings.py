"""What a reader must be warned of: derived from the plan's own lines, and looked for among its warnings.

Warnings are sentences and their wording may change; what is looked for are the figures and names they must
hold. A plan may warn of more.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.domain import EvidenceKind, Market
from advisor.plan.verify.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.plan.plan import Plan
    from advisor.plan.verify.against import Against

Needs = tuple[str, tuple[str, ...]]
"""(what the reader must be told, words that one warning must have all of)."""


def check_warnings(plan: Plan, against: Against) -> Iterator[Violation]:
    """Every warning that must be there, is."""
    if plan.status == "infeasible":
        return
    said = [warning.casefold() for warning in plan.warnings]
    for what, words in _needed(plan, against):
        if not any(all(word.casefold() in warning for word in words) for warning in said):
            yield Violation("warning", "warnings", what, "nothing of it")


def _needed(plan: Plan, against: Against) -> Iterator[Needs]:
    yield from _unserved(plan)
    yield from _stale(plan, against)
    yield from _spot(plan)
    yield from _unmeasured(plan)
    yield from _flagged(plan)
    for line in plan.purchase:
        if not line.utilization:
            yield f"{line.offer_id} serves nothing on an ordinary day", (line.offer_id,)


def _unserved(plan: Plan) -> Iterator[Needs]:
    for service in plan.services:
        if service.served_share < 1:
            share = f"{service.served_share:.1%}"
            yield f"only {share} of {service.name} is served", ("budget", share)


def _stale(plan: Plan, against: Against) -> Iterator[Needs]:
    """By the age of every row bought; where no limits are at hand nothing is called stale."""
    limits = against.stale_after or {}
    for line in plan.purchase:
        limit = limits.get(line.market)
        if limit is None or line.price_basis == "manual":
            continue
        if plan.created_at - line.price_collected_at > limit:
            words = f"{line.provider} {line.market.value}"
            yield f"{words} prices are stale", ("stale", words)


def _spot(plan: Plan) -> Iterator[Needs]:
    whole = sum((line.usd_per_hour for line in plan.purchase), Decimal(0))
    spot = sum((line.usd_per_hour for line in plan.purchase if line.market is Market.SPOT), Decimal(0))
    if spot:
        share = f"{spot / whole:.0%}"
        yield f"{share} of the cost is spot", (f"{share} of the cost is spot",)


def _unmeasured(plan: Plan) -> Iterator[Needs]:
    loads = [load for allocation in plan.allocations for load in allocation.load]
    total = sum(load.requests_per_s for load in loads)
    for kind in EvidenceKind:
        rate = sum(load.requests_per_s for load in loads if load.profile.kind is kind)
        if kind is not EvidenceKind.MEASURED and rate:
            share = f"{rate / total:.0%} {kind.value}"
            yield f"throughput that is {share}", ("throughput", share)


def _flagged(plan: Plan) -> Iterator[Needs]:
    if any("estimated_price" in line.flags for line in plan.purchase):
        yield "some prices are estimates", ("estimate", "price")
    if any("date_inferred" in line.flags for line in plan.purchase):
        yield "the date of some prices was inferred", ("date", "inferred")
    for provider in sorted({line.provider for line in plan.purchase if line.availability == "unknown"}):
        yield f"{provider} does not state its stock", (provider, "stock")
