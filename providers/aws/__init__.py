"""AWS: list prices, spot prices per zone, hardware, offerings, quotas; list prices even without an account.

With credentials, the signed API answers per region. Without, the public price list files give on-demand
prices of every region, and the result says what could not be seen.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final, Self, cast

from advisor.domain import Market
from advisor.errors import MissingCredentials, ProviderError
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

REGIONS_AT_ONCE: Final = 10
FILES_AT_ONCE: Final = 3

_UNASKED: Final = "EC2 tells offerings only to those with credentials"


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
            answer = self._fetch("describe_regions", at_region=self._home)
        except MissingCredentials as error:
            return self._without_credentials(scope, now, str(error))
        return self._signed(scope, now, answer)

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
        result = collected(
            NAME,
            [_in_scope(ledger.reading(), scope), *(one.reading for one in surveys)],
            answers=[*answers, *(answer for one in surveys for answer in one.answers)],
            now=now,
            quotas=quotas,
            unseen=unseen,
            regions_done=[one.region for one in surveys if one.answers],
        )
        notes = [note for one in surveys for note in one.notes]
        return replace(result, warnings=(*result.warnings, *notes))

    def _hardware(self, ledger: Ledger, answers: list[Answer]) -> tuple[dict[str, Shape], frozenset[str]]:
        """Shapes from EC2; none where it will not say, and the price list's own columns stand in."""
        try:
            answer = self._fetch("describe_instance_types", at_region=self._home)
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
            answers.append(index)
            said_at = index.said_at(now)  # lines kept from an earlier fetch are as true as the index is
            files = [
                file for file in parse_region_index(index.payload, ledger) if _covers(scope, file.region)
            ]
            tell = reporter()
            tell(of=len(files))
            with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="aws-bulk") as pool:
                outcomes = list(pool.map(lambda file: self._read_file(file, said_at, tell), files))
            errors = [outcome for outcome in outcomes if isinstance(outcome, ProviderError)]
            if errors and len(errors) == len(files):
                raise errors[0]
            for file, outcome in zip(files, outcomes, strict=True):
                if isinstance(outcome, ProviderError):
                    subject = f"price list of {file.region}"
                    ledger.reject("fetch_failed", subject, str(outcome), file.region, Market.ON_DEMAND)
                    continue
                answers.append(outcome[0])
                readings.append(outcome[1])
                done.append(file.region)
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
