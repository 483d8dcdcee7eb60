"""Which offers can be bought at all, and which the user must ask for by name.

Several things may be wrong with one offer; it is counted under the first of this order, chosen so that an
option is only ever suggested where it would help:

1. ``superseded``, ``retired``, ``not_offered`` (also any ``unavailable`` stock), ``not_sold_this_way``: facts
   that no option changes, such as an on-demand price for a shape sold only as spot or by reservation;
2. ``fractional_gpu``, ``local_zone``, ``estimated_price``: admitted by ``--include``;
3. ``availability_unknown``: admitted by ``--allow-unknown-availability``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from advisor.domain import Availability, Exclusion
from advisor.errors import UnknownName
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.domain import Offer

INCLUDABLE: Final = {
    "fractional-gpu": "fractional_gpu",
    "local-zone": "local_zone",
    "estimated-spot": "estimated_price",
    "stale-spot": "stale_price",
}
"""What ``--include`` takes, and the exclusion it lifts."""

ADMITTED_BY: Final = {
    **{reason: f"--include {word}" for word, reason in INCLUDABLE.items()},
    "availability_unknown": "--allow-unknown-availability",
}
"""The option that lifts an exclusion; a reason that is absent cannot be lifted."""


def parse_include(words: Iterable[str]) -> frozenset[str]:
    """The ``--include`` words, checked.

    Raises:
        UnknownName: not one of :data:`INCLUDABLE`.
    """
    chosen = frozenset(word.strip().casefold().replace("_", "-") for word in words)
    for word in sorted(chosen - set(INCLUDABLE)):
        raise UnknownName("kind of offer to include", word, INCLUDABLE)
    return chosen


def screen(offer: Offer, *, include: frozenset[str], allow_unknown_availability: bool) -> Exclusion | None:
    """Why this offer cannot be a candidate; None if it can."""
    reason = _never(offer)
    if reason is None:
        wished = {INCLUDABLE[word] for word in include}
        reason = next((kind for kind in _on_request(offer) if kind not in wished), None)
    if reason is None and offer.availability is Availability.UNKNOWN and not allow_unknown_availability:
        reason = "availability_unknown"
    return Exclusion(reason, offer.id, _detail(reason, offer)) if reason else None


def _never(offer: Offer) -> str | None:
    for flag in ("superseded", "retired", "not_offered", "not_sold_this_way"):
        if flag in offer.flags:
            return flag
    return "not_offered" if offer.availability is Availability.UNAVAILABLE else None


def _on_request(offer: Offer) -> Iterable[str]:
    if "fractional_gpu" in offer.flags or offer.is_fractional:
        yield "fractional_gpu"
    if "local_zone" in offer.flags:
        yield "local_zone"
    if "estimated_price" in offer.flags:
        yield "estimated_price"


def _detail(reason: str, offer: Offer) -> str:
    if reason == "fractional_gpu":
        return f"{decimal_text(offer.accelerators)} of one {offer.accelerator}"
    if reason == "local_zone":
        return f"zone {offer.zone} of {offer.region}"
    if reason in ("estimated_price", "superseded"):
        return f"price basis: {offer.price_basis}, of {offer.collected_at:%Y-%m-%d}"
    return f"availability {offer.availability.value}: {offer.availability_basis}"
