"""What each request saw, and whether that is within its service's limits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from advisor.profiles.latency_metrics import METRICS
from advisor.profiles.queueing import quantile_of
from advisor.simulate.gaps import Gaps, PerRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from advisor.domain import LatencyLimit
    from advisor.plan.plan import Plan, ServiceLine
    from advisor.simulate.demand import Requests
    from advisor.simulate.engine import ReplayOutcome
    from advisor.simulate.fleet import ReplayFleet

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]
    Observations = PerRequest | Gaps


@dataclass(frozen=True)
class SeenRequests:
    """What became of every request: what each entry of ``latency_metrics.METRICS`` measures."""

    arrival_s: Floats  #: at the front end
    first_s: Floats
    finished_s: Floats
    output_tokens: Integers
    outcome: ReplayOutcome

    def of_requests(self, ms: Floats) -> PerRequest:
        """One value per request."""
        return PerRequest(ms)

    def of_gaps(self) -> Gaps:
        """Every gap between two tokens of a request."""
        return Gaps(self.outcome.gaps, len(self.arrival_s))


@dataclass(frozen=True)
class Latencies:
    """What every request saw, time in front of the replica included."""

    seen: SeenRequests
    group: Integers  #: that served it last; -1 for none
    limits: tuple[tuple[Flags, tuple[LatencyLimit, ...]], ...]  #: by service: whose requests, held to what

    def of(self, metric: str) -> Observations:
        """One of ``METRICS``, worked out once."""
        if metric not in self._worked_out:
            self._worked_out[metric] = METRICS[metric].replayed(self.seen)
        return self._worked_out[metric]

    def beyond(self, limits: Iterable[LatencyLimit]) -> Flags:
        """Requests that break one of some limits of a service."""
        broken = np.zeros(len(self.group), dtype=np.bool_)
        for limit in limits:
            broken |= ~self.of(limit.metric).within(limit.ms, quantile_of(limit.statistic))
        return broken

    @cached_property
    def served(self) -> Flags:
        """Completed."""
        return np.isfinite(self.seen.finished_s)

    @cached_property
    def met(self) -> Flags:
        """Completed, and every latency within the request's own limits."""
        met = self.served.copy()
        for mine, limits in self.limits:
            met &= ~(mine & self.beyond(limits))
        return met

    @cached_property
    def _worked_out(self) -> dict[str, Observations]:
        return {}


def request_limits(service: ServiceLine) -> tuple[LatencyLimit, ...]:
    """What one request is held against.

    Per metric the loosest limit, meant for the slowest request; of gaps every limit, as each request has many
    of them and a mean and percentiles of its own.
    """
    found: dict[str, LatencyLimit] = {}
    stated = service.stated_slo().limits
    for limit in stated:
        if limit.metric not in found or limit.ms > found[limit.metric].ms:
            found[limit.metric] = limit
    of_gaps = (limit for limit in stated if METRICS[limit.metric].of_gaps)
    return (*(limit for limit in found.values() if not METRICS[limit.metric].of_gaps), *of_gaps)


def latencies(plan: Plan, fleet: ReplayFleet, requests: Requests, outcome: ReplayOutcome) -> Latencies:
    """Latencies of every request."""
    group_of = np.full(fleet.replicas + 1, -1, dtype=np.int64)  # the last: for requests nobody served
    front = np.zeros(len(fleet.groups) + 1)
    for place, equal in enumerate(fleet.groups):
        group_of[equal.replicas.start : equal.replicas.stop] = place
        front[place] = equal.drive.spec.steps.front_s
    group = group_of[outcome.replica]
    seen = SeenRequests(
        requests.arrival_s - front[group],
        outcome.first_s,
        outcome.finished_s,
        requests.output_tokens,
        outcome,
    )
    limits = tuple(
        (requests.service == place, request_limits(service)) for place, service in enumerate(plan.services)
    )
    return Latencies(seen, group, limits)
