"""Every case of every rule about losses, higher demand and doubt, enumerated and tried again.

A fleet gets through a case if what stands can be routed so that the rule's share of every bucket is served.
Routing is an LP, solved by :mod:`advisor.plan.verify.rerouting`. An instance may run other replicas on that
day than it runs now: which, is left open here, accelerators being split as finely as need be. So a fleet
refused is refused for good, while one with several tensor-parallel degrees on a line may be let pass where
whole replicas would not fit.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.domain import Market, Throughput
from advisor.plan.verify.rerouting import NotDecided, least_served
from advisor.plan.verify.violation import SAME_SHARE, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from advisor.plan.demand import ServiceLine
    from advisor.plan.plan import Plan, Purchase
    from advisor.plan.rules import RuleLine
    from advisor.plan.verify.against import Against

DAYS: Final = ("survive", "demand", "doubt")
MOST_CASES: Final = 20_000
_FEW: Final = 3  # failed cases told per rule


@dataclass(frozen=True, slots=True)
class Day:
    """What is lost and doubted in one case."""

    words: str
    lost: Mapping[str, int]  #: instances per offer id
    doubted: frozenset[str] = frozenset()


def check_bad_days(plan: Plan, against: Against) -> Iterator[Violation]:
    """Rules about bad days, against the capacities the profiles give; nothing without those."""
    if against.capacities is None or plan.status == "infeasible":
        return
    rules = [(i, rule) for i, rule in enumerate(plan.rules) if rule.kind in DAYS]
    if not rules:
        return
    table = Needs(plan, against)
    for index, rule in rules:
        at = f"rules[{index}]"
        unknown = [name for name in rule.services if name not in {s.name for s in plan.services}]
        if unknown:
            yield Violation("rule", f"{at}.services", "services of the plan", ", ".join(unknown))
            continue
        yield from _tried(plan, against, rule, table, at)
        yield from _stated(plan, rule, table, at)


def _tried(plan: Plan, against: Against, rule: RuleLine, table: Needs, at: str) -> Iterator[Violation]:
    failed: list[tuple[float, Day]] = []
    for day in itertools.islice(days_of(plan, rule, against), MOST_CASES):
        served = table.served(rule, day)
        if served < rule.keeps - SAME_SHARE:
            failed.append((served, day))
    for served, day in sorted(failed, key=lambda item: item[0])[:_FEW]:
        found = f"{served:.2%} once {day.words}"
        yield Violation("not_survived", at, f"{rule.keeps:.2%} of every bucket ({rule.text})", found)


def _stated(plan: Plan, rule: RuleLine, table: Needs, at: str) -> Iterator[Violation]:
    """What the plan says of a case cannot be better than what the case leaves."""
    counts = {line.offer_id: line.instances for line in plan.purchase}
    for index, case in enumerate(rule.cases):
        where = f"{at}.cases[{index}]"
        strange = [offer for offer, n in case.lost_instances.items() if not 0 <= n <= counts.get(offer, 0)]
        if strange:
            found = ", ".join(f"{case.lost_instances[offer]} × {offer}" for offer in strange)
            yield Violation("case", f"{where}.lost_instances", "instances that are bought", found)
            continue
        most = table.served(rule, Day(case.case, case.lost_instances, frozenset(case.doubted)))
        if case.least_served_share > most + SAME_SHARE:
            said = f"{case.least_served_share:.9g}"
            yield Violation("case", f"{where}.least_served_share", f"at most {most:.9g}", said)


class Needs:
    """Accelerators that would carry all of a demand, per purchase line and demand, asked once."""

    def __init__(self, plan: Plan, against: Against) -> None:
        """``against.capacities`` must be there."""
        self.plan = plan
        self._against = against
        self._known: dict[tuple[str, str, int, bool], NDArray[np.float64]] = {}

    def served(self, rule: RuleLine, day: Day) -> float:
        """The least share of any bucket that what stands can serve."""
        services = [s for s in self.plan.services if not rule.services or s.name in rule.services]
        lines = self.plan.purchase
        need = np.array(
            [
                np.concatenate([self._need(line, s, line.accelerator in day.doubted) / _ceiling(s, rule)
                                for s in services])
                for line in lines
            ]
        )  # fmt: skip
        standing = [max(line.instances - day.lost.get(line.offer_id, 0), 0) for line in lines]
        room = np.array(
            [n * line.accelerators_per_instance for n, line in zip(standing, lines, strict=True)], dtype=float
        )
        rates = np.concatenate([[b.requests_per_s * b.served_share for b in s.buckets] for s in services])
        wanted = rates > 0
        try:
            return least_served(need[:, wanted] * rates[wanted] * rule.demand_factor, room)
        except NotDecided:
            return 1.0

    def _need(self, line: Purchase, service: ServiceLine, doubted: bool) -> NDArray[np.float64]:
        """Accelerators per request/s of each bucket, at the best degree; infinite where none serves it."""
        key = (line.accelerator, service.name, line.accelerators_per_instance, doubted)
        if key not in self._known:
            best = np.full(len(service.buckets), np.inf)
            degree = 1
            while degree <= line.accelerators_per_instance:
                slots = line.accelerators_per_instance // degree
                per_replica = line.accelerators_per_instance / slots
                rates = self._rates(service, line.accelerator, degree, doubted)
                with np.errstate(divide="ignore"):
                    best = np.minimum(best, per_replica / rates)
                degree *= 2
            self._known[key] = best
        return self._known[key]

    def _rates(
        self, service: ServiceLine, accelerator: str, degree: int, doubted: bool
    ) -> NDArray[np.float64]:
        against = self._against
        assert against.capacities is not None  # asked before
        misfit = against.misfit(service, accelerator, degree) if against.misfit is not None else None
        if misfit is not None and misfit[0] == "degree":
            return np.zeros(len(service.buckets))
        answers = against.capacities(service, accelerator, degree, service.buckets)
        return np.array(
            [self._rate(a, accelerator, doubted) if isinstance(a, Throughput) else 0.0 for a in answers]
        )

    def _rate(self, answer: Throughput, accelerator: str, doubted: bool) -> float:
        if not doubted or self._against.low is None:
            return answer.requests_per_s
        return self._against.low(answer, accelerator)


def _ceiling(service: ServiceLine, rule: RuleLine) -> float:
    return 1.0 - (service.headroom if rule.headroom is None else rule.headroom)


def days_of(plan: Plan, rule: RuleLine, against: Against) -> Iterator[Day]:
    """Every case of a rule that touches the fleet: what it loses times what is doubted."""
    chips = sorted({line.accelerator for line in plan.purchase})
    doubts = [frozenset(c) for c in itertools.combinations(chips, min(rule.doubted, len(chips)))]
    for words, lost in _losses(plan, rule, against):
        for doubted in doubts:
            slow = f"{' and '.join(sorted(doubted))} slow" if doubted else ""
            more = f"demand is {rule.demand_factor:g} times as high" if rule.demand_factor != 1 else ""
            yield Day(", ".join(filter(None, (words, slow, more))) or "as planned", lost, doubted)


def _losses(plan: Plan, rule: RuleLine, against: Against) -> Iterator[tuple[str, dict[str, int]]]:
    lines = plan.purchase
    if rule.kind != "survive" or rule.lose is None:
        yield "", {}
        return
    if rule.lose == "instance":
        offers = [line.offer_id for line in lines]
        total = min(rule.count, sum(line.instances for line in lines))
        held = {line.offer_id: line.instances for line in lines}
        for chosen in itertools.combinations_with_replacement(offers, total):
            taken = Counter(chosen)
            if all(count <= held[offer] for offer, count in taken.items()):
                words = ", ".join(f"{count} × {offer}" for offer, count in sorted(taken.items()))
                yield f"{words} lost", dict(taken)
        return
    if rule.lose == "spot":
        yield "all spot capacity lost", {x.offer_id: x.instances for x in lines if x.market is Market.SPOT}
        return
    groups = {line.offer_id: _groups(line, rule.lose, lines, against) for line in lines}
    names = sorted(set(itertools.chain(*groups.values())))
    for gone in itertools.combinations(names, min(rule.count, len(names))):
        hit = [line for line in lines if not set(gone).isdisjoint(groups[line.offer_id])]
        yield f"{' and '.join(gone)} lost", {line.offer_id: line.instances for line in hit}


def _groups(line: Purchase, lose: str, lines: Sequence[Purchase], against: Against) -> Sequence[str]:
    """What a line stands in; of several zones in one, not known which.

    A line that names no zone may stand in any that sells its type; where nobody says which those are, in any
    that another line names, else the region is one zone.
    """
    place = f"{line.provider}:{line.region}"
    if lose == "pool":
        return (line.offer_id,)
    if lose == "provider":
        return (line.provider,)
    if lose == "region":
        return (place,)
    if line.zone is not None:
        return (f"{place}/{line.zone}",)
    sold = against.zones(line.provider, line.region, line.instance_type) if against.zones is not None else ()
    here = [x for x in lines if (x.provider, x.region) == (line.provider, line.region)]
    zones = sold or sorted({x.zone for x in here if x.zone})
    return [f"{place}/{zone}" for zone in zones] or (place,)
