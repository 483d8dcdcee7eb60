"""Every constraint family, alone and together, against an enumerator that shares no code with the optimiser."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimize_enumerator import cheapest, least_kept, ruled_problems, shuffled

from advisor.errors import PlanningError
from advisor.optimize.problem import Problem, Solution, SolveStatus
from advisor.optimize.solve import solve

COMBINATIONS = {
    "services": ("services",),
    "services and quota": ("services", "quota"),
    "routing": ("routing",),
    "side costs": ("side",),
    "routing, services and side costs": ("routing", "services", "side"),
    "loss of instances": ("instance",),
    "loss of a zone": ("zone",),
    "loss of a zone with spread": ("zone", "spread"),
    "doubt": ("doubt",),
    "surge": ("surge", "services"),
    "variety": ("distinct", "quota"),
    "minimum replicas": ("min", "services"),
    "change": ("change", "side"),
    "budget": ("budget", "side"),
    "budget, routing": ("budget", "routing", "services"),
    "budget with a loss": ("budget", "zone"),
    "loss and routing": ("zone", "routing", "services"),
    "loss, doubt and change": ("instance", "doubt", "change"),
    "everything but a budget": (
        "services", "routing", "side", "instance", "spread", "doubt", "surge", "distinct", "min", "change", "quota"),
    "everything": (
        "services", "routing", "side", "zone", "surge", "distinct", "min", "change", "quota", "budget"),
}  # fmt: skip
MOST = 2


def outcome(problem: Problem) -> Solution | None:
    try:
        return solve(problem, diagnose=False)
    except PlanningError:
        return None


def weighted(problem: Problem, solution: Solution) -> float:
    return sum(
        problem.services[problem.service_of(b)].weight * rate * solution.served_share.get(b, 1.0)
        for b, rate in enumerate(problem.demand_requests_per_s)
    )


@pytest.mark.parametrize("families", COMBINATIONS.values(), ids=COMBINATIONS.keys())
def test_equals_trying_every_fleet(families: tuple[str, ...]) -> None:
    @given(ruled_problems(*families, most_columns=3 if len(families) < 3 else 2))
    @settings(max_examples=25, deadline=None, derandomize=True, database=None)
    def check(problem: Problem) -> None:
        expected, found = cheapest(problem, MOST), outcome(problem)
        if found is None:
            assert expected is None
            return
        assert found.status is SolveStatus.OPTIMAL
        few = max(found.instances.values(), default=0) <= MOST
        if expected is None:
            assert not few
            return
        objective, served = expected
        assert weighted(problem, found) >= served * (1 - 1e-7) - 1e-9
        if few:
            assert weighted(problem, found) == pytest.approx(served, rel=1e-6, abs=1e-7)
            assert found.objective_usd_per_hour == pytest.approx(objective, rel=1e-6, abs=1e-7)
        elif problem.budget_usd_per_hour is None:
            assert found.objective_usd_per_hour <= objective + 1e-7

    check()
