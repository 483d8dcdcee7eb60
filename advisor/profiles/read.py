"""From rows of the profile files to profiles: one DuckDB query per model."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from advisor.domain import EvidenceKind
from advisor.profiles.evidence import Profile, SizePoints
from advisor.profiles.latency_metrics import MEAN, stated_in
from advisor.profiles.scheduler import SETTINGS, Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import duckdb

    Columns = dict[str, Any]

TTFT_STATISTIC_NOTE: Final = "the source does not say which statistic its TTFT and TPOT are; taken as means"
_NUMBERS: Final = ("input_tokens", "output_tokens", "requests_per_s", "concurrency")
_MEANS: Final = (None, ("tpot", MEAN), ("ttft", MEAN))
_OPEN_ARRIVALS: Final = "rate"
LITTLE_NOTE: Final = "rate = concurrency / latency (Little's law)"
SAME_SHAPE_NOTE: Final = "run with {model}, same shape"

_LOADS: Final = """
    SELECT profile_id, kind, source_id, model, precision, engine, engine_version, accelerator,
           tensor_parallel, date, coalesce(flags, '') AS flags, input_tokens, output_tokens, requests_per_s,
           concurrency, load_mode, {latencies}, {error} AS error_pct, {settings}
           (model = $model)::INTEGER AS own, starts_with(source_id, 'own-') AS mine
    FROM read_parquet($files, union_by_name = true)
    WHERE (model = $model OR shape = $shape) AND not_evidence_because IS NULL AND ({stated})
    WINDOW size AS (PARTITION BY profile_id, input_tokens, output_tokens),
           lighter AS (PARTITION BY profile_id, input_tokens, output_tokens
                       ORDER BY coalesce(concurrency, request_rate_offered) RANGE UNBOUNDED PRECEDING)
    QUALIFY kind = 'simulated' OR load_mode = 'slo-maximum'
         OR min(requests_per_s) OVER size < max(requests_per_s) OVER size
            AND min(coalesce(concurrency, request_rate_offered)) OVER size
              < max(coalesce(concurrency, request_rate_offered)) OVER size
    ORDER BY kind, mine DESC, own DESC, date DESC NULLS LAST, engine_version DESC NULLS LAST, profile_id,
             input_tokens, output_tokens, tpot_mean_ms NULLS LAST, requests_per_s
"""

_NEVER_FASTER: Final = """
    CASE WHEN kind = 'measured' AND {name} IS NOT NULL THEN max({name}) OVER lighter ELSE {name} END AS {name}
"""

SUMMARY: Final = """
    SELECT profile_id, kind, model, precision, engine, engine_version, accelerator, tensor_parallel,
           accelerators, count(DISTINCT (input_tokens, output_tokens)) AS sizes, count(*) AS points,
           count(*) FILTER (not_evidence_because IS NULL) AS slo_points,
           string_agg(DISTINCT not_evidence_because, '; ' ORDER BY not_evidence_because)
               AS not_evidence_because,
           string_agg(DISTINCT load_mode, ', ' ORDER BY load_mode) AS load_modes, date, source_id, licence
    FROM read_parquet(?, union_by_name = true) GROUP BY ALL
    ORDER BY kind, any_value(NOT starts_with(source_id, 'own-')), model, accelerator, tensor_parallel,
             precision, engine, profile_id
"""

POINTS: Final = """
    SELECT * FROM read_parquet(?, union_by_name = true) WHERE profile_id = ?
    ORDER BY input_tokens, output_tokens, load_mode, concurrency, request_rate_offered, tpot_mean_ms,
             requests_per_s
"""


def read_profiles(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[str],
    model: str,
    shape: str,
    error_pct: Callable[[EvidenceKind, str], float | None],
) -> tuple[Profile, ...]:
    """Profiles of a model and of models of its shape: measured first, of those the user's, then newest.

    A measured size with a single load, however often it was run, is left out: it says neither how far the
    rate goes nor where a limit bites. A measured TPOT counts as at least that of every lighter load of its
    run: a run that seems faster under more load was not the same deployment.
    """
    query = _query(_latencies(connection, files))
    rows = connection.execute(query, {"files": list(files), "model": model, "shape": shape}).fetchnumpy()
    return tuple(_profile(rows, start, stop, model, error_pct) for start, stop in _runs(rows["profile_id"]))


def _latencies(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> list[str]:
    """Columns the files have of those only some have: 90th percentiles, ITL, E2E, an engine's settings."""
    relation = connection.execute("FROM read_parquet(?, union_by_name = true) LIMIT 0", [list(files)])
    wanted = {"error_pct", *SETTINGS}
    return [name for name, *_ in relation.description or () if stated_in(name) or name in wanted]


def _query(columns: Sequence[str]) -> str:
    latencies = [f'"{name}"' for name in columns if stated_in(name)]
    return _LOADS.format(
        latencies=", ".join(
            _NEVER_FASTER.format(name=name) if name.startswith('"tpot') else name for name in latencies
        ),
        stated=" OR ".join(f"{name} IS NOT NULL" for name in latencies),
        error="error_pct" if "error_pct" in columns else "NULL::DOUBLE",
        settings="".join(f"{name}, " for name in SETTINGS if name in columns),
    )


def _runs(*keys: Any) -> Iterator[tuple[int, int]]:
    """Start and end of each stretch of equal keys."""
    length = len(keys[0])
    changed = np.zeros(max(length - 1, 0), dtype=np.bool_)
    for key in keys:
        changed |= np.asarray(key[1:] != key[:-1], dtype=np.bool_)
    edges = [0, *(np.flatnonzero(changed) + 1).tolist(), length] if length else []
    return pairwise(edges)


def _profile(
    rows: Columns, start: int, stop: int, model: str, error_pct: Callable[[EvidenceKind, str], float | None]
) -> Profile:
    def first(name: str) -> Any:
        value = rows[name][start]
        return None if value is None or value is np.ma.masked else value

    settings = {name: first(name) for name in SETTINGS if name in rows}
    stated = {name: value.item() for name, value in settings.items() if value is not None}

    kind = EvidenceKind(first("kind"))
    part = {name: _floats(rows[name][start:stop]) for name in rows if name in _NUMBERS or stated_in(name)}
    part["load_mode"] = np.asarray(rows["load_mode"][start:stop])
    return Profile(
        id=first("profile_id"),
        kind=kind,
        source_id=first("source_id"),
        model=first("model"),
        precision=first("precision"),
        engine=first("engine"),
        engine_version=first("engine_version"),
        accelerator=first("accelerator"),
        tensor_parallel=int(first("tensor_parallel")),
        date=first("date"),
        error_pct=_error(kind, first("source_id"), first("error_pct"), error_pct(kind, first("accelerator"))),
        notes=_notes(first("model"), model, first("flags")),
        sizes=tuple(_size(part, a, b) for a, b in _runs(part["input_tokens"], part["output_tokens"])),
        scheduler=Scheduler(**stated),
    )


def _error(kind: EvidenceKind, source_id: str, stated: float | None, typical: float | None) -> float | None:
    """The user's word on their figures; without one, a simulation of theirs is as far off as ours."""
    if stated is not None:
        return float(stated)
    return None if source_id.startswith("own-") and kind is EvidenceKind.MEASURED else typical


def _size(part: dict[str, Any], start: int, stop: int) -> SizePoints:
    """Points of one size; they arrive by rising mean TPOT."""
    rows = slice(start, stop)
    further = {
        key: values
        for name in part
        if (key := stated_in(name)) not in _MEANS and np.isfinite(values := part[name][rows]).any()
    }
    return SizePoints(
        input_tokens=float(part["input_tokens"][start]),
        output_tokens=float(part["output_tokens"][start]),
        tpot_ms=part["tpot_mean_ms"][rows],
        ttft_ms=part["ttft_mean_ms"][rows],
        requests_per_s=part["requests_per_s"][rows],
        concurrency=part["concurrency"][rows],
        stated=further,
        open_arrivals=part["load_mode"][rows] == _OPEN_ARRIVALS,
    )


def _floats(values: Any) -> Any:
    return np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan)


def _notes(run_with: str, asked_for: str, flags: str) -> tuple[str, ...]:
    notes = [SAME_SHAPE_NOTE.format(model=run_with)] if run_with != asked_for else []
    if "littles-law" in flags:
        notes.append(LITTLE_NOTE)
    if "statistic-unspecified" in flags:
        notes.append(TTFT_STATISTIC_NOTE)
    return tuple(notes)
