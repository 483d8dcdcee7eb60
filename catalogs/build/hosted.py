"""Hosted API list prices, as collected, -> ``hosted_api_prices.csv``, with our model where it is that one."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

from advisor.catalog.hosted_api import FILE, HostedPrice
from catalogs.build.hosted_names import canonical
from catalogs.build.source import SourceRow, read_rows, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_COLUMNS: Final = (
    "provider",
    "model_id",
    "model",
    "input_usd_per_million_tokens",
    "output_usd_per_million_tokens",
    "observed_on",
    "price_page",
    "source",
)

CANONICAL: Final[dict[str, tuple[str, str | None]]] = {
    "llama-3.3-70b": ("Llama-3.3-70B", None),
    "qwen2.5-7b-turbo": ("Qwen2.5-7B", "served by the host in a precision of its own choice ('Turbo')"),
    "llama-3-8b-lite": ("Llama-3-8B", "served by the host in a reduced precision ('Lite')"),
    "gpt-oss-20b": ("gpt-oss-20b", None),
    "gpt-oss-120b": ("gpt-oss-120b", None),
}
"""Hosted id -> our model and what differs. Left out, because the weights are others or nobody can rent them:
later releases of a name (Qwen3 235B 2507), models the catalog lacks, and closed models."""


def build(source: Path, target: Path) -> None:
    """Write the file."""
    rows = [_price(row) for row in read_rows(source / "prices" / FILE, _COLUMNS)]
    for path in sorted(source.glob(f"prices/new_*/{FILE}")):
        rows += _of_our_models(read_rows(path, _COLUMNS))
    names = [field.name for field in fields(HostedPrice)]
    write_csv(target / FILE, names, ([getattr(price, name) for name in names] for price in rows))


def _of_our_models(rows: Iterable[SourceRow]) -> Iterator[HostedPrice]:
    """Prices whose id is that of our model, once where a host states one price under several ids."""
    seen = set()
    for row in sorted(rows, key=lambda row: len(row.text("model_id"))):
        is_same, note = canonical(row.text("provider"), row.text("model_id"), row.text("model"))
        money = ("input_usd_per_million_tokens", "output_usd_per_million_tokens")
        what = (row.text("provider"), row.text("model"), note, *(row.decimal(name) for name in money))
        if is_same and what not in seen:
            seen.add(what)
            yield _hosted(row, row.text("model"), note)


def _price(row: SourceRow) -> HostedPrice:
    return _hosted(row, *CANONICAL.get(row.text("model_id"), (None, None)))


def _hosted(row: SourceRow, canonical: str | None, note: str | None) -> HostedPrice:
    source, _, licence = row.text("source").partition(" (")
    licence = licence.partition(")")[0]
    if not licence:
        raise row.refuse("source", "a source with its licence in brackets")
    return HostedPrice(
        provider=row.text("provider"),
        model_id=row.text("model_id"),
        model=row.text("model"),
        canonical_model=canonical,
        note=note,
        input_usd_per_million_tokens=row.decimal("input_usd_per_million_tokens"),
        output_usd_per_million_tokens=row.decimal("output_usd_per_million_tokens"),
        observed_on=row.day("observed_on").date(),
        price_page=row.optional_text("price_page"),
        source=source,
        licence=licence,
    )
