"""What the answer hangs on, which chip is cheapest where, and what choosing otherwise costs: the charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.report.blocks import (
    Block,
    Column,
    Figure,
    Kind,
    Section,
    Sentences,
    Table,
)
from advisor.report.figures import (
    Curve,
    HeatCell,
    HeatMap,
    Point,
    Swing,
    Tornado,
)
from advisor.report.spell import UNKNOWN, spell
from advisor.units import usd_text

if TYPE_CHECKING:
    from decimal import Decimal

    from advisor.plan.plan import Plan
    from advisor.recommendation.sensitivity import CheapestPerSize
    from advisor.report.beside import Beside


def sensitivity(plan: Plan, beside: Beside) -> Section:
    """What the cheapest fleet would cost if an input were another, each alone."""
    title = "Sensitivity"
    found = beside.extras.swings
    if found is None:
        return Section("sensitivity", title, (), f"Sensitivity: {beside.extras.why_not}.")
    assert plan.usd_per_hour is not None
    columns = (
        Column("input", "Input"),
        Column("low", "Low"),
        Column("low_usd_per_hour", "Cheapest fleet at low, USD/h", Kind.USD_RATE),
        Column("high", "High"),
        Column("high_usd_per_hour", "Cheapest fleet at high, USD/h", Kind.USD_RATE),
        Column("range_usd_per_hour", "Between them, USD/h", Kind.USD_RATE),
    )
    ordered = sorted(found, key=lambda swing: (-swing.width, swing.label))
    rows = tuple(
        (s.label, s.low_label, s.low_usd_per_hour, s.high_label, s.high_usd_per_hour, s.width)
        for s in ordered
    )
    table = Table("sensitivity", "Each input alone, the fleet re-solved", columns, rows)
    chart = Tornado(
        float(plan.usd_per_hour),
        tuple(
            Swing(s.label, s.low_label, _float(s.low_usd_per_hour), s.high_label, _float(s.high_usd_per_hour))
            for s in ordered
        ),
        "USD/h",
    )
    told = "; ".join(
        f"{s.label}: {spell(s.low_usd_per_hour, Kind.USD)} at {s.low_label}, "
        f"{spell(s.high_usd_per_hour, Kind.USD)} at {s.high_label}"
        for s in ordered
    )
    figure = Figure(
        "tornado",
        f"What the cheapest fleet costs when one input changes (plan: {usd_text(plan.usd_per_hour)} USD/h)",
        f"Cost in USD an hour. {told}.",
        chart,
        table,
    )
    said = (
        "Every figure is a new optimum under the same rules, not the cost of keeping this fleet.",
        _growth(plan),
    )
    return Section("sensitivity", title, (figure, Sentences(said)))


def _growth(plan: Plan) -> str:
    busiest = max((a.utilization for a in plan.allocations), default=0.0)
    if not busiest:
        return "How much more this fleet could take is not known."
    return (
        f"This fleet as it stands takes {1 / busiest - 1:.0%} more of the same mix before its busiest "
        "replicas are full, without headroom."
    )


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def heat_map(beside: Beside) -> Section:
    """The cheapest accelerator per request size."""
    title = "Cheapest accelerator per request size"
    maps = beside.extras.cheapest_per_size
    if maps is None:
        return Section("heat_map", title, (), f"Heat map: {beside.extras.why_not}.")
    blocks: list[Block] = [_map_figure(each, number) for number, each in enumerate(maps, start=1)]
    blocks.append(
        Sentences(
            (
                ("The price of one request if instances could be rented in fractions: what an instance costs "
                "over what it serves of that size alone, headroom kept. A blank size is served by nothing in "
                "scope within the SLO."),
            )
        )
    )  # fmt: skip
    return Section("heat_map", title, tuple(blocks))


def _map_figure(found: CheapestPerSize, number: int) -> Figure:
    cells = tuple(
        tuple(
            HeatCell(
                None if best is None else best.accelerator,
                "" if best is None else usd_text(best.usd_per_million_requests, 0),
            )
            for best in row
        )
        for row in found.cells
    )
    rows = tuple(f"≤ {edge:,}" for edge in found.input_edges)
    columns = tuple(f"≤ {edge:,}" for edge in found.output_edges)
    table = Table(
        f"heat_map_{number}_numbers",
        f"Cheapest accelerator per request size, {found.service}",
        (
            Column("input", "Input tokens"),
            *(Column(f"out_{edge}", f"Output ≤ {edge:,}") for edge in found.output_edges),
        ),
        tuple(
            (label, *(f"{c.accelerator} {c.words}" if c.accelerator else UNKNOWN for c in row))
            for label, row in zip(rows, cells, strict=True)
        ),
    )
    tally: dict[str, int] = {}
    for row in cells:
        for cell in row:
            tally[cell.accelerator or "none"] = tally.get(cell.accelerator or "none", 0) + 1
    won = ", ".join(f"{name} {count}" for name, count in sorted(tally.items(), key=lambda i: (-i[1], i[0])))
    return Figure(
        f"heat_map_{number}",
        f"Cheapest accelerator for each request size, USD per million requests ({found.service})",
        f"Of {sum(tally.values())} request sizes, won by: {won}.",
        HeatMap("Input tokens", "Output tokens", rows, columns, cells),
        table,
    )


def frontier(plan: Plan, beside: Beside) -> Section:
    """Cost against one thing that can be chosen."""
    found = beside.extras.frontier
    if found is None:
        said = (
            f"Frontier: {beside.extras.why_not}. `advisor frontier PLAN --format json -o curve.json`, then "
            "--frontier curve.json, fills it in."
        )
        return Section("frontier", "Frontier", (), said)
    known = [p for p in found.points if p.usd_per_hour is not None]
    table = Table(
        "frontier",
        f"Cost against {found.against}",
        (Column("x", found.against, Kind.NUMBER), Column("usd_per_hour", "USD/h", Kind.USD_RATE)),
        tuple((p.value, p.usd_per_hour) for p in found.points),
    )
    if not known:
        return Section("frontier", "Frontier", (table,))
    chart = Curve(
        tuple(Point(p.value, float(p.usd_per_hour or 0), found.is_here(p, plan.usd_per_hour)) for p in known),
        found.against,
        "USD/h",
    )
    words = (
        f"{len(known)} fleets; from {known[0].usd_per_hour} USD/h at {known[0].value:g} to "
        f"{known[-1].usd_per_hour} USD/h at {known[-1].value:g}."
    )
    return Section(
        "frontier",
        "Frontier",
        (Figure("frontier_curve", f"Cost against {found.against}", words, chart, table),),
    )
