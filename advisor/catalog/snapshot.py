"""Snapshots: immutable Parquet files of offers, named ``<YYYY-MM-DD>-<12 hex of their SHA-256>.parquet``.

A name that does not fit its bytes is refused, so a half-copied file never becomes prices. Rows are ordered by
(provider, region, zone, instance type, market, time), regional prices before zone prices, and nothing in the
file depends on the clock, so the same offers written by the same DuckDB release are the same bytes.
What vendors said, item by item, is in the evidence file beside it (:mod:`advisor.catalog.evidence`). Schema 1
had no evidence; it is still read. They are written by :mod:`advisor.catalog.snapshot_writing`.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from advisor import database
from advisor.catalog.evidence import is_digest
from advisor.catalog.held import Held, parse
from advisor.domain import LISTED_MARKETS, Availability, Offer, SnapshotInfo
from advisor.errors import CorruptSnapshot, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

READABLE_VERSIONS: Final = ("1", "2", "3")

COLUMNS: Final = {
    "provider": "VARCHAR",
    "region": "VARCHAR",
    "zone": "VARCHAR",
    "instance_type": "VARCHAR",
    "market": "VARCHAR",
    "usd_per_hour": "DECIMAL(18,8)",
    "accelerator": "VARCHAR",
    "accelerators": "DECIMAL(9,6)",
    "vcpus": "INTEGER",
    "memory_gib": "DOUBLE",
    "availability": "VARCHAR",
    "availability_basis": "VARCHAR",
    "price_basis": "VARCHAR",
    "collected_at": "TIMESTAMP WITH TIME ZONE",
    "source": "VARCHAR",
    "licence": "VARCHAR",
    "interruption": "VARCHAR",
    "flags": "VARCHAR",
    "evidence": "VARCHAR",
    "max_instances": "INTEGER",
}
"""Columns of the file, in order, with DuckDB's names of their types."""

_NOT_YET_IN: Final = {"1": ("evidence", "max_instances"), "2": ("max_instances",)}
"""Columns that files of earlier versions lack; nothing is known of them there."""

_NULLABLE: Final = frozenset(
    {"zone", "vcpus", "memory_gib", "licence", "interruption", "evidence", "max_instances"}
)
NEEDED: Final = ("provider", "region", "instance_type", "accelerator", "source")
_NAME: Final = re.compile(r"(\d{4}-\d\d-\d\d)-([0-9a-f]{12})")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MARKETS: Final = {market.value: market for market in LISTED_MARKETS}
_AVAILABILITIES: Final = {availability.value: availability for availability in Availability}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The prices of one moment, as published."""

    info: SnapshotInfo
    offers: tuple[Offer, ...]
    title: str  #: what it holds, in words
    evidence_sha256: str | None = None  #: of the evidence file beside it; None where it has none
    held: tuple[Held, ...] = ()  #: what waits until somebody confirms it; no row of ``offers``


def snapshot_day(snapshot_id: str) -> str | None:
    """The day in a snapshot's id; None if this is not the id of a snapshot."""
    match = _NAME.fullmatch(snapshot_id)
    return match.group(1) if match else None


def read_snapshot(path: Path, *, shipped: bool = False) -> Snapshot:
    """Every offer of the file, checked.

    Raises:
        CorruptSnapshot: missing, truncated, not what its name says, other columns, or an impossible row.
    """
    snapshot = _read(path, _check_name(path))
    return replace(snapshot, info=replace(snapshot.info, shipped=shipped))


@lru_cache(maxsize=4)
def _read(path: Path, sha256: str) -> Snapshot:
    """What the file of that content holds: it is immutable, so a long-lived process reads it once."""
    with _reading(path) as connection:
        metadata = _metadata(connection, path)
        rows = _rows(connection, path, metadata["schema_version"])
    created_at = _created_at(metadata, path)
    held, offers = _held(metadata, _offers(rows, path), path)
    info = SnapshotInfo(
        snapshot_id=path.stem,
        path=str(path),
        offers=len(offers),
        created_at=created_at,
        shipped=False,
        sources=tuple(sorted({offer.source for offer in offers})),
    )
    return Snapshot(info, offers, metadata.get("title", ""), metadata.get("evidence_sha256"), held)


def _held(
    metadata: dict[str, str], offers: tuple[Offer, ...], path: Path
) -> tuple[tuple[Held, ...], tuple[Offer, ...]]:
    """What waits, and the other rows."""
    try:
        return parse(metadata.get("held", "[]"), offers)
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptSnapshot(f"{path}: what it says of held rows is unreadable ({error})") from error


def read_created_at(path: Path) -> datetime:
    """When the snapshot was made, without reading its rows.

    Raises:
        CorruptSnapshot: as for :func:`read_snapshot`, but for the rows.
    """
    _check_name(path)
    with _reading(path) as connection:
        return _created_at(_metadata(connection, path), path)


def _check_name(path: Path) -> str:
    """The SHA-256 of a file; refused where its bytes are not the ones it is named after."""
    match = _NAME.fullmatch(path.stem)
    if match is None or path.suffix != ".parquet":
        raise CorruptSnapshot(
            f"{path}: not named like a snapshot, <YYYY-MM-DD>-<12 hex of its SHA-256>.parquet"
        )
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise CorruptSnapshot(f"{path}: cannot be read: {error.strerror or error}") from error
    if not digest.startswith(match.group(2)):
        raise CorruptSnapshot(
            f"{path}: truncated or altered: its name promises SHA-256 {match.group(2)}…, "
            f"its bytes have {digest[:12]}…; fetch or copy the file again"
        )
    return digest


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[DuckDBPyConnection]:
    """A private DuckDB whose complaints about the file come out as ours."""
    import duckdb

    try:
        with database.connect() as connection:
            yield connection
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise CorruptSnapshot(f"{path}: not a readable Parquet file ({reason})") from error


def _metadata(connection: DuckDBPyConnection, path: Path) -> dict[str, str]:
    query = "SELECT key, value FROM parquet_kv_metadata(?)"
    pairs = connection.execute(query, [glob.escape(str(path))]).fetchall()
    metadata = {key.decode(errors="replace"): value.decode(errors="replace") for key, value in pairs}
    version = metadata.get("schema_version")
    if version not in READABLE_VERSIONS:
        readable = " and ".join(repr(known) for known in READABLE_VERSIONS)
        raise CorruptSnapshot(f"{path}: schema_version is {version!r}, this release reads {readable}")
    return metadata


def _created_at(metadata: dict[str, str], path: Path) -> datetime:
    text = metadata.get("created_at", "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CorruptSnapshot(f"{path}: created_at is {text!r}, not a time") from error
    if moment.tzinfo is None:
        raise CorruptSnapshot(f"{path}: created_at is {text!r}, without a time zone")
    if f"{moment.astimezone(UTC):%Y-%m-%d}" != snapshot_day(path.stem):
        raise CorruptSnapshot(f"{path}: its name gives another day than its created_at, {text}")
    return moment.astimezone(UTC)


def _rows(connection: DuckDBPyConnection, path: Path, version: str) -> list[tuple[Any, ...]]:
    """Rows in :data:`COLUMNS` order, ``collected_at`` as microseconds since 1970."""
    file = [glob.escape(str(path))]
    described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", file).fetchall()
    found = {row[0]: row[1] for row in described}
    missing = _NOT_YET_IN.get(version, ())
    columns = {name: kind for name, kind in COLUMNS.items() if name not in missing}
    if found != columns:
        wrong = [f"{name} {kind}" for name, kind in columns.items() if found.get(name) != kind]
        extra = [name for name in found if name not in columns]
        said = ([f"expected {', '.join(wrong)}"] if wrong else []) + (
            [f"unexpected {', '.join(extra)}"] if extra else []
        )
        raise CorruptSnapshot(f"{path}: wrong columns: {'; '.join(said)}")
    told = {"collected_at": "epoch_us(collected_at)"} | {name: f"NULL::{COLUMNS[name]}" for name in missing}
    chosen = ", ".join(told.get(name, name) for name in COLUMNS)
    return connection.execute(f"SELECT {chosen} FROM read_parquet(?)", file).fetchall()  # noqa: S608 our own names


def _offers(rows: Sequence[tuple[Any, ...]], path: Path) -> tuple[Offer, ...]:
    moments: dict[int, datetime] = {}
    flag_sets: dict[str, tuple[str, ...]] = {}
    offers: list[Offer] = []
    for number, row in enumerate(rows, start=1):
        try:
            offers.append(_offer(row, moments, flag_sets))
        except (ValueError, KeyError, TypeError, OverflowError, AttributeError):
            raise CorruptSnapshot(f"{path}: row {number}: {_complaint(row)}") from None
    refuse_twins(offers, lambda words: CorruptSnapshot(f"{path}: {words}"))
    return tuple(offers)


def _offer(
    row: tuple[Any, ...], moments: dict[int, datetime], flag_sets: dict[str, tuple[str, ...]]
) -> Offer:
    """One offer; any doubt about a field is an exception, told apart by :func:`_complaint`."""
    # fmt: off
    (provider, region, zone, instance_type, market, usd_per_hour, accelerator, accelerators, vcpus,
     memory_gib, availability, availability_basis, price_basis, collected_us, source, licence, interruption,
     flags, evidence, max_instances) = row
    # fmt: on
    if not (provider and region and instance_type and accelerator and source):
        raise ValueError("blank")
    if availability_basis is None or price_basis is None:
        raise ValueError("blank")
    if evidence is not None and not is_digest(evidence):
        raise ValueError("evidence")
    if (vcpus is not None and vcpus < 1) or not is_memory(memory_gib):
        raise ValueError("size")
    if collected_us not in moments:
        moments[collected_us] = EPOCH + timedelta(microseconds=collected_us)
    if flags not in flag_sets:
        flag_sets[flags] = tuple(flags.split(";")) if flags else _no_flags(flags)
    # fmt: off
    return Offer(
        provider, region, zone, instance_type, _MARKETS[market], usd_per_hour, accelerator, accelerators,
        vcpus, memory_gib, _AVAILABILITIES[availability], availability_basis, price_basis,
        moments[collected_us], source, licence, interruption, flag_sets[flags], evidence, max_instances,
    )
    # fmt: on


def is_memory(value: float | None) -> bool:
    """Whether it is a size in GiB, or not known."""
    return value is None or 0 < value < float("inf")


def _no_flags(flags: str | None) -> tuple[str, ...]:
    if flags is None:
        raise ValueError("flags")
    return ()


def _complaint(row: tuple[Any, ...]) -> str:
    """Which field of a refused row is wrong, with its value and what is allowed."""
    record = dict(zip(COLUMNS, row, strict=True))
    tests: dict[str, tuple[Callable[[Any], bool], str]] = {
        "market": (lambda value: value in _MARKETS, f"one of {', '.join(_MARKETS)}"),
        "usd_per_hour": (lambda value: value > 0, "a positive price"),
        "accelerators": (lambda value: value > 0, "a positive number"),
        "vcpus": (lambda value: value is None or value >= 1, "at least 1, or blank"),
        "memory_gib": (is_memory, "a positive number, or blank"),
        "max_instances": (lambda value: value is None or value >= 1, "at least 1, or blank"),
        "availability": (lambda value: value in _AVAILABILITIES, f"one of {', '.join(_AVAILABILITIES)}"),
        "collected_at": (lambda value: abs(value) < 10**17, "a time"),
        "evidence": (lambda value: value is None or is_digest(value), "64 hex digits, or blank"),
    }
    for name in NEEDED:
        tests[name] = (bool, "text")
    for name, value in record.items():
        holds, allowed = tests.get(name, (lambda _: True, "text"))
        if (value is None and name not in _NULLABLE) or not holds(value):
            place = ":".join(str(record[key]) for key in ("provider", "region", "instance_type"))
            return f"{name} ({place}): {value!r} is not allowed; {allowed}"
    return "not an offer"


def refuse_twins(offers: Sequence[Offer], failure: Callable[[str], DataError]) -> None:
    """Raise a failure on two live prices for one thing: nobody could say which one is charged."""
    live = [offer.id for offer in offers if "superseded" not in offer.flags]
    if len(set(live)) == len(live):
        return
    seen: set[str] = set()
    for offer_id in live:
        if offer_id in seen:
            raise failure(f"two live offers are called {offer_id}; mark the older one superseded")
        seen.add(offer_id)
