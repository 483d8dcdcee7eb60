"""The programme as text: one golden LP file per constraint family, on problems small enough to read.

``ADVISOR_UPDATE_GOLDEN=1 pytest tests/optimize`` rewrites the files; read the difference before committing.
"""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from optimize_builders import a_column, a_problem

from advisor.optimize import formulation
from advisor.optimize.presolve import Reduced, reduce

if TYPE_CHECKING:
    from advisor.optimize.problem import Problem

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


def unreduced(problem: Problem) -> Reduced:
    return reduce(problem, dominance=False, merge=False)


PROGRAMMES = {
    "serve_demand": lambda: formulation.cheapest_fleet(unreduced(TWO_TYPES)),
    "replica_capacity": lambda: formulation.cheapest_fleet(unreduced(DEGREES)),
    "accelerator_packing": lambda: formulation.cheapest_fleet(unreduced(ODD_BOX)),
    "presence": lambda: formulation.cheapest_fleet(unreduced(TRICKLE)),
    "quota": lambda: formulation.cheapest_fleet(unreduced(POOLS)),
    "fleet_cost": lambda: formulation.cheapest_fleet(
        unreduced(TWO_TYPES), slices=4, at_least_usd_per_hour=3.5
    ),
    "stock_limit": lambda: formulation.least_additions(
        reduce(POOLS, enforce_limits=False),
        {"aws:us-east-1:L-417A185B": 1 / 48, "aws:global:X": 1.0, formulation.stock_label(1): 1.0},
        {1: 2},
    ),
    "balanced_routing": lambda: formulation.balanced_routing(unreduced(TWO_TYPES), (1, 1), {}),
    "most_served": lambda: formulation.most_served(unreduced(POOLS)),
}


@pytest.mark.parametrize("family", PROGRAMMES)
def test_programme_reads_as_the_golden_file(family: str, tmp_path: Path) -> None:
    written = tmp_path / "programme.lp"
    PROGRAMMES[family]().lp.writeLP(str(written))
    golden = GOLDEN / f"{family}.lp"
    if os.environ.get("ADVISOR_UPDATE_GOLDEN"):
        golden.write_text(written.read_text())
    assert written.read_text() == golden.read_text()


def constraint_families() -> list[str]:
    return [
        name
        for name, function in inspect.getmembers(formulation, inspect.isfunction)
        if function.__module__ == formulation.__name__ and "Iterator[Row]" in str(inspect.signature(function))
    ]


def test_every_constraint_family_has_a_golden_file_and_stands_in_the_docstring() -> None:
    families = constraint_families()
    assert {
        "serve_demand",
        "replica_capacity",
        "presence",
        "accelerator_packing",
        "quota",
        "stock_limit",
    } == set(families)
    for family in families:
        assert re.search(rf"^\s*{family}_\d", (GOLDEN / f"{family}.lp").read_text(), re.MULTILINE), family
    for family in set(families) - {"stock_limit"}:  # a bound in the problem itself, a row only in a diagnosis
        assert family in (formulation.__doc__ or "")


def test_labels_are_short_unique_and_free_of_punctuation() -> None:
    programme = formulation.cheapest_fleet(unreduced(DEGREES))
    names = [v.name for v in programme.lp.variables()]
    assert sorted(names) == ["i0", "r0_1", "r0_4", "s0_1_0", "s0_4_0", "s0_4_1"]


def test_a_packing_row_that_a_smaller_degree_implies_is_left_out() -> None:
    (box,) = unreduced(DEGREES).candidates
    assert formulation.needed_packing_rows(box) == [(1, 8)]  # 8 = 2 · 4: the row of degree 4 is row 1 over 4
    (odd,) = unreduced(ODD_BOX).candidates
    assert formulation.needed_packing_rows(odd) == [
        (1, 6),
        (4, 1),
    ]  # 6 accelerators hold one replica of 4, not 1.5


def test_work_below_the_solvers_smallest_coefficient_is_rounded_up() -> None:
    reduced = unreduced(a_problem((1e-12,), a_column("a", "1", (1.0,))))
    ((_, pairs, _, _),) = formulation.replica_capacity(reduced, formulation.cheapest_fleet(reduced))
    assert pairs[0][1] == formulation.SMALLEST_COEFFICIENT
