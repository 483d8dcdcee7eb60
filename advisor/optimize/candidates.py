"""The join: offers × throughput × quotas -> what may be bought, and a reason for everything that may not.

An offer becomes a candidate when it can be bought, the model fits, and at least one request size meets the
SLO on it. Every other offer becomes an :class:`~advisor.domain.Exclusion`. Offers held back only by a policy
the user can lift (unknown stock, old estimated prices) are joined too, so that the plan can say what lifting
it would save.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from advisor.domain import EvidenceKind, Exclusion, NoThroughput, Offer, QuotaDraw, Service, Throughput
from advisor.optimize.problem import Column, Problem, ServiceTerms, ServingOption
from advisor.profiles.memory import valid_tensor_parallel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from decimal import Decimal

    from advisor.catalog.facts import Facts
    from advisor.catalog.selection import Selection
    from advisor.profiles.query import ProfileStore

Answer = Throughput | NoThroughput

LIFTABLE = ("availability_unknown", "not_sold_this_way", "estimated_price")
"""Reasons for which the plan says what admitting the offers would save."""


@dataclass(frozen=True, slots=True)
class Demand:
    """One bucket's stream of one service."""

    label: str
    input_tokens: float
    output_tokens: float
    requests_per_s: float


@dataclass(frozen=True, slots=True)
class Degree:
    """One tensor-parallel degree of a candidate, with the evidence per demand."""

    tensor_parallel: int
    answers: tuple[Answer, ...]

    def option(self) -> ServingOption:
        """The same, as the optimiser sees it: rates, 0.0 where it cannot serve."""
        return ServingOption(
            self.tensor_parallel,
            tuple(a.requests_per_s if isinstance(a, Throughput) else 0.0 for a in self.answers),
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """An offer that may be bought and can serve something."""

    offer: Offer
    degrees: tuple[Degree, ...]
    draws: tuple[QuotaDraw, ...]


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


class Screen(Protocol):
    """Whether an offer may be bought."""

    def __call__(self, offer: Offer) -> Exclusion | None:
        """Why it may not, or None."""
        ...

    def lifted(self, offer: Offer, reason: str) -> bool:
        """Whether it could be bought if that one reason, of :data:`LIFTABLE`, were lifted."""
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
    ) -> None:
        self._service = service
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
            answers = self._profiles.throughputs(
                self._facts.models[service.model],
                service.precision,
                service.engine,
                self._facts.accelerators[accelerator],
                tensor_parallel,
                self._sizes,
                service.slo,
                self._weakest,
            )
            self._degrees[key] = Degree(
                tensor_parallel, tuple(map(self._within_context, self._sizes, answers))
            )
        return self._degrees[key]

    def _within_context(self, size: tuple[float, float], answer: Answer) -> Answer:
        model = self._facts.models[self._service.model]
        tokens = math.ceil(sum(size))
        if tokens <= model.max_context:
            return answer
        detail = f"{tokens:,} tokens of input and output exceed {model.id}'s context of {model.max_context:,}"
        return NoThroughput("exceeds_context", detail)


def join(
    selected: Selection,
    demands: tuple[Demand, ...],
    table: ThroughputTable,
    screen: Screen,
    draws_of: Callable[[Offer], tuple[QuotaDraw, ...]],
) -> Joined:
    """Sort offers into candidates, held back and excluded.

    Args:
        selected: the offers in scope; what a limit of the user's left out counts as excluded too.
        screen: why an offer may not be bought, or None; and whether one reason alone stands in the way.
        draws_of: what one instance of an offer takes from which quota pools.
    """
    candidates: list[Candidate] = []
    held_back: dict[str, list[Candidate]] = {}
    exclusions = list(selected.exclusions)
    shapes: dict[tuple[str, int], tuple[Degree, ...] | NoThroughput] = {}
    asked: list[Degree] = []
    for offer in sorted(selected.offers, key=lambda o: o.id):
        reason = screen(offer)
        if reason is not None:
            exclusions.append(reason)
            if reason.reason not in LIFTABLE or not screen.lifted(offer, reason.reason):
                continue
        shape = (offer.accelerator, int(offer.accelerators))
        if shape not in shapes:
            degrees = table.degrees(*shape)
            asked.extend(degrees)
            shapes[shape] = _serving_degrees(degrees) if shape[1] else _fractional()
        serving = shapes[shape]
        if isinstance(serving, NoThroughput):
            if reason is None:
                exclusions.append(Exclusion(serving.reason, offer.id, serving.detail))
            continue
        candidate = Candidate(offer, serving, draws_of(offer))
        if reason is None:
            candidates.append(candidate)
        else:
            held_back.setdefault(reason.reason, []).append(candidate)
    joined = {reason: tuple(group) for reason, group in held_back.items()}
    unserved = _unserved(demands, candidates, asked)
    return Joined(demands, tuple(candidates), joined, tuple(exclusions), unserved)


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
        index
        for degrees in {id(c.degrees): c.degrees for c in candidates}.values()
        for degree in degrees
        for index, answer in enumerate(degree.answers)
        if isinstance(answer, Throughput)
    }
    return {
        index: tuple(d.answers[index] for d in known if isinstance(d.answers[index], NoThroughput))  # type: ignore[misc]
        for index in range(len(demands))
        if index not in served
    }


def problem_of(
    demands: tuple[Demand, ...],
    candidates: Iterable[Candidate],
    free_units: dict[str, Decimal],
    utilisation_ceiling: float,
) -> Problem:
    """The optimiser's view of a set of candidates."""
    options: dict[int, tuple[ServingOption, ...]] = {}
    columns = []
    for candidate in candidates:
        key = id(candidate.degrees)
        if key not in options:
            options[key] = tuple(degree.option() for degree in candidate.degrees)
        draws = tuple((d.key, d.units_per_instance) for d in candidate.draws if d.key in free_units)
        offer = candidate.offer
        columns.append(Column(offer.id, offer.usd_per_hour, int(offer.accelerators), options[key], draws))
    return Problem(
        demand_requests_per_s=tuple(demand.requests_per_s for demand in demands),
        demand_labels=tuple(demand.label for demand in demands),
        columns=tuple(columns),
        free_units=free_units,
        services=(ServiceTerms(utilisation_ceiling=utilisation_ceiling),),
    )
