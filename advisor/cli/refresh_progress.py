"""How a refresh looks while it runs: bars on a terminal, lines with a time in a log. To stderr, both."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from advisor.cli.output import console
from advisor.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from advisor.refresh.collecting import Listener, Outcome
    from advisor.refresh.collecting import Progress as Told


@contextmanager
def listening(names: Sequence[str]) -> Iterator[Listener]:
    """Bars on a terminal, lines with a time elsewhere; to stderr both."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    width = max((len(name) for name in names), default=0)
    told = TextColumn("{task.fields[told]}", table_column=Column(no_wrap=True, ratio=1))
    columns = (
        SpinnerColumn(finished_text="•"),
        TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=width)),
        TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=len("0:00:00"))),
    )
    with Progress(*columns, told, console=console(stderr=True), expand=True) as progress:
        tasks = {
            name: progress.add_task(name.ljust(width), total=None, start=False, told="waiting")
            for name in names
        }
        yield _Bars(progress, tasks)


class _Lines:
    """One line when a provider is asked, one when it is done: what a log wants."""

    def started(self, provider: str) -> None:
        """Say that it is being asked."""
        self._write(f"{provider}: asking")

    def progressed(self, provider: str, progress: Told) -> None:
        """Say nothing: a log wants two lines a provider."""

    def finished(self, outcome: Outcome) -> None:
        """Say what came of it."""
        self._write(f"{outcome.provider}: {_told(outcome)}, {outcome.seconds:.1f} s")

    def _write(self, words: str) -> None:
        sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S}Z {printable(words)}\n")
        sys.stderr.flush()


class _Bars:
    """One line per provider that keeps changing."""

    def __init__(self, progress: Progress, tasks: Mapping[str, TaskID]) -> None:
        self._progress = progress
        self._tasks = tasks

    def started(self, provider: str) -> None:
        """Start its clock."""
        self._progress.start_task(self._tasks[provider])
        self._progress.update(self._tasks[provider], told="asking")

    def progressed(self, provider: str, progress: Told) -> None:
        """Say how far it is."""
        self._progress.update(self._tasks[provider], told=_so_far(progress))

    def finished(self, outcome: Outcome) -> None:
        """Stop its clock and say what came of it."""
        task = self._tasks[outcome.provider]
        self._progress.start_task(task)
        self._progress.update(task, total=1, completed=1, told=_told(outcome))


def _so_far(progress: Told) -> str:
    regions = f"{progress.regions:,} of {progress.of:,}" if progress.of else f"{progress.regions:,}"
    plural = "" if (progress.of or progress.regions) == 1 else "s"
    rows = number_text(progress.rows, "row")
    return f"asking, {regions} region{plural}, {rows}, {number_text(progress.retries, 'retry', 'retries')}"


def _told(outcome: Outcome) -> str:
    collected = outcome.collected
    if collected is None:
        return f"{outcome.state.value}: {outcome.why}"
    figures = (
        f"{outcome.state.value}, {number_text(len(collected.regions_done), 'region')}, "
        f"{number_text(len(collected.offers), 'row')}, {number_text(collected.retries, 'retry', 'retries')}"
    )
    return f"{figures}: {outcome.why}" if outcome.why else figures


def number_text(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
