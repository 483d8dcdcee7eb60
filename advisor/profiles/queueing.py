"""Time to first token on one replica under open arrivals: a queueing model of continuous batching.

Every engine step gives one token to each running request and reads the prompts that arrived during the step
before. A request waits for a free slot, then for the step that is under way, then through the step that
holds its own prompt and those of the others that came meanwhile.

::

    Symbols   r        arrivals per second            ca   coefficient of variation of the times between them
              d        seconds of a step without prompts
              p, cp    seconds to read a prompt, and the coefficient of variation over the others' prompts
              K, X, cs slots, requests per second with all taken, variation of the time a slot is held
              u = r p, the share of time spent on prompts;   z = r / X, the share of slots taken

    step      T  = d / (1 - u)                                            mean step
              T2 = T + r p^2 (1 + cp^2) / (1 - u^2)                       E[step^2] / E[step]
    own       d + p                                                       the step that reads one's prompt
    rest      S  = T (1/2 + u)                                            rest of a step under way
    prompts   W  = (T2 - T) (1/2 + u) + max(ca^2 - 1, 0)/2 r p^2 / (1 - u)
                                                            others' prompts; met with chance u, else none
    slot      met with chance z^((sqrt(2 (K + 1)) - 1) / sqrt(b)), b = max(1, (1 + ca^2)/2);
              then of mean (ca^2 + cs^2)/2 / (X (1 - z))

    mean      own + S + W + chance x mean of the slot
    quantile  own + S ln(1 / (1 - q)) + q of W + q of the slot; a median no less than the mean of each

``T`` and ``T2`` are exact for Poisson arrivals and steps that take every prompt of the step before: the step
after a step of length t is d plus the prompts of r t arrivals, so E[T] = d + u E[T] and E[T^2] (1 - u^2) =
d^2 + 2 d u E[T] + r p^2 (1 + cp^2) E[T]; an arrival meets a step in proportion to its length. With K = 1 the
slot's wait is Pollaczek and Khinchine's; tails beyond a mean are taken as exponential. A prompt longer than
``STEP_TOKENS`` takes several steps, so d (prompt / ``STEP_TOKENS``) is added to p. One's own prompt has the
length asked about; those of others vary.

Source: the slot's wait: Allen, "Probability, Statistics, and Queueing Theory", 2nd ed. 1990 (Allen-Cunneen),
with Sakasegawa's exponent, Annals of the Institute of Statistical Mathematics 29, 1977, and for bursts the
peakedness of Whitt, Operations Research 52(6), 2004; exponential tails: Kingman, "On queues in heavy
traffic", JRSS B 24(2), 1962. Errors: ``benchmarks/queueing.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Quantity = float | Floats

STEP_TOKENS: Final = 2048
"""Prompt tokens one step takes: the smaller of vLLM's defaults of ``max_num_batched_tokens`` for servers
(2,048; 8,192 on accelerators of 70 GiB and more). Source: vllm/engine/arg_utils.py, v0.9 and later."""

_MEDIAN: Final = 0.5

LENGTH_CV: Final = 1.0
"""Coefficient of variation of others' prompts and of the time a slot is held: as if exponential. Prompts of
the shipped traces have 0.37 to 1.20, outputs 0.38 to 2.15, medians 0.77 and 0.78."""


def quantile_of(statistic: str) -> float | None:
    """``p99.9`` as 0.999; None for the mean.

    Raises:
        ValueError: neither the mean nor a percentile.
    """
    if statistic == "mean":
        return None
    quantile = float(statistic.removeprefix("p")) / 100.0 if statistic.startswith("p") else 0.0
    if not 0.0 < quantile < 1.0:
        raise ValueError(f"{statistic!r} is no statistic; mean or a percentile such as p95 is")
    return quantile


def ttft_s(
    statistic: str,
    rate_per_s: Quantity,
    step_s: Quantity,
    prefill_s: Quantity,
    slots: Quantity,
    capacity_per_s: Quantity,
    *,
    input_tokens: Quantity = 0.0,
    arrival_cv: float = 1.0,
    length_cv: float = LENGTH_CV,
) -> Floats:
    """Seconds to the first token; infinite where the arrivals are more than the replica serves.

    Args:
        statistic: which statistic of the time.
        rate_per_s: r, arrivals at this replica.
        step_s: d, a step of the requests running at that rate, no prompt in it.
        prefill_s: one prompt, alone.
        slots: K, requests in flight at once.
        capacity_per_s: X, served with all slots taken.
        input_tokens: of one prompt, for those longer than a step takes.
        arrival_cv: of the times between arrivals; below 1 counts as 1 for what is waited within a step.
        length_cv: of the others' prompts, and of the time a slot is held.
    """
    prompt = prefill_s + np.asarray(step_s) * np.asarray(input_tokens) / STEP_TOKENS
    rest, others = step_wait_s(rate_per_s, step_s, prompt, arrival_cv=arrival_cv, length_cv=length_cv)
    busy = np.minimum(np.asarray(rate_per_s) * prompt, 1.0)
    held, mean_held = slot_wait(
        rate_per_s, capacity_per_s, slots, arrival_cv=arrival_cv, holding_cv=length_cv
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        behind = wait_quantile_s(statistic, busy, np.where(busy > 0, others / busy, 0.0))
        slot = wait_quantile_s(statistic, held, mean_held)
        total = step_s + prompt + tail_factor(statistic) * rest + behind + slot
    return np.where(np.isnan(total), np.inf, total)


def step_wait_s(
    rate_per_s: Quantity,
    step_s: Quantity,
    prompt_s: Quantity,
    *,
    arrival_cv: float = 1.0,
    length_cv: float = LENGTH_CV,
) -> tuple[Floats, Floats]:
    """S and W: mean seconds of waiting for a step to end, and for others' prompts; infinite past capacity."""
    rate, prompt = np.asarray(rate_per_s, dtype=np.float64), np.asarray(prompt_s, dtype=np.float64)
    busy = rate * prompt
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_step = step_s / (1.0 - busy)
        met = rate * prompt**2 * (1.0 + length_cv**2) / (1.0 - busy**2)
        bursts = max(arrival_cv**2 - 1.0, 0.0) / 2.0 * rate * prompt**2 / (1.0 - busy)
        rest, others = mean_step * (0.5 + busy), met * (0.5 + busy) + bursts
    return np.where(busy < 1.0, rest, np.inf), np.where(busy < 1.0, others, np.inf)


def slot_wait(
    rate_per_s: Quantity,
    capacity_per_s: Quantity,
    slots: Quantity,
    *,
    arrival_cv: float = 1.0,
    holding_cv: float = LENGTH_CV,
) -> tuple[Floats, Floats]:
    """Chance that all slots are taken, and mean seconds until one is free if so.

    With one slot this is a single server: exact for M/M/1, M/D/1 and M/G/1.
    """
    taken = np.asarray(rate_per_s, dtype=np.float64) / capacity_per_s
    spread = (arrival_cv**2 + holding_cv**2) / 2.0
    peaks = max(1.0, (1.0 + arrival_cv**2) / 2.0)
    exponent = (np.sqrt(2.0 * (np.maximum(slots, 1.0) + 1.0)) - 1.0) / np.sqrt(peaks)
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.power(np.minimum(taken, 1.0), exponent)
        mean = np.where(taken < 1.0, spread / (capacity_per_s * (1.0 - taken)), np.inf)
    return np.asarray(chance), np.asarray(mean)


def wait_quantile_s(statistic: str, chance: Floats, mean_s: Floats) -> Floats:
    """A statistic of a wait that happens with a chance and is exponential if it does."""
    average, quantile = chance * mean_s, quantile_of(statistic)
    if quantile is None:
        return average
    beyond = 1.0 - quantile
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(chance > beyond, mean_s * np.log(chance / beyond), 0.0)
    return np.maximum(found, average) if quantile <= _MEDIAN else found


def tail_factor(statistic: str) -> float:
    """A statistic of an exponential time over its mean, at least 1: not every wait is exponential."""
    return max(1.0, float(np.log(1.0 / (1.0 - (quantile_of(statistic) or 0.0)))))


def gap_s(
    statistic: str,
    rate_per_s: Quantity,
    step_s: Quantity,
    prefill_s: Quantity,
    input_tokens: Quantity,
    output_tokens: Quantity,
    *,
    length_cv: float = LENGTH_CV,
) -> Floats:
    """Seconds between two tokens of a request: a step and the prompts that are read in it.

    ::

        prompts per gap   g = (r d + L / (O - 1)) / (1 - u),   L = u + u^2 (1 + cp^2) / (2 (1 - u))

    While a request of O tokens decodes, the prompts that come are read, r d / (1 - u) in each gap; and those
    L that stood behind its own when that was read (M/G/1: what a departure leaves), with all that come
    meanwhile. A step fits so many prompts in its budget of tokens, and the chance of none is a binomial's;
    where there are some, their lengths vary as if exponential. How much the batch itself varies is left out.
    """
    rate, step = np.asarray(rate_per_s, dtype=np.float64), np.asarray(step_s, dtype=np.float64)
    share_of_step = np.maximum(np.asarray(input_tokens, dtype=np.float64), 1.0) / STEP_TOKENS
    most, full_step = np.maximum(1.0 / share_of_step, 1.0), np.asarray(prefill_s) / share_of_step
    busy = np.minimum(rate * prefill_s, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        behind = busy + busy**2 * (1.0 + length_cv**2) / (2.0 * (1.0 - busy))
        gaps = np.maximum(np.asarray(output_tokens) - 1.0, 1.0)
        met = (rate * step + behind / gaps) / (1.0 - busy)
        steps_read = np.where(busy < 1.0, met * np.maximum(share_of_step, 1.0), 0.0)
        chance = 1.0 - (1.0 - np.minimum(steps_read / most, 1.0)) ** most
        read = _prompts_read_s(
            statistic, chance, met * prefill_s, np.minimum(prefill_s, full_step), full_step
        )
        found = step + read
        return np.asarray(np.where(busy < 1.0, found, np.inf))


def _prompts_read_s(statistic: str, chance: Floats, mean_s: Floats, own_s: Floats, most_s: Floats) -> Floats:
    """A statistic of what a step reads: nothing but for a chance, then exponential from a prompt of one's own
    length upwards, as far as a step goes."""
    quantile = quantile_of(statistic)
    if quantile is None:
        return mean_s
    beyond = 1.0 - quantile
    tail = mean_s / chance * np.log(chance / beyond)
    return np.where(chance > beyond, np.minimum(np.maximum(tail, own_s), most_s), 0.0)
