"""Something wrong with a row of measurements: refused or flagged, with the row and the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from advisor.profiles.importers.reading import Load

TOLERANCE: Final = 1.02
"""Rates are measured over a window and rounded."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a row."""

    place: str
    refused: bool  #: else flagged
    field: str
    value: object
    reason: str
    flag: str = ""  #: as kept with the row
    unfit: str | None = None  #: why the row may answer no SLO


def refuse(load: Load, field: str, value: object, reason: str) -> Finding:
    """A finding that stops the import."""
    return Finding(load.place, True, field, value, reason)


def flagged(load: Load, field: str, value: object, reason: str, flag: str) -> Finding:
    """A finding kept with the row."""
    return Finding(load.place, False, field, value, reason, flag)
