"""A vendor's own item as bytes that are the same wherever and whenever they are made."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


def canonical_bytes(item: object) -> bytes:
    """The vendor's item as ASCII JSON with sorted keys and its numbers as received: same item, same bytes."""
    text = _canonical_at_once(item)
    return (_canonical(item) if text is None else text).encode("ascii")


_DECIMAL_MARK: Final = re.compile(r'"\\u0000D([^"\\]*)\\u0000"')


def _canonical_at_once(item: object) -> str | None:
    """As :func:`_canonical`, by the encoder written in C; None where that would write something else.

    It knows no Decimal: each goes in as a marked text, and the marks come off afterwards.
    """
    marked = 0

    def mark(value: object) -> str:
        nonlocal marked
        if not isinstance(value, Decimal):
            raise TypeError
        if not value.is_finite():
            return str(value)
        marked += 1
        return f"\x00D{value}\x00"

    try:
        if not _only_text_keys(item):
            return None
        text = json.dumps(
            item,
            sort_keys=True,
            separators=(",", ":"),
            allow_nan=False,
            check_circular=False,
            default=mark,
        )
    except (TypeError, ValueError):
        return None
    if not marked and "\\u0000D" not in text:
        return text
    unmarked, found = _DECIMAL_MARK.subn(r"\1", text)
    return unmarked if found == marked else None  # a vendor's own text looks like a mark


def _only_text_keys(item: object) -> bool:
    values: Iterable[object]
    if isinstance(item, dict):
        for key in item:
            if key.__class__ is not str:
                return False
        values = item.values()
    elif isinstance(item, list | tuple):
        values = item
    else:
        return True
    for value in values:  # most are text; no call for those: this is half of the time
        if value.__class__ is not str and isinstance(value, _NESTS) and not _only_text_keys(value):
            return False
    return True


_NESTS: Final = (dict, list, tuple)


def _canonical(item: object) -> str:
    if isinstance(item, dict):
        inner = ",".join(f"{json.dumps(str(key))}:{_canonical(item[key])}" for key in sorted(item, key=str))
        return f"{{{inner}}}"
    if isinstance(item, list | tuple):
        return f"[{','.join(_canonical(element) for element in item)}]"
    if isinstance(item, float) and not isfinite(item):
        return json.dumps(str(item))  # JSON has no such number; a vendor's NaN is kept as the text "NaN"
    if isinstance(item, Decimal):
        return str(item) if item.is_finite() else json.dumps(str(item))
    return json.dumps(item)
