"""What vendors said, item by item as received: the file beside a snapshot that its prices resolve to.

``<snapshot id>.evidence`` is a Parquet file of two columns, sorted: ``digest``, the SHA-256 of the item, and
``item``, its canonical JSON. DuckDB compresses neighbouring items together (zstd), which is several times
smaller than each alone. The snapshot records the file's own hash, so the two cannot be mixed up.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from typing import TYPE_CHECKING, Final

from advisor import database
from advisor.errors import CorruptSnapshot, DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SUFFIX: Final = ".evidence"
_ERRNO: Final = re.compile(r'"errno":"(\d+)"')
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_ITEMS_PER_GROUP: Final = 10_000
"""Rows a reader has to unpack to find one item."""


def evidence_path(snapshot: Path) -> Path:
    """Where the evidence of a snapshot file is."""
    return snapshot.with_suffix(SUFFIX)


def is_digest(text: str) -> bool:
    """Whether this is a SHA-256 as evidence is named by."""
    return _DIGEST.fullmatch(text) is not None


def write_evidence(evidence: Mapping[str, bytes], path: Path) -> str:
    """Write the file; the SHA-256 of its bytes.

    Raises:
        DataError: an item that does not hash to its digest, or is not text.
        OSError: the disk.
    """
    import duckdb

    for digest, item in evidence.items():
        if hashlib.sha256(item).hexdigest() != digest:
            raise DataError(f"not published: the evidence {digest[:12]}… does not hash to its name")
    digests = sorted(evidence)
    try:
        items = [evidence[digest].decode() for digest in digests]
        with database.connect() as connection:
            columns = "unnest(?::VARCHAR[]) AS digest, unnest(?::VARCHAR[]) AS item"
            connection.execute(f"CREATE TEMPORARY TABLE evidence AS SELECT {columns}", [digests, items])
            target = str(path).replace("'", "''")
            shape = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ITEMS_PER_GROUP}"
            connection.execute(f"COPY evidence TO '{target}' ({shape})")
    except (duckdb.Error, UnicodeError) as error:
        raise_disk_trouble(error)
        raise DataError(f"not published: evidence: {str(error).splitlines()[0]}") from error
    return file_sha256(path)


def read_evidence(path: Path, sha256: str, digests: Iterable[str]) -> dict[str, bytes]:
    """The items of these digests, as far as the file has them.

    Raises:
        CorruptSnapshot: the file is missing, not the one the snapshot records, or an item was altered.
    """
    import duckdb

    wanted = sorted(set(digests))
    try:
        found = file_sha256(path)
    except OSError as error:
        raise CorruptSnapshot(f"{path}: cannot be read: {error.strerror or error}") from error
    if found != sha256:
        raise CorruptSnapshot(f"{path}: not the file its snapshot records: {found[:12]}…, not {sha256[:12]}…")
    query = "SELECT digest, item FROM read_parquet(?) WHERE digest IN (SELECT unnest(?::VARCHAR[]))"
    try:
        with database.connect() as connection:
            rows = connection.execute(query, [glob.escape(str(path)), wanted]).fetchall()
    except duckdb.Error as error:
        raise CorruptSnapshot(f"{path}: not readable ({str(error).splitlines()[0]})") from error
    items = {digest: item.encode() for digest, item in rows}
    for digest, item in items.items():
        if hashlib.sha256(item).hexdigest() != digest:
            raise CorruptSnapshot(f"{path}: the item {digest[:12]}… does not hash to its name")
    return items


def raise_disk_trouble(error: Exception) -> None:
    """Raise what the operating system said, where that is behind a complaint of DuckDB's."""
    found = _ERRNO.search(str(error))
    if found:
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
