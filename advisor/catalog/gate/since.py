"""Detectors that hold today against what is published: moves, shifts of many prices at once, missing rows."""

from __future__ import annotations

import re
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Final

from advisor.catalog.gate.finding import Action, Finding
from advisor.catalog.gate.view import Row, View, grouped, vanished_finding
from advisor.domain import Market
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LIST_MOVE: Final = 1.25
"""Weekly moves of AWS, Azure and Google list prices, 2023 to 2026: 99.9 % are nil; the cuts of June 2025 are
1.34 to 1.79 (down 25 to 44 %)."""

SPOT_MOVES: Final = (2.0, 4.0)
"""Within four weeks, and later. AWS spot, January to April 2024: 99.9 % of weekly moves ≤ 1.48, 99.5 % of
4-weekly ≤ 1.98, 99.8 % over 84 days ≤ 3.2; Google ≤ 1.73 in a week (2026)."""

MARKETPLACE_MOVES: Final = (6.0, 12.0)
"""Vast medians: 99.5 % of weekly moves ≤ 5.4, 99.9 % ≤ 12.9 (May to July 2026)."""

_SHORT_GAP: Final = timedelta(days=28)

_LOST_SHARE: Final = 0.3
_LOST_SHARE_LIVE: Final = 0.5
_LOST_LEAST: Final = 10

_FROZEN_AFTER: Final = {"aws": 3, "vast": 3}
"""Days, where prices move all the time: in a week 91 % of AWS spot prices (2024), 42 % of Vast's (2026)."""
_FROZEN_AFTER_OTHERS: Final = 35
"""Days; Google changes spot prices at most monthly, Azure republishes them monthly (their documentation)."""
_FROZEN_LEAST_ROWS: Final = 20

_OTHER_CURRENCY: Final = re.compile(r"\b(EUR|GBP|CNY|INR|JPY)\b|€|£|¥")
_CONVERTED: Final = re.compile(r"convert|\bUSD\b|_usd|usd_", re.IGNORECASE)
_BILLED_IN: Final = {("aws", "cn-"): "CNY", ("azure", "china"): "CNY", ("scaleway", ""): "EUR"}
"""Provider and start of region; AWS and Azure China list in yuan, Scaleway in unmarked euros."""


def w13_vanished(view: View) -> Iterator[Finding]:
    """W13: a missing part price makes a whole region disappear silently (gcosts #249, gpuhunt PR 195).

    Held, the old rows stay: every row of a provider in a market, or of a region, gone; all three or more of a
    type; or 30 % of those of a provider or a region in a market (of ten or more; half, of a provider's alone,
    where rows follow live stock). Fewer are a remark.
    """
    for findings in _vanished_groups(view):
        yield from findings
    held = _held_as_vanished(view)
    rest = [row for row in view.vanished if row.id not in held and not row.is_list]
    for (provider, market), rows in grouped(rest, _source).items():
        names = ", ".join(row.id for row in rows[:3])
        said = f"{len(rows)} {provider} {market.value} rows of last time did not come: {names}"
        yield vanished_finding("W13", rows[0], Action.NOTE, said, f"W13:{provider}:{market.value}")


def _source(row: Row) -> tuple[str, Market]:
    return (row.offer.provider, row.offer.market)


def _held_as_vanished(view: View) -> frozenset[str]:
    return frozenset(finding.offer_id for findings in _vanished_groups(view) for finding in findings)


def _vanished_groups(view: View) -> Iterator[list[Finding]]:
    missed = {row.id for row in view.vanished}
    asked = (row for row in view.before.values() if row.id in missed or row.place in view.offered)
    published = grouped(asked, _source)
    for source, gone in grouped(view.vanished, _source).items():
        before = published[source]
        name = f"{source[0]} {source[1].value}"
        live_stock = all(row.is_live_stock for row in gone)
        if _far_fewer(gone, before, _LOST_SHARE_LIVE if live_stock else _LOST_SHARE):
            yield _gone(gone, f"{len(gone)} of {len(before)} {name} rows did not come", name)
            continue
        if live_stock:
            continue
        there = grouped(before, lambda row: row.offer.region)
        for region, rows in grouped(gone, lambda row: row.offer.region).items():
            if len(rows) == len(there[region]) and len(rows) > 1:
                said = f"region {region} is gone with all its {len(rows)} {name} rows"
                yield _gone(rows, said, f"{name} {region}")
            elif _far_fewer(rows, there[region], _LOST_SHARE):
                said = f"{len(rows)} of {len(there[region])} {name} rows of {region} did not come"
                yield _gone(rows, said, f"{name} {region}")
        for shape, rows in _wholly_gone(gone, before, lambda row: row.offer.instance_type).items():
            said = f"{shape} is gone from all its {len(rows)} {name} places"
            yield _gone(rows, said, f"{name} {shape}")


def _far_fewer(gone: Sequence[Row], before: Sequence[Row], limit: float) -> bool:
    """Whether none is left, or of ten and more so few that no market changes like that."""
    return len(gone) == len(before) or (len(before) >= _LOST_LEAST and len(gone) > limit * len(before))


def _wholly_gone(
    gone: Sequence[Row], before: Sequence[Row], key: Callable[[Row], str]
) -> dict[str, list[Row]]:
    """Groups of three or more rows of which none came."""
    sizes = {name: len(rows) for name, rows in grouped(before, key).items()}
    return {
        name: rows for name, rows in grouped(gone, key).items() if len(rows) >= 3 and len(rows) == sizes[name]
    }


def _gone(rows: Sequence[Row], said: str, group: str) -> list[Finding]:
    return [vanished_finding("W13", row, Action.HOLD, said, f"W13:{group}") for row in rows]


def w18_steady_shift(view: View) -> Iterator[Finding]:
    """W18: a steady 1–2 % error because bundled local SSD is billed apart (dstack #1355).

    Held: five or more list prices of one provider's chip, nine of ten of them moved since last time by one
    and the same 0.3 to 3 % (within half a percent). A list price that moves at all is rare (see LIST_MOVE).
    """
    rows = [row for row in view.rows if row.is_list and row.id in view.before]
    for (provider, chip, _), members in grouped(rows, lambda row: row.chip).items():
        shift = _common_shift(view, members, least=5)
        if shift is not None and 0.003 <= abs(shift - 1) <= 0.03:
            said = f"all {provider} {chip} list prices moved by {shift - 1:+.2%}: a part added or left out?"
            yield from _moved(view, "W18", members, said, f"{provider}:{chip}")


def w24_other_currency(view: View) -> Iterator[Finding]:
    """W24: an EUR price read as USD (Scaleway's unmarked currency).

    Refused: a row whose source or basis names another currency, or whose provider bills in one there (yuan
    in AWS and Azure China, euro at Scaleway), and does not say it was converted. Held: eight or more prices
    of a provider and market, of two chips or more, nine of ten moved by one and the same 3 to 45 % at once,
    as exchange rates do.
    """
    for row in view.rows:
        words = f"{row.offer.price_basis} {row.offer.source}"
        currency = _billed_in(row) or ((found := _OTHER_CURRENCY.search(words)) and found[0])
        if currency and not row.is_manual and not _CONVERTED.search(words):
            yield view.finding("W24", row, Action.REFUSE, f"in {currency}, and nothing says it was converted")
    rows = [row for row in view.rows if row.id in view.before and not row.is_manual]
    for (provider, market), members in grouped(rows, _source).items():
        shift = _common_shift(view, members, least=8)
        chips = {row.offer.accelerator for row in members}
        if shift is not None and len(chips) > 1 and 0.03 < abs(shift - 1) <= 0.45:
            said = (
                f"all {provider} {market.value} prices moved by {shift - 1:+.2%} at once: another currency?"
            )
            yield from _moved(view, "W24", members, said, f"{provider}:{market.value}")


def _billed_in(row: Row) -> str | None:
    for (provider, start), currency in _BILLED_IN.items():
        if row.offer.provider == provider and row.offer.region.startswith(start):
            return currency
    return None


def _common_shift(view: View, rows: Sequence[Row], least: int) -> float | None:
    """The factor by which nine of ten prices moved alike (within half a percent); None where they did not."""
    if len(rows) < least:
        return None
    changes = [change for row in rows if (change := view.change(row)) is not None]
    middle = median(changes)
    alike = sum(abs(change / middle - 1) < 0.005 for change in changes)
    return middle if alike >= 0.9 * len(changes) else None


def _moved(view: View, detector: str, rows: Sequence[Row], said: str, group: str) -> Iterator[Finding]:
    for row in rows:
        if view.change(row) != 1:
            yield view.finding(detector, row, Action.HOLD, said, group=f"{detector}:{group}")


def w19_frozen_feed(view: View) -> Iterator[Finding]:
    """W19: a stale marketplace price typed into the code: $4.49 against $3.29 (skypilot #3794).

    Held, so that the old stamp stays: twenty or more spot or live-stock prices of one provider stamped anew,
    and none of them moved, three days (AWS, Vast) or 35 days (others) after the last ones. Real once: a feed
    kept publishing for four months after AWS spot prices froze in it in April 2024. Refreshed weekly, the
    others never reach their 35 days; a frozen feed of theirs is not seen here.
    """
    moving = [
        row
        for row in view.rows
        if (row.offer.market is Market.SPOT or "marketplace_median" in row.offer.flags)
        and not row.is_manual
        and row.id in view.before
        and row.offer.collected_at - view.before[row.id].offer.collected_at >= _patience(row)
    ]
    for (provider, market), rows in grouped(moving, _source).items():
        if len(rows) >= _FROZEN_LEAST_ROWS and all(view.change(row) == 1 for row in rows):
            said = (
                f"none of {len(rows)} {provider} {market.value} prices moved: the feed is frozen, not fresh"
            )
            group = f"W19:{provider}:{market.value}"
            yield from (view.finding("W19", row, Action.HOLD, said, group=group) for row in rows)


def _patience(row: Row) -> timedelta:
    return timedelta(days=_FROZEN_AFTER.get(row.offer.provider, _FROZEN_AFTER_OTHERS))


def w22_some_regions_only(view: View) -> Iterator[Finding]:
    """W22: the on-demand price missing in some regions only (ec2-instance-selector #71).

    Held, the old row stays: a list price gone from a region while the type is still listed elsewhere. A
    remark, without history: spot sold in regions where the type has no list price though most others do.
    """
    held = _held_as_vanished(view)
    for row in view.vanished:
        if row.is_list and row.id not in held:
            said = f"{row.offer.instance_type} lost its list price in {row.offer.region} alone"
            group = f"W22:{row.id}"
            yield vanished_finding("W22", row, Action.HOLD, said, group)
    yield from _spot_without_list(view)


def _spot_without_list(view: View) -> Iterator[Finding]:
    listed = {row.place[:3] for row in view.list_price.values()}
    shapes = {(provider, instance_type) for provider, _, instance_type in listed}
    spot = [row for row in view.rows if row.offer.market is Market.SPOT and not row.is_live_stock]
    for (provider, instance_type, _), rows in grouped(spot, lambda row: row.shape).items():
        regions = {row.offer.region for row in rows}
        without = sorted(region for region in regions if (provider, region, instance_type) not in listed)
        if (provider, instance_type) in shapes and without and 2 * len(without) < len(regions):
            first = next(row for row in rows if row.offer.region == without[0])
            said = f"{instance_type} is sold as spot but has no list price in {', '.join(without[:5])}"
            yield view.finding("W22", first, Action.NOTE, said)


def large_move(view: View) -> Iterator[Finding]:
    """A large move may be real: AWS cut P5 and P4d by 33 to 44 % in June 2025.

    Held, with before and after: list prices beyond 1.25 times, spot beyond 2 (4 after four weeks),
    marketplaces beyond 6 (12), up or down. Each limit lies above what 99.5 % of weekly moves in the history
    shipped stay below.
    """
    for row in view.rows:
        change = view.change(row)
        if change is None or change == 1 or row.is_manual:
            continue
        limit = _move_limit(view, row)
        if max(change, 1 / change) > limit:
            old = view.before[row.id].offer
            said = (
                f"${decimal_text(old.usd_per_hour)} of {old.collected_at:%Y-%m-%d} to"
                f" ${decimal_text(row.offer.usd_per_hour)} ({change - 1:+.1%}); beyond a factor of {limit:g}"
            )
            yield view.finding("large_move", row, Action.HOLD, said)


def _move_limit(view: View, row: Row) -> float:
    if row.is_listed_price:
        return LIST_MOVE
    limits = MARKETPLACE_MOVES if "marketplace_median" in row.offer.flags else SPOT_MOVES
    return limits[row.offer.collected_at - view.before[row.id].offer.collected_at > _SHORT_GAP]
