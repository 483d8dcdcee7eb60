"""A small calculator for the formulas of the workbook, in Decimal: enough to recompute it, no more.

Knows + - * / < =, SUM, ROUND (halves up), MAX, MIN, IF, ranges, cells of other sheets and defined names.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Any

from openpyxl import load_workbook

if TYPE_CHECKING:
    from collections.abc import Iterable

_PARTS = re.compile(
    r'(?P<text>"[^"]*")|(?P<range>\$?[A-Z]{1,2}\$?\d+:\$?[A-Z]{1,2}\$?\d+)|(?P<far>[A-Za-z]+!\$?[A-Z]{1,2}\$?\d+)'
    r"|(?P<call>[A-Z]+)\(|(?P<cell>\$?[A-Z]{1,2}\$?\d+)(?![\w(])|(?P<name>[a-z_]{3,})|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<equal>=)"
)


class Sheets:
    """A workbook whose cells can be changed and recomputed."""

    def __init__(self, content: bytes) -> None:
        self.book = load_workbook(BytesIO(content))
        self.cached = load_workbook(BytesIO(content), data_only=True)
        self.names = {name: defined.attr_text for name, defined in self.book.defined_names.items()}

    def put(self, sheet: str, cell: str, value: float | Decimal) -> None:
        """Type a number into a cell."""
        self.book[sheet][cell] = value

    def formulas(self) -> Iterable[tuple[str, str]]:
        """Sheet and coordinate of every formula."""
        for sheet in self.book:
            for row in sheet.iter_rows():
                for cell in row:
                    if cell.data_type == "f":
                        yield sheet.title, cell.coordinate

    def value(self, sheet: str, cell: str) -> Any:
        """The value of a cell, computed now."""
        held = self.book[sheet][cell.replace("$", "")].value
        if isinstance(held, str) and held.startswith("="):
            return self._computed(sheet, held[1:])
        if isinstance(held, int | float) and not isinstance(held, bool):
            return Decimal(repr(held))
        return held

    def named(self, name: str) -> Any:
        """The value a defined name points at."""
        sheet, _, cell = self.names[name].partition("!")
        return self.value(sheet.strip("'"), cell)

    def _computed(self, sheet: str, formula: str) -> Any:
        def part(found: re.Match[str]) -> str:
            kind, text = found.lastgroup, found[0]
            if kind == "text":
                return text
            if kind == "range":
                return f"_range({sheet!r}, {text!r})"
            if kind == "far":
                return f"_cell(*{tuple(text.split('!'))!r})"
            if kind == "call":
                return f"_{text}"
            if kind == "cell":
                return f"_cell({sheet!r}, {text!r})"
            if kind == "name":
                return f"_name({text!r})"
            return "==" if kind == "equal" else f"_number({text!r})"

        scope = {
            "_cell": self.value, "_range": self._range, "_name": self.named, "_number": Decimal,
            "_SUM": lambda values: sum(values, Decimal(0)), "_MAX": _flat(max), "_MIN": _flat(min),
            "_IF": lambda test, then, other: then if test else other,
            "_ROUND": lambda value, places: value.quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP),
            "__builtins__": {},
        }  # fmt: skip
        try:
            return eval(_PARTS.sub(part, formula), scope)  # noqa: S307 - our own formulas
        except ZeroDivisionError:  # the branch of an IF that a spreadsheet would not take
            return Decimal(0)

    def _range(self, sheet: str, text: str) -> list[Decimal]:
        cells = [cell.coordinate for row in self.book[sheet][text.replace("$", "")] for cell in row]
        values = (self.value(sheet, cell) for cell in cells)
        return [value for value in values if isinstance(value, Decimal)]


def _flat(function: Any) -> Any:
    def called(*given: Any) -> Any:
        return function([v for g in given for v in (g if isinstance(g, list) else [g])])

    return called
