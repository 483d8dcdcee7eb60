"""What a throughput profile is: load points per request size, and the rate they sustain within an SLO.

One profile is one run or one simulation of one replica: model, precision, engine and version, accelerator and
tensor-parallel degree. Its rates are those of the whole replica, never per accelerator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from advisor.profiles.latency_metrics import MEAN, METRICS
from advisor.profiles.scheduler import AS_IT_CHOOSES, Scheduler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from advisor.domain import EvidenceKind, LatencyLimit, Slo

    Floats = NDArray[np.float64]

_SAME_RATE = 1e-9  # relative; below it two rates are one


@dataclass(frozen=True, slots=True)
class SizePoints:
    """The load points of one request size, by rising mean TPOT, and what they sustain."""

    input_tokens: float
    output_tokens: float
    tpot_ms: Floats  #: mean; NaN where not stated
    ttft_ms: Floats  #: mean; NaN where not stated
    requests_per_s: Floats
    concurrency: Floats  #: NaN where not stated
    stated: Mapping[tuple[str, str], Floats] = field(default_factory=dict)
    """Further latencies in ms, by metric and statistic."""
    open_arrivals: NDArray[np.bool_] | None = None  #: points not taken in a closed loop; None: none of them

    def latency_ms(self, metric: str, statistic: str) -> Floats:
        """One latency of every point; NaN where not stated."""
        if statistic == MEAN and metric in ("tpot", "ttft"):
            return self.tpot_ms if metric == "tpot" else self.ttft_ms
        found = self.stated.get((metric, statistic))
        return np.full_like(self.requests_per_s, np.nan) if found is None else found

    def judges(self, limit: LatencyLimit) -> bool:
        """Whether some point states what the limit binds, or what it follows from."""
        known = METRICS[limit.metric].stated_or_derived_ms(self, limit.statistic)
        return bool(np.isfinite(known).any())

    def under_open_arrivals(self) -> NDArray[np.bool_]:
        """Which points were taken under open arrivals."""
        nothing = np.zeros(len(self.requests_per_s), dtype=np.bool_)
        return nothing if self.open_arrivals is None else self.open_arrivals

    def rate_within(self, slo: Slo, waits: Mapping[LatencyLimit, float]) -> tuple[float, str]:
        """Largest requests per second within every limit and what stops it; 0.0 where no point meets them.

        A TPOT limit between two points is interpolated linearly and so bounded by them. NaN where a limit
        binds what no point states.

        Args:
            slo: the limits.
            waits: the rates within those that depend on arrivals, by ``ttft_limits.profiled_rates``.
        """
        best = float(self.requests_per_s.max())
        found, by = best, "load"
        for limit in slo.limits:
            rate = waits[limit] if limit in waits else self._within_pace(limit)
            if np.isnan(rate):
                return float("nan"), limit.metric
            if rate < found * (1 - _SAME_RATE):
                found, by = float(rate), limit.metric
        return found, by

    def _within_pace(self, limit: LatencyLimit) -> float:
        latency = METRICS[limit.metric].stated_or_derived_ms(self, limit.statistic)
        order = np.argsort(latency, kind="stable")[: np.count_nonzero(np.isfinite(latency))]
        if not len(order):
            return float("nan")
        tpot, best = latency[order], np.maximum.accumulate(self.requests_per_s[order])
        passing = int(np.searchsorted(tpot, limit.ms, side="right"))
        if passing == 0:
            return 0.0
        rate = float(best[passing - 1])
        if passing < len(best):
            below, above = float(tpot[passing - 1]), float(tpot[passing])
            rate += (limit.ms - below) / (above - below) * float(best[passing] - best[passing - 1])
        return rate

    def least_ms(self, metric: str) -> float:
        """The lowest mean of a latency, stated or derived; NaN where nobody says."""
        return _least(METRICS[metric].stated_or_derived_ms(self, MEAN))

    @property
    def lightest_load(self) -> float:
        """Fewest requests in flight profiled; NaN where not stated."""
        return _least(self.concurrency)


def _least(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.min()) if known.size else float("nan")


@dataclass(frozen=True, slots=True)
class Profile:
    """One run or simulation of one replica, over request sizes and loads."""

    id: str
    kind: EvidenceKind
    source_id: str
    model: str  #: the model that was run; the one asked for may only share its shape
    precision: str
    engine: str
    engine_version: str | None
    accelerator: str
    tensor_parallel: int
    date: str | None
    error_pct: float | None
    notes: tuple[str, ...]
    sizes: tuple[SizePoints, ...]
    scheduler: Scheduler = AS_IT_CHOOSES  #: as the engine was started

    @property
    def source(self) -> str:
        """Source id, engine and version, and what to know about it, for people."""
        engine = f"{self.engine} {self.engine_version}" if self.engine_version else self.engine
        when = f", {self.date}" if self.date else ""
        return "; ".join([f"{self.source_id} ({engine}{when})", *self.notes])

    def judges(self, slo: Slo) -> bool:
        """Whether any of its sizes states what every limit binds."""
        return any(all(size.judges(limit) for limit in slo.limits) for size in self.sizes)

    @property
    def inputs(self) -> Floats:
        """Distinct profiled input sizes, rising."""
        return np.unique([size.input_tokens for size in self.sizes])

    @property
    def outputs(self) -> Floats:
        """Distinct profiled output sizes, rising."""
        return np.unique([size.output_tokens for size in self.sizes])
