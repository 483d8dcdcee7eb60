"""What rare and large requests cost: the fleet that would do without them, solved again."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.recommendation.comparison import fleet_of
from advisor.recommendation.explanation import Tail

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from advisor.optimize.problem import Solution
    from advisor.optimize.whatif import WhatIf
    from advisor.recommendation.prepare import Prepared

_COVERAGES: Final = (99.99, 99.9, 99.5, 99.0, 95.0)  # percent
_MOST_SIZES: Final = 5
_CLOSE: Final = Decimal("0.000001")  # dollars; a smaller saving is the solver's rounding


def tail(prepared: Prepared, ask: WhatIf, best: Solution) -> list[Tail]:
    """Sizes whose absence would save most per request, and what planning for less than all saves.

    Sizes that save nothing together save nothing one by one, so those are not asked about again.
    """
    rates = prepared.problem.demand_requests_per_s
    total = sum(rates)

    def without(gone: Sequence[int], what: str) -> Tail | None:
        solution = ask.without_demand(gone)
        if solution is None:
            return None
        saving = best.usd_per_hour - solution.usd_per_hour
        fleet = tuple(fleet_of(prepared.problem, solution.instances))
        return Tail(what, sum(rates[b] for b in gone) / total, solution.usd_per_hour, saving, fleet)

    covered, settled = [], set[int]()
    for percent, gone in _left_out(rates, total):
        found = without(gone, f"--coverage {percent:g}")
        if found is not None:
            covered.append(found)
            if found.saving_usd_per_hour <= _CLOSE:
                settled |= set(gone)
    labels = prepared.problem.demand_labels
    asked = [b for b, rate in enumerate(rates) if rate and b not in settled]
    alone = [without([b], labels[b]) for b in asked]
    rare = [each for each in alone if each is not None and each.saving_usd_per_hour > _CLOSE]
    rare.sort(key=lambda t: (-float(t.saving_usd_per_hour) / t.share, t.what))
    return [*rare[:_MOST_SIZES], *covered]


def _left_out(rates: Sequence[float], total: float) -> Iterator[tuple[float, list[int]]]:
    """The rarest demands that each coverage leaves out, where it leaves out more than the last."""
    order = sorted(range(len(rates)), key=lambda b: (rates[b], -b))
    last: frozenset[int] = frozenset()
    for percent in _COVERAGES:
        gone: list[int] = []
        for b in order:
            if sum(rates[g] for g in gone) + rates[b] > total * (1 - percent / 100) * (1 + 1e-12):
                break
            gone.append(b)
        if gone and frozenset(gone) != last:
            last = frozenset(gone)
            yield percent, gone
