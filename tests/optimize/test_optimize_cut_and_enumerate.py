"""The walk up the prices: the same optimum as branch and bound, proved by cuts, or an honest refusal."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from optimize_builders import a_column, a_problem, brute_force, faults, tiny_problems

from advisor.errors import Infeasible, NoCandidates
from advisor.optimize import formulation
from advisor.optimize.effort import Effort
from advisor.optimize.formulation import ProgrammeAnswer, WarmRouting
from advisor.optimize.presolve.reduce import reduce
from advisor.optimize.problem import Problem
from advisor.optimize.search import cut_and_enumerate
from advisor.optimize.search.cut_and_enumerate import cheapest_first
from advisor.optimize.solve import refuse_unservable, solve


def walked(problem: Problem, *, seconds: float = 60, **options: bool) -> ProgrammeAnswer | None:
    return cheapest_first(reduce(problem, **options), Effort.of_seconds(seconds))


# Work: bucket 0 takes 1.5 of small or 0.75 of large, bucket 1 takes 2 of small or 0.5 of large. Three small
# lack half an instance, one large a quarter; four small (3.5 of work) carry it for 4.00, one of each for
# 4.50.
SMALL = a_column("small", "1.00", (1.0, 0.5))
LARGE = a_column("large", "3.50", (2.0, 2.0))
OTHER = a_column("b", "3", (2.0,))
PAIR = a_problem((1.5, 1.0), SMALL, LARGE)


def test_the_first_fleet_that_carries_the_load_is_found_and_its_cost_is_the_bound() -> None:
    answer = walked(PAIR)
    assert answer is not None
    assert answer.verdict is formulation.SolverVerdict.OPTIMAL
    assert answer.instances == (0.0, 4.0)  # large, small
    assert answer.bound == 4.0


def test_two_fleets_of_one_price_are_told_apart_by_counts_whatever_their_order() -> None:
    twins = [a_column(name, "2", rates) for name, rates in (("a", (1.0, 0.9)), ("b", (0.9, 1.0)))]
    for columns in (twins, twins[::-1]):
        assert solve(a_problem((0.5, 0.4), *columns)).instances == {"b": 1}


@settings(max_examples=60, deadline=None)
@given(tiny_problems(degrees=False))
def test_it_finds_the_fleet_that_trying_them_all_finds(problem: Problem) -> None:
    problem = Problem(
        problem.demand_requests_per_s, problem.demand_labels, problem.columns, {}, problem.services
    )
    try:
        refuse_unservable(problem)
        solution = solve(problem)
    except (NoCandidates, Infeasible):
        assume(False)
    answer = walked(problem) if any(problem.demand_requests_per_s) else None
    if answer is not None:
        assert answer.bound == pytest.approx(float(solution.usd_per_hour), rel=1e-9)
    most = max(solution.instances.values(), default=0) + 1
    assert faults(problem, solution) == []
    assert solution.proved
    if most <= 4:
        assert solution.usd_per_hour == brute_force(problem, most=max(most, 3))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.3, 3.0, 40.0, 700.0]))
@example(2174, 3.0)  # without the feasibility jump HiGHS calls 11.39 optimal where 7.02 is feasible
def test_it_agrees_with_branch_and_bound(seed: int, rate: float) -> None:
    chance = np.random.default_rng(seed)
    types, demands = int(chance.integers(1, 5)), int(chance.integers(1, 15))
    speeds = chance.lognormal(0, 0.6, (types, 1)) * chance.lognormal(0, 0.3, (types, demands))
    speeds[1:][chance.random((types - 1, demands)) < 0.2] = 0.0
    prices = [str(round(float(x), 2)) for x in chance.uniform(0.3, 8, types)]
    columns = [a_column(f"c{i}", prices[i], tuple(map(float, speeds[i]))) for i in range(types)]
    shares = chance.dirichlet(np.full(demands, 0.3)) * rate
    reduced = reduce(a_problem(tuple(map(float, shares)), *columns))
    answer = cheapest_first(reduced, Effort.of_seconds(60))
    peer = formulation.run(formulation.cheapest_fleet(reduced), 60)
    if answer is not None:
        assert answer.bound == pytest.approx(peer.bound, rel=1e-7)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_no_fleet_that_carries_the_load_breaks_a_cut(seed: int) -> None:
    """Weak duality, on random weights and random splits."""
    chance = np.random.default_rng(seed)
    need = chance.lognormal(0, 1, (3, 6))
    need[1:][chance.random((2, 6)) < 0.3] = np.inf
    split = np.where(np.isfinite(need), chance.random((3, 6)), 0.0)
    split /= split.sum(axis=0)
    fleet = np.ceil((np.where(split > 0, need, 0.0) * split).sum(axis=1))
    weights = np.where(chance.random(3) < 0.2, 0.0, chance.random(3))
    assert weights @ fleet >= cut_and_enumerate._least(weights, need) * (1 - 1e-12)


def test_the_routing_lp_carries_a_fleet_or_prices_what_it_lacks() -> None:
    need = np.array([[1.5, 2.0], [0.75, 0.5]])  # small, large
    routing = WarmRouting(need, np.array([1.0, 3.5]))
    # Three small lack half an instance; an eighth of large, taking a quarter of bucket 1, is the cheaper way.
    # So large is worth its price, and small what makes bucket 1 cost the same on both: 2 w = 0.5 · 3.5.
    lacking = routing.carry(np.array([3.0, 0.0]))
    assert lacking is not None
    assert lacking.weights == pytest.approx([0.875, 3.5])
    least = cut_and_enumerate._least(lacking.weights, need)
    assert least - lacking.weights @ [3.0, 0.0] == pytest.approx(3.5 / 8)
    carried = routing.carry(np.array([1.0, 1.0]))
    assert carried is not None
    assert carried.shares.sum(axis=0) == pytest.approx([1.0, 1.0])
    assert ((carried.shares * need).sum(axis=1) <= 1 + 1e-9).all()


def test_a_trickle_that_one_type_alone_serves_still_buys_an_instance_of_it() -> None:
    problem = a_problem((1.0, 1e-10), a_column("cheap", "1", (1.0, 0.0)), a_column("dear", "5", (1.0, 1.0)))
    solution = solve(problem)
    # One dear carries the trickle and the stream but for the trickle's 1e-10, which is within the slack.
    assert solution.instances == {"dear": 1}
    assert faults(problem, solution) == []


def test_stock_is_kept() -> None:
    problem = a_problem((1.5, 1.0), a_column("small", "1.00", (1.0, 0.5), max_instances=3), LARGE)
    solution = solve(problem)
    assert solution.instances == {"small": 1, "large": 1}  # 3 small alone lack half an instance
    assert solution.usd_per_hour == Decimal("4.50")
    assert faults(problem, solution) == []


def test_stock_that_rules_out_every_fleet_of_a_window_lists_none_however_wide_the_rest() -> None:
    """Nearly all goes to the cheap type, of which there is one; the others' ranges are in the thousands."""
    rates = {"cheap": (1.0, 1.0), "mid": (1.0, 0.9), "dear": (0.9, 1.0)}
    prices = {"cheap": "1", "mid": "1.2", "dear": "1.2"}
    columns = [a_column(x, prices[x], rates[x], max_instances=1 if x == "cheap" else None) for x in rates]
    problem = a_problem((3000.0, 3000.0), *columns)
    solution = solve(problem)
    # One cheap, and for each of the two streams what it does not take, at 1.2 each: 1 + 5999 · 1.2.
    assert solution.usd_per_hour == Decimal("7199.80")
    assert faults(problem, solution) == []


@pytest.mark.parametrize(
    "problem",
    [
        a_problem((4.0,), a_column("a", "1", (1.0,), draws={"p": "1"}), OTHER, free={"p": "2"}),
        a_problem((4.0, 10.0), a_column("box", "20", {1: (1.0, 0.0), 4: (0.5, 10.0)}, accelerators=8)),
        a_problem((4.0,), a_column("gift", "0", (1.0,), max_instances=2), OTHER),
    ],
    ids=["quota", "degrees", "free of charge"],
)  # fmt: skip
def test_what_does_not_fit_the_scheme_is_left_to_branch_and_bound(problem: Problem) -> None:
    assert walked(problem) is None
    solution = solve(problem)
    assert solution.proved
    assert faults(problem, solution) == []


@pytest.mark.parametrize("limit", ["MOST_FLEETS", "MOST_LPS", "MOST_CANDIDATES", "MOST_DEMANDS"])
def test_beyond_its_limits_it_gives_up_and_the_answer_stays_the_same(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cut_and_enumerate, limit, 0)
    assert walked(PAIR) is None
    assert solve(PAIR).usd_per_hour == Decimal("4.00")


def test_it_keeps_to_its_time() -> None:
    assert walked(PAIR, seconds=-1) is None
