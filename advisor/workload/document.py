"""Small YAML and JSON files that people hand in: read safely, checked strictly, complained about by field."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from advisor.errors import InputFileError
from advisor.workload.trace import unique_keys

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 2**20
"""Largest document read: a service file is a few hundred bytes, one bucket of a workload about 200."""
MAX_DEPTH: Final = 20
"""Deepest nesting read; ours go five deep."""
DOCUMENT_ENDINGS: Final = (".yaml", ".yml", ".json")
"""File endings read as documents."""

Record = TypeVar("Record", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """Plain data only: YAML 1.2 scalars, no aliases (so no bombs), no tags, no key twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (as PyYAML has it)
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not read", problem_mark=self._mark())
        if getattr(self.peek_event(), "tag", None) is not None:  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="tags (!name) are not read", problem_mark=self._mark())
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(
                problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=self._mark()
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _mark(self) -> yaml.Mark:
        return cast("yaml.Mark", self.peek_event().start_mark)  # type: ignore[no-untyped-call]

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(
                    problem=f"key {key!r} is not a word", problem_mark=key_node.start_mark
                )
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"key {key!r} is there twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


# The scalars of YAML 1.2's core schema: `no` is a word, 010 and 1:30 are no hidden numbers, 1e3 is 1000.
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.inf|\.Inf)|\.nan|\.NaN",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})\\Z"), _first)


def read_document(path: Path) -> object:
    """What a YAML or JSON file says, as plain data.

    Raises:
        InputFileError: unreadable, over ``MAX_BYTES``, not UTF-8, malformed, a key twice, an alias, too deep.
    """
    text = _text(path)
    try:
        if path.suffix.casefold() == ".json":
            return json.loads(text, object_pairs_hook=unique_keys, parse_constant=_no_constant)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (_Loader is a SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        allowed = f"well-formed YAML is: {error.problem}"
        raise InputFileError(str(path), f"line {line}", _line(text, line), allowed) from error
    except json.JSONDecodeError as error:
        allowed = f"well-formed JSON is: {error.msg}"
        raise InputFileError(str(path), f"line {error.lineno}", _line(text, error.lineno), allowed) from error
    except (yaml.YAMLError, ValueError) as error:
        raise InputFileError(str(path), "", str(error), "well-formed YAML or JSON") from error
    except RecursionError as error:
        raise InputFileError(str(path), "", "nested too deeply", f"at most {MAX_DEPTH} levels") from error


def check(model: type[Record], data: object, file: str) -> Record:
    """The document as a record.

    Raises:
        InputFileError: the first field that is wrong, by path, with its value and what is allowed.
    """
    if not isinstance(data, dict):
        raise InputFileError(file, "", data, f"a mapping with the keys {', '.join(model.model_fields)}")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    place = [part for part in first["loc"] if not (isinstance(part, str) and part.startswith("("))]
    raise InputFileError(file, field_path(place), _value(first), _allowed(model, place, first)) from None


def field_path(place: list[str | int]) -> str:
    """``service.workload.buckets[0].share``."""
    path = ""
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputFileError(
                str(path), "", f"{path.stat().st_size:,} bytes", f"at most {MAX_BYTES:,} bytes"
            )
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputFileError(
            str(path), "", error.strerror or str(error), "a readable file is needed"
        ) from error
    if len(content) > MAX_BYTES:
        raise InputFileError(str(path), "", f"over {MAX_BYTES:,} bytes", f"at most {MAX_BYTES:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputFileError(str(path), "", content[error.start : error.end], "UTF-8 text") from error


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number - 1].strip() if number <= len(lines) else ""


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")


def _value(error: Any) -> object:
    return "nothing" if error["type"] == "missing" else error["input"]


def _allowed(model: type[BaseModel], place: list[str | int], error: Any) -> str:
    """What the field's description says is allowed, else pydantic's own words."""
    owner, description = _described(model, place)
    if error["type"] == "extra_forbidden":
        return f"no such field; known here: {', '.join(owner.model_fields)}"
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "value_error":
        return message
    words = description or message
    return f"it is required: {words}" if error["type"] == "missing" else words


def _described(model: type[BaseModel], place: list[str | int]) -> tuple[type[BaseModel], str | None]:
    """The innermost record on the way to the field, and what the field (or list item) may hold."""
    owner, words = model, None
    annotation: Any = None
    for index, part in enumerate(place):
        if isinstance(part, int):
            if index == len(place) - 1:
                words = _words_in(_item_of(annotation)) or words
            continue
        found = owner.model_fields.get(part)
        if found is None:
            return owner, None
        annotation = found.annotation
        words = found.description or _words_in(annotation)
        if index < len(place) - 1:
            owner = _record_in(annotation) or owner
    return owner, words


def _words_in(annotation: Any) -> str | None:
    """The outermost description inside ``X | None`` or an annotated type."""
    for extra in getattr(annotation, "__metadata__", ()):
        description = getattr(extra, "description", None)
        if isinstance(description, str):
            return description
    if get_origin(annotation) is list:
        return None
    return next(filter(None, (_words_in(inner) for inner in getattr(annotation, "__args__", ()))), None)


def _item_of(annotation: Any) -> Any:
    """``X`` inside ``list[X]``, however wrapped; None if there is no list."""
    if get_origin(annotation) is list:
        return get_args(annotation)[0]
    return next(filter(None, (_item_of(inner) for inner in getattr(annotation, "__args__", ()))), None)


def _record_in(annotation: Any) -> type[BaseModel] | None:
    """The record inside ``X``, ``X | None``, ``list[X]`` or an annotated union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _record_in(inner)
        if found is not None:
            return found
    return None
