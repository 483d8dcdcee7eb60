"""One region asked for everything: what one question fails to bring, the others still do."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from advisor.domain import Market
from advisor.errors import ProviderError
from advisor.provider import Answer, Aspect, Fetch, Ledger, Reading, Scope, Unseen
from providers.aws.api import RegionDenied, RegionUnreachable
from providers.aws.hardware import NAME, Shape, parse_offerings
from providers.aws.prices import ListReader
from providers.aws.quota import limits, parse_quotas, parse_usage
from providers.aws.spot import SpotSurroundings, describe_blocks, parse_scores, parse_spot_history

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from advisor.domain import QuotaLimit
    from providers.aws.settings import BlockWish

FEWEST_TYPES_SCORED: Final = 3
"""AWS scores fewer than three types low whatever they are (GetSpotPlacementScores)."""

_SEES: Final[dict[str, tuple[Aspect, Market | None]]] = {
    "describe_instance_type_offerings": (Aspect.AVAILABILITY, None),
    "get_products": (Aspect.PRICE, Market.ON_DEMAND),
    "describe_spot_price_history": (Aspect.PRICE, Market.SPOT),
    "list_service_quotas": (Aspect.QUOTA, None),
    "list_aws_default_service_quotas": (Aspect.QUOTA, None),
    "get_metric_data": (Aspect.QUOTA, None),
    "get_spot_placement_scores": (Aspect.AVAILABILITY, Market.SPOT),
    "describe_capacity_block_offerings": (Aspect.PRICE, None),
}
_OF_THE_REGION: Final = ("describe_instance_type_offerings", "describe_spot_price_history")


@dataclass(frozen=True, slots=True)
class World:
    """What is the same for every region of one refresh."""

    shapes: Mapping[str, Shape]
    told: frozenset[str]  #: every type the hardware list speaks of
    bands: Mapping[str, Mapping[str, str]]  #: region to type to interruption band
    wants_scores: bool
    wanted_blocks: tuple[BlockWish, ...]
    scope: Scope
    now: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """A question a region did not answer."""

    operation: str
    region: str
    error: ProviderError


@dataclass(slots=True)
class Survey:
    """What one region brought."""

    region: str
    reading: Reading = field(default_factory=Reading)
    answers: list[Answer] = field(default_factory=list)
    quotas: list[QuotaLimit] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def survey(fetch: Fetch, region: str, world: World) -> Survey:
    """Ask one region everything in scope."""
    return _Surveyor(fetch, region, world).run()


class _Surveyor:
    def __init__(self, fetch: Fetch, region: str, world: World) -> None:
        self._fetch = fetch
        self._region = region
        self._world = world
        self._ledger = Ledger(NAME)
        self._found = Survey(region)

    def run(self) -> Survey:
        offered = self._offerings()
        unreachable = any(isinstance(one.error, RegionUnreachable) for one in self._found.failures)
        list_prices, shapes = self._on_demand(offered)
        if not unreachable:  # a region that is off costs one time-out, not four
            if self._world.scope.covers_market(Market.SPOT):
                self._spot(offered, shapes, list_prices)
            self._quotas()
            self._blocks(offered)
        self._found.reading = self._ledger.reading()
        return self._found

    def _ask(self, operation: str, **args: object) -> Answer | None:
        try:
            answer = self._fetch(operation, at_region=self._region, **args)
        except ProviderError as error:
            self._found.failures.append(Failure(operation, self._region, error))
            return None
        self._found.answers.append(answer)
        return answer

    def _unreadable(self, operation: str, error: ProviderError) -> None:
        self._found.answers.pop()
        self._found.failures.append(Failure(operation, self._region, error))

    def _offerings(self) -> dict[str, frozenset[str]] | None:
        answer = self._ask("describe_instance_type_offerings")
        if answer is None:
            return None
        try:
            return parse_offerings(answer.payload, self._ledger, self._region)
        except ProviderError as error:
            self._unreadable("describe_instance_type_offerings", error)
            return None

    def _on_demand(
        self, offered: dict[str, frozenset[str]] | None
    ) -> tuple[dict[str, Decimal], Mapping[str, Shape]]:
        world = self._world
        wanted = tuple(sorted(world.shapes))
        if not world.scope.covers_market(Market.ON_DEMAND):
            return {}, world.shapes
        answer = self._ask("get_products", region=self._region, instance_types=wanted)
        if answer is None:
            return {}, world.shapes
        why = "; ".join(str(one.error) for one in self._found.failures) or "no answer"
        said_at = answer.said_at(world.now)
        reader = ListReader(self._ledger, self._region, world.shapes, world.told, offered, why, said_at)
        try:
            reader.read_products(answer.payload)
        except ProviderError as error:
            self._unreadable("get_products", error)
            return {}, world.shapes
        reader.missing()
        return reader.prices, world.shapes or reader.found

    def _spot(
        self,
        offered: dict[str, frozenset[str]] | None,
        shapes: Mapping[str, Shape],
        list_prices: Mapping[str, Decimal],
    ) -> None:
        world = self._world
        wanted = tuple(sorted(shapes))
        answer = self._ask("describe_spot_price_history", instance_types=wanted, at=world.now)
        if answer is None:
            return
        around = SpotSurroundings(
            shapes,
            world.told,
            offered,
            list_prices,
            world.bands.get(self._region, {}),
            self._scores(offered or {}, shapes) if world.wants_scores else {},
        )
        try:
            parse_spot_history(answer.payload, self._ledger, self._region, around, answer.said_at(world.now))
        except ProviderError as error:
            self._found.failures.append(Failure("describe_spot_price_history", self._region, error))

    def _scores(
        self, offered: Mapping[str, frozenset[str]], shapes: Mapping[str, Shape]
    ) -> dict[tuple[str, str], int]:
        by_chip: dict[str, list[str]] = defaultdict(list)
        for instance_type in sorted(set(offered) & set(shapes)):
            by_chip[shapes[instance_type].accelerator].append(instance_type)
        scores: dict[tuple[str, str], int] = {}
        for accelerator, types in sorted(by_chip.items()):
            if len(types) < FEWEST_TYPES_SCORED:
                continue
            answer = self._ask("get_spot_placement_scores", instance_types=tuple(types), region=self._region)
            if answer is None:
                return scores
            try:
                scores |= parse_scores(answer.payload, accelerator)
            except ProviderError as error:
                self._unreadable("get_spot_placement_scores", error)
        return scores

    def _quotas(self) -> None:
        applied = self._ask("list_service_quotas")
        defaults = self._ask("list_aws_default_service_quotas")
        answers = [answer for answer in (applied, defaults) if answer is not None]
        if applied is None:
            return  # a default is not what the account holds
        try:
            pools = parse_quotas([answer.payload for answer in answers], self._ledger, self._region)
        except ProviderError as error:
            self._unreadable("list_service_quotas", error)
            return
        used: dict[str, Decimal] = {}
        measured = [pool for pool in pools if pool.metric is not None]
        usage = self._ask("get_metric_data", pools=measured, at=self._world.now) if measured else None
        if usage is not None:
            try:
                used = parse_usage(usage.payload, self._ledger, self._region)
            except ProviderError as error:
                self._unreadable("get_metric_data", error)
        self._found.quotas = limits(pools, used, self._region)

    def _blocks(self, offered: dict[str, frozenset[str]] | None) -> None:
        for wish in self._world.wanted_blocks:
            if wish.instance_type not in (offered or {}):
                continue
            answer = self._ask(
                "describe_capacity_block_offerings",
                instance_type=wish.instance_type,
                instances=wish.instances,
                hours=wish.hours,
            )
            if answer is None:
                continue
            try:
                self._found.notes += describe_blocks(answer.payload, self._ledger, self._region, wish)
            except ProviderError as error:
                self._unreadable("describe_capacity_block_offerings", error)


def settle_failures(ledger: Ledger, surveys: list[Survey]) -> list[Unseen]:
    """What no region answers cannot be seen; what one region does not answer is a rejection there."""
    by_operation: dict[str, list[Failure]] = defaultdict(list)
    for one in surveys:
        for failure in one.failures:
            by_operation[failure.operation].append(failure)
    unseen = []
    for operation, failures in by_operation.items():
        aspect, market = _SEES[operation]
        if {failure.region for failure in failures} == {one.region for one in surveys}:
            why = _why(failures[0])
            unseen.append(Unseen(aspect, market, why))
            ledger.reject("fetch_failed", operation, f"in no region: {why}", None, market)
            continue
        for failure in failures:
            off = operation in _OF_THE_REGION and isinstance(failure.error, RegionDenied | RegionUnreachable)
            reason = "region_not_enabled" if off else "fetch_failed"
            ledger.reject(reason, operation, _why(failure), failure.region, market)
    return unseen


def _why(failure: Failure) -> str:
    if failure.operation == "get_metric_data":
        return f"usage is not known, limits stand as if nothing were used: {failure.error}"
    return str(failure.error)
