"""The fleet of a plan, ready to run: groups of equal replicas, and the instances they stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from advisor.simulate.drive import Drive, drive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.catalog.facts import Facts
    from advisor.plan.plan import Allocation, Plan, Purchase
    from advisor.profiles.query import ProfileStore
    from advisor.profiles.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class ReplicaGroup:
    """Equal replicas: one allocation of the plan."""

    service: int  #: position among the plan's services
    line: int  #: position among the plan's purchase lines
    accelerator: str
    provider: str
    region: str
    zone: str | None
    market: str
    drive: Drive
    replicas: range  #: their numbers in the fleet
    utilization: float  #: planned, before headroom

    @property
    def place(self) -> str:
        """``provider:region``."""
        return f"{self.provider}:{self.region}"


@dataclass(frozen=True, slots=True)
class Instance:
    """One rented machine."""

    line: int  #: position among the plan's purchase lines
    replicas: tuple[int, ...]  #: on it


@dataclass(frozen=True, slots=True)
class ReplayFleet:
    """Everything that serves."""

    groups: tuple[ReplicaGroup, ...]
    instances: tuple[Instance, ...]

    @property
    def replicas(self) -> int:
        """How many there are."""
        return sum(len(group.replicas) for group in self.groups)


def fleet_of(plan: Plan, facts: Facts, profiles: ProfileStore, asked: Scheduler) -> ReplayFleet:
    """The replicas and instances a plan rents, engines started as ``asked``.

    Raises:
        ProfileMissing: an allocation for which there is nothing to drive a replica with.
    """
    services = {service.name: place for place, service in enumerate(plan.services)}
    lines = {_place(line): place for place, line in enumerate(plan.purchase)}
    groups: list[ReplicaGroup] = []
    first = 0
    for allocation in plan.allocations:
        service, line = services[allocation.service], lines[_place(allocation)]
        accelerator = plan.purchase[line].accelerator
        numbers = range(first, first + allocation.replicas)
        groups.append(
            ReplicaGroup(
                service, line, accelerator, allocation.provider, allocation.region, allocation.zone,
                allocation.market.value,
                drive(allocation, accelerator, plan.services[service], facts, profiles, asked), numbers,
                allocation.utilization,
            )
        )  # fmt: skip
        first = numbers.stop
    return ReplayFleet(tuple(groups), tuple(_instances(plan, groups)))


def _place(line: Purchase | Allocation) -> tuple[str, str, str | None, str, str]:
    return line.provider, line.region, line.zone, line.instance_type, line.market.value


def _instances(plan: Plan, groups: Sequence[ReplicaGroup]) -> list[Instance]:
    """Replicas on instances, the widest first, each on the fullest machine that still has room.

    Degrees are powers of two, so this packs whatever can be packed.
    """
    found: list[Instance] = []
    for place, line in enumerate(plan.purchase):
        waiting = [
            (allocation.tensor_parallel, number)
            for allocation, group in zip(plan.allocations, groups, strict=True)
            if group.line == place
            for number in group.replicas
        ]
        free = [line.accelerators_per_instance] * line.instances
        held: list[list[int]] = [[] for _ in free]
        for degree, number in sorted(waiting, key=lambda item: (-item[0], item[1])):
            fits = [machine for machine, room in enumerate(free) if room >= degree]
            machine = (
                min(fits, key=lambda m: free[m]) if fits else max(range(len(free)), key=free.__getitem__)
            )
            free[machine] -= degree
            held[machine].append(number)
        found += [Instance(place, tuple(numbers)) for numbers in held]
    return found
