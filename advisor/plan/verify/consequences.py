"""What follows from the plan: cost of lost spot capacity, side costs, emissions, the way to get there."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import Market
from advisor.plan.verify.against import live_offers
from advisor.plan.verify.books import EXACT
from advisor.plan.verify.violation import Violation, same_rate
from advisor.units import HOURS_PER_MONTH, decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.plan.migration import Migration
    from advisor.plan.plan import Plan
    from advisor.plan.risk import Fallback, Risk
    from advisor.plan.verify.against import Against

_PLACES: Final = Decimal("0.00000001")
_NEAR: Final = Decimal("0.000001")  # dollars an hour; what rounding to eight places may leave


def check_consequences(plan: Plan, against: Against) -> Iterator[Violation]:
    """Risk, side costs, carbon and migration, recomputed from the plan's own figures."""
    if plan.status == "infeasible":
        return
    yield from _risk(plan, against)
    for index, cost in enumerate(plan.side_costs):
        if not cost.basis.strip():
            yield Violation("side_cost", f"side_costs[{index}].basis", "how it was computed", "blank")
    yield from _carbon(plan, against)
    if plan.migration is not None:
        yield from _migration(plan, plan.migration)


def _risk(plan: Plan, against: Against) -> Iterator[Violation]:
    spot = {line.offer_id: line for line in plan.purchase if line.market is Market.SPOT}
    if plan.risk is None:
        if spot:
            yield Violation("risk", "risk", "fallbacks of the spot lines", "null")
        return
    named = [one.offer for one in plan.risk.fallbacks]
    if sorted(named) != sorted(spot):
        found = ", ".join(named) or "none"
        yield Violation("risk", "risk.fallbacks", f"one per spot line: {', '.join(sorted(spot))}", found)
        return
    offers = live_offers(against.offers) if against.offers is not None else None
    for index, one in enumerate(plan.risk.fallbacks):
        at = f"risk.fallbacks[{index}]"
        line = spot[one.offer]
        if one.instances != line.instances:
            yield Violation("risk", f"{at}.instances", f"{line.instances}", f"{one.instances}")
        if one.interruption != line.interruption:
            yield Violation("risk", f"{at}.interruption", f"{line.interruption}", f"{one.interruption}")
        if offers is not None and one.fallback is not None:
            offer = offers.get(one.fallback)
            price = None if offer is None else offer.usd_per_hour
            if (
                offer is None
                or offer.market is not Market.ON_DEMAND
                or price != one.fallback_usd_per_hour_each
            ):
                said = "no such on-demand offer" if price is None else f"on demand at {decimal_text(price)}"
                yield Violation("risk", f"{at}.fallback", said, f"{one.fallback_usd_per_hour_each}")
    yield from _risk_totals(plan, plan.risk)


def _risk_totals(plan: Plan, risk: Risk) -> Iterator[Violation]:
    if plan.usd_per_hour is None:
        return  # said already: status
    prices = {line.offer_id: line.usd_per_hour_each for line in plan.purchase}
    dearer = [_dearer(one, prices[one.offer]) for one in risk.fallbacks]
    worst = None if None in dearer else EXACT.add(plan.usd_per_hour, sum(filter(None, dearer), Decimal(0)))
    yield from _money("risk.worst_usd_per_hour", worst, risk.worst_usd_per_hour)
    expected: Decimal | None = plan.usd_per_hour
    for one, more in zip(risk.fallbacks, dearer, strict=True):
        if more is None or one.interruption_share is None or expected is None:
            expected = None
            continue
        hours = Decimal(str(one.interruption_share)) * Decimal(str(risk.hours_on_fallback))
        expected += more * hours / HOURS_PER_MONTH
    yield from _money("risk.expected_usd_per_hour", expected, risk.expected_usd_per_hour)


def _dearer(one: Fallback, price: Decimal) -> Decimal | None:
    """What the line costs more on its fallback; None where it has none."""
    if one.fallback_usd_per_hour_each is None:
        return None
    return (one.fallback_usd_per_hour_each - price) * one.instances


def _money(where: str, expected: Decimal | None, found: Decimal | None) -> Iterator[Violation]:
    if expected is not None:
        expected = max(expected.quantize(_PLACES, rounding=ROUND_HALF_UP), Decimal(0))
    same = expected == found or (
        expected is not None and found is not None and abs(expected - found) <= _NEAR
    )
    if not same:
        yield Violation("risk", where, _said(expected), _said(found))


def _said(usd: Decimal | None) -> str:
    return "null" if usd is None else decimal_text(usd)


def _carbon(plan: Plan, against: Against) -> Iterator[Violation]:
    if plan.carbon is None:
        return
    lines = {line.offer_id: line for line in plan.purchase}
    if sorted(one.offer for one in plan.carbon.lines) != sorted(lines):
        found = ", ".join(one.offer for one in plan.carbon.lines)
        yield Violation("carbon", "carbon.lines", "one per purchase line", found or "none")
        return
    for index, one in enumerate(plan.carbon.lines):
        at = f"carbon.lines[{index}].kg_co2e_per_hour"
        known = one.kw is not None and one.g_co2e_per_kwh is not None
        kg = one.kw * one.g_co2e_per_kwh / 1000 if known else None  # type: ignore[operator]
        if not _same(kg, one.kg_co2e_per_hour):
            yield Violation("carbon", at, f"{kg}", f"{one.kg_co2e_per_hour}")
        if against.kg_co2e_per_hour is not None:
            line = lines[one.offer]
            each = against.kg_co2e_per_hour(line)
            total = None if each is None else each * line.instances
            if not _same(total, one.kg_co2e_per_hour):
                yield Violation("carbon", at, f"{total}", f"{one.kg_co2e_per_hour}")
    parts = [one.kg_co2e_per_hour for one in plan.carbon.lines]
    whole = None if None in parts else math.fsum(part for part in parts if part is not None)
    if not _same(whole, plan.carbon.kg_co2e_per_hour):
        yield Violation("carbon", "carbon.kg_co2e_per_hour", f"{whole}", f"{plan.carbon.kg_co2e_per_hour}")


def _same(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return same_rate(found, expected)


def _migration(plan: Plan, migration: Migration) -> Iterator[Violation]:
    planned = {line.offer_id: line.instances for line in plan.purchase}
    stated = {change.offer: change.after for change in migration.changes if change.after}
    if stated != planned:
        yield Violation("migration", "migration.changes", f"after: {planned}", f"{stated}")
    moved = [change for change in migration.changes if change.before != change.after]
    if migration.decision == "keep" and moved:
        found = f"{len(moved)} lines that change"
        yield Violation("migration", "migration.decision", "nothing changes if kept", found)
    yield from _steps(plan, migration)
    yield from _worth(migration)


def _steps(plan: Plan, migration: Migration) -> Iterator[Violation]:
    """Carried out one after another, the steps lead from what is held to what is planned."""
    running = {change.offer: change.before for change in migration.changes}
    prices = {line.offer_id: line.usd_per_hour_each for line in plan.purchase}
    for index, step in enumerate(migration.steps):
        at = f"migration.steps[{index}]"
        if step.action in ("start", "stop"):
            if step.offer is None or step.instances is None or step.offer not in running:
                yield Violation("migration", at, "an offer held or planned, and how many", f"{step.offer}")
                return
            running[step.offer] += step.instances if step.action == "start" else -step.instances
            if running[step.offer] < 0:
                yield Violation("migration", at, "no more stopped than run", f"{step.instances}")
                return
        if all(offer in prices for offer, count in running.items() if count):
            cost = sum((prices[offer] * count for offer, count in running.items() if count), Decimal(0))
            if cost != step.usd_per_hour:
                where = f"{at}.usd_per_hour"
                yield Violation("migration", where, decimal_text(cost), decimal_text(step.usd_per_hour))
    after = {change.offer: change.after for change in migration.changes}
    if running != after:
        yield Violation("migration", "migration.steps", f"a way to {after}", f"they end at {running}")


def _worth(migration: Migration) -> Iterator[Violation]:
    """Saving, one-off cost and payback belong to each other."""
    saving = None
    if migration.held_usd_per_hour is not None:
        saving = float(EXACT.subtract(migration.held_usd_per_hour, migration.best_usd_per_hour))
    if not _close(saving, migration.saving_usd_per_hour):
        yield Violation(
            "migration", "migration.saving_usd_per_hour", f"{saving}", f"{migration.saving_usd_per_hour}"
        )
    if migration.decision == "change":
        added = sum(max(change.after - change.before, 0) for change in migration.changes)
        removed = sum(max(change.before - change.after, 0) for change in migration.changes)
        one_off = migration.usd_per_instance_started * added + migration.usd_per_instance_stopped * removed
        if one_off != migration.one_off_usd:
            found = decimal_text(migration.one_off_usd)
            yield Violation("migration", "migration.one_off_usd", decimal_text(one_off), found)
    pays = saving is not None and saving > 0
    payback = float(migration.one_off_usd) / saving if pays and saving else None
    if not _close(payback, migration.payback_hours):
        yield Violation("migration", "migration.payback_hours", f"{payback}", f"{migration.payback_hours}")


def _close(expected: float | None, found: float | None) -> bool:
    if expected is None or found is None:
        return expected is found
    return math.isclose(expected, found, rel_tol=1e-6, abs_tol=1e-9)
