"""The largest rate an open stream may have within a TTFT, E2E or ITL limit, from load points or step times.

A profile's load points were taken with a fixed number of requests in flight, each sent when another was
done: nobody waits as the requests of an open stream do. The points give what the queueing model needs, size
by size:

======================  ===========================================================================
prompt                  the lowest mean TTFT of the size less the lowest TPOT, the step it came with, but
                        at least half that TTFT; and at most 1 / capacity, as every request has one
step                    mean TPOT of the point, less its share of prompts: TPOT (1 - rate x prompt)
capacity                the highest rate of the size
slots                   the most requests in flight of the size; where not stated, by Little's law at
                        capacity: rate x (TTFT + TPOT x (output - 1))
======================  ===========================================================================

A latency at a rate is the model's, at the step of the nearest point that serves as much, and never less than
that point's own. Points taken under open arrivals count as they are, unless the stream's arrivals vary more
than Poisson's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.profiles.latency_metrics import MEAN, METRICS, Stream, stream_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from advisor.domain import LatencyLimit, Slo
    from advisor.profiles.curve import Curve, Sustained
    from advisor.profiles.evidence import SizePoints

    Floats = NDArray[np.float64]

_SHARES: Final = np.concatenate([np.geomspace(1 / 512, 1 / 4, 13), np.linspace(1 / 4, 1, 13)[1:]])[:, None]
"""Of a rate, tried first: what a replica could only do all but idle is no rate to plan on."""

_BRACKETS: Final = np.append(_SHARES.ravel(), [1.0, 0.0])  # [place + 1] is the next share, 1 after the last
_PARTS: Final = np.arange(1, 16)[:, None] / 16
"""Of the way to the next share, tried then: found to 0.4 % of the rate, and to 4 % of what is found."""


def rate_of(size: SizePoints, slo: Slo, arrival_cv: float = 1.0) -> tuple[float, str]:
    """Largest requests per second of one size within every limit, and what stops it."""
    waits = {limit: float(profiled_rates([size], limit, arrival_cv)[0]) for limit in stream_limits(slo)}
    return size.rate_within(slo, waits)


def profiled_rates(sizes: Sequence[SizePoints], limit: LatencyLimit, arrival_cv: float = 1.0) -> Floats:
    """Largest rate per size; 0.0 where no load meets the limit, NaN where the points cannot say."""
    counts = [len(size.requests_per_s) for size in sizes]
    starts = np.cumsum([0, *counts[:-1]])

    def joined(values: Callable[[SizePoints], Floats]) -> Floats:
        return np.concatenate([values(size) for size in sizes])

    def spread(per_size: Floats) -> Floats:
        return np.repeat(per_size, counts)

    metric = METRICS[limit.metric]
    rate = joined(lambda size: size.requests_per_s)
    step, ttft = (joined(lambda size, n=name: _reference(size, n, limit.statistic)) / 1e3  # type: ignore[misc]
                  for name in ("tpot", "ttft"))  # fmt: skip
    floor = joined(lambda size: metric.stated_or_derived_ms(size, limit.statistic)) / 1e3
    tokens_in = spread(np.array([size.input_tokens for size in sizes]))
    tokens_out = spread(np.array([size.output_tokens for size in sizes]))
    capacity = spread(np.maximum.reduceat(rate, starts))
    alone, least_step = (spread(np.fmin.reduceat(values, starts)) for values in (ttft, step))
    prompt = np.minimum(np.maximum(alone - least_step, alone / 2.0), 1.0 / capacity)
    little = np.where(rate >= capacity, rate * (ttft + step * (tokens_out - 1.0)), np.nan)
    stated = spread(np.fmax.reduceat(joined(lambda size: size.concurrency), starts))
    slots = np.where(np.isnan(stated), spread(np.fmax.reduceat(little, starts)), stated)

    def stream(tried: Floats) -> Stream:
        unread = np.clip(1.0 - tried * prompt, 0.0, 1.0)
        return Stream(
            tried, step * unread, prompt, slots, capacity, tokens_in, tokens_out, step * (1.0 - unread),
            arrival_cv, floor, ttft,
        )  # fmt: skip

    known = np.isfinite(floor) & np.isfinite(step) & np.isfinite(prompt) & np.isfinite(slots)
    (found,) = largest_rates(rate, stream, [limit])
    as_taken = _as_taken(sizes, limit)
    if arrival_cv <= 1.0:
        found = np.where(as_taken, np.where(floor <= limit.ms / 1e3, rate, 0.0), found)
        known |= as_taken
    best = np.maximum.reduceat(np.where(known, found, 0.0), starts)
    return np.where(np.logical_or.reduceat(known, starts), best, np.nan)


def estimated_rates(
    curve: Curve, most: Sustained, limits: Sequence[LatencyLimit], arrival_cv: float = 1.0
) -> list[Floats]:
    """Largest rates by the step-time model, per limit; 0.0 where none meets it.

    ``most``: what memory and the other limits allow.
    """
    return largest_rates(most.requests_per_s, lambda tried: curve.stream(tried, arrival_cv), limits)


def largest_rates(
    top: Floats, stream: Callable[[Floats], Stream], limits: Sequence[LatencyLimit]
) -> list[Floats]:
    """Per limit, the largest share of ``top`` whose latency is within it, from below; 0.0 under the least."""
    if not limits:
        return []
    coarse, found = stream(_SHARES * top), []
    for limit in limits:
        latency = METRICS[limit.metric].modelled_s
        meets = latency(coarse, limit.statistic) <= limit.ms / 1e3
        place = np.where(meets, np.arange(len(_SHARES))[:, None], -1).max(axis=0)
        low, high = _BRACKETS[place], _BRACKETS[place + 1]
        finer = low + _PARTS * (high - low)
        meets = latency(stream(finer * top), limit.statistic) <= limit.ms / 1e3
        best = np.maximum(low, np.where(meets, finer, 0.0).max(axis=0))
        found.append(np.where(place >= 0, best, 0.0) * top)
    return found


def _reference(size: SizePoints, metric: str, statistic: str) -> Floats:
    """The mean, else the median, else the statistic asked for: whichever any point of the size states."""
    for wanted in (MEAN, "p50", statistic):
        values = size.latency_ms(metric, wanted)
        if np.isfinite(values).any():
            return values
    return np.full_like(size.requests_per_s, np.nan)


def _as_taken(sizes: Sequence[SizePoints], limit: LatencyLimit) -> NDArray[np.bool_]:
    """Points under open arrivals that state the very statistic, or a mean by its parts."""
    metric = METRICS[limit.metric]

    def known(size: SizePoints) -> Floats:
        if limit.statistic == MEAN:
            return metric.stated_or_derived_ms(size, MEAN)
        return size.latency_ms(limit.metric, limit.statistic)

    return np.concatenate([size.under_open_arrivals() & np.isfinite(known(size)) for size in sizes])
