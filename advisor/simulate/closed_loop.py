"""A replica under a fixed number of requests in flight, as load generators and profiles drive it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.simulate.replica import Log, ReplicaState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.simulate.replica import ReplicaSpec

ROUNDS: Final = 10
"""Requests per client of a load generator's run. Source: InferenceMAX, whose runs most measured profiles are:
ten times the concurrency, all clients at once, nothing left out of the means (its README, 2025)."""

SPREAD: Final = (0.8 / 0.9, 1.0 / 0.9)
"""Sizes of such a run over their mean: drawn evenly from 0.8 to 1 of the size asked for (same source)."""


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """Means over the requests of a closed loop."""

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
    steps = spec.steps
    alone_s = steps.prompt_s(0, input_tokens[0]) + steps.decode_s(1, input_tokens[0], output_tokens[0])
    starts = [alone_s * client / concurrency for client in range(concurrency)]
    log, sent_s = _served(spec, input_tokens, output_tokens, starts)
    return _means(log, sent_s, range(concurrency, len(sent_s) - concurrency), steps.front_s)


def benchmark_run(spec: ReplicaSpec, input_tokens: int, output_tokens: int, concurrency: int) -> LoadPoint:
    """What a load generator would publish: all clients start at once, sizes vary, every request counts.

    The first wave waits for itself, prompt behind prompt: a tenth of the requests, and at heavy load most of
    the mean TTFT. The rate is that of Little's law, as in the profiles: no ramp, no tail.
    """
    rng, requests = np.random.default_rng(0), concurrency * ROUNDS
    size_in, size_out = (
        np.rint(mean * rng.uniform(*SPREAD, requests)).astype(np.int64).clip(1).tolist()
        for mean in (input_tokens, output_tokens)
    )
    log, sent_s = _served(spec, size_in, size_out, [0.0] * concurrency)
    found = _means(log, sent_s, range(requests), spec.steps.front_s)
    e2e_s = (found.ttft_ms + found.tpot_ms * (output_tokens - 1)) * 1e-3
    return LoadPoint(found.ttft_ms, found.tpot_ms, concurrency / e2e_s)


def _served(
    spec: ReplicaSpec, input_tokens: Sequence[int], output_tokens: Sequence[int], starts: Sequence[float]
) -> tuple[Log, list[float]]:
    """All requests served, and when each was sent; one client per start."""
    requests = len(input_tokens)
    log = Log(input_tokens, output_tokens)
    replica = ReplicaState(0, 0, spec, log)
    sent_s: list[float] = []
    while len(sent_s) < requests or replica.due_s != inf:
        if len(sent_s) < len(starts) and starts[len(sent_s)] <= replica.due_s:
            sent_s.append(starts[len(sent_s)])
            replica.add(len(sent_s) - 1, sent_s[-1])
            continue
        now_s = replica.due_s
        for _ in range(min(replica.advance(), requests - len(sent_s))):
            sent_s.append(now_s)
            replica.add(len(sent_s) - 1, now_s)
    return log, sent_s


def _means(log: Log, sent_s: Sequence[float], counted: range, front_s: float) -> LoadPoint:
    ttft = sum(log.first_s[i] - sent_s[i] for i in counted) / len(counted) + front_s
    spaced = [i for i in counted if log.output_tokens[i] > 1]
    gaps = [(log.finished_s[i] - log.first_s[i]) / (log.output_tokens[i] - 1) for i in spaced]
    tpot = sum(gaps) / len(gaps) if gaps else 0.0
    done_s = [0.0, *sorted(log.finished_s)]
    span_s = done_s[counted.stop] - done_s[counted.start]
    return LoadPoint(ttft * 1e3, tpot * 1e3, len(counted) / span_s if span_s > 0 else 0.0)
