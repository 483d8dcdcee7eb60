"""List prices of hosted model APIs, to hold a fleet's cost per token against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.catalog.records import csv_records
from advisor.errors import DataError

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal
    from importlib.resources.abc import Traversable

FILE: Final = "hosted_api_prices.csv"


@dataclass(frozen=True, slots=True)
class HostedPrice:
    """What one provider asks for a model's tokens, list price before tax."""

    provider: str  #: who hosts it
    model_id: str  #: the provider's own id
    model: str  #: the provider's own name
    canonical_model: str | None  #: our model id, where it is that very model; None where it is not
    note: str | None  #: what differs from the model as published; None where nothing is known to
    input_usd_per_million_tokens: Decimal
    output_usd_per_million_tokens: Decimal
    observed_on: date  #: the day the price was read
    price_page: str | None  #: where the provider states it, if the source says
    source: str  #: who collected it
    licence: str  #: of that source


def load_hosted_prices(root: Traversable | None = None) -> tuple[HostedPrice, ...]:
    """Every price of the file, as shipped.

    Raises:
        DataError: the file is missing, or a field of it is not what it must be.
    """
    if root is None:
        from importlib.resources import files

        root = files("catalogs")
    try:
        content = root.joinpath(FILE).read_bytes()
    except OSError as error:
        raise DataError(f"{FILE}: cannot be read: {error.strerror or error}") from error
    prices = csv_records(
        HostedPrice, {FILE: content}, FILE, lambda price: f"{price.provider}:{price.model_id}"
    )
    return tuple(prices.values())
