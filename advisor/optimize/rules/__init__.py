"""The rules a problem may have besides demand, quotas and stock: one file each.

A rule knows its rows, what breaks it, how it is relaxed, and what it forbids those who search: presolve and
searches ask :func:`traits_of` a problem, never for a rule by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from advisor.optimize.rules.bad_day import BadDay
from advisor.optimize.rules.budget import Budget
from advisor.optimize.rules.change import CostOfChange
from advisor.optimize.rules.limits import PoolLimit, StockLimit
from advisor.optimize.rules.min_replicas import MinReplicas
from advisor.optimize.rules.rule import FleetDraft, ProblemRule, Relaxable
from advisor.optimize.rules.variety import Variety

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.optimize.problem import Problem

RULES: Final[tuple[type[ProblemRule], ...]] = (Budget, Variety, MinReplicas, BadDay, CostOfChange)


def rules_of(problem: Problem) -> tuple[ProblemRule, ...]:
    """The rules a problem has."""
    return tuple(rule for kind in RULES for rule in kind.of(problem))


@dataclass(frozen=True, slots=True)
class Traits:
    """What all rules of a problem together allow; see :class:`~advisor.optimize.rules.rule.ProblemRule`."""

    replicas_interchangeable: bool
    demands_mergeable: bool
    separable: bool
    serves_all: bool
    told_apart: frozenset[str]
    least_replicas: Mapping[int, int] = field(default_factory=dict)  #: per service that has a minimum


def traits_of(problem: Problem) -> Traits:
    """What the rules of a problem allow."""
    rules = rules_of(problem)
    return Traits(
        all(rule.replicas_interchangeable for rule in rules),
        all(rule.demands_mergeable for rule in rules) and not _side_costs(problem),
        all(rule.separable for rule in rules),
        all(rule.serves_all for rule in rules),
        frozenset(kind for rule in rules for kind in rule.told_apart),
        {s: count for rule in rules for s, count in rule.least_replicas().items()},
    )


def is_plain(problem: Problem) -> bool:
    """Whether it is one service, quotas and stock: no routing, rules, side costs or held fleet."""
    return (
        len(problem.services) == 1
        and problem.routing is None
        and not rules_of(problem)
        and not _side_costs(problem)
    )


def without_rules(problem: Problem) -> Problem:
    """The demand, its routing, and quotas and stock."""
    for rule in rules_of(problem):
        if rule.forbids:
            problem = rule.without(problem)
    return problem


def _side_costs(problem: Problem) -> bool:
    """Whether equal work may cost unlike dollars."""
    return any(any(column.usd_per_request) for column in problem.columns)


__all__ = [
    "RULES",
    "BadDay",
    "FleetDraft",
    "PoolLimit",
    "ProblemRule",
    "Relaxable",
    "StockLimit",
    "Traits",
    "is_plain",
    "rules_of",
    "traits_of",
    "without_rules",
]
