"""Does a plan's decision still hold? Ask its own question again, with what it bought as the fleet held.

A plan drifts when it can no longer be had or no longer serves (an offer gone, a quota lowered, evidence
changed, a rule broken), when keeping it costs more than a threshold over the cheapest fleet of today, or when
the prices it rests on are too old to tell. Anything else is noise, and no reason to change.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

from advisor.domain import Market
from advisor.errors import PlanningError, UsageError
from advisor.fleet import Fleet
from advisor.recommendation.deciding import decide
from advisor.recommendation.drift_noise import without_noise
from advisor.recommendation.drift_prices import Move, held_line, instances_of, moves_of
from advisor.recommendation.drift_reasons import Kind, Reason, gone, impeded, listed_in, reasons_of
from advisor.recommendation.holding import held_now
from advisor.recommendation.policy import Holding
from advisor.recommendation.prepare import prepare
from advisor.recommendation.recommend import recommend
from advisor.recommendation.replan import request_of
from advisor.recommendation.replayed import recommend_replayed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.catalog.snapshot import Snapshot
    from advisor.domain import Offer
    from advisor.plan.plan import Plan
    from advisor.recommendation.deciding import Leaving
    from advisor.recommendation.findings import Catalog
    from advisor.recommendation.prepare import Prepared
    from advisor.recommendation.request import Request

DEFAULT_THRESHOLD: Final = 0.02
"""Share of the kept cost below which a cheaper fleet is no reason to change; what it rings for on the prices
of 2023 to 2026 is in ``benchmarks/README.md``."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Whether a plan holds on the prices of today, and what to do if it does not."""

    plan: Plan
    reasons: tuple[Reason, ...]  #: why the decision should change, the gravest first; empty: it holds
    prices: tuple[Move, ...]  #: of the lines kept and proposed, the plan's own order first
    kept_usd_per_hour: Decimal | None  #: the plan's fleet at today's prices; None where a line has none
    best_usd_per_hour: Decimal | None  #: the cheapest fleet of today; None where none serves
    regret_usd_per_hour: Decimal | None  #: of keeping, side costs and the change included; None: cannot keep
    regret_fraction: float | None  #: of what keeping costs
    regret_without_noise: float | None  #: the same, small moves undone; None: not asked, or not known
    threshold: float  #: share of what keeping costs
    snapshot_id: str  #: of the prices of today
    checked_at: datetime
    new_plan: Plan | None  #: None where nothing better can be proposed
    not_checked: tuple[str, ...] = ()  #: sentences

    @property
    def verdict(self) -> Literal["holds", "drift"]:
        """Whether the decision holds."""
        return "drift" if self.reasons else "holds"


def drift(
    plan: Plan,
    catalog: Catalog,
    account: Account | None,
    now: datetime,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    before: Snapshot | None = None,
    asked: Request | None = None,
) -> Drift:
    """Whether the plan holds on this catalog.

    What the account says is used is taken to include what the plan bought.

    Args:
        plan: one with a fleet.
        catalog: prices, facts and throughput of today.
        account: quotas of today; None leaves them unchecked.
        now: what the ages of prices refer to.
        threshold: share of what keeping costs that a change must save.
        before: the prices the plan was made on, to tell noise, and how those of new lines moved; None: not
            at hand.
        asked: the plan's own question, where its limits on age or its command differ; None reads the plan.

    Raises:
        UsageError: the plan has no fleet, or reserved capacity and no account to tell whether it is held.
        SolverFailed: the solver gave no usable answer.
    """
    _refuse_without_fleet(plan, account)
    request = _holding(asked or request_of(plan), plan, threshold)
    watch = _Watch(plan, request, catalog, account, now, before)
    prepared = None
    try:
        prepared = prepare(request, catalog, account, now)
        decision = decide(prepared, lambda: request.time_limit_s)
    except (PlanningError, UsageError) as no:
        return _nothing_serves(watch, prepared, str(no))
    leaving = decision.leaving
    assert leaving is not None  # the request holds a fleet
    calm = _without_noise(watch, leaving)
    reasons = reasons_of(plan, prepared, leaving, noise=calm is not None and not calm.change)
    new = _proposal(request, catalog, account, now) if _asks_for_a_plan(reasons) else None
    if new is not None and (new.status == "infeasible" or instances_of(new) == instances_of(plan)):
        new = None
    found = _found(watch, listed_in(prepared), reasons, leaving.held_usd_per_hour, leaving, new)
    left = None if calm is None else _regret(calm)
    return found if left is None else replace(found, regret_without_noise=left[1])


def _proposal(request: Request, catalog: Catalog, account: Account | None, now: datetime) -> Plan:
    """The fleet of today, held to the SLO by replays where the plan was."""
    if any(service.for_replay for service in request.services):
        return recommend_replayed(request, catalog, account, now)
    return recommend(request, catalog, account, now)


@dataclass(frozen=True, slots=True)
class _Watch:
    """A plan, and what it is held against."""

    plan: Plan
    request: Request
    catalog: Catalog
    account: Account | None
    now: datetime
    before: Snapshot | None

    @property
    def holding(self) -> Holding:
        """What the plan bought."""
        holding = self.request.policy.holding
        assert holding is not None
        return holding


def _without_noise(watch: _Watch, leaving: Leaving) -> Leaving | None:
    """The decision with small moves undone, where a regret may be nothing else; None: it is not asked."""
    if watch.before is None or leaving.kept is None or not leaving.change:
        return None
    snapshot = without_noise(watch.catalog.snapshot, watch.before, watch.holding.threshold)
    try:
        prepared = prepare(watch.request, replace(watch.catalog, snapshot=snapshot), watch.account, watch.now)
        return decide(prepared, lambda: watch.request.time_limit_s).leaving
    except (PlanningError, UsageError):
        return None


def _found(
    watch: _Watch,
    listed: tuple[Offer, ...],
    reasons: tuple[Reason, ...],
    kept_usd_per_hour: Decimal | None,
    leaving: Leaving | None = None,
    new: Plan | None = None,
) -> Drift:
    snapshot = watch.catalog.snapshot
    regret = None if leaving is None or kept_usd_per_hour is None else _regret(leaving)
    return Drift(
        plan=watch.plan,
        reasons=reasons,
        prices=moves_of(watch.plan, new, snapshot, listed, watch.before),
        kept_usd_per_hour=kept_usd_per_hour,
        best_usd_per_hour=None if leaving is None else leaving.best.usd_per_hour,
        regret_usd_per_hour=None if regret is None else regret[0],
        regret_fraction=None if regret is None else regret[1],
        regret_without_noise=None,
        threshold=watch.holding.threshold,
        snapshot_id=snapshot.info.snapshot_id,
        checked_at=watch.now,
        new_plan=new,
        not_checked=_not_checked(watch),
    )


def _nothing_serves(watch: _Watch, prepared: Prepared | None, said: str) -> Drift:
    """The drift of a market in which no fleet answers the plan's question."""
    plan, snapshot = watch.plan, watch.catalog.snapshot
    listed = snapshot.offers if prepared is None else listed_in(prepared)
    held = held_now(watch.holding, listed)
    cost = sum((held.usd_per_hour[key] * count for key, count in held.instances.items()), Decimal(0))
    lost = gone(watch.holding.fleet.lines, listed, snapshot.info.snapshot_id)
    why = lost if prepared is None else impeded(plan, prepared)
    infeasible = Reason(Kind.INFEASIBLE, plan.plan_id, f"The plan's question has no answer today: {said}")
    return _found(watch, listed, (infeasible, *why), None if held.unknown else cost)


def _refuse_without_fleet(plan: Plan, account: Account | None) -> None:
    if plan.status == "infeasible":
        raise UsageError(
            f"plan {plan.plan_id} is infeasible and has nothing to keep; its reason: {plan.reason}"
        )
    if account is None and any(line.market is Market.RESERVED for line in plan.purchase):
        raise UsageError(
            f"plan {plan.plan_id} counts on reserved capacity; name the account file that has it with --quota"
        )


def _holding(request: Request, plan: Plan, threshold: float) -> Request:
    """The request, with the plan's purchase as the fleet held."""
    lines = tuple(sorted(map(held_line, plan.purchase), key=lambda line: line.offer_id))
    digest = hashlib.sha256(plan.model_dump_json().encode()).hexdigest()
    fleet = Fleet(lines, (), f"plan {plan.plan_id}", digest)
    known = request.policy.holding or Holding(fleet)
    holding = replace(known, fleet=fleet, threshold=threshold)
    return replace(request, refuse_stale=False, policy=replace(request.policy, holding=holding))


def _asks_for_a_plan(reasons: Iterable[Reason]) -> bool:
    """Old prices alone are refreshed, not planned on."""
    return any(reason.kind is not Kind.PRICES_STALE for reason in reasons)


def _regret(leaving: Leaving) -> tuple[Decimal, float] | None:
    """What keeping costs more than the cheapest fleet, all that was minimised included; and as a share."""
    kept, best = leaving.kept, leaving.best
    if kept is None:
        return None
    beside = kept.side_usd_per_hour - best.side_usd_per_hour - best.change_usd_per_hour
    regret = kept.usd_per_hour - best.usd_per_hour + Decimal(repr(round(beside, 8)))
    regret = max(regret, Decimal(0))
    return regret, float(regret) / kept.objective_usd_per_hour if kept.objective_usd_per_hour else 0.0


def _not_checked(watch: _Watch) -> tuple[str, ...]:
    said = []
    inputs = watch.plan.inputs
    if watch.account is None and inputs.account_sha256 is not None:
        said.append("Quotas: the plan was made with an account file; name it with --quota.")
    elif watch.account is None:
        said.append("Quotas: no account file is at hand; name one with --quota.")
    if watch.before is None:
        said.append(f"Noise: snapshot {inputs.snapshot_id} of the plan is not at hand, so small moves count.")
    return tuple(said)
