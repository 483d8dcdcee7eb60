"""The `advisor` command: registers one thin function per command and maps errors to exit codes."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from advisor.cli import catalog, offers, profile, recommend, schema, solve, verify, workload
from advisor.errors import AdvisorError
from advisor.version import __version__

INTERRUPTED = 130  # 128 + SIGINT, as shells report it

app = typer.Typer(
    name="advisor",
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
    """Options of every command."""


app.command("recommend")(recommend.recommend)
app.command("offers")(offers.offers)
app.command("solve")(solve.solve)
app.command("verify")(verify.verify)
app.command("schema")(schema.schema)
app.add_typer(catalog.app, name="catalog")
app.add_typer(profile.app, name="profile")
app.add_typer(workload.app, name="workload")


def main() -> None:
    """Run the command line: expected trouble is one line and its exit code, a bug keeps its traceback."""
    if "--no-color" in sys.argv[1:]:
        sys.argv = [word for word in sys.argv if word != "--no-color"]
        os.environ["NO_COLOR"] = "1"
    try:
        app()
    except AdvisorError as error:
        sys.stderr.write(f"advisor: {error}\n")
        raise SystemExit(error.exit_code) from None
    except BrokenPipeError:
        # The reader (head, less) left: not our failure, and nothing more to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except KeyboardInterrupt:
        sys.stderr.write("advisor: interrupted, nothing was written\n")
        raise SystemExit(INTERRUPTED) from None
