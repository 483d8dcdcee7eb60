"""How a drift reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from advisor.cli.output import Col, Listing
from advisor.cli.sections import Paragraph, Section
from advisor.recommendation.wording import age_words
from advisor.units import usd_per_month, usd_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from advisor.plan.plan import Plan
    from advisor.recommendation.drift import Drift
    from advisor.recommendation.drift_prices import Move, Quote
    from advisor.recommendation.drift_reasons import Reason

TITLES: Final = {
    "infeasible": "No fleet",
    "offer_gone": "Offer gone",
    "offer_withdrawn": "Not for sale",
    "quota_short": "Quota short",
    "no_longer_serves": "No longer serves",
    "rule_broken": "Rule broken",
    "regret": "A cheaper fleet",
    "prices_stale": "Prices stale",
}


def regret_words(found: Drift) -> str:
    """What keeping costs over the cheapest fleet."""
    if found.regret_usd_per_hour is None or found.regret_fraction is None:
        return "what keeping costs is not known"
    monthly = usd_text(usd_per_month(found.regret_usd_per_hour))
    return f"keeping costs {found.regret_fraction:.1%} (${monthly} a month) over the cheapest fleet"


def sections(found: Drift, *, is_told: bool = False) -> Iterator[Section]:
    """The whole drift in reading order; prices are listed unless all that is wrong is their age.

    Args:
        found: the drift.
        is_told: whether the reasons were told already.
    """
    yield Paragraph(f"Plan {found.plan.plan_id} {_verdict(found)}", (_summary(found),), bulleted=False)
    if not is_told:
        yield Paragraph("Why", tuple(_why(found)), emphasis=True)
    if not _only_stale(found) or any(move.change_fraction for move in found.prices):
        yield _prices(found)
    if found.new_plan is not None:
        yield from _proposal(found, found.new_plan)
    yield Paragraph("Next", tuple(_next(found)))
    if found.not_checked:
        yield Paragraph("Not checked", found.not_checked)


def _only_stale(found: Drift) -> bool:
    return all(reason.kind.value == "prices_stale" for reason in found.reasons)


def _why(found: Drift) -> Iterator[str]:
    """Every reason; prices too old for the same limit in one line."""
    stale: dict[float, list[Reason]] = {}
    for reason in found.reasons:
        if reason.kind.value == "prices_stale":
            stale.setdefault(float(reason.figures["limit_hours"]), []).append(reason)
        else:
            yield f"{TITLES[reason.kind.value]}: {reason.text}"
    for limit, old in stale.items():
        yield f"{TITLES['prices_stale']}: {_stale_words(old, limit)}"


def _stale_words(old: list[Reason], limit_hours: float) -> str:
    if len(old) == 1:
        return old[0].text
    oldest = max(old, key=lambda reason: float(reason.figures["age_hours"]))
    age = age_words(float(oldest.figures["age_hours"]))
    limit = f"the limit {limit_hours / 24:g} days"
    return f"{len(old)} prices are up to {age}, {limit}; the oldest is {oldest.subject}."


def _verdict(found: Drift) -> str:
    if _only_stale(found):
        return "rests on stale prices: whether it still holds cannot be told"
    return "should change" if found.new_plan is not None else "no longer holds"


def _summary(found: Drift) -> str:
    cost = found.kept_usd_per_hour
    kept = "has a cost that is not known" if cost is None else f"costs ${usd_text(cost, 4)}/h"
    made = found.plan.usd_per_hour
    then = "" if made is None else f" (${usd_text(made, 4)}/h when made, {found.plan.created_at:%Y-%m-%d})"
    best = (
        "no fleet serves"
        if found.best_usd_per_hour is None
        else f"the cheapest fleet ${usd_text(found.best_usd_per_hour, 4)}/h"
    )
    return f"On snapshot {found.snapshot_id} the plan {kept}{then}, {best}."


def _prices(found: Drift) -> Listing:
    records = [
        {
            "offer": move.offer,
            "kept": move.instances_kept,
            "proposed": move.instances_proposed,
            "before": None if move.before is None else move.before.usd_per_hour,
            "now": None if move.now is None else move.now.usd_per_hour,
            "change": _change(move),
            "since": _dates(move),
            "evidence": _evidence(move.now),
        }
        for move in found.prices
    ]
    return Listing("Prices, of one instance", _COLUMNS, records, footer=tuple(_references(found)))


def _change(move: Move) -> str:
    if move.now is None:
        return "gone"
    if move.change_fraction is None:
        return "–"
    return "none" if not move.change_fraction else f"{move.change_fraction:+.1%}"


def _dates(move: Move) -> str:
    days = [f"{quote.collected_at:%Y-%m-%d}" for quote in (move.before, move.now) if quote is not None]
    return " → ".join(dict.fromkeys(days)) or "–"


def _evidence(quote: Quote | None) -> str:
    if quote is None:
        return "–"
    return quote.source if quote.evidence is None else f"{quote.source} ({quote.evidence[:12]})"


def _references(found: Drift) -> Iterator[str]:
    """Commands that show more of what moved."""
    moved = [move for move in found.prices if move.now is None or move.change_fraction]
    for move in moved[:3]:
        provider, place, rest = move.offer.split(":", 2)
        instance_type, _, market = rest.rpartition(":")
        where = f"{instance_type} --region {place.partition('/')[0]} --provider {provider}"
        if market != "reserved":
            yield f"advisor catalog history {where} --market {market.replace('_', '-')}"
    for move in moved[:3]:
        if move.now is not None and move.now.evidence is not None and move.priced_as is not None:
            yield f"advisor catalog evidence {move.priced_as} --snapshot {move.now.snapshot_id}"


def _proposal(found: Drift, new: Plan) -> Iterator[Section]:
    """The new plan and the way to it."""
    assert new.usd_per_hour is not None
    records = [
        {
            "offer": line.offer_id,
            "instances": line.instances,
            "each": line.usd_per_hour_each,
            "hour": line.usd_per_hour,
            "month": line.usd_per_month,
        }
        for line in new.purchase
    ]
    yield Listing("Proposed", _PROPOSED, records, footer=tuple(_saving(found, new)))
    if new.migration is not None and new.migration.steps:
        steps = [
            {"step": number, "do": step.text, "cost": step.usd_per_hour}
            for number, step in enumerate(new.migration.steps, start=1)
        ]
        columns = (
            Col("step", "Step", numeric=True),
            Col("do", "Do", wrap=True),
            Col("cost", "$/h after", numeric=True, text=_usd(4)),
        )
        yield Listing("Steps, capacity kept at every moment unless said", columns, steps)


def _saving(found: Drift, new: Plan) -> Iterator[str]:
    assert new.usd_per_hour is not None
    total = f"Total ${usd_text(new.usd_per_hour, 4)}/h, ${usd_text(usd_per_month(new.usd_per_hour))} a month"
    kept = found.kept_usd_per_hour
    if found.regret_usd_per_hour is None or kept is None:
        yield f"{total}; the plan kept cannot be compared: it does not serve, or has no price."
    else:
        yield f"{total}; saves ${usd_text(usd_per_month(kept - new.usd_per_hour))} a month."
    migration = new.migration
    if migration is None or not migration.one_off_usd:
        yield "No cost of starting or giving up instances is counted: none was stated."
        return
    back = "" if migration.payback_hours is None else f", paid back in {migration.payback_hours:,.0f} h"
    yield f"The change costs ${usd_text(migration.one_off_usd)} once{back}."


def _next(found: Drift) -> Iterator[str]:
    """What to do about it."""
    kinds = {reason.kind.value for reason in found.reasons}
    if "prices_stale" in kinds:
        yield "Run advisor refresh, then advisor drift PLAN again."
    if found.new_plan is not None:
        yield "The new plan whole: advisor drift PLAN --format json | jq .new_plan > new.json; verify it."
        lost = [reason.subject for reason in found.reasons if reason.kind.value == "offer_gone"]
        if lost:
            yield f"Stop what still runs of {', '.join(lost)}: the steps cannot name what the catalog lacks."
    elif "infeasible" in kinds:
        yield "No fleet can be proposed: loosen what the reason names, and ask again with advisor recommend."
    elif kinds - {"prices_stale"}:
        yield (
            "What runs may stay, and nothing else is worth a change; what is not bought yet, or lost, "
            "cannot be bought anew: advisor recommend then."
        )


def document(found: Drift) -> dict[str, Any]:
    """The drift as plain data."""
    regret = found.regret_usd_per_hour
    return {
        "schema_version": 1,
        "kind": "drift",
        "plan_id": found.plan.plan_id,
        "verdict": found.verdict,
        "checked_at": found.checked_at.isoformat().replace("+00:00", "Z"),
        "plan_snapshot_id": found.plan.inputs.snapshot_id,
        "snapshot_id": found.snapshot_id,
        "reasons": [
            {
                "kind": reason.kind.value,
                "subject": reason.subject,
                "text": reason.text,
                "figures": dict(reason.figures),
            }
            for reason in found.reasons
        ],
        "prices": [_move(move) for move in found.prices],
        "kept_usd_per_hour": found.kept_usd_per_hour,
        "best_usd_per_hour": found.best_usd_per_hour,
        "regret_fraction": found.regret_fraction,
        "regret_fraction_without_noise": found.regret_without_noise,
        "regret_usd_per_month": None if regret is None else usd_per_month(regret),
        "threshold": found.threshold,
        "not_checked": list(found.not_checked),
        "new_plan": None if found.new_plan is None else json.loads(found.new_plan.model_dump_json()),
    }


def _move(move: Move) -> dict[str, Any]:
    return {
        "offer": move.offer,
        "priced_as": move.priced_as,
        "instances_kept": move.instances_kept,
        "instances_proposed": move.instances_proposed,
        "before": _quote(move.before),
        "now": _quote(move.now),
        "change_fraction": move.change_fraction,
    }


def _quote(quote: Quote | None) -> dict[str, Any] | None:
    if quote is None:
        return None
    return {
        "usd_per_hour": quote.usd_per_hour,
        "collected_at": quote.collected_at.isoformat().replace("+00:00", "Z"),
        "source": quote.source,
        "evidence": quote.evidence,
        "snapshot_id": quote.snapshot_id,
    }


def _usd(places: int) -> Any:
    def text(value: Decimal | None) -> str:
        return "–" if value is None else usd_text(value, places)

    return text


_COLUMNS: Final = (
    Col("offer", "Offer"),
    Col("kept", "Kept", numeric=True),
    Col("proposed", "Proposed", numeric=True, importance=4),
    Col("before", "$/h then", numeric=True, text=_usd(4)),
    Col("now", "$/h now", numeric=True, text=_usd(4)),
    Col("change", "Change", numeric=True),
    Col("since", "Stated", importance=2),
    Col("evidence", "By", importance=3, wrap=True),
)
_PROPOSED: Final = (
    Col("offer", "Offer"),
    Col("instances", "Count", numeric=True),
    Col("each", "$/h each", numeric=True, text=_usd(4)),
    Col("hour", "$/h", numeric=True, text=_usd(4)),
    Col("month", "$/month", numeric=True, text=_usd(2)),
)
