"""YAML and JSON files that people hand in: read within bounds, strictly, and complained about by place.

YAML and JSON mean the same here: plain data, no key twice, numbers as YAML 1.2 and JSON write them. Words
for what is no number (``.nan``, ``NaN``) become floats, for the record to refuse by field. A document is
checked against a record in :mod:`advisor.documents.records`. YAML is imported once there is some to read.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from decimal import Decimal
from enum import Enum, auto
from typing import IO, TYPE_CHECKING, Final, Literal

from advisor.errors import InputFileError
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

MAX_BYTES: Final = 2**20
"""Largest document read unless said otherwise: a service file is a few hundred bytes, a bucket about 200."""
MAX_DEPTH: Final = 20
"""Deepest nesting read; ours go six deep."""
DOCUMENT_ENDINGS: Final = (".yaml", ".yml", ".json")
"""File endings read as documents."""

Kind = Literal["yaml", "json"]


class Scalars(Enum):
    """What a scalar of a document becomes."""

    PLAIN = auto()  #: null, true or false, int, float, str
    EXACT = auto()  #: the same, but Decimal for a number with a point or an exponent
    TEXT = auto()  #: text as it is written, all of it; only of YAML


class RepeatedKey(ValueError):
    """A key that is there twice in one object."""

    def __init__(self, key: str, value: object) -> None:
        super().__init__(f"key {key!r} is there twice")
        self.key = key
        self.value = value  #: the second one


def read_document(path: Path, what: str, max_bytes: int = MAX_BYTES) -> object:
    """What a file says, as YAML or, by its ending, as JSON; errors as :func:`read_text` and :func:`parse`."""
    return parse(read_text(path, max_bytes, what), str(path), kind_of(path))


def kind_of(path: Path) -> Kind:
    """How a document is to be read, by its ending."""
    return "json" if path.suffix.casefold() == ".json" else "yaml"


def read_text(path: Path, max_bytes: int, what: str) -> str:
    """The text of a file, without a byte order mark; errors as :func:`read_bytes` and :func:`decoded`."""
    return decoded(read_bytes(path, max_bytes, what), str(path))


def read_bytes(path: Path, max_bytes: int, what: str) -> bytes:
    """The bytes of a file.

    Args:
        what: the file is, with its article, for the message.

    Raises:
        InputFileError: it cannot be read, is no file, or is longer than ``max_bytes``.
    """
    require_file(path)
    try:
        with path.open("rb") as stream:
            return read_stream(stream, str(path), max_bytes, what)
    except OSError as error:
        raise _unreadable(str(path), error) from error


def require_file(path: Path) -> None:
    """Refuse what would block, never end, or is no file at all.

    What a shell hands over (``<(command)``, ``/dev/stdin``) is a pipe somebody writes to: it may be read.

    Raises:
        InputFileError: it is not there, or is a folder, a named pipe, a device or a socket.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise _unreadable(str(path), error) from error
    if not (stat.S_ISREG(mode) or str(path).startswith(_FROM_SHELL)):
        kind = _NOT_FILES.get(stat.S_IFMT(mode), "no file")
        raise InputFileError(str(path), "", kind, "a readable file is needed")


_FROM_SHELL: Final = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
_NOT_FILES: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def read_stream(stream: IO[bytes], name: str, max_bytes: int, what: str) -> bytes:
    """As :func:`read_bytes`, of a file that is open; ``name`` is what errors call it."""
    try:
        content = stream.read(max_bytes + 1)
    except OSError as error:
        raise _unreadable(name, error) from error
    if len(content) > max_bytes:
        size = _file_size(stream)
        found = f"{size:,} bytes" if size > max_bytes else f"over {max_bytes:,} bytes"
        raise InputFileError(name, "", found, f"at most {max_bytes:,} bytes; {what} is far smaller")
    return content


def decoded(content: bytes, name: str) -> str:
    """UTF-8 as text, without a byte order mark.

    Raises:
        InputFileError: it is not UTF-8; says at which byte.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = error.object[error.start : error.start + 1]
        raise InputFileError(name, f"byte {error.start}", bad, "UTF-8 text") from error


def parse(text: str, name: str, kind: Kind, scalars: Scalars = Scalars.PLAIN) -> object:
    """What a text says, as plain data.

    Raises:
        InputFileError: it is malformed, holds a key twice, an alias or a tag, or is too deep; says in which
            line or at which key.
    """
    try:
        if kind == "json":
            return _json(text, name, scalars)
        from advisor.documents.strict_yaml import parse_yaml

        return parse_yaml(text, name, scalars)
    except RecursionError as error:
        raise _too_deep(name) from error
    except ValueError as error:  # an integer of thousands of digits
        allowed = f"integers up to {sys.get_int_max_str_digits()} digits are read"
        raise InputFileError(name, "", "a huge integer", allowed) from error


def unique_keys(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """A JSON object's pairs as a dict.

    Raises:
        RepeatedKey: a key is there twice.
    """
    record = dict(pairs)
    if len(record) != len(pairs):
        seen: set[str] = set()
        for key, value in pairs:
            if key in seen:
                raise RepeatedKey(key, value)
            seen.add(key)
    return record


def exact(number: str) -> Decimal | float:
    """The number as written; infinite where its exponent is beyond what a decimal can hold."""
    try:
        return Decimal(number)
    except ArithmeticError:
        return float(number)


def broken(name: str, kind: Kind, text: str, place: str, line: int, problem: str) -> InputFileError:
    """The complaint about text that is not of its kind, with the line (from 1) where it goes wrong."""
    lines = text.splitlines()
    shown = lines[line - 1].strip() if line <= len(lines) else ""
    return InputFileError(name, place, shown, f"the file must be {kind.upper()}: {problem}")


def _unreadable(name: str, error: Exception) -> InputFileError:
    reason = getattr(error, "strerror", None) or str(error)
    return InputFileError(name, "", reason, "a readable file is needed")


def _json(text: str, name: str, scalars: Scalars) -> object:
    if scalars is Scalars.TEXT:
        raise NotImplementedError("JSON says which of its scalars are text")
    number = exact if scalars is Scalars.EXACT else float
    try:
        found: object = json.loads(text, object_pairs_hook=unique_keys, parse_float=number)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise broken(name, "json", text, place, error.lineno, error.msg) from error
    except RepeatedKey as error:
        key = printable(error.key)
        raise InputFileError(name, key, error.value, f"{error}, once is allowed") from error
    if _deeper(found, MAX_DEPTH):
        raise _too_deep(name)
    return found


def _deeper(value: object, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [item for one in level for item in _items(one)]
    return bool(level)


def _items(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _too_deep(name: str) -> InputFileError:
    return InputFileError(name, "", "nested too deeply", f"values nested up to {MAX_DEPTH} levels are read")


def _file_size(stream: IO[bytes]) -> int:
    """0 where it is not told, as of a pipe."""
    try:
        return os.fstat(stream.fileno()).st_size
    except OSError:  # io.UnsupportedOperation is one
        return 0
