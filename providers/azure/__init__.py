"""Azure: on-demand and spot list prices without credentials; restrictions and quotas of one subscription.

Prices come from the Retail Prices API, region by region, GPU series only: the filter asks for ``armSkuName``
with ``Standard_N`` in it, so rows without that name do not come (where they do, they are read all the same).
Azure publishes one price per region, none per zone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, Self
from urllib.parse import parse_qsl, urlsplit

from advisor.domain import Market
from advisor.errors import PayloadError, ProviderError
from advisor.provider import (
    Answer,
    Aspect,
    Collected,
    Fetch,
    Ledger,
    Reading,
    Scope,
    Tell,
    Unseen,
    collected,
    reporter,
)
from providers._http import Endpoint
from providers._payload import is_object, shown
from providers._settings import base_url, http_settings
from providers.azure.account import parse_skus, parse_usages, with_stock
from providers.azure.arm import Subscription, subscription_id
from providers.azure.regions import ask_each, regions_in
from providers.azure.retail import items_of, parse_region

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from advisor.domain import QuotaLimit

NAME: Final = "azure"
RETAIL_URL: Final = "https://prices.azure.com"
RETAIL_PATH: Final = "/api/retail/prices"
API_VERSION: Final = "2023-01-01-preview"
MANAGEMENT_URL: Final = "https://management.azure.com"
MOST_PAGES: Final = 100
"""Of one region, at 1,000 rows a page; all GPU rows of a region fit on one or two."""


class Azure:
    """Prices of all Azure regions, and what one subscription may use."""

    name: ClassVar[str] = NAME
    permissions: ClassVar[str] = (
        "Azure: none for prices. For availability and quotas, sign in the way azure-identity knows (az login,"
        " AZURE_TENANT_ID with AZURE_CLIENT_ID and a secret or certificate, or a managed identity) and set"
        " AZURE_SUBSCRIPTION_ID. The built-in role Reader on that subscription is enough, as is a custom role"
        ' with "actions": ["Microsoft.Compute/skus/read", "Microsoft.Compute/locations/usages/read"].'
        " Nothing is written, and no other permission is used."
    )

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """An adapter on Azure's APIs, or where ``ADVISOR_AZURE_RETAIL_URL`` and ``_MANAGEMENT_URL`` say."""
        settings = http_settings(environ)
        retail_base = base_url(environ, "ADVISOR_AZURE_RETAIL_URL", RETAIL_URL)
        management_base = base_url(environ, "ADVISOR_AZURE_MANAGEMENT_URL", MANAGEMENT_URL)
        subscription = Subscription(subscription_id(environ), management_base, settings)
        return cls(reaching(retail_base, Endpoint(NAME, retail_base, settings), subscription))

    def collect(self, scope: Scope, now: datetime) -> Collected:
        """Prices of every region in scope; with a subscription, what it may use there.

        Raises:
            ProviderError: not one region's prices could be read.
        """
        regions = regions_in(NAME, scope)
        if not regions:
            why = "the scope names no region of Azure"
            return collected(NAME, [], now=now, unseen=[Unseen(aspect, None, why) for aspect in Aspect])
        tell = reporter()
        tell(of=len(regions))
        listed, failures = ask_each(regions, lambda region: self._prices(region, tell))
        book = _Book(now)
        book.note_failures("retail prices", failures)
        for region, prices in listed.items():
            book.take_prices(region, prices, scope)
        self._read_account(book)
        return book.closed()

    def _prices(self, region: str, tell: Tell) -> _Prices:
        """All pages of one region; what came before a page that failed is kept.

        Raises:
            ProviderError: not even the first page could be read.
        """
        answers: list[Answer] = []
        items: list[object] = []
        link: str | None = None
        seen: list[str | None] = []
        while not seen or link is not None:
            try:
                if link in seen or len(seen) >= MOST_PAGES:
                    raise PayloadError(f"{NAME}: retail prices of {region}: pages without end")
                seen.append(link)
                answer = self._fetch("retail_prices", region=region, link=link)
                found, link = items_of(answer.payload), next_link(answer.payload, region)
            except ProviderError as error:
                tell(regions=1)
                if not answers:
                    raise
                return _Prices(tuple(items), tuple(answers), f"page {len(answers) + 1}: {error}")
            answers.append(answer)
            items.extend(found)
            tell(rows=len(found), retries=answer.retries)
        tell(regions=1)
        return _Prices(tuple(items), tuple(answers))

    def _read_account(self, book: _Book) -> None:
        """What the subscription may use in the regions that have GPU prices."""
        regions = book.priced_regions()
        for operation, aspect in (("resource_skus", Aspect.AVAILABILITY), ("usages", Aspect.QUOTA)):
            try:
                answers, failures = ask_each(regions, self._asking(operation))
            except ProviderError as error:
                book.unseen.append(Unseen(aspect, None, str(error)))
                continue
            book.note_failures(operation, failures)
            if not answers:
                why = "no region has a GPU price, so nothing was asked"
                book.unseen.append(Unseen(aspect, None, why))
            for region, answer in answers.items():
                book.take_account(operation, region, answer)

    def _asking(self, operation: str) -> Callable[[str], Answer]:
        return lambda region: self._fetch(operation, region=region)


@dataclass(frozen=True, slots=True)
class _Prices:
    """What the pages of one region hold."""

    items: tuple[object, ...]
    answers: tuple[Answer, ...]
    broken_off: str | None = None  #: why there are fewer pages than there should be


@dataclass(slots=True)
class _Book:
    """What has been read so far."""

    now: datetime
    readings: dict[str, Reading] = field(default_factory=dict)  #: by region
    answers: list[Answer] = field(default_factory=list)
    quotas: list[QuotaLimit] = field(default_factory=list)
    families: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    failed: Ledger = field(default_factory=lambda: Ledger(NAME))
    unseen: list[Unseen] = field(
        default_factory=lambda: [
            Unseen(Aspect.AVAILABILITY, Market.SPOT, "spot capacity and eviction rates are not asked for")
        ]
    )

    def note_failures(self, operation: str, failures: Mapping[str, ProviderError]) -> None:
        """Take note of regions that did not answer."""
        for region, error in failures.items():
            self.failed.reject("fetch_failed", operation, str(error), region)

    def take_prices(self, region: str, prices: _Prices, scope: Scope) -> None:
        """Read a region's pages; they are stamped with the oldest page's time."""
        said_at = min(answer.said_at(self.now) for answer in prices.answers)
        self.readings[region] = parse_region(region, prices.items, scope, said_at)
        self.answers.extend(prices.answers)
        if prices.broken_off is None:
            self.done.append(region)
        else:
            self.failed.reject("fetch_failed", "retail prices", prices.broken_off, region)

    def priced_regions(self) -> Sequence[str]:
        """Regions with at least one offer."""
        return [region for region, reading in self.readings.items() if reading.offers]

    def take_account(self, operation: str, region: str, answer: Answer) -> None:
        """Read what the subscription may use in a region."""
        prices, said_at = self.readings[region], answer.said_at(self.now)
        try:
            if operation == "resource_skus":
                stock, read = parse_skus(answer.payload, region, said_at)
                prices = with_stock(prices, stock, region, said_at)
                self.families |= {found.family for found in stock.values() if found.family is not None}
            else:
                limits, read = parse_usages(answer.payload, region, sorted(self.families))
                self.quotas.extend(limits)
        except PayloadError as error:
            self.failed.reject("fetch_failed", operation, str(error), region)
            return
        rejections = (*prices.rejections, *read.rejections)
        self.readings[region] = Reading(prices.offers, rejections, prices.evidence)
        self.answers.append(answer)

    def closed(self) -> Collected:
        """All of it as one result."""
        unseen = list(self.unseen)
        if not any(reading.offers or reading.rejections for reading in self.readings.values()):
            why = "Azure answered with an empty list in every region asked"
            unseen.append(Unseen(Aspect.PRICE, None, why))
        return collected(
            NAME,
            [*self.readings.values(), self.failed.reading()],
            answers=self.answers,
            now=self.now,
            quotas=self.quotas,
            unseen=unseen,
            regions_done=self.done,
        )


def reaching(retail_base: str, retail: Endpoint, subscription: Subscription) -> Fetch:
    """The way to Azure: prices over the cached session, the rest through the SDK."""

    def fetch(operation: str, **args: object) -> Answer:
        region = str(args["region"])
        if operation == "resource_skus":
            return subscription.resource_skus(region)
        if operation == "usages":
            return subscription.usages(region)
        link = args["link"]
        page = {} if link is None else page_of(str(link), region, retail_base)
        asked = {"api-version": API_VERSION, "$filter": retail_filter(region)}
        return retail.get(f"retail prices of {region}", RETAIL_PATH, {**asked, **page})

    return fetch


def retail_filter(region: str) -> str:
    """Values are case-sensitive in the preview version, and there is no ``or``."""
    return (
        "serviceName eq 'Virtual Machines' and priceType eq 'Consumption'"
        f" and armRegionName eq '{region}' and contains(armSkuName, 'Standard_N')"
    )


def next_link(payload: object, region: str) -> str | None:
    """The link to the next page, None on the last one.

    Raises:
        PayloadError: it is no text.
    """
    link = payload.get("NextPageLink") if is_object(payload) else None
    if link is None or link == "":
        return None
    if not isinstance(link, str):
        raise PayloadError(f"{NAME}: retail prices of {region}: NextPageLink is {shown(link)}")
    return link


def page_of(link: str, region: str, retail_base: str) -> dict[str, str]:
    """The parameters that tell the linked page from the first.

    Only they are taken from the link: they go to the base URL in force, so that a mirror stays a mirror.

    Raises:
        PayloadError: the link leads to another host or asks another question.
    """
    refused = PayloadError(f"{NAME}: retail prices of {region}: refused to follow the link {shown(link)}")
    try:
        parts = urlsplit(link)
        sent = parse_qsl(parts.query, strict_parsing=True, max_num_fields=20)
    except ValueError:
        raise refused from None
    stated = dict(sent)
    own = {"$filter": retail_filter(region), "api-version": API_VERSION}
    hosts = {urlsplit(base).hostname for base in (RETAIL_URL, retail_base)}
    same_place = parts.hostname in hosts and parts.path.endswith(RETAIL_PATH)
    same_question = all(stated.get(key, value) == value for key, value in own.items())
    page = {key: value for key, value in stated.items() if key in ("$skip", "$skiptoken")}
    if not (same_place and same_question and page and len(stated) == len(sent)):
        raise refused
    return page
