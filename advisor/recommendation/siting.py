"""Where each service may run, and which users may be served from where."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from advisor.catalog.latency import Network
from advisor.catalog.residency import allowed_places
from advisor.optimize.problem import Routing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from advisor.catalog.latency import LatencyMatrix
    from advisor.domain import Region, Service, Users

ANYWHERE: Final = "anywhere"
"""The origin of requests whose users no service states."""


@dataclass(frozen=True, slots=True)
class Siting:
    """Which service may run where, for which of its users."""

    services: tuple[Service, ...]
    resident: tuple[frozenset[str] | None, ...]  #: per service: places its data may be; None is anywhere
    reached: Mapping[tuple[int, str], frozenset[str]]  #: places that may serve a service's users at an origin
    nearest: Mapping[tuple[int, str], tuple[str, float]] = field(default_factory=dict)
    """Where nothing is near enough: the nearest place to a service's users, and the round trip in ms."""

    @property
    def binds(self) -> bool:
        """Whether any service may not run just anywhere."""
        return bool(self.reached) or any(places is not None for places in self.resident)

    def services_at(self, place: str) -> frozenset[int]:
        """Indices of the services that may run at a ``provider:region``."""
        return frozenset(s for s in range(len(self.services)) if self._may_run(s, place))

    def refusal(self, place: str) -> tuple[str, str]:
        """The reason, and in words, why none may."""
        near = [s for s, places in enumerate(self.resident) if places is None or place in places]
        if not near:
            return "outside_residency", f"no service may keep its data in {place}"
        limits = ", ".join(f"{self.services[s].network_ms:g} ms" for s in near if self.services[s].network_ms)
        said = f"its network limit ({limits})" if limits else "what may serve them"
        return "network_too_far", f"{place} is beyond {said} of every user of {self.services[near[0]].name}"

    def what_would_reach(self, service: int) -> list[str]:
        """The limit on the network with which users that nothing reaches would be served, in words."""
        return [
            f"network_ms {math.ceil(ms)} lets {place}, the nearest in scope, serve users at {at}"
            for (s, at), (place, ms) in self.nearest.items()
            if s == service
        ]

    def served_from(self, service: int, users: Users, places: Iterable[str]) -> list[str]:
        """Those of some places that may serve a service's users."""
        reached = self.reached[service, users.at]
        return sorted(place for place in places if place in reached and self._resident(service, place))

    def _may_run(self, service: int, place: str) -> bool:
        if not self._resident(service, place):
            return False
        users = self.services[service].users
        return not users or any(place in self.reached[service, one.at] for one in users)

    def _resident(self, service: int, place: str) -> bool:
        places = self.resident[service]
        return places is None or place in places

    def _admitted(self, place: str, origins: Sequence[str]) -> frozenset[tuple[int, str]]:
        """(service, origin) that a place may serve."""
        found = set()
        for s, service in enumerate(self.services):
            if not self._resident(s, place):
                continue
            at = {one.at for one in service.users} or {ANYWHERE}
            for origin in at & set(origins):
                if origin == ANYWHERE or place in self.reached[s, origin]:
                    found.add((s, origin))
        return frozenset(found)

    def origins(self) -> tuple[str, ...]:
        """Where users are, by name; and nowhere in particular, where a service does not say."""
        named = sorted({one.at for service in self.services for one in service.users})
        return (*named, ANYWHERE) if any(not service.users for service in self.services) else tuple(named)

    def routing(self, places: Iterable[str]) -> tuple[Routing | None, dict[str, str]]:
        """Who may be served from where, and the location of every place.

        Places that may serve the same users of the same services are one location: no rule tells them apart.
        """
        if not any(service.users for service in self.services):
            return None, {}
        origins = self.origins()
        classes: dict[frozenset[tuple[int, str]], list[str]] = defaultdict(list)
        for place in sorted(set(places)):
            classes[self._admitted(place, origins)].append(place)
        named = {pattern: _label(members) for pattern, members in classes.items()}
        admits = {(s, origins.index(o), named[pattern]) for pattern in classes for s, o in pattern}
        shares = tuple(tuple(_share(service, origin) for origin in origins) for service in self.services)
        location_of = {place: named[pattern] for pattern, members in classes.items() for place in members}
        return Routing(origins, shares, frozenset(admits)), location_of


def _label(members: list[str]) -> str:
    return members[0] if len(members) == 1 else f"{members[0]} and {len(members) - 1} more"


def _share(service: Service, origin: str) -> float:
    if not service.users:
        return 1.0 if origin == ANYWHERE else 0.0
    return next((one.share for one in service.users if one.at == origin), 0.0)


def siting_of(
    services: tuple[Service, ...],
    places: Iterable[str],
    regions: Mapping[str, Region],
    measured: LatencyMatrix | None,
) -> Siting:
    """Where each service may run, among the places that are priced and those on the map.

    Raises:
        UnknownName, UsageError: a residency pattern that matches nothing.
    """
    known = frozenset(places)
    network = Network(regions, measured)
    resident = tuple(
        allowed_places(service.residency, known, regions) if service.residency else None
        for service in services
    )
    reached = {
        (s, users.at): _within(users, service.network_ms, known, network)
        for s, service in enumerate(services)
        for users in service.users
    }
    return Siting(services, resident, reached, _nearest(services, resident, reached, known, network))


def _nearest(
    services: tuple[Service, ...],
    resident: Sequence[frozenset[str] | None],
    reached: Mapping[tuple[int, str], frozenset[str]],
    places: frozenset[str],
    network: Network,
) -> dict[tuple[int, str], tuple[str, float]]:
    """For users out of reach of every place their service may run at, the nearest of those."""
    found = {}
    for (s, at), near in reached.items():
        within = resident[s]
        allowed = sorted(places if within is None else places & within)
        if near.isdisjoint(allowed) and services[s].network_ms is not None:
            trips = {place: network.round_trip_ms(at, place) for place in allowed}
            known = [(trip, place) for place, trip in trips.items() if trip is not None]
            if known:
                trip, place = min(known)
                found[s, at] = (place, trip)
    return found


def _within(users: Users, limit: float | None, places: frozenset[str], network: Network) -> frozenset[str]:
    """Places near enough to some users; where a distance is not known, nobody can say so."""
    if users.served_from is not None:
        return frozenset(users.served_from)
    if limit is None:
        return places
    trips = {place: network.round_trip_ms(users.at, place) for place in places}
    return frozenset(place for place, trip in trips.items() if trip is not None and trip <= limit)
