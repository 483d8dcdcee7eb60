"""Prices: where each comes from, how old it is, and what it was before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from advisor.domain import Market
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
    PriceLine,
    PriceLines,
    Step,
)
from advisor.report.purchase_sections import market_words

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.report.beside import Beside
    from advisor.report.blocks import Line


def price_evidence(plan: Plan, beside: Beside, lines: tuple[Line, ...]) -> Section:
    """Where every price comes from, how old it is, and what it was before."""
    table = Table(
        "price_evidence",
        "Evidence of every price bought on",
        (
            Column("line", "Line"),
            Column("usd_per_hour_each", "USD/h each", Kind.USD_RATE),
            Column("collected_at", "Stated on", Kind.DAY),
            Column("age_days", "Age, days", Kind.COUNT),
            Column("state", "State"),
            Column("basis", "Basis"),
            Column("source", "Source"),
            Column("evidence", "SHA-256 of the vendor's item", Kind.CODE),
        ),
        tuple(
            (
                line.offer_id,
                line.usd_per_hour_each,
                line.price_collected_at,
                max(0, (beside.now - line.price_collected_at).days),
                line.price_state,
                line.price_basis.replace("_", " "),
                line.price_source,
                line.price_evidence or "none kept",
            )
            for line in lines
        ),
    )
    states = Table(
        "catalog_age",
        "Age of the prices in scope when the plan was made",
        (
            Column("provider", "Provider"),
            Column("market", "Market"),
            Column("offers", "Prices", Kind.COUNT),
            Column("collected_at", "Oldest", Kind.DAY),
            Column("newest_collected_at", "Newest", Kind.DAY),
            Column("state", "State"),
        ),
        tuple(
            (
                state.provider,
                market_words(state.market),
                state.offers,
                state.collected_at,
                state.newest_collected_at,
                state.state,
            )
            for state in plan.catalog
        ),
    )
    blocks: list[Block] = [table, *_history(beside), states]
    return Section("evidence", "Price evidence and age", tuple(blocks))


def _history(beside: Beside) -> list[Block]:
    lines = []
    for history in beside.histories:
        series: dict[tuple[str, str], list[Step]] = {}
        for seen in history.observations:
            step = Step(seen.valid_from, seen.observed_until, float(seen.usd_per_hour))
            series.setdefault(seen.series, []).append(step)
        for (market, zone), steps in series.items():
            where = f" {zone}" if zone else ""
            lines.append(
                PriceLine(
                    f"{history.instance_type} {market_words(Market(market))}, {history.region}{where}",
                    tuple(steps),
                )
            )
    once = [line for line in lines if len(line.steps) < _FEWEST]
    lines = [line for line in lines if len(line.steps) >= _FEWEST]
    words = [Sentences(tuple(map(_only_price, once)))] if once else []
    if not lines:
        return list(words or [Sentences(("No price history of the lines bought on is at hand.",))])
    told = [
        f"{line.label}: {line.steps[0].value:g} on {line.steps[0].start}, {line.steps[-1].value:g} on "
        f"{line.steps[-1].until}"
        for line in lines
    ]
    table = Table(
        "price_history_numbers",
        "Prices over time, USD an hour",
        (
            Column("line", "Line"),
            Column("valid_from", "From", Kind.DAY),
            Column("observed_until", "Last seen", Kind.DAY),
            Column("usd_per_hour", "USD/h", Kind.USD_RATE),
        ),
        tuple((line.label, s.start, s.until, s.value) for line in lines for s in line.steps[-_NEWEST:]),
    )
    return [
        Figure(
            "price_history",
            "Price of the lines over time, USD an hour",
            "; ".join(told) + ".",
            PriceLines(tuple(lines), "USD an hour"),
            table,
        ),
        *words,
    ]


def _only_price(line: PriceLine) -> str:
    (step,) = line.steps
    seen = f"on {step.start}" if step.start == step.until else f"from {step.start} to {step.until}"
    return (
        f"Price history: {line.label} has one price on record, {step.value:g} USD/h, seen {seen}; every "
        "`advisor refresh` adds to it."
    )


_FEWEST: Final = 2
"""Prices a line needs before a chart says more than a sentence."""
_NEWEST: Final = 12
"""Newest prices of each line that the table behind the chart lists."""
