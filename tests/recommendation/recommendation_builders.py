"""Builders for the tests of the main job: the shipped catalog, hand-made offers, accounts, questions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from advisor.api import recommend
from advisor.catalog.account import Account
from advisor.domain import Availability, Market, Offer, QuotaLimit, SloStatistic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.plan.plan import Baseline, Plan
    from advisor.recommendation.recommend import Catalog

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
UNBOUNDED = Decimal("Infinity")
US_EAST_1 = ("aws:us-east-1",)

FIVE_CHIPS = ("a10g-24gb", "l4-24gb", "l40s-48gb", "rtx-pro-6000-96gb", "h100-sxm-80gb")
"""A small, mixed scope: few baselines to solve, so that properties may ask many questions."""


def ask(catalog: Catalog, **question: Any) -> Plan:
    """The bare optimum in aws us-east-1, of mean TPOT, at a pinned moment, unless told otherwise."""
    if "service_file" not in question:
        question.setdefault("slo_statistic", SloStatistic.MEAN)
    question.setdefault("replay", False)
    question["include"] = [*question.get("include", ()), "stale-spot"]
    question.setdefault("regions", US_EAST_1)
    question.setdefault("now", NOW)
    return recommend(catalog, **question)


def cost(catalog: Catalog, **question: Any) -> Decimal:
    """What the cheapest fleet costs an hour; infinite where there is none."""
    plan = ask(catalog, **question)
    assert plan.status in ("optimal", "infeasible")
    return UNBOUNDED if plan.usd_per_hour is None else plan.usd_per_hour


def with_offers(catalog: Catalog, offers: Iterable[Offer]) -> Catalog:
    """The shipped facts and profiles over other prices."""
    return replace(catalog, snapshot=replace(catalog.snapshot, offers=tuple(offers)))


def a_price(**given: Any) -> Offer:
    """One L40S on demand in aws us-east-1 that anybody may buy, but for what is given."""
    fields: dict[str, Any] = {
        "provider": "aws",
        "region": "us-east-1",
        "zone": None,
        "instance_type": "g6e.xlarge",
        "market": Market.ON_DEMAND,
        "usd_per_hour": "2.00",
        "accelerator": "l40s-48gb",
        "accelerators": 1,
        "vcpus": 4,
        "memory_gib": 32.0,
        "availability": Availability.AVAILABLE,
        "availability_basis": "hand-made",
        "price_basis": "list",
        "collected_at": NOW,
        "source": "hand-made",
        "licence": None,
        "interruption": None,
    } | given
    fields["usd_per_hour"] = Decimal(str(fields["usd_per_hour"]))
    fields["accelerators"] = Decimal(str(fields["accelerators"]))
    return Offer(**fields)


def an_account(
    catalog: Catalog, limits: dict[str, int | str | Decimal], used: dict[str, int] | None = None
) -> Account:
    """An account with a limit per ``provider:region:pool``."""
    pools = {(pool.provider, pool.pool): pool for pool in catalog.facts.quota_pools}
    lines = []
    for key, limit in limits.items():
        provider, region, pool = key.split(":", 2)
        taken = Decimal((used or {}).get(key, 0))
        unit = pools[provider, pool].unit
        lines.append(QuotaLimit(provider, region, pool, unit, Decimal(limit), taken))
    return Account(tuple(lines), "0" * 64, ())


def pool_keys(catalog: Catalog, provider: str, region: str) -> list[str]:
    """Every pool of a provider as seen from one of its regions."""
    return [
        f"{provider}:{'global' if pool.scope == 'global' else region}:{pool.pool}"
        for pool in catalog.facts.quota_pools
        if pool.provider == provider
    ]


def drawn(plan: Plan) -> dict[str, Decimal]:
    """Units the plan takes per pool, summed by hand over its lines."""
    total: dict[str, Decimal] = {}
    for line in plan.purchase:
        for draw in line.quota_draw:
            key = f"{line.provider}:{draw.region}:{draw.pool}"
            total[key] = total.get(key, Decimal(0)) + draw.units
    return total


def baseline(plan: Plan, name: str) -> Baseline:
    """The one baseline of that name."""
    (found,) = [b for b in plan.baselines if b.name == name]
    return found
