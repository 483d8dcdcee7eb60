"""solve(): the cheapest fleet, whatever the problem looks like, and never a fleet that does not hold."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimize_builders import a_column, a_problem, brute_force, faults, packs, tiny_problems

from advisor.errors import Infeasible, NoCandidates, PlanningError
from advisor.optimize.problem import Problem, ServiceTerms, Solution, SolveStatus
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    import random

_EXAMPLES = settings(max_examples=250, deadline=None, derandomize=True)
_FEWER = settings(max_examples=80, deadline=None, derandomize=True)


def cost_of(problem: Problem, **options: object) -> Decimal | None:
    try:
        return solve(problem, **options).usd_per_hour  # type: ignore[arg-type]
    except PlanningError:
        return None


@given(tiny_problems())
@_EXAMPLES
def test_equals_brute_force_and_holds(problem: Problem) -> None:
    expected = brute_force(problem)
    try:
        solution = solve(problem)
    except PlanningError:
        assert expected is None
        return
    assert faults(problem, solution) == []
    assert solution.status is SolveStatus.OPTIMAL
    most = max(solution.instances.values(), default=0)
    if expected is not None:
        assert solution.usd_per_hour <= expected
    if most <= 3:
        assert solution.usd_per_hour == expected


@given(tiny_problems(degrees=False, limits=False, most_columns=2), st.integers(1, 2))
@_FEWER
def test_slices_equal_trying_every_assignment_of_every_slice(problem: Problem, slices: int) -> None:
    expected = brute_force(problem, slices=slices)
    found = cost_of(problem, slices=slices)
    if expected is None:
        assert found is None or max(solve(problem, slices=slices).instances.values()) > 3
        return
    assert found is not None
    assert found <= expected
    solution = solve(problem, slices=slices)
    assert faults(problem, solution) == []
    if max(solution.instances.values(), default=0) <= 3:
        assert found == expected
    for (_, _, b), rate in solution.load_requests_per_s.items():
        pieces = rate / problem.demand_requests_per_s[b] * slices
        assert pieces == pytest.approx(round(pieces), abs=1e-9)


@given(tiny_problems(), st.randoms(use_true_random=False))
@_FEWER
def test_the_order_of_columns_and_demands_is_irrelevant(problem: Problem, chance: random.Random) -> None:
    demands = list(range(len(problem.demand_requests_per_s)))
    chance.shuffle(demands)
    columns = [
        dataclasses.replace(
            column,
            options=tuple(
                dataclasses.replace(o, requests_per_s=tuple(o.requests_per_s[b] for b in demands))
                for o in reversed(column.options)
            ),
        )
        for column in problem.columns
    ]
    chance.shuffle(columns)
    shuffled = dataclasses.replace(
        problem,
        demand_requests_per_s=tuple(problem.demand_requests_per_s[b] for b in demands),
        demand_labels=tuple(problem.demand_labels[b] for b in demands),
        columns=tuple(columns),
    )
    try:
        one = solve(problem)
    except PlanningError:
        assert cost_of(shuffled) is None
        return
    other = solve(shuffled)
    assert (one.instances, one.replicas, one.usd_per_hour) == (
        other.instances,
        other.replicas,
        other.usd_per_hour,
    )
    moved = {(c, k, demands[b]): rate for (c, k, b), rate in other.load_requests_per_s.items()}
    assert moved == one.load_requests_per_s


def no_dearer(one: Decimal | None, other: Decimal | None) -> bool:
    """None is "no fleet": dearer than any."""
    return other is None or (one is not None and one <= other)


@given(tiny_problems(), st.data())
@_FEWER
def test_raising_a_price_never_makes_the_plan_cheaper(problem: Problem, data: st.DataObject) -> None:
    which = data.draw(st.integers(0, len(problem.columns) - 1))
    dearer = [
        dataclasses.replace(c, usd_per_hour=c.usd_per_hour + Decimal("0.37")) if i == which else c
        for i, c in enumerate(problem.columns)
    ]
    assert no_dearer(cost_of(problem), cost_of(dataclasses.replace(problem, columns=tuple(dearer))))


@given(tiny_problems())
@_FEWER
def test_an_extra_column_never_makes_the_plan_dearer(problem: Problem) -> None:
    without = dataclasses.replace(problem, columns=problem.columns[:-1])
    assert no_dearer(cost_of(problem), cost_of(without))


@given(tiny_problems())
@_FEWER
def test_a_tighter_quota_never_makes_the_plan_cheaper(problem: Problem) -> None:
    tighter = {pool: max(units - 1, Decimal(0)) for pool, units in problem.free_units.items()}
    assert no_dearer(cost_of(problem), cost_of(dataclasses.replace(problem, free_units=tighter)))


@given(tiny_problems(), st.integers(1, 3))
@_FEWER
def test_a_free_split_is_never_dearer_than_slices(problem: Problem, slices: int) -> None:
    assert no_dearer(cost_of(problem), cost_of(problem, slices=slices))
    assert no_dearer(cost_of(problem, slices=2 * slices), cost_of(problem, slices=slices))


def test_a_bucket_is_split_where_that_saves_an_instance() -> None:
    # 1.5 requests/s: one "big" carries 1, and the half left over needs only a "small".
    problem = a_problem((1.5,), a_column("big", "3", (1.0,)), a_column("small", "2", (0.5,)))
    solution = solve(problem)
    assert solution.instances == {"big": 1, "small": 1}
    assert solution.usd_per_hour == Decimal(5)
    assert solution.load_requests_per_s == {
        ("big", 1, 0): pytest.approx(1.0),
        ("small", 1, 0): pytest.approx(0.5),
    }
    assert solve(problem, slices=1).usd_per_hour == Decimal(6)  # unsplit: 2 big, or 3 small


def test_an_instance_that_is_exactly_full_is_enough() -> None:
    solution = solve(a_problem((0.1, 0.2, 0.7), a_column("a", "1.01", (1.0, 1.0, 1.0))))
    assert solution.instances == {"a": 1}


def test_headroom_is_kept_free() -> None:
    column = a_column("a", "1", (1.0,))
    assert solve(a_problem((0.9,), column)).instances == {"a": 1}
    assert solve(a_problem((0.9,), column, ceiling=0.85)).instances == {"a": 2}


def test_one_instance_holds_replicas_of_different_degrees() -> None:
    # Demand 0 is served well by degree 1 only, demand 1 by degree 4 only: half an 8-GPU machine each.
    rates = {1: (1.0, 0.0), 4: (0.0, 10.0)}
    solution = solve(a_problem((4.0, 10.0), a_column("box", "20", rates, accelerators=8)))
    assert solution.instances == {"box": 1}
    assert solution.replicas == {("box", 0, 1): 4, ("box", 0, 4): 1}


def test_accelerators_left_over_by_the_degree_idle() -> None:
    # 8 accelerators at 3 per replica are 2 replicas.
    solution = solve(a_problem((5.0,), a_column("box", "8", {3: (1.0,)}, accelerators=8)))
    assert solution.instances == {"box": 3}
    assert solution.replicas == {("box", 0, 3): 6}


def test_idle_accelerators_run_more_replicas_of_the_degree_in_use() -> None:
    rates = {1: (1.0, 0.0), 4: (0.0, 10.0)}
    solution = solve(a_problem((1.0, 10.0), a_column("box", "20", rates, accelerators=8)))
    replicas = [k for (_, _, k), n in solution.replicas.items() for _ in range(n)]
    assert sum(replicas) == 8
    assert packs(replicas, 8, 1)


def test_quota_pools_bind_over_regions_and_markets() -> None:
    cheap = a_column("cheap", "1", (1.0,), draws={"family": "8", "global": "1"})
    dear = a_column("dear", "3", (1.0,), draws={"global": "1"})
    assert solve(a_problem((3.0,), cheap, dear)).instances == {"cheap": 3}
    assert solve(a_problem((3.0,), cheap, dear, free={"family": "23"})).instances == {"cheap": 2, "dear": 1}
    with pytest.raises(Infeasible):
        solve(a_problem((3.0,), cheap, dear, free={"family": "23", "global": "2"}))


def test_stock_binds() -> None:
    columns = (a_column("few", "1", (1.0,), max_instances=2), a_column("many", "1.5", (1.0,)))
    assert solve(a_problem((3.0,), *columns)).instances == {"few": 2, "many": 1}


def test_demands_nobody_can_serve_are_named() -> None:
    with pytest.raises(NoCandidates, match="2 of 3 demands: bucket 1; bucket 2"):
        solve(a_problem((1.0, 1.0, 1.0), a_column("a", "1", (1.0, 0.0, 0.0))))


def test_a_demand_without_a_rate_needs_no_candidate() -> None:
    solution = solve(a_problem((1.0, 0.0), a_column("a", "1", (1.0, 0.0))))
    assert solution.instances == {"a": 1}


def test_no_demand_costs_nothing() -> None:
    solution = solve(a_problem((0.0,), a_column()))
    assert (solution.status, solution.usd_per_hour, solution.instances) == (SolveStatus.OPTIMAL, 0, {})


def test_of_equals_the_first_by_id_is_bought() -> None:
    twins = [a_column(id, "1", (1.0,)) for id in ("b", "a", "c")]
    assert solve(a_problem((2.0,), *twins)).instances == {"a": 2}


def test_tiny_demands_are_served_and_not_rounded_away() -> None:
    # 1e-8 of an instance: below every solver's tolerance, and still a request stream somebody sends.
    solution = solve(a_problem((1.0, 1e-8), a_column("a", "1", (1.0, 0.0)), a_column("b", "1", (0.0, 1.0))))
    assert solution.instances == {"a": 1, "b": 1}


@pytest.mark.parametrize("trickle", [1e-15, 1e-12, 1e-9, 3e-8, 1e-6])
@pytest.mark.parametrize("slices", [None, 4])
def test_a_trickle_never_flows_to_a_machine_nobody_bought(trickle: float, slices: int | None) -> None:
    columns = (
        a_column("a", "1", (1.0, 0.0, 1.0)),
        a_column("b", "1", (0.0, 1.0, 1.0)),
        a_column("c", "9", (0.0, 0.0, 9.0)),
    )
    alone = a_problem((0.5, trickle, trickle), *columns)
    solution = solve(alone, slices=slices)
    assert faults(alone, solution) == []
    assert solution.instances == {"a": 1, "b": 1}


def test_a_hair_too_much_for_one_instance_buys_the_second() -> None:
    # HiGHS's own default tolerance of 1e-6 would let this pass.
    solution = solve(a_problem((1.0 + 3e-7,), a_column("a", "1", (1.0,))))
    assert solution.instances == {"a": 2}


def test_fleets_of_a_hundred_thousand_are_exact() -> None:
    solution = solve(a_problem((100_000.5,), a_column("a", "1.01", (1.0,))))
    assert solution.instances == {"a": 100_001}
    assert solution.usd_per_hour == Decimal("101001.01")


def test_the_problem_is_not_changed() -> None:
    problem = a_problem((1.0,), a_column(draws={"p": "1"}), free={"p": "3"})
    before = repr(problem)
    solve(problem)
    assert repr(problem) == before


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    solve(a_problem((1.5,), a_column("big", "3", (1.0,)), a_column("small", "2", (0.5,))))
    with pytest.raises(Infeasible):
        solve(a_problem((3.0,), a_column(max_instances=1)))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "change",
    [
        {"demand_labels": ()},
        {"services": (ServiceTerms(utilisation_ceiling=0.0),)},
        {"demand_requests_per_s": (float("nan"),)},
        {"columns": (a_column(), a_column())},
        {"columns": (a_column(rates=(1.0, 2.0)),)},
        {"columns": (a_column(rates={2: (1.0,), 3: (1.0,)}, accelerators=6),)},
    ],
)
def test_a_problem_that_contradicts_itself_is_a_bug_of_its_builder(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        solve(dataclasses.replace(a_problem((1.0,), a_column()), **change))


def test_solution_is_the_same_on_every_run() -> None:
    problem = a_problem((3.3, 1.7), a_column("a", "1.01", (1.0, 0.4)), a_column("b", "3.67", (3.1, 1.9)))

    def once() -> Solution:
        return dataclasses.replace(solve(problem), solve_seconds=0.0)

    assert once() == once()
