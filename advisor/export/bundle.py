"""What an export gives: files, and what was left out of them with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from advisor.documents.yaml_text import Script, yaml_text
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


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


def yaml_file(name: str, heads: Iterable[str], *objects: Mapping[str, Any]) -> File:
    """YAML documents under comment lines, all text in them harmless to show."""
    return File(name, yaml_text(*map(harmless, objects), heads=heads))


def harmless(value: Any) -> Any:
    """Plain data with every text on one printable line; a script line by line."""
    if isinstance(value, Script):
        return Script("\n".join(map(printable, value.split("\n"))))
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): harmless(item) for key, item in value.items()}
    return [harmless(item) for item in value] if isinstance(value, list) else value
