"""Step time, TPOT, TTFT and rate of one replica by how many requests are in flight: the step-time model.

The estimator's equations (:mod:`advisor.profiles.roofline`) for one replica and given request sizes. Whoever
estimates anything, the planner, ``profile show``, ``estimate``, ``compare``, a replay, reads it off a curve.
Requests in flight are a mean over time and so not rounded, which makes the largest rate never rise with a
larger request and never fall with a looser limit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.profiles import roofline
from advisor.profiles.latency_metrics import Stream
from advisor.profiles.memory import EVERY_TOKEN, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from advisor.profiles.calibration import Calibration
    from advisor.profiles.replica import Replica
    from advisor.profiles.roofline import Constants, Quantity, Work

    Floats = NDArray[np.float64]

_NEWTON_STEPS: Final = 40
_SETTLED: Final = 1e-13  # relative
_NEAR: Final = 1e-9  # relative, of a batch whose rate is asked for
_LEAST_IDLE: Final = 1e-300  # so that a model that uses every expert has a logarithm


@dataclass(frozen=True, slots=True)
class Sustained:
    """The largest rate within a limit; one element per request size."""

    requests_per_s: Floats  #: 0 where the size cannot be served within the limit
    batch: Floats  #: requests in flight at that rate, at least 1
    limited_by: NDArray[np.str_]  #: ``tpot``, ``memory`` or ``engine`` (the most it takes in flight)


@dataclass(frozen=True)
class Curve:
    """One replica and the request sizes it is asked about, hidden tokens included."""

    work: Work
    constants: Constants
    room_tokens: int  #: of KV cache, each kept in every layer
    tokens_in: Floats
    tokens_out: Floats
    window: Window = EVERY_TOKEN  #: what layers that slide keep in the cache

    @classmethod
    def of(cls, replica: Replica, sizes: Floats, calibration: Calibration, *, tuned: bool = False) -> Curve:
        """The curve of a replica for (input, output) sizes, shape (n, 2), adapters left aside.

        ``tuned``: an engine set to hold as many requests at once as serve best, not its defaults.

        Raises:
            ValueError: nothing calibrated applies; ask ``estimate.refusal`` first.
        """
        constants = calibration.constants(replica)
        if tuned:
            most = max(constants.saturated_sequences, constants.max_sequences)
            constants = replace(constants, max_sequences=most)
        memory = replica.with_plain_traffic().memory()
        tokens = np.maximum(np.asarray(sizes, dtype=np.float64).reshape(-1, 2), 1.0)
        return cls(replica.work(), constants, memory.max_tokens, tokens[:, 0], tokens[:, 1], memory.window)

    @cached_property
    def context(self) -> Floats:
        """Tokens of a request on average while it decodes."""
        return self.tokens_in + self.tokens_out / 2.0

    @cached_property
    def in_memory(self) -> Floats:
        """Requests that the KV cache holds."""
        return np.asarray(self.room_tokens / self.window.kept(self.context))

    @cached_property
    def slots(self) -> Floats:
        """Requests in flight at most: in memory, and as the engine takes them."""
        return np.minimum(self.in_memory, self.constants.max_sequences)

    @cached_property
    def fits(self) -> NDArray[np.bool_]:
        """Whether one request fits in the KV cache at its full length."""
        return np.asarray(self.window.kept(self.tokens_in + self.tokens_out) <= self.room_tokens)

    @cached_property
    def prefill_s(self) -> Floats:
        """One prompt, alone."""
        return np.asarray(roofline.prefill_s(self.work, self.constants, self.tokens_in))

    def step_s(self, batch: Quantity) -> Floats:
        """One step with so many in flight, no prompt in it."""
        (none, each), (always, experts) = self._line, self._weights
        touched = experts * -np.expm1(-self._decay * batch) if self._mixed else 0.0
        return np.asarray(always + touched + none + each * batch)

    def tpot_s(self, batch: Quantity) -> Floats:
        """Per token after the first: a step, and the prompts of others that come between."""
        return self.step_s(batch) + self.interruption_s(batch)

    def interruption_s(self, batch: Quantity) -> Floats:
        """What others' prompts add to TPOT beyond the step."""
        gaps = np.maximum(self.tokens_out - 1.0, 1.0)
        return np.asarray((1.0 - self.constants.wait_share) * (batch - 1.0) * self.prefill_s / gaps)

    def rate_per_s(self, batch: Quantity) -> Floats:
        """Requests per second with so many in flight."""
        return np.asarray(batch / (self.tokens_out * self.step_s(batch) + batch * self.prefill_s))

    def ttft_s(self, batch: Quantity) -> Floats:
        """To the first token in a closed loop of so many; an open stream queues: :meth:`stream`."""
        waited = 1.0 + self.constants.wait_share * (batch - 1.0)
        return np.asarray(self.step_s(batch) + waited * self.prefill_s)

    def batch_at(self, rate_per_s: Floats) -> Floats:
        """Requests in flight that serve so many a second; infinite beyond any batch's rate.

        Exact for a dense model. Where experts are touched by chance, by Newton's method from the right: they
        rise ever more slowly with the batch, so a tangent never passes the answer.
        """
        none, each = self._line
        always, experts = self._weights
        per_batch = 1.0 - rate_per_s * (self.tokens_out * each + self.prefill_s)
        scale = rate_per_s * self.tokens_out
        with np.errstate(divide="ignore", invalid="ignore"):
            batch = np.where(per_batch > 0.0, scale * (always + experts + none) / per_batch, np.inf)
            for _ in range(_NEWTON_STEPS if self._mixed else 0):
                idle = np.exp(-self._decay * batch)
                over = batch * per_batch - scale * (always + experts * (1.0 - idle) + none)
                back = over / (per_batch - scale * experts * self._decay * idle)
                back = np.where(np.isfinite(batch), back, 0.0)
                batch = batch - back
                if (np.abs(back) <= _NEAR * batch).all():
                    break
        return np.asarray(batch)

    def within_tpot(self, limit_ms: Quantity | None) -> Sustained:
        """The largest rate within a mean TPOT: one limit, or one for each size; none: as memory allows."""
        batch = self._largest_batch(limit_ms)
        by_slots = np.where(self.in_memory < self.constants.max_sequences, "memory", "engine")
        limits = np.where(~self.fits, "memory", np.where(batch < self.slots, "tpot", by_slots))
        at_least_one = np.maximum(batch, 1.0)
        served = np.where(self.fits & (batch >= 1.0), self.rate_per_s(at_least_one), 0.0)
        return Sustained(served, at_least_one, limits)

    def stream(self, rate_per_s: Floats, arrival_cv: float = 1.0) -> Stream:
        """The replica under open arrivals."""
        running = np.clip(self.batch_at(rate_per_s), 1.0, self.slots)
        return Stream(
            rate_per_s, self.step_s(running), self.prefill_s, self.slots, self._capacity_per_s,
            self.tokens_in, self.tokens_out, self.interruption_s(running), arrival_cv,
        )  # fmt: skip

    @cached_property
    def _capacity_per_s(self) -> Floats:
        return self.rate_per_s(self.slots)

    @cached_property
    def _line(self) -> tuple[Quantity, Quantity]:
        """(a, b): a step takes its weights' time and ``a + b * batch``."""
        return roofline.step_line(self.work, self.constants, self.context)

    @cached_property
    def _weights(self) -> tuple[Quantity, Quantity]:
        """Seconds of the weights that every step reads, and of all experts besides."""
        always = roofline.weights_s(self.work, self.constants, 0.0)
        return always, roofline.weights_s(self.work, self.constants, np.inf) - always

    @cached_property
    def _mixed(self) -> bool:
        """Whether any model is a mixture of experts."""
        return bool(np.any(self.work.expert_bytes))

    @cached_property
    def _decay(self) -> Quantity:
        return np.asarray(-np.log(np.maximum(self.work.idle_share, _LEAST_IDLE)))

    def _largest_batch(self, limit_ms: Quantity | None) -> Floats:
        """Largest batch up to the slots within the limit; below 1 where one request alone breaks it.

        Exact for a dense model, whose TPOT is affine in the batch. Else by Newton's method from the left,
        which starts where all experts would be touched: never too far, and no tangent passes the answer.
        """
        if limit_ms is None:
            return self.slots
        (none, each), (always, experts) = self._line, self._weights
        others = self.interruption_s(2.0)
        slope = each + others
        spare = limit_ms * 1e-3 - none + others - always
        if not self._mixed:
            return np.asarray(np.minimum(spare / slope, self.slots))
        batch = np.maximum((spare - experts) / slope, 1.0)
        for _ in range(_NEWTON_STEPS):
            idle = np.exp(-self._decay * batch)
            ahead = (spare - experts * (1.0 - idle) - slope * batch) / (experts * self._decay * idle + slope)
            batch = batch + ahead
            if (np.abs(ahead) <= _SETTLED * np.abs(batch)).all():
                break
        not_even_one = experts * (1.0 - np.exp(-self._decay)) + slope > spare
        return np.where(not_even_one, 0.0, np.minimum(batch, np.maximum(self.slots, 1.0)))
