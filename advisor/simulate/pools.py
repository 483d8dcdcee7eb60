"""One replica stands for its pool: a quick replay of every kind of replica a plan rents, at any load.

A router that sends requests by weight and by lot gives each of a pool's equal replicas the same mix as a
Poisson stream of its own. So a replica of every pool is replayed alone, under the load the plan gives it, and
what a service sees is what its pools saw, each as often as it serves requests. A router that looks at queues
does better; ``replay`` has one, and every replica.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.profiles.latency_metrics import METRICS
from advisor.profiles.queueing import quantile_of
from advisor.simulate.options import LONGEST_S, Options
from advisor.simulate.queue import queue_of
from advisor.simulate.replaying import ReplayInputs, prepare, serve
from advisor.simulate.router import Knowledge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from advisor.domain import LatencyLimit
    from advisor.plan.demand import ServiceLine
    from advisor.plan.plan import Allocation, Plan
    from advisor.simulate.gaps import Sample
    from advisor.simulate.latencies import Latencies
    from advisor.simulate.replaying import PreparedReplay

    Flags = NDArray[np.bool_]

WARM_UP_SHARE: Final = 0.1
"""Of the requests, the first ones, which find an empty replica and are not judged."""


_CLEAR: Final = 6.0
"""Standard deviations of a share of independent requests; misses come in bursts, so fewer would not do."""

_FEWEST: Final = 100.0
"""Requests in the longest replay there is; a replica that sees fewer is idle and judges nothing."""


@dataclass(frozen=True, slots=True)
class PoolKey:
    """Replicas that behave alike, whoever rents them out."""

    service: str
    accelerator: str
    tensor_parallel: int


@dataclass(frozen=True, slots=True)
class Pool:
    """One allocation's replicas, ready to be replayed."""

    key: PoolKey
    rate_per_s: float  #: planned, of one replica
    replicas: int
    load: float  #: planned, of one replica: share of the capacities the plan states
    prepared: PreparedReplay


@dataclass(frozen=True, slots=True)
class SeenLimit:
    """One limit, as the requests of a pool or a service saw it."""

    limit: LatencyLimit
    mean_ms: float | None
    within: float  #: share of requests, or of gaps, within the limit; unserved ones are not

    def holds(self, margin: float = 0.0) -> bool:
        """Whether the limit's own statistic is within; ``margin`` of the misses allowed are kept in hand."""
        share = self.limit.statistic.share
        if share is None:
            return self.mean_ms is not None and self.mean_ms <= self.limit.ms * (1 - margin / 10)
        return self.within >= share + margin * (1 - share)


@dataclass(frozen=True, slots=True)
class PoolVerdict:
    """What the requests of one pool saw at one load."""

    requests: int  #: judged
    limits: tuple[SeenLimit, ...]
    met: float  #: share of requests within all limits together
    keeps_up: bool  #: every request is served and no queue grows
    served: float  #: share of requests
    arrivals: str = ""  #: how they came
    peak_sequences: int = 0  #: the largest batch

    def holds(self, attain: float | None = None, margin: float = 0.0) -> bool:
        """Whether every limit holds, and so many requests are within all of them."""
        enough = attain is None or self.met >= attain + margin * (1 - attain)
        return self.keeps_up and enough and all(seen.holds(margin) for seen in self.limits)


def pools_of(plan: Plan, inputs: ReplayInputs) -> list[Pool]:
    """Every allocation that serves something.

    Raises:
        ProfileMissing: an allocation without evidence of any kind.
    """
    services = {service.name: service for service in plan.services}
    accelerators = {line.offer_id: line.accelerator for line in plan.purchase}
    found = []
    for allocation in plan.allocations:
        rate = sum(load.requests_per_s for load in allocation.load) / allocation.replicas
        if rate * LONGEST_S < _FEWEST:
            continue
        alone = _alone(plan, services[allocation.service], allocation)
        busy = sum(load.requests_per_s / load.capacity_requests_per_s for load in allocation.load)
        key = PoolKey(allocation.service, accelerators[_offer(allocation)], allocation.tensor_parallel)
        found.append(Pool(key, rate, allocation.replicas, busy / allocation.replicas, prepare(alone, inputs)))
    return found


def _offer(allocation: Allocation) -> str:
    from advisor.plan.verify.serving import offer_id

    return offer_id(allocation)


def _alone(plan: Plan, service: ServiceLine, allocation: Allocation) -> Plan:
    """One replica of an allocation as a plan, its share of the load as the only demand."""
    loads = [
        load.model_copy(update={"requests_per_s": load.requests_per_s / allocation.replicas, "origins": []})
        for load in allocation.load
    ]
    served = {(load.input_tokens_max, load.output_tokens_max): load.requests_per_s for load in loads}
    buckets = [
        bucket.model_copy(
            update={
                "requests_per_s": served.get((bucket.input_tokens_max, bucket.output_tokens_max), 0.0),
                "served_share": 1.0,
            }
        )
        for bucket in service.buckets
    ]
    offer = _offer(allocation)
    line = next(line for line in plan.purchase if line.offer_id == offer)
    return plan.model_copy(
        update={
            "services": [service.model_copy(update={"buckets": buckets, "users": []})],
            "allocations": [allocation.model_copy(update={"replicas": 1, "load": loads})],
            "purchase": [line.model_copy(update={"instances": 1})],
        }
    )


def replay_pool(pool: Pool, *, scale: float = 1.0, requests: int = 2000, seed: int = 0) -> PoolVerdict:
    """One replica at ``scale`` times its planned load."""
    duration_s = min(requests / (pool.rate_per_s * scale), LONGEST_S)
    options = Options(scale=scale, duration_s=duration_s, seed=seed, knowledge=Knowledge.IDEAL)
    served = serve(pool.prepared, options)
    judged = served.demand.requests.arrival_s >= WARM_UP_SHARE * duration_s
    found = served.latencies
    never = ~found.served
    limits = pool.prepared.plan.services[0].stated_slo().limits
    return PoolVerdict(
        int(judged.sum()),
        tuple(_seen(found, limit, judged) for limit in limits),
        float((found.met & judged).sum() / max(judged.sum(), 1)),
        not never.any() and not queue_of(served.demand.requests, served.outcome).grows,
        float((~never & judged).sum() / max(judged.sum(), 1)),
        served.demand.arrivals[0],
        int(served.outcome.peak_sequences.max()),
    )


def holds_at(
    pool: Pool, scale: float, attain: float | None, margin: float, *, requests: int, seed: int
) -> bool:
    """Whether a load holds, by a quarter of the requests where that is clear already, else by all."""
    found, clear = _judged(pool, scale, attain, requests, seed)
    return found.holds(attain, margin) if clear is None else clear


def judge_pool(pool: Pool, attain: float | None, *, requests: int, seed: int) -> PoolVerdict:
    """The verdict at the load planned, of a quarter of the requests where that is clear already."""
    return _judged(pool, 1.0, attain, requests, seed)[0]


def _judged(
    pool: Pool, scale: float, attain: float | None, requests: int, seed: int
) -> tuple[PoolVerdict, bool | None]:
    """The verdict, and whether it holds beyond doubt; None where all requests were needed."""
    quick = replay_pool(pool, scale=scale, requests=requests // 4, seed=seed)
    if (clear := _clearly(quick, attain)) is not None:
        return quick, clear
    return replay_pool(pool, scale=scale, requests=requests, seed=seed), None


def _clearly(verdict: PoolVerdict, attain: float | None) -> bool | None:
    """The verdict where chance would not turn it; None where it might."""
    shares = [(one.within, one.limit.statistic.share) for one in verdict.limits]
    shares += [(verdict.met, attain)]
    judged = [(seen, asked) for seen, asked in shares if asked is not None]
    means = any(one.limit.statistic.share is None for one in verdict.limits)
    spread = [_CLEAR * math.sqrt(asked * (1 - asked) / max(verdict.requests, 1)) for _, asked in judged]
    apart = list(zip(judged, spread, strict=True))
    if any(seen < asked - near for (seen, asked), near in apart):
        return False
    if means or not verdict.keeps_up or any(seen < asked + near for (seen, asked), near in apart):
        return None
    return True


def _seen(found: Latencies, limit: LatencyLimit, judged: Flags) -> SeenLimit:
    sample = found.of(limit.metric).pick(judged)
    (mean,) = sample.statistics([None])
    if METRICS[limit.metric].of_gaps:
        return SeenLimit(limit, mean, _share_within(sample, limit.ms))
    within = found.of(limit.metric).within(limit.ms, quantile_of(limit.statistic)) & found.served
    return SeenLimit(limit, mean, float(within[judged].mean()) if judged.any() else 1.0)


def _share_within(sample: Sample, ms: float) -> float:
    if sample.total <= 0:
        return 1.0
    inside = sample.ms <= ms
    return float(np.average(inside, weights=sample.count))


def of_service(pools: Sequence[Pool], verdicts: Sequence[PoolVerdict]) -> PoolVerdict:
    """What a service's requests saw, whichever of its pools served them."""
    weights = np.array([pool.rate_per_s * pool.replicas for pool in pools])
    weights = weights / weights.sum()

    def mean(values: Sequence[float]) -> float:
        return float(weights @ np.array(values))

    limits = []
    for same in zip(*(verdict.limits for verdict in verdicts), strict=True):
        known = [(seen.mean_ms, weight) for seen, weight in zip(same, weights, strict=True) if seen.mean_ms]
        total = sum(weight for _, weight in known)
        average = sum(ms * weight for ms, weight in known) / total if total else None
        limits.append(replace(same[0], mean_ms=average, within=mean([seen.within for seen in same])))
    return PoolVerdict(
        sum(verdict.requests for verdict in verdicts),
        tuple(limits),
        mean([verdict.met for verdict in verdicts]),
        all(verdict.keeps_up for verdict in verdicts),
        mean([verdict.served for verdict in verdicts]),
    )
