"""What to commit, against every choice tried: no code but the nouns is shared."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimize_builders import a_column, a_problem

from advisor.errors import Infeasible, NoCandidates
from advisor.optimize.commitments.levels import DemandLevel, levels_of
from advisor.optimize.commitments.options import CommitmentOption, CommitmentProblem, LevelFleets
from advisor.optimize.commitments.search import commit
from advisor.optimize.problem import Column, ServiceTerms, SolveStatus

ONE = (Decimal(1),)


def a_line(column: Column, usd: str, term: str = "term", *, capacity: bool = False) -> CommitmentOption:
    """A commitment to what a column is."""
    draws = () if capacity else column.draws
    named = replace(column, id=f"{column.id} {term}", usd_per_hour=Decimal(usd), draws=draws)
    return CommitmentOption(term, named)


def asked(
    *columns: Column,
    lines: tuple[CommitmentOption, ...] = (),
    week: tuple[float, ...] = (1.0,),
    free: dict[str, str] | None = None,
    most: dict[str, int] | None = None,
    growth: tuple[float, ...] = (1.0,),
    weights: tuple[Decimal, ...] = ONE,
) -> CommitmentProblem:
    problem = a_problem((1.0,) * len(columns[0].options[0].requests_per_s), *columns, free=free)
    return CommitmentProblem(problem, lines, most or {}, levels_of(week, growth, weights).levels, weights)


def cheapest_by_trying(question: CommitmentProblem, most: int = 5) -> Decimal | None:
    """Every count of every line, and in every level every count of every column: one demand, one degree."""
    best = None
    for counts in itertools.product(range(most + 1), repeat=len(question.options)):
        chosen = {x.column.id: n for x, n in zip(question.options, counts, strict=True)}
        if any(
            sum(chosen[x.column.id] for x in question.options if x.term == term) > limit
            for term, limit in question.most.items()
        ):
            continue
        cost = sum((x.column.usd_per_hour * chosen[x.column.id] for x in question.options), Decimal(0))
        for level in question.levels:
            fleet = cheapest_hour(question, level.factor, chosen, most)
            if fleet is None:
                break
            cost += question.share(level) * fleet
        else:
            best = cost if best is None else min(best, cost)
    return best


def cheapest_hour(
    question: CommitmentProblem, factor: float, chosen: dict[str, int], most: int
) -> Decimal | None:
    """The least that must be rented; of what is committed any part may run."""
    columns = [*question.problem.columns, *(x.column for x in question.options)]
    ranges = [range(most + 1)] * len(question.problem.columns)
    ranges += [range(chosen[x.column.id] + 1) for x in question.options]
    wanted = question.problem.demand_requests_per_s[0] * factor
    best = None
    for running in itertools.product(*ranges):
        served = sum(n * c.options[0].requests_per_s[0] for n, c in zip(running, columns, strict=True))
        drawn = sum(n * dict(c.draws).get("q", 0) for n, c in zip(running, columns, strict=True))
        if served >= wanted * (1 - 1e-9) and drawn <= question.problem.free_units.get("q", drawn):
            rented = zip(running, question.problem.columns, strict=False)
            cost = sum((c.usd_per_hour * n for n, c in rented), Decimal(0))
            best = cost if best is None else min(best, cost)
    return best


@st.composite
def tiny(draw: st.DrawFn) -> CommitmentProblem:
    rate = st.sampled_from([0.8, 1.0, 1.5, 2.5])
    columns = []
    for i in range(draw(st.integers(1, 2))):
        rates = (draw(rate),)
        draws = {"q": str(draw(st.integers(1, 2)))} if draw(st.booleans()) else {}
        price = draw(st.sampled_from(["1", "1.3", "2.2"]))
        columns.append(a_column(f"c{i}", price, rates, draws=draws))
    lines = []
    for i, column in enumerate(columns):
        for term in draw(st.sets(st.sampled_from(["a", "b"]), max_size=1 if i else 2)):
            part = draw(st.sampled_from(["0.3", "0.6", "0.9"]))
            usd = str(column.usd_per_hour * Decimal(part))
            lines.append(a_line(column, usd, term, capacity=draw(st.booleans())))
    week = tuple(draw(st.sampled_from([0.0, 0.4, 1.0, 1.7])) for _ in range(draw(st.integers(1, 3))))
    free = {"q": str(draw(st.integers(2, 5)))} if draw(st.booleans()) else {}
    most = {"a": draw(st.integers(0, 2))} if draw(st.booleans()) else {}
    growth = draw(st.sampled_from([((1.0,), ONE), ((0.5, 1.3), (Decimal("0.25"), Decimal("0.75")))]))
    return asked(
        *columns, lines=tuple(lines), week=week, free=free, most=most, growth=growth[0], weights=growth[1]
    )


@settings(max_examples=30, deadline=None)
@given(tiny())
def test_no_choice_of_commitments_is_cheaper(question: CommitmentProblem) -> None:
    least = cheapest_by_trying(question, 4)
    if least is None:
        with pytest.raises((Infeasible, NoCandidates)):
            commit(question, relative_gap=0.0)
        return
    found = commit(question, relative_gap=0.0)
    assert found.status is SolveStatus.OPTIMAL
    assert float(found.usd_per_hour) == pytest.approx(float(least), rel=1e-9)
    assert found.lower_bound_usd_per_hour <= float(least) * (1 + 1e-9)


SMALL, BIG = a_column("small", "1", (1.0, 0.5)), a_column("big", "3.2", (4.0, 2.5))
WEEK = (0.6, 1.3, 2.2, 2.9, 3.4, 1.1)


@pytest.fixture(scope="module")
def by_price() -> dict[str, Decimal]:
    """The cost at each share of the list price."""
    found = {}
    for part in ("0.2", "0.5", "0.8", "1", "1.2"):
        lines = tuple(a_line(c, str(c.usd_per_hour * Decimal(part))) for c in (SMALL, BIG))
        found[part] = commit(asked(SMALL, BIG, lines=lines, week=WEEK), relative_gap=0.0).usd_per_hour
    return found


def test_a_deeper_discount_never_makes_the_plan_dearer(by_price: dict[str, Decimal]) -> None:
    costs = list(by_price.values())
    assert costs == sorted(costs)
    assert costs[0] < costs[2] < costs[3]


def test_without_a_discount_a_commitment_saves_nothing(by_price: dict[str, Decimal]) -> None:
    rented = LevelFleets(asked(SMALL, BIG, week=WEEK)).cost({})
    assert by_price["1"] == by_price["1.2"] == rented


def test_dearer_than_on_demand_nothing_is_committed() -> None:
    lines = (a_line(SMALL, "1.2"), a_line(BIG, "3.9"))
    assert commit(asked(SMALL, BIG, lines=lines, week=WEEK), relative_gap=0.0).counts == {}


def test_steady_demand_is_committed_whole() -> None:
    lines = (a_line(SMALL, "0.9"), a_line(BIG, "2.9"))
    question = asked(SMALL, BIG, lines=lines, week=(2.0, 2.0, 2.0))
    hours = LevelFleets(question)
    found = commit(question, hours, relative_gap=0.0)
    assert hours.rented(found.counts) == 0
    assert found.counts


def test_an_hour_in_three_pays_for_a_discount_above_two_thirds_only() -> None:
    """One instance that is needed in one hour of three replaces a third of an on-demand hour."""
    for usd, count in (("0.34", 0), ("0.33", 1)):
        question = asked(a_column("x", "1"), lines=(a_line(a_column("x", "1"), usd),), week=(0.0, 0.0, 1.0))
        assert sum(commit(question, relative_gap=0.0).counts.values()) == count


def test_a_limit_on_a_term_holds_over_all_its_lines() -> None:
    lines = (a_line(SMALL, "0.2"), a_line(BIG, "0.7"))
    found = commit(asked(SMALL, BIG, lines=lines, week=WEEK, most={"term": 1}), relative_gap=0.0)
    assert sum(found.counts.values()) == 1


def test_capacity_of_its_own_runs_beside_a_quota_and_a_discount_inside_it() -> None:
    column = a_column("x", "1", draws={"q": "1"})
    for capacity, fits in ((True, True), (False, False)):
        line = a_line(column, "2", capacity=capacity)
        question = asked(column, lines=(line,), week=(3.0,), free={"q": "2"})
        if fits:
            assert commit(question, relative_gap=0.0).counts == {line.column.id: 1}
        else:
            with pytest.raises(Infeasible):
                commit(question, relative_gap=0.0)


def test_what_was_committed_for_growth_is_paid_when_it_stays_away() -> None:
    column = a_column("x", "1")
    weights = (Decimal("0.5"), Decimal("0.5"))
    question = asked(column, lines=(a_line(column, "0.4"),), week=(1.0,), growth=(1.0, 3.0), weights=weights)
    hours = LevelFleets(question)
    found = commit(question, hours, relative_gap=0.0)
    assert sum(found.counts.values()) == 3  # the third is needed half of the time, and costs 0.4
    assert hours.cost(found.counts, 0) == Decimal("1.2")
    foresight = commit(question, hours, scenario=0, relative_gap=0.0)
    assert foresight.usd_per_hour == Decimal("0.4")


def test_replicas_that_must_run_are_paid_in_hours_without_demand() -> None:
    column = a_column("x", "1")
    question = asked(column, week=(0.0, 2.0))
    question = replace(question, problem=replace(question.problem, services=(ServiceTerms(min_replicas=1),)))
    assert commit(question, relative_gap=0.0).usd_per_hour == Decimal("1.5")


# --- levels ---------------------------------------------------------------------------------------


def least_overstated(values: list[float], most: int) -> float:
    """The least sum over every way to cut the sorted hours into groups, each planned at its highest."""
    hours = sorted(values)
    best = math.inf
    for groups in range(1, most + 1):
        for cuts in itertools.combinations(range(1, len(hours)), groups - 1):
            edges = [0, *cuts, len(hours)]
            best = min(best, sum((j - i) * hours[j - 1] for i, j in itertools.pairwise(edges)))
    return best


@given(
    st.lists(st.sampled_from([0.0, 0.3, 1.0, 1.1, 2.0, 4.5, 7.0]), min_size=1, max_size=8), st.integers(1, 5)
)
def test_levels_overstate_demand_as_little_as_any_grouping(week: list[float], most: int) -> None:
    found = levels_of(week, (1.0,), ONE, most)
    assert len(found.levels) <= most
    planned = sum(level.factor * level.hours[0] for level in found.levels)
    assert planned == pytest.approx(least_overstated(week, most))
    if sum(week):
        assert found.overstatement == pytest.approx(planned / sum(week) - 1, abs=1e-12)


@given(st.lists(st.sampled_from([0.1, 0.5, 0.9, 1.3]), min_size=1, max_size=30))
def test_equal_hours_are_one_level_and_no_hour_is_lost(week: list[float]) -> None:
    found = levels_of(week, (1.0, 2.0), (Decimal("0.5"), Decimal("0.5")))
    assert found.overstatement == 0
    for scenario, growth in enumerate((1.0, 2.0)):
        served = {level.factor: level.hours[scenario] for level in found.levels if level.hours[scenario]}
        assert served == {value * growth: week.count(value) for value in set(week)}


def test_levels_rise() -> None:
    factors = [level.factor for level in levels_of((3.0, 1.0, 2.0), (1.0,), ONE).levels]
    assert factors == [1.0, 2.0, 3.0]
    assert levels_of((1.0,), (1.0,), ONE).levels == (DemandLevel(1.0, (1,)),)
