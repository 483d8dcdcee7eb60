"""What a fleet costs besides its instances: side costs by load, and the cost of change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.optimize.problem import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from advisor.optimize.problem import Problem


def side_usd_per_hour(problem: Problem, load: Mapping[tuple[str, int, int], float]) -> float:
    """Egress and the like, of the load as it is."""
    usd = {column.id: column.usd_per_request for column in problem.columns if any(column.usd_per_request)}
    return sum(rate * usd[c][b] * SECONDS_PER_HOUR for (c, _, b), rate in sorted(load.items()) if c in usd)


def change_usd_per_hour(problem: Problem, instances: Mapping[str, int]) -> float:
    """Of departing from the fleet held, spread over the horizon."""
    return moves_usd_per_hour(
        problem, (instances.get(column.id, 0) - column.held for column in problem.columns)
    )


def moves_usd_per_hour(problem: Problem, moves: Iterable[int]) -> float:
    """Of starting and giving up instances, over the horizon; 0 where the fleet held is no matter."""
    if problem.change is None:
        return 0.0
    moves = list(moves)
    added, removed = sum(m for m in moves if m > 0), -sum(m for m in moves if m < 0)
    start, stop = problem.change.usd_per_hour
    return start * added + stop * removed
