"""What each request saw: TTFT, TPOT and E2E, and whether that is within its service's limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from advisor.plan.plan import Plan, ServiceLine
    from advisor.simulate.demand import Requests
    from advisor.simulate.engine import ReplayOutcome
    from advisor.simulate.fleet import ReplayFleet

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

METRICS: Final = ("ttft", "tpot", "e2e")


@dataclass(frozen=True, slots=True)
class Limit:
    """One latency limit of a service."""

    metric: str
    ms: float
    statistic: str  #: ``mean``, ``p50``, ``p90`` or ``p99``


@dataclass(frozen=True, slots=True)
class Latencies:
    """Columns per request. NaN: never completed; TPOT also where there is one output token only."""

    ttft_ms: Floats
    tpot_ms: Floats
    e2e_ms: Floats
    met: Flags  #: completed, and every latency within the request's own limit
    group: Integers  #: that served it last; -1 for none

    def of(self, metric: str) -> Floats:
        """One of ``METRICS``."""
        found: Floats = getattr(self, f"{metric}_ms")
        return found


def limits_of(service: ServiceLine) -> tuple[Limit, ...]:
    """All limits a plan states for a service."""
    main = ((metric, getattr(service, f"{metric}_ms")) for metric in METRICS)
    stated = [Limit(metric, ms, service.slo_statistic.value) for metric, ms in main if ms is not None]
    further = [Limit(line.metric, line.ms, line.statistic.value) for line in service.further_limits]
    return (*stated, *further)


def request_limits(service: ServiceLine) -> dict[str, float]:
    """What one request's own latency is held against: per metric the loosest limit, meant for the slowest."""
    found: dict[str, float] = {}
    for limit in limits_of(service):
        found[limit.metric] = max(found.get(limit.metric, 0.0), limit.ms)
    return found


def latencies(plan: Plan, fleet: ReplayFleet, requests: Requests, outcome: ReplayOutcome) -> Latencies:
    """Latencies of every request, time in front of the replica included."""
    group_of = np.full(fleet.replicas + 1, -1, dtype=np.int64)  # the last: for requests nobody served
    front = np.zeros(len(fleet.groups) + 1)
    for place, equal in enumerate(fleet.groups):
        group_of[equal.replicas.start : equal.replicas.stop] = place
        front[place] = equal.drive.spec.steps.front_s
    group = group_of[outcome.replica]
    before = requests.arrival_s - front[group]
    gaps = np.maximum(requests.output_tokens - 1, 1)
    tpot = np.where(requests.output_tokens > 1, (outcome.finished_s - outcome.first_s) / gaps, np.nan)
    found = {
        "ttft": (outcome.first_s - before) * 1e3,
        "tpot": tpot * 1e3,
        "e2e": (outcome.finished_s - before) * 1e3,
    }
    met = np.isfinite(outcome.finished_s)
    for place, service in enumerate(plan.services):
        mine = requests.service == place
        for metric, ms in request_limits(service).items():
            met &= ~(mine & (found[metric] > ms))
    return Latencies(found["ttft"], found["tpot"], found["e2e"], met, group)
