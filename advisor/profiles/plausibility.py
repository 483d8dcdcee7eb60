"""Can a measurement be true? What cannot is refused, what looks odd is flagged; nothing is repaired.

::

    decode      rate <= t F / (2 (N - V h) O)         every output token is computed
    reading     rate <= t F / (2 (N - V h) (I + O))   … and every input token, unless a prefix cache has it
    bandwidth   TPOT >= read(1) / W                   one token needs one pass over the weights
                rate <= B / (O read(B) / W)           B in flight share a pass
    memory      weights <= t x memory
    Little      rate x latency <= B                         no more requests in flight than were let in
    parts       E2E >= TTFT at every statistic; mean E2E near TTFT + TPOT (O - 1)

N parameters per token, V h the input embedding (looked up, not computed), F peak dense arithmetic of the
widest units, W memory bandwidth, read(B) the bytes of one pass; no efficiency is taken off. Draft tokens
of speculative decoding multiply what a pass yields.

Source: the roofline of ``advisor.profiles.roofline`` without its constants; Little, Operations Research
9(3), 1961.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from advisor.profiles import memory, roofline
from advisor.profiles.importers.reading import CLOSED_LOOP, OPEN_LOOP, SLO_MAXIMUM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from advisor.domain import Accelerator, Model
    from advisor.profiles.importers.reading import Load, Stats

TOLERANCE: Final = 1.02
"""Rates are measured over a window and rounded."""

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


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a row."""

    place: str
    refused: bool  #: else flagged
    field: str
    value: object
    reason: str
    flag: str = ""  #: as kept with the row
    unfit: str | None = None  #: why the row may answer no SLO


@dataclass(frozen=True, slots=True)
class Replica:
    """What was measured, as the catalog knows it."""

    model: Model
    accelerator: Accelerator
    precision: str
    tensor_parallel: int
    draft_tokens: int = 0


def of_row(load: Load) -> Iterator[Finding]:
    """What a row says against itself."""
    if load.completed is not None and load.completed <= 0:
        yield _refuse(load, "completed", load.completed, "a run with completed requests is needed")
    elif load.requests_per_s is None or load.requests_per_s <= 0:
        yield _refuse(
            load, "requests_per_s", load.requests_per_s, "a rate above 0 requests per second is needed"
        )
    for name, value in (("input_tokens", load.input_tokens), ("output_tokens", load.output_tokens)):
        if value is None or value < 1:
            yield _refuse(load, name, value, "tokens per request, at least 1")
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
        yield _flag(
            load,
            "completed",
            load.completed,
            f"a 99th percentile of {load.completed:g} requests",
            f"p99-of-{load.completed:g}-requests",
        )


def against_physics(load: Load, replica: Replica) -> Iterator[Finding]:
    """What the chip could not have done. Says nothing where bandwidth or arithmetic are not on record."""
    chip = replica.accelerator
    if chip.memory_bandwidth_gb_per_s is None or chip.bf16_dense_tflops is None:
        return
    rate, tokens_in, tokens_out = load.requests_per_s, load.input_tokens, load.output_tokens
    if not rate or not tokens_in or not tokens_out:
        return
    limits = limits_of(replica)
    per_pass = 1 + replica.draft_tokens
    decode = limits.tokens_per_s / tokens_out
    if rate > decode * TOLERANCE:
        yield _refuse(load, "requests_per_s", rate, _beyond("arithmetic", decode, "requests/s", replica))
        return
    reading = limits.tokens_per_s / (tokens_in + tokens_out)
    if rate > reading * TOLERANCE:
        reason = f"more than {reading:.4g} requests/s: prompts were not all computed (cached prefixes?)"
        yield Finding(load.place, False, "requests_per_s", rate, reason, "faster-than-prefill", reason)
    least_ms = limits.pass_s(1.0) * 1e3 / per_pass
    for name in ("mean", "p50"):
        value = getattr(load.tpot, name)
        if value is not None and value * TOLERANCE < least_ms and load.load_mode != SLO_MAXIMUM:
            text = f"a TPOT of at least {least_ms:.4g} ms is: {_pass(replica)}"
            yield _refuse(load, f"tpot_{name}_ms", value, text)
            return
    if load.load_mode == CLOSED_LOOP and load.concurrency:
        most = load.concurrency * per_pass / (tokens_out * limits.pass_s(load.concurrency))
        if rate > most * TOLERANCE:
            yield _refuse(
                load, "requests_per_s", rate, _beyond("memory bandwidth", most, "requests/s", replica)
            )


@dataclass(frozen=True, slots=True)
class Limits:
    """Peak figures of one replica for one model."""

    tokens_per_s: float
    other_s: float  #: seconds to read everything but routed experts
    experts_s: float
    idle_share: float

    def pass_s(self, in_flight: float) -> float:
        """Seconds to read the weights ``in_flight`` sequences touch."""
        return self.other_s + self.experts_s * float(1.0 - self.idle_share**in_flight)


def limits_of(replica: Replica) -> Limits:
    """Peak figures, nothing taken off."""
    model, chip, t = replica.model, replica.accelerator, float(replica.tensor_parallel)
    work = roofline.work_of(model, replica.precision, chip, replica.tensor_parallel)
    embedding = float(model.hidden) * model.vocab
    narrow = (
        []
        if work.bits == 16 and replica.precision in ("bf16", "fp16")
        else [chip.fp8_dense_tflops, chip.fp4_dense_tflops]
    )
    peak = max(float(work.flop_per_s), *(figure * 1e12 for figure in narrow if figure), 0.0)
    flop = max(float(work.flop_per_token) - 2.0 * embedding, 0.5 * float(work.flop_per_token))
    other = max(float(work.other_bytes) - 2.0 * embedding / t, 0.0)
    bandwidth = float(work.bytes_per_s)
    return Limits(
        t * peak / flop, other / bandwidth, float(work.expert_bytes) / bandwidth, float(work.idle_share)
    )


def too_large(replica: Replica) -> str | None:
    """Why the weights cannot have been there, or None."""
    weights = sum(memory.weight_bytes(replica.model, replica.precision)) / 2**30
    room = replica.tensor_parallel * replica.accelerator.memory_gb * 1e9 / 2**30
    if weights <= room * TOLERANCE:
        return None
    return (
        f"{replica.model.id} in {replica.precision} takes {weights:.0f} GiB, {replica.tensor_parallel} × "
        f"{replica.accelerator.id} has {room:.0f}: another model, precision, accelerator or --tp"
    )


def across_loads(loads: Sequence[Load]) -> Iterator[Finding]:
    """Latency that falls while load rises, and loads stated twice; ``loads``: of one size, rising."""
    for metric in ("tpot", "e2e"):
        for statistic in ("mean", "p50", "p90", "p99"):
            yield from _falling(loads, metric, statistic)
    for first, second in pairwise(loads):
        if load_of(first) == load_of(second):
            yield _flag(
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
            yield _refuse(load, name, value, f"{reason}: loads of one deployment are needed")
        else:
            yield _flag(load, name, value, reason, f"{metric}-falls-with-load")


def load_of(load: Load) -> float:
    """How heavy a load is, within its mode."""
    value = load.concurrency if load.load_mode == CLOSED_LOOP else load.request_rate_offered
    return 0.0 if value is None else value


def _percentiles(load: Load, name: str, stats: Stats) -> Iterator[Finding]:
    taken = [(key, getattr(stats, key)) for key in ("p50", "p90", "p99") if getattr(stats, key) is not None]
    for (low, below), (high, above) in pairwise(taken):
        if above < below * (1 - 1e-6):
            yield _refuse(load, f"{name}_{high}_ms", above, f"at least the {low} of {below:.6g} ms")


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
        yield _flag(load, "requests_per_s", rate, text, "below-offered-rate")
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
        yield _refuse(load, "concurrency", load.concurrency, f"{said}: check units (s or ms) and load")
    elif ratio > CROWDED or ratio < IDLE:
        yield _flag(load, "concurrency", load.concurrency, said, "littles-law-mismatch")


def _parts(load: Load) -> Iterator[Finding]:
    """A whole request against its first token, and its mean against the sum of its parts."""
    for statistic in ("mean", "p50", "p90", "p99"):
        whole, first = getattr(load.e2e, statistic), getattr(load.ttft, statistic)
        if whole is not None and first is not None and whole * TOLERANCE < first:
            yield _refuse(
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
        yield _refuse(load, "e2e_mean_ms", load.e2e.mean, f"{said}: check units (s or ms)")
    elif apart > APART:
        yield _flag(load, "e2e_mean_ms", load.e2e.mean, said, "e2e-apart-from-its-parts")


def _beyond(bound: str, most: float, unit: str, replica: Replica) -> str:
    return (
        f"at most {most:.4g} {unit} is: the {bound} of {replica.tensor_parallel} × {replica.accelerator.id}"
        " with "
        f"{replica.model.id} in {replica.precision}; another of these{_drafts(replica)}?"
    )


def _pass(replica: Replica) -> str:
    return (
        f"{replica.tensor_parallel} × {replica.accelerator.id} reads {replica.model.id} in"
        f" {replica.precision} no faster; another of these{_drafts(replica)}?"
    )


def _drafts(replica: Replica) -> str:
    return "" if replica.draft_tokens else ", or speculative decoding (--draft-tokens)"


def _refuse(load: Load, field: str, value: object, reason: str) -> Finding:
    return Finding(load.place, True, field, value, reason)


def _flag(load: Load, field: str, value: object, reason: str, flag: str) -> Finding:
    return Finding(load.place, False, field, value, reason, flag)
