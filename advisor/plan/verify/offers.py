"""Every purchase line against the snapshot's own offer: price, date, source, and whether it can be bought."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import Availability, Market
from advisor.plan.verify.against import live_offers, offer_of
from advisor.plan.verify.violation import Violation
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.domain import Offer
    from advisor.plan.held import HeldCapacity
    from advisor.plan.plan import Inputs, Plan, Purchase
    from advisor.plan.verify.against import Against, HeldTerms

NEVER: Final = ("retired", "not_offered", "not_sold_this_way", "superseded")
"""Flags that no input of a plan can lift."""

ON_REQUEST: Final = {
    "fractional_gpu": ("fractional-gpu", "fractional_gpu"),
    "local_zone": ("local-zone", "local_zone"),
    "estimated_price": ("estimated-spot", "estimated_price"),
}
"""Flags of offers bought on request only, and the words in the plan's ``include`` that request them."""


def check_offers(plan: Plan, against: Against) -> Iterator[Violation]:
    """Purchase lines against the snapshot; without one, only whether they can be bought as they stand."""
    named = plan.inputs.snapshot_id
    if against.snapshot_id is not None and named != against.snapshot_id:
        yield Violation("snapshot", "inputs.snapshot_id", against.snapshot_id, named)
    offers = None if against.offers is None else live_offers(against.offers)
    for index, line in enumerate(plan.purchase):
        at = f"purchase[{index}]"
        if line.market is Market.RESERVED:
            yield from _reserved(line, against, at)
            continue
        yield from _buyable(line.flags, line.availability, plan.inputs, at)
        if offers is None:
            continue
        offer = offer_of(line, offers, against)
        if offer is None:
            yield Violation("unknown_offer", at, "an offer of the snapshot", line.offer_id)
            continue
        yield from _as_offered(line, offer, at)
        yield from _buyable(list(offer.flags), offer.availability.value, plan.inputs, at)
        refusal = against.refusal(offer) if against.refusal else None
        if refusal is not None:
            yield Violation("not_buyable", at, "an offer that can be bought", refusal)


def _reserved(line: Purchase, against: Against, at: str) -> Iterator[Violation]:
    """Against what the account holds; without an account nothing can be said."""
    if against.reserved is None:
        return
    offer, held = against.reserved.get(line.offer_id, (None, 0))
    if offer is None or line.instances > held:
        expected = f"at most {held} held"
        yield Violation("reservation", f"{at}.instances", expected, f"{line.instances} × {line.offer_id}")
    elif line.usd_per_hour_each != offer.usd_per_hour:
        where = f"{at}.usd_per_hour_each"
        yield Violation(
            "price", where, decimal_text(offer.usd_per_hour), decimal_text(line.usd_per_hour_each)
        )


def check_held(plan: Plan, against: Against) -> Iterator[Violation]:
    """What is paid already against the account, and the whole bill added up."""
    bought = {line.offer_id: line.instances for line in plan.purchase}
    for index, line in enumerate(plan.held):
        at, used = f"held[{index}]", min(bought.get(line.offer, 0), line.instances)
        sums = (
            ("used", Decimal(line.used), Decimal(used)),
            ("usd_per_hour", line.usd_per_hour, line.usd_per_hour_each * line.instances),
            ("idle_usd_per_hour", line.idle_usd_per_hour, line.usd_per_hour_each * (line.instances - used)),
        )
        for field, found, expected in sums:
            if found != expected:
                yield Violation("held", f"{at}.{field}", decimal_text(expected), decimal_text(found))
        if against.held is not None and against.held.get(line.offer) != _stated(line):
            yield Violation("held", at, f"{against.held.get(line.offer)}", f"{_stated(line)}")
    missing = sorted((against.held or {}).keys() - {line.offer for line in plan.held})
    if missing:
        yield Violation("held", "held", f"a line for {', '.join(missing)}", "none")
    sunk = sum((line.usd_per_hour for line in plan.held), Decimal(0))
    bill = None if not plan.held or plan.usd_per_hour is None else plan.usd_per_hour + sunk
    if plan.bill_usd_per_hour != bill:
        said = ("null" if usd is None else decimal_text(usd) for usd in (bill, plan.bill_usd_per_hour))
        yield Violation("held", "bill_usd_per_hour", *said)


def _stated(line: HeldCapacity) -> HeldTerms:
    return line.kind, line.instances, line.usd_per_hour_each, line.until


def _as_offered(line: Purchase, offer: Offer, at: str) -> Iterator[Violation]:
    if line.usd_per_hour_each != offer.usd_per_hour:
        where = f"{at}.usd_per_hour_each"
        yield Violation(
            "price", where, decimal_text(offer.usd_per_hour), decimal_text(line.usd_per_hour_each)
        )
    facts: tuple[tuple[str, object, object], ...] = (
        ("accelerator", line.accelerator, offer.accelerator),
        ("accelerators_per_instance", Decimal(line.accelerators_per_instance), offer.accelerators),
        ("availability", line.availability, offer.availability.value),
        ("price_collected_at", line.price_collected_at, offer.collected_at),
        ("price_source", line.price_source, offer.source),
        ("price_basis", line.price_basis, offer.price_basis),
        ("price_evidence", line.price_evidence, offer.evidence),
        ("interruption", line.interruption, offer.interruption),
        ("flags", sorted(line.flags), sorted(offer.flags)),
    )
    for field, found, expected in facts:
        if found != expected:
            yield Violation("offer_facts", f"{at}.{field}", str(expected), str(found))


def _buyable(flags: list[str], availability: str, inputs: Inputs, at: str) -> Iterator[Violation]:
    for flag in flags:
        lifted = any(word in inputs.include for word in ON_REQUEST.get(flag, ()))
        if flag in NEVER or (flag in ON_REQUEST and not lifted):
            yield Violation("not_buyable", f"{at}.flags", f"no {flag}", flag)
    if availability == Availability.UNAVAILABLE.value:
        yield Violation("not_buyable", f"{at}.availability", "an offer in stock", availability)
    if availability == Availability.UNKNOWN.value and not inputs.allow_unknown_availability:
        yield Violation("not_buyable", f"{at}.availability", "a stated availability", availability)
