"""What the providers brought and what the last snapshot holds, as one list of offers.

A *cell* is a provider, a market and a region. Of a cell that was asked and answered whole, rows that did not
come are judged by :mod:`advisor.refresh.absence`. Everything else keeps its rows with their old time stamps,
and what was brought replaces rows one by one:

* a cell has not answered whole where its adapter failed, says ``fetch_failed``, ``answered_from_cache`` or
  ``region_not_enabled`` for it, or could not see its prices; and where the scope did not ask for it;
* an adapter that speaks for other providers (gpuhunt) takes away only rows of its own source, of providers
  it brings rows of; the provider's own adapter wins where both speak, wherever that answered whole;
* a price somebody typed in wins over every feed until it is withdrawn;
* a row that is older than the one held does not replace it: nothing goes back in time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import astuple, dataclass, field, replace
from typing import TYPE_CHECKING, Final

from advisor.catalog.freshness import MANUAL_BASIS
from advisor.catalog.snapshot_writing import unstorable
from advisor.provider import Aspect, Rejection
from advisor.refresh.collecting import FAILURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from advisor.catalog.gate.finding import Verdict
    from advisor.domain import Market, Offer
    from advisor.provider import Collected, Scope
    from advisor.refresh.collecting import Outcome


_BLIND: Final = FAILURES | {"region_not_enabled"}
"""Rejection reasons that say nothing about what is still listed there."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The candidate for the next snapshot: what the gate is to judge, and what stays in any case."""

    brought: Mapping[str, tuple[str, Offer]]  #: offer id to the adapter that brought it, and the row
    kept: tuple[Offer, ...]  #: rows of the last snapshot, old time stamps and all
    gone: tuple[Offer, ...]  #: rows of the last snapshot that should have come and did not
    entitled: Mapping[str, frozenset[str]]  #: of each of those, the adapters that should have brought it
    evidence: Mapping[str, bytes]  #: of what was brought
    rejections: tuple[Rejection, ...] = ()  #: of rows no snapshot can hold


@dataclass(slots=True)
class Counts:
    """What became of the rows of one provider, against the last snapshot."""

    new: int = 0
    changed: int = 0  #: another price
    same: int = 0
    kept: int = 0  #: not brought, or refused: the old row with its old time stamp
    dropped: int = 0  #: no longer listed

    @property
    def brought(self) -> int:
        """Rows that were fetched now."""
        return self.new + self.changed + self.same

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


def merge(previous: Sequence[Offer], outcomes: Iterable[Outcome], scope: Scope) -> Merged:
    """The rows of the next snapshot, no live id twice, and those that are no longer in it."""
    answers = {outcome.provider: outcome.collected for outcome in outcomes if outcome.collected}
    brought: dict[str, tuple[str, Offer]] = {}
    rejections: list[Rejection] = []
    for name in sorted(answers):
        for offer, complaint in _usable(answers[name], scope):
            if complaint is not None:
                rejections.append(
                    Rejection(name, offer.region, offer.market, offer.id, "malformed_item", complaint)
                )
            elif not _outspoken(name, offer, answers, scope):
                held = brought.get(offer.id)
                if held is None or _rank(name, offer) < _rank(*held):
                    brought[offer.id] = (name, offer)
    missing = _Missing(answers, scope)
    kept = _kept(previous, brought, missing)
    stays = {offer.id for offer in kept}
    gone = tuple(o for o in previous if is_live(o) and o.id not in stays and o.id not in brought)
    evidence = {digest: item for answer in answers.values() for digest, item in answer.evidence.items()}
    return Merged(
        brought={offer_id: row for offer_id, row in sorted(brought.items()) if offer_id not in stays},
        kept=tuple(kept),
        gone=gone,
        entitled={offer.id: missing.told_by(offer) for offer in gone},
        evidence=evidence,
        rejections=tuple(rejections),
    )


def settle(
    previous: Sequence[Offer], merged: Merged, verdict: Verdict, absent: Iterable[Offer]
) -> tuple[Offer, ...]:
    """The rows to publish: what passed, what was kept, and the old ones of what did not pass or come."""
    barred = {finding.offer_id for finding in (*verdict.refused, *verdict.held)}
    barred |= {offer.id for offer in absent}
    passed = {offer.id for offer in verdict.passed}
    stays = {offer.id for offer in merged.kept}
    restored = [o for o in previous if o.id in barred and o.id not in passed and o.id not in stays]
    return (*merged.kept, *restored, *verdict.passed)


def is_live(offer: Offer) -> bool:
    """Whether the row is in force."""
    return "superseded" not in offer.flags


def count(
    previous: Sequence[Offer], offers: Sequence[Offer], merged: Merged, adapters: Iterable[str]
) -> dict[str, Counts]:
    """What became of the rows, per adapter: its own provider's, and those of providers it alone spoke for.

    Rows of which nobody spoke count under their provider's name.
    """
    speaker = {row.provider: name for name, row in merged.brought.values()}
    speaker |= {name: name for name in adapters}
    before = {offer.id: offer for offer in previous if is_live(offer)}
    after = {offer.id: offer for offer in offers if is_live(offer)}
    counts: dict[str, Counts] = defaultdict(Counts)
    for offer_id, offer in after.items():
        name, row = merged.brought.get(offer_id, ("", None))
        old = before.get(offer_id)
        if row is None or not is_fresh(offer, row):
            counts[speaker.get(offer.provider, offer.provider)].kept += 1
        elif old is None:
            counts[name].new += 1
        elif old.usd_per_hour != offer.usd_per_hour:
            counts[name].changed += 1
        else:
            counts[name].same += 1
    for offer in (before[offer_id] for offer_id in before.keys() - after.keys()):
        counts[speaker.get(offer.provider, offer.provider)].dropped += 1
    return dict(counts)


def is_fresh(offer: Offer, row: Offer) -> bool:
    """Whether a published row is the one that was brought, not an older one in its place."""
    return offer.collected_at == row.collected_at and offer.evidence == row.evidence


@dataclass(frozen=True, slots=True)
class _Gaps:
    """Where one adapter did not answer whole. None stands for every region, or every market."""

    failed: frozenset[tuple[str | None, Market | None]] = field(default=frozenset())

    def covers(self, region: str, market: Market) -> bool:
        places = ((region, market), (region, None), (None, market), (None, None))
        return any(place in self.failed for place in places)


def _gaps(collected: Collected) -> _Gaps:
    failed = {(r.region, r.market) for r in collected.rejections if r.reason in _BLIND}
    unseen = {(None, unseen.market) for unseen in collected.unseen if unseen.what is Aspect.PRICE}
    return _Gaps(frozenset(failed | unseen))


def _usable(collected: Collected, scope: Scope) -> Iterable[tuple[Offer, str | None]]:
    """Rows in scope with their evidence, and why a snapshot cannot hold them."""
    for priced in collected.offers:
        offer = replace(priced.offer, evidence=priced.evidence_digest)
        if scope.covers_region(offer.provider, offer.region) and scope.covers_market(offer.market):
            yield offer, unstorable(offer)


def _rank(adapter: str, offer: Offer) -> tuple[int, str]:
    """The lower wins: typed in by hand, the provider's own adapter, others by name."""
    if offer.price_basis == MANUAL_BASIS:
        return 0, adapter
    return (1 if adapter == offer.provider else 2), adapter


def _outspoken(name: str, offer: Offer, answers: Mapping[str, Collected], scope: Scope) -> bool:
    """Whether the provider's own adapter answered whole where another speaks for it."""
    if _rank(name, offer)[0] != 2 or offer.provider not in answers:
        return False
    return not _gaps(answers[offer.provider]).covers(offer.region, offer.market)


def _kept(
    previous: Sequence[Offer], brought: Mapping[str, tuple[str, Offer]], missing: _Missing
) -> list[Offer]:
    def stays(offer: Offer) -> bool:
        gone = bool(missing.told_by(offer))
        if offer.id not in brought:
            return not gone
        return is_live(offer) and _stands(offer, *brought[offer.id], gone=gone)

    live_kept = {offer.id for offer in previous if is_live(offer) and offer.id in brought and stays(offer)}
    return [
        offer for offer in previous if offer.id in live_kept or (offer.id not in brought and stays(offer))
    ]


def _stands(held: Offer, name: str, row: Offer, *, gone: bool) -> bool:
    """Whether the row held stays although another was brought."""
    if held.price_basis == MANUAL_BASIS and row.price_basis != MANUAL_BASIS:
        return not gone
    return held.collected_at > row.collected_at and _rank(name, row)[0] != 0


class _Missing:
    """Who should have brought a row, had it been listed."""

    def __init__(self, answers: Mapping[str, Collected], scope: Scope) -> None:
        self._scope = scope
        self._gaps = {name: _gaps(collected) for name, collected in answers.items()}
        self._speaks: dict[tuple[str, str], set[str]] = defaultdict(set)
        for name, collected in answers.items():
            for priced in collected.offers:
                self._speaks[priced.offer.provider, priced.offer.source].add(name)

    def told_by(self, offer: Offer) -> frozenset[str]:
        """Adapters that are entitled to the row and answered whole where it is; none: nobody could tell."""
        scope = self._scope
        if not (scope.covers_region(offer.provider, offer.region) and scope.covers_market(offer.market)):
            return frozenset()
        entitled = set(self._speaks[offer.provider, offer.source])  # they bring rows of the same source
        if offer.price_basis != MANUAL_BASIS:
            entitled.add(offer.provider)
        return frozenset(
            name
            for name in entitled
            if name in self._gaps and not self._gaps[name].covers(offer.region, offer.market)
        )
