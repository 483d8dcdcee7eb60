"""The fleet that savings are measured against: demand by demand, or said to be impossible."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from optimize_builders import a_column, a_problem, faults, tiny_problems

from advisor.errors import Infeasible, PlanningError
from advisor.optimize.baseline import greedy
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from advisor.optimize.problem import Problem

COLUMNS = (
    a_column("l4:us", "0.70", (1.0, 0.0)),
    a_column("l4:eu", "0.80", (1.0, 0.0)),
    a_column("a100", "3.67", (4.0, 2.0)),
)


def test_greedy_takes_the_least_dollars_per_request_and_rounds_up() -> None:
    # Bucket 0: L4 at 0.70 a request beats A100 at 0.9175; bucket 1: only the A100. 4 L4 + 1 A100 = 6.47.
    solution = greedy(a_problem((3.5, 1.0), *COLUMNS))
    assert solution.instances == {"l4:us": 4, "a100": 1}
    assert solution.usd_per_hour == Decimal("6.47")
    # Better: the A100 is half idle, so 2 of bucket 0 fit beside bucket 1 and 2 L4 do the rest.
    assert solve(a_problem((3.5, 1.0), *COLUMNS)).usd_per_hour == Decimal("5.07")


def test_greedy_gives_up_at_a_quota() -> None:
    columns = (a_column("a", "1", (1.0,), draws={"p": "2"}), a_column("b", "3", (1.0,)))
    with pytest.raises(Infeasible, match="takes 6 of p, which has 5 free"):
        greedy(a_problem((3.0,), *columns, free={"p": "5"}))
    with pytest.raises(Infeasible, match="takes 3 of a, of which 2 are in stock"):
        greedy(a_problem((3.0,), a_column("a", "1", (1.0,), max_instances=2)))


@given(tiny_problems(most_columns=4))
@settings(max_examples=120, deadline=None, derandomize=True)
def test_greedy_is_never_cheaper_than_the_plan(problem: Problem) -> None:
    try:
        fleet = greedy(problem)
    except PlanningError:
        return
    assert faults(problem, fleet) == []
    assert solve(problem).usd_per_hour <= fleet.usd_per_hour
