"""A plan's fleet as the optimiser would have told it, so that nothing need be solved to have it again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from advisor.optimize.check import faults
from advisor.optimize.money import change_usd_per_hour, side_usd_per_hour
from advisor.optimize.problem import Solution, SolveStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.optimize.problem import Problem
    from advisor.plan.plan import Plan
    from advisor.recommendation.prepare import Prepared


def planned(plan: Plan, problem: Problem, prepared: Prepared) -> Solution | None:
    """The plan's fleet as an answer to a problem; None where it is none, or costs something else."""
    if plan.usd_per_hour is None or plan.optimality is None:
        return None
    service = {line.name: index for index, line in enumerate(plan.services)}
    demand = _demands(plan, prepared)
    instances = {line.offer_id: line.instances for line in plan.purchase}
    replicas: dict[tuple[str, int, int], int] = {}
    load: dict[tuple[str, int, int], float] = {}
    for a in plan.allocations:
        place = a.region if a.zone is None else f"{a.region}/{a.zone}"
        offer = f"{a.provider}:{place}:{a.instance_type}:{a.market.value}"
        replicas[offer, service[a.service], a.tensor_parallel] = a.replicas
        for one in a.load:
            b = demand.get((service[a.service], one.input_tokens_max, one.output_tokens_max))
            if b is None:
                return None
            load[offer, a.tensor_parallel, b] = one.requests_per_s
    columns = {column.id for column in problem.columns}
    if not instances.keys() <= columns or not {offer for offer, _, _ in replicas} <= columns:
        return None
    found = Solution(
        SolveStatus.OPTIMAL if plan.status == "optimal" else SolveStatus.FEASIBLE,
        instances,
        replicas,
        load,
        plan.usd_per_hour,
        0.0,
        plan.optimality.solver,
        plan.optimality.solve_seconds,
        side_usd_per_hour(problem, load),
        change_usd_per_hour(problem, instances),
    )
    bound = found.objective_usd_per_hour if found.proved else plan.optimality.lower_bound_usd_per_hour
    anywhere = replace(problem, routing=None)  # a plan tells where loads come from, not every flow
    if any(True for _ in faults(anywhere, found)):
        return None
    return replace(found, lower_bound_usd_per_hour=bound)


def _demands(plan: Plan, prepared: Prepared) -> Mapping[tuple[int, int, int], int]:
    """Index of a demand by service and largest sizes."""
    found = {}
    for b, demand in enumerate(prepared.joined.demands):
        bucket = plan.services[demand.service].buckets[demand.bucket]
        found[demand.service, bucket.input_tokens_max, bucket.output_tokens_max] = b
    return found
