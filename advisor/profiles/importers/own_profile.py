"""This package's own profile file (``advisor schema profile``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.errors import InputFileError
from advisor.profiles.importers.reading import (
    CLOSED_LOOP,
    OPEN_LOOP,
    Document,
    ImportedFile,
    ImportedRow,
)
from advisor.profiles.scheduler import SETTINGS, Scheduler

if TYPE_CHECKING:
    from advisor.profiles.profile_file import ProfilePoint

TOOL: Final = "advisor profile"
SOURCE: Final = "this package: advisor schema profile"
MARKS: Final = frozenset({"kind", "points", "model", "accelerator", "tensor_parallel", "precision"})


def recognises(document: Document) -> bool:
    """By its kind."""
    return len(document.records) == 1 and document.records[0].get("kind") == "profile"


def read(document: Document) -> ImportedFile:
    """One load per point."""
    from pydantic import ValidationError

    from advisor.profiles.profile_file import ProfileFile

    try:
        profile = ProfileFile.model_validate(document.records[0])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputFileError(document.name, place, first.get("input"), first["msg"]) from None
    except RecursionError:
        raise InputFileError(document.name, "", "nested too deeply", "a profile file") from None
    common = profile.model_dump(exclude={"schema_version", "kind", "points", *SETTINGS})
    common["scheduler"] = Scheduler(**{name: getattr(profile, name) for name in SETTINGS})
    common["date"] = profile.date.isoformat()
    rows = (_row(point, f"points[{i}]", common) for i, point in enumerate(profile.points))
    return ImportedFile(document.name, TOOL, None, tuple(rows))


def _row(point: ProfilePoint, place: str, common: dict[str, Any]) -> ImportedRow:
    concurrency, rate = point.concurrency, point.offered_requests_per_s
    return ImportedRow(
        place,
        load_mode=CLOSED_LOOP if concurrency is not None else OPEN_LOOP if rate is not None else None,
        input_tokens=point.input_tokens,
        output_tokens=point.output_tokens,
        concurrency=concurrency,
        request_rate_offered=None if concurrency is not None else rate,
        requests_per_s=point.requests_per_s,
        latencies_ms=point.latencies_ms,
        **common,
    )
