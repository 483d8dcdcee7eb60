"""Do whole replicas fit in whole instances? A replica never spans instances."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SEARCHED_INSTANCES: Final = 48
"""Largest fleet searched exactly where degrees do not divide each other; beyond, degrees are kept apart."""


def instances_needed(replicas: Mapping[int, int], accelerators: int) -> int | None:
    """Fewest instances that hold ``replicas`` (degree -> count); None if one replica is too large for any.

    Exact where each degree divides the next larger one, as powers of two do. A replica of degree e then
    takes e/d places of degree d on an instance of ``accelerators // d`` places, wherever the larger ones
    stand, so n instances suffice exactly if, at each degree d, the sum over e >= d of count·e/d is at most
    n·(accelerators // d).
    Other degrees are searched exactly up to ``SEARCHED_INSTANCES``; beyond, the answer is an upper bound.
    """
    wanted = {degree: count for degree, count in replicas.items() if count}
    if not wanted:
        return 0
    degrees = sorted(wanted, reverse=True)
    if degrees[0] > accelerators:
        return None
    if all(larger % smaller == 0 for larger, smaller in pairwise(degrees)):
        return max(_places_bound(wanted, degree, accelerators) for degree in degrees)
    apart = sum(_ceil_div(count, accelerators // degree) for degree, count in wanted.items())
    if apart > SEARCHED_INSTANCES:
        return apart
    return _searched(tuple(wanted[d] for d in degrees), tuple(degrees), accelerators, apart)


def _places_bound(wanted: Mapping[int, int], degree: int, accelerators: int) -> int:
    places = sum(count * (other // degree) for other, count in wanted.items() if other >= degree)
    return _ceil_div(places, accelerators // degree)


def _ceil_div(value: int, by: int) -> int:
    return -(-value // by)


def _searched(counts: tuple[int, ...], degrees: tuple[int, ...], accelerators: int, upper: int) -> int:
    """Fewest instances by breadth-first search over full instances; ``upper`` is a packing known to exist."""
    patterns = list(_full_instances(degrees, accelerators))
    frontier, seen = {counts}, {counts}
    for used in range(1, upper):
        following = {
            tuple(max(left - taken, 0) for left, taken in zip(state, pattern, strict=True))
            for state in frontier
            for pattern in patterns
        }
        if (0,) * len(counts) in following:
            return used
        frontier = following - seen
        seen |= frontier
    return upper


def _full_instances(degrees: tuple[int, ...], room: int) -> Iterator[tuple[int, ...]]:
    """Ways to fill an instance, the smallest degree taking whatever the larger ones leave."""
    if len(degrees) == 1:
        yield (room // degrees[0],)
        return
    for first in range(room // degrees[0], -1, -1):
        for rest in _full_instances(degrees[1:], room - first * degrees[0]):
            yield (first, *rest)
