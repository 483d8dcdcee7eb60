"""Every choice of counts that a bound does not rule out, for fleets so small that they can all be tried.

At the least price p of its kind, whatever runs at a level costs no less than V, the level's cheapest fleet
alone. So with the counts K what is rented there costs at least V - p·K, and the whole at least
c·K + sum over levels of weight · max(0, V - p·K). A choice that has only some of its counts is ruled out with
the others at the best ratio c / p there is among them, in parts of instances.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PricedOption:
    """A line as the bound sees it."""

    column: str
    term: str
    usd_per_hour: float  #: c
    worth_usd_per_hour: float  #: p
    most: int


@dataclass(frozen=True, slots=True)
class Floor:
    """What every level costs at least."""

    weight: NDArray[np.float64]
    least_usd_per_hour: NDArray[np.float64]  #: V

    def rest(self, worth: float) -> float:
        """Of what is rented, with commitments worth so much."""
        return float(self.weight @ np.maximum(self.least_usd_per_hour - worth, 0.0))

    def at_best(self, worth: float, ratio: float) -> float:
        """The least of ratio · more + rest(worth + more); it is convex, with corners at the levels."""
        gaps = self.least_usd_per_hour - worth
        corners = np.append(gaps[gaps > 0], 0.0)
        rest = np.maximum(gaps[None, :] - corners[:, None], 0.0) @ self.weight
        return float((ratio * corners + rest).min())


def promising(
    lines: Sequence[PricedOption], limits: Mapping[str, int], floor: Floor, below: float, most: int
) -> list[tuple[float, dict[str, int]]] | None:
    """(bound, counts) of every choice whose bound is below a cost, lowest first; None: too many."""
    order = sorted(lines, key=lambda x: (x.usd_per_hour / x.worth_usd_per_hour, x.column))
    found: list[tuple[float, dict[str, int]]] = []
    visited = 0

    def walk(at: int, counts: dict[str, int], cost: float, worth: float, taken: dict[str, int]) -> bool:
        nonlocal visited
        visited += 1
        if visited > 20 * most or len(found) > most:
            return False
        if at == len(order):
            bound = cost + floor.rest(worth)
            if bound < below:
                found.append((bound, counts))
            return True
        line = order[at]
        ratio = line.usd_per_hour / line.worth_usd_per_hour
        if cost + floor.at_best(worth, ratio) >= below:
            return True
        room = limits.get(line.term, line.most) - taken.get(line.term, 0)
        for count in range(min(line.most, room) + 1):
            spent = cost + count * line.usd_per_hour
            if spent >= below:
                break
            more = {**counts, line.column: count} if count else counts
            used = {**taken, line.term: taken.get(line.term, 0) + count}
            if not walk(at + 1, more, spent, worth + count * line.worth_usd_per_hour, used):
                return False
        return True

    if not walk(0, {}, 0.0, 0.0, {}):
        return None
    return sorted(found, key=lambda pair: (pair[0], sorted(pair[1].items())))
