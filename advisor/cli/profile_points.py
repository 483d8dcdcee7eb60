"""Load points as people read them: the rows of a profile, in the columns that at least one of them states."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from advisor.cli.output import Col

if TYPE_CHECKING:
    from collections.abc import Iterable

    Record = dict[str, Any]

THOUSAND: Final = 1000.0


def point_table(records: Iterable[Record]) -> tuple[tuple[Col, ...], list[Record]]:
    """Columns and rows."""
    shown = [{name: _as_text_if_infinite(value) for name, value in record.items()} for record in records]
    stated = {key for record in shown for key, value in record.items() if value is not None}
    return tuple(column for column in _columns() if column.key in stated), shown


def _number(value: float | str | None) -> str:
    """Four digits that count, never an exponent."""
    if not isinstance(value, float):
        return "–" if value is None else str(value)
    return f"{value:,.0f}" if value >= THOUSAND else f"{value:.4g}"


def _as_text_if_infinite(value: object) -> object:
    """JSON has no infinity: an offered rate without bound is the word ``inf``."""
    return "inf" if isinstance(value, float) and math.isinf(value) else value


def _columns() -> tuple[Col, ...]:
    from advisor.profiles.latency_metrics import MEAN, METRICS, STATISTICS, column

    means = {"tpot": 1, "ttft": 2}
    latencies = (
        Col(
            column(metric.name, statistic),
            f"{metric.label} {statistic} ms",
            numeric=True,
            text=_number,
            importance=means.get(metric.name, 4) if statistic == MEAN else 5,
        )
        for metric in METRICS.values()
        for statistic in STATISTICS
    )
    return (
        Col("input_tokens", "tokens in", numeric=True, text=_number),
        Col("output_tokens", "tokens out", numeric=True, text=_number),
        Col("load_mode", "load", importance=3),
        Col("concurrency", "concurrency", numeric=True, text=_number),
        Col("request_rate_offered", "offered req/s", numeric=True, text=_number, importance=2),
        Col("requests_per_s", "req/s", numeric=True, text=_number),
        Col("output_tokens_per_s", "output tok/s", numeric=True, text=_number, importance=4),
        *latencies,
        Col("slo_tpot_ms", "SLO TPOT ms", numeric=True, text=_number, importance=6),
        Col("slo_ttft_ms", "SLO TTFT ms", numeric=True, text=_number, importance=6),
        Col("workload", "workload", importance=7),
        Col("flags", "flags", importance=8),
        Col("not_evidence_because", "not for SLOs because", importance=7),
    )
