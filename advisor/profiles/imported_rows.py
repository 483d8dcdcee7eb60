"""A profile of placed rows, in the columns of the shipped evidence and a few more."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from advisor.profiles.equivalence import shape_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.profiles.findings import Finding
    from advisor.profiles.importers.reading import Load
    from advisor.profiles.placing import Placed

    Row = dict[str, Any]

OWN_ID: Final = "own-"
"""Source ids of users' own figures begin with it; those of the package never do."""

_STATISTICS: Final = ("mean", "p50", "p90", "p99")


@dataclass(frozen=True, slots=True)
class Imported:
    """One profile, ready to be stored."""

    profile_id: str
    rows: tuple[Row, ...]
    statistics: tuple[str, ...]  #: stated by at least one row, e.g. ``TPOT mean``
    missing: tuple[str, ...]  #: what nobody said
    source: str


def stored_row(row: Placed, findings: Sequence[Finding]) -> Row:
    """A row in the columns of the shipped evidence, and a few more."""
    load, stated, replica = row.load, row.stated, row.replica
    unfit = [load.unfit, *(finding.unfit for finding in findings), _no_replica(row), _no_pace(load)]
    flags = sorted({*load.flags, *(finding.flag for finding in findings if finding.flag)})
    if replica.draft_tokens:
        flags.append(f"speculative-{replica.draft_tokens}-draft-tokens")
    times = {
        f"{name}_{key}_ms": getattr(getattr(load, name), key)
        for name in ("ttft", "tpot", "e2e")
        for key in _STATISTICS
    }
    return {
        "kind": stated.evidence.value,
        "licence": stated.licence or "not stated",
        "model": replica.model.id,
        "model_as_published": stated.model or replica.model.id,
        "shape": shape_key(replica.model),
        "precision": replica.precision,
        "kv_precision": stated.kv_precision,
        "engine": stated.engine,
        "engine_version": stated.engine_version,
        "accelerator": replica.accelerator.id,
        "accelerators": stated.accelerators,
        "tensor_parallel": replica.tensor_parallel,
        "pipeline_parallel": stated.pipeline_parallel,
        "workload": load.workload,
        "input_tokens": load.input_tokens,
        "output_tokens": load.output_tokens,
        "load_mode": load.load_mode,
        "concurrency": load.concurrency,
        "request_rate_offered": load.request_rate_offered,
        **times,
        "requests_per_s": load.requests_per_s,
        "output_tokens_per_s": load.output_tokens_per_s,
        "slo_ttft_ms": load.slo_ttft_ms,
        "slo_tpot_ms": load.slo_tpot_ms,
        "date": stated.date,
        "flags": ";".join(flags) or None,
        "not_evidence_because": next((why for why in unfit if why), None),
        "error_pct": stated.error_pct,
        "completed_requests": load.completed,
        "failed_requests": load.failed,
        "source": row.source,
    }


def _no_replica(row: Placed) -> str | None:
    stated = row.stated
    whole = stated.pipeline_parallel == 1 and stated.accelerators == row.replica.tensor_parallel
    return None if whole else "not one tensor-parallel replica"


def _no_pace(load: Load) -> str | None:
    return None if load.tpot.stated else "no rate or no time per output token"


def identified(group: Sequence[Placed], rows: Sequence[Row]) -> Imported:
    """The profile with an id that its content decides."""
    ordered = sorted(rows, key=_order)
    digest = hashlib.sha256(json.dumps(ordered, sort_keys=True, default=str).encode()).hexdigest()[:12]
    first, stated = group[0], group[0].stated
    engine = "-".join(word for word in (stated.engine, stated.engine_version) if word)
    pipeline = f"pp{stated.pipeline_parallel}" if stated.pipeline_parallel != 1 else ""
    name = (
        ":".join(
            [
                stated.evidence.value,
                f"{OWN_ID}{digest}",
                first.replica.model.id,
                first.replica.precision,
                engine,
                first.replica.accelerator.id,
                f"tp{first.replica.tensor_parallel}{pipeline}",
            ]
        )
        .casefold()
        .replace(" ", "-")
    )
    kept = tuple({"profile_id": name, "source_id": f"{OWN_ID}{digest}", **row} for row in ordered)
    statistics = dict.fromkeys(
        f"{what.upper()} {key}"
        for what in ("tpot", "ttft", "e2e")
        for key in _STATISTICS
        if any(row[f"{what}_{key}_ms"] is not None for row in rows)
    )
    missing = [
        name
        for name, value in (
            ("engine version", stated.engine_version),
            ("date", stated.date),
            ("licence", stated.licence),
            ("KV precision", stated.kv_precision),
        )
        if value is None
    ]
    return Imported(name, kept, tuple(statistics), tuple(missing), first.source)


def _order(row: Row) -> tuple[float, ...]:
    def number(name: str) -> float:
        value = row[name]
        return -math.inf if value is None else float(value)

    return tuple(
        map(
            number,
            (
                "input_tokens",
                "output_tokens",
                "concurrency",
                "request_rate_offered",
                "tpot_mean_ms",
                "requests_per_s",
            ),
        )
    )
