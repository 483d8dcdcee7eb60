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
8. columns of one coupling class and one shape become one kind of instance: what carries load is the kind,
   what is bought are its columns

Which rules forbid which step, because it would no longer be exact:

* ``min_replicas`` of a service: replicas may only be replaced one for one (5 and 6)
* side costs and a budget: demands are not merged (7), since equal work no longer means equal dollars
* doubted groups: the low ends of the bands are compared and merged on as well (5, 6, 7)
* a change cost: what is not held is compared with the cost of starting it added
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.optimize.dominance import Entry, Shape, reduced_degrees, undominated
from advisor.optimize.places import Places, Stream, places_of
from advisor.optimize.problem import INSTANCE, SECONDS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from advisor.optimize.problem import Column, Problem, ServingOption

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

_MANY: Final = 1500  # columns above which dominance looks only among those that draw on the same pools


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One service at one tensor-parallel degree on a kind of instance."""

    service: int
    tensor_parallel: int
    slots: int  #: replicas that fit one instance
    demands: Indices  #: merged demands it can serve
    needed: Floats  #: replicas that would carry all of each
    needed_low: Floats  #: the same at the low end of the error band; infinite where that is nothing


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """Instances that do the same work in the same place, whoever sells them."""

    accelerators: int
    uses: tuple[Use, ...]  #: by degree, then service
    members: tuple[int, ...]  #: candidates
    place: int
    usd_per_hour_of: Floats | None  #: per merged demand: side cost of serving all of it here


@dataclass(frozen=True, slots=True)
class Candidate:
    """A column that may still be part of the cheapest fleet."""

    id: str
    usd_per_hour: Decimal
    kind: int
    draws: tuple[tuple[str, Decimal], ...]  #: on pools that can bind only
    max_instances: int  #: by stock, by quota, or because more would serve nothing
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    held: int = 0

    def group(self, kind: str) -> tuple[str, ...]:
        """Names of one kind of group; empty where it belongs to none."""
        return next((names for name, names in self.groups if name == kind), ())


@dataclass(frozen=True, slots=True)
class Reduced:
    """What the formulation is built from."""

    problem: Problem  #: for its rules; its columns and demands stand below
    candidates: tuple[Candidate, ...]  #: by id
    kinds: tuple[Kind, ...]
    groups: tuple[tuple[int, ...], ...]  #: original demand indices of each merged demand
    demand_requests_per_s: tuple[float, ...]  #: of each merged demand
    demand_service: tuple[int, ...]  #: of each merged demand
    free_units: tuple[tuple[str, Decimal], ...]  #: pools that can bind, by key
    places: Places

    def streams(self, demand: int) -> tuple[Stream, ...]:
        """The streams of a merged demand; one alone needs no routing."""
        return self.places.streams[self.demand_service[demand]]

    def servable(self) -> bool:
        """Whether every demand, from everywhere, meets a candidate that serves it."""
        met = {(b, kind.place) for kind in self.kinds for use in kind.uses for b in use.demands.tolist()}
        return all(
            any((b, place) in met for place in stream.places)
            for b in range(len(self.groups))
            for stream in self.streams(b)
        )


def is_plain(problem: Problem) -> bool:
    """Whether it is one service, quotas and stock: no routing, rules, side costs or held fleet."""
    return (
        len(problem.services) == 1
        and not problem.services[0].min_replicas
        and problem.routing is None
        and not problem.contingencies
        and not problem.most_distinct
        and problem.budget_usd_per_hour is None
        and problem.change is None
        and not any(any(column.usd_per_request) for column in problem.columns)
    )


def unservable(problem: Problem) -> list[int]:
    """Demands with a rate that no option of any column can serve, from some origin, whatever the limits."""
    places = places_of(problem)
    open_streams = {
        (b, stream)
        for b, rate in enumerate(problem.demand_requests_per_s)
        if rate > 0
        for stream in places.streams[problem.service_of(b)]
    }
    seen: set[tuple[int, int]] = set()
    for column in problem.columns:
        place = places.place(column.location)
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
        dominance: drop dominated degrees and columns (steps 5 and 6).
        merge: merge proportional demands (step 7); must be off when demands are cut into slices.
        enforce_limits: False keeps every pool and what it currently rules out, for a diagnosis that adds
        units.
    """
    places = places_of(problem)
    demands = _canonical_demands(problem)
    rates = np.array([problem.demand_requests_per_s[b] for b in demands])
    columns = sorted(problem.columns, key=lambda column: column.id)
    shapes, shape_of = _shapes(problem, columns, demands, places)
    terms = _Worst(problem, np.array([problem.service_of(b) for b in demands], dtype=np.intp), rates)
    work = [terms.instances_enough(shape) for shape in shapes]

    kept: list[int] = []
    bound: dict[int, int] = {}
    in_stock: dict[int, int] = {}
    enough: dict[int, int] = {}
    for i, column in enumerate(columns):
        held = column.held if problem.change is not None else 0
        enough[i] = max(terms.on_the_worst_day(column, work[shape_of[i]]), held)
        allowed = most_instances(column, problem.free_units) if enforce_limits else None
        if not held and (allowed == 0 or not shapes[shape_of[i]].degrees):
            continue
        kept.append(i)
        bound[i] = enough[i] if allowed is None else min(enough[i], allowed)
        in_stock[i] = (
            enough[i] if column.max_instances is None else min(enough[i], max(0, column.max_instances))
        )
    free = _pools_that_bind(problem, [(columns[i], in_stock[i]) for i in kept] if enforce_limits else None)
    classes = _coupling_classes(problem, [columns[i] for i in kept], places)
    if dominance:
        counted = frozenset(s for s, terms in enumerate(problem.services) if terms.min_replicas)
        shapes = [
            Shape(shape.accelerators, reduced_degrees(shape, counted), shape.all_degrees) for shape in shapes
        ]
        kept = _undominated(problem, columns, kept, shapes, shape_of, in_stock, enough, classes, dict(free))
    class_of = dict(zip(kept, _coupling_classes(problem, [columns[i] for i in kept], places), strict=True))
    picked = [_Picked(columns[i], shapes[shape_of[i]], shape_of[i], class_of[i], bound[i]) for i in kept]
    merge = merge and problem.budget_usd_per_hour is None and not any(c.usd_per_request for c in columns)
    return _assemble(problem, picked, demands, rates, free, places, merge=merge)


def _undominated(
    problem: Problem,
    columns: list[Column],
    kept: list[int],
    shapes: list[Shape],
    shape_of: list[int],
    in_stock: dict[int, int],
    enough: dict[int, int],
    classes: list[object],
    free: dict[str, Decimal],
) -> list[int]:
    """Survivors of column dominance, found class by class."""
    one_for_one = any(terms.min_replicas for terms in problem.services)
    change = problem.change
    starting = change.usd_per_added / Decimal(change.horizon_hours) if change else Decimal(0)
    partition: dict[object, list[int]] = {}
    for i, klass in zip(kept, classes, strict=True):
        drawn = frozenset(pool for pool, _ in columns[i].draws if pool in free) if len(kept) > _MANY else None
        partition.setdefault((klass, drawn), []).append(i)
    alive: list[int] = []
    for members in partition.values():
        entries = [
            Entry(
                columns[i],
                shapes[shape_of[i]],
                columns[i].usd_per_hour + starting,
                in_stock[i] < enough[i],
                change is not None and columns[i].held > 0,
            )
            for i in members
        ]
        alive.extend(undominated(entries, members, free, one_for_one=one_for_one))
    return sorted(alive)


class _Worst:
    """How many instances of a shape could ever be of use, on the worst day a contingency describes."""

    def __init__(self, problem: Problem, service: Indices, rates: Floats) -> None:
        self._problem, self._service, self._rates = problem, service, rates
        self._ceiling = np.array([terms.utilisation_ceiling for terms in problem.services])

    def instances_enough(self, shape: Shape) -> list[int]:
        """To serve all the shape can serve, by every use at once: on a plain day, then per contingency."""
        plain = self._enough(shape, 1.0, self._ceiling, low=False)
        plain += sum(
            terms.min_replicas
            for s, terms in enumerate(self._problem.services)
            if any(service == s for service, _ in shape.degrees)
        )
        days = [plain]
        for day in self._problem.contingencies:
            ceiling = (
                self._ceiling
                if day.utilisation_ceiling is None
                else np.full_like(self._ceiling, day.utilisation_ceiling)
            )
            days.append(self._enough(shape, day.demand_factor, ceiling, low=day.doubted > 0))
        return days

    def on_the_worst_day(self, column: Column, enough: list[int]) -> int:
        """The same for a column: with what a contingency takes of it added back."""
        most = enough[0]
        for day, needed in zip(self._problem.contingencies, enough[1:], strict=True):
            if day.lose == INSTANCE:
                most = max(most, needed + day.count)
                continue
            names = column.group(day.lose) if day.lose is not None else ()
            exposed = sum(name in day.only or not day.only for name in names)
            lost = min(day.count, exposed, len(names) - 1)  # once all are lost, no number is of use
            if lost > 0:  # N - lost · ceil(N / names) >= needed
                needed = math.ceil((needed + lost) * len(names) / (len(names) - lost))
            most = max(most, needed)
        return most

    def _enough(self, shape: Shape, factor: float, ceiling: Floats, *, low: bool) -> int:
        total = 0
        for (service, tensor_parallel), rates in shape.degrees.items():
            half = len(self._rates)
            for part in (rates[:half], rates[half:]) if low and len(rates) > half else (rates[:half],):
                can = part > 0
                work = (
                    self._rates[can] * factor / (ceiling[service] * shape.slots(tensor_parallel) * part[can])
                )
                total += math.floor(float(work.sum())) + 1
        return total


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
    problem: Problem, columns: Sequence[Column], demands: list[int], places: Places
) -> tuple[list[Shape], list[int]]:
    """The distinct (accelerators, options that are admitted) among the columns, and which each column has."""
    bands = any(day.doubted for day in problem.contingencies)
    names: dict[int, int] = {}  # id of an options tuple -> its first equal
    values: dict[tuple[ServingOption, ...], int] = {}
    index: dict[tuple[int, int, frozenset[int]], int] = {}
    shapes: list[Shape] = []
    shape_of = []
    for column in columns:
        name = names.get(id(column.options))
        if name is None:
            name = names[id(column.options)] = values.setdefault(column.options, len(values))
        admitted = places.serves[places.place(column.location)]
        key = (column.accelerators, name, admitted)
        if key not in index:
            index[key] = len(shapes)
            options = [option for option in column.options if option.service in admitted]
            shapes.append(_shape(column.accelerators, options, demands, bands=bands))
        shape_of.append(index[key])
    return shapes, shape_of


def _shape(accelerators: int, options: list[ServingOption], demands: list[int], *, bands: bool) -> Shape:
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
    return Shape(accelerators, degrees, degrees)


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


def _coupling_classes(problem: Problem, columns: list[Column], places: Places) -> list[object]:
    """What must be equal for one column to stand in for another."""
    looked_at = {day.lose for day in problem.contingencies if day.lose not in (None, INSTANCE)}
    looked_at |= {day.doubted_kind for day in problem.contingencies if day.doubted}
    looked_at |= {kind for kind, _ in problem.most_distinct}
    kinds = sorted(kind for kind in looked_at if kind is not None)
    return [
        (
            places.place(column.location),
            column.usd_per_request,
            tuple(tuple(sorted(column.group(kind))) for kind in kinds),
        )
        for column in columns
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Picked:
    """A column that stays."""

    column: Column
    shape: Shape
    shape_index: int
    klass: object
    bound: int


def _assemble(
    problem: Problem,
    picked: list[_Picked],
    demands: list[int],
    rates: Floats,
    free: tuple[tuple[str, Decimal], ...],
    places: Places,
    *,
    merge: bool,
) -> Reduced:
    kinds: dict[object, list[int]] = {}
    for i, x in enumerate(picked):
        kinds.setdefault((x.shape_index, x.klass), []).append(i)
    kind_of = {i: p for p, members in enumerate(kinds.values()) for i in members}
    shapes = {x.shape_index: x.shape for x in picked}
    order = sorted(shapes)
    rows = [(shape, key, rate) for shape in order for key, rate in shapes[shape].degrees.items()]
    width = max((len(rate) for _, _, rate in rows), default=len(demands))
    matrix = np.array([rate for _, _, rate in rows]).reshape(len(rows), width)
    service = np.array([problem.service_of(b) for b in demands], dtype=np.intp)
    members = _proportional(matrix, service) if merge else [[b] for b in range(len(demands))]
    ceiling = np.array([problem.services[s].utilisation_ceiling for _, (s, _), _ in rows]).reshape(-1, 1)
    with np.errstate(divide="ignore"):
        needed = _summed(rates / (ceiling * matrix[:, : len(demands)]), members)
        low = _summed(rates / (ceiling * matrix[:, -len(demands) :]), members) if len(demands) else needed
    uses: dict[int, list[Use]] = {shape: [] for shape in order}
    for row, (shape, (s, tensor_parallel), _) in enumerate(rows):
        can = np.flatnonzero(np.isfinite(needed[row]))
        slots = shapes[shape].slots(tensor_parallel)
        uses[shape].append(Use(s, tensor_parallel, slots, can, needed[row, can], low[row, can]))
    limited = dict(free)
    change = problem.change is not None
    return Reduced(
        problem,
        tuple(
            Candidate(
                x.column.id,
                x.column.usd_per_hour,
                kind_of[i],
                tuple(
                    sorted((pool, units) for pool, units in x.column.draws if pool in limited and units > 0)
                ),
                x.bound,
                x.column.groups,
                x.column.held if change else 0,
            )
            for i, x in enumerate(picked)
        ),
        tuple(
            Kind(
                picked[own[0]].column.accelerators,
                tuple(uses[picked[own[0]].shape_index]),
                tuple(own),
                places.place(picked[own[0]].column.location),
                _side_cost(picked[own[0]].column, demands, rates, members),
            )
            for own in kinds.values()
        ),
        tuple(tuple(demands[b] for b in group) for group in members),
        tuple(_summed(rates[None], members)[0].tolist()),
        tuple(int(service[group[0]]) for group in members),
        free,
        places,
    )


def _side_cost(column: Column, demands: list[int], rates: Floats, members: list[list[int]]) -> Floats | None:
    if not any(column.usd_per_request):
        return None
    usd: Floats = np.array(column.usd_per_request, dtype=np.float64)[demands] * rates * SECONDS_PER_HOUR
    return np.asarray(_summed(usd[None], members)[0])


def _proportional(matrix: Floats, service: Indices) -> list[list[int]]:
    """Demands of one service whose throughputs are the same up to one factor on every row.

    In order of first appearance. Exact: serving any share of one takes the same proportions of every
    candidate as serving it of the other, so both may be split alike.
    """
    groups: dict[tuple[int, bytes], list[int]] = {}
    demands = len(service)
    if len(matrix) and matrix.shape[1] > demands:  # low ends of the bands stand beside the rates
        matrix = np.concatenate([matrix[:, :demands], matrix[:, demands:]])
    most = matrix.max(axis=0, initial=0.0)
    directions = np.ascontiguousarray((matrix / np.where(most > 0, most, 1.0)).T)
    for b, direction in enumerate(directions):
        groups.setdefault((int(service[b]), direction.tobytes()), []).append(b)
    return list(groups.values())


def _summed(values: Floats, members: list[list[int]]) -> Floats:
    """Per row, the sum of each group's values."""
    if not members:
        return values[:, :0]
    starts = [0, *itertools.accumulate(len(group) for group in members[:-1])]
    return np.asarray(np.add.reduceat(values[:, list(itertools.chain(*members))], starts, axis=1))
