"""Conversions and formats of the quantities the advisor speaks in.

Money is ``Decimal`` everywhere; the one conversion to ``float`` happens at the solver's objective.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

HOURS_PER_MONTH: Final = 730
"""Hours in a billing month: 8,760 / 12, the basis every large cloud's own calculator uses."""

BYTES_PER_GIB: Final = 2**30
MIB_PER_GIB: Final = 1024

_CENT: Final = Decimal("0.01")
# What a request may hold, by option or by file: beyond these a number is a slip, not a wish.
MAX_RATE_REQUESTS_PER_S: Final = 1e7
"""Highest request rate accepted; a thousand times what the largest public services report."""
MAX_LATENCY_MS: Final = 1e6
"""Longest latency limit accepted: a quarter of an hour per token is no limit any more."""
MAX_USD_PER_HOUR: Final = 1_000_000

_PRICE_RESOLUTION: Final = Decimal("0.00000001")  # the snapshot's DECIMAL(18, 8)


def usd_per_month(usd_per_hour: Decimal) -> Decimal:
    """Dollars a month of ``HOURS_PER_MONTH`` hours, to the cent, halves up."""
    return (usd_per_hour * HOURS_PER_MONTH).quantize(_CENT, rounding=ROUND_HALF_UP)


def decimal_text(value: Decimal) -> str:
    """Shortest plain (never exponent) text of a Decimal, for files: ``Decimal('1.500')`` -> ``'1.5'``."""
    text = format(value.normalize(), "f")
    return text if text != "-0" else "0"


def usd_text(value: Decimal, places: int = 2) -> str:
    """Dollars as people read them: thousands separated, fixed places, no sign of the currency."""
    return f"{value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP):,}"


def usd_from_vendor(value: str) -> Decimal:
    """A vendor's price string as Decimal dollars, at the resolution of a snapshot.

    Raises:
        ValueError: not a finite, positive number. A price of zero is never a price.
    """
    try:
        amount = Decimal(value.strip())
    except ArithmeticError as error:
        raise ValueError(f"{value!r} is not a number") from error
    if not amount.is_finite() or amount <= 0:
        raise ValueError(f"{value!r} is not a positive price")
    return amount.quantize(_PRICE_RESOLUTION, rounding=ROUND_HALF_UP).normalize()
