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
from advisor.report.purchase_sections import has_budget
from advisor.report.spell import UNKNOWN
from advisor.units import usd_per_month, usd_text

if TYPE_CHECKING:
    from advisor.plan.plan import Baseline, Plan
    from advisor.report.answers import ExplainedAlternative
    from advisor.report.beside import Beside
    from advisor.report.blocks import Alternative, Totals

SHOWN_ALTERNATIVES: Final = 5
_MOST_OFFERS: Final = 4
_NOT_UNDER_THE_SAME_RULES: Final = ("admitting", "without_rule", "held")


def priced_alternatives(plan: Plan) -> tuple[Baseline, ...]:
    """Other fleets that serve the same under the same rules: what is proved first, then the cheapest.

    Each fleet once, the plan's own never. Under a budget none does: they serve other shares of the requests.
    """
    return () if has_budget(plan) else _others(plan)


def _others(plan: Plan) -> tuple[Baseline, ...]:
    rivals = [b for b in plan.baselines if b.usd_per_hour and b.kind not in _NOT_UNDER_THE_SAME_RULES]
    seen = {frozenset(f"{line.instances} × {line.offer_id}" for line in plan.purchase)}
    others = []
    for rival in sorted(rivals, key=lambda b: (is_bound(b), b.usd_per_hour or Decimal(0), b.name)):
        fleet = frozenset(rival.fleet)
        if fleet not in seen:
            others.append(rival)
        if fleet:
            seen.add(fleet)
    return tuple(others)


def is_bound(rival: Baseline) -> bool:
    """Whether a cheaper fleet of the kind may exist: the search was cut short."""
    return rival.status == "feasible" and rival.kind != "greedy"


def rival_words(rival: Baseline) -> str:
    """What there is to say about another fleet: how good its cost is, and what it buys."""
    parts = [rival.detail] if rival.detail else []
    if is_bound(rival):
        parts.append("not proved: a cheaper fleet of this kind may exist")
    shown = rival.fleet if len(rival.fleet) <= _MOST_OFFERS else rival.fleet[: _MOST_OFFERS - 1]
    rest = len(rival.fleet) - len(shown)
    if shown:
        parts.append(f"buys {', '.join(shown)}" + (f" and {rest} more lines" if rest else ""))
    return "; ".join(parts)


def alternatives(plan: Plan, beside: Beside, rivals: tuple[Alternative, ...]) -> Section:
    """The five best other fleets, why not, and the discount that would make them tie."""
    blocks = _under_a_budget(plan) if has_budget(plan) else _dearer_fleets(plan, rivals)
    blocks += _explained(beside)
    none = [b for b in plan.baselines if not b.usd_per_hour and b.kind == "single_accelerator"]
    if none:
        names = ", ".join(b.name for b in none)
        blocks.append(Sentences((f"No fleet of one accelerator type serves this demand with: {names}.",)))
    if not blocks:
        return Section("alternatives", "Alternatives", (), "The plan states no other fleet.")
    return Section("alternatives", "Alternatives", tuple(blocks))


def _dearer_words(dearer: Decimal, usd_per_hour: Decimal) -> str:
    """As a share of the plan; in dollars where the plan spends nothing anew."""
    if not dearer:
        return "costs the same"
    if not usd_per_hour:
        return f"costs ${usd_text(dearer)} an hour more"
    return f"costs {float(dearer / usd_per_hour):.1%} more"


def _dearer_fleets(plan: Plan, rivals: tuple[Alternative, ...]) -> list[Block]:
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
        why = _dearer_words(dearer, plan.usd_per_hour)
        detail = f"{why}; {rival.detail}" if rival.detail else why
        rows.append((rival.name, rival.usd_per_hour, usd_per_month(rival.usd_per_hour), dearer, tie, detail))
    if not rows:
        return []
    said = (
        "The discount at which it ties is one given on every line of that fleet alike; beyond, that fleet "
        "would be the cheaper one."
    )
    caption = "The best other fleet" if len(rows) == 1 else f"The {len(rows)} best other fleets"
    return [Table("alternatives", caption, columns, tuple(rows)), Sentences((said,))]


def _under_a_budget(plan: Plan) -> list[Block]:
    """Under a budget fleets differ in what they serve, so no discount makes them tie."""
    rows = tuple((b.name, b.usd_per_hour, rival_words(b)) for b in _others(plan)[:SHOWN_ALTERNATIVES])
    columns = (
        Column("name", "Fleet"),
        Column("usd_per_hour", "USD/h", Kind.USD_RATE),
        Column("serves", "What it serves"),
    )
    if not rows:
        return []
    said = "Under a budget the cheapest fleet is not the best: these serve less of the demand than the plan."
    return [Table("alternatives", "Other fleets within the budget", columns, rows), Sentences((said,))]


def entries(beside: Beside) -> tuple[Entry, ...]:
    """Groups the explanation brings in by price, the nearest to entering first."""
    if beside.extras.explanation is None:
        return ()
    found = [
        Entry(
            grouping=a.grouping.replace("_", " "),
            name=a.name,
            offer=a.flip_offer,
            list_usd_per_hour_each=_list_price(a.flip_offer, beside)
            or a.flip_usd_per_hour_each / Decimal(repr(a.flip_price_factor)),
            enters_at_usd_per_hour_each=a.flip_usd_per_hour_each,
            discount=1 - a.flip_price_factor,
        )
        for a in beside.extras.explanation.alternatives
        if not a.in_plan and a.flip_offer and a.flip_price_factor and a.flip_usd_per_hour_each
    ]
    return tuple(sorted(found, key=lambda entry: (entry.discount, entry.grouping, entry.name)))


def _list_price(offer: str, beside: Beside) -> Decimal | None:
    found = beside.offers.get(offer)
    return found.usd_per_hour if found else None


def _explained(beside: Beside) -> list[Block]:
    found = beside.extras.explanation
    if found is None:
        said = (
            f"Regret and flip price of what is not bought: {beside.extras.why_not}. "
            "`advisor explain PLAN --format json -o why.json`, then --explanation why.json, fills them in."
        )
        return [Sentences((said,))]
    columns = (
        Column("grouping", "Kind"),
        Column("name", "Alternative"),
        Column("usd_per_hour", "Cheapest fleet with it, USD/h", Kind.USD_RATE),
        Column("regret_usd_per_hour", "Regret, USD/h", Kind.USD_RATE),
        Column("flip_usd_per_hour_each", "Enters at, USD/h each", Kind.USD_RATE),
        Column("flip_discount", "Discount there", Kind.SHARE),
        Column("why_not", "Why not"),
    )
    left = [a for a in found.alternatives if not a.in_plan]
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
    blocks: list[Block] = [Table("explained", "Nearest to entering the plan", columns, rows)]
    if found.asked is not None:
        said = (
            f"The {found.asked} providers and accelerators nearest to entering were asked about; "
            "`advisor explain PLAN` asks about every type, region, provider and market."
        )
        blocks.append(Sentences((said,)))
    return blocks


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
    return f"dearer per request served; enters with {alternative.flip_offer or 'an offer of it'}"


def _yes(said: bool) -> str:
    return "yes" if said else "no"


def proof(plan: Plan, totals: Totals) -> Section:
    """What the solver proved, and about what."""
    found = plan.optimality
    if found is None:
        return Section("proof", "Optimality proof", (), "The plan carries no proof.")
    facts = (
        Fact("Proved to serve the most" if has_budget(plan) else "Proved cheapest", _yes(found.proved)),
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
            (reason.replace("_", " "), found.meaning, found.count, found.saving_if_admitted or UNKNOWN)
            for reason, found in plan.exclusions.items()
        ),
    )
    said = Sentences(("The proof is about the inputs stated in this report; it says nothing about others.",))
    return Section("proof", "Optimality proof", (Facts(facts), said, *([left_out] if left_out.rows else [])))
