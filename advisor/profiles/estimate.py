"""What the estimator says of a replica under a load: rate, TPOT, TTFT, and how far off it may be.

======================  ===========================================================================
concurrency             a closed loop: so many requests in flight, each sent when another is done
static-batch            one closed batch, all prompts first
offline-saturation      everything at once: as many in flight as memory and the engine hold
rate                    an open stream: served is the smaller of what is offered and what can be
server-slo              the largest rate within a mean TPOT
single-stream           one request at a time
======================  ===========================================================================

The planner's question, the largest rate within limits of all kinds, is :func:`within`. Nothing measured is
looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.domain import NoThroughput
from advisor.profiles import memory
from advisor.profiles.calibration import NO_PRECISION, NO_SPECIFICATION
from advisor.profiles.curve import Curve, Sustained
from advisor.profiles.latency_metrics import MEAN, stream_limits, tightest_pace
from advisor.profiles.ttft_limits import estimated_rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from advisor.domain import Slo
    from advisor.profiles.calibration import Calibration
    from advisor.profiles.replica import Replica

    Floats = NDArray[np.float64]

MOST_TENSOR_PARALLEL: Final = 8
"""Largest degree among the measured runs behind the constants."""

QUEUE_GROWS: Final = "TTFT: more is offered than served, so the queue grows without end"
ALL_AT_ONCE: Final = "TTFT: depends on how many requests are handed over at once"
AT_THE_EDGE: Final = "TTFT: depends on how requests arrive; ask for a rate"
BATCH_TOO_LARGE: Final = "TTFT: the batch does not fit in memory at once"
_TOO_SLOW: Final = "TPOT of a request alone is longer than the limit"
_REASONS: Final = {NO_SPECIFICATION: "no_specification", NO_PRECISION: "precision_unsupported"}


class LoadMode(StrEnum):
    """How requests come."""

    CLOSED_LOOP = "concurrency"
    STATIC_BATCH = "static-batch"
    SATURATED = "offline-saturation"
    OPEN = "rate"
    WITHIN_SLO = "server-slo"
    SINGLE = "single-stream"


@dataclass(frozen=True, slots=True)
class Deployment:
    """Replicas that share a load evenly."""

    replica: Replica
    replicas: int = 1
    tuned: bool = False  #: engine set to hold as many requests at once as serve best, not its defaults


@dataclass(frozen=True, slots=True)
class Estimates:
    """One element per request size; NaN where there is no figure."""

    requests_per_s: Floats  #: of all replicas together
    low_requests_per_s: Floats  #: 90 % interval
    high_requests_per_s: Floats
    tpot_ms: Floats
    ttft_ms: Floats
    in_flight: Floats  #: requests being served, all replicas together
    limited_by: tuple[str, ...]  #: ``load``, ``memory``, ``engine``, ``offered`` or ``tpot``
    reasons: tuple[str, ...]  #: why a figure is missing; blank where none is


@dataclass(frozen=True, slots=True)
class _OneReplica:
    """Of one replica, in seconds."""

    rate: Floats
    tpot: Floats
    ttft: Floats
    batch: Floats
    limited_by: NDArray[np.str_]
    reason: NDArray[np.str_] | str = ""


def refusal(
    replica: Replica, calibration: Calibration, *, within_tpot: bool = False, proven: bool = False
) -> NoThroughput | None:
    """Why there is no estimate, at all or within a TPOT limit; None where there may be one.

    ``proven``: a profile shows that the model is there, whatever the arithmetic of memory says.
    """
    if (uncomputable := not_computed(replica)) is not None:
        return uncomputable
    if not proven:
        misfit = memory.unsplittable(replica.model, replica.tensor_parallel)
        if misfit is None and not (room := replica.with_plain_traffic().memory()).fits:
            misfit = room.detail
        if misfit is not None:
            return NoThroughput("does_not_fit", misfit)
    unsupported = calibration.supports(replica)
    if unsupported is not None:
        code = _REASONS.get(unsupported.split(":", 1)[0], "no_throughput_data")
        return NoThroughput(code, f"{replica.accelerator.name}: {unsupported}")
    why = replica.engine.refusal or _too_wide(replica)
    if why is None and within_tpot:
        why = calibration.no_limit(replica)
    return None if why is None else NoThroughput("no_throughput_data", why)


def in_words(refused: NoThroughput) -> str:
    """A refusal as one phrase."""
    return f"does not fit: {refused.detail}" if refused.reason == "does_not_fit" else refused.detail


def not_computed(replica: Replica) -> NoThroughput | None:
    """Why the chip cannot compute in the precision, whatever anybody measured."""
    if replica.precision.casefold() != "bf16" or replica.accelerator.has_bf16:
        return None
    return NoThroughput("precision_unsupported", f"{replica.accelerator.name} computes fp16, not bf16")


def _too_wide(replica: Replica) -> str | None:
    if replica.tensor_parallel <= MOST_TENSOR_PARALLEL:
        return None
    return f"tensor parallelism beyond {MOST_TENSOR_PARALLEL}: nothing measured is behind it"


def caution(replica: Replica, calibration: Calibration) -> str:
    """What has to be said beside an estimate; blank where nothing."""
    assumed = replica.kv_precision is None and replica.cache != "fp16"
    cache = f"{replica.cache} KV cache, as {replica.engine} keeps it" if assumed else ""
    return "; ".join(filter(None, (replica.engine.caution, cache, calibration.caution(replica))))


def within(curve: Curve, slo: Slo, arrival_cv: float = 1.0) -> Sustained:
    """The largest rate within every limit, and what stops it: its metric, ``memory`` or ``engine``."""
    pace = tightest_pace(slo)
    found = curve.within_tpot(None if pace is None else pace.ms)
    rates, by = found.requests_per_s, found.limited_by
    if pace is not None and pace.metric != "tpot":
        by = np.where(by == "tpot", pace.metric, by)
    limits = stream_limits(slo)
    for limit, rate in zip(limits, estimated_rates(curve, found, limits, arrival_cv), strict=True):
        by, rates = np.where(rate < rates, limit.metric, by), np.minimum(rate, rates)
    batch = np.maximum(curve.batch_at(rates), 1.0) if limits else found.batch
    return Sustained(rates, batch, by)


def interval(replica: Replica, limited_by: Sequence[str], calibration: Calibration) -> tuple[Floats, Floats]:
    """Factors of rates that reach the ends of their 90 % interval: that of a rate at a load, or of one within
    a limit where a pace stops it."""
    factors = {by: calibration.interval(replica, within_tpot=by in ("tpot", "itl")) for by in set(limited_by)}
    low, high = np.array([factors[by] for by in limited_by]).reshape(-1, 2).T
    return low, high


def estimate(
    deployment: Deployment, mode: LoadMode, sizes: Floats, loads: Floats, calibration: Calibration
) -> Estimates:
    """Estimates of a deployment that :func:`refusal` lets pass, for (input, output) sizes under loads.

    ``loads``: requests in flight, requests of the batch, requests offered per second, or the limit on mean
    TPOT in milliseconds; not read where the mode needs none. They are of all replicas together.
    """
    curve = Curve.of(deployment.replica, sizes, calibration, tuned=deployment.tuned)
    busy = np.full(len(sizes), float(deployment.replicas))
    if mode is LoadMode.SINGLE:
        busy, loads = np.ones(len(sizes)), np.ones(len(sizes))
    elif mode in (LoadMode.CLOSED_LOOP, LoadMode.STATIC_BATCH):
        busy = np.minimum(busy, loads)
    found = _OF_MODE[mode](curve, loads if mode is LoadMode.WITHIN_SLO else loads / busy)
    low, high = interval(deployment.replica, found.limited_by.tolist(), calibration)
    return _gathered(curve, found, busy, low, high)


def _gathered(curve: Curve, found: _OneReplica, busy: Floats, low: Floats, high: Floats) -> Estimates:
    """Of all replicas, without the sizes that one replica cannot hold."""
    shown = curve.fits & (found.rate > 0)
    rate = np.where(shown, found.rate * busy, np.nan)
    most = np.where(found.limited_by == "offered", rate, np.inf)  # no more is served than is offered
    too_large = f"one request does not fit in the {curve.room_tokens:,} tokens of KV cache that memory leaves"
    reasons = np.where(~curve.fits, too_large, np.where(~(found.rate > 0), _TOO_SLOW, found.reason))
    return Estimates(
        rate,
        rate * low,
        np.minimum(rate * high, most),
        np.where(shown, found.tpot * 1e3, np.nan),
        np.where(shown, found.ttft * 1e3, np.nan),
        np.where(shown, found.batch * busy, np.nan),
        tuple(found.limited_by.tolist()),
        tuple(reasons.tolist()),
    )


def _held(curve: Curve, asked: Floats) -> tuple[Floats, NDArray[np.str_]]:
    """How many of the requests asked for are in flight at once, and what stops more."""
    engine = max(curve.constants.saturated_sequences, curve.constants.max_sequences)
    in_memory = np.maximum(curve.in_memory, 1.0)
    batch = np.minimum(np.minimum(asked, in_memory), engine)
    return batch, np.where(batch >= asked, "load", np.where(in_memory <= engine, "memory", "engine"))


def _closed_loop(curve: Curve, asked: Floats) -> _OneReplica:
    """Requests that memory does not hold wait before their first token: Little's law gives how long."""
    batch, by = _held(curve, asked)
    rate, tpot = curve.rate_per_s(batch), curve.tpot_s(batch)
    ttft = asked / rate - np.maximum(curve.tokens_out - 1.0, 0.0) * tpot
    return _OneReplica(rate, tpot, ttft, batch, by)


def _static_batch(curve: Curve, asked: Floats) -> _OneReplica:
    """All prompts are read, then all tokens written: nothing comes between the tokens."""
    batch, by = _held(curve, asked)
    step = curve.step_s(batch)
    ttft = np.where(batch < asked, np.nan, step + batch * curve.prefill_s)
    reason = np.where(batch < asked, BATCH_TOO_LARGE, "")
    return _OneReplica(curve.rate_per_s(batch), step, ttft, batch, by, reason)


def _saturated(curve: Curve, _: Floats) -> _OneReplica:
    none = np.full(len(curve.tokens_in), np.nan)
    batch, by = _held(curve, np.full(len(none), np.inf))
    return _OneReplica(curve.rate_per_s(batch), curve.tpot_s(batch), none, batch, by, ALL_AT_ONCE)


def _open_stream(curve: Curve, offered: Floats) -> _OneReplica:
    capacity = curve.rate_per_s(curve.slots)
    served, keeps_up = np.minimum(offered, capacity), offered < capacity
    batch = np.minimum(curve.batch_at(served), curve.slots)
    ttft = curve.stream(np.where(keeps_up, offered, 0.0)).ttft_s(MEAN)
    full = np.where(curve.in_memory <= curve.constants.max_sequences, "memory", "engine")
    reason = np.where(keeps_up, "", np.where(np.isinf(offered), ALL_AT_ONCE, QUEUE_GROWS))
    return _OneReplica(
        served, curve.tpot_s(np.maximum(batch, 1.0)), np.where(keeps_up, ttft, np.nan), batch,
        np.where(keeps_up, "offered", full), reason,
    )  # fmt: skip


def _within_tpot(curve: Curve, limits_ms: Floats) -> _OneReplica:
    found = curve.within_tpot(limits_ms)
    none, tpot = np.full(len(limits_ms), np.nan), curve.tpot_s(found.batch)
    return _OneReplica(found.requests_per_s, tpot, none, found.batch, found.limited_by, AT_THE_EDGE)


_OF_MODE: Final = {
    LoadMode.CLOSED_LOOP: _closed_loop,
    LoadMode.SINGLE: _closed_loop,
    LoadMode.STATIC_BATCH: _static_batch,
    LoadMode.SATURATED: _saturated,
    LoadMode.OPEN: _open_stream,
    LoadMode.WITHIN_SLO: _within_tpot,
}
