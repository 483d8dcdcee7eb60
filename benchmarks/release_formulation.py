"""The yardstick: the published per-slice formulation, written anew from its description (arXiv:2404.14527).

Every bucket is cut into equal slices; a binary says which type serves a slice, an integer how many of a
type there are; every slice is served once, and the loads on a type sum to at most its count. Modelled in
PuLP and solved by its CBC, as the paper's release does. Where a type cannot serve a bucket there is no
binary (the release divides by zero).
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulp

if TYPE_CHECKING:
    from advisor.optimize.problem import Problem


@dataclass(frozen=True)
class Yardstick:
    usd_per_hour: float | None  #: None: no fleet found
    proved: bool  #: CBC says so
    cpu_s: float  #: this process and CBC
    binaries: int


def cpu_seconds() -> float:
    """CPU time of this process and its finished children."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def solve_per_slice(problem: Problem, slice_factor: int, time_limit_s: float) -> Yardstick:
    """Build and solve it, as far as the time limit allows."""
    started = cpu_seconds()
    programme = pulp.LpProblem("GpuAllocation", pulp.LpMinimize)
    types = range(len(problem.columns))
    rates = [column.options[0].requests_per_s for column in problem.columns]
    slices = [
        (bucket, rate / slice_factor)
        for bucket, rate in enumerate(problem.demand_requests_per_s)
        if rate > 0
        for _ in range(slice_factor)
    ]
    assigned = {
        (s, g): programme.add_variable(f"x_{s}_{g}", 0, 1, pulp.LpInteger)
        for s, (bucket, _) in enumerate(slices)
        for g in types
        if rates[g][bucket] > 0
    }
    counts = [programme.add_variable(f"y_{g}", 0, None, pulp.LpInteger) for g in types]
    programme += pulp.lpSum(counts[g] * float(problem.columns[g].usd_per_hour) for g in types)
    for s in range(len(slices)):
        programme += pulp.lpSum(assigned[s, g] for g in types if (s, g) in assigned) == 1
    for g in types:
        load = (
            assigned[s, g] * (rate / rates[g][b]) for s, (b, rate) in enumerate(slices) if (s, g) in assigned
        )
        programme += pulp.lpSum(load) <= counts[g]
    cbc = pulp.COIN_CMD(
        path=pulp.PULP_CBC_CMD.pulp_cbc_path, msg=False, timeLimit=time_limit_s
    )  # the bundled one
    programme.solve(cbc)
    found = programme.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible)
    bought = zip(counts, problem.columns, strict=True)
    cost = (
        sum(round(count.value()) * float(column.usd_per_hour) for count, column in bought) if found else None
    )
    return Yardstick(
        cost, programme.sol_status == pulp.LpSolutionOptimal, cpu_seconds() - started, len(assigned)
    )
