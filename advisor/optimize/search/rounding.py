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
from advisor.optimize.formulation import ProgrammeAnswer, SolverVerdict
from advisor.optimize.money import moves_usd_per_hour
from advisor.optimize.rules import traits_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.optimize.reduced import Reduced

NEAR_INTEGER: Final = 1e-5
"""How far a count may be from an integer. Truncating instead broke 12 of 200 plans in a study."""

SLACK: Final = 1e-9
"""Relative slack of every capacity in the final check; floating-point sums need some, plans do not."""

_NEGLIGIBLE_SHARE: Final = 1e-9  # of a demand, dropped from a routing before it is brought back to exactly 1
_WHOLE: Final = 2e-6  # a demand served up to this much less than whole is served whole
_LP_SECONDS: Final = 60.0

Shares = dict[tuple[int, int, int], float]


@dataclass(frozen=True, slots=True)
class RoutedFleet:
    """Counts and shares over a reduced problem, known to hold."""

    instances: tuple[int, ...]  #: per candidate
    replicas: dict[tuple[int, int], int]  #: per (kind, use)
    shares: Shares  #: per (kind, use, demand)
    flows: dict[tuple[int, int, int], float] = field(default_factory=dict)  #: (demand, stream, place)


def hold(reduced: Reduced, answer: ProgrammeAnswer, slices: int | None = None) -> RoutedFleet | None:
    """The answer in exact counts with shares that hold, repaired by an LP if need be, or None."""
    counts = tuple(integer(count) for count in answer.instances)
    replicas = replicas_of(reduced, answer, counts)
    _check_limits(reduced, counts, replicas)
    partly = not traits_of(reduced.problem).serves_all
    if slices is not None:
        shares = {key: integer(share) / slices for key, share in answer.shares.items() if integer(share)}
        return (
            RoutedFleet(counts, replicas, shares)
            if _fullest(reduced, replicas, shares) <= 1 + SLACK
            else None
        )
    shares, flows = _whole(answer.shares, replicas, len(reduced.groups), partly=partly), dict(answer.flows)
    if partly:
        shares = _eased(reduced, replicas, shares, flows)
    elif flows or _fullest(reduced, replicas, shares) > 1 + SLACK:
        routing = formulation.cheapest_routing(reduced, counts, replicas)
        routed = formulation.run(routing, _LP_SECONDS)
        if routed.verdict is not SolverVerdict.OPTIMAL:
            return None
        shares, flows = _whole(routed.shares, replicas, len(reduced.groups)), dict(routed.flows)
    if _fullest(reduced, replicas, shares, partly=partly) > 1 + SLACK:
        return None
    return RoutedFleet(counts, _fill_idle(reduced, counts, replicas, shares), shares, flows)


def integer(value: float) -> int:
    """The whole number a solver meant.

    Raises:
        SolverFailed: it is not near one.
    """
    nearest = round(value)
    if abs(value - nearest) > NEAR_INTEGER or nearest < 0:
        raise SolverFailed(f"the solver gave {value!r} where an integer was asked for")
    return nearest


def replicas_of(
    reduced: Reduced, answer: ProgrammeAnswer, counts: tuple[int, ...]
) -> dict[tuple[int, int], int]:
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


def _eased(
    reduced: Reduced,
    replicas: Mapping[tuple[int, int], int],
    shares: Shares,
    flows: Mapping[tuple[int, int, int], float],
) -> Shares:
    """Under a budget: what overfills a pool or a stream by the solver's rounding is not served."""
    sent: dict[tuple[int, int], float] = {}
    for (b, j, _), flow in flows.items():
        sent[b, j] = sent.get((b, j), 0.0) + flow
    more: dict[int, float] = {}
    for (b, j), flow in sent.items():
        more[b] = max(more.get(b, 1.0), flow / reduced.streams(b)[j].share)
    shares = {key: share / min(more.get(key[2], 1.0), 1 + _WHOLE) for key, share in shares.items()}
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
    """Replicas with load or that a rule counts, and more of them on accelerators that would idle."""
    loaded = {(p, u) for p, u, _ in shares}
    counted = traits_of(reduced.problem).least_replicas
    filled = {
        (p, u): count
        for (p, u), count in replicas.items()
        if count and ((p, u) in loaded or reduced.kinds[p].uses[u].service in counted)
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


# --- what it costs and serves ----------------------------------------------------------------------


def cost_of(reduced: Reduced, fleet: RoutedFleet) -> float:
    """What a fleet costs an hour with its side costs and the change, to compare it with another."""
    price = sum(float(x.usd_per_hour) * n for x, n in zip(reduced.candidates, fleet.instances, strict=True))
    moves = [n - x.held for x, n in zip(reduced.candidates, fleet.instances, strict=True)]
    return price + side_usd_of(reduced, fleet.shares) + moves_usd_per_hour(reduced.problem, moves)


def weighted_served(reduced: Reduced, fleet: RoutedFleet) -> float:
    """Requests per second that a fleet serves, times their weights."""
    return sum(
        share * reduced.demand_requests_per_s[b] * reduced.problem.services[reduced.demand_service[b]].weight
        for (_, _, b), share in fleet.shares.items()
    )


def side_usd_of(reduced: Reduced, shares: Mapping[tuple[int, int, int], float]) -> float:
    """What serving these shares costs an hour besides the instances."""
    return sum(
        share * float(usd[b])
        for (p, _, b), share in shares.items()
        for usd in [reduced.kinds[p].usd_per_hour_of]
        if usd is not None
    )
