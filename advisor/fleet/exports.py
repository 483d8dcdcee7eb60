"""What `advisor export` wrote, read back as the fleet it stands for.

Every file of an export says its purchase lines, each with its id, count and price: in annotations of
Kubernetes objects, in variables of SkyPilot and dstack, in Terraform's output, in AIBrix's ``plan.json``.
Objects of one line repeat it; tasks of one line share its instances out.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from advisor.documents import parse
from advisor.fleet.found import Found, Unread
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PREFIX: Final = "llm-fleet-advisor/"
_BETWEEN: Final = re.compile(r"^---$\n?", re.MULTILINE)
_ID: Final = re.compile(r"([^:/]+):([^:/]+)(?:/([^:/]+))?:(.+):([a-z_]+)")
"""``provider:region/zone:type:market``, the zone being optional."""


def documents_of(text: str, name: str) -> list[object]:
    """Every document of a file that an export wrote: JSON, or YAML between lines of three dashes.

    Raises:
        InputFileError: it is neither.
    """
    if text.lstrip()[:1] in ("{", "["):
        return [parse(text, name, "json")]
    return [parse(part, name, "yaml") for part in _BETWEEN.split(text)]


Said = tuple[str, int, Decimal | None]
"""Offer id, instances, price of one."""


def is_export(documents: Iterable[object]) -> bool:
    """Whether any document says a purchase line of a plan."""
    return any(next(_said(one), None) is not None for one in documents)


def read_export(documents: Iterable[object]) -> Iterator[Found | Unread]:
    """The purchase lines that the documents of one export say.

    Tasks add up; what only repeats the whole line is counted once.
    """
    whole: dict[str, Said] = {}
    parts: dict[str, Said] = {}
    for document in documents:
        for is_part, (line, instances, each) in _said(document):
            if is_part:
                _, before, _ = parts.get(line, (line, 0, None))
                parts[line] = (line, before + instances, each)
            else:
                whole[line] = (line, instances, each)
    for said in (parts | whole).values():
        yield _found(*said)


def _said(document: object) -> Iterator[tuple[bool, Said]]:
    """Every line that a document says, and whether its count is but a part of the line's."""
    if isinstance(document, list):
        for one in document:
            yield from _said(one)
        return
    if not isinstance(document, dict):
        return
    variables = _variables(document)
    if "ADVISOR_LINE" in variables:
        yield from _one(
            variables["ADVISOR_LINE"],
            variables.get("ADVISOR_INSTANCES"),
            variables.get("ADVISOR_USD_PER_HOUR_EACH"),
            is_part=True,
        )
        return
    notes = _at(document, "metadata", "annotations") or document.get("model_info") or {}
    if isinstance(notes, dict) and f"{_PREFIX}line" in notes:
        keys = ("line", "instances", "usd-per-hour-each")
        yield from _one(*(notes.get(f"{_PREFIX}{key}") for key in keys), is_part=False)
        return
    planned = _at(document, "output", "planned", "value", "lines") or _at(document, "lines")
    lines = list(planned.values()) if isinstance(planned, dict) else planned
    for one in lines if isinstance(lines, list) else ():
        if isinstance(one, dict):
            yield from _one(
                one.get("line"), one.get("instances"), one.get("usd_per_hour_each"), is_part=False
            )
    for key, inner in document.items():
        if key.endswith((".json", ".yaml")) or key in ("items", "model_list"):
            yield from _said(inner)


def _variables(document: dict[str, Any]) -> dict[str, Any]:
    """SkyPilot's mapping, or dstack's list of ``NAME=value``."""
    said = document.get("envs") or document.get("env") or {}
    if isinstance(said, list):
        pairs = (one.partition("=") for one in said if isinstance(one, str))
        return {name: value for name, _, value in pairs}
    return said if isinstance(said, dict) else {}


def _at(document: dict[str, Any], *keys: str) -> Any:
    found: Any = document
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _one(line: object, instances: object, each: object, *, is_part: bool) -> Iterator[tuple[bool, Said]]:
    count = str(instances)
    if not isinstance(line, str) or not count.isascii() or not count.isdigit():
        return
    try:
        price = None if each is None else Decimal(str(each))
    except InvalidOperation:
        price = None
    yield is_part, (line, int(count), price)


def _found(line: str, instances: int, each: Decimal | None) -> Found | Unread:
    parts = _ID.fullmatch(line)
    if parts is None:
        return Unread(printable(line), instances, "not the id of an offer")
    provider, region, zone, shape, market = parts.groups()
    return Found(
        what=printable(line),
        provider=provider,
        region=region,
        zone=zone,
        instance_type=shape,
        market=market,
        instances=instances,
        usd_per_hour_each=each,
    )
