"""Text that came from outside, made harmless to show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

ONE_LINE: Final = r"^[^\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+$"
"""Pattern of a name: no control character, nothing that is not seen or that turns the writing direction."""

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str) -> str:
    """One harmless line: control characters, terminal escapes and stray bytes are spelt out."""
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


def printable_json(text: str) -> str:
    """The same JSON, with every character that a terminal obeys or does not show spelt as an escape."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(mark if mark.isprintable() or mark == "\n" else json.dumps(mark)[1:-1] for mark in text)


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
