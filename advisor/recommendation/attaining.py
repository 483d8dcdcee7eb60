"""Plans that were replayed before they are handed over, and the least headroom with which a replay passes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from advisor.plan.identity import identified
from advisor.plan.simulation import HeadroomTrial, Simulation
from advisor.recommendation.recommend import recommend
from advisor.simulate import (
    Options,
    ReplayInputs,
    Trial,
    headroom_needed,
    least_headroom,
    prepare,
    replay_prepared,
)
from advisor.simulate.basis import basis
from advisor.simulate.bottleneck import MEANINGS

if TYPE_CHECKING:
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.plan.plan import Plan
    from advisor.recommendation.findings import Catalog
    from advisor.recommendation.request import Request


def replayed(plan: Plan, catalog: Catalog, options: Options) -> Plan:
    """The plan with the verdict of its replay; as it is where there is no fleet."""
    if not plan.allocations:
        return plan
    prepared = prepare(plan, ReplayInputs(catalog.facts, catalog.profiles))
    replay = replay_prepared(prepared, replace(options, compare_ideal=False))
    needed = None if replay.passes else headroom_needed(prepared, options).headroom
    verdict = Simulation(
        verdict="pass" if replay.passes else "fail",
        target_percent=options.attain_percent,
        attained_percent=replay.breakdown.overall.attained.percent,
        requests=replay.requests,
        duration_s=round(replay.duration_s, 3),
        arrivals=list(replay.arrivals),
        seed=options.seed,
        length_error_percent=options.length_error_percent,
        evidence=basis(replay.fleet).sentence,
        bottleneck=MEANINGS[replay.bottleneck.what],
        headroom_needed=None if needed is None else round(needed, 4),
    )
    return identified(plan.model_copy(update={"simulation": verdict}))


def attaining(
    request: Request, catalog: Catalog, account: Account | None, now: datetime, options: Options
) -> Plan:
    """The plan with the least headroom, from the request's own upwards, whose replay reaches the target.

    Every service gets the same headroom, at least its own. Where none passes, the last plan tried is
    returned: its verdict says by how much it fails.
    """
    plans: dict[float, Plan] = {}

    def trial(headroom: float) -> Trial:
        services = tuple(replace(s, headroom=max(s.headroom, headroom)) for s in request.services)
        plan = replayed(
            recommend(replace(request, services=services), catalog, account, now), catalog, options
        )
        plans[headroom] = plan
        said = plan.simulation
        return Trial(
            headroom,
            said is not None and said.verdict == "pass",
            plan.usd_per_hour,
            None if said is None else said.headroom_needed,
        )

    trials = least_headroom(trial, min(service.headroom for service in request.services))
    passed = [one for one in trials if one.passes]
    chosen = min(passed, key=lambda one: (one.usd_per_hour or 0, one.headroom)) if passed else trials[-1]
    plan = plans[chosen.headroom]
    if plan.simulation is None:
        return plan
    tried = [
        HeadroomTrial(headroom=round(t.headroom, 6), passes=t.passes, usd_per_hour=t.usd_per_hour)
        for t in trials
    ]
    verdict = plan.simulation.model_copy(update={"trials": tried})
    return identified(plan.model_copy(update={"simulation": verdict}))
