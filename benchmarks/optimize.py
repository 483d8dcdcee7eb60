"""The whole optimisation at the size of the market: time, certified gap and memory, and how they grow.

    PYTHONPATH=. python benchmarks/optimize.py            the cases side by side, one process each
    PYTHONPATH=. python benchmarks/optimize.py --growth   adds growth in offers, buckets, services and regions
    PYTHONPATH=. python benchmarks/optimize.py --growth --plot growth.svg      and draws it

Instances are those of ``optimize_instances.py``: 3 clouds x 30 regions x 60 configurations x 2 markets with
hierarchical quotas; 300 requests/s per service. Times are wall seconds of all of ``solve()``, building and
checks included; memory is the peak of the process. A gap is (cost - proved bound) / cost.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from growth_plot import growth_plot
from optimize_instances import Size, instance

from advisor.errors import SolverFailed
from advisor.optimize.solve import solve

PER_SERVICE = 300.0


@dataclass(frozen=True)
class Case:
    """What to solve, how well, and in how long."""

    size: Size
    relative_gap: float
    time_limit_s: float
    seeds: int

    @property
    def name(self) -> str:
        return f"{self.size.services} x {self.size.origins}"


def sized(services: int, origins: int, **changes: int) -> Size:
    return Size(services=services, origins=origins, requests_per_s=PER_SERVICE * services, **changes)


CASES = (
    Case(sized(1, 1), 1e-4, 20, 5),
    Case(sized(1, 5), 5e-3, 15, 3),
    Case(sized(10, 1), 3e-3, 15, 3),
    Case(sized(10, 5), 1e-2, 60, 1),
)
GROWTH = {
    "offers": [Case(sized(1, 1, regions=n), 1e-3, 30, 3) for n in (4, 8, 15, 30)],
    "buckets": [Case(sized(1, 1, buckets=n), 1e-3, 30, 3) for n in (10, 20, 40, 60)],
    "services": [Case(sized(n, 1), 1e-2, 30, 1) for n in (1, 2, 5, 10)],
    "user regions": [Case(sized(1, n), 1e-2, 30, 1) for n in (1, 2, 3, 5)],
}


def once(case: Case, seed: int) -> dict[str, float]:
    """One instance in a process of its own, so that the memory peak is its own."""
    question = json.dumps(asdict(replace(case, size=replace(case.size, seed=seed))))
    command = [sys.executable, str(Path(__file__)), "--one", question]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def answer(question: str) -> None:
    asked = json.loads(question)
    case = Case(**{**asked, "size": Size(**asked["size"])})
    problem = instance(case.size)
    started = time.perf_counter()
    try:
        gap = solve(problem, relative_gap=case.relative_gap, time_limit_s=case.time_limit_s).relative_gap
    except SolverFailed:  # no fleet in time counts as no proof at all
        gap = 1.0
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "gap": gap, "peak_mb": peak,
                      "offers": len(problem.columns)}))  # fmt: skip


def show(*cells: object) -> None:
    widths = (16, 8, 8, 8, 12, 12, 12, 12, 9)
    print(" ".join(f"{cell!s:>{width}}" for cell, width in zip(cells, widths, strict=True)), flush=True)


def run(case: Case, name: str) -> tuple[int, float]:
    """Shows a line; gives the number of offers and the median of seconds."""
    rows = [once(case, seed) for seed in range(case.seeds)]
    seconds, gaps = [row["seconds"] for row in rows], [row["gap"] for row in rows]
    show(name, int(rows[0]["offers"]), case.size.buckets, case.seeds, f"{case.relative_gap:.2%}",
         f"{statistics.median(gaps):.3%}", f"{statistics.median(seconds):.1f} s", f"{max(seconds):.1f} s",
         f"{max(row['peak_mb'] for row in rows):.0f} MB")  # fmt: skip
    return int(rows[0]["offers"]), statistics.median(seconds)


def grow() -> dict[str, list[tuple[int, float]]]:
    """One thing at a time."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for what, cases in GROWTH.items():
        print(f"growth in {what}")
        for case in cases:
            offers, seconds = run(case, case.name)
            size = case.size
            count = {"buckets": size.buckets, "services": size.services, "user regions": size.origins}
            curves.setdefault(what, []).append((count.get(what, offers), seconds))
    return curves


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--growth", action="store_true", help="also growth, one thing at a time")
    parser.add_argument("--plot", type=Path, help="with --growth: an SVG to write")
    parser.add_argument("--only", help="one case by its name, such as '1 x 5'")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        answer(options.one)
        return 0
    show(
        "services x users", "offers", "buckets", "seeds", "gap asked", "gap median", "median", "worst", "peak"
    )
    for case in CASES:
        if options.only in (None, case.name):
            run(case, case.name)
    curves = grow() if options.growth else {}
    if curves and options.plot:
        options.plot.write_text(growth_plot(curves), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
