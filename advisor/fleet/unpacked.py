"""The text of a fleet's file as it is stored: plain, gzipped, or a bill in Parquet, each within bounds."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from typing import TYPE_CHECKING, Final

from advisor.documents import decoded
from advisor.errors import InputFileError
from advisor.fleet.bill import COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

MAX_ROWS: Final = 2_000_000
"""Of a bill in Parquet."""


def unpacked(content: bytes, path: Path, max_bytes: int) -> str:
    """The text of a file whose bytes were read.

    Raises:
        InputFileError: it is damaged, or longer than ``max_bytes`` when unpacked.
    """
    if content.startswith(b"PAR1"):
        return _parquet(path)
    return decoded(_gunzipped(content, str(path), max_bytes), str(path))


def _gunzipped(content: bytes, file: str, max_bytes: int) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            text = stream.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputFileError(file, "", str(error), "a readable, complete gzip file") from error
    if len(text) > max_bytes:
        raise InputFileError(file, "", "more unpacked", f"at most {max_bytes // 2**20} MiB unpacked")
    return text


def _parquet(path: Path) -> str:
    """The columns of a bill as CSV."""
    import glob

    import duckdb

    from advisor.database import connect

    file = str(path)
    try:
        with connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            place = [glob.escape(file)]
            described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", place).fetchall()
            wanted = [(name, kind) for name, kind, *_ in described if name.casefold() in COLUMNS]
            if not wanted:
                raise InputFileError(file, "", "not recognised", "Parquet with the columns of a bill")
            chosen = ", ".join(_as_text(*one) for one in wanted)
            query = f"SELECT {chosen} FROM read_parquet(?) LIMIT {MAX_ROWS + 1}"  # noqa: S608 quoted
            rows = connection.execute(query, place).fetchall()
    except duckdb.Error as error:
        raise InputFileError(file, "", str(error).splitlines()[0], "a readable Parquet file") from error
    if len(rows) > MAX_ROWS:
        raise InputFileError(file, "", "one more row", f"at most {MAX_ROWS:,} rows")
    text = io.StringIO()
    csv.writer(text).writerows([[name for name, _ in wanted], *rows])
    return text.getvalue()


def _as_text(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    nested = kind.startswith(("MAP", "STRUCT"))
    return f"to_json({quoted})::VARCHAR" if nested else f"{quoted}::VARCHAR"
