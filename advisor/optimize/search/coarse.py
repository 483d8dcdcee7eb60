"""The same problem with few request sizes: quick to search, and every fleet of it is one of the whole.

Sizes of one service that the same replicas can serve are bound together: what serves a share of one serves
that share of all. So a fleet found holds, and may be dearer than one that sends each size where it is
cheapest; sizes that are cheaper on unlike replicas are therefore kept in two halves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from advisor.optimize.reduced import InstanceKind, Reduced, Use
    from advisor.optimize.search.result import SearchResult

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Coarse:
    """A smaller problem, and which sizes each of its sizes stands for."""

    reduced: Reduced
    members: tuple[tuple[int, ...], ...]

    def in_the_whole(self, found: SearchResult) -> SearchResult:
        """What was found, in the sizes of the whole; without a bound, and put through no case."""
        fleet = found.fleet
        shares = {(p, u, b): x for (p, u, g), x in fleet.shares.items() for b in self.members[g]}
        flows = {(b, j, place): x for (g, j, place), x in fleet.flows.items() for b in self.members[g]}
        whole = replace(fleet, shares=shares, flows=flows)
        return replace(found, fleet=whole, bound=0.0, served_at_most=None, tried=(), certified=False)


def coarse(reduced: Reduced) -> Coarse:
    """Sizes bound together, two parts for every service and set of replicas that can serve."""
    needed = _needed(reduced)
    clusters: dict[tuple[int, bytes], list[int]] = {}
    for b, service in enumerate(reduced.demand_service):
        clusters.setdefault((service, np.isfinite(needed[:, b]).tobytes()), []).append(b)
    members = [half for own in clusters.values() for half in _halves(reduced, needed, own)]
    return Coarse(_bound_together(reduced, members), tuple(map(tuple, members)))


def _needed(reduced: Reduced) -> Floats:
    """Replicas per use and size, infinite where it cannot serve."""
    uses = [use for kind in reduced.kinds for use in kind.uses]
    needed = np.full((len(uses), len(reduced.groups)), np.inf)
    for row, use in zip(needed, uses, strict=True):
        row[use.demands] = use.needed
    return needed


def _usd_per_replica(reduced: Reduced) -> Floats:
    """The least a replica of each use costs, infinite where nothing of its kind can be bought."""
    found = []
    for kind in reduced.kinds:
        price = min((float(reduced.candidates[c].usd_per_hour) for c in kind.members), default=np.inf)
        found += [price / use.slots for use in kind.uses]
    return np.array(found)


def _halves(reduced: Reduced, needed: Floats, own: list[int]) -> list[list[int]]:
    """Those that cost less on the use that serves all at least cost, and those that cost less on another."""
    usd = _usd_per_replica(reduced)[:, None] * needed[:, own]
    usd = usd[np.isfinite(usd).all(axis=1)]
    if not len(usd) or len(own) < 2:
        return [own]
    best = usd[int(usd.sum(axis=1).argmin())]
    elsewhere = usd.min(axis=0) < best
    parts = [
        [b for b, other in zip(own, elsewhere, strict=True) if bool(other) is side] for side in (False, True)
    ]
    return [part for part in parts if part]


def _bound_together(reduced: Reduced, members: Sequence[Sequence[int]]) -> Reduced:
    at = np.zeros((len(members), len(reduced.groups)))
    for g, own in enumerate(members):
        at[g, list(own)] = 1.0

    def use_of(use: Use) -> Use:
        served = np.zeros(len(reduced.groups))
        served[use.demands] = 1.0
        whole = np.flatnonzero(at @ served == at.sum(axis=1))
        sums = []
        for part in (use.needed, use.needed_low):
            every = np.zeros(len(reduced.groups))
            every[use.demands] = np.where(np.isfinite(part), part, 0.0)
            lost = np.zeros(len(reduced.groups))
            lost[use.demands] = ~np.isfinite(part)
            sums.append(np.where((at @ lost)[whole] > 0, np.inf, (at @ every)[whole]))
        return replace(use, demands=whole, needed=sums[0], needed_low=sums[1])

    def kind_of(kind: InstanceKind) -> InstanceKind:
        side = kind.usd_per_hour_of
        return replace(
            kind,
            uses=tuple(map(use_of, kind.uses)),
            usd_per_hour_of=None if side is None else at @ side,
        )

    return replace(
        reduced,
        kinds=tuple(map(kind_of, reduced.kinds)),
        groups=tuple(tuple(b for m in own for b in reduced.groups[m]) for own in members),
        demand_requests_per_s=tuple(sum(reduced.demand_requests_per_s[b] for b in own) for own in members),
        demand_service=tuple(reduced.demand_service[own[0]] for own in members),
    )
