"""Where columns stand, as far as it matters: locations that serve the same origins are one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from advisor.optimize.problem import Problem


@dataclass(frozen=True, slots=True)
class Stream:
    """The requests of one service from origins that may be served from the same places."""

    origins: tuple[int, ...]  #: indices, as :class:`~advisor.optimize.problem.Routing` counts them
    share: float  #: of the service's requests
    places: frozenset[int]  #: that may serve it


@dataclass(frozen=True, slots=True)
class Locations:
    """Locations merged by whom they may serve, and origins merged by who may serve them."""

    of_location: dict[str, int]
    serves: tuple[frozenset[int], ...]  #: per place, the services that some origin may send there
    streams: tuple[tuple[Stream, ...], ...]  #: per service

    def place(self, location: str) -> int:
        """The place a location belongs to."""
        return self.of_location[location]


def locations_of(problem: Problem) -> Locations:
    """The coarsest places and streams that lose nothing.

    A service with one stream needs no routing rows: whatever may serve it at all may serve all of it.
    """
    locations = sorted({column.location for column in problem.columns})
    services = range(len(problem.services))
    routing = problem.routing
    if routing is None:
        whole = (Stream((), 1.0, frozenset({0})),)
        return Locations(dict.fromkeys(locations, 0), (frozenset(services),), tuple(whole for _ in services))
    pairs = [(s, o) for s in services for o, share in enumerate(routing.shares[s]) if share > 0]
    patterns = {at: frozenset((s, o) for s, o in pairs if (s, o, at) in routing.admits) for at in locations}
    distinct = sorted(set(patterns.values()), key=sorted)
    index = {pattern: place for place, pattern in enumerate(distinct)}
    streams = []
    for s in services:
        by_places: dict[frozenset[int], list[int]] = {}
        for o, share in enumerate(routing.shares[s]):
            if share > 0:
                admitted = frozenset(place for pattern, place in index.items() if (s, o) in pattern)
                by_places.setdefault(admitted, []).append(o)
        streams.append(
            tuple(
                Stream(tuple(origins), sum(routing.shares[s][o] for o in origins), admitted)
                for admitted, origins in sorted(by_places.items(), key=lambda item: item[1])
            )
        )
    return Locations(
        {at: index[pattern] for at, pattern in patterns.items()},
        tuple(frozenset(s for s, _ in pattern) for pattern in distinct),
        tuple(streams),
    )
