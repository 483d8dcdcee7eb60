"""The smallest set of rules that forbid every fleet, and the least each of them would have to give.

A deletion filter: rules are left out one after another for as long as what is left still admits no fleet;
what cannot be left out is a set of which every single rule matters. Quotas and stock are tried first, so that
they are named only where the rules of the user do not contradict each other by themselves. Each rule of the
set is then relaxed alone, the others kept, and every relaxation named was solved for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.errors import PlanningError, SolverFailed
from advisor.optimize.effort import Effort
from advisor.optimize.rules import PoolLimit, Relaxable, StockLimit, rules_of
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from advisor.optimize.problem import Problem

_SOLVE_S: Final = 5.0
_SEARCH_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Conflict:
    """One rule of the set, and what it would have to give."""

    family: str  #: ``quota``, ``stock``, or a rule's own
    name: str  #: pool key, label, kind of group or service
    asks: str  #: the rule in words
    relaxation: str  #: the least that would do, the other rules kept, in words; empty: none was found
    value: float | None = None  #: the same as a number: units to add, share kept, count allowed, dollars

    def __str__(self) -> str:
        return f"{self.asks} ({self.relaxation})" if self.relaxation else self.asks


def has_rules(problem: Problem) -> bool:
    """Whether anything but quotas and stock can forbid a fleet."""
    return any(rule.forbids for rule in rules_of(problem))


def conflicting(problem: Problem, units: Mapping[str, str]) -> tuple[Conflict, ...]:
    """The smallest set of rules found that admits no fleet; empty if one is admitted.

    Args:
        problem: infeasible, although its demand could be served within quotas and stock.
        units: what each pool counts, for the words.
    """
    effort = Effort.of_seconds(_SEARCH_S)
    if _admits(problem):
        return ()
    quotas, others = _quotas(problem, units), _others(problem)
    kept, left = [*quotas, *others], problem
    for block in ([quotas] if quotas else []) + [[rule] for rule in others]:  # quotas may be hundreds
        bare = _without(left, block)
        if not effort.over and _admits(bare) is False:
            left, kept = bare, [rule for rule in kept if rule not in block]
            continue
        for rule in block if len(block) > 1 else ():
            if not effort.over and _admits(rule.without(left)) is False:
                left, kept = rule.without(left), [each for each in kept if each is not rule]
    return tuple(_conflict(left, rule, effort) for rule in kept)


def _quotas(problem: Problem, units: Mapping[str, str]) -> list[Relaxable]:
    drawn = {pool for column in problem.columns for pool, _ in column.draws} & set(problem.free_units)
    return [PoolLimit(pool, units.get(pool, "units")) for pool in sorted(drawn)]


def _others(problem: Problem) -> list[Relaxable]:
    stock = [StockLimit()] if any(c.max_instances is not None for c in problem.columns) else []
    return [*stock, *(rule for rule in rules_of(problem) if rule.forbids)]


def _without(problem: Problem, rules: list[Relaxable]) -> Problem:
    for rule in rules:
        problem = rule.without(problem)
    return problem


def _conflict(left: Problem, rule: Relaxable, effort: Effort) -> Conflict:
    asks = rule.asks(left)
    step = _first(lambda n: rule.relaxed(left, n), rule.steps(left), effort)
    if step is None:
        return Conflict(rule.family, rule.name, asks, "")
    words, value = rule.gives(left, step)
    return Conflict(rule.family, rule.name, asks, words, None if math.isnan(value) else value)


def _admits(problem: Problem) -> bool | None:
    """Whether there is a fleet; None if that could not be found out in time."""
    try:
        solve(problem, time_limit_s=_SOLVE_S, relative_gap=1e6)
    except PlanningError:
        return False
    except SolverFailed:
        return None
    return True


def _first(relaxed: Callable[[int], Problem], most: int, effort: Effort) -> int | None:
    """The least step at which a fleet is found: doubling, then halving; None if none is in time."""
    if most < 1:
        return None
    step, failed = 1, 0
    while not _admits(relaxed(step)):
        failed = step
        if step >= most or effort.over:
            return None
        step = min(2 * step, most)
    while step - failed > 1 and not effort.over:
        middle = (step + failed) // 2
        if _admits(relaxed(middle)):
            step = middle
        else:
            failed = middle
    return step
