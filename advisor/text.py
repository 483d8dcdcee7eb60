"""Text that came from outside, made harmless to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str) -> str:
    """One harmless line: control characters, terminal escapes and stray bytes are spelt out."""
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


def no_formula(text: str) -> str:
    """The text as a CSV cell that no spreadsheet runs: what begins like a formula gets an apostrophe."""
    return f"'{text}" if text[:1] in _FORMULA_STARTS else text


def markdown_cell(text: str) -> str:
    """Text that cannot break out of a Markdown table cell."""
    return (
        printable(" ".join(text.split()))
        .replace("\\", "\\\\")
        .replace("|", "\\|")
        .replace("<", "&lt;")
        .replace("`", "\\`")
    )


def markdown_table(headers: Sequence[str], numeric: Sequence[bool], rows: Sequence[Sequence[str]]) -> str:
    """A GitHub-flavoured table."""
    lines = ["| " + " | ".join(markdown_cell(header) for header in headers) + " |"]
    lines.append("| " + " | ".join("---:" if right else "---" for right in numeric) + " |")
    lines.extend("| " + " | ".join(markdown_cell(cell) for cell in row) + " |" for row in rows)
    return "\n".join(lines)
