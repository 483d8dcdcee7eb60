"""The kinds of file a trace may be: how DuckDB reads each, and where in it a row stands.

DuckDB reads and checks millions of rows at a time; it says which row is no request, and the file is then gone
through up to that row for the line, the value and the reason.
"""

from __future__ import annotations

import csv
import glob
import gzip
import json
import zlib
from collections import deque
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Final

from advisor.documents import unique_keys
from advisor.errors import InputFileError
from advisor.workload.columns import find_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import IO

    from duckdb import DuckDBPyConnection

    from advisor.workload.columns import TraceColumns

MAX_LINE_BYTES: Final = 8 * 2**20
"""Longest line read; one with a prompt of a million words in it is shorter."""

_READ: Final = (
    "auto_detect = false, header = false, "
    f"max_line_size = {MAX_LINE_BYTES}, buffer_size = {4 * MAX_LINE_BYTES}"
)


class CsvFile:
    """A table of comma- or tab-separated cells with a header."""

    def __init__(self, path: Path, columns: TraceColumns, delimiter: str) -> None:
        self.file, self.path, self._delimiter = str(path), path, delimiter
        with _lines(path) as lines:
            self._skip, header = next(self._records(lines), (1, None))
        if header is None:
            raise InputFileError(self.file, "line 1", "", "a header line with column names is needed")
        names = [name.strip() for name in header]
        self._names = names
        self._width = len(names)
        self.layout = find_columns(self.file, names, columns)

    @property
    def _positions(self) -> dict[str, int]:
        return {cell: self._names.index(name) for cell, name in self.layout.cells.items()}

    def select(self, *, strict: bool) -> str:
        """SQL that gives the cells as text."""
        kinds = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(self._width))
        return (
            f"SELECT {_named({cell: f'c{at}' for cell, at in self._positions.items()})} "  # noqa: S608 our own words
            f"FROM read_csv(?, columns = {{{kinds}}}, skip = {self._skip}, delim = '{self._delimiter}', "
            f"quote = '\"', escape = '\"', strict_mode = {strict}, {_READ})"
        )

    def row(self, index: int) -> tuple[str, dict[str, object]]:
        """Where a row stands, and its cells.

        Raises:
            InputFileError: up to there, the file is no table.
        """
        with _lines(self.path) as lines:
            for number, (line, cells) in enumerate(self._records(lines), start=-1):
                if len(cells) != self._width:
                    allowed = f"{self._width} fields, as in the header"
                    raise InputFileError(self.file, f"line {line}", self._delimiter.join(cells), allowed)
                if number == index:
                    break
        return f"line {line}", {cell: cells[position] for cell, position in self._positions.items()}

    def _records(self, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        try:
            yield from ((reader.line_num, cells) for cells in reader if cells)
        except csv.Error as error:
            raise InputFileError(
                self.file, f"line {reader.line_num}", str(error), "well-formed CSV"
            ) from error


class JsonLines:
    """One JSON object per line."""

    def __init__(self, path: Path, columns: TraceColumns) -> None:
        self.file, self.path = str(path), path
        with _lines(path) as lines:
            _, first = next(self._records(lines), (1, None))
        if first is None:
            raise InputFileError(self.file, "line 1", "", "one JSON object per line is needed")
        self._keys = _keys(first)
        self.layout = find_columns(self.file, list(self._keys), columns)

    _LINES = f"read_csv(?, columns = {{'line': 'VARCHAR'}}, delim = '\x1f', quote = '', escape = '', {_READ})"

    def select(self, *, strict: bool) -> str:
        """SQL that gives the values as text; all NULL where a line is no object with each key once."""
        pointers = [_pointer(self._keys[name]) for name in self.layout.cells.values()]
        cells = {cell: f"cells[{number + 1}]" for number, cell in enumerate(self.layout.cells)}
        # Numbering the rows keeps DuckDB from taking each object apart once per column.
        return (
            f"SELECT {_named(cells)} "  # noqa: S608 our own words
            "FROM (SELECT cells, row_number() OVER () AS number FROM (SELECT CASE WHEN "
            "list_unique(keys) = len(keys) "
            f"THEN json_extract_string(record, [{', '.join(pointers)}]) END AS cells "
            "FROM (SELECT record, json_keys(record) AS keys FROM (SELECT TRY_CAST(line AS JSON) AS record "
            f"FROM {self._LINES} WHERE trim(line, E' \\t\\r') <> '')))) WHERE number > 0"
        )

    def row(self, index: int) -> tuple[str, dict[str, object]]:
        """Where a row stands, and its values.

        Raises:
            InputFileError: up to there, a line is no object with each key once.
        """
        with _lines(self.path) as lines:
            ((line, record),) = deque(islice(self._records(lines), index + 1), maxlen=1)
        return f"line {line}", self._cells(record)

    def _cells(self, record: object) -> dict[str, object]:
        return {cell: _value(record, self._keys[name]) for cell, name in self.layout.cells.items()}

    def _records(self, lines: Iterator[str]) -> Iterator[tuple[int, dict[str, object]]]:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            yield number, self._object(line, f"line {number}")

    def _object(self, text: str, place: str) -> dict[str, object]:
        try:
            record = json.loads(text, object_pairs_hook=unique_keys)
        except (ValueError, RecursionError) as error:
            allowed = f"one JSON object ({error})"
            raise InputFileError(self.file, place, text.strip(), allowed) from error
        if not isinstance(record, dict):
            raise InputFileError(self.file, place, record, "one JSON object per request")
        return record


class JsonArray(JsonLines):
    """A JSON array of objects, as exports of tracing tools are."""

    def __init__(self, path: Path, columns: TraceColumns) -> None:
        self.file, self.path = str(path), path
        first = self._record(0)
        if first is None:
            raise InputFileError(
                self.file, "", "no requests", "a JSON array of at least one object is needed"
            )
        self._keys = _keys(first)
        self.layout = find_columns(self.file, list(self._keys), columns)

    _LINES = (
        "(SELECT json::VARCHAR AS line FROM read_json(?, format = 'array', records = 'false', "  # noqa: S608
        f"columns = {{'json': 'JSON'}}, maximum_object_size = {MAX_LINE_BYTES}))"
    )

    def row(self, index: int) -> tuple[str, dict[str, object]]:
        """Where a record stands, and its values."""
        return f"item {index + 1}", self._cells(self._record(index))

    def _record(self, index: int) -> dict[str, object] | None:
        query = f"SELECT line FROM {self._LINES} LIMIT 1 OFFSET {index}"  # noqa: S608 our own words
        with connected(
            self.file, f"a JSON array of objects, each at most {MAX_LINE_BYTES // 2**20} MiB"
        ) as db:
            found = db.execute(query, [source(self.path)]).fetchone()
        return self._object(found[0], f"item {index + 1}") if found else None


class ParquetFile:
    """A Parquet file."""

    def __init__(self, path: Path, columns: TraceColumns) -> None:
        self.file, self.path = str(path), path
        with connected(self.file, "a readable Parquet file is needed") as connection:
            query = "DESCRIBE SELECT * FROM read_parquet(?)"
            described = connection.execute(query, [source(path)]).fetchall()
        self.types = {str(row[0]): str(row[1]) for row in described}
        self.layout = find_columns(self.file, list(self.types), columns)

    def select(self, *, strict: bool) -> str:
        """SQL that gives the cells as they are."""
        cells = self.layout.cells.items()
        quoted = {cell: '"' + name.replace('"', '""') + '"' for cell, name in cells}
        return f"SELECT {_named(quoted)} FROM read_parquet(?)"  # noqa: S608 quoted

    def row(self, index: int) -> tuple[str, dict[str, object]]:
        """Where a row stands, and its cells."""
        with connected(self.file, "a readable Parquet file is needed") as connection:
            query = f"{self.select(strict=True)} LIMIT 1 OFFSET {index}"
            found = connection.execute(query, [source(self.path)]).fetchone()
        return f"row {index + 1}", dict(zip(self.layout.cells, found or (), strict=False))


TraceFile = CsvFile | JsonLines | ParquetFile

_Path = tuple[str, ...]
MAX_NESTING: Final = 6


def _keys(record: dict[str, object], above: _Path = ()) -> dict[str, _Path]:
    """Names of the values of an object and of those in it, ``usage.prompt_tokens``, each with its keys."""
    found: dict[str, _Path] = {}
    for key, value in record.items():
        path = (*above, key)
        found.setdefault(".".join(path), path)
        if isinstance(value, dict) and len(path) < MAX_NESTING:
            found = _keys(value, path) | found
    return found


def _value(record: object, path: _Path) -> object:
    for key in path:
        record = record.get(key) if isinstance(record, dict) else None
    return record


@contextmanager
def connected(file: str, allowed: str) -> Iterator[DuckDBPyConnection]:
    """A private DuckDB whose complaints about the file come out as ours."""
    import duckdb

    try:
        with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
    except duckdb.Error as error:
        raise InputFileError(file, "", str(error).splitlines()[0], allowed) from error


def source(path: Path) -> str:
    """The very file, whatever marks of a pattern its name holds."""
    return glob.escape(str(path))


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[str]]:
    """The lines of a file, byte order mark removed, gzip undone; reading errors are the file's fault."""
    opener = gzip.open if path.name.casefold().endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
            yield _bounded(str(path), stream)
    except UnicodeDecodeError as error:
        raise InputFileError(str(path), "", error.object[error.start : error.end], "UTF-8 text") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputFileError(str(path), "", str(error), "a readable, complete file is needed") from error


def _bounded(file: str, stream: IO[str]) -> Iterator[str]:
    for number, line in enumerate(iter(lambda: stream.readline(MAX_LINE_BYTES), ""), start=1):
        if len(line) == MAX_LINE_BYTES:
            allowed = f"lines of at most {MAX_LINE_BYTES // 2**20} MiB"
            raise InputFileError(file, f"line {number}", line[:40], allowed)
        yield line


def _named(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{column} AS {cell}" for cell, column in columns.items())


def _pointer(path: _Path) -> str:
    """A JSON pointer (RFC 6901) as a SQL string."""
    text = "".join(f"/{key.replace('~', '~0').replace('/', '~1')}" for key in path)
    return "'" + text.replace("'", "''") + "'"
