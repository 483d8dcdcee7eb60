"""The contract of a provider adapter, and how adapters are found.

An adapter turns what one vendor says into offers, quotas and reasons. Third parties register theirs under
the entry-point group ``advisor.providers``, exactly as the built-in ones do; a module is imported only when
its provider is asked for. Three states, never two: an offer (known), a :class:`Rejection` (said, but
unusable), an :class:`Unseen` (could not be asked, or is not published).
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from importlib import metadata
from math import isfinite
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, Self, cast, runtime_checkable

from advisor.errors import ProviderError, UnknownName
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from advisor.domain import Market, Offer, QuotaLimit

ENTRY_POINT_GROUP: Final = "advisor.providers"
GLOBAL_REGION: Final = "global"
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far a vendor's clock and ours may differ unremarked (what Kerberos takes: RFC 4120, 5 minutes)."""

REJECTION_REASONS: Final[dict[str, str]] = {
    "unknown_accelerator": "the vendor's name for the chip is not mapped to one of ours",
    "no_accelerator": "the shape holds no accelerator",
    "memory_mismatch": "the memory stated for the chip is not that of the accelerator its name means",
    "price_missing": "no positive price was stated",
    "price_conflict": "two prices were stated for one and the same offer",
    "not_sold_this_way": "the vendor says this shape is not sold in this way",
    "not_rentable": "listed, but not to be rented now",
    "region_unknown": "where it stands was not stated",
    "region_not_enabled": "the account may not use this region until it is enabled",
    "malformed_item": "a field the row cannot do without is missing or not what it should be",
    "fetch_failed": "one of several requests failed; what the others brought is kept",
    "answered_from_cache": "the provider failed; an older answer stands in, with its old time stamp",
    "other_product": "a price of something else: another system, service, tier or kind of contract",
    "reservation_term": "a price of a whole reserved term, not of an hour",
    "foreign_currency": "not stated in US dollars",
    "not_in_force": "its validity is over or has not begun",
    "spot_above_on_demand": "spot dearer than on demand, which the vendor rules out",
    "spot_implausible": "spot cheaper than any discount the vendor gives",
    "specification_mismatch": "the vendor states another size for the shape than we know",
    "other": "see the detail",
}
"""Every reason a payload item can be unusable, and what it means in words."""


class Aspect(StrEnum):
    """What an adapter may be unable to see."""

    PRICE = "price"
    AVAILABILITY = "availability"
    QUOTA = "quota"


@dataclass(frozen=True, slots=True)
class Scope:
    """What the caller is interested in. A hint: an adapter may bring more, never silently less."""

    regions: tuple[str, ...] = ()  #: shell patterns, bare or ``provider:pattern``; empty is everywhere
    markets: tuple[Market, ...] = ()  #: empty is every market

    def covers_region(self, provider: str, region: str) -> bool:
        """Whether rows of this region are wanted; a provider without regions is always covered."""
        if not self.regions or region == GLOBAL_REGION:
            return True
        names = (region, f"{provider}:{region}")
        return any(fnmatchcase(name, pattern) for pattern in self.regions for name in names)

    def covers_market(self, market: Market) -> bool:
        """Whether rows of this market are wanted."""
        return not self.markets or market in self.markets


@dataclass(frozen=True, slots=True)
class Rejection:
    """One thing a vendor said that could not be used, in a form that can be counted."""

    provider: str
    region: str | None  #: None where it concerns no region
    market: Market | None  #: None where it concerns every market
    subject: str  #: the vendor's own name for the item or the request
    reason: str  #: a key of :data:`REJECTION_REASONS`
    detail: str

    def __post_init__(self) -> None:
        if self.reason not in REJECTION_REASONS:
            raise ValueError(f"{self.reason!r} is not a rejection reason")


@dataclass(frozen=True, slots=True)
class Unseen:
    """Something an adapter could not see at all, and why."""

    what: Aspect
    market: Market | None  #: None is every market
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a vendor, as a :class:`Fetch` gives it. Numbers with a point are ``Decimal``."""

    payload: object
    received_at: datetime | None = None  #: None is now; the time of the original for one from a cache
    vendor_time: datetime | None = None  #: the vendor's own clock when it answered; None is not stated
    stale: bool = False  #: an expired answer that stands in for a failed request
    retries: int = 0  #: requests repeated to get it

    def said_at(self, now: datetime) -> datetime:
        """When the vendor said it: never later than now; the vendor's own clock where that is well behind."""
        received = min(self.received_at or now, now)
        if self.vendor_time is not None and received - self.vendor_time > CLOCK_TOLERANCE:
            return self.vendor_time
        return received

    def clock_warning(self, now: datetime) -> str | None:
        """A sentence where the vendor's clock and ours disagree, else None."""
        received = self.received_at or now
        if self.vendor_time is None or abs(received - self.vendor_time) <= CLOCK_TOLERANCE:
            return None
        return (
            f"the vendor's clock said {self.vendor_time:%Y-%m-%d %H:%M}Z,"
            f" ours {received:%Y-%m-%d %H:%M}Z;"
            f" rows are stamped {self.said_at(now):%Y-%m-%d %H:%M}Z, the earlier of the two"
        )


class Fetch(Protocol):
    """How an adapter reaches its vendor: authentication, retries and caching are behind it."""

    def __call__(self, operation: str, **args: object) -> Answer:
        """The vendor's answer to one operation.

        Raises:
            ProviderError: it could not be had.
        """
        ...


class Tell(Protocol):
    """Takes note of how far an adapter is; figures are added up. May be called from any thread."""

    def __call__(self, *, regions: int = 0, rows: int = 0, retries: int = 0, of: int = 0) -> None:
        """Add to the figures.

        Args:
            regions: done, whether they answered or not; pages, where there are no regions.
            rows: of the vendor's read, whatever comes of them.
            retries: requests repeated.
            of: regions that are to be done.
        """
        ...


def _tell_nobody(*, regions: int = 0, rows: int = 0, retries: int = 0, of: int = 0) -> None:
    pass


_TELL: Final[ContextVar[Tell]] = ContextVar("tell", default=_tell_nobody)


def reporter() -> Tell:
    """Whom to tell how far :meth:`Provider.collect` is. Ask in the thread that called it; all optional."""
    return _TELL.get()


@contextmanager
def reporting(tell: Tell) -> Iterator[None]:
    """Let an adapter called in this thread within the block tell how far it is."""
    token = _TELL.set(tell)
    try:
        yield
    finally:
        _TELL.reset(token)


@dataclass(frozen=True, slots=True)
class PricedOffer:
    """An offer, and which of the vendor's items says so."""

    offer: Offer
    evidence_digest: str  #: key of :attr:`Collected.evidence`


def canonical_bytes(item: object) -> bytes:
    """The vendor's item as ASCII JSON with sorted keys and its numbers as received: same item, same bytes."""
    text = _canonical_at_once(item)
    return (_canonical(item) if text is None else text).encode("ascii")


_DECIMAL_MARK: Final = re.compile(r'"\\u0000D([^"\\]*)\\u0000"')


def _canonical_at_once(item: object) -> str | None:
    """As :func:`_canonical`, by the encoder written in C; None where that would write something else.

    It knows no Decimal: each goes in as a marked text, and the marks come off afterwards.
    """
    marked = 0

    def mark(value: object) -> str:
        nonlocal marked
        if not isinstance(value, Decimal):
            raise TypeError
        if not value.is_finite():
            return str(value)
        marked += 1
        return f"\x00D{value}\x00"

    try:
        if not _only_text_keys(item):
            return None
        text = json.dumps(
            item,
            sort_keys=True,
            separators=(",", ":"),
            allow_nan=False,
            check_circular=False,
            default=mark,
        )
    except (TypeError, ValueError):
        return None
    if not marked and "\\u0000D" not in text:
        return text
    unmarked, found = _DECIMAL_MARK.subn(r"\1", text)
    return unmarked if found == marked else None  # a vendor's own text looks like a mark


def _only_text_keys(item: object) -> bool:
    values: Iterable[object]
    if isinstance(item, dict):
        for key in item:
            if key.__class__ is not str:
                return False
        values = item.values()
    elif isinstance(item, list | tuple):
        values = item
    else:
        return True
    for value in values:  # most are text; no call for those: this is half of the time
        if value.__class__ is not str and isinstance(value, _NESTS) and not _only_text_keys(value):
            return False
    return True


_NESTS: Final = (dict, list, tuple)


def _canonical(item: object) -> str:
    if isinstance(item, dict):
        inner = ",".join(f"{json.dumps(str(key))}:{_canonical(item[key])}" for key in sorted(item, key=str))
        return f"{{{inner}}}"
    if isinstance(item, list | tuple):
        return f"[{','.join(_canonical(element) for element in item)}]"
    if isinstance(item, float) and not isfinite(item):
        return json.dumps(str(item))  # JSON has no such number; a vendor's NaN is kept as the text "NaN"
    if isinstance(item, Decimal):
        return str(item) if item.is_finite() else json.dumps(str(item))
    return json.dumps(item)


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


@dataclass(frozen=True, slots=True)
class Collected:
    """All one provider brought in one refresh."""

    provider: str
    offers: tuple[PricedOffer, ...]  #: one per offer id, in order of id
    quotas: tuple[QuotaLimit, ...]
    rejections: tuple[Rejection, ...]  #: without repetitions
    unseen: tuple[Unseen, ...]
    evidence: Mapping[str, bytes]  #: sha256 (hex) to the vendor's item in canonical bytes
    regions_done: tuple[str, ...]  #: regions that answered, sorted
    warnings: tuple[str, ...] = ()  #: sentences
    retries: int = 0  #: requests repeated

    def __post_init__(self) -> None:
        missing = [priced.offer.id for priced in self.offers if priced.evidence_digest not in self.evidence]
        if missing:
            raise ValueError(f"{self.provider}: no evidence for {missing[0]} (and {len(missing) - 1} more)")


def collected(
    provider: str,
    readings: Iterable[Reading],
    *,
    answers: Iterable[Answer] = (),
    now: datetime,
    quotas: Iterable[QuotaLimit] = (),
    unseen: Iterable[Unseen] = (),
    regions_done: Iterable[str] = (),
) -> Collected:
    """Everything read, as one result. Two prices for one offer are a conflict, never the first one (W8)."""
    readings, answers = tuple(readings), tuple(answers)
    offers, conflicts = _settle(provider, [priced for reading in readings for priced in reading.offers])
    said = [rejection for reading in readings for rejection in reading.rejections]
    evidence = {digest: content for reading in readings for digest, content in reading.evidence.items()}
    kept = {priced.evidence_digest for priced in offers}
    warnings = [warning for answer in answers if (warning := answer.clock_warning(now))]
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


@runtime_checkable
class Provider(Protocol):
    """One cloud's prices. Built by :meth:`from_env`, or around a ``fetch`` of one's own, a fake cloud."""

    name: ClassVar[str]  #: the provider's id in offers; the entry point has the same name
    permissions: ClassVar[str]  #: the least privilege it needs, in words, for `refresh --explain-permissions`

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """An adapter that reaches the real vendor. Sends nothing yet.

        Raises:
            MissingCredentials: it can see nothing at all without credentials, and found none.
            UsageError: a setting is not allowed, such as a base URL that is not https.
        """
        ...

    def collect(self, scope: Scope, now: datetime) -> Collected:
        """What the vendor says now. One region or request failing is a rejection in the result.

        It may tell a :func:`reporter` how far it is.

        Raises:
            ProviderError: nothing at all could be read.
        """
        ...


def registered(entry_points: Iterable[metadata.EntryPoint] | None = None) -> tuple[str, ...]:
    """Names of all registered providers, sorted. Imports none of them."""
    return tuple(sorted({point.name for point in _points(entry_points)}))


def load_provider(name: str, entry_points: Iterable[metadata.EntryPoint] | None = None) -> type[Provider]:
    """The adapter class registered under this name; only its module is imported.

    Raises:
        UnknownName: nobody registered it.
        ProviderError: it is registered twice, cannot be imported, or does not keep the contract.
    """
    points = _points(entry_points)
    targets = sorted({point.value for point in points if point.name == name})
    if not targets:
        raise UnknownName("provider", name, [point.name for point in points])
    if len(targets) > 1:
        raise ProviderError(f"provider '{name}' is registered twice: {' and '.join(targets)}; uninstall one")
    point = next(point for point in points if point.name == name)
    try:
        loaded = point.load()
    except Exception as error:  # a third party's module may raise anything on import
        raise ProviderError(
            f"provider '{name}' cannot be loaded from {point.value}: {_said(error)}"
        ) from error
    wanted = ("name", "permissions", "from_env", "collect")
    lacks = [attribute for attribute in wanted if not hasattr(loaded, attribute)]
    if lacks:
        raise ProviderError(f"provider '{name}' ({point.value}) has no {', '.join(lacks)}")
    if loaded.name != name:
        raise ProviderError(f"provider '{name}' ({point.value}) calls itself '{loaded.name}'")
    return cast("type[Provider]", loaded)


def _points(entry_points: Iterable[metadata.EntryPoint] | None) -> tuple[metadata.EntryPoint, ...]:
    return tuple(metadata.entry_points(group=ENTRY_POINT_GROUP) if entry_points is None else entry_points)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]
