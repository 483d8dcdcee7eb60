"""The join: offers × throughput × quotas -> what may be bought, and a reason for everything that may not.

An offer becomes a candidate when it can be bought, a service may run there, its model fits, and at least one
request size meets the SLO on it. Every other offer becomes an :class:`~advisor.domain.Exclusion`. Offers held
back only by a policy the user can lift (unknown stock, old estimated prices) are joined too, so that the plan
can say what lifting it would save.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from advisor.domain import (
    EvidenceKind,
    Exclusion,
    Market,
    NoThroughput,
    Offer,
    QuotaDraw,
    Service,
    Throughput,
)
from advisor.optimize.problem import ServingOption
from advisor.profiles.engines import Engine
from advisor.profiles.memory import valid_tensor_parallel
from advisor.profiles.replica import Replica, Shape, too_long
from advisor.profiles.traffic import under_ceiling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from advisor.catalog.facts import Facts
    from advisor.catalog.selection import Selection
    from advisor.profiles.query import ProfileStore

Answer = Throughput | NoThroughput

LIFTABLE = ("availability_unknown", "not_sold_this_way", "estimated_price", "stale_price")
"""Reasons for which the plan says what admitting the offers would save."""


@dataclass(frozen=True, slots=True)
class Demand:
    """One bucket's stream of one service."""

    label: str
    input_tokens: float
    output_tokens: float
    requests_per_s: float
    service: int = 0  #: index
    bucket: int = 0  #: index among the service's buckets


@dataclass(frozen=True, slots=True)
class Degree:
    """One service at one tensor-parallel degree, with the evidence per demand of that service."""

    tensor_parallel: int
    answers: tuple[Answer, ...]
    service: int = 0  #: index
    first: int = 0  #: index of the service's first demand among all

    def option(self, demands: int, low: Callable[[Throughput], float] | None = None) -> ServingOption:
        """The same, as the optimiser sees it: rates over all demands, 0.0 where it cannot serve.

        Args:
            demands: how many there are of all services.
            low: the low end of a figure's error band; None leaves bands out.
        """
        found = [a if isinstance(a, Throughput) else None for a in self.answers]
        rates = [a.requests_per_s if a else 0.0 for a in found]
        lows = None if low is None else self._over_all([low(a) if a else 0.0 for a in found], demands)
        return ServingOption(self.tensor_parallel, self._over_all(rates, demands), self.service, lows)

    def _over_all(self, rates: list[float], demands: int) -> tuple[float, ...]:
        behind = demands - self.first - len(rates)
        return (*(0.0,) * self.first, *rates, *(0.0,) * behind)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An offer that may be bought and can serve something."""

    offer: Offer
    degrees: tuple[Degree, ...]  #: of every service that may run on it
    draws: tuple[QuotaDraw, ...]
    most: int | None = None  #: instances that may run at once; None is unlimited


def in_zones(
    candidates: Sequence[Candidate], zones: Callable[[Offer], Sequence[str]], held: Mapping[str, int]
) -> tuple[Candidate, ...]:
    """One candidate per zone that sells an on-demand type, in place of the region's.

    What has a limit for the region as a whole stays as it is, and so does spot capacity, whose price is of a
    zone that is not named. What runs in a zone that is not known may go on there.

    Args:
        candidates: of the join.
        zones: that sell an offer.
        held: instances of the current fleet, per offer id.
    """
    found: list[Candidate] = []
    for candidate in candidates:
        offer = candidate.offer
        sold = () if offer.zone is not None or offer.market is not Market.ON_DEMAND else zones(offer)
        if not sold or candidate.most is not None:
            found.append(candidate)
        else:
            found += [replace(candidate, offer=replace(offer, zone=zone)) for zone in sold]
            if offer.id in held:
                found.append(replace(candidate, most=held[offer.id]))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Joined:
    """Everything the join found out."""

    demands: tuple[Demand, ...]
    candidates: tuple[Candidate, ...]
    held_back: dict[str, tuple[Candidate, ...]]  #: per liftable reason
    exclusions: tuple[Exclusion, ...]
    unserved: dict[int, tuple[NoThroughput, ...]] = field(
        default_factory=dict
    )  #: demand -> why nobody serves it

    def by_id(self) -> dict[str, Candidate]:
        """Candidates by offer id, held-back ones included."""
        everyone = [*self.candidates, *(c for group in self.held_back.values() for c in group)]
        return {candidate.offer.id: candidate for candidate in everyone}

    def of_service(self, service: int) -> Joined:
        """The same as if there were that service alone."""
        mine = [index for index, demand in enumerate(self.demands) if demand.service == service]
        place = {index: new for new, index in enumerate(mine)}
        return replace(
            self,
            demands=tuple(self.demands[index] for index in mine),
            unserved={place[index]: why for index, why in self.unserved.items() if index in place},
        )


class Screen(Protocol):
    """Whether an offer may be bought."""

    def __call__(self, offer: Offer) -> Exclusion | None:
        """Why it may not, or None."""
        ...

    def lifted(self, offer: Offer, reason: str) -> bool:
        """Whether it could be bought if that one reason, of :data:`LIFTABLE`, were lifted."""
        ...


class ServingPlaces(Protocol):
    """Where services may run."""

    def services_at(self, place: str) -> frozenset[int]:
        """Indices of those that may run at a ``provider:region``."""
        ...

    def refusal(self, place: str) -> tuple[str, str]:
        """The reason, and in words, why none may."""
        ...


class ThroughputTable:
    """Answers per (accelerator, tensor-parallel degree), asked once each."""

    def __init__(
        self,
        service: Service,
        demands: Sequence[Demand],
        facts: Facts,
        profiles: ProfileStore,
        weakest: EvidenceKind,
        index: int = 0,
        first: int = 0,
    ) -> None:
        """Of one service; ``index`` is its place among the services, ``first`` that of its first demand."""
        self._service = service
        self._index, self._first = index, first
        self._demands = demands
        self._sizes = [(demand.input_tokens, demand.output_tokens) for demand in demands]
        self._facts = facts
        self._profiles = profiles
        self._weakest = weakest
        self._degrees: dict[tuple[str, int], Degree] = {}

    def degrees(self, accelerator: str, accelerators: int) -> tuple[Degree, ...]:
        """Every degree that fits ``accelerators`` chips, served or not."""
        model = self._facts.models[self._service.model]
        return tuple(self._degree(accelerator, tp) for tp in valid_tensor_parallel(model, accelerators))

    def _degree(self, accelerator: str, tensor_parallel: int) -> Degree:
        key = (accelerator, tensor_parallel)
        if key not in self._degrees:
            service = self._service
            replica = Replica(
                self._facts.models[service.model], service.precision, self._facts.accelerators[accelerator],
                Shape(tensor_parallel), Engine.named(service.engine), traffic=service.traffic,
            )  # fmt: skip
            answers = self._profiles.throughputs(
                replica, self._sizes, service.slo, self._weakest, for_replay=service.for_replay,
                idle=[demand.bucket in service.idle_buckets for demand in self._demands],
            )  # fmt: skip
            share = service.ceiling(accelerator, tensor_parallel)
            within = tuple(
                self._within_room(replica, demand, under_ceiling(answer, share))
                for demand, answer in zip(self._demands, answers, strict=True)
            )
            self._degrees[key] = Degree(tensor_parallel, within, self._index, self._first)
        return self._degrees[key]

    def _within_room(self, replica: Replica, demand: Demand, answer: Answer) -> Answer:
        """The answer, unless requests of that size are longer than the model or the KV cache has room for."""
        bucket = self._service.workload.buckets[demand.bucket]
        size, hidden = demand.input_tokens + demand.output_tokens, self._service.traffic.reasoning_tokens
        longest = bucket.input_tokens_max + bucket.output_tokens_max + hidden
        why = too_long(replica, math.ceil(size + hidden), math.ceil(longest))
        return answer if why is None else why


def join(
    selected: Selection,
    demands: tuple[Demand, ...],
    tables: Sequence[ThroughputTable],
    screen: Screen,
    draws_of: Callable[[Offer], tuple[QuotaDraw, ...]],
    siting: ServingPlaces | None = None,
    most_of: Mapping[str, int] | None = None,
) -> Joined:
    """Sort offers into candidates, held back and excluded.

    Args:
        selected: the offers in scope; what a limit of the user's left out counts as excluded too.
        tables: throughput per service.
        screen: why an offer may not be bought, or None; and whether one reason alone stands in the way.
        draws_of: what one instance of an offer takes from which quota pools.
        siting: where which service may run; None is everywhere.
        most_of: by offer id, how many instances there are at most.
    """
    candidates: list[Candidate] = []
    held_back: dict[str, list[Candidate]] = {}
    exclusions = list(selected.exclusions)
    shapes = _Shapes(tables)
    everyone = frozenset(range(len(tables)))
    most_of = most_of or {}
    sited: dict[str, frozenset[int]] = {}
    for offer in sorted(selected.offers, key=lambda o: o.id):
        reason = screen(offer)
        if reason is not None:
            exclusions.append(reason)
            if reason.reason not in LIFTABLE or not screen.lifted(offer, reason.reason):
                continue
        place = f"{offer.provider}:{offer.region}"
        if place not in sited:
            sited[place] = siting.services_at(place) if siting is not None else everyone
        services = sited[place]
        if siting is not None and not services:
            if reason is None:
                why, detail = siting.refusal(place)
                exclusions.append(Exclusion(why, offer.id, detail))
            continue
        serving = shapes.serving(offer.accelerator, int(offer.accelerators), services)
        if isinstance(serving, NoThroughput):
            if reason is None:
                exclusions.append(Exclusion(serving.reason, offer.id, serving.detail))
            continue
        candidate = Candidate(offer, serving, draws_of(offer), most_of.get(offer.id))
        if reason is None:
            candidates.append(candidate)
        else:
            held_back.setdefault(reason.reason, []).append(candidate)
    joined = {reason: tuple(group) for reason, group in held_back.items()}
    unserved = _unserved(demands, candidates, shapes.asked)
    return Joined(demands, tuple(candidates), joined, tuple(exclusions), unserved)


class _Shapes:
    """The degrees that serve on an instance of so many of one chip, worked out once per set of services."""

    def __init__(self, tables: Sequence[ThroughputTable]) -> None:
        self.asked: list[Degree] = []
        self._tables = tables
        self._degrees: dict[tuple[str, int, int], tuple[Degree, ...]] = {}
        self._serving: dict[tuple[str, int, frozenset[int]], tuple[Degree, ...] | NoThroughput] = {}

    def serving(
        self, accelerator: str, accelerators: int, services: frozenset[int]
    ) -> tuple[Degree, ...] | NoThroughput:
        if not accelerators:
            return _fractional()
        key = (accelerator, accelerators, services)
        if key not in self._serving:
            degrees = [d for s in sorted(services) for d in self._of(accelerator, accelerators, s)]
            self._serving[key] = _serving_degrees(tuple(degrees))
        return self._serving[key]

    def _of(self, accelerator: str, accelerators: int, service: int) -> tuple[Degree, ...]:
        key = (accelerator, accelerators, service)
        if key not in self._degrees:
            self._degrees[key] = self._tables[service].degrees(accelerator, accelerators)
            self.asked.extend(self._degrees[key])
        return self._degrees[key]


def _fractional() -> NoThroughput:
    return NoThroughput("no_throughput_data", "no throughput evidence exists for a part of an accelerator")


def _serving_degrees(degrees: tuple[Degree, ...]) -> tuple[Degree, ...] | NoThroughput:
    """The degrees that serve at least one demand, or the one reason that says most about why none does."""
    serving = tuple(d for d in degrees if any(isinstance(a, Throughput) for a in d.answers))
    if serving:
        return serving
    # Largest degree and smallest request first: the first refusal of a kind is then the nearest miss.
    refusals = [a for d in reversed(degrees) for a in d.answers if isinstance(a, NoThroughput)]
    if not refusals:
        return NoThroughput(
            "no_throughput_data", "no tensor-parallel degree divides the model over this instance"
        )
    commonest = Counter(refusal.reason for refusal in refusals).most_common(1)[0][0]
    return next(refusal for refusal in refusals if refusal.reason == commonest)


def _unserved(
    demands: tuple[Demand, ...], candidates: Sequence[Candidate], known: Sequence[Degree]
) -> dict[int, tuple[NoThroughput, ...]]:
    served = {
        degree.first + index
        for degrees in {id(c.degrees): c.degrees for c in candidates}.values()
        for degree in degrees
        for index, answer in enumerate(degree.answers)
        if isinstance(answer, Throughput)
    }
    refusals: dict[int, list[NoThroughput]] = {
        index: [] for index in range(len(demands)) if index not in served
    }
    for degree in known if refusals else ():
        for index, answer in enumerate(degree.answers, start=degree.first):
            if index in refusals and isinstance(answer, NoThroughput):
                refusals[index].append(answer)
    return {index: tuple(why) for index, why in refusals.items()}
