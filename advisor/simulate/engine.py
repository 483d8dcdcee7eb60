"""The event loop: arrivals, ends of stretches and faults, in order of time.

At the same instant faults come first, then what replicas finished, then arrivals; replicas by number.
Nothing is drawn by lot here, so the same requests and streams give the same outcome, bit by bit."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from advisor.simulate.replica import Log, ReplicaState
from advisor.simulate.router import Router

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from advisor.simulate.demand import Requests
    from advisor.simulate.faults import ReplicaChange
    from advisor.simulate.fleet import ReplayFleet
    from advisor.simulate.gaps import GapLog
    from advisor.simulate.router import Streams

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """Columns per request, in order of arrival, and per replica."""

    admitted_s: Floats  #: when its prompt was first read; NaN if never
    first_s: Floats  #: end of the step that gave the first token; NaN if never
    finished_s: Floats  #: NaN if never
    replica: Integers  #: that served it last; -1 if none did
    preempted: Integers  #: times put back for want of KV cache
    retried: Integers  #: times sent again because its replica was lost
    unservable: Integers  #: numbers of requests too long for every replica
    busy_s: Floats  #: per replica
    generated: Integers  #: output tokens per replica, lost ones included
    peak_sequences: Integers  #: per replica
    peak_tokens: Integers  #: of KV cache, per replica
    end_s: float  #: last completion, or last arrival if later
    gaps: tuple[GapLog, ...] = ()  #: per replica

    def peak_of(self, replicas: range) -> int:
        """The largest batch that any of these replicas ran."""
        return int(self.peak_sequences[replicas.start : replicas.stop].max(initial=0))


class _Run:
    """One pass over the requests."""

    def __init__(self, fleet: ReplayFleet, requests: Requests, streams: Streams, stream: Integers) -> None:
        self.fleet = fleet
        self.log = Log(requests.input_tokens.tolist(), requests.output_tokens.tolist())
        self.replicas = [
            ReplicaState(number, place, group.drive.spec, self.log)
            for place, group in enumerate(fleet.groups)
            for number in group.replicas
        ]
        self.router = Router(fleet, streams, self.replicas)
        self.stream: list[int] = stream.tolist()
        self.events: list[tuple[float, int]] = []
        self.backlog: list[int] = []
        self.retried: dict[int, int] = {}
        self.unservable: list[int] = []

    def arrive(self, request: int, now_s: float) -> None:
        """Route a request and let its replica know."""
        log = self.log
        sizes = log.input_tokens[request], log.output_tokens[request]
        replica = self.router.route(self.stream[request], *sizes)
        if replica is None:
            if self.router.ever_serves(self.stream[request], *sizes):
                self.backlog.append(request)
            else:
                self.unservable.append(request)
            return
        due_s = replica.due_s
        replica.add(request, now_s)
        if replica.due_s != due_s:
            heappush(self.events, (replica.due_s, replica.number))

    def advance(self, now_s: float, number: int) -> None:
        """End a replica's stretch, unless the stretch was cut short since."""
        replica = self.replicas[number]
        if replica.due_s != now_s:
            return
        before = replica.outstanding
        finished = replica.advance()
        if finished:
            self.router.levels[replica.group].less(replica, before, before - finished)
        if replica.due_s != inf:
            heappush(self.events, (replica.due_s, number))

    def change(self, change: ReplicaChange) -> None:
        """Replicas stop taking requests, are lost, or start.

        Replicas that are the last of their service go on to the end in spite of a warning.
        """
        kept = self._last_of_service(change.replicas) if change.kind == "drain" else frozenset()
        for number in change.replicas:
            replica = self.replicas[number]
            levels = self.router.levels[replica.group]
            if change.kind == "start":
                if not replica.up:
                    replica.up = True
                    levels.put(replica)
                continue
            if change.kind == "lose" or replica.number not in kept:
                levels.remove(replica)
                replica.up = False
        self.router.changed()
        if change.kind == "lose":
            for number in change.replicas:
                for request in self.replicas[number].fail(change.at_s):
                    self.retried[request] = self.retried.get(request, 0) + 1
                    self.arrive(request, change.at_s)
        elif change.kind == "start":
            waiting, self.backlog = self.backlog, []
            for request in waiting:
                self.arrive(request, change.at_s)

    def _last_of_service(self, leaving: Sequence[int]) -> frozenset[int]:
        """Of the replicas that leave, those without which nothing of their service would be up."""
        gone, groups = set(leaving), self.fleet.groups
        staying = {
            groups[replica.group].service
            for replica in self.replicas
            if replica.up and replica.number not in gone
        }
        return frozenset(n for n in gone if groups[self.replicas[n].group].service not in staying)


def run(
    fleet: ReplayFleet,
    requests: Requests,
    streams: Streams,
    stream: Integers,
    changes: Sequence[ReplicaChange] = (),
) -> ReplayOutcome:
    """Serve all requests.

    Args:
        fleet: what serves.
        requests: in order of arrival.
        streams: of the plan.
        stream: of each request, as the router sees it.
        changes: to the fleet, in order of time.
    """
    state = _Run(fleet, requests, streams, stream)
    events, advance, arrive = state.events, state.advance, state.arrive
    pending = sorted(changes, key=lambda change: change.at_s)
    pending.reverse()
    next_change = pending[-1].at_s if pending else inf
    for request, arrival_s in enumerate(requests.arrival_s.tolist()):
        while (events and events[0][0] <= arrival_s) or next_change <= arrival_s:
            if events and events[0][0] < next_change:
                advance(*heappop(events))
            else:
                state.change(pending.pop())
                next_change = pending[-1].at_s if pending else inf
        arrive(request, arrival_s)
    while events or (state.backlog and pending):
        if events and events[0][0] < next_change:
            advance(*heappop(events))
        else:
            state.change(pending.pop())
            next_change = pending[-1].at_s if pending else inf
    return _outcome(state, requests)


def _outcome(state: _Run, requests: Requests) -> ReplayOutcome:
    log, replicas = state.log, state.replicas
    finished = np.array(log.finished_s)
    last = float(np.nanmax(finished)) if np.isfinite(finished).any() else 0.0
    return ReplayOutcome(
        admitted_s=np.array(log.admitted_s),
        first_s=np.array(log.first_s),
        finished_s=finished,
        replica=np.array(log.replica, dtype=np.int64),
        preempted=_counts(log.preempted, len(requests)),
        retried=_counts(state.retried, len(requests)),
        unservable=np.array(state.unservable, dtype=np.int64),
        busy_s=np.array([replica.busy_s for replica in replicas]),
        generated=np.array([replica.generated for replica in replicas], dtype=np.int64),
        peak_sequences=np.array([replica.peak_sequences for replica in replicas], dtype=np.int64),
        peak_tokens=np.array([replica.peak_tokens for replica in replicas], dtype=np.int64),
        end_s=max(last, float(requests.arrival_s[-1]) if len(requests) else 0.0),
        gaps=tuple(replica.gaps for replica in replicas),
    )


def _counts(sparse: dict[int, int], requests: int) -> Integers:
    dense = np.zeros(requests, dtype=np.int64)
    dense[list(sparse)] = list(sparse.values())
    return dense
