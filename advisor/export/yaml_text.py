"""Plain data as block YAML with comments, for people to read. Text from outside cannot leave its scalar.

Text is quoted as JSON quotes it unless it could be nothing but text in YAML 1.1 and 1.2 alike.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_WORDS_OF_YAML: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


@dataclass(frozen=True, slots=True)
class Note:
    """A value with comment lines above it."""

    comments: tuple[str, ...]
    value: Any


@dataclass(frozen=True, slots=True)
class Script:
    """Lines of a shell script, shown as a block."""

    lines: tuple[str, ...]


def documents(heads: Sequence[str], *values: Mapping[str, Any]) -> str:
    """YAML documents under comment lines."""
    body = ["---\n".join("\n".join(_lines(value, 0)) + "\n" for value in values)]
    return "\n".join([*comments(heads), *body])


def comments(lines: Sequence[str], indent: int = 0) -> list[str]:
    """Comment lines."""
    return [f"{' ' * indent}# {printable(line)}".rstrip() for line in lines]


def scalar(value: object) -> str:
    """One scalar as YAML writes it."""
    if isinstance(value, str):
        text = printable(value)
        plain = _PLAIN.fullmatch(text) and text.casefold() not in _WORDS_OF_YAML
        return text if plain else json.dumps(text, ensure_ascii=False)
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value, allow_nan=False)
    raise TypeError(value)


def _lines(value: object, indent: int) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _entry(f"{scalar(key)}:", item, indent, indent + 2)
    elif isinstance(value, list):
        for item in value:
            yield from _entry("-", item, indent, indent + 2)
    else:
        yield f"{' ' * indent}{scalar(value)}"


def _entry(lead: str, item: object, indent: int, deeper: int) -> Iterator[str]:
    """A key or a dash, with what belongs to it."""
    pad = " " * indent
    if isinstance(item, Note):
        yield from comments(item.comments, indent)
        yield from _entry(lead, item.value, indent, deeper)
    elif isinstance(item, Script):
        yield f"{pad}{lead} |"
        yield from (f"{' ' * deeper}{printable(line)}".rstrip() for line in item.lines)
    elif isinstance(item, dict | list) and item:
        inner = list(_lines(item, deeper))
        if lead == "-" and not inner[0].lstrip().startswith("#"):
            inner[0] = f"{pad}- {inner[0].lstrip()}"
            yield from inner
        else:
            yield f"{pad}{lead}"
            yield from inner
    else:
        yield f"{pad}{lead} {'{}' if item == {} else '[]' if item == [] else scalar(item)}"
