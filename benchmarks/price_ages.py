"""Do prices move no further than nine in ten are said to? Two snapshots, one later than the other.

    git show 573706d:catalogs/snapshots/2026-11-22-364deec0751a.parquet > /tmp/2026-11-22-364deec0751a.parquet
    python -m benchmarks.price_ages /tmp/2026-11-22-364deec0751a.parquet catalogs/snapshots/*.parquet

Of every offer that both hold with prices of different days, whether the later one is within the factor that
``price_moves.csv`` states for that age. That file was learned from histories that end before 2026-07-06; of
older zonal spot prices, the cheapest zone is held against the newer cheapest zone.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from advisor.catalog.facts import load_facts
from advisor.catalog.price_moves import factor_at
from advisor.catalog.snapshot import read_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.domain import Market, Offer

ROUNDING = 0.001


@dataclass(frozen=True, slots=True)
class Pair:
    """One offer on two days."""

    provider: str
    market: Market
    age_days: int
    ratio: float


def pairs(before: Iterable[Offer], after: Iterable[Offer]) -> list[Pair]:
    """Offers of both with prices of different days; estimates are no prices."""
    then: dict[tuple[str, str, str, Market], Offer] = {}
    for offer in before:
        key = _key(offer)
        if "estimated_price" not in offer.flags and (
            key not in then or offer.usd_per_hour < then[key].usd_per_hour
        ):
            then[key] = offer
    found = []
    for offer in after:
        old = then.get(_key(offer))
        if old is None or {"superseded", "estimated_price"} & set(offer.flags) or offer.zone is not None:
            continue
        age = (offer.collected_at - old.collected_at).days
        if age > 0:
            found.append(
                Pair(offer.provider, offer.market, age, float(offer.usd_per_hour / old.usd_per_hour))
            )
    return found


def _key(offer: Offer) -> tuple[str, str, str, Market]:
    return (offer.provider, offer.region, offer.instance_type, offer.market)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args()
    moves = load_facts().price_moves
    groups: dict[tuple[str, str, bool], list[Pair]] = defaultdict(list)
    for pair in pairs(read_snapshot(options.before).offers, read_snapshot(options.after).offers):
        groups[pair.provider, pair.market.value, pair.age_days > 7].append(pair)
    print("| provider | market | pairs | days between | factor | median move | within |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for (provider, market, _), members in sorted(groups.items()):
        ages = median(pair.age_days for pair in members)
        factors = [factor_at(moves, pair.provider, pair.market, pair.age_days) for pair in members]
        middle = median(pair.ratio for pair in members)
        known = [(p, f) for p, f in zip(members, factors, strict=True) if f is not None]
        if not known:
            print(f"| {provider} | {market} | {len(members)} | {ages:g} | not known | {middle:.3f} | – |")
            continue
        inside = sum(max(p.ratio, 1 / p.ratio) <= f * (1 + ROUNDING) for p, f in known)
        factor = median(f for _, f in known)
        print(
            f"| {provider} | {market} | {len(known)} | {ages:g} | {factor:.2f} | {middle:.3f} |"
            f" {inside / len(known):.1%} |"
        )


if __name__ == "__main__":
    main()
