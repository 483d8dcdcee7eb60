"""What the purchases draw from quota pools, and whether that much is free."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.domain import Market, regional_id
from advisor.plan.verify.against import live_offers, offer_of
from advisor.plan.verify.books import EXACT
from advisor.plan.verify.violation import Violation
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from advisor.domain import Offer
    from advisor.plan.plan import Plan, Purchase, QuotaDrawLine
    from advisor.plan.verify.against import Against


def check_quotas(plan: Plan, against: Against) -> Iterator[Violation]:
    """Draws against the facts, free units against the account, and the sum of draws against both."""
    offers = live_offers(against.offers or ())
    free_of = _free_units(plan, offers, against)
    taken: dict[str, Decimal] = {}
    stated: dict[str, Decimal] = {}
    for index, line in enumerate(plan.purchase):
        at = f"purchase[{index}]"
        yield from _as_facts_say(line, offer_of(line, offers, against), against, at)
        for number, draw in enumerate(line.quota_draw):
            key = f"{line.provider}:{draw.region}:{draw.pool}"
            taken[key] = EXACT.add(taken.get(key, Decimal(0)), draw.units)
            yield from _free(draw, key, stated, f"{at}.quota_draw[{number}]")
            if against.limits is not None and against.account_is_the_plans:
                yield from _as_account_says(draw, free_of.get(key), f"{at}.quota_draw[{number}].free_units")
    for key, units in sorted(taken.items()):
        free = free_of.get(key, stated.get(key))
        if free is not None and units > free:
            yield Violation(
                "quota_exceeded", f"purchase ({key})", f"at most {decimal_text(free)}", decimal_text(units)
            )


def _free_units(plan: Plan, offers: Mapping[str, Offer], against: Against) -> dict[str, Decimal]:
    """By pool of the account; what the fleet held takes of it may be given back."""
    given_back: dict[str, Decimal] = {}
    for change in plan.migration.changes if plan.migration is not None else ():
        offer = offers.get(change.offer) or offers.get(regional_id(change.offer))
        if offer is None or against.draws is None:
            continue
        for draw in against.draws(offer):
            units = EXACT.multiply(draw.units_per_instance, Decimal(change.before))
            given_back[draw.key] = EXACT.add(given_back.get(draw.key, Decimal(0)), units)
    free = {}
    for key, limit in (against.limits or {}).items():
        used = max(EXACT.subtract(limit.used, given_back.get(key, Decimal(0))), Decimal(0))
        free[key] = max(EXACT.subtract(limit.limit, used), Decimal(0))
    return free


def _as_facts_say(line: Purchase, offer: Offer | None, against: Against, at: str) -> Iterator[Violation]:
    """Compare with what the instance type draws; a pool left out is as wrong as one made up."""
    if line.market is Market.RESERVED and line.offer_id in against.discounts and offer is None:
        return  # the offer's own draws are those of on demand
    if line.market is Market.RESERVED and line.offer_id not in against.discounts:
        for draw in line.quota_draw:  # what is held already draws on no quota
            yield Violation(
                "quota_draw", f"{at}.quota_draw ({draw.pool} in {draw.region})", "nothing", "a draw"
            )
        return
    if against.draws is None or offer is None:
        return
    expected = {
        (draw.region, draw.pool, draw.unit.value): EXACT.multiply(
            draw.units_per_instance, Decimal(line.instances)
        )
        for draw in against.draws(offer)
    }
    found = {(draw.region, draw.pool, draw.unit.value): draw.units for draw in line.quota_draw}
    for key in sorted(expected.keys() | found.keys()):
        if expected.get(key) != found.get(key):
            region, pool, unit = key
            where = f"{at}.quota_draw ({pool} in {region})"
            yield Violation(
                "quota_draw", where, _units(expected.get(key), unit), _units(found.get(key), unit)
            )


def _units(units: Decimal | None, unit: str) -> str:
    return "no draw" if units is None else f"{decimal_text(units)} {unit}"


def _free(draw: QuotaDrawLine, key: str, stated: dict[str, Decimal], at: str) -> Iterator[Violation]:
    """The same on every line that draws on a pool."""
    where = f"{at}.free_units"
    if draw.free_units is not None:
        earlier = stated.setdefault(key, draw.free_units)
        if draw.free_units != earlier:
            yield Violation(
                "quota_free",
                where,
                f"{decimal_text(earlier)} as on an earlier line",
                decimal_text(draw.free_units),
            )


def _as_account_says(draw: QuotaDrawLine, expected: Decimal | None, where: str) -> Iterator[Violation]:
    if draw.free_units != expected:
        said = "null (the account does not say)" if expected is None else decimal_text(expected)
        found = "null" if draw.free_units is None else decimal_text(draw.free_units)
        yield Violation("quota_free", where, said, found)
