"""What goes wrong, and when: instances, spot pools, zones and regions are lost, and come back or do not.

Three changes are enough: replicas *drain* (take no more requests, as on a reclaim's warning), are *lost*
(their requests go to others and begin again) and *start*. Constants carry their source; start-up is an
assumption that every replay states, and can be set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from advisor.domain import Market
from advisor.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

    from advisor.plan.plan import Plan, Purchase
    from advisor.simulate.fleet import Instance, ReplayFleet

START_UP_S: Final = 300.0
"""From asking for an instance to its first request: machine, image, weights. Assumed, not measured."""

WARNING_S: Final = {"aws": 120.0, "gcp": 30.0, "azure": 30.0}
"""Seconds between a spot reclaim's notice and the loss. Source: the providers' documentation: EC2
interruption notice two minutes; Compute Engine preemption 30 s; Azure Scheduled Events "Preempt" at least
30 s. Others promise none."""

LOST_AT: Final = 1 / 3
"""Share of the replay after which a fault with no time of its own strikes: early enough to see recovery."""

_HOURS_PER_MONTH: Final = 730.0


@dataclass(frozen=True, slots=True)
class ReplicaChange:
    """Something happens to replicas."""

    at_s: float
    kind: Literal["drain", "lose", "start"]
    replicas: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """What is lost, in words and changes, and what stands in for it."""

    what: str  #: ``instance``, ``zone:ID`` …, as asked
    detail: str  #: a sentence
    at_s: float | None  #: of the first loss; None if nothing was lost
    warning_s: float
    start_up_s: float | None  #: of the replacement; None if nothing replaces it
    changes: tuple[ReplicaChange, ...]
    instances: dict[int, int]  #: lost per purchase line
    notes: tuple[str, ...] = ()

    @property
    def replicas(self) -> tuple[int, ...]:
        """Numbers of those lost at least once."""
        return tuple(sorted({n for change in self.changes if change.kind == "lose" for n in change.replicas}))


def parse_loss(text: str) -> tuple[str, str]:
    """(kind, id) of ``instance``, ``spot``, ``spot:bands``, ``spot:trace``, ``zone:ID`` or ``region:ID``.

    Raises:
        UsageError: none of these.
    """
    kind, _, name = text.partition(":")
    known = (kind in ("zone", "region") and name) or text in ("instance", "spot", "spot:bands", "spot:trace")
    if not known:
        raise UsageError(
            f"--lose {text!r} is not allowed; instance, spot, spot:bands, spot:trace, zone:ID or region:ID"
        )
    return kind, name


def plan_loss(
    text: str, plan: Plan, fleet: ReplayFleet, duration_s: float, rng: np.random.Generator, start_up_s: float
) -> Loss:
    """The changes a loss means for a fleet.

    Raises:
        UsageError: an unknown kind, or nothing of the fleet is spot.
        UnknownName: no instance stands in such a zone or region.
    """
    kind, name = parse_loss(text)
    at_s = duration_s * LOST_AT
    if kind == "instance":
        return _largest_instance(text, plan, fleet, at_s, start_up_s)
    if kind in ("zone", "region"):
        return _place_loss(text, kind, name, plan, fleet, at_s)
    spot = [place for place, line in enumerate(plan.purchase) if line.market is Market.SPOT]
    if not spot:
        raise UsageError(f"--lose {text}: the plan buys no spot capacity")
    if name == "bands":
        return _by_bands(text, plan, fleet, spot, duration_s, rng, start_up_s)
    if name == "trace":
        return _by_trace(text, plan, fleet, spot, duration_s, rng)
    return _largest_pool(text, plan, fleet, spot, at_s, start_up_s)


def without(fleet: ReplayFleet, instance: int) -> tuple[ReplicaChange, ...]:
    """The fleet without one instance, from the first moment on."""
    return (ReplicaChange(0.0, "lose", fleet.instances[instance].replicas),)


def _instances_of(fleet: ReplayFleet, lines: Iterable[int]) -> list[Instance]:
    wanted = set(lines)
    return [instance for instance in fleet.instances if instance.line in wanted]


def _numbers(instances: Iterable[Instance]) -> tuple[int, ...]:
    return tuple(number for instance in instances for number in instance.replicas)


def _counted(instances: Iterable[Instance]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for instance in instances:
        counts[instance.line] = counts.get(instance.line, 0) + 1
    return counts


def _largest_instance(text: str, plan: Plan, fleet: ReplayFleet, at_s: float, start_up_s: float) -> Loss:
    """The instance that carries most planned work, replaced at once by another of its kind."""
    work = {n: group.utilization for group in fleet.groups for n in group.replicas}
    width = [line.accelerators_per_instance for line in plan.purchase]
    worst = max(
        fleet.instances,
        key=lambda instance: (sum(work[n] for n in instance.replicas), width[instance.line], -instance.line),
    )
    line = plan.purchase[worst.line]
    changes = (
        ReplicaChange(at_s, "lose", worst.replicas),
        ReplicaChange(at_s + start_up_s, "start", worst.replicas),
    )
    detail = f"one of {line.instances} {line.offer_id}, replaced by another of its kind"
    return Loss(text, detail, at_s, 0.0, start_up_s, changes, {worst.line: 1})


def _place_loss(text: str, kind: str, name: str, plan: Plan, fleet: ReplayFleet, at_s: float) -> Loss:
    """Everything in a zone or region, not replaced: nobody knows where else there is stock."""

    def spellings(line: Purchase) -> tuple[str, ...]:
        if kind == "zone":
            return () if line.zone is None else (line.zone, f"{line.provider}:{line.zone}")
        return (line.region, f"{line.provider}:{line.region}")

    lines = [place for place, line in enumerate(plan.purchase) if name in spellings(line)]
    if not lines:
        known = {spelling for line in plan.purchase for spelling in spellings(line)}
        if kind == "zone" and not known:
            raise UsageError(f"--lose {text}: no price of the plan names its zone; lose the region instead")
        raise UnknownName(f"{kind} of the plan", name, known)
    gone = _instances_of(fleet, lines)
    notes = []
    unplaced = sum(line.instances for line in plan.purchase if kind == "zone" and line.zone is None)
    if unplaced:
        notes.append(f"{unplaced} instances name no zone and were kept.")
    detail = f"{len(gone)} of {len(fleet.instances)} instances in {kind} {name}, not replaced"
    return Loss(
        text,
        detail,
        at_s,
        0.0,
        None,
        (ReplicaChange(at_s, "lose", _numbers(gone)),),
        _counted(gone),
        tuple(notes),
    )


def _largest_pool(
    text: str, plan: Plan, fleet: ReplayFleet, spot: Sequence[int], at_s: float, start_up_s: float
) -> Loss:
    """All instances of the largest spot line at once; replacements are asked for on the warning."""
    line = max(spot, key=lambda place: (plan.purchase[place].usd_per_hour, -place))
    gone = _instances_of(fleet, [line])
    bought = plan.purchase[line]
    warning_s = WARNING_S.get(bought.provider, 0.0)
    numbers = _numbers(gone)
    changes = (
        ReplicaChange(at_s, "drain", numbers),
        ReplicaChange(at_s + warning_s, "lose", numbers),
        ReplicaChange(at_s + max(start_up_s, warning_s), "start", numbers),
    )
    band = bought.interruption or "unknown"
    detail = (
        f"{_all_of(len(gone))} {bought.offer_id} (interrupted per month: {band}), replaced on demand, "
        f"asked for on the notice"
    )
    return Loss(text, detail, at_s + warning_s, warning_s, start_up_s, changes, {line: len(gone)})


def _all_of(count: int) -> str:
    return "the only" if count == 1 else f"all {count} of"


def _by_bands(
    text: str,
    plan: Plan,
    fleet: ReplayFleet,
    spot: Sequence[int],
    duration_s: float,
    rng: np.random.Generator,
    start_up_s: float,
) -> Loss:
    """Each spot instance on its own, as often as its band's upper end says; an unknown band loses nothing."""
    changes: list[ReplicaChange] = []
    gone: list[Instance] = []
    notes: list[str] = []
    for place in spot:
        line = plan.purchase[place]
        share = band_upper(line.interruption)
        if share is None:
            notes.append(f"{line.offer_id}: how often it is interrupted is not known; nothing was lost.")
            continue
        per_s = -math.log1p(-share) / (_HOURS_PER_MONTH * 3600)
        warning_s = WARNING_S.get(line.provider, 0.0)
        for instance in _instances_of(fleet, [place]):
            at_s = float(rng.exponential(1 / per_s))
            if at_s < duration_s:
                gone.append(instance)
                changes += [
                    ReplicaChange(at_s, "drain", instance.replicas),
                    ReplicaChange(at_s + warning_s, "lose", instance.replicas),
                    ReplicaChange(at_s + max(start_up_s, warning_s), "start", instance.replicas),
                ]
    changes.sort(key=lambda change: change.at_s)
    first = min((change.at_s for change in changes if change.kind == "lose"), default=None)
    detail = f"{len(gone)} spot instances reclaimed, drawn from their interruption bands"
    return Loss(text, detail, first, 0.0, start_up_s, tuple(changes), _counted(gone), tuple(notes))


def band_upper(band: str | None) -> float | None:
    """Upper end of ``<5%``, ``5-10%``, ``>20%`` as a share per month; an open band counts as its lower end.

    None where it is not known.
    """
    if band is None:
        return None
    numbers = "".join(mark if mark.isdigit() or mark == "." else " " for mark in band).split()
    try:
        share = float(numbers[-1]) / 100
    except (IndexError, ValueError):
        return None
    return share if 0 < share < 1 else None


def _by_trace(
    text: str,
    plan: Plan,
    fleet: ReplayFleet,
    spot: Sequence[int],
    duration_s: float,
    rng: np.random.Generator,
) -> Loss:
    """Spot capacity comes and goes as probes of AWS saw it in 2022: all spot lines of a zone together."""
    from advisor.simulate.availability import spot_runs

    changes: list[ReplicaChange] = []
    gone: list[Instance] = []
    zones = sorted({(plan.purchase[place].provider, plan.purchase[place].zone or "") for place in spot})
    for zone, runs in zip(zones, spot_runs(rng, duration_s, len(zones)), strict=True):
        lines = [p for p in spot if (plan.purchase[p].provider, plan.purchase[p].zone or "") == zone]
        here = _instances_of(fleet, lines)
        numbers = _numbers(here)
        if any(not run.available for run in runs):
            gone += here
        warning_s = WARNING_S.get(zone[0], 0.0)
        for run in runs:
            if run.available:
                changes.append(ReplicaChange(run.start_s, "start", numbers))
            else:
                changes.append(ReplicaChange(max(run.start_s - warning_s, 0.0), "drain", numbers))
                changes.append(ReplicaChange(run.start_s, "lose", numbers))
    changes.sort(key=lambda change: change.at_s)
    first = min((change.at_s for change in changes if change.kind == "lose"), default=None)
    detail = (
        f"{len(gone)} spot instances come and go as V100 spot capacity did in us-west-2 in 2022 (probes "
        f"600 s apart), without fallback"
    )
    return Loss(text, detail, first, 0.0, None, tuple(changes), _counted(gone))
