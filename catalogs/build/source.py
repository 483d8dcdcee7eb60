"""Collected source files as rows that know where they stand, and output files written in one piece."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from advisor.domain import utc_midnight
from advisor.errors import InputFileError
from advisor.units import usd_from_vendor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One line of a collected CSV file. A blank cell is not known."""

    file: str
    line: int
    cells: dict[str, str]

    def refuse(self, field: str, allowed: str) -> InputFileError:
        """The error for this row's field, naming file and line."""
        return InputFileError(f"{self.file}:{self.line}", field, self.cells.get(field), allowed)

    def text(self, field: str) -> str:
        """The cell, which must not be blank."""
        value = self.cells[field].strip()
        if not value:
            raise self.refuse(field, "a value is needed")
        return value

    def optional_text(self, field: str) -> str | None:
        """The cell, or None where it is blank."""
        return self.cells[field].strip() or None

    def price(self, field: str) -> Decimal | None:
        """Dollars an hour, or None where it is blank; zero and below are refused."""
        value = self.optional_text(field)
        if value is None:
            return None
        try:
            return usd_from_vendor(value)
        except ValueError as error:
            raise self.refuse(field, "a price is a number above 0, blank where it is not known") from error

    def decimal(self, field: str) -> Decimal:
        """A positive decimal."""
        value = self.optional_decimal(field)
        if value is None or value <= 0:
            raise self.refuse(field, "a number above 0 is needed")
        return value

    def optional_decimal(self, field: str) -> Decimal | None:
        """A finite decimal, or None where the cell is blank."""
        value = self.optional_text(field)
        if value is None:
            return None
        try:
            number = Decimal(value)
        except InvalidOperation as error:
            raise self.refuse(field, "a number is needed") from error
        if not number.is_finite():
            raise self.refuse(field, "a finite number is needed")
        return number

    def optional_number(self, field: str) -> float | None:
        """A float, or None where the cell is blank."""
        value = self.optional_decimal(field)
        return None if value is None else float(value)

    def optional_count(self, field: str) -> int | None:
        """A whole number of at least 0, or None where the cell is blank."""
        value = self.optional_decimal(field)
        if value is None:
            return None
        if value != int(value) or value < 0:
            raise self.refuse(field, "a whole number is needed")
        return int(value)

    def day(self, field: str) -> datetime:
        """Midnight UTC of the cell's ``YYYY-MM-DD``."""
        value = self.text(field)
        try:
            return utc_midnight(date.fromisoformat(value))
        except ValueError as error:
            raise self.refuse(field, "a date as YYYY-MM-DD is needed") from error


def read_rows(path: Path, columns: Sequence[str] = ()) -> list[SourceRow]:
    """Every data line of a CSV file.

    Raises:
        InputFileError: the file is missing or lacks one of ``columns``, or a line has too few or many cells.
    """
    if not path.is_file():
        raise InputFileError(path.name, "", str(path.name), "the source folder must hold this file")
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.reader(handle)
        header = next(reader, [])
        missing = [name for name in columns if name not in header]
        if missing:
            raise InputFileError(f"{path.name}:1", missing[0], ",".join(header), "this column is needed")
        rows = []
        for cells in reader:
            if len(cells) != len(header):
                allowed = f"{len(header)} cells a line, as in the header"
                raise InputFileError(f"{path.name}:{reader.line_num}", "", ",".join(cells), allowed)
            rows.append(SourceRow(path.name, reader.line_num, dict(zip(header, cells, strict=True))))
    return rows


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def write_text(path: Path, content: str) -> None:
    """Write a whole UTF-8 file with ``\\n`` line ends, or nothing."""
    write_bytes(path, content.encode("utf-8"))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file; None becomes a blank cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    write_text(path, buffer.getvalue())
