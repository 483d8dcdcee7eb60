"""A CSV file of runs as rows that go out byte for byte as they came in."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.errors import InputFileError
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NEEDED: Final = ("model", "gpu", "input_tokens", "output_tokens")
ADDED: Final = (
    "predicted_requests_per_s",
    "predicted_tpot_ms",
    "predicted_ttft_ms",
    "low_requests_per_s",
    "high_requests_per_s",
    "reason",
)
_MOST: Final = 1e9
_MARK: Final = "\ufeff"


class UnreadableCell(ValueError):
    """A cell that is not what its column needs; the message is the row's reason."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One line of the file: its text as it came, and its cells by column."""

    text: str  #: without its line ending
    ending: str
    cells: Mapping[str, str]  #: empty for a blank line

    def cell(self, column: str) -> str:
        """A cell without blanks around it; blank where there is no such column."""
        return self.cells.get(column, "").strip()

    def number(self, column: str, *, endless: bool = False) -> float | None:
        """A positive number, ``inf`` where ``endless``, or None where the cell is blank.

        Raises:
            UnreadableCell: it is something else.
        """
        text = self.cell(column)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not ((endless and value == math.inf) or 0 < value <= _MOST):
            raise UnreadableCell(f"{column}: {printable(text)} is not a positive number")
        return value

    def whole(self, column: str) -> int | None:
        """A positive whole number, or None where the cell is blank.

        Raises:
            UnreadableCell: it is something else.
        """
        value = self.number(column)
        if value is not None and value != int(value):
            raise UnreadableCell(f"{column}: {printable(self.cell(column))} is not a whole number")
        return None if value is None else int(value)

    def with_cells(self, added: Sequence[str]) -> str:
        """The line with further cells at its end."""
        return ",".join([self.text, *map(_quoted, added)]) + self.ending


def read(text: str, file: str) -> tuple[BatchRow, list[BatchRow]]:
    """The header and every line below it.

    Raises:
        InputFileError: not CSV, a line has too few or many cells, a column is missing, there twice or one of
            :data:`ADDED`.
    """
    mark = _MARK if text.startswith(_MARK) else ""
    lines = io.StringIO(text.removeprefix(_MARK), newline="")  # whose lines end as a file's do
    taken: list[str] = []

    def each() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    reader, header, names, rows = csv.reader(each(), strict=True), None, [""], []
    at = 1
    try:
        for cells in reader:
            body, ending = _parted("".join(taken))
            taken.clear()
            if header is None:
                names = [cell.strip() for cell in cells]
                _check_header(names, file)
                header = BatchRow(mark + body, ending or "\n", {})
            elif cells and len(cells) != len(names):
                allowed = f"{len(names)} are, as in the header"
                raise InputFileError(f"{file}, row {at}", "", f"{len(cells)} cells", allowed)
            else:
                rows.append(BatchRow(body, ending, dict(zip(names, cells, strict=False))))
            at = reader.line_num + 1
    except csv.Error as error:
        raise InputFileError(f"{file}, row {reader.line_num}", "", str(error), "CSV is") from error
    if header is None:
        raise InputFileError(file, "", "empty", f"the columns {', '.join(NEEDED)} are needed")
    return header, rows


def _parted(line: str) -> tuple[str, str]:
    body = line.rstrip("\r\n")
    return body, line[len(body) :]


def _check_header(names: Sequence[str], file: str) -> None:
    for needed in NEEDED:
        if needed not in names:
            raise InputFileError(file, "", f"no column {needed}", f"{', '.join(NEEDED)} are needed")
    if "tp" not in names and "gpu_count" not in names:
        raise InputFileError(file, "", "no column tp or gpu_count", "one of them is needed")
    for name in names:
        if name in ADDED:
            raise InputFileError(file, name, "there already", "a file without the estimator's columns is")
        if name and names.count(name) > 1:
            raise InputFileError(file, name, "there twice", "one column of a name is")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"') else text
