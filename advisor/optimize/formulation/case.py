"""One case of a contingency: what is lost, what is in doubt, and the day that leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from advisor.optimize.arrays import INFINITY, LinearRow, Sum, row, total
from advisor.optimize.day import DayColumns
from advisor.optimize.problem import INSTANCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from advisor.optimize.arrays import Arrays
    from advisor.optimize.reduced import Purchasable, Reduced


@dataclass(frozen=True, slots=True)
class Case:
    """What happens on a bad day."""

    contingency: int  #: index in the problem
    groups: tuple[str, ...] = ()  #: lost
    kinds: tuple[tuple[int, int], ...] = ()  #: (kind of instance, how many single ones are lost)
    doubted: tuple[str, ...] = ()
    margin: float = 0.0  #: relative: by so much more is asked of a case that was passed within tolerance only

    @property
    def lost(self) -> frozenset[str]:
        """The groups lost."""
        return frozenset(self.groups)


def is_lost(candidate: Purchasable, reduced: Reduced, case: Case) -> bool:
    """Whether a case takes all its instances."""
    lose = reduced.problem.contingencies[case.contingency].lose
    if lose is None or lose == INSTANCE:
        return False
    return not case.lost.isdisjoint(candidate.group(lose))


def survivors(reduced: Reduced, counts: Sequence[int], case: Case) -> dict[int, int]:
    """Instances per kind that are left of a fleet, of kinds with any."""
    left: dict[int, int] = {}
    for c, candidate in enumerate(reduced.candidates):
        if not is_lost(candidate, reduced, case):
            left[candidate.kind] = left.get(candidate.kind, 0) + counts[c]
    for p, lost in case.kinds:
        left[p] = max(0, left.get(p, 0) - lost)
    return {p: count for p, count in sorted(left.items()) if count}


def needed_on(reduced: Reduced, case: Case) -> Callable[[int, int], NDArray[np.float64]]:
    """Replicas per demand of (kind, use) in that case."""
    day = reduced.problem.contingencies[case.contingency]
    in_doubt = {
        p
        for p, kind in enumerate(reduced.kinds)
        if kind.members
        and set(reduced.candidates[kind.members[0]].group(day.doubted_kind)) & set(case.doubted)
    }

    def needed(p: int, u: int) -> NDArray[np.float64]:
        use = reduced.kinds[p].uses[u]
        factor = day.demand_factor * (1 + case.margin)
        if day.utilisation_ceiling is not None:
            factor *= reduced.problem.services[use.service].utilisation_ceiling / day.utilisation_ceiling
        return factor * (use.needed_low if p in in_doubt else use.needed)

    return needed


def services_on(reduced: Reduced, case: Case) -> frozenset[int]:
    """Whose demands count in that case."""
    services = reduced.problem.contingencies[case.contingency].services
    return frozenset(range(len(reduced.problem.services))) if services is None else services


def add_case(arrays: Arrays, reduced: Reduced, case: Case, number: int, instances: int) -> DayColumns:
    """The day a case leaves, with the rows that say what still stands; its pools are still to be added."""
    label, prefix = f"e{number}_", f"e{number}"
    left: dict[int, tuple[Sum, int, int, int, int]] = {}
    alone = dict(case.kinds)
    standing: dict[int, Sum] = {}
    for p, kind in enumerate(reduced.kinds):
        whole = total(
            Sum(np.array([instances + c]), np.ones(1))
            for c in kind.members
            if not is_lost(reduced.candidates[c], reduced, case)
        )
        if p in alone and len(whole.index):
            most = sum(reduced.candidates[c].max_instances for c in kind.members)
            rest = Sum(whole.index, whole.value, -float(alone[p]))
            whole = _left(arrays, f"{prefix}k{p}", left, p, rest, alone[p], most)
        if len(whole.index):
            standing[p] = whole
    arrays.add_rows(left_standing(label, left))
    day = reduced.problem.contingencies[case.contingency]
    return DayColumns(label, standing, services_on(reduced, case), keeps=day.keeps)


def _left(
    arrays: Arrays,
    name: str,
    left: dict[int, tuple[Sum, int, int, int, int]],
    key: int,
    rest: Sum,
    shortfall: int,
    most: int,
) -> Sum:
    column = arrays.add(f"{name}w", 0, most, integer=True)
    none = arrays.add(f"{name}n", 0, 1, integer=True)
    left[key] = rest, column, none, shortfall, most
    return Sum(np.array([column]), np.ones(1))


# --- rows -----------------------------------------------------------------------------------------


def left_standing(label: str, left: Mapping[int, tuple[Sum, int, int, int, int]]) -> Iterator[LinearRow]:
    """What is left of N instances of which m are lost is max(0, N - m), m >= 0.

    left <= N - m + most_m · none and left <= most · (1 - none), with a binary ``none`` for N < m.

    Args:
        label: of the case.
        left: (N - m, column of left, column of none, most m exceeds N by, most left) per kind or candidate.
    """
    for c, (rest, column, none, shortfall, most) in sorted(left.items()):
        index = np.concatenate([[column, none], rest.index])
        value = np.concatenate([[1.0, -float(shortfall)], -rest.value])
        yield LinearRow(f"left_standing_{label}{c}", index, value, -INFINITY, rest.constant)
        yield row(f"left_none_{label}{c}", [(column, 1.0), (none, float(most))], -INFINITY, float(most))
