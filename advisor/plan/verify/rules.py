"""Rules read off the plan: caps, variety, places, emissions, replicas, users, what a budget leaves."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from advisor.plan.rules import different_ones
from advisor.plan.verify.violation import SAME_RATE, Violation, same_rate, same_share
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.plan.demand import ServiceLine
    from advisor.plan.plan import Plan
    from advisor.plan.rules import RuleLine
    from advisor.plan.verify.against import Against

_NEEDS: Final = {
    "survive": ("lose",),
    "budget": ("usd_per_hour",),
    "at_most": ("of", "at_most"),
    "min_replicas": ("services", "at_least"),
    "prefer": ("places", "tolerance", "kept"),
    "carbon": ("kg_co2e_per_hour",),
}
"""What a rule of a kind has to state."""


def check_rules(plan: Plan, against: Against) -> Iterator[Violation]:
    """Every rule but those about bad days, and what services ask besides their SLO."""
    if plan.status == "infeasible":
        return
    for index, rule in enumerate(plan.rules):
        at = f"rules[{index}]"
        missing = [f for f in _NEEDS.get(rule.kind, ()) if getattr(rule, f) in (None, [])]
        for field in missing:
            yield Violation("rule", f"{at}.{field}", f"stated by a rule of kind {rule.kind}", "nothing")
        if not missing:
            yield from _rule(plan, rule, against, at)
    for index, service in enumerate(plan.services):
        at = f"services[{index}]"
        yield from _served(plan, service, at)
        yield from _replicas(plan, service, at)
        yield from _users(plan, service, against, at)


def _rule(plan: Plan, rule: RuleLine, against: Against, at: str) -> Iterator[Violation]:
    if rule.premium_usd_per_hour is not None and rule.premium_usd_per_hour < -1e-6 and _proved(plan):
        yield Violation(
            "rule", f"{at}.premium_usd_per_hour", "not below 0: a rule never makes a fleet cheaper",
            f"{rule.premium_usd_per_hour:g}",
        )  # fmt: skip
    if rule.kind == "budget" and rule.usd_per_hour is not None and plan.usd_per_hour is not None:
        if plan.usd_per_hour > rule.usd_per_hour:
            most = f"at most ${decimal_text(rule.usd_per_hour)}/h"
            yield Violation("over_budget", "usd_per_hour", most, decimal_text(plan.usd_per_hour))
    elif rule.kind == "at_most" and rule.of is not None and rule.at_most is not None:
        different = different_ones(rule.of, plan.purchase)
        if len(different) > rule.at_most:
            yield Violation("too_many", at, f"at most {rule.at_most} of {rule.of}", ", ".join(different))
    elif rule.kind == "min_replicas" and rule.at_least is not None:
        held = sum(a.replicas for a in plan.allocations if a.service in rule.services)
        if held < rule.at_least:
            yield Violation("min_replicas", at, f"at least {rule.at_least} replicas", f"{held}")
    elif rule.kind == "prefer" and rule.kept and against.in_places is not None:
        for index, line in enumerate(plan.purchase):
            if not against.in_places(rule.places, f"{line.provider}:{line.region}"):
                where = f"{line.provider}:{line.region}"
                yield Violation("elsewhere", f"purchase[{index}].region", ", ".join(rule.places), where)
    elif rule.kind == "carbon" and rule.kg_co2e_per_hour is not None:
        yield from _emissions(plan, rule.kg_co2e_per_hour, against)


def _proved(plan: Plan) -> bool:
    return plan.optimality is not None and plan.optimality.proved


def _emissions(plan: Plan, most: float, against: Against) -> Iterator[Violation]:
    if against.kg_co2e_per_hour is None:
        return
    total = 0.0
    for index, line in enumerate(plan.purchase):
        each = against.kg_co2e_per_hour(line)
        if each is None:
            yield Violation("emissions", f"purchase[{index}]", "emissions that are known", line.offer_id)
            return
        total += each * line.instances
    if total > most * (1 + SAME_RATE):
        yield Violation("emissions", "purchase", f"at most {most:.9g} kg CO2e an hour", f"{total:.9g}")


def _served(plan: Plan, service: ServiceLine, at: str) -> Iterator[Violation]:
    """Shares left by a budget, which only a budget may leave."""
    rates = [bucket.requests_per_s for bucket in service.buckets]
    parts = [bucket.requests_per_s * bucket.served_share for bucket in service.buckets]
    share = math.fsum(parts) / math.fsum(rates) if math.fsum(rates) else 1.0
    if not same_share(service.served_share, share):
        yield Violation("served", f"{at}.served_share", f"{share:.9g}", f"{service.served_share:.9g}")
    partly = any(bucket.served_share < 1 for bucket in service.buckets)
    if partly and not any(rule.kind == "budget" for rule in plan.rules):
        yield Violation("served", f"{at}.buckets", "all served, as no budget limits the plan", f"{share:.2%}")


def _replicas(plan: Plan, service: ServiceLine, at: str) -> Iterator[Violation]:
    held = sum(allocation.replicas for allocation in plan.allocations if allocation.service == service.name)
    if held < service.min_replicas:
        yield Violation("min_replicas", at, f"at least {service.min_replicas} replicas", f"{held}")


def _users(plan: Plan, service: ServiceLine, against: Against, at: str) -> Iterator[Violation]:
    """Whose requests go where: within reach, and adding up."""
    places = {users.at: set(users.served_from) for users in service.users}
    if service.users and not same_share(math.fsum(u.share for u in service.users), 1.0):
        yield Violation("users", f"{at}.users", "shares that sum to 1", "another sum")
    if against.may_serve is not None:
        for index, users in enumerate(service.users):
            wrong = [place for place in users.served_from if not against.may_serve(service, users.at, place)]
            if wrong:
                where = f"{at}.users[{index}].served_from"
                yield Violation("users", where, "places within network_ms and residency", ", ".join(wrong))
    arrived: dict[tuple[str, tuple[int, int]], list[float]] = defaultdict(list)
    for number, allocation in enumerate(plan.allocations):
        if allocation.service != service.name:
            continue
        here = f"{allocation.provider}:{allocation.region}"
        for index, load in enumerate(allocation.load):
            where = f"allocations[{number}].load[{index}].origins"
            if not service.users:
                continue
            total = math.fsum(origin.requests_per_s for origin in load.origins)
            if not same_rate(total, load.requests_per_s):
                yield Violation("users", where, f"{load.requests_per_s:.9g} requests/s", f"{total:.9g}")
            for origin in load.origins:
                if here not in places.get(origin.origin, set()):
                    yield Violation("users", where, f"places that may serve {origin.origin}", here)
                size = (load.input_tokens_max, load.output_tokens_max)
                arrived[origin.origin, size].append(origin.requests_per_s)
    for users in service.users:
        for index, bucket in enumerate(service.buckets):
            size = (bucket.input_tokens_max, bucket.output_tokens_max)
            wanted = bucket.requests_per_s * users.share * bucket.served_share
            found = math.fsum(arrived[users.at, size])
            if bucket.served_share == 1 and not same_rate(found, wanted):
                where = f"{at}.buckets[{index}]"
                said = f"{wanted:.9g} requests/s of {users.at}"
                yield Violation("users", where, said, f"{found:.9g} served")
