"""How an explanation reads."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from advisor.cli.fleet_text import FleetWords
from advisor.cli.output import Col, Listing, listing_csv
from advisor.cli.sections import Paragraph, Section
from advisor.domain import EXCLUSION_REASONS
from advisor.units import usd_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from advisor.plan.plan import Plan
    from advisor.recommendation.explanation import Alternative, Explanation, QuotaValue, Replacement, Tail

_MOST_SIZES = 3
_GROUPINGS = {
    "accelerator": "Accelerators",
    "provider": "Providers",
    "region": "Regions",
    "market": "Markets",
    "instance_type": "Instance types",
}
_WIDE = 118  # below this, a fleet takes lines of its own


def explanation_sections(plan: Plan, explanation: Explanation, width: int) -> Iterator[Section]:
    """The whole explanation in reading order."""
    yield _headline(plan, explanation.notes)
    for line in explanation.lines:
        yield _line(line, explanation.usd_per_hour)
    for grouping, title in _GROUPINGS.items():
        of_kind = [a for a in explanation.alternatives if a.grouping == grouping]
        if of_kind:
            yield _alternatives(title, of_kind, explanation.left_out.get(grouping, 0))
    for quota in explanation.quotas:
        yield _quota(quota)
    if not explanation.quotas:
        yield Paragraph("Quotas", (_no_quota(plan),), bulleted=False)
    if explanation.tail:
        yield _tail(explanation.tail)


def alternative_sections(
    plan: Plan, alternatives: Sequence[Alternative], notes: Sequence[str], width: int
) -> Iterator[Section]:
    """What was asked about by name."""
    yield _headline(plan, notes)
    for alternative in alternatives:
        yield _why_not(alternative)


def explanation_table(alternatives: Sequence[Alternative]) -> str:
    """The alternatives as CSV, every field a column."""
    records = []
    for alternative in alternatives:
        record = asdict(alternative)
        record["flip_fleet"] = "; ".join(alternative.flip_fleet)
        record["excluded"] = "; ".join(f"{reason} {n}" for reason, n in alternative.excluded.items())
        records.append(record)
    columns = tuple(Col(key, key) for key in (records[0] if records else {}))
    return listing_csv(Listing("", columns, records))


def _headline(plan: Plan, notes: Sequence[str]) -> Paragraph:
    assert plan.usd_per_hour is not None  # an explainer refuses a plan without a fleet
    proof = "proved optimal" if plan.status == "optimal" else "not proved optimal"
    return Paragraph(
        f"Plan {plan.plan_id}: ${usd_text(plan.usd_per_hour, 4)}/h, {proof}", tuple(notes), bulleted=False
    )


def _line(line: Replacement, usd_per_hour: Decimal) -> Paragraph:
    more = len(line.serves) - _MOST_SIZES
    serves = "; ".join(line.serves[:_MOST_SIZES]) + (f"; and {more} more sizes" if more > 0 else "")
    lines = [f"serves {serves}"]
    if line.usd_per_hour_without is None:
        lines.append("nothing in scope replaces it")
    else:
        dearer = line.usd_per_hour_without - usd_per_hour
        lines.append(
            f"without it: ${usd_text(line.usd_per_hour_without, 4)}/h, {_dearer(dearer)}: "
            f"{', '.join(line.fleet_without)}"
        )
    if line.leaves_at_usd_per_hour_each is not None:
        each = line.usd_per_hour / line.instances
        rise = f", {float(line.leaves_at_usd_per_hour_each / each) - 1:+.1%}" if each else ""
        lines.append(
            f"stays up to ${usd_text(line.leaves_at_usd_per_hour_each, 4)}/h each "
            f"(now ${usd_text(each, 4)}{rise})"
            f"{_checked(line.checked)}"
        )
    return Paragraph(f"{line.instances} × {line.offer}, ${usd_text(line.usd_per_hour, 4)}/h", tuple(lines))


def _dearer(usd: Decimal) -> str:
    return "the same cost" if usd == 0 else f"${usd_text(usd, 4)}/h more"


def _checked(checked: bool) -> str:
    return "" if checked else " (not confirmed on both sides)"


def _alternatives(title: str, alternatives: Sequence[Alternative], left_out: int) -> Listing:
    records = [_record(a) for a in alternatives]
    words = FleetWords.of(a.flip_fleet for a in alternatives)
    columns = (*_COLUMNS, words.column("fleet", "Fleet at that price", importance=3))
    more = (f"{left_out} more; ask with --why-not NAME.",) if left_out else ()
    return Listing(title, columns, records, footer=more)


def _record(alternative: Alternative) -> dict[str, Any]:
    a = alternative
    return {
        "name": a.name,
        "in_plan": "bought" if a.in_plan else "not",
        "regret": a.regret_usd_per_hour,
        "flip": _flip_words(a),
        "price": a.flip_usd_per_hour_each,
        "fleet": a.flip_fleet,
    }


def _money(value: Any) -> str:
    return "–" if value is None else f"{value:+,.2f}"


_COLUMNS = (
    Col("name", "Name"),
    Col("in_plan", "Plan"),
    Col("regret", "Regret $/h", numeric=True, text=_money),
    Col("flip", "Flips at price"),
    Col(
        "price",
        "$/h each there",
        numeric=True,
        text=lambda v: "–" if v is None else usd_text(v, 4),
        importance=2,
    ),
)


def _flip_words(a: Alternative) -> str:
    if a.flip_price_factor is None:
        return "quota forbids it" if a.blocked_by else "never by price"
    mark = "" if a.flip_checked else " ?"
    return f"{a.flip_price_factor - 1:+.1%}{mark}"


def _why_not(a: Alternative) -> Paragraph:
    lines: list[str] = []
    if a.in_plan:
        lines.append("It is in the plan.")
    if not a.candidates:
        lines.append("No offer of it can be bought under these inputs.")
    elif not a.in_plan and a.usd_per_hour_forced is not None and a.regret_usd_per_hour is not None:
        lines.append(
            f"Cheapest fleet with at least one: ${usd_text(a.usd_per_hour_forced, 4)}/h, "
            f"${usd_text(a.regret_usd_per_hour, 4)}/h more than the plan."
        )
    elif not a.in_plan:
        lines.append("No fleet within the limits holds one.")
        lines += [f"Quota {pool}." for pool in a.blocked_by]
        lines += [
            f"With {units:f} free units of {pool} it is bought, other quotas permitting."
            for pool, units in a.enters_with_units.items()
        ]
        if a.blocked_by and not a.enters_with_units:
            lines.append("It would not be bought at today's prices if the quota were raised.")
    if a.in_plan and a.usd_per_hour_without is None:
        lines.append("Nothing in scope replaces it.")
    if a.in_plan and a.usd_per_hour_without is not None and a.regret_usd_per_hour is not None:
        lines.append(
            f"Without it: ${usd_text(a.usd_per_hour_without, 4)}/h, {_dearer(a.regret_usd_per_hour)}."
        )
    if a.flip_price_factor is not None and a.flip_usd_per_hour_each is not None:
        verb = "leaves" if a.in_plan else "enters"
        lines.append(
            f"It {verb} at {a.flip_price_factor:.1%} of list price ({a.flip_offer} at "
            f"${usd_text(a.flip_usd_per_hour_each, 4)}/h each{_checked(a.flip_checked)}): "
            f"{', '.join(a.flip_fleet)}."
        )
    elif a.candidates and not a.in_plan and not a.blocked_by:
        lines.append("No price brings it in, not even 1 % of list price.")
    if a.throughput_factor is not None:
        lines.append(f"At today's price it would have to be {a.throughput_factor:.2f} times as fast.")
    elif a.candidates and not a.in_plan and not a.blocked_by:
        lines.append("At today's price no speed brings it in, not even 16 times its own.")
    lines += [
        f"{n:,} of its offers left out: {EXCLUSION_REASONS[reason]}" for reason, n in a.excluded.items()
    ]
    kind = a.grouping.replace("_", " ")
    return Paragraph(f"{'Why' if a.in_plan else 'Why not'} {a.name} ({kind})", tuple(lines))


def _quota(quota: QuotaValue) -> Paragraph:
    worth = (
        f"{quota.drawn_units:f} of {quota.free_units:f} free {quota.unit} drawn; {quota.added_units:f} more "
        f"would bring the fleet to ${usd_text(quota.usd_per_hour_with, 4)}/h: "
        f"${usd_text(quota.usd_per_month_per_unit)} a month per {quota.unit}"
    )
    return Paragraph(f"Quota {quota.pool} ({quota.name})", (worth, quota.request_text))


def _no_quota(plan: Plan) -> str:
    if plan.inputs.account_sha256 is None:
        return "No account file was given, so no quota limits the plan."
    return "No quota of the account makes the plan dearer."


def _tail(tail: Sequence[Tail]) -> Listing:
    words = FleetWords.of(t.fleet for t in tail)
    columns = (
        Col("what", "Left out"),
        Col("share", "Of requests", numeric=True, text=lambda v: f"{v:.3%}"),
        Col("usd_per_hour_without", "$/h without", numeric=True, text=lambda v: usd_text(v, 4)),
        Col("saving_usd_per_hour", "Saves $/h", numeric=True, text=lambda v: usd_text(v, 4)),
        words.column("fleet", "Fleet", importance=2),
    )
    records = [asdict(t) for t in tail]
    return Listing("What rare and large requests cost", columns, records)
