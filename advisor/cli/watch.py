"""`advisor watch`: all standing plans, and only what is new about them."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.cli import options
from advisor.cli.output import json_text, note, show, write_file, write_text
from advisor.errors import AdvisorError, InputFileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.fleet import HeldLine
    from advisor.recommendation.watching import Memory, Watched

NEWS = 3
_MAX_BYTES = 8 * 1024 * 1024
_DEFAULT_PERCENT = 2.0  # recommendation.drift.DEFAULT_THRESHOLD, shown by --help without importing the solver


class Dress(StrEnum):
    """Formats of what is said."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


def watch(
    plans: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PLAN", help="Plan files.  \\[default: ADVISOR_HOME/plans/*.json]"),
    ] = None,
    running: Annotated[
        Path | None,
        typer.Option(
            help="Fleet file of what runs: a plan that runs whole needs no new machines, so that one that is"
            " no longer sold is a remark and no news."
        ),
    ] = None,
    quota: Annotated[
        Path | None, typer.Option(help="Account file of today; its usage includes what the plans bought.")
    ] = None,
    snapshot: Annotated[
        str | None, typer.Option(help="Id, day or path of a snapshot; default the newest.")
    ] = None,
    prices: options.Prices = None,
    threshold_percent: Annotated[
        float, typer.Option(help="What a change must save, of what keeping a plan costs.")
    ] = _DEFAULT_PERCENT,
    acknowledge: Annotated[
        str | None, typer.Option(metavar="DAY", help="Put aside what stands now until that day (YYYY-MM-DD).")
    ] = None,
    memory: Annotated[
        Path | None,
        typer.Option(help="File of what was said before.  \\[default: ADVISOR_HOME/watch.json]"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remember nothing.")] = False,
    form: Annotated[Dress, typer.Option("--format", "-f", help="Dress of the result.")] = Dress.TABLE,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file; empty without news.")
    ] = None,
) -> None:
    """Hold every standing plan against the newest prices, and say what is new.

    One line a plan; the whole drift of what was not said before. Exit 3 on
    news, 0 without: nothing is printed then but one line on stderr, and JSON
    always comes. A plan that cannot be read is one line, its exit code, and
    no reason to leave out the others.

    Every week: [b]advisor refresh && advisor watch[/]; docs/cron has it ready.

    Example: [b]advisor watch --help[/]
    """
    from advisor.catalog.store import advisor_home
    from advisor.cli.prices import priced
    from advisor.cli.sections import markdown, renderables
    from advisor.cli.watch_view import document, sections

    kept = memory or advisor_home() / "watch.json"
    before, until = _remembered(kept), _day(acknowledge)
    seen, failed = _seen(_files(plans), before, running, quota, priced(snapshot, prices), threshold_percent)
    news = bool(any(one.new for _, one in seen)) and until is None
    if form is Dress.JSON:
        write_text(json_text(document(seen)), output)
    elif not news:
        if output is not None:
            write_file(b"", output)
    elif form is Dress.MARKDOWN:
        write_text(markdown(sections(seen)), output)
    else:
        show(lambda width: renderables(sections(seen), width), output)
    if not dry_run:
        _remember(kept, before, seen, until)
    if failed or news:
        raise typer.Exit(failed or NEWS)
    note(_quiet(seen, until))


def _files(plans: Sequence[Path] | None) -> list[Path]:
    from advisor.catalog.store import advisor_home
    from advisor.plan.standing import plan_files

    if plans:
        return list(plans)
    found = plan_files(advisor_home())
    if not found:
        folder = advisor_home() / "plans"
        raise UsageError(f"{folder} holds no plan (*.json): keep plans there, or name the files")
    return found


def _seen(
    files: Sequence[Path],
    before: Memory,
    running: Path | None,
    quota: Path | None,
    snapshot: str | Path | None,
    threshold_percent: float,
) -> tuple[list[tuple[Path, Watched]], int]:
    """Every plan that can be read, and the exit code of the last that cannot; 0: all can."""
    from advisor.api import drift
    from advisor.clock import now_utc
    from advisor.plan.read import read_plan
    from advisor.recommendation.watching import Remembered, runs_whole, watched

    runs = _lines(running)
    seen, failed = [], 0
    for path in files:
        try:
            plan = read_plan(str(path))
            found = drift(plan, snapshot=snapshot, quota=quota, threshold_percent=threshold_percent)
        except AdvisorError as error:
            note(f"advisor: {path}: {error}")
            failed = error.exit_code
            continue
        was = before.plans.get(plan.plan_id, Remembered())
        seen.append((path, watched(found, was, now_utc().date(), runs=runs_whole(plan, runs))))
    return seen, failed


def _lines(running: Path | None) -> tuple[HeldLine, ...]:
    from advisor.fleet import read_fleet

    return () if running is None else read_fleet(running).lines


def _day(text: str | None) -> date | None:
    from datetime import date

    from advisor.clock import now_utc

    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--acknowledge {text!r}: a day as YYYY-MM-DD is needed") from None
    if day <= now_utc().date():
        raise UsageError(f"--acknowledge {text}: a day that is still to come is needed")
    return day


def _remembered(path: Path) -> Memory:
    """What was said before; nothing, where nothing was kept.

    Raises:
        InputFileError: the file is not what the watch writes.
    """
    from advisor.documents import decoded, read_bytes
    from advisor.documents.records import check
    from advisor.recommendation.watching import Memory

    if not path.exists():
        return Memory()
    import json

    try:
        found = json.loads(decoded(read_bytes(path, _MAX_BYTES, "the watch's memory"), str(path)))
    except ValueError as error:
        allowed = f"what `advisor watch` writes ({error}); delete it to begin anew"
        raise InputFileError(str(path), "", path.name, allowed) from None
    return check(Memory, found, str(path))


def _remember(path: Path, before: Memory, seen: Sequence[tuple[Path, Watched]], until: date | None) -> None:
    """Write the memory whole; plans that were not asked about keep what was said of them."""
    from advisor.recommendation.watching import put_aside

    now = {
        one.drift.plan.plan_id: one.remembered if until is None else put_aside(one.remembered, until)
        for _, one in seen
    }
    kept = before.model_copy(update={"plans": dict(sorted({**before.plans, **now}.items()))})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(f"{kept.model_dump_json(indent=2)}\n".encode(), path)


def _quiet(seen: Sequence[tuple[Path, Watched]], until: date | None) -> str:
    """Why nothing is to be done, in one line."""
    number = "1 plan" if len(seen) == 1 else f"{len(seen)} plans"
    if until is not None:
        return f"advisor: what stands of {number} is put aside until {until}"
    said = sum(bool(one.repeated) for _, one in seen)
    aside = sum(bool(one.put_aside) for _, one in seen)
    parts = [f"{said} said before" if said else "", f"{aside} put aside" if aside else ""]
    more = ", ".join(filter(None, parts))
    return f"advisor: {number}, no news" + (f" ({more})" if more else "")
