"""From what parsers read off answers to one result: every item an offer or a rejection, no offer twice."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from statistics import median_low
from typing import TYPE_CHECKING

from advisor.provider.contract import Answer, Collected, PricedOffer, Rejection, Unseen
from advisor.provider.evidence import canonical_bytes
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from advisor.domain import Market, Offer, QuotaLimit
    from advisor.sheet.prices import PriceSheet


class Ledger:
    """Collects what a parser reads off one answer: every item ends as an offer or as a rejection."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._offers: list[PricedOffer] = []
        self._rejections: list[Rejection] = []
        self._evidence: dict[str, bytes] = {}

    def offer(self, offer: Offer, item: object) -> None:
        """Take an offer together with the vendor's own item."""
        try:
            content = canonical_bytes(item)
        except RecursionError:
            self.reject("malformed_item", offer.id, "nested too deeply", offer.region, offer.market)
            return
        digest = hashlib.sha256(content).hexdigest()
        self._evidence[digest] = content
        self._offers.append(PricedOffer(offer, digest))

    def reject(
        self, reason: str, subject: str, detail: str, region: str | None = None, market: Market | None = None
    ) -> None:
        """Take note of an item, or a request, that cannot be used."""
        self._rejections.append(Rejection(self._provider, region, market, subject, reason, detail))

    def reading(self) -> Reading:
        """What was taken so far."""
        return Reading(tuple(self._offers), tuple(self._rejections), dict(self._evidence))


@dataclass(frozen=True, slots=True)
class Reading:
    """What one or more answers say."""

    offers: tuple[PricedOffer, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    evidence: Mapping[str, bytes] = field(default_factory=dict)


def collected(
    provider: str,
    readings: Iterable[Reading],
    *,
    answers: Iterable[Answer] = (),
    now: datetime,
    quotas: Iterable[QuotaLimit] = (),
    unseen: Iterable[Unseen] = (),
    regions_done: Iterable[str] = (),
    sheet: PriceSheet | None = None,
) -> Collected:
    """Everything read, as one result. Two prices for one offer are a conflict, never the first one (W8)."""
    readings, answers = tuple(readings), tuple(answers)
    offers, conflicts = _settle(provider, [priced for reading in readings for priced in reading.offers])
    said = [rejection for reading in readings for rejection in reading.rejections]
    evidence = {digest: content for reading in readings for digest, content in reading.evidence.items()}
    kept = {priced.evidence_digest for priced in offers}
    warnings = [warning for answer in answers if (warning := answer.clock_warning(now))]
    ahead = [gap for answer in answers if (gap := answer.clock_ahead(now)) is not None]
    stale = [_stale(provider, answer, now) for answer in answers if answer.stale]
    return Collected(
        provider=provider,
        offers=offers,
        quotas=tuple(quotas),
        rejections=tuple(dict.fromkeys([*said, *conflicts, *stale])),
        unseen=tuple(dict.fromkeys(unseen)),
        evidence={digest: evidence[digest] for digest in sorted(kept)},
        regions_done=tuple(sorted(set(regions_done))),
        warnings=tuple(dict.fromkeys(warnings)),
        retries=sum(answer.retries for answer in answers),
        sheet=sheet,
        clock_ahead=median_low(ahead) if ahead else None,
    )


def _settle(provider: str, offers: list[PricedOffer]) -> tuple[tuple[PricedOffer, ...], list[Rejection]]:
    by_id: dict[str, list[PricedOffer]] = {}
    for priced in offers:
        by_id.setdefault(priced.offer.id, []).append(priced)
    kept, conflicts = [], []
    for offer_id in sorted(by_id):
        same = by_id[offer_id]
        prices = sorted({priced.offer.usd_per_hour for priced in same})
        if len(prices) == 1:
            kept.append(min(same, key=lambda priced: priced.evidence_digest))
            continue
        first = same[0].offer
        stated = ", ".join(f"${decimal_text(price)}" for price in prices[:5])
        conflicts.append(
            Rejection(
                provider, first.region, first.market, offer_id, "price_conflict", f"stated: {stated} an hour"
            )
        )
    return tuple(kept), conflicts


def _stale(provider: str, answer: Answer, now: datetime) -> Rejection:
    at = answer.said_at(now)
    detail = f"the provider failed; its answer of {at:%Y-%m-%d %H:%M}Z stands in"
    return Rejection(provider, None, None, "http cache", "answered_from_cache", detail)
