"""What a detector says about a row, and what becomes of the rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from advisor.domain import Offer


class Action(StrEnum):
    """What becomes of the row."""

    REFUSE = "refuse"  #: cannot be true; nothing lets it pass
    HOLD = "hold"  #: may be true; the old row stays until somebody confirms
    REPAIR = "repair"  #: passes, corrected as the detail says
    NOTE = "note"  #: passes as it is, worth knowing


@dataclass(frozen=True, slots=True)
class Finding:
    """One detector's word on one row."""

    detector: str  #: ``W1`` … ``W27``, or ``large_move``
    offer_id: str  #: the row; for a vanished one the row that was there before
    action: Action
    detail: str  #: what is wrong, with the figures it was judged by
    before: Decimal | None  #: USD an hour in the previous snapshot; None where it has no such row
    after: Decimal | None  #: USD an hour now; None for a row that vanished
    confirm_id: str  #: what ``--accept`` takes; rows that moved together share one
    offer: Offer | None = field(default=None, repr=False)  #: the candidate row judged; None where it vanished
    repaired: Offer | None = field(default=None, repr=False)  #: the row that passes instead


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every candidate row judged. A row appears in at most one of the first three."""

    passed: tuple[Offer, ...]  #: to publish, repairs made, in the order they came in
    refused: tuple[Finding, ...]  #: one per row
    held: tuple[Finding, ...]  #: one per row; its old row, if any, stays with its old stamp
    notes: tuple[Finding, ...]  #: repairs, acceptances and remarks

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.passed + other.passed,
            self.refused + other.refused,
            self.held + other.held,
            self.notes + other.notes,
        )


def confirm_id(*parts: object) -> str:
    """Eight hex digits that stand for a row, or rows held together, from one refresh to the next."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:8]
