"""Offers -> the one Parquet snapshot the package ships."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Final

from advisor.catalog.snapshot_writing import write_snapshot
from advisor.domain import utc_midnight
from advisor.errors import InputFileError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from advisor.domain import Offer

_ASSEMBLED: Final = re.compile(r"[Aa]ssembled (\d{4}-\d{2}-\d{2})")
_COLLECTED: Final = re.compile(r"collected (\d{4}-\d{2}-\d{2})")


def assembled_on(prices: Path) -> date:
    """The day the price data were put together, as their PROVENANCE.md states it, or the newest beside it.

    It dates the snapshot instead of the clock, so that the same source gives the same bytes.

    Raises:
        InputFileError: a file or its sentence (``Assembled YYYY-MM-DD``) is missing.
    """
    newer = [_day(path, _COLLECTED, "collected") for path in prices.glob("new_*/PROVENANCE.md")]
    return max([_day(prices / "PROVENANCE.md", _ASSEMBLED, "Assembled"), *newer])


def _day(provenance: Path, words: re.Pattern[str], word: str) -> date:
    text = provenance.read_text(encoding="utf-8") if provenance.is_file() else ""
    found = words.search(text)
    if found is None:
        raise InputFileError(provenance.name, "", text[:40], f"it must say '{word} YYYY-MM-DD'")
    return date.fromisoformat(found[1])


def publish(offers: Iterable[Offer], assembled: date, folder: Path) -> Path:
    """Write the snapshot and remove the one it replaces; its path."""
    title = f"Prices shipped with the package, assembled {assembled.isoformat()}"
    path = write_snapshot(offers, folder, utc_midnight(assembled), title)
    for older in folder.glob("*.parquet"):
        if older != path:
            older.unlink()
    return path
