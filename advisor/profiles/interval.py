"""How far the truth may lie from a throughput: its 90 % interval, stated or worked out from known errors.

What a figure states itself comes first. Else the 90th percentile p of |figure / measured - 1| of its kind:
the truth is then within figure / (1 + p) and figure / (1 - p). Else the typical error e, the median of the
same: with errors normal in the logarithm, ln(1 + e) is 0.674 standard deviations and the 90 % interval
reaches 1.645 of them, so the factor either way is (1 + e) ** 2.44.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from advisor.domain import Throughput

MEDIAN_DEVIATIONS: Final = 0.6745
"""Half of a normal distribution lies within so many standard deviations of its mean."""

NINETY_DEVIATIONS: Final = 1.6449
"""Nine tenths lie within so many."""

_MOST_P90_PCT: Final = 90.0  # beyond it figure / (1 - p) says nothing any more; the median is asked instead


@dataclass(frozen=True, slots=True)
class Interval:
    """Nine times in ten the truth is in here."""

    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        """Whether both may be the same."""
        return self.low <= other.high and other.low <= self.high


def interval_of(figure: Throughput, accelerator: str, errors: Mapping[str, Any]) -> Interval | None:
    """The 90 % interval of a figure in requests per second; None where nobody knows its error.

    Args:
        figure: what was answered.
        accelerator: the chip it is of; errors may be known for it alone.
        errors: typical errors per kind, as :attr:`ProfileStore.errors` has them.
    """
    rate, low, high = figure.requests_per_s, figure.low_requests_per_s, figure.high_requests_per_s
    if low is not None and high is not None:
        return Interval(min(low, rate), max(high, rate))
    if figure.error_pct is None:
        return None
    known = errors.get(figure.kind.value, {})
    p90 = (known.get("by_accelerator", {}).get(accelerator) or known).get("p90_abs_pct")
    if p90 is not None and figure.error_pct <= p90 <= _MOST_P90_PCT:
        return Interval(rate / (1 + p90 / 100), rate / (1 - p90 / 100))
    factor = math.exp(math.log1p(figure.error_pct / 100) * NINETY_DEVIATIONS / MEDIAN_DEVIATIONS)
    return Interval(rate / factor, rate * factor)


def low_end(errors: Mapping[str, Any]) -> Callable[[Throughput, str], float]:
    """The low end of a figure's interval on an accelerator; the figure itself where none is known."""

    def low(figure: Throughput, accelerator: str) -> float:
        interval = interval_of(figure, accelerator, errors)
        return figure.requests_per_s if interval is None else interval.low

    return low
