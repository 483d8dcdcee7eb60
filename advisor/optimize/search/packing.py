"""Who runs what on which column, and what flows where: a fleet told per column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.errors import SolverFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.optimize.reduced import InstanceKind, Reduced
    from advisor.optimize.search.rounding import RoutedFleet


def placed(reduced: Reduced, fleet: RoutedFleet) -> dict[tuple[int, int], int]:
    """Replicas per (candidate, use): those of a kind, set on the instances of its columns.

    In falling order of degree, each on the first instance with room: exact where degrees divide one another.
    """
    found: dict[tuple[int, int], int] = {}
    for p, kind in enumerate(reduced.kinds):
        members = [c for c in kind.members if fleet.instances[c]]
        if len(kind.uses) == 1:
            found.update({(c, 0): kind.uses[0].slots * fleet.instances[c] for c in members})
        elif members:
            found.update(_packed(kind, members, fleet, p))
    return found


def _packed(kind: InstanceKind, members: list[int], fleet: RoutedFleet, p: int) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    free = {c: {kind.accelerators: fleet.instances[c]} for c in members}  # room -> instances with it
    order = sorted(range(len(kind.uses)), key=lambda u: (-kind.uses[u].tensor_parallel, u))
    for u in order:
        k, left = kind.uses[u].tensor_parallel, fleet.replicas.get((p, u), 0)
        for c in members:
            rooms = free[c]
            for room in sorted(rooms):
                if left and room >= k and rooms[room]:
                    count = min(left, rooms[room] * (room // k))
                    left -= count
                    found[c, u] = found.get((c, u), 0) + count
                    full, rest = divmod(count, room // k)
                    _move(rooms, room, room - room // k * k, full)
                    if rest:
                        _move(rooms, room, room - rest * k, 1)
        if left:
            raise SolverFailed("replicas do not fit the instances bought")
    return found


def _move(rooms: dict[int, int], old: int, new: int, count: int) -> None:
    rooms[old] -= count
    rooms[new] = rooms.get(new, 0) + count


def loads(
    reduced: Reduced, fleet: RoutedFleet, where: Mapping[tuple[int, int], int]
) -> dict[tuple[str, int, int], float]:
    """Requests per second per (column, degree, demand): every replica of a pool carries the same mix."""
    problem = reduced.problem
    found: dict[tuple[str, int, int], float] = {}
    members: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for (c, u), count in where.items():
        members.setdefault((reduced.candidates[c].kind, u), []).append((c, count))
    for (p, u, group), share in sorted(fleet.shares.items()):
        k, total = reduced.kinds[p].uses[u].tensor_parallel, sum(n for _, n in members[p, u])
        for c, count in members[p, u]:
            part = share if count == total else share * count / total
            for b in reduced.groups[group]:
                found[reduced.candidates[c].id, k, b] = part * problem.demand_requests_per_s[b]
    return found


def flows_between(
    reduced: Reduced, fleet: RoutedFleet, load: Mapping[tuple[str, int, int], float]
) -> dict[tuple[int, int, str], float]:
    """Requests per second per (demand, origin, location), if there is routing."""
    problem = reduced.problem
    if problem.routing is None:
        return {}
    location = {column.id: column.location for column in problem.columns}
    at: dict[int, dict[str, float]] = {}  # demand -> location -> requests per second
    for (column, _, b), rate in load.items():
        here = at.setdefault(b, {})
        here[location[column]] = here.get(location[column], 0.0) + rate
    group_of = {b: g for g, group in enumerate(reduced.groups) for b in group}
    found: dict[tuple[int, int, str], float] = {}
    for b, here in sorted(at.items()):
        streams, shares = reduced.streams(group_of[b]), problem.routing.shares[problem.service_of(b)]
        for place in sorted({reduced.locations.place(x) for x in here}):
            parts = {x: rate for x, rate in sorted(here.items()) if reduced.locations.place(x) == place}
            flow = [
                1.0 if len(streams) == 1 else fleet.flows.get((group_of[b], j, place), 0.0)
                for j in range(len(streams))
            ]
            for j, stream in enumerate(streams):
                for origin in stream.origins:
                    for x, rate in parts.items():
                        part = flow[j] / sum(flow) * shares[origin] / stream.share * rate if flow[j] else 0.0
                        if part > 0:
                            found[b, origin, x] = part
    return found
