"""Reading single fields of a payload: each function gives the value, or None where it cannot be relied on."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, TypeGuard

_PRICE_STEP: Final = Decimal("0.00000001")
_PRICE_LIMIT: Final = Decimal(10) ** 9
"""A snapshot holds DECIMAL(18, 8): ten digits before the point."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,99}")
_NOMINAL_GB: Final = re.compile(r"-(\d+)gb$")
_MEMORY_TOLERANCE: Final = Decimal("0.10")
"""Chips report up to 7 % less than nominal (EC2: L40S 45,776 MiB of 48 GB); variants differ by more."""


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def price(value: object, times: int = 1, divided_by: int = 1) -> Decimal | None:
    """Dollars an hour from a JSON number, at a snapshot's resolution; None unless it is a positive price."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    amount = Decimal(value)
    if not amount.is_finite() or not 0 < amount < _PRICE_LIMIT:
        return None
    exact = (amount * times / divided_by).quantize(_PRICE_STEP, rounding=ROUND_HALF_UP)
    return exact.normalize() if 0 < exact < _PRICE_LIMIT else None


def whole(value: object, at_most: int) -> int | None:
    """A whole number from 1 to ``at_most``; never a boolean, never rounded."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    amount = Decimal(value)
    if not amount.is_finite() or amount != amount.to_integral_value() or not 1 <= amount <= at_most:
        return None
    return int(amount)


def is_zero(value: object) -> bool:
    """Whether it is the number 0, not false and not nothing."""
    return not isinstance(value, bool) and isinstance(value, int | Decimal) and Decimal(value).is_zero()


def quantity(value: object, at_most: int) -> Decimal | None:
    """A positive number up to ``at_most``."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    amount = Decimal(value)
    return amount if amount.is_finite() and 0 < amount <= at_most else None


def text(value: object) -> str | None:
    """A string that says something."""
    return value if isinstance(value, str) and value.strip() else None


def name(value: object) -> str | None:
    """A string fit to be an id of a region or instance type: letters, digits and ``. _ + / -``, up to 100."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def shown(value: object) -> str:
    """Any payload value for a message: quoted, control characters escaped, short."""
    quoted = ascii(value) if not isinstance(value, Decimal) else str(value)
    return quoted if len(quoted) <= 80 else f"{quoted[:77]}..."


def memory_fits(accelerator: str, gb_or_gib: Decimal) -> bool:
    """Whether a stated memory is that of the accelerator, whose nominal size is in its id (W26)."""
    nominal = Decimal(_NOMINAL_GB.findall(accelerator)[0])
    return abs(gb_or_gib - nominal) <= nominal * _MEMORY_TOLERANCE
