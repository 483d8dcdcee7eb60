"""One frozen content of a report, built from a plan and whatever stands beside it.

Nothing is solved here: lines, totals and dollars per token are counts × prices, added in Decimal; the rest is
what the plan and the other files say. What they do not say is named as not included, not run or not given.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final

from advisor.catalog.freshness import ON_DEMAND_LIMIT, SPOT_LIMIT
from advisor.domain import Market, regional_id
from advisor.errors import PlanRefused
from advisor.report import (
    change_sections,
    choice_sections,
    map_sections,
    price_sections,
    purchase_sections,
    quota_sections,
    risk_sections,
    service_sections,
    trust_sections,
)
from advisor.report.blocks import Alternative, Line, Report, SideLine, Totals

if TYPE_CHECKING:
    from advisor.plan.plan import Baseline, Plan, Purchase
    from advisor.report.beside import Beside

_CENT: Final = Decimal("0.01")


def report_of(plan: Plan, beside: Beside) -> Report:
    """Everything the report says.

    Raises:
        PlanRefused: the plan buys nothing, so there is nothing to approve.
    """
    if plan.usd_per_hour is None or not plan.purchase:
        raise PlanRefused(f"plan {plan.plan_id} buys nothing: {plan.reason or plan.status}")
    lines = tuple(_line(line, plan, beside) for line in plan.purchase)
    side = tuple(SideLine(cost.name, "", "", cost.usd_per_hour, cost.basis) for cost in plan.side_costs)
    totals = _totals(plan, lines)
    rivals = tuple(map(_alternative, choice_sections.priced_alternatives(plan)))
    fleet_cost = totals.usd_per_hour + sum((line.usd_per_hour for line in side), Decimal(0))
    models = ", ".join(sorted({service.model for service in plan.services}))
    proof = plan.optimality
    return Report(
        title=beside.title or f"GPU fleet for {models}",
        plan_id=plan.plan_id,
        snapshot_id=plan.inputs.snapshot_id,
        advisor_version=plan.advisor_version,
        made_at=beside.now,
        valid_until=purchase_sections.valid_until(plan, beside),
        hours_per_month=plan.hours_per_month,
        slo="; ".join(f"{service.name}: {service.slo}" for service in plan.services),
        models=models,
        proved=bool(proof and proof.proved),
        relative_gap=proof.relative_gap if proof else 0.0,
        lines=lines,
        side_lines=side,
        totals=totals,
        alternatives=rivals,
        entries=choice_sections.entries(beside),
        sections=(
            purchase_sections.decision(plan, beside, lines, totals),
            purchase_sections.lines_to_buy(lines, totals),
            trust_sections.signatures(),
            purchase_sections.costs(plan, lines, side),
            service_sections.demand(plan),
            service_sections.slo(plan),
            service_sections.serving(plan),
            service_sections.token_cost(plan, beside, fleet_cost),
            price_sections.price_evidence(plan, beside, lines),
            quota_sections.quotas(plan, beside),
            risk_sections.risk(plan),
            risk_sections.redundancy(plan),
            choice_sections.alternatives(plan, beside, rivals),
            map_sections.sensitivity(plan, beside),
            map_sections.heat_map(beside),
            map_sections.frontier(plan, beside),
            choice_sections.proof(plan, totals),
            trust_sections.simulation(plan, beside),
            change_sections.change(plan, beside),
            change_sections.migration(plan),
            trust_sections.carbon(plan),
            trust_sections.assumptions(plan),
            trust_sections.reproduction(plan, beside),
        ),
    )


def _line(line: Purchase, plan: Plan, beside: Beside) -> Line:
    chip = beside.accelerators.get(line.accelerator)
    region = beside.regions.get(f"{line.provider}:{line.region}")
    offer = beside.offers.get(line.offer_id) or beside.offers.get(regional_id(line.offer_id))
    hours = plan.hours_per_month
    cost = line.usd_per_hour_each * line.instances
    return Line(
        provider=line.provider,
        region=line.region,
        region_name=region.name if region else None,
        zone=line.zone,
        instance_type=line.instance_type,
        offer_id=line.offer_id,
        market=line.market,
        accelerator=line.accelerator,
        accelerator_name=chip.name if chip else line.accelerator,
        accelerator_memory_gb=chip.memory_gb if chip else None,
        accelerators_per_instance=line.accelerators_per_instance,
        vcpus=offer.vcpus if offer else None,
        memory_gib=offer.memory_gib if offer else None,
        instances=line.instances,
        list_usd_per_hour_each=line.usd_per_hour_each,
        usd_per_hour_each=line.usd_per_hour_each,
        usd_per_hour=cost,
        usd_per_month=_cents(cost * hours),
        usd_per_year=_cents(cost * hours * purchase_sections.MONTHS_PER_YEAR),
        price_collected_at=line.price_collected_at,
        price_source=line.price_source,
        price_basis=line.price_basis,
        price_evidence=line.price_evidence,
        price_state=_state(line, plan, beside),
    )


def _state(line: Purchase, plan: Plan, beside: Beside) -> str:
    """As the plan judged it, unless it has grown stale since."""
    states = {(state.provider, state.market): state.state for state in plan.catalog}
    state = states.get((line.provider, line.market), "unknown")
    limit = SPOT_LIMIT if line.market is Market.SPOT else ON_DEMAND_LIMIT
    return "stale" if state == "fresh" and beside.now - line.price_collected_at > limit else state


def _totals(plan: Plan, lines: tuple[Line, ...]) -> Totals:
    cost = sum((line.usd_per_hour for line in lines), Decimal(0))
    hours = plan.hours_per_month
    return Totals(
        instances=sum(line.instances for line in lines),
        usd_per_hour=cost,
        usd_per_month=_cents(cost * hours),
        usd_per_year=_cents(cost * hours * purchase_sections.MONTHS_PER_YEAR),
    )


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, rounding=ROUND_HALF_UP)


def _alternative(baseline: Baseline) -> Alternative:
    offers = [line.partition(" × ")[2] for line in baseline.fleet]
    name = f"{baseline.name} alone" if baseline.kind == "single_accelerator" else baseline.name
    return Alternative(
        name=name,
        usd_per_hour=baseline.usd_per_hour or Decimal(0),
        providers=tuple(sorted({offer.partition(":")[0] for offer in offers if offer})),
        detail=choice_sections.rival_words(baseline),
        proved=not choice_sections.is_bound(baseline),
    )
