"""AWS: list prices, spot prices per zone, hardware, offerings, quotas; list prices even without an account.

With credentials, the signed API answers per region, and the public price list files add the list prices of
Local Zones and of regions the account has not enabled. Without, those files give on-demand prices of every
region, and the result says what could not be seen.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Final, Self, cast

from advisor.domain import Market
from advisor.errors import MissingCredentials, ProviderError, Unavailable
from advisor.provider import (
    Answer,
    Aspect,
    Collected,
    Fetch,
    Ledger,
    Reading,
    Rejection,
    Scope,
    Tell,
    Unseen,
    collected,
    reporter,
)
from providers._http import Endpoint
from providers._settings import base_url, http_settings
from providers.aws import settings as env
from providers.aws.api import SignedApi
from providers.aws.bulk import BulkFiles, RegionFile, parse_region_index
from providers.aws.hardware import NAME, Shape, parse_instance_types, parse_regions
from providers.aws.permissions import PERMISSIONS
from providers.aws.prices import ListReader, parent_region
from providers.aws.spot import parse_spot_advisor
from providers.aws.survey import Survey, World, settle_failures, survey

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

OTHER_HOMES: Final = ("us-west-2", "eu-west-1")
"""Regions that answer in place of the home region where that is down; every account has them."""
REGIONS_AT_ONCE: Final = 10
FILES_AT_ONCE: Final = 3

_UNASKED: Final = "EC2 tells offerings only to those with credentials"


@dataclass(slots=True)
class _Public:
    """What the public files brought."""

    answers: list[Answer] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    errors: list[ProviderError] = field(default_factory=list)


class Aws:
    """Prices, availability and quotas of AWS. On-demand prices need no credentials."""

    name: ClassVar[str] = NAME
    permissions: ClassVar[str] = PERMISSIONS

    def __init__(
        self,
        fetch: Fetch,
        *,
        home_region: str = env.HOME_REGION,
        placement_scores: bool = False,
        capacity_blocks: tuple[env.BlockWish, ...] = (),
    ) -> None:
        self._fetch = fetch
        self._home = home_region
        self._scores = placement_scores
        self._blocks = capacity_blocks

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """An adapter on boto3's own credential chain, and on the public files where that finds nothing."""
        http = http_settings(environ)
        signed = SignedApi(env.credentials(environ), env.endpoints(environ), http)
        bulk = BulkFiles(base_url(environ, "ADVISOR_AWS_BULK_URL", env.BULK_BASE), http)
        advisor_base = base_url(environ, "ADVISOR_AWS_SPOT_ADVISOR_URL", env.SPOT_ADVISOR_BASE)
        spot_advisor = Endpoint(NAME, advisor_base, http)

        def fetch(operation: str, **args: object) -> Answer:
            if operation == "spot_advisor":
                return spot_advisor.get("Spot Advisor", "/spot-advisor-data.json")
            if operation == "bulk_index":
                return bulk.index()
            if operation == "bulk_offers":
                return bulk.offers(cast("RegionFile", args["file"]))
            return signed.ask(operation, str(args.pop("at_region")), **args)

        return cls(
            fetch,
            home_region=env.home_region(environ),
            placement_scores=env.wants_scores(environ),
            capacity_blocks=env.wanted_blocks(environ),
        )

    def collect(self, scope: Scope, now: datetime) -> Collected:
        """Everything in scope that may be seen with the credentials at hand.

        Raises:
            ProviderError: nothing at all could be read.
        """
        try:
            answer = self._anywhere("describe_regions")
        except MissingCredentials as error:
            return self._without_credentials(scope, now, str(error))
        except ProviderError as error:
            return self._instead(scope, now, error)
        return self._signed(scope, now, answer)

    def _anywhere(self, operation: str) -> Answer:
        """What is the same in every region, from the first of a few that can be reached.

        Raises:
            ProviderError: of the home region; none can.
        """
        failed: Unavailable | None = None
        for region in dict.fromkeys((self._home, *OTHER_HOMES)):
            try:
                return self._fetch(operation, at_region=region)
            except Unavailable as error:
                failed = failed or error
        assert failed is not None, "there is at least the home region"
        raise failed

    def _instead(self, scope: Scope, now: datetime, error: ProviderError) -> Collected:
        """The public files where the signed API lets nobody in.

        Raises:
            ProviderError: the API's, where the files cannot be had either.
        """
        try:
            found = self._without_credentials(scope, now, str(error))
        except ProviderError:
            raise error from None
        if not found.offers:
            raise error
        failed = Rejection(NAME, None, None, "describe_regions", "fetch_failed", str(error))
        return replace(found, rejections=(*found.rejections, failed))

    def _signed(self, scope: Scope, now: datetime, regions_answer: Answer) -> Collected:
        ledger = Ledger(NAME)
        answers = [regions_answer]
        enabled = parse_regions(regions_answer.payload, ledger)
        regions = [region for region in enabled if scope.covers_region(NAME, region)]
        shapes, told = self._hardware(ledger, answers)
        bands = self._bands(ledger, answers) if scope.covers_market(Market.SPOT) else {}
        world = World(shapes, told, bands, self._scores, self._blocks, scope, now)
        tell = reporter()
        tell(of=len(regions))

        def ask(region: str) -> Survey:
            found = survey(self._fetch, region, world)
            retries = sum(answer.retries for answer in found.answers)
            tell(regions=1, rows=len(found.reading.offers), retries=retries)
            return found

        with ThreadPoolExecutor(REGIONS_AT_ONCE, thread_name_prefix="aws") as pool:
            surveys = list(pool.map(ask, regions))
        if surveys and not any(one.answers for one in surveys):
            raise surveys[0].failures[0].error
        unseen = settle_failures(ledger, surveys)
        silent = not any(one.reading.offers or one.reading.rejections or one.failures for one in surveys)
        if silent and not ledger.reading().rejections:
            unseen.append(Unseen(Aspect.PRICE, None, "AWS answered with an empty list"))
        quotas = [quota for one in surveys for quota in one.quotas]
        if not quotas and not any(one.what is Aspect.QUOTA for one in unseen):
            unseen.append(Unseen(Aspect.QUOTA, None, "AWS stated no quota of running instances"))
        public = self._beyond(scope, now, ledger, surveys)
        result = collected(
            NAME,
            [_in_scope(ledger.reading(), scope), *(one.reading for one in surveys), *public.readings],
            answers=[*answers, *(answer for one in surveys for answer in one.answers), *public.answers],
            now=now,
            quotas=quotas,
            unseen=unseen,
            regions_done=[*(one.region for one in surveys if one.answers), *public.done],
        )
        notes = [note for one in surveys for note in one.notes]
        return replace(result, warnings=(*result.warnings, *notes))

    def _hardware(self, ledger: Ledger, answers: list[Answer]) -> tuple[dict[str, Shape], frozenset[str]]:
        """Shapes from EC2; none where it will not say, and the price list's own columns stand in."""
        try:
            answer = self._anywhere("describe_instance_types")
            found = parse_instance_types(answer.payload, ledger)
        except ProviderError as error:
            ledger.reject("fetch_failed", "describe_instance_types", str(error))
            return {}, frozenset()
        answers.append(answer)
        return found

    def _bands(self, ledger: Ledger, answers: list[Answer]) -> dict[str, dict[str, str]]:
        try:
            answer = self._fetch("spot_advisor")
            bands = parse_spot_advisor(answer.payload, ledger)
        except ProviderError as error:
            ledger.reject("fetch_failed", "Spot Advisor", str(error), None, Market.SPOT)
            return {}
        answers.append(answer)
        return bands

    def _without_credentials(self, scope: Scope, now: datetime, why: str) -> Collected:
        ledger = Ledger(NAME)
        answers: list[Answer] = []
        readings: list[Reading] = []
        done: list[str] = []
        if scope.covers_market(Market.ON_DEMAND):
            index = self._fetch("bulk_index")
            public = self._public(scope, now, index, ledger, frozenset())
            if public.errors and not public.readings:
                raise public.errors[0]
            answers, readings, done = [index, *public.answers], public.readings, public.done
        unseen = [
            Unseen(Aspect.PRICE, Market.SPOT, f"spot prices need credentials; {why}"),
            Unseen(Aspect.AVAILABILITY, None, f"offerings need credentials; {why}"),
            Unseen(Aspect.QUOTA, None, f"quotas need credentials; {why}"),
        ]
        if not any(reading.offers for reading in readings):
            unseen.append(Unseen(Aspect.PRICE, Market.ON_DEMAND, "the public price list was empty here"))
        return collected(
            NAME,
            [_in_scope(ledger.reading(), scope), *readings],
            answers=answers,
            now=now,
            unseen=unseen,
            regions_done=done,
        )

    def _public(
        self, scope: Scope, now: datetime, index: Answer, ledger: Ledger, but: frozenset[str]
    ) -> _Public:
        """The public files of every place in scope but some; one that fails is a rejection of that place."""
        said_at = index.said_at(now)  # lines kept from an earlier fetch are as true as the index is
        files = [
            file
            for file in parse_region_index(index.payload, ledger)
            if _covers(scope, file.region) and file.region not in but
        ]
        tell = reporter()
        tell(of=len(files))
        with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="aws-bulk") as pool:
            outcomes = list(pool.map(lambda file: self._read_file(file, said_at, tell), files))
        found = _Public()
        for file, outcome in zip(files, outcomes, strict=True):
            if isinstance(outcome, ProviderError):
                found.errors.append(outcome)
                subject = f"price list of {file.region}"
                ledger.reject("fetch_failed", subject, str(outcome), file.region, Market.ON_DEMAND)
                continue
            found.answers.append(outcome[0])
            found.readings.append(outcome[1])
            found.done.append(file.region)
        return found

    def _beyond(self, scope: Scope, now: datetime, ledger: Ledger, surveys: list[Survey]) -> _Public:
        """List prices of what the signed API does not tell of: Local Zones, regions that are not enabled.

        They are public. So are those of a region whose own answer failed.
        """
        if not scope.covers_market(Market.ON_DEMAND):
            return _Public()
        told = frozenset(
            one.region
            for one in surveys
            if not any(failure.operation == "get_products" for failure in one.failures)
        )
        try:
            index = self._fetch("bulk_index")
            found = self._public(scope, now, index, ledger, told)
        except ProviderError as error:
            ledger.reject("fetch_failed", "public price list", str(error), None, Market.ON_DEMAND)
            return _Public()
        found.answers.append(index)
        return found

    def _read_file(
        self, file: RegionFile, index_at: datetime, tell: Tell
    ) -> tuple[Answer, Reading] | ProviderError:
        ledger = Ledger(NAME)
        try:
            answer = self._fetch("bulk_offers", file=file)
            said_at = answer.said_at(index_at)
            ListReader(ledger, file.region, {}, frozenset(), None, _UNASKED, said_at).read_rows(
                answer.payload
            )
        except ProviderError as error:
            tell(regions=1)
            return error
        reading = ledger.reading()
        tell(regions=1, rows=len(reading.offers), retries=answer.retries)
        return answer, reading


def _covers(scope: Scope, region: str) -> bool:
    """Whether the list is wanted; that of a Local Zone belongs to its parent region."""
    parent = parent_region(region)
    return scope.covers_region(NAME, region) or (parent is not None and scope.covers_region(NAME, parent))


def _in_scope(reading: Reading, scope: Scope) -> Reading:
    """Without what is said about regions nobody asked for."""
    kept = [one for one in reading.rejections if one.region is None or scope.covers_region(NAME, one.region)]
    return replace(reading, rejections=tuple(kept))
