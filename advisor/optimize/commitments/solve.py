"""The first stage of a commitment: counts from the programme of all levels, and a bound on any choice."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.errors import Infeasible, SolverFailed
from advisor.optimize.commitments.enumerate import Floor, PricedOption
from advisor.optimize.commitments.options import at_level
from advisor.optimize.commitments.two_stage import LevelTerms, commitments_programme, least_prices
from advisor.optimize.formulation import HIGHS, SECOND_OPINION, SolverVerdict
from advisor.optimize.infeasibility.diagnose import solve_or_say_why
from advisor.optimize.presolve import reduce
from advisor.optimize.search.rounding import integer
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from advisor.optimize.arrays import Compiled
    from advisor.optimize.commitments.levels import DemandLevel
    from advisor.optimize.commitments.options import CommitmentProblem, Counts
    from advisor.optimize.formulation import Solver
    from advisor.optimize.problem import Column
    from advisor.optimize.reduced import Reduced

_ALONE_TIME_LIMIT_S: Final = 2.0  # a bound is valid however early it is stopped


@dataclass(frozen=True, slots=True)
class FirstStage:
    """What the programme of all levels says."""

    counts: Counts | None  #: to commit; None: none were found in time
    bound: float = 0.0  #: on the cost of any choice
    options: tuple[PricedOption, ...] = ()
    floor: Floor | None = None  #: what every level costs at least; None: no hour has any demand
    programme: Compiled | None = None

    def confirmed(self, time_limit_s: float, relative_gap: float) -> float:
        """The bound as far as a second search comes to it as well."""
        if self.programme is None:
            return self.bound
        again = SECOND_OPINION.solve(
            self.programme, time_limit_s=time_limit_s, relative_gap=relative_gap / 2, bound_only=True
        )
        return min(self.bound, max(again.bound, 0.0))


def first_stage(
    asked: CommitmentProblem, time_limit_s: float, gap: float, solver: Solver = HIGHS
) -> FirstStage:
    """Counts to commit, a bound on the cost of any, and what rules choices out."""
    live = [level for level in asked.levels if asked.share(level) > 0 and asked.factor(level) > 0]
    if not live:
        return FirstStage({})
    top = max(asked.factor(level) for level in live)
    reduced = reduced_by_class(asked, top)
    if not reduced.servable():
        raise _explained(asked, live)
    number = {candidate.id: c for c, candidate in enumerate(reduced.candidates)}
    term_of = {number[x.column.id]: x.term for x in asked.options if x.column.id in number}
    least = _alone(asked, reduced, live, term_of)
    levels = [
        LevelTerms(asked.factor(level) / top, float(asked.share(level)), usd)
        for level, usd in zip(live, least, strict=True)
    ]
    programme = commitments_programme(reduced, term_of, asked.most, levels)
    arrays = programme.arrays.compiled()
    raw = solver.solve(arrays, time_limit_s=time_limit_s, relative_gap=gap)
    if raw.verdict is SolverVerdict.INFEASIBLE:
        raise _explained(asked, live)
    counts = None
    if raw.values is not None:
        taken = ((m, integer(float(raw.values[x]))) for m, x in programme.committed.items())
        counts = {reduced.candidates[m].id: n for m, n in taken if n}
    floor = Floor(np.array([x.weight for x in levels]), np.array(least))
    return FirstStage(counts, max(raw.bound, 0.0), tuple(_priced(reduced, term_of)), floor, arrays)


def _priced(reduced: Reduced, term_of: Mapping[int, str]) -> list[PricedOption]:
    worth = least_prices(reduced, term_of)
    return [
        PricedOption(x.id, term_of[m], float(x.usd_per_hour), float(worth[x.kind]), x.max_instances)
        for m, x in enumerate(reduced.candidates)
        if m in term_of
    ]


def _alone(
    asked: CommitmentProblem, reduced: Reduced, live: Sequence[DemandLevel], committed: Collection[int]
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

    def least(level: DemandLevel) -> float:
        rates = tuple(rate * asked.factor(level) for rate in asked.problem.demand_requests_per_s)
        posed = replace(free, demand_requests_per_s=rates)
        try:
            return solve(posed, time_limit_s=_ALONE_TIME_LIMIT_S).lower_bound_usd_per_hour
        except SolverFailed:
            return 0.0

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return list(pool.map(least, live))


def _explained(asked: CommitmentProblem, live: list[DemandLevel]) -> Infeasible:
    """Why the highest level has no fleet even with everything that can be committed."""
    top = max(live, key=lambda level: level.factor)
    everything = {x.column.id: asked.most.get(x.term, 10**6) for x in asked.options}
    solve_or_say_why(at_level(asked, top, everything))
    return Infeasible("no fleet serves every hour within the quotas and the limits of the terms")


def reduced_by_class(asked: CommitmentProblem, factor: float) -> Reduced:
    """Presolve at the highest level, with dominance inside what is rented and inside each term only."""
    peak = replace(
        asked.problem,
        demand_requests_per_s=tuple(rate * factor for rate in asked.problem.demand_requests_per_s),
    )
    classes = [(asked.problem.columns, dict(peak.free_units))]
    for term in sorted({option.term for option in asked.options}):
        pool, limited = f" {term}", term in asked.most  # no pool key starts with a blank
        draw = ((pool, Decimal(1)),) if limited else ()
        columns = tuple(
            replace(option.column, draws=(*option.column.draws, *draw))
            for option in asked.options
            if option.term == term
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
