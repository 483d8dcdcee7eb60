"""One listing: records of one kind, and how they lie in a table of a given width.

Nothing of ours is ever cut, and no identifier is broken over lines: a listing too wide for its place first
lets free text wrap between words, then drops its less important columns and says which, then moves the
text that still does not fit below its row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from advisor.text import printable
from advisor.units import decimal_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

_BETWEEN: Final = 2  # blanks between columns
_INDENT: Final = 4  # of a cell below its row
_WRAPPED: Final = 24  # free text is readable from this width on


def plain(value: object) -> str:
    """A value as text; a dash where it is not known, commas between several."""
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, Decimal):
        return decimal_text(value)
    return str(value)


@dataclass(frozen=True, slots=True)
class Col:
    """One column of a listing."""

    key: str  #: name in JSON and CSV, unit included
    header: str  #: words over the column, unit included
    numeric: bool = False  #: right-aligned
    text: Callable[[Any], str] = plain  #: how a cell reads in a table or Markdown
    importance: int = 1  #: 1 always stays; higher numbers are dropped first when the place is narrow
    stacked: bool = False  #: cells are lines of our own making, one below the other
    wrap: bool = False  #: free text that may break between words instead of forcing width


@dataclass(frozen=True, slots=True)
class Listing:
    """Records of one kind, with how they read."""

    title: str
    columns: tuple[Col, ...]
    records: Sequence[dict[str, Any]]
    footer: tuple[str, ...] = ()
    empty: str = "nothing to show"


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which columns stand where, for one width."""

    widths: dict[str, int]  #: of the columns in the table, in order
    below: tuple[Col, ...]  #: below each row, over the whole width
    hidden: tuple[Col, ...]


def listing_table(listing: Listing, width: int) -> RenderableType:
    """The listing for a terminal of that width."""
    from rich.console import Group
    from rich.text import Text

    title = [_prose(printable(listing.title), "bold", width)] if listing.title else []
    if not listing.records:
        return Group(
            *title,
            Text(_lines(listing.empty)),
            *(_prose(_lines(line), "dim", width) for line in listing.footer),
        )
    layout = _layout(listing, width)
    footer = list(listing.footer)
    if layout.hidden:
        footer.append(f"Hidden at {width} columns: {', '.join(column.header for column in layout.hidden)}.")
    return Group(*title, *_body(listing, layout), *_notes(footer, width))


def _notes(lines: Iterable[str], width: int) -> Iterator[Text]:
    return (_prose(_lines(line), "dim", width) for line in lines)


def _prose(text: str, style: str, width: int) -> Text:
    """Words around a table; an id longer than the place breaks between its parts, never within one."""
    from rich.text import Text

    for word in text.split():
        if len(word) > width:
            text = text.replace(word, "\n".join(_parts(word, width)))
    return Text(text, style=style)


def _parts(word: str, width: int) -> Iterator[str]:
    line = ""
    for part in re.split(r"(?<=[:/@])", word):
        if line and len(line) + len(part) > width:
            yield line
            line = ""
        line += part
    yield line


def _body(listing: Listing, layout: _Layout) -> Iterator[RenderableType]:
    """One table, or one per row where something stands below each."""
    from rich.padding import Padding
    from rich.text import Text

    columns = [column for column in listing.columns if column.key in layout.widths]
    if not layout.below:
        yield _table(columns, layout, listing.records, header=True)
        return
    yield _table(columns, layout, (), header=True)
    heads = ", ".join(column.header for column in layout.below)
    yield Padding(Text(heads, style="bold"), (0, 0, 0, _INDENT))
    for record in listing.records:
        yield _table(columns, layout, [record], header=False)
        for column in layout.below:
            yield Padding(Text(_cell(column, record)), (0, 0, 0, _INDENT))


def _table(
    columns: Sequence[Col], layout: _Layout, records: Sequence[dict[str, Any]], *, header: bool
) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, _BETWEEN, 0, 0),
        header_style="bold",
        show_header=header,
    )
    for column in columns:
        table.add_column(
            Text(column.header),
            justify="right" if column.numeric else "left",
            width=layout.widths[column.key],
            overflow="fold",
        )
    for record in records:
        table.add_row(*(Text(_cell(column, record)) for column in columns))
    return table


def _cell(column: Col, record: dict[str, Any]) -> str:
    """How a cell reads in a terminal; only a layout of ours (a stacked cell) may hold a line break."""
    value = record.get(column.key)
    return _lines(column.text(value)) if column.stacked else printable(column.text(value))


def _lines(text: str) -> str:
    """Text with its own line breaks and nothing else that a terminal would obey."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _layout(listing: Listing, width: int) -> _Layout:
    """Columns that fit, those below each row, and those dropped."""
    whole = {column.key: _longest(listing, column, "\n") for column in listing.columns}
    least = {
        column.key: min(whole[column.key], max(_WRAPPED, _longest(listing, column, None)))
        if column.wrap
        else whole[column.key]
        for column in listing.columns
    }
    below = _too_long(listing.columns, least, width)
    kept, hidden = [column for column in listing.columns if column not in below], []
    while (spare := width - _needed(kept, least)) < 0:
        droppable = [column for column in kept if column.importance > 1]
        if not droppable:
            widest = max(kept, key=lambda c: (not c.numeric, least[c.key]))
            least[widest.key] = max(1, least[widest.key] + spare)
            break
        hidden.append(max(droppable, key=lambda c: c.importance))
        kept.remove(hidden[-1])
    return _Layout(_spread(kept, least, whole, width), tuple(below), tuple(hidden))


def _too_long(columns: Sequence[Col], least: dict[str, int], width: int) -> list[Col]:
    """Text that has no place beside the columns that must stay, however many others are dropped."""
    staying = [column for column in columns if column.importance == 1]
    below = []
    while len(staying) > 1 and _needed(staying, least) > width:
        texts = [c for c in staying if (c.wrap or c.stacked) and least[c.key] > _WRAPPED]
        if not texts:
            break
        below.append(max(texts, key=lambda c: least[c.key]))
        staying.remove(below[-1])
    return below


def _longest(listing: Listing, column: Col, apart: str | None) -> int:
    """The longest line (apart by line breaks) or word (apart by blanks) of a column, its header included."""
    texts = (column.header, *(_cell(column, record) for record in listing.records))
    return max(len(piece) for text in texts for piece in text.split(apart) or [""])


def _needed(columns: Sequence[Col], widths: dict[str, int]) -> int:
    return sum(widths[column.key] + _BETWEEN for column in columns) - _BETWEEN


def _spread(kept: Sequence[Col], least: dict[str, int], whole: dict[str, int], width: int) -> dict[str, int]:
    """Widths of the columns; what is left over goes to free text, in equal parts, as far as it needs it."""
    widths = {column.key: least[column.key] for column in kept}
    spare = width - _needed(kept, widths)
    waiting = sorted((c for c in kept if c.wrap), key=lambda c: whole[c.key] - least[c.key])
    for index, column in enumerate(waiting):
        more = min(whole[column.key] - widths[column.key], max(0, spare) // (len(waiting) - index))
        widths[column.key] += more
        spare -= more
    return widths
