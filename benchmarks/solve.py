"""Solve times side by side in one run: this optimiser against the per-slice formulation with CBC.

    python benchmarks/solve.py                      both families, 10 s at most per cell of the yardstick
    python benchmarks/solve.py --cap-s 100          let the yardstick think longer
    python benchmarks/solve.py --offers             adds 1,024 and 5,000 offers (ours alone)
    python benchmarks/solve.py --slices             adds our own slices next to our free split

Two families, fixed before anything was timed (solve_instances.py): the paper's own setting on the evidence
that ships here, three workloads by TPOT 120 and 40 ms, and a seeded roofline with request sizes short, long
and mixed; each at slice factor 4 and 8 and at rates from 1 to 1,024 requests/s.

Times are CPU seconds of this process and its children, so that a busy machine does not decide. Ours is the
whole of ``solve()``: presolve, search, rounding, repair, checks; the median of ``--repeat`` runs next to one
of the yardstick. A cell that ran into its cap counts with the time it had and is marked >=. Nothing is gated
here but this: a plan of ours that is unproved, or dearer than the yardstick's, is an error.
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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from release_formulation import Yardstick, cpu_seconds, solve_per_slice
from solve_instances import MIXES, PAPER_TPOTS_MS, WORKLOADS, many_offers, melange_setting, paper_scale

from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from advisor.optimize.problem import Problem, Solution

RATES = tuple(2**power for power in range(11))
SEEDED_RATES = (1, 4, 8, 16, 32, 64, 256, 1024)
SLICE_FACTORS = (4, 8)
WIDTHS = (18, 5, 5, 13, 9, 8, 11, 9, 9, 8)


@dataclass(frozen=True)
class Cell:
    """One problem and slice factor."""

    family: str
    requests_per_s: int
    slice_factor: int
    problem: Problem


@dataclass(frozen=True)
class Timed:
    """What came of a cell."""

    family: str
    ours_s: float
    ratio: float
    capped: bool
    honest: bool


def paper_cells() -> Iterator[Cell]:
    for (workload, name), tpot_ms in itertools.product(WORKLOADS.items(), PAPER_TPOTS_MS):
        for slice_factor, rate in itertools.product(SLICE_FACTORS, RATES):
            problem = melange_setting(rate, workload, tpot_ms)
            yield Cell(f"paper {name} {tpot_ms}", rate, slice_factor, problem)


def seeded_cells() -> Iterator[Cell]:
    for mix, slice_factor, rate in itertools.product(MIXES, SLICE_FACTORS, SEEDED_RATES):
        yield Cell(f"seeded {mix}", rate, slice_factor, paper_scale(rate, mix))


def ours(problem: Problem, repeat: int, slices: int | None = None) -> tuple[Solution, float, float]:
    """The plan, and CPU and wall seconds of the median run."""
    cpu, wall, solution = [], [], None
    for _ in range(repeat):
        cpu_started, wall_started = cpu_seconds(), time.perf_counter()
        solution = solve(problem, slices=slices)
        cpu.append(cpu_seconds() - cpu_started)
        wall.append(time.perf_counter() - wall_started)
    assert solution is not None
    return solution, statistics.median(cpu), statistics.median(wall)


def race(cell: Cell, options: argparse.Namespace) -> Timed:
    """Both on one cell, one after the other; prints the row."""
    fluid, fluid_s, _ = ours(cell.problem, options.repeat)
    yardstick = solve_per_slice(cell.problem, cell.slice_factor, options.cap_s)
    honest = fluid.proved and no_dearer(fluid, yardstick)
    sliced_usd, sliced_s = "-", "-"
    if options.slices:
        sliced, seconds, _ = ours(cell.problem, options.repeat, cell.slice_factor)
        honest &= sliced.proved and no_dearer(sliced, yardstick) and fluid.usd_per_hour <= sliced.usd_per_hour
        sliced_usd, sliced_s = f"{sliced.usd_per_hour:.3f}", f"{seconds:.4f}"
    capped = "" if yardstick.proved else ">="
    ratio = yardstick.cpu_s / fluid_s
    theirs = "none" if yardstick.usd_per_hour is None else f"{yardstick.usd_per_hour:.3f}"
    show(WIDTHS, cell.family, cell.slice_factor, cell.requests_per_s, f"{capped}{yardstick.cpu_s:.3f}",
         f"{fluid_s:.4f}", f"{capped}{ratio:.0f}x", theirs, f"{fluid.usd_per_hour:.3f}",
         sliced_usd, sliced_s)  # fmt: skip
    return Timed(cell.family, fluid_s, ratio, not yardstick.proved, honest)


def summary(name: str, rows: Sequence[Timed]) -> None:
    ratios, seconds = [row.ratio for row in rows], [row.ours_s for row in rows]
    print(f"{name:20} {len(rows):4} cells, {sum(row.capped for row in rows):3} capped; ratio median "
          f"{statistics.median(ratios):4.0f}x, least {min(ratios):5.1f}x, most {max(ratios):5.0f}x; "
          f"ours median {statistics.median(seconds):.4f} s, worst {max(seconds):.4f} s")  # fmt: skip


def compare(options: argparse.Namespace) -> bool:
    """Print rows and medians; False if any plan of ours is dearer or unproved."""
    show(WIDTHS, "family", "slice", "req/s", "release CPU s", "fluid s", "ratio",
         "release $/h", "fluid $/h", "slice $/h", "slice s")  # fmt: skip
    cells = {"paper": paper_cells, "seeded": seeded_cells}
    rows = [race(cell, options) for family in options.family for cell in cells[family]()]
    print()
    for family in dict.fromkeys(row.family for row in rows):
        summary(family, [row for row in rows if row.family == family])
    for family in options.family:
        summary(f"all {family}", [row for row in rows if row.family.startswith(family)])
    summary("overall", rows)
    honest = all(row.honest for row in rows)
    print("every plan proved, none dearer than the release's" if honest
          else "NOT proved, or DEARER than the release's")  # fmt: skip
    return honest


def show(widths: tuple[int, ...], *cells: object) -> None:
    print(" ".join(f"{cell!s:>{width}}" for cell, width in zip(cells, widths, strict=True)), flush=True)


def no_dearer(plan: Solution, yardstick: Yardstick) -> bool:
    """Whether a plan of ours costs at most the yardstick's."""
    return yardstick.usd_per_hour is None or float(plan.usd_per_hour) <= yardstick.usd_per_hour * (1 + 1e-9)


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
    parser.add_argument("--cap-s", type=float, default=10.0, help="wall seconds the yardstick gets per cell")
    parser.add_argument("--repeat", type=int, default=5, help="runs of ours per cell; the median counts")
    parser.add_argument("--family", nargs="+", choices=["paper", "seeded"], default=["paper", "seeded"])
    parser.add_argument("--slices", action="store_true", help="also our own slices, per cell")
    parser.add_argument("--offers", action="store_true", help="also 1,024 and 5,000 offers")
    parser.add_argument("--offers-only", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    solve(paper_scale(1))  # imports and first-use costs are start-up, not solving
    if options.offers_only:
        offers_once(options.offers_only, options.repeat)
        return 0
    honest = compare(options)
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
