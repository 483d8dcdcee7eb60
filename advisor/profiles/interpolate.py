"""Rates between profiled request sizes: bilinear in the logarithms of rate, input and output tokens.

A rate between four profiled sizes is bounded by theirs. Larger requests never sustain a higher rate than
smaller ones: a running minimum over both sizes repairs the few cells that say otherwise (mostly very short
outputs under a tight TPOT limit, where one prefill is spread over few tokens). Nothing is extrapolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from advisor.profiles.latency_metrics import stream_limits
from advisor.profiles.ttft_limits import profiled_rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from advisor.domain import Slo
    from advisor.profiles.evidence import Profile, SizePoints

    Floats = NDArray[np.float64]
    Integers = NDArray[np.intp]

_ROUNDING = 1e-9
NEAR = 0.10
"""A measured size stands for sizes within 10 % of it in both directions; runs are reported by rounded sizes
(1,000 and 1,024 tokens are the same benchmark)."""


@dataclass(frozen=True, slots=True)
class RateGrid:
    """Rates of one profile under one SLO. NaN is not profiled, 0.0 is profiled and out of the SLO's reach."""

    inputs: Floats
    outputs: Floats
    requests_per_s: Floats  #: [input, output]
    limited_by: NDArray[np.str_]  #: [input, output]
    clamp_below: bool  #: whether the smallest size stands for all smaller ones

    def at(self, sizes: Floats) -> Floats:
        """One rate per (input, output) row; NaN where the profile does not reach."""
        return self.with_limits(sizes)[0]

    def with_limits(self, sizes: Floats) -> tuple[Floats, list[str]]:
        """:meth:`at`, and what stops the rate at the profiled size that is nearest from above, per row."""
        low, high, weight, inside = self._around(sizes)
        rates = self._bilinear(low, high, weight)
        rates[~inside] = np.nan
        if not self.clamp_below:
            rates = self._from_near_sizes(sizes, rates)
        return rates, self.limited_by[high[:, 0], high[:, 1]].tolist()

    def ceiling(self, sizes: Floats) -> Floats:
        """Rate at the largest profiled size that is not larger, per row: this request cannot beat it."""
        row = np.maximum(np.searchsorted(self.inputs, sizes[:, 0], side="right") - 1, 0)
        column = np.maximum(np.searchsorted(self.outputs, sizes[:, 1], side="right") - 1, 0)
        return self.requests_per_s[row, column]

    def _around(self, sizes: Floats) -> tuple[Integers, Integers, Floats, NDArray[np.bool_]]:
        """Grid indices below and above, the share of the way between them, and whether the grid reaches."""
        low, high = np.zeros(sizes.shape, dtype=np.intp), np.zeros(sizes.shape, dtype=np.intp)
        weight, inside = np.zeros(sizes.shape), np.ones(len(sizes), dtype=np.bool_)
        for axis, edges in enumerate((self.inputs, self.outputs)):
            tokens = sizes[:, axis]
            held = np.maximum(tokens, edges[0]) if self.clamp_below else tokens
            inside &= (held >= edges[0]) & (held <= edges[-1])
            high[:, axis] = np.minimum(np.searchsorted(edges, held, side="left"), len(edges) - 1)
            exact = edges[high[:, axis]] == held
            low[:, axis] = np.where(exact, high[:, axis], np.maximum(high[:, axis] - 1, 0))
            span = np.log(edges[high[:, axis]] / edges[low[:, axis]])
            way = np.log(np.minimum(np.maximum(held, edges[0]), edges[-1]) / edges[low[:, axis]])
            weight[:, axis] = np.divide(way, span, out=np.zeros_like(way), where=span > 0)
        return low, high, weight, inside

    def _bilinear(self, low: Integers, high: Integers, weight: Floats) -> Floats:
        """0.0 where every corner is out of reach, NaN where only some are or one is not profiled."""
        corners = np.stack([self.requests_per_s[row, column] for row in (low[:, 0], high[:, 0])
                            for column in (low[:, 1], high[:, 1])])  # fmt: skip
        u, v = weight[:, 0], weight[:, 1]
        shares = np.stack([(1 - u) * (1 - v), (1 - u) * v, u * (1 - v), u * v])
        used = shares > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.where(used, np.log(corners), 0.0)
            rates = np.exp((shares * np.where(np.isfinite(logs), logs, 0.0)).sum(axis=0))
        rates = np.clip(
            rates, np.where(used, corners, np.inf).min(axis=0), np.where(used, corners, -np.inf).max(axis=0)
        )
        broken = (used & ~(corners > 0)).any(axis=0)
        nothing = (~used | (corners == 0)).all(axis=0)
        return np.where(nothing, 0.0, np.where(broken, np.nan, rates))

    def _from_near_sizes(self, sizes: Floats, rates: Floats) -> Floats:
        """Fill what interpolation left open with the lowest rate among the profiled sizes within ``NEAR``."""
        near_input = np.abs(sizes[:, 0, None] / self.inputs - 1) <= NEAR + _ROUNDING
        near_output = np.abs(sizes[:, 1, None] / self.outputs - 1) <= NEAR + _ROUNDING
        near = near_input[:, :, None] & near_output[:, None, :] & ~np.isnan(self.requests_per_s)
        lowest = np.where(near, self.requests_per_s, np.inf).min(axis=(1, 2))
        return np.where(np.isnan(rates) & np.isfinite(lowest), lowest, rates)


def rate_grid(
    profile: Profile, slo: Slo, *, clamp_below: bool, proves_unreachable: bool, arrival_cv: float = 1.0
) -> RateGrid:
    """Rates of a profile under an SLO, larger requests never faster than smaller ones.

    ``proves_unreachable``: failing at the smallest load profiled means that no load meets the SLO. A size
    whose points do not state what a limit binds counts as not profiled.
    """
    inputs, outputs = profile.inputs, profile.outputs
    rates = np.full((len(inputs), len(outputs)), np.nan)
    limits = np.full(rates.shape, "load", dtype="<U6")
    waits = {limit: profiled_rates(profile.sizes, limit, arrival_cv) for limit in stream_limits(slo)}
    rows = np.searchsorted(inputs, [size.input_tokens for size in profile.sizes])
    columns = np.searchsorted(outputs, [size.output_tokens for size in profile.sizes])
    for index, size in enumerate(profile.sizes):
        cell = rows[index], columns[index]
        rate, limits[cell] = size.rate_within(slo, {limit: found[index] for limit, found in waits.items()})
        if rate > 0.0 or proves_unreachable or size.lightest_load <= 1:
            rates[cell] = rate
    return RateGrid(inputs, outputs, never_rising(rates), limits, clamp_below)


def never_rising(rates: Floats) -> Floats:
    """Running minimum along both sizes; what is not profiled (NaN) stays so and lowers nothing."""
    filled = np.where(np.isnan(rates), np.inf, rates)
    lowered = np.minimum.accumulate(np.minimum.accumulate(filled, axis=0), axis=1)
    return np.where(np.isnan(rates), np.nan, lowered)


def lightest_size(profile: Profile, size: Sequence[float]) -> SizePoints:
    """The largest profiled size not larger than the one asked for, or the smallest of all."""
    below = [s for s in profile.sizes if s.input_tokens <= size[0] and s.output_tokens <= size[1]]
    candidates = below or list(profile.sizes)
    pick = max if below else min
    return pick(candidates, key=lambda s: s.input_tokens * s.output_tokens)
