"""Does a measurement contradict itself? What does is refused, what looks odd is flagged; nothing is repaired.

::

    Little      rate x latency near B             no more requests in flight than were let in
    parts       E2E >= TTFT at every statistic; mean E2E near TTFT + TPOT (O - 1)
    pace        (E2E - TTFT) / (O - 1) near TPOT  exact where all outputs are of one length
    tokens      output tokens/s near rate x O

B requests in flight, O output tokens. A tool that counts each token twice halves its TPOT and is told by its
own E2E; no limit is answered from such a half. What no chip could have done is told by
``advisor.profiles.physics``.

Source: Little, Operations Research 9(3), 1961.
"""

from __future__ import annotations

import math
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final

from advisor.profiles.findings import TOLERANCE, RowFinding, flagged, refuse
from advisor.profiles.importers.reading import CLOSED_LOOP, OPEN_LOOP
from advisor.profiles.latency_metrics import MEAN, METRICS, STATISTICS, column, stated_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from advisor.profiles.importers.reading import ImportedRow


FELL, ABSURD_FALL = 0.95, 0.5
"""TPOT under more load, as a share of that under less: below the first flagged, below the second refused."""

CROWDED, IMPOSSIBLY_CROWDED = 1.1, 2.0
"""Rate × latency over the concurrency stated; ramp-up makes it less than 1, nothing makes it more."""

IDLE, IMPOSSIBLY_IDLE = 0.5, 0.02
"""The same from below: a short run idles, a unit mistaken for another is off by 1,000."""

IDLE_THROUGHOUT, WAVES = 0.7, 5
"""The first once a run is so many times as long as its requests in flight: ramps no longer explain it."""

APART, IMPOSSIBLY_APART = 2.0, 20.0
"""Mean E2E over the sum of its parts, or the reverse: lengths that differ within a run part them somewhat,
a unit mistaken for another by 1,000."""

OFF_PACE, HALVED = 1.25, 1.5
"""What E2E says of a token over what TPOT says. Tools' own recordings lie within 1.08; runs whose lengths
differ reach 1.3 the other way, where long answers outlast the crowd. Tokens counted twice make it 1.75 or
more."""

MISCOUNTED, MISCOUNTED_BADLY = 1.1, 1.25
"""Output tokens/s over requests/s × their mean length, or the reverse."""

MANY_TOKENS: Final = 4
"""Output tokens from which the pace of the rest says something."""

COLD: Final = 1.5
"""Mean E2E of a run over the least at the same load: of a server that was still warming up."""

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
    for look in (_failures, _little, _parts, _pace, _tokens, _arrivals, _few):
        yield from look(row)


def across_loads(rows: Sequence[ImportedRow]) -> Iterator[tuple[ImportedRow, RowFinding]]:
    """Latency that falls while load rises, and loads run more than once, each finding with its row.

    ``rows``: of one size, loads rising, runs of one load in the order they were read.
    """
    loads = [list(runs) for _, runs in groupby(rows, key=load_of)]
    for metric in METRICS:
        for statistic in STATISTICS if metric != "ttft" else ():
            yield from _falling(loads, metric, statistic)
    for runs in loads:
        yield from _repeated(runs)


def _falling(
    loads: Sequence[Sequence[ImportedRow]], metric: str, statistic: str
) -> Iterator[tuple[ImportedRow, RowFinding]]:
    """Each run against the fastest of the load before, whose others may have been cold."""
    before, name = 0.0, column(metric, statistic)
    for runs in loads:
        taken = [(row, value) for row in runs if (value := row.ms(metric, statistic)) is not None]
        for row, value in taken:
            if value >= FELL * before:
                continue
            reason = f"{metric.upper()} {statistic} fell from {before:.4g} to {value:.4g} ms while load rose"
            if value < ABSURD_FALL * before:
                yield row, refuse(row, name, value, f"{reason}: loads of one deployment are needed")
            else:
                yield row, flagged(row, name, value, reason, f"{metric}-falls-with-load")
        before = min((value for _, value in taken), default=before)


def _repeated(runs: Sequence[ImportedRow]) -> Iterator[tuple[ImportedRow, RowFinding]]:
    """A load run more than once: all are kept, one that was cold answers no SLO."""
    whole = [row.ms("e2e") or _sum_of_parts(row) for row in runs]
    least = min((ms for ms in whole if ms), default=math.inf)
    for number, (row, ms) in enumerate(zip(runs, whole, strict=True)):
        if number:
            reason = "the same load again; all runs are kept"
            yield row, flagged(row, "load", load_of(row), reason, "repeated-load")
        if ms and ms > COLD * least:
            said = (
                f"E2E mean is {ms:.4g} ms, {least:.4g} in another run of this load: a cold or disturbed run"
            )
            yield row, flagged(row, "e2e_mean_ms", ms, said, "cold-run", unfit=True)


def load_of(row: ImportedRow) -> float:
    """How heavy a load is, within its mode."""
    value = row.concurrency if row.load_mode == CLOSED_LOOP else row.request_rate_offered
    return 0.0 if value is None else value


def _percentiles(row: ImportedRow, metric: str) -> Iterator[RowFinding]:
    stated = (found for name in row.latencies_ms if (found := stated_in(name)) and found[0] == metric)
    shares = sorted((float(name[1:]), name) for _, name in stated if name != MEAN)
    taken = [(name, row.latencies_ms[column(metric, name)]) for _, name in shares]
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
    elif ratio < IDLE_THROUGHOUT and (row.completed or 0) >= WAVES * row.concurrency:
        text = f"{said}: too few for so long a run, so a time, a rate or a count is wrong"
        yield flagged(row, "concurrency", row.concurrency, text, "littles-law-mismatch", unfit=True)
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


def _pace(row: ImportedRow) -> Iterator[RowFinding]:
    """The time per token that E2E leaves after the first, against the TPOT stated; mean, else median."""
    for statistic in (MEAN, "p50"):
        whole, first, tpot = (row.ms(metric, statistic) for metric in ("e2e", "ttft", "tpot"))
        if not whole or first is None or not tpot or not row.output_tokens or row.output_tokens < MANY_TOKENS:
            continue
        left = (whole - first) / (row.output_tokens - 1.0)
        said = (
            f"E2E and TTFT leave {left:.4g} ms a token ((E2E - TTFT) / (output - 1), {statistic}), TPOT says"
            f" {tpot:.4g}"
        )
        if left > HALVED * tpot:
            text = f"{said}: tokens counted more than once?"
            yield flagged(row, column("tpot", statistic), tpot, text, "tpot-contradicts-e2e", unfit=True)
        elif not 1.0 / HALVED < left / tpot < OFF_PACE:
            yield flagged(row, column("tpot", statistic), tpot, said, "tpot-apart-from-e2e")
        return


def _tokens(row: ImportedRow) -> Iterator[RowFinding]:
    """Output tokens per second against requests per second and their length."""
    if not row.output_tokens_per_s or not row.requests_per_s or not row.output_tokens:
        return
    expected = row.requests_per_s * row.output_tokens
    apart = max(row.output_tokens_per_s / expected, expected / row.output_tokens_per_s)
    if apart <= MISCOUNTED:
        return
    reason = (
        f"{row.output_tokens_per_s:.4g} output tokens/s, but {row.requests_per_s:.4g} requests/s ×"
        f" {row.output_tokens:.4g} tokens are {expected:.4g}"
    )
    badly = apart > MISCOUNTED_BADLY
    yield flagged(
        row, "output_tokens_per_s", row.output_tokens_per_s, reason, "tokens-apart-from-rate", unfit=badly
    )
