"""A continuous-batching engine, step by step: what the queueing model is held against. Knows none of it.

A step gives each running request one token and reads waiting prompts, first come first served, up to a
number of tokens; it takes ``fixed_s + each_s`` per running request ``+ token_s`` per prompt token. At most
``slots`` requests are in the engine; the rest wait outside.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Engine:
    input_tokens: int
    output_tokens: int
    fixed_s: float
    each_s: float
    token_s: float
    slots: int
    step_tokens: int = 2048

    @property
    def prefill_s(self) -> float:
        return self.input_tokens * self.token_s

    def rate(self, running: float) -> float:
        step = self.fixed_s + self.each_s * running
        return running / (self.output_tokens * step + running * self.prefill_s)

    def running(self, rate: float) -> float:
        low, high = 0.0, float(self.slots)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.rate(middle) < rate else (low, middle)
        return high


@dataclass(frozen=True, slots=True)
class Seen:
    ttft_s: Floats  #: of requests of the engine's own prompt length
    tpot_s: Floats
    requests_per_s: float
    gap_s: Floats  #: every gap between two tokens

    def ttft(self, statistic: str) -> float:
        return _statistic(self.ttft_s, statistic)

    def itl(self, statistic: str) -> float:
        return _statistic(self.gap_s, statistic)


def _statistic(values: Floats, statistic: str) -> float:
    return float(values.mean() if statistic == "mean" else np.quantile(values, float(statistic[1:]) / 100))


def run(
    engine: Engine,
    requests: int,
    seed: int,
    *,
    rate: float = 0.0,
    in_flight: int = 0,
    arrival_cv: float = 1.0,
    varied: bool = True,
) -> Seen:
    """An open stream of ``rate``, or a closed loop of ``in_flight``; the first tenth is not counted.

    ``varied``: three quarters of the prompts and all outputs have exponential lengths, else all are alike.
    """
    dice = random.Random(seed)
    waiting: deque[tuple[float, int, int, bool]] = deque()

    def arrive(at: float) -> None:
        own = not varied or dice.random() < 0.25
        prompt = engine.input_tokens if own else max(1, round(dice.expovariate(1 / engine.input_tokens)))
        mean = engine.output_tokens
        output = max(2, round(dice.expovariate(1 / mean))) if varied else mean
        waiting.append((at, prompt, output, own))

    def gap() -> float:
        if arrival_cv == 1.0:
            return dice.expovariate(rate)
        share = (1 + math.sqrt((arrival_cv**2 - 1) / (arrival_cv**2 + 1))) / 2
        return dice.expovariate(2 * rate * (share if dice.random() < share else 1 - share))

    now, upcoming, step, running, done, counted = 0.0, math.inf, 0, 0, 0, 0
    if in_flight:
        for _ in range(in_flight):
            arrive(0.0)
    else:
        upcoming = gap()
    reading: deque[list[float]] = deque()  # tokens left, arrival, output, own
    ends: dict[int, list[tuple[int, float]]] = {}
    ttft: list[float] = []
    tpot: list[float] = []
    steps: list[tuple[float, int]] = []  # seconds, requests that got a token
    while done < requests:
        while upcoming <= now:
            arrive(upcoming)
            upcoming += gap()
        while waiting and running + len(reading) < engine.slots:
            at, prompt, output, own = waiting.popleft()
            reading.append([prompt, at, output, own])
        if not running and not reading:
            now = upcoming
            continue
        left, first = engine.step_tokens - running, []
        tokens = 0.0
        while reading and left > 0:
            part = min(reading[0][0], left)
            reading[0][0] -= part
            left -= part
            tokens += part
            if reading[0][0] == 0:
                first.append(reading.popleft())
        took = engine.fixed_s + engine.each_s * running + engine.token_s * tokens
        now += took
        steps.append((took, running))
        step += 1
        for output, began in ends.pop(step, ()):
            running -= 1
            done += 1
            tpot.append((now - began) / (output - 1))
            if in_flight:
                arrive(now)
        for _, at, output, own in first:
            counted += 1
            if own and counted > requests / 10:
                ttft.append(now - at)
            running += 1
            ends.setdefault(step + int(output) - 1, []).append((int(output), now))
    seconds, got = np.array(steps[len(steps) // 10 :]).T
    return Seen(np.array(ttft), np.array(tpot), done / now, np.repeat(seconds, got.astype(np.int64)))
