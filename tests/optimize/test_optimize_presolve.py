"""Presolve changes the size of a problem and nothing else."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from optimize_builders import a_column, a_problem, tiny_problems

from advisor.optimize import formulation
from advisor.optimize.formulation import SolverVerdict
from advisor.optimize.presolve.reduce import reduce
from advisor.optimize.problem import Column, Problem, ServingOption

if TYPE_CHECKING:
    from advisor.optimize.reduced import Reduced

_EXAMPLES = settings(max_examples=300, deadline=None, derandomize=True)


def optimum(reduced: Reduced) -> float | None:
    if not reduced.servable():
        return None
    if not reduced.groups:
        return 0.0
    answer = formulation.run(formulation.cheapest_fleet(reduced), 20)
    assert answer.verdict in (SolverVerdict.OPTIMAL, SolverVerdict.INFEASIBLE)
    costs = zip(answer.instances, reduced.candidates, strict=False)
    return float(sum(round(n) * x.usd_per_hour for n, x in costs)) if answer.instances else None


@given(tiny_problems(most_columns=5))
@_EXAMPLES
def test_the_optimum_is_that_of_the_unreduced_problem(problem: Problem) -> None:
    assert optimum(reduce(problem)) == optimum(reduce(problem, dominance=False, merge=False))


@pytest.mark.parametrize("seed", range(12))
def test_the_optimum_is_kept_on_larger_random_problems_with_quotas(seed: int) -> None:
    chance = np.random.default_rng(seed)
    columns = []
    for i in range(30):
        accelerators = int(chance.choice([1, 2, 4, 8]))
        base = chance.uniform(0.3, 3.0, 4) * (chance.random(4) > 0.2)
        options = [
            ServingOption(k, tuple(float(x) for x in base * k ** float(chance.uniform(0.8, 1.15))))
            for k in (1, 2, 4, 8)
            if k <= accelerators and chance.random() < 0.7
        ]
        draws = ((f"pool{int(chance.integers(3))}", Decimal(int(chance.integers(1, 5)) * accelerators)),)
        price = Decimal(str(round(accelerators * float(chance.uniform(0.8, 2.5)), 3)))
        stock = int(chance.integers(0, 4)) if chance.random() < 0.2 else None
        columns.append(Column(f"c{i:02}", price, accelerators, tuple(options), draws, stock))
    free = {"pool0": Decimal(9), "pool1": Decimal(30)}
    problem = Problem(
        tuple(map(float, chance.uniform(0.5, 6.0, 4))), ("a", "b", "c", "d"), tuple(columns), free
    )
    reduced = reduce(problem)
    assert len(reduced.candidates) < len(columns)
    assert optimum(reduced) == pytest.approx(
        optimum(reduce(problem, dominance=False, merge=False)), rel=1e-12
    )


def kept(problem: Problem) -> list[str]:
    return [candidate.id for candidate in reduce(problem).candidates]


def test_the_dearer_of_two_equal_columns_goes() -> None:
    assert kept(a_problem((9.0,), a_column("a", "2"), a_column("b", "1"))) == ["b"]


def test_two_small_ones_replace_one_that_costs_as_much_as_both() -> None:
    pair = a_column("one", "1", (1.0, 1.0)), a_column("double", "2", (2.0, 2.0))
    assert kept(a_problem((9.0, 9.0), *pair)) == ["one"]


def test_one_that_is_better_at_anything_stays() -> None:
    pair = a_column("one", "1", (1.0, 1.0)), a_column("double", "2", (2.0, 2.1))
    assert kept(a_problem((9.0, 9.0), *pair)) == ["double", "one"]


def test_one_with_a_stock_that_can_bind_replaces_nothing() -> None:
    assert kept(a_problem((9.0,), a_column("few", "1", max_instances=3), a_column("many", "2"))) == [
        "few",
        "many",
    ]


def test_a_stock_beyond_need_is_no_limit() -> None:
    assert kept(a_problem((9.0,), a_column("few", "1", max_instances=500), a_column("many", "2"))) == ["few"]


def test_one_that_draws_on_another_limited_pool_replaces_nothing() -> None:
    columns = a_column("us", "1", draws={"us": "1"}), a_column("eu", "2", draws={"eu": "1"})
    assert kept(a_problem((9.0,), *columns, free={"us": "4", "eu": "9"})) == ["eu", "us"]
    assert kept(a_problem((9.0,), *columns, free={"eu": "4"})) == ["us"]  # the pool "us" is unlimited


def test_a_pool_larger_than_any_need_is_no_limit() -> None:
    columns = a_column("us", "1", draws={"us": "1"}), a_column("eu", "2", draws={"eu": "1"})
    assert kept(a_problem((9.0,), *columns, free={"us": "400", "eu": "4"})) == ["us"]


def test_an_instance_the_quota_admits_not_once_goes() -> None:
    columns = a_column("box", "1", draws={"vcpu": "192"}), a_column("small", "2")
    assert kept(a_problem((9.0,), *columns, free={"vcpu": "191"})) == ["small"]


def degrees(rates: dict[int, tuple[float, ...]], accelerators: int) -> list[int]:
    (kind,) = reduce(a_problem((9.0, 9.0), a_column("x", "1", rates, accelerators))).kinds
    return [use.tensor_parallel for use in kind.uses]


def test_a_degree_that_smaller_replicas_outdo_goes() -> None:
    assert degrees({1: (1.0, 1.0), 2: (1.9, 2.0)}, 8) == [1]
    assert degrees({1: (1.0, 1.0), 2: (1.9, 2.1)}, 8) == [1, 2]


def test_a_larger_degree_replaces_smaller_ones_only_where_it_fills_the_instance() -> None:
    assert degrees({1: (1.0, 1.0), 2: (2.5, 2.5)}, 8) == [2]
    assert degrees({1: (1.0, 1.0), 2: (2.5, 2.5)}, 3) == [1, 2]  # the third accelerator still holds degree 1


def test_four_boxes_of_two_replace_one_box_of_eight_at_its_price() -> None:
    rates = {1: (1.0, 0.0), 2: (1.5, 4.0)}
    pair = a_column("two", "2", rates, 2), a_column("eight", "8", rates, 8)
    assert kept(a_problem((90.0, 90.0), *pair)) == ["two"]
    dearer = dataclasses.replace(pair[0], usd_per_hour=Decimal("2.01"))
    assert kept(a_problem((90.0, 90.0), dearer, pair[1])) == ["eight", "two"]


def test_proportional_demands_are_merged_and_served_alike() -> None:
    columns = a_column("a", "1", (1.0, 2.0, 1.0)), a_column("b", "1", (3.0, 6.0, 0.5))
    reduced = reduce(a_problem((1.0, 1.0, 1.0), *columns))
    assert reduced.groups == ((0, 1), (2,))
    a, b = (reduced.kinds[x.kind].uses[0] for x in reduced.candidates)
    assert (a.demands.tolist(), a.needed.tolist()) == ([0, 1], [1.5, 1.0])
    assert (b.demands.tolist(), b.needed.tolist()) == ([0, 1], [pytest.approx(0.5), 2.0])
