"""What is decided and bought: the decision, the lines, side costs, prices and their evidence, quotas."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.catalog.freshness import ON_DEMAND_LIMIT, SPOT_LIMIT
from advisor.domain import Market
from advisor.report.blocks import (
    Block,
    Column,
    Fact,
    Facts,
    Figure,
    Kind,
    Section,
    Sentences,
    Table,
)
from advisor.report.figures import (
    Bar,
    Bars,
)
from advisor.report.spell import spell

if TYPE_CHECKING:
    from datetime import date

    from advisor.plan.plan import Plan
    from advisor.report.beside import Beside
    from advisor.report.blocks import Line, SideLine, Totals, Value

MONTHS_PER_YEAR: Final = 12
_LINES_IN_WORDS: Final = 3
_MARKET_WORDS: Final = {Market.ON_DEMAND: "on demand", Market.SPOT: "spot", Market.RESERVED: "reserved"}
_OPTIONAL_COSTS: Final = ("egress", "disk", "load balancers", "public IP addresses", "licences", "support")


def market_words(market: Market) -> str:
    """How people write a market."""
    return _MARKET_WORDS[market]


def valid_until(plan: Plan, beside: Beside) -> date:
    """The last day of the decision: as asked, else as long as its shortest-lived price may count as fresh."""
    days = beside.valid_days
    if days is None:
        spot = any(line.market is Market.SPOT for line in plan.purchase)
        return (beside.now + (SPOT_LIMIT if spot else ON_DEMAND_LIMIT)).date()
    return (beside.now + timedelta(days=days)).date()


def decision(plan: Plan, beside: Beside, lines: tuple[Line, ...], totals: Totals) -> Section:
    """What is to be approved, on one screen."""
    headline = (
        Fact(f"USD per month ({plan.hours_per_month} h)", totals.usd_per_month, Kind.USD),
        Fact(f"USD per year ({_hours_per_year(plan):,} h)", totals.usd_per_year, Kind.USD),
        Fact("USD per hour", totals.usd_per_hour, Kind.USD_RATE),
        Fact("Valid until", valid_until(plan, beside), Kind.DAY),
    )
    facts = (
        Fact("Decision asked for", _asked_for(lines, totals)),
        Fact("To serve", _served_words(plan)),
        *_beside_the_cost(plan, beside),
        *_held_facts(plan),
        Fact("Proof", _proof_words(plan)),
        Fact("Simulated against the SLO", _verdict(plan, beside)),
        Fact("Validity rests on", _validity_words(plan, beside, lines)),
        Fact("Requested by", beside.requester or "not stated (--requester)"),
        Fact("Plan", f"{plan.plan_id}, made {spell(plan.created_at, Kind.MOMENT)}"),
        Fact("Report made", beside.now, Kind.MOMENT),
    )
    blocks: list[Block] = [Facts(headline, headline=True), Facts(facts)]
    if plan.warnings:
        blocks.append(Sentences(tuple(plan.warnings), emphasis=True))
    return Section("decision", "Decision", tuple(blocks))


def _asked_for(lines: tuple[Line, ...], totals: Totals) -> str:
    """The order in one line; a long one by its total, the lines being listed below."""
    if len(lines) <= _LINES_IN_WORDS:
        return "rent " + ", ".join(
            f"{line.instances} × {line.instance_type} ({market_words(line.market)}, {line.provider} "
            f"{line.zone or line.region})"
            for line in lines
        )
    return f"rent {totals.instances} instances of {len(lines)} kinds, listed below"


def _served_words(plan: Plan) -> str:
    return "; ".join(
        f"{_share_words(service.served_share)}{service.rate_requests_per_s:.4g} requests/s of "
        f"{service.model} within {service.slo}"
        for service in plan.services
    )


def _share_words(share: float) -> str:
    return "" if share >= 1 else f"{share:.1%} of "


def has_budget(plan: Plan) -> bool:
    """Whether the plan serves as much as a budget pays for."""
    return any(rule.kind == "budget" for rule in plan.rules)


def _beside_the_cost(plan: Plan, beside: Beside) -> list[Fact]:
    """What an approver asks next: against before, if all spot goes, if demand is another."""
    from advisor.recommendation.sensitivity import DEMAND

    facts = []
    if plan.migration:
        facts.append(
            Fact("The fleet held costs, USD per hour", plan.migration.held_usd_per_hour, Kind.USD_RATE)
        )
    if beside.previous and beside.previous.usd_per_hour is not None:
        facts.append(Fact("The last plan cost, USD per hour", beside.previous.usd_per_hour, Kind.USD_RATE))
    if plan.risk:
        facts.append(Fact("If all spot is lost, USD per hour", plan.risk.worst_usd_per_hour, Kind.USD_RATE))
    demand = next((s for s in beside.extras.swings or () if s.label == DEMAND), None)
    if demand:
        ends = ((demand.low_label, demand.low_usd_per_hour), (demand.high_label, demand.high_usd_per_hour))
        words = (f"{'no fleet' if usd is None else spell(usd, Kind.USD_RATE)} at {at}" for at, usd in ends)
        facts.append(Fact("If demand is another, USD per hour", ", ".join(words)))
    return facts


def _held_facts(plan: Plan) -> list[Fact]:
    """What the account pays already, used or not, and the whole bill."""
    if not plan.held:
        return []
    sunk = sum((line.usd_per_hour for line in plan.held), Decimal(0))
    idle = sum((line.idle_usd_per_hour for line in plan.held), Decimal(0))
    lines = "; ".join(
        f"{line.instances} × {line.offer} ({line.kind}, {line.used} used, "
        f"{f'until {line.until}' if line.until else 'no end stated'})"
        for line in plan.held
    )
    return [
        Fact("Held already", lines),
        Fact("Paid already, used or not, USD per hour", sunk, Kind.USD_RATE),
        Fact("Of that, idle, USD per hour", idle, Kind.USD_RATE),
        Fact("Whole bill, USD per hour", plan.bill_usd_per_hour, Kind.USD_RATE),
    ]


def _verdict(plan: Plan, beside: Beside) -> str:
    found = beside.simulation or plan.simulation
    return found.verdict if found else "not run"


def _hours_per_year(plan: Plan) -> int:
    return plan.hours_per_month * MONTHS_PER_YEAR


def _proof_words(plan: Plan) -> str:
    proof = plan.optimality
    if proof is None:
        return "no proof"
    if proof.proved and has_budget(plan):
        return "no fleet within the budget serves more under the stated inputs"
    if proof.proved:
        return "no cheaper fleet exists under the stated inputs"
    return f"not proved cheapest; the gap is {spell(proof.relative_gap, Kind.SHARE)}"


def _validity_words(plan: Plan, beside: Beside, lines: tuple[Line, ...]) -> str:
    if beside.valid_days is not None:
        return f"{beside.valid_days} days, as asked"
    spot = any(line.market is Market.SPOT for line in plan.purchase)
    kind, limit = ("spot", SPOT_LIMIT) if spot else ("list", ON_DEMAND_LIMIT)
    words = f"{kind} prices, which count as fresh for {limit.days} days"
    stale = sum(1 for line in lines if line.price_state == "stale")
    if not stale:
        return words
    return f"{words}; {stale} of {len(lines)} lines rest on stale prices, so confirm those first"


def lines_to_buy(lines: tuple[Line, ...], totals: Totals) -> Section:
    """Every line with what it is, where, how many, and what it costs."""
    columns = (
        Column("provider", "Provider"),
        Column("region", "Region"),
        Column("zone_policy", "Zone policy"),
        Column("sku", "SKU (instance type)"),
        Column("gpu", "GPU"),
        Column("gpus_per_instance", "GPUs each", Kind.COUNT),
        Column("market", "Market"),
        Column("instances", "Count", Kind.COUNT),
        Column("usd_per_hour_each", "USD/h each", Kind.USD_RATE),
        Column("usd_per_hour", "USD/h", Kind.USD_RATE),
        Column("usd_per_month", "USD/month", Kind.USD),
        Column("usd_per_year", "USD/year", Kind.USD),
    )
    rows = tuple(
        (
            line.provider,
            _region_words(line),
            f"zone {line.zone} only" if line.zone else "any zone of the region",
            line.instance_type,
            _gpu_words(line),
            line.accelerators_per_instance,
            market_words(line.market),
            line.instances,
            line.usd_per_hour_each,
            line.usd_per_hour,
            line.usd_per_month,
            line.usd_per_year,
        )
        for line in lines
    )
    total: tuple[Value, ...] = (
        *("Total", "", "", "", "", None, "", totals.instances, None),
        *(totals.usd_per_hour, totals.usd_per_month, totals.usd_per_year),
    )
    bought = Table("lines", "What to buy", columns, rows, total)
    return Section("lines", "Lines to buy", (bought,))


def _cost_by_line(lines: tuple[Line, ...]) -> Figure:
    chart = Bars(
        tuple(
            Bar(
                f"{line.instances} × {line.instance_type} {market_words(line.market)}, {line.region}",
                float(line.usd_per_month),
                spell(line.usd_per_month, Kind.USD),
            )
            for line in lines
        ),
        "USD a month",
    )
    return Figure(
        "cost_by_line",
        "Cost by line, USD a month",
        "Cost by line: " + "; ".join(f"{bar.label}: {bar.words}" for bar in chart.bars) + ".",
        chart,
        Table(
            "cost_by_line_numbers",
            "Cost by line",
            (Column("line", "Line"), Column("usd_per_month", "USD/month", Kind.USD)),
            tuple((bar.label, line.usd_per_month) for bar, line in zip(chart.bars, lines, strict=True)),
        ),
    )


def _region_words(line: Line) -> str:
    named = line.region_name and line.region_name != line.region
    return f"{line.region} ({line.region_name})" if named else line.region


def _gpu_words(line: Line) -> str:
    memory = "" if line.accelerator_memory_gb is None else f", {line.accelerator_memory_gb:g} GB"
    if memory and line.accelerator.endswith(f"-{line.accelerator_memory_gb:g}gb"):
        memory = ""  # the id says it
    named = line.accelerator_name if line.accelerator_name != line.accelerator else ""
    return f"{named} ({line.accelerator}{memory})" if named else f"{line.accelerator}{memory}"


def costs(plan: Plan, lines: tuple[Line, ...], side: tuple[SideLine, ...]) -> Section:
    """Where the money goes, what the fleet costs besides instances, and what was left out."""
    included = {line.name for line in side}
    left_out = [name for name in _OPTIONAL_COSTS if name not in included]
    words = Sentences(
        (
            f"Not included: {', '.join(left_out)}, taxes, one-off costs of moving.",
            "Prices are list prices before tax, without negotiated discounts, as their sources state them.",
            (
                f"A month is {plan.hours_per_month} hours, a year {_hours_per_year(plan):,}; prices are in "
                "USD as their sources state them, so no currency was converted."
            ),
            (
                "The totals are the hourly total times the hours, rounded once; rounded lines may differ "
                "from them by a cent."
            ),
        )
    )
    title = "Cost by line, and side costs"
    if not side:
        return Section("side_costs", title, (_cost_by_line(lines), words))
    table = Table(
        "side_costs",
        "Included beside the instances",
        (
            Column("name", "Cost"),
            Column("usd_per_hour", "USD/h", Kind.USD_RATE),
            Column("usd_per_month", "USD/month", Kind.USD),
            Column("basis", "Basis"),
        ),
        tuple(
            (line.name, line.usd_per_hour, line.usd_per_hour * plan.hours_per_month, line.detail)
            for line in side
        ),
    )
    return Section("side_costs", title, (_cost_by_line(lines), table, words))
