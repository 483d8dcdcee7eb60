"""Why this fleet and not another: what would replace each line, and at which price the rest would enter.

Every figure is the difference of two proved optima of the plan's own problem (``optimize.whatif``).
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from advisor.errors import DataError, Infeasible, NoCandidates, SolverFailed, UnknownName, UsageError
from advisor.optimize.solve import solve
from advisor.optimize.whatif import Flip, WhatIf
from advisor.recommendation.answered import answered
from advisor.recommendation.comparison import fleet_of
from advisor.recommendation.explanation import Alternative, Explanation, Replacement
from advisor.recommendation.planned import planned
from advisor.recommendation.quota_value import quota_values
from advisor.recommendation.tail import tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from advisor.domain import Offer
    from advisor.optimize.problem import Problem, Solution
    from advisor.plan.plan import Plan
    from advisor.recommendation.prepare import Prepared

T = TypeVar("T")

GROUPINGS: Final[dict[str, Callable[[Offer], str]]] = {
    "accelerator": lambda offer: offer.accelerator,
    "instance_type": lambda offer: f"{offer.provider}:{offer.instance_type}",
    "region": lambda offer: f"{offer.provider}:{offer.region}",
    "provider": lambda offer: offer.provider,
    "market": lambda offer: offer.market.value,
    "offer": lambda offer: offer.id,
}
"""What can be asked about, and the group an offer belongs to."""

TOLD_APART: Final = ("accelerator", "provider", "region", "market", "instance_type")
"""Groupings an explanation goes through by itself, in this order; one with a single group says nothing."""

MOST_GROUPS: Final = 12
"""Of one grouping, those nearest to entering; the rest are asked for by name."""

_MOST_NAMED: Final = 4
_MOST_INSTANCES: Final = 16  # of a blocked group, tried one after another


class _Asking:
    """Questions one after another, until time or patience is over."""

    def __init__(self) -> None:
        self.unanswered: list[str] = []
        self._asked = 0
        self._interrupted = False

    def answer(self, what: str, question: Callable[[], T]) -> T | None:
        """The answer; None, and the question kept, where there was no time for it."""
        self._asked += 1
        if not self._interrupted:
            try:
                return question()
            except SolverFailed:
                pass
            except KeyboardInterrupt:
                self._interrupted = True
        self.unanswered.append(what)
        return None

    def said(self, seconds: float) -> Iterator[str]:
        """That some are not answered."""
        if not self.unanswered:
            return
        more = ", …" if len(self.unanswered) > _MOST_NAMED else ""
        names = ", ".join(self.unanswered[:_MOST_NAMED]) + more
        when = "before it was interrupted" if self._interrupted else f"in {seconds:g} s"
        yield (
            f"{len(self.unanswered)} of {self._asked} questions were not answered {when} ({names}); --full "
            "answers them all, --why-not NAME one."
        )


class Explainer:
    """A plan and its problem, ready to be asked."""

    def __init__(
        self, plan: Plan, prepared: Prepared, *, time_limit_s: float = 10.0, seconds: float = math.inf
    ) -> None:
        """Make sure that the plan's fleet answers the inputs at hand; where it is proved, without solving.

        Args:
            plan: one with a fleet.
            prepared: its request, prepared with the inputs it names.
            time_limit_s: for each single solve.
            seconds: for everything that is asked; what there is no time for is named.

        Raises:
            UsageError: the plan has no fleet.
            DataError: the inputs give another cost, so that no explanation would be of this plan.
        """
        if plan.usd_per_hour is None:
            raise UsageError(f"plan {plan.plan_id} is infeasible; its reason: {plan.reason}")
        held = answered(plan, prepared)
        self.plan = plan
        self._seconds = seconds
        self.prepared = replace(prepared, problem=held.problem)
        own = planned(plan, held.problem, prepared)
        until = time.monotonic() + seconds
        self.ask = WhatIf(held.problem, time_limit_s=time_limit_s, until=until, best=own)
        self.best, said = self._best(own, held.problem, time_limit_s)
        self.notes = (*held.notes, *said)
        compared = {column.id for column in held.problem.columns}
        self._candidates = {c.offer.id: c for c in prepared.joined.candidates if c.offer.id in compared}

    def _best(
        self, own: Solution | None, problem: Problem, time_limit_s: float
    ) -> tuple[Solution, tuple[str, ...]]:
        """What all is held against: the plan's fleet, unless it has no proof and a cheaper one is found."""
        plan = self.plan
        if own is not None and own.proved:
            return own, ()
        seconds = min(time_limit_s, self._seconds / 2)
        found: Solution | None
        try:
            found = solve(problem, time_limit_s=seconds)
        except (Infeasible, NoCandidates):
            found = None
        except SolverFailed:
            found = own
        if found is not None and own is not None and found.usd_per_hour >= own.usd_per_hour:
            found = own
        if found is None or (plan.status == "optimal" and found.usd_per_hour != plan.usd_per_hour):
            now = "no fleet" if found is None else f"${found.usd_per_hour}/h"
            raise DataError(
                f"plan {plan.plan_id} costs ${plan.usd_per_hour}/h, but its inputs as they are at hand give "
                f"{now}; explain it with the snapshot, profiles, account and version it was made with"
            )
        self.ask = WhatIf(problem, time_limit_s=time_limit_s, until=self.ask.until, best=found)
        if found is own:
            said = f"Solved again for {seconds:g} s: time ran out, and nothing cheaper was found."
            return found, (said,)
        return found, ()

    def explain(self) -> Explanation:
        """Lines, alternatives, quotas and the tail, as far as time allows; Ctrl-C keeps what is there."""
        assert self.plan.usd_per_hour is not None  # checked at the start
        asking = _Asking()
        lines = [asking.answer(f"line {offer}", partial(self._replacement, offer)) for offer in self._lines()]
        alternatives: list[Alternative] = []
        left_out: dict[str, int] = {}
        for grouping in TOLD_APART:
            groups = self._groups(grouping)
            if len(groups) < 2:
                continue
            nearest = self._nearest(groups)
            left_out[grouping] = len(groups) - len(nearest)
            asked = [asking.answer(name, partial(self._alternative, grouping, name)) for name in nearest]
            alternatives += sorted((each for each in asked if each is not None), key=_by_regret)
        quotas = asking.answer("quotas", lambda: quota_values(self.plan, self.prepared, self.ask))
        sizes = asking.answer("rare and large requests", lambda: tail(self.prepared, self.ask, self.best))
        return Explanation(
            plan_id=self.plan.plan_id,
            usd_per_hour=self.plan.usd_per_hour,
            lines=tuple(line for line in lines if line is not None),
            alternatives=tuple(alternatives),
            left_out={grouping: count for grouping, count in left_out.items() if count},
            quotas=tuple(quotas or ()),
            tail=tuple(sizes or ()),
            unanswered=tuple(asking.unanswered),
            notes=(*self.notes, *asking.said(self._seconds)),
        )

    def nearest(self, most: int) -> tuple[Alternative, ...]:
        """What is not bought and nearest to entering: providers first, then accelerators.

        A report asks this where :meth:`explain` would take too long. At most half are providers.
        """
        chosen: list[tuple[str, str]] = []
        for grouping, room in (("provider", most // 2), ("accelerator", most)):
            groups = self._groups(grouping)
            left = [name for name in self._nearest(groups) if not self._in_plan(groups[name])]
            chosen += [(grouping, name) for name in left[: min(room, most - len(chosen))]]
        return tuple(sorted((self._alternative(*each) for each in chosen), key=_by_regret))

    def why_not(self, name: str) -> list[Alternative]:
        """An accelerator, instance type, region, provider, market or offer, with throughput and quota flips.

        A name that several accelerators share (``h100``) gives one answer for each that is in scope.

        Raises:
            UnknownName: nothing of that name is in the plan's scope.
        """
        wanted = name.strip().casefold()
        offers = self.prepared.findings.selected.offers
        known: set[str] = set()
        for grouping, group_of in GROUPINGS.items():
            names = {group_of(offer) for offer in offers}
            known |= names
            for own in sorted(names):
                if wanted in (own.casefold(), own.partition(":")[2].casefold()):
                    return [self._alternative(grouping, own, in_depth=True)]
        try:
            chips = self.prepared.findings.catalog.facts.accelerators_matching(name)
        except UnknownName:
            chips = ()
        in_scope = sorted({chip.id for chip in chips} & known)
        if not in_scope:
            raise UnknownName(
                "accelerator, type, region, provider, market or offer in the plan's scope", name, known
            )
        return [self._alternative("accelerator", own, in_depth=True) for own in in_scope]

    def _groups(self, grouping: str) -> dict[str, tuple[str, ...]]:
        groups: dict[str, list[str]] = {}
        for candidate in self._candidates.values():
            groups.setdefault(GROUPINGS[grouping](candidate.offer), []).append(candidate.offer.id)
        return {name: tuple(members) for name, members in sorted(groups.items())}

    def _nearest(self, groups: dict[str, tuple[str, ...]]) -> list[str]:
        """The groups in the plan, then those whose fleet alone costs least, where that was solved."""
        alone = {b.name: b.usd_per_hour for b in self.plan.baselines if b.usd_per_hour is not None}

        def nearness(name: str) -> tuple[bool, Decimal, str]:
            own = min(self._candidates[c].offer.usd_per_hour for c in groups[name])
            return not self._in_plan(groups[name]), alone.get(name, own), name

        return sorted(groups, key=nearness)[:MOST_GROUPS]

    def _in_plan(self, members: Iterable[str]) -> bool:
        return any(member in self.best.instances for member in members)

    def _lines(self) -> list[str]:
        return sorted(self.best.instances, key=lambda c: (-self._price(c) * self.best.instances[c], c))

    def _price(self, offer: str) -> Decimal:
        return self._candidates[offer].offer.usd_per_hour

    def _replacement(self, offer: str) -> Replacement:
        without = self.ask.without([offer])
        flip = self.ask.price_flip([offer])
        count = self.best.instances[offer]
        return Replacement(
            offer=offer,
            instances=count,
            usd_per_hour=self._price(offer) * count,
            serves=self._serves(offer),
            usd_per_hour_without=without.usd_per_hour if without else None,
            fleet_without=self._fleet(without) if without else (),
            leaves_at_usd_per_hour_each=_times(self._price(offer), flip),
            checked=flip is not None and flip.checked,
        )

    def _serves(self, offer: str) -> tuple[str, ...]:
        rates: dict[int, float] = {}
        for (column, _, b), rate in self.best.load_requests_per_s.items():
            if column == offer:
                rates[b] = rates.get(b, 0.0) + rate
        busiest = sorted(rates, key=lambda b: (-rates[b], b))
        labels = self.prepared.problem.demand_labels
        return tuple(f"{rates[b]:.3g} requests/s of {labels[b]}" for b in busiest)

    def _alternative(self, grouping: str, name: str, *, in_depth: bool = False) -> Alternative:
        members = self._groups(grouping).get(name, ())
        inside = self._in_plan(members)
        forced = without = flip = faster = None
        enters: dict[str, Decimal] = {}
        if members:
            without = self.ask.without(members)
            forced = self.best if inside else self.ask.forced(members)
            flip = self.ask.price_flip(members)
        blocking = self._blocking(members) if members and forced is None else {}
        if in_depth and members:
            faster = self.ask.throughput_flip(members)
            enters = self._enters_with(members, blocking)
        other = without if inside else forced
        bought = self._bought_at(flip, members)
        return Alternative(
            grouping=grouping,
            name=name,
            in_plan=inside,
            candidates=len(members),
            usd_per_hour_forced=forced.usd_per_hour if forced else None,
            usd_per_hour_without=without.usd_per_hour if without else None,
            regret_usd_per_hour=other.usd_per_hour - self.best.usd_per_hour if other else None,
            flip_price_factor=flip.factor if flip else None,
            flip_offer=bought,
            flip_usd_per_hour_each=_times(self._price(bought), flip) if bought else None,
            flip_checked=flip is not None and flip.checked,
            flip_fleet=self._fleet(flip.solution) if flip else (),
            throughput_factor=faster.factor if faster else None,
            blocked_by=tuple(
                f"{pool}: {self.prepared.problem.free_units[pool]:f} free, one instance takes {least:f}"
                for pool, least in blocking.items()
            ),
            enters_with_units=enters,
            excluded=self._excluded(grouping, name),
        )

    def _blocking(self, members: Sequence[str]) -> dict[str, Decimal]:
        """Pools that no instance of the group fits in, with the least that one would take."""
        free = self.prepared.problem.free_units
        least: dict[str, Decimal] = {}
        for member in members:
            for draw in self._candidates[member].draws:
                if draw.key in free:
                    units = draw.units_per_instance
                    least[draw.key] = min(least.get(draw.key, units), units)
        return {pool: units for pool, units in sorted(least.items()) if units > free[pool]}

    def _enters_with(self, members: Sequence[str], blocking: dict[str, Decimal]) -> dict[str, Decimal]:
        """Per blocking pool, the least free units with which the group is bought, the others lifted.

        Empty where it would not be bought however much there were.
        """
        free = self.prepared.problem.free_units
        open_units = {pool: units for pool, units in free.items() if pool not in blocking}
        found: dict[str, Decimal] = {}
        for pool, step in blocking.items():
            for times in range(1, _MOST_INSTANCES + 1):
                units = {**open_units, pool: step * times}
                solution = self.ask.solved(replace(self.prepared.problem, free_units=units))
                if solution is not None and solution.instances.keys() & set(members):
                    found[pool] = step * times
                    break
        return found

    def _bought_at(self, flip: Flip | None, members: Sequence[str]) -> str | None:
        """Of the group's offers in the fleet at the flip, the one most is spent on."""
        if flip is None:
            return None
        bought = [(self._price(c) * n, c) for c, n in flip.solution.instances.items() if c in set(members)]
        return max(bought)[1] if bought else None

    def _excluded(self, grouping: str, name: str) -> dict[str, int]:
        group_of = GROUPINGS[grouping]
        ours = {offer.id for offer in self.prepared.findings.selected.offers if group_of(offer) == name}
        counts: dict[str, int] = {}
        for exclusion in self.prepared.joined.exclusions:
            if exclusion.subject in ours:
                counts[exclusion.reason] = counts.get(exclusion.reason, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def _fleet(self, solution: Solution) -> tuple[str, ...]:
        return tuple(fleet_of(self.prepared.problem, solution.instances))


def _by_regret(alternative: Alternative) -> tuple[bool, bool, Decimal, str]:
    """In the plan first, then what costs least to force; what no fleet can hold last."""
    regret = alternative.regret_usd_per_hour
    return not alternative.in_plan, regret is None, regret or Decimal(0), alternative.name


def _times(price: Decimal, flip: Flip | None) -> Decimal | None:
    return None if flip is None else (price * Decimal(repr(flip.factor))).quantize(Decimal("0.0001"))
