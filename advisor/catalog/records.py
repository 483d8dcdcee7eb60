"""Fact files as records: one row or table becomes one dataclass, and a wrong field is named.

Columns are the fields of the dataclass; others are notes for maintainers and stay unread. Blank or absent is
unknown, lists in a CSV cell are separated by ``;``. Why not pydantic's: ADR 10.
"""

from __future__ import annotations

import csv
import io
import math
import tomllib
from dataclasses import MISSING, fields
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

from advisor.domain import LISTED_MARKETS, QuotaUnit
from advisor.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Record = TypeVar("Record")


def csv_records(
    kind: type[Record], contents: Mapping[str, bytes], name: str, key: Callable[[Record], str]
) -> dict[str, Record]:
    """The rows of one CSV file, by key.

    Raises:
        DataError: names file, row, field, value and what is allowed; or two rows with one key.
    """
    try:
        reader = csv.DictReader(io.StringIO(contents[name].decode("utf-8"), newline=""), strict=True)
        rows = [(f"row {number}", dict(row)) for number, row in enumerate(reader, start=2)]
    except (ValueError, csv.Error) as error:
        raise DataError(f"{name}: not a CSV file in UTF-8: {error}") from error
    return _by_key(kind, name, rows, key)


def toml_records(
    kind: type[Record], contents: Mapping[str, bytes], name: str, key: Callable[[Record], str]
) -> dict[str, Record]:
    """The tables of one TOML file, by key: ``[[accelerator]]`` entries, or one table per id.

    Raises:
        DataError: as for :func:`csv_records`.
    """
    try:
        document = tomllib.loads(contents[name].decode("utf-8"))
    except ValueError as error:
        raise DataError(f"{name}: not a TOML file: {error}") from error
    tables: Any = document.get("accelerator", document)
    if isinstance(tables, list):
        rows = [(f"table {number}", table) for number, table in enumerate(tables, start=1)]
    else:
        rows = [
            (f"[{id_}]", {"id": id_, **table}) for id_, table in tables.items() if isinstance(table, dict)
        ]
    return _by_key(kind, name, rows, key)


def _by_key(
    kind: type[Record], name: str, rows: Iterable[tuple[str, dict[str, Any]]], key: Callable[[Record], str]
) -> dict[str, Record]:
    known: dict[str, Record] = {}
    for place, row in rows:
        record = _record(kind, row, f"{name}: {place}")
        if key(record) in known:
            raise DataError(f"{name}: {place}: {key(record)} is there twice")
        known[key(record)] = record
    return known


def _record(kind: type[Record], row: Mapping[str, Any], place: str) -> Record:
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        allowed, convert = _CONVERSIONS[str(field.type).removesuffix(" | None")]
        value = row.get(field.name)
        if value is None or value == "":
            if field.default is not MISSING:
                continue
            values[field.name] = _blank(str(field.type), f"{place}: {field.name}", allowed)
            continue
        try:
            values[field.name] = convert(value)
        except (ValueError, ArithmeticError, TypeError, KeyError, AttributeError):
            raise DataError(f"{place}: {field.name}: {value!r} is not allowed; {allowed}") from None
    return kind(**values)


def _blank(annotation: str, place: str, allowed: str) -> tuple[str, ...] | None:
    """What a blank means for a field: unknown, an empty list, or a mistake."""
    if annotation.endswith("| None"):
        return None
    if annotation.startswith("tuple"):
        return ()
    raise DataError(f"{place}: blank is not allowed; {allowed}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value.strip()


def _number(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(value)
    return number


def _whole(value: Any) -> int:
    number = int(value)
    if isinstance(value, bool) or number < 0 or (isinstance(value, float) and number != value):
        raise ValueError(value)
    return number


def _amount(value: Any) -> Decimal:
    amount = Decimal(str(value))
    if not amount.is_finite() or amount < 0:
        raise ValueError(value)
    return amount


def _yes_or_no(value: Any) -> bool:
    return {"true": True, "false": False}[str(value).strip().casefold()]


def _texts(value: Any) -> tuple[str, ...]:
    parts = value.split(";") if isinstance(value, str) else [_text(part) for part in value]
    return tuple(part.strip() for part in parts if part.strip())


_CONVERSIONS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "str": ("text", _text),
    "int": ("a whole number", _whole),
    "float": ("a finite number", _number),
    "bool": ("true or false", _yes_or_no),
    "Decimal": ("a number of at least 0", _amount),
    "date": ("a day as YYYY-MM-DD", date.fromisoformat),
    "tuple[str, ...]": ("words separated by ';'", _texts),
    "Market": ("on_demand or spot", {market.value: market for market in LISTED_MARKETS}.__getitem__),
    "QuotaUnit": ("vcpu, gpu or instance", QuotaUnit),
}
"""Per annotation in ``advisor.domain``: what a field may hold, in words, and how its text is read."""
