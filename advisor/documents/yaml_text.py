"""Plain data as YAML for people: block style, keys in the order given. Text from outside stays in its scalar.

Text is quoted unless it could be nothing but text in YAML 1.1 and 1.2 alike.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_WORDS_OF_YAML: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


class OneLine(dict[str, Any]):
    """A mapping written on one line."""


class Script(str):
    """Lines of a shell script, shown as a block."""

    __slots__ = ()


def yaml_text(*documents: Mapping[str, Any], heads: Iterable[str] = ()) -> str:
    """YAML documents under comment lines."""
    import yaml

    comments = "".join(f"# {printable(line)}".rstrip() + "\n" for line in heads)
    options: dict[str, Any] = {"Dumper": _dumper(), "sort_keys": False, "width": float("inf")}
    text: str = yaml.dump_all(documents, allow_unicode=True, **options)
    if not text.replace("\n", "").isprintable():
        text = yaml.dump_all(documents, **options)
    return comments + text


@cache
def _dumper() -> Any:
    """PyYAML's, which is imported once there is some to write."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

    def word(dumper: Any, text: str) -> yaml.Node:
        plain = _PLAIN.fullmatch(text) and text.casefold() not in _WORDS_OF_YAML
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')  # type: ignore[no-any-return]

    Dumper.add_representer(str, word)
    Dumper.add_representer(
        Script, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
    )
    Dumper.add_representer(
        OneLine, lambda dumper, row: dumper.represent_mapping("tag:yaml.org,2002:map", row, flow_style=True)
    )
    return Dumper
