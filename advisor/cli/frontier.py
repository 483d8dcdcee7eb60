"""`advisor frontier`: what one thing more or less of costs."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from advisor.cli import options
from advisor.cli.fleet_text import FleetWords
from advisor.cli.output import Col, Format, Listing, json_text, listing_csv, show, working, write_text
from advisor.cli.sections import Paragraph, Section, markdown, renderables
from advisor.errors import UsageError
from advisor.units import usd_per_month, usd_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.recommendation.frontier import Frontier


class Over(StrEnum):
    """What can be varied."""

    RATE = "rate"
    TPOT = "tpot"
    TTFT = "ttft"
    HEADROOM = "headroom"
    SPOT_SHARE = "spot-share"
    INSTANCES_LOST = "instances-lost"
    PROVIDERS = "providers"
    ACCELERATORS = "accelerators"
    REGIONS = "regions"
    BUDGET = "budget"
    CARBON = "carbon"
    DEMAND_ERROR = "demand-error"
    COVERAGE = "coverage"


def frontier(
    plan: Annotated[
        str | None,
        typer.Argument(help="Vary this plan's own question; - is standard input. Default: ask anew."),
    ] = None,
    over: Annotated[Over, typer.Option("--over", help="What to vary.")] = Over.RATE,
    values: Annotated[
        str | None, typer.Option(help="Values, comma-separated: 1,2,4,8. Default: a few sensible ones.")
    ] = None,
    region: options.Regions = None,
    provider: options.Providers = None,
    market: options.Markets = None,
    service: options.ServiceFile = None,
    model: options.Model = None,
    workload: options.Workload = None,
    rate: options.Rate = None,
    tpot_ms: options.TpotMs = None,
    ttft_ms: options.TtftMs = None,
    itl_ms: options.ItlMs = None,
    e2e_ms: options.E2eMs = None,
    slo_stat: options.SloStat = None,
    quota: options.AccountFile = None,
    snapshot: options.Snapshot = None,
    prices: options.Prices = None,
    time_limit_s: Annotated[float, typer.Option(help="Seconds for each point.", min=0.1, max=3600)] = 30.0,
    form: options.Dressed = Format.TABLE,
    output: options.Output = None,
    edited: options.Edited = False,
) -> None:
    """Print the cheapest fleet at each value of one thing, every point solved and proved on its own.

    Example: advisor frontier --region us-east-1 --over tpot
    """
    from advisor import api
    from advisor.cli.prices import priced

    question: dict[str, Any] = {
        "service_file": service, "regions": region, "providers": provider, "markets": market, "model": model,
        "workload": workload, "rate_requests_per_s": rate, "tpot_ms": tpot_ms,
        "ttft_ms": ttft_ms, "itl_ms": itl_ms, "e2e_ms": e2e_ms, "slo_statistic": slo_stat,
    }  # fmt: skip
    given = {name: value for name, value in question.items() if value}
    if plan is not None and (given or prices):
        raise UsageError("give a PLAN or options of the question, not both")
    with working(f"Solving every point of {over.value}"):
        found = api.frontier(
            over.value,
            _numbers(values),
            plan=_read(plan, edited=edited),
            snapshot=priced(snapshot, prices),
            quota=quota,
            **{**given, "time_limit_s": time_limit_s},
        )
    if form is Format.JSON:
        write_text(json_text(_document(found)), output)
    elif form is Format.CSV:
        write_text(listing_csv(_listing(found)), output)
    elif form is Format.MARKDOWN:
        write_text(markdown(_sections(found, 100)), output)
    else:
        show(lambda width: renderables(_sections(found, width), width), output)
    if all(point.usd_per_hour is None for point in found.points):
        raise typer.Exit(3)


def _read(plan: str | None, *, edited: bool) -> Any:
    from advisor.plan.read import read_plan

    return None if plan is None else read_plan(plan, edited=edited)


def _numbers(words: str | None) -> list[float]:
    try:
        return [float(word) for word in words.split(",")] if words else []
    except ValueError:
        raise UsageError(f"--values {words!r} is not allowed; numbers separated by commas") from None


def _document(found: Frontier) -> dict[str, object]:
    return {
        "schema_version": 1,
        "kind": "frontier",
        "over": found.axis.name,
        "meaning": found.axis.meaning,
        "unit": found.axis.unit,
        "asked_value": found.asked_value,
        "points": [asdict(point) for point in found.points],
    }


def _sections(found: Frontier, width: int) -> Iterator[Section]:
    yield Paragraph(f"Cost against {found.axis.meaning}", (), bulleted=False)
    yield _listing(found)
    chart = _chart(found, width)
    if chart:
        yield Paragraph("", tuple(chart), bulleted=False)
    no = [f"{_value(found, p.value)}: {p.reason}" for p in found.points if p.usd_per_hour is None]
    if no:
        yield Paragraph("No fleet", tuple(no))


def _value(found: Frontier, value: float) -> str:
    return f"{value:g} {found.axis.unit}".strip()


def _listing(found: Frontier) -> Listing:
    records = []
    for point in found.points:
        record = asdict(point)
        record["usd_per_month"] = None if point.usd_per_hour is None else usd_per_month(point.usd_per_hour)
        record["proof"] = (
            "proved"
            if point.status == "optimal"
            else point.status
            if point.relative_gap is None
            else f"gap {point.relative_gap:.2%}"
        )
        records.append(record)
    words = FleetWords.of(point.fleet for point in found.points)
    unit = f", {found.axis.unit}" if found.axis.unit not in ("", found.axis.name) else ""
    partly = any(point.served_share is not None and point.served_share < 1 - 1e-9 for point in found.points)
    served = (Col("served_share", "Served", numeric=True, text=lambda v: "–" if v is None else f"{v:.2%}"),)
    columns = (
        Col("value", f"{found.axis.name}{unit}", numeric=True, text=lambda v: f"{v:g}"),
        Col("usd_per_hour", "$/h", numeric=True, text=lambda v: "–" if v is None else usd_text(v, 4)),
        Col(
            "usd_per_month", "$/month", numeric=True, importance=3,
            text=lambda v: "–" if v is None else usd_text(v, 0),
        ),
        *(served if partly else ()),
        Col("proof", "Proof"),
        Col("instances", "Instances", numeric=True, importance=2),
        words.column("fleet", "Fleet"),
    )  # fmt: skip
    return Listing("", columns, records)


def _chart(found: Frontier, width: int) -> list[str]:
    """One bar per point, from zero, to the scale of the dearest."""
    priced = [(p.value, p.usd_per_hour) for p in found.points if p.usd_per_hour is not None]
    if len(priced) < 2:
        return []
    labels = [f"{value:g}" for value, _ in priced]
    costs = [usd_text(usd, 2) for _, usd in priced]
    margin, room = max(map(len, labels)), max(map(len, costs))
    space = max(10, min(width, 100) - margin - room - 4)
    most = max(usd for _, usd in priced)
    lines = [f"$/h by {found.axis.name}, bars from 0"]
    for label, cost, (value, usd) in zip(labels, costs, priced, strict=True):
        bar = "█" * max(1, round(space * float(usd / most)))
        mark = (
            " ◄ as asked" if found.asked_value is not None and abs(value - found.asked_value) < 1e-9 else ""
        )
        lines.append(f"{label:>{margin}} │{bar} {cost}{mark}")
    return lines
