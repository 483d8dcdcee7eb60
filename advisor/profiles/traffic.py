"""What traffic does to a replica besides the lengths of its requests.

======================  ===========================================================================
reasoning tokens        are generated, kept and billed like visible ones: a request of I in, O out is
                        one of I in, O + reasoning out. TTFT is that of the first token, hidden or not
prefix cache hits       a share h of the input is not computed: with P(n) seconds to read n tokens, a
                        prompt takes P(I) - P(hI) instead of P(I). Where prompts are a share s of the
                        busy time, rate / (1 - s (1 - prefill left)). Hits shorten no KV cache, and no
                        TTFT: a request that misses must meet the limit, too
LoRA adapters           take memory (:func:`advisor.profiles.memory.lora_bytes`), so the KV cache and
                        the requests in flight shrink; and every step reads them beside the weights:
                        rate x (KV room left) / (1 + adapters / weights). Half the requests in flight
                        serve at least half the rate
======================  ===========================================================================

The share of prompts is the estimator's at its own largest rate, never more, even where a measured rate is
what is corrected; chips it has no constants for get no credit for hits. Everything here is off unless the
workload states it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.domain import NoThroughput, Throughput
from advisor.profiles import memory, roofline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from advisor.domain import Accelerator, Model, Traffic
    from advisor.profiles.calibration import Calibration

    Floats = NDArray[np.float64]

LEAST_PREFILL: Final = 0.05
"""Share of the busy time that is left whatever the hits: decoding and overheads never go to nothing."""


@dataclass(frozen=True, slots=True)
class Effects:
    """Factors on the rates of one replica, with the words for them."""

    faster: Floats  #: by prefix hits, per size; at least 1
    slower: float  #: by adapters; at most 1
    words: str

    def on(
        self, answer: Throughput | NoThroughput, place: int, cap: Throughput | NoThroughput | None
    ) -> Throughput | NoThroughput:
        """The answer under this traffic; ``cap`` is what limits on waiting allow, None without any."""
        if isinstance(answer, NoThroughput):
            return answer
        credited, by = answer.requests_per_s * float(self.faster[place]), answer.limited_by
        if cap is not None:
            most = cap.requests_per_s if isinstance(cap, Throughput) else 0.0
            if credited >= most:
                by = cap.limited_by if isinstance(cap, Throughput) else by
                credited = max(most, answer.requests_per_s)
        share = credited / answer.requests_per_s * self.slower
        return scaled(answer, share, f"{answer.source}; {self.words}", by)


def scaled(answer: Throughput, share: float, source: str, limited_by: str) -> Throughput:
    """The same figure at a share of its rate, its interval in proportion."""
    low, high = answer.low_requests_per_s, answer.high_requests_per_s
    return Throughput(
        requests_per_s=answer.requests_per_s * share,
        kind=answer.kind,
        source=source,
        profile_id=answer.profile_id,
        error_pct=answer.error_pct,
        limited_by=limited_by,
        low_requests_per_s=None if low is None else low * share,
        high_requests_per_s=None if high is None else high * share,
    )


def lengthened(sizes: Floats, traffic: Traffic) -> Floats:
    """Sizes as the replica sees them: hidden tokens are output."""
    longer: Floats = sizes + np.array([0.0, traffic.reasoning_tokens])
    return longer


def effects(
    model: Model,
    precision: str,
    accelerator: Accelerator,
    tensor_parallel: int,
    sizes: Floats,
    tpot_ms: float | None,
    traffic: Traffic,
    calibration: Calibration,
) -> Effects:
    """Factors on rates; ``sizes`` are lengthened already, ``tpot_ms`` is the mean limit there is."""
    faster, words = np.ones(len(sizes)), []
    if traffic.prefix_cache_hit_rate > 0:
        hits = f"{traffic.prefix_cache_hit_rate:.0%} of input tokens from the prefix cache"
        if calibration.supports(model, precision, accelerator) is None:
            faster = prefix_speedup(
                model, precision, accelerator, tensor_parallel, sizes, tpot_ms,
                traffic.prefix_cache_hit_rate, calibration,
            )  # fmt: skip
            words.append(f"{hits} credited as far as prompts fill the estimator's time")
        else:
            words.append(f"{hits} not credited: no constants for {accelerator.name}")
    slower = 1.0
    if traffic.lora_adapters > 0:
        slower = lora_slowdown(model, precision, accelerator, tensor_parallel, traffic)
        words.append(f"{traffic.lora_adapters} LoRA adapters of rank {traffic.lora_rank}")
    if traffic.reasoning_tokens > 0:
        words.append(f"{traffic.reasoning_tokens:g} reasoning tokens added to the output")
    if traffic.arrival_cv != 1.0:
        words.append(f"arrivals with a coefficient of variation of {traffic.arrival_cv:g}")
    return Effects(faster, slower, "; ".join(words))


def prefix_speedup(
    model: Model,
    precision: str,
    accelerator: Accelerator,
    tensor_parallel: int,
    sizes: Floats,
    tpot_ms: float | None,
    hit_rate: float,
    calibration: Calibration,
) -> Floats:
    """Rate with prefix hits over the rate without, per size: 1 / (1 - share of prompts x prefill saved)."""
    work = roofline.work_of(model, precision, accelerator, tensor_parallel)
    constants = calibration.constants(model, accelerator)
    found = roofline.max_rates(model, precision, accelerator, tensor_parallel, sizes, tpot_ms, calibration)
    tokens = np.maximum(sizes[:, 0], 1.0)
    whole = np.asarray(roofline.prefill_s(work, constants, tokens))
    share = np.clip(found.requests_per_s * whole, 0.0, 1.0)
    started = np.asarray(roofline.comm_s(work, constants, 0.0))
    left = whole - np.asarray(roofline.prefill_s(work, constants, hit_rate * tokens)) + started
    saved = np.clip(1.0 - left / whole, 0.0, 1.0)
    return np.asarray(1.0 / np.maximum(1.0 - share * saved, LEAST_PREFILL))


def lora_slowdown(
    model: Model, precision: str, accelerator: Accelerator, tensor_parallel: int, traffic: Traffic
) -> float:
    """Rate with adapters over the rate without; 0 where they leave no room."""
    without = memory.fit(model, precision, accelerator, tensor_parallel)
    room = memory.fit(model, precision, accelerator, tensor_parallel, traffic=traffic)
    adapters = memory.lora_bytes(model, tensor_parallel, traffic) * tensor_parallel
    read = 1.0 + adapters / sum(memory.weight_bytes(model, precision))
    if not without.max_tokens:  # the arithmetic is too careful: a profile says that the model does fit
        return 1.0 / read
    return room.max_tokens / without.max_tokens / read
