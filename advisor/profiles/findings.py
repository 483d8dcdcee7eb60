"""Something wrong with a row of measurements: refused or flagged, with the row and the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from advisor.profiles.importers.reading import ImportedRow

TOLERANCE: Final = 1.02
"""Rates are measured over a window and rounded."""


@dataclass(frozen=True, slots=True)
class RowFinding:
    """Something wrong with a row."""

    place: str
    refused: bool  #: else flagged
    field: str
    value: object
    reason: str
    flag: str = ""  #: as kept with the row
    unfit: str | None = None  #: why the row may answer no SLO


def refuse(row: ImportedRow, field: str, value: object, reason: str) -> RowFinding:
    """A finding that stops the import."""
    return RowFinding(row.place, True, field, value, reason)


def flagged(
    row: ImportedRow, field: str, value: object, reason: str, flag: str, *, unfit: bool = False
) -> RowFinding:
    """A finding kept with the row; ``unfit``: for which the row may answer no SLO."""
    return RowFinding(row.place, False, field, value, reason, flag, reason if unfit else None)
