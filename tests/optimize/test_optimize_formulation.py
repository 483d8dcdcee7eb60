"""The programme as text: one golden LP file per constraint family, on problems small enough to read.

``ADVISOR_UPDATE_GOLDEN=1 pytest tests/optimize`` rewrites the files; read the difference before committing.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from optimize_builders import a_column, a_problem
from optimize_programmes import DEGREES, ODD_BOX, PROGRAMMES, unreduced

from advisor.optimize import formulation
from advisor.optimize.formulation import case, families, programme
from advisor.optimize.formulation.pulp_solver import as_pulp
from advisor.optimize.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable


pytestmark = pytest.mark.fast

GOLDEN = Path(__file__).parent / "golden"

STANDS_IN = {
    "group_present": "most_distinct",
    "left_none": "left_standing",
}  # the file another family is read in


@pytest.mark.parametrize("family", PROGRAMMES)
def test_programme_reads_as_the_golden_file(family: str, tmp_path: Path) -> None:
    written = tmp_path / "programme.lp"
    as_pulp(PROGRAMMES[family]().arrays.compiled()).writeLP(str(written))
    golden = GOLDEN / f"{family}.lp"
    if os.environ.get("ADVISOR_UPDATE_GOLDEN"):
        golden.write_text(written.read_text())
    assert written.read_text() == golden.read_text()


def constraint_families() -> list[str]:
    """Every generator of rows, of the formulation and of the rules."""
    modules = [families, case, programme, *(sys.modules[rule.__module__] for rule in RULES)]
    return [
        name
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and "Iterator[LinearRow]" in str(inspect.signature(function))
    ]


def test_every_constraint_family_has_a_golden_file_and_stands_in_the_docstring() -> None:
    names = constraint_families()
    assert len(names) == 17
    for family in names:
        text = (GOLDEN / f"{STANDS_IN.get(family, family)}.lp").read_text()
        assert re.search(rf"^\s*{family}_(e\d_)?\d", text, re.MULTILINE), family
    for family in set(names) - {"stock_limit"}:  # a bound in the problem itself, a row only in a diagnosis
        assert family in (formulation.__doc__ or ""), family


def test_column_names_are_short_unique_and_free_of_punctuation() -> None:
    programme = formulation.cheapest_fleet(unreduced(DEGREES))
    assert programme.arrays.names() == ["i0", "r0_0_1", "s0_1_0", "r0_0_4", "s0_4_0", "s0_4_1"]


@pytest.mark.parametrize("programme", PROGRAMMES.values(), ids=PROGRAMMES.keys())
def test_no_two_columns_and_no_two_rows_have_one_name(programme: Callable[[], formulation.Programme]) -> None:
    columns, rows = programme().arrays.compiled().names()
    assert len(set(columns)) == len(columns)
    assert len(set(rows)) == len(rows)


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
