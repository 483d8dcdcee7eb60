"""The nouns of the contract: what is asked of an adapter, and the kinds of answer it may give."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from advisor.domain import Market, Offer, QuotaLimit
    from advisor.sheet.prices import PriceSheet

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
    "not_listed": "it prices only what others list, and nobody lists it",
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

    def clock_ahead(self, now: datetime) -> timedelta | None:
        """How far our clock is ahead of the vendor's; None where the answer does not tell."""
        if self.vendor_time is None or self.stale:
            return None
        return (self.received_at or now) - self.vendor_time

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


@dataclass(frozen=True, slots=True)
class PricedOffer:
    """An offer, and which of the vendor's items says so."""

    offer: Offer
    evidence_digest: str  #: key of :attr:`Collected.evidence`


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
    sheet: PriceSheet | None = None  #: the user's own prices of what others list too
    clock_ahead: timedelta | None = None  #: of ours, against the vendor's; None where it stated no time

    def __post_init__(self) -> None:
        missing = [priced.offer.id for priced in self.offers if priced.evidence_digest not in self.evidence]
        if missing:
            raise ValueError(f"{self.provider}: no evidence for {missing[0]} (and {len(missing) - 1} more)")


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
