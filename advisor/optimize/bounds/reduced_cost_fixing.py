"""Programmes too large to solve head on: the LP relaxation says which columns are worth a thought.

A restricted programme keeps the whole-number columns that the relaxation uses and those with the least
reduced cost. It is solved in seconds and its answer is a fleet of the whole problem. A fleet that uses one
left out costs no less than the relaxation and its reduced cost, any other no less than the bound of the
restricted programme; so the lower of the two bounds every fleet. Where that is too low, all columns that
could still be part of a cheaper fleet than the one found come back in, and what stays out is out for good.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.optimize.formulation import ProgrammeAnswer, RawAnswer, SolverVerdict, answer_of, relax

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from advisor.optimize.effort import Effort
    from advisor.optimize.formulation import Programme, Relaxed

    Floats = NDArray[np.float64]

LARGE: Final = 40_000
"""Nonzeros above which a programme is solved this way (benchmarks/README.md)."""

MANY: Final = 1_000
"""Whole-number columns above which it is as well."""

_FEW: Final = 150  # whole-number columns kept at first beside those the relaxation uses
_RELAX_SHARE, _FEW_SHARE, _ALONE_SHARE = 0.4, 0.35, 0.6  # of the time, at most


def is_large(programme: Programme) -> bool:
    """Whether it should be solved this way."""
    return programme.arrays.nonzeros > LARGE or programme.arrays.integers > MANY


def solve_large(
    programme: Programme,
    effort: Effort,
    *,
    priced_bound: Callable[[Programme, Relaxed, Effort], float] | None = None,
    start: Floats | None = None,
) -> ProgrammeAnswer:
    """A fleet, and what is proved about it.

    Args:
        programme: a large one.
        effort: for everything.
        priced_bound: a bound from the relaxation's prices, where services share.
        start: a point to begin with, if one is known.
    """
    whole = effort.left()
    relaxed = relax(programme.arrays, _RELAX_SHARE * whole)
    if relaxed is None:
        return answer_of(programme, _head_on(programme, effort))
    bound = relaxed.objective
    half = effort.at_gap(effort.relative_gap / 2)
    share = min((_ALONE_SHARE if priced_bound is None else _FEW_SHARE) * whole, effort.left())
    few = _restricted(programme, relaxed, _least_reduced(programme, relaxed), half.within(share))
    bound = max(bound, few.bound)
    if start is not None:
        known = float(programme.arrays.compiled().cost @ start)
        few = _better(few, RawAnswer(SolverVerdict.FEASIBLE, few.bound, known, start))
    if priced_bound is not None and _open(few, bound, effort):
        bound = max(bound, priced_bound(programme, relaxed, effort))
    if few.values is None:
        few = _head_on(programme, effort)
        if few.verdict is SolverVerdict.INFEASIBLE:
            return answer_of(programme, few)
        bound = max(bound, few.bound)
    elif _open(few, bound, effort):
        cutoff = few.objective * (1 - effort.relative_gap / 2)
        more = _restricted(programme, relaxed, relaxed.at_least < cutoff, half, few.values)
        bound, few = max(bound, more.bound), _better(more, few)
    if few.values is None:
        return ProgrammeAnswer(SolverVerdict.NOTHING, bound)
    verdict = SolverVerdict.FEASIBLE if _open(few, bound, effort) else SolverVerdict.OPTIMAL
    return answer_of(programme, RawAnswer(verdict, bound, few.objective, few.values))


def _head_on(programme: Programme, effort: Effort) -> RawAnswer:
    arrays = programme.arrays.compiled()
    return effort.solver.solve(arrays, time_limit_s=effort.left(), relative_gap=effort.relative_gap)


def _open(found: RawAnswer, bound: float, effort: Effort) -> bool:
    gap = max(effort.relative_gap, 1e-9)
    return found.values is None or found.objective - bound > gap * abs(found.objective)


def _better(one: RawAnswer, other: RawAnswer) -> RawAnswer:
    if one.values is None or other.values is None:
        return other if one.values is None else one
    return one if one.objective <= other.objective else other


def _least_reduced(programme: Programme, relaxed: Relaxed) -> NDArray[np.bool_]:
    """The columns the relaxation uses, and a few more."""
    cost = np.where(programme.arrays.compiled().integer, relaxed.at_least, -np.inf)
    ranked = np.sort(cost[np.isfinite(cost)])
    return np.asarray(cost < ranked[_FEW]) if len(ranked) > _FEW else np.ones(len(cost), dtype=np.bool_)


def _restricted(
    programme: Programme,
    relaxed: Relaxed,
    kept: NDArray[np.bool_],
    effort: Effort,
    start: Floats | None = None,
) -> RawAnswer:
    """The programme with only some of its whole-number columns, and a bound that holds for all of it."""
    arrays = programme.arrays.compiled()
    dropped = np.flatnonzero(arrays.integer & ~kept)
    high = arrays.high.copy()
    high[dropped] = arrays.low[dropped]
    raw = effort.solver.solve(
        replace(arrays, high=high),
        time_limit_s=effort.left(),
        relative_gap=effort.relative_gap,
        start=start,
    )
    bound = float("inf") if raw.verdict is SolverVerdict.INFEASIBLE else raw.bound
    bound = min(bound, float(relaxed.at_least[dropped].min(initial=np.inf)))
    if raw.values is None:
        return RawAnswer(SolverVerdict.NOTHING, min(bound, relaxed.objective))
    return RawAnswer(raw.verdict, bound, raw.objective, raw.values)
