"""How results leave: one listing or document, dressed as table, JSON, CSV or Markdown, to stdout or a file.

stdout carries the result and nothing else; notes, warnings and progress go to stderr. Width comes from
``COLUMNS`` or the terminal; a pipe without ``COLUMNS`` gets :data:`PIPE_WIDTH`.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from advisor.cli.listing import Col as Col
from advisor.cli.listing import Listing as Listing
from advisor.cli.listing import listing_table as listing_table
from advisor.cli.listing import plain
from advisor.errors import UsageError
from advisor.text import markdown_cell as markdown_cell
from advisor.text import markdown_table as markdown_table
from advisor.text import no_formula, printable, printable_json
from advisor.units import decimal_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPE_WIDTH = 120
_NUMBERS_IN_A_COLUMN = re.compile(r"\[\n\s+-?[0-9][^\[\]\"{}]*\]")  # a string never holds a raw newline


class Format(StrEnum):
    """Dresses a result can wear."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


FormatOption = Annotated[Format, typer.Option("--format", "-f", help="Dress of the result.")]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")]


def console(width: int | None = None, *, stderr: bool = False) -> Console:
    """A console that keeps its promises when piped: no colour codes, a stated width."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    if width is None and not stream.isatty() and not os.environ.get("COLUMNS"):
        width = PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=False, emoji=False, markup=False)


def working(what: str) -> AbstractContextManager[object]:
    """Says on a terminal, while it lasts, what is being worked on; nothing where stderr is piped."""
    screen = console(stderr=True)
    return screen.status(f"{what} …") if screen.is_terminal else nullcontext()


def note(*lines: str) -> None:
    """Words for the person at the terminal, to stderr, each harmless in a line of its own."""
    for line in lines:
        sys.stderr.write(f"{printable(line)}\n")


def write_text(text: str, output: Path | None) -> None:
    """Put a finished text on stdout, or whole into a file (never half of it)."""
    if not text.endswith("\n"):
        text += "\n"
    if output is not None:
        write_file(text.encode("utf-8", "backslashreplace"), output)
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_stdout()
        raise UsageError(f"cannot write standard output: {error.strerror or error}") from error


def drop_stdout() -> None:
    """Nothing more can be written there; without this the interpreter would complain again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_file(content: bytes, output: Path) -> None:
    """Write the whole file or leave what was there; a link is followed, a pipe or device is written to.

    Raises:
        UsageError: the folder is missing, not writable, or full.
    """
    output = output.resolve()
    try:
        if output.exists() and not output.is_file():
            with output.open("wb") as stream:
                stream.write(content)
            return
        handle, temporary = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)
            Path(temporary).replace(output)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror or error}") from error


def write_listing(listing: Listing, form: Format, output: Path | None) -> None:
    """Write a listing in the dress asked for."""
    if form is Format.TABLE:
        show(lambda width: [listing_table(listing, width)], output)
        return
    text = {Format.JSON: listing_json, Format.CSV: listing_csv, Format.MARKDOWN: listing_markdown}[form](
        listing
    )
    write_text(text, output)


def show(render: Callable[[int], Sequence[RenderableType]], output: Path | None) -> None:
    """Show parts rendered for a width: on a terminal as they are, elsewhere as plain text."""
    screen = console()
    if output is None and screen.is_terminal:
        for part in render(screen.width):
            screen.print(part)
        return
    width = PIPE_WIDTH if output is not None else screen.width
    write_text(render_plain(render(width), width), output)


def render_plain(parts: Sequence[RenderableType], width: int = PIPE_WIDTH) -> str:
    """What a terminal of that width would show, without colour codes or trailing blanks."""
    from rich.console import Console

    buffer = io.StringIO()
    screen = Console(file=buffer, width=width, highlight=False, emoji=False, markup=False, color_system=None)
    for part in parts:
        screen.print(part)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def _json_default(value: object) -> object:
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, StrEnum):
        return value.value
    return str(value)


def json_text(value: object) -> str:
    """JSON as people and programs read it; money stays a decimal string, NaN is refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=_json_default)
    return _NUMBERS_IN_A_COLUMN.sub(
        lambda found: " ".join(found[0].split()).replace("[ ", "[").replace(" ]", "]"), printable_json(text)
    )


def listing_json(listing: Listing) -> str:
    """An array of objects, one per record, with every column."""
    return json_text([{c.key: record.get(c.key) for c in listing.columns} for record in listing.records])


def listing_csv(listing: Listing) -> str:
    """CSV with every column; text that a spreadsheet would run as a formula is quoted with an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([c.key for c in listing.columns])
    for record in listing.records:
        writer.writerow([csv_cell(record.get(c.key)) for c in listing.columns])
    return buffer.getvalue()


def csv_cell(value: object) -> str:
    """One cell as text: blank for unknown, never a formula."""
    if value is None:
        return ""
    text = printable(plain(value))
    return no_formula(text) if isinstance(value, str) else text


def _in_one_line(column: Col, record: dict[str, Any]) -> str:
    text = column.text(record.get(column.key))
    return ", ".join(text.split("\n")) if column.stacked else text


def listing_markdown(listing: Listing) -> str:
    """A heading, a table, the footer as a list."""
    table = markdown_table(
        [c.header for c in listing.columns],
        [c.numeric for c in listing.columns],
        [[_in_one_line(c, record) for c in listing.columns] for record in listing.records],
    )
    footer = "\n".join(f"- {markdown_cell(line)}" for line in listing.footer)
    return "\n\n".join(part for part in (f"### {markdown_cell(listing.title)}", table, footer) if part)
