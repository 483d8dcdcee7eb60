"""The spreadsheet: live totals that equal the JSON to the cent, and move with every count, price and rate."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Decimal

import pytest
from formula_sheet import Sheets
from hypothesis import given, settings
from hypothesis import strategies as st
from report_builder import FULL, a_plan, a_report

from advisor.report.focus import focus_json
from advisor.report.workbook import LINES, NEGOTIATION, workbook

CENT = Decimal("0.01")
FIRST = 7  # row of the first line, as a spreadsheet counts


@pytest.fixture(scope="module")
def content() -> bytes:
    return workbook(a_report(a_plan(**FULL)))


def totals(sheets: Sheets) -> dict[str, Decimal]:
    return {name: sheets.named(f"plan_{name}") for name in ("usd_per_hour", "usd_per_month", "usd_per_year")}


def test_recalculated_totals_equal_the_json_to_the_cent(content: bytes) -> None:
    stated = json.loads(focus_json(a_report(a_plan(**FULL))))["totals"]
    assert totals(Sheets(content)) == {name: Decimal(stated[name]) for name in totals(Sheets(content))}


def test_every_formula_carries_the_value_it_computes_to(content: bytes) -> None:
    sheets = Sheets(content)
    found = list(sheets.formulas())
    assert len(found) > 20
    for sheet, cell in found:
        held, computed = sheets.cached[sheet][cell].value, sheets.value(sheet, cell)
        if isinstance(computed, Decimal):
            assert Decimal(repr(held)) == pytest.approx(computed, abs=Decimal("1e-9")), f"{sheet}!{cell}"
        else:
            assert held == computed, f"{sheet}!{cell}"


@pytest.fixture(scope="module")
def calculator(content: bytes) -> Sheets:
    """For one test, which types over the same cells again and again, as a user does."""
    return Sheets(content)


@settings(max_examples=40, deadline=None)
@given(
    counts=st.tuples(st.integers(0, 500), st.integers(0, 500)),
    prices=st.tuples(*[st.decimals("0.01", "300", places=4)] * 2),
    discounts=st.tuples(*[st.sampled_from([Decimal(n) / 100 for n in range(0, 100, 5)])] * 2),
    hours=st.integers(1, 744),
)
def test_a_changed_count_price_discount_or_rate_recomputes_every_total(
    calculator: Sheets,
    counts: tuple[int, int],
    prices: tuple[Decimal, Decimal],
    discounts: tuple[Decimal, Decimal],
    hours: int,
) -> None:
    sheets = calculator
    for row, (count, price, discount) in enumerate(zip(counts, prices, discounts, strict=True), start=FIRST):
        sheets.put(LINES, f"H{row}", count)
        sheets.put(LINES, f"I{row}", float(price))
        sheets.put(LINES, f"J{row}", float(discount))
    sheets.put(LINES, "C3", hours)
    cost = sum(
        (
            count * price * (1 - discount)
            for count, price, discount in zip(counts, prices, discounts, strict=True)
        ),
        Decimal(0),
    )
    assert totals(sheets) == {
        "usd_per_hour": cost,
        "usd_per_month": (cost * hours).quantize(CENT, ROUND_HALF_UP),
        "usd_per_year": (cost * hours * 12).quantize(CENT, ROUND_HALF_UP),
    }


def test_side_costs_stand_below_and_join_the_second_total(content: bytes) -> None:
    sheets = Sheets(content)
    row = next(cell.row for cell in sheets.book[LINES]["A"] if cell.value == "Total with side costs")
    assert sheets.value(LINES, f"L{row}") == Decimal("11.6984") + Decimal("0.1234")


def test_the_discount_at_which_a_fleet_enters_makes_it_cost_what_the_plan_costs(content: bytes) -> None:
    sheets = Sheets(content)
    rivals = {sheets.book[NEGOTIATION][f"A{row}"].value: row for row in (5, 6)}
    assert set(rivals) == {"greedy", "l40s-48gb alone"}
    assert sheets.value(NEGOTIATION, f"F{rivals['greedy']}") == Decimal("0.2")
    for row in rivals.values():
        enters = sheets.value(NEGOTIATION, f"F{row}")
        assert sheets.value(NEGOTIATION, f"H{row}") == "no"
        sheets.put(NEGOTIATION, f"D{row}", float(enters))
        assert sheets.value(NEGOTIATION, f"E{row}") == Decimal("11.6984")
        sheets.put(NEGOTIATION, f"D{row}", float(enters) + 0.001)
        assert sheets.value(NEGOTIATION, f"H{row}") == "yes"


def test_at_its_walk_away_price_a_line_ties_the_plan_with_the_best_other_fleet(content: bytes) -> None:
    sheets = Sheets(content)
    sheet = sheets.book[NEGOTIATION]
    start = next(cell.row for cell in sheet["A"] if cell.value == "Line of the plan")
    for place, line in enumerate(a_plan().purchase):
        row = start + 1 + place
        assert sheet[f"A{row}"].value == line.offer_id
        walk_away = sheets.value(NEGOTIATION, f"D{row}")
        risen = Decimal("11.6984") + (walk_away - line.usd_per_hour_each) * line.instances
        assert risen == pytest.approx(Decimal("14.623"))  # the greedy fleet, the best of the others


def test_a_fleet_that_was_not_proved_cheapest_is_no_basis_to_negotiate_on() -> None:
    cut_short = {
        "name": "l4", "kind": "single_accelerator", "usd_per_hour": "99", "status": "feasible",
        "instances": 9, "saving_fraction": 1 - 11.6984 / 99, "detail": "", "fleet": [],
    }  # fmt: skip
    sheet = Sheets(workbook(a_report(a_plan(baselines=[cut_short])))).book[NEGOTIATION]
    column = [cell.value for cell in sheet["A"]]
    assert "l4 alone" not in column
    assert "The plan states no other fleet that was proved the cheapest of its kind." in column


def test_what_enters_by_price_turns_yes_below_that_price(content: bytes) -> None:
    sheets = Sheets(content)
    sheet = sheets.book[NEGOTIATION]
    row = next(cell.row for cell in sheet["A"] if cell.value == "accelerator: l4-24gb")
    assert sheets.value(NEGOTIATION, f"F{row}") == Decimal("0.25")
    assert sheets.value(NEGOTIATION, f"H{row}") == "no"
    sheets.put(NEGOTIATION, f"D{row}", 0.26)
    assert sheets.value(NEGOTIATION, f"H{row}") == "yes"


def test_the_reading_sheet_says_what_the_report_says(content: bytes) -> None:
    words = {
        str(cell.value)
        for row in Sheets(content).book["Report"].iter_rows()
        for cell in row
        if cell.value is not None
    }
    report = a_report(a_plan(**FULL))
    assert {part.title for part in report.sections} <= words
    assert {line.instance_type for line in report.lines} <= words


def test_the_same_report_is_the_same_file() -> None:
    assert workbook(a_report()) == workbook(a_report())
