"""From a problem to a fleet that was checked: presolve, formulation, rounding, repair, exact cost.

The solver's answer is material, not truth: counts are rounded and refused if not near an integer, loads are
repaired against those counts, every limit is checked again in Decimal, and the cost is counts times prices.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import NoCandidates, SolverFailed
from advisor.optimize import formulation
from advisor.optimize.ascending import cheapest_first
from advisor.optimize.formulation import Answer, Outcome
from advisor.optimize.presolve import Reduced, reduce, unservable
from advisor.optimize.problem import Solution, SolveStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.optimize.presolve import Candidate
    from advisor.optimize.problem import Problem

NEAR_INTEGER: Final = 1e-5
"""How far a count may be from an integer. Truncating instead broke 12 of 200 plans in a study."""

SLACK: Final = 1e-9
"""Relative slack of every capacity in the final check; floating-point sums need some, plans do not."""

_NEGLIGIBLE_SHARE: Final = 1e-9  # of a demand, dropped from a routing before it is brought back to exactly 1
_FLOAT_NOISE: Final = 1e-12  # relative; a bound this near the cost differs by the order of a sum
_MARGIN: Final = (
    1e-6  # by which replicas shrink in the second attempt, if the first fleet does not hold exactly
)

Shares = dict[tuple[int, int, int], float]


@dataclass(frozen=True, slots=True)
class _Fleet:
    """Counts and shares over a reduced problem's candidates, known to hold."""

    instances: tuple[int, ...]
    replicas: dict[tuple[int, int], int]
    shares: Shares


def solve(
    problem: Problem,
    *,
    time_limit_s: float = 60,
    relative_gap: float = 0.0,
    slices: int | None = None,
    pool_units: Mapping[str, str] | None = None,
    diagnose: bool = True,
) -> Solution:
    """The cheapest fleet, or the best found within the time, with what is proved about it.

    Args:
        problem: what to serve, and with what.
        time_limit_s: for everything, diagnosis excepted.
        relative_gap: (cost - bound) / cost at which the answer is good enough; 0 asks for proof.
        slices: cut each demand into so many indivisible slices instead of splitting it freely.
        pool_units: what each pool counts ("vCPU"), for messages.
        diagnose: whether an infeasible problem is worth the time of finding out why.

    Raises:
        NoCandidates: some demand can be served by no column, whatever the limits.
        Infeasible: quotas or stock forbid every fleet; the message says what would have to be added.
        SolverFailed: no usable answer within the time.
    """
    started = time.perf_counter()
    check_problem(problem)
    refuse_unservable(problem)
    reduced = reduce(problem, merge=slices is None)
    if not reduced.groups:
        return _empty(time.perf_counter() - started)
    left = time_limit_s - (time.perf_counter() - started)
    found = _cheapest(reduced, left, relative_gap, slices) if _all_servable(reduced) else None
    if found is None:
        raise _infeasible(problem, pool_units or {}, diagnose=diagnose)
    fleet, bound = found
    return _solution(problem, reduced, fleet, bound, relative_gap, time.perf_counter() - started)


def check_problem(problem: Problem) -> None:
    """Refuse a problem that contradicts itself; such a thing is a bug of whoever built it.

    Raises:
        ValueError: it does.
    """
    demands = len(problem.demand_requests_per_s)
    if len(problem.demand_labels) != demands:
        raise ValueError("demands and labels differ in number")
    for terms in problem.services:
        if not 0 < terms.utilisation_ceiling <= 1:
            raise ValueError(f"utilisation_ceiling {terms.utilisation_ceiling} is not in (0, 1]")
    if not all(0 <= rate < float("inf") for rate in problem.demand_requests_per_s):
        raise ValueError("a demand is negative or not finite")
    ids = {column.id for column in problem.columns}
    if len(ids) != len(problem.columns):
        raise ValueError("two columns have one id")
    for column in problem.columns:
        if not (column.usd_per_hour.is_finite() and column.usd_per_hour >= 0):
            raise ValueError(f"{column.id}: price {column.usd_per_hour}")
        if len(dict(column.draws)) != len(column.draws):
            raise ValueError(f"{column.id} draws twice on one pool")
        if any(len(option.requests_per_s) != demands for option in column.options):
            raise ValueError(f"{column.id}: throughputs and demands differ in number")


def refuse_unservable(problem: Problem) -> None:
    """Raise NoCandidates naming the demands that nothing can serve, if any."""
    missing = unservable(problem)
    if missing:
        labels = [problem.demand_labels[b] for b in missing]
        more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
        raise NoCandidates(
            f"no candidate can serve {len(labels)} of {len(problem.demand_labels)} demands: "
            f"{'; '.join(labels[:5])}{more}"
        )


def _infeasible(problem: Problem, pool_units: Mapping[str, str], *, diagnose: bool) -> Exception:
    from advisor.optimize.diagnose import LimitsForbid, diagnose_infeasible

    if not diagnose:
        return LimitsForbid("the limits in force forbid every fleet", None)
    diagnosis = diagnose_infeasible(problem, pool_units=pool_units)
    return LimitsForbid(diagnosis.message, diagnosis)


def _all_servable(reduced: Reduced) -> bool:
    served = {b for x in reduced.candidates for degree in x.degrees for b, _ in degree.replicas_needed}
    return len(served) == len(reduced.groups)


def _empty(seconds: float) -> Solution:
    return Solution(SolveStatus.OPTIMAL, {}, {}, {}, Decimal(0), 0.0, formulation.solver_name(), seconds)


def _cheapest(
    reduced: Reduced, time_limit_s: float, relative_gap: float, slices: int | None
) -> tuple[_Fleet, float] | None:
    """A fleet that holds and a bound on the cost of any; None if there is none."""
    deadline = time.perf_counter() + time_limit_s
    answer = cheapest_first(reduced, deadline) or _run(reduced, deadline, relative_gap)
    bound = answer.bound
    if slices is not None and answer.outcome is Outcome.OPTIMAL:
        answer, bound = _sliced(reduced, answer, deadline, relative_gap, slices)
    if answer.outcome is Outcome.INFEASIBLE:
        return None
    if not answer.instances or (slices is not None and not answer.sliced):
        raise SolverFailed("no fleet was found in the time allowed; allow more with --time-limit-s")
    fleet = _hold(reduced, answer, slices)
    if fleet is None:
        fleet = _with_margin(reduced, deadline, slices)
    return fleet, bound


def _run(reduced: Reduced, deadline: float, relative_gap: float, **options: Any) -> Answer:
    programme = formulation.cheapest_fleet(reduced, **options)
    left = deadline - time.perf_counter()
    return formulation.run(programme, time_limit_s=left, relative_gap=relative_gap)


def _sliced(
    reduced: Reduced, fluid: Answer, deadline: float, relative_gap: float, slices: int
) -> tuple[Answer, float]:
    """The answer for slices, from that for a free split of the same demands, and a bound.  Slices cost no
    less than a free split, so if its counts carry the slices as well, they are the cheapest. A basic
    routing splits few demands, so the slices are looked for next to one that leaves every pool some room,
    then anywhere, and only then among other counts, with the free split's bound as a row.
    """
    counts = tuple(_integer(count) for count in fluid.instances)
    replicas = _replicas(reduced, fluid, counts)
    routed = formulation.run(formulation.balanced_routing(reduced, counts, replicas), time_limit_s=60.0)
    for options in ({"near": routed.shares}, {}):
        answer = _run(reduced, deadline, relative_gap, slices=slices, counts=counts, **options)
        if answer.outcome is Outcome.OPTIMAL:
            return answer, fluid.bound
    answer = _run(
        reduced, deadline, relative_gap, slices=slices, at_least_usd_per_hour=fluid.bound * (1 - SLACK)
    )
    return answer, max(fluid.bound, answer.bound)


def _replicas(reduced: Reduced, answer: Answer, counts: tuple[int, ...]) -> dict[tuple[int, int], int]:
    replicas = {key: _integer(value) for key, value in answer.replicas.items()}
    for c, candidate in enumerate(reduced.candidates):
        if len(candidate.degrees) == 1:
            replicas[c, candidate.degrees[0].tensor_parallel] = candidate.degrees[0].slots * counts[c]
    return replicas


def _with_margin(reduced: Reduced, deadline: float, slices: int | None) -> _Fleet:
    """A second attempt on slightly smaller replicas, for a fleet that held only within tolerance."""
    programme = formulation.cheapest_fleet(_shrunk(reduced), slices=slices)
    answer = formulation.run(programme, time_limit_s=deadline - time.perf_counter())
    fleet = _hold(reduced, answer, slices) if answer.instances else None
    if fleet is None:
        raise SolverFailed("the solver's fleet does not carry the load exactly, nor with a margin")
    return fleet


def _shrunk(reduced: Reduced) -> Reduced:
    def smaller(x: Candidate) -> Candidate:
        degrees = tuple(
            replace(d, replicas_needed=tuple((b, needed * (1 + _MARGIN)) for b, needed in d.replicas_needed))
            for d in x.degrees
        )
        return replace(x, degrees=degrees)

    return replace(reduced, candidates=tuple(smaller(x) for x in reduced.candidates))


def _integer(value: float) -> int:
    nearest = round(value)
    if abs(value - nearest) > NEAR_INTEGER or nearest < 0:
        raise SolverFailed(f"the solver gave {value!r} where an integer was asked for")
    return nearest


def _hold(reduced: Reduced, answer: Answer, slices: int | None) -> _Fleet | None:
    """The answer in exact counts with shares that hold, repaired by an LP if need be, or None."""
    counts = tuple(_integer(count) for count in answer.instances)
    replicas = _replicas(reduced, answer, counts)
    _check_limits(reduced, counts, replicas)
    if slices is not None:
        shares = {key: _integer(share) / slices for key, share in answer.shares.items() if _integer(share)}
        return _Fleet(counts, replicas, shares) if _fullest(reduced, replicas, shares) <= 1 + SLACK else None
    shares = _whole(answer.shares, replicas, len(reduced.groups))
    if _fullest(reduced, replicas, shares) > 1 + SLACK:
        routing = formulation.balanced_routing(reduced, counts, replicas)
        routed = formulation.run(routing, time_limit_s=60.0)
        if routed.outcome is not Outcome.OPTIMAL:
            return None
        shares = _whole(routed.shares, replicas, len(reduced.groups))
        if _fullest(reduced, replicas, shares) > 1 + SLACK:
            return None
    return _Fleet(counts, _fill_idle(reduced, counts, replicas, shares), shares)


def _whole(
    shares: Mapping[tuple[int, int, int], float], replicas: Mapping[tuple[int, int], int], demands: int
) -> Shares:
    """Without crumbs, nothing where no replica is, and summing to 1 per demand as exactly as floats do."""
    kept = {
        (c, k, b): share
        for (c, k, b), share in shares.items()
        if share > _NEGLIGIBLE_SHARE and replicas.get((c, k), 0)
    }
    total = [0.0] * demands
    for (_, _, b), share in kept.items():
        total[b] += share
    return {key: share / total[key[2]] for key, share in kept.items()}


def _fullest(reduced: Reduced, replicas: Mapping[tuple[int, int], int], shares: Shares) -> float:
    """Load over planned capacity of the fullest pool; infinite if a demand is not served whole."""
    served = [0.0] * len(reduced.groups)
    most = 0.0
    for c, candidate in enumerate(reduced.candidates):
        for degree in candidate.degrees:
            k, busy = degree.tensor_parallel, 0.0
            for b, needed in degree.replicas_needed:
                share = shares.get((c, k, b), 0.0)
                busy += needed * share
                served[b] += share
            held = replicas.get((c, k), 0)
            if busy > 0:
                most = max(most, busy / held if held else float("inf"))
    return most if all(abs(share - 1) <= SLACK for share in served) else float("inf")


def _check_limits(reduced: Reduced, counts: tuple[int, ...], replicas: Mapping[tuple[int, int], int]) -> None:
    """Quotas in Decimal, stock, and packing in integers.

    Raises:
        SolverFailed: one is broken; rounding cannot do that, a wrong solver can.
    """
    drawn: dict[str, Decimal] = {}
    for c, candidate in enumerate(reduced.candidates):
        for pool, units in candidate.draws:
            drawn[pool] = drawn.get(pool, Decimal(0)) + units * counts[c]
        over = [
            k
            for k in (degree.tensor_parallel for degree in candidate.degrees)
            if sum(
                replicas[c, d.tensor_parallel] * (d.tensor_parallel // k)
                for d in candidate.degrees
                if d.tensor_parallel >= k
            )
            > candidate.accelerators // k * counts[c]
        ]
        if counts[c] > candidate.max_instances or over:
            raise SolverFailed(f"the solver's fleet breaks a limit of {candidate.id}")
    broken = [pool for pool, free in reduced.free_units if drawn.get(pool, Decimal(0)) > free]
    if broken:
        raise SolverFailed(f"the solver's fleet overdraws {', '.join(broken)}")


def _fill_idle(
    reduced: Reduced, counts: tuple[int, ...], replicas: Mapping[tuple[int, int], int], shares: Shares
) -> dict[tuple[int, int], int]:
    """Replicas of degrees with load, and more of them, largest first, on accelerators that would idle."""
    loaded = {(c, k) for c, k, _ in shares}
    filled = {key: count for key, count in replicas.items() if key in loaded and count}
    for c, candidate in enumerate(reduced.candidates):
        degrees = sorted((k for i, k in loaded if i == c), reverse=True)
        for place, k in enumerate(degrees):
            # Every packing row of a degree <= k in use must still hold.
            room = min(
                (
                    candidate.accelerators // s * counts[c]
                    - sum(filled[c, d] * (d // s) for d in degrees if d >= s)
                )
                * s
                // k
                for s in degrees[place:]
            )
            filled[c, k] += max(room, 0)
    return filled


def _solution(
    problem: Problem, reduced: Reduced, fleet: _Fleet, bound: float, relative_gap: float, seconds: float
) -> Solution:
    bought = {x.id: count for x, count in zip(reduced.candidates, fleet.instances, strict=True) if count}
    price = {x.id: x.usd_per_hour for x in reduced.candidates}
    cost = sum((price[column] * count for column, count in bought.items()), Decimal(0))
    ids = [x.id for x in reduced.candidates]
    load = {
        (ids[c], k, b): share * problem.demand_requests_per_s[b]
        for (c, k, group), share in sorted(fleet.shares.items())
        for b in reduced.groups[group]
    }
    bound = min(max(bound, 0.0), float(cost))
    if float(cost) - bound <= _FLOAT_NOISE * float(cost):
        bound = float(cost)
    proved = float(cost) - bound <= max(relative_gap, SLACK) * float(cost)
    return Solution(
        SolveStatus.OPTIMAL if proved else SolveStatus.FEASIBLE,
        bought,
        {
            (ids[c], 0, k): count
            for (c, k), count in sorted(fleet.replicas.items())
            if count and ids[c] in bought
        },
        load,
        cost,
        bound,
        formulation.solver_name(),
        seconds,
    )
