"""`advisor verify`: does a plan hold up against its own inputs? No solver is asked."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from advisor.cli.output import Col, Format, Listing, OutputOption, json_text, note, write_listing, write_text
from advisor.units import decimal_text

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.verification import Verification

REFUSED = 3


class Dress(StrEnum):
    """Formats a verification can wear."""

    TABLE = "table"
    JSON = "json"


_COLUMNS = (
    Col("code", "What"),
    Col("where", "Where", wrap=True),
    Col("meaning", "Meaning", wrap=True, importance=2),
    Col("expected", "Expected", wrap=True),
    Col("found", "Found", wrap=True),
)


def verify(
    plan: Annotated[str, typer.Argument(help="Plan file, or - for standard input.", metavar="PLAN")],
    snapshot: Annotated[
        str | None, typer.Option(help="Id or path of a snapshot; default the one the plan names.")
    ] = None,
    quota: Annotated[Path | None, typer.Option(help="Account file to check the quotas against.")] = None,
    form: Annotated[Dress, typer.Option("--format", "-f", help="Dress of the result.")] = Dress.TABLE,
    output: OutputOption = None,
) -> None:
    """Re-check a plan without a solver: prices, totals, load, memory, evidence, quotas, proof.

    Exit code 0 if it holds, 3 if anything does not.

    Example: [b]advisor recommend --region us-east-1 --format json | advisor verify -[/]
    """
    from advisor.plan.read import stated_plan
    from advisor.verification import verify_plan

    read = stated_plan(plan)
    outcome = verify_plan(read, snapshot, quota)
    if form is Dress.JSON:
        write_text(json_text(_document(read, outcome)), output)
    elif outcome.holds:
        write_text(_holds(read, outcome), output)
    else:
        write_listing(_violations(read, outcome), Format.TABLE, output)
    if form is Dress.TABLE:
        note(*(f"Not checked: {sentence}" for sentence in outcome.skipped))
    if not outcome.holds:
        raise typer.Exit(REFUSED)


def _title(plan: Plan) -> str:
    from advisor.text import printable

    cost = "" if plan.usd_per_hour is None else f", ${decimal_text(plan.usd_per_hour)}/h"
    return f"Plan {printable(plan.plan_id)} ({plan.status}{cost})"


def _holds(plan: Plan, outcome: Verification) -> str:
    """The verdict, and under it one line per thing that was checked."""
    checked = "".join(f"\n  {what}" for what in outcome.checked)
    return f"{_title(plan)} holds against snapshot {plan.inputs.snapshot_id}.\nChecked:{checked}"


def _violations(plan: Plan, outcome: Verification) -> Listing:
    count = len(outcome.violations)
    return Listing(
        title=f"{_title(plan)} is refused: {count} thing{'s do' if count > 1 else ' does'} not hold",
        columns=_COLUMNS,
        records=_records(outcome),
    )


def _records(outcome: Verification) -> list[dict[str, Any]]:
    from advisor.plan.verify import MEANINGS
    from advisor.text import printable

    return [
        {
            "code": violation.code,
            "where": printable(violation.where),
            "meaning": MEANINGS[violation.code],
            "expected": printable(violation.expected),
            "found": printable(violation.found),
        }
        for violation in outcome.violations
    ]


def _document(plan: Plan, outcome: Verification) -> dict[str, Any]:
    return {
        "plan_id": plan.plan_id,
        "holds": outcome.holds,
        "violations": _records(outcome),
        "checked": list(outcome.checked),
        "not_checked": list(outcome.skipped),
    }
