"""What an export gives: files, and what was left out of them with the reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class File:
    """One file of an export."""

    name: str  #: relative to the folder it is written to
    text: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A purchase line the target cannot hold."""

    line: str  #: offer id
    why: str  #: a sentence without its full stop


@dataclass(frozen=True, slots=True)
class Bundle:
    """The export of one plan to one target."""

    files: tuple[File, ...]
    left_out: tuple[LeftOut, ...]
    fill_in: tuple[str, ...] = ()  #: what only the user knows, in words
