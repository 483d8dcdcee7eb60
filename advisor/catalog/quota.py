"""What one instance takes from which quota pools. Pure."""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.domain import Market, QuotaDraw, QuotaUnit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from advisor.domain import Offer, QuotaPool

GLOBAL = "global"
"""The region of a pool that counts across all regions."""


_PREEMPTIBLE = "PREEMPTIBLE"


def draws_for(offer: Offer, pools: Iterable[QuotaPool]) -> tuple[QuotaDraw, ...]:
    """What one instance takes from each pool it counts against, by key.

    A pool whose draw cannot be told is not here but in :func:`undetermined_pools`; where the account limits
    that pool, the offer must not be bought.
    """
    draws = {draw.key: draw for pool in pools if counts_against(offer, pool) for draw in _draw(offer, pool)}
    return tuple(draws[key] for key in sorted(draws))


def draws_under(
    offer: Offer, pools: Sequence[QuotaPool], never_granted: Collection[str]
) -> tuple[QuotaDraw, ...]:
    """The same where Google never granted the preemptible quota: spot then takes from the standard one.

    Source: cloud.google.com, "Spot VMs", quotas: without preemptible quota, Spot VMs consume standard quota.

    Args:
        offer: what is run.
        pools: that are known.
        never_granted: keys of limits of 0.
    """
    draws = draws_for(offer, pools)
    if offer.provider != "gcp" or offer.market is not Market.SPOT:
        return draws
    kept = [draw for draw in draws if not (_PREEMPTIBLE in draw.pool and draw.key in never_granted)]
    if len(kept) == len(draws):
        return draws
    standard = draws_for(replace(offer, market=Market.ON_DEMAND), pools)
    by_key = {draw.key: draw for draw in (*kept, *standard)}
    return tuple(by_key[key] for key in sorted(by_key))


def undetermined_pools(offer: Offer, pools: Iterable[QuotaPool]) -> tuple[QuotaPool, ...]:
    """Pools the offer counts against by an amount nobody states, e.g. vCPUs where they are not known."""
    return tuple(pool for pool in pools if counts_against(offer, pool) and _units(offer, pool.unit) is None)


def counts_against(offer: Offer, pool: QuotaPool) -> bool:
    """Whether running the offer uses up the pool."""
    return (
        pool.provider == offer.provider
        and pool.market in (None, offer.market)
        and any(fnmatch.fnmatchcase(offer.instance_type, pattern) for pattern in pool.instance_types)
    )


def pool_region(pool: QuotaPool, region: str) -> str:
    """The region a pool is counted in for something bought in ``region``."""
    return GLOBAL if pool.scope == GLOBAL else region


def _draw(offer: Offer, pool: QuotaPool) -> Iterable[QuotaDraw]:
    units = _units(offer, pool.unit)
    if units is not None:
        yield QuotaDraw(offer.provider, pool_region(pool, offer.region), pool.pool, pool.unit, units)


def _units(offer: Offer, unit: QuotaUnit) -> Decimal | None:
    match unit:
        case QuotaUnit.VCPU:
            return None if offer.vcpus is None else Decimal(offer.vcpus)
        case QuotaUnit.GPU:
            return offer.accelerators
        case QuotaUnit.INSTANCE:
            return Decimal(1)
