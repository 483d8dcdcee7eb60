"""The first stage of a commitment: counts from the programme of all levels, and a bound on any choice."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.errors import Infeasible, SolverFailed
from advisor.optimize.commitments.enumerate import Floor, Priced
from advisor.optimize.commitments.options import at_level
from advisor.optimize.commitments.two_stage import LevelTerms, commitments_programme, least_prices
from advisor.optimize.formulation.solver import Outcome, solve_arrays
from advisor.optimize.infeasibility.diagnose import solve_or_say_why
from advisor.optimize.presolve.reduce import reduce
from advisor.optimize.search.rounding import integer
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from advisor.optimize.commitments.levels import Level
    from advisor.optimize.commitments.options import Commitable, Counts
    from advisor.optimize.problem import Column
    from advisor.optimize.reduced import Reduced

_ALONE_TIME_LIMIT_S: Final = 2.0  # a bound is valid however early it is stopped


def first_stage(
    asked: Commitable, time_limit_s: float, gap: float
) -> tuple[Counts | None, float, tuple[list[Priced], Floor] | None]:
    """Counts to commit, if any were found, a bound on the cost of any, and what rules choices out."""
    live = [level for level in asked.levels if asked.share(level) > 0 and asked.factor(level) > 0]
    if not live:
        return {}, 0.0, None
    top = max(asked.factor(level) for level in live)
    reduced = reduced_by_class(asked, top)
    if not reduced.servable():
        raise _explained(asked, live)
    number = {candidate.id: c for c, candidate in enumerate(reduced.candidates)}
    term_of = {number[x.column.id]: x.term for x in asked.lines if x.column.id in number}
    least = _alone(asked, reduced, live, term_of)
    levels = [
        LevelTerms(asked.factor(level) / top, float(asked.share(level)), usd)
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
        rates = tuple(rate * asked.factor(level) for rate in asked.problem.demand_requests_per_s)
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
