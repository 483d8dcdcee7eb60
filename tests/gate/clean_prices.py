"""Ten thousand clean prices and the week after, made from what is shipped and from how prices really moved.

Places: the live offers shipped, copied into more regions with prices within ±2 % of the original. Moves: list
prices stand still but for one in two hundred, which moves up to 5 %; spot and marketplace prices move by
factors drawn from the weekly moves of the shipped history of the same cloud.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

import duckdb

from advisor.catalog.history import history_folder
from advisor.catalog.snapshot import Snapshot, read_snapshot
from advisor.catalog.store import shipped_folder
from advisor.domain import Market, Offer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

SIZE = 10_000
_CENTS = Decimal("0.00000001")
_FILE_OF = {"aws": "aws_spot_2023_2024", "gcp": "gcp_2026", "azure": "azure_spot_2023_2024"}


@lru_cache
def shipped() -> Snapshot:
    """The snapshot in the package."""
    (path,) = shipped_folder().glob("*.parquet")
    return read_snapshot(path, shipped=True)


@lru_cache
def clean_prices(stamp: datetime, seed: int = 0) -> tuple[Offer, ...]:
    """:data:`SIZE` live offers, all stamped alike."""
    chance = random.Random(seed)
    live = [offer for offer in shipped().offers if "superseded" not in offer.flags]
    offers: list[Offer] = []
    copy = 0
    while len(offers) < SIZE:
        factors: dict[tuple[str, str, str], float] = {}
        for offer in live:
            key = (offer.provider, offer.region, offer.instance_type)
            factor = factors.setdefault(key, 1.0 if copy == 0 else chance.uniform(0.98, 1.02))
            region = offer.region if copy == 0 else f"{offer.region}-copy{copy}"
            usd = _times(offer.usd_per_hour, factor)
            offers.append(
                replace(offer, region=region, usd_per_hour=usd, collected_at=stamp, source="price list API")
            )
        copy += 1
    return tuple(offers[:SIZE])


def a_week_later(offers: Iterable[Offer], stamp: datetime, seed: int = 1) -> list[Offer]:
    """The same market a week on: moved as such prices move, 1 in 100 spot rows gone, none above list."""
    chance = random.Random(seed)
    moved: list[Offer] = []
    for offer in offers:
        if offer.market is Market.SPOT and chance.random() < 0.01:
            continue
        factor = _factor(offer, chance)
        moved.append(replace(offer, usd_per_hour=_times(offer.usd_per_hour, factor), collected_at=stamp))
    listed = {
        (offer.provider, offer.region, offer.zone, offer.instance_type): offer.usd_per_hour
        for offer in moved
        if offer.market is Market.ON_DEMAND
    }
    return [_capped(offer, listed) for offer in moved]


def _factor(offer: Offer, chance: random.Random) -> float:
    if offer.provider == "vast":
        return chance.choice(weekly_factors("neocloud_2026", "vast", offer.market.value))
    if offer.market is Market.SPOT and offer.provider in _FILE_OF:
        return chance.choice(weekly_factors(_FILE_OF[offer.provider], offer.provider, "spot"))
    return chance.uniform(0.95, 1.05) if chance.random() < 0.005 else 1.0


def _capped(offer: Offer, listed: dict[tuple[str, str, str | None, str], Decimal]) -> Offer:
    place = (offer.provider, offer.region, None, offer.instance_type)
    cap = listed.get((*place[:2], offer.zone, place[3]), listed.get(place))
    if offer.market is Market.SPOT and cap is not None and offer.usd_per_hour > cap:
        return replace(offer, usd_per_hour=cap)
    return offer


def _times(usd: Decimal, factor: float) -> Decimal:
    return max(_CENTS, (usd * Decimal(repr(factor))).quantize(_CENTS)) if factor != 1.0 else usd


@lru_cache
def weekly_factors(file: str, provider: str, market: str) -> tuple[float, ...]:
    """Every price of the shipped history over the one seven days before, where both were seen."""
    path = str(history_folder() / f"{file}.parquet")
    query = (
        "SELECT region, instance_type, valid_from, observed_until, usd_per_hour::DOUBLE FROM read_parquet(?)"
        " WHERE provider = ? AND market = ? AND valid_from >= DATE '2024-01-01' ORDER BY ALL"
    )
    series: dict[tuple[str, str], list[tuple[object, ...]]] = defaultdict(list)
    for region, instance_type, since, until, usd in (
        duckdb.connect().execute(query, [path, provider, market]).fetchall()
    ):
        series[region, instance_type].append((since, until, usd))
    return tuple(factor for rows in series.values() for factor in _week_on_week(rows))


def _week_on_week(rows: list[tuple[object, ...]]) -> Iterable[float]:
    day, last = rows[0][0], rows[-1][1]
    price = None
    while day <= last:
        seen = [usd for since, until, usd in rows if since <= day <= until]
        if seen and price:
            yield seen[-1] / price
        price = seen[-1] if seen else None
        day += timedelta(days=7)
