"""Constraint families of the rules a user sets: replicas, variety, change, budget, contingencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from advisor.optimize.arrays import INFINITY, Row, Sum, row, total

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from advisor.optimize.arrays import Model
    from advisor.optimize.formulation.day import Day
    from advisor.optimize.reduced import Reduced


def min_replicas(reduced: Reduced, day: Day) -> Iterator[Row]:
    """A service runs so many replicas at least: sum over its pools of replicas >= min_replicas."""
    for s, terms in enumerate(reduced.problem.services):
        if terms.min_replicas:
            run = total(pool.replicas for pool in day.pools if pool.service == s)
            yield Row(f"min_replicas_{s}", run.index, run.value, terms.min_replicas - run.constant, INFINITY)


def most_distinct(reduced: Reduced, instances: int, present: Mapping[tuple[int, str], int]) -> Iterator[Row]:
    """At most so many different groups of a kind are bought from: sum over groups of present <= most.

    ``present`` of a group is 1 if any of its candidates is bought: instances <= max_instances · present.
    """
    for rule, (kind, most) in enumerate(reduced.problem.most_distinct):
        for c, candidate in enumerate(reduced.candidates):
            for name in candidate.group(kind):
                pairs = [(instances + c, 1.0), (present[rule, name], -float(candidate.max_instances))]
                number = present[rule, name] - min(x for (r, _), x in present.items() if r == rule)
                yield row(f"group_present_{rule}_{number}_{c}", pairs, -INFINITY, 0.0)
        columns = sorted(x for (r, _), x in present.items() if r == rule)
        yield row(f"most_distinct_{rule}", [(x, 1.0) for x in columns], -INFINITY, float(most))


def add_present(model: Model, reduced: Reduced) -> dict[tuple[int, str], int]:
    """A binary per rule of :func:`most_distinct` and group of its kind."""
    found = {}
    for rule, (kind, _) in enumerate(reduced.problem.most_distinct):
        names = sorted({name for candidate in reduced.candidates for name in candidate.group(kind)})
        for number, name in enumerate(names):
            found[rule, name] = model.add(f"d{rule}_{number}", 0, 1, integer=True)
    return found


def departure(reduced: Reduced, instances: int, change: Mapping[int, tuple[int, int]]) -> Iterator[Row]:
    """Of a column that is held: instances - added + removed = held. Of the rest, all instances are added."""
    for c, (added, removed) in sorted(change.items()):
        held = float(reduced.candidates[c].held)
        yield row(f"departure_{c}", [(instances + c, 1.0), (added, -1.0), (removed, 1.0)], held, held)


def budget(spent: Sum, usd_per_hour: float) -> Iterator[Row]:
    """The fleet and its side costs stay within the budget; the cost of changing over is not spent hourly."""
    yield Row("budget_0", spent.index, spent.value, -INFINITY, usd_per_hour)


def enough_served(served: Sum, weighted_requests_per_s: float) -> Iterator[Row]:
    """The second stage of a budget: sum of weight · demand · share >= what the first stage reached."""
    yield Row("enough_served_0", served.index, served.value, weighted_requests_per_s, INFINITY)


def known_bound(cost: Sum, at_least_usd_per_hour: float) -> Iterator[Row]:
    """A proved bound on the cost, as a row."""
    yield Row("known_bound_0", cost.index, cost.value, at_least_usd_per_hour, INFINITY)


def lost_part(label: str, instances: int, parts: Mapping[int, tuple[int, int]]) -> Iterator[Row]:
    """Instances spread evenly over n groups lose the n-th part of them, rounded up: n · lost >= instances.

    Args:
        label: of the case.
        instances: column of the first candidate's instances.
        parts: (groups, column of lost), per candidate.
    """
    for c, (groups, lost) in sorted(parts.items()):
        yield row(f"lost_part_{label}{c}", [(lost, float(groups)), (instances + c, -1.0)], 0.0, INFINITY)


def left_standing(label: str, left: Mapping[int, tuple[Sum, int, int, int, int]]) -> Iterator[Row]:
    """What is left of N instances of which m are lost is max(0, N - m), m >= 0.

    left <= N - m + most_m · none and left <= most · (1 - none), with a binary ``none`` for N < m.

    Args:
        label: of the case.
        left: (N - m, column of left, column of none, most m exceeds N by, most left) per kind or candidate.
    """
    for c, (rest, column, none, shortfall, most) in sorted(left.items()):
        index = np.concatenate([[column, none], rest.index])
        value = np.concatenate([[1.0, -float(shortfall)], -rest.value])
        yield Row(f"left_standing_{label}{c}", index, value, -INFINITY, rest.constant)
        yield row(f"left_none_{label}{c}", [(column, 1.0), (none, float(most))], -INFINITY, float(most))
