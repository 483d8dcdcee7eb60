"""One replica with iteration-level continuous batching, moved from event to event.

A step decodes one token for every running sequence and, if prompts wait, reads up to a budget of their
tokens (chunked prefill, first come first served; without chunks, whole prompts as far as the budget goes, and
one that is longer than it alone). Its two limits are the batch and the KV cache: a request
is admitted when its prompt fits, and when running sequences outgrow the cache the youngest is put back and
later recomputed, as vLLM does (docs.vllm.ai, "Optimization and Tuning", preemption by recompute).

Between two events nothing changes but counters, so steps are taken many at a time: *decode* stretches end at
the next completion, at a full cache or at the step boundary after an arrival; a step that reads prompts
stands alone."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import inf, nan
from typing import TYPE_CHECKING

from advisor.profiles.scheduler import CHUNK_TOKENS
from advisor.simulate.gaps import GapLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.simulate.steps import StepTimes


@dataclass(frozen=True, slots=True)
class ReplicaSpec:
    """What equal replicas have in common."""

    steps: StepTimes
    kv_tokens: int  #: tokens of context the KV cache holds
    max_sequences: int  #: largest batch
    chunk_tokens: int = CHUNK_TOKENS  #: tokens a step may process, decoded ones included
    cached_share: float = 0.0  #: of a prompt, whose reading a prefix cache saves
    chunked: bool = True  #: whether a prompt may be read over several steps

    def serves(self, input_tokens: int, output_tokens: int) -> bool:
        """Whether a request fits at all."""
        return input_tokens + output_tokens <= self.kv_tokens


@dataclass(slots=True)
class Log:
    """What happened to each request, by its number; NaN where it did not."""

    input_tokens: Sequence[int]
    output_tokens: Sequence[int]
    admitted_s: list[float] = field(init=False)
    first_s: list[float] = field(init=False)
    finished_s: list[float] = field(init=False)
    replica: list[int] = field(init=False)  #: that served it last; -1 for none
    preempted: dict[int, int] = field(default_factory=dict)  #: times put back for want of cache
    last_token_s: dict[int, float] = field(default_factory=dict)  #: of those put back or cut off

    def __post_init__(self) -> None:
        requests = len(self.input_tokens)
        self.admitted_s, self.first_s, self.finished_s = [nan] * requests, [nan] * requests, [nan] * requests
        self.replica = [-1] * requests


@dataclass(slots=True)
class _Prompt:
    """A prompt being read."""

    request: int
    tokens: int  #: to read: the prompt, and what was generated before a preemption
    read: int = 0


class ReplicaState:
    """State of one replica. ``due_s`` is when its stretch of steps ends; infinite when it is idle."""

    __slots__ = (
        "_chunks", "_context", "_finishing", "_kept", "_log", "_order", "_prompts", "_reserved", "_running",
        "_start_s", "_stretch", "_taken", "_waiting", "busy_s", "due_s", "gaps", "generated", "group",
        "number", "outstanding", "peak_sequences", "peak_tokens", "spec", "up",
    )  # fmt: skip

    def __init__(self, number: int, group: int, spec: ReplicaSpec, log: Log) -> None:
        """An idle replica; ``log`` is shared by the fleet."""
        self.number, self.group, self.spec = number, group, spec
        self.outstanding = 0  #: requests here, waiting ones included
        self.busy_s, self.due_s = 0.0, inf
        self.generated = 0  #: output tokens, lost ones included
        self.peak_sequences = self.peak_tokens = 0
        self.up = True
        self.gaps = GapLog()
        self._log = log
        self._waiting: deque[int] = deque()
        self._prompts: list[_Prompt] = []
        self._chunks: list[tuple[_Prompt, int]] = []  # tokens of each prompt read in the current step
        # (last step, order, request, context at 0, stretch it began in)
        self._finishing: list[tuple[int, int, int, int, int]] = []
        self._kept: dict[int, int] = {}  # tokens generated before a preemption
        self._running = self._context = self._reserved = 0
        self._taken = self._order = self._stretch = 0
        self._start_s = 0.0

    def add(self, request: int, now_s: float) -> None:
        """A request arrives."""
        self._log.replica[request] = self.number
        self.outstanding += 1
        self._waiting.append(request)
        if self.due_s == inf:
            self._begin(now_s)
        elif self._stretch > 1 and not self._chunks and len(self._waiting) == 1 and self._admits(request):
            self._end_stretch_at(now_s)

    def advance(self) -> int:
        """End the stretch that is due and begin the next one; how many requests finished."""
        now_s, steps = self.due_s, self._stretch
        self.busy_s += now_s - self._start_s
        gaps = self.gaps
        gaps.steps.append(steps)
        gaps.seconds.append(now_s - self._start_s)
        self._taken += steps
        self._context += self._running * steps
        self.generated += self._running * steps
        finished = self._finish(now_s)
        if self._chunks:
            finished += self._read(now_s)
        self.outstanding -= finished
        self._begin(now_s)
        return finished

    def fail(self, now_s: float) -> list[int]:
        """Stop at once; the requests that were here, oldest first."""
        left = self._cut_off(now_s)
        left += [prompt.request for prompt in self._prompts]
        left += list(self._waiting)
        for request in left:
            self._log.admitted_s[request] = nan
        if self.due_s != inf:
            self.busy_s += now_s - self._start_s
        self._waiting.clear()
        self._prompts, self._chunks, self._finishing = [], [], []
        self._kept.clear()
        self._running = self._context = self._reserved = self.outstanding = 0
        self.due_s, self.up = inf, False
        return left

    def _cut_off(self, now_s: float) -> list[int]:
        """Those that were running, oldest first; the steps they still got are logged."""
        running, last_s = self._running, self._start_s
        if running and not self._chunks and now_s > last_s:
            steps = self.spec.steps.steps_until(running, self._context, now_s - last_s) - 1
            if steps > 0:
                last_s += self.spec.steps.decode_s(running, self._context, steps)
                self.gaps.steps.append(steps)
                self.gaps.seconds.append(last_s - self._start_s)
        left = [entry[2] for entry in sorted(self._finishing, key=lambda entry: entry[1])]
        for _, _, request, _, began in self._finishing:
            self.gaps.spells += (request, began, len(self.gaps.steps))
            self._log.last_token_s[request] = last_s
        return left

    def _begin(self, now_s: float) -> None:
        """Plan the next stretch from a step boundary."""
        spec, steps = self.spec, self.spec.steps
        self._make_room(now_s)
        self._start_s = now_s
        seconds = 0.0
        if self._waiting or self._prompts:
            seconds = self._plan_chunks(now_s)
        running = self._running
        if self._chunks:
            self._stretch = 1
            self.due_s = now_s + steps.base_s[running] + steps.context_s * self._context + seconds
        elif running:
            room = (spec.kv_tokens - self._context - self._reserved) // running
            self._stretch = min(self._finishing[0][0] - self._taken, room)
            self.due_s = now_s + steps.decode_s(running, self._context, self._stretch)
        else:
            self._stretch, self.due_s = 0, inf
            return
        self.peak_sequences = max(self.peak_sequences, running + len(self._prompts))
        self.peak_tokens = max(self.peak_tokens, self._context + self._reserved + running * self._stretch)

    def _plan_chunks(self, now_s: float) -> float:
        """Choose what the next step reads; the seconds that adds to it."""
        spec, steps = self.spec, self.spec.steps
        budget = max(spec.chunk_tokens - self._running, 1)
        seconds, place = 0.0, 0
        self._chunks = []
        while budget > 0:
            if place == len(self._prompts):
                if not self._waiting or not self._admits(self._waiting[0]):
                    break
                self._admit(self._waiting.popleft(), now_s)
            prompt = self._prompts[place]
            tokens = prompt.tokens - prompt.read
            if tokens > budget:
                if not spec.chunked and self._chunks:
                    break  # it is read whole, in a step to come
                tokens = budget if spec.chunked else tokens
            seconds += steps.prompt_s(prompt.read, prompt.read + tokens)
            self._chunks.append((prompt, tokens))
            budget -= tokens
            place += 1
        return seconds

    def _admits(self, request: int) -> bool:
        """Whether a prompt fits beside what is here, with room for one more step."""
        running = self._running + len(self._prompts)
        if running >= self.spec.max_sequences:
            return False
        tokens = self._log.input_tokens[request] + self._kept.get(request, 0)
        return self._context + self._reserved + tokens + running + 1 <= self.spec.kv_tokens

    def _admit(self, request: int, now_s: float) -> None:
        log = self._log
        if log.admitted_s[request] != log.admitted_s[request]:
            log.admitted_s[request] = now_s
        tokens = log.input_tokens[request] + self._kept.get(request, 0)
        cached = min(int(tokens * self.spec.cached_share), tokens - 1)
        self._prompts.append(_Prompt(request, tokens, cached))
        self._reserved += tokens

    def _read(self, now_s: float) -> int:
        """Account for the prompts read; those read to their end yield a token. How many need no more."""
        log, finished = self._log, 0
        for prompt, tokens in self._chunks:
            prompt.read += tokens
            if prompt.read < prompt.tokens:
                continue
            request = prompt.request
            self._reserved -= prompt.tokens
            self.generated += 1
            generated = self._kept.pop(request, 0) + 1
            if log.first_s[request] != log.first_s[request]:
                log.first_s[request] = now_s
            elif request in log.last_token_s:
                self.gaps.pauses += (request, now_s - log.last_token_s.pop(request))
            left = log.output_tokens[request] - generated
            if left <= 0:
                log.finished_s[request] = now_s
                finished += 1
                continue
            self._running += 1
            self._context += prompt.tokens + 1
            self._order += 1
            grown = prompt.tokens + 1 - self._taken
            began = len(self.gaps.steps)
            heappush(self._finishing, (self._taken + left, self._order, request, grown, began))
        self._prompts = [prompt for prompt in self._prompts if prompt.read < prompt.tokens]
        self._chunks = []
        return finished

    def _finish(self, now_s: float) -> int:
        finishing, taken, finished = self._finishing, self._taken, 0
        while finishing and finishing[0][0] <= taken:
            _, _, request, grown, began = heappop(finishing)
            self._context -= grown + taken
            self._running -= 1
            self._log.finished_s[request] = now_s
            self.gaps.spells += (request, began, len(self.gaps.steps))
            finished += 1
        return finished

    def _make_room(self, now_s: float) -> None:
        """Put requests back, youngest first, until every running sequence can grow by a token."""
        while self._running and self._context + self._reserved + self._running > self.spec.kv_tokens:
            if self._prompts:
                prompt = self._prompts.pop()
                self._reserved -= prompt.tokens
                request = prompt.request
            else:
                request = self._youngest()
                self._log.last_token_s[request] = now_s
            self._waiting.appendleft(request)
            self._log.preempted[request] = self._log.preempted.get(request, 0) + 1

    def _youngest(self) -> int:
        """Take the youngest running sequence out, remembering what it has generated."""
        place = max(range(len(self._finishing)), key=lambda i: self._finishing[i][1])
        last, _, request, grown, began = self._finishing[place]
        self.gaps.spells += (request, began, len(self.gaps.steps))
        self._finishing[place] = self._finishing[-1]
        self._finishing.pop()
        heapify(self._finishing)
        self._running -= 1
        self._context -= grown + self._taken
        self._kept[request] = self._log.output_tokens[request] - (last - self._taken)
        return request

    def _end_stretch_at(self, now_s: float) -> None:
        """Shorten a decode stretch to the step boundary at or after ``now_s``."""
        steps = self.spec.steps.steps_until(self._running, self._context, now_s - self._start_s)
        if steps < self._stretch:
            self._stretch = steps
            self.due_s = self._start_s + self.spec.steps.decode_s(self._running, self._context, steps)
