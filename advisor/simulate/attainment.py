"""How many requests were within their limits, with confidence intervals, overall and by what they share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.domain import SloStatistic
from advisor.profiles.latency_metrics import METRICS, STATISTICS
from advisor.profiles.queueing import quantile_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from advisor.plan.plan import Plan
    from advisor.simulate.demand import Requests
    from advisor.simulate.fleet import ReplayFleet
    from advisor.simulate.latencies import Latencies

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

BATCHES: Final = (20, 10, 5)
"""Stretches of time whose attainments are compared: requests close in time share their fate, and nobody knows
beforehand for how long, so the division that shows most of it counts."""

_LEAST_PER_BATCH: Final = 10

T_975: Final = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""Student's t, 97.5 %, for 1 to 30 degrees of freedom; any table."""

_Z: Final = 1.96


@dataclass(frozen=True, slots=True)
class Attained:
    """Share of requests within limits."""

    requests: int
    percent: float | None  #: None where there were no requests
    low_percent: float | None  #: 95 % confidence interval
    high_percent: float | None


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of one latency, in milliseconds; None where no request has it."""

    mean: float | None
    p50: float | None
    p90: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Slice:
    """Requests that have something in common."""

    name: str
    attained: Attained
    latencies: dict[str, Quantiles]  #: by metric


@dataclass(frozen=True, slots=True)
class StatedLimit:
    """A limit of the plan as stated, by its own statistic."""

    service: str
    metric: str
    statistic: str
    limit_ms: float
    observed_ms: float | None
    holds: bool
    within: Attained | None = None  #: requests within, where a percentile is limited of a latency of requests

    @property
    def lacks_percent(self) -> float:
        """Points below the percentile; 0 where it holds, or a mean is limited."""
        share = SloStatistic(self.statistic).share
        if self.holds or share is None or self.within is None or self.within.percent is None:
            return 0.0
        return max(100 * share - self.within.percent, 0.0)

    @property
    def certain(self) -> bool:
        """Whether the interval bears the verdict out; of means and gaps there is none."""
        share = SloStatistic(self.statistic).share
        if share is None or self.within is None or self.within.percent is None:
            return True
        asked, found = 100 * share, self.within
        return (found.low_percent or 0.0) >= asked if self.holds else (found.high_percent or 100.0) < asked


def t_975(degrees: int) -> float:
    """Student's t for a 95 % interval."""
    return T_975[degrees - 1] if 1 <= degrees <= len(T_975) else _Z


def attained(met: Flags) -> Attained:
    """Share met and its 95 % interval: Wilson's, with as many requests as would be independent.

    Misses come in bursts, so that batches of requests differ by more than chance among independent ones would
    have it; that ratio of variances is how many requests stand for one. Source: Wilson, JASA 22, 1927; Law,
    "Simulation Modeling and Analysis", 5th ed., 9.5; Korn and Graubard, Survey Methodology 24, 1998. How
    often such intervals hold the true share: ``python -m benchmarks.simulate --coverage``.
    """
    count = len(met)
    if not count:
        return Attained(0, None, None, None)
    share = float(met.mean())
    low, high = _wilson(share, count, _Z)
    for batches in BATCHES:
        variance = _variance_of_mean(met, batches) if count >= _LEAST_PER_BATCH * batches else 0.0
        if 0 < share < 1 and variance > 0:
            independent = min(max(share * (1 - share) / variance, 1.0), count)
            wider = _wilson(share, independent, t_975(batches - 1))
            low, high = min(low, wider[0]), max(high, wider[1])
    return Attained(count, 100 * share, 100 * max(low, 0.0), 100 * min(high, 1.0))


def _variance_of_mean(met: Flags, batches: int) -> float:
    means = np.array([float(batch.mean()) for batch in np.array_split(met, batches)])
    return float(means.var(ddof=1)) / batches


def _wilson(share: float, count: float, quantile: float) -> tuple[float, float]:
    spread = quantile * math.sqrt(share * (1 - share) / count + quantile**2 / (4 * count**2))
    middle, scale = share + quantile**2 / (2 * count), 1 + quantile**2 / count
    return (middle - spread) / scale, (middle + spread) / scale


def slice_of(name: str, found: Latencies, chosen: Flags) -> Slice:
    """The requests chosen, under a name."""
    samples = {metric: found.of(metric).pick(chosen) for metric in METRICS}
    latencies = {
        metric: Quantiles(*sample.statistics([quantile_of(statistic) for statistic in STATISTICS]))
        for metric, sample in samples.items()
    }
    return Slice(name, attained(found.met[chosen]), latencies)


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The same requests, cut in every way that may point at a cause."""

    overall: Slice
    per_service: tuple[Slice, ...]
    per_bucket: tuple[Slice, ...]
    per_region: tuple[Slice, ...]
    per_accelerator: tuple[Slice, ...]


def breakdown(plan: Plan, fleet: ReplayFleet, requests: Requests, found: Latencies) -> Breakdown:
    """All slices; requests that nobody served belong to no region and no accelerator."""
    services = [
        slice_of(service.name, found, requests.service == place)
        for place, service in enumerate(plan.services)
    ]
    buckets = []
    for place, service in enumerate(plan.services):
        prefix = f"{service.name}: " if len(plan.services) > 1 else ""
        for number, line in enumerate(service.buckets):
            chosen = (requests.service == place) & (requests.bucket == number)
            if chosen.any():
                name = (
                    f"{prefix}{line.input_tokens_min + 1}-{line.input_tokens_max} in × "
                    f"{line.output_tokens_min + 1}-{line.output_tokens_max} out"
                )
                buckets.append(slice_of(name, found, chosen))
    return Breakdown(
        slice_of("all", found, np.ones(len(requests), dtype=np.bool_)),
        tuple(services),
        tuple(buckets),
        _by_group(found, [group.place for group in fleet.groups]),
        _by_group(found, [group.accelerator for group in fleet.groups]),
    )


def _by_group(found: Latencies, names: Sequence[str]) -> tuple[Slice, ...]:
    slices = []
    for name in sorted(set(names)):
        members = [place for place, other in enumerate(names) if other == name]
        slices.append(slice_of(name, found, np.isin(found.group, members)))
    return tuple(slices)


def stated_limits(plan: Plan, requests: Requests, found: Latencies) -> tuple[StatedLimit, ...]:
    """Whether each limit holds as the plan states it: its mean, its percentile."""
    return tuple(_stated(plan, requests, found))


def _stated(plan: Plan, requests: Requests, found: Latencies) -> Iterable[StatedLimit]:
    for place, service in enumerate(plan.services):
        mine = requests.service == place
        all_served = bool(found.served[mine].all())
        for limit in service.stated_slo().limits:
            (observed,) = found.of(limit.metric).pick(mine).statistics([quantile_of(limit.statistic)])
            share, within = limit.statistic.share, None
            holds = observed is not None and observed <= limit.ms and all_served
            if share is not None and not METRICS[limit.metric].of_gaps:
                kept = found.of(limit.metric).within(limit.ms, share) & found.served
                within = attained(kept[mine])
                holds = within.percent is not None and within.percent >= 100 * share
            yield StatedLimit(
                service.name, limit.metric, str(limit.statistic), limit.ms, observed, holds, within
            )
