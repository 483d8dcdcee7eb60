"""Detectors for rows that speak about the same thing twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from advisor.catalog.gate.finding import Action, Finding
from advisor.catalog.gate.view import Row, View, grouped, most_common
from advisor.domain import Market
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_OVER_ZONES: Final = {
    "lowest": re.compile(r"lowest|cheapest|\bmin", re.IGNORECASE),
    "highest": re.compile(r"highest|dearest|\bmax", re.IGNORECASE),
    "middle": re.compile(r"median|mean|average", re.IGNORECASE),
}


def w8_two_prices(view: View) -> Iterator[Finding]:
    """W8: two rows for one SKU ($0.178 and $0.086): a crash, or whichever came first (skypilot #3750).

    A price the user typed in wins over a list price; of equal prices the newest row stays (both repairs).
    Two different prices are both refused: nobody could say which one is charged.
    """
    for twins in grouped(view.rows, lambda row: row.id).values():
        if len(twins) == 1:
            continue
        own = [row for row in twins if row.is_manual]
        rivals = own or twins
        prices = sorted({row.offer.usd_per_hour for row in rivals})
        if len(prices) > 1:
            said = (
                f"{len(rivals)} rows, stated: {', '.join(f'${decimal_text(price)}' for price in prices[:5])}"
            )
            yield from (view.finding("W8", row, Action.REFUSE, said) for row in twins)
        else:
            kept = max(rivals, key=lambda row: (row.offer.collected_at, row.offer.source))
            why = "the price typed in" if own else "the newest of equal prices"
            yield view.finding(
                "W8", kept, Action.REPAIR, f"{len(twins)} rows; kept {why}", repaired=kept.offer
            )


def w12_zones_mixed(view: View) -> Iterator[Finding]:
    """W12: the minimum over zones in one place, the maximum in another (ec2instances #697).

    Refused: a regional spot price beside live zone prices of the same type, since it is made from zones like
    them. Held: regional spot prices whose basis says another statistic than most of their provider's.
    """
    spot = [row for row in view.rows if row.offer.market is Market.SPOT and not row.is_manual]
    zoned = {row.place for row in spot if row.offer.zone is not None}
    regional = [row for row in spot if row.offer.zone is None]
    for row in regional:
        if row.place in zoned:
            said = f"a regional price ({row.offer.price_basis}) beside zone prices of the same type"
            yield view.finding("W12", row, Action.REFUSE, said)
    stated = [
        (row, statistic) for row in regional if not row.is_live_stock and (statistic := _statistic(row))
    ]
    for provider, rows in grouped((row for row, _ in stated), lambda row: row.offer.provider).items():
        usual = most_common(_statistic(row) for row in rows)
        for row in rows:
            if (statistic := _statistic(row)) != usual:
                said = (
                    f"the {statistic} over zones, where other {provider} prices are the {usual or 'others'}"
                )
                yield view.finding("W12", row, Action.HOLD, said, group=f"W12:{provider}:{statistic}")


def _statistic(row: Row) -> str | None:
    return next((name for name, words in _OVER_ZONES.items() if words.search(row.offer.price_basis)), None)
