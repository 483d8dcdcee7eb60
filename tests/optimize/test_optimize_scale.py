"""Large programmes: what guides the search may be rough, what is reported must hold."""

from __future__ import annotations

import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimize_enumerator import cheapest, ruled_problems

from advisor.errors import PlanningError
from advisor.optimize import formulation
from advisor.optimize.bounds import column_generation, reduced_cost_fixing
from advisor.optimize.bounds.lagrangian import priced_bound, separable
from advisor.optimize.effort import Effort
from advisor.optimize.formulation import relaxation
from advisor.optimize.presolve.reduce import reduce
from advisor.optimize.problem import Problem, SolveStatus
from advisor.optimize.search import sequential
from advisor.optimize.solve import solve

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from optimize_instances import Size, instance


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduced_cost_fixing, "LARGE", -1)


@pytest.mark.parametrize(
    "families",
    [
        ("services", "quota"),
        ("services", "routing", "side"),
        ("change", "min", "services"),
        ("zone", "quota"),
    ],
)
def test_the_guided_search_proves_only_what_is_true(
    families: tuple[str, ...], everything_is_large: None
) -> None:
    @given(ruled_problems(*families, most_columns=2))
    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    def check(problem: Problem) -> None:
        expected = cheapest(problem, 2)
        try:
            found = solve(problem, time_limit_s=10)
        except PlanningError:
            assert expected is None
            return
        if expected is not None:
            assert found.lower_bound_usd_per_hour <= expected[0] * (1 + 1e-7) + 1e-9
            if max(found.instances.values(), default=0) <= 2:
                assert found.objective_usd_per_hour >= expected[0] * (1 - 1e-7) - 1e-9
                if found.status is SolveStatus.OPTIMAL:
                    assert found.objective_usd_per_hour == pytest.approx(expected[0], rel=1e-6, abs=1e-7)

    check()


@pytest.mark.parametrize(
    "families", [("services", "quota"), ("services", "routing", "side"), ("change", "services", "quota")]
)
def test_buying_service_by_service_at_prices_holds_and_its_bound_is_true(
    families: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequential, "HUGE", -1)

    @given(ruled_problems(*families, most_columns=3))
    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    def check(problem: Problem) -> None:
        expected = cheapest(problem, 2)
        try:
            found = solve(problem, time_limit_s=10)
        except PlanningError:
            assert expected is None
            return
        if expected is not None:
            assert found.lower_bound_usd_per_hour <= expected[0] * (1 + 1e-7) + 1e-9
            if max(found.instances.values(), default=0) <= 2:
                assert found.objective_usd_per_hour >= expected[0] * (1 - 1e-7) - 1e-9

    check()


@given(ruled_problems("services", "quota", "routing", "side", most_columns=3), st.sampled_from([None, 1e-9]))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_prices_of_generated_columns_bound_every_fleet_by_the_whole_relaxation(
    problem: Problem, trickle: float | None
) -> None:
    if trickle is not None:  # so little work that only the presence of a replica matters
        rates = (*problem.demand_requests_per_s[:-1], trickle)
        problem = replace(problem, demand_requests_per_s=rates)
    reduced = reduce(problem)
    relaxed = (
        relaxation.relax(formulation.cheapest_fleet(reduced).arrays, 10.0) if reduced.servable() else None
    )
    if relaxed is None or any(terms.min_replicas for terms in problem.services):
        return
    bound = column_generation.valued_market(reduced, Effort.of_seconds(10.0)).bound
    assert relaxed.objective * 0.999 - 1e-6 <= bound <= relaxed.objective * (1 + 1e-7) + 1e-7


@given(ruled_problems("services", "quota", "change", "side", most_columns=3))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_prices_for_what_services_share_bound_every_fleet_and_no_lower_than_the_relaxation(
    problem: Problem,
) -> None:
    try:
        optimum = solve(problem)
    except PlanningError:
        return
    reduced = reduce(problem)
    programme = formulation.cheapest_fleet(reduced)
    relaxed = relaxation.relax(programme.arrays, 10.0)
    if relaxed is None or not separable(reduced):
        return
    bound = priced_bound(programme, relaxed, Effort.of_seconds(10.0))
    assert (
        relaxed.objective * (1 - 1e-9) - 1e-9 <= bound <= optimum.objective_usd_per_hour * (1 + 1e-7) + 1e-7
    )


def test_a_market_of_thousands_of_offers_is_answered_with_a_certified_gap() -> None:
    problem = instance(Size(services=3, regions=6, requests_per_s=300.0, buckets=30, seed=3))
    assert len(problem.columns) > 2000
    solution = solve(problem, relative_gap=0.15, time_limit_s=20)
    assert solution.relative_gap <= 0.15
    assert sum(solution.load_requests_per_s.values()) == pytest.approx(300.0)


def test_the_generator_is_seeded_and_as_large_as_it_says() -> None:
    one, other = instance(Size(seed=5)), instance(Size(seed=5))
    assert (one.columns, one.free_units) == (other.columns, other.free_units)
    assert Size().offers == 10_800
    assert len(one.columns) <= 10_800
    assert all(column.usd_per_hour > Decimal(0) for column in one.columns)
