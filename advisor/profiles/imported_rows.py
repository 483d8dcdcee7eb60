"""A profile of placed rows, in the columns of the shipped evidence and a few more."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from advisor.profiles.equivalence import shape_key
from advisor.profiles.latency_metrics import MEAN, METRICS, STATISTICS, column, stated_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.profiles.findings import RowFinding
    from advisor.profiles.placing import PlacedRow

    StoredRow = dict[str, Any]

OWN_ID: Final = "own-"
"""Source ids of users' own figures begin with it; those of the package never do."""

_AS_STATED: Final = (
    *("kv_precision", "engine", "engine_version", "accelerators", "pipeline_parallel", "workload"),
    *("input_tokens", "output_tokens", "load_mode", "concurrency", "request_rate_offered", "requests_per_s"),
    *("output_tokens_per_s", "slo_ttft_ms", "slo_tpot_ms", "date", "error_pct", "source"),
)
_ALWAYS: Final = {column(name, s): None for name in ("ttft", "tpot", "e2e") for s in STATISTICS}
"""Columns rows have had from the first, stated or not: the id of a profile is made of them."""

GUESSES: Final = "speculative decoding; --draft-tokens says how many tokens it drafted per pass"
_ORDER: Final = (
    *("input_tokens", "output_tokens", "concurrency", "request_rate_offered", "tpot_mean_ms"),
    "requests_per_s",
)
_MISSED: Final = {
    "engine_version": "engine version",
    "date": "date",
    "licence": "licence",
    "kv_precision": "KV precision",
}


@dataclass(frozen=True, slots=True)
class OwnProfile:
    """One profile of the user's, ready to be stored."""

    profile_id: str
    rows: tuple[StoredRow, ...]
    statistics: tuple[str, ...]  #: stated by at least one row, e.g. ``TPOT mean``
    missing: tuple[str, ...]  #: what nobody said
    source: str


def stored_row(placed: PlacedRow, findings: Sequence[RowFinding]) -> StoredRow:
    """A row in the columns of the shipped evidence, and a few more."""
    row, replica = placed.row, placed.replica
    unfit = [row.unfit, *(finding.unfit for finding in findings), _no_replica(placed), _no_pace(placed)]
    unfit.append(GUESSES if placed.guesses_unknown else None)
    flags = sorted({*row.flags, *(finding.flag for finding in findings if finding.flag)})
    if row.speculative:
        flags.append(f"speculative-{row.speculative.casefold()}")
    if placed.draft_tokens:
        flags.append(f"speculative-{placed.draft_tokens}-draft-tokens")
    return {
        **{name: getattr(row, name) for name in _AS_STATED},
        **_ALWAYS,
        **row.latencies_ms,
        **row.scheduler.stated,
        "kind": row.evidence.value,
        "licence": row.licence or "not stated",
        "model": replica.model.id,
        "model_as_published": row.model or replica.model.id,
        "shape": shape_key(replica.model),
        "precision": replica.precision,
        "accelerator": replica.accelerator.id,
        "tensor_parallel": replica.tensor_parallel,
        "flags": ";".join(flags) or None,
        "not_evidence_because": next((why for why in unfit if why), None),
        "completed_requests": row.completed,
        "failed_requests": row.failed,
    }


def _no_replica(placed: PlacedRow) -> str | None:
    whole = (placed.row.pipeline_parallel, placed.row.accelerators) == (1, placed.replica.shape.accelerators)
    return None if whole else "not one tensor-parallel replica"


def _no_pace(placed: PlacedRow) -> str | None:
    stated = any(column("tpot", statistic) in placed.row.latencies_ms for statistic in STATISTICS)
    return None if stated else "no rate or no time per output token"


def identified(group: Sequence[PlacedRow], rows: Sequence[StoredRow]) -> OwnProfile:
    """The profile with an id that its content decides."""
    ordered = sorted(rows, key=_order)
    digest = hashlib.sha256(json.dumps(ordered, sort_keys=True, default=str).encode()).hexdigest()[:12]
    first, replica = group[0].row, group[0].replica
    engine = "-".join(word for word in (first.engine, first.engine_version) if word)
    pipeline = f"pp{first.pipeline_parallel}" if first.pipeline_parallel != 1 else ""
    parts = (
        *(first.evidence.value, f"{OWN_ID}{digest}", replica.model.id, replica.precision, engine),
        *(replica.accelerator.id, f"tp{replica.tensor_parallel}{pipeline}"),
    )
    name = ":".join(parts).casefold().replace(" ", "-")
    kept = tuple({"profile_id": name, "source_id": f"{OWN_ID}{digest}", **row} for row in ordered)
    stated = {found for row in rows for name in row if row[name] is not None and (found := stated_in(name))}
    statistics = tuple(
        f"{metric.label} {statistic}"
        for metric in METRICS.values()
        for statistic in sorted((s for name, s in stated if name == metric.name), key=_share)
    )
    missing = tuple(words for field, words in _MISSED.items() if getattr(first, field) is None)
    return OwnProfile(name, kept, statistics, missing, first.source or "")


def _share(statistic: str) -> float:
    """The mean first, then percentiles."""
    return -1.0 if statistic == MEAN else float(statistic[1:])


def _order(row: StoredRow) -> tuple[float, ...]:
    return tuple(-math.inf if (value := row.get(name)) is None else float(value) for name in _ORDER)
