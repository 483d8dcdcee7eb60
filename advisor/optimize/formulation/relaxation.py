"""Programmes too large to solve head on: the LP relaxation says which columns are worth a thought.

A restricted programme keeps the whole-number columns that the relaxation uses and those with the least
reduced cost. It is solved in seconds and its answer is a fleet of the whole problem. A fleet that uses one
left out costs no less than the relaxation and its reduced cost, any other no less than the bound of the
restricted programme; so the lower of the two bounds every fleet. Where that is too low, all columns that
could still be part of a cheaper fleet than the one found come back in, and what stays out is out for good.

Where services share, another bound comes from prices. For any prices >= 0 of slots on instances, and of
quotas, the least each service can pay for its replicas plus the least the purchase costs net of them is no
more than any fleet costs (Lagrange). It counts the services' whole replicas, so that at the relaxation's own
prices it is no worse than the relaxation, and mostly much better.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import highspy
import numpy as np

from advisor.optimize.formulation.day import SMALLEST_COEFFICIENT
from advisor.optimize.formulation.families import needed_packing_rows, quota
from advisor.optimize.formulation.programme import fleet_cost
from advisor.optimize.formulation.solver import (
    Answer,
    Outcome,
    Raw,
    answer_of,
    as_highs,
    configure,
    raw_answer,
    run_highs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from advisor.optimize.arrays import Model
    from advisor.optimize.formulation.programme import Programme
    from advisor.optimize.reduced import Reduced

    Floats = NDArray[np.float64]

LARGE: Final = 40_000
"""Nonzeros above which a programme is solved this way (benchmarks/README.md)."""

MANY: Final = 1_000
"""Whole-number columns above which it is as well."""

_FEW: Final = 150  # whole-number columns kept at first beside those the relaxation uses
_RELAX_SHARE, _FEW_SHARE, _ALONE_SHARE = 0.4, 0.35, 0.6  # of the time, at most
_PRIMAL_SIMPLEX: Final = 4  # HiGHS's option simplex_strategy
_USED: Final = 1e-7
_DUAL_NOISE: Final = 1e-7  # relative to the objective: the tolerance of reduced costs

Slots = tuple[int, int]
"""(kind, degree): what a price is for."""


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """Where the simplex method ended, by name, so that a model with more columns and rows can begin there."""

    columns: Mapping[str, highspy.HighsBasisStatus]
    rows: Mapping[str, highspy.HighsBasisStatus]


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """An optimum of the LP relaxation."""

    objective: float
    values: Floats  #: per column
    reduced_cost: Floats  #: per column
    dual: Floats  #: per row
    basis: Basis | None = None

    @property
    def at_least(self) -> Floats:
        """Per column, what a fleet costs that uses one of it where the relaxation uses none."""
        unused = (self.values <= _USED) & (self.reduced_cost > 0)
        margin = _DUAL_NOISE * abs(self.objective)
        return self.objective + np.where(unused, self.reduced_cost - margin, -np.inf)


def is_large(programme: Programme) -> bool:
    """Whether it should be solved this way."""
    return programme.model.nonzeros > LARGE or int(programme.model.integer.sum()) > MANY


def solve_guided(
    programme: Programme,
    *,
    time_limit_s: float,
    relative_gap: float,
    priced_bound: Callable[[Relaxed, float], float] | None = None,
    start: Floats | None = None,
) -> Answer:
    """A fleet, and what is proved about it.

    Args:
        programme: a large one.
        time_limit_s: for everything.
        relative_gap: at which to stop.
        priced_bound: a bound from the relaxation's prices within so many seconds, where services share.
        start: a point to begin with, if one is known.
    """
    started = time.perf_counter()
    model = programme.model

    def left(share: float = 1.0) -> float:
        return max(0.0, min(share * time_limit_s, started + time_limit_s - time.perf_counter()))

    relaxed = relax(model, left(_RELAX_SHARE))
    if relaxed is None:
        return answer_of(programme, run_highs(as_highs(model), _options(left(), relative_gap), mixed=True))
    bound = relaxed.objective
    share = _FEW_SHARE if priced_bound is not None else _ALONE_SHARE
    few = _restricted(model, relaxed, _least_reduced(model, relaxed), _options(left(share), relative_gap / 2))
    bound = max(bound, few.bound)
    if start is not None:
        known = Raw(Outcome.FEASIBLE, few.bound, float(model.cost @ start), start)
        few = _better(few, known)
    if priced_bound is not None and _open(few, bound, relative_gap):
        bound = max(bound, priced_bound(relaxed, left()))
    if few.values is None:
        few = run_highs(as_highs(model), _options(left(), relative_gap), mixed=True)
        if few.outcome is Outcome.INFEASIBLE:
            return answer_of(programme, few)
        bound = max(bound, few.bound)
    elif _open(few, bound, relative_gap):
        cutoff = few.objective * (1 - relative_gap / 2)
        more = _restricted(
            model, relaxed, relaxed.at_least < cutoff, _options(left(), relative_gap / 2), few.values
        )
        bound, few = max(bound, more.bound), _better(more, few)
    if few.values is None:
        return Answer(Outcome.NOTHING, bound)
    outcome = Outcome.FEASIBLE if _open(few, bound, relative_gap) else Outcome.OPTIMAL
    return answer_of(programme, Raw(outcome, bound, few.objective, few.values))


def _open(found: Raw, bound: float, relative_gap: float) -> bool:
    return found.values is None or found.objective - bound > max(relative_gap, 1e-9) * abs(found.objective)


def _options(time_limit_s: float, relative_gap: float) -> dict[str, float]:
    return {"time_limit": time_limit_s, "mip_rel_gap": relative_gap}


def _better(one: Raw, other: Raw) -> Raw:
    if one.values is None or other.values is None:
        return other if one.values is None else one
    return one if one.objective <= other.objective else other


def relax(
    model: Model, time_limit_s: float, *, names: Sequence[str] | None = None, start: Basis | None = None
) -> Relaxed | None:
    """The LP relaxation; None if the time does not suffice or it has no solution.

    Args:
        model: any; its whole-number columns may be fractions.
        time_limit_s: at most.
        names: of columns, if the basis is of interest.
        start: the basis of a smaller model whose names mean the same; what it does not know is left out.
    """
    lp = as_highs(model)
    lp.integrality_ = []
    highs = highspy.Highs()  # type: ignore[no-untyped-call]  # highspy is untyped
    configure(highs, {"time_limit": time_limit_s})
    highs.passModel(lp)
    if start is not None and names is not None:
        configure(highs, {"simplex_strategy": _PRIMAL_SIMPLEX})  # more columns leave its point feasible
        highs.setBasis(_begun(model, names, start))
    highs.run()
    raw = raw_answer(highs, mixed=False)
    if raw.outcome is not Outcome.OPTIMAL or raw.values is None:
        return None
    solution = highs.getSolution()
    basis = None if names is None else _ended(model, names, highs.getBasis())
    return Relaxed(raw.objective, raw.values, np.array(solution.col_dual), np.array(solution.row_dual), basis)


def _begun(model: Model, names: Sequence[str], start: Basis) -> highspy.HighsBasis:
    basis, status = highspy.HighsBasis(), highspy.HighsBasisStatus
    basis.col_status = [start.columns.get(name, status.kLower) for name in names]
    basis.row_status = [start.rows.get(row.name, status.kBasic) for row in model.rows]
    basis.valid = True
    return basis


def _ended(model: Model, names: Sequence[str], basis: highspy.HighsBasis) -> Basis:
    return Basis(
        dict(zip(names, basis.col_status, strict=True)),
        dict(zip((row.name for row in model.rows), basis.row_status, strict=True)),
    )


def _least_reduced(model: Model, relaxed: Relaxed) -> NDArray[np.bool_]:
    """The columns the relaxation uses, and a few more."""
    cost = np.where(model.integer, relaxed.at_least, -np.inf)
    ranked = np.sort(cost[np.isfinite(cost)])
    return np.asarray(cost < ranked[_FEW]) if len(ranked) > _FEW else np.ones(len(cost), dtype=np.bool_)


def _restricted(
    model: Model,
    relaxed: Relaxed,
    kept: NDArray[np.bool_],
    options: Mapping[str, float],
    start: Floats | None = None,
) -> Raw:
    """The programme with only some of its whole-number columns, and a bound that holds for all of it."""
    dropped = np.flatnonzero(model.integer & ~kept)
    high = model.high
    high[dropped] = model.low[dropped]
    lp = as_highs(model)
    lp.col_upper_ = high
    raw = run_highs(lp, dict(options), mixed=True, start=start)
    bound = float("inf") if raw.outcome is Outcome.INFEASIBLE else raw.bound
    bound = min(bound, float(relaxed.at_least[dropped].min(initial=np.inf)))
    if raw.values is None:
        return Raw(Outcome.NOTHING, min(bound, relaxed.objective))
    return Raw(raw.outcome, bound, raw.objective, raw.values)


def nearest_first(programme: Programme, relaxed: Relaxed) -> list[int]:
    """The candidates, those first of which one more would cost least over the relaxation, with what it runs.

    Dual prices may charge what an instance costs to its column, its replicas or their shares; so all three
    are added up along the cheapest way of using it.
    """
    reduced = programme.reduced
    assert programme.instances is not None
    dearer = np.maximum(relaxed.reduced_cost, 0.0)
    along = np.full(len(reduced.kinds), np.inf)
    for pool in programme.day.pools:
        shares = dearer[pool.shares : pool.shares + len(pool.demands)]
        replica = float((shares / np.maximum(pool.needed, SMALLEST_COEFFICIENT)).min(initial=np.inf))
        if len(reduced.kinds[pool.kind].uses) > 1:
            replica += float(dearer[pool.replicas.index[0]])
        slots = reduced.kinds[pool.kind].uses[pool.use].slots
        along[pool.kind] = min(along[pool.kind], slots * replica)
    more = np.array(
        [dearer[programme.instances + c] + along[x.kind] for c, x in enumerate(reduced.candidates)]
    )
    return [int(c) for c in np.argsort(more, kind="stable")]


# --- prices ---------------------------------------------------------------------------------------


def slot_prices(programme: Programme, relaxed: Relaxed) -> dict[Slots, float]:
    """What the relaxation would pay for one more replica's slot, per kind and degree."""
    prices: dict[Slots, float] = {}
    capacity = []
    for i, row in enumerate(programme.model.rows):
        if row.name.startswith("accelerator_packing_"):
            p, k = row.name.removeprefix("accelerator_packing_").split("_")
            prices[int(p), int(k)] = max(0.0, -float(relaxed.dual[i]))
        elif row.name.startswith("replica_capacity_"):
            capacity.append(i)
    for pool, i in zip(programme.day.pools, capacity, strict=True):
        if len(programme.reduced.kinds[pool.kind].uses) == 1:
            prices[pool.kind, pool.tensor_parallel] = max(0.0, -float(relaxed.dual[i]))
    return prices


def purchase_bound(programme: Programme, relaxed: Relaxed, slots: Mapping[Slots, float]) -> float:
    """The least that any purchase within stock and quotas costs net of its slots, by weak duality."""
    reduced = programme.reduced
    quotas = {
        row.name: max(0.0, -float(relaxed.dual[i]))
        for i, row in enumerate(programme.model.rows)
        if row.name.startswith("quota_")
    }
    net = fleet_cost(reduced, 0).value.copy()
    constant = 0.0
    for row in quota(reduced, 0, {}):
        net[row.index] += quotas[row.name] * row.value
        constant -= quotas[row.name] * row.high
    for p, kind in enumerate(reduced.kinds):
        net[list(kind.members)] -= sum(slots.get((p, k), 0.0) * count for k, count in _slots_of(reduced, p))
    return constant + sum(least_cost_of(reduced, c, float(usd)) for c, usd in enumerate(net))


def _slots_of(reduced: Reduced, p: int) -> list[tuple[int, int]]:
    kind = reduced.kinds[p]
    if len(kind.uses) == 1:
        return [(kind.uses[0].tensor_parallel, kind.uses[0].slots)]
    return needed_packing_rows(kind)


def least_cost_of(reduced: Reduced, c: int, net: float) -> float:
    """The least over 0 to max_instances of net · n and the cost of changing to n, which is convex."""
    x, change = reduced.candidates[c], reduced.problem.change
    start = stop = 0.0
    if change is not None:
        start, stop = (
            float(usd) / change.horizon_hours for usd in (change.usd_per_added, change.usd_per_removed)
        )
    points = {0, min(x.held, x.max_instances), x.max_instances}
    return min(net * n + start * max(0, n - x.held) + stop * max(0, x.held - n) for n in points)
