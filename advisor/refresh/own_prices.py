"""The user's price sheet laid over what the vendors say.

A snapshot keeps both: the price that is paid, and under the same id the vendor's row, flagged ``superseded``
and ``overridden``. So the vendors' world can be had back whole, to be merged with what they say next and
judged against that; a price withdrawn from the sheet gives way to the list again; and no discount is ever
taken off twice. Where the sheet is not read, or does not reach, what it said before goes on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.catalog.adjust import OwnPrices
from advisor.catalog.freshness import MANUAL_BASIS
from advisor.errors import InputFileError
from advisor.provider import Rejection, canonical_bytes
from advisor.refresh.merging import Counts, is_live
from advisor.sheet.prices import ANY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from advisor.catalog.gate.finding import Verdict
    from advisor.domain import Offer
    from advisor.provider import Collected, Scope
    from advisor.refresh.collecting import Outcome
    from advisor.sheet.prices import PriceSheet, SheetPrice

    Judge = Callable[[Sequence[Offer], Sequence[Offer]], Verdict]

OVERRIDDEN: Final = "overridden"
"""Flag of a vendor's row while the user's own price stands for it."""
_MARKS: Final = frozenset({OVERRIDDEN, "superseded"})


@dataclass(frozen=True, slots=True)
class Laid:
    """The next snapshot's rows with the user's prices, and what became of those."""

    offers: tuple[Offer, ...]
    verdict: Verdict  #: of the gate, on prices that are new or changed
    counts: Counts
    evidence: Mapping[str, bytes]
    rejections: tuple[Rejection, ...]  #: prices of what nobody lists
    warnings: tuple[str, ...]  #: sentences


def as_listed(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """The rows as the vendors state them, nobody's own price over them."""
    rows = tuple(offers)
    covered = {offer.id for offer in rows if OVERRIDDEN in offer.flags}
    return tuple(
        replace(offer, flags=tuple(flag for flag in offer.flags if flag not in _MARKS))
        if OVERRIDDEN in offer.flags
        else offer
        for offer in rows
        if OVERRIDDEN in offer.flags or offer.id not in covered or not is_live(offer)
    )


def without_listed(outcomes: Iterable[Outcome], previous: Iterable[Offer]) -> tuple[Outcome, ...]:
    """The outcomes; of a sheet's own offers only those that price what nobody else lists."""
    outcomes = tuple(outcomes)
    listed = [offer for offer in previous if is_live(offer) and offer.price_basis != MANUAL_BASIS]
    for outcome in outcomes:
        if outcome.collected is not None and outcome.collected.sheet is None:
            listed += [priced.offer for priced in outcome.collected.offers]
    return tuple(
        replace(outcome, collected=_unlisted(outcome.collected, listed))
        if outcome.collected is not None and outcome.collected.sheet is not None
        else outcome
        for outcome in outcomes
    )


def _unlisted(collected: Collected, listed: Iterable[Offer]) -> Collected:
    assert collected.sheet is not None
    elsewhere = {price.id for price in _reaching(collected.sheet.prices, listed)}
    return replace(collected, offers=tuple(p for p in collected.offers if p.offer.id not in elsewhere))


def _reaching(prices: Iterable[SheetPrice], offers: Iterable[Offer]) -> list[SheetPrice]:
    """The prices that cover any of the offers."""
    shapes: dict[tuple[str, str], list[Offer]] = {}
    for offer in offers:
        shapes.setdefault((offer.provider, offer.instance_type), []).append(offer)
    return [p for p in prices if any(map(p.covers, shapes.get((p.provider, p.instance_type), ())))]


class Overlay:
    """Lays a sheet, or what an earlier one said, over the rows of the next snapshot."""

    def __init__(
        self, previous: Iterable[Offer], outcomes: Iterable[Outcome], scope: Scope, now: datetime
    ) -> None:
        rows = tuple(previous)
        self._listed_before = {o.id: o for o in rows if OVERRIDDEN in o.flags}
        self._own_before = {o.id: o for o in rows if is_live(o) and o.id in self._listed_before}
        read = [(o.provider, o.collected.sheet) for o in outcomes if o.collected and o.collected.sheet]
        self.adapter: str = read[0][0] if read else ""
        self._sheet: PriceSheet | None = read[0][1] if read else None
        self._own = OwnPrices(self._sheet, now) if self._sheet else None
        self._scope = scope
        self._now = now
        self._warnings: list[str] = []

    def laid(self, offers: Sequence[Offer], judge: Judge) -> Laid:
        """The rows with the user's prices; a price that the gate holds is not laid."""
        wanted = {o.id: self._paid(o) for o in offers if is_live(o) and o.price_basis != MANUAL_BASIS}
        doubtful = [own for own in wanted.values() if self._is_news(own)]
        verdict = judge(doubtful, offers)
        barred = {finding.offer_id for finding in (*verdict.refused, *verdict.held)}
        rows: list[Offer] = []
        counts = Counts()
        for offer in offers:
            own = wanted.get(offer.id, offer) if is_live(offer) else offer
            if offer.id in barred:
                own = self._carried(offer)
            if is_live(offer):
                self._count(counts, offer, own, held=offer.id in barred)
            rows.append(own)
            if own is not offer:
                rows.append(replace(offer, flags=tuple(sorted({*offer.flags, *_MARKS}))))
        return Laid(
            tuple(rows),
            verdict,
            counts,
            self._evidence(),
            tuple(self._rejections(offers)),
            tuple(dict.fromkeys(self._warnings)),
        )

    def _reaches(self, offer: Offer) -> bool:
        """Whether the sheet, as asked now, may speak about the offer."""
        scope = self._scope
        asked = scope.covers_region(offer.provider, offer.region) and scope.covers_market(offer.market)
        return self._own is not None and asked

    def _paid(self, offer: Offer) -> Offer:
        if self._own is None or not self._reaches(offer):
            return self._carried(offer)
        try:
            return self._own.paid(offer)
        except InputFileError as error:
            self._warnings.append(f"{error}; the list price stands")
            return offer

    def _carried(self, offer: Offer) -> Offer:
        """What was paid for the offer before; a discount only while the price it was taken off stands."""
        own = self._own_before.get(offer.id)
        if own is None:
            return offer
        if own.price_basis == MANUAL_BASIS:
            return replace(
                offer,
                usd_per_hour=own.usd_per_hour,
                price_basis=own.price_basis,
                collected_at=own.collected_at,
                source=own.source,
                licence=own.licence,
                evidence=own.evidence,
            )
        if offer.usd_per_hour == self._listed_before[offer.id].usd_per_hour:
            return replace(offer, usd_per_hour=own.usd_per_hour, price_basis=own.price_basis)
        self._warnings.append(
            f"{offer.id}: the list price moved and the price sheet was not read, so it stands as listed:"
            f" {own.price_basis} is not taken off"
        )
        return offer

    def _is_news(self, own: Offer) -> bool:
        """Whether it is a stated price that has not been judged, or confirmed, before."""
        before = self._own_before.get(own.id)
        return own.price_basis == MANUAL_BASIS and (before is None or before.usd_per_hour != own.usd_per_hour)

    def _count(self, counts: Counts, offer: Offer, own: Offer, *, held: bool) -> None:
        before = self._own_before.get(offer.id)
        if own is offer:
            counts.dropped += before is not None
        elif held or not self._reaches(offer):
            counts.kept += 1
        elif before is not None and before.usd_per_hour == own.usd_per_hour:
            counts.same += 1
        else:
            counts.changed += 1

    def _evidence(self) -> dict[str, bytes]:
        if self._sheet is None:
            return {}
        items = (canonical_bytes(price.evidence(self._sheet.file)) for price in self._sheet.prices)
        return {hashlib.sha256(item).hexdigest(): item for item in items}

    def _rejections(self, offers: Sequence[Offer]) -> Iterator[Rejection]:
        """Prices that reach nothing, neither what others list nor an offer of their own."""
        if self._sheet is None:
            return
        reaching = {price.place for price in _reaching(self._sheet.prices, filter(is_live, offers))}
        for price in self._sheet.prices:
            asked = self._scope.covers_region(price.provider, price.region) or price.region == ANY
            if price.place not in reaching and asked and price.in_force(self._now):
                detail = f"{price.place}: nobody lists it"
                yield Rejection(self.adapter, None, price.market, price.id, "not_listed", detail)
