"""What the plan claims about itself: identity, status, proof, savings, ages, sources."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.domain import EXCLUSION_REASONS, Market
from advisor.plan.identity import is_edited, plan_id
from advisor.plan.verify.against import live_offers
from advisor.plan.verify.books import EXACT
from advisor.plan.verify.packing import instances_needed
from advisor.plan.verify.selection import matches
from advisor.plan.verify.serving import may_idle, offer_id
from advisor.plan.verify.violation import PROVED_GAP, SAME_AGE_HOURS, SAME_RATE, Violation, same_share
from advisor.units import decimal_text, usd_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.plan.plan import Baseline, CatalogState, Plan, Purchase
    from advisor.plan.verify.against import Against

RESTRICTED = ("single_accelerator", "greedy", "market")
"""Baselines that choose from fewer fleets than the plan does, so never below its lower bound."""


def check_claims(plan: Plan, against: Against) -> Iterator[Violation]:
    """Everything the plan says about itself rather than about a purchase."""
    if is_edited(plan):
        yield Violation("plan_id", "plan_id", plan_id(plan), plan.plan_id)
    yield from _status(plan)
    yield from _proof(plan)
    for index, baseline in enumerate(plan.baselines):
        yield from _baseline(plan, baseline, f"baselines[{index}]")
    yield from _exclusions(plan)
    yield from _catalog(plan, against)
    yield from _sources(plan)


def _status(plan: Plan) -> Iterator[Violation]:
    if plan.status == "infeasible":
        for field in ("purchase", "allocations"):
            if getattr(plan, field):
                yield Violation(
                    "status", field, "nothing in an infeasible plan", f"{len(getattr(plan, field))} lines"
                )
        for field in ("usd_per_hour", "usd_per_month"):
            if getattr(plan, field) is not None:
                yield Violation(
                    "status", field, "null in an infeasible plan", decimal_text(getattr(plan, field))
                )
        if not plan.reason:
            yield Violation("status", "reason", "why there is no fleet", "nothing")
        return
    for field in ("usd_per_hour", "usd_per_month", "optimality"):
        if getattr(plan, field) is None:
            yield Violation("status", field, f"a figure in a plan that is {plan.status}", "null")
    for field in ("services", "purchase", "allocations", "catalog"):
        if not getattr(plan, field):
            yield Violation("status", field, f"at least one in a plan that is {plan.status}", "none")
    if plan.reason:
        yield Violation("status", "reason", f"null in a plan that is {plan.status}", plan.reason)


def _proof(plan: Plan) -> Iterator[Violation]:
    proof = plan.optimality
    if proof is None or plan.usd_per_hour is None:
        return
    if proof.proved != (plan.status == "optimal"):
        yield Violation(
            "proof", "optimality.proved", f"{plan.status == 'optimal'} as the status says", f"{proof.proved}"
        )
    if proof.proved and proof.relative_gap > PROVED_GAP:
        yield Violation(
            "proof", "optimality.relative_gap", f"at most {PROVED_GAP:g} if proved", f"{proof.relative_gap:g}"
        )
    cost, bound = _objective(plan), proof.lower_bound_usd_per_hour
    if bound > cost * (1 + SAME_RATE):
        yield Violation(
            "lower_bound", "optimality.lower_bound_usd_per_hour", f"at most {cost:.9g}", f"{bound:.9g}"
        )
    gap = max(0.0, (cost - bound) / cost) if cost else 0.0
    if not same_share(proof.relative_gap, gap):
        yield Violation("gap", "optimality.relative_gap", f"{gap:.9g}", f"{proof.relative_gap:.9g}")
    for index, line in enumerate(plan.purchase if not may_idle(plan) else ()):
        smaller = _smaller_line(plan, line)
        if smaller is not None and bound > float(smaller) * (1 + SAME_RATE):
            found = f"{line.instances} instances that fit in fewer, for ${decimal_text(smaller)}/h"
            yield Violation("lower_bound", f"purchase[{index}]", f"no fleet below ${bound:.9g}/h", found)


def _objective(plan: Plan) -> float:
    """What was minimised, and what the bound is on: the fleet, its side costs, and the change spread out."""
    usd = plan.usd_per_hour or Decimal(0)
    usd += sum((cost.usd_per_hour for cost in plan.side_costs), Decimal(0))
    moving = plan.migration
    if moving is None or moving.decision == "keep" or not moving.horizon_hours:
        return float(usd)
    return float(usd) + float(moving.one_off_usd) / moving.horizon_hours


def _smaller_line(plan: Plan, line: Purchase) -> Decimal | None:
    """The plan's cost if the line's replicas stood on as few instances as hold them; None if they do."""
    replicas: dict[int, int] = {}
    for allocation in plan.allocations:
        if offer_id(allocation) == line.offer_id:
            degree = allocation.tensor_parallel
            replicas[degree] = replicas.get(degree, 0) + allocation.replicas
    needed = instances_needed(replicas, line.accelerators_per_instance)
    if needed is None or needed >= line.instances or plan.usd_per_hour is None:
        return None
    spared = EXACT.multiply(line.usd_per_hour_each, Decimal(line.instances - needed))
    return EXACT.subtract(plan.usd_per_hour, spared)


def _baseline(plan: Plan, baseline: Baseline, at: str) -> Iterator[Violation]:
    priced = baseline.usd_per_hour is not None
    unpriced = baseline.status in ("infeasible", "not_solved")
    if priced == unpriced:
        said = "null" if unpriced else "a price"
        yield Violation(
            "baseline", f"{at}.usd_per_hour", f"{said} if {baseline.status}", f"{baseline.usd_per_hour}"
        )
    if baseline.usd_per_hour is None or plan.usd_per_hour is None:
        if baseline.saving_fraction is not None:
            yield Violation(
                "baseline",
                f"{at}.saving_fraction",
                "null without two prices",
                f"{baseline.saving_fraction:g}",
            )
        return
    if any(rule.kind == "budget" for rule in plan.rules) and baseline.saving_fraction is None:
        return  # under a budget fleets serve different shares: their costs are not held against each other
    if baseline.usd_per_hour == 0 and not plan.held:  # only what is paid already costs nothing more
        yield Violation("baseline", f"{at}.usd_per_hour", "above 0", "0")
        return
    other = baseline.usd_per_hour
    saving = float(EXACT.subtract(Decimal(1), EXACT.divide(plan.usd_per_hour, other))) if other else 0.0
    found = baseline.saving_fraction
    if found is None or not same_share(found, saving):
        yield Violation(
            "baseline", f"{at}.saving_fraction", f"{saving:.9g}", "null" if found is None else f"{found:.9g}"
        )
    bound = plan.optimality.lower_bound_usd_per_hour if plan.optimality else 0.0
    cost = float(baseline.usd_per_hour) + baseline.side_usd_per_hour
    if baseline.kind in RESTRICTED and _comparable(plan) and cost * (1 + SAME_RATE) < bound:
        yield Violation(
            "lower_bound", f"{at}.usd_per_hour", f"at least {bound:.9g} with side costs", f"{cost:.9g}"
        )


def _comparable(plan: Plan) -> bool:
    """Whether the bound is on what baselines are: none counts a change, or stays in the places preferred."""
    return plan.migration is None and not any(rule.kind == "prefer" and rule.kept for rule in plan.rules)


def _exclusions(plan: Plan) -> Iterator[Violation]:
    for reason, counted in plan.exclusions.items():
        if reason not in EXCLUSION_REASONS:
            yield Violation("exclusions", f"exclusions.{reason}", "a known reason", reason)
        if counted.count < len(counted.examples):
            found = f"{counted.count} with {len(counted.examples)} examples"
            yield Violation(
                "exclusions", f"exclusions.{reason}.count", "as many as its examples or more", found
            )
        yield from _saving(plan, reason, counted.saving_if_admitted)


def _saving(plan: Plan, reason: str, said: str | None) -> Iterator[Violation]:
    """What admitting a group would save, in words, against the fleet that was found with it."""
    admitted = next((b for b in plan.baselines if (b.kind, b.name) == ("admitting", reason)), None)
    begins = "null" if admitted is None else _begins(plan, admitted)
    if (said or "null")[: len(begins)] != begins:
        yield Violation("saving", f"exclusions.{reason}.saving_if_admitted", f"{begins} …", said or "null")


def _begins(plan: Plan, admitted: Baseline) -> str:
    if admitted.usd_per_hour is None or plan.usd_per_hour is None or admitted.saving_fraction is None:
        return "no fleet would change"
    if admitted.usd_per_hour >= plan.usd_per_hour:
        return "would save nothing"
    saved = 1 - float(EXACT.divide(admitted.usd_per_hour, plan.usd_per_hour))
    return f"would cost ${usd_text(admitted.usd_per_hour)}/h, {saved:.0%} less"


def _catalog(plan: Plan, against: Against) -> Iterator[Violation]:
    states = {(state.provider, state.market): state for state in plan.catalog}
    for index, state in enumerate(plan.catalog):
        yield from _age(plan, state, f"catalog[{index}]")
        yield from _as_snapshot(plan, state, against, f"catalog[{index}]")
    for index, line in enumerate(plan.purchase):
        if line.market is Market.RESERVED:
            continue  # its price is the account's own, of no age
        found = states.get((line.provider, line.market))
        at = f"purchase[{index}]"
        if found is None or found.state == "missing":
            expected = f"catalog has {line.provider} {line.market.value}"
            yield Violation("catalog_missing", at, expected, "nothing" if found is None else "missing")
        elif found.collected_at is None or found.newest_collected_at is None:
            continue  # said by _age
        elif not found.collected_at <= line.price_collected_at <= found.newest_collected_at:
            span = f"{found.collected_at.isoformat()} to {found.newest_collected_at.isoformat()}"
            yield Violation(
                "catalog_state", f"{at}.price_collected_at", span, line.price_collected_at.isoformat()
            )


def _age(plan: Plan, state: CatalogState, at: str) -> Iterator[Violation]:
    if state.snapshot_id != plan.inputs.snapshot_id:
        yield Violation("catalog_state", f"{at}.snapshot_id", plan.inputs.snapshot_id, state.snapshot_id)
    if state.offers < 0 or (state.offers == 0) != (state.state == "missing"):
        yield Violation("catalog_state", f"{at}.offers", f"a count that is {state.state}", f"{state.offers}")
    times = (state.collected_at, state.newest_collected_at, state.age_hours)
    if (state.state == "missing") != all(time is None for time in times):
        yield Violation("catalog_state", f"{at}.collected_at", f"times that are {state.state}", f"{times}")
    if state.collected_at is None or state.newest_collected_at is None or state.age_hours is None:
        return
    if state.newest_collected_at < state.collected_at:
        expected = f"from {state.collected_at.isoformat()} on"
        yield Violation(
            "catalog_state", f"{at}.newest_collected_at", expected, state.newest_collected_at.isoformat()
        )
    age = (plan.created_at - state.collected_at).total_seconds() / 3600
    if age < 0:
        expected = f"before the plan, {plan.created_at.isoformat()}"
        yield Violation("catalog_age", f"{at}.collected_at", expected, state.collected_at.isoformat())
    elif abs(state.age_hours - age) > SAME_AGE_HOURS:
        yield Violation("catalog_age", f"{at}.age_hours", f"{age:.1f}", f"{state.age_hours:.1f}")


def _as_snapshot(plan: Plan, state: CatalogState, against: Against, at: str) -> Iterator[Violation]:
    """Counts and times belong to offers of this provider and market in the regions of the inputs."""
    limit, newest = (against.stale_after or {}).get(state.market), state.newest_collected_at
    if state.collected_at is None or newest is None:
        return  # said by _age
    if limit is not None and state.state == "fresh" and plan.created_at - newest > limit:
        yield Violation(
            "catalog_state", f"{at}.state", f"stale where nothing is younger than {limit}", "fresh"
        )
    if against.offers is None or state.state == "missing":
        return
    times = [
        offer.collected_at
        for offer in live_offers(against.offers).values()
        if offer.provider == state.provider
        and offer.market is state.market
        and matches(plan.inputs.regions, offer.region, f"{offer.provider}:{offer.region}")
    ]
    if state.offers > len(times):
        yield Violation("catalog_state", f"{at}.offers", f"at most {len(times)}", f"{state.offers}")
    for field in ("collected_at", "newest_collected_at"):
        if getattr(state, field) not in times:
            expected = f"the time of a {state.provider} {state.market.value} offer in scope"
            yield Violation("catalog_state", f"{at}.{field}", expected, f"{getattr(state, field)}")


def _sources(plan: Plan) -> Iterator[Violation]:
    named = [(f"purchase[{i}].price_source", line.price_source) for i, line in enumerate(plan.purchase)]
    named += [(f"purchase[{i}].price_basis", line.price_basis) for i, line in enumerate(plan.purchase)]
    named += [(f"services[{i}].workload_source", s.workload_source) for i, s in enumerate(plan.services)]
    for index, allocation in enumerate(plan.allocations):
        at = f"allocations[{index}]"
        references = [(f"{at}.profile", allocation.profile)]
        references += [(f"{at}.load[{n}].profile", load.profile) for n, load in enumerate(allocation.load)]
        named += [(f"{where}.source", reference.source) for where, reference in references]
        named += [(f"{where}.id", reference.id) for where, reference in references]
    named += [(f"inputs.{field}", getattr(plan.inputs, field))
              for field in ("snapshot_id", "facts_sha256", "profiles_sha256")]  # fmt: skip
    if plan.optimality is not None:
        named.append(("optimality.solver", plan.optimality.solver))
    for where, value in named:
        if not value.strip():
            yield Violation("source", where, "where the number comes from", "blank")
