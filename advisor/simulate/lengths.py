"""How long requests are: sampled from a service's buckets, or looked up for sizes from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from advisor.plan.plan import BucketLine, ServiceLine
    from advisor.workload.trace import Trace

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Grid:
    """The buckets of a service, to look sizes up in."""

    input_min: Integers
    input_max: Integers
    output_min: Integers
    output_max: Integers
    requests_per_s: Floats  #: planned and served, per bucket

    @classmethod
    def of(cls, buckets: Sequence[BucketLine]) -> Grid:
        """The grid of a service's buckets."""

        def column(name: str) -> Integers:
            return np.array([getattr(bucket, name) for bucket in buckets], dtype=np.int64)

        rates = np.array([bucket.requests_per_s * bucket.served_share for bucket in buckets])
        return cls(
            column("input_tokens_min"), column("input_tokens_max"),
            column("output_tokens_min"), column("output_tokens_max"), rates,
        )  # fmt: skip

    def bucket_of(self, input_tokens: Integers, output_tokens: Floats) -> tuple[Integers, int]:
        """The bucket of each size, and how many sizes lie in none and got the nearest, by ratio of tokens."""
        found = np.full(len(input_tokens), -1, dtype=np.int64)
        for place in range(len(self.input_min)):
            inside = (input_tokens > self.input_min[place]) & (input_tokens <= self.input_max[place])
            inside &= (output_tokens > self.output_min[place]) & (output_tokens <= self.output_max[place])
            found[inside] = place
        missing = np.flatnonzero(found < 0)
        for some in np.array_split(missing, len(missing) // 50_000 + 1):
            found[some] = self._nearest(input_tokens[some], output_tokens[some])
        return found, len(missing)

    def _nearest(self, input_tokens: Integers, output_tokens: Floats) -> Integers:
        distance = _beyond(input_tokens, self.input_min, self.input_max)
        distance = distance + _beyond(output_tokens, self.output_min, self.output_max)
        return np.asarray(np.argmin(distance, axis=1), dtype=np.int64)


def _beyond(tokens: Integers | Floats, low: Integers, high: Integers) -> Floats:
    """How far outside a range each size is, in octaves."""
    size = np.log2(np.maximum(tokens, 1))[:, None]
    below, above = np.log2(low + 1.0) - size, size - np.log2(high.astype(np.float64))
    return np.asarray(np.maximum(np.maximum(below, above), 0.0))


def sample_sizes(
    rng: np.random.Generator, service: ServiceLine, grid: Grid, trace: Trace | None, count: int
) -> tuple[Integers, Integers, Integers]:
    """(bucket, input tokens, output tokens) of ``count`` requests, buckets in the planned proportions.

    Within a bucket: the requests of the trace the buckets were fitted on, where it is at hand; otherwise
    sizes spread evenly below and above the bucket's mean, in proportions that keep it.
    """
    bucket = rng.choice(
        len(grid.requests_per_s), size=count, p=grid.requests_per_s / grid.requests_per_s.sum()
    )
    size_in, size_out = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    members = _members(grid, trace)
    for place, line in enumerate(service.buckets):
        chosen = np.flatnonzero(bucket == place)
        known = members[place] if members is not None else None
        if known is not None and len(known[0]):
            drawn = rng.integers(len(known[0]), size=len(chosen))
            size_in[chosen], size_out[chosen] = known[0][drawn], known[1][drawn]
            continue
        size_in[chosen] = _around(
            rng, line.input_tokens_min, line.input_tokens, line.input_tokens_max, len(chosen)
        )
        size_out[chosen] = _around(
            rng, line.output_tokens_min, line.output_tokens, line.output_tokens_max, len(chosen)
        )
    return bucket.astype(np.int64), size_in, size_out


def _members(grid: Grid, trace: Trace | None) -> list[tuple[Integers, Integers]] | None:
    if trace is None:
        return None
    size_in = np.asarray(trace.input_tokens, dtype=np.int64)
    size_out = np.maximum(np.asarray(trace.output_tokens, dtype=np.int64), 1)
    inside = []
    for place in range(len(grid.input_min)):
        here = (size_in > grid.input_min[place]) & (size_in <= grid.input_max[place])
        here &= (size_out > grid.output_min[place]) & (size_out <= grid.output_max[place])
        inside.append((size_in[here], size_out[here]))
    return inside


def _around(rng: np.random.Generator, low: int, mean: float, high: int, count: int) -> Integers:
    """Whole sizes above ``low``, up to ``high``, evenly spread on each side of ``mean``, which they keep."""
    middle = min(max(mean, low + 1.0), float(high))
    below = rng.random(count) < (high - middle) / max(high - low - 1.0, 1e-9)
    draw = rng.random(count)
    sizes = np.where(below, low + 1 + draw * (middle - low - 1), middle + draw * (high - middle))
    whole = np.floor(sizes + rng.random(count)).astype(np.int64)  # rounds up by chance: the mean stays
    return np.clip(whole, low + 1, high)


def prediction_sigma(length_error_pct: float) -> float:
    """Sigma of the logarithm of (predicted / true) whose median absolute relative error is as stated.

    Half of all predictions lie within ± the error: Φ(ln(1 + e)/σ) − Φ(ln(1 − e)/σ) = 1/2.
    """
    from statistics import NormalDist

    error = length_error_pct / 100
    if error <= 0:
        return 0.0
    low, high, normal = 1e-6, 20.0, NormalDist()

    def within(sigma: float) -> float:
        under = normal.cdf(np.log1p(-error) / sigma) if error < 1 else 0.0
        return float(normal.cdf(np.log1p(error) / sigma)) - under

    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle) > 0.5 else (low, middle)
    return high
