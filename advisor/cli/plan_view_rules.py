"""How a plan's situation reads: who serves what, what rules cost, users, risk, the change, emissions."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from advisor.cli.fleet_text import FleetWords
from advisor.cli.output import Col, Listing
from advisor.cli.plan_text import percent, usd
from advisor.cli.sections import Paragraph
from advisor.plan.rules import different_ones
from advisor.units import usd_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.plan.plan import Allocation, Plan, RuleLine


def situation(plan: Plan) -> Iterator[Paragraph | Listing]:
    """Everything about a plan that a plain question has none of."""
    if plan.migration is not None:
        yield _changes(plan)
        if plan.migration.steps:
            yield _steps(plan)
    if len(plan.services) > 1 and plan.allocations:
        yield _who_serves_what(plan)
    if plan.rules:
        yield _rules(plan)
    if any(service.users for service in plan.services) and plan.allocations:
        yield _users(plan)
    if plan.risk is not None and (plan.rules or plan.migration or len(plan.services) > 1):
        yield _risk(plan)
    if plan.carbon is not None and plan.carbon.lines:
        yield _carbon(plan)


def _who_serves_what(plan: Plan) -> Listing:
    records = [
        {
            "service": a.service,
            "offer": _offer(a),
            "tensor_parallel": a.tensor_parallel,
            "replicas": a.replicas,
            "requests_per_s": sum(load.requests_per_s for load in a.load),
            "utilization": a.utilization,
        }
        for a in plan.allocations
    ]
    order = {service.name: index for index, service in enumerate(plan.services)}
    records.sort(key=lambda r: (order.get(str(r["service"]), 0), -float(str(r["requests_per_s"]))))
    words = FleetWords.of([str(r["offer"])] for r in records)
    columns = (
        Col("service", "Service"),
        words.offers("offer", "On"),
        Col("tensor_parallel", "TP", numeric=True, importance=2),
        Col("replicas", "Replicas", numeric=True),
        Col("requests_per_s", "Requests/s", numeric=True, text=lambda v: f"{v:.2f}"),
        Col("utilization", "Busy", numeric=True, text=percent),
    )
    return Listing("Who serves what", columns, records)


def _offer(line: Allocation) -> str:
    place = line.region if line.zone is None else f"{line.region}/{line.zone}"
    return f"{line.provider}:{place}:{line.instance_type}:{line.market.value}"


def _rules(plan: Plan) -> Listing:
    records = [
        {"rule": rule.text, "premium": _premium(plan, rule), "holds": _holds(plan, rule)}
        for rule in plan.rules
    ]
    columns = (
        Col("rule", "Rule", wrap=True),
        Col("premium", "Costs $/h", numeric=True),
        Col("holds", "How it holds", wrap=True),
    )
    said = [text for mark, text in _MARKS.items() if any(mark in str(r["premium"]) for r in records)]
    return Listing("Rules, and what each costs", columns, records, footer=tuple(said))


_MARKS = {
    "~": "~ not proved: one of the two fleets compared may not be the cheapest (--time-limit-s).",
    "?": "? not found out within the time limit (--time-limit-s).",
}


def _premium(plan: Plan, rule: RuleLine) -> str:
    """What the rule costs; marked where that is not proved, or was not found out."""
    without = next((b for b in plan.baselines if b.name == f"without: {rule.text}"), None)
    value = rule.premium_usd_per_hour
    if value is None:
        return "?" if without is not None and without.status == "not_solved" else "–"
    proved = plan.status == "optimal" and (without is None or without.status == "optimal")
    said = f"{value:+,.2f}" if abs(value) >= 0.005 else "0.00"
    return said if proved else f"~{said}"


def _holds(plan: Plan, rule: RuleLine) -> str:
    """The case that decides, in words."""
    if rule.kind == "prefer":
        return _stays(plan, rule)
    if rule.kind == "budget":
        return _pays_for(plan, rule)
    if rule.kind == "min_replicas":
        return f"{sum(a.replicas for a in plan.allocations if a.service in rule.services)} run"
    if rule.kind == "carbon" and plan.carbon is not None and plan.carbon.kg_co2e_per_hour is not None:
        return f"{plan.carbon.kg_co2e_per_hour:.3g} kg/h"
    if rule.kind == "at_most" and rule.of is not None:
        different = different_ones(rule.of, plan.purchase)
        return f"{len(different)}: {', '.join(different)}"
    if not rule.cases:
        return "no case of it binds" if rule.kind in ("survive", "demand", "doubt") else ""
    worst = rule.cases[0]
    others = len(rule.cases) - 1
    more = f" (and {others} more case{'s' if others > 1 else ''})" if others else ""
    return f"{worst.case}: {worst.least_served_share:.0%} of every size still served{more}"


def _stays(plan: Plan, rule: RuleLine) -> str:
    """Whether the fleet is in the places preferred, and what the other way would cost."""
    if rule.kept:
        return "stays"
    staying = next((b for b in plan.baselines if b.kind == "staying"), None)
    if staying is None or staying.usd_per_hour is None or not plan.usd_per_hour:
        return "leaves: no fleet there serves it"
    dearer = staying.usd_per_hour / plan.usd_per_hour - 1
    return f"leaves: staying costs ${usd_text(staying.usd_per_hour)}/h, {dearer:.0%} more"


def _pays_for(plan: Plan, rule: RuleLine) -> str:
    """What the budget leaves, and what everything would cost."""
    short = [service for service in plan.services if service.served_share < 1]
    if not short:
        return "everything is served"
    whose = " of its requests" if len(plan.services) == 1 else ""
    shares = [f"{service.served_share:.1%}{whose or f' of {service.name}'}" for service in short]
    everything = next((b for b in plan.baselines if b.name == f"without: {rule.text}"), None)
    said = f"serves {', '.join(shares)}"
    if everything is None or everything.usd_per_hour is None:
        return said
    return f"{said}; everything costs ${usd_text(everything.usd_per_hour)}/h"


def _users(plan: Plan) -> Listing:
    flows: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for a in plan.allocations:
        for load in a.load:
            for origin in load.origins:
                flows[a.service, origin.origin][f"{a.provider}:{a.region}"] += origin.requests_per_s
    records = []
    for service in plan.services:
        for users in service.users:
            routes = flows.get((service.name, users.at), {})
            total = sum(routes.values())
            ranked = sorted(routes.items(), key=lambda item: (-item[1], item[0]))
            said = ", ".join(f"{place} {rate / total:.0%}" for place, rate in ranked) if total else "anywhere"
            records.append(
                {
                    "service": service.name,
                    "at": users.at,
                    "share": users.share,
                    "served": said,
                    "choice": len(users.served_from),
                }
            )
    columns = (
        Col("service", "Service"),
        Col("at", "Users at"),
        Col("share", "Share", numeric=True, text=percent),
        Col("served", "Served from", wrap=True),
        Col("choice", "Regions allowed", numeric=True, importance=3),
    )
    return Listing("Users, and where they are served from", columns, records)


def _risk(plan: Plan) -> Listing:
    risk = plan.risk
    assert risk is not None
    records = [fallback.model_dump(mode="python") for fallback in risk.fallbacks]
    lost, other = (FleetWords.of([r[key]] for r in records if r[key]) for key in ("offer", "fallback"))
    columns = (
        lost.offers("offer", "Spot line"),
        Col("instances", "Count", numeric=True),
        Col("interruption", "Reclaimed/month", text=lambda v: "unknown" if v is None else str(v)),
        other.offers("fallback", "Falls back to", importance=3),
        Col("fallback_usd_per_hour_each", "$/h each", numeric=True, text=usd(4)),
    )
    worst = "not known" if risk.worst_usd_per_hour is None else f"${usd_text(risk.worst_usd_per_hour)}/h"
    expected = (
        "not known" if risk.expected_usd_per_hour is None else f"${usd_text(risk.expected_usd_per_hour, 4)}/h"
    )
    said = (
        f"Expected, with {risk.hours_on_fallback:g} h on the fallback per interruption (an assumption): "
        f"{expected}. Worst, all spot lines on their fallbacks: {worst}."
    )
    return Listing("If spot capacity goes", columns, records, footer=(said,))


def _changes(plan: Plan) -> Listing:
    migration = plan.migration
    assert migration is not None
    records = [
        {**change.model_dump(mode="python"), "change": change.after - change.before}
        for change in migration.changes
    ]
    words = FleetWords.of([str(r["offer"])] for r in records)
    columns = (
        words.offers("offer", "Offer"),
        Col("before", "Held", numeric=True),
        Col("after", "Planned", numeric=True),
        Col("change", "Change", numeric=True, text=lambda v: f"{v:+d}" if v else "–"),
    )
    held = migration.held_usd_per_hour
    saving = migration.saving_usd_per_hour
    price = "not known" if held is None else f"${usd_text(held, 4)}/h at the prices of today"
    serves = "serves" if migration.held_serves else "does not serve"
    footer = [
        f"Held: {price}; it {serves} within every rule.",
        f"Cheapest: ${usd_text(migration.best_usd_per_hour, 4)}/h"
        + ("" if saving is None else f", saves ${saving:,.4f}/h")
        + (f"; the change costs ${usd_text(migration.one_off_usd)} once" if migration.one_off_usd else "")
        + (f", paid back in {migration.payback_hours:,.0f} h" if migration.payback_hours else "")
        + ".",
        *(f"Not in the catalog, not counted on: {said}" for said in migration.unknown),
    ]
    kept = any(change.before != change.after for change in migration.changes)
    title = "Change" if kept else "Keep what runs"
    return Listing(f"{title} (fleet held: {migration.fleet_source})", columns, records, footer=tuple(footer))


def _steps(plan: Plan) -> Paragraph:
    assert plan.migration is not None
    steps = tuple(
        f"{number}. {step.text} (${usd_text(step.usd_per_hour, 2)}/h)"
        for number, step in enumerate(plan.migration.steps, start=1)
    )
    return Paragraph("In this order", steps, bulleted=False)


def _carbon(plan: Plan) -> Listing:
    carbon = plan.carbon
    assert carbon is not None
    words = FleetWords.of([line.offer] for line in carbon.lines)
    columns = (
        words.offers("offer", "Offer"),
        Col("kw", "kW", numeric=True, text=_number),
        Col("g_co2e_per_kwh", "g CO2e/kWh", numeric=True, text=_number),
        Col("kg_co2e_per_hour", "kg CO2e/h", numeric=True, text=_number),
    )
    total = carbon.kg_co2e_per_hour
    said = "Total not stated: a line is not known." if total is None else f"Total {total:.3g} kg CO2e/h."
    records = [line.model_dump(mode="python") for line in carbon.lines]
    return Listing(
        "Emissions, estimated",
        columns,
        records,
        footer=(said, f"{carbon.basis[:1].upper()}{carbon.basis[1:]}."),
    )


def _number(value: Any) -> str:
    return "not known" if value is None else f"{value:,.3g}"
