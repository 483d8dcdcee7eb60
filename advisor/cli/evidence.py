"""`advisor catalog evidence`: what the vendor said, behind one price."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from advisor.cli.output import OutputOption, json_text, write_text
from advisor.errors import DataError, UnknownName, UsageError
from advisor.units import decimal_text

if TYPE_CHECKING:
    from advisor.catalog.snapshot import Snapshot
    from advisor.domain import Offer

_SHORTEST = 8  # hex digits that may stand for a digest


class Dress(StrEnum):
    """Formats evidence can wear."""

    TABLE = "table"
    JSON = "json"


def evidence(
    item: Annotated[
        str, typer.Argument(help="Offer id, or a digest or its beginning.", metavar="OFFER_ID|DIGEST")
    ],
    snapshot: Annotated[
        str | None, typer.Option(help="Id or path of a snapshot; default the newest.")
    ] = None,
    form: Annotated[Dress, typer.Option("--format", "-f", help="Dress of the result.")] = Dress.TABLE,
    output: OutputOption = None,
) -> None:
    """Show the vendor's own item behind a price, as received, with source and time.

    Example: [b]advisor catalog evidence --help[/]
    """
    from advisor.catalog.evidence import evidence_path, read_evidence
    from advisor.catalog.store import open_snapshot

    prices = open_snapshot(snapshot)
    offers = _meant(item.strip(), prices)
    digest = offers[0].evidence
    if digest is None or prices.evidence_sha256 is None:
        raise DataError(
            f"{offers[0].id}: no vendor's item was kept; the price is collected public data"
            f" ({offers[0].source}, {offers[0].collected_at:%Y-%m-%d}). What a refresh fetches has one"
        )
    path = evidence_path(Path(prices.info.path))
    items = read_evidence(path, prices.evidence_sha256, [digest])
    if digest not in items:
        raise DataError(f"{path}: does not hold {digest}")
    # Numbers stay as the vendor wrote them: parsed as text, never as binary floats.
    content = json.loads(items[digest], parse_float=_Written, parse_int=_Written)
    if form is Dress.JSON:
        write_text(_document(prices, offers, digest, content), output)
    else:
        write_text("\n".join([*_head(prices, offers, digest), "", _pretty(content)]), output)


def _meant(words: str, prices: Snapshot) -> list[Offer]:
    """Offers of that id, or that rest on that item; those in force before superseded ones."""
    plain = words.casefold()
    found = [offer for offer in prices.offers if offer.id == words]
    if not found and len(plain) >= _SHORTEST and set(plain) <= set("0123456789abcdef"):
        found = [offer for offer in prices.offers if offer.evidence and offer.evidence.startswith(plain)]
        if len({offer.evidence for offer in found}) > 1:
            raise UsageError(f"{words} is the beginning of several digests; give more of it")
    if not found:
        raise UnknownName("offer or digest", words, {offer.id for offer in prices.offers})
    return sorted(found, key=lambda offer: "superseded" in offer.flags)


def _head(prices: Snapshot, offers: list[Offer], digest: str) -> list[str]:
    lines = [
        f"{offer.id}  ${decimal_text(offer.usd_per_hour)} per hour, {offer.price_basis}" for offer in offers
    ]
    sources = sorted({f"{o.source}, {o.collected_at:%Y-%m-%d %H:%M:%S} UTC" for o in offers})
    return [
        *lines,
        *(f"said by {source}" for source in sources),
        f"SHA-256 {digest}",
        f"snapshot {prices.info.snapshot_id}",
    ]


def _document(prices: Snapshot, offers: list[Offer], digest: str, content: object) -> str:
    head = {
        "sha256": digest,
        "snapshot_id": prices.info.snapshot_id,
        "offers": [
            {
                "id": offer.id,
                "usd_per_hour": offer.usd_per_hour,
                "price_basis": offer.price_basis,
                "source": offer.source,
                "collected_at": offer.collected_at.isoformat(),
            }
            for offer in offers
        ],
    }
    return f'{json_text(head)[:-2]},\n  "item": {_pretty(content, "  ")}\n}}'


class _Written(str):
    """A number exactly as the vendor wrote it."""

    __slots__ = ()


def _pretty(value: Any, indent: str = "") -> str:
    """JSON with two blanks per level, numbers untouched."""
    deeper = indent + "  "
    if isinstance(value, _Written):
        return str(value)
    if isinstance(value, dict) and value:
        inner = (f"{deeper}{_quoted(key)}: {_pretty(child, deeper)}" for key, child in value.items())
        return "{\n" + ",\n".join(inner) + f"\n{indent}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"{deeper}{_pretty(child, deeper)}" for child in value) + f"\n{indent}]"
    return _quoted(value)


def _quoted(value: object) -> str:
    """One JSON value; what a terminal would take for a command stays escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)
