"""What a report solves for itself: all of it where that is quick, else what is absent, with the way to it."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.append(str(Path(__file__).parents[1] / "recommendation"))

from recommendation_builders import NOW, ask

from advisor.api import load_catalog
from advisor.recommendation.frontier import AXES, frontier
from advisor.recommendation.replan import request_of
from advisor.report.solving import ASKED, Bound, solved

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.recommendation.findings import Catalog
    from advisor.report.beside import Extras

CHIPS = ("l4-24gb", "l40s-48gb", "rtx-pro-6000-96gb")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def plan(catalog: Catalog) -> Plan:
    return ask(catalog, accelerators=CHIPS, rate_requests_per_s=9.0)


@pytest.fixture(scope="module")
def found(catalog: Catalog, plan: Plan) -> Extras:
    return solved(plan, catalog, None, Bound(seconds=60, each=0.01), explained=False, curved=False)


def test_a_quick_plan_gets_everything(found: Extras) -> None:
    assert found.swings
    assert found.cheapest_per_size
    assert found.frontier
    assert found.explanation


def test_its_frontier_is_what_the_frontier_command_finds(catalog: Catalog, plan: Plan, found: Extras) -> None:
    assert found.frontier
    costs = {point.value: point.usd_per_hour for point in found.frontier.points}
    asked = frontier(request_of(plan), catalog, None, NOW, AXES["rate"], sorted(costs))
    assert costs == {point.value: point.usd_per_hour for point in asked.points}
    assert [p.value for p in found.frontier.points if found.frontier.is_here(p, None)] == [9.0]


def test_what_is_not_bought_has_a_price_at_which_it_enters(plan: Plan, found: Extras) -> None:
    assert found.explanation
    bought = {line.accelerator for line in plan.purchase}
    names = {a.name for a in found.explanation.alternatives if a.grouping == "accelerator"}
    assert names == set(CHIPS) - bought
    assert found.explanation.asked == len(found.explanation.alternatives) <= ASKED
    for alternative in found.explanation.alternatives:
        assert alternative.flip_usd_per_hour_each is not None
        assert alternative.regret_usd_per_hour is not None
        assert alternative.regret_usd_per_hour > 0


def test_a_plan_that_took_long_is_not_solved_over_and_over(catalog: Catalog, plan: Plan) -> None:
    found = solved(plan, catalog, None, Bound(seconds=3, each=30.0), explained=False, curved=False)
    assert (found.swings, found.frontier, found.explanation) == (None, None, None)
    assert found.cheapest_per_size  # takes no solving
    assert "this plan took 30 s to solve" in found.why_not
    assert (
        "--solve-seconds 300" in found.why_not
    )  # ten solutions: two per swing of three, four along the rate


def test_under_a_budget_no_cost_is_varied(catalog: Catalog) -> None:
    plan = ask(catalog, accelerators=CHIPS, rate_requests_per_s=9.0, budget_usd_per_hour=Decimal(1))
    found = solved(plan, catalog, None, Bound(seconds=60, each=0.01), explained=False, curved=False)
    assert (found.swings, found.frontier, found.explanation) == (None, None, None)
    assert "under a budget" in found.why_not


@pytest.mark.parametrize(("each", "asked"), [(0.0, 5), (0.05, 5), (0.1, 2), (0.2, 0), (9.0, 0)])
def test_the_longer_a_proof_the_fewer_alternatives_are_asked(each: float, asked: int) -> None:
    # After 10 solutions: (3 - 10 × each) / (8 × each), at most five.
    assert Bound(seconds=3, each=each).alternatives(10) == min(asked, ASKED)
