"""Rows that did not come: absence is no news of itself.

A row that was published and did not come stays, with its old time stamp, unless there is evidence against it:

* it did not come with few others: it stays once, marked as unlisted, and is withdrawn by the next refresh,
  half a day later or more, that is without it as well; a list price only where the vendor names it unpriced;
* the vendor speaks of it, but what it says cannot be used (two prices, a field missing): it stays, and the
  refresh is partial;
* it did not come with many others, or with all of its region: it stays, and is held until somebody confirms.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from advisor.catalog.freshness import MANUAL_BASIS
from advisor.catalog.gate.finding import Action, Finding, confirm_id
from advisor.catalog.held import ALL, AVAILABILITY, EXPIRES_AFTER, Held, Kind, is_pattern
from advisor.errors import UsageError
from advisor.refresh.collecting import marked_partial
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from advisor.catalog.gate.finding import Verdict
    from advisor.domain import Offer
    from advisor.provider import Collected, Rejection
    from advisor.refresh.collecting import Outcome
    from advisor.refresh.merging import Merged

UNUSABLE: Final = frozenset(
    {
        "malformed_item",
        "price_conflict",
        "memory_mismatch",
        "unknown_accelerator",
        "foreign_currency",
        "not_in_force",
        "spot_above_on_demand",
        "spot_implausible",
        "specification_mismatch",
    }
)
"""Reasons for which a vendor's word on a row could not be used, though it spoke of it."""

WITHDRAWN: Final = frozenset({"price_missing", "not_sold_this_way", "not_rentable"})
"""Reasons that say that the vendor knows the row and does not sell it."""

NOT_TWICE_WITHIN: Final = timedelta(hours=12)
"""Two refreshes closer than this may have had one and the same answer."""

_SAME: Final = 1.25
"""A price within this factor of one that is held is that price."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A row that left the catalog, and the evidence for it."""

    offer: Offer
    why: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that stays as it was, since what the vendor says of it could not be used."""

    offer: Offer
    rejection: Rejection


@dataclass(frozen=True, slots=True)
class Absence:
    """What becomes of the rows that did not come."""

    kept: tuple[Offer, ...]
    withdrawn: tuple[Withdrawn, ...]
    unread: tuple[Unread, ...]
    unlisted: tuple[Held, ...]  #: they stay this once
    verdict: Verdict  #: with what was held before, and why rows did not come


def absence(
    published: Sequence[Offer],
    merged: Merged,
    answers: Mapping[str, Collected],
    verdict: Verdict,
    held: Sequence[Held],
    accept: Collection[str],
    now: datetime,
) -> Absence:
    """Judge every row that did not come.

    Args:
        published: the rows in force.
        answers: what came, by adapter.
        verdict: of the gate, which holds the rows that did not come with many others.
        held: of the last snapshot.
        accept: words of the user: what they name may go.
    """
    before = {one.offer_id: one for one in held}
    by_cell = _Reasons(answers, merged.entitled)
    many = {finding.offer_id: finding for finding in verdict.held if finding.offer is None}
    accepted = {finding.offer_id for finding in verdict.notes if _is_accepted(finding)}
    kept: list[Offer] = []
    withdrawn: list[Withdrawn] = []
    unread: list[Unread] = []
    unlisted: list[Held] = []
    waiting: list[Finding] = []
    for offer in merged.gone:
        said, was, finding = by_cell.of(offer), before.get(offer.id), many.get(offer.id)
        strike = _strike(offer, was, said, now)
        if offer.price_basis == MANUAL_BASIS:
            withdrawn.append(Withdrawn(offer, "no longer in the price sheet"))
        elif offer.id in accepted or strike.is_meant(accept):
            withdrawn.append(Withdrawn(offer, "confirmed by --accept"))
        elif said is not None and (said.reason in UNUSABLE or _is_mass(finding)):
            kept.append(offer)
            unread.append(Unread(offer, said))
        elif was is not None and was.kind is Kind.GONE:
            kept.append(offer)
            waiting.append(finding or _again(was, offer))
        elif finding is not None and (said is None or _is_mass(finding)):
            kept.append(offer)
            waiting.append(by_cell.blamed(finding, offer))
        elif strike.since < strike.seen and now - strike.since >= NOT_TWICE_WITHIN:
            withdrawn.append(Withdrawn(offer, _evidence(strike, said)))
        else:
            kept.append(offer)
            unlisted.append(strike)
    came = [finding for finding in verdict.held if finding.offer is not None]
    live = {offer.id: offer.usd_per_hour for offer in published if "superseded" not in offer.flags}
    told = _as_before(verdict, [*came, *waiting], before, live)
    return Absence(tuple(kept), tuple(withdrawn), tuple(unread), tuple(unlisted), told)


def _is_accepted(finding: Finding) -> bool:
    return finding.offer is None and finding.detail.startswith("accepted: ")


def _is_mass(finding: Finding | None) -> bool:
    return finding is not None and finding.detector == "W13"


def _strike(offer: Offer, was: Held | None, said: Rejection | None, now: datetime) -> Held:
    """That a row did not come, once or again."""
    detail = "did not come" if said is None else f"{said.reason}: {said.detail}"
    since = was.since if was is not None and was.kind is Kind.UNLISTED else now
    return Held(
        confirm_id("gone", offer.id), offer.id, Kind.UNLISTED, Kind.UNLISTED.value, detail, since, now
    )


def _evidence(strike: Held, said: Rejection | None) -> str:
    days = f"{strike.since:%Y-%m-%d} and {strike.seen:%Y-%m-%d}"
    return f"not listed on {days}" + (f" ({strike.detail})" if said is not None else "")


def _again(was: Held, offer: Offer) -> Finding:
    return Finding(was.detector, offer.id, Action.HOLD, was.detail, offer.usd_per_hour, None, was.id)


class _Reasons:
    """What adapters could not use, looked up by the rows it may be about."""

    def __init__(self, answers: Mapping[str, Collected], entitled: Mapping[str, frozenset[str]]) -> None:
        self._entitled = entitled
        self._named: dict[str, list[Rejection]] = {}
        self._rejections = [one for answer in answers.values() for one in answer.rejections]
        for rejection in self._rejections:
            if rejection.reason in UNUSABLE | WITHDRAWN:
                for word in {rejection.subject, rejection.subject.split()[0] if rejection.subject else ""}:
                    self._named.setdefault(word, []).append(rejection)

    def of(self, offer: Offer) -> Rejection | None:
        """What was said of this very row."""
        found = [
            one
            for word in (offer.id, offer.instance_type)
            for one in self._named.get(word, ())
            if self._is_near(one, offer)
        ]
        return min(found, key=lambda one: (one.reason in WITHDRAWN, one.region is None), default=None)

    def blamed(self, finding: Finding, offer: Offer) -> Finding:
        """The finding with the commonest reason for which rows of its kind could not be used."""
        near = [one for one in self._rejections if self._is_near(one, offer)]
        reasons = Counter(one.reason for one in near if one.reason in UNUSABLE | WITHDRAWN)
        if not reasons:
            return finding
        reason, number = reasons.most_common(1)[0]
        first = next(one for one in near if one.reason == reason)
        said = f"{finding.detail}; {reason} {number:,} times, as in {first.subject}: {first.detail}"
        return replace(finding, detail=said)

    def _is_near(self, rejection: Rejection, offer: Offer) -> bool:
        """Whether an adapter entitled to the row said it, of its region and market or of none."""
        places, markets = (None, offer.region), (None, offer.market)
        here = rejection.region in places and rejection.market in markets
        return here and rejection.provider in self._entitled[offer.id]


def _as_before(
    verdict: Verdict, held: Iterable[Finding], before: Mapping[str, Held], live: Mapping[str, Decimal]
) -> Verdict:
    """The verdict with findings under the ids they had, and with prices that were held and are said again."""
    again = {offer.id: offer for offer in verdict.passed if _is_said_again(offer, before.get(offer.id))}
    waiting = list(held)
    for offer in again.values():
        was = before[offer.id]
        figures = (live.get(offer.id), offer.usd_per_hour)
        waiting.append(Finding(was.detector, offer.id, Action.HOLD, was.detail, *figures, was.id, offer))
    named = [
        replace(one, confirm_id=before[one.offer_id].id)
        if one.offer_id in before and before[one.offer_id].kind is not Kind.UNLISTED
        else one
        for one in waiting
    ]
    passed = tuple(offer for offer in verdict.passed if offer.id not in again)
    return replace(verdict, passed=passed, held=tuple(named))


def _is_said_again(offer: Offer, was: Held | None) -> bool:
    """Whether a price that waits was said again, and the gate has forgotten why it was held."""
    if was is None or was.stated is None or offer.collected_at - was.since > EXPIRES_AFTER:
        return False
    ratio = float(offer.usd_per_hour / was.stated.usd_per_hour)
    return "superseded" not in offer.flags and 1 / _SAME <= ratio <= _SAME


def still_held(
    previous: Sequence[Held], told: Absence, present: Collection[str], brought: Collection[str], now: datetime
) -> tuple[Held, ...]:
    """What the next snapshot holds back: what was held now, and what was before and nobody spoke of.

    Args:
        previous: of the last snapshot, without what was confirmed.
        told: of this refresh.
        present: ids of the rows in force in the next snapshot.
        brought: ids of rows that came.
        now: what was not said for :data:`EXPIRES_AFTER` is forgotten.
    """
    before = {one.offer_id: one for one in previous}
    new = {
        finding.offer_id: _held(finding, before.get(finding.offer_id), now) for finding in told.verdict.held
    }
    new |= {one.offer_id: one for one in told.unlisted}
    spoken = {one.offer.id for one in told.unread} | {one.offer.id for one in told.withdrawn} | set(brought)
    for one in previous:
        is_of_a_row = one.kind is Kind.PRICE or one.offer_id in present
        is_young = now - one.seen <= EXPIRES_AFTER or one.kind is Kind.GONE
        if is_of_a_row and is_young and one.offer_id not in spoken:
            new.setdefault(one.offer_id, one)
    return tuple(new[offer_id] for offer_id in sorted(new))


def _held(finding: Finding, was: Held | None, now: datetime) -> Held:
    kind = Kind.GONE if finding.offer is None else Kind.PRICE
    since = was.since if was is not None and was.kind is kind else now
    return Held(
        finding.confirm_id,
        finding.offer_id,
        kind,
        finding.detector,
        finding.detail,
        since,
        now,
        finding.offer,
    )


@dataclass(frozen=True, slots=True)
class Accepted:
    """What somebody confirmed: the row before and after."""

    held: Held
    before: Offer | None

    def __str__(self) -> str:
        old = "new" if self.before is None else f"${decimal_text(self.before.usd_per_hour)}"
        stated = self.held.stated
        new = "gone" if stated is None else f"${decimal_text(stated.usd_per_hour)}"
        return f"{self.held.offer_id}: {old} → {new}"


def confirmed(
    offers: Sequence[Offer], held: Sequence[Held], words: Collection[str]
) -> tuple[tuple[Offer, ...], tuple[Held, ...], tuple[Accepted, ...]]:
    """The rows with what the user's words confirm, what is still held, and what became of it."""
    meant = {one.offer_id: one for one in held if one.is_meant(words)}
    live = {offer.id: offer for offer in offers if "superseded" not in offer.flags}
    rows = [offer for offer in offers if offer.id not in meant or "superseded" in offer.flags]
    rows += [one.stated for one in meant.values() if one.stated is not None]
    accepted = tuple(Accepted(one, live.get(one.offer_id)) for one in meant.values())
    return tuple(rows), tuple(one for one in held if one.offer_id not in meant), accepted


def blamed(outcomes: Iterable[Outcome], merged: Merged, verdict: Verdict) -> tuple[Outcome, ...]:
    """The outcomes; those whose rows did not come with many others are no full answer."""
    why: dict[str, str] = {}
    for finding in verdict.held:
        for name in merged.entitled.get(finding.offer_id, ()) if finding.offer is None else ():
            why.setdefault(name, finding.detail)
    return marked_partial(outcomes, {name: f"no full answer: {words}" for name, words in why.items()})


def confirm_ids(accepted: Iterable[Accepted], verdict: Verdict, absent: Absence) -> frozenset[str]:
    """Every id under which something was held, before this refresh or in it."""
    findings = (*verdict.held, *verdict.notes)
    gone = {confirm_id("gone", one.offer.id) for one in absent.withdrawn}
    before = {one.held.id for one in accepted}
    return frozenset({finding.confirm_id for finding in findings} | gone | before)


def refuse_unknown(
    words: Collection[str], known: Collection[str], offers: Iterable[Offer], held: Iterable[Held]
) -> None:
    """Refuse a word of ``--accept`` that names nothing.

    Raises:
        UsageError: it is no id of what is held, no offer or pattern of offers, no detector and not ``all``.
    """
    from advisor.catalog.gate import DETECTORS

    ids = {*known, *(one.id for one in held)}
    unknown = set(words) - ids - DETECTORS.keys() - {ALL, AVAILABILITY, Kind.UNLISTED.value}
    names = {offer.id for offer in offers} if unknown else set()
    for word in sorted(unknown - names):
        if not (is_pattern(word) and any(fnmatchcase(name, word) for name in names)):
            shown = ", ".join(sorted(ids)[:6]) or "nothing at all"
            raise UsageError(
                f"--accept: nothing is held under '{word}'; an id ({shown}), an offer, a pattern of offers,"
                " a detector (large_move) or all is allowed"
            )
