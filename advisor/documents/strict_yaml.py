"""YAML as plain data: the scalars of YAML 1.2, no aliases (so no bombs), no tags, no key twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

import yaml

from advisor.documents import MAX_DEPTH, Scalars, broken, exact
from advisor.errors import InputFileError

if TYPE_CHECKING:
    from decimal import Decimal


def parse_yaml(text: str, name: str, scalars: Scalars) -> object:
    """As :func:`advisor.documents.parse`.

    Raises:
        InputFileError: it is malformed, holds a key twice, an alias or a tag, or is too deep.
    """
    try:
        return yaml.load(text, Loader=_LOADERS[scalars])  # noqa: S506 (all of them are SafeLoaders)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise broken(name, "yaml", text, f"line {line}", line, error.problem or "malformed") from error
    except yaml.YAMLError as error:  # a character YAML does not know
        raise InputFileError(name, "", str(error), "the file must be YAML") from error


class _TextLoader(yaml.SafeLoader):
    """Every scalar is the text as written."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (as PyYAML has it)
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise _refused("aliases (*name) are not read", self._mark())
        if getattr(self.peek_event(), "tag", None) is not None:  # type: ignore[no-untyped-call]
            raise _refused("tags (!name) are not read", self._mark())
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _refused(f"nested deeper than {MAX_DEPTH} levels", self._mark())
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _refused(f"key {key!r} is not a word", key_node.start_mark)
            if key in seen:
                raise _refused(f"key {key!r} is there twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def _mark(self) -> yaml.Mark:
        return cast("yaml.Mark", self.peek_event().start_mark)  # type: ignore[no-untyped-call]


class _PlainLoader(_TextLoader):
    """Null, true and false, numbers and text."""


class _ExactLoader(_PlainLoader):
    """Numbers with a point or an exponent as Decimal."""

    def exact_float(self, node: yaml.ScalarNode) -> Decimal | float:
        word = str(node.value)
        return exact(word) if any(map(str.isdigit, word)) else self.construct_yaml_float(node)


def _refused(problem: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


# The core schema of YAML 1.2: `no` is a word, 010 and 1:30 are no hidden numbers, 1e3 is 1000.
_NUMBER: Final = list("-+.0123456789")
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", _NUMBER),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+", _NUMBER),
    ("float", r"[-+]?(?:\.inf|\.Inf)|\.nan|\.NaN", _NUMBER),
):
    _PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})\\Z"), _first)
_ExactLoader.add_constructor("tag:yaml.org,2002:float", _ExactLoader.exact_float)

_LOADERS: Final = {Scalars.PLAIN: _PlainLoader, Scalars.EXACT: _ExactLoader, Scalars.TEXT: _TextLoader}
