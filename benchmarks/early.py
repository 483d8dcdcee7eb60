"""What a fleet costs that was searched for a short time, against the best that any time found.

    PYTHONPATH=. python benchmarks/early.py --count 100      random files with at least two rules

Every problem is solved with each time limit. A run may end with no fleet; one that does is told apart from
one that proves that there is none. The best known cost is the least of all runs; where a budget binds, the
fleet that serves most counts, and cost is compared among those that serve as much.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from typing import TYPE_CHECKING

from rule_files import problems

from advisor.errors import PlanningError, SolverFailed
from advisor.optimize.rules import rules_of
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.optimize.problem import Problem

LIMITS_S = (1.0, 2.0, 5.0, 15.0)
SAME_SERVED = 1e-5


def run(problem: Problem, seconds: float) -> tuple[float, float, float] | None:
    """(served, cost, seconds taken); None without a fleet. Raises PlanningError where none exists."""
    started = time.perf_counter()
    try:
        answer = solve(problem, time_limit_s=seconds)
    except SolverFailed:
        return None
    served = sum(
        problem.services[problem.service_of(b)].weight * rate * answer.served_share.get(b, 1.0)
        for b, rate in enumerate(problem.demand_requests_per_s)
    )
    return served, answer.objective_usd_per_hour, time.perf_counter() - started


def rule_heavy() -> Iterator[tuple[int, Problem]]:
    """Those with two rules or more."""
    return ((seed, problem) for seed, problem in problems() if len(rules_of(problem)) > 1)


def options() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--limits", type=float, nargs="+", default=LIMITS_S)
    parser.add_argument("--each", action="store_true", help="print every problem besides")
    return parser.parse_args()


def runs(problem: Problem, limits: list[float]) -> dict[float, tuple[float, float, float] | None]:
    """By time limit; empty where no fleet serves anything."""
    try:
        found = {limit: run(problem, limit) for limit in limits}
    except PlanningError:
        return {}
    return found if any(answer and answer[0] for answer in found.values()) else {}


def main() -> None:
    asked = options()
    over: dict[float, list[float]] = {limit: [] for limit in asked.limits}
    took: dict[float, list[float]] = {limit: [] for limit in asked.limits}
    files = none = 0
    for seed, problem in itertools.islice(rule_heavy(), asked.count):
        found = runs(problem, asked.limits)
        files, none = files + bool(found), none + (not found)
        most = max((answer[0] for answer in found.values() if answer), default=0.0)
        whole = {limit: a for limit, a in found.items() if a and a[0] >= most * (1 - SAME_SERVED)}
        least = min((a[1] for a in whole.values()), default=0.0)
        for limit, answer in found.items():
            took[limit].append(answer[2] if answer else limit)
            if limit in whole:
                over[limit].append(whole[limit][1] / least - 1)
        if asked.each:
            names = ", ".join(rule.brief for rule in rules_of(problem))
            print(seed, *(f"{a[1]:.3f} {a[2]:.1f}s" if a else "-" for a in found.values()), names, flush=True)
    print(f"{files} files with two rules or more; {none} more that no fleet can serve")
    print("| limit s | no fleet, or serves less | within 1 % | within 10 % | median | most | median s |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for limit, known in over.items():
        near = [sum(ratio <= share for ratio in known) for share in (0.01, 0.1)]
        print(
            f"| {limit:g} | {files - len(known)} | {near[0]} | {near[1]} "
            f"| +{statistics.median(known):.1%} | +{max(known):.0%} | {statistics.median(took[limit]):.1f} |"
        )


if __name__ == "__main__":
    main()
