"""What was known of a row stays known: no word on stock or interruptions is no news of them.

A price that came without its interruption band, or without a word on stock, keeps what was known. And an
answer that would take the stock of a whole market is an empty answer, not a sold-out cloud: what was known
stays until somebody says otherwise with ``--accept availability``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.catalog.held import ALL, AVAILABILITY
from advisor.domain import Availability

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from advisor.domain import Offer
    from advisor.refresh.merging import Merged

LOST_SHARE: Final = 0.5
"""Of the rows of a provider and market that were in stock and came: more of them without it are no news."""

LOST_LEAST: Final = 10

_FLAG: Final = "not_offered"


@dataclass(frozen=True, slots=True)
class Standing:
    """What kept the facts of before, and why."""

    merged: Merged  #: with what was known laid under what came
    why: dict[str, str]  #: by adapter, of those whose word on stock was not taken
    notes: tuple[str, ...]  #: sentences


def standing(previous: Sequence[Offer], merged: Merged, accept: Collection[str]) -> Standing:
    """The rows that came, with what was known of them where they say nothing."""
    before = {offer.id: offer for offer in previous if "superseded" not in offer.flags}
    doubted, why = ({}, {}) if {ALL, AVAILABILITY} & set(accept) else _doubted(before, merged)
    rows = dict(merged.brought)
    bands: dict[str, int] = defaultdict(int)
    for offer_id, (name, offer) in merged.brought.items():
        old = before.get(offer_id)
        if old is None:
            continue
        kept = _kept(offer, old, is_doubted=offer_id in doubted)
        bands[name] += kept.interruption != offer.interruption
        rows[offer_id] = (name, kept)
    notes = tuple(
        f"{name}: {count:,} rows came without the interruption band they had; it stays"
        for name, count in sorted(bands.items())
        if count
    )
    return Standing(replace(merged, brought=rows), why, notes)


def _kept(offer: Offer, old: Offer, *, is_doubted: bool) -> Offer:
    if offer.interruption is None and old.interruption is not None:
        offer = replace(offer, interruption=old.interruption)
    if not is_doubted and (
        offer.availability is not Availability.UNKNOWN or old.availability is Availability.UNKNOWN
    ):
        return offer
    flags = {flag for flag in offer.flags if flag != _FLAG} | {flag for flag in old.flags if flag == _FLAG}
    return replace(
        offer,
        availability=old.availability,
        availability_basis=old.availability_basis,
        flags=tuple(sorted(flags)),
    )


def _doubted(before: Mapping[str, Offer], merged: Merged) -> tuple[dict[str, str], dict[str, str]]:
    """Ids whose new word on stock is not taken, and why, by adapter."""
    cells: dict[tuple[str, ...], list[tuple[str, Offer]]] = defaultdict(list)
    for offer_id, (name, offer) in merged.brought.items():
        old = before.get(offer_id)
        if old is not None and old.availability in (Availability.AVAILABLE, Availability.CONSTRAINED):
            cells[name, offer.provider, offer.market.value].append((offer_id, offer))
    doubted: dict[str, str] = {}
    why: dict[str, str] = {}
    for (name, provider, market), rows in cells.items():
        lost = [offer_id for offer_id, offer in rows if offer.availability is Availability.UNAVAILABLE]
        if len(rows) >= LOST_LEAST and len(lost) > LOST_SHARE * len(rows):
            doubted |= dict.fromkeys(lost, name)
            left = f"{len(rows) - len(lost)} of {len(rows)}"
            why[name] = (
                f"what it says of stock would leave {left} {provider} {market} rows available; that of before"
                " stays (--accept availability takes it)"
            )
    return doubted, why
