"""This package's own profile file (``advisor schema profile``)."""

from __future__ import annotations

from typing import Final

from advisor.errors import InputFileError
from advisor.profiles.importers.reading import (
    CLOSED_LOOP,
    OPEN_LOOP,
    Document,
    Load,
    Payload,
    Reading,
    Stated,
    Stats,
)

TOOL: Final = "advisor profile"


def recognises(document: Document) -> bool:
    """By its kind."""
    return len(document.records) == 1 and document.records[0].get("kind") == "profile"


def read(document: Document) -> Reading:
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
    stated = Stated(
        model=profile.model,
        accelerator=profile.accelerator,
        tensor_parallel=profile.tensor_parallel,
        precision=profile.precision,
        engine=profile.engine,
        engine_version=profile.engine_version,
        date=profile.date.isoformat(),
        source=profile.source,
        licence=profile.licence,
        error_pct=profile.error_pct,
        evidence=profile.evidence,
    )
    points = (
        Payload(document.name, point.model_dump(), f"points[{i}]") for i, point in enumerate(profile.points)
    )
    return Reading(document.name, TOOL, None, tuple(_load(point, stated) for point in points))


def _load(point: Payload, stated: Stated) -> Load:
    concurrency, rate = point.positive("concurrency"), point.positive("offered_requests_per_s")
    return Load(
        place=point.at,
        input_tokens=point.positive("input_tokens"),
        output_tokens=point.positive("output_tokens"),
        load_mode=CLOSED_LOOP if concurrency is not None else OPEN_LOOP if rate is not None else None,
        concurrency=concurrency,
        request_rate_offered=None if concurrency is not None else rate,
        requests_per_s=point.positive("requests_per_s"),
        tpot=_stats(point, "tpot"),
        ttft=_stats(point, "ttft"),
        stated=stated,
    )


def _stats(point: Payload, name: str) -> Stats:
    return Stats(*(point.positive(f"{name}_{stat}_ms") for stat in ("mean", "p50", "p90", "p99")))
