"""`advisor drift`: silent while a plan's decision holds, loud when it should change."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.cli import options
from advisor.cli.output import json_text, note, show, write_file, write_text
from advisor.text import printable

if TYPE_CHECKING:
    from advisor.recommendation.drift import Drift

DRIFTED = 3
_DEFAULT_PERCENT = 2.0  # recommendation.drift.DEFAULT_THRESHOLD, shown by --help without importing the solver


class Dress(StrEnum):
    """Formats a drift can wear."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


def drift(
    plan: Annotated[str, typer.Argument(help="Plan file, or - for standard input.", metavar="PLAN")],
    snapshot: Annotated[
        str | None, typer.Option(help="Id or path of a snapshot; default the newest.")
    ] = None,
    prices: options.Prices = None,
    quota: Annotated[
        Path | None, typer.Option(help="Account file of today; its usage includes what the plan bought.")
    ] = None,
    threshold_percent: Annotated[
        float, typer.Option(help="What a change must save, of what keeping the plan costs.")
    ] = _DEFAULT_PERCENT,
    form: Annotated[Dress, typer.Option("--format", "-f", help="Dress of the result.")] = Dress.TABLE,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file; empty while the plan holds.")
    ] = None,
    edited: options.Edited = False,
) -> None:
    """Ask a plan's own question again on the newest prices, with what it bought as the fleet held.

    Silent, exit 0, while the decision holds: one line on stderr says why,
    and JSON always comes. Exit 3 when an offer is gone, a quota is too small,
    the fleet no longer serves, a rule is broken, keeping costs too much, or
    prices are stale: with reasons, prices that moved, a new plan, its steps.

    Every week: [b]advisor refresh && advisor drift plan.json[/]; docs/cron has
    it ready for cron, systemd and GitHub.

    Example: [b]advisor drift plan.json --quota account.yaml --format markdown[/]
    """
    from advisor.api import drift as check
    from advisor.cli.drift_view import document, sections
    from advisor.cli.prices import priced
    from advisor.cli.sections import markdown, renderables
    from advisor.plan.read import read_plan

    command = printable(" ".join(["advisor", *sys.argv[1:]]))
    found = check(
        read_plan(plan, edited=edited),
        snapshot=priced(snapshot, prices),
        quota=quota,
        threshold_percent=threshold_percent,
        command=command,
    )
    if form is Dress.JSON:
        write_text(json_text(document(found)), output)
    elif not found.reasons:
        if output is not None:
            write_file(b"", output)
    elif form is Dress.MARKDOWN:
        write_text(markdown(sections(found)), output)
    else:
        show(lambda width: renderables(sections(found), width), output)
    if found.reasons:
        raise typer.Exit(DRIFTED)
    note(_holds(found))


def _holds(found: Drift) -> str:
    """Why nothing is to be done, in one line."""
    from advisor.cli.drift_view import regret_words

    missed = ""
    if found.plan.inputs.account_sha256 and found.not_checked:
        missed = f" Not checked: {found.not_checked[0]}"
    limit = f"below the threshold of {100 * found.threshold:g} %"
    if found.regret_without_noise is not None:
        left = f"{found.regret_without_noise:.1%}"
        limit = f"{left} where prices that moved by at most 2 % count as unmoved, {limit}"
    return (
        f"advisor: plan {printable(found.plan.plan_id)} holds on snapshot {found.snapshot_id}: "
        f"{regret_words(found)}, {limit}.{missed}"
    )
