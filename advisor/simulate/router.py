"""Where a request goes: the plan's split of its bucket, then the least loaded of equal replicas.

A bucket's stream is dealt to groups in the plan's proportions, evenly rather than by lot (each group is owed
its share of every request and the one owed most gets it). Within a group the replica with the fewest
requests gets the next one; of equals, the one that has waited longest. Groups that lost replicas are owed
less, in proportion.

A router does not know how long an answer will be. It sees the prompt, and a guess of the output that is off
by a stated typical error; ``ideal`` shows what knowing would give, ``none`` what the prompt alone gives."""

from __future__ import annotations

from collections import OrderedDict
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from advisor.plan.plan import Plan
    from advisor.simulate.demand import Requests
    from advisor.simulate.fleet import ReplayFleet
    from advisor.simulate.lengths import Grid
    from advisor.simulate.replica import ReplicaState

    Integers = NDArray[np.int64]

_Share = tuple[int, float]


class Knowledge(StrEnum):
    """What the router knows of a request's output length."""

    PREDICTED = "predicted"
    IDEAL = "ideal"
    NONE = "none"


def routed_buckets(
    rng: np.random.Generator,
    requests: Requests,
    grids: Sequence[Grid],
    knowledge: Knowledge,
    sigma: float,
) -> Integers:
    """The bucket the router takes each request for.

    Args:
        rng: draws the errors of the predictions.
        requests: what arrives.
        grids: of every service.
        knowledge: what is known of the output.
        sigma: of the logarithm of (predicted / true).
    """
    if knowledge is Knowledge.IDEAL:
        return requests.bucket
    taken = requests.bucket.copy()
    noise = rng.standard_normal(len(requests))
    for place, grid in enumerate(grids):
        mine = np.flatnonzero(requests.service == place)
        if knowledge is Knowledge.PREDICTED:
            guess = np.maximum(requests.output_tokens[mine] * np.exp(sigma * noise[mine]), 1.0)
            taken[mine], _ = grid.bucket_of(requests.input_tokens[mine], guess)
        else:
            taken[mine] = _by_prompt(rng, requests.bucket[mine], grid)
    return taken


def _by_prompt(rng: np.random.Generator, bucket: Integers, grid: Grid) -> Integers:
    """A bucket of the same input range, drawn as the plan expects them."""
    taken = bucket.copy()
    for row in np.unique(grid.input_max):
        same = np.flatnonzero(grid.input_max == row)
        here = np.flatnonzero(np.isin(bucket, same))
        rates = grid.requests_per_s[same]
        taken[here] = rng.choice(same, size=len(here), p=rates / rates.sum())
    return taken


class Streams:
    """Numbers of the streams (service, bucket, origin) of a plan, and the groups that share each."""

    def __init__(self, plan: Plan) -> None:
        """Read the splits of every allocation."""
        self._origins = [max(len(service.users), 1) for service in plan.services]
        self._first = np.concatenate(
            [[0], np.cumsum([len(s.buckets) * n for s, n in zip(plan.services, self._origins, strict=True)])]
        ).astype(np.int64)
        self.shares: list[list[_Share]] = [[] for _ in range(int(self._first[-1]))]
        self.service: list[int] = [0] * len(self.shares)
        names = {service.name: place for place, service in enumerate(plan.services)}
        for place in range(len(plan.services)):
            for stream in range(self._first[place], self._first[place + 1]):
                self.service[stream] = place
        for group, allocation in enumerate(plan.allocations):
            service = names[allocation.service]
            users = [line.at for line in plan.services[service].users]
            buckets = {
                (line.input_tokens_max, line.output_tokens_max): place
                for place, line in enumerate(plan.services[service].buckets)
            }
            for load in allocation.load:
                bucket = buckets[load.input_tokens_max, load.output_tokens_max]
                known = [o for o in load.origins if o.origin in users]
                for o in known:
                    self._put(service, bucket, users.index(o.origin), group, o.requests_per_s)
                if not known:
                    self._put(service, bucket, None, group, load.requests_per_s)

    def _put(self, service: int, bucket: int, origin: int | None, group: int, rate: float) -> None:
        if rate <= 0:
            return
        base = int(self._first[service]) + bucket * self._origins[service]
        for place in range(self._origins[service]) if origin is None else (origin,):
            self.shares[base + place].append((group, rate))

    def of(self, requests: Requests, buckets: Integers) -> Integers:
        """The stream of each request, taken for those buckets."""
        origins = np.array(self._origins, dtype=np.int64)[requests.service]
        return np.asarray(self._first[requests.service] + buckets * origins + requests.origin)


class LoadLevels:
    """Replicas of a group by how many requests they hold."""

    def __init__(self, replicas: Sequence[ReplicaState]) -> None:
        """All empty."""
        self._levels: list[OrderedDict[int, ReplicaState]] = [OrderedDict((r.number, r) for r in replicas)]
        self._least = 0
        self.up = len(replicas)

    def take(self) -> ReplicaState:
        """A least loaded replica, counted as holding one more; there must be one."""
        levels = self._levels
        while not levels[self._least]:
            self._least += 1
        number, replica = levels[self._least].popitem(last=False)
        if self._least + 1 == len(levels):
            levels.append(OrderedDict())
        levels[self._least + 1][number] = replica
        return replica

    def less(self, replica: ReplicaState, before: int, now: int) -> None:
        """A replica holds fewer requests than it did."""
        if self._levels[before].pop(replica.number, None) is None:
            return  # drained: it takes no more
        self._levels[now][replica.number] = replica
        self._least = min(self._least, now)

    def remove(self, replica: ReplicaState) -> None:
        """A replica takes no more."""
        if self._levels[replica.outstanding].pop(replica.number, None) is not None:
            self.up -= 1
            self._least = 0

    def put(self, replica: ReplicaState) -> None:
        """A replica takes requests from now on."""
        self._levels[replica.outstanding][replica.number] = replica
        self._least = 0
        self.up += 1


class Router:
    """Chooses a replica for each request."""

    def __init__(self, fleet: ReplayFleet, streams: Streams, replicas: Sequence[ReplicaState]) -> None:
        """Every replica is up."""
        self._fleet, self._streams = fleet, streams
        self.levels = [LoadLevels([replicas[number] for number in group.replicas]) for group in fleet.groups]
        self._owed: dict[int, list[list[float]]] = {}

    def route(self, stream: int, input_tokens: int, output_tokens: int) -> ReplicaState | None:
        """The replica for a request of a stream; None if no replica that could serve it is up."""
        owed = self._owed.get(stream)
        if owed is None:
            owed = self._owed[stream] = self._split(stream)
        if len(owed) == 1:
            chosen = owed[0]
        elif owed:
            for entry in owed:
                entry[1] += entry[2]
            chosen = max(owed, key=_most_owed)
            chosen[1] -= 1.0
        else:
            return None
        group = int(chosen[0])
        if not self._fleet.groups[group].drive.spec.serves(input_tokens, output_tokens):
            return self._elsewhere(stream, input_tokens, output_tokens)
        return self.levels[group].take()

    def changed(self) -> None:
        """Replicas came or went: splits are worked out anew."""
        self._owed.clear()

    def ever_serves(self, stream: int, input_tokens: int, output_tokens: int) -> bool:
        """Whether any group of the service, up or not, has room for such a request."""
        service = self._streams.service[stream]
        return any(
            group.service == service and group.drive.spec.serves(input_tokens, output_tokens)
            for group in self._fleet.groups
        )

    def _split(self, stream: int) -> list[list[float]]:
        """[group, owed, share] of each group that is up: the stream's, or failing those the service's."""
        weights = [
            (group, rate * self.levels[group].up / len(self._fleet.groups[group].replicas))
            for group, rate in self._streams.shares[stream]
        ]
        if not any(weight > 0 for _, weight in weights):
            service = self._streams.service[stream]
            weights = [
                (place, group.utilization * self.levels[place].up)
                for place, group in enumerate(self._fleet.groups)
                if group.service == service
            ]
        total = sum(weight for _, weight in weights)
        return [[group, 0.0, weight / total] for group, weight in weights if weight > 0]

    def _elsewhere(self, stream: int, input_tokens: int, output_tokens: int) -> ReplicaState | None:
        """Another group of the service with more room."""
        service = self._streams.service[stream]
        for place, group in enumerate(self._fleet.groups):
            fits = group.service == service and group.drive.spec.serves(input_tokens, output_tokens)
            if fits and self.levels[place].up:
                return self.levels[place].take()
        return None


def _most_owed(entry: list[float]) -> float:
    return entry[1]
