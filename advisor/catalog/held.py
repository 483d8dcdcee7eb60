"""What a snapshot holds back until somebody confirms it, with both figures; and how a plan reads such rows.

A price the gate held is a row of the snapshot too, flagged ``superseded`` and ``held`` (nobody reads it as a
price in force), so that it can be confirmed without asking anybody again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from advisor.domain import Offer

HELD: Final = "held"
"""Flag of a row that waits, and of a planned row whose price waits."""
_MARKS: Final = frozenset({HELD, "superseded"})

EXPIRES_AFTER: Final = timedelta(days=35)
"""What nobody said again for so long is forgotten: the longest age limit of a price."""

AVAILABILITY: Final = "availability"
"""The word that takes a vendor's word on stock that would leave a market with next to none."""

ALL: Final = "all"
"""The word that confirms whatever is held."""


class Kind(StrEnum):
    """What is held back."""

    PRICE = "price"  #: another price than the one in force, or a new row
    GONE = "gone"  #: a row that did not come with many others; it stays until somebody confirms
    UNLISTED = "unlisted"  #: a row that did not come once; the next refresh without it withdraws it


@dataclass(frozen=True, slots=True)
class Held:
    """One row that waits."""

    id: str  #: what ``--accept`` takes; the same from week to week, shared by rows held together
    offer_id: str
    kind: Kind
    detector: str
    detail: str
    since: datetime  #: when it was first held
    seen: datetime  #: when the vendor last said so
    stated: Offer | None = None  #: what the vendor says now; None where the row did not come

    def is_meant(self, words: Collection[str]) -> bool:
        """Whether any word confirms it: its id, its offer, a pattern of offers, its detector, or ``all``."""
        return any(means(word, self.id, self.offer_id, self.detector) for word in words)


def means(word: str, confirm_id: str, offer_id: str, detector: str) -> bool:
    """Whether a word of ``--accept`` names something held."""
    return word in (ALL, confirm_id, offer_id, detector) or (is_pattern(word) and fnmatchcase(offer_id, word))


def is_pattern(word: str) -> bool:
    """Whether it is a shell pattern."""
    return any(mark in word for mark in "*?[")


def as_rows(held: Iterable[Held]) -> list[Offer]:
    """The prices that wait, as rows that nobody reads as prices in force."""
    return [
        replace(one.stated, flags=tuple(sorted({*one.stated.flags, *_MARKS})))
        for one in held
        if one.stated is not None
    ]


def records(held: Iterable[Held]) -> str:
    """All but the stated rows, as JSON."""
    return json.dumps(
        [
            {
                "id": one.id,
                "offer": one.offer_id,
                "kind": one.kind.value,
                "detector": one.detector,
                "detail": one.detail,
                "since": one.since.isoformat(),
                "seen": one.seen.isoformat(),
            }
            for one in held
        ]
    )


def parse(text: str, rows: Iterable[Offer]) -> tuple[tuple[Held, ...], tuple[Offer, ...]]:
    """What waits, and the other rows.

    Raises:
        ValueError, KeyError, TypeError: not what :func:`records` writes, or a row without a record.
    """
    stated: dict[str, Offer] = {}
    others = []
    for row in rows:
        if HELD in row.flags:
            stated[row.id] = replace(row, flags=tuple(flag for flag in row.flags if flag not in _MARKS))
        else:
            others.append(row)
    held = tuple(
        Held(
            one["id"],
            one["offer"],
            Kind(one["kind"]),
            one["detector"],
            one["detail"],
            datetime.fromisoformat(one["since"]),
            datetime.fromisoformat(one["seen"]),
            stated.pop(one["offer"], None) if one["kind"] == Kind.PRICE else None,
        )
        for one in json.loads(text)
    )
    if stated:
        raise ValueError(f"nothing says why {next(iter(stated))} is held")
    return held, tuple(others)


def as_planned(offers: Iterable[Offer], held: Iterable[Held]) -> tuple[Offer, ...]:
    """The rows with every price that waits reckoned at the higher of its two figures."""
    waiting = {one.offer_id: one.stated for one in held if one.stated is not None}
    return tuple(_dearer(offer, waiting) for offer in offers)


def _dearer(offer: Offer, waiting: Mapping[str, Offer]) -> Offer:
    stated = waiting.get(offer.id)
    if stated is None or "superseded" in offer.flags or stated.usd_per_hour == offer.usd_per_hour:
        return offer
    said = f"held: now said to be ${decimal_text(stated.usd_per_hour)}"
    flags = tuple(sorted({*offer.flags, HELD}))
    if stated.usd_per_hour < offer.usd_per_hour:
        return replace(offer, flags=flags, price_basis=f"{offer.price_basis}, {said}")
    basis = f"{stated.price_basis}, {said}, published at ${decimal_text(offer.usd_per_hour)}"
    return replace(
        offer,
        usd_per_hour=stated.usd_per_hour,
        price_basis=basis,
        collected_at=stated.collected_at,
        source=stated.source,
        licence=stated.licence,
        evidence=stated.evidence,
        flags=flags,
    )
