"""Answer a request: prepare, solve, compare, assemble. Reads nothing from a network and no clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from advisor.errors import Infeasible, NoCandidates, StaleSnapshot
from advisor.optimize.solve import solve
from advisor.recommendation.assemble import assemble, refuse
from advisor.recommendation.comparison import compare
from advisor.recommendation.prepare import prepare
from advisor.recommendation.refusal import why_nobody_serves
from advisor.recommendation.wording import stale_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.plan.plan import Plan
    from advisor.recommendation.findings import Catalog
    from advisor.recommendation.request import Request


def recommend(request: Request, catalog: Catalog, account: Account | None, now: datetime) -> Plan:
    """The cheapest fleet that serves the request, proved, or a plan of status ``infeasible`` that says why.

    Raises:
        UnknownName, UsageError: a region, provider or accelerator pattern that matches nothing.
        StaleSnapshot: the fleet rests on stale prices, and the request refuses those.
        SolverFailed: the solver gave no usable answer.
    """
    time_left = _countdown(request.time_limit_s)
    prepared = prepare(request, catalog, account, now)
    joined, problem, service = prepared.joined, prepared.problem, prepared.request.service
    try:
        if not joined.candidates or joined.unserved:
            raise NoCandidates(
                why_nobody_serves(joined, service.workload, service.slo, prepared.serves_all_at)
            )
        solution = solve(problem, time_limit_s=time_left(), pool_units=prepared.pool_units)
    except (NoCandidates, Infeasible) as no:
        return refuse(prepared.findings, str(no))
    ceiling = problem.services[0].utilisation_ceiling
    baselines = compare(problem, joined, solution, dict(problem.free_units), ceiling, time_left)
    plan = assemble(prepared.findings, solution, baselines)
    if request.refuse_stale and (stale := stale_lines(plan.catalog, plan.purchase)):
        raise StaleSnapshot(
            f"the cheapest fleet rests on stale prices ({'; '.join(stale)}); run `advisor refresh`, "
            "or set on_stale: warn (ADVISOR_ON_STALE=warn)"
        )
    return plan


def _countdown(seconds: float) -> Callable[[], float]:
    """What is left of a time limit, never below zero."""
    deadline = time.monotonic() + seconds
    return lambda: max(deadline - time.monotonic(), 0.0)
