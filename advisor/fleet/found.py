"""What an importer saw, before it is known whether the catalog has it: one record per thing that runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Found:
    """Instances that a tool says are running. None is: the tool does not say."""

    what: str  #: the tool's own name of it
    provider: str | None
    region: str | None
    zone: str | None
    instance_type: str | None
    market: str | None  #: ``on_demand``, ``spot``, or another word the source has for it
    instances: int
    usd_per_hour_each: Decimal | None = None
    accelerators: int | None = None  #: per instance, as the tool counts them
    unnamed_zone: str | None = None  #: a zone name whose id the source does not give
    notes: tuple[str, ...] = ()  #: sentences on how it was read


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that may run, and why it cannot be counted."""

    what: str
    instances: int | None
    why: str


ON_DEMAND: Final = "on_demand"
SPOT: Final = "spot"


def text_of(record: Any, key: str) -> str | None:
    """The text under a key; None where there is none, or a blank one."""
    value = record.get(key) if isinstance(record, dict) else None
    return value.strip() or None if isinstance(value, str) else None


def count_of(record: Any, key: str) -> int | None:
    """The whole number under a key, also where it is written as text; None where there is none."""
    value = record.get(key) if isinstance(record, dict) else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else None


def items_of(record: Any, key: str) -> list[dict[str, Any]]:
    """The objects of the list under a key; a single object stands for a list of one."""
    value = record.get(key) if isinstance(record, dict) else None
    values = [value] if isinstance(value, dict) else value
    return [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []


def first_of(record: Any, key: str) -> dict[str, Any]:
    """The first of :func:`items_of`, else an empty object."""
    return next(iter(items_of(record, key)), {})


def last_segment(url: str | None) -> str | None:
    """The name at the end of a link, without its unique id."""
    return url.partition("?")[0].rpartition("/")[2] or None if url else None


def gcp_shape(machine_type: str | None, accelerator: str | None, count: int | None) -> str | None:
    """The catalog's name of a machine with attached GPUs: ``n1-standard-8+1xt4``.

    Families whose name says the GPU (``g2-standard-4``) are named by it alone.
    """
    if machine_type is None or not machine_type.startswith("n1-") or not accelerator or not count:
        return machine_type
    chip = accelerator.rpartition("/")[2].casefold().removeprefix("nvidia-").removeprefix("tesla-")
    return f"{machine_type}+{count}x{chip}"
