"""The sheet that reads like the report: every section, as text and numbers."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from advisor.report.blocks import Facts, Figure, Kind, Quotation, Sentences, Signatures, Table
from advisor.report.spell import UNKNOWN, spell
from advisor.report.workbook_cells import fit, headers
from advisor.text import printable

if TYPE_CHECKING:
    from advisor.report.blocks import Block, Report, Value
    from advisor.report.workbook_cells import Formats

READING_WIDTHS: Final = (36, *[18] * 11)
_SPAN: Final = 7
"""Columns that a sentence runs over before it wraps."""


def write_reading(sheet: Any, formats: Formats, report: Report) -> None:
    """Every section below the other."""
    row = 0
    sheet.write_string(row, 0, printable(report.title), formats.title)
    for section in report.sections:
        row += 2
        sheet.write_string(row, 0, printable(section.title), formats.title)
        row += 1
        if section.absent:
            _across(sheet, formats, row, 0, section.absent)
            row += 1
        for block in section.blocks:
            row = _block(sheet, formats, row, block)


def _block(sheet: Any, formats: Formats, row: int, block: Block) -> int:
    """Write one block; the row after it."""
    if isinstance(block, Facts):
        for fact in block.facts:
            sheet.write_string(row, 0, printable(fact.label), formats.of(Kind.TEXT))
            if isinstance(fact.value, str):
                _across(sheet, formats, row, 1, fact.value)
            else:
                _cell(sheet, formats, row, 1, fact.value, fact.kind)
            row += 1
        return row
    if isinstance(block, Table):
        return _table(sheet, formats, row, block)
    if isinstance(block, Figure):
        return _table(sheet, formats, row, block.table)
    lines = _lines_of(block)
    for line in lines:
        _across(sheet, formats, row, 0, line)
        row += 1
    return row


def _across(sheet: Any, formats: Formats, row: int, column: int, words: str) -> None:
    """One wrapped text over several columns, its row as high as it needs."""
    style = formats.of(Kind.TEXT)
    sheet.merge_range(row, column, row, _SPAN - 1, "", style)
    sheet.write_string(row, column, printable(words), style)
    fit(sheet, row, [(printable(words), sum(READING_WIDTHS[column:_SPAN]))])


def _lines_of(block: Sentences | Quotation | Signatures) -> tuple[str, ...]:
    if isinstance(block, Sentences):
        return block.lines
    if isinstance(block, Quotation):
        return tuple(block.text.split("\n"))
    return tuple(f"{role}: name, date, signature" for role in block.roles)


def _table(sheet: Any, formats: Formats, row: int, table: Table) -> int:
    sheet.write_string(row, 0, printable(table.caption), formats.caption)
    row += 1
    headers(sheet, formats, row, [(c.header, w) for c, w in zip(table.columns, READING_WIDTHS, strict=False)])
    for values in table.rows:
        row += 1
        words = (spell(value, column.kind) for value, column in zip(values, table.columns, strict=True))
        fit(sheet, row, list(zip(words, READING_WIDTHS, strict=False)))
        for place, (value, column) in enumerate(zip(values, table.columns, strict=True)):
            _cell(sheet, formats, row, place, value, column.kind)
    if table.total:
        row += 1
        for place, (value, column) in enumerate(zip(table.total, table.columns, strict=True)):
            if value is not None:
                _cell(sheet, formats, row, place, value, column.kind, bold=True)
    return row + 1


def _cell(
    sheet: Any, formats: Formats, row: int, column: int, value: Value, kind: Kind, *, bold: bool = False
) -> None:
    if value is None:
        sheet.write_string(row, column, UNKNOWN)
    elif isinstance(value, str):
        sheet.write_string(row, column, printable(value), formats.of(Kind.TEXT, bold=bold))
    elif isinstance(value, datetime):
        style = formats.of(kind if kind is Kind.DAY else Kind.MOMENT, bold=bold)
        sheet.write_datetime(row, column, value.replace(tzinfo=None), style)
    elif isinstance(value, date):
        sheet.write_datetime(
            row,
            column,
            datetime.combine(value, time.min),
            formats.of(Kind.DAY),
        )
    else:
        number = float(value) if isinstance(value, Decimal) else value
        sheet.write_number(row, column, number, formats.of(kind, bold=bold))
