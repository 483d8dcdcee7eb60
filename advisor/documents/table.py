"""CSV files that people hand in: rows of text cells, each with its line."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from advisor.errors import InputFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_ROWS: Final = 100_000


def csv_rows(file: str, text: str, columns: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Rows below the header, each with its place; blank lines and those that begin with # are left out.

    Column names may be written ``Instance Type`` or ``instance-type``: only their words count.

    Raises:
        InputFileError: it is no CSV, or a column is not one of ``columns`` or is there twice.
    """
    lines = _lines(file, text)
    place, header = next(lines, ("line 1", None))
    if header is None:
        raise InputFileError(file, place, "", f"a header line is needed, of: {', '.join(columns)}")
    names = _names(file, place, header, columns)
    rows = []
    for place, cells in lines:
        if len(cells) != len(names):
            allowed = f"{len(names)} cells, one per column (quote a cell that holds a comma)"
            raise InputFileError(file, place, f"{len(cells)} cells", allowed)
        rows.append((place, dict(zip(names, cells, strict=True))))
        if len(rows) > MOST_ROWS:
            raise InputFileError(file, place, "one more row", f"at most {MOST_ROWS:,} rows")
    return rows


def _lines(file: str, text: str) -> Iterator[tuple[str, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#"):
                yield f"line {reader.line_num}", cells
    except csv.Error as error:
        raise InputFileError(file, f"line {reader.line_num}", str(error), "the file must be CSV") from None


def _names(file: str, place: str, header: Sequence[str], columns: Sequence[str]) -> list[str]:
    names = ["_".join(cell.casefold().replace("-", " ").replace("_", " ").split()) for cell in header]
    for name, cell in zip(names, header, strict=True):
        if name not in columns or names.count(name) > 1:
            raise InputFileError(file, place, cell.strip(), f"each column once, of: {', '.join(columns)}")
    return names
