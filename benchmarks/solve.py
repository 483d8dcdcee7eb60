"""Solve times side by side in one run: this optimiser against the per-slice formulation with CBC.

    python benchmarks/solve.py                      paper scale, 20 s at most per cell of the yardstick
    (about 3 minutes) python benchmarks/solve.py --cap-s 100          let the yardstick think longer python
    benchmarks/solve.py --offers             adds 1,024 and 5,000 offers (ours alone)

Times are CPU seconds of this process and its children, so that a busy machine does not decide. Ours is the
whole of ``solve()``: presolve, building, HiGHS, rounding, repair, checks; best of ``--repeat``. A cell that
ran into its cap counts with the time it had and is marked >=. Nothing is gated here but one thing: a plan
dearer than the yardstick's is an error.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from release_formulation import Yardstick, cpu_seconds, solve_per_slice
from solve_instances import MIXES, many_offers, paper_scale

from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from advisor.optimize.problem import Problem, Solution

RATES = (1, 4, 8, 16, 32, 64, 256, 1024)
SLICE_FACTORS = (4, 8)


def ours(problem: Problem, repeat: int, slices: int | None = None) -> tuple[Solution, float, float]:
    """The plan, and CPU and wall seconds of the fastest run."""
    cpu, wall, solution = [], [], None
    for _ in range(repeat):
        cpu_started, wall_started = cpu_seconds(), time.perf_counter()
        solution = solve(problem, slices=slices)
        cpu.append(cpu_seconds() - cpu_started)
        wall.append(time.perf_counter() - wall_started)
    assert solution is not None
    return solution, min(cpu), min(wall)


def paper(cap_s: float, repeat: int, mixes: list[str]) -> bool:
    """Print the table; False if any plan of ours is dearer or unproved."""
    widths = (5, 5, 5, 13, 9, 8, 9, 8, 11, 10, 9)
    show(widths, "mix", "slice", "req/s", "release CPU s", "fluid s", "ratio", "slices s", "ratio",
         "release $/h", "slices $/h", "fluid $/h")  # fmt: skip
    ratios: dict[str, list[float]] = {"fluid": [], "slices": []}
    times: dict[str, list[float]] = {"fluid": [], "slices": []}
    honest = True
    for mix, slice_factor, rate in itertools.product(mixes, SLICE_FACTORS, RATES):
        problem = paper_scale(rate, mix)
        fluid, fluid_s, _ = ours(problem, repeat)
        sliced, sliced_s, _ = ours(problem, repeat, slice_factor)
        yardstick = solve_per_slice(problem, slice_factor, cap_s)
        capped = ">=" if not yardstick.proved else ""
        for name, seconds in (("fluid", fluid_s), ("slices", sliced_s)):
            ratios[name].append(yardstick.cpu_s / seconds)
            times[name].append(seconds)
        honest &= fluid.proved and sliced.proved and no_dearer(fluid, sliced, yardstick)
        theirs = "none" if yardstick.usd_per_hour is None else f"{yardstick.usd_per_hour:.3f}"
        show(
            widths,
            mix,
            slice_factor,
            rate,
            f"{capped}{yardstick.cpu_s:.3f}",
            f"{fluid_s:.4f}",
            f"{capped}{ratios['fluid'][-1]:.0f}x",
            f"{sliced_s:.4f}",
            f"{capped}{ratios['slices'][-1]:.0f}x",
            theirs,
            f"{sliced.usd_per_hour:.3f}",
            f"{fluid.usd_per_hour:.3f}",
        )
    for name in ratios:
        print(f"{name}: ratio median {statistics.median(ratios[name]):.0f}x, least {min(ratios[name]):.1f}x, "
              f"most {max(ratios[name]):.0f}x; our time median {statistics.median(times[name]):.4f} s, "
              f"worst {max(times[name]):.4f} s")  # fmt: skip
    print(
        "every plan proved, none dearer than the release's"
        if honest
        else "NOT proved, or DEARER than the release's"
    )
    return honest


def show(widths: tuple[int, ...], *cells: object) -> None:
    print(" ".join(f"{cell!s:>{width}}" for cell, width in zip(cells, widths, strict=True)), flush=True)


def no_dearer(fluid: Solution, sliced: Solution, yardstick: Yardstick) -> bool:
    """Whether our plans cost at most the yardstick's, and a free split at most the slices."""
    if fluid.usd_per_hour > sliced.usd_per_hour:
        return False
    return yardstick.usd_per_hour is None or float(sliced.usd_per_hour) <= yardstick.usd_per_hour * (1 + 1e-9)


def offers_once(count: int, repeat: int) -> None:
    """One size, in a process of its own so that the memory peak is its own; prints JSON."""
    problem = many_offers(count)
    solution, cpu_s, wall_s = ours(problem, repeat)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"offers": count, "cpu_s": cpu_s, "wall_s": wall_s, "peak_mb": peak,
                      "proved": solution.proved, "usd_per_hour": float(solution.usd_per_hour),
                      "types_bought": len(solution.instances)}))  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cap-s", type=float, default=20.0, help="wall seconds the yardstick gets per cell")
    parser.add_argument("--repeat", type=int, default=3, help="runs of ours per cell; the fastest counts")
    parser.add_argument("--mix", nargs="+", choices=list(MIXES), default=["mixed"], help="request sizes")
    parser.add_argument("--offers", action="store_true", help="also 1,024 and 5,000 offers")
    parser.add_argument("--offers-only", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    solve(paper_scale(1))  # imports and first-use costs are start-up, not solving
    if options.offers_only:
        offers_once(options.offers_only, options.repeat)
        return 0
    honest = paper(options.cap_s, options.repeat, options.mix)
    if options.offers:
        for count in (1024, 5000):
            command = [
                sys.executable,
                str(Path(__file__)),
                "--offers-only",
                str(count),
                "--repeat",
                str(options.repeat),
            ]
            result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(f"{count} offers: {result['cpu_s']:.3f} CPU s, {result['wall_s']:.3f} s wall, "
                  f"peak {result['peak_mb']:.0f} MB, ${result['usd_per_hour']:.4f}/h, "
                  f"proved {result['proved']}, {result['types_bought']} types bought")  # fmt: skip
    return 0 if honest else 1


if __name__ == "__main__":
    raise SystemExit(main())
