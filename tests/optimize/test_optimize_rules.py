"""Every constraint family, alone and together, against an enumerator that shares no code with it."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimize_enumerator import cheapest as enumerated
from optimize_enumerator import least_kept, ruled_problems, shuffled

from advisor.errors import PlanningError, SolverFailed
from advisor.optimize import formulation
from advisor.optimize.effort import Effort
from advisor.optimize.presolve.reduce import reduce
from advisor.optimize.problem import Problem, Solution, SolveStatus
from advisor.optimize.search import cheapest
from advisor.optimize.search.scenario_generation import ScenarioSearch, repaired
from advisor.optimize.search.scenarios import cases_of
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    import random

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
    "budget with a loss, several services": ("budget", "zone", "services"),
    "variety with a loss": ("zone", "distinct", "services"),
    "loss and routing": ("zone", "routing", "services"),
    "loss, doubt and change": ("instance", "doubt", "change"),
    "everything but a budget": (
        "services", "routing", "side", "instance", "spread", "doubt", "surge", "distinct", "min", "change",
        "quota"),
    "everything": (
        "services", "routing", "side", "zone", "surge", "distinct", "min", "change", "quota", "budget"),
}  # fmt: skip
MOST = 2


def outcome(problem: Problem) -> Solution | None:
    try:
        return solve(problem)
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
        expected, found = enumerated(problem, MOST), outcome(problem)
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


ALL = COMBINATIONS["everything but a budget"]
_FEW = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def objective(problem: Problem) -> float:
    found = outcome(problem)
    return float("inf") if found is None else found.objective_usd_per_hour


def no_less(dearer: float, than: float) -> bool:
    return dearer >= than * (1 - 1e-9) - 1e-9


@given(ruled_problems(*ALL), st.data())
@_FEW
def test_raising_a_price_never_makes_the_plan_cheaper(problem: Problem, data: st.DataObject) -> None:
    which = data.draw(st.integers(0, len(problem.columns) - 1))
    dearer = tuple(
        dataclasses.replace(c, usd_per_hour=c.usd_per_hour + Decimal("0.37")) if i == which else c
        for i, c in enumerate(problem.columns)
    )
    assert no_less(objective(dataclasses.replace(problem, columns=dearer)), objective(problem))


@given(ruled_problems(*(set(ALL) - {"change"})))
@_FEW
def test_an_extra_column_never_makes_the_plan_dearer(problem: Problem) -> None:
    fewer = dataclasses.replace(problem, columns=problem.columns[:-1])
    assert no_less(objective(fewer), objective(problem))


@given(ruled_problems(*ALL))
@_FEW
def test_a_tighter_rule_never_makes_the_plan_cheaper(problem: Problem) -> None:
    cost = objective(problem)
    harder = tuple(dataclasses.replace(day, keeps=min(1.0, day.keeps + 0.1)) for day in problem.contingencies)
    assert no_less(objective(dataclasses.replace(problem, contingencies=harder)), cost)
    fewer = tuple((kind, most - 1) for kind, most in problem.most_distinct)
    assert no_less(objective(dataclasses.replace(problem, most_distinct=fewer)), cost)
    more = tuple(dataclasses.replace(s, min_replicas=s.min_replicas + 1) for s in problem.services)
    assert no_less(objective(dataclasses.replace(problem, services=more)), cost)
    less = {pool: max(units - 1, Decimal(0)) for pool, units in problem.free_units.items()}
    assert no_less(objective(dataclasses.replace(problem, free_units=less)), cost)


@given(ruled_problems(*ALL), st.randoms(use_true_random=False))
@_FEW
def test_the_order_of_columns_is_irrelevant(problem: Problem, chance: random.Random) -> None:
    order = list(range(len(problem.columns)))
    chance.shuffle(order)
    one, other = outcome(problem), outcome(shuffled(problem, order))
    if one is None or other is None:
        assert one is other
        return
    assert dataclasses.replace(one, solve_seconds=0.0) == dataclasses.replace(other, solve_seconds=0.0)


@given(ruled_problems(*ALL))
@_FEW
def test_presolve_keeps_the_optimum_with_rules_active(problem: Problem) -> None:
    whole = reduce(problem, dominance=False, merge=False)
    cost = objective(problem)
    if cost == float("inf") or not whole.servable():
        return
    found = cheapest(whole, Effort.of_seconds(30))
    assert found is not None
    assert found.bound == pytest.approx(cost, rel=1e-6, abs=1e-7)


@given(ruled_problems("zone", "spread", "instance", "doubt"))
@_FEW
def test_cases_made_when_needed_give_the_optimum_of_all_cases_at_once(problem: Problem) -> None:
    """All cases that any fleet could meet: every zone, every single instance, every group in doubt."""
    problem = dataclasses.replace(
        problem, contingencies=tuple(dataclasses.replace(d, count=1) for d in problem.contingencies)
    )
    reduced = reduce(problem)
    if not reduced.servable():
        return
    everything = [
        case
        for number in range(len(problem.contingencies))
        for case in cases_of(reduced, [max(x.max_instances, 1) for x in reduced.candidates], number)
    ]
    answer = formulation.run(formulation.cheapest_fleet(reduced, cases=everything), 30)
    cost = objective(problem)
    if answer.has_values:
        assert answer.objective == pytest.approx(cost, rel=1e-6)
    else:
        assert cost == float("inf")


@given(ruled_problems("zone", "instance", "doubt", "routing", "services", "quota"))
@_FEW
def test_a_fleet_repaired_for_want_of_time_gets_through_every_bad_day(problem: Problem) -> None:
    found = outcome(problem)
    if found is None:
        return
    whole = reduce(problem)
    search = ScenarioSearch(whole)
    search.one_more(Effort.of_seconds(30))
    first = search.found
    assert first is not None
    try:
        fleet = repaired(whole, first, Effort.of_seconds(30))
    except SolverFailed:  # what was bought may stand in the way, under a quota
        assert problem.free_units
        return
    assert all(more >= few for more, few in zip(fleet.fleet.instances, first.fleet.instances, strict=True))
    assert not any(each.fails(whole) for each in fleet.tried)
    assert fleet.bound <= found.objective_usd_per_hour * (1 + 1e-7) + 1e-9


@given(ruled_problems("zone", "spread", "instance", "doubt", "surge"))
@_FEW
def test_the_least_share_of_a_case_is_what_the_enumerator_finds(problem: Problem) -> None:
    found = outcome(problem)
    if found is None:
        return
    fleet = tuple(found.instances.get(column.id, 0) for column in problem.columns)
    least: dict[str, float] = {}
    for day, kept in least_kept(problem, fleet):
        least[day.label] = min(least.get(day.label, 1.0), kept)
    told: dict[str, float] = {}
    for proof in found.cases:
        told[proof.contingency] = min(told.get(proof.contingency, 1.0), proof.least_served_share)
        assert all(count <= found.instances[column] for column, count in proof.lost_instances.items())
    assert told == pytest.approx(least, abs=1e-7)
