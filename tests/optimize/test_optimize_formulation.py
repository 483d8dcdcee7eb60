"""The programme as text: one golden LP file per constraint family, on problems small enough to read.

``ADVISOR_UPDATE_GOLDEN=1 pytest tests/optimize`` rewrites the files; read the difference before committing.
"""

from __future__ import annotations

import inspect
import os
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from optimize_builders import a_column, a_problem

from advisor.optimize import formulation
from advisor.optimize.formulation import Case, families, rules
from advisor.optimize.formulation import solver as highs
from advisor.optimize.presolve.reduce import reduce
from advisor.optimize.problem import (
    INSTANCE,
    ChangeCost,
    Column,
    Contingency,
    Routing,
    ServiceTerms,
    ServingOption,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from advisor.optimize.problem import Problem
    from advisor.optimize.reduced import Reduced

GOLDEN = Path(__file__).parent / "golden"

TWO_TYPES = a_problem(
    (2.0, 0.5),
    a_column("aws:us-east-1:g5", "1.01", (1.0, 0.5)),
    a_column("aws:us_east_1:p4", "3.67", (4.0, 1.0)),
)
TRICKLE = a_problem((1.0, 1e-9), a_column("a", "1", (1.0, 0.0)), a_column("b", "2", (1.0, 1.0)))
POOLS = a_problem(
    (8.0,),
    a_column("cheap", "1", (1.0,), draws={"aws:us-east-1:L-417A185B": "48", "aws:global:X": "1"}),
    a_column("dear", "2.5", (2.0,), draws={"aws:global:X": "1"}),
    free={"aws:us-east-1:L-417A185B": "192", "aws:global:X": "5"},
)
DEGREES = a_problem((4.0, 10.0), a_column("box", "20", {1: (1.0, 0.0), 4: (0.5, 10.0)}, accelerators=8))
ODD_BOX = a_problem((1.0, 1.0), a_column("box", "6", {1: (1.0, 0.0), 4: (0.0, 9.0)}, accelerators=6))


TWO_SERVICES = replace(
    a_problem((4.0, 10.0), Column("box", Decimal(20), 8, (
        ServingOption(1, (1.0, 0.0), 0), ServingOption(4, (0.0, 10.0), 1)))),
    services=(ServiceTerms("chat", min_replicas=2), ServiceTerms("code")),
    demand_service=(0, 1),
)  # fmt: skip
EAST_AND_WEST = replace(
    a_problem(
        (10.0,), replace(a_column("e", "1"), location="east"), replace(a_column("w", "2"), location="west")
    ),
    routing=Routing(
        ("us", "eu"), ((0.75, 0.25),), frozenset({(0, 0, "east"), (0, 0, "west"), (0, 1, "west")})
    ),
)
ZONES = replace(
    a_problem(
        (2.0,),
        replace(a_column("a", "1"), groups=(("zone", ("a",)),)),
        replace(a_column("b", "1.5", (2.0,)), groups=(("zone", ("b",)),)),
        replace(a_column("ab", "1.2"), groups=(("zone", ("a", "b")),)),
    ),
    contingencies=(
        Contingency("any zone", "zone", keeps=0.5),
        Contingency("an instance", INSTANCE),
    ),
)
HELD = replace(
    a_problem((2.0,), replace(a_column("old", "2"), held=1), a_column("new", "1")),
    change=ChangeCost(Decimal(10), Decimal(5), 100.0),
)
EGRESS = replace(
    a_problem((1.0,), replace(a_column("far", "1"), usd_per_request=(0.001,))), budget_usd_per_hour=Decimal(3)
)


def unreduced(problem: Problem) -> Reduced:
    return reduce(problem, dominance=False, merge=False)


def with_case(problem: Problem, *cases: Case) -> formulation.Programme:
    return formulation.cheapest_fleet(unreduced(problem), cases=cases)


PROGRAMMES = {
    "serve_demand": lambda: formulation.cheapest_fleet(unreduced(TWO_TYPES)),
    "replica_capacity": lambda: formulation.cheapest_fleet(unreduced(DEGREES)),
    "accelerator_packing": lambda: formulation.cheapest_fleet(unreduced(ODD_BOX)),
    "presence": lambda: formulation.cheapest_fleet(unreduced(TRICKLE)),
    "quota": lambda: formulation.cheapest_fleet(unreduced(POOLS)),
    "known_bound": lambda: formulation.cheapest_fleet(
        unreduced(TWO_TYPES), slices=4, at_least_usd_per_hour=3.5
    ),
    "stock_limit": lambda: formulation.least_additions(
        reduce(POOLS, enforce_limits=False),
        {"aws:us-east-1:L-417A185B": 1 / 48, "aws:global:X": 1.0, formulation.stock_label(1): 1.0},
        {1: 2},
    ),
    "balanced_routing": lambda: formulation.balanced_routing(
        unreduced(TWO_TYPES), (1, 1), {(0, 0): 1, (1, 0): 1}
    ),
    "most_served": lambda: formulation.most_served(unreduced(POOLS)),
    "min_replicas": lambda: formulation.cheapest_fleet(unreduced(TWO_SERVICES)),
    "serve_stream": lambda: formulation.cheapest_fleet(unreduced(EAST_AND_WEST)),
    "route": lambda: formulation.cheapest_fleet(unreduced(EAST_AND_WEST)),
    "lost_part": lambda: with_case(ZONES, Case(0, ("a",))),
    "left_standing": lambda: with_case(ZONES, Case(1, kinds=((0, 1),))),
    "most_kept": lambda: formulation.most_kept(unreduced(ZONES), Case(0, ("a",)), {0: 1, 1: 1}),
    "most_distinct": lambda: formulation.cheapest_fleet(
        unreduced(replace(ZONES, contingencies=(), most_distinct=(("zone", 1),)))
    ),
    "departure": lambda: formulation.cheapest_fleet(unreduced(HELD)),
    "budget": lambda: formulation.most_served(unreduced(EGRESS)),
    "enough_served": lambda: formulation.cheapest_fleet(unreduced(EGRESS), at_least_served=0.75),
}
STANDS_IN = {
    "group_present": "most_distinct",
    "left_none": "left_standing",
}  # the file another family is read in


@pytest.mark.parametrize("family", PROGRAMMES)
def test_programme_reads_as_the_golden_file(family: str, tmp_path: Path) -> None:
    written = tmp_path / "programme.lp"
    formulation.as_pulp(PROGRAMMES[family]().model).writeLP(str(written))
    golden = GOLDEN / f"{family}.lp"
    if os.environ.get("ADVISOR_UPDATE_GOLDEN"):
        golden.write_text(written.read_text())
    assert written.read_text() == golden.read_text()


def constraint_families() -> list[str]:
    return [
        name
        for module in (families, rules)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and "Iterator[Row]" in str(inspect.signature(function))
    ]


def test_every_constraint_family_has_a_golden_file_and_stands_in_the_docstring() -> None:
    names = constraint_families()
    assert len(names) == 16
    for family in [*names, *STANDS_IN]:
        text = (GOLDEN / f"{STANDS_IN.get(family, family)}.lp").read_text()
        assert re.search(rf"^\s*{family}_(e\d_)?\d", text, re.MULTILINE), family
    for family in set(names) - {"stock_limit"}:  # a bound in the problem itself, a row only in a diagnosis
        assert family in (formulation.__doc__ or ""), family


def test_column_names_are_short_unique_and_free_of_punctuation() -> None:
    programme = formulation.cheapest_fleet(unreduced(DEGREES))
    assert programme.model.names() == ["i0", "r0_0_1", "s0_1_0", "r0_0_4", "s0_4_0", "s0_4_1"]


@pytest.mark.parametrize("programme", PROGRAMMES.values(), ids=PROGRAMMES.keys())
def test_no_two_columns_and_no_two_rows_have_one_name(programme: Callable[[], formulation.Programme]) -> None:
    model = programme().model
    assert len(set(model.names())) == model.size
    assert len({row.name for row in model.rows}) == len(model.rows)


def test_the_arrays_and_pulp_give_the_same_optimum() -> None:
    for programme in PROGRAMMES.values():
        model = programme().model
        options = {"mip_rel_gap": 0.0, "time_limit": 10.0}
        directly, through = highs.solve_arrays(model, options), highs._through_pulp(model, options)
        assert directly.outcome is through.outcome
        if directly.values is not None:
            assert directly.objective == pytest.approx(through.objective, abs=1e-9)


def test_a_packing_row_that_a_smaller_degree_implies_is_left_out() -> None:
    (box,) = unreduced(DEGREES).kinds
    assert families.needed_packing_rows(box) == [(1, 8)]  # 8 = 2 · 4: the row of degree 4 is row 1 over 4
    (odd,) = unreduced(ODD_BOX).kinds
    assert families.needed_packing_rows(odd) == [
        (1, 6),
        (4, 1),
    ]  # 6 accelerators hold one replica of 4, not 1.5


def test_work_below_the_solvers_smallest_coefficient_is_rounded_up() -> None:
    reduced = unreduced(a_problem((1e-12,), a_column("a", "1", (1.0,))))
    (row,) = families.replica_capacity(reduced, formulation.cheapest_fleet(reduced).day)
    assert row.value[0] == formulation.SMALLEST_COEFFICIENT
