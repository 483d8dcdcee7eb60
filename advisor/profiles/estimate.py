"""What the estimator says of a deployment under a load: rate, TPOT, TTFT, and how far off it may be.

======================  ===========================================================================
concurrency             a closed loop: so many requests in flight, each sent when another is done
static-batch            one closed batch, all prompts first
offline-saturation      everything at once: as many in flight as memory and the engine hold
rate                    an open stream: served is the smaller of what is offered and what can be
server-slo              the largest rate within a mean TPOT
single-stream           one request at a time
======================  ===========================================================================

A deployment is one replica or several that share the load evenly. Nothing measured is looked up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.domain import SloStatistic
from advisor.profiles import engines, memory, queueing, roofline
from advisor.profiles.engine_era import TODAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from advisor.domain import Accelerator, Model
    from advisor.profiles.calibration import Calibration, Constants
    from advisor.profiles.roofline import Work

    Floats = NDArray[np.float64]

MOST_TENSOR_PARALLEL: Final = 8
"""Largest degree among the measured runs behind the constants."""

QUEUE_GROWS: Final = "TTFT: more is offered than served, so the queue grows without end"
ALL_AT_ONCE: Final = "TTFT: depends on how many requests are handed over at once"
AT_THE_EDGE: Final = "TTFT: depends on how requests arrive; ask for a rate"
BATCH_TOO_LARGE: Final = "TTFT: the batch does not fit in memory at once"
_BISECTIONS: Final = 40


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
    """Replicas of one model that share a load."""

    model: Model
    precision: str
    accelerator: Accelerator
    tensor_parallel: int
    replicas: int = 1
    engine: str | None = None  #: None: whichever
    era: str = TODAY  #: of the engine
    kv_precision: str = "fp16"
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
class _Replica:
    """What the equations need of one replica, and the sizes they are asked about."""

    work: Work
    constants: Constants
    room_tokens: int
    tokens_in: Floats
    tokens_out: Floats

    @property
    def context(self) -> Floats:
        return self.tokens_in + self.tokens_out / 2.0

    @property
    def in_memory(self) -> Floats:
        return np.maximum(self.room_tokens / self.context, 1.0)

    def rate(self, batch: Floats) -> Floats:
        return np.asarray(
            roofline.rate_per_s(self.work, self.constants, batch, self.tokens_in, self.tokens_out)
        )

    def tpot(self, batch: Floats) -> Floats:
        return np.asarray(roofline.tpot_s(self.work, self.constants, batch, self.tokens_in, self.tokens_out))

    def step(self, batch: Floats) -> Floats:
        return np.asarray(roofline.decode_s(self.work, self.constants, batch, self.context))

    def prefill(self) -> Floats:
        return np.asarray(roofline.prefill_s(self.work, self.constants, self.tokens_in))


@dataclass(frozen=True, slots=True)
class _Found:
    """Of one replica."""

    rate: Floats
    tpot: Floats
    ttft: Floats
    batch: Floats
    limited_by: Floats  #: index into ``_LIMITS``
    reason: NDArray[np.str_]


_LIMITS: Final = ("load", "memory", "engine", "offered", "tpot")
_LOAD, _MEMORY, _ENGINE, _OFFERED, _TPOT = range(len(_LIMITS))


def refusal(deployment: Deployment, calibration: Calibration, mode: LoadMode | None = None) -> str | None:
    """Why there is no estimate of a deployment, at all or in a mode; None where there may be one."""
    model, chip, degree = deployment.model, deployment.accelerator, deployment.tensor_parallel
    if degree > MOST_TENSOR_PARALLEL:
        return f"tensor parallelism beyond {MOST_TENSOR_PARALLEL}: nothing measured is behind it"
    impossible = memory.unsplittable(model, degree)
    if impossible is not None:
        return impossible
    unsupported = calibration.supports(model, deployment.precision, chip) or engines.refusal(
        deployment.engine
    )
    if unsupported is None and mode is LoadMode.WITHIN_SLO:
        unsupported = calibration.no_limit(_key(deployment, calibration))
    if unsupported is not None:
        return unsupported
    fit = memory.fit(model, deployment.precision, chip, degree, deployment.kv_precision)
    return None if fit.fits else f"does not fit: {fit.detail}"


def caution(deployment: Deployment, calibration: Calibration) -> str:
    """What has to be said beside an estimate of a deployment; blank where nothing."""
    said = engines.caution(deployment.engine), calibration.caution(_key(deployment, calibration))
    return "; ".join(filter(None, said))


def _key(deployment: Deployment, calibration: Calibration) -> tuple[str, str]:
    bits, _ = roofline.arithmetic(deployment.precision, deployment.accelerator)
    return calibration.key(deployment.model, deployment.accelerator, deployment.era, bits)


def estimate(
    deployment: Deployment, mode: LoadMode, sizes: Floats, loads: Floats, calibration: Calibration
) -> Estimates:
    """Estimates of a deployment that :func:`refusal` lets pass, for (input, output) sizes under loads.

    ``loads``: requests in flight, requests of the batch, requests offered per second, or the limit on mean
    TPOT in milliseconds; not read where the mode needs none. They are of all replicas together.
    """
    model, chip, degree = deployment.model, deployment.accelerator, deployment.tensor_parallel
    bits, _ = roofline.arithmetic(deployment.precision, chip)
    constants = calibration.constants(model, chip, deployment.engine, deployment.era, bits)
    if deployment.tuned:
        most = max(constants.saturated_sequences, constants.max_sequences)
        constants = replace(constants, max_sequences=most)
    work = roofline.work_of(model, deployment.precision, chip, degree, deployment.kv_precision)
    room = memory.fit(model, deployment.precision, chip, degree, deployment.kv_precision).max_tokens
    replica = _Replica(work, constants, room, *np.maximum(sizes, 1.0).T)
    busy = np.full(len(sizes), float(deployment.replicas))
    if mode is LoadMode.SINGLE:
        busy, loads = np.ones(len(sizes)), np.ones(len(sizes))
    elif mode in (LoadMode.CLOSED_LOOP, LoadMode.STATIC_BATCH):
        busy = np.minimum(busy, loads)
    found = _of_mode(replica, mode, loads if mode is LoadMode.WITHIN_SLO else loads / busy)
    low, high = calibration.interval(
        model, chip, within_tpot=mode is LoadMode.WITHIN_SLO, engine=deployment.engine, era=deployment.era,
        bits=bits,
    )  # fmt: skip
    return _gathered(replica, found, busy, (low, high))


def _of_mode(replica: _Replica, mode: LoadMode, each: Floats) -> _Found:
    match mode:
        case LoadMode.STATIC_BATCH:
            return _static_batch(replica, each)
        case LoadMode.SATURATED:
            return _saturated(replica)
        case LoadMode.OPEN:
            return _open_stream(replica, each)
        case LoadMode.WITHIN_SLO:
            return _within_tpot(replica, each)
        case LoadMode.CLOSED_LOOP | LoadMode.SINGLE:
            return _closed_loop(replica, each)


def _gathered(replica: _Replica, found: _Found, busy: Floats, factors: tuple[float, float]) -> Estimates:
    """Of all replicas, without the sizes that one replica cannot hold."""
    known = replica.tokens_in + replica.tokens_out <= replica.room_tokens
    reached = found.rate > 0
    shown = known & reached
    rate = np.where(shown, found.rate * busy, np.nan)
    low, high = rate * factors[0], rate * factors[1]
    most = np.where(found.limited_by == _OFFERED, rate, np.inf)  # no more is served than is offered
    too_large = (
        f"one request does not fit in the {replica.room_tokens:,} tokens of KV cache that memory leaves"
    )
    too_slow = "TPOT of a request alone is longer than the limit"
    reasons = np.where(~known, too_large, np.where(~reached, too_slow, found.reason))
    return Estimates(
        rate,
        low,
        np.minimum(high, most),
        np.where(shown, found.tpot * 1e3, np.nan),
        np.where(shown, found.ttft * 1e3, np.nan),
        np.where(shown, found.batch * busy, np.nan),
        tuple(_LIMITS[int(index)] for index in found.limited_by),
        tuple(reasons.tolist()),
    )


def _slots(replica: _Replica) -> Floats:
    """Most requests of a size in flight in a server of today's default settings."""
    return np.minimum(replica.in_memory, replica.constants.max_sequences)


def _held(replica: _Replica, asked: Floats) -> tuple[Floats, Floats]:
    """How many of the requests asked for are in flight at once, and what stops more."""
    engine = max(replica.constants.saturated_sequences, replica.constants.max_sequences)
    batch = np.minimum(np.minimum(asked, replica.in_memory), engine)
    by = np.where(batch >= asked, _LOAD, np.where(replica.in_memory <= engine, _MEMORY, _ENGINE))
    return batch, by


def _closed_loop(replica: _Replica, asked: Floats) -> _Found:
    """Requests that memory does not hold wait before their first token: Little's law gives how long."""
    batch, by = _held(replica, asked)
    rate, tpot = replica.rate(batch), replica.tpot(batch)
    ttft = asked / rate - np.maximum(replica.tokens_out - 1.0, 0.0) * tpot
    return _Found(rate, tpot, ttft, batch, by, _no_reason(asked))


def _static_batch(replica: _Replica, asked: Floats) -> _Found:
    """All prompts are read, then all tokens written: nothing comes between the tokens."""
    batch, by = _held(replica, asked)
    step = replica.step(batch)
    ttft = np.where(batch < asked, np.nan, step + batch * replica.prefill())
    reason = np.where(batch < asked, BATCH_TOO_LARGE, "")
    return _Found(replica.rate(batch), step, ttft, batch, by, reason)


def _saturated(replica: _Replica) -> _Found:
    batch, by = _held(replica, np.full(len(replica.tokens_in), np.inf))
    none = np.full(len(batch), np.nan)
    return _Found(replica.rate(batch), replica.tpot(batch), none, batch, by, np.full(len(batch), ALL_AT_ONCE))


def _open_stream(replica: _Replica, offered: Floats) -> _Found:
    slots = _slots(replica)
    capacity = replica.rate(slots)
    served = np.minimum(offered, capacity)
    low, high = np.zeros_like(slots), slots
    for _ in range(_BISECTIONS):  # the load at which a replica serves as much as comes
        middle = 0.5 * (low + high)
        enough = replica.rate(middle) >= served
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    running = np.maximum(high, 1.0)
    keeps_up = offered < capacity
    ttft = queueing.ttft_s(
        SloStatistic.MEAN, np.where(keeps_up, offered, 0.0), replica.step(running), replica.prefill(), slots,
        capacity, input_tokens=replica.tokens_in,
    )  # fmt: skip
    by = np.where(keeps_up, _OFFERED, np.where(replica.in_memory <= slots, _MEMORY, _ENGINE))
    reason = np.where(keeps_up, "", np.where(np.isinf(offered), ALL_AT_ONCE, QUEUE_GROWS))
    return _Found(served, replica.tpot(running), np.where(keeps_up, ttft, np.nan), high, by, reason)


def _within_tpot(replica: _Replica, limits_ms: Floats) -> _Found:
    sizes = np.stack([replica.tokens_in, replica.tokens_out], axis=1)
    found = roofline.rates_within(replica.work, replica.constants, replica.room_tokens, sizes, limits_ms)
    names = {"tpot": _TPOT, "memory": _MEMORY, "load": _ENGINE}
    by = np.array([names[limit] for limit in found.limited_by])
    tpot, none = replica.tpot(found.batch), np.full(len(limits_ms), np.nan)
    reason = np.full(len(limits_ms), AT_THE_EDGE)
    return _Found(found.requests_per_s, tpot, none, found.batch, by, reason)


def _no_reason(like: Floats) -> NDArray[np.str_]:
    return np.full(len(like), "")
