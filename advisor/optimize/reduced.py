"""The problem as the formulation gets it: merged demands, kinds of instance, and what may be bought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    import numpy as np
    from numpy.typing import NDArray

    from advisor.optimize.locations import Locations, Stream
    from advisor.optimize.problem import Problem

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One service at one tensor-parallel degree on a kind of instance."""

    service: int
    tensor_parallel: int
    slots: int  #: replicas that fit one instance
    demands: Indices  #: merged demands it can serve
    needed: Floats  #: replicas that would carry all of each
    needed_low: Floats  #: the same at the low end of the error band; infinite where that is nothing


@dataclass(frozen=True, slots=True, eq=False)
class InstanceKind:
    """Instances that do the same work in the same place, whoever sells them."""

    accelerators: int
    uses: tuple[Use, ...]  #: by degree, then service
    members: tuple[int, ...]  #: candidates
    place: int
    usd_per_hour_of: Floats | None  #: per merged demand: side cost of serving all of it here


@dataclass(frozen=True, slots=True)
class Purchasable:
    """A column that may still be part of the cheapest fleet."""

    id: str
    usd_per_hour: Decimal
    kind: int
    draws: tuple[tuple[str, Decimal], ...]  #: on pools that can bind only
    max_instances: int  #: by stock, by quota, or because more would serve nothing
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    held: int = 0

    def group(self, kind: str) -> tuple[str, ...]:
        """Names of one kind of group; empty where it belongs to none."""
        return next((names for name, names in self.groups if name == kind), ())


@dataclass(frozen=True, slots=True)
class Reduced:
    """What the formulation is built from."""

    problem: Problem  #: for its rules; its columns and demands stand below
    candidates: tuple[Purchasable, ...]  #: by id
    kinds: tuple[InstanceKind, ...]
    groups: tuple[tuple[int, ...], ...]  #: original demand indices of each merged demand
    demand_requests_per_s: tuple[float, ...]  #: of each merged demand
    demand_service: tuple[int, ...]  #: of each merged demand
    free_units: tuple[tuple[str, Decimal], ...]  #: pools that can bind, by key
    locations: Locations

    def streams(self, demand: int) -> tuple[Stream, ...]:
        """The streams of a merged demand; one alone needs no routing."""
        return self.locations.streams[self.demand_service[demand]]

    def servable(self) -> bool:
        """Whether every demand, from everywhere, meets a candidate that serves it."""
        met = {(b, kind.place) for kind in self.kinds for use in kind.uses for b in use.demands.tolist()}
        return all(
            any((b, place) in met for place in stream.places)
            for b in range(len(self.groups))
            for stream in self.streams(b)
        )
