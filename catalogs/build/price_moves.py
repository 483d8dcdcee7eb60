"""The shipped price history -> ``price_moves.csv``: how far prices move in so many days."""

from __future__ import annotations

from dataclasses import fields
from itertools import groupby
from typing import TYPE_CHECKING, Final

import duckdb

from advisor.catalog.price_moves import FILE, PriceMove
from advisor.domain import Market
from catalogs.build.source import write_csv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

AGES_DAYS: Final = (7, 14, 28, 56, 91, 182, 273, 364, 546, 728)
LEAST_PAIRS: Final = 20
SHARE: Final = 0.9

_PAIRS: Final = """
WITH seen AS (
    SELECT provider, market, region, zone, instance_type, valid_from, observed_until,
        usd_per_hour::DOUBLE AS usd
    FROM read_parquet(?, union_by_name = true)
), days AS (
    SELECT unnest(generate_series(
        DATE '2023-01-02', (SELECT max(observed_until) FROM seen), INTERVAL 14 DAY
    ))::DATE AS day
), ages AS (SELECT unnest(?::INTEGER[]) AS age)
SELECT a.provider, a.market, age, quantile_cont(greatest(a.usd / b.usd, b.usd / a.usd), ?), count(*)
FROM seen a
JOIN days ON day BETWEEN a.valid_from AND a.observed_until
CROSS JOIN ages
JOIN seen b ON a.provider = b.provider AND a.market = b.market AND a.region = b.region
    AND a.zone IS NOT DISTINCT FROM b.zone AND a.instance_type = b.instance_type
    AND day + age BETWEEN b.valid_from AND b.observed_until
GROUP BY ALL HAVING count(*) >= ? ORDER BY ALL
"""


def build(source: Path, target: Path) -> None:
    """Write the file, out of the history that stands in the catalog."""
    names = [field.name for field in fields(PriceMove)]
    moves = learned(sorted((target / "history").glob("*.parquet")))
    write_csv(target / FILE, names, ([getattr(move, name) for name in names] for move in moves))


def learned(files: Iterable[Path]) -> list[PriceMove]:
    """What the pairs of some history files say."""
    asked = [[str(path) for path in files], list(AGES_DAYS), SHARE, LEAST_PAIRS]
    with duckdb.connect() as connection:
        rows = connection.execute(_PAIRS, asked).fetchall()
    return [move for _, ages in groupby(rows, key=lambda row: row[:2]) for move in _growing(ages)]


def _growing(rows: Iterable[tuple[str, str, int, float, int]]) -> Iterator[PriceMove]:
    """Of one provider and market, with no age less sure than a longer one."""
    most = 1.0
    for provider, market, age, factor, pairs in rows:
        most = max(most, round(factor, 4))
        yield PriceMove(provider, Market(market), age, most, pairs)
