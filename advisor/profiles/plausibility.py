"""Does a measurement contradict itself? What does is refused, what looks odd is flagged; nothing is repaired.

::

    Little      rate x latency <= B               no more requests in flight than were let in
    parts       E2E >= TTFT at every statistic; mean E2E near TTFT + TPOT (O - 1)

B requests in flight, O output tokens. What no chip could have done is told by ``advisor.profiles.physics``.

Source: Little, Operations Research 9(3), 1961.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from advisor.profiles.findings import TOLERANCE, RowFinding, flagged, refuse
from advisor.profiles.importers.reading import CLOSED_LOOP, OPEN_LOOP
from advisor.profiles.latency_metrics import METRICS, STATISTICS, column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from advisor.profiles.importers.reading import ImportedRow


FELL, ABSURD_FALL = 0.95, 0.5
"""TPOT under more load, as a share of that under less: below the first flagged, below the second refused."""

CROWDED, IMPOSSIBLY_CROWDED = 1.1, 2.0
"""Rate × latency over the concurrency stated; ramp-up makes it less than 1, nothing makes it more."""

IDLE, IMPOSSIBLY_IDLE = 0.5, 0.02
"""The same from below: a short run idles, a unit mistaken for another is off by 1,000."""

APART, IMPOSSIBLY_APART = 2.0, 20.0
"""Mean E2E over the sum of its parts, or the reverse: lengths that differ within a run part them somewhat,
a unit mistaken for another by 1,000."""

KEPT_UP: Final = 0.8
"""Share of offered requests below which a run fell behind; a short run's last answers lower it a little."""

BURST: Final = 1.25
"""The same from above: no steady load serves more than arrives."""

TOO_MANY_FAILURES: Final = 0.05
"""Share of failed requests beyond which a run says nothing about steady load."""

SAMPLES_FOR_P99: Final = 100


def of_row(row: ImportedRow) -> Iterator[RowFinding]:
    """What a row says against itself."""
    if row.completed is not None and row.completed <= 0:
        yield refuse(row, "completed", row.completed, "a run with completed requests is needed")
    elif row.requests_per_s is None or row.requests_per_s <= 0:
        reason = "a rate above 0 requests per second is needed"
        yield refuse(row, "requests_per_s", row.requests_per_s, reason)
    for name, value in (("input_tokens", row.input_tokens), ("output_tokens", row.output_tokens)):
        if value is None or value < 1:
            yield refuse(row, name, value, "tokens per request, at least 1")
    for metric in METRICS:
        yield from _percentiles(row, metric)
    for look in (_failures, _little, _parts, _arrivals, _few):
        yield from look(row)


def across_loads(rows: Sequence[ImportedRow]) -> Iterator[RowFinding]:
    """Latency that falls while load rises, and loads stated twice; ``rows``: of one size, rising."""
    for metric in METRICS:
        for statistic in STATISTICS if metric != "ttft" else ():
            yield from _falling(rows, metric, statistic)
    for first, second in pairwise(rows):
        if load_of(first) == load_of(second):
            reason = "the same load twice; both are kept"
            yield flagged(second, "load", load_of(second), reason, "repeated-load")


def _falling(rows: Sequence[ImportedRow], metric: str, statistic: str) -> Iterator[RowFinding]:
    taken = [(row, value) for row in rows if (value := row.ms(metric, statistic)) is not None]
    name = column(metric, statistic)
    for (_, before), (row, value) in pairwise(taken):
        if value >= FELL * before:
            continue
        reason = f"{metric.upper()} {statistic} fell from {before:.4g} to {value:.4g} ms while load rose"
        if value < ABSURD_FALL * before:
            yield refuse(row, name, value, f"{reason}: loads of one deployment are needed")
        else:
            yield flagged(row, name, value, reason, f"{metric}-falls-with-load")


def load_of(row: ImportedRow) -> float:
    """How heavy a load is, within its mode."""
    value = row.concurrency if row.load_mode == CLOSED_LOOP else row.request_rate_offered
    return 0.0 if value is None else value


def _percentiles(row: ImportedRow, metric: str) -> Iterator[RowFinding]:
    taken = [(name, ms) for name in STATISTICS[1:] if (ms := row.ms(metric, name)) is not None]
    for (low, below), (high, above) in pairwise(taken):
        if above < below * (1 - 1e-6):
            yield refuse(row, column(metric, high), above, f"at least the {low} of {below:.6g} ms")


def _few(row: ImportedRow) -> Iterator[RowFinding]:
    if (row.completed or math.inf) < SAMPLES_FOR_P99 and (row.ms("tpot", "p99") or row.ms("ttft", "p99")):
        count = f"{row.completed:g}-requests"
        reason = f"a 99th percentile of {row.completed:g} requests"
        yield flagged(row, "completed", row.completed, reason, f"p99-of-{count}")


def _failures(row: ImportedRow) -> Iterator[RowFinding]:
    if not row.failed or not row.completed:
        return
    share = row.failed / (row.failed + row.completed)
    percent = f"{100 * share:.2g}"
    yield flagged(
        row, "failed", row.failed, f"{percent} % of its requests failed", f"failed-{percent}-percent",
        unfit=share > TOO_MANY_FAILURES,
    )  # fmt: skip


def _arrivals(row: ImportedRow) -> Iterator[RowFinding]:
    """Open arrivals the replica fell behind, or a rate that only a burst can have had."""
    offered, rate = row.request_rate_offered, row.requests_per_s
    if row.load_mode != OPEN_LOOP or not offered:
        return
    if math.isinf(offered):
        reason = "all requests sent at once"
        yield flagged(row, "request_rate", "inf", reason, "all-at-once", unfit=True)
        return
    said = f"{rate or 0:.4g} requests/s were served, {offered:g} were offered"
    if rate and rate < KEPT_UP * offered:
        text = f"{said}: its waiting times are of no steady load"
        yield flagged(row, "requests_per_s", rate, text, "below-offered-rate")
    elif rate and rate > BURST * offered:
        text = f"{said}: the rate of a burst"
        yield flagged(row, "requests_per_s", rate, text, "above-offered-rate", unfit=True)


def _sum_of_parts(row: ImportedRow) -> float | None:
    """TTFT + TPOT × (output − 1), means; None where one is not stated."""
    ttft, tpot = row.ms("ttft"), row.ms("tpot")
    if ttft is None or tpot is None or not row.output_tokens:
        return None
    return ttft + tpot * max(row.output_tokens - 1, 0.0)


def _little(row: ImportedRow) -> Iterator[RowFinding]:
    latency_ms = row.ms("e2e") or _sum_of_parts(row)
    if row.load_mode != CLOSED_LOOP or not row.concurrency or not row.requests_per_s or latency_ms is None:
        return
    ratio = row.requests_per_s * latency_ms / 1e3 / row.concurrency
    found = ratio * row.concurrency
    said = f"rate × latency is {found:.4g} requests in flight, {row.concurrency:g} are stated"
    if ratio > IMPOSSIBLY_CROWDED or ratio < IMPOSSIBLY_IDLE:
        yield refuse(row, "concurrency", row.concurrency, f"{said}: check units (s or ms) and load")
    elif ratio > CROWDED or ratio < IDLE:
        yield flagged(row, "concurrency", row.concurrency, said, "littles-law-mismatch")


def _parts(row: ImportedRow) -> Iterator[RowFinding]:
    """A whole request against its first token, and its mean against the sum of its parts."""
    for statistic in STATISTICS:
        whole, first = row.ms("e2e", statistic), row.ms("ttft", statistic)
        if whole is not None and first is not None and whole * TOLERANCE < first:
            reason = f"at least the TTFT {statistic} of {first:.6g} ms"
            yield refuse(row, column("e2e", statistic), whole, reason)
            return
    whole, parts = row.ms("e2e"), _sum_of_parts(row)
    if not whole or not parts:
        return
    apart, said = max(whole / parts, parts / whole), f"TTFT + TPOT × (output - 1) is {parts:.4g} ms"
    if apart > IMPOSSIBLY_APART:
        yield refuse(row, "e2e_mean_ms", whole, f"{said}: check units (s or ms)")
    elif apart > APART:
        yield flagged(row, "e2e_mean_ms", whole, said, "e2e-apart-from-its-parts")
