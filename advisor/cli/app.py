"""The `advisor` command: finds a command's module when it is run, and maps errors to exit codes."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from advisor.cli import interrupt, streams
from advisor.errors import AdvisorError, Interrupted, UnknownName, UsageError
from advisor.text import printable
from advisor.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = Interrupted.exit_code


class _Entry(NamedTuple):
    """Where a command lives, and the one line that `advisor --help` shows without importing it."""

    module: str
    summary: str


COMMANDS: Final[dict[str, _Entry]] = {
    "recommend": _Entry("recommend", "Print the cheapest fleet that serves a model within its latency SLO."),
    "simulate": _Entry("simulate", "Replay requests against a plan: is the SLO met, and how closely?"),
    "verify": _Entry("verify", "Re-check a plan without a solver."),
    "explain": _Entry("explain", "Say why this fleet, why not another, and at which price it flips."),
    "frontier": _Entry("frontier", "Cost against one thing: rate, latency limit, spot share, budget …"),
    "quota": _Entry("quota", "Quotas held and free, and what each line of a plan draws."),
    "commit": _Entry("commit", "What to commit over a week of demand, what to leave on demand and spot."),
    "report": _Entry("report", "Write a plan's procurement report: HTML, XLSX, Markdown, CSV, JSON."),
    "export": _Entry("export", "Hand a plan to what provisions it: SkyPilot, Terraform, Kubernetes …"),
    "drift": _Entry("drift", "Does a plan's decision still hold on the newest prices?"),
    "watch": _Entry("watch", "All standing plans: what is new about them since the last time?"),
    "fleet": _Entry("fleet", "The current fleet: import what is rented now, show it."),
    "offers": _Entry("offers", "List priced offers, the cheapest first."),
    "catalog": _Entry("catalog", "The prices at hand: how old they are and where they come from."),
    "refresh": _Entry("refresh", "Pull today's prices, judge them, publish a snapshot."),
    "profile": _Entry("profile", "Throughput profiles: list them, show one or a whole matrix."),
    "workload": _Entry("workload", "Request-size distributions: list, show, fit one from a trace."),
    "solve": _Entry("solve", "Cheapest GPU counts for a Mélange config, proved."),
    "schema": _Entry("schema", "Print the JSON Schema of a plan, service, account, profile … file."),
}
"""Every command. A module holds a function named like the command, or a Typer ``app`` of subcommands."""


class LazyGroup(TyperGroup):
    """Shows every command by its summary, and imports a command's module only to run or complete it.

    Importing all of them costs more than the rest of ``--help`` together.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stand-in that has the name and the summary, for listings."""
        entry = COMMANDS.get(cmd_name)
        return TyperCommand(cmd_name, help=entry.summary) if entry else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real command that the words on the command line name."""
        name, *rest = args
        if name not in COMMANDS and not name.startswith("-"):
            raise UnknownName("command", name, COMMANDS)
        return name, load_command(name), rest


def load_command(name: str) -> Any:
    """The click command of that name."""
    module = import_module(f"advisor.cli.{COMMANDS[name].module}")
    group = getattr(module, "app", None)
    if group is None:
        group = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich", add_completion=False)
        group.command(name)(getattr(module, name))
    command = typer.main.get_command(group)
    command.name = name
    command.context_settings.setdefault("help_option_names", ["-h", "--help"])
    return command


app = typer.Typer(
    name="advisor",
    cls=LazyGroup,
    help="Which GPUs to rent, where and how, to serve language models at the least cost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"advisor {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="No colours; NO_COLOR does the same. May stand anywhere.")
    ] = False,
) -> None:
    """Which GPUs to rent, where and how, to serve language models at the least cost."""


def main() -> None:
    """Run the command line: expected trouble is one line and its exit code, a bug keeps its traceback."""
    if "--no-color" in sys.argv[1:]:
        sys.argv = [word for word in sys.argv if word != "--no-color"]
        os.environ["NO_COLOR"] = "1"
    streams.prepare()
    watch = interrupt.Interrupt()
    try:
        with watch.watched():
            _refuse_unseen(sys.argv[1:])
            app()
            sys.stdout.flush()
    except streams.ReaderLeft:
        raise SystemExit(0) from None
    except Interrupted as stop:
        _say(str(stop))
        raise SystemExit(INTERRUPTED) from None
    except BaseException as error:
        if isinstance(error, SystemExit) and error.code != INTERRUPTED:
            raise  # a command that came to its end
        # Typer makes an exit of Ctrl-C, libraries make errors of their own, with or without a cause.
        if watch.came or interrupt.is_interrupt(error):
            sys.stderr.write(interrupt.WORDS)
            raise SystemExit(INTERRUPTED) from None
        if isinstance(error, AdvisorError):
            _say(str(error))
            raise SystemExit(error.exit_code) from None
        raise


def _refuse_unseen(words: Sequence[str]) -> None:
    """Refuse an option with a character that is not seen; Typer would print it as it is."""
    for word in words:
        if word.startswith("--") and not word.partition("=")[0].isprintable():
            raise UsageError(f"no such option: {word}")


def _say(trouble: str) -> None:
    sys.stderr.write(f"advisor: {printable(trouble)}\n")
