"""How much headroom a fleet needs: found by replaying it at other rates, with the same random numbers.

A fleet planned with headroom ``h`` keeps every replica's planned utilisation at or below ``1 − h``. If it
still passes with all rates times ``s`` and no longer beyond, utilisation may rise to ``s · u``, ``u`` being
the highest planned one; a plan with headroom ``1 − s · u`` never asks more of a replica. The rate is
searched, not the plan: ``advisor recommend`` makes plans that hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.simulate.attainment import attained, stated_limits
from advisor.simulate.queue import queue_of
from advisor.simulate.replaying import serve

if TYPE_CHECKING:
    from advisor.simulate.options import Options
    from advisor.simulate.replaying import PreparedReplay

MOST_HEADROOM: Final = 0.9
"""Where a search gives up: nine tenths of a fleet idle is no plan."""

_PRECISION: Final = 0.02
_TRIALS: Final = 9


@dataclass(frozen=True, slots=True)
class Headroom:
    """What a search found."""

    headroom: float | None  #: None: within the limits of the search no headroom helps
    rate_scale: float  #: highest multiple of the rates that was seen to pass; 0 if none was
    utilization: float  #: highest planned utilisation of the fleet's groups
    replays: int


def headroom_needed(prepared: PreparedReplay, options: Options) -> Headroom:
    """The headroom with which a plan like this one would just pass.

    A passing plan may need less than it has; the difference is its margin.
    """
    highest = max(group.utilization for group in prepared.fleet.groups)
    floor = (1 - MOST_HEADROOM) / max(highest, 1e-9)
    low, high, replays = 0.0, 0.0, 0

    def passes(scale: float) -> bool:
        nonlocal replays
        replays += 1
        return passes_at(prepared, options, scale)

    scale = 1.0
    if passes(scale):
        low = scale
        while replays < _TRIALS and not high:
            scale = low * 1.5
            low, high = (scale, 0.0) if passes(scale) else (low, scale)
    else:
        high = scale
        while not low and scale > floor and replays < _TRIALS:
            scale = max(scale * 0.7, floor)
            low, high = (scale, high) if passes(scale) else (0.0, scale)
    while low and high and high - low > _PRECISION * low and replays < _TRIALS:
        middle = (low + high) / 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    if not low:
        return Headroom(None, 0.0, highest, replays)
    return Headroom(min(max(1 - low * highest, 0.0), MOST_HEADROOM), low, highest, replays)


def passes_at(prepared: PreparedReplay, options: Options, scale: float) -> bool:
    """Whether every limit holds, and every service meets the target, with all rates times ``scale``."""
    served = serve(prepared, replace(options, scale=options.scale * scale))
    requests, found = served.demand.requests, served.latencies
    if options.attain_percent is not None:
        for place in range(len(prepared.plan.services)):
            share = attained(found.met[requests.service == place]).percent
            if share is not None and share < options.attain_percent:
                return False
    limits = stated_limits(prepared.plan, requests, found)
    return all(limit.holds for limit in limits) and not queue_of(requests, served.outcome).grows
