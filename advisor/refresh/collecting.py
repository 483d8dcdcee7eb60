"""Ask all providers at once, with bounded concurrency, and wait for none of them longer than agreed."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from advisor.errors import AdvisorError, MissingCredentials, NothingPublished, Unavailable
from advisor.provider import Aspect, Provider, reporting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from advisor.domain import Offer
    from advisor.provider import Collected, Scope

FAILURES: Final = frozenset({"fetch_failed", "answered_from_cache"})
"""Rejection reasons that mean that a vendor, a region or a market did not answer."""


class State(StrEnum):
    """How far one provider got."""

    DONE = "done"
    PARTIAL = "partial"  # some regions or requests failed, or an older answer stands in
    FAILED = "failed"
    NOT_SET_UP = "not set up"  # credentials, or whatever else it cannot do without, are missing


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one provider."""

    provider: str  #: the adapter's name
    state: State
    collected: Collected | None  #: None where nothing came
    why: str | None  #: why nothing, or not everything, came
    seconds: float

    @property
    def rejections(self) -> Counter[str]:
        """How many things it said could not be used, per reason."""
        return Counter(r.reason for r in self.collected.rejections) if self.collected else Counter()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one provider is, as far as its adapter tells. Not every adapter does."""

    regions: int = 0  #: or pages, where an adapter has no regions; done, whether they answered or not
    of: int = 0  #: regions to be done; 0 where nobody knows
    rows: int = 0
    retries: int = 0


class Listener(Protocol):
    """Who is told how it goes, from the calling thread."""

    def started(self, provider: str) -> None:
        """A provider is being asked."""
        ...

    def progressed(self, provider: str, progress: Progress) -> None:
        """Its adapter told how far it is."""
        ...

    def finished(self, outcome: Outcome) -> None:
        """A provider answered, failed, or ran out of time."""
        ...


class Silent:
    """Nobody listens."""

    def started(self, provider: str) -> None:
        """Say nothing."""

    def progressed(self, provider: str, progress: Progress) -> None:
        """Say nothing."""

    def finished(self, outcome: Outcome) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How many providers at once, and how long each may take."""

    max_workers: int = 8
    timeout_s: float = 900.0  #: for one provider, all its regions and retries together


_Answers = queue.SimpleQueue[tuple[str, "Collected | Exception | Progress"]]


def collect_all(
    providers: Mapping[str, Provider | AdvisorError],
    scope: Scope,
    now: datetime,
    *,
    patience: Patience = Patience(),
    listener: Listener | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Outcome, ...]:
    """One outcome per provider, by name. An error in place of a provider is its outcome.

    A provider that is still busy when its time is up is left behind in a thread that ends with the process.
    """
    # The first import of requests changes the process's warning filters, and Python's filters are not for
    # threads: one adapter's import may undo what another's has just set.
    import requests  # noqa: F401

    told = listener or Silent()
    outcomes: dict[str, Outcome] = {}
    for name, provider in providers.items():
        if isinstance(provider, AdvisorError):
            outcomes[name] = _failed(name, provider, 0.0)
            told.finished(outcomes[name])
    waiting = deque(sorted(set(providers) - set(outcomes)))
    since: dict[str, float] = {}
    answers: _Answers = queue.SimpleQueue()
    while waiting or since:
        while waiting and len(since) < patience.max_workers:
            name = waiting.popleft()
            since[name] = clock()
            told.started(name)
            _start(name, providers[name], scope, now, answers)
        for outcome in _next(since, answers, patience.timeout_s, clock, told):
            del since[outcome.provider]
            outcomes[outcome.provider] = outcome
            told.finished(outcome)
    return tuple(outcomes[name] for name in sorted(outcomes))


def _start(
    name: str, provider: Provider | AdvisorError, scope: Scope, now: datetime, answers: _Answers
) -> None:
    assert isinstance(provider, Provider)

    def ask() -> None:
        try:
            with reporting(_Tally(name, answers)):
                collected = provider.collect(scope, now)
            answers.put((name, collected))
        except Exception as error:  # noqa: BLE001 the code of a third party: one adapter must not sink the run
            answers.put((name, error))

    threading.Thread(target=ask, name=f"refresh {name}", daemon=True).start()


class _Tally:
    """Adds up what one adapter tells, from whatever thread, and passes it on."""

    def __init__(self, name: str, answers: _Answers) -> None:
        self._name = name
        self._answers = answers
        self._lock = threading.Lock()
        self._so_far = Progress()

    def __call__(self, *, regions: int = 0, rows: int = 0, retries: int = 0, of: int = 0) -> None:
        with self._lock:
            was = self._so_far
            self._so_far = Progress(
                was.regions + regions, was.of + of, was.rows + rows, was.retries + retries
            )
            self._answers.put((self._name, self._so_far))


def _next(
    since: Mapping[str, float],
    answers: _Answers,
    timeout_s: float,
    clock: Callable[[], float],
    told: Listener,
) -> list[Outcome]:
    """The next answer, or those whose time is up."""
    try:
        name, answer = answers.get(timeout=max(min(since.values()) + timeout_s - clock(), 0.0))
    except queue.Empty:
        return _late(since, timeout_s, clock)
    if isinstance(answer, Progress):
        if name in since:
            told.progressed(name, answer)
        return _late(since, timeout_s, clock)  # one that never stops telling is late all the same
    if name not in since:
        return []  # given up before
    seconds = clock() - since[name]
    if isinstance(answer, Exception):
        return [_failed(name, answer, seconds)]
    return [_came(name, answer, seconds)]


def _late(since: Mapping[str, float], timeout_s: float, clock: Callable[[], float]) -> list[Outcome]:
    late = Unavailable(f"not done within {timeout_s:g} s and left behind; --timeout-s allows more")
    return [_failed(name, late, timeout_s) for name in since if clock() - since[name] >= timeout_s]


def _came(name: str, collected: Collected, seconds: float) -> Outcome:
    failures = [rejection for rejection in collected.rejections if rejection.reason in FAILURES]
    if not failures:
        return Outcome(name, State.DONE, collected, None, seconds)
    places = sorted({rejection.region or rejection.subject for rejection in failures})
    shown = ", ".join(places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else "")
    why = f"no full answer for {shown}: {failures[0].detail.removeprefix(f'{name}: ')}"
    return Outcome(name, State.PARTIAL, collected, why, seconds)


def silent(outcomes: Iterable[Outcome], published: Iterable[Offer], scope: Scope) -> dict[str, str]:
    """Why, by adapter: it brought no row at all, and the catalog holds some that it was asked for."""
    known = {
        offer.provider
        for offer in published
        if scope.covers_region(offer.provider, offer.region) and scope.covers_market(offer.market)
    }
    why = {}
    for outcome in outcomes:
        collected = outcome.collected
        if collected is not None and not collected.offers and outcome.provider in known:
            reasons = [one.why for one in collected.unseen if one.what is Aspect.PRICE]
            why[outcome.provider] = "; ".join(["no row came", *dict.fromkeys(reasons)])
    return why


CLOCK_WRONG: Final = timedelta(hours=2)
"""Vendors that agree by so much that our clock is wrong are right."""


def refuse_wrong_clock(outcomes: Iterable[Outcome], now: datetime) -> None:
    """Refuse to stamp anything with a clock that several vendors contradict; one alone may be wrong itself.

    Raises:
        NothingPublished: two vendors or more put our clock hours ahead, or behind, and none says otherwise.
    """
    told = {o.provider: o.collected.clock_ahead for o in outcomes if o.collected}
    gaps = {name: gap for name, gap in told.items() if gap is not None}
    ahead, behind = (all(sign * gap > CLOCK_WRONG for gap in gaps.values()) for sign in (1, -1))
    if len(gaps) >= 2 and (ahead or behind):
        vendor = now - min(gaps.values(), key=abs)
        raise NothingPublished(
            f"this machine's clock says {now:%Y-%m-%d %H:%M}Z, {' and '.join(sorted(gaps))} say"
            f" {vendor:%Y-%m-%d %H:%M}Z; set the clock, nothing was published"
        )


def marked_partial(outcomes: Iterable[Outcome], why: Mapping[str, str]) -> tuple[Outcome, ...]:
    """The outcomes; those that were done are partial where there is a reason, by adapter."""
    return tuple(
        replace(outcome, state=State.PARTIAL, why=why[outcome.provider])
        if outcome.provider in why and outcome.state is State.DONE
        else outcome
        for outcome in outcomes
    )


def _failed(name: str, error: Exception, seconds: float) -> Outcome:
    state = State.NOT_SET_UP if isinstance(error, MissingCredentials) else State.FAILED
    return Outcome(name, state, None, _reason(error).removeprefix(f"{name}: "), seconds)


def _reason(error: Exception) -> str:
    """The message of our own errors; of any other only kind and place, since its text may hold a secret."""
    if isinstance(error, AdvisorError):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace is not None else None
    place = f" at {Path(code.co_filename).name}:{trace.tb_lineno}" if code and trace else ""
    return f"the adapter broke off with {type(error).__name__}{place}; this is a bug of the adapter"
