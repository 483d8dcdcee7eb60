"""What to commit over a week: time and gap, on the paper-scale catalogue at two rates.

    python -m benchmarks.commitments

A week of 168 hours (busy days, quiet nights and weekends, a seeded scatter), merged into 20 and 30
levels; one term at 45 % off on demand, an assumption, not an offer. Wall seconds of the whole answer.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from decimal import Decimal

import numpy as np

from advisor.optimize.commitments.levels import levels_of
from advisor.optimize.commitments.options import CommitmentOption, CommitmentProblem, LevelFleets
from advisor.optimize.commitments.search import commit
from benchmarks.solve_instances import paper_scale

OFF = Decimal("0.45")
TIME_LIMIT_S = 30.0


def week() -> list[float]:
    """168 factors of the peak."""
    chance = np.random.default_rng(0)
    found = []
    for hour in range(168):
        day = 1.0 if hour // 24 < 5 else 0.6
        sun = max(0.0, math.sin((hour % 24 - 6) / 12 * math.pi))
        found.append(0.35 + 0.6 * day * sun + 0.05 * float(chance.random()))
    return found


def main() -> None:
    """Print the table of benchmarks/README.md."""
    print(
        "| requests/s | levels | wall s | gap | overstated | $/week | on demand by the hour | peak always |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for rate in (32, 256):
        for most in (20, 30):
            problem = paper_scale(rate)
            levels = levels_of(week(), (1.0,), (Decimal(1),), most)
            lines = tuple(
                CommitmentOption("term", replace(c, id=f"{c.id} term", usd_per_hour=usd))
                for c in problem.columns
                for usd in [c.usd_per_hour * (1 - OFF)]
            )
            asked = CommitmentProblem(problem, lines, {}, levels.levels, (Decimal(1),))
            hours = LevelFleets(asked)
            began = time.perf_counter()
            found = commit(asked, hours, time_limit_s=TIME_LIMIT_S, relative_gap=1e-3)
            seconds = time.perf_counter() - began
            rented, peak = hours.cost({}), hours.fleets({})[-1].usd_per_hour
            print(
                f"| {rate} | {len(levels.levels)} | {seconds:.1f} | {found.relative_gap:.2%} | "
                f"{levels.overstatement:.1%} | {found.usd_per_hour * 168:,.0f} | {rented * 168:,.0f} | "
                f"{peak * 168:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
