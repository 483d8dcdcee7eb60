"""What to commit for a long time, when demand changes by the hour and is not known for sure.

Two stages. First, how many instances to commit under which term, paid every hour at the term's price. Then,
per level of demand, what to rent by the hour on top: the cheapest fleet of what is committed, now for
nothing, and of what is on demand or spot, with a routing of its own. The families and formulas stand in
:mod:`advisor.optimize.commitments.two_stage`.

1. Hours and growth scenarios are merged upward into levels (:mod:`advisor.optimize.commitments.levels`).
2. Presolve by class: what is rented is replaced by what is rented only, what is committed by what is
   committed under the same term only; there dominance is exact, as each replaces the other in every hour.
   All quota pools count as binding for it, since the classes draw on them together.
3. HiGHS solves the programme of all levels for the counts to commit and a bound on the cost of any choice
   (:mod:`advisor.optimize.commitments.solve`).
4. With the counts given, levels are problems of their own (:mod:`advisor.optimize.commitments.options`):
   each is solved and checked alone, which is the plan. Its cost is counts times prices; cost minus bound, the
   gap.
5. While the gap is open: where few enough choices are left that a bound does not rule out
   (:mod:`advisor.optimize.commitments.enumerate`), all are tried, which closes the gap of small fleets, whose
   whole instances a relaxation sees badly; else counts next to the best ones are, one more or one less.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.errors import Infeasible, NoCandidates, SolverFailed
from advisor.optimize.commitments.enumerate import Floor, promising
from advisor.optimize.commitments.options import LevelFleets, committed_usd_per_hour
from advisor.optimize.commitments.solve import first_stage
from advisor.optimize.effort import solver_named
from advisor.optimize.problem import SolveStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from advisor.optimize.commitments.options import CommitmentOption, CommitmentProblem, Counts
    from advisor.optimize.commitments.solve import FirstStage

_PROGRAMME_PART: Final = 0.4
"""Of the time, for the programme; the rest is for trying choices one by one."""

_MOST_CHOICES: Final = 3000
"""More than that are not tried one by one: each takes a solve per level."""

_SAME: Final = 1e-9  # relative


@dataclass(frozen=True, slots=True)
class CommitmentSolution:
    """What to commit, and what is proved about it."""

    counts: Counts  #: per column of a line, only those committed
    status: SolveStatus
    usd_per_hour: Decimal  #: expected: committed and rented, side costs included
    lower_bound_usd_per_hour: float
    solve_seconds: float

    @property
    def relative_gap(self) -> float:
        """(cost - bound) / cost."""
        cost = float(self.usd_per_hour)
        return max(0.0, (cost - self.lower_bound_usd_per_hour) / cost) if cost else 0.0


def commit(
    asked: CommitmentProblem,
    hours: LevelFleets | None = None,
    *,
    scenario: int | None = None,
    start: Mapping[str, int] | None = None,
    time_limit_s: float = 60.0,
    relative_gap: float = 1e-4,
) -> CommitmentSolution:
    """The commitments of least expected cost, or the best found within the time.

    Args:
        asked: what to decide.
        hours: what is known of its levels already.
        scenario: look at this one alone, as if it were known.
        start: counts to beat.
        time_limit_s: for the programme and what follows; levels on their own come on top.
        relative_gap: at which the answer is good enough.

    Raises:
        Infeasible, NoCandidates: no fleet serves some hour, whatever is committed.
        SolverFailed: nothing usable within the time.
    """
    began = time.perf_counter()
    hours = hours or LevelFleets(asked)
    if scenario is not None:
        asked = replace(asked, weights=tuple(Decimal(int(s == scenario)) for s in range(len(asked.weights))))
    end = began + time_limit_s
    stage = first_stage(asked, time_limit_s * _PROGRAMME_PART, relative_gap, solver_named(hours.solver))
    tried = [dict(each) for each in (stage.counts, start) if each is not None]
    best, cost = _cheapest(hours, tried, scenario)
    least = 0.0  # bound that rests on levels alone
    if stage.floor is not None and _open(cost, stage.bound, relative_gap):
        best, cost, least = _all_tried(asked, hours, stage, best, cost, scenario, relative_gap, end)
    while _open(cost, max(stage.bound, least), relative_gap) and time.perf_counter() < end:
        better = _neighbour(hours, best, cost, scenario, end)
        if better is None:
            break
        best, cost = better
    bound = stage.bound
    if _open(cost, least, relative_gap) and not _open(cost, bound, relative_gap):
        bound = stage.confirmed(end - time.perf_counter(), relative_gap)
    bound = min(max(bound, least), float(cost))
    if not _open(cost, bound, _SAME):
        bound = float(cost)
    status = SolveStatus.FEASIBLE if _open(cost, bound, relative_gap) else SolveStatus.OPTIMAL
    return CommitmentSolution(best, status, cost, bound, time.perf_counter() - began)


def _open(cost: Decimal, bound: float, relative_gap: float) -> bool:
    return float(cost) - bound > max(relative_gap, _SAME) * float(cost)


def _cheapest(hours: LevelFleets, tried: Iterable[Counts], scenario: int | None) -> tuple[Counts, Decimal]:
    found = [(hours.cost(counts, scenario), sorted(counts.items())) for counts in tried]
    if not found:
        raise SolverFailed("no commitment was found in the time allowed; allow more with --time-limit-s")
    cost, counts = min(found)
    return dict(counts), cost


def _neighbour(
    hours: LevelFleets, best: Counts, cost: Decimal, scenario: int | None, end: float
) -> tuple[Counts, Decimal] | None:
    """One more or one less of a line, if that is cheaper."""
    asked = hours.asked
    for option in asked.options:
        name = option.column.id
        for step in (1, -1):
            count = best.get(name, 0) + step
            if count < 0 or time.perf_counter() > end or (step > 0 and _full(asked, option, best)):
                continue
            trial = {c: n for c, n in {**best, name: count}.items() if n}
            try:
                found = hours.cost(trial, scenario)
            except (Infeasible, NoCandidates, SolverFailed):
                continue
            if found < cost:
                return trial, found
    return None


def _full(asked: CommitmentProblem, option: CommitmentOption, counts: Mapping[str, int]) -> bool:
    taken = sum(counts.get(other.column.id, 0) for other in asked.options if other.term == option.term)
    return taken >= asked.most.get(option.term, taken + 1)


def _all_tried(
    asked: CommitmentProblem,
    hours: LevelFleets,
    stage: FirstStage,
    best: Counts,
    cost: Decimal,
    scenario: int | None,
    gap: float,
    end: float,
) -> tuple[Counts, Decimal, float]:
    """The best of all choices not ruled out, and a bound, as time allows; 0 where they are too many."""
    floor, shy = stage.floor, 1 - gap / 2
    assert floor is not None
    found = promising(stage.options, asked.most, floor, float(cost) * shy, _MOST_CHOICES)
    if found is None:
        return best, cost, 0.0
    for bound, counts in found:
        if bound >= float(cost) * shy:
            break
        if time.perf_counter() > end:
            return best, cost, bound
        trial = _cost_below(asked, hours, counts, scenario, cost, floor)
        if trial is not None:
            best, cost = counts, trial
    return best, cost, float(cost) * shy


def _cost_below(
    asked: CommitmentProblem,
    hours: LevelFleets,
    counts: Counts,
    scenario: int | None,
    limit: Decimal,
    floor: Floor,
) -> Decimal | None:
    """What a choice costs, if that is below a limit; the dearest levels are looked at first."""
    spent = float(committed_usd_per_hour(asked, counts))
    live = [h for h, level in enumerate(asked.levels) if asked.share(level) > 0 and asked.factor(level) > 0]
    worth = [0.0] * len(live)
    for place in range(len(live) - 1, -1, -1):
        try:
            fleet = hours.fleet(live[place], counts)
        except (Infeasible, NoCandidates, SolverFailed):
            return None
        worth[place] = float(floor.weight[place]) * fleet.objective_usd_per_hour
        if spent + sum(worth) >= float(limit) * (1 - _SAME):
            return None
    return hours.cost(counts, scenario)
