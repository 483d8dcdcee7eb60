"""The use case: ask, merge, gate; publishing is one more step. Everything that happened is in the result."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from advisor.refresh.absence import absence, blamed, confirm_ids, confirmed, refuse_unknown, still_held
from advisor.refresh.collecting import (
    Outcome,
    Patience,
    State,
    collect_all,
    marked_partial,
    refuse_wrong_clock,
    silent,
)
from advisor.refresh.merging import Counts, count, merge, settle
from advisor.refresh.own_prices import Overlay, as_listed, without_listed
from advisor.refresh.standing import standing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from advisor.catalog.facts import Facts
    from advisor.catalog.gate.finding import Verdict
    from advisor.catalog.held import Held
    from advisor.catalog.snapshot import Snapshot
    from advisor.domain import Offer, QuotaLimit
    from advisor.errors import AdvisorError
    from advisor.provider import Provider, Rejection, Scope
    from advisor.refresh.absence import Accepted, Unread, Withdrawn
    from advisor.refresh.collecting import Listener

EXIT_DONE: Final = 0
EXIT_PARTIAL: Final = 5
EXIT_NOTHING: Final = 6


class Gate(Protocol):
    """Judges what was brought against the last snapshot."""

    def __call__(
        self,
        offers: Sequence[Offer],
        previous: Sequence[Offer],
        now: datetime,
        accept: Collection[str],
        gone: Collection[str],
    ) -> Verdict:
        """Which rows may be published. ``gone`` are the ids of rows that should have come and did not."""
        ...


def gate_of(facts: Facts) -> Gate:
    """All detectors of the catalog's gate."""
    from advisor.catalog.gate import judge

    def gate(
        offers: Sequence[Offer],
        previous: Sequence[Offer],
        now: datetime,
        accept: Collection[str],
        gone: Collection[str],
    ) -> Verdict:
        return judge(offers, previous, facts, now, accept=frozenset(accept), covers=lambda o: o.id in gone)

    return gate


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """Everything one refresh did and could not do."""

    now: datetime
    outcomes: tuple[Outcome, ...]
    counts: Mapping[str, Counts]
    verdict: Verdict  #: of the gate
    offers: tuple[Offer, ...]  #: of the next snapshot
    evidence: Mapping[str, bytes]  #: of the rows that were fetched now
    previous: Snapshot | None
    fresh: int  #: rows that were fetched now
    named: frozenset[str] = frozenset()  #: providers the user asked for by name
    rejections: tuple[Rejection, ...] = ()  #: what only came to light with the last snapshot at hand
    warnings: tuple[str, ...] = ()  #: sentences
    held: tuple[Held, ...] = ()  #: what the next snapshot holds back
    accepted: tuple[Accepted, ...] = ()  #: of what the last snapshot held back, what the user confirmed
    withdrawn: tuple[Withdrawn, ...] = ()  #: rows that left the catalog, each with its evidence
    unread: tuple[Unread, ...] = ()  #: rows that stay old, since what was said of them could not be used

    @property
    def quotas(self) -> tuple[QuotaLimit, ...]:
        """Quotas the accounts hold. They are no part of a snapshot."""
        return tuple(limit for o in self.outcomes if o.collected for limit in o.collected.quotas)

    @property
    def is_anything_new(self) -> bool:
        """Whether there is anything to publish."""
        dropped = any(counts.dropped for counts in self.counts.values())
        return self.fresh > 0 or dropped or bool(self.accepted)

    def missing(self, *, strict: bool) -> tuple[str, ...]:
        """What is not whole, in sentences; with none of them the refresh is complete.

        Want of credentials counts where the provider was asked for by name. With ``strict`` it also counts
        where the catalog holds rows that thus stay old, and so do rows the gate refused. What a vendor does
        not publish at all never counts.
        """
        sentences = []
        for outcome in self.outcomes:
            stays_old = outcome.provider in self.counts and self.counts[outcome.provider].kept > 0
            wanted = outcome.provider in self.named or (strict and stays_old)
            excused = outcome.state is State.NOT_SET_UP and not wanted
            if outcome.state is not State.DONE and not excused:
                sentences.append(f"{outcome.provider}: {outcome.why}")
        if self.rejections and not self.is_anything_new:
            first, more = self.rejections[0], len(self.rejections) - 1
            others = f" (and {more} more)" if more else ""
            sentences.append(f"{first.provider}: {first.detail}{others}")
        if self.unread:
            sentences.append(_unread(self.unread))
        for words, findings, counts in (
            ("holds back", self.verdict.held, True),
            ("refuses", self.verdict.refused, strict or self._replaced()),
        ):
            if findings and counts:
                sentences.append(
                    f"the gate {words} {len(findings):,} {'row' if len(findings) == 1 else 'rows'}"
                )
        return tuple(sentences)

    def _replaced(self) -> bool:
        """Whether the gate refuses a row that was published before."""
        return any(finding.before is not None for finding in self.verdict.refused)

    def exit_code(self, *, strict: bool) -> int:
        """0 all there, 5 something is missing, 6 nothing to publish."""
        if not self.is_anything_new:
            return EXIT_NOTHING
        return EXIT_PARTIAL if self.missing(strict=strict) else EXIT_DONE


def _unread(rows: Sequence[Unread]) -> str:
    first = rows[0]
    stay = "row stays" if len(rows) == 1 else "rows stay"
    said = f"{first.offer.id}: {first.rejection.reason}: {first.rejection.detail}"
    return f"{len(rows):,} {stay} as before, what was said could not be used, as of {said}"


def refresh(
    providers: Mapping[str, Provider | AdvisorError],
    scope: Scope,
    previous: Snapshot | None,
    now: datetime,
    *,
    gate: Gate,
    accept: Collection[str] = (),
    named: Collection[str] = (),
    patience: Patience = Patience(),  # noqa: B008 frozen
    listener: Listener | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> RefreshResult:
    """Ask every provider, judge the answers, merge them into the last snapshot. Publishes nothing.

    An error in place of a provider is why it cannot be asked. Rows of providers that were not reached stay as
    they are, time stamps included.
    """
    published = previous.offers if previous else ()
    listed, waiting, accepted = confirmed(as_listed(published), previous.held if previous else (), accept)
    outcomes = collect_all(providers, scope, now, patience=patience, listener=listener, clock=clock)
    refuse_wrong_clock(outcomes, now)
    outcomes = without_listed(outcomes, listed)
    answers = {outcome.provider: outcome.collected for outcome in outcomes if outcome.collected}
    stands = standing(listed, merge(listed, outcomes, scope), accept)
    merged = stands.merged
    rows = [offer for _, offer in merged.brought.values()]
    judged = gate(rows, listed, now, accept, {offer.id for offer in merged.gone})
    absent = absence(listed, merged, answers, judged, waiting, accept, now)
    verdict = absent.verdict
    outcomes = marked_partial(blamed(outcomes, merged, verdict), stands.why | silent(outcomes, listed, scope))
    offers = settle(listed, merged, verdict, absent.kept)
    held = still_held(waiting, absent, {offer.id for offer in offers}, merged.brought, now)
    overlay = Overlay(published, outcomes, scope, now)
    laid = overlay.laid(offers, lambda own, said: gate(own, said, now, accept, ()))
    words = confirm_ids(accepted, verdict + laid.verdict, absent)
    refuse_unknown(accept, words, (*listed, *rows), waiting)
    counts = count(listed, offers, merged, [outcome.provider for outcome in outcomes])
    if overlay.adapter:
        counts[overlay.adapter] = counts.get(overlay.adapter, Counts()) + laid.counts
    return RefreshResult(
        now=now,
        outcomes=outcomes,
        counts=counts,
        verdict=verdict + laid.verdict,
        offers=laid.offers,
        evidence={**merged.evidence, **laid.evidence},
        previous=previous,
        fresh=len(verdict.passed) + laid.counts.brought,
        named=frozenset(named),
        rejections=(*merged.rejections, *laid.rejections),
        warnings=(*stands.notes, *laid.warnings),
        held=held,
        accepted=accepted,
        withdrawn=absent.withdrawn,
        unread=absent.unread,
    )
