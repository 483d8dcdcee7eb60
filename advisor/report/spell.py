"""How values read in every dress that is read by people."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.report.blocks import Kind
from advisor.text import printable
from advisor.units import usd_text

if TYPE_CHECKING:
    from advisor.report.blocks import Table, Value

UNKNOWN: Final = "–"
_FEWEST_PLACES: Final = 4
_MOST_PLACES: Final = 8
_FOUR_DIGITS: Final = 1e4


def spell_rows(table: Table) -> list[list[str]]:
    """Every row of a table, the total last, as text; dollars of one column have equally many decimals."""
    rows = [*table.rows, *([table.total] if table.total else [])]
    places = [
        max((_places(row[at]) for row in rows if isinstance(row[at], Decimal)), default=_FEWEST_PLACES)
        for at in range(len(table.columns))
    ]
    spelt = [
        [
            usd_text(value, places[at])
            if isinstance(value, Decimal) and column.kind is Kind.USD_RATE
            else spell(value, column.kind)
            for at, (value, column) in enumerate(zip(row, table.columns, strict=True))
        ]
        for row in rows
    ]
    if table.total:
        spelt[-1] = [
            "" if value is None else text for value, text in zip(table.total, spelt[-1], strict=True)
        ]
    return spelt


def spell(value: Value, kind: Kind) -> str:
    """One harmless line of text: a value as a reader meets it; a dash where it is not known."""
    if value is None:
        return UNKNOWN
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if kind is Kind.DAY else f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return printable(value)
    if kind is Kind.SHARE:
        return f"{value:.1%}".replace("%", " %")
    if kind is Kind.COUNT:
        return f"{value:,}"
    if kind is Kind.USD_RATE:
        amount = Decimal(str(value))
        return usd_text(amount, _places(amount))
    if kind is Kind.USD:
        return usd_text(Decimal(str(value)))
    number = float(value)
    return f"{number:,.4g}" if abs(number) < _FOUR_DIGITS else f"{number:,.0f}"


def rate_of(usd_per_hour: float | None) -> Decimal | None:
    """An amount that was worked out in floats, as money to four decimals."""
    return None if usd_per_hour is None else Decimal(str(round(usd_per_hour, _FEWEST_PLACES)))


def _places(value: Value) -> int:
    """Four decimals, or as many as the price has."""
    amount = Decimal(str(value))
    return min(max(_FEWEST_PLACES, -int(amount.normalize().as_tuple().exponent)), _MOST_PLACES)
