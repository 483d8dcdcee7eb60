"""The rows side by side: what detectors look things up in. Built once per stage, in one pass each."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cached_property
from math import exp, log
from statistics import median
from typing import TYPE_CHECKING, Final, TypeVar

from advisor.catalog.freshness import MANUAL_BASIS
from advisor.catalog.gate.finding import Action, Finding, confirm_id
from advisor.domain import Market

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
    from datetime import datetime

    from advisor.catalog.facts import Facts
    from advisor.domain import Offer

Key = TypeVar("Key", bound="Hashable")

_LIVE_STOCK_FLAGS: Final = frozenset(
    {"marketplace_median", "community_cloud", "secure_cloud", "uniform_price_all_regions"}
)
"""Flags of rows that are there only while somebody has stock: they come and go by nature."""

_LISTED_WHEN_IN_STOCK: Final = "uniform_price_all_regions"
"""Flag of rows whose stock comes and goes while the price is a list price: one for all regions (Lambda)."""

_SAME_PRICE_FACTOR: Final = 1.25
"""Within this factor of what is published already, a price has been judged, or confirmed, before."""

PEERS_NEEDED: Final = 4
"""Rows below which a median says nothing about its peers."""


class Row:
    """One live offer with the figures detectors compare."""

    __slots__ = ("chip", "id", "is_live_stock", "is_manual", "offer", "place", "shape", "unit", "usd")

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.id = offer.id
        self.usd = float(offer.usd_per_hour)
        self.unit = self.usd / float(offer.accelerators)  # USD an hour per whole accelerator
        self.shape = (offer.provider, offer.instance_type, offer.market)
        self.chip = (offer.provider, offer.accelerator, offer.market)
        self.place = (offer.provider, offer.region, offer.instance_type, offer.market)
        self.is_manual = offer.price_basis == MANUAL_BASIS
        self.is_live_stock = not _LIVE_STOCK_FLAGS.isdisjoint(offer.flags)

    @property
    def is_list(self) -> bool:
        """Whether the price is one a vendor lists and rarely changes, and the row always there."""
        return self.is_listed_price and not self.is_live_stock

    @property
    def is_listed_price(self) -> bool:
        """Whether the price is a vendor's list price, even where the row comes and goes with the stock."""
        bargained = self.is_live_stock and _LISTED_WHEN_IN_STOCK not in self.offer.flags
        return self.offer.market is Market.ON_DEMAND and not (bargained or self.is_manual)


def is_live(offer: Offer) -> bool:
    """Whether anybody is charged this price."""
    return "superseded" not in offer.flags


def is_measure(offer: Offer) -> bool:
    """Whether a published price is one to hold others against: charged, and not our own estimate."""
    return is_live(offer) and "estimated_price" not in offer.flags


class View:
    """Candidate rows beside the rows published before."""

    def __init__(
        self,
        rows: Sequence[Row],
        before: Mapping[str, Row],
        facts: Facts,
        now: datetime,
        offered: frozenset[tuple[str, str, str, Market]],
        covers: Callable[[Offer], bool],
    ) -> None:
        self.rows = rows
        self.before = before
        self.facts = facts
        self.now = now
        self.offered = offered  #: places of every candidate row, refused ones included
        self.covers = covers  #: whether the candidate set out to bring a row like this one

    def finding(
        self,
        detector: str,
        row: Row,
        action: Action,
        detail: str,
        *,
        group: str | None = None,
        repaired: Offer | None = None,
    ) -> Finding:
        """A word on a candidate row; rows of one ``group`` are confirmed together."""
        old = self.before.get(row.id)
        before = old.offer.usd_per_hour if old else None
        after, confirm = row.offer.usd_per_hour, confirm_id(group or row.id)
        return Finding(detector, row.id, action, detail, before, after, confirm, row.offer, repaired)

    def change(self, row: Row) -> float | None:
        """New price over old; None for a row that was not there before."""
        old = self.before.get(row.id)
        return row.usd / old.usd if old else None

    def is_known(self, row: Row) -> bool:
        """Whether about this price is published already: it passed, or was confirmed, then."""
        change = self.change(row)
        return change is not None and 1 / _SAME_PRICE_FACTOR <= change <= _SAME_PRICE_FACTOR

    @cached_property
    def doubtful(self) -> list[Row]:
        """Rows that plausibility is asked of: not a user's own price, not known from before."""
        return [row for row in self.rows if not row.is_manual and not self.is_known(row)]

    @cached_property
    def usual_of_shape(self) -> dict[tuple[str, str, Market], float]:
        """Median USD an hour of an instance type over its places."""
        return self._usual(lambda row: row.shape, lambda row: row.usd)

    @cached_property
    def usual_of_chip(self) -> dict[tuple[str, str, Market], float]:
        """Median USD an hour per accelerator at one provider."""
        return self._usual(lambda row: row.chip, lambda row: row.unit)

    @cached_property
    def usual_of_chip_anywhere(self) -> dict[tuple[str, Market], float]:
        """Median USD an hour per accelerator over all providers."""
        return self._usual(lambda row: (row.offer.accelerator, row.offer.market), lambda row: row.unit)

    def _usual(self, key: Callable[[Row], Key], value: Callable[[Row], float]) -> dict[Key, float]:
        """Median per key, of what is published where that is enough, else of the candidates themselves."""
        return medians(self.rows, key, value) | medians(self.before.values(), key, value)

    @cached_property
    def list_price(self) -> dict[tuple[str, str, str | None, str], Row]:
        """On-demand rows by provider, region, zone and type; candidates before what is published."""
        return {
            (row.offer.provider, row.offer.region, row.offer.zone, row.offer.instance_type): row
            for rows in (self.before.values(), self.rows)
            for row in rows
            if row.offer.market is Market.ON_DEMAND
        }

    def on_demand_beside(self, row: Row) -> Row | None:
        """The on-demand price of the same type in the same zone, else region."""
        offer = row.offer
        zone_key = (offer.provider, offer.region, offer.zone, offer.instance_type)
        region_key = (offer.provider, offer.region, None, offer.instance_type)
        return self.list_price.get(zone_key) or self.list_price.get(region_key)

    @cached_property
    def vanished(self) -> list[Row]:
        """Rows published before that this candidate should have brought and did not, whatever their zone."""
        return [
            row
            for row in self.before.values()
            if row.place not in self.offered and not row.is_manual and self.covers(row.offer)
        ]


def vanished_finding(detector: str, row: Row, action: Action, detail: str, group: str) -> Finding:
    """A word on a row that was there before and is not now."""
    before = row.offer.usd_per_hour
    return Finding(detector, row.id, action, detail, before, None, confirm_id("gone", group))


def medians(
    rows: Iterable[Row], key: Callable[[Row], Key], value: Callable[[Row], float]
) -> dict[Key, float]:
    """Median in log space per key, of keys with at least :data:`PEERS_NEEDED` rows."""
    groups: dict[Key, list[float]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(log(value(row)))
    return {group: exp(median(values)) for group, values in groups.items() if len(values) >= PEERS_NEEDED}


def grouped(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    """Rows by key, keys in the order in which they first appear."""
    groups: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def most_common(values: Iterable[Key]) -> Key | None:
    """The value more than half of them have; None where none does."""
    counts = Counter(values)
    if not counts:
        return None
    value, count = counts.most_common(1)[0]
    return value if 2 * count > counts.total() else None
