"""What a loss cost: capacity kept, the SLO in the meantime, and the price of what stands in."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from advisor.simulate.attainment import Attained, attained

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.simulate.demand import Requests
    from advisor.simulate.faults import Loss
    from advisor.simulate.fleet import ReplayFleet
    from advisor.simulate.latencies import Latencies


@dataclass(frozen=True, slots=True)
class Aftermath:
    """A loss and what came of it."""

    what: str
    detail: str
    at_s: float | None
    warning_s: float
    start_up_s: float | None
    back_at_s: float | None  #: when the last replacement was up; None if nothing replaced what was lost
    capacity_kept: float  #: least share of the planned work's capacity left, over services
    retried: int  #: requests sent again
    never_served: int
    before: Attained  #: of requests that arrived before the loss or its warning
    meanwhile: Attained  #: from then to the replacement
    after: Attained  #: after it
    fallback_usd_per_hour: Decimal | None  #: of what stands in; None: not known, or nothing does
    fallback_detail: str


def aftermath(
    plan: Plan,
    fleet: ReplayFleet,
    loss: Loss,
    requests: Requests,
    found: Latencies,
    retried: int,
    never_served: int,
) -> Aftermath:
    """Measure a loss."""
    lost_s = loss.at_s if loss.at_s is not None else np.inf
    begin = min((change.at_s for change in loss.changes), default=np.inf)  # a warning already costs replicas
    starts = (change.at_s for change in loss.changes if change.kind == "start" and change.at_s >= lost_s)
    back = max(starts, default=None)
    end = back if back is not None else np.inf
    arrival = requests.arrival_s
    usd, detail = _fallback(plan, loss)
    return Aftermath(
        loss.what, loss.detail, loss.at_s, loss.warning_s, loss.start_up_s, back, _kept(fleet, loss), retried,
        never_served,
        attained(found.met[arrival < begin]),
        attained(found.met[(arrival >= begin) & (arrival < end)]),
        attained(found.met[arrival >= end]),
        usd, detail,
    )  # fmt: skip


def _kept(fleet: ReplayFleet, loss: Loss) -> float:
    """Of each service's replicas, weighted by planned work, the share that stays; the least over services."""
    gone = set(loss.replicas)
    shares = []
    for service in {group.service for group in fleet.groups}:
        groups = [group for group in fleet.groups if group.service == service]
        total = sum(group.utilization * len(group.replicas) for group in groups)
        lost = sum(group.utilization * sum(n in gone for n in group.replicas) for group in groups)
        shares.append(1 - lost / total if total > 0 else 1.0)
    return min(shares, default=1.0)


def _fallback(plan: Plan, loss: Loss) -> tuple[Decimal | None, str]:
    """What the replacements cost per hour, by the plan's own figures."""
    if not loss.instances:
        return None, "nothing was lost"
    if loss.start_up_s is None:
        return None, "nothing replaces what was lost"
    if loss.what == "instance":
        line = plan.purchase[next(iter(loss.instances))]
        return line.usd_per_hour_each, f"another {line.offer_id} in its place, at the same price"
    known = {fallback.offer: fallback for fallback in plan.risk.fallbacks} if plan.risk is not None else {}
    total, words = Decimal(0), []
    for place, count in sorted(loss.instances.items()):
        line = plan.purchase[place]
        fallback = known.get(line.offer_id)
        if fallback is None or fallback.fallback_usd_per_hour_each is None:
            return None, f"the plan knows no on-demand price that stands in for {line.offer_id}"
        total += count * fallback.fallback_usd_per_hour_each
        words.append(f"{count} × {fallback.fallback} instead of {line.offer_id}")
    return total, "; ".join(words)
