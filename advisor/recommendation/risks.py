"""What spot lines cost when they are reclaimed, and what the fleet costs and emits besides its price."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final

from advisor.catalog import carbon
from advisor.catalog.egress import BYTES_PER_OUTPUT_TOKEN
from advisor.domain import Market
from advisor.plan.risk import Carbon, CarbonLine, Fallback, Risk, SideCost
from advisor.recommendation.situation import egress_of
from advisor.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from advisor.domain import Offer
    from advisor.optimize.problem import Solution
    from advisor.plan.plan import Purchase
    from advisor.recommendation.findings import Findings

HOURS_ON_FALLBACK: Final = 24.0
"""An assumption: a reclaimed instance is replaced on demand for a day before spot capacity is back."""

_PLACES: Final = Decimal("0.00000001")
_BAND: Final = re.compile(r"(?:<|\d+-)(\d+)%")
_OPEN_BAND: Final = re.compile(r">\d+%")


def interruption_share(band: str | None) -> float | None:
    """The upper end of a band such as ``5-10%`` as a share; an open one may be all of them."""
    if band is None:
        return None
    found = _BAND.fullmatch(band.replace(" ", ""))
    if found:
        return int(found[1]) / 100
    return 1.0 if _OPEN_BAND.fullmatch(band.replace(" ", "")) else None


def risk_of(found: Findings, purchase: Sequence[Purchase]) -> Risk | None:
    """The spot lines' fallbacks, and what the fleet then costs; None without spot lines."""
    spot = [line for line in purchase if line.market is Market.SPOT]
    if not spot:
        return None
    listed = {offer.id for offer in found.selected.offers}
    offers = (candidate.offer for candidate in found.joined.candidates)
    buyable = [offer if offer.id in listed else replace(offer, zone=None) for offer in offers]
    fallbacks = [_fallback(line, buyable) for line in spot]
    total = sum((line.usd_per_hour for line in purchase), Decimal(0))
    dearer = [
        None
        if one.fallback_usd_per_hour_each is None
        else one.instances * (one.fallback_usd_per_hour_each - line.usd_per_hour_each)
        for one, line in zip(fallbacks, spot, strict=True)
    ]
    return Risk(
        expected_usd_per_hour=_expected(total, fallbacks, dearer),
        worst_usd_per_hour=None
        if None in dearer
        else _rounded(total + sum(filter(None, dearer), Decimal(0))),
        hours_on_fallback=HOURS_ON_FALLBACK,
        fallbacks=fallbacks,
    )


def _expected(total: Decimal, fallbacks: list[Fallback], dearer: list[Decimal | None]) -> Decimal | None:
    """With every instance that is reclaimed in a month on its fallback for the hours assumed."""
    added = Decimal(0)
    for one, more in zip(fallbacks, dearer, strict=True):
        if more is None or one.interruption_share is None:
            return None
        hours = Decimal(str(one.interruption_share)) * Decimal(str(HOURS_ON_FALLBACK))
        added += more * hours / HOURS_PER_MONTH
    return _rounded(total + added)


def _rounded(usd: Decimal) -> Decimal:
    return max(usd.quantize(_PLACES, rounding=ROUND_HALF_UP), Decimal(0))


def _fallback(line: Purchase, buyable: Iterable[Offer]) -> Fallback:
    same = [
        offer
        for offer in buyable
        if offer.market is Market.ON_DEMAND
        and (offer.provider, offer.region, offer.instance_type)
        == (line.provider, line.region, line.instance_type)
    ]
    best = min(same, key=lambda offer: (offer.usd_per_hour, offer.id), default=None)
    return Fallback(
        offer=line.offer_id,
        instances=line.instances,
        interruption=line.interruption,
        interruption_share=interruption_share(line.interruption),
        fallback=None if best is None else best.id,
        fallback_usd_per_hour_each=None if best is None else best.usd_per_hour,
    )


def side_costs_of(found: Findings, purchase: Sequence[Purchase], solution: Solution) -> list[SideCost]:
    """Egress of the planned load; empty where no service says where its users are."""
    egress = egress_of(found)
    if egress is None:
        return []
    usd = Decimal(0)
    place_of = {line.offer_id: f"{line.provider}:{line.region}" for line in purchase}
    answer_usd = {
        (place, index): egress.usd_per_request(place, demand.output_tokens) or 0.0
        for place in {f"{line.provider}:{line.region}" for line in purchase}
        for index, demand in enumerate(found.joined.demands)
        if found.request.services[demand.service].users
    }
    for (offer_id, _, index), rate in sorted(solution.load_requests_per_s.items()):
        place = place_of[offer_id]
        usd += Decimal(str(rate * 3600 * answer_usd.get((place, index), 0.0)))
    return [SideCost(name="egress", usd_per_hour=_rounded(usd), basis=_egress_basis(found, purchase))]


def _egress_basis(found: Findings, purchase: Sequence[Purchase]) -> str:
    egress = egress_of(found)
    assert egress is not None
    places = sorted({f"{line.provider}:{line.region}" for line in purchase})
    known = {place: rate for place in places if (rate := egress.rate(place)) is not None}
    rates = "; ".join(
        f"{place} ${rate.usd_per_gb:f}/GB ({rate.source.partition(':')[0]}, {rate.observed_on})"
        for place, rate in known.items()
    )
    unknown = [place for place in places if place not in known]
    return (
        f"{BYTES_PER_OUTPUT_TOKEN} bytes per output token, an assumption; first tier of the list price to "
        f"the internet: {rates or 'none known'}"
        + (f"; not known, so not counted: {', '.join(unknown)}" if unknown else "")
    )


def egress_unknown(found: Findings, purchase: Sequence[Purchase]) -> list[str]:
    """Places bought in whose egress nobody counted."""
    egress = egress_of(found)
    places = sorted({f"{line.provider}:{line.region}" for line in purchase})
    return [place for place in places if egress is not None and egress.rate(place) is None]


def carbon_of(found: Findings, purchase: Sequence[Purchase]) -> Carbon | None:
    """Estimated emissions per line; None where not asked for."""
    policy = found.request.policy
    if not policy.carbon and policy.most_kg_co2e_per_hour is None:
        return None
    lines = [_carbon_line(found, line) for line in purchase]
    known = [line.kg_co2e_per_hour for line in lines if line.kg_co2e_per_hour is not None]
    grids = {found.catalog.facts.regions.get(f"{line.provider}:{line.region}") for line in purchase}
    mixes = {region.country for region in grids if region is not None and region.country}
    years = sorted({found.catalog.facts.grid[c].year for c in mixes if c in found.catalog.facts.grid})
    sources = {found.catalog.facts.grid[c].source for c in mixes if c in found.catalog.facts.grid}
    origin = f" ({'; '.join(sorted(sources))}, {', '.join(map(str, years))})" if sources else ""
    return Carbon(
        kg_co2e_per_hour=sum(known) if len(known) == len(lines) else None,
        basis=f"{carbon.BASIS}{origin}",
        lines=lines,
    )


def _carbon_line(found: Findings, line: Purchase) -> CarbonLine:
    facts = found.catalog.facts
    region = facts.regions.get(f"{line.provider}:{line.region}")
    each = carbon.emission(
        facts.accelerators[line.accelerator], line.accelerators_per_instance, region, facts.grid
    )
    kg = each.kg_co2e_per_hour
    return CarbonLine(
        offer=line.offer_id,
        kw=None if each.kw is None else each.kw * line.instances,
        g_co2e_per_kwh=each.g_co2e_per_kwh,
        kg_co2e_per_hour=None if kg is None else kg * line.instances,
    )
