"""A market too large to write down whole, seen through prices.

Ten services, five user regions and ten thousand offers make hundreds of thousands of columns, of which a
fleet needs some hundred. A relaxation over a few offers says what serving each demand is worth and what a
unit of each quota costs; at those prices every offer is valued without a programme, and those that would earn
more than they cost come in, until none does (column generation). At any prices, what all demands are worth,
less what quotas cost, less what all offers could earn, bounds the cost of every fleet (Lagrange).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.optimize import formulation
from advisor.optimize.formulation import TINY_WORK
from advisor.optimize.subproblem import part_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from advisor.optimize.effort import Effort
    from advisor.optimize.reduced import InstanceKind, Reduced

    Floats = NDArray[np.float64]
    Stream = tuple[int, int | None]

_PENALTY: Final = 20.0  # times the least a demand could cost: the price of leaving it unserved
_FIRST: Final = 2.0  # the same, before anything is known
_CLOSE: Final = 1e-4  # relative: relaxation and bound are this near at the end
_EARNS: Final = 1e-6  # of an offer's price: below it is noise
_PER_ROUND: Final = 150  # offers that come in at once
_PER_KIND: Final = 3
_USES: Final = 2  # of a kind that come in with it


@dataclass(frozen=True, slots=True, eq=False)
class ValuedMarket:
    """Every offer at some prices."""

    bound: float  #: on the cost of every fleet
    net: Floats  #: per candidate: price and quotas less what it could earn
    earns: tuple[Floats, ...]  #: per kind and use: what an instance full of it earns
    worth: tuple[float, ...]  #: per service: of all its demands
    quota_usd: Mapping[str, float] = field(default_factory=dict)  #: per unit of a pool

    def rents(self) -> Floats:
        """Per candidate, what one of it saves beside the best that is not scarce."""
        return np.maximum(0.0, -self.net)


def valued_market(reduced: Reduced, effort: Effort) -> ValuedMarket:
    """Prices at which no offer outside would earn more than it costs, or the best there was time for."""
    return _MarketPrices(reduced).generate(effort)


def least_cost_of(reduced: Reduced, c: int, net: float) -> float:
    """The least over 0 to max_instances of net · n and the cost of changing to n, which is convex."""
    x, change = reduced.candidates[c], reduced.problem.change
    start, stop = (0.0, 0.0) if change is None else change.usd_per_hour
    points = {0, min(x.held, x.max_instances), x.max_instances}
    return min(net * n + start * max(0, n - x.held) + stop * max(0, x.held - n) for n in points)


class _MarketPrices:
    """Column generation: the offers in the relaxation so far, and the prices it gives."""

    def __init__(self, reduced: Reduced) -> None:
        self._reduced = reduced
        self._place = np.array([kind.place for kind in reduced.kinds])
        self._cheapest = [min(kind.members, key=self._usd) for kind in reduced.kinds]
        self._streams: list[tuple[Stream, float, frozenset[int]]] = [
            ((b, None if len(streams) == 1 else j), stream.share if len(streams) > 1 else 1.0, stream.places)
            for b in range(len(reduced.groups))
            for streams in [reduced.streams(b)]
            for j, stream in enumerate(streams)
        ]
        self._penalty = self._penalties()
        self._demand = {key: usd * _FIRST / _PENALTY for key, usd in self._penalty.items()}
        self._quota: dict[str, float] = {}

    def _usd(self, c: int) -> float:
        return float(self._reduced.candidates[c].usd_per_hour)

    def _worth(self) -> tuple[float, ...]:
        worth = [0.0] * len(self._reduced.problem.services)
        for key, share, _ in self._streams:
            worth[self._reduced.demand_service[key[0]]] += self._demand[key] * share
        return tuple(worth)

    def _penalties(self) -> dict[Stream, float]:
        """Several times what serving a stream costs on the cheapest offer, were it for sale in parts."""
        reduced = self._reduced
        least = np.full((len(reduced.locations.serves), len(reduced.groups)), np.inf)
        for p, kind in enumerate(reduced.kinds):
            usd = self._usd(self._cheapest[p])
            for use in kind.uses:
                side = 0.0 if kind.usd_per_hour_of is None else kind.usd_per_hour_of[use.demands]
                replicas = np.where(use.needed < TINY_WORK, 1.0, use.needed)  # however little, one is there
                cost = usd / use.slots * replicas + side
                least[kind.place, use.demands] = np.minimum(least[kind.place, use.demands], cost)
        return {
            key: _PENALTY * float(min(least[at, key[0]] for at in places)) for key, _, places in self._streams
        }

    def value(self) -> ValuedMarket:
        """Every offer at the prices of now."""
        reduced = self._reduced
        at_place = np.zeros((len(reduced.locations.serves), len(reduced.groups)))
        for key, _, places in self._streams:
            for at in places:
                at_place[at, key[0]] = max(at_place[at, key[0]], self._demand[key])
        earns = tuple(_earned(kind, at_place[kind.place]) for kind in reduced.kinds)
        most = [float(each.max(initial=0.0)) for each in earns]
        net = np.array(
            [
                float(x.usd_per_hour)
                + sum(self._quota.get(pool, 0.0) * float(units) for pool, units in x.draws)
                - most[x.kind]
                for x in reduced.candidates
            ]
        )
        worth = self._worth()
        bound = sum(worth)
        bound -= sum(self._quota.get(pool, 0.0) * float(free) for pool, free in reduced.free_units)
        bound += sum(least_cost_of(reduced, c, float(usd)) for c, usd in enumerate(net))
        return ValuedMarket(bound, net, earns, worth, self._quota)

    def generate(self, effort: Effort) -> ValuedMarket:
        """Prices at which no offer outside would earn more than it costs, or the best there was time for."""
        reduced = self._reduced
        candidates = {c for c, x in enumerate(reduced.candidates) if x.held}
        uses: set[tuple[int, int]] = set()
        valued = best = self.value()
        basis = None
        while True:
            before = len(candidates), len(uses)
            self._enter(valued, candidates, uses)
            if (len(candidates), len(uses)) == before or effort.over:
                return best
            part = part_of(reduced, candidates, uses)
            programme = formulation.most_worthwhile(part.reduced, self._penalty)
            names = programme.arrays.names()
            names[: len(part.candidates)] = [f"i{c}" for c in part.candidates]  # their numbers in the whole
            relaxed = formulation.relax(programme.arrays, effort.left(), names=names, start=basis)
            if relaxed is None:
                return best
            basis = relaxed.basis
            dual = {row.name: float(relaxed.dual[i]) for i, row in enumerate(programme.arrays.rows)}
            for key, _, _ in self._streams:
                b, j = key
                name = f"serve_demand_{b}" if j is None else f"serve_stream_{b}_{j}"
                self._demand[key] = self._penalty[key] + min(0.0, dual[name])
            self._quota = {
                pool: max(0.0, -dual.get(f"quota_{q}", 0.0)) for q, (pool, _) in enumerate(reduced.free_units)
            }
            valued = self.value()
            best = valued if valued.bound > best.bound else best
            cost = relaxed.objective + sum(self._penalty[key] * share for key, share, _ in self._streams)
            if cost - best.bound <= _CLOSE * cost:
                return best

    def _enter(self, valued: ValuedMarket, candidates: set[int], uses: set[tuple[int, int]]) -> None:
        """The offers that would earn most above their cost, with what they would run."""
        entered: dict[int, int] = {}
        count = 0
        price = np.array([self._usd(c) for c in range(len(valued.net))])
        for c in np.argsort(valued.net / np.maximum(price, 1e-9), kind="stable").tolist():
            if valued.net[c] >= -_EARNS * price[c] or count >= _PER_ROUND:
                break
            p = self._reduced.candidates[c].kind
            runs = {(p, u) for u in _best_uses(valued, p)}
            if entered.get(p, 0) < _PER_KIND and not (c in candidates and runs <= uses):
                entered[p] = entered.get(p, 0) + 1
                count += 1
                candidates.add(c)
                uses |= runs


def _best_uses(valued: ValuedMarket, p: int) -> list[int]:
    """Of a kind, those that earn nearly as much as the best, a few at most."""
    earns = valued.earns[p]
    good = np.flatnonzero(earns >= 0.9 * earns.max(initial=0.0))
    return good[np.argsort(-earns[good], kind="stable")[:_USES]].tolist()  # type: ignore[no-any-return]


def _earned(kind: InstanceKind, worth: Floats) -> Floats:
    """Per use, no less than what an instance that runs nothing else could earn, and no mix earns more."""
    smallest = min((use.tensor_parallel for use in kind.uses), default=1)
    room = kind.accelerators // smallest * smallest
    found = np.zeros(len(kind.uses))
    for u, use in enumerate(kind.uses):
        value = worth[use.demands]
        if kind.usd_per_hour_of is not None:
            value = value - kind.usd_per_hour_of[use.demands]
        tiny = use.needed < TINY_WORK  # a replica may take all of each, but not more than all
        replica = float((value[~tiny] / use.needed[~tiny]).max(initial=0.0))
        replica += float(np.maximum(value[tiny], 0.0).sum())
        found[u] = replica * (use.slots if len(kind.uses) == 1 else room / use.tensor_parallel)
    return found
