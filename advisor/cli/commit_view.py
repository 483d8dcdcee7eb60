"""How a commitment reads: sections for people, a document for programs."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from advisor.cli.fleet_text import FleetWords
from advisor.cli.output import Col, Listing
from advisor.cli.plan_text import percent, usd
from advisor.cli.sections import Paragraph, Section
from advisor.units import usd_per_month, usd_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.recommendation.commitment import Commitment, CommittedLine, Outcome

HOURS_PER_WEEK: Final = 168

Record = dict[str, Any]

ASSUMED: Final = (
    "A commitment is paid in every hour of its term, run or idle; its weeks are taken to be alike.",
    "What is rented starts and stops on the hour: start-up time is ignored, so real scaling costs more.",
    "Every term commits to one type in one region; a savings plan that moves between types is worth more.",
    "Terms that hold capacity draw on no on-demand quota; all others draw on it where they run.",
    "Prices by the hour stay as they are; the terms are as their file quotes them.",
)


def document(found: Commitment) -> Record:
    """The JSON document."""
    return {
        "schema_version": 1,
        "kind": "commitment",
        "snapshot_id": found.snapshot_id,
        "status": found.committed.status,
        "usd_per_hour": _exact(found.committed.usd_per_hour),
        "usd_per_week": _week(found.committed.usd_per_hour),
        "usd_per_month": usd_per_month(found.committed.usd_per_hour),
        "lower_bound_usd_per_hour": found.committed.lower_bound_usd_per_hour,
        "relative_gap": found.committed.relative_gap,
        "demand": {
            "source": found.week_source,
            "hours": found.week_hours,
            "requests_per_s": found.requests_per_s,
            "levels": [level.factor for level in found.levels.levels],
            "distinct_levels": found.levels.distinct,
            "overstatement": found.levels.overstatement,
        },
        "lines": [_line(line) for line in found.lines],
        "hours": _hours(found),
        "beside": _beside(found),
        "scenarios": [_outcome(outcome) for outcome in found.outcomes],
        "notes": list(found.notes),
        "assumptions": list(ASSUMED),
    }


def sections(found: Commitment) -> Iterator[Section]:
    """Everything, the decision first."""
    yield Paragraph("What to commit", (_headline(found),), bulleted=False)
    yield line_listing(found)
    yield Paragraph("", tuple(_total(found)), bulleted=False)
    yield _hour_listing(found)
    yield _beside_listing(found)
    yield _outcome_listing(found)
    if len(found.outcomes) > 1:
        yield Paragraph(
            "If demand stays at the lowest scenario", (_lowest(found.outcomes[0]),), bulleted=False
        )
    if found.notes:
        yield Paragraph("Read before you commit", found.notes, emphasis=True)
    yield Paragraph("Taken for granted", ASSUMED)


def _headline(found: Commitment) -> str:
    levels = found.levels
    merged = (
        f"{levels.distinct} distinct levels merged upward into {len(levels.levels)}, which overstates "
        f"demand by {levels.overstatement:.1%}"
        if levels.overstatement
        else f"{len(levels.levels)} distinct levels"
    )
    grows = ", ".join(f"{outcome.growth:g} × at {outcome.weight:.0%}" for outcome in found.outcomes)
    rate = f"{found.requests_per_s:g} requests/s at factor 1"
    return f"Demand: {found.week_source}; {rate}; {merged}. Growth: {grows}."


def _total(found: Commitment) -> Iterator[str]:
    committed = found.committed
    money = committed.usd_per_hour
    fixed = sum((line.usd_per_hour for line in found.lines), Decimal(0))
    yield (
        f"Expected ${usd_text(_week(money), 2)} a week, ${usd_text(usd_per_month(money), 2)} a month, of "
        f"which ${usd_text(_week(fixed), 2)} a week is committed."
    )
    bound = usd_text(_week(Decimal(repr(committed.lower_bound_usd_per_hour))), 2)
    gap = f"no choice costs less than ${bound} a week, a gap of {committed.relative_gap:.2%}"
    yield (
        f"Proved to within {committed.relative_gap:.2%}: {gap}."
        if committed.status == "optimal"
        else (f"Not proved cheapest in the time allowed: {gap}; more with --time-limit-s.")
    )


def _lowest(outcome: Outcome) -> str:
    found = (
        f"At {outcome.growth:g} × the plan costs ${usd_text(_week(outcome.usd_per_hour), 2)} a week, "
        f"${usd_text(_week(outcome.regret_usd_per_hour), 2)} more than what would have been best there."
    )
    if outcome.on_demand_usd_per_hour is None:
        return found
    saving = outcome.on_demand_usd_per_hour - outcome.usd_per_hour
    word = "less" if saving >= 0 else "more"
    return f"{found} That is ${usd_text(_week(abs(saving)), 2)} {word} than on demand, hour by hour."


# --- listings -------------------------------------------------------------------------------------


def line_listing(found: Commitment) -> Listing:
    """The commitments."""
    columns = (
        Col("term", "Term"),
        Col("kind", "Kind", importance=5),
        Col("place", "Place", importance=3),
        Col("instance_type", "Instance"),
        Col("count", "Count", numeric=True),
        Col("usd_per_hour_each", "$/h each", numeric=True, text=usd(4)),
        Col("on_demand_usd_per_hour_each", "On demand", numeric=True, text=usd(4), importance=4),
        Col("usd_per_hour", "$/h", numeric=True, text=usd(2), importance=2),
        Col("term_months", "Months", numeric=True, importance=2),
        Col("usd_over_term", "$ over term", numeric=True, text=usd(0)),
        Col("upfront_usd", "Upfront $", numeric=True, text=usd(0), importance=2),
        Col("pays_after_months", "Pays after, months", numeric=True, text=_months, importance=2),
        Col("break_even_utilisation", "Pays above", numeric=True, text=percent, importance=3),
        Col("last_needed_share", "Last one needed", numeric=True, text=percent, importance=3),
        Col("source", "Source", wrap=True, importance=6),
        Col("quoted_on", "Quoted", importance=6),
    )
    footer = (
        "Pays after: when renting instead would have cost the whole term (never: not within the term).",
        "Pays above: share of the hours in which one instance must replace one on demand.",
        "Last one needed: share of the hours in which one instance less would cost something.",
    )
    return Listing(
        "Commitments", columns, [_line(line) for line in found.lines], footer if found.lines else (),
        "Commit nothing: renting by the hour is cheaper than every term on offer.",
    )  # fmt: skip


def _months(value: Any) -> str:
    return "never" if value is None else f"{value:.1f}"


def _line(line: CommittedLine) -> Record:
    return {
        "term": line.term.name,
        "kind": line.term.kind.value,
        "place": f"{line.offer.provider} {line.offer.region}",
        "instance_type": line.offer.instance_type,
        "accelerator": line.offer.accelerator,
        "accelerators": line.offer.accelerators,
        "count": line.count,
        "usd_per_hour_each": line.usd_per_hour_each,
        "on_demand_usd_per_hour_each": line.on_demand_usd_per_hour_each,
        "usd_per_hour": line.usd_per_hour,
        "term_months": line.term.term_months,
        "usd_over_term": _cent(line.usd_over_term),
        "upfront_usd": _cent(line.upfront_usd),
        "saves_usd_per_hour": None if line.saves_usd_per_hour is None else _exact(line.saves_usd_per_hour),
        "pays_after_months": None
        if line.pays_after_months is None
        else round(float(line.pays_after_months), 4),
        "break_even_utilisation": line.break_even_utilisation,
        "last_needed_share": line.last_needed_share,
        "holds_capacity": line.term.holds_capacity,
        "source": line.term.source,
        "quoted_on": line.term.quoted_on.isoformat(),
    }


def _hours(found: Commitment) -> list[Record]:
    return [
        {
            "hour": hour.name,
            "factor": hour.factor,
            "requests_per_s": hour.requests_per_s,
            "committed": hour.committed,
            "on_demand": hour.on_demand,
            "spot": hour.spot,
            "account_reservations": hour.held,
            "rented_usd_per_hour": hour.rented_usd_per_hour,
            "fleet": list(hour.fleet),
        }
        for hour in found.hours
    ]


def _hour_listing(found: Commitment) -> Listing:
    words = FleetWords.of(hour.fleet for hour in found.hours)
    columns = (
        Col("hour", "Hour"),
        Col("requests_per_s", "Requests/s", numeric=True, text=lambda v: f"{v:.2f}"),
        Col("committed", "Committed", numeric=True),
        Col("on_demand", "On demand", numeric=True),
        Col("spot", "Spot", numeric=True),
        Col("rented_usd_per_hour", "Rented $/h", numeric=True, text=usd(2)),
        words.column("fleet", "Instances that run", importance=3, none="none"),
    )
    return Listing("A typical hour (instances that run)", columns, _hours(found))


def _beside(found: Commitment) -> list[Record]:
    ours = found.committed.usd_per_hour
    records: list[Record] = [_way("this plan", ours, ours, "")]
    return records + [_way(way.name, way.usd_per_hour, ours, way.reason) for way in found.beside]


def _way(name: str, cost: Decimal | None, ours: Decimal, reason: str) -> Record:
    return {
        "way": name,
        "usd_per_hour": None if cost is None else _exact(cost),
        "usd_per_week": None if cost is None else _week(cost),
        "usd_per_month": None if cost is None else usd_per_month(cost),
        "saving": None if not cost else round(float(1 - ours / cost), 6),
        "reason": reason,
    }


def _beside_listing(found: Commitment) -> Listing:
    columns = (
        Col("way", "Way to buy", wrap=True),
        Col("usd_per_week", "$/week", numeric=True, text=usd(2)),
        Col("usd_per_month", "$/month", numeric=True, text=usd(2)),
        Col("saving", "This plan saves", numeric=True, text=lambda v: "–" if v is None else f"{v:.1%}"),
    )
    records = _beside(found)
    no = tuple(f"{r['way']}: {r['reason']}" for r in records if r["reason"])
    return Listing("Beside other ways to buy the same hours (expected)", columns, records, no)


def _outcome(outcome: Outcome) -> Record:
    most = max(outcome.usd_per_hour - Decimal(repr(outcome.foresight_bound_usd_per_hour)), Decimal(0))
    on_demand = outcome.on_demand_usd_per_hour
    return {
        "growth": outcome.growth,
        "weight": outcome.weight,
        "usd_per_week": _week(outcome.usd_per_hour),
        "on_demand_usd_per_week": None if on_demand is None else _week(on_demand),
        "foresight_usd_per_week": _week(outcome.foresight_usd_per_hour),
        "foresight_bound_usd_per_week": _week(Decimal(repr(outcome.foresight_bound_usd_per_hour))),
        "regret_usd_per_week": _week(outcome.regret_usd_per_hour),
        "regret_at_most_usd_per_week": _week(most),
        "foresight": list(outcome.foresight),
    }


def _outcome_listing(found: Commitment) -> Listing:
    columns = (
        Col("growth", "Growth", numeric=True, text=lambda v: f"{v:g} ×"),
        Col("weight", "Weight", numeric=True, text=percent, importance=3),
        Col("usd_per_week", "$/week", numeric=True, text=usd(2)),
        Col("on_demand_usd_per_week", "On demand", numeric=True, text=usd(2), importance=2),
        Col("foresight_usd_per_week", "Had it been known", numeric=True, text=usd(2)),
        Col("regret_usd_per_week", "Regret", numeric=True, text=usd(2)),
        Col("regret_at_most_usd_per_week", "At most", numeric=True, text=usd(2), importance=4),
        Col(
            "foresight", "Would have committed", wrap=True, importance=3,
            text=lambda v: ", ".join(v) or "nothing",
        ),
    )  # fmt: skip
    return Listing("Growth", columns, [_outcome(outcome) for outcome in found.outcomes])


def _week(usd_per_hour: Decimal) -> Decimal:
    return _cent(usd_per_hour * HOURS_PER_WEEK)


def _cent(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"))


def _exact(value: Decimal) -> Decimal:
    """Shares of hours leave decimals without end."""
    return value.quantize(Decimal("0.00000001"))
