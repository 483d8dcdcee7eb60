"""From a plan's services and the options to the requests of a replay."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from advisor.errors import UsageError
from advisor.simulate.arrivals import renewal, traced
from advisor.simulate.demand import Requests, merged
from advisor.simulate.lengths import Grid, sample_sizes
from advisor.simulate.options import MOST_REQUESTS, Arrivals, default_duration_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from advisor.plan.plan import Plan, ServiceLine
    from advisor.simulate.arrivals import Steps
    from advisor.simulate.options import Options
    from advisor.workload.trace import Trace

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ReplayDemand:
    """What is replayed, and what to say about it."""

    requests: Requests
    duration_s: float
    arrivals: tuple[str, ...]  #: per service
    unplanned: int  #: requests whose size lies in no bucket of the plan
    notes: tuple[str, ...]


def served_rate(service: ServiceLine) -> float:
    """Requests per second the plan serves of a service."""
    return sum(bucket.requests_per_s * bucket.served_share for bucket in service.buckets)


def generate(plan: Plan, grids: Sequence[Grid], options: Options) -> ReplayDemand:
    """Every service's requests in one stream.

    Each service draws from random numbers of its own, so that a change to one leaves the others as they were.

    Raises:
        UsageError: ``--arrivals trace`` without a trace, or no requests at all.
    """
    rates = [served_rate(service) for service in plan.services]
    total = sum(rates)
    duration_s = _duration_s(plan, options, total)
    _refuse_too_many(options, total, duration_s)
    parts, words, unplanned, notes = [], [], 0, []
    for place, service in enumerate(plan.services):
        rng = np.random.default_rng([options.seed, place, 0])
        arrivals, trace = _arrivals(service, options), options.traces.get(service.name)
        steps = _steps(options, rates[place], total)
        times, source = _times(rng, arrivals, trace, steps, duration_s, options)
        bucket, size_in, size_out, strange = _sizes(rng, service, grids[place], trace, source, len(times))
        unplanned += strange
        words.append(str(arrivals))
        parts.append(
            Requests(
                times, np.full(len(times), place), _origins(rng, service, len(times)), bucket, size_in,
                size_out + round(service.traffic.reasoning_tokens),
            )
        )  # fmt: skip
        if trace is not None and service.traffic.reasoning_tokens:
            notes.append(f"{service.name}: hidden reasoning tokens were added to every output of the trace.")
    requests = merged(parts)
    if not len(requests):
        raise UsageError(f"no request arrives within {duration_s:g} s: replay longer with --duration-s")
    return ReplayDemand(requests, duration_s, tuple(words), unplanned, tuple(notes))


def _duration_s(plan: Plan, options: Options, total: float) -> float:
    if options.duration_s is not None:
        return options.duration_s
    spans = []
    for service in plan.services:
        trace = options.traces.get(service.name)
        if trace is not None and trace.duration_s and _arrivals(service, options).kind == "trace":
            spans.append(trace.duration_s * trace.requests / max(trace.requests - 1, 1))
    if spans:
        return max(spans)
    planned = total if options.rate is None else max(rate for _, rate in options.rate)
    return default_duration_s(planned)


def _refuse_too_many(options: Options, total: float, duration_s: float) -> None:
    """Raise before memory runs out, not after."""
    fastest = total if options.rate is None else max(rate for _, rate in options.rate)
    own = max((trace.rate_requests_per_s or 0.0 for trace in options.traces.values()), default=0.0)
    if options.rate is None:
        fastest = max(fastest, own)
    expected = fastest * options.scale * duration_s
    if expected > MOST_REQUESTS:
        raise UsageError(
            f"up to {expected:,.0f} requests would arrive in {duration_s:,.0f} s; at most {MOST_REQUESTS:,} "
            f"are replayed: shorten --duration-s or lower --rate"
        )


def _arrivals(service: ServiceLine, options: Options) -> Arrivals:
    """As asked; else the trace's where one with times is given, else what the service says of its gaps."""
    trace = options.traces.get(service.name)
    timed = trace is not None and trace.timestamps_s is not None
    if options.arrivals is not None:
        if options.arrivals.kind == "trace" and not timed:
            raise UsageError(
                f"--arrivals trace: service {service.name} has no trace with arrival times: see --trace"
            )
        return options.arrivals
    if timed:
        return Arrivals("trace")
    cv = service.traffic.arrival_cv
    return Arrivals() if cv == 1 else Arrivals("gamma", cv)


def _steps(options: Options, rate: float, total: float) -> Steps:
    """A service's part of the rate asked for, or its planned rate."""
    if options.rate is None:
        return ((0.0, rate * options.scale),)
    return tuple((start, value * options.scale * rate / total) for start, value in options.rate)


def _times(
    rng: np.random.Generator,
    arrivals: Arrivals,
    trace: Trace | None,
    steps: Steps,
    duration_s: float,
    options: Options,
) -> tuple[Floats, Integers | None]:
    """Arrivals, and the row of the trace each takes its size from; None: drawn."""
    if arrivals.kind != "trace":
        times = renewal(rng, steps, duration_s, arrivals.cv if arrivals.kind == "gamma" else 1.0)
        return times, None
    if trace is None or trace.timestamps_s is None:
        raise UsageError("--arrivals trace needs a trace with arrival times")
    if len(steps) > 1:
        raise UsageError("--rate: a trace has its own rate over time; give one number to scale it to")
    wanted = steps[0][1] if options.rate is not None else None
    if wanted is None and options.scale != 1:
        wanted = (trace.rate_requests_per_s or 1.0) * options.scale
    return traced(rng, trace.timestamps_s, wanted, options.duration_s)


def _sizes(
    rng: np.random.Generator,
    service: ServiceLine,
    grid: Grid,
    trace: Trace | None,
    source: Integers | None,
    count: int,
) -> tuple[Integers, Integers, Integers, int]:
    """(bucket, input, output) per request, and how many lie in no bucket of the plan."""
    if trace is None:
        return *sample_sizes(rng, service, grid, named_trace(service), count), 0
    rows = rng.integers(trace.requests, size=count) if source is None else source
    size_in = np.asarray(trace.input_tokens, dtype=np.int64)[rows]
    size_out = np.maximum(np.asarray(trace.output_tokens, dtype=np.int64)[rows], 1)
    bucket, strange = grid.bucket_of(size_in, size_out)
    return bucket, size_in, size_out, strange


def named_trace(service: ServiceLine) -> Trace | None:
    """The shipped trace a service's buckets were fitted on; None for mixtures and workloads of the user's."""
    return _shipped_trace(service.workload)


@lru_cache(maxsize=4)
def _shipped_trace(workload: str) -> Trace | None:
    from advisor.workload.named import named_workload, workload_names
    from advisor.workload.trace import read_trace

    if workload not in workload_names():
        return None
    path = named_workload(workload).trace
    return read_trace(path) if path is not None else None


def _origins(rng: np.random.Generator, service: ServiceLine, count: int) -> Integers:
    if len(service.users) < 2:
        return np.zeros(count, dtype=np.int64)
    shares = np.array([line.share for line in service.users])
    return rng.choice(len(shares), size=count, p=shares / shares.sum()).astype(np.int64)
