"""Holds TTFT by the queueing model against a step-by-step simulation of continuous batching.

Run from a checkout: ``python -m benchmarks.queueing``. The simulator is the one the tests use; it shares no
equation with the model. Two questions: how far off is a predicted TTFT, and does a rate the model allows
keep the limit it was allowed for.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "profiles"))  # the tests' simulator

from step_simulator import Engine, run

from advisor.domain import LatencyLimit, SloStatistic
from advisor.profiles import queueing, ttft_limits
from advisor.profiles.evidence import SizePoints
from advisor.profiles.latency_metrics import STATISTICS

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENGINES = {
    "1,000 in, 200 out, fast": Engine(1000, 200, 0.009, 6e-5, 2.7e-5, 256),
    "1,000 in, 100 out, slow": Engine(1000, 100, 0.030, 3e-4, 2.0e-4, 64),
    "4,000 in, 250 out": Engine(4000, 250, 0.020, 3e-4, 1.0e-4, 24),
    "250 in, 500 out": Engine(250, 500, 0.030, 2e-4, 2.0e-4, 48),
    "2,000 in, 20 out": Engine(2000, 20, 0.020, 2e-4, 1.0e-4, 64),
    "100 in, 100 out, large batch": Engine(100, 100, 0.006, 4e-5, 2.0e-5, 512),
}
"""Step times of the order of 8 to 70 billion parameters on one to four accelerators."""

UTILISATIONS = (0.3, 0.5, 0.7, 0.8, 0.9)
ARRIVALS = (1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One predicted statistic beside the simulated one."""

    statistic: str
    arrival_cv: float
    utilisation: float
    predicted_s: float
    simulated_s: float

    @property
    def ratio(self) -> float:
        """Predicted over simulated: above 1 is cautious."""
        return self.predicted_s / self.simulated_s


def predictions(requests: int) -> list[Row]:
    """TTFT by the model from step times, and as simulated."""
    rows = []
    for place, engine in enumerate(ENGINES.values()):
        capacity = engine.rate(engine.slots)
        for arrival_cv in ARRIVALS:
            for utilisation in UTILISATIONS:
                rate = utilisation * capacity
                seen = run(engine, requests, seed=place, rate=rate, arrival_cv=arrival_cv)
                step = engine.fixed_s + engine.each_s * engine.running(rate)
                for statistic in STATISTICS:
                    predicted = queueing.ttft_s(
                        statistic, rate, step, engine.prefill_s, engine.slots, capacity,
                        input_tokens=engine.input_tokens, arrival_cv=arrival_cv,
                    )  # fmt: skip
                    found = seen.ttft(statistic)
                    rows.append(Row(statistic, arrival_cv, utilisation, float(predicted), found))
    return rows


def load_points(engine: Engine) -> SizePoints:
    """What a closed-loop benchmark of the engine would report."""
    loads = [2**power for power in range(20) if 2**power < engine.slots] + [engine.slots]
    seen = [run(engine, 40 * max(load, 4), seed=load, in_flight=load, varied=False) for load in loads]
    return SizePoints(
        input_tokens=float(engine.input_tokens),
        output_tokens=float(engine.output_tokens),
        tpot_ms=np.array([one.tpot_s.mean() for one in seen]) * 1e3,
        ttft_ms=np.array([one.ttft_s.mean() for one in seen]) * 1e3,
        requests_per_s=np.array([one.requests_per_s for one in seen]),
        concurrency=np.array(loads, dtype=np.float64),
    )


def allowances(requests: int) -> list[tuple[Row, float]]:
    """Limits, the rate the model allows from closed-loop points, TTFT simulated there, share of capacity."""
    rows = []
    for place, engine in enumerate(ENGINES.values()):
        points = load_points(engine)
        for arrival_cv in ARRIVALS:
            for statistic in STATISTICS:
                for times in (2, 4, 10):
                    limit = LatencyLimit("ttft", times * float(points.ttft_ms[0]), SloStatistic(statistic))
                    rate = float(ttft_limits.profiled_rates([points], limit, arrival_cv)[0])
                    if rate <= 0:
                        continue
                    seen = run(engine, requests, seed=place, rate=rate, arrival_cv=arrival_cv)
                    share = rate / float(points.requests_per_s.max())
                    found = seen.ttft(statistic)
                    rows.append((Row(statistic, arrival_cv, share, limit.ms / 1e3, found), share))
    return rows


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=12_000, help="per simulated stream")
    requests = parser.parse_args().requests
    started = time.process_time()
    rows = predictions(requests)
    print("| statistic | arrivals' CV | streams | ratio p10 | median | p90 | too low | by at most |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for statistic in STATISTICS:
        for arrival_cv in ARRIVALS:
            some = [row for row in rows if (row.statistic, row.arrival_cv) == (statistic, arrival_cv)]
            _print(statistic, arrival_cv, np.array([row.ratio for row in some]))
    print("\n| statistic | limits | kept | worst excess | share of capacity, median |")
    print("| --- | ---: | ---: | ---: | ---: |")
    allowed = allowances(requests)
    for statistic in STATISTICS:
        ratios = np.array([row.ratio for row, _ in allowed if row.statistic == statistic])
        shares = np.array([share for row, share in allowed if row.statistic == statistic])
        excess = max(1 / float(ratios.min()) - 1, 0.0)
        kept = int((ratios >= 1).sum())
        print(f"| {statistic} | {len(ratios)} | {kept} | {excess:.1%} | {float(np.median(shares)):.2f} |")
    print(f"\n{time.process_time() - started:.0f} CPU s")


def _print(statistic: str, arrival_cv: float, ratios: NDArray[np.float64]) -> None:
    low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9])
    below = ratios[ratios < 1]
    worst = f"{1 - float(below.min()):.1%}" if len(below) else "–"
    print(
        f"| {statistic} | {arrival_cv:g} | {len(ratios)} | {low:.2f} | {middle:.2f} | {high:.2f} | "
        f"{len(below)} | {worst} |"
    )


if __name__ == "__main__":
    main()
