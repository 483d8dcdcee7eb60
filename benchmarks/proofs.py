"""Are proofs true? Tolerances, seeds, time limits and solvers against each other.

    PYTHONPATH=. python benchmarks/proofs.py programmes           how often HiGHS is wrong, by tolerance
    PYTHONPATH=. python benchmarks/proofs.py files --count 300    random rule files, every run beside others

**programmes** solves single programmes, those of :mod:`problem_files` with every case that matters and some
of the certified instances, with ten seeds at each tolerance, as HiGHS comes and without its slower
heuristics (as the optimiser begins). An answer is wrong if another run found a point that is cheaper by more
than a millionth, and that point keeps every row exactly once whole numbers are rounded and the rest is
solved anew.

**files** solves the problems of :mod:`rule_files`, each with three seeds at two time limits by HiGHS, and
once each by SCIP and CBC through PuLP, all the way: presolve, search, second opinion. Two answers contradict
each other if one proves more than the other shows: a bound above a fleet that serves as much, "no fleet"
beside a fleet, the most served beside a fleet that serves more. Results are appended to a file, from which a
run that was interrupted goes on. Try the same before the pin of a solver moves.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from problem_files import kept
from rule_files import problems
from solve_instances import melange_setting, paper_scale, random_instance

from advisor.errors import PlanningError, SolverFailed
from advisor.optimize import formulation
from advisor.optimize.effort import Effort
from advisor.optimize.formulation import Highs, solver
from advisor.optimize.presolve import reduce
from advisor.optimize.search import cheapest
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from advisor.optimize.arrays import Compiled
    from advisor.optimize.formulation import RawAnswer
    from advisor.optimize.problem import Problem

TOLERANCES = (1e-9, 1e-8, 1e-7, 1e-6)
SEEDS = range(10)
SAME = 2e-6
"""Relative: two proofs of one part in a million each may differ by so much."""

SAME_SERVED = 2e-5
RUNS = [
    *(("highs", seed, seconds) for seconds in (2.0, 8.0) for seed in (0, 1, 2)),
    ("scip", 0, 15.0),
    ("cbc", 0, 15.0),
]


# --- programmes -----------------------------------------------------------------------------------


def programmes() -> dict[str, Compiled]:
    """Single programmes by name."""
    found = {name: last_programme(problem) for name, problem in kept().items()}
    certified = {
        "paper, 64/s": paper_scale(64),
        "Mélange long, 40 ms, 256/s": melange_setting(256, "arxiv-summarization", 40),
        "random 3": random_instance(3),
    }
    for name, problem in certified.items():
        found[name] = formulation.cheapest_fleet(reduce(problem)).arrays.compiled()
    return found


def last_programme(problem: Problem) -> Compiled:
    """With every case that had to be enforced, in whole replicas."""
    reduced = reduce(problem)
    result = cheapest(reduced, Effort.of_seconds(60))
    cases = () if result is None else tuple(result.enforced)
    return formulation.cheapest_fleet(reduced, cases=cases).arrays.compiled()


def exact(programme: Compiled, raw: RawAnswer) -> float | None:
    """What the point costs once whole numbers are whole and the rest is solved anew; None if that fails."""
    if raw.values is None:
        return None
    low, high = programme.low.copy(), programme.high.copy()
    whole = programme.integer
    low[whole] = high[whole] = np.round(raw.values[whole])
    again = Highs().solve(replace(programme, low=low, high=high).relaxed(), time_limit_s=30)
    return again.objective if again.values is not None else None


def by_tolerance(limit_s: float) -> None:
    """Print the table of programmes."""
    print(f"{solver.highs_name()}, {len(SEEDS)} seeds, {limit_s:g} s each; wrong / out of time / median s")
    names = programmes()
    for name, programme in names.items():
        answers = {}
        for quick in (True, False):
            for tolerance in TOLERANCES:
                highs = [Highs(seed, tolerance, quick_first=quick) for seed in SEEDS]
                answers[quick, tolerance] = [timed(programme, each, limit_s) for each in highs]
        costs = [exact(programme, raw) for each in answers.values() for raw, _ in each]
        best = min((cost for cost in costs if cost is not None), default=float("inf"))
        for (quick, tolerance), rows in answers.items():
            wrong = sum(is_wrong(raw, best) for raw, _ in rows)
            short = sum(raw.verdict is formulation.SolverVerdict.FEASIBLE for raw, _ in rows)
            median = statistics.median(seconds for _, seconds in rows)
            strategy = "quick first" if quick else "as it comes"
            print(f"| {name} | {strategy} | {tolerance:g} | {wrong} / {short} / {median:.2f} |", flush=True)


def timed(programme: Compiled, highs: Highs, limit_s: float) -> tuple[RawAnswer, float]:
    started = time.perf_counter()
    return highs.solve(programme, time_limit_s=limit_s), time.perf_counter() - started


def is_wrong(raw: RawAnswer, best: float) -> bool:
    if raw.verdict is formulation.SolverVerdict.INFEASIBLE:
        return best < float("inf")
    return raw.bound > best + SAME * abs(best)


# --- rule files -----------------------------------------------------------------------------------


def answered(problem: Problem, name: str, seed: int, seconds: float) -> dict[str, Any]:
    """What one run says of a problem."""
    started = time.perf_counter()
    found: dict[str, Any] = {"solver": name, "seed": seed, "limit": seconds}
    try:
        answer = solve(problem, time_limit_s=seconds, solver=Highs(seed) if name == "highs" else name)
        found |= {
            "status": answer.status.value,
            "cost": answer.objective_usd_per_hour,
            "bound": answer.lower_bound_usd_per_hour,
            "served": served(problem, answer.served_share),
        }
    except PlanningError:
        found["status"] = "infeasible"
    except SolverFailed as failure:
        found |= {"status": "nothing", "why": str(failure)}
    return found | {"seconds": round(time.perf_counter() - started, 3)}


def served(problem: Problem, share: Any) -> float:
    """Requests per second served, by weight."""
    return sum(
        problem.services[problem.service_of(b)].weight * rate * share.get(b, 1.0)
        for b, rate in enumerate(problem.demand_requests_per_s)
    )


def contradictions(runs: list[dict[str, Any]]) -> list[str]:
    """What one run proves and another disproves."""
    fleets = [run for run in runs if "cost" in run]
    if not fleets:
        return []
    found = ["no fleet beside a fleet"] if any(run["status"] == "infeasible" for run in runs) else []
    most = max(run["served"] for run in fleets)
    full = [run for run in fleets if run["served"] >= most * (1 - SAME_SERVED)]
    if any(run["status"] == "optimal" and run not in full for run in fleets):
        found.append("the most served beside more")
    cheapest_cost = min(run["cost"] for run in full)
    if any(run["bound"] > cheapest_cost + SAME * cheapest_cost for run in full):
        found.append("a bound above a fleet")
    return found


def by_file(count: int, out: Path) -> None:
    """Run what is missing and print the table of rule files."""
    done: dict[int, list[dict[str, Any]]] = {}
    if out.exists():
        done = {row["file"]: row["runs"] for row in map(json.loads, out.read_text().splitlines())}
    for number, (seed, problem) in enumerate(problems()):
        if number >= count:
            break
        if seed not in done:
            done[seed] = [answered(problem, *run) for run in RUNS]
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"file": seed, "runs": done[seed]}) + "\n")
    print(f"{len(done)} rule files; {solver.highs_name()}")
    print("| solver | seed | limit s | proved | no fleet | not proved | no answer | median s | p90 s |")
    for place, (name, seed, seconds) in enumerate(RUNS):
        rows = [runs[place] for runs in done.values()]
        count_of = Counter(row["status"] for row in rows)
        took = [row["seconds"] for row in rows]
        cells = [count_of[status] for status in ("optimal", "infeasible", "feasible", "nothing")]
        print(f"| {name} | {seed} | {seconds:g} | {' | '.join(map(str, cells))} | "
              f"{statistics.median(took):.2f} | {np.percentile(took, 90):.1f} |")  # fmt: skip
    bad = {seed: why for seed, runs in done.items() for why in [contradictions(runs)] if why}
    print(f"contradictions: {len(bad)}")
    for seed, why in bad.items():
        print(seed, "; ".join(why))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("programmes", "files"))
    parser.add_argument("--count", type=int, default=20, help="rule files")
    parser.add_argument("--out", type=Path, default=Path("proofs.jsonl"), help="results of rule files")
    parser.add_argument("--limit-s", type=float, default=20.0, help="of a programme")
    options = parser.parse_args()
    if options.what == "programmes":
        by_tolerance(options.limit_s)
    else:
        by_file(options.count, options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
