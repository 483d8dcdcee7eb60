"""Reading a price sheet: CSV or YAML.

CSV holds prices, one a row. YAML holds ``prices`` (the same fields) and ``adjustments``. Every cell is read
as text, so that no number is rounded on the way. A sheet with one bad cell is refused whole: half a quote is
not a quote. Prices are US dollars; a column or cell in another currency is refused (W24), never
converted.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import LISTED_MARKETS, Market
from advisor.errors import InputFileError
from advisor.sheet.prices import ANY, Adjustment, PriceSheet, SheetPrice, rounded
from advisor.sheet.rows import csv_rows, listed, sheet_text, yaml_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PRICE_FIELDS: Final = (
    "provider",
    "instance_type",
    "region",
    "zone",
    "market",
    "usd_per_hour",
    "usd_per_accelerator_hour",
    "accelerator",
    "accelerators",
    "vcpus",
    "memory_gib",
    "valid_from",
    "valid_until",
    "source",
    "currency",
)
ADJUSTMENT_FIELDS: Final = (
    "provider",
    "instance_type",
    "region",
    "market",
    "percent",
    "usd_per_hour",
    "valid_from",
    "valid_until",
    "source",
    "currency",
)

_NUMBER: Final = re.compile(r"[+-]?\d{1,12}(\.\d{1,12})?")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,99}")
_PATTERN: Final = re.compile(r"[A-Za-z0-9._+/*?\[\]!-]{1,100}")
_LABEL: Final = re.compile(r"[\w(][\w .,:/#&()'+-]{0,99}")
_BLANK: Final = ("", "null", "Null", "NULL", "~")


def load_sheet(path: Path) -> PriceSheet:
    """The sheet in a file.

    Raises:
        InputFileError: it cannot be read, or as :func:`parse_sheet`.
    """
    return parse_sheet(path.name, sheet_text(path))


def parse_sheet(file: str, text: str) -> PriceSheet:
    """The sheet in the text of a ``.csv``, ``.yaml`` or ``.yml`` file.

    Raises:
        InputFileError: a line or field is not what it must be; says which, and what is allowed.
    """
    ending = file.rpartition(".")[2].casefold()
    if ending == "csv":
        rows, changes = csv_rows(file, text, PRICE_FIELDS), []
    elif ending in ("yaml", "yml"):
        document = yaml_document(file, text, ("prices", "adjustments", "currency"))
        if document.get("currency", "USD") != "USD":
            raise InputFileError(file, "currency", document["currency"], "USD; convert the quote first")
        rows, changes = listed(file, document, "prices"), listed(file, document, "adjustments")
    else:
        raise InputFileError(file, "", ending, "a price sheet ends in .csv, .yaml or .yml")
    prices = [_price(_Cells(file, place, row, PRICE_FIELDS)) for place, row in rows]
    _refuse_repetition(file, prices)
    adjustments = [_adjustment(_Cells(file, place, row, ADJUSTMENT_FIELDS)) for place, row in changes]
    return PriceSheet(file, tuple(prices), tuple(adjustments))


class _Cells:
    """The cells of one row, all text; reading one that is wrong refuses the sheet."""

    def __init__(self, file: str, place: str, cells: Mapping[str, object], allowed: tuple[str, ...]) -> None:
        self.file, self.place, self._cells = file, place, cells
        for field in cells:
            if field not in allowed:
                raise self.refused(field, cells[field], f"known fields: {', '.join(allowed)}")
        currency = self.text("currency")
        if currency not in (None, "USD"):
            raise self.refused("currency", currency, "USD; convert the quote, and say the rate in source")

    def refused(self, field: str, value: object, allowed: str) -> InputFileError:
        return InputFileError(self.file, f"{self.place}, {field}", value, allowed)

    def text(self, field: str) -> str | None:
        value = self._cells.get(field)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.refused(field, value, "a single value")
        stripped = value.strip()
        return None if stripped in _BLANK else stripped

    def matching(self, field: str, pattern: re.Pattern[str], allowed: str) -> str | None:
        value = self.text(field)
        if value is not None and not pattern.fullmatch(value):
            raise self.refused(field, value, allowed)
        return value

    def needed(self, field: str, pattern: re.Pattern[str], allowed: str) -> str:
        value = self.matching(field, pattern, allowed)
        if value is None:
            raise self.refused(field, None, f"must be given: {allowed}")
        return value

    def number(self, field: str, allowed: str, low: Decimal | None, high: Decimal) -> Decimal | None:
        """A number above ``low`` and up to ``high``; commas, currency signs and exponents are refused."""
        value = self.matching(field, _NUMBER, allowed)
        if value is None:
            return None
        amount = Decimal(value)
        if (low is not None and amount <= low) or abs(amount) > high:
            raise self.refused(field, value, allowed)
        return amount

    def day(self, field: str) -> date | None:
        value = self.text(field)
        if value is None:
            return None
        try:
            return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).date()
        except ValueError:
            raise self.refused(field, value, "a day as YYYY-MM-DD") from None

    def days(self) -> tuple[date | None, date | None]:
        first, last = self.day("valid_from"), self.day("valid_until")
        if first is not None and last is not None and last < first:
            raise self.refused("valid_until", str(last), f"not before valid_from, {first}")
        return first, last

    def label(self) -> str | None:
        return self.matching("source", _LABEL, "letters, digits, spaces and .,:/#&()'+-, up to 100")


_PRICE_ALLOWED: Final = "dollars above 0 as a plain number, e.g. 12.50, without sign of the currency"
_MOST: Final = Decimal(10) ** 9


def _price(cells: _Cells) -> SheetPrice:
    whole = cells.number("usd_per_hour", _PRICE_ALLOWED, Decimal(0), _MOST)  # W2
    each = cells.number("usd_per_accelerator_hour", _PRICE_ALLOWED, Decimal(0), _MOST)
    if (whole is None) == (each is None):
        said = None if whole is None else str(whole)
        raise cells.refused("usd_per_hour", said, "exactly one of usd_per_hour and usd_per_accelerator_hour")
    region = cells.text("region")
    vcpus = cells.number("vcpus", "a whole number above 0", Decimal(0), Decimal(100_000))
    if vcpus is not None and vcpus != int(vcpus):
        raise cells.refused("vcpus", str(vcpus), "a whole number above 0")
    zone = cells.matching("zone", _ID, "a zone id, or blank for every zone")
    if zone is not None and region == ANY:
        raise cells.refused("zone", zone, "blank where region is *")
    first, last = cells.days()
    return SheetPrice(
        place=cells.place,
        provider=cells.needed("provider", _ID, "a provider id, e.g. azure"),
        instance_type=cells.needed("instance_type", _ID, "the provider's own name of one instance type"),
        region=ANY if region == ANY else cells.needed("region", _ID, "a region id, or * for every region"),
        zone=zone,
        market=_market(cells),
        usd_per_hour=None if whole is None else rounded(whole),
        usd_per_accelerator_hour=each,
        accelerator=cells.matching("accelerator", _ID, "an accelerator id, e.g. h100-sxm-80gb"),
        accelerators=cells.number(
            "accelerators", "a number above 0, per instance", Decimal(0), Decimal(1024)
        ),
        vcpus=None if vcpus is None else int(vcpus),
        memory_gib=cells.number("memory_gib", "GiB above 0", Decimal(0), Decimal(1_000_000)),
        valid_from=first,
        valid_until=last,
        source=cells.label(),
    )


def _market(cells: _Cells) -> Market:
    said = cells.text("market")
    if said not in LISTED_MARKETS:
        raise cells.refused("market", said, f"one of {', '.join(market.value for market in LISTED_MARKETS)}")
    return Market(said)


def _adjustment(cells: _Cells) -> Adjustment:
    percent = cells.number("percent", "above -100 and up to 1000, e.g. -12", Decimal(-100), Decimal(1000))
    fee = cells.number("usd_per_hour", "dollars an hour, e.g. 0.05 or -0.05", None, _MOST)
    if (percent is None) == (fee is None):
        said = None if percent is None else str(percent)
        raise cells.refused("percent", said, "exactly one of percent and usd_per_hour")
    allowed = "a shell pattern, e.g. aws or p5*, or * for all"
    everywhere = cells.text("market") == ANY
    first, last = cells.days()
    return Adjustment(
        place=cells.place,
        provider=cells.needed("provider", _PATTERN, allowed),
        instance_type=cells.matching("instance_type", _PATTERN, allowed) or ANY,
        region=cells.matching("region", _PATTERN, allowed) or ANY,
        market=None if everywhere else _market(cells),
        percent=percent,
        usd_per_hour=fee,
        valid_from=first,
        valid_until=last,
        source=cells.label(),
    )


def _refuse_repetition(file: str, prices: list[SheetPrice]) -> None:
    """Two prices for one thing at one time: neither is the right one (W8)."""
    seen: dict[tuple[object, ...], list[SheetPrice]] = {}
    for price in prices:
        key = (price.provider, price.instance_type, price.region, price.zone, price.market)
        for other in seen.setdefault(key, []):
            if _overlap(price, other):
                place = f"{price.place}, instance_type"
                allowed = f"one price at a time; {other.place} has one for the same region and market"
                raise InputFileError(file, place, price.instance_type, allowed)
        seen[key].append(price)


def _overlap(one: SheetPrice, other: SheetPrice) -> bool:
    starts = max(one.valid_from or date.min, other.valid_from or date.min)
    return starts <= min(one.valid_until or date.max, other.valid_until or date.max)
