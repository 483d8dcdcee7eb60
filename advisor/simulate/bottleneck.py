"""What gives way first: the group of replicas with the most misses, and what its requests waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.simulate.latencies import request_limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from advisor.plan.plan import Plan
    from advisor.simulate.demand import Requests
    from advisor.simulate.engine import ReplayOutcome
    from advisor.simulate.fleet import ReplayFleet, ReplicaGroup
    from advisor.simulate.latencies import Latencies

    Flags = NDArray[np.bool_]

MEANINGS: Final = {
    "unserved": "no replica that could serve the requests was up or large enough",
    "kv_cache": "requests waited for, or were put back for want of, room in the KV cache",
    "batch_limit": "requests waited for a place in the largest batch that the engine admits",
    "prefill": "reading prompts took too long, or waited for steps that read others",
    "decode": "steps took too long: too many sequences, or too much context and reading of prompts, at once",
    "nothing": "no request missed its limits; the group named is the one closest to its largest batch",
}
"""What may give way, in words."""

_FULL: Final = 0.98


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The first thing to give way."""

    what: str  #: one of ``MEANINGS``
    service: str
    offer: str  #: id of the purchase line
    accelerator: str
    share_of_misses: float  #: of all misses, those this group and this cause account for
    peak_batch: float  #: highest batch of the group's replicas, as a share of the largest
    peak_kv: float  #: fullest KV cache of the group's replicas


def bottleneck(
    plan: Plan, fleet: ReplayFleet, requests: Requests, outcome: ReplayOutcome, found: Latencies
) -> Bottleneck:
    """The group with the most misses, or the fullest where there are none."""
    missed = ~found.met
    if missed.any():
        counts = np.bincount(found.group[missed] + 1, minlength=len(fleet.groups) + 1)
        worst = int(np.argmax(counts)) - 1
    else:
        worst = max(range(len(fleet.groups)), key=lambda g: (_peaks(fleet.groups[g], outcome), -g))
    group = fleet.groups[max(worst, 0)]
    what, share = "nothing", 0.0
    if worst < 0:
        what, share = "unserved", float((found.group[missed] < 0).mean())
    elif missed.any():
        what, share = _cause(plan, group, requests, outcome, found, missed & (found.group == worst))
        share *= float((found.group[missed] == worst).mean())
    batch, cache = _peaks(group, outcome)
    line, service = plan.purchase[group.line], plan.services[group.service]
    return Bottleneck(what, service.name, line.offer_id, group.accelerator, share, batch, cache)


def _peaks(group: ReplicaGroup, outcome: ReplayOutcome) -> tuple[float, float]:
    mine, spec = slice(group.replicas.start, group.replicas.stop), group.drive.spec
    batch = outcome.peak_of(group.replicas) / spec.max_sequences
    return batch, float(outcome.peak_tokens[mine].max(initial=0)) / spec.kv_tokens


def _cause(
    plan: Plan,
    group: ReplicaGroup,
    requests: Requests,
    outcome: ReplayOutcome,
    found: Latencies,
    missed: Flags,
) -> tuple[str, float]:
    """What most of a group's misses waited for, and what share of them that is."""
    limits = request_limits(plan.services[group.service])
    late_first = missed & found.beyond(limit for limit in limits if limit.metric == "ttft")
    slow_steps = missed & found.beyond(limit for limit in limits if limit.metric in ("tpot", "itl"))
    queued = outcome.admitted_s - requests.arrival_s > 0.5 * (outcome.first_s - requests.arrival_s)
    put_back = outcome.preempted > 0
    batch, cache = _peaks(group, outcome)
    rest = missed & ~late_first & ~slow_steps
    waited = (late_first | rest) & queued
    counts = {
        "kv_cache": int((missed & put_back).sum())
        + (int(waited.sum()) if cache >= _FULL and batch < 1 else 0),
        "batch_limit": int(waited.sum()) if batch >= 1 else 0,
        "prefill": int((late_first & ~queued).sum())
        + (int(waited.sum()) if cache < _FULL and batch < 1 else 0),
        "decode": int((slow_steps & ~put_back).sum() + (rest & ~queued).sum()),
    }
    what = max(counts, key=lambda name: counts[name])
    return what, counts[what] / max(int(missed.sum()), 1)
