"""Makes a problem smaller without changing its optimum. Pure; tested against the unreduced problem.

1. canonical order: columns by id, demands by service and label, so that the order of the input cannot matter
2. locations that serve the same origins become one place, origins that the same places serve one stream
3. options that serve nothing, and instances of which not one may be bought, are dropped
4. limits that cannot bind are dropped: some optimal fleet never holds more instances of a column than would
   serve every demand it can serve on the worst day, so a stock above that number, or a pool above the sum
   of those draws, is no limit
5. degree dominance: a tensor-parallel degree that another degree of the same instance replaces is dropped
6. column dominance: g is dropped if m instances of one h cost no more, carry no less, draw no more from any
   pool that can bind, and h has no stock that can bind (k-fold dominance, keyed by the active limits), and
   both are of one coupling class: same place, same side costs, same membership in every kind of group that
   a rule looks at. Instances that are held are never dropped.
7. demands of one service whose throughputs are proportional on every column left are merged
8. columns of one shape in one place, of the same side costs and in doubt together, become one kind of
   instance: what carries load is the kind, what is bought are its columns, and what is lost are theirs

Which rules forbid which step, because it would no longer be exact:

* one that counts replicas: they may only be replaced one for one (5 and 6)
* one that tells demands of equal work apart, and side costs: demands are not merged (7)
* one that looks at the low ends of error bands: those are compared and merged on as well (5, 6, 7)
* a cost of change: what is not held is compared with the cost of starting it added
"""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.optimize.locations import Locations, locations_of
from advisor.optimize.presolve.assembly import Picked, assembled
from advisor.optimize.presolve.dominance import DominanceEntry, InstanceShape, reduced_degrees, undominated
from advisor.optimize.presolve.limits import WorstDay, most_instances, pools_that_bind
from advisor.optimize.rules import traits_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from advisor.optimize.problem import Column, Problem, ServingOption
    from advisor.optimize.reduced import Reduced
    from advisor.optimize.rules import Traits

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

_MANY: Final = 1500  # columns above which dominance looks only among those that draw on the same pools


def unservable(problem: Problem) -> list[int]:
    """Demands with a rate that no option of any column can serve, from some origin, whatever the limits."""
    locations = locations_of(problem)
    open_streams = {
        (b, stream)
        for b, rate in enumerate(problem.demand_requests_per_s)
        if rate > 0
        for stream in locations.streams[problem.service_of(b)]
    }
    seen: set[tuple[int, int]] = set()
    for column in problem.columns:
        place = locations.place(column.location)
        for option in column.options:
            if not open_streams:
                return []
            key = (id(option), place)
            if option.tensor_parallel > column.accelerators or key in seen:
                continue
            seen.add(key)
            open_streams = {
                (b, stream)
                for b, stream in open_streams
                if option.requests_per_s[b] <= 0 or place not in stream.places
            }
    return sorted({b for b, _ in open_streams})


def reduce(
    problem: Problem, *, dominance: bool = True, merge: bool = True, enforce_limits: bool = True
) -> Reduced:
    """The smallest problem with the same optimum.

    Args:
        problem: as asked.
        dominance: drop dominated degrees and columns (steps 5 and 6).
        merge: merge proportional demands (step 7); must be off when demands are cut into slices.
        enforce_limits: False keeps every pool and what it currently rules out, for a diagnosis that adds
        units.
    """
    locations, traits = locations_of(problem), traits_of(problem)
    demands = _canonical_demands(problem)
    rates = np.array([problem.demand_requests_per_s[b] for b in demands])
    columns = sorted(problem.columns, key=lambda column: column.id)
    shapes, shape_of = _shapes(problem, columns, demands, locations)
    terms = WorstDay(problem, np.array([problem.service_of(b) for b in demands], dtype=np.intp), rates)
    work = [terms.instances_enough(shape) for shape in shapes]

    kept: list[int] = []
    bound: dict[int, int] = {}
    in_stock: dict[int, int] = {}
    enough: dict[int, int] = {}
    for i, column in enumerate(columns):
        held = column.held if problem.change is not None else 0
        enough[i] = max(terms.on_the_worst_day(work[shape_of[i]]), held)
        allowed = most_instances(column, problem.free_units) if enforce_limits else None
        if not held and (allowed == 0 or not shapes[shape_of[i]].degrees):
            continue
        kept.append(i)
        bound[i] = enough[i] if allowed is None else min(enough[i], allowed)
        in_stock[i] = (
            enough[i] if column.max_instances is None else min(enough[i], max(0, column.max_instances))
        )
    free = pools_that_bind(problem, [(columns[i], in_stock[i]) for i in kept] if enforce_limits else None)
    if dominance:
        counted = frozenset(traits.least_replicas)
        shapes = [
            InstanceShape(shape.accelerators, reduced_degrees(shape, counted), shape.all_degrees)
            for shape in shapes
        ]
        classes = _coupling_classes(problem, [columns[i] for i in kept], locations, traits)
        kept = _undominated(
            problem, columns, kept, shapes, shape_of, in_stock, enough, classes, dict(free), traits
        )
    alike = _kind_classes(problem, [columns[i] for i in kept], locations)
    picked = [
        Picked(columns[i], shapes[shape_of[i]], shape_of[i], klass, bound[i])
        for i, klass in zip(kept, alike, strict=True)
    ]
    merge = merge and traits.demands_mergeable
    return assembled(problem, picked, demands, rates, free, locations, merge=merge)


def _undominated(
    problem: Problem,
    columns: list[Column],
    kept: list[int],
    shapes: list[InstanceShape],
    shape_of: list[int],
    in_stock: dict[int, int],
    enough: dict[int, int],
    classes: list[object],
    free: dict[str, Decimal],
    traits: Traits,
) -> list[int]:
    """Survivors of column dominance, found class by class."""
    change = problem.change
    starting = change.usd_per_added / Decimal(change.horizon_hours) if change else Decimal(0)
    partition: dict[object, list[int]] = {}
    for i, klass in zip(kept, classes, strict=True):
        drawn = frozenset(pool for pool, _ in columns[i].draws if pool in free) if len(kept) > _MANY else None
        partition.setdefault((klass, drawn), []).append(i)
    alive: list[int] = []
    for members in partition.values():
        entries = [
            DominanceEntry(
                columns[i],
                shapes[shape_of[i]],
                columns[i].usd_per_hour + starting,
                in_stock[i] < enough[i],
                change is not None and columns[i].held > 0,
            )
            for i in members
        ]
        alive.extend(undominated(entries, members, free, one_for_one=not traits.replicas_interchangeable))
    return sorted(alive)


def _canonical_demands(problem: Problem) -> list[int]:
    """Indices of demands with a rate, in an order that does not depend on the order given."""
    rates, labels = problem.demand_requests_per_s, problem.demand_labels
    active = [b for b, rate in enumerate(rates) if rate > 0]

    def name(b: int) -> tuple[int, str, float]:
        return problem.service_of(b), labels[b], rates[b]

    if len({name(b) for b in active}) == len(active):
        return sorted(active, key=name)
    columns = sorted(problem.columns, key=lambda column: column.id)

    def vector(b: int) -> list[float]:
        return [option.requests_per_s[b] for column in columns for option in column.options]

    return sorted(active, key=lambda b: (name(b), vector(b)))


def _shapes(
    problem: Problem, columns: Sequence[Column], demands: list[int], locations: Locations
) -> tuple[list[InstanceShape], list[int]]:
    """The distinct (accelerators, options that are admitted) among the columns, and which each column has."""
    bands = any(day.doubted for day in problem.contingencies)
    names: dict[int, int] = {}  # id of an options tuple -> its first equal
    values: dict[tuple[ServingOption, ...], int] = {}
    index: dict[tuple[int, int, frozenset[int]], int] = {}
    shapes: list[InstanceShape] = []
    shape_of = []
    for column in columns:
        name = names.get(id(column.options))
        if name is None:
            name = names[id(column.options)] = values.setdefault(column.options, len(values))
        admitted = locations.serves[locations.place(column.location)]
        key = (column.accelerators, name, admitted)
        if key not in index:
            index[key] = len(shapes)
            options = [option for option in column.options if option.service in admitted]
            shapes.append(_shape(column.accelerators, options, demands, bands=bands))
        shape_of.append(index[key])
    return shapes, shape_of


def _shape(
    accelerators: int, options: list[ServingOption], demands: list[int], *, bands: bool
) -> InstanceShape:
    """Rates of the demands, followed by their low ends where some rule looks at them."""
    degrees: dict[tuple[int, int], Floats] = {}
    for option in sorted(options, key=lambda o: (o.tensor_parallel, o.service)):
        rates = np.array(option.requests_per_s, dtype=np.float64)[demands]
        if option.tensor_parallel <= accelerators and rates.max(initial=0.0) > 0:
            key = (option.service, option.tensor_parallel)
            if key in degrees:
                raise ValueError(f"degree {option.tensor_parallel} stands twice in one column")
            if bands:
                low = option.low_requests_per_s
                below = rates if low is None else np.minimum(np.array(low, dtype=np.float64)[demands], rates)
                rates = np.concatenate([rates, below])
            degrees[key] = rates
    for small, large in itertools.pairwise(sorted({k for _, k in degrees})):
        if large % small:
            raise ValueError(f"degrees {small} and {large} on one instance do not divide each other")
    return InstanceShape(accelerators, degrees, degrees)


def _coupling_classes(
    problem: Problem, columns: list[Column], locations: Locations, traits: Traits
) -> list[object]:
    """What must be equal for one column to stand in for another."""
    kinds = sorted(traits.told_apart)
    alike = _kind_classes(problem, columns, locations)
    return [(klass, _groups(column, kinds)) for column, klass in zip(columns, alike, strict=True)]


def _kind_classes(problem: Problem, columns: list[Column], locations: Locations) -> list[object]:
    """What must be equal, besides the shape, for the instances of two columns to share their load freely."""
    doubted = sorted({day.doubted_kind for day in problem.contingencies if day.doubted})
    return [
        (locations.place(column.location), column.usd_per_request, _groups(column, doubted))
        for column in columns
    ]


def _groups(column: Column, kinds: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(sorted(column.group(kind))) for kind in kinds)
