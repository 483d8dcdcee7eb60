"""One replay: requests are generated, routed, served, and what they saw is measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from advisor.errors import UsageError
from advisor.profiles.latency_metrics import METRICS
from advisor.profiles.scheduler import AS_IT_CHOOSES, Scheduler
from advisor.simulate.aftermath import aftermath
from advisor.simulate.attainment import breakdown, stated_limits
from advisor.simulate.basis import beyond_evidence
from advisor.simulate.bottleneck import bottleneck
from advisor.simulate.engine import run
from advisor.simulate.faults import plan_loss
from advisor.simulate.fleet import ReplayFleet, fleet_of
from advisor.simulate.generate import ReplayDemand, generate
from advisor.simulate.histogram import histogram
from advisor.simulate.latencies import latencies
from advisor.simulate.lengths import Grid, prediction_sigma
from advisor.simulate.options import Options
from advisor.simulate.queue import queue_of
from advisor.simulate.router import Knowledge, Streams, routed_buckets
from advisor.simulate.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.catalog.facts import Facts
    from advisor.plan.plan import Plan
    from advisor.profiles.query import ProfileStore
    from advisor.simulate.aftermath import Aftermath
    from advisor.simulate.attainment import Attained, Breakdown, StatedLimit
    from advisor.simulate.bottleneck import Bottleneck
    from advisor.simulate.engine import ReplayOutcome
    from advisor.simulate.faults import Loss, ReplicaChange
    from advisor.simulate.histogram import Histogram
    from advisor.simulate.latencies import Latencies
    from advisor.simulate.queue import Queue
    from advisor.simulate.timeline import Timeline


@dataclass(frozen=True, slots=True)
class ReplayInputs:
    """What a replay rests on besides the plan."""

    facts: Facts
    profiles: ProfileStore
    scheduler: Scheduler = AS_IT_CHOOSES  #: settings that replace those of profiles and engines


@dataclass(frozen=True, slots=True)
class PreparedReplay:
    """A plan made ready to be replayed any number of times."""

    plan: Plan
    fleet: ReplayFleet
    streams: Streams
    grids: tuple[Grid, ...]

    @property
    def splits(self) -> bool:
        """Whether what the router takes a request for can change where it goes."""
        by_service: dict[int, set[tuple[tuple[int, float], ...]]] = {}
        for stream, shares in enumerate(self.streams.shares):
            if shares:
                total = sum(rate for _, rate in shares)
                split = tuple((group, round(rate / total, 9)) for group, rate in shares)
                by_service.setdefault(self.streams.service[stream], set()).add(split)
        return any(len(splits) > 1 for splits in by_service.values())


@dataclass(frozen=True, slots=True)
class Served:
    """Requests and what became of them, before anything is summed up."""

    demand: ReplayDemand
    outcome: ReplayOutcome
    latencies: Latencies
    loss: Loss | None


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found."""

    plan_id: str
    services: tuple[str, ...]
    options: Options
    requests: int
    completed: int
    duration_s: float
    rate_requests_per_s: float
    arrivals: tuple[str, ...]
    unplanned: int  #: requests of sizes the plan has no bucket for
    breakdown: Breakdown
    limits: tuple[StatedLimit, ...]
    passes: bool  #: every limit holds, every service meets the target if there is one, and no queue grows
    misses_by_percent: float  #: points below what is asked, of the worst; 0 if none or a mean is
    certain: bool  #: whether the confidence intervals bear the verdict out
    busy: float  #: share of replica time with a request in the batch, up to the last completion
    timeline: Timeline
    histograms: dict[str, Histogram]  #: by metric
    queue: Queue
    bottleneck: Bottleneck
    preempted: int
    ideal: Attained | None  #: with a router that knows every output; None where it was not asked
    routes_by_length: bool  #: whether what the router takes a request for can change where it goes
    aftermath: Aftermath | None
    fleet: ReplayFleet
    notes: tuple[str, ...]


def prepare(plan: Plan, inputs: ReplayInputs) -> PreparedReplay:
    """Fit every allocation's replicas to its evidence.

    Raises:
        UsageError: the plan has no fleet.
        ProfileMissing: an allocation without evidence of any kind.
    """
    if plan.status == "infeasible" or not plan.allocations:
        raise UsageError(f"plan {plan.plan_id} has no fleet to replay: it is {plan.status}")
    grids = tuple(Grid.of(service.buckets) for service in plan.services)
    fleet = fleet_of(plan, inputs.facts, inputs.profiles, inputs.scheduler)
    return PreparedReplay(plan, fleet, Streams(plan), grids)


def replay(plan: Plan, inputs: ReplayInputs, options: Options | None = None) -> Replay:
    """Replay requests against a plan.

    The same plan, inputs and options give the same result, whatever the machine's load.

    Raises:
        UsageError: options that do not fit the plan.
        ProfileMissing: an allocation without evidence of any kind.
    """
    return replay_prepared(prepare(plan, inputs), options or Options())


def replay_prepared(prepared: PreparedReplay, options: Options) -> Replay:
    """:func:`replay` of a plan made ready before."""
    served = serve(prepared, options)
    ideal = None
    if options.compare_ideal and options.knowledge is not Knowledge.IDEAL:
        known = replace(options, knowledge=Knowledge.IDEAL)
        guesses = prepared.splits and options.length_error_percent > 0
        other = serve(prepared, known, served.demand) if guesses else served
        ideal = breakdown(
            prepared.plan, prepared.fleet, other.demand.requests, other.latencies
        ).overall.attained
    return _summed_up(prepared, options, served, ideal)


def serve(
    prepared: PreparedReplay,
    options: Options,
    demand: ReplayDemand | None = None,
    changes: Sequence[ReplicaChange] = (),
) -> Served:
    """Generate requests, unless given, and serve them."""
    plan, fleet = prepared.plan, prepared.fleet
    if demand is None:
        demand = generate(plan, prepared.grids, options)
    routing = np.random.default_rng([options.seed, len(plan.services), 1])
    sigma = prediction_sigma(options.length_error_percent)
    taken = routed_buckets(routing, demand.requests, prepared.grids, options.knowledge, sigma)
    loss = None
    if options.lose is not None:
        chance = np.random.default_rng([options.seed, len(plan.services), 2])
        loss = plan_loss(options.lose, plan, fleet, demand.duration_s, chance, options.start_up_s)
    everything = [*changes, *(loss.changes if loss is not None else ())]
    stream = prepared.streams.of(demand.requests, taken)
    outcome = run(fleet, demand.requests, prepared.streams, stream, everything)
    return Served(demand, outcome, latencies(plan, fleet, demand.requests, outcome), loss)


def _summed_up(prepared: PreparedReplay, options: Options, served: Served, ideal: Attained | None) -> Replay:
    plan, fleet = prepared.plan, prepared.fleet
    demand, outcome, found = served.demand, served.outcome, served.latencies
    requests = demand.requests
    cut = breakdown(plan, fleet, requests, found)
    limits = stated_limits(plan, requests, found)
    passes, short, certain = _judged(cut, limits, options.attain_percent)
    queue = queue_of(requests, outcome)
    never, everyone = int((~found.served).sum()), np.ones(len(requests), dtype=np.bool_)
    after = None
    if served.loss is not None:
        retried = int((outcome.retried > 0).sum())
        after = aftermath(plan, fleet, served.loss, requests, found, retried, never)
    return Replay(
        plan_id=plan.plan_id,
        services=tuple(service.name for service in plan.services),
        options=options,
        requests=len(requests),
        completed=len(requests) - never,
        duration_s=demand.duration_s,
        rate_requests_per_s=len(requests) / demand.duration_s,
        arrivals=demand.arrivals,
        unplanned=demand.unplanned,
        breakdown=cut,
        limits=limits,
        passes=passes and not queue.grows,
        misses_by_percent=short,
        certain=certain,
        busy=float(outcome.busy_s.sum()) / max(outcome.end_s * fleet.replicas, 1e-9),
        timeline=timeline(fleet, requests, outcome, found),
        histograms={metric: histogram(found.of(metric).pick(everyone)) for metric in METRICS},
        queue=queue,
        bottleneck=bottleneck(plan, fleet, requests, outcome, found),
        preempted=int(outcome.preempted.sum()),
        ideal=ideal,
        routes_by_length=prepared.splits,
        aftermath=after,
        fleet=fleet,
        notes=(
            *beyond_evidence((group, outcome.peak_of(group.replicas)) for group in fleet.groups),
            *demand.notes,
            *(served.loss.notes if served.loss is not None else ()),
        ),
    )


def _judged(cut: Breakdown, limits: Sequence[StatedLimit], target: float | None) -> tuple[bool, float, bool]:
    """(passes, points the worst service lacks, whether the intervals bear that out).

    Every limit by its own statistic, and the share within all limits together where one is asked. A pass is
    certain when every interval is above what is asked, a failure when one is below.
    """
    shares = [] if target is None else [part.attained for part in cut.per_service]
    known = [found for found in shares if found.percent is not None]
    lacks = [max((target or 0.0) - (found.percent or 0.0), 0.0) for found in known]
    short = max([*lacks, *(limit.lacks_percent for limit in limits)], default=0.0)
    passes = not any(lacks) and all(limit.holds for limit in limits)
    if passes:
        certain = all((found.low_percent or 0.0) >= (target or 0.0) for found in known)
        return True, 0.0, certain and all(limit.certain for limit in limits)
    certain = any((found.high_percent or 0.0) < (target or 0.0) for found in known)
    return False, short, certain or any(limit.certain for limit in limits if not limit.holds)
