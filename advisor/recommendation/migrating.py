"""The way from the fleet held to the fleet planned: starts before stops, as far as quotas leave room.

Every step leaves a fleet that serves. Where a quota has no room for a new instance beside an old one, old
ones that the rest can spare go first; where nothing can be spared, the step says what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.plan.migration import FleetChange, Migration, MigrationStep

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping

    from advisor.recommendation.deciding import Leaving
    from advisor.recommendation.holding import HeldNow
    from advisor.recommendation.policy import Holding


@dataclass
class Moving:
    """A fleet on its way, one step after the other."""

    running: Counter[str]
    target: Mapping[str, int]
    usd_per_hour: Mapping[str, Decimal]  #: per offer id
    draws: Mapping[str, tuple[tuple[str, Decimal], ...]]  #: per offer id: (pool, units of one instance)
    free: Mapping[str, Decimal]  #: per limited pool, for the whole fleet
    serves: Callable[[Mapping[str, int]], bool]  #: whether such instances serve within every rule
    steps: list[MigrationStep] = field(default_factory=list)

    def go(self) -> list[MigrationStep]:
        """Every step, in order."""
        while self._missing():
            if not self._start_what_fits() and not self._stop_what_can_be_spared():
                self._wait()
                self._stop_one_in_the_way()
        if self.steps:
            self._add("route", None, None, "Let the router use the new instances, by the plan's shares.")
        for offer, count in sorted(self._surplus().items()):
            self.running[offer] -= count
            self._add("stop", offer, count, f"Stop {count} × {offer}.")
        return self.steps

    def _missing(self) -> dict[str, int]:
        wanted = {offer: count - self.running[offer] for offer, count in self.target.items()}
        return {offer: count for offer, count in sorted(wanted.items()) if count > 0}

    def _surplus(self) -> dict[str, int]:
        extra = {offer: count - self.target.get(offer, 0) for offer, count in self.running.items()}
        return {offer: count for offer, count in sorted(extra.items()) if count > 0}

    def _start_what_fits(self) -> bool:
        started = False
        for offer, count in self._missing().items():
            whole = min([count, *(int(self._room(pool) // units) for pool, units in self._limited(offer))])
            if whole > 0:
                self.running[offer] += whole
                self._add("start", offer, whole, f"Start {whole} × {offer} and wait until it serves.")
                started = True
        return started

    def _stop_what_can_be_spared(self) -> bool:
        """Old instances in the way of new ones, as many as the rest can do without."""
        wanted = {pool for offer in self._missing() for pool, _ in self._limited(offer)}
        for offer, count in self._surplus().items():
            if not wanted & {pool for pool, _ in self._limited(offer)}:
                continue
            spare = next((n for n in range(count, 0, -1) if self.serves(self._without(offer, n))), 0)
            if spare:
                self.running[offer] -= spare
                self._add("stop", offer, spare, f"Stop {spare} × {offer}: the rest serves without it.")
                return True
        return False

    def _wait(self) -> None:
        short = [
            f"{pool} is short of {units - self._room(pool):f}"
            for offer in self._missing()
            for pool, units in self._limited(offer)
            if self._room(pool) < units
        ]
        said = "; ".join(sorted(set(short)))
        text = f"No room to start before stopping ({said}): ask for more quota, or accept less capacity next."
        self._add("wait", None, None, text)

    def _stop_one_in_the_way(self) -> None:
        wanted = {pool for offer in self._missing() for pool, _ in self._limited(offer)}
        in_the_way = [o for o in self._surplus() if wanted & {pool for pool, _ in self._limited(o)}]
        for offer in in_the_way or list(self._surplus()):
            self.running[offer] -= 1
            self._add("stop", offer, 1, f"Stop 1 × {offer}: until the next start the fleet serves less.")
            return
        for (
            offer,
            count,
        ) in self._missing().items():  # the plan itself is within quota, so this is not reached
            self.running[offer] += count

    def _without(self, offer: str, count: int) -> dict[str, int]:
        return {**self.running, offer: self.running[offer] - count}

    def _limited(self, offer: str) -> list[tuple[str, Decimal]]:
        return [(pool, units) for pool, units in self.draws.get(offer, ()) if pool in self.free and units > 0]

    def _room(self, pool: str) -> Decimal:
        taken = (
            units * count
            for offer, count in self.running.items()
            for key, units in self.draws.get(offer, ())
            if key == pool
        )
        return max(self.free[pool] - sum(taken, Decimal(0)), Decimal(0))

    def _add(self, action: str, offer: str | None, instances: int | None, text: str) -> None:
        cost = sum((self.usd_per_hour[key] * count for key, count in self.running.items()), Decimal(0))
        step = {"action": action, "offer": offer, "instances": instances, "text": text, "usd_per_hour": cost}
        self.steps.append(MigrationStep.model_validate(step))


def migration_of(
    holding: Holding, held: HeldNow, leaving: Leaving, planned: Mapping[str, int], steps: list[MigrationStep]
) -> Migration:
    """The record of a change, or of staying put."""
    best = leaving.best
    added = sum(max(count - held.instances.get(key, 0), 0) for key, count in best.instances.items())
    removed = sum(max(count - best.instances.get(key, 0), 0) for key, count in held.instances.items())
    one_off = holding.usd_per_started * added + holding.usd_per_stopped * removed
    saving = None if leaving.held_usd_per_hour is None else leaving.held_usd_per_hour - best.usd_per_hour
    payback = float(one_off / saving) if saving is not None and saving > 0 else None
    return Migration(
        decision="change" if leaving.change else "keep",
        fleet_source=holding.fleet.source,
        held_usd_per_hour=leaving.held_usd_per_hour,
        held_serves=leaving.serves,
        best_usd_per_hour=best.usd_per_hour,
        saving_usd_per_hour=None if saving is None else float(saving),
        threshold=holding.threshold,
        one_off_usd=one_off,
        usd_per_instance_started=holding.usd_per_started,
        usd_per_instance_stopped=holding.usd_per_stopped,
        horizon_hours=holding.horizon_hours,
        payback_hours=payback,
        changes=[
            FleetChange(offer=key, before=held.instances.get(key, 0), after=planned.get(key, 0))
            for key in sorted({*held.instances, *planned})
        ],
        steps=steps,
        unknown=list(held.unknown),
    )
