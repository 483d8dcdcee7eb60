"""What to commit for a long time, when demand changes by the hour and is not known for sure.

Two stages. First, how many instances to commit under which term, paid every hour at the term's price. Then,
per level of demand, what to rent by the hour on top: the cheapest fleet of what is committed, now for
nothing, and of what is on demand or spot, with a routing of its own. The families and formulas stand in
:mod:`advisor.optimize.two_stage`.

1. Hours and growth scenarios are merged upward into levels (:mod:`advisor.optimize.levels`).
2. Presolve by class: what is rented is replaced by what is rented only, what is committed by what is
   committed under the same term only; there dominance is exact, as each replaces the other in every hour.
   All quota pools count as binding for it, since the classes draw on them together.
3. HiGHS solves the programme of all levels for the counts to commit and a bound on the cost of any choice.
4. With the counts given, levels are problems of their own: each is solved and certified alone, which is the
   plan, and its cost is counts times prices. Cost minus bound is the gap that is reported.
5. While the gap is open: where few enough choices are left that a bound does not rule out
   (:mod:`advisor.optimize.promising`), all are tried, which closes the gap of small fleets, whose whole
   instances a relaxation sees badly; else counts next to the best ones are, one more or one less.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.errors import Infeasible, NoCandidates, SolverFailed
from advisor.optimize.diagnose import solve_or_say_why
from advisor.optimize.fleet import integer
from advisor.optimize.formulation.highs import Outcome, solve_arrays
from advisor.optimize.presolve import reduce
from advisor.optimize.problem import SolveStatus
from advisor.optimize.promising import Floor, Priced, promising
from advisor.optimize.solve import solve
from advisor.optimize.two_stage import LevelTerms, commitments_programme, least_prices

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from advisor.optimize.levels import Level
    from advisor.optimize.problem import Column, Problem, Solution
    from advisor.optimize.reduced import Reduced

_IDLE: Final = 1e-6
"""Of the highest level: what an hour without demand counts as, where replicas must run all the same."""

_LEVEL_TIME_LIMIT_S: Final = 20.0
_ALONE_TIME_LIMIT_S: Final = 2.0  # a bound is valid however early it is stopped
_PROGRAMME_PART: Final = 0.4
"""Of the time, for the programme; the rest is for trying choices one by one."""

_MOST_CHOICES: Final = 3000
"""More than that are not tried one by one: each takes a solve per level."""

_SAME: Final = 1e-9  # relative

Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of instance in one place under one term."""

    term: str
    column: Column  #: at the committed price; without draws if it holds capacity of its own


@dataclass(frozen=True, slots=True)
class Commitable:
    """What can be committed, rented and must be served."""

    problem: Problem  #: at the rates asked about; its columns are rented by the hour
    lines: tuple[Line, ...]
    most: Mapping[str, int]  #: per term with a limit, instances in all
    levels: tuple[Level, ...]
    weights: tuple[Decimal, ...]  #: per scenario, summing to 1

    def hours(self, scenario: int) -> int:
        """Hours of the horizon."""
        return sum(level.hours[scenario] for level in self.levels)

    def share(self, level: Level) -> Decimal:
        """Of all hours, scenarios weighted."""
        return sum((w * level.hours[s] / self.hours(s) for s, w in enumerate(self.weights) if w), Decimal(0))


@dataclass(frozen=True, slots=True)
class Committed:
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


@dataclass(slots=True)
class Hours:
    """The cheapest fleet of every level for given commitments; answers are kept."""

    asked: Commitable
    _known: dict[tuple[int, tuple[tuple[str, int], ...]], Solution] = field(default_factory=dict)

    def fleets(self, counts: Mapping[str, int]) -> tuple[Solution, ...]:
        """Per level; committed instances that run are among the instances, at no cost.

        Raises:
            Infeasible, NoCandidates: some level has no fleet.
            SolverFailed: none was found in time.
        """
        key = tuple(sorted((c, n) for c, n in counts.items() if n))
        todo = [h for h in range(len(self.asked.levels)) if (h, key) not in self._known]
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            problems = [at_level(self.asked, self.asked.levels[h], dict(key)) for h in todo]
            found = pool.map(lambda p: solve(p, time_limit_s=_LEVEL_TIME_LIMIT_S), problems)
            self._known.update(zip(((h, key) for h in todo), found, strict=True))
        return tuple(self._known[h, key] for h in range(len(self.asked.levels)))

    def fleet(self, level: int, counts: Mapping[str, int]) -> Solution:
        """Of one level alone; errors as :meth:`fleets`."""
        key = tuple(sorted((c, n) for c, n in counts.items() if n))
        if (level, key) not in self._known:
            posed = at_level(self.asked, self.asked.levels[level], dict(key))
            self._known[level, key] = solve(posed, time_limit_s=_LEVEL_TIME_LIMIT_S)
        return self._known[level, key]

    def rented(self, counts: Mapping[str, int], scenario: int | None = None) -> Decimal:
        """Expected dollars per hour of what is rented and of side costs, over all or in one scenario."""
        asked = self.asked
        cost = Decimal(0)
        for level, fleet in zip(asked.levels, self.fleets(counts), strict=True):
            share = (
                asked.share(level)
                if scenario is None
                else Decimal(level.hours[scenario]) / asked.hours(scenario)
            )
            cost += share * (fleet.usd_per_hour + Decimal(repr(fleet.side_usd_per_hour)))
        return cost

    def cost(self, counts: Mapping[str, int], scenario: int | None = None) -> Decimal:
        """The same with what is committed."""
        return committed_usd_per_hour(self.asked, counts) + self.rented(counts, scenario)


def committed_usd_per_hour(asked: Commitable, counts: Mapping[str, int]) -> Decimal:
    """Counts times prices of the commitments."""
    lines = (line.column for line in asked.lines)
    return sum((c.usd_per_hour * counts.get(c.id, 0) for c in lines), Decimal(0))


def at_level(asked: Commitable, level: Level, counts: Mapping[str, int]) -> Problem:
    """The fleet to find in the hours of a level: what is committed costs nothing and ends at its count."""
    held = tuple(
        replace(line.column, usd_per_hour=Decimal(0), max_instances=counts[line.column.id])
        for line in asked.lines
        if counts.get(line.column.id)
    )
    factor = _factor(asked, level)
    return replace(
        asked.problem,
        demand_requests_per_s=tuple(rate * factor for rate in asked.problem.demand_requests_per_s),
        columns=(*asked.problem.columns, *held),
    )


def commit(
    asked: Commitable,
    hours: Hours | None = None,
    *,
    scenario: int | None = None,
    start: Mapping[str, int] | None = None,
    time_limit_s: float = 60.0,
    relative_gap: float = 1e-4,
) -> Committed:
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
    hours = hours or Hours(asked)
    if scenario is not None:
        asked = replace(asked, weights=tuple(Decimal(int(s == scenario)) for s in range(len(asked.weights))))
    end = began + time_limit_s
    counts, bound, searched = _first_stage(asked, time_limit_s * _PROGRAMME_PART, relative_gap)
    tried = [dict(each) for each in (counts, start) if each is not None]
    best, cost = _cheapest(hours, tried, scenario)
    tried_all = None
    if searched is not None and float(cost) - bound > relative_gap * float(cost):
        tried_all = _all_tried(asked, hours, searched, best, cost, scenario, relative_gap, end)
    if tried_all is not None:
        best, cost, least = tried_all
        bound = max(bound, least)
    while float(cost) - bound > relative_gap * float(cost) and time.perf_counter() < end:
        better = _neighbour(hours, best, cost, scenario, end)
        if better is None:
            break
        best, cost = better
    bound = min(bound, float(cost))
    if float(cost) - bound <= _SAME * float(cost):
        bound = float(cost)
    proved = float(cost) - bound <= max(relative_gap, _SAME) * float(cost)
    status = SolveStatus.OPTIMAL if proved else SolveStatus.FEASIBLE
    return Committed(best, status, cost, bound, time.perf_counter() - began)


def _cheapest(hours: Hours, tried: Iterable[Counts], scenario: int | None) -> tuple[Counts, Decimal]:
    found = [(hours.cost(counts, scenario), sorted(counts.items())) for counts in tried]
    if not found:
        raise SolverFailed("no commitment was found in the time allowed; allow more with --time-limit-s")
    cost, counts = min(found)
    return dict(counts), cost


def _neighbour(
    hours: Hours, best: Counts, cost: Decimal, scenario: int | None, end: float
) -> tuple[Counts, Decimal] | None:
    """One more or one less of a line, if that is cheaper."""
    asked = hours.asked
    for line in asked.lines:
        name = line.column.id
        for step in (1, -1):
            count = best.get(name, 0) + step
            if count < 0 or time.perf_counter() > end or (step > 0 and _full(asked, line, best)):
                continue
            trial = {c: n for c, n in {**best, name: count}.items() if n}
            try:
                found = hours.cost(trial, scenario)
            except (Infeasible, NoCandidates, SolverFailed):
                continue
            if found < cost:
                return trial, found
    return None


def _full(asked: Commitable, line: Line, counts: Mapping[str, int]) -> bool:
    taken = sum(counts.get(other.column.id, 0) for other in asked.lines if other.term == line.term)
    return taken >= asked.most.get(line.term, taken + 1)


def _all_tried(
    asked: Commitable,
    hours: Hours,
    searched: tuple[list[Priced], Floor],
    best: Counts,
    cost: Decimal,
    scenario: int | None,
    gap: float,
    end: float,
) -> tuple[Counts, Decimal, float] | None:
    """The best of all choices not ruled out, and a bound, as far as time allows; None: too many."""
    lines, floor = searched
    shy = 1 - gap / 2
    found = promising(lines, asked.most, floor, float(cost) * shy, _MOST_CHOICES)
    if found is None:
        return None
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
    asked: Commitable,
    hours: Hours,
    counts: Counts,
    scenario: int | None,
    limit: Decimal,
    floor: Floor,
) -> Decimal | None:
    """What a choice costs, if that is below a limit; the dearest levels are looked at first."""
    spent = float(committed_usd_per_hour(asked, counts))
    live = [h for h, level in enumerate(asked.levels) if asked.share(level) > 0 and _factor(asked, level) > 0]
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


# --- first stage ----------------------------------------------------------------------------------


def _first_stage(
    asked: Commitable, time_limit_s: float, gap: float
) -> tuple[Counts | None, float, tuple[list[Priced], Floor] | None]:
    """Counts to commit, if any were found, a bound on the cost of any, and what rules choices out."""
    live = [level for level in asked.levels if asked.share(level) > 0 and _factor(asked, level) > 0]
    if not live:
        return {}, 0.0, None
    top = max(_factor(asked, level) for level in live)
    reduced = reduced_by_class(asked, top)
    if not reduced.servable():
        raise _explained(asked, live)
    number = {candidate.id: c for c, candidate in enumerate(reduced.candidates)}
    term_of = {number[x.column.id]: x.term for x in asked.lines if x.column.id in number}
    least = _alone(asked, reduced, live, term_of)
    levels = [
        LevelTerms(_factor(asked, level) / top, float(asked.share(level)), usd)
        for level, usd in zip(live, least, strict=True)
    ]
    programme = commitments_programme(reduced, term_of, asked.most, levels)
    raw = solve_arrays(programme.model, {"time_limit": time_limit_s, "mip_rel_gap": gap})
    if raw.outcome is Outcome.INFEASIBLE:
        raise _explained(asked, live)
    searched = _priced(reduced, term_of), Floor(np.array([x.weight for x in levels]), np.array(least))
    if raw.values is None:
        return None, max(raw.bound, 0.0), searched
    counts = {
        reduced.candidates[m].id: integer(float(raw.values[column]))
        for m, column in programme.committed.items()
    }
    return {c: n for c, n in counts.items() if n}, max(raw.bound, 0.0), searched


def _priced(reduced: Reduced, term_of: Mapping[int, str]) -> list[Priced]:
    worth = least_prices(reduced, term_of)
    return [
        Priced(x.id, term_of[m], float(x.usd_per_hour), float(worth[x.kind]), x.max_instances)
        for m, x in enumerate(reduced.candidates)
        if m in term_of
    ]


def _alone(
    asked: Commitable, reduced: Reduced, live: Sequence[Level], committed: Collection[int]
) -> list[float]:
    """Per level, a bound on its cheapest fleet without limits, every kind at its least price."""
    columns = {column.id: column for column in reduced.problem.columns}
    kinds = tuple(
        replace(
            columns[reduced.candidates[kind.members[0]].id],
            usd_per_hour=usd,
            draws=(),
            max_instances=None,
            usd_per_request=(),
        )
        for kind, usd in zip(reduced.kinds, least_prices(reduced, committed), strict=True)
    )
    free = replace(asked.problem, columns=kinds, free_units={})

    def least(level: Level) -> float:
        rates = tuple(rate * _factor(asked, level) for rate in asked.problem.demand_requests_per_s)
        posed = replace(free, demand_requests_per_s=rates)
        try:
            return solve(posed, time_limit_s=_ALONE_TIME_LIMIT_S).lower_bound_usd_per_hour
        except SolverFailed:
            return 0.0

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return list(pool.map(least, live))


def _explained(asked: Commitable, live: list[Level]) -> Infeasible:
    """Why the highest level has no fleet even with everything that can be committed."""
    top = max(live, key=lambda level: level.factor)
    everything = {x.column.id: asked.most.get(x.term, 10**6) for x in asked.lines}
    solve_or_say_why(at_level(asked, top, everything))
    return Infeasible("no fleet serves every hour within the quotas and the limits of the terms")


def reduced_by_class(asked: Commitable, factor: float) -> Reduced:
    """Presolve at the highest level, with dominance inside what is rented and inside each term only."""
    peak = replace(
        asked.problem,
        demand_requests_per_s=tuple(rate * factor for rate in asked.problem.demand_requests_per_s),
    )
    classes = [(asked.problem.columns, dict(peak.free_units))]
    for term in sorted({line.term for line in asked.lines}):
        pool, limited = f" {term}", term in asked.most  # no pool key starts with a blank
        draw = ((pool, Decimal(1)),) if limited else ()
        columns = tuple(
            replace(line.column, draws=(*line.column.draws, *draw))
            for line in asked.lines
            if line.term == term
        )
        limit = {pool: Decimal(asked.most[term])} if limited else {}
        classes.append((columns, {**peak.free_units, **limit}))
    kept = []
    for columns, free in classes:
        alone = reduce(replace(peak, columns=columns, free_units=free), enforce_limits=False)
        drawn = {column.id: column for column in columns}
        kept += [_pruned(drawn[each.id], alone, each.kind) for each in alone.candidates]
    return reduce(replace(peak, columns=tuple(kept)), dominance=False)


def _pruned(column: Column, alone: Reduced, kind: int) -> Column:
    """The column with the degrees that were not dominated, and no draw on its term."""
    uses = {(use.service, use.tensor_parallel) for use in alone.kinds[kind].uses}
    options = tuple(o for o in column.options if (o.service, o.tensor_parallel) in uses)
    draws = tuple(draw for draw in column.draws if not draw[0].startswith(" "))
    return replace(column, options=options, draws=draws)


def _factor(asked: Commitable, level: Level) -> float:
    idle = _IDLE * asked.levels[-1].factor if any(s.min_replicas for s in asked.problem.services) else 0.0
    return max(level.factor, idle)
