"""`advisor explain`: why this fleet, why not that one, and at which price or quota it flips."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.cli import options
from advisor.cli.output import Format, json_text, note, show, working, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.recommendation.explanation import Alternative, Explanation

_DEFAULT_TIME_LIMIT_S = 10.0
_SECONDS = 8.0  # of asking, so that all is said within ten


def explain(
    plan: Annotated[str, typer.Argument(help="Plan file, or - for standard input.", metavar="PLAN")],
    why_not: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this accelerator, instance type, region, provider, market or offer id. Repeatable."
        ),
    ] = None,
    snapshot: Annotated[
        str | None, typer.Option(help="Id or path of a snapshot; default the one the plan names.")
    ] = None,
    quota: Annotated[
        Path | None, typer.Option(help="Account file the plan was made with, if it was made with one.")
    ] = None,
    time_limit_s: Annotated[
        float, typer.Option(help="Seconds for each single question.", min=0.1, max=3600)
    ] = _DEFAULT_TIME_LIMIT_S,
    full: Annotated[
        bool, typer.Option("--full", help=f"Answer everything, not what {_SECONDS:g} s allow.")
    ] = False,
    form: options.Dressed = Format.TABLE,
    output: options.Output = None,
    edited: options.Edited = False,
) -> None:
    """Say why each line is bought, and what would have to change for anything else to be.

    Every figure is found by solving again, and every price at which something enters or leaves is checked
    on both sides: 1 % below it is in, 1 % above it is out. What takes too long is named; Ctrl-C keeps what
    is there.

    Example: advisor recommend --region us-east-1 --format json | advisor explain -
    """
    from advisor.api import explainer
    from advisor.cli.explain_view import alternative_sections, explanation_sections, explanation_table
    from advisor.cli.sections import markdown, renderables
    from advisor.plan.read import read_plan

    asked = explainer(
        read_plan(plan, edited=edited),
        snapshot=snapshot,
        quota=quota,
        time_limit_s=time_limit_s,
        seconds=math.inf if full or why_not else _SECONDS,
    )
    if why_not:
        with working("Solving again with and without each name"):
            alternatives = [found for name in why_not for found in asked.why_not(name)]
        if form is Format.JSON:
            write_text(
                json_text(_alternatives_document(asked.plan.plan_id, alternatives, asked.notes)), output
            )
            return
        sections = partial(alternative_sections, asked.plan, alternatives, asked.notes)
    else:
        with working("Solving again with and without every line, type, region and market"):
            explanation = asked.explain()
        if form is Format.JSON:
            write_text(json_text(_document(explanation)), output)
            return
        alternatives = list(explanation.alternatives)
        sections = partial(explanation_sections, asked.plan, explanation)
    if form is Format.CSV:
        write_text(explanation_table(alternatives), output)
    elif form is Format.MARKDOWN:
        write_text(markdown(sections(10_000)), output)
    else:
        show(lambda width: renderables(sections(width), width), output)
    if asked.plan.status != "optimal":
        note(
            "advisor: the plan is not proved optimal; regrets and flip prices are against the cheapest fleet "
            "known"
        )


def _document(explanation: Explanation) -> dict[str, object]:
    from dataclasses import asdict

    return {"schema_version": 1, "kind": "explanation", **asdict(explanation)}


def _alternatives_document(
    plan_id: str, alternatives: list[Alternative], notes: Sequence[str]
) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "schema_version": 1,
        "kind": "explanation",
        "plan_id": plan_id,
        "alternatives": [asdict(alternative) for alternative in alternatives],
        "notes": list(notes),
    }
