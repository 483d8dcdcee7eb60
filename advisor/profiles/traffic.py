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

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.domain import NoThroughput, Throughput
from advisor.profiles import roofline
from advisor.profiles.curve import Curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from advisor.domain import LatencyLimit, Traffic
    from advisor.profiles.calibration import Calibration
    from advisor.profiles.replica import Replica

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
    return replace(
        answer,
        requests_per_s=answer.requests_per_s * share,
        source=source,
        limited_by=limited_by,
        low_requests_per_s=None if low is None else low * share,
        high_requests_per_s=None if high is None else high * share,
    )


def under_ceiling(answer: Throughput | NoThroughput, share: float) -> Throughput | NoThroughput:
    """What a ceiling leaves of a figure."""
    if share >= 1.0 or isinstance(answer, NoThroughput):
        return answer
    return scaled(answer, share, f"{answer.source}; {share:.1%} of it, as replayed", answer.limited_by)


def lengthened(sizes: Floats, traffic: Traffic) -> Floats:
    """Sizes as the replica sees them: hidden tokens are output."""
    longer: Floats = sizes + np.array([0.0, traffic.reasoning_tokens])
    return longer


def effects(replica: Replica, sizes: Floats, pace: LatencyLimit | None, calibration: Calibration) -> Effects:
    """Factors on rates; ``sizes`` are lengthened already, ``pace`` is the limit on mean TPOT there is."""
    faster, words, stated = np.ones(len(sizes)), [], replica.traffic
    if stated.prefix_cache_hit_rate > 0:
        hits = f"{stated.prefix_cache_hit_rate:.0%} of input tokens from the prefix cache"
        if calibration.supports(replica) is None:
            faster = prefix_speedup(Curve.of(replica, sizes, calibration), pace, stated.prefix_cache_hit_rate)
            words.append(f"{hits} credited as far as prompts fill the estimator's time")
        else:
            words.append(f"{hits} not credited: no constants for {replica.accelerator.name}")
    slower = 1.0
    if stated.lora_adapters > 0:
        slower = lora_slowdown(replica)
        words.append(f"{stated.lora_adapters} LoRA adapters of rank {stated.lora_rank}")
    if stated.reasoning_tokens > 0:
        words.append(f"{stated.reasoning_tokens:g} reasoning tokens added to the output")
    if stated.arrival_cv != 1.0:
        words.append(f"arrivals with a coefficient of variation of {stated.arrival_cv:g}")
    return Effects(faster, slower, "; ".join(words))


def prefix_speedup(curve: Curve, pace: LatencyLimit | None, hit_rate: float) -> Floats:
    """Rate with prefix hits over the rate without, per size: 1 / (1 - share of prompts x prefill saved)."""
    most = curve.within_tpot(None if pace is None else pace.ms).requests_per_s
    share = np.clip(most * curve.prefill_s, 0.0, 1.0)
    cached = roofline.prefill_s(curve.work, curve.constants, hit_rate * curve.tokens_in)
    left = curve.prefill_s - cached + roofline.comm_s(curve.work, curve.constants, 0.0)
    saved = np.clip(1.0 - left / curve.prefill_s, 0.0, 1.0)
    return np.asarray(1.0 / np.maximum(1.0 - share * saved, LEAST_PREFILL))


def lora_slowdown(replica: Replica) -> float:
    """Rate with adapters over the rate without; 0 where they leave no room."""
    room, without = replica.memory(), replica.with_plain_traffic().memory()
    read = 1.0 + room.lora_gib / room.weights_gib
    if not without.fits:  # the arithmetic is too careful: a profile says that the model does fit
        return 1.0 / read
    return room.max_tokens / without.max_tokens / read
