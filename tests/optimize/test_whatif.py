"""What-if questions: every regret and every flip is what exhaustive search over small fleets says."""

from __future__ import annotations

import itertools
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from little_lp import least
from optimize_builders import a_column, a_problem

from advisor.optimize.problem import fleet_words
from advisor.optimize.solve import solve
from advisor.optimize.whatif import WhatIf

if TYPE_CHECKING:
    from collections.abc import Collection

    from advisor.optimize.problem import Column, Problem

pytestmark = pytest.mark.fast

MOST = 4  # instances per column that the exhaustive search looks at; demands are small enough for it


def carries(problem: Problem, counts: tuple[int, ...]) -> bool:
    """Whether single-accelerator instances in these numbers carry every demand, by a routing LP."""
    demands = problem.demand_requests_per_s
    pairs = [
        (c, b)
        for c, column in enumerate(problem.columns)
        for b in range(len(demands))
        if counts[c] and column.options[0].requests_per_s[b] > 0
    ]
    if any(not any(pair[1] == b for pair in pairs) for b in range(len(demands))):
        return False
    served = [({i: 1.0 for i, pair in enumerate(pairs) if pair[1] == b}, 1.0) for b in range(len(demands))]
    busy = [
        (
            {
                i: demands[b] / problem.columns[c].options[0].requests_per_s[b]
                for i, (c, b) in enumerate(pairs)
                if c == place
            },
            count * (1 + 1e-9),
        )
        for place, count in enumerate(counts)
    ]
    return least([0.0] * len(pairs), busy, served) is not None


def least_cost(problem: Problem, *, holding: Collection[str] = ()) -> Decimal | None:
    """The cheapest fleet with at least one of ``holding`` (if any is named), by looking at every fleet."""

    def cost(counts: tuple[int, ...]) -> Decimal:
        return sum((c.usd_per_hour * n for c, n in zip(problem.columns, counts, strict=True)), Decimal(0))

    for counts in sorted(itertools.product(*(range(MOST + 1) for _ in problem.columns)), key=cost):
        held = any(n and c.id in holding for n, c in zip(counts, problem.columns, strict=True))
        if (held or not holding) and carries(problem, counts):
            return cost(counts)
    return None


@st.composite
def small_problems(draw: st.DrawFn) -> Problem:
    """Three columns, two demands, nothing needs more than MOST instances."""
    rates = st.sampled_from((1.0, 1.5, 2.0, 3.0))
    cents = st.integers(min_value=20, max_value=400)
    columns = tuple(
        a_column(name, str(Decimal(draw(cents)) / 100), (draw(rates), draw(rates)))
        for name in ("a", "b", "c")
    )
    return a_problem(
        (draw(st.sampled_from((0.4, 1.0, 1.7))), draw(st.sampled_from((0.3, 0.9, 1.3)))), *columns
    )


@settings(max_examples=12, deadline=None)
@given(small_problems(), st.sampled_from(("a", "b", "c")))
def test_forcing_a_column_in_costs_what_the_cheapest_fleet_with_one_costs(
    problem: Problem, name: str
) -> None:
    forced = WhatIf(problem).forced([name])
    assert forced is not None
    assert forced.usd_per_hour == least_cost(problem, holding=[name])
    assert forced.instances[name] >= 1


@settings(max_examples=12, deadline=None)
@given(small_problems(), st.sampled_from(("a", "b", "c")))
def test_leaving_a_column_out_costs_what_the_others_cost(problem: Problem, name: str) -> None:
    without = WhatIf(problem).without([name])
    rest = replace(problem, columns=tuple(c for c in problem.columns if c.id != name))
    assert without is not None
    assert without.usd_per_hour == least_cost(rest)


@settings(max_examples=12, deadline=None)
@given(small_problems(), st.sampled_from(("a", "b", "c")))
def test_a_price_flip_is_true_one_per_cent_to_either_side(problem: Problem, name: str) -> None:
    ask = WhatIf(problem)
    flip = ask.price_flip([name])
    rest = replace(problem, columns=tuple(c for c in problem.columns if c.id != name))
    alone = least_cost(rest)
    assert alone is not None
    if flip is None:  # not even at one per cent of its price does it save anything
        assert least_cost(at_price(problem, name, Decimal("0.01"))) == alone
        return
    below = least_cost(at_price(problem, name, Decimal(repr(flip.factor * 0.99))))
    above = least_cost(at_price(problem, name, Decimal(repr(flip.factor * 1.01))))
    assert below is not None
    assert above is not None
    assert below < alone
    assert float(above) == pytest.approx(float(alone), rel=1e-9)
    assert flip.checked


def at_price(problem: Problem, name: str, factor: Decimal) -> Problem:
    def priced(column: Column) -> Column:
        return replace(column, usd_per_hour=column.usd_per_hour * factor) if column.id == name else column

    return replace(problem, columns=tuple(priced(column) for column in problem.columns))


def test_a_flip_by_hand() -> None:
    """Two of a at $1 serve 2 requests/s; one b serves both, so it enters below $2 and was $5: factor 0.4."""
    problem = a_problem((2.0,), a_column("a", "1", (1.0,)), a_column("b", "5", (2.0,)))
    flip = WhatIf(problem).price_flip(["b"])
    assert flip is not None
    assert flip.factor == pytest.approx(0.4)
    assert flip.checked
    assert flip.solution.instances == {"b": 1}


def test_the_price_at_which_a_chosen_column_leaves_by_hand() -> None:
    """a is bought twice at $1; the other way costs $5, so a leaves above $2.50 each."""
    problem = a_problem((2.0,), a_column("a", "1", (1.0,)), a_column("b", "5", (2.0,)))
    flip = WhatIf(problem).price_flip(["a"])
    assert flip is not None
    assert flip.factor == pytest.approx(2.5)
    assert flip.checked


def test_what_nothing_can_replace_never_leaves() -> None:
    problem = a_problem((1.0,), a_column("a", "1", (1.0,)))
    assert WhatIf(problem).without(["a"]) is None
    assert WhatIf(problem).price_flip(["a"]) is None


def test_what_cannot_serve_enters_at_no_price() -> None:
    """b serves only half of the demands and one a serves both anyway."""
    problem = a_problem((0.5, 0.5), a_column("a", "1", (1.0, 1.0)), a_column("b", "9", (1.0, 0.0)))
    assert WhatIf(problem).price_flip(["b"]) is None


def test_the_speed_at_which_a_column_enters_by_hand() -> None:
    """One a does it for $3; b at $2 does a third, two cost $4: three times as fast, one is enough."""
    problem = a_problem((3.0,), a_column("a", "3", (3.0,)), a_column("b", "2", (1.0,)))
    flip = WhatIf(problem).throughput_flip(["b"])
    assert flip is not None
    assert flip.factor == pytest.approx(3.0, rel=0.005)
    assert flip.solution.instances == {"b": 1}


def test_a_quota_forbids_what_it_cannot_hold() -> None:
    problem = a_problem(
        (1.0,),
        a_column("a", "2", (1.0,)),
        a_column("b", "1", (1.0,), draws={"pool": "8"}),
        free={"pool": "4"},
    )
    ask = WhatIf(problem)
    assert ask.forced(["b"]) is None
    more = ask.with_free("pool", Decimal(4))
    assert more is not None
    assert more.usd_per_hour == Decimal(1)


def test_an_instance_given_draws_on_its_quota() -> None:
    """One b takes the whole pool, so the rest of the demand needs a."""
    problem = a_problem(
        (2.0,),
        a_column("a", "2", (1.0,)),
        a_column("b", "3", (1.0,), draws={"pool": "4"}),
        free={"pool": "4"},
    )
    forced = WhatIf(problem).forced(["b"])
    assert forced is not None
    assert forced.instances == {"a": 1, "b": 1}
    assert forced.usd_per_hour == Decimal(5)


def test_without_a_demand_it_is_not_paid_for() -> None:
    problem = a_problem((1.0, 1.0), a_column("a", "1", (1.0, 0.0)), a_column("b", "7", (0.0, 1.0)))
    cheaper = WhatIf(problem).without_demand([1])
    assert cheaper is not None
    assert cheaper.usd_per_hour == Decimal(1)


def test_a_fleet_in_words_names_the_most_money_first() -> None:
    problem = a_problem((1.0, 1.0), a_column("a", "1", (1.0, 0.0)), a_column("b", "7", (0.0, 1.0)))
    price = {column.id: column.usd_per_hour for column in problem.columns}
    assert fleet_words(solve(problem).instances, price) == ("1 × b", "1 × a")
