"""How a plan reads: one sequence of sections, for a terminal of any width or as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from advisor.cli.output import Col, Listing, listing_csv
from advisor.cli.plan_text import percent, short, usd
from advisor.cli.plan_view_baselines import single_types, yardsticks
from advisor.cli.plan_view_rules import situation
from advisor.cli.sections import Paragraph, Section, markdown, renderables
from advisor.plan.verify.serving import offer_id
from advisor.units import usd_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from advisor.plan.demand import ServiceLine
    from advisor.plan.plan import Plan, Purchase, Simulation
    from advisor.plan.simulation import LimitVerdict

_NARROW = 118  # below this, place and instance share a column
_HOURS_PER_DAY = 24


def _day(moment: Any) -> str:
    return "–" if moment is None else str(moment.date().isoformat())


def sections(plan: Plan, width: int) -> Iterator[Section]:
    """The plan's content in reading order."""
    yield _headline(plan)
    if plan.purchase:
        yield _purchase(plan, narrow=width < _NARROW)
        yield _total(plan)
    if plan.held:
        yield _held(plan)
    if plan.warnings:
        yield Paragraph("Read before you buy", tuple(plan.warnings), emphasis=True)
    if plan.simulation is not None:
        yield _replay(plan, plan.simulation)
    yield from situation(plan)
    if plan.baselines:
        yield single_types(plan)
        yield yardsticks(plan)
    if plan.allocations:
        yield _evidence(plan)
    yield _prices(plan)
    if plan.exclusions:
        yield _exclusions(plan)
    yield Paragraph("Assumptions", tuple(plan.assumptions))
    yield Paragraph(
        "",
        (f"Plan {plan.plan_id} · snapshot {plan.inputs.snapshot_id} · advisor {plan.advisor_version}",),
        bulleted=False,
    )


def _replay(plan: Plan, found: Simulation) -> Paragraph:
    """The verdict of the replay, in words."""
    several = len(plan.services) > 1
    lines = [_limit_words(one, several) for one in found.limits]
    if found.target_percent is not None and found.attained_percent is not None:
        asked = f"{found.target_percent:g}% asked"
        lines.append(f"{found.attained_percent:.2f}% of requests within all their limits, {asked}")
    fleets = "1 fleet" if found.rounds == 1 else f"{found.rounds} fleets"
    lines.append(
        f"{found.requests:,} requests ({'; '.join(found.arrivals)}; seed {found.seed}), one replica of every "
        f"kind on its own; {fleets} tried."
    )
    lines += [words for service in plan.services if (words := _ceilings(plan, service, several))]
    if found.full_load_usd_per_hour is not None:
        lines.append(
            f"No fleet serves it below ${usd_text(found.full_load_usd_per_hour, 4)}/h, however full its "
            "replicas."
        )
    lines.append(found.evidence)
    title = "Replayed: the SLO holds" if found.verdict == "pass" else "Replayed: THE SLO DOES NOT HOLD"
    return Paragraph(title, tuple(lines))


def _ceilings(plan: Plan, service: ServiceLine, several: bool) -> str:
    """What the replicas bought may carry, where their replay allows less than their capacity."""
    chips = {line.offer_id: line.accelerator for line in plan.purchase}
    bought = {
        (chips[offer_id(allocation)], allocation.tensor_parallel)
        for allocation in plan.allocations
        if allocation.service == service.name
    }
    said = [
        f"{one.tensor_parallel} × {one.accelerator} {one.share:.0%}"
        for one in service.ceilings
        if (one.accelerator, one.tensor_parallel) in bought
    ]
    name = f"{service.name}: " if several else ""
    return f"{name}Of its capacity a replica carries at most: {', '.join(said)}." if said else ""


def _limit_words(one: LimitVerdict, several: bool) -> str:
    name = f"{one.service}: " if several else ""
    stated = f"{one.statistic} {one.metric.upper()} ≤ {one.limit_ms:g} ms"
    verdict = "holds" if one.holds else "FAILS"
    mean = "–" if one.mean_ms is None else f"{one.mean_ms:,.1f} ms"
    if one.statistic == "mean":
        return f"{name}{stated} {verdict}: {mean}"
    of = "gaps" if one.metric == "itl" else "requests"
    return f"{name}{stated} {verdict}: {one.within_percent:.1f}% of {of} within, mean {mean}"


def _headline(plan: Plan) -> Paragraph:
    lines = []
    for service in plan.services:
        name = f"{service.name}: " if len(plan.services) > 1 else ""
        lines.append(f"{name}{service.model} · {service.precision} · {service.engine}")
        lines.append(
            f"{service.rate_requests_per_s:.6g} requests/s of {service.workload}"
            f"{f' ({service.rate_basis})' if service.rate_basis else ''} · {service.slo} · "
            f"{service.headroom:.0%} headroom"
        )
    if plan.status == "infeasible":
        return Paragraph(
            "No fleet can serve this", (*lines, plan.reason or "no reason given"), bulleted=False
        )
    title = "Cheapest fleet" if plan.status == "optimal" else "Best fleet found (not proved cheapest)"
    if plan.migration is not None and plan.migration.decision == "keep" and plan.status != "optimal":
        title = "The fleet held, kept (a cheaper one exists)"
    return Paragraph(title, tuple(lines), bulleted=False)


def _place(line: Purchase) -> str:
    return f"{line.region} ({line.zone})" if line.zone else line.region


def _purchase(plan: Plan, *, narrow: bool) -> Listing:
    records: list[dict[str, Any]] = []
    for line in plan.purchase:
        record = line.model_dump(mode="python")
        record["place"] = _place(line)
        record["gpus"] = f"{line.accelerators_per_instance} × {line.accelerator}"
        record["stacked"] = (
            f"{line.instance_type} {line.market.value}\n  {record['gpus']}\n  {line.provider} {_place(line)}"
        )
        records.append(record)
    money = (
        Col("instances", "Count", numeric=True),
        Col("utilization", "Used", numeric=True, text=percent),
        Col("usd_per_hour_each", "$/h each", numeric=True, text=usd(4)),
        Col("usd_per_hour", "$/h", numeric=True, text=usd(2)),
        Col("usd_per_month", "$/month", numeric=True, text=usd(0)),
    )
    if narrow:
        return Listing(
            "Buy", (Col("stacked", "Instance, accelerators, place", stacked=True), *money), records
        )
    where = (
        Col("provider", "Provider"),
        Col("place", "Region (zone)"),
        Col("instance_type", "Instance type"),
        Col("market", "Market", text=lambda market: str(market.value)),
        Col("gpus", "Accelerators"),
    )
    return Listing("Buy", (*where, *money), records)


def _held(plan: Plan) -> Paragraph:
    """What the account pays already, and the whole bill."""
    sunk = sum((line.usd_per_hour for line in plan.held), Decimal(0))
    lines = []
    for line in plan.held:
        end = "" if line.until is None else f" until {line.until}"
        idle = line.instances - line.used
        unused = f", {idle} idle (${usd_text(line.idle_usd_per_hour)}/h)" if idle else ""
        lines.append(
            f"{line.instances} × {line.offer} ({line.kind}){end}: ${usd_text(line.usd_per_hour)}/h, "
            f"{line.used} used{unused}"
        )
    if plan.bill_usd_per_hour is not None and plan.usd_per_hour is not None:
        lines.append(
            f"Whole bill ${usd_text(plan.bill_usd_per_hour)}/h: ${usd_text(plan.usd_per_hour)}/h new, "
            f"${usd_text(sunk)}/h paid already, used or not."
        )
    return Paragraph("Held already", tuple(lines))


def _within(plan: Plan) -> str:
    """What the proof is about."""
    if any(service.ceilings for service in plan.services):
        return "with replicas no fuller than their replay allows"
    return "under these inputs"


def _total(plan: Plan) -> Paragraph:
    assert plan.usd_per_hour is not None and plan.usd_per_month is not None and plan.optimality is not None  # noqa: PT018
    proof = plan.optimality
    besides = _besides(plan)
    count = sum(line.instances for line in plan.purchase)
    if proof.proved:
        said = (
            f"Proved optimal: no cheaper fleet exists {_within(plan)} "
            f"(bound ${proof.lower_bound_usd_per_hour:,.4f}/h{besides}"
        )
    else:
        said = (
            f"Not proved optimal: a fleet may cost as little as ${proof.lower_bound_usd_per_hour:,.4f}/h"
            f"{besides} (gap {proof.relative_gap:.2%}"
        )
    sides = tuple(
        f"{cost.name.capitalize()} ${usd_text(cost.usd_per_hour, 4)}/h more." for cost in plan.side_costs
    )
    return Paragraph(
        f"Total ${usd_text(plan.usd_per_hour, 4)}/h, ${usd_text(plan.usd_per_month)}/month for {count} "
        f"instance{'s' if count != 1 else ''}",
        (*sides, f"{said}; {proof.solver}, {proof.solve_seconds:.2f} s)."),
        bulleted=False,
    )


def _besides(plan: Plan) -> str:
    """What the bound covers besides the price of the instances."""
    parts: list[str] = [cost.name for cost in plan.side_costs]
    if plan.migration is not None and plan.migration.one_off_usd:
        parts.append("the change")
    return f", {' and '.join(parts)} included" if parts else ""


def _evidence(plan: Plan) -> Listing:
    rows: dict[tuple[str, int, str, str, float | None], float] = {}
    accelerator = {
        (p.provider, p.region, p.zone, p.instance_type, p.market): p.accelerator for p in plan.purchase
    }
    for a in plan.allocations:
        chip = accelerator[a.provider, a.region, a.zone, a.instance_type, a.market]
        for load in a.load:
            profile = load.profile
            key = (chip, a.tensor_parallel, profile.kind.value, profile.source, profile.error_pct)
            rows[key] = rows.get(key, 0.0) + load.requests_per_s
    records = [
        {
            "accelerator": chip,
            "tensor_parallel": tp,
            "kind": kind,
            "requests_per_s": rate,
            "error_pct": error,
            "source": source,
        }
        for (chip, tp, kind, source, error), rate in sorted(rows.items(), key=lambda item: -item[1])
    ]
    columns = (
        Col("accelerator", "Accelerator"),
        Col("tensor_parallel", "TP", numeric=True),
        Col("kind", "Throughput is"),
        Col("requests_per_s", "Requests/s", numeric=True, text=lambda v: f"{v:.2f}"),
        Col(
            "error_pct",
            "Typical error",
            numeric=True,
            text=lambda v: "not known" if v is None else f"±{v:.0f} %",
        ),
        Col("source", "Source", importance=4, wrap=True),
    )
    return Listing("Where the throughput comes from", columns, records)


def _prices(plan: Plan) -> Listing:
    def age(hours: Any) -> str:
        if hours is None:
            return "–"
        return f"{hours:.0f} h" if hours < 2 * _HOURS_PER_DAY else f"{hours / _HOURS_PER_DAY:.0f} d"

    records = [state.model_dump(mode="python") for state in plan.catalog]
    columns = (
        Col("provider", "Provider"),
        Col("market", "Market", text=lambda m: str(m.value)),
        Col("offers", "Offers", numeric=True),
        Col("age_hours", "Oldest", numeric=True, text=age),
        Col("collected_at", "From", text=_day, importance=3),
        Col("newest_collected_at", "To", text=_day, importance=2),
        Col("state", "State"),
    )
    return Listing("How old the prices are", columns, records)


def _exclusions(plan: Plan) -> Listing:
    records = [
        {
            "reason": reason.replace("_", " "),
            **group.model_dump(mode="python"),
            "example": short(group.examples[0], 110),
        }
        for reason, group in plan.exclusions.items()
    ]
    footer = [
        f"Admitting {reason.replace('_', ' ')}: {group.saving_if_admitted}."
        for reason, group in plan.exclusions.items()
        if group.saving_if_admitted
    ]
    columns = (
        Col("reason", "Left out because"),
        Col("count", "Offers", numeric=True),
        Col("example", "For example", wrap=True),
    )
    total = sum(group.count for group in plan.exclusions.values())
    return Listing(f"Left out: {total:,} offers", columns, records, footer=tuple(footer))


def plan_renderables(plan: Plan, width: int) -> list[RenderableType]:
    """The plan for a terminal of that width."""
    return renderables(sections(plan, width), width)


def plan_markdown(plan: Plan) -> str:
    """The plan as Markdown."""
    return markdown(sections(plan, width=10_000))


_CSV_COLUMNS = (
    "provider",
    "region",
    "zone",
    "instance_type",
    "market",
    "accelerator",
    "accelerators_per_instance",
    "instances",
    "utilization",
    "usd_per_hour_each",
    "usd_per_hour",
    "usd_per_month",
    "price_collected_at",
    "price_source",
    "price_basis",
    "availability",
    "interruption",
)


def plan_csv(plan: Plan) -> str:
    """The lines to buy as CSV, one per line, every column."""
    records = [line.model_dump(mode="json") for line in plan.purchase]
    return listing_csv(Listing("", tuple(Col(key, key) for key in _CSV_COLUMNS), records))
