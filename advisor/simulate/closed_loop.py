"""A replica under a fixed number of requests in flight, as load generators and profiles drive it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from advisor.simulate.replica import Log, Replica

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.simulate.replica import ReplicaSpec


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """Means over the requests of a closed loop, the first and last in flight left out."""

    ttft_ms: float
    tpot_ms: float
    requests_per_s: float


def closed_loop(
    spec: ReplicaSpec, input_tokens: int, output_tokens: int, concurrency: int, rounds: int = 6
) -> LoadPoint:
    """What ``concurrency`` clients see, each sending its next request when the last one is answered.

    The first round and the last are left out of the means, so three rounds are the least.
    """
    requests = concurrency * rounds
    return closed_loop_of(spec, [input_tokens] * requests, [output_tokens] * requests, concurrency)


def closed_loop_of(
    spec: ReplicaSpec, input_tokens: Sequence[int], output_tokens: Sequence[int], concurrency: int
) -> LoadPoint:
    """:func:`closed_loop` with a size for every request, sent in that order by whichever client is free.

    Clients start one after the other, evenly over the time the first request takes alone, so that prompts do
    not come in step.
    """
    requests = len(input_tokens)
    log = Log(input_tokens, output_tokens)
    replica = Replica(0, 0, spec, log)
    steps = spec.steps
    alone_s = steps.prompt_s(0, input_tokens[0]) + steps.decode_s(1, input_tokens[0], output_tokens[0])
    starts = [alone_s * client / concurrency for client in range(concurrency)]
    sent_s: list[float] = []
    while len(sent_s) < requests or replica.due_s != inf:
        if len(sent_s) < concurrency and starts[len(sent_s)] <= replica.due_s:
            sent_s.append(starts[len(sent_s)])
            replica.add(len(sent_s) - 1, sent_s[-1])
            continue
        now_s = replica.due_s
        for _ in range(min(replica.advance(), requests - len(sent_s))):
            sent_s.append(now_s)
            replica.add(len(sent_s) - 1, now_s)
    return _means(log, sent_s, concurrency, steps.front_s)


def _means(log: Log, sent_s: Sequence[float], concurrency: int, front_s: float) -> LoadPoint:
    counted = range(concurrency, len(sent_s) - concurrency)
    ttft = sum(log.first_s[i] - sent_s[i] for i in counted) / len(counted) + front_s
    spaced = [i for i in counted if log.output_tokens[i] > 1]
    gaps = [(log.finished_s[i] - log.first_s[i]) / (log.output_tokens[i] - 1) for i in spaced]
    tpot = sum(gaps) / len(gaps) if gaps else 0.0
    done_s = sorted(log.finished_s)
    span_s = done_s[counted.stop - 1] - done_s[counted.start - 1]
    return LoadPoint(ttft * 1e3, tpot * 1e3, len(counted) / span_s if span_s > 0 else 0.0)
