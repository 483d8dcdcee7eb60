"""Every latency a limit may bind, one entry each: what it is, where evidence has it, how it is worked out.

To add one: its name in ``advisor.domain.LATENCIES`` and its entry in :data:`METRICS`. Files of measurements
state it in columns ``NAME_STATISTIC_ms``; the planner, the queueing model, the replay and every table follow
from the entry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import numpy as np

from advisor.profiles import queueing

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from advisor.domain import LatencyLimit, Slo

    Floats = NDArray[np.float64]

MEAN: Final = "mean"
STATISTICS: Final = (MEAN, "p50", "p90", "p99")
"""Shown of a replay, and read from every tool's results; files of one's own may state other percentiles."""


class Points(Protocol):
    """The load points of one request size; latencies are NaN where not stated."""

    @property
    def output_tokens(self) -> float:
        """Of a request."""

    @property
    def requests_per_s(self) -> Floats:
        """Of every point."""

    def latency_ms(self, metric: str, statistic: str) -> Floats:
        """Of every point."""


@dataclass(frozen=True)
class Stream:
    """A replica under open arrivals; arrays of one shape. What was measured at a load, where it was."""

    rate_per_s: Floats
    step_s: Floats  #: of the requests running at that rate, no prompt in it
    prompt_s: Floats  #: one prompt, alone
    slots: Floats  #: requests in flight at once
    capacity_per_s: Floats  #: served with all slots taken
    input_tokens: Floats
    output_tokens: Floats
    interruption_s: Floats | float = 0.0  #: per token, by others' prompts
    arrival_cv: float = 1.0
    measured_s: Floats | None = None  #: the latency itself, or the least it can be; NaN where nobody says
    measured_ttft_s: Floats | float = 0.0  #: mean TTFT of the same loads

    waited: dict[str, Floats] = field(default_factory=dict)  #: TTFT by statistic, worked out once

    def _first_token_s(self, statistic: str) -> Floats:
        if statistic not in self.waited:
            self.waited[statistic] = queueing.ttft_s(
                statistic, self.rate_per_s, self.step_s, self.prompt_s, self.slots, self.capacity_per_s,
                input_tokens=self.input_tokens, arrival_cv=self.arrival_cv,
            )  # fmt: skip
        return self.waited[statistic]

    def ttft_s(self, statistic: str) -> Floats:
        """To the first token, by the queueing model, and no less than measured."""
        modelled = self._first_token_s(statistic)
        return modelled if self.measured_s is None else np.fmax(modelled, self.measured_s)

    def e2e_s(self, statistic: str) -> Floats:
        """To the last token; of measured loads, what they took and what TTFT gained."""
        waited = self._first_token_s(statistic)
        if self.measured_s is None:
            return np.asarray(waited + (self.output_tokens - 1.0) * self.tpot_s())
        return np.asarray(self.measured_s + np.fmax(waited - self.measured_ttft_s, 0.0))

    def tpot_s(self) -> Floats:
        """Mean time per token: a step and the interruptions."""
        return np.asarray(self.step_s + self.interruption_s)

    def itl_s(self, statistic: str) -> Floats:
        """Between two tokens, and no less than measured."""
        if statistic == MEAN:
            return self.tpot_s()
        modelled = queueing.gap_s(
            statistic, self.rate_per_s, self.step_s, self.prompt_s, self.input_tokens, self.output_tokens
        )
        return modelled if self.measured_s is None else np.fmax(modelled, self.measured_s)


class Seen(Protocol):
    """What a replay saw; arrays of one element per request, NaN where it did not happen."""

    @property
    def arrival_s(self) -> Any:
        """At the front end."""

    @property
    def first_s(self) -> Any:
        """Of the first token."""

    @property
    def finished_s(self) -> Any:
        """Of the last token."""

    @property
    def output_tokens(self) -> Any:
        """Of each request."""

    def of_requests(self, ms: Any) -> Any:
        """One value per request."""

    def of_gaps(self) -> Any:
        """Every gap between two tokens of a request."""


@dataclass(frozen=True, slots=True)
class LatencyMetric:
    """One latency, in milliseconds wherever it is shown or limited."""

    name: str
    definition: str  #: what is timed, for people
    of_stream: Literal["always", "percentiles", "never"]
    """Which statistics depend on how requests arrive; the others bind the requests in flight alone."""
    modelled_percentiles: bool  #: whether the step-time model gives percentiles, or the mean alone
    derived_ms: Callable[[Points, str], Floats]
    """Of load points that do not state it: what it follows from, or is at least; NaN where from nothing."""
    modelled_s: Callable[[Stream, str], Floats]  #: a statistic of it by the step-time model
    replayed: Callable[[Seen], Any]  #: as a replay saw it
    of_gaps: bool = False  #: whether a request has many of it, over all of which statistics are taken

    @property
    def label(self) -> str:
        """As people write it."""
        return self.name.upper()

    @property
    def decimals(self) -> int:
        """Of its milliseconds, written out: a token takes tens of them, a request thousands."""
        return 0 if self.of_stream == "always" else 1

    def depends_on_arrivals(self, statistic: str) -> bool:
        """Whether a limit on this statistic is one on an open stream."""
        return self.of_stream == "always" or (self.of_stream == "percentiles" and statistic != MEAN)

    def stated_or_derived_ms(self, points: Points, statistic: str) -> Floats:
        """What load points took, or at least took."""
        stated = points.latency_ms(self.name, statistic)
        return np.where(np.isnan(stated), self.derived_ms(points, statistic), stated)


def _mean_ttft(points: Points, _: str) -> Floats:
    return points.latency_ms("ttft", MEAN)


def _sum_of_parts(points: Points, statistic: str) -> Floats:
    whole = points.latency_ms("ttft", MEAN) + points.latency_ms("tpot", MEAN) * (points.output_tokens - 1.0)
    return whole if statistic == MEAN else np.full_like(whole, np.nan)


def _mean_gap(points: Points, statistic: str) -> Floats:
    """The mean gap is the mean TPOT; of percentiles the model says all, where it knows step and prompt."""
    step = points.latency_ms("tpot", MEAN)
    return step if statistic == MEAN else 0.0 * (step + points.latency_ms("ttft", MEAN))


def _nothing(points: Points, _: str) -> Floats:
    return np.full_like(points.requests_per_s, np.nan)


METRICS: Final = {
    metric.name: metric
    for metric in (
        LatencyMetric(
            "ttft",
            "arrival to first token, queueing included",
            of_stream="always",
            modelled_percentiles=True,
            derived_ms=_mean_ttft,
            modelled_s=Stream.ttft_s,
            replayed=lambda seen: seen.of_requests((seen.first_s - seen.arrival_s) * 1e3),
        ),
        LatencyMetric(
            "tpot",
            "first to last token of a request, per token after the first",
            of_stream="never",
            modelled_percentiles=False,
            derived_ms=_nothing,
            modelled_s=lambda stream, _: stream.tpot_s(),
            replayed=lambda seen: seen.of_requests(_per_token_ms(seen)),
        ),
        LatencyMetric(
            "itl",
            "every gap between two tokens of a request, over all gaps",
            of_stream="percentiles",
            modelled_percentiles=True,
            derived_ms=_mean_gap,
            modelled_s=Stream.itl_s,
            replayed=lambda seen: seen.of_gaps(),
            of_gaps=True,
        ),
        LatencyMetric(
            "e2e",
            "arrival to last token, queueing included",
            of_stream="always",
            modelled_percentiles=False,
            derived_ms=_sum_of_parts,
            modelled_s=Stream.e2e_s,
            replayed=lambda seen: seen.of_requests((seen.finished_s - seen.arrival_s) * 1e3),
        ),
    )
}  # fmt: skip
"""In the order in which a request lives them."""


def _per_token_ms(seen: Seen) -> Any:
    gaps = seen.output_tokens - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gaps > 0, (seen.finished_s - seen.first_s) / gaps, np.nan) * 1e3


_COLUMN: Final = re.compile(rf"({'|'.join(METRICS)})_(mean|p[1-9]\d?(?:\.\d+)?)_ms")


def column(metric: str, statistic: str) -> str:
    """Where a file states a statistic of a latency."""
    return f"{metric}_{statistic}_ms"


@cache
def stated_in(name: str) -> tuple[str, str] | None:
    """Metric and statistic of a column; None where it is not of a latency."""
    found = _COLUMN.fullmatch(name)
    return (found[1], found[2]) if found else None


COLUMNS: Final = tuple(column(name, statistic) for name in METRICS for statistic in STATISTICS)
"""Those that every file of ours has."""


def stream_limits(slo: Slo) -> tuple[LatencyLimit, ...]:
    """The limits that depend on how requests arrive."""
    return tuple(limit for limit in slo.limits if METRICS[limit.metric].depends_on_arrivals(limit.statistic))


def tightest_pace(slo: Slo) -> LatencyLimit | None:
    """Of the limits on a mean time per token or gap, which are one thing, the least."""
    paces = [
        limit
        for limit in slo.limits
        if limit.statistic == MEAN and not METRICS[limit.metric].depends_on_arrivals(MEAN)
    ]
    return min(paces, key=lambda limit: limit.ms, default=None)


def plannable(slo: Slo, states: Callable[[LatencyLimit], bool] = lambda _: False) -> Slo:
    """The limits with means in place of percentiles that neither the step-time model nor the evidence has.

    A percentile is planned at the mean then, which promises less: a replay tells whether it holds.

    Args:
        slo: as stated.
        states: whether the evidence states what a limit binds.
    """
    planned = tuple(limit if _is_known(limit, states) else _at_the_mean(limit) for limit in slo.limits)
    return slo if planned == slo.limits else type(slo)(further=planned)


def taken_at_the_mean(slo: Slo, planned: Slo) -> tuple[LatencyLimit, ...]:
    """Limits that were planned at their means."""
    return tuple(limit for limit in slo.limits if limit not in planned.limits)


def _is_known(limit: LatencyLimit, states: Callable[[LatencyLimit], bool]) -> bool:
    return limit.statistic == MEAN or METRICS[limit.metric].modelled_percentiles or states(limit)


def _at_the_mean(limit: LatencyLimit) -> LatencyLimit:
    return replace(limit, statistic=type(limit.statistic)(MEAN))


def busy_and_idle(slo: Slo) -> tuple[Slo, Slo]:
    """What binds a replica by the requests in flight, and what an idle one must already reach; all at means.

    For plans whose replay holds them to the limits as stated: neither asks more than any statistic does that
    the replay judges, so that no fleet is left out which might hold.
    """
    means = [_at_the_mean(limit) for limit in slo.limits]
    idle = tuple(limit for limit in means if METRICS[limit.metric].of_stream == "always")
    busy = tuple(limit for limit in means if limit not in idle)
    return type(slo)(further=busy), type(slo)(further=idle)
