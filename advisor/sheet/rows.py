"""The text of a table that people write, CSV or YAML, as rows of text cells with their places."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from advisor.documents import Scalars, parse, read_text
from advisor.errors import InputFileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MOST_ROWS: Final = 100_000
MAX_BYTES: Final = 16 * 2**20


def sheet_text(path: Path) -> str:
    """The text of a sheet.

    Raises:
        InputFileError: it cannot be read, is too large or is not UTF-8.
    """
    return read_text(path, MAX_BYTES, "a price sheet")


def csv_rows(file: str, text: str, columns: Sequence[str]) -> list[tuple[str, Mapping[str, object]]]:
    """Rows below the header with their line; blank lines and those that begin with # are left out.

    Raises:
        InputFileError: it is no CSV, or a column is not one of ``columns`` or is there twice.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    rows: list[tuple[str, Mapping[str, object]]] = []
    header: list[str] | None = None
    try:
        for cells in reader:
            place = f"line {reader.line_num}"
            if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
                continue
            if header is None:
                header = _header(file, [cell.strip() for cell in cells], columns)
            elif len(cells) != len(header):
                allowed = f"{len(header)} cells, one per column (quote a cell that holds a comma)"
                raise InputFileError(file, place, f"{len(cells)} cells", allowed)
            else:
                rows.append((place, dict(zip(header, cells, strict=True))))
            if len(rows) > MOST_ROWS:
                raise InputFileError(
                    file, place, f"more than {MOST_ROWS} rows", "a price sheet is far smaller"
                )
    except csv.Error as error:
        raise InputFileError(file, f"line {reader.line_num}", str(error), "the file must be CSV") from None
    if header is None:
        raise InputFileError(file, "line 1", "", f"a header line is needed, of: {', '.join(columns)}")
    return rows


def _header(file: str, names: list[str], columns: Sequence[str]) -> list[str]:
    for name in names:
        if name not in columns or names.count(name) > 1:
            allowed = f"each column once, of: {', '.join(columns)}"
            raise InputFileError(file, "line 1", name, allowed)
    return names


def listed(file: str, document: Mapping[str, object], key: str) -> list[tuple[str, Mapping[str, object]]]:
    """The mappings of a list under a key, with their places.

    Raises:
        InputFileError: it is no list of mappings.
    """
    entries = document.get(key, [])
    if not isinstance(entries, list) or len(entries) > MOST_ROWS:
        raise InputFileError(file, key, type(entries).__name__, f"a list of up to {MOST_ROWS} entries")
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise InputFileError(file, f"{key}[{number}]", entry, "a mapping of fields")
    return [(f"{key}[{number}]", entry) for number, entry in enumerate(entries)]


def yaml_document(file: str, text: str, keys: Sequence[str]) -> Mapping[str, object]:
    """The mapping at the top of a YAML text; all scalars are text.

    Raises:
        InputFileError: it is no YAML, no mapping, or has a key that is not one of ``keys``.
    """
    document = parse(text, file, "yaml", Scalars.TEXT)
    if not isinstance(document, dict):
        raise InputFileError(file, "", type(document).__name__, f"a mapping with the keys {', '.join(keys)}")
    for key in document:
        if key not in keys:
            raise InputFileError(file, str(key), document[key], f"known keys: {', '.join(keys)}")
    return document
