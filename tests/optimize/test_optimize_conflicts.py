"""Rules that contradict each other are named, no more than needed, with what each would have to give."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from optimize_builders import a_column, a_problem
from optimize_enumerator import ruled_problems

from advisor.errors import Infeasible, NoCandidates
from advisor.optimize.baseline import greedy
from advisor.optimize.infeasibility.conflicts import conflicting
from advisor.optimize.infeasibility.diagnose import (
    Diagnosis,
    LimitsForbid,
    diagnose_infeasible,
    solve_or_say_why,
)
from advisor.optimize.problem import INSTANCE, Column, Contingency, Problem, ServiceTerms
from advisor.optimize.solve import solve

ANY_ZONE = Contingency("any zone", "zone")


def in_zone(zone: str, column: Column) -> Column:
    return replace(column, groups=(("zone", (zone,)),))


def diagnosed(problem: Problem) -> Diagnosis:
    with pytest.raises(LimitsForbid) as caught:
        solve_or_say_why(problem)
    return caught.value.diagnosis


def test_the_loss_of_a_zone_cannot_be_survived_in_one_zone() -> None:
    problem = replace(a_problem((1.0,), in_zone("us-east-1a", a_column())), contingencies=(ANY_ZONE,))
    assert diagnosed(problem).message == (
        "no fleet exists: surviving the loss of any one zone needs offers in 2 zones; "
        "only us-east-1a is in scope"
    )


def test_quota_and_contingency_conflict_only_together_and_each_says_what_would_do() -> None:
    # Two instances carry the load; after the loss of either zone, two must be left: one zone holds only one.
    a, b = in_zone("a", a_column("a", draws={"p": "4"})), in_zone("b", a_column("b", draws={"q": "4"}))
    problem = replace(a_problem((2.0,), a, b, free={"p": "8", "q": "4"}), contingencies=(ANY_ZONE,))
    found = diagnosed(problem).conflicts
    assert [(c.family, c.name, c.value) for c in found] == [
        ("quota", "q", 4.0),
        ("contingency", "any zone", 0.5),
    ]


def test_a_rule_that_does_not_matter_is_not_named() -> None:
    a = in_zone("a", a_column("a", draws={"p": "1"}))
    day = Contingency("any instance", INSTANCE)
    problem = replace(
        a_problem((1.0,), a, free={"p": "1"}), contingencies=(day,), services=(ServiceTerms(min_replicas=1),)
    )
    assert {c.family for c in diagnosed(problem).conflicts} == {"quota", "contingency"}


def test_variety_and_replicas_say_what_would_do() -> None:
    a, b = (in_zone(z, a_column(z, max_instances=1)) for z in "ab")
    variety = replace(a_problem((2.0,), a, b), most_distinct=(("zone", 1),))
    (stock, distinct) = diagnosed(variety).conflicts
    assert (stock.family, distinct.value) == ("stock", 2.0)
    many = replace(a_problem((1.0,), a, b), services=(ServiceTerms(min_replicas=5),))
    assert [c.value for c in diagnosed(many).conflicts if c.family == "min_replicas"] == [2.0]


def test_a_budget_too_small_for_the_replicas_asked_for() -> None:
    problem = replace(
        a_problem((1.0,), a_column("a", "1.25")),
        services=(ServiceTerms(min_replicas=3),),
        budget_usd_per_hour=Decimal("3.00"),
    )
    assert [(c.family, c.value) for c in diagnosed(problem).conflicts] == [
        ("budget", 3.75),
        ("min_replicas", 2.0),
    ]


@pytest.mark.parametrize(
    "families", [("zone", "quota", "distinct"), ("instance", "quota", "services", "min"), ("min", "budget")]
)
def test_the_rules_named_admit_no_fleet_and_any_one_less_admits_one(families: tuple[str, ...]) -> None:
    @given(ruled_problems(*families, most_columns=3))
    @settings(max_examples=15, deadline=None, derandomize=True, database=None)
    def check(problem: Problem) -> None:
        try:
            solve(problem)
        except NoCandidates:
            assume(False)
        except Infeasible:
            diagnosis = diagnose_infeasible(problem)
            assert diagnosis.additions or diagnosis.conflicts
            if not diagnosis.conflicts:
                return
            named = {(conflict.family, conflict.name) for conflict in diagnosis.conflicts}
            alone = problem
            for rule in all_rules(problem) - named:
                alone = _left_out(alone, *rule)
            with pytest.raises(Infeasible):
                solve(alone)
            for rule in named:
                solve(_left_out(alone, *rule))
        else:
            assert conflicting(problem, {}) == ()

    check()


def all_rules(problem: Problem) -> set[tuple[str, str]]:
    return {
        *(("quota", pool) for pool in problem.free_units),
        ("stock", "stock"),
        *([("budget", "budget")] if problem.budget_usd_per_hour is not None else []),
        *(("most_distinct", kind) for kind, _ in problem.most_distinct),
        *(("min_replicas", terms.name) for terms in problem.services),
        *(("contingency", day.label) for day in problem.contingencies),
    }


def _left_out(problem: Problem, family: str, name: str) -> Problem:
    if family == "quota":
        return replace(problem, free_units={k: v for k, v in problem.free_units.items() if k != name})
    if family == "stock":
        return replace(problem, columns=tuple(replace(c, max_instances=None) for c in problem.columns))
    if family == "budget":
        return replace(problem, budget_usd_per_hour=None)
    if family == "most_distinct":
        return replace(problem, most_distinct=())
    if family == "min_replicas":
        services = (replace(s, min_replicas=0) if s.name == name else s for s in problem.services)
        return replace(problem, services=tuple(services))
    return replace(problem, contingencies=tuple(d for d in problem.contingencies if d.label != name))


def test_greed_says_that_it_cannot_keep_a_rule() -> None:
    problem = replace(a_problem((1.0,), a_column()), contingencies=(Contingency("any instance", INSTANCE),))
    with pytest.raises(Infeasible, match="a loss to survive"):
        greedy(problem)
