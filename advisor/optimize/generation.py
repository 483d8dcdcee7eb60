"""Problems too large to write down whole: a market seen through prices, and services bought for one by one.

Ten services, five user regions and ten thousand offers make hundreds of thousands of columns, of which a
fleet needs some hundred. A relaxation over a few offers says what serving each demand is worth and what a
unit of each quota costs; at those prices every offer is valued without a programme, and those that would earn
more than they cost come in, until none does (column generation). At any prices, what all demands are worth,
less what quotas cost, less what all offers could earn, bounds the cost of every fleet (Lagrange).

The fleet is then bought service by service, the largest first, each from the offers near its prices and from
what quotas and stock the earlier ones left.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.optimize import formulation
from advisor.optimize.formulation import SMALLEST_COEFFICIENT, Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Set

    from numpy.typing import NDArray

    from advisor.optimize.presolve import Kind, Reduced

    Floats = NDArray[np.float64]
    Stream = tuple[int, int | None]

HUGE: Final = 120_000
"""Shares from which a problem is not written down whole (benchmarks/README.md)."""

_PENALTY: Final = 20.0  # times the least a demand could cost: the price of leaving it unserved
_FIRST: Final = 2.0  # the same, before anything is known
_CLOSE: Final = 1e-4  # relative: relaxation and bound are this near at the end
_RELAX_SHARE: Final = 0.5  # of the time, at most
_EARNS: Final = 1e-6  # of an offer's price: below it is noise
_PER_ROUND: Final = 150  # offers that come in at once
_PER_KIND: Final = 3
_USES: Final = 2  # of a kind that come in with it
_NEAR: Final = 0.05  # of an offer's price: how far from paying for itself it may be to be looked at


@dataclass(frozen=True, slots=True, eq=False)
class _Valued:
    """Every offer at some prices."""

    bound: float
    net: Floats  #: per candidate: price and quotas less what it could earn
    earns: tuple[Floats, ...]  #: per kind and use: what an instance full of it earns


def is_huge(reduced: Reduced) -> bool:
    """Whether a problem is to be seen through prices; only quotas, stock and change may couple it."""
    problem = reduced.problem
    coupled = problem.contingencies or problem.most_distinct or problem.budget_usd_per_hour is not None
    if coupled or any(terms.min_replicas for terms in problem.services):
        return False
    return sum(len(use.demands) for kind in reduced.kinds for use in kind.uses) > HUGE


def solve_huge(reduced: Reduced, *, time_limit_s: float, relative_gap: float) -> Answer | None:
    """A fleet and a bound on the cost of any; None if this way finds no fleet."""
    started = time.perf_counter()
    prices = _Prices(reduced)
    valued = prices.generate(started + _RELAX_SHARE * time_limit_s)
    until = started + time_limit_s
    left, stock = dict(reduced.free_units), [x.max_instances for x in reduced.candidates]
    parts = []
    order = sorted(range(len(reduced.problem.services)), key=lambda s: (-prices.worth_of(s), s))
    for position, s in enumerate(order):
        if s not in reduced.demand_service:
            continue
        limit = (until - time.perf_counter()) / (len(order) - position)
        now = replace(
            reduced,
            candidates=tuple(
                replace(x, max_instances=n) for x, n in zip(reduced.candidates, stock, strict=True)
            ),
            free_units=tuple(sorted(left.items())),
        )
        part = _bought(now, s, valued, limit, relative_gap)
        if part is None:
            return None
        for c, count in enumerate(part.instances):
            bought = round(count)
            stock[c] -= bought
            for pool, units in reduced.candidates[c].draws if bought else ():
                left[pool] -= units * bought
        parts.append(part)
    return _together(parts, valued.bound)


def least_cost(reduced: Reduced, time_limit_s: float) -> float:
    """The bound alone."""
    return _Prices(reduced).generate(time.perf_counter() + time_limit_s).bound


class _Prices:
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

    def worth_of(self, service: int) -> float:
        """What all demands of a service are worth."""
        return sum(
            self._demand[key] * share
            for key, share, _ in self._streams
            if self._reduced.demand_service[key[0]] == service
        )

    def _penalties(self) -> dict[Stream, float]:
        """Several times what serving a stream costs on the cheapest offer, were it for sale in parts."""
        reduced = self._reduced
        least = np.full((len(reduced.places.serves), len(reduced.groups)), np.inf)
        for p, kind in enumerate(reduced.kinds):
            usd = self._usd(self._cheapest[p])
            for use in kind.uses:
                side = 0.0 if kind.usd_per_hour_of is None else kind.usd_per_hour_of[use.demands]
                cost = usd / use.slots * use.needed + side
                least[kind.place, use.demands] = np.minimum(least[kind.place, use.demands], cost)
        return {
            key: _PENALTY * float(min(least[at, key[0]] for at in places)) for key, _, places in self._streams
        }

    def value(self) -> _Valued:
        """Every offer at the prices of now."""
        reduced = self._reduced
        worth = np.zeros((len(reduced.places.serves), len(reduced.groups)))
        for key, _, places in self._streams:
            for at in places:
                worth[at, key[0]] = max(worth[at, key[0]], self._demand[key])
        earns = tuple(_earned(kind, worth[kind.place]) for kind in reduced.kinds)
        most = [float(each.max(initial=0.0)) for each in earns]
        net = np.array(
            [
                float(x.usd_per_hour)
                + sum(self._quota.get(pool, 0.0) * float(units) for pool, units in x.draws)
                - most[x.kind]
                for x in reduced.candidates
            ]
        )
        bound = sum(self._demand[key] * share for key, share, _ in self._streams)
        bound -= sum(self._quota.get(pool, 0.0) * float(free) for pool, free in reduced.free_units)
        bound += sum(formulation.least_cost_of(reduced, c, float(usd)) for c, usd in enumerate(net))
        return _Valued(bound, net, earns)

    def generate(self, until: float) -> _Valued:
        """Prices at which no offer outside would earn more than it costs, or the best there was time for."""
        reduced = self._reduced
        candidates = {c for c, x in enumerate(reduced.candidates) if x.held}
        uses: set[tuple[int, int]] = set()
        valued = best = self.value()
        while True:
            before = len(candidates), len(uses)
            self._enter(valued, candidates, uses)
            if (len(candidates), len(uses)) == before or time.perf_counter() >= until:
                return best
            part = _part(reduced, candidates, uses)
            programme = formulation.most_worthwhile(part.reduced, self._penalty)
            relaxed = formulation.relax(programme.model, until - time.perf_counter())
            if relaxed is None:
                return best
            dual = {row.name: float(relaxed.dual[i]) for i, row in enumerate(programme.model.rows)}
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

    def _enter(self, valued: _Valued, candidates: set[int], uses: set[tuple[int, int]]) -> None:
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


def _best_uses(valued: _Valued, p: int) -> list[int]:
    """Of a kind, those that earn nearly as much as the best, a few at most."""
    earns = valued.earns[p]
    good = np.flatnonzero(earns >= 0.9 * earns.max(initial=0.0))
    return good[np.argsort(-earns[good], kind="stable")[:_USES]].tolist()  # type: ignore[no-any-return]


def _earned(kind: Kind, worth: Floats) -> Floats:
    """Per use, no less than what an instance that runs nothing else could earn, and no mix earns more."""
    smallest = min((use.tensor_parallel for use in kind.uses), default=1)
    room = kind.accelerators // smallest * smallest
    found = np.zeros(len(kind.uses))
    for u, use in enumerate(kind.uses):
        value = worth[use.demands]
        if kind.usd_per_hour_of is not None:
            value = value - kind.usd_per_hour_of[use.demands]
        replica = float((value / np.maximum(use.needed, SMALLEST_COEFFICIENT)).max(initial=0.0))
        found[u] = replica * (use.slots if len(kind.uses) == 1 else room / use.tensor_parallel)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A smaller problem, and what its numbers are in the larger one."""

    reduced: Reduced
    candidates: tuple[int, ...]
    uses: tuple[tuple[tuple[int, int], ...], ...]  #: per kind and use: (kind, use)
    demands: tuple[int, ...]


def _part(
    reduced: Reduced, candidates: Set[int], uses: Set[tuple[int, int]], service: int | None = None
) -> _Part:
    """Only some offers, what they run, and maybe one service."""
    demands = [b for b, s in enumerate(reduced.demand_service) if service in (None, s)]
    at = np.full(len(reduced.groups), -1, dtype=np.intp)
    at[demands] = np.arange(len(demands))
    chosen: dict[int, list[int]] = {}
    for c in sorted(candidates):
        chosen.setdefault(reduced.candidates[c].kind, []).append(c)
    kinds: list[Kind] = []
    kept: list[list[int]] = []
    runs: list[tuple[tuple[int, int], ...]] = []
    order: list[tuple[int, int]] = []
    for p, members in sorted(chosen.items()):
        kind = reduced.kinds[p]
        own = [
            u
            for u, use in enumerate(kind.uses)
            if (p, u) in uses and (service is None or use.service == service)
        ]
        if not own and not any(reduced.candidates[c].held for c in members):
            continue
        side = None if kind.usd_per_hour_of is None else kind.usd_per_hour_of[demands]
        order += [(c, len(kinds)) for c in members]
        runs.append(tuple((p, u) for u in own))
        kept.append(members)
        kinds.append(
            replace(
                kind,
                uses=tuple(replace(kind.uses[u], demands=at[kind.uses[u].demands]) for u in own),
                usd_per_hour_of=side,
            )
        )
    order.sort()
    place = {c: i for i, (c, _) in enumerate(order)}
    kinds = [
        replace(kind, members=tuple(place[c] for c in members))
        for kind, members in zip(kinds, kept, strict=True)
    ]
    small = replace(
        reduced,
        candidates=tuple(replace(reduced.candidates[c], kind=p) for c, p in order),
        kinds=tuple(kinds),
        groups=tuple(reduced.groups[b] for b in demands),
        demand_requests_per_s=tuple(reduced.demand_requests_per_s[b] for b in demands),
        demand_service=tuple(reduced.demand_service[b] for b in demands),
    )
    return _Part(small, tuple(c for c, _ in order), tuple(runs), tuple(demands))


def _bought(
    reduced: Reduced, service: int, valued: _Valued, time_limit_s: float, relative_gap: float
) -> Answer | None:
    """One service from what is left, in the numbers of the whole problem; from more offers if need be."""
    price = np.array([float(x.usd_per_hour) for x in reduced.candidates])
    until = time.perf_counter() + time_limit_s
    stock = np.array([x.max_instances for x in reduced.candidates])
    for near in (_NEAR, 4 * _NEAR, float("inf")):
        uses: set[tuple[int, int]] = set()
        short = np.full(len(price), np.inf)
        for p, kind in enumerate(reduced.kinds):
            own = [u for u, use in enumerate(kind.uses) if use.service == service]
            if not own:
                continue
            most, members = float(valued.earns[p].max()), list(kind.members)
            best = float(valued.earns[p][own].max())
            short[members] = valued.net[members] + most - best
            uses.update((p, u) for u in own if valued.earns[p][u] >= (1 - near) * best)
        held = {c for c, x in enumerate(reduced.candidates) if x.held}
        candidates = held | set(np.flatnonzero((short <= near * price) & (stock > 0)).tolist())
        part = _part(reduced, candidates, uses, service)
        if not part.reduced.servable():
            continue
        programme = formulation.cheapest_fleet(part.reduced)
        search = formulation.solve_guided if formulation.is_large(programme) else formulation.run
        limit = max(0.5, until - time.perf_counter())
        answer = search(programme, time_limit_s=limit, relative_gap=relative_gap / 2)
        if answer.has_values:
            return _translated(reduced, part, answer)
    return None


def _translated(reduced: Reduced, part: _Part, answer: Answer) -> Answer:
    counts = [0.0] * len(reduced.candidates)
    for c, count in zip(part.candidates, answer.instances, strict=True):
        counts[c] = count
    replicas = {part.uses[p][u]: count for (p, u), count in answer.replicas.items()}
    for p, kind in enumerate(part.reduced.kinds):
        if len(kind.uses) == 1:
            bought = sum(answer.instances[c] for c in kind.members)
            replicas[part.uses[p][0]] = kind.uses[0].slots * bought
    return replace(
        answer,
        instances=tuple(counts),
        replicas=replicas,
        shares={(*part.uses[p][u], part.demands[b]): share for (p, u, b), share in answer.shares.items()},
        flows={(part.demands[b], j, place): flow for (b, j, place), flow in answer.flows.items()},
    )


def _together(parts: list[Answer], bound: float) -> Answer:
    """The fleets of all services as one."""
    replicas: dict[tuple[int, int], float] = {}
    shares: dict[tuple[int, int, int], float] = {}
    flows: dict[tuple[int, int, int], float] = {}
    for part in parts:
        for key, count in part.replicas.items():
            replicas[key] = replicas.get(key, 0.0) + count
        shares.update(part.shares)
        flows.update(part.flows)
    instances = tuple(map(sum, zip(*(part.instances for part in parts), strict=True)))
    return Answer(Outcome.FEASIBLE, bound, instances, replicas, shares, flows)
