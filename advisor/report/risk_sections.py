"""What could go wrong: spot that is reclaimed, and losses the fleet survives."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.domain import Market
from advisor.report.blocks import (
    Block,
    Column,
    Fact,
    Facts,
    Kind,
    Section,
    Table,
)
from advisor.report.spell import rate_of

if TYPE_CHECKING:
    from advisor.plan.plan import Plan


def risk(plan: Plan) -> Section:
    """How much is spot, how often it goes, and what replaces it."""
    spot = sum((line.usd_per_hour for line in plan.purchase if line.market is Market.SPOT), Decimal(0))
    whole = sum((line.usd_per_hour for line in plan.purchase), Decimal(0))
    share = float(spot / whole) if whole else 0.0
    facts = [Fact("Spot share of the cost", share, Kind.SHARE)]
    if not spot:
        facts.append(Fact("Interruption", "none: no line is spot"))
        return Section("risk", "Spot risk", (Facts(tuple(facts)),))
    bands = [
        f"{line.instance_type}: {line.interruption or 'not known'}"
        for line in plan.purchase
        if line.market is Market.SPOT
    ]
    facts.append(Fact("Interruption band per month", "; ".join(bands)))
    blocks: list[Block] = []
    if plan.risk is None:
        market = next((b for b in plan.baselines if b.kind == "market"), None)
        cost = market.usd_per_hour if market else None
        facts.append(Fact("On-demand only would cost, USD per hour", cost, Kind.USD_RATE))
        return Section("risk", "Spot risk", (Facts(tuple(facts)),))
    facts += [
        Fact(
            "Expected cost with interruptions, USD per hour", plan.risk.expected_usd_per_hour, Kind.USD_RATE
        ),
        Fact("Worst cost, all spot lost at once, USD per hour", plan.risk.worst_usd_per_hour, Kind.USD_RATE),
        Fact("Hours on the fallback per interruption (assumed)", plan.risk.hours_on_fallback, Kind.NUMBER),
    ]
    blocks.append(Facts(tuple(facts)))
    blocks.append(
        Table(
            "fallbacks",
            "What replaces a spot line while it is reclaimed",
            (
                Column("offer", "Spot line"),
                Column("instances", "Count", Kind.COUNT),
                Column("interruption", "Interrupted per month"),
                Column("fallback", "Fallback"),
                Column("usd_per_hour_each", "Fallback, USD/h each", Kind.USD_RATE),
            ),
            tuple(
                (
                    f.offer,
                    f.instances,
                    f.interruption or "not known",
                    f.fallback or "none",
                    f.fallback_usd_per_hour_each,
                )
                for f in plan.risk.fallbacks
            ),
        )
    )
    return Section("risk", "Spot risk", tuple(blocks))


def redundancy(plan: Plan) -> Section:
    """Which losses the fleet survives, by rule."""
    if not plan.rules:
        return Section(
            "redundancy", "Redundancy", (),
            "No rule was asked for: nothing beyond the headroom is kept for the loss of an instance, a zone "
            "or a region.",
        )  # fmt: skip
    rules = Table(
        "rules",
        "Rules the fleet obeys, and what each costs",
        (Column("rule", "Rule"), Column("premium_usd_per_hour", "Premium, USD/h", Kind.USD_RATE)),
        tuple((rule.text, rate_of(rule.premium_usd_per_hour)) for rule in plan.rules),
    )
    cases = tuple(
        (rule.text, case.case, case.least_served_share) for rule in plan.rules for case in rule.cases
    )
    if not cases:
        return Section("redundancy", "Redundancy", (rules,))
    held = Table(
        "cases",
        "The cases that decide",
        (
            Column("rule", "Rule"),
            Column("case", "Lost or in doubt"),
            Column("least_served_share", "Least share of any size still served", Kind.SHARE),
        ),
        cases,
    )
    return Section("redundancy", "Redundancy", (rules, held))
