"""A limit on variety with bad days, choice by choice: as one programme says; no bound is too high."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimize_builders import a_column, a_problem
from optimize_enumerator import cheapest, ruled_problems

from advisor.errors import SolverFailed
from advisor.optimize.effort import Effort
from advisor.optimize.presolve.reduce import reduce
from advisor.optimize.problem import Contingency, Problem
from advisor.optimize.search.branch_on_variety import cheapest_choice, choices_of
from advisor.optimize.search.rounding import cost_of
from advisor.optimize.search.scenario_generation import in_rounds

if TYPE_CHECKING:
    from advisor.optimize.reduced import Reduced
    from advisor.optimize.search.result import SearchResult

ENOUGH_S = 30.0
RULES = ("zone", "distinct", "services", "quota")
_EACH = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def enough() -> Effort:
    return Effort.of_seconds(ENOUGH_S)


def with_choices(problem: Problem) -> Reduced | None:
    """The problem reduced, if there is something to choose and everything can be served."""
    reduced = reduce(problem)
    if not reduced.servable() or choices_of(reduced, enough()) is None:
        return None
    return reduced


def by_choice(reduced: Reduced, seconds: float, gap: float = 0.0) -> SearchResult | None:
    effort = Effort.of_seconds(seconds, gap)
    choices = choices_of(reduced, effort)
    assert choices is not None
    return cheapest_choice(reduced, choices, effort)


@given(ruled_problems(*RULES))
@_EACH
def test_the_best_choice_is_the_best_of_one_programme_for_all(problem: Problem) -> None:
    reduced = with_choices(problem)
    if reduced is None:
        return
    together = in_rounds(reduced, enough(), None)
    found = by_choice(reduced, ENOUGH_S)
    assert (found is None) == (together is None)
    if found is not None and together is not None:
        assert cost_of(reduced, found.fleet) == pytest.approx(cost_of(reduced, together.fleet), rel=1e-7)
        assert found.bound == pytest.approx(cost_of(reduced, found.fleet), rel=1e-6)


@given(ruled_problems(*RULES), st.sampled_from([0.0, 0.1, 0.5, 1e6]), st.sampled_from([0.0, ENOUGH_S]))
@_EACH
def test_whenever_it_stops_no_fleet_is_cheaper_than_its_bound(
    problem: Problem, gap: float, seconds: float
) -> None:
    reduced, least = with_choices(problem), cheapest(problem, 2)
    if reduced is None or least is None:
        return
    try:
        found = by_choice(reduced, seconds, gap)
    except SolverFailed:
        assert seconds == 0.0, "only for want of time"
        return
    assert found is not None
    assert found.bound <= least[0] * (1 + 1e-7)
    assert found.bound <= cost_of(reduced, found.fleet) * (1 + 1e-9)


def test_too_many_choices_are_left_to_one_programme() -> None:
    columns = [
        replace(a_column(f"c{i}"), groups=(("zone", (f"z{i}",)), ("accelerator", (f"chip{i}",))))
        for i in range(60)
    ]
    limited = replace(
        a_problem((1.0,), *columns),
        contingencies=(Contingency("any zone", "zone", keeps=0.5),),
        most_distinct=(("accelerator", 1),),
    )
    assert choices_of(reduce(limited), enough()) is None
    few = replace(limited, columns=limited.columns[:20])
    assert len(choices_of(reduce(few), enough()) or ()) == 20
