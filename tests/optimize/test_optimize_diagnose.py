"""An infeasible problem comes back with the limits that bind and the least that would help."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from optimize_builders import a_column, a_problem, tiny_problems

from advisor.errors import Infeasible, NoCandidates
from advisor.optimize.infeasibility.diagnose import LimitsForbid, diagnose_infeasible, solve_or_say_why
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from advisor.optimize.problem import Problem

POOL = "aws:us-east-1:L-417A185B"


def test_the_pool_the_unit_and_the_least_addition_are_named() -> None:
    problem = a_problem((2.0,), a_column("p5", "55", (1.0,), draws={POOL: "192"}), free={POOL: "200"})
    with pytest.raises(Infeasible) as caught:
        solve_or_say_why(problem, pool_units={POOL: "vCPU"})
    assert str(caught.value) == (
        "the limits in force admit no fleet; at most 50.0% of the requests can be served. "
        f"To serve all: add at least 184 vCPU to {POOL} (free 200, needs 384)"
    )
    assert isinstance(caught.value, LimitsForbid)
    (addition,) = caught.value.diagnosis.additions
    assert (addition.limit, addition.kind, addition.added) == (POOL, "quota", Decimal(184))


def test_a_quota_below_one_instance_counts_as_none() -> None:
    problem = a_problem((2.0,), a_column("p5", "55", (1.0,), draws={POOL: "192"}), free={POOL: "191"})
    diagnosis = diagnose_infeasible(problem)
    assert diagnosis.additions[0].added == Decimal(193)
    assert diagnosis.servable_share == 0.0


def test_the_pool_that_needs_fewer_instances_worth_is_the_one_to_grow() -> None:
    # Both pools hold one. Three more of "slow", or one more of "fast", would do.
    slow = a_column("slow", "1", (1.0,), draws={"slow": "4"})
    fast = a_column("fast", "50", (3.0,), draws={"fast": "96"})
    diagnosis = diagnose_infeasible(a_problem((7.0,), slow, fast, free={"slow": "4", "fast": "96"}))
    assert [(a.limit, a.added) for a in diagnosis.additions] == [("fast", Decimal(96))]
    assert diagnosis.servable_share == pytest.approx(4 / 7)


def test_demands_no_column_serves_come_first() -> None:
    column = a_column("a", "1", (1.0, 0.0), draws={"p": "1"})
    problem = a_problem((1.0, 1.0), column, free={"p": "0"})
    with pytest.raises(NoCandidates, match="bucket 1"):
        solve(problem)
    assert diagnose_infeasible(problem).unservable == ("bucket 1",)


@given(tiny_problems())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_what_is_said_to_help_helps(problem: Problem) -> None:
    try:
        solve(problem)
    except NoCandidates:
        assume(False)
    except Infeasible:
        diagnosis = diagnose_infeasible(problem)
        assert diagnosis.additions
        assert diagnosis.proved_least
        assert 0 <= diagnosis.servable_share < 1
        free = dict(problem.free_units)
        stock = {column.id: column.max_instances for column in problem.columns}
        for addition in diagnosis.additions:
            if addition.kind == "quota":
                free[addition.limit] += addition.added
            else:
                stock[addition.limit] = int(addition.free + addition.added)
        columns = tuple(dataclasses.replace(c, max_instances=stock[c.id]) for c in problem.columns)
        solve(dataclasses.replace(problem, free_units=free, columns=columns))
    else:
        assert diagnose_infeasible(problem).additions == ()
        assert diagnose_infeasible(problem).servable_share == pytest.approx(1.0)
