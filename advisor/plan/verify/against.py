"""What a plan is checked against, handed in as data and questions so that this room reads no catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.domain import Market, NoThroughput, Offer, QuotaDraw, QuotaLimit, Throughput
from advisor.plan.plan import BucketLine, Purchase, ServiceLine

if TYPE_CHECKING:
    from datetime import timedelta

Capacities = Callable[[ServiceLine, str, int, Sequence[BucketLine]], Sequence[Throughput | NoThroughput]]
"""(service, accelerator, tensor_parallel, buckets) -> what the profiles give, one answer per bucket."""

Misfit = Callable[[ServiceLine, str, int], tuple[str, str] | None]
"""(service, accelerator, tensor_parallel) -> (``degree`` or ``memory``, why it cannot run), or None."""

HeldTerms = tuple[str, int, Decimal, date | None]
"""(kind, instances, usd per hour of one, last day) of what an account holds."""

Shares = Mapping[tuple[int, int, int, int], float]
"""(input min, input max, output min, output max) -> share of requests."""


@dataclass(frozen=True, slots=True)
class Against:
    """A plan's inputs, as far as they are at hand; None leaves out what needs it."""

    snapshot_id: str | None = None
    offers: Sequence[Offer] | None = None  #: the whole snapshot
    capacities: Capacities | None = None
    misfit: Misfit | None = None
    draws: Callable[[Offer], Sequence[QuotaDraw]] | None = None
    limits: Mapping[str, QuotaLimit] | None = None  #: by key
    account_is_the_plans: bool = (
        True  #: False: another account, so what the plan says is free is not compared
    )
    workload_shares: Mapping[str, Shares] | None = None  #: per service name, where the workload is known
    names_accelerator: Callable[[str, str], bool] | None = (
        None  #: does this pattern mean that accelerator id?
    )
    stale_after: Mapping[Market, timedelta] | None = None  #: prices older than this are not fresh
    refusal: Callable[[Offer], str | None] | None = (
        None  #: why an offer cannot be bought under the plan's rules
    )
    reserved: Mapping[str, tuple[Offer, int]] | None = None
    """What the account holds reserved: offer and how many, by offer id; None: no account is at hand."""
    held: Mapping[str, HeldTerms] | None = None  #: what the account pays already; None: no account is at hand
    discounts: frozenset[str] = frozenset()  #: ids of what is held that runs within the on-demand quota
    low: Callable[[Throughput, str], float] | None = None  #: low end of a figure on an accelerator
    interval: Callable[[Throughput, str], tuple[float, float] | None] | None = None
    """(figure, accelerator) -> where the truth lies nine times in ten; None where nobody knows."""
    zones: Callable[[str, str, str], Sequence[str]] | None = None
    """(provider, region, instance type) -> zones that sell it; none where nobody says which."""
    in_places: Callable[[Sequence[str], str], bool] | None = None  #: do patterns allow a provider:region?
    may_serve: Callable[[ServiceLine, str, str], bool] | None = None
    """(service, where users are, place) -> whether residency and network_ms allow it."""
    kg_co2e_per_hour: Callable[[Purchase], float | None] | None = None  #: of one instance of a line


def live_offers(offers: Iterable[Offer]) -> dict[str, Offer]:
    """Offers by id, without those a newer price replaced: the others share no id."""
    return {offer.id: offer for offer in offers if "superseded" not in offer.flags}


def offer_of(line: Purchase, offers: Mapping[str, Offer], against: Against) -> Offer | None:
    """The offer a line buys: its own, or the region's price of a type that its zone sells."""
    own = offers.get(line.offer_id)
    if own is not None or line.zone is None or line.market is not Market.ON_DEMAND or against.zones is None:
        return own
    if line.zone not in against.zones(line.provider, line.region, line.instance_type):
        return None
    return offers.get(line.model_copy(update={"zone": None}).offer_id)


def families(against: Against) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(families of checks that run, families left out for want of their input)."""
    needs = {
        "identity, status, proof, baselines, ages, sources, warnings": True,
        "totals and months": True,
        "regions, providers, markets, accelerators, price limit": True,
        "offers and prices": against.offers is not None,
        "demand, packing, utilisation, headroom": True,
        "workload shares": against.workload_shares is not None,
        "throughput, its interval and evidence": against.capacities is not None,
        "memory and tensor parallelism": against.misfit is not None,
        "quota draws": against.draws is not None and against.offers is not None,
        "account limits": against.limits is not None,
        "caps, variety, replicas, users": True,
        "losses, demand and doubt, case by case": against.capacities is not None,
        "places and emissions": against.may_serve is not None and against.kg_co2e_per_hour is not None,
        "risk, side costs, emissions, migration": True,
    }
    return tuple(name for name, met in needs.items() if met), tuple(n for n, met in needs.items() if not met)
