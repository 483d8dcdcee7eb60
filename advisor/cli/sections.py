"""Results of several parts: paragraphs and listings in reading order, for a terminal or as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from advisor.cli.output import Listing, listing_markdown, listing_table, markdown_cell
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A heading and sentences below it."""

    title: str
    lines: tuple[str, ...]
    bulleted: bool = True
    emphasis: bool = False  #: stands out, but not by colour alone


Section = Paragraph | Listing


def renderables(sections: Iterable[Section], width: int) -> list[RenderableType]:
    """The sections for a terminal of that width, a blank line between two."""
    from rich.text import Text

    parts: list[RenderableType] = []
    for section in sections:
        if parts:
            parts.append(Text(""))
        if isinstance(section, Listing):
            parts.append(listing_table(section, width))
        else:
            parts.extend(_paragraph(section))
    return parts


def markdown(sections: Iterable[Section]) -> str:
    """The sections as Markdown."""
    parts = []
    for section in sections:
        if isinstance(section, Listing):
            parts.append(listing_markdown(section))
            continue
        if section.title:
            parts.append(f"### {markdown_cell(section.title)}")
        mark = "- " if section.bulleted else ""
        parts.append("\n".join(mark + markdown_cell(line) for line in section.lines))
    return "\n\n".join(part for part in parts if part)


def _paragraph(paragraph: Paragraph) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    if paragraph.title:
        yield Text(printable(paragraph.title), style="bold")
    for line in paragraph.lines:
        if paragraph.bulleted:
            grid = Table.grid(padding=(0, 1, 0, 0))
            grid.add_row(
                Text("!" if paragraph.emphasis else "·", style="bold" if paragraph.emphasis else ""),
                Text(printable(line)),
            )
            yield grid
        else:
            yield Text(printable(line))
