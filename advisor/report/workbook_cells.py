"""Cells of the workbook: formats, text that stays text, rows high enough for what they hold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from advisor.report.blocks import Kind
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_NUMBER_FORMATS: Final = {
    Kind.COUNT: "#,##0",
    Kind.USD_RATE: "#,##0.0000####",
    Kind.USD: "#,##0.00",
    Kind.SHARE: "0.0%",
    Kind.NUMBER: "#,##0.####",
    Kind.DAY: "yyyy-mm-dd",
    Kind.MOMENT: "yyyy-mm-dd hh:mm",
}
_LINE_POINTS: Final = 15
"""Height of one line of text in the default font."""


class Formats:
    """Cell formats, made once per workbook."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._made: dict[tuple[str, ...], Any] = {}

    def of(self, kind: Kind, *, bold: bool = False, entry: bool = False) -> Any:
        """The format of a kind of value; ``entry`` marks a cell that is meant to be changed."""
        key = (kind.value, str(bold), str(entry))
        if key not in self._made:
            wish: dict[str, Any] = {"num_format": _NUMBER_FORMATS.get(kind, "@"), "valign": "top"}
            if bold:
                wish |= {"bold": True, "top": 1}
            if entry:
                wish |= {"bg_color": "#FFF4CC", "font_color": "#0000AA"}
            if not kind.numeric:
                wish["text_wrap"] = True
            self._made[key] = self._book.add_format(wish)
        return self._made[key]

    def styled(self, name: str, **wish: Any) -> Any:
        """A format that is no number's."""
        if (name,) not in self._made:
            self._made[name,] = self._book.add_format(wish)
        return self._made[name,]

    @property
    def head(self) -> Any:
        """Words over a column."""
        return self.styled("head", bold=True, bottom=2, text_wrap=True, valign="bottom", bg_color="#E8EEF2")

    @property
    def caption(self) -> Any:
        """Words over a table."""
        return self.styled("caption", bold=True)

    @property
    def title(self) -> Any:
        """Words over a sheet or a part of one."""
        return self.styled("title", bold=True, font_size=14)


def text(sheet: Any, row: int, column: int, value: str, style: Any = None) -> None:
    """A cell that is text, whatever it begins with."""
    sheet.write_string(row, column, printable(value), style)


def headers(sheet: Any, formats: Formats, row: int, titles: Sequence[tuple[str, int]]) -> None:
    """Words over columns of a width, their row as high as the longest needs."""
    for column, (words, _) in enumerate(titles):
        text(sheet, row, column, words, formats.head)
    fit(sheet, row, titles)


def fit(sheet: Any, row: int, cells: Sequence[tuple[str, int]]) -> None:
    """Make a row as high as its wrapped texts need: (text, width of its column in characters) each."""
    lines = max((math.ceil(1.15 * len(words) / width) for words, width in cells), default=1)
    if lines > 1:
        sheet.set_row(row, _LINE_POINTS * lines)
