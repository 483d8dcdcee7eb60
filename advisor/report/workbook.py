"""The report as a spreadsheet whose totals are live: counts, discounts, prices and rates may be changed.

Text is always written as text, so no provider's string ever becomes a formula. Every formula carries the
value it had when it was written, for viewers that do not calculate.
"""

from __future__ import annotations

import io
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

from advisor.report.blocks import Kind
from advisor.report.purchase_sections import MONTHS_PER_YEAR, market_words
from advisor.report.workbook_cells import Formats, fit, headers, text
from advisor.report.workbook_reading import READING_WIDTHS, write_reading
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.report.blocks import Report

LINES, NEGOTIATION, READING = "Lines", "Negotiation", "Report"
_FIRST: Final = 6  # row of the first line to buy, counted from 0
_CENT: Final = Decimal("0.01")
LINE_HEADERS: Final = (
    ("Provider", 10), ("Region", 16), ("Zone policy", 22), ("SKU (instance type)", 24), ("GPU", 22),
    ("GPUs each", 9), ("Market", 11), ("Count", 8), ("List, USD/h each", 14), ("Discount", 9),
    ("Paid, USD/h each", 14), ("USD/h", 13), ("USD/month", 14), ("USD/year", 15),
)  # fmt: skip
NEGOTIATION_HEADERS: Final = (
    ("Fleet", 44), ("Vendors", 30), ("USD/h at list", 15), ("Discount offered", 14), ("USD/h then", 14),
    ("Discount at which it enters the plan", 18), ("USD/h it must fall by", 16), ("Enters now?", 12),
)  # fmt: skip
ENTRY_HEADERS: Final = (
    ("Enters the plan", 44), ("Offer", 30), ("List, USD/h each", 15), ("Discount offered", 14),
    ("USD/h each then", 14), ("Discount at which it enters", 18), ("Price at which it enters", 16),
    ("Enters now?", 12),
)  # fmt: skip
WALK_AWAY_HEADERS: Final = (
    ("Line of the plan", 44), ("Count", 30), ("Paid, USD/h each", 15), ("Walk-away, USD/h each", 14),
    ("Rise it bears", 14),
)  # fmt: skip


def workbook(report: Report) -> bytes:
    """The whole file."""
    from xlsxwriter import Workbook

    buffer = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    book = Workbook(buffer, options)
    book.set_properties(
        {
            "title": printable(report.title),
            "comments": f"plan {printable(report.plan_id)}, prices {printable(report.snapshot_id)}",
            "created": report.made_at.replace(tzinfo=None),
        }
    )
    formats = Formats(book)
    _lines(book, formats, report)
    _negotiation(book, formats, report)
    write_reading(_sheet(book, READING, READING_WIDTHS), formats, report)
    book.close()
    return buffer.getvalue()


def _sheet(book: Any, name: str, widths: Sequence[int]) -> Any:
    sheet = book.add_worksheet(name)
    for column, width in enumerate(widths):
        sheet.set_column(column, column, width)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.set_footer("&L&A&RPage &P of &N")
    return sheet


def _cents(amount: Decimal) -> float:
    return float(amount.quantize(_CENT, rounding=ROUND_HALF_UP))


def _lines(book: Any, formats: Formats, report: Report) -> None:
    """Lines to buy with live totals; what may be changed is shaded."""
    sheet = _sheet(book, LINES, [width for _, width in LINE_HEADERS])
    text(sheet, 0, 0, report.title, formats.title)
    text(
        sheet,
        1,
        0,
        f"Plan {report.plan_id}, valid until {report.valid_until}. Shaded cells may be changed; every total "
        "follows.",
    )
    text(sheet, 2, 0, "Hours per month")
    sheet.write_number(2, 2, report.hours_per_month, formats.of(Kind.COUNT, entry=True))
    text(sheet, 3, 0, "Months per year")
    sheet.write_number(3, 2, MONTHS_PER_YEAR, formats.of(Kind.COUNT, entry=True))
    book.define_name("hours_per_month", f"={LINES}!$C$3")
    book.define_name("months_per_year", f"={LINES}!$C$4")
    headers(sheet, formats, _FIRST - 1, LINE_HEADERS)
    sheet.freeze_panes(_FIRST, 1)
    sheet.repeat_rows(_FIRST - 1)
    for place, line in enumerate(report.lines):
        row, at = _FIRST + place, _FIRST + place + 1
        words = (
            line.provider, line.region, f"zone {line.zone} only" if line.zone else "any zone of the region",
            line.instance_type, line.accelerator,
        )  # fmt: skip
        for column, value in enumerate(words):
            text(sheet, row, column, value, formats.of(Kind.TEXT))
        fit(sheet, row, [(value, LINE_HEADERS[column][1]) for column, value in enumerate(words)])
        sheet.write_number(row, 5, line.accelerators_per_instance, formats.of(Kind.COUNT))
        text(sheet, row, 6, market_words(line.market), formats.of(Kind.TEXT))
        sheet.write_number(row, 7, line.instances, formats.of(Kind.COUNT, entry=True))
        price = float(line.list_usd_per_hour_each)
        sheet.write_number(row, 8, price, formats.of(Kind.USD_RATE, entry=True))
        paid = line.usd_per_hour_each / line.list_usd_per_hour_each if line.list_usd_per_hour_each else 1
        sheet.write_number(row, 9, float(1 - paid), formats.of(Kind.SHARE, entry=True))
        _money_cells(
            sheet, formats, row, f"I{at}*(1-J{at})", f"H{at}*K{at}", line.usd_per_hour_each,
            line.usd_per_hour, report.hours_per_month,
        )  # fmt: skip
    _totals(book, sheet, formats, report)


def _money_cells(
    sheet: Any, formats: Formats, row: int, each: str | None, hour: str, each_value: Decimal,
    hour_value: Decimal, hours: int, *, bold: bool = False,
) -> None:  # fmt: skip
    """Columns K to N of one row: each, per hour, per month, per year."""
    at = row + 1
    rate, money = formats.of(Kind.USD_RATE, bold=bold), formats.of(Kind.USD, bold=bold)
    if each:
        sheet.write_formula(row, 10, f"={each}", rate, float(each_value))
    sheet.write_formula(row, 11, f"={hour}", rate, float(hour_value))
    month, year = hour_value * hours, hour_value * hours * MONTHS_PER_YEAR
    sheet.write_formula(row, 12, f"=ROUND(L{at}*hours_per_month,2)", money, _cents(month))
    formula = f"=ROUND(L{at}*hours_per_month*months_per_year,2)"
    sheet.write_formula(row, 13, formula, money, _cents(year))


def _totals(book: Any, sheet: Any, formats: Formats, report: Report) -> None:
    last = _FIRST + len(report.lines)
    row = last
    strong = formats.of(Kind.TEXT, bold=True)
    for column in range(len(LINE_HEADERS)):
        sheet.write_blank(row, column, None, strong)
    text(sheet, row, 0, "Total", strong)
    sheet.write_formula(
        row, 7, f"=SUM(H{_FIRST + 1}:H{last})", formats.of(Kind.COUNT, bold=True), report.totals.instances
    )
    hours, cost = report.hours_per_month, report.totals.usd_per_hour
    _money_cells(sheet, formats, row, None, f"SUM(L{_FIRST + 1}:L{last})", Decimal(0), cost, hours, bold=True)
    book.define_name("plan_usd_per_hour", f"={LINES}!$L${row + 1}")
    book.define_name("plan_usd_per_month", f"={LINES}!$M${row + 1}")
    book.define_name("plan_usd_per_year", f"={LINES}!$N${row + 1}")
    if not report.side_lines:
        return
    first = row + 2
    for place, side in enumerate(report.side_lines):
        text(sheet, first + place, 0, side.name, formats.of(Kind.TEXT))
        _detail(sheet, formats, first + place, side.detail)
        amount = float(side.usd_per_hour)
        sheet.write_number(first + place, 10, amount, formats.of(Kind.USD_RATE, entry=True))
        _money_cells(
            sheet, formats, first + place, None, f"K{first + place + 1}", Decimal(0), side.usd_per_hour, hours
        )
    end = first + len(report.side_lines)
    text(sheet, end, 0, "Total with side costs", formats.caption)
    whole = cost + sum((side.usd_per_hour for side in report.side_lines), Decimal(0))
    hour = f"plan_usd_per_hour+SUM(L{first + 1}:L{end})"
    _money_cells(sheet, formats, end, None, hour, Decimal(0), whole, hours, bold=True)


def _detail(sheet: Any, formats: Formats, row: int, words: str) -> None:
    """What a side cost rests on, over the columns that only instances fill."""
    style = formats.of(Kind.TEXT)
    sheet.merge_range(row, 1, row, 9, "", style)
    text(sheet, row, 1, words, style)
    fit(sheet, row, [(words, sum(width for _, width in LINE_HEADERS[1:10]))])


def _negotiation(book: Any, formats: Formats, report: Report) -> None:
    """The discount at which every other fleet enters the plan, and what every line may rise to."""
    sheet = _sheet(book, NEGOTIATION, [width for _, width in NEGOTIATION_HEADERS])
    text(sheet, 0, 0, "Negotiation", formats.title)
    text(
        sheet,
        1,
        0,
        "A discount counts for every line of a fleet alike. The plan's cost follows the sheet Lines.",
    )
    headers(sheet, formats, 3, NEGOTIATION_HEADERS)
    plan, row = report.totals.usd_per_hour, 4
    rivals = [rival for rival in report.alternatives if rival.proved]
    for rival in rivals:
        at, cost = row + 1, rival.usd_per_hour
        text(sheet, row, 0, rival.name, formats.of(Kind.TEXT))
        text(sheet, row, 1, ", ".join(rival.providers), formats.of(Kind.TEXT))
        sheet.write_number(row, 2, float(cost), formats.of(Kind.USD_RATE, entry=True))
        sheet.write_number(row, 3, 0, formats.of(Kind.SHARE, entry=True))
        sheet.write_formula(row, 4, f"=C{at}*(1-D{at})", formats.of(Kind.USD_RATE), float(cost))
        enters = float(max(1 - plan / cost, Decimal(0))) if cost else 0.0
        formula = f"=IF(C{at}=0,0,MAX(0,1-plan_usd_per_hour/C{at}))"
        sheet.write_formula(row, 5, formula, formats.of(Kind.SHARE), enters)
        falls = float(max(cost - plan, Decimal(0)))
        sheet.write_formula(row, 6, f"=MAX(0,E{at}-plan_usd_per_hour)", formats.of(Kind.USD_RATE), falls)
        now = "yes" if cost < plan else "no"
        formula = f'=IF(E{at}<plan_usd_per_hour,"yes","no")'
        sheet.write_formula(row, 7, formula, formats.of(Kind.TEXT), now)
        row += 1
    row = _entries(sheet, formats, report, row)
    best = min((rival.usd_per_hour for rival in rivals), default=None)
    if best is None:
        text(sheet, row, 0, "The plan states no other fleet that was proved the cheapest of its kind.")
        return
    _walk_away(sheet, formats, report, row, 4 + len(rivals), best)


def _entries(sheet: Any, formats: Formats, report: Report, after: int) -> int:
    """What enters by a price of its own, as the explanation found; the row after it."""
    if not report.entries:
        return after
    head = after + 2
    text(sheet, head - 1, 0, "What enters the plan by a price of its own", formats.title)
    headers(sheet, formats, head, ENTRY_HEADERS)
    row = head + 1
    for entry in report.entries:
        at = row + 1
        text(sheet, row, 0, f"{entry.grouping}: {entry.name}", formats.of(Kind.TEXT))
        text(sheet, row, 1, entry.offer, formats.of(Kind.TEXT))
        fit(sheet, row, [(entry.offer, ENTRY_HEADERS[1][1])])
        listed, enters = float(entry.list_usd_per_hour_each), float(entry.enters_at_usd_per_hour_each)
        sheet.write_number(row, 2, listed, formats.of(Kind.USD_RATE, entry=True))
        sheet.write_number(row, 3, 0, formats.of(Kind.SHARE, entry=True))
        sheet.write_formula(row, 4, f"=C{at}*(1-D{at})", formats.of(Kind.USD_RATE), listed)
        formula = f"=IF(C{at}=0,0,1-G{at}/C{at})"
        sheet.write_formula(row, 5, formula, formats.of(Kind.SHARE), entry.discount)
        sheet.write_number(row, 6, enters, formats.of(Kind.USD_RATE))
        sheet.write_formula(row, 7, f'=IF(E{at}<G{at},"yes","no")', formats.of(Kind.TEXT), "no")
        row += 1
    return row


def _walk_away(
    sheet: Any, formats: Formats, report: Report, after: int, last_rival: int, best: Decimal
) -> None:
    """What each line may cost before the best of the other fleets is cheaper, all else equal."""
    head = after + 2
    text(sheet, head - 1, 0, "Walk-away price of each line against the best of these", formats.title)
    headers(sheet, formats, head, WALK_AWAY_HEADERS)
    for place, line in enumerate(report.lines):
        row, source = head + 1 + place, _FIRST + place + 1
        at = row + 1
        text(sheet, row, 0, line.offer_id, formats.of(Kind.TEXT))
        fit(sheet, row, [(line.offer_id, WALK_AWAY_HEADERS[0][1])])
        sheet.write_formula(row, 1, f"={LINES}!H{source}", formats.of(Kind.COUNT), line.instances)
        sheet.write_formula(
            row, 2, f"={LINES}!K{source}", formats.of(Kind.USD_RATE), float(line.usd_per_hour_each)
        )
        bears = max(best - report.totals.usd_per_hour, Decimal(0)) / line.instances
        walk = line.usd_per_hour_each + bears
        formula = f"=IF(B{at}=0,C{at},C{at}+MAX(0,MIN(E5:E{last_rival})-plan_usd_per_hour)/B{at})"
        sheet.write_formula(row, 3, formula, formats.of(Kind.USD_RATE), float(walk))
        rise = float(walk / line.usd_per_hour_each - 1) if line.usd_per_hour_each else 0.0
        sheet.write_formula(row, 4, f"=IF(C{at}=0,0,D{at}/C{at}-1)", formats.of(Kind.SHARE), rise)
