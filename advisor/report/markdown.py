"""The report as Markdown, for a repository or a ticket."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from advisor.report.blocks import Facts, Figure, Quotation, Sentences, Table
from advisor.report.spell import UNKNOWN, spell, spell_rows
from advisor.text import markdown_cell, markdown_table, printable

if TYPE_CHECKING:
    from advisor.report.blocks import Block, Fact, Report

_LINKS: Final = re.compile(r"([\[\]])")
_LEADING: Final = re.compile(r"^([#>+=~*_-]|\d+[.)])")
_FENCE: Final = re.compile(r"`+")


def markdown(report: Report) -> str:
    """Every section below the other; what came from outside stays text."""
    parts = [f"# {_line(report.title)}"]
    for section in report.sections:
        parts.append(f"## {_line(section.title)}")
        if section.absent:
            parts.append(f"*{_line(section.absent)}*")
        parts.extend(_block(block) for block in section.blocks)
    return "\n\n".join(parts) + "\n"


def _line(text: str) -> str:
    """One line that starts no list, heading or quotation, and links nowhere."""
    cell = _LINKS.sub(r"\\\1", markdown_cell(text))
    return _LEADING.sub(r"\\\1", cell) if not cell[:1].isdigit() else _numbered(cell)


def _numbered(cell: str) -> str:
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", cell)


def _block(block: Block) -> str:
    if isinstance(block, Facts):
        return "\n".join(f"- **{_line(fact.label)}**: {_value(fact)}" for fact in block.facts)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Figure):
        return f"{_line(block.description)}\n\n{_table(block.table)}"
    if isinstance(block, Sentences):
        head = "**Read before you buy**\n\n" if block.emphasis else ""
        return head + "\n".join(f"- {_line(line)}" for line in block.lines)
    if isinstance(block, Quotation):
        return _fenced(block.text)
    return markdown_table(
        ("Role", "Name", "Date", "Signature"), (False,) * 4, [(role, "", "", "") for role in block.roles]
    )


def _value(fact: Fact) -> str:
    return "not known" if fact.value is None else _line(spell(fact.value, fact.kind))


def _table(table: Table) -> str:
    body = markdown_table(
        [column.header for column in table.columns],
        [column.kind.numeric for column in table.columns],
        spell_rows(table),
    )
    return f"**{_line(table.caption)}**\n\n{_LINKS.sub(_escaped_link, body)}"


def _escaped_link(found: re.Match[str]) -> str:
    return f"\\{found[1]}"


def _fenced(text: str) -> str:
    lines = "\n".join(printable(line) for line in text.split("\n")) or UNKNOWN
    longest = max((len(run) for run in _FENCE.findall(lines)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{lines}\n{fence}"
