"""A fleet to begin with: sizes bound together, and as much of the demand as a budget pays for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from optimize_builders import a_column, a_problem
from optimize_enumerator import ruled_problems

from advisor.optimize.effort import Effort
from advisor.optimize.presolve import reduce
from advisor.optimize.problem import Column, Contingency, ServiceTerms, ServingOption, SolveStatus
from advisor.optimize.search import cheapest
from advisor.optimize.search.coarse import coarse
from advisor.optimize.search.rounding import SLACK, cost_of, weighted_served
from advisor.optimize.search.scenarios import all_tried
from advisor.optimize.search.within_budget import all_within, part_within
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from advisor.optimize.problem import Problem

_FEW = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def test_sizes_cheaper_on_unlike_replicas_are_not_bound_together() -> None:
    """Short ones on `small`, long ones on `large`; size 3 fits `large` alone."""
    problem = a_problem(
        (1.0, 2.0, 1.0, 1.0),
        a_column("small", "1", (4.0, 3.0, 0.5, 0.0)),
        a_column("large", "4", (6.0, 6.0, 6.0, 2.0)),
    )
    few = coarse(reduce(problem, dominance=False, merge=False))
    assert sorted(map(sorted, few.members)) == [[0, 1], [2], [3]]
    assert few.reduced.demand_requests_per_s == tuple(
        sum(problem.demand_requests_per_s[b] for b in own) for own in few.members
    )


@given(ruled_problems("services", "routing", "side", "zone", "doubt", "quota"))
@_FEW
def test_a_fleet_of_bound_sizes_is_one_of_the_whole(problem: Problem) -> None:
    reduced = reduce(problem)
    if not reduced.servable():
        return
    few = coarse(reduced)
    bound = cheapest(few.reduced, Effort.of_seconds(20))
    whole = cheapest(reduced, Effort.of_seconds(20))
    if bound is None:
        return
    assert whole is not None  # what holds with sizes bound together holds
    found = few.in_the_whole(bound)
    assert not any(each.fails(reduced) for each in all_tried(reduced, found.fleet))
    assert cost_of(reduced, found.fleet) >= cost_of(reduced, whole.fleet) * (1 - 1e-6)
    served = np.zeros(len(reduced.groups))
    for (_, _, b), share in found.fleet.shares.items():
        served[b] += share
    assert served == pytest.approx(1.0, abs=SLACK)


def two_services(budget: str, weights: tuple[float, float] = (1.0, 1.0)) -> Problem:
    """Two services of 4 requests/s; an instance of $1 serves 1 of chat or 2 of code, in three zones."""
    options = (ServingOption(1, (1.0, 0.0), 0), ServingOption(1, (0.0, 2.0), 1))
    columns = tuple(
        Column(zone, Decimal(1), 1, options, groups=(("zone", (zone,)),)) for zone in ("a", "b", "c")
    )
    return replace(
        a_problem((4.0, 4.0), *columns),
        services=(ServiceTerms("chat", weight=weights[0]), ServiceTerms("code", weight=weights[1])),
        demand_service=(0, 1),
        contingencies=(Contingency("any zone", "zone"),),
        budget_usd_per_hour=Decimal(budget),
    )


def test_a_budget_that_pays_for_everything_buys_the_cheapest_fleet_that_serves_it() -> None:
    """6 instances' worth of load must be left when a zone goes: three in each."""
    found = solve(two_services("9"))
    assert found.status is SolveStatus.OPTIMAL
    assert (found.usd_per_hour, found.served_share) == (9, {})


@pytest.mark.parametrize(
    ("budget", "weights", "chat", "code"),
    [
        ("6", (1.0, 1.0), 0.5, 1.0),  # 4 of 6 are left: 2 carry all of code, the others half of chat
        ("6", (3.0, 1.0), 1.0, 0.0),
        ("3", (1.0, 1.0), 0.0, 1.0),
    ],
)
def test_a_smaller_budget_serves_the_most_by_weight(
    budget: str, weights: tuple[float, float], chat: float, code: float
) -> None:
    found = solve(two_services(budget, weights))
    assert found.status is SolveStatus.OPTIMAL
    assert found.served_share.get(0, 1.0) == pytest.approx(chat, abs=1e-6)
    assert found.served_share.get(1, 1.0) == pytest.approx(code, abs=1e-6)
    assert found.usd_per_hour <= Decimal(budget)


def test_what_is_found_to_begin_with_serves_a_good_part_of_the_most() -> None:
    """6 dollars: half of chat and all of code is the most, 6 requests/s; two thirds of both are 5.3."""
    reduced = reduce(two_services("6"))
    assert all_within(reduced, Effort.of_seconds(10), cheapest) is None
    found = part_within(reduced, Effort.of_seconds(20), cheapest)
    assert found is not None
    assert 4.0 <= weighted_served(reduced, found.fleet) <= 6.0 * (1 + SLACK)
    assert cost_of(reduced, found.fleet) <= 6.0
    assert not any(each.fails(reduced) for each in all_tried(reduced, found.fleet))


def test_where_no_part_of_all_is_paid_for_one_service_is() -> None:
    """2 dollars: one instance left when a zone goes, which runs one service or the other."""
    reduced = reduce(two_services("2"))
    found = part_within(reduced, Effort.of_seconds(20), cheapest)
    assert found is not None
    assert weighted_served(reduced, found.fleet) == pytest.approx(2.0, rel=3 / 64)
