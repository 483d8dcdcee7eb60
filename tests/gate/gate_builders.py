"""Builders for gate tests: everything a test is not about has a default."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from advisor.catalog.facts import Facts, load_facts
from advisor.catalog.gate import Verdict, judge
from advisor.domain import Availability, Market, Offer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LAST_WEEK = NOW - timedelta(days=7)
REGIONS = ("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1")


def an_offer(**given: Any) -> Offer:
    """An ordinary list price of today: eight H100 in aws us-east-1 at $55.04."""
    fields: dict[str, Any] = {
        "provider": "aws",
        "region": "us-east-1",
        "zone": None,
        "instance_type": "p5.48xlarge",
        "market": Market.ON_DEMAND,
        "usd_per_hour": "55.04",
        "accelerator": "h100-sxm-80gb",
        "accelerators": 8,
        "vcpus": 192,
        "memory_gib": 2048.0,
        "availability": Availability.AVAILABLE,
        "availability_basis": "provider's offerings",
        "price_basis": "list",
        "collected_at": NOW,
        "source": "price list API",
        "licence": None,
        "interruption": None,
    } | given
    fields["usd_per_hour"] = Decimal(fields["usd_per_hour"])
    fields["accelerators"] = Decimal(fields["accelerators"])
    return Offer(**fields)


def in_regions(*regions: str, **given: Any) -> list[Offer]:
    """The same offer in several regions, by default six."""
    return [an_offer(region=region, **given) for region in regions or REGIONS]


def a_spot(**given: Any) -> Offer:
    """A zone's spot price of eight H100: $20."""
    return an_offer(
        **(
            {
                "market": Market.SPOT,
                "zone": "use1-az1",
                "usd_per_hour": "20",
                "price_basis": "zone_spot_price",
            }
            | given
        )
    )


def an_l4(**given: Any) -> Offer:
    """One L4 on demand in aws us-east-1 at $0.8048."""
    shape = {"instance_type": "g6.xlarge", "accelerator": "l4-24gb", "accelerators": 1}
    size = {"vcpus": 4, "memory_gib": 16.0, "usd_per_hour": "0.8048"}
    return an_offer(**(shape | size | given))


def last_weeks(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """Offers as they were a week ago."""
    from dataclasses import replace

    return tuple(
        replace(offer, collected_at=LAST_WEEK) if offer.collected_at == NOW else offer for offer in offers
    )


@lru_cache
def facts() -> Facts:
    """The accelerators shipped."""
    return load_facts()


def judged(candidate: Sequence[Offer], before: Iterable[Offer] = (), **options: Any) -> Verdict:
    """The verdict on rows of today, by default on the very first refresh."""
    return judge(candidate, last_weeks(before), facts(), NOW, **options)


def said(verdict: Verdict) -> dict[str, tuple[str, str]]:
    """Detector and action of every finding by row; a remark never hides a graver word."""
    every = (*verdict.notes, *verdict.held, *verdict.refused)
    return {finding.offer_id: (finding.detector, finding.action.value) for finding in every}


def prices(verdict: Verdict) -> dict[str, Decimal]:
    """What would be published."""
    return {offer.id: offer.usd_per_hour for offer in verdict.passed}
