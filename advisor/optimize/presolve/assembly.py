"""From the columns that stay to the reduced problem: kinds of instance, merged demands, replicas needed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from advisor.optimize.problem import SECONDS_PER_HOUR
from advisor.optimize.reduced import InstanceKind, Purchasable, Reduced, Use

if TYPE_CHECKING:
    from decimal import Decimal

    from numpy.typing import NDArray

    from advisor.optimize.locations import Locations
    from advisor.optimize.presolve.dominance import InstanceShape
    from advisor.optimize.problem import Column, Problem

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """A column that stays."""

    column: Column
    shape: InstanceShape
    shape_index: int
    klass: object
    bound: int


def assembled(
    problem: Problem,
    picked: list[Picked],
    demands: list[int],
    rates: Floats,
    free: tuple[tuple[str, Decimal], ...],
    locations: Locations,
    *,
    merge: bool,
) -> Reduced:
    """The reduced problem of the columns that stay; ``demands`` in canonical order, ``rates`` alike."""
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
            Purchasable(
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
            InstanceKind(
                picked[own[0]].column.accelerators,
                tuple(uses[picked[own[0]].shape_index]),
                tuple(own),
                locations.place(picked[own[0]].column.location),
                _side_cost(picked[own[0]].column, demands, rates, members),
            )
            for own in kinds.values()
        ),
        tuple(tuple(demands[b] for b in group) for group in members),
        tuple(_summed(rates[None], members)[0].tolist()),
        tuple(int(service[group[0]]) for group in members),
        free,
        locations,
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
