"""Reading a plan file: a file that is not a plan is refused by file, field, value and what is allowed."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from advisor.errors import InputFileError
from advisor.plan.plan import DECIMAL_PATTERN, SCHEMA_VERSION, Plan
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 50 * 2**20
"""No plan comes near this; a larger file is something else."""

MAX_INTEGER: Final = 2**53
"""Beyond it, JSON readers elsewhere no longer keep integers exact (RFC 8259, section 6)."""

DECIMAL_FIELDS: Final = frozenset(
    {"usd_per_hour", "usd_per_month", "usd_per_hour_each", "max_usd_per_hour", "units", "free_units"}
)
"""Fields that are decimal strings; as JSON numbers they would already have lost digits."""


def read_plan(path: str | Path) -> Plan:
    """The plan in a file, or on standard input for ``-``.

    Raises:
        InputFileError: unreadable, too large, not JSON, not a plan, or a field that is not allowed.
    """
    name = "standard input" if str(path) == "-" else str(path)
    return parse_plan(_content(path, name), name)


def parse_plan(content: bytes, name: str) -> Plan:
    """The plan in ``content``; ``name`` is what errors call the file."""
    document = _document(_text(content, name), name)
    if not isinstance(document, dict):
        raise InputFileError(name, "", document, "expected a JSON object, as `advisor recommend` writes it")
    _refuse_other_kinds(document, name)
    for field, value, allowed in _bad_numbers(document, ""):
        raise InputFileError(name, field, value, allowed)
    try:
        return Plan.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        raise _first_of(error, name) from None


def _content(path: str | Path, name: str) -> bytes:
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(path).open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise InputFileError(name, "", str(path), f"expected a readable plan file ({reason})") from error
    if len(content) > MAX_BYTES:
        raise InputFileError(name, "", f"over {MAX_BYTES // 2**20} MiB", "a plan file is far smaller")
    return content


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = content[error.start : error.start + 1]
        raise InputFileError(name, f"byte {error.start}", bad, "expected UTF-8 text") from error


def _document(text: str, name: str) -> Any:
    def no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise InputFileError(
                    name, printable(key), value, "a field may stand once, this one stands twice"
                )
            found[key] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=no_repeats)
    except json.JSONDecodeError as error:
        lines = text.splitlines() or [""]
        line = lines[min(error.lineno, len(lines)) - 1].strip()
        where = f"line {error.lineno}, column {error.colno}"
        raise InputFileError(name, where, line, f"expected JSON ({error.msg})") from error
    except RecursionError:
        raise InputFileError(name, "", text[:40], "nested far deeper than a plan is") from None
    except ValueError as error:  # an integer of thousands of digits
        raise InputFileError(name, "", "a huge integer", f"expected integers up to {MAX_INTEGER}") from error


def _refuse_other_kinds(document: dict[str, Any], name: str) -> None:
    kind = document.get("kind")
    if kind != "plan":
        raise InputFileError(name, "kind", kind, "expected 'plan': is this the file recommend wrote?")
    version = document.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise InputFileError(name, "schema_version", version, f"this advisor reads version {SCHEMA_VERSION}")


def _bad_numbers(value: Any, field: str) -> Iterator[tuple[str, object, str]]:
    """(field, value, what is allowed) of numbers no plan holds, in file order."""
    if isinstance(value, dict):
        for key, item in value.items():
            at = f"{field}.{printable(key)}" if field else printable(key)
            if key in DECIMAL_FIELDS and item is not None and not _is_decimal_string(item):
                yield at, item, 'expected a decimal string such as "12.34": digits, no sign, no exponent'
            yield from _bad_numbers(item, at)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _bad_numbers(item, f"{field}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield field, value, "expected a finite number"
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_INTEGER:
        yield field, value, f"expected an integer up to {MAX_INTEGER}"


def _is_decimal_string(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(DECIMAL_PATTERN, value) is not None


def _first_of(error: ValidationError, name: str) -> InputFileError:
    problems = error.errors(include_url=False)
    first, more = problems[0], len(problems) - 1
    field = "".join(
        f"[{part}]" if isinstance(part, int) else f".{printable(part)}" for part in first["loc"]
    ).lstrip(".")
    value: object = first["input"]
    allowed = {
        "missing": "the field is missing",
        "extra_forbidden": "no such field in a plan; check the spelling",
    }.get(first["type"], _lower_first(first["msg"]))
    if first["type"] == "missing":
        value = None
    return InputFileError(name, field, value, allowed + (f" (and {more} more)" if more else ""))


def _lower_first(message: str) -> str:
    return message[:1].lower() + message[1:]
