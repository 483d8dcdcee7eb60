"""`advisor report`: the decision as a document that procurement can sign, one content in five dresses."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.cli import options
from advisor.cli.output import note, write_file
from advisor.errors import UsageError
from advisor.text import printable

if TYPE_CHECKING:
    from advisor.report.blocks import Report

ENDINGS = (".html", ".xlsx", ".md", ".csv", ".json")


def report(
    plan: Annotated[str, typer.Argument(help="Plan file, or - for standard input.", metavar="PLAN")],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="File to write; its ending is the format: .html .xlsx .md .csv .json."
        ),
    ],
    title: Annotated[
        str | None, typer.Option(help="Title of the report.  \\[default: names the model]")
    ] = None,
    requester: Annotated[str | None, typer.Option(help="Who asks for the decision.")] = None,
    valid_days: Annotated[
        int | None,
        typer.Option(help="Days the decision holds.  \\[default: 7 with spot lines, else 35]"),
    ] = None,
    quota: Annotated[
        Path | None, typer.Option(help="Account file with the quotas held; shown only with --show-quota.")
    ] = None,
    show_quota: Annotated[
        bool, typer.Option("--show-quota", help="Show the quotas held beside those needed.")
    ] = False,
    previous: Annotated[
        Path | None, typer.Option(help="Plan of the last report, to show what changed.")
    ] = None,
    simulation: Annotated[
        Path | None, typer.Option(help="JSON of `advisor simulate`, for the verdict.")
    ] = None,
    explanation: Annotated[
        Path | None, typer.Option(help="JSON of `advisor explain`, for regret and flip prices.")
    ] = None,
    frontier: Annotated[Path | None, typer.Option(help="JSON of `advisor frontier`, for its curve.")] = None,
    what_if: Annotated[
        bool,
        typer.Option(help="Re-solve for the tornado, the frontier, flip prices and the heat map."),
    ] = True,
    solve_seconds: Annotated[
        float,
        typer.Option(
            help="Re-solving that would take longer, judged by the plan's own proof, is left out and named.",
            min=0,
            max=86_400,
        ),
    ] = 2.5,
    edited: options.Edited = False,
) -> None:
    """Write the procurement report of a plan: lines, evidence, quotas, risk, alternatives, proof, signatures.

    HTML prints and reads anywhere; XLSX recomputes when a count, a discount or a price is changed;
    CSV and JSON are in FOCUS columns.

    Example: [b]advisor recommend --region us-east-1 --format json | advisor report - -o report.html[/]
    """
    from advisor.clock import now_utc
    from advisor.plan.read import read_plan
    from advisor.report.content import report_of
    from advisor.report.gather import Wishes, gather

    ending = output.suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(f"-o {output}: ending '{output.suffix}' is not allowed; {', '.join(ENDINGS)}")
    wishes = Wishes(
        title=title,
        requester=requester,
        valid_days=valid_days,
        show_quota=show_quota,
        what_if=what_if and ending != ".csv",
        solve_seconds=solve_seconds,
        quota=quota,
        previous=previous,
        simulation=simulation,
        explanation=explanation,
        frontier=frontier,
        edited=edited,
        command=printable(" ".join(["advisor", *sys.argv[1:]])),
    )
    read = read_plan(plan, edited=edited)
    content = report_of(read, gather(read, wishes, now_utc()))
    write_file(_dressed(content, ending), output)
    lines = "1 line" if len(content.lines) == 1 else f"{len(content.lines)} lines"
    note(f"advisor: {output}: {lines}, valid until {content.valid_until}")


def _dressed(content: Report, ending: str) -> bytes:
    """The file's bytes; only the dress asked for is imported."""
    if ending == ".xlsx":
        from advisor.report.workbook import workbook

        return workbook(content)
    return _text(content, ending).encode("utf-8", "backslashreplace")


def _text(content: Report, ending: str) -> str:
    if ending == ".html":
        from advisor.report.html import html

        return html(content)
    if ending == ".md":
        from advisor.report.markdown import markdown

        return markdown(content)
    from advisor.report.focus import focus_csv, focus_json

    return focus_csv(content) if ending == ".csv" else focus_json(content)
