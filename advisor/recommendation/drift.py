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
from advisor.errors import PlanningError, UnknownName, UsageError
from advisor.fleet import Fleet, HeldLine
from advisor.recommendation.deciding import decide
from advisor.recommendation.drift_reasons import Kind, Reason, gone, listed_in, reasons_of, today_of
from advisor.recommendation.holding import held_now
from advisor.recommendation.policy import Holding
from advisor.recommendation.prepare import prepare
from advisor.recommendation.recommend import recommend
from advisor.recommendation.replan import request_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.catalog.snapshot import Snapshot
    from advisor.domain import Offer
    from advisor.plan.plan import Plan, Purchase
    from advisor.recommendation.deciding import Decision, Leaving
    from advisor.recommendation.findings import Catalog
    from advisor.recommendation.prepare import Prepared
    from advisor.recommendation.request import Request

DEFAULT_THRESHOLD: Final = 0.02
"""Share of the kept cost below which a cheaper fleet is no reason to change: weekly list prices repeat, and
2 % noise on every price alone raised no alarm (``benchmarks/drift.py``)."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A price, when it was stated and by whose evidence."""

    usd_per_hour: Decimal  #: of one instance
    collected_at: datetime
    source: str
    evidence: str | None  #: SHA-256 of the vendor's own item; None where none was kept
    snapshot_id: str


@dataclass(frozen=True, slots=True)
class Move:
    """What one instance cost when the plan was made, and costs now."""

    offer: str  #: offer id, as the plan kept or the plan proposed has it
    priced_as: str | None  #: offer id whose price it has today; None where nothing does
    instances_kept: int
    instances_proposed: int | None  #: None where no change is proposed
    before: Quote | None  #: None: not known
    now: Quote | None  #: None: no longer offered

    @property
    def change_fraction(self) -> float | None:
        """(now - before) / before; None where either is not known."""
        if self.before is None or self.now is None:
            return None
        return float((self.now.usd_per_hour - self.before.usd_per_hour) / self.before.usd_per_hour)


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
        before: the prices the plan was made on, to tell how those of new lines moved; None: not at hand.
        asked: the plan's own question, where its limits on age or its command differ; None reads the plan.

    Raises:
        UsageError: the plan has no fleet, or reserved capacity and no account to tell whether it is held.
        SolverFailed: the solver gave no usable answer.
    """
    _refuse_without_fleet(plan, account)
    request = _holding(asked or request_of(plan), plan, threshold)
    try:
        prepared = prepare(request, catalog, account, now)
        decision = decide(prepared, lambda: request.time_limit_s)
    except (PlanningError, UnknownName) as no:
        return _nothing_serves(plan, request, catalog, account, now, before, str(no))
    leaving = decision.leaving
    assert leaving is not None  # the request holds a fleet
    reasons = reasons_of(plan, prepared, leaving)
    new = recommend(request, catalog, account, now) if _asks_for_a_plan(reasons) else None
    new = None if new is None or _instances(new) == _instances(plan) else new
    regret = _regret(prepared, leaving)
    return Drift(
        plan=plan,
        reasons=reasons,
        prices=_moves(plan, new, catalog.snapshot, listed_in(prepared), before),
        kept_usd_per_hour=leaving.held_usd_per_hour,
        best_usd_per_hour=leaving.best.usd_per_hour,
        regret_usd_per_hour=regret,
        regret_fraction=None if regret is None else _share(regret, decision, leaving),
        threshold=threshold,
        snapshot_id=catalog.snapshot.info.snapshot_id,
        checked_at=now,
        new_plan=new,
        not_checked=_not_checked(plan, account),
    )


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


def held_line(line: Purchase) -> HeldLine:
    """A purchase line as what runs after it was bought."""
    return HeldLine(
        line.provider,
        line.region,
        line.zone,
        line.instance_type,
        line.market,
        line.instances,
        line.usd_per_hour_each,
    )


def _asks_for_a_plan(reasons: Iterable[Reason]) -> bool:
    """Old prices alone are refreshed, not planned on."""
    return any(reason.kind is not Kind.PRICES_STALE for reason in reasons)


def _instances(plan: Plan) -> dict[str, int]:
    return {line.offer_id: line.instances for line in plan.purchase}


def _regret(prepared: Prepared, leaving: Leaving) -> Decimal | None:
    """What keeping costs more than the cheapest fleet, everything that was minimised included."""
    kept, best = leaving.kept, leaving.best
    if kept is None or prepared.findings.holding.unknown:
        return None
    beside = (
        kept.side_usd_per_hour + kept.change_usd_per_hour - best.side_usd_per_hour - best.change_usd_per_hour
    )
    regret = kept.usd_per_hour - best.usd_per_hour + Decimal(repr(round(beside, 8)))
    return max(regret, Decimal(0))


def _share(regret: Decimal, decision: Decision, leaving: Leaving) -> float:
    kept = leaving.kept or decision.solution
    return float(regret) / kept.objective_usd_per_hour if kept.objective_usd_per_hour else 0.0


def _nothing_serves(
    plan: Plan,
    request: Request,
    catalog: Catalog,
    account: Account | None,
    now: datetime,
    before: Snapshot | None,
    said: str,
) -> Drift:
    """The drift of a market in which no fleet answers the plan's question."""
    holding = request.policy.holding
    assert holding is not None
    held = held_now(holding, catalog.snapshot.offers)
    cost = sum((held.usd_per_hour[key] * count for key, count in held.instances.items()), Decimal(0))
    snapshot = catalog.snapshot
    infeasible = Reason(Kind.INFEASIBLE, plan.plan_id, f"No fleet answers the plan's question: {said}")
    return Drift(
        plan=plan,
        reasons=(infeasible, *gone(holding.fleet.lines, snapshot.offers, snapshot.info.snapshot_id)),
        prices=_moves(plan, None, snapshot, snapshot.offers, before),
        kept_usd_per_hour=None if held.unknown else cost,
        best_usd_per_hour=None,
        regret_usd_per_hour=None,
        regret_fraction=None,
        threshold=holding.threshold,
        snapshot_id=snapshot.info.snapshot_id,
        checked_at=now,
        new_plan=None,
        not_checked=_not_checked(plan, account),
    )


def _moves(
    plan: Plan, new: Plan | None, today: Snapshot, listed: tuple[Offer, ...], before: Snapshot | None
) -> tuple[Move, ...]:
    """The prices of every line kept or proposed, then and now."""
    proposed = None if new is None else _instances(new)
    moves = [
        _kept(plan, line, today_of(held_line(line), listed), proposed, today)
        for line in sorted(plan.purchase, key=lambda one: (-one.usd_per_hour, one.offer_id))
    ]
    shown = {move.priced_as for move in moves}
    then, now = _quotes(before), _quotes(today)
    added = {key: count for key, count in (proposed or {}).items() if key not in shown}
    return (*moves, *(Move(key, key, 0, count, then.get(key), now.get(key)) for key, count in added.items()))


def _kept(
    plan: Plan, line: Purchase, offer: Offer | None, proposed: Mapping[str, int] | None, today: Snapshot
) -> Move:
    then = Quote(
        line.usd_per_hour_each,
        line.price_collected_at,
        line.price_source,
        line.price_evidence,
        plan.inputs.snapshot_id,
    )
    key = None if offer is None else offer.id
    count = None if proposed is None else proposed.get(key or "", 0)
    return Move(
        line.offer_id, key, line.instances, count, then, None if offer is None else _quote(offer, today)
    )


def _quotes(snapshot: Snapshot | None) -> dict[str, Quote]:
    if snapshot is None:
        return {}
    return {o.id: _quote(o, snapshot) for o in snapshot.offers if "superseded" not in o.flags}


def _quote(offer: Offer, snapshot: Snapshot) -> Quote:
    return Quote(
        offer.usd_per_hour, offer.collected_at, offer.source, offer.evidence, snapshot.info.snapshot_id
    )


def _not_checked(plan: Plan, account: Account | None) -> tuple[str, ...]:
    if account is not None:
        return ()
    if plan.inputs.account_sha256 is not None:
        return ("Quotas: the plan was made with an account file; name it with --quota.",)
    return ("Quotas: no account file is at hand; name one with --quota.",)
