"""A replay as a JSON document: the same replay gives the same bytes."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from advisor.simulate.basis import basis
from advisor.simulate.bottleneck import MEANINGS
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.simulate.aftermath import Aftermath
    from advisor.simulate.attainment import Attained, Slice
    from advisor.simulate.headroom import Headroom
    from advisor.simulate.replaying import Replay

_DIGITS = 6


def document(replay: Replay, headroom: Headroom | None = None) -> dict[str, Any]:
    """Everything a replay found, latencies in milliseconds, attainment in percent."""
    cut, overall = replay.breakdown, replay.breakdown.overall
    options = replay.options
    found = basis(replay.fleet)
    found_all: dict[str, Any] = _rounded(
        {
            "kind": "replay",
            "plan_id": replay.plan_id,
            "verdict": "pass" if replay.passes else "fail",
            "attain_percent": options.attain_percent,
            "misses_by_percent": replay.misses_by_percent,
            "certain": replay.certain,
            "requests": replay.requests,
            "completed": replay.completed,
            "duration_s": replay.duration_s,
            "rate_requests_per_s": replay.rate_requests_per_s,
            "arrivals": list(replay.arrivals),
            "seed": options.seed,
            "start_up_s": options.start_up_s,
            "attainment": {
                "overall": _attained(overall.attained),
                "per_service": _slices(cut.per_service),
                "per_bucket": _slices(cut.per_bucket),
                "per_region": _slices(cut.per_region),
                "per_accelerator": _slices(cut.per_accelerator),
            },
            "limits": [asdict(limit) for limit in replay.limits],
            **_latencies(overall),
            "histograms_ms": {name: asdict(part) for name, part in replay.histograms.items()},
            "utilisation": {
                "busy": replay.busy,
                "planned": _planned(replay),
                "over_time": {name: list(values) for name, values in asdict(replay.timeline).items()},
            },
            "queue": asdict(replay.queue),
            "preempted": replay.preempted,
            "bottleneck": {**asdict(replay.bottleneck), "meaning": MEANINGS[replay.bottleneck.what]},
            "routing": {
                "knowledge": options.knowledge.value,
                "length_error_percent": options.length_error_percent,
                "by_length": replay.routes_by_length,
                "ideal_knowledge": None if replay.ideal is None else _attained(replay.ideal),
                "unplanned_requests": replay.unplanned,
            },
            "lost": None if replay.aftermath is None else _aftermath(replay.aftermath),
            "headroom_needed": None if headroom is None else headroom.headroom,
            "headroom_search": None if headroom is None else asdict(headroom),
            "evidence": {
                "shares": {kind.value: share for kind, share in found.shares.items()},
                "statement": found.sentence,
                "groups": _groups(replay),
                "notes": list(found.notes),
            },
            "notes": list(replay.notes),
        }
    )
    return found_all


def document_bytes(replay: Replay, headroom: Headroom | None = None) -> bytes:
    """:func:`document` as UTF-8 JSON."""
    return json.dumps(document(replay, headroom), ensure_ascii=False, allow_nan=False).encode()


def _groups(replay: Replay) -> list[dict[str, Any]]:
    return [
        {
            "service": replay.services[group.service],
            "accelerator": group.accelerator,
            "place": group.place,
            "replicas": len(group.replicas),
            "points": group.drive.evidence.points,
            "median_error_percent": group.drive.evidence.median_error_pct,
            "profiles": list(group.drive.evidence.profiles),
            "kv_tokens": group.drive.spec.kv_tokens,
            "max_sequences": group.drive.spec.max_sequences,
            "known_sequences": group.drive.known_sequences,
            "chunk_tokens": group.drive.spec.chunk_tokens,
            "chunked_prefill": group.drive.spec.chunked,
        }
        for group in replay.fleet.groups
    ]


def _planned(replay: Replay) -> dict[str, float]:
    """Planned utilisation per accelerator, weighted by replicas."""
    found: dict[str, float] = {}
    for name in sorted({group.accelerator for group in replay.fleet.groups}):
        groups = [group for group in replay.fleet.groups if group.accelerator == name]
        work = sum(group.utilization * len(group.replicas) for group in groups)
        found[name] = work / sum(len(group.replicas) for group in groups)
    return found


def _attained(found: Attained) -> dict[str, Any]:
    return {
        "requests": found.requests,
        "percent": found.percent,
        "interval_percent": None if found.percent is None else [found.low_percent, found.high_percent],
    }


def _latencies(part: Slice) -> dict[str, Any]:
    return {f"{metric}_ms": asdict(found) for metric, found in part.latencies.items()}


def _slices(found: Sequence[Slice]) -> dict[str, Any]:
    return {
        part.name: {
            **_attained(part.attained),
            **_latencies(part),
        }
        for part in found
    }


def _aftermath(found: Aftermath) -> dict[str, Any]:
    usd = found.fallback_usd_per_hour
    return {
        **asdict(found),
        "before": _attained(found.before),
        "meanwhile": _attained(found.meanwhile),
        "after": _attained(found.after),
        "fallback_usd_per_hour": None if usd is None else decimal_text(usd),
    }


def _rounded(value: Any) -> Any:
    """Figures to six digits: beyond those a simulation says nothing."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return rounded(value) if math.isfinite(value) else None
    return value


def rounded(value: float) -> float:
    """Six digits."""
    return float(f"{value:.{_DIGITS}g}")
