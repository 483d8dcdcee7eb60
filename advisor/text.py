"""Text that came from outside, made harmless to show."""

from __future__ import annotations


def printable(text: str) -> str:
    """One harmless line: control characters, terminal escapes and stray bytes are spelt out."""
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)
