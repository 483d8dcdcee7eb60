"""The smallest set of rules that forbid every fleet, and the least each of them would have to give.

A deletion filter: rules are left out one after another for as long as what is left still admits no fleet;
what cannot be left out is a set of which every single rule matters. Quotas and stock are tried first, so that
they are named only where the rules of the user do not contradict each other by themselves. Each rule of the
set is then relaxed alone, the others kept, and every relaxation named was solved for.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.errors import PlanningError, SolverFailed
from advisor.optimize.problem import INSTANCE
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from advisor.optimize.problem import Contingency, Problem

_SOLVE_S: Final = 5.0
_SEARCH_S: Final = 20.0
_PERCENT: Final = 100
_MOST_UNITS: Final = 2**20  # of a pool's smallest draw


@dataclass(frozen=True, slots=True)
class Conflict:
    """One rule of the set, and what it would have to give."""

    family: str  #: ``quota``, ``stock``, ``contingency``, ``most_distinct``, ``min_replicas`` or ``budget``
    name: str  #: pool key, label, kind of group or service
    asks: str  #: the rule in words
    relaxation: str  #: the least that would do, the other rules kept, in words; empty: none was found
    value: float | None = None  #: the same as a number: units to add, share kept, count allowed, dollars

    def __str__(self) -> str:
        return f"{self.asks} ({self.relaxation})" if self.relaxation else self.asks


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule that can be left out or relaxed."""

    family: str
    name: str
    without: Callable[[Problem], Problem]


def has_rules(problem: Problem) -> bool:
    """Whether anything but quotas and stock can forbid a fleet."""
    return bool(
        problem.contingencies
        or problem.most_distinct
        or problem.budget_usd_per_hour is not None
        or any(terms.min_replicas for terms in problem.services)
    )


def without_rules(problem: Problem) -> Problem:
    """The demand, its routing, and quotas and stock."""
    services = tuple(replace(terms, min_replicas=0) for terms in problem.services)
    return replace(problem, contingencies=(), most_distinct=(), budget_usd_per_hour=None, services=services)


def conflicting(problem: Problem, units: Mapping[str, str]) -> tuple[Conflict, ...]:
    """The smallest set of rules found that admits no fleet; empty if one is admitted.

    Args:
        problem: infeasible, although its demand could be served within quotas and stock.
        units: what each pool counts, for the words.
    """
    deadline = time.perf_counter() + _SEARCH_S
    if _feasible(problem):
        return ()
    kept, left = list(_rules(problem)), problem
    for rules in _blocks(kept):
        bare = left
        for rule in rules:
            bare = rule.without(bare)
        if time.perf_counter() < deadline and _infeasible(bare):
            left, kept = bare, [rule for rule in kept if rule not in rules]
        elif len(rules) > 1:
            for rule in rules:
                if time.perf_counter() < deadline and _infeasible(rule.without(left)):
                    left, kept = rule.without(left), [each for each in kept if each is not rule]
    return tuple(_conflict(left, rule, units, deadline) for rule in kept)


def _rules(problem: Problem) -> Iterable[_Rule]:
    for pool in sorted(
        {pool for column in problem.columns for pool, _ in column.draws} & set(problem.free_units)
    ):
        yield _Rule("quota", pool, lambda p, pool=pool: _free(p, pool, None))  # type: ignore[misc]
    if any(column.max_instances is not None for column in problem.columns):
        yield _Rule("stock", "stock", _unlimited_stock)
    if problem.budget_usd_per_hour is not None:
        yield _Rule("budget", "budget", lambda p: replace(p, budget_usd_per_hour=None))
    for kind, _ in problem.most_distinct:
        yield _Rule("most_distinct", kind, lambda p, kind=kind: _most(p, kind, None))  # type: ignore[misc]
    for terms in problem.services:
        if terms.min_replicas:
            name = terms.name
            yield _Rule("min_replicas", name, lambda p, name=name: _least(p, name, 0))  # type: ignore[misc]
    for day in problem.contingencies:
        label = day.label
        yield _Rule("contingency", label, lambda p, label=label: _keeps(p, label, None))  # type: ignore[misc]


def _blocks(rules: list[_Rule]) -> list[list[_Rule]]:
    """All quotas at once, as there may be hundreds; the others one by one."""
    quotas = [rule for rule in rules if rule.family == "quota"]
    return [*([quotas] if quotas else []), *([rule] for rule in rules if rule.family != "quota")]


def _feasible(problem: Problem) -> bool:
    """Whether a fleet was found."""
    return _verdict(problem) is True


def _infeasible(problem: Problem) -> bool:
    """Whether it is proved that there is none."""
    return _verdict(problem) is False


def _verdict(problem: Problem) -> bool | None:
    try:
        solve(problem, time_limit_s=_SOLVE_S, relative_gap=1e6)
    except PlanningError:
        return False
    except SolverFailed:
        return None
    return True


# --- one rule at a time ---------------------------------------------------------------------------


def _conflict(left: Problem, rule: _Rule, units: Mapping[str, str], deadline: float) -> Conflict:
    if rule.family == "quota":
        return _quota(left, rule.name, units.get(rule.name, "units"), deadline)
    if rule.family == "contingency":
        return _contingency(left, rule.name, deadline)
    if rule.family == "most_distinct":
        return _variety(left, rule.name, deadline)
    if rule.family == "min_replicas":
        return _replicas(left, rule.name, deadline)
    if rule.family == "budget":
        return _budget(left, deadline)
    scarce = [column for column in left.columns if column.max_instances is not None]
    return Conflict("stock", "stock", f"the stock of {len(scarce)} offers is limited", "more of it would do")


def _quota(left: Problem, pool: str, unit: str, deadline: float) -> Conflict:
    draws = [units for column in left.columns for key, units in column.draws if key == pool and units > 0]
    free, step = max(left.free_units[pool], Decimal(0)), min(draws)
    least = _first(lambda n: _free(left, pool, free + n * step), 1, _MOST_UNITS, deadline)
    asks = f"{pool} has {free:f} {unit} free"
    if least is None:
        return Conflict("quota", pool, asks, "")
    added = least * step
    return Conflict("quota", pool, asks, f"needs {added:f} more", float(added))


def _contingency(left: Problem, label: str, deadline: float) -> Conflict:
    day = next(day for day in left.contingencies if day.label == label)
    asks = _in_words(day)
    if day.lose is not None and day.lose != INSTANCE:
        names = sorted({name for column in left.columns for name in column.group(day.lose)})
        if len(names) <= day.count and not day.only:
            scope = (
                f"only {', '.join(names)} is in scope" if len(names) == 1 else f"in scope: {', '.join(names)}"
            )
            return Conflict(
                "contingency", label, f"{asks} needs offers in {day.count + 1} {day.lose}s; {scope}", ""
            )
    most = int(day.keeps * _PERCENT)
    given = _first(lambda n: _keeps(left, label, (most - n) / _PERCENT), 1, most - 1, deadline)
    if given is None:
        return Conflict("contingency", label, asks, "")
    share = (most - given) / _PERCENT
    return Conflict("contingency", label, asks, f"at most {share:.0%} of every demand can be kept", share)


def _in_words(day: Contingency) -> str:
    if day.lose is None:
        what = day.label
    elif day.lose == INSTANCE:
        what = (
            f"surviving the loss of any {day.count} instances"
            if day.count > 1
            else ("surviving the loss of any one instance")
        )
    else:
        number = "one" if day.count == 1 else str(day.count)
        what = f"surviving the loss of any {number} {day.lose}"
    return what if day.keeps == 1 else f"{what} with {day.keeps:.0%} of every demand"


def _variety(left: Problem, kind: str, deadline: float) -> Conflict:
    most = next(count for name, count in left.most_distinct if name == kind)
    names = {name for column in left.columns for name in column.group(kind)}
    more = _first(lambda n: _most(left, kind, most + n), 1, max(len(names) - most, 1), deadline)
    asks = f"at most {most} different {kind}"
    if more is None:
        return Conflict("most_distinct", kind, asks, "")
    return Conflict("most_distinct", kind, asks, f"needs {most + more}", float(most + more))


def _replicas(left: Problem, service: str, deadline: float) -> Conflict:
    least = next(terms.min_replicas for terms in left.services if terms.name == service)
    fewer = _first(lambda n: _least(left, service, least - n), 1, least, deadline)
    asks = f"at least {least} replicas of {service}"
    if fewer is None:
        return Conflict("min_replicas", service, asks, "")
    return Conflict("min_replicas", service, asks, f"at most {least - fewer} fit", float(least - fewer))


def _budget(left: Problem, deadline: float) -> Conflict:
    assert left.budget_usd_per_hour is not None
    budget = left.budget_usd_per_hour
    cents = _first(lambda n: replace(left, budget_usd_per_hour=budget + Decimal(n) / 100), 1, 10**9, deadline)
    asks = f"a budget of ${budget:f}/h"
    if cents is None:
        return Conflict("budget", "budget", asks, "")
    needed = budget + Decimal(cents) / 100
    return Conflict("budget", "budget", asks, f"needs ${needed:f}/h", float(needed))


def _first(relaxed: Callable[[int], Problem], low: int, high: int, deadline: float) -> int | None:
    """The least step at which a fleet is found: doubling, then halving; None if none is in time."""
    if low > high:
        return None
    step, failed = low, low - 1
    while not _feasible(relaxed(step)):
        failed = step
        if step >= high or time.perf_counter() > deadline:
            return None
        step = min(2 * step, high)
    while step - failed > 1:
        if time.perf_counter() > deadline:
            return step
        middle = (step + failed) // 2
        if _feasible(relaxed(middle)):
            step = middle
        else:
            failed = middle
    return step


# --- problems with a rule changed -----------------------------------------------------------------


def _free(problem: Problem, pool: str, units: Decimal | None) -> Problem:
    free = {key: value for key, value in problem.free_units.items() if key != pool}
    return replace(problem, free_units=free if units is None else {**free, pool: units})


def _unlimited_stock(problem: Problem) -> Problem:
    return replace(problem, columns=tuple(replace(c, max_instances=None) for c in problem.columns))


def _most(problem: Problem, kind: str, most: int | None) -> Problem:
    others = tuple(x for x in problem.most_distinct if x[0] != kind)
    return replace(problem, most_distinct=others if most is None else (*others, (kind, most)))


def _least(problem: Problem, service: str, replicas: int) -> Problem:
    terms = (replace(t, min_replicas=replicas) if t.name == service else t for t in problem.services)
    return replace(problem, services=tuple(terms))


def _keeps(problem: Problem, label: str, keeps: float | None) -> Problem:
    if keeps is None:
        return replace(problem, contingencies=tuple(d for d in problem.contingencies if d.label != label))
    days = (replace(day, keeps=keeps) if day.label == label else day for day in problem.contingencies)
    return replace(problem, contingencies=tuple(days))
