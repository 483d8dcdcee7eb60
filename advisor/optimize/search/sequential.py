"""Problems too large to write down whole: a fleet bought for one service after the other, and a bound.

The market is first seen through prices (:mod:`~advisor.optimize.bounds.column_generation`). What is cheap
and scarce has a rent there: what it saves beside the best that is not. The smallest service buys first, from
the offers near its prices and from what stock and quotas are left, and pays most of the rents, so that it
leaves alone what others need more. Then every service in turn, the largest first, gives back what it has and
buys again without rents: what is scarce and still there costs no more than its price. That goes on while it
saves.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.optimize import formulation
from advisor.optimize.bounds.column_generation import ValuedMarket, valued_market
from advisor.optimize.bounds.lagrangian import market_bound
from advisor.optimize.bounds.reduced_cost_fixing import is_large, solve_large
from advisor.optimize.effort import Effort
from advisor.optimize.formulation import ProgrammeAnswer, SolverVerdict
from advisor.optimize.rules import traits_of
from advisor.optimize.search.rounding import side_usd_of
from advisor.optimize.subproblem import part_of, translated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from advisor.optimize.reduced import Reduced

    Floats = NDArray[np.float64]

HUGE: Final = 120_000
"""Shares from which a problem is not written down whole (benchmarks/README.md)."""

_PRICED, _BOUGHT = 0.45, 0.65  # of the time, when the step ends at the latest
_AT_ONCE: Final = 0.05  # of the time, for one service's second thoughts
_ASKED: Final = 0.9  # of the rents: whoever finds an offer worth all of them takes it before its equals
_NEAR: Final = 0.05  # of an offer's price: how far from paying for itself it may be to be looked at
_SAVES: Final = 1e-9  # relative
_LEAST_S: Final = 0.5
_CENT: Final = Decimal("0.000001")


def is_huge(reduced: Reduced) -> bool:
    """Whether a problem is to be seen through prices; only quotas, stock and change may couple it."""
    traits = traits_of(reduced.problem)
    if not (traits.separable and traits.replicas_interchangeable):
        return False
    return sum(len(use.demands) for kind in reduced.kinds for use in kind.uses) > HUGE


def solve_huge(reduced: Reduced, effort: Effort) -> ProgrammeAnswer | None:
    """A fleet and a bound on the cost of any; None if this way finds no fleet."""
    whole_s = effort.left()
    buying = effort.within(_BOUGHT * whole_s)
    valued = valued_market(reduced, effort.within(_PRICED * whole_s))
    purchases = _Purchases(reduced, valued, effort.at_gap(effort.relative_gap / 2))
    if not purchases.buy(buying):
        return None
    if purchases.close_enough():
        return purchases.together(valued.bound)
    with ThreadPoolExecutor(1) as beside:  # HiGHS runs without the interpreter's lock
        bound = beside.submit(market_bound, reduced, valued, effort)
        purchases.improve(effort, _AT_ONCE * whole_s)
        return purchases.together(max(valued.bound, bound.result()))


class _Purchases:
    """What each service has bought, and what is left for the others."""

    def __init__(self, reduced: Reduced, valued: ValuedMarket, effort: Effort) -> None:
        """``effort`` is that of one service's purchase, as far as it is not told another time."""
        self._reduced, self._valued, self._effort = reduced, valued, effort
        self._price = np.array([float(x.usd_per_hour) for x in reduced.candidates])
        self._draws = {
            pool: np.array([float(dict(x.draws).get(pool, 0)) for x in reduced.candidates])
            for pool in valued.quota_usd
            if valued.quota_usd[pool] > 0
        }
        self._left = dict(reduced.free_units)
        self._stock = [x.max_instances for x in reduced.candidates]
        self._order = sorted(set(reduced.demand_service), key=lambda s: (valued.worth[s], s))
        self._parts: dict[int, ProgrammeAnswer] = {}

    def buy(self, effort: Effort) -> bool:
        """For every service, the smallest first, most of the rents paid; whether all found something."""
        for position, s in enumerate(self._order):
            limit = effort.left(1 / (len(self._order) - position))
            part = self._bought(s, limit, rents=True) or self._bought(s, limit, rents=False)
            if part is None:
                return False
            self._keep(s, part)
        return True

    def improve(self, effort: Effort, at_once_s: float) -> None:
        """Let every service buy again, the largest first, until a round saves nothing or time is up.

        Where the fleet held matters, a service alone does not see what another one keeps: left as it is.
        """
        if self._reduced.problem.change is not None:
            return
        saved = True
        while saved and not effort.over:
            saved = False
            for s in reversed(self._order):
                if effort.over or self.close_enough():
                    return
                old = self._give_back(s)
                new = self._bought(s, min(at_once_s, effort.left()), rents=False)
                better = new is not None and self._usd_of(new) < self._usd_of(old) * (1 - _SAVES)
                self._keep(s, new if new is not None and better else old)
                saved = saved or better

    def close_enough(self) -> bool:
        """Whether the prices prove as much as was asked for."""
        return self._usd() - self._valued.bound <= 2 * self._effort.relative_gap * self._usd()

    def together(self, bound: float) -> ProgrammeAnswer:
        """The fleets of all services as one."""
        parts = [self._parts[s] for s in self._order]
        replicas: dict[tuple[int, int], float] = {}
        shares: dict[tuple[int, int, int], float] = {}
        flows: dict[tuple[int, int, int], float] = {}
        for part in parts:
            for key, count in part.replicas.items():
                replicas[key] = replicas.get(key, 0.0) + count
            shares.update(part.shares)
            flows.update(part.flows)
        instances = tuple(map(sum, zip(*(part.instances for part in parts), strict=True)))
        return ProgrammeAnswer(SolverVerdict.FEASIBLE, bound, instances, replicas, shares, flows)

    def _keep(self, service: int, part: ProgrammeAnswer) -> None:
        self._parts[service] = part
        self._move(part, 1)

    def _give_back(self, service: int) -> ProgrammeAnswer:
        part = self._parts.pop(service)
        self._move(part, -1)
        return part

    def _move(self, part: ProgrammeAnswer, sign: int) -> None:
        for c, count in enumerate(part.instances):
            bought = sign * round(count)
            self._stock[c] -= bought
            for pool, units in self._reduced.candidates[c].draws if bought else ():
                self._left[pool] -= units * bought

    def _usd(self) -> float:
        return sum(self._usd_of(part) for part in self._parts.values())

    def _usd_of(self, part: ProgrammeAnswer) -> float:
        """Of one service's purchase, side costs included."""
        return float(np.round(part.instances) @ self._price) + side_usd_of(self._reduced, part.shares)

    def _bought(self, service: int, time_limit_s: float, *, rents: bool) -> ProgrammeAnswer | None:
        """One service from what is left, in the numbers of the whole problem; from more offers if need be."""
        effort = Effort.of_seconds(time_limit_s, self._effort.relative_gap, self._effort.solver)
        extra = self._scarcity() if rents else np.zeros(len(self._price))
        now = self._what_is_left(extra)
        for near in (_NEAR, 4 * _NEAR, float("inf")):
            candidates, uses = self._near(service, near, rents=rents)
            part = part_of(now, candidates, uses, service)
            if not part.reduced.servable():
                continue
            programme = formulation.cheapest_fleet(part.reduced)
            limit = max(_LEAST_S, effort.left())
            if is_large(programme):
                answer = solve_large(programme, replace(effort, until=time.perf_counter() + limit))
            else:
                answer = formulation.run(
                    programme, limit, relative_gap=effort.relative_gap, solver=effort.solver
                )
            if answer.has_values:
                return translated(self._reduced, part, answer)
        return None

    def _scarcity(self) -> Floats:
        """Per candidate, what it costs beside its price: its rent, and its draws at the prices of quotas."""
        quotas = sum(
            (usd * self._draws[pool] for pool, usd in self._valued.quota_usd.items() if usd > 0),
            start=np.zeros(len(self._price)),
        )
        return (self._valued.rents() + quotas) * _ASKED

    def _what_is_left(self, extra: Floats) -> Reduced:
        return replace(
            self._reduced,
            candidates=tuple(
                replace(
                    x,
                    max_instances=n,
                    usd_per_hour=x.usd_per_hour + Decimal(float(more)).quantize(_CENT)
                    if more
                    else x.usd_per_hour,
                )
                for x, n, more in zip(self._reduced.candidates, self._stock, extra, strict=True)
            ),
            free_units=tuple(sorted(self._left.items())),
        )

    def _near(self, service: int, near: float, *, rents: bool) -> tuple[set[int], set[tuple[int, int]]]:
        """Offers in stock that nearly pay for themselves with this service, and what they run of it."""
        valued = self._valued
        net = np.maximum(valued.net, 0.0) if rents else valued.net
        uses: set[tuple[int, int]] = set()
        short = np.full(len(net), np.inf)
        for p, kind in enumerate(self._reduced.kinds):
            own = [u for u, use in enumerate(kind.uses) if use.service == service]
            if not own:
                continue
            earns, members = valued.earns[p], list(kind.members)
            best = float(earns[own].max())
            short[members] = net[members] + float(earns.max()) - best
            uses.update((p, u) for u in own if earns[u] >= (1 - near) * best)
        held = {c for c, x in enumerate(self._reduced.candidates) if x.held}
        in_stock = np.array(self._stock) > 0
        return held | set(np.flatnonzero((short <= near * self._price) & in_stock).tolist()), uses
