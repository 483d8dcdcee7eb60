"""Why this fleet: alternatives, what the answer hangs on, which chip is cheapest where, and the proof."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.report.blocks import (
    Block,
    Column,
    Entry,
    Fact,
    Facts,
    Kind,
    Section,
    Sentences,
    Table,
)
from advisor.report.spell import UNKNOWN
from advisor.units import usd_per_month

if TYPE_CHECKING:
    from advisor.plan.plan import Baseline, Plan
    from advisor.report.answers import ExplainedAlternative
    from advisor.report.beside import Beside
    from advisor.report.blocks import Alternative, Totals

SHOWN_ALTERNATIVES: Final = 5


def priced_alternatives(plan: Plan) -> tuple[Baseline, ...]:
    """Other fleets that exist under the same rules, the cheapest first."""
    rivals = [
        b
        for b in plan.baselines
        if b.usd_per_hour is not None and b.kind not in ("admitting", "without_rule", "held")
    ]
    return tuple(sorted(rivals, key=lambda b: (b.usd_per_hour or Decimal(0), b.name)))


def alternatives(plan: Plan, beside: Beside, rivals: tuple[Alternative, ...]) -> Section:
    """The five best other fleets, why not, and the discount that would make them tie."""
    assert plan.usd_per_hour is not None
    best = rivals[:SHOWN_ALTERNATIVES]
    columns = (
        Column("name", "Fleet"),
        Column("usd_per_hour", "USD/h", Kind.USD_RATE),
        Column("usd_per_month", "USD/month", Kind.USD),
        Column("dearer_usd_per_hour", "Dearer by, USD/h", Kind.USD_RATE),
        Column("flip_discount", "Discount at which it ties", Kind.SHARE),
        Column("why_not", "Why not"),
    )
    rows = []
    for rival in best:
        dearer = rival.usd_per_hour - plan.usd_per_hour
        tie = 1 - plan.usd_per_hour / rival.usd_per_hour if rival.usd_per_hour else None
        why = "costs the same" if not dearer else f"costs {float(dearer / plan.usd_per_hour):.1%} more"
        detail = f"{why}; {rival.detail}" if rival.detail else why
        rows.append((rival.name, rival.usd_per_hour, usd_per_month(rival.usd_per_hour), dearer, tie, detail))
    blocks: list[Block] = []
    if rows:
        blocks.append(Table("alternatives", f"The {len(rows)} best other fleets", columns, tuple(rows)))
        blocks.append(
            Sentences(
                (
                    ("The discount at which it ties is one given on every line of that fleet alike; beyond, "
                    "that fleet would be the cheaper one."),
                )
            )
        )  # fmt: skip
    blocks += _explained(beside)
    none = [b for b in plan.baselines if b.usd_per_hour is None and b.kind == "single_accelerator"]
    if none:
        names = ", ".join(b.name for b in none)
        blocks.append(Sentences((f"No fleet of one accelerator type serves this demand with: {names}.",)))
    if not blocks:
        return Section("alternatives", "Alternatives", (), "The plan states no other fleet.")
    return Section("alternatives", "Alternatives", tuple(blocks))


def entries(beside: Beside) -> tuple[Entry, ...]:
    """Groups the explanation brings in by price, the nearest to entering first."""
    if beside.explanation is None:
        return ()
    found = [
        Entry(
            grouping=a.grouping.replace("_", " "),
            name=a.name,
            offer=a.flip_offer,
            list_usd_per_hour_each=a.flip_usd_per_hour_each / Decimal(repr(a.flip_price_factor)),
            enters_at_usd_per_hour_each=a.flip_usd_per_hour_each,
            discount=1 - a.flip_price_factor,
        )
        for a in beside.explanation.alternatives
        if not a.in_plan and a.flip_offer and a.flip_price_factor and a.flip_usd_per_hour_each
    ]
    return tuple(sorted(found, key=lambda entry: (entry.discount, entry.grouping, entry.name)))


def _explained(beside: Beside) -> list[Block]:
    if beside.explanation is None:
        return [Sentences(("Regret and flip price per offer: not given (--explanation FILE).",))]
    columns = (
        Column("grouping", "Kind"),
        Column("name", "Alternative"),
        Column("usd_per_hour", "Cheapest fleet with it, USD/h", Kind.USD_RATE),
        Column("regret_usd_per_hour", "Regret, USD/h", Kind.USD_RATE),
        Column("flip_usd_per_hour_each", "Enters at, USD/h each", Kind.USD_RATE),
        Column("flip_discount", "Discount there", Kind.SHARE),
        Column("why_not", "Why not"),
    )
    left = [a for a in beside.explanation.alternatives if not a.in_plan]
    best = sorted(left, key=_by_regret)[:SHOWN_ALTERNATIVES]
    if not best:
        return [Sentences(("The explanation names nothing that is not in the plan.",))]
    rows = tuple(
        (
            a.grouping.replace("_", " "),
            a.name,
            a.usd_per_hour_forced,
            a.regret_usd_per_hour,
            a.flip_usd_per_hour_each,
            None if a.flip_price_factor is None else 1 - a.flip_price_factor,
            _why_not(a),
        )
        for a in best
    )
    return [Table("explained", "Nearest to entering the plan", columns, rows)]


def _by_regret(alternative: ExplainedAlternative) -> tuple[bool, Decimal, str, str]:
    regret = alternative.regret_usd_per_hour
    return regret is None, regret or Decimal(0), alternative.grouping, alternative.name


def _why_not(alternative: ExplainedAlternative) -> str:
    if alternative.blocked_by:
        return f"a quota forbids it: {', '.join(alternative.blocked_by)}"
    if alternative.usd_per_hour_forced is None:
        reasons = ", ".join(
            f"{name.replace('_', ' ')} {count}" for name, count in alternative.excluded.items()
        )
        return f"no offer of it can be bought ({reasons})" if reasons else "no fleet holds one"
    if alternative.flip_price_factor is None:
        return "dearer, and no price of its own brings it in"
    return "dearer per request served"


def proof(plan: Plan, totals: Totals) -> Section:
    """What the solver proved, and about what."""
    found = plan.optimality
    if found is None:
        return Section("proof", "Optimality proof", (), "The plan carries no proof.")
    facts = (
        Fact("Proved cheapest", "yes" if found.proved else "no"),
        Fact("Cost, USD per hour", totals.usd_per_hour, Kind.USD_RATE),
        Fact("No fleet costs less than, USD per hour", found.lower_bound_usd_per_hour, Kind.USD_RATE),
        Fact("Gap", found.relative_gap, Kind.SHARE),
        Fact("Solver", found.solver),
        Fact("Seconds", found.solve_seconds, Kind.NUMBER),
    )
    left_out = Table(
        "exclusions",
        "Offers left out, by reason",
        (
            Column("reason", "Reason"),
            Column("meaning", "Meaning"),
            Column("count", "Offers", Kind.COUNT),
            Column("saving", "What admitting them would save"),
        ),
        tuple(
            (reason, found.meaning, found.count, found.saving_if_admitted or UNKNOWN)
            for reason, found in plan.exclusions.items()
        ),
    )
    said = Sentences(("The proof is about the inputs stated in this report; it says nothing about others.",))
    return Section("proof", "Optimality proof", (Facts(facts), said, *([left_out] if left_out.rows else [])))
