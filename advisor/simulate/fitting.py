"""Step times that reproduce load points: relative least squares with no negative term.

A closed loop of requests of ``I`` input and ``O`` output tokens keeps ``n`` sequences decoding (Little's
law: rate × TPOT × (O − 1)). Between two tokens of a request lie a step, and its share of the prompts of the
others::

    TPOT = base[n] + context · n · (I + O/2) + (n − 1) / (O − 1) · (token · I + pair · I²)
    TTFT = front + wait + token · I + pair · I²        wait: a step if alone, else two

A load generator sends its first requests all at once, and its mean TTFT counts them: of ``c`` prompts read
one after the other the k-th waits for k, on average ``(c + 1) / 2`` instead of one, and for no decoding.
That wave is a known share of the requests, so it is part of the equation.

Both are linear in the unknowns. ``base`` rises along straight lines between a few batch sizes. Every TPOT
drives, and the TTFT of the lightest load of each size. TTFT under load is what a replay has to predict; it
drives a little where it shows a first wave and no queue, because only the wave tells reading from ``front``.
Beyond the heaviest load there is, ``base`` rises as it did last, at least as steeply as on average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.profiles.scheduler import CHUNK_TOKENS
from advisor.simulate.steps import StepTimes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_KNOTS: Final = (4.0, 16.0, 64.0, 160.0, 320.0)
"""Batch sizes between which ``base`` is straight; the last stretch goes on to the largest batch."""

_TTFT_WEIGHT: Final = 0.5
"""Of a TTFT beside a TPOT: it includes waiting that the equation only approximates."""

_WAVE_WEIGHT: Final = 0.02
"""Of a TTFT under load beside a TPOT: enough to tell reading from what comes before it where all sizes
profiled have one length of prompt, too little to hide what a replay gets wrong. Of 0, 0.02, 0.1 and 0.4 the
one nearest to points that drove nothing (``python -m benchmarks.simulate``)."""

_DECODING: Final = 0.75
"""Share of what is in flight that decodes where nothing queues."""

_ALIKE: Final = 1e-9
"""Columns whose gradients differ by no more than rounding say the same: with one length of prompt, ``token``
and ``pair`` do, and the straight one is what other lengths are then read by."""

_LEAST_STEP_S: Final = 1e-5
"""No engine steps faster; keeps a fit with too few points from a step that takes no time."""


@dataclass(frozen=True, slots=True)
class DrivePoint:
    """One load point that a replica's step times are to reproduce."""

    input_tokens: float
    output_tokens: float
    concurrency: float
    tpot_ms: float
    ttft_ms: float  #: NaN where not stated
    requests_per_s: float
    weight: float = 1.0
    first_wave: float = 0.0  #: share of the requests behind the TTFT that were sent all at once

    @property
    def decoding(self) -> float:
        """Sequences decoding at a time, by Little's law; at least the one that is looked at."""
        mean = self.requests_per_s * self.tpot_ms * 1e-3 * max(self.output_tokens - 1, 1)
        return float(min(max(mean, 1.0), self.concurrency))


@dataclass(frozen=True, slots=True)
class StepFit:
    """Step times, and how far their equation is from the points that drove it."""

    steps: StepTimes
    points: int
    median_error_pct: float  #: of TPOT


def fit_steps(points: Sequence[DrivePoint], max_sequences: int, chunk_tokens: int = CHUNK_TOKENS) -> StepFit:
    """Step times for batches up to ``max_sequences``, of an engine that reads so many tokens a step.

    Raises:
        ValueError: no points.
    """
    if not points:
        raise ValueError("step times need load points")
    table = np.array(
        [[p.input_tokens, p.output_tokens, p.decoding, p.tpot_ms, p.ttft_ms, p.weight] for p in points]
    )
    rows, stated = _tpot_rows(table), table[:, 3] * 1e-3
    light, light_stated, light_weight = _ttft_rows(points, table, chunk_tokens)
    matrix = np.vstack([rows / stated[:, None], light / light_stated[:, None]])
    root = np.sqrt(np.concatenate([table[:, 5], light_weight]))
    solution = nonnegative(matrix * root[:, None], root)
    error = np.abs(rows @ solution / stated - 1)
    steps = _step_times(solution, max_sequences, float(table[:, 2].max()))
    return StepFit(steps, len(points), float(_weighted_median(error, table[:, 5])) * 100)


def _ramps(batch: Floats) -> Floats:
    """How far each batch has come along each stretch of ``base``."""
    starts, stops = np.array([0.0, *_KNOTS]), np.array([*_KNOTS, np.inf])
    return np.asarray(np.clip(batch[:, None] - starts, 0.0, stops - starts))


def _tpot_rows(table: Floats) -> Floats:
    """Columns: base at 0, slopes of base, context, token, pair, front."""
    size_in, size_out, batch = table[:, 0], table[:, 1], table[:, 2]
    others = (batch - 1) / np.maximum(size_out - 1, 1)
    return np.column_stack(
        [
            np.ones(len(table)), _ramps(batch), batch * (size_in + size_out / 2), others * size_in,
            others * size_in**2, np.zeros(len(table)),
        ]
    )  # fmt: skip


def _ttft_rows(
    points: Sequence[DrivePoint], table: Floats, chunk_tokens: int
) -> tuple[Floats, Floats, Floats]:
    """Rows, seconds and weights of the TTFTs that drive."""
    lightest: dict[tuple[float, float], int] = {}
    for place, point in enumerate(points):
        size = (point.input_tokens, point.output_tokens)
        known = lightest.get(size)
        if point.ttft_ms > 0 and (known is None or point.concurrency < points[known].concurrency):
            lightest[size] = place
    waves = [place for place, point in enumerate(points) if _shows_wave(point)]
    places = [*lightest.values(), *(place for place in waves if place not in set(lightest.values()))]
    share = np.where(np.arange(len(places)) < len(lightest), _TTFT_WEIGHT, _WAVE_WEIGHT)
    chosen = table[places].reshape(-1, 6)
    together = np.array([points[place].concurrency for place in places])
    wave = np.where(together > 1, [points[place].first_wave for place in places], 0.0)
    chunks = chosen[:, 0] / chunk_tokens
    steps = np.where(chosen[:, 2] > 1.5, 2.0, 1.0) + np.maximum(np.ceil(chunks) - 1, 0)
    rows = _tpot_rows(chosen) * (steps * (1 - wave))[:, None]
    rows[:, 0] += wave * np.maximum(chunks * (together + 1) / 2, 1)  # steps in which nobody decodes yet
    prompts = 1 - wave + wave * (together + 1) / 2
    width = rows.shape[1]
    rows[:, width - 3] = prompts * chosen[:, 0]
    rows[:, width - 2] = prompts * chosen[:, 0] ** 2
    rows[:, width - 1] = 1.0
    return rows, chosen[:, 4] * 1e-3, chosen[:, 5] * share


def _shows_wave(point: DrivePoint) -> bool:
    """Whether a TTFT under load is a first wave and no queue: nearly all in flight are decoding."""
    return point.ttft_ms > 0 and point.first_wave > 0 and point.decoding >= _DECODING * point.concurrency


def _step_times(solution: Floats, max_sequences: int, heaviest: float) -> StepTimes:
    slopes = 1 + len(_KNOTS) + 1
    batches = np.arange(max_sequences + 1, dtype=np.float64)
    known = solution[0] + _ramps(np.minimum(batches, heaviest)) @ solution[1:slopes]
    last = float(solution[1 + int(np.searchsorted(_KNOTS, heaviest))])
    average = float(_ramps(np.array([heaviest]))[0] @ solution[1:slopes]) / heaviest
    base = known + np.maximum(batches - heaviest, 0.0) * max(last, average)
    context, token, pair, front = solution[slopes:]
    return StepTimes(
        tuple(np.maximum(base, _LEAST_STEP_S).tolist()),
        float(context), float(token), float(pair), float(front),
    )  # fmt: skip


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def nonnegative(matrix: Floats, target: Floats) -> Floats:
    """The least squares solution of ``matrix · x = target`` with no element below 0.

    Of columns that say the same, the first is used and the others stay 0, on every machine.

    Source: Lawson and Hanson, "Solving Least Squares Problems", 1974, chapter 23.
    """
    scale = np.linalg.norm(matrix, axis=0)
    scale[scale == 0] = 1.0
    scaled = matrix / scale
    columns = scaled.shape[1]
    x, free = np.zeros(columns), np.zeros(columns, dtype=np.bool_)
    for _ in range(10 * columns):
        gradient = scaled.T @ (target - scaled @ x)
        gradient[free] = -np.inf
        steepest = gradient.max()
        if steepest <= 1e-10:
            break
        best = int(np.argmax(gradient >= steepest * (1 - _ALIKE)))
        free[best] = True
        while True:
            trial = np.zeros(columns)
            trial[free] = np.linalg.lstsq(scaled[:, free], target, rcond=None)[0]
            if trial[free].min() > 0:
                x = trial
                break
            falling = free & (trial <= 0)
            with np.errstate(divide="ignore", invalid="ignore"):
                way = np.where(falling, x / (x - trial), np.inf)
            x = x + float(np.nan_to_num(way, nan=0.0).min()) * (trial - x)
            free &= x > 1e-14
            x[~free] = 0.0
            if not free.any():
                break
    return np.asarray(x / scale, dtype=np.float64)
