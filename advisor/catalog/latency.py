"""Network round trips between places: estimated from coordinates, or measured by the user."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.catalog.places import matching_regions
from advisor.catalog.selection import distance_km
from advisor.documents import decoded, read_bytes
from advisor.errors import InputFileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from advisor.domain import Region

FIBRE_KM_PER_MS: Final = 299.792458 * 2 / 3
"""Light in glass: two thirds of its speed in a vacuum."""

ROUTE_FACTOR: Final = 2.1
"""Line of sight to network path, a rule of thumb: "multiply line-of-sight distance by 2.1, then divide by the
speed of light in fiber" (Bozkurt et al., Dissecting Latency in the Internet's Fiber Infrastructure, 2018)."""

MAX_BYTES: Final = 16 * 2**20
_COLUMNS: Final = ("from", "to", "round_trip_ms")
_MOST_MS: Final = 10_000.0


@dataclass(frozen=True, slots=True)
class LatencyMatrix:
    """Round trips the user measured."""

    round_trip_ms: Mapping[tuple[str, str], float]  #: by (``provider:region``, ``provider:region``)
    sha256: str  #: of the file's bytes
    file: str

    def between(self, here: str, there: str) -> float | None:
        """As measured that way, else the other way; None was not measured."""
        return self.round_trip_ms.get((here, there), self.round_trip_ms.get((there, here)))


@dataclass(frozen=True, slots=True)
class Network:
    """Round trips between any two places."""

    regions: Mapping[str, Region]
    measured: LatencyMatrix | None = None

    def round_trip_ms(self, here: str, there: str) -> float | None:
        """Measured where the user did, else estimated; None where a place is not on the map."""
        if here == there:
            return 0.0
        found = self.measured.between(here, there) if self.measured else None
        return found if found is not None else self._estimate(here, there)

    def _estimate(self, here: str, there: str) -> float | None:
        one, other = self.regions.get(here), self.regions.get(there)
        away = distance_km(one, other) if one is not None and other is not None else None
        return None if away is None else 2 * away * ROUTE_FACTOR / FIBRE_KM_PER_MS


def one_place(name: str, places: Mapping[str, Region], field: str) -> str:
    """The ``provider:region`` a name stands for.

    Raises:
        UnknownName, UsageError: it stands for none or for several.
    """
    found = matching_regions(name, places)
    if len(found) > 1:
        raise UsageError(f"{field} '{name}' is one of {', '.join(sorted(found))}: say which")
    return next(iter(found))


def read_latency(path: Path, regions: Mapping[str, Region]) -> LatencyMatrix:
    """A measured matrix: a CSV file with the columns from, to and round_trip_ms.

    Raises:
        InputFileError: the file or a cell of it is not what it must be.
    """
    content, name = read_bytes(path, MAX_BYTES, "a latency file"), str(path)
    try:
        rows = list(csv.DictReader(io.StringIO(decoded(content, name), newline=""), strict=True))
    except csv.Error as error:
        raise InputFileError(name, "", "", f"a CSV file is expected: {error}") from error
    missing = [column for column in _COLUMNS if not rows or column not in rows[0]]
    if missing:
        raise InputFileError(
            name, missing[0], None, f"the columns {', '.join(_COLUMNS)} and a row are needed"
        )
    found: dict[tuple[str, str], float] = {}
    for number, row in enumerate(rows, start=2):
        pair = (_place(name, number, row, "from", regions), _place(name, number, row, "to", regions))
        if pair in found:
            raise InputFileError(
                name, f"line {number}", " to ".join(pair), "one row per pair; it is there before"
            )
        found[pair] = _milliseconds(name, number, row["round_trip_ms"])
    return LatencyMatrix(found, hashlib.sha256(content).hexdigest(), path.name)


def _place(
    file: str, number: int, row: Mapping[str, str | None], column: str, regions: Mapping[str, Region]
) -> str:
    value = (row[column] or "").strip()
    try:
        return one_place(value, regions, column)
    except UsageError as error:
        raise InputFileError(file, f"line {number}, {column}", value, str(error)) from None


def _milliseconds(file: str, number: int, cell: str | None) -> float:
    try:
        value = float(cell or "")
    except ValueError:
        value = math.nan
    if not 0 <= value <= _MOST_MS:
        allowed = f"milliseconds, a number from 0 to {_MOST_MS:,.0f}"
        raise InputFileError(file, f"line {number}, round_trip_ms", cell, allowed)
    return value
