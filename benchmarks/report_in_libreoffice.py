"""Recalculate a report's workbook in LibreOffice, and hold its totals against the JSON report.

    python benchmarks/report_in_libreoffice.py            # plans us-east-1, writes both dresses, compares

Needs ``soffice`` (Debian: libreoffice-calc) and openpyxl (the test extra). Exit 0: equal to the cent, as
written and with a count, a discount, a price and the hours changed; 1: not equal; 2: no LibreOffice here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from openpyxl import load_workbook

NAMES = ("usd_per_hour", "usd_per_month", "usd_per_year")
FIRST = 7  # row of the first line to buy
CENT = Decimal("0.01")
QUESTION = ("--region", "us-*", "--model", "Llama-3.1-70B", "--precision", "fp8", "--rate", "12")
"""Answered by more than one line."""
ADVISOR = (sys.executable, "-m", "advisor")


def main() -> int:
    """Plan, report, recalculate, compare."""
    soffice = shutil.which("soffice")
    if soffice is None:
        print("LibreOffice (soffice) is not installed: nothing was checked")
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan, sheet, stated = folder / "plan.json", folder / "report.xlsx", folder / "report.json"
        run(*ADVISOR, "recommend", *QUESTION, "--format", "json", "-o", str(plan))
        for target in (sheet, stated):
            run(*ADVISOR, "report", str(plan), "-o", str(target), "--no-what-if")
        expected = {key: Decimal(json.loads(stated.read_text())["totals"][key]) for key in NAMES}
        # Without the values the formulas were written with, so that only LibreOffice can have computed them.
        book = load_workbook(sheet)
        book.save(folder / "bare.xlsx")
        good = same("as written", recalculated(soffice, folder / "bare.xlsx"), expected)
        lines = book["Lines"]
        lines[f"H{FIRST}"] = lines[f"H{FIRST}"].value + 3
        lines[f"I{FIRST}"] = 1.23
        lines[f"J{FIRST}"] = 0.15
        lines["C3"] = 720
        book.save(folder / "changed.xlsx")
        changed = recalculated(soffice, folder / "changed.xlsx")
        return 0 if same("changed", changed, by_hand(lines)) and good else 1


def by_hand(lines: object) -> dict[str, Decimal]:
    """The totals of the changed sheet, in Decimal."""
    cost, row = Decimal(0), FIRST
    while lines[f"I{row}"].value is not None:  # type: ignore[index]
        count, price, discount = (Decimal(repr(lines[f"{c}{row}"].value)) for c in "HIJ")  # type: ignore[index]
        cost += count * price * (1 - discount)
        row += 1
    month, year = cost * 720, cost * 720 * 12
    return {
        "usd_per_hour": cost,
        "usd_per_month": month.quantize(CENT, ROUND_HALF_UP),
        "usd_per_year": year.quantize(CENT, ROUND_HALF_UP),
    }


def recalculated(soffice: str, sheet: Path) -> dict[str, Decimal]:
    """The totals LibreOffice computes."""
    target = sheet.parent / "recalculated"
    run(
        soffice, "--headless", f"-env:UserInstallation=file://{sheet.parent}/profile", "--convert-to",
        "xlsx:Calc MS Excel 2007 XML", "--outdir", str(target), str(sheet),
    )  # fmt: skip
    book = load_workbook(target / sheet.name, data_only=True)
    found = {}
    for key in NAMES:
        place, _, cell = book.defined_names[f"plan_{key}"].attr_text.partition("!")
        found[key] = Decimal(repr(book[place.strip("$'")][cell.replace("$", "")].value))
    return found


def same(what: str, found: dict[str, Decimal], expected: dict[str, Decimal]) -> bool:
    """Whether every total agrees to the cent; prints both."""
    equal = True
    for key in NAMES:
        fits = abs(found[key] - expected[key]) < CENT / 2
        equal = equal and fits
        verdict = "ok" if fits else "DIFFERENT"
        print(f"{what:<11} {key:<14} LibreOffice {found[key]:>16} expected {expected[key]:>16} {verdict}")
    return equal


def run(*command: str) -> None:
    """A command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    raise SystemExit(main())
