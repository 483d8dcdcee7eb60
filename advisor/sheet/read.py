"""Reading a price sheet: CSV or YAML.

CSV holds prices, one a row. YAML holds ``prices`` (the same fields) and ``adjustments``. A sheet with one bad
cell is refused whole: half a quote is not a quote. Prices are US dollars; a column or cell in another
currency is refused (W24), never converted.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from advisor.documents import Scalars, parse, read_text
from advisor.documents.records import check, fields_of
from advisor.documents.table import MOST_ROWS, csv_rows
from advisor.errors import InputFileError
from advisor.sheet.prices import Adjustment, PriceSheet, SheetPrice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MAX_BYTES: Final = 16 * 2**20
_LIST: Final = f"a list of up to {MOST_ROWS:,} mappings of fields"


class _SheetDocument(BaseModel):
    """A YAML sheet, its rows not yet looked at."""

    model_config = ConfigDict(extra="forbid")

    prices: list[dict[str, object]] = Field(default_factory=list, max_length=MOST_ROWS, description=_LIST)
    adjustments: list[dict[str, object]] = Field(
        default_factory=list, max_length=MOST_ROWS, description=_LIST
    )
    currency: Literal["USD"] = Field(default="USD", description="USD; convert the quote first")


def sheet_text(path: Path) -> str:
    """The text of a sheet.

    Raises:
        InputFileError: it cannot be read, is too large or is not UTF-8.
    """
    return read_text(path, MAX_BYTES, "a price sheet")


def parse_sheet(file: str, text: str) -> PriceSheet:
    """The sheet in the text of a ``.csv``, ``.yaml`` or ``.yml`` file.

    Raises:
        InputFileError: a line or field is not what it must be; says which, and what is allowed.
    """
    ending = file.rpartition(".")[2].casefold()
    if ending == "csv":
        rows: Sequence[tuple[str, Mapping[str, object]]] = csv_rows(file, text, fields_of(SheetPrice))
        changes: Sequence[tuple[str, Mapping[str, object]]] = ()
    elif ending in ("yaml", "yml"):
        document = check(_SheetDocument, parse(text, file, "yaml", Scalars.TEXT), file)
        rows = [(f"prices[{number}]", row) for number, row in enumerate(document.prices)]
        changes = [(f"adjustments[{number}]", row) for number, row in enumerate(document.adjustments)]
    else:
        raise InputFileError(file, "", ending, "a price sheet ends in .csv, .yaml or .yml")
    prices = [check(SheetPrice, {**row, "place": place}, file, place) for place, row in rows]
    _refuse_repetition(file, prices)
    adjustments = [check(Adjustment, {**row, "place": place}, file, place) for place, row in changes]
    return PriceSheet(file, tuple(prices), tuple(adjustments))


def _refuse_repetition(file: str, prices: list[SheetPrice]) -> None:
    """Two prices for one thing at one time: neither is the right one (W8)."""
    seen: dict[str, list[SheetPrice]] = {}
    for price in prices:
        for other in seen.setdefault(price.id, []):
            if _overlap(price, other):
                place = f"{price.place}, instance_type"
                allowed = f"one price at a time; {other.place} has one for the same region and market"
                raise InputFileError(file, place, price.instance_type, allowed)
        seen[price.id].append(price)


def _overlap(one: SheetPrice, other: SheetPrice) -> bool:
    starts = max(one.valid_from or date.min, other.valid_from or date.min)
    return starts <= min(one.valid_until or date.max, other.valid_until or date.max)
