"""From the solver's words to a fleet that holds: rounding, repair, and who runs what.

The solver's answer is material, not truth: counts are rounded and refused if not near an integer, loads are
repaired against those counts, and what is reported is recomputed from the problem's own figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.errors import SolverFailed
from advisor.optimize import formulation
from advisor.optimize.formulation import Answer, Outcome
from advisor.optimize.problem import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from advisor.optimize.problem import Problem
    from advisor.optimize.reduced import Kind, Reduced

NEAR_INTEGER: Final = 1e-5
"""How far a count may be from an integer. Truncating instead broke 12 of 200 plans in a study."""

SLACK: Final = 1e-9
"""Relative slack of every capacity in the final check; floating-point sums need some, plans do not."""

_NEGLIGIBLE_SHARE: Final = 1e-9  # of a demand, dropped from a routing before it is brought back to exactly 1
_WHOLE: Final = 1e-7  # a demand served up to this much less than whole is served whole

Shares = dict[tuple[int, int, int], float]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Counts and shares over a reduced problem, known to hold."""

    instances: tuple[int, ...]  #: per candidate
    replicas: dict[tuple[int, int], int]  #: per (kind, use)
    shares: Shares  #: per (kind, use, demand)
    flows: dict[tuple[int, int, int], float] = field(default_factory=dict)  #: (demand, stream, place)


def hold(reduced: Reduced, answer: Answer, slices: int | None = None) -> Fleet | None:
    """The answer in exact counts with shares that hold, repaired by an LP if need be, or None."""
    counts = tuple(integer(count) for count in answer.instances)
    replicas = replicas_of(reduced, answer, counts)
    _check_limits(reduced, counts, replicas)
    partly = reduced.problem.budget_usd_per_hour is not None
    if slices is not None:
        shares = {key: integer(share) / slices for key, share in answer.shares.items() if integer(share)}
        return Fleet(counts, replicas, shares) if _fullest(reduced, replicas, shares) <= 1 + SLACK else None
    shares, flows = _whole(answer.shares, replicas, len(reduced.groups), partly=partly), dict(answer.flows)
    if partly:
        shares = _eased(reduced, replicas, shares)
    elif _fullest(reduced, replicas, shares) > 1 + SLACK:
        routing = formulation.balanced_routing(reduced, counts, replicas)
        routed = formulation.run(routing, time_limit_s=60.0)
        if routed.outcome is not Outcome.OPTIMAL:
            return None
        shares, flows = _whole(routed.shares, replicas, len(reduced.groups)), dict(routed.flows)
    if _fullest(reduced, replicas, shares, partly=partly) > 1 + SLACK:
        return None
    return Fleet(counts, _fill_idle(reduced, counts, replicas, shares), shares, flows)


def integer(value: float) -> int:
    """The whole number a solver meant.

    Raises:
        SolverFailed: it is not near one.
    """
    nearest = round(value)
    if abs(value - nearest) > NEAR_INTEGER or nearest < 0:
        raise SolverFailed(f"the solver gave {value!r} where an integer was asked for")
    return nearest


def replicas_of(reduced: Reduced, answer: Answer, counts: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """Replicas per (kind, use)."""
    replicas = {key: integer(value) for key, value in answer.replicas.items()}
    for p, kind in enumerate(reduced.kinds):
        if len(kind.uses) == 1:
            replicas[p, 0] = kind.uses[0].slots * sum(counts[c] for c in kind.members)
    return replicas


def _whole(
    shares: Mapping[tuple[int, int, int], float],
    replicas: Mapping[tuple[int, int], int],
    demands: int,
    *,
    partly: bool = False,
) -> Shares:
    """Without crumbs, nothing where no replica is, and summing to 1 per demand as exactly as floats do."""
    kept = {
        (p, u, b): share
        for (p, u, b), share in shares.items()
        if share > _NEGLIGIBLE_SHARE and replicas.get((p, u), 0)
    }
    total = [0.0] * demands
    for (_, _, b), share in kept.items():
        total[b] += share
    return {
        key: share if partly and total[key[2]] < 1 - _WHOLE else share / total[key[2]]
        for key, share in kept.items()
    }


def _fullest(
    reduced: Reduced, replicas: Mapping[tuple[int, int], int], shares: Shares, *, partly: bool = False
) -> float:
    """Load over planned capacity of the fullest pool; infinite if a demand is not served whole."""
    served = [0.0] * len(reduced.groups)
    for (_, _, b), share in shares.items():
        served[b] += share
    if not partly and any(abs(share - 1) > SLACK for share in served):
        return float("inf")
    return max(_fullness(reduced, replicas, shares).values(), default=0.0)


def _fullness(
    reduced: Reduced, replicas: Mapping[tuple[int, int], int], shares: Shares
) -> dict[tuple[int, int], float]:
    """Load over planned capacity per (kind, use) with load."""
    busy: dict[tuple[int, int], float] = {}
    needed: dict[tuple[int, int], dict[int, float]] = {}
    for (p, u, b), share in shares.items():
        if (p, u) not in needed:
            use = reduced.kinds[p].uses[u]
            needed[p, u] = dict(zip(use.demands.tolist(), use.needed.tolist(), strict=True))
        busy[p, u] = busy.get((p, u), 0.0) + needed[p, u][b] * share
    held = {key: replicas.get(key, 0) for key in busy}
    return {key: work / held[key] if held[key] else float("inf") for key, work in busy.items()}


def _eased(reduced: Reduced, replicas: Mapping[tuple[int, int], int], shares: Shares) -> Shares:
    """Under a budget: what overfills a pool by the solver's rounding is not served."""
    over = {key: full for key, full in _fullness(reduced, replicas, shares).items() if 1 < full <= 1 + _WHOLE}
    return {key: share / over.get(key[:2], 1.0) for key, share in shares.items()}


def _check_limits(reduced: Reduced, counts: tuple[int, ...], replicas: Mapping[tuple[int, int], int]) -> None:
    """Quotas in Decimal, stock, and packing in integers.

    Raises:
        SolverFailed: one is broken; rounding cannot do that, a wrong solver can.
    """
    drawn: dict[str, Decimal] = {}
    for c, candidate in enumerate(reduced.candidates):
        if counts[c]:
            for pool, units in candidate.draws:
                drawn[pool] = drawn.get(pool, Decimal(0)) + units * counts[c]
            if counts[c] > candidate.max_instances:
                raise SolverFailed(f"the solver's fleet breaks a limit of {candidate.id}")
    for p, kind in enumerate(reduced.kinds):
        instances = sum(counts[c] for c in kind.members)
        for k in {use.tensor_parallel for use in kind.uses}:
            inside = sum(
                replicas.get((p, u), 0) * (use.tensor_parallel // k)
                for u, use in enumerate(kind.uses)
                if use.tensor_parallel >= k
            )
            if inside > kind.accelerators // k * instances:
                raise SolverFailed(f"replicas do not fit {reduced.candidates[kind.members[0]].id}")
    broken = [pool for pool, free in reduced.free_units if drawn.get(pool, Decimal(0)) > free]
    if broken:
        raise SolverFailed(f"the solver's fleet overdraws {', '.join(broken)}")


def _fill_idle(
    reduced: Reduced, counts: tuple[int, ...], replicas: Mapping[tuple[int, int], int], shares: Shares
) -> dict[tuple[int, int], int]:
    """Replicas with load or that a minimum counts, and more of them on accelerators that would idle."""
    loaded = {(p, u) for p, u, _ in shares}
    terms = reduced.problem.services
    filled = {
        (p, u): count
        for (p, u), count in replicas.items()
        if count and ((p, u) in loaded or terms[reduced.kinds[p].uses[u].service].min_replicas)
    }
    used: dict[int, list[int]] = {}
    for p, u in filled:
        used.setdefault(p, []).append(u)
    for p, uses in used.items():
        kind = reduced.kinds[p]
        instances = sum(counts[c] for c in kind.members)
        degree = {u: kind.uses[u].tensor_parallel for u in uses}
        for u in sorted(uses, key=lambda u: (-degree[u], u)):
            # Every packing row of a degree <= k in use must still hold.
            room = min(
                (
                    kind.accelerators // s * instances
                    - sum(filled[p, v] * (degree[v] // s) for v in uses if degree[v] >= s)
                )
                * s
                // degree[u]
                for s in {degree[v] for v in uses if degree[v] <= degree[u]}
            )
            filled[p, u] += max(room, 0)
    return filled


# --- per column -----------------------------------------------------------------------------------


def placed(reduced: Reduced, fleet: Fleet) -> dict[tuple[int, int], int]:
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


def _packed(kind: Kind, members: list[int], fleet: Fleet, p: int) -> dict[tuple[int, int], int]:
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
    reduced: Reduced, fleet: Fleet, where: Mapping[tuple[int, int], int]
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
    reduced: Reduced, fleet: Fleet, load: Mapping[tuple[str, int, int], float]
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
        for place in sorted({reduced.places.place(x) for x in here}):
            parts = {x: rate for x, rate in sorted(here.items()) if reduced.places.place(x) == place}
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


def side_usd_per_hour(problem: Problem, load: Mapping[tuple[str, int, int], float]) -> float:
    """Egress and the like, of the load as it is."""
    usd = {column.id: column.usd_per_request for column in problem.columns if any(column.usd_per_request)}
    return sum(rate * usd[c][b] * SECONDS_PER_HOUR for (c, _, b), rate in sorted(load.items()) if c in usd)


def change_usd_per_hour(problem: Problem, instances: Mapping[str, int]) -> float:
    """Of departing from the fleet held, spread over the horizon."""
    return _moves_usd_per_hour(
        problem, (instances.get(column.id, 0) - column.held for column in problem.columns)
    )


def cost_of(reduced: Reduced, fleet: Fleet) -> float:
    """What a fleet costs an hour with its side costs and the change, to compare it with another."""
    price = sum(float(x.usd_per_hour) * n for x, n in zip(reduced.candidates, fleet.instances, strict=True))
    moves = [n - x.held for x, n in zip(reduced.candidates, fleet.instances, strict=True)]
    return price + side_usd_of(reduced, fleet.shares) + _moves_usd_per_hour(reduced.problem, moves)


def side_usd_of(reduced: Reduced, shares: Mapping[tuple[int, int, int], float]) -> float:
    """What serving these shares costs an hour besides the instances."""
    return sum(
        share * float(usd[b])
        for (p, _, b), share in shares.items()
        for usd in [reduced.kinds[p].usd_per_hour_of]
        if usd is not None
    )


def _moves_usd_per_hour(problem: Problem, moves: Iterable[int]) -> float:
    """Of starting and giving up instances, over the horizon; 0 where the fleet held is no matter."""
    if problem.change is None:
        return 0.0
    moves = list(moves)
    added, removed = sum(m for m in moves if m > 0), -sum(m for m in moves if m < 0)
    usd = problem.change.usd_per_added * added + problem.change.usd_per_removed * removed
    return float(usd) / problem.change.horizon_hours
