"""Publishing a snapshot: drafted where nobody reads, read back, compared, and only then given its name.

The evidence gets its place first, so that no snapshot is ever without it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from advisor import database
from advisor.catalog.evidence import evidence_path, is_digest, raise_disk_trouble, write_evidence
from advisor.catalog.held import HELD, as_rows, records
from advisor.catalog.snapshot import COLUMNS, EPOCH, NEEDED, is_memory, read_snapshot, refuse_twins
from advisor.errors import CorruptSnapshot, DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from advisor.catalog.held import Held
    from advisor.domain import Offer

SCHEMA_VERSION: Final = "3"

WORKSHOP_PREFIX: Final = ".writing-"
"""How the folders are called in which a snapshot is written before it gets its name."""


def write_snapshot(
    offers: Iterable[Offer],
    folder: Path,
    created_at: datetime,
    title: str,
    evidence: Mapping[str, bytes] | None = None,
    held: Sequence[Held] = (),
) -> Path:
    """Publish offers as a snapshot: the whole file under its final name, or nothing.

    The file is read back and compared before it gets its name, so what is published is what was meant.
    The evidence gets its place first, so that no snapshot is ever without it.

    Raises:
        DataError: an offer the columns cannot hold exactly, two live offers with one id, an offer whose
            evidence is not given, or a folder that cannot be written.
    """
    if created_at.tzinfo is None:
        raise DataError("a snapshot's created_at must carry a time zone")
    ordered = sorted([*offers, *as_rows(held)], key=_order)
    refuse_twins(ordered, DataError)
    named = {offer.evidence: offer.id for offer in ordered if offer.evidence is not None}
    kept = {digest: item for digest, item in (evidence or {}).items() if digest in named}
    for digest in named.keys() - kept.keys():
        raise DataError(f"not published: the evidence of {named[digest]} is not given")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=WORKSHOP_PREFIX) as workshop:
            beside = Path(workshop) / "evidence"
            evidence_sha256 = write_evidence(kept, beside) if kept else None
            properties = _properties(created_at, title, evidence_sha256, held)
            draft = _draft(ordered, Path(workshop), created_at, properties)
            _compare(ordered, held, draft)
            return _put_in_place(draft, beside if kept else None, folder)
    except OSError as error:
        raise DataError(f"cannot publish a snapshot in {folder}: {error.strerror or error}") from error


def unstorable(offer: Offer) -> str | None:
    """Why the columns cannot hold the offer exactly, naming the field; None where they can."""
    texts = [value for value in (getattr(offer, name) for name in COLUMNS) if isinstance(value, str)]
    try:
        "".join((*texts, *offer.flags)).encode()
    except UnicodeEncodeError:
        return "a text that is not Unicode"
    if not all(getattr(offer, name) for name in NEEDED):
        return f"{next(name for name in NEEDED if not getattr(offer, name))} is blank"
    for name, whole, places in (("usd_per_hour", 10, 8), ("accelerators", 3, 6)):
        value = getattr(offer, name)
        if not (value < 10**whole and round(value, places) == value):
            return f"{name} {value} has more than {whole} digits before or {places} behind the point"
    if offer.vcpus is not None and not 1 <= offer.vcpus < 2**31:
        return f"vcpus {offer.vcpus} is not a count"
    if not is_memory(offer.memory_gib):
        return f"memory_gib {offer.memory_gib} is not a size"
    if offer.max_instances is not None and offer.max_instances >= 2**31:
        return f"max_instances {offer.max_instances} is not a count"
    if any(not flag or ";" in flag for flag in offer.flags) or list(offer.flags) != sorted(set(offer.flags)):
        return f"flags {offer.flags} are not sorted words"
    if offer.evidence is not None and not is_digest(offer.evidence):
        return f"evidence {offer.evidence!r} is not a SHA-256"
    return None


def _put_in_place(draft: Path, beside: Path | None, folder: Path) -> Path:
    """Both files under their final names, the snapshot last; after a power cut too."""
    final = folder / draft.name
    _settle(draft)
    if beside is not None:
        _settle(beside)
        beside.replace(evidence_path(final))
        _settle(folder)
    draft.replace(final)
    _settle(folder)
    return final


def _order(offer: Offer) -> tuple[Any, ...]:
    zone = (offer.zone is not None, offer.zone or "")
    place = (offer.provider, offer.region, zone, offer.instance_type, offer.market.value)
    return (*place, "superseded" in offer.flags, offer.collected_at, offer.usd_per_hour, repr(offer))


def _compare(rows: Sequence[Offer], held: Sequence[Held], draft: Path) -> None:
    """Refuse a file that gives back anything but what went in."""
    try:
        returned = read_snapshot(draft)
    except CorruptSnapshot as error:
        raise DataError(f"not published: {error}") from error
    if returned.held != tuple(held):
        raise DataError("not published: what is held would come back as something else")
    offers = [offer for offer in rows if HELD not in offer.flags]
    for offer, copy in zip(offers, returned.offers, strict=True):
        if offer != copy:
            name = next(name for name in COLUMNS if getattr(offer, name) != getattr(copy, name))
            said, kept = getattr(offer, name), getattr(copy, name)
            raise DataError(f"not published: {offer.id}: {name} {said!r} would come back as {kept!r}")


def _draft(
    offers: Sequence[Offer], workshop: Path, created_at: datetime, properties: Mapping[str, str]
) -> Path:
    """The file, complete and under its own name, in a folder nobody reads."""
    import duckdb

    nameless = workshop / "nameless.parquet"
    try:
        _copy_out(offers, nameless, properties)
    except (duckdb.Error, UnicodeError) as error:
        raise_disk_trouble(error)
        raise DataError(f"not published: {str(error).splitlines()[0]}") from error
    digest = hashlib.sha256(nameless.read_bytes()).hexdigest()[:12]
    return nameless.replace(workshop / f"{created_at.astimezone(UTC):%Y-%m-%d}-{digest}.parquet")


def _properties(
    created_at: datetime, title: str, evidence_sha256: str | None, held: Sequence[Held]
) -> dict[str, str]:
    """What the file says of itself."""
    stamp = created_at.astimezone(UTC).isoformat()
    properties = {"schema_version": SCHEMA_VERSION, "created_at": stamp, "title": title}
    if held:
        properties["held"] = records(held)
    return properties if evidence_sha256 is None else properties | {"evidence_sha256": evidence_sha256}


def _copy_out(offers: Sequence[Offer], draft: Path, properties: Mapping[str, str]) -> None:

    # Decimals travel as text and times as microseconds: no session time zone, no binary floats.
    travels = {"usd_per_hour": "VARCHAR", "accelerators": "VARCHAR", "collected_at": "BIGINT"}
    columns = [[_cell(offer, name) for offer in offers] for name in COLUMNS]
    selected = ", ".join(
        f"unnest(?::{travels.get(name, kind)}[]) AS {name}" for name, kind in COLUMNS.items()
    )
    typed = ", ".join(
        f"make_timestamptz({name}) AS {name}" if name == "collected_at" else f"{name}::{kind} AS {name}"
        for name, kind in COLUMNS.items()
    )
    metadata = ", ".join(f"{name}: {_literal(text)}" for name, text in properties.items())
    with database.connect() as connection:
        create = f"CREATE TEMPORARY TABLE offers AS SELECT {typed} FROM (SELECT {selected})"  # noqa: S608 our own names
        connection.execute(create, columns)
        shape = f"FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{metadata}}}"
        connection.execute(f"COPY offers TO {_literal(str(draft))} ({shape})")


def _cell(offer: Offer, name: str) -> object:
    value = getattr(offer, name)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    return ";".join(value) if name == "flags" else value


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _settle(path: Path) -> None:
    """Have the disk, not only the cache, hold a file or a folder's entries."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
