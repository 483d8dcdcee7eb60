"""Why no fleet exists, in words: what stands in the way, and what would make it a yes."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

from advisor.catalog.buyable import ADMITTED_BY
from advisor.optimize.candidates import LIFTABLE
from advisor.workload.demand import coverage_without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from advisor.domain import NoThroughput, Slo, Workload
    from advisor.optimize.candidates import Joined
    from advisor.recommendation.findings import Findings

_NAMED_SIZES: Final = 3
_NAMED_REASONS: Final = 2
_PLACES_NAMED: Final = 3
_SENSIBLE_COVERAGE: Final = 90.0  # percent; below that, leaving requests out answers another question
_LOOSER: Final = (1.0, 1.25, 1.6, 2.5)  # the nearest miss was taken at a size that may be smaller than asked
_WISHES: Final = ("accelerator_excluded", "over_price_limit")
_SERVING: Final = (
    "outside_residency",
    "network_too_far",
    "does_not_fit",
    "slo_unreachable",
    "exceeds_context",
    "precision_unsupported",
    "evidence_too_weak",
    "no_throughput_data",
    "no_specification",
)


def why_nobody_serves(
    joined: Joined, workload: Workload, slo: Slo, serves_all: Callable[[float], bool]
) -> str:
    """Which request sizes no candidate serves, the nearest misses, and what would make them servable.

    Args:
        serves_all: whether a TPOT limit in ms would leave no size without a candidate.
    """
    if not joined.candidates:
        return "; ".join([*_nothing_buyable(joined), *_looser_limit(joined, slo, serves_all)])
    unserved = sorted(joined.unserved.items())
    sizes = ", ".join(joined.demands[index].label for index, _ in unserved[:_NAMED_SIZES])
    more = len(unserved) - _NAMED_SIZES
    share = math.fsum(workload.buckets[index].share for index in joined.unserved)
    said = [
        (
            f"no candidate serves requests of {sizes} tokens{f' and {more} more sizes' if more > 0 else ''} "
            f"({share:.3g} of all requests)"
        ),
        *_nearest_misses(refusal for _, refusals in unserved for refusal in refusals),
        *_looser_limit(joined, slo, serves_all),
        *_less_coverage(joined, workload),
    ]
    return "; ".join(said)


def _nothing_buyable(joined: Joined) -> list[str]:
    counts = Counter(exclusion.reason for exclusion in joined.exclusions)
    tally = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in counts.most_common())
    said = [f"no offer in scope can be bought and serve the model ({tally or 'no offers at all'})"]
    # What stops the model says more than what stops the purchase; the user's own wishes say nothing new.
    telling = sorted(
        (exclusion for exclusion in joined.exclusions if exclusion.reason not in _WISHES),
        key=lambda exclusion: (exclusion.reason not in _SERVING, -counts[exclusion.reason]),
    )
    example = telling[0] if telling else None
    if example:
        said.append(f"for example {example.subject}: {example.detail}")
    return [*said, *_ways_out(joined, counts)]


def _ways_out(joined: Joined, counts: Counter[str]) -> list[str]:
    """Options that would help; none admits an offer that is where data may not be or users do not reach."""
    if counts["outside_residency"]:
        return ["widen the regions in scope (--region), or the service's residency"]
    if counts["network_too_far"]:
        return []
    serving = {reason: len(joined.held_back.get(reason, ())) for reason in LIFTABLE}
    admitted = {ADMITTED_BY[r]: serving.get(r, n) for r, n in counts.items() if r in ADMITTED_BY}
    return [f"{option} admits {count} of them" for option, count in sorted(admitted.items()) if count]


def _nearest_misses(refusals: Iterable[NoThroughput]) -> list[str]:
    """One refusal of each commonest reason; of the SLO's, the one that comes nearest."""
    by_reason: dict[str, list[NoThroughput]] = {}
    for refusal in refusals:
        by_reason.setdefault(refusal.reason, []).append(refusal)
    commonest = sorted(by_reason.values(), key=len, reverse=True)[:_NAMED_REASONS]
    return [min(group, key=_distance).detail for group in commonest]


def _distance(refusal: NoThroughput) -> float:
    return refusal.best_tpot_ms if refusal.best_tpot_ms is not None else math.inf


def _looser_limit(joined: Joined, slo: Slo, serves_all: Callable[[float], bool]) -> list[str]:
    """A TPOT limit that some accelerator meets for every size: the nearest miss of the worst size, tried."""
    best = [min(map(_distance, refusals), default=math.inf) for refusals in joined.unserved.values()]
    if slo.tpot_ms is None or not best or not math.isfinite(max(best)):
        return []
    tried = (math.ceil(max(best) * looser) for looser in _LOOSER)
    reached = next((limit for limit in tried if serves_all(limit)), None)
    return [f"--tpot-ms {reached} is within reach of every size"] if reached is not None else []


def _less_coverage(joined: Joined, workload: Workload) -> list[str]:
    coverage = coverage_without(workload, [workload.buckets[index] for index in joined.unserved])
    return [f"--coverage {coverage:g} leaves these sizes out"] if coverage >= _SENSIBLE_COVERAGE else []


def zones_not_named(found: Findings) -> str:
    """What a refusal says besides where the loss of a zone is to be survived and zones are not known."""
    if not any(rule.lose == "zone" for rule in found.request.policy.survive):
        return ""
    places = sorted(
        {
            f"{offer.provider}:{offer.region}"
            for offer in (candidate.offer for candidate in found.joined.candidates)
            if offer.zone is None
        }
    )
    if not places:
        return ""
    named = ", ".join(places[:_PLACES_NAMED]) + (", …" if len(places) > _PLACES_NAMED else "")
    return f"; offers in {named} name no zone: all of one may stand in the zone that is lost"
