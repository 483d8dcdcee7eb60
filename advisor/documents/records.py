"""A document checked against a record, and the first complaint in terms of the file: path, value, allowed.

What is allowed is said by the field's description, so descriptions say what may stand there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic_core import PydanticCustomError

from advisor.errors import InputFileError
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

Record = TypeVar("Record", bound=BaseModel)


def _refuse_yes_or_no(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("yes_or_no", "a number, not true or false")
    return value


NOT_YES_OR_NO: Final = BeforeValidator(_refuse_yes_or_no)
"""Last in a number's annotation: pydantic takes true for 1."""


def check(model: type[Record], data: object, file: str, within: str = "") -> Record:
    """The document, or the part of it that stands ``within`` (``line 4``), as a record.

    Raises:
        InputFileError: the first field that is wrong, by path, with its value and what is allowed.
    """
    if not isinstance(data, dict):
        raise InputFileError(file, within, data, _mapping(model))
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    place = [part for part in first["loc"] if not (isinstance(part, str) and part.startswith("("))]
    field = ", ".join(filter(None, (within, field_path(place))))
    raise InputFileError(file, field, _value(first), _allowed(model, place, first)) from None


def field_path(place: Sequence[str | int]) -> str:
    """``service.workload.buckets[0].share``."""
    path = ""
    for part in place:
        word = f"[{part}]" if isinstance(part, int) else printable(part)
        path += f".{word}" if path and not isinstance(part, int) else word
    return path


def _value(error: Any) -> object:
    return None if error["type"] == "missing" else error["input"]


def _mapping(model: type[BaseModel]) -> str:
    return f"a mapping with the keys {', '.join(fields_of(model))}"


def fields_of(model: type[BaseModel]) -> tuple[str, ...]:
    """Names of the fields that a file may hold: those not excluded are ours."""
    return tuple(name for name, field in model.model_fields.items() if not field.exclude)


def _allowed(model: type[BaseModel], place: list[str | int], error: Any) -> str:
    """What the field's description says is allowed, else pydantic's own words."""
    owner, description = _described(model, place)
    if error["type"] == "extra_forbidden":
        return f"no such field; known here: {', '.join(fields_of(owner))}"
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
                item = _item_of(annotation)
                record = _record_in(item)
                words = _words_in(item) or (_mapping(record) if record else words)
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
