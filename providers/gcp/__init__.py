"""Google Cloud: prices of GPU machines put together from the billing catalogue, with zones and quotas.

Prices need an API key only; zones and quotas need Google credentials. Prices are regional: Google publishes
none by zone. Not read: TPUs, which another service sells, and Advice's capacity forecasts and price history.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, Self

from advisor.domain import Market
from advisor.errors import MissingCredentials, PayloadError, ProviderError
from advisor.provider import (
    Answer,
    Aspect,
    Collected,
    Fetch,
    Ledger,
    Scope,
    Tell,
    Unseen,
    collected,
    reporter,
)
from providers.gcp import compose, quota, skus
from providers.gcp.access import GoogleAccess
from providers.gcp.machines import Listing, listing
from providers.gcp.shapes import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from advisor.domain import QuotaLimit

MOST_PAGES: Final = 100
_UNLISTED: Final = "no machine type list could be read; the shape is as documented"
_WORKERS: Final = 6


@dataclass(slots=True)
class _Asked:
    """What one question brought: answers, or why none."""

    answers: tuple[Answer, ...] = ()
    error: ProviderError | None = None

    def payload(self) -> object:
        """The only answer's payload.

        Raises:
            ProviderError: there is none.
        """
        if self.error is not None:
            raise self.error
        return self.answers[0].payload


@dataclass(slots=True)
class _Seen:
    """What is known so far of one collection."""

    ledger: Ledger = field(default_factory=lambda: Ledger(NAME))
    unseen: list[Unseen] = field(default_factory=list)
    quotas: list[QuotaLimit] = field(default_factory=list)


class GoogleCloud:
    """GPU machines of Google Cloud. An API key brings prices, credentials bring zones and quotas too."""

    name: ClassVar[str] = NAME
    permissions: ClassVar[str] = (
        "Google Cloud: prices need an API key restricted to the Cloud Billing API (GOOGLE_API_KEY), or\n"
        "the credentials below with that API enabled. Zones and quotas need application default credentials\n"
        "with roles/compute.viewer and roles/cloudquotas.viewer on the project (GOOGLE_CLOUD_PROJECT), and\n"
        "the Compute Engine and Cloud Quotas APIs enabled. As a custom role:\n"
        "  title: llm-fleet-advisor read\n"
        "  includedPermissions:\n"
        "  - compute.acceleratorTypes.list\n"
        "  - compute.machineTypes.list\n"
        "  - compute.projects.get\n"
        "  - compute.regions.list\n"
        "  - cloudquotas.quotas.get\n"
        "A user's own credentials also need serviceusage.services.use on that project. Nothing is written."
    )

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """An adapter on Google's APIs, or where ``ADVISOR_GCP_BILLING_URL`` and its kin say.

        Raises:
            MissingCredentials: neither an API key nor Google's default credentials.
        """
        return cls(GoogleAccess(environ))

    def collect(self, scope: Scope, now: datetime) -> Collected:
        """Every shape, region and market that can be priced, with zones and quotas where they may be seen.

        Raises:
            ProviderError: the billing catalogue could not be read whole; half would hide conflicts.
        """
        tell = reporter()
        catalogue = _told(self._pages("skus", lambda payload: skus.page_of(payload)[1]), tell)
        first = next(catalogue)  # without prices nothing else is worth asking
        asked = self._ask_all(lambda: (first, *catalogue))
        if asked["skus"].error is not None:
            raise asked["skus"].error
        seen = _Seen()
        pages = asked["skus"].answers
        book = skus.price_book(
            seen.ledger, [item for page in pages for item in skus.page_of(page.payload)[0]]
        )
        said_at = min(page.said_at(now) for page in pages)
        listed = _listing(seen, asked["machineTypes"], asked["acceleratorTypes"])
        places = (
            compose.documented_places(book, _UNLISTED)
            if listed is None
            else compose.listed_places(book, listed, asked["machineTypes"].answers[0].said_at(now))
        )
        wanted = [place for place in places if scope.covers_region(NAME, place.region)]
        regions = {place.region for place in wanted}
        tell(of=len(regions))
        for place in wanted:
            compose.compose(seen.ledger, place, book, scope, said_at)
        tell(regions=len(regions))
        _read_quotas(seen, asked)
        if not any(skus.page_of(page.payload)[0] for page in pages):
            seen.unseen.append(
                Unseen(Aspect.PRICE, None, "the billing catalogue answered with an empty list")
            )
        return collected(
            NAME,
            [seen.ledger.reading()],
            answers=[answer for one in asked.values() for answer in one.answers],
            now=now,
            quotas=sorted(seen.quotas, key=lambda limit: limit.key),
            unseen=seen.unseen,
            regions_done=regions,
        )

    def _ask_all(self, catalogue: Callable[[], tuple[Answer, ...]]) -> dict[str, _Asked]:
        """All questions at once: each pages on its own, and none needs another's answer."""
        questions: dict[str, Callable[[], tuple[Answer, ...]]] = {
            "skus": catalogue,
            "quotaInfos": lambda: tuple(
                self._pages("quotaInfos", lambda payload: quota.quota_page_of(payload)[1])
            ),
        }
        for operation in ("machineTypes", "acceleratorTypes", "regions", "project"):
            questions[operation] = partial(self._once, operation)
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix=NAME) as pool:
            running = {name: pool.submit(_tried, question) for name, question in questions.items()}
            return {name: future.result() for name, future in running.items()}

    def _once(self, operation: str) -> tuple[Answer, ...]:
        return (self._fetch(operation),)

    def _pages(self, operation: str, next_token: Callable[[object], str]) -> Iterator[Answer]:
        token = ""
        followed: set[str] = set()
        while True:
            answer = self._fetch(operation, page_token=token)
            yield answer
            token = next_token(answer.payload)
            if not token:
                return
            if token in followed or len(followed) >= MOST_PAGES:
                raise PayloadError(f"{NAME}: {operation}: the pages do not end")
            followed.add(token)


def _told(pages: Iterator[Answer], tell: Tell) -> Iterator[Answer]:
    for page in pages:
        tell(rows=len(skus.page_of(page.payload)[0]), retries=page.retries)
        yield page


def _tried(question: Callable[[], tuple[Answer, ...]]) -> _Asked:
    try:
        return _Asked(question())
    except ProviderError as error:
        return _Asked(error=error)


def _listing(seen: _Seen, machine_types: _Asked, accelerator_types: _Asked) -> Listing | None:
    """The project's own list; None where it may not be seen, which is then said."""
    try:
        payload = machine_types.payload()
        attachable = None
        if accelerator_types.error is None:
            attachable = accelerator_types.payload()
        else:
            _say_unseen(seen, Aspect.AVAILABILITY, None, "acceleratorTypes", accelerator_types.error)
        return listing(seen.ledger, payload, attachable)
    except ProviderError as error:
        _say_unseen(seen, Aspect.AVAILABILITY, None, "machineTypes", error)
        return None


def _say_unseen(
    seen: _Seen, what: Aspect, market: Market | None, operation: str, error: ProviderError
) -> None:
    """Missing credentials are no failure: what needs them is unseen. Anything else failed too."""
    if not isinstance(error, MissingCredentials):
        seen.ledger.reject("fetch_failed", operation, str(error))
    seen.unseen.append(Unseen(what, market, str(error)))


def _read_quotas(seen: _Seen, asked: Mapping[str, _Asked]) -> None:
    for operation, market, limits in (
        ("regions", None, lambda one: quota.region_quotas(seen.ledger, one.payload())),
        ("project", None, lambda one: quota.project_quotas(seen.ledger, one.payload())),
        ("quotaInfos", Market.ON_DEMAND, lambda one: _family_quotas(seen, one)),
    ):
        try:
            seen.quotas += list(limits(asked[operation]))
        except ProviderError as error:
            _say_unseen(seen, Aspect.QUOTA, market, operation, error)
    if not seen.quotas and not any(unseen.what is Aspect.QUOTA for unseen in seen.unseen):
        seen.unseen.append(Unseen(Aspect.QUOTA, None, "Google states no GPU quota for this project"))


def _family_quotas(seen: _Seen, asked: _Asked) -> tuple[QuotaLimit, ...]:
    asked.payload()
    infos = [info for page in asked.answers for info in quota.quota_page_of(page.payload)[0]]
    limits = quota.family_quotas(seen.ledger, infos)
    if limits:
        why = f"usage of {quota.FAMILY_QUOTA}: Cloud Quotas states limits only, so they count as unused"
        seen.unseen.append(Unseen(Aspect.QUOTA, Market.ON_DEMAND, why))
    return limits
