"""Makes a problem smaller without changing its optimum. Pure; tested against the unreduced problem.

1. canonical order: columns by id, demands by label, so that the order of the input cannot matter
2. options that serve nothing, and instances of which not one may be bought, are dropped
3. limits that cannot bind are dropped: some optimal fleet never holds more instances of a column than would
   serve every demand it can serve, so a stock above that number, or a pool above the sum of those draws, is
   no limit
4. degree dominance: a tensor-parallel degree that another degree of the same instance replaces is dropped
5. column dominance: g is dropped if m instances of one h cost no more, carry no less, draw no more from any
   pool that can bind, and h has no stock that can bind (k-fold dominance, keyed by the active limits)
6. demands whose throughputs are proportional on every column left are merged
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from advisor.optimize.dominance import Shape, reduced_degrees, undominated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from numpy.typing import NDArray

    from advisor.optimize.problem import Column, Problem


@dataclass(frozen=True, slots=True)
class Degree:
    """One tensor-parallel degree of a candidate."""

    tensor_parallel: int
    slots: int  #: replicas that fit one instance
    replicas_needed: tuple[tuple[int, float], ...]  #: (merged demand, replicas that would carry all of it)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A column that may still be part of the cheapest fleet."""

    id: str
    usd_per_hour: Decimal
    accelerators: int
    degrees: tuple[Degree, ...]
    draws: tuple[tuple[str, Decimal], ...]  #: on pools that can bind only
    max_instances: int  #: by stock, by quota, or because more would serve nothing


@dataclass(frozen=True, slots=True)
class Reduced:
    """What the formulation is built from."""

    candidates: tuple[Candidate, ...]  #: by id
    groups: tuple[tuple[int, ...], ...]  #: original demand indices of each merged demand
    demand_requests_per_s: tuple[float, ...]  #: of each merged demand
    free_units: tuple[tuple[str, Decimal], ...]  #: pools that can bind, by key


def unservable(problem: Problem) -> list[int]:
    """Demands with a rate that no option of any column can serve, whatever the limits."""
    open_demands = {b for b, rate in enumerate(problem.demand_requests_per_s) if rate > 0}
    seen: set[tuple[float, ...]] = set()
    for column in problem.columns:
        for option in column.options:
            if not open_demands:
                return []
            if option.tensor_parallel > column.accelerators or option.requests_per_s in seen:
                continue
            seen.add(option.requests_per_s)
            open_demands = {b for b in open_demands if option.requests_per_s[b] <= 0}
    return sorted(open_demands)


def most_instances(column: Column, free_units: Mapping[str, Decimal]) -> int | None:
    """Instances that stock and quotas allow of this column alone; None is unlimited."""
    limits = [max(0, column.max_instances)] if column.max_instances is not None else []
    limits += [
        max(0, int(free_units[pool] // units))
        for pool, units in column.draws
        if pool in free_units and units > 0
    ]
    return min(limits) if limits else None


def reduce(
    problem: Problem, *, dominance: bool = True, merge: bool = True, enforce_limits: bool = True
) -> Reduced:
    """The smallest problem with the same optimum.

    Args:
        problem: as asked.
        dominance: drop dominated degrees and columns (steps 4 and 5).
        merge: merge proportional demands (step 6); must be off when demands are cut into slices.
        enforce_limits: False keeps every pool and what it currently rules out, for a diagnosis that adds
        units.
    """
    demands = _canonical_demands(problem)
    rates = np.array([problem.demand_requests_per_s[b] for b in demands])
    columns = sorted(problem.columns, key=lambda column: column.id)
    shapes, shape_of = _shapes(columns, demands)
    work = [_instances_enough(shape, rates, problem.services[0].utilisation_ceiling) for shape in shapes]

    kept: list[int] = []
    bound: dict[int, int] = {}
    in_stock: dict[int, int] = {}
    for i, column in enumerate(columns):
        enough = work[shape_of[i]]
        allowed = most_instances(column, problem.free_units) if enforce_limits else None
        if allowed == 0 or not shapes[shape_of[i]].degrees:
            continue
        kept.append(i)
        bound[i] = enough if allowed is None else min(enough, allowed)
        in_stock[i] = enough if column.max_instances is None else min(enough, max(0, column.max_instances))
    free = _pools_that_bind(problem, [(columns[i], in_stock[i]) for i in kept] if enforce_limits else None)
    if dominance:
        shapes = [Shape(shape.accelerators, reduced_degrees(shape), shape.all_degrees) for shape in shapes]
        kept = undominated(
            [(columns[i], shapes[shape_of[i]], in_stock[i] < work[shape_of[i]]) for i in kept],
            kept,
            dict(free),
        )
    picked = [(columns[i], shapes[shape_of[i]], bound[i]) for i in kept]
    return _assemble(problem, picked, demands, rates, free, merge=merge)


def _canonical_demands(problem: Problem) -> list[int]:
    """Indices of demands with a rate, in an order that does not depend on the order given."""
    rates, labels = problem.demand_requests_per_s, problem.demand_labels
    active = [b for b, rate in enumerate(rates) if rate > 0]
    if len({(labels[b], rates[b]) for b in active}) == len(active):
        return sorted(active, key=lambda b: (labels[b], rates[b]))
    columns = sorted(problem.columns, key=lambda column: column.id)

    def vector(b: int) -> list[float]:
        return [option.requests_per_s[b] for column in columns for option in column.options]

    return sorted(active, key=lambda b: (labels[b], rates[b], vector(b)))


def _shapes(columns: Sequence[Column], demands: list[int]) -> tuple[list[Shape], list[int]]:
    """The distinct (accelerators, options) among the columns, and which one each column has."""
    index: dict[tuple[int, tuple[tuple[int, tuple[float, ...]], ...]], int] = {}
    shapes: list[Shape] = []
    shape_of = []
    for column in columns:
        key = (column.accelerators, tuple((o.tensor_parallel, o.requests_per_s) for o in column.options))
        if key not in index:
            index[key] = len(shapes)
            shapes.append(_shape(*key, demands))
        shape_of.append(index[key])
    return shapes, shape_of


def _shape(accelerators: int, options: Iterable[tuple[int, tuple[float, ...]]], demands: list[int]) -> Shape:
    degrees: dict[int, NDArray[np.float64]] = {}
    for tensor_parallel, requests_per_s in sorted(options):
        rates = np.array(requests_per_s, dtype=np.float64)[demands]
        if tensor_parallel <= accelerators and rates.max(initial=0.0) > 0:
            if tensor_parallel in degrees:
                raise ValueError(f"degree {tensor_parallel} stands twice in one column")
            degrees[tensor_parallel] = rates
    ordered = tuple(degrees)
    for small, large in itertools.pairwise(ordered):
        if large % small:
            raise ValueError(f"degrees {small} and {large} on one instance do not divide each other")
    return Shape(accelerators, degrees, degrees)


def _instances_enough(shape: Shape, rates: NDArray[np.float64], ceiling: float) -> int:
    """Instances that serve all the shape can serve, by every degree at once: more are never needed."""
    total = 0
    for tensor_parallel, requests_per_s in shape.degrees.items():
        can = requests_per_s > 0
        needed = float((rates[can] / (ceiling * shape.slots(tensor_parallel) * requests_per_s[can])).sum())
        total += math.floor(needed) + 1
    return total


def _pools_that_bind(
    problem: Problem, bounded: list[tuple[Column, int]] | None
) -> tuple[tuple[str, Decimal], ...]:
    """Limited pools that stock and usefulness do not already keep; all where no bounds are given.

    The bounds must not come from the pools themselves: what a pool keeps a column to is no reason to drop
    the pool.
    """
    if bounded is None:
        return tuple(sorted(problem.free_units.items()))
    most: dict[str, Decimal] = {}
    for column, bound in bounded:
        for pool, units in column.draws:
            if pool in problem.free_units:
                most[pool] = most.get(pool, units * 0) + units * bound
    return tuple(
        (pool, problem.free_units[pool]) for pool in sorted(most) if most[pool] > problem.free_units[pool]
    )


def _assemble(
    problem: Problem,
    picked: list[tuple[Column, Shape, int]],
    demands: list[int],
    rates: NDArray[np.float64],
    free: tuple[tuple[str, Decimal], ...],
    *,
    merge: bool,
) -> Reduced:
    rows = [
        (i, tp, requests_per_s)
        for i, (_, s, _) in enumerate(picked)
        for tp, requests_per_s in s.degrees.items()
    ]
    matrix = np.array([row[2] for row in rows]).reshape(len(rows), len(demands))
    members = _proportional(matrix) if merge else [[b] for b in range(len(demands))]
    with np.errstate(divide="ignore"):
        needed = rates / (problem.services[0].utilisation_ceiling * matrix)  # inf where it cannot serve
    grouped = _summed(needed, members)
    degrees: list[list[Degree]] = [[] for _ in picked]
    for row, (i, tensor_parallel, _) in enumerate(rows):
        can = np.flatnonzero(np.isfinite(grouped[row]))
        pairs = tuple(zip(can.tolist(), grouped[row, can].tolist(), strict=True))
        degrees[i].append(Degree(tensor_parallel, picked[i][1].slots(tensor_parallel), pairs))
    limited = dict(free)
    return Reduced(
        tuple(
            Candidate(
                column.id,
                column.usd_per_hour,
                column.accelerators,
                tuple(degrees[i]),
                tuple(sorted((pool, units) for pool, units in column.draws if pool in limited and units > 0)),
                bound,
            )
            for i, (column, _, bound) in enumerate(picked)
        ),
        tuple(tuple(demands[b] for b in group) for group in members),
        tuple(_summed(rates[None], members)[0].tolist()),
        free,
    )


def _proportional(matrix: NDArray[np.float64]) -> list[list[int]]:
    """Demands whose throughputs are the same up to one factor on every row, in order of first appearance.

    Exact: serving any share of one takes the same proportions of every candidate as serving it of the other,
    so both may be split alike.
    """
    groups: dict[bytes, list[int]] = {}
    most = matrix.max(axis=0, initial=0.0)
    directions = np.ascontiguousarray((matrix / np.where(most > 0, most, 1.0)).T)
    for b, direction in enumerate(directions):
        groups.setdefault(direction.tobytes(), []).append(b)
    return list(groups.values())


def _summed(values: NDArray[np.float64], members: list[list[int]]) -> NDArray[np.float64]:
    """Per row, the sum of each group's values."""
    if not members:
        return values[:, :0]
    starts = [0, *itertools.accumulate(len(group) for group in members[:-1])]
    return np.asarray(np.add.reduceat(values[:, list(itertools.chain(*members))], starts, axis=1))
