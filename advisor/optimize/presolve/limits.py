"""How many instances could ever be of use, and which limits can therefore bind. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from advisor.optimize.problem import INSTANCE
from advisor.optimize.rules import traits_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from numpy.typing import NDArray

    from advisor.optimize.presolve.dominance import InstanceShape
    from advisor.optimize.problem import Column, Problem

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


def most_instances(column: Column, free_units: Mapping[str, Decimal]) -> int | None:
    """Instances that stock and quotas allow of this column alone; None is unlimited."""
    limits = [max(0, column.max_instances)] if column.max_instances is not None else []
    limits += [
        max(0, int(free_units[pool] // units))
        for pool, units in column.draws
        if pool in free_units and units > 0
    ]
    return min(limits) if limits else None


class WorstDay:
    """How many instances of a shape could ever be of use, on the worst day a contingency describes."""

    def __init__(self, problem: Problem, service: Indices, rates: Floats) -> None:
        self._problem, self._service, self._rates = problem, service, rates
        self._ceiling = np.array([terms.utilisation_ceiling for terms in problem.services])
        self._idle = traits_of(problem).least_replicas

    def instances_enough(self, shape: InstanceShape) -> list[int]:
        """To serve all the shape can serve, by every use at once: on a plain day, then per contingency."""
        plain = self._enough(shape, 1.0, self._ceiling, low=False)
        serves = {service for service, _ in shape.degrees}
        plain += sum(count for service, count in self._idle.items() if service in serves)
        days = [plain]
        for day in self._problem.contingencies:
            ceiling = (
                self._ceiling
                if day.utilisation_ceiling is None
                else np.full_like(self._ceiling, day.utilisation_ceiling)
            )
            days.append(self._enough(shape, day.demand_factor, ceiling, low=day.doubted > 0))
        return days

    def on_the_worst_day(self, enough: list[int]) -> int:
        """The same with the single instances that a contingency takes added back."""
        most = enough[0]
        for day, needed in zip(self._problem.contingencies, enough[1:], strict=True):
            if day.lose == INSTANCE:
                needed += day.count
            most = max(most, needed)  # of a group that is lost, no number is of use
        return most

    def _enough(self, shape: InstanceShape, factor: float, ceiling: Floats, *, low: bool) -> int:
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


def pools_that_bind(
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
