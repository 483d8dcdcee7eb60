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

from advisor.profiles.findings import TOLERANCE, Finding, flagged, refuse
from advisor.profiles.importers.reading import CLOSED_LOOP, OPEN_LOOP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from advisor.profiles.importers.reading import Load, Stats


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


def of_row(load: Load) -> Iterator[Finding]:
    """What a row says against itself."""
    if load.completed is not None and load.completed <= 0:
        yield refuse(load, "completed", load.completed, "a run with completed requests is needed")
    elif load.requests_per_s is None or load.requests_per_s <= 0:
        yield refuse(
            load, "requests_per_s", load.requests_per_s, "a rate above 0 requests per second is needed"
        )
    for name, value in (("input_tokens", load.input_tokens), ("output_tokens", load.output_tokens)):
        if value is None or value < 1:
            yield refuse(load, name, value, "tokens per request, at least 1")
    for name, stats in (("ttft", load.ttft), ("tpot", load.tpot), ("e2e", load.e2e)):
        yield from _percentiles(load, name, stats)
    yield from _failures(load)
    yield from _little(load)
    yield from _parts(load)
    if (
        load.load_mode == OPEN_LOOP
        and load.request_rate_offered is not None
        and math.isinf(load.request_rate_offered)
    ):
        reason = "all requests sent at once"
        yield Finding(load.place, False, "request_rate", "inf", reason, "all-at-once", reason)
    yield from _arrivals(load)
    if (load.completed or math.inf) < SAMPLES_FOR_P99 and (load.tpot.p99 or load.ttft.p99):
        yield flagged(
            load,
            "completed",
            load.completed,
            f"a 99th percentile of {load.completed:g} requests",
            f"p99-of-{load.completed:g}-requests",
        )


def across_loads(loads: Sequence[Load]) -> Iterator[Finding]:
    """Latency that falls while load rises, and loads stated twice; ``loads``: of one size, rising."""
    for metric in ("tpot", "e2e"):
        for statistic in ("mean", "p50", "p90", "p99"):
            yield from _falling(loads, metric, statistic)
    for first, second in pairwise(loads):
        if load_of(first) == load_of(second):
            yield flagged(
                second, "load", load_of(second), "the same load twice; both are kept", "repeated-load"
            )


def _falling(loads: Sequence[Load], metric: str, statistic: str) -> Iterator[Finding]:
    stated = ((load, getattr(getattr(load, metric), statistic)) for load in loads)
    taken = [(load, value) for load, value in stated if value is not None]
    name = f"{metric}_{statistic}_ms"
    for (_, before), (load, value) in pairwise(taken):
        if value >= FELL * before:
            continue
        reason = f"{metric.upper()} {statistic} fell from {before:.4g} to {value:.4g} ms while load rose"
        if value < ABSURD_FALL * before:
            yield refuse(load, name, value, f"{reason}: loads of one deployment are needed")
        else:
            yield flagged(load, name, value, reason, f"{metric}-falls-with-load")


def load_of(load: Load) -> float:
    """How heavy a load is, within its mode."""
    value = load.concurrency if load.load_mode == CLOSED_LOOP else load.request_rate_offered
    return 0.0 if value is None else value


def _percentiles(load: Load, name: str, stats: Stats) -> Iterator[Finding]:
    taken = [(key, getattr(stats, key)) for key in ("p50", "p90", "p99") if getattr(stats, key) is not None]
    for (low, below), (high, above) in pairwise(taken):
        if above < below * (1 - 1e-6):
            yield refuse(load, f"{name}_{high}_ms", above, f"at least the {low} of {below:.6g} ms")


def _failures(load: Load) -> Iterator[Finding]:
    if not load.failed or not load.completed:
        return
    share = load.failed / (load.failed + load.completed)
    reason = f"{100 * share:.2g} % of its requests failed"
    yield Finding(
        load.place,
        False,
        "failed",
        load.failed,
        reason,
        f"failed-{100 * share:.2g}-percent",
        reason if share > TOO_MANY_FAILURES else None,
    )


def _arrivals(load: Load) -> Iterator[Finding]:
    """Open arrivals the replica fell behind, or a rate that only a burst can have had."""
    offered, rate = load.request_rate_offered, load.requests_per_s
    if load.load_mode != OPEN_LOOP or not offered or not rate or math.isinf(offered):
        return
    said = f"{rate:.4g} requests/s were served, {offered:g} were offered"
    if rate < KEPT_UP * offered:
        text = f"{said}: its waiting times are of no steady load"
        yield flagged(load, "requests_per_s", rate, text, "below-offered-rate")
    elif rate > BURST * offered:
        text = f"{said}: the rate of a burst"
        yield Finding(load.place, False, "requests_per_s", rate, text, "above-offered-rate", text)


def _little(load: Load) -> Iterator[Finding]:
    if load.load_mode != CLOSED_LOOP or not load.concurrency or not load.requests_per_s:
        return
    latency_ms = load.e2e.mean
    if latency_ms is None and None not in (load.ttft.mean, load.tpot.mean) and load.output_tokens:
        latency_ms = (load.ttft.mean or 0.0) + (load.tpot.mean or 0.0) * (load.output_tokens - 1)
    if latency_ms is None:
        return
    ratio = load.requests_per_s * latency_ms / 1e3 / load.concurrency
    found = ratio * load.concurrency
    said = f"rate × latency is {found:.4g} requests in flight, {load.concurrency:g} are stated"
    if ratio > IMPOSSIBLY_CROWDED or ratio < IMPOSSIBLY_IDLE:
        yield refuse(load, "concurrency", load.concurrency, f"{said}: check units (s or ms) and load")
    elif ratio > CROWDED or ratio < IDLE:
        yield flagged(load, "concurrency", load.concurrency, said, "littles-law-mismatch")


def _parts(load: Load) -> Iterator[Finding]:
    """A whole request against its first token, and its mean against the sum of its parts."""
    for statistic in ("mean", "p50", "p90", "p99"):
        whole, first = getattr(load.e2e, statistic), getattr(load.ttft, statistic)
        if whole is not None and first is not None and whole * TOLERANCE < first:
            yield refuse(
                load, f"e2e_{statistic}_ms", whole, f"at least the TTFT {statistic} of {first:.6g} ms"
            )
            return
    if None in (load.e2e.mean, load.ttft.mean, load.tpot.mean) or not load.output_tokens:
        return
    parts = (load.ttft.mean or 0.0) + (load.tpot.mean or 0.0) * max(load.output_tokens - 1, 0.0)
    if not parts or not load.e2e.mean:
        return
    apart = max(load.e2e.mean / parts, parts / load.e2e.mean)
    said = f"TTFT + TPOT × (output - 1) is {parts:.4g} ms"
    if apart > IMPOSSIBLY_APART:
        yield refuse(load, "e2e_mean_ms", load.e2e.mean, f"{said}: check units (s or ms)")
    elif apart > APART:
        yield flagged(load, "e2e_mean_ms", load.e2e.mean, said, "e2e-apart-from-its-parts")
