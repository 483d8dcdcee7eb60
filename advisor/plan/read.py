"""Reading a plan file: a file that is not a plan is refused by file, field, value and what is allowed."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from advisor.documents import decoded, parse, read_bytes, read_stream
from advisor.documents.records import field_path
from advisor.errors import InputFileError, PlanRefused
from advisor.plan.identity import is_edited, without_proof
from advisor.plan.plan import DECIMAL_PATTERN, SCHEMA_VERSION, Plan
from advisor.text import printable
from advisor.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 50 * 2**20
"""No plan comes near this; a larger file is something else."""

MAX_INTEGER: Final = 2**53
"""Beyond it, JSON readers elsewhere no longer keep integers exact (RFC 8259, section 6)."""

DECIMAL_FIELDS: Final = frozenset(
    {
        "usd_per_hour",
        "usd_per_month",
        "usd_per_hour_each",
        "max_usd_per_hour",
        "units",
        "free_units",
        "expected_usd_per_hour",
        "worst_usd_per_hour",
        "fallback_usd_per_hour_each",
        "held_usd_per_hour",
        "best_usd_per_hour",
        "one_off_usd",
        "full_load_usd_per_hour",
        "bill_usd_per_hour",
        "idle_usd_per_hour",
        "usd_per_instance_started",
        "usd_per_instance_stopped",
    }
)
"""Fields that are decimal strings; as JSON numbers they would already have lost digits."""


def read_plan(path: str | Path, *, edited: bool = False) -> Plan:
    """The plan in a file, or on standard input for ``-``, if it is as it was made.

    Args:
        path: where it is.
        edited: go on with one that was edited, without its proof.

    Raises:
        InputFileError: unreadable, too large, not JSON, not a plan, or a field that is not allowed.
        PlanRefused: its content is not what its id was made from.
    """
    plan = stated_plan(path)
    if not is_edited(plan):
        return plan
    if edited:
        return without_proof(plan)
    name = "standard input" if str(path) == "-" else str(path)
    other = plan.advisor_version
    made = "was edited after it was made: proof void. `advisor verify` says what does not hold;"
    if other != __version__:
        made = (
            f"was made by another version, {other}, whose ids {__version__} cannot check: its own command"
            " makes it anew;"
        )
    raise PlanRefused(f"{name}: plan {plan.plan_id} {made} --edited goes on without the proof")


def stated_plan(path: str | Path) -> Plan:
    """The plan as its file states it, whether it is true or not.

    Raises:
        InputFileError: unreadable, too large, not JSON, not a plan, or a field that is not allowed.
    """
    if str(path) == "-":
        name = "standard input"
        return parse_plan(read_stream(sys.stdin.buffer, name, MAX_BYTES, "a plan"), name)
    return parse_plan(read_bytes(Path(path), MAX_BYTES, "a plan file"), str(path))


def parse_plan(content: bytes, name: str) -> Plan:
    """The plan in ``content``; ``name`` is what errors call the file."""
    document = parse(decoded(content, name), name, "json")
    if not isinstance(document, dict):
        raise InputFileError(name, "", document, "expected a JSON object, as `advisor recommend` writes it")
    _refuse_other_kinds(document, name)
    for field, value, allowed in _bad_numbers(document, ""):
        raise InputFileError(name, field, value, allowed)
    try:
        return Plan.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        raise _first_of(error, name) from None


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
    value: object = first["input"]
    allowed = {
        "missing": "the field is missing",
        "extra_forbidden": "no such field in a plan; check the spelling",
    }.get(first["type"], _lower_first(first["msg"]))
    if first["type"] == "missing":
        value = None
    allowed += f" (and {more} more)" if more else ""
    return InputFileError(name, field_path(first["loc"]), value, allowed)


def _lower_first(message: str) -> str:
    return message[:1].lower() + message[1:]
