"""How the figures of a plan read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from advisor.units import usd_text


def usd(places: int) -> Callable[[Any], str]:
    """Dollars with so many places; a dash where not known."""
    return lambda value: "–" if value is None else usd_text(value, places)


def percent(value: Any) -> str:
    """A share as whole per cent."""
    return "–" if value is None else f"{value:.0%}"


def short(detail: str, limit: int = 160) -> str:
    """The beginning of a long text."""
    if len(detail) <= limit:
        return detail
    whole = detail[:limit].rpartition(" ")[0] or detail[: limit - 1]
    return f"{whole.rstrip(' ,;:')}…"
