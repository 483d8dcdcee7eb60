"""What a plan rests on: the prices and their ages, what was left out and why, and what reproduces it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from advisor.catalog.freshness import freshness
from advisor.domain import EXCLUSION_REASONS, Exclusion
from advisor.plan.plan import Baseline, CatalogState, ExclusionCount, Inputs
from advisor.recommendation import wording

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.recommendation.findings import Findings

_EXAMPLES: Final = 3


def exclusion_counts(exclusions: Iterable[Exclusion], baselines: list[Baseline]) -> dict[str, ExclusionCount]:
    """What was left out, counted per reason, the commonest first, with what admitting it would save."""
    groups: dict[str, list[Exclusion]] = defaultdict(list)
    for exclusion in exclusions:
        groups[exclusion.reason].append(exclusion)
    admitting = {b.name: b for b in baselines if b.kind == "admitting"}
    return {
        reason: ExclusionCount(
            count=len(group),
            meaning=EXCLUSION_REASONS[reason],
            examples=[f"{e.subject}: {e.detail}" for e in _varied(group)],
            saving_if_admitted=wording.saving_if_admitted(admitting[reason]) if reason in admitting else None,
        )
        for reason, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    }


def _varied(group: list[Exclusion]) -> list[Exclusion]:
    """A few examples whose details differ, so that each says something new."""
    by_detail: dict[str, Exclusion] = {}
    for exclusion in group:
        by_detail.setdefault(exclusion.detail, exclusion)
    return list(by_detail.values())[:_EXAMPLES]


def catalog_states(found: Findings) -> list[CatalogState]:
    """Ages of the prices in scope; an estimate counts as a price only where the user asked for it."""
    admitted = "estimated-spot" in found.request.include
    priced = [o for o in found.selected.offers if admitted or "estimated_price" not in o.flags]
    snapshot_id = found.catalog.snapshot.info.snapshot_id
    return [
        CatalogState(
            provider=state.provider,
            market=state.market,
            snapshot_id=snapshot_id,
            offers=state.offers,
            collected_at=state.oldest,
            newest_collected_at=state.newest,
            age_hours=None if state.age_hours is None else round(state.age_hours, 1),
            state=state.state,
        )
        for state in freshness(
            priced,
            found.now,
            providers={offer.provider for offer in priced},
            markets=found.request.markets,
            on_demand_limit=found.request.on_demand_limit,
            spot_limit=found.request.spot_limit,
        )
    ]


def inputs_of(found: Findings) -> Inputs:
    """What reproduces the plan."""
    request = found.request
    return Inputs(
        snapshot_id=found.catalog.snapshot.info.snapshot_id,
        facts_sha256=found.catalog.facts.sha256,
        profiles_sha256=found.catalog.profiles.profiles_sha256,
        account_sha256=found.account.sha256 if found.account else None,
        regions=list(found.selected.regions),
        providers=list(found.selected.providers),
        markets=list(request.markets),
        evidence=request.evidence,
        allow_unknown_availability=request.allow_unknown_availability,
        include=sorted(request.include),
        accelerators=list(request.accelerators),
        exclude_accelerators=list(request.exclude_accelerators),
        instance_types=list(request.instance_types),
        max_usd_per_hour=request.max_usd_per_hour,
        fleet_sha256=holding.fleet.sha256 if (holding := request.policy.holding) is not None else None,
        latency_sha256=request.policy.latency.sha256 if request.policy.latency is not None else None,
    )
