"""A price over time: the imported history and every snapshot at hand, as one series.

An observation says what the price was from one day on and until which day it was seen again. Between its last
sighting and the next observation nobody looked; the price is carried forward there, and can be told apart.
"""

from __future__ import annotations

import contextlib
import glob
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from advisor import database
from advisor.domain import Market
from advisor.errors import CorruptSnapshot, UnknownName, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from decimal import Decimal
    from pathlib import Path

    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Observation:
    """One price, from the day it was first seen to the day it was last seen."""

    provider: str
    region: str
    zone: str | None  #: None where the price is regional
    instance_type: str
    market: Market
    usd_per_hour: Decimal  #: of the whole instance
    valid_from: date
    observed_until: date  #: the same day where it was seen once
    source: str
    licence: str | None
    found_in: str  #: snapshot id, or name of the history file

    @property
    def series(self) -> tuple[str, str]:
        """Market and zone: what one line of a chart is made of."""
        return (self.market.value, self.zone or "")


@dataclass(frozen=True, slots=True)
class PriceHistory:
    """Every observation of one instance type in one region, oldest first within market and zone."""

    provider: str
    region: str
    instance_type: str
    observations: tuple[Observation, ...]


def history_folder() -> Path:
    """The folder of the imported history in the package."""
    from importlib.resources import files
    from pathlib import Path

    return Path(str(files("catalogs"))) / "history"


def price_history(
    instance_type: str,
    region: str,
    market: Market | None = None,
    *,
    snapshots: Sequence[Path],
    imported: Sequence[Path],
    provider: str | None = None,
    zone: str | None = None,
    since: date | None = None,
) -> PriceHistory:
    """What the type cost in the region.

    Args:
        instance_type: the provider's own name of the shape.
        region: the provider's own region id.
        market: None is both.
        snapshots: Parquet files of snapshots.
        imported: Parquet files of price history.
        provider: needed only where two providers name type and region alike.
        zone: one zone; None is the regional price and every zone.
        since: leave out what was no longer the price on that day.

    Raises:
        UnknownName: no file has a price of that type, or of that type in that region or zone.
        UsageError: two providers have one.
        CorruptSnapshot: a file cannot be read.
    """
    rows = _rows(instance_type, region, imported, snapshots)
    sellers = sorted({row[0] for row in rows})
    if provider is None and len(sellers) > 1:
        raise UsageError(
            f"{instance_type} in {region} is sold by {' and '.join(sellers)}: say which provider"
        )
    if provider is not None and provider not in sellers:
        raise UnknownName("provider of that instance type in that region", provider, sellers)
    seen = [_observation(row) for row in rows if row[0] == (provider or sellers[0])]
    zones = {observation.zone for observation in seen if observation.zone}
    if zone is not None and zone not in zones:
        raise UnknownName("zone with a price of that instance type", zone, zones)
    chosen = (
        observation
        for observation in seen
        if market in (None, observation.market) and zone in (None, observation.zone)
    )
    series: dict[tuple[str, str], list[Observation]] = {}
    for observation in chosen:
        series.setdefault(observation.series, []).append(observation)
    told = (observation for line in series.values() for observation in _in_force(_joined(line), since))
    return PriceHistory(provider or sellers[0], region, instance_type, tuple(told))


_SEEN_AGAIN: Final = timedelta(days=35)
"""Sightings of one price no further apart are one observation: a weekly refresh may fail four times."""

_IMPORTED: Final = """
SELECT provider, region, zone, instance_type, market, valid_from, observed_until, source, licence, filename,
       CAST(CASE basis WHEN 'per_accelerator' THEN usd_per_hour * accelerators ELSE usd_per_hour END
            AS DECIMAL(18, 8)) AS usd
FROM read_parquet({files}, filename = true)
"""

_PUBLISHED: Final = """
SELECT provider, region, zone, instance_type, market,
       CAST(make_timestamp(epoch_us(collected_at)) AS DATE) AS valid_from,
       CAST(make_timestamp(epoch_us(collected_at)) AS DATE) AS observed_until,
       source, licence, filename, usd_per_hour AS usd
FROM read_parquet({files}, filename = true, union_by_name = true)
WHERE NOT list_has_any(string_split(flags, ';'), ['estimated_price', 'overridden', 'held'])
"""
"""Superseded rows were true on their day and count; an estimate, a price nobody confirmed, or a list price
under one's own, was not paid."""

_CHOSEN: Final = """
SELECT provider, region, zone, instance_type, market, usd, valid_from, observed_until, source, licence,
       parse_filename(filename, true)
FROM ({every}) WHERE instance_type = ? AND region = ?
ORDER BY provider, market, zone NULLS FIRST, valid_from, observed_until, filename, usd
"""

_NAMES: Final = "SELECT DISTINCT region, instance_type FROM ({every})"


def _rows(
    instance_type: str, region: str, imported: Sequence[Path], snapshots: Sequence[Path]
) -> list[tuple[Any, ...]]:
    """What the files say of the type in the region, at least one row."""
    every = " UNION ALL BY NAME ".join(
        query.format(files=_file_list(paths))
        for query, paths in ((_IMPORTED, imported), (_PUBLISHED, snapshots))
        if paths
    )
    if not every:
        raise UnknownName("instance type", instance_type, ())
    with _reading() as connection:
        chosen = _CHOSEN.format(every=every)
        rows = connection.execute(chosen, [instance_type, region]).fetchall()
        names = [] if rows else connection.execute(_NAMES.format(every=every)).fetchall()
    if rows:
        return rows
    places = {place for place, name in names if name == instance_type}
    if not places:
        raise UnknownName("instance type", instance_type, {name for _, name in names})
    raise UnknownName(f"region with a price of {instance_type}", region, places)


def _file_list(paths: Sequence[Path]) -> str:
    """A SQL list of these very files, whatever their names hold."""
    names = (glob.escape(str(path)).replace("'", "''") for path in paths)
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"


@contextlib.contextmanager
def _reading() -> Iterator[DuckDBPyConnection]:
    import duckdb

    try:
        with database.connect() as connection:
            yield connection
    except duckdb.Error as error:
        raise CorruptSnapshot(f"price history cannot be read: {str(error).splitlines()[0]}") from error


def _observation(row: tuple[Any, ...]) -> Observation:
    provider, region, zone, instance_type, market, *rest = row
    return Observation(provider, region, zone, instance_type, Market(market), *rest)


def _joined(line: Sequence[Observation]) -> list[Observation]:
    """One series with repeated sightings of one price made one observation."""
    joined: list[Observation] = []
    for observation in line:
        last = joined[-1] if joined else None
        if (
            last is not None
            and last.usd_per_hour == observation.usd_per_hour
            and observation.valid_from - last.observed_until <= _SEEN_AGAIN
        ):
            until = max(last.observed_until, observation.observed_until)
            joined[-1] = replace(last, observed_until=until)
        else:
            joined.append(observation)
    return joined


def _in_force(line: Sequence[Observation], since: date | None) -> Sequence[Observation]:
    """Without what had been replaced by that day."""
    if since is None:
        return line
    old = [observation for observation in line if observation.valid_from <= since]
    return [*old[-1:], *(observation for observation in line if observation.valid_from > since)]
