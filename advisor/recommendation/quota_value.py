"""What more of a quota would save, and the text that asks for it in the provider's own terms."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.recommendation.comparison import fleet_of
from advisor.recommendation.explanation import QuotaValue
from advisor.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.domain import QuotaDraw
    from advisor.optimize.problem import Solution
    from advisor.optimize.whatif import WhatIf
    from advisor.plan.plan import Plan
    from advisor.recommendation.prepare import Prepared

_CLOSE: Final = Decimal("0.000001")  # dollars; a smaller saving is the solver's rounding
_MULTIPLES: Final = (1, 2, 4)  # instances' worth of units tried beyond what is drawn
_FORM: Final = {
    "aws": "AWS Service Quotas, service Amazon EC2",
    "gcp": "Google Cloud, IAM & Admin > Quotas, service Compute Engine API",
    "azure": "Azure portal, Quotas > Compute (Microsoft.Compute)",
}
"""Where each provider takes such a request."""


def quota_values(plan: Plan, prepared: Prepared, ask: WhatIf) -> list[QuotaValue]:
    """Every limit that costs money, the dearest unit first: the least increase tried that saves anything.

    One unit more rarely admits an instance, so increases are tried in instances' worth; what they save is
    divided by the units asked for.
    """
    found = []
    for key in prepared.problem.free_units:
        draws = [d for c in prepared.joined.candidates for d in c.draws if d.key == key]
        value = _value(plan, prepared, ask, draws) if draws else None
        if value is not None:
            found.append(value)
    return sorted(found, key=lambda value: (-value.usd_per_month_per_unit, value.pool))


def _value(plan: Plan, prepared: Prepared, ask: WhatIf, draws: list[QuotaDraw]) -> QuotaValue | None:
    best, draw = ask.best, draws[0]
    assert best is not None  # an explainer has made sure of it
    free, drawn = prepared.problem.free_units[draw.key], _drawn(prepared, best, draw.key)
    for added in _increases(free, drawn, {d.units_per_instance for d in draws}):
        solution = ask.with_free(draw.key, added)
        if solution is None or best.usd_per_hour - solution.usd_per_hour <= _CLOSE:
            continue
        per_month = (best.usd_per_hour - solution.usd_per_hour) * HOURS_PER_MONTH
        return QuotaValue(
            pool=draw.key,
            name=_name(prepared, draw),
            unit=draw.unit.value,
            free_units=free,
            drawn_units=drawn,
            added_units=added,
            usd_per_hour_with=solution.usd_per_hour,
            usd_per_month_per_unit=(per_month / added).quantize(Decimal("0.01")),
            request_text=_request(plan, prepared, draw, added, solution, per_month),
        )
    return None


def _increases(free: Decimal, drawn: Decimal, sizes: Iterable[Decimal]) -> list[Decimal]:
    """Units to add so that one, two or four more instances of some size fit; smallest first."""
    wanted = {drawn + size * times - free for size in sizes for times in _MULTIPLES}
    return sorted(added for added in wanted if added > 0)


def _drawn(prepared: Prepared, solution: Solution, key: str) -> Decimal:
    draws = {c.offer.id: c.draws for c in prepared.joined.candidates}
    return sum(
        (
            draw.units_per_instance * count
            for column, count in solution.instances.items()
            for draw in draws[column]
            if draw.key == key
        ),
        Decimal(0),
    )


def _name(prepared: Prepared, draw: QuotaDraw) -> str:
    pools = prepared.findings.catalog.facts.quota_pools
    return next((p.name for p in pools if (p.provider, p.pool) == (draw.provider, draw.pool)), draw.pool)


def _request(
    plan: Plan, prepared: Prepared, draw: QuotaDraw, added: Decimal, solution: Solution, per_month: Decimal
) -> str:
    account = prepared.findings.account
    held = next((limit for limit in account.limits if limit.key == draw.key), None) if account else None
    raised = f"from {held.limit:f} to {held.limit + added:f}" if held else f"by {added:f}"
    words = {"vcpu": "vCPUs", "gpu": "GPUs", "instance": "instances"}[draw.unit.value]
    served = "; ".join(
        f"{line.model} with {line.engine} at {line.rate_requests_per_s:g} requests/s"
        for line in plan.services
    )
    fleet = ", ".join(fleet_of(prepared.problem, solution.instances))
    return (
        f"{_FORM.get(draw.provider, draw.provider)}: please raise {_name(prepared, draw)} ({draw.pool}) in "
        f"{draw.region} {raised} {words}. Use case: LLM inference, {served}. Planned instances: {fleet}. "
        f"Without the increase the same load costs ${per_month:,.2f} more a month."
    )
