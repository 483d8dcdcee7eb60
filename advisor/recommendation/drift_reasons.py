"""Why a plan no longer holds: each reason of a kind, with its figures."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from advisor.catalog.freshness import MANUAL_BASIS
from advisor.domain import EXCLUSION_REASONS, Market, Throughput
from advisor.fleet import Fleet
from advisor.recommendation.deciding import as_held
from advisor.recommendation.holding import held_now
from advisor.recommendation.policy import Holding
from advisor.recommendation.rule_lines import without
from advisor.recommendation.screening import Screening
from advisor.recommendation.situation import free_units, held_units
from advisor.recommendation.wording import age_words
from advisor.units import decimal_text, usd_per_month, usd_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from advisor.domain import Exclusion, Offer
    from advisor.fleet import HeldLine
    from advisor.optimize.problem import Problem
    from advisor.plan.plan import Plan, RuleLine
    from advisor.recommendation.deciding import Leaving
    from advisor.recommendation.prepare import Prepared


class Kind(StrEnum):
    """Kinds of reason, the gravest first."""

    INFEASIBLE = "infeasible"  #: no fleet at all answers the plan's question
    OFFER_GONE = "offer_gone"  #: the catalog no longer has it
    OFFER_WITHDRAWN = "offer_withdrawn"  #: priced, but no more of it can be bought
    QUOTA_SHORT = "quota_short"  #: the account no longer admits what the plan draws
    NO_LONGER_SERVES = "no_longer_serves"  #: the evidence on throughput or memory changed
    RULE_BROKEN = "rule_broken"  #: a limit or a rule of the plan no longer holds
    REGRET = "regret"  #: keeping costs too much
    PRICES_STALE = "prices_stale"  #: too old to tell


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the decision should change."""

    kind: Kind
    subject: str  #: offer id, quota pool, rule or plan id
    text: str  #: a sentence
    figures: Mapping[str, Decimal | float | str] = field(default_factory=dict)  #: units in the names


_OF_THROUGHPUT: Final = frozenset(
    {
        "no_specification",
        "no_throughput_data",
        "evidence_too_weak",
        "precision_unsupported",
        "does_not_fit",
        "exceeds_context",
        "slo_unreachable",
    }
)
"""Exclusions that say that an offer cannot serve."""

_NOT_FOR_SALE: Final = frozenset({"retired", "not_offered", "not_sold_this_way", "superseded"})


def reasons_of(
    plan: Plan, prepared: Prepared, leaving: Leaving, *, noise: bool = False
) -> tuple[Reason, ...]:
    """Every reason, the gravest first; none where the plan holds.

    Args:
        plan: as it was made.
        prepared: its own question, asked today.
        leaving: what came of keeping it.
        noise: whether any regret is made of small moves alone, and no reason.
    """
    found = impeded(plan, prepared)
    if leaving.kept is None and not found:
        found = _unserved(plan, prepared)
    regrets = leaving.kept is not None and leaving.change and not noise
    if regrets and not prepared.findings.holding.unknown:
        found = [*found, _regret(leaving, _threshold(prepared))]
    return _by_gravity([*found, *_stale(prepared)])


def impeded(plan: Plan, prepared: Prepared) -> list[Reason]:
    """What stands in the way of the plan's lines, whatever else there is to buy."""
    return [*_by_gravity([*_lines(plan, prepared), *_quotas(prepared)])]


def _by_gravity(found: list[Reason]) -> tuple[Reason, ...]:
    order = list(Kind)
    return tuple(sorted(found, key=lambda reason: order.index(reason.kind)))


def _threshold(prepared: Prepared) -> float:
    holding = prepared.request.policy.holding
    assert holding is not None
    return holding.threshold


def listed_in(prepared: Prepared) -> tuple[Offer, ...]:
    """Every price of today, and what the account holds."""
    found = prepared.findings
    reserved = (offer for offer in found.selected.offers if offer.market is Market.RESERVED)
    return (*found.catalog.snapshot.offers, *reserved)


def today_of(line: HeldLine, listed: Sequence[Offer]) -> Offer | None:
    """The offer a line is today; None where nobody can be charged for it any more."""
    taken = held_now(Holding(Fleet((line,), (), "", "")), listed).instances
    return next((o for o in listed if o.id in taken and "superseded" not in o.flags), None)


def gone(lines: Iterable[HeldLine], listed: Sequence[Offer], snapshot_id: str) -> Iterator[Reason]:
    """Lines the catalog no longer has."""
    for line in lines:
        if today_of(line, listed) is None:
            instances = f"{line.instances} instance{'' if line.instances == 1 else 's'} of the plan"
            text = f"{line.offer_id} is not in snapshot {snapshot_id}: {instances} can no longer be had."
            yield Reason(Kind.OFFER_GONE, line.offer_id, text, {"instances": float(line.instances)})


def _held(prepared: Prepared) -> dict[str, Offer]:
    """Today's offers of the lines kept."""
    held = prepared.findings.holding.instances
    live = (offer for offer in listed_in(prepared) if "superseded" not in offer.flags)
    return {offer.id: offer for offer in live if offer.id in held}


def _lines(plan: Plan, prepared: Prepared) -> Iterator[Reason]:
    """What became of every line."""
    found = prepared.findings
    holding = prepared.request.policy.holding
    assert holding is not None
    yield from gone(holding.fleet.lines, listed_in(prepared), found.catalog.snapshot.info.snapshot_id)
    refused = {  # the list price under one's own is superseded, and no word on the row that is paid
        exclusion.subject: exclusion
        for exclusion in found.joined.exclusions
        if exclusion.reason != "superseded"
    }
    ran = plan.migration.changes if plan.migration is not None else ()
    ran_before = frozenset(change.offer for change in ran if change.before)
    anew = Screening(prepared.request, found.catalog.facts, found.account, ran_before, found.now)
    for key, offer in _held(prepared).items():
        exclusion = anew(offer) or refused.get(key)
        if exclusion is not None:
            yield _excluded(exclusion, found.holding.instances[key])


def _excluded(exclusion: Exclusion, instances: int) -> Reason:
    meaning = EXCLUSION_REASONS.get(exclusion.reason, exclusion.reason)
    text = f"{instances} × {exclusion.subject}: {meaning} ({exclusion.detail})."
    kind = Kind.OFFER_WITHDRAWN
    if exclusion.reason in _OF_THROUGHPUT:
        kind = Kind.NO_LONGER_SERVES
    elif exclusion.reason not in _NOT_FOR_SALE | {"availability_unknown", "estimated_price", "local_zone"}:
        kind = Kind.RULE_BROKEN
    return Reason(kind, exclusion.subject, text, {"instances": float(instances), "why": exclusion.reason})


def _quotas(prepared: Prepared) -> Iterator[Reason]:
    """Pools that no longer hold what the plan draws."""
    found = prepared.findings
    free = free_units(found)
    for key, drawn in held_units(found).items():
        if key in free and drawn > free[key]:
            unit = prepared.pool_units.get(key, "units")
            admits, draws = decimal_text(free[key]), decimal_text(drawn)
            text = f"Quota {key} admits {admits} {unit}, the plan draws {draws}."
            yield Reason(Kind.QUOTA_SHORT, key, text, {"drawn_units": drawn, "admitted_units": free[key]})


def _unserved(plan: Plan, prepared: Prepared) -> list[Reason]:
    """Which rule the fleet kept breaks; none: it serves too little even without any."""
    problem = prepared.problem
    if problem.budget_usd_per_hour is not None:
        over = _over_budget(prepared, problem.budget_usd_per_hour)
        if over or any(service.served_share < 1 for service in plan.services):
            return over or [_budget_serves_more(problem.budget_usd_per_hour)]
    held = dict(prepared.findings.holding.instances)
    limit = prepared.request.time_limit_s
    rules = [rule for rule in plan.rules if rule.kind not in ("budget", "prefer")]

    def serves(problem: Problem) -> bool:
        return as_held(replace(problem, budget_usd_per_hour=None), held, lambda: limit) is not None

    if not serves(without(problem, rules)):
        return [_slower(plan, prepared)]
    broken = [
        _broken(rule) for rule in rules if not serves(without(problem, [r for r in rules if r is not rule]))
    ]
    if broken:
        return broken
    together = "; ".join(rule.text for rule in rules)
    text = f"The fleet obeys each rule alone, not all together: {together}."
    return [Reason(Kind.RULE_BROKEN, "rules", text)]


def _broken(rule: RuleLine) -> Reason:
    return Reason(Kind.RULE_BROKEN, rule.text, f"The fleet no longer obeys a rule of the plan: {rule.text}.")


def _over_budget(prepared: Prepared, budget: Decimal) -> list[Reason]:
    held = prepared.findings.holding
    cost = sum((held.usd_per_hour[key] * count for key, count in held.instances.items()), Decimal(0))
    if cost <= budget:
        return []
    prices = f"${usd_text(cost, 4)}/h at today's prices"
    text = f"The fleet costs {prices}, above the budget of ${usd_text(budget)}/h."
    return [
        Reason(Kind.RULE_BROKEN, "budget", text, {"kept_usd_per_hour": cost, "budget_usd_per_hour": budget})
    ]


def _budget_serves_more(budget: Decimal) -> Reason:
    text = (
        f"At today's prices the budget of ${usd_text(budget)}/h pays for a fleet that serves more requests."
    )
    return Reason(Kind.RULE_BROKEN, "budget", text, {"budget_usd_per_hour": budget})


def _slower(plan: Plan, prepared: Prepared) -> Reason:
    """That the fleet serves too little, with the capacity that fell most."""
    catalog = prepared.findings.catalog
    changed = [
        name
        for name, then, now in (
            ("throughput profiles", plan.inputs.profiles_sha256, catalog.profiles.profiles_sha256),
            ("facts", plan.inputs.facts_sha256, catalog.facts.sha256),
        )
        if then != now
    ]
    why = f" ({' and '.join(changed)} changed since)" if changed else ""
    text = f"The fleet no longer serves the plan's demand within its SLO and headroom{why}"
    worst = min(_capacities(plan, prepared), key=lambda pair: pair[1] / pair[0], default=None)
    if worst is None or worst[1] >= worst[0]:
        return Reason(Kind.NO_LONGER_SERVES, plan.plan_id, f"{text}.")
    then, now = worst
    figures: dict[str, Decimal | float | str] = {
        "capacity_then_requests_per_s": then,
        "capacity_now_requests_per_s": now,
    }
    text += f": a replica counted on for {then:.3g} requests/s sustains {now:.3g}."
    return Reason(Kind.NO_LONGER_SERVES, plan.plan_id, text, figures)


def _capacities(plan: Plan, prepared: Prepared) -> Iterator[tuple[float, float]]:
    """Requests per second of one replica, then and now, of every load of the plan."""
    candidates = prepared.joined.by_id()
    names = [service.name for service in prepared.request.services]
    for allocation in plan.allocations:
        place = allocation.region if allocation.zone is None else f"{allocation.region}/{allocation.zone}"
        key = f"{allocation.provider}:{place}:{allocation.instance_type}:{allocation.market.value}"
        if key not in candidates or allocation.service not in names:
            continue
        service = names.index(allocation.service)
        buckets = prepared.request.services[service].workload.buckets
        sizes = [(bucket.input_tokens_max, bucket.output_tokens_max) for bucket in buckets]
        answers = {
            size: answer
            for degree in candidates[key].degrees
            if (degree.service, degree.tensor_parallel) == (service, allocation.tensor_parallel)
            for size, answer in zip(sizes, degree.answers, strict=True)
        }
        for load in allocation.load:
            answer = answers.get((load.input_tokens_max, load.output_tokens_max))
            now = answer.requests_per_s if isinstance(answer, Throughput) else 0.0
            yield load.capacity_requests_per_s, now


def _regret(leaving: Leaving, threshold: float) -> Reason:
    kept, best = leaving.kept, leaving.best
    assert kept is not None
    hourly = Decimal(repr(round(kept.objective_usd_per_hour - best.objective_usd_per_hour, 8)))
    share = float(hourly) / kept.objective_usd_per_hour if kept.objective_usd_per_hour else 0.0
    monthly = usd_per_month(hourly)
    costs = f"${usd_text(kept.usd_per_hour, 4)}/h, the cheapest fleet ${usd_text(best.usd_per_hour, 4)}/h"
    text = (
        f"Keeping costs {costs}: {share:.1%} or ${usd_text(monthly)} a month more, "
        f"not below the threshold of {100 * threshold:g} %."
    )
    figures: dict[str, Decimal | float | str] = {
        "kept_usd_per_hour": kept.usd_per_hour,
        "best_usd_per_hour": best.usd_per_hour,
        "regret_usd_per_month": monthly,
        "regret_fraction": share,
    }
    return Reason(Kind.REGRET, "cost", text, figures)


def _stale(prepared: Prepared) -> Iterator[Reason]:
    """Lines whose price is older than the limit in force."""
    request, now = prepared.request, prepared.findings.now
    limits = {Market.ON_DEMAND: request.on_demand_limit, Market.SPOT: request.spot_limit}
    for key, offer in _held(prepared).items():
        limit = limits.get(offer.market)
        age = now - offer.collected_at
        if limit is None or offer.price_basis == MANUAL_BASIS or age <= limit:
            continue
        hours, most = age.total_seconds() / 3600, limit.total_seconds() / 3600
        text = f"The price of {key} is {age_words(hours)}, the limit {most / 24:g} days."
        yield Reason(Kind.PRICES_STALE, key, text, {"age_hours": hours, "limit_hours": most})
