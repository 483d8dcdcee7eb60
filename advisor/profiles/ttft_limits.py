"""The largest rate an open stream may have within a TTFT or E2E limit, from load points or step times.

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

TTFT at a rate is the model's, at the step of the nearest point that serves as much, and never less than that
point's own TTFT. E2E is the point's own plus what TTFT gained. Points taken under open arrivals count as
they are, unless the stream's arrivals vary more than Poisson's.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.domain import SloStatistic
from advisor.profiles import queueing, roofline
from advisor.profiles.evidence import waiting_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from advisor.domain import LatencyLimit, Slo
    from advisor.profiles.calibration import Constants
    from advisor.profiles.evidence import SizePoints
    from advisor.profiles.roofline import RooflineRates, Work

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]  #: which size a column is of
    Trial = Callable[[LatencyLimit, slice], Floats]  #: latency of the rates tried, of some columns

_SHARES: Final = np.concatenate([np.geomspace(1 / 512, 1 / 4, 13), np.linspace(1 / 4, 1, 13)[1:]])[:, None]
"""Of a rate, tried first: what a replica could only do all but idle is no rate to plan on."""

_BRACKETS: Final = np.append(_SHARES.ravel(), [1.0, 0.0])  # [place + 1] is the next share, 1 after the last
_PARTS: Final = np.arange(1, 16)[:, None] / 16
"""Of the way to the next share, tried then: found to 0.4 % of the rate, and to 4 % of what is found."""

_REFERENCES: Final = (SloStatistic.MEAN, SloStatistic.P50)


def rate_of(size: SizePoints, slo: Slo, arrival_cv: float = 1.0) -> tuple[float, str]:
    """Largest requests per second of one size within every limit, and what stops it.

    TTFT and E2E limits are those of an open stream; the rest is :meth:`SizePoints.rate_within`.
    """
    waits = {limit: float(profiled_rates([size], limit, arrival_cv)[0]) for limit in waiting_limits(slo)}
    return size.rate_within(slo, waits)


def profiled_rates(sizes: Sequence[SizePoints], limit: LatencyLimit, arrival_cv: float = 1.0) -> Floats:
    """Largest rate per size; 0.0 where no load meets the limit, NaN where the points cannot say."""
    starts = np.cumsum([0, *(len(size.requests_per_s) for size in sizes[:-1])])
    counts = np.diff([*starts, sum(len(size.requests_per_s) for size in sizes)])

    def joined(values: Callable[[SizePoints], Floats]) -> Floats:
        return np.concatenate([values(size) for size in sizes])

    def spread(per_size: Floats) -> Floats:
        return np.repeat(per_size, counts)

    rate = joined(lambda size: size.requests_per_s)
    step = joined(lambda size: _reference(size, "tpot", limit.statistic)) / 1e3
    ttft = joined(lambda size: _reference(size, "ttft", limit.statistic)) / 1e3
    floor_ms = joined(lambda size: _stated_or_derived(size, limit))
    floor = floor_ms / 1e3
    tokens_in = spread(np.array([size.input_tokens for size in sizes]))
    tokens_out = spread(np.array([size.output_tokens for size in sizes]))
    capacity = spread(np.maximum.reduceat(rate, starts))
    alone, least_step = (spread(np.fmin.reduceat(values, starts)) for values in (ttft, step))
    prompt = np.minimum(np.maximum(alone - least_step, alone / 2.0), 1.0 / capacity)
    little = np.where(rate >= capacity, rate * (ttft + step * (tokens_out - 1.0)), np.nan)
    stated = spread(np.fmax.reduceat(joined(lambda size: size.concurrency), starts))
    slots = np.where(np.isnan(stated), spread(np.fmax.reduceat(little, starts)), stated)

    def trial(tried: Floats, _: Places) -> Trial:
        unread = np.clip(1.0 - tried * prompt, 0.0, 1.0)
        modelled = queueing.ttft_s(
            limit.statistic, tried, step * unread, prompt, slots, capacity,
            input_tokens=tokens_in, arrival_cv=arrival_cv,
        )  # fmt: skip
        if limit.metric == "ttft":
            return lambda _, __: np.fmax(modelled, floor)
        return lambda _, __: np.asarray(floor + np.fmax(modelled - ttft, 0.0))

    known = np.isfinite(floor) & np.isfinite(step) & np.isfinite(prompt) & np.isfinite(slots)
    (found,) = _largest(rate, trial, [limit])
    as_taken = _as_taken(sizes, limit)
    if arrival_cv <= 1.0:
        found = np.where(as_taken, np.where(floor_ms <= limit.ms, rate, 0.0), found)
        known |= as_taken
    best = np.maximum.reduceat(np.where(known, found, 0.0), starts)
    return np.where(np.logical_or.reduceat(known, starts), best, np.nan)


def estimated_rates(
    work: Work,
    constants: Constants,
    room_tokens: int,
    sizes: Floats,
    most: RooflineRates,
    limits: Sequence[LatencyLimit],
    arrival_cv: float = 1.0,
) -> list[Floats]:
    """Largest rates by the estimator's step times, per limit on TTFT or mean E2E; 0.0 where none meets it.

    ``most``: what memory and the other limits allow. At a share of its rate at most that share of its
    requests are in flight, as the rate is concave in the batch.
    """
    tokens_in, tokens_out = np.maximum(sizes, 1.0).T
    slots = np.maximum(np.minimum(room_tokens / (tokens_in + tokens_out), constants.max_sequences), 1.0)
    capacity = np.asarray(roofline.rate_per_s(work, constants, slots, tokens_in, tokens_out))
    prefill = np.asarray(roofline.prefill_s(work, constants, tokens_in))
    fixed, slope = roofline.step_line(work, constants, tokens_in + tokens_out / 2.0)
    top = np.minimum(most.requests_per_s, capacity)

    def trial(tried: Floats, places: Places) -> Trial:
        with np.errstate(divide="ignore", invalid="ignore"):
            running = np.maximum(np.nan_to_num(tried / top[places]) * most.batch[places], 1.0)
        step = (
            np.asarray(roofline.weights_s(work, constants, running)) + fixed[places] + slope[places] * running
        )

        @cache
        def ttft(statistic: SloStatistic, first: int, last: int) -> Floats:
            mine, at = slice(first, last), places[first:last]
            return queueing.ttft_s(
                statistic, tried[:, mine], step[:, mine], prefill[at], slots[at], capacity[at],
                input_tokens=tokens_in[at], arrival_cv=arrival_cv,
            )  # fmt: skip

        def latency(limit: LatencyLimit, columns: slice) -> Floats:
            waited = ttft(limit.statistic, columns.start, columns.stop)
            if limit.metric == "ttft":
                return waited
            at = places[columns]
            between = roofline.interruption_s(constants, running[:, columns], prefill[at], tokens_out[at])
            return np.asarray(waited + (tokens_out[at] - 1.0) * (step[:, columns] + between))

        return latency

    return _largest(top, trial, limits)


def _largest(
    top: Floats, trial: Callable[[Floats, Places], Trial], limits: Sequence[LatencyLimit]
) -> list[Floats]:
    """Per limit, the largest share of ``top`` whose latency is within it, from below; 0.0 under the least.

    All limits are tried at once: first each place's shares, then finer ones, a block of columns per limit.
    """
    count = len(top)
    places = np.tile(np.arange(count), len(limits))
    blocks = [slice(i * count, (i + 1) * count) for i in range(len(limits))]
    first = trial(_SHARES * top, places[:count])
    meets = np.hstack([first(limit, slice(0, count)) <= limit.ms / 1e3 for limit in limits])
    place = np.where(meets, np.arange(len(_SHARES))[:, None], -1).max(axis=0)
    low, high = _BRACKETS[place], _BRACKETS[place + 1]
    finer = low + _PARTS * (high - low)
    second = trial(finer * top[places], places)
    meets = np.hstack(
        [second(limit, each) <= limit.ms / 1e3 for limit, each in zip(limits, blocks, strict=True)]
    )
    best = np.maximum(low, np.where(meets, finer, 0.0).max(axis=0))
    found = np.where(place >= 0, best, 0.0) * top[places]
    return [found[each] for each in blocks]


def _reference(size: SizePoints, metric: str, statistic: SloStatistic) -> Floats:
    """The mean, else the median, else the statistic asked for: whichever any point of the size states."""
    for wanted in (*_REFERENCES, statistic):
        values = size.latency_ms(metric, wanted)
        if np.isfinite(values).any():
            return values
    return np.full_like(size.requests_per_s, np.nan)


def _stated_or_derived(size: SizePoints, limit: LatencyLimit) -> Floats:
    """What the points took: the statistic itself, else for TTFT the mean; a mean E2E by its parts."""
    stated = size.latency_ms(limit.metric, limit.statistic)
    if limit.metric == "ttft":
        return np.where(np.isnan(stated), size.ttft_ms, stated)
    if limit.statistic is not SloStatistic.MEAN:
        return stated
    return np.where(np.isnan(stated), size.ttft_ms + size.tpot_ms * (size.output_tokens - 1.0), stated)


def _as_taken(sizes: Sequence[SizePoints], limit: LatencyLimit) -> NDArray[np.bool_]:
    """Points under open arrivals that state the very statistic, or a mean by its parts."""

    def known(size: SizePoints) -> Floats:
        mean = limit.statistic is SloStatistic.MEAN
        return _stated_or_derived(size, limit) if mean else size.latency_ms(limit.metric, limit.statistic)

    return np.concatenate([size.under_open_arrivals() & np.isfinite(known(size)) for size in sizes])
