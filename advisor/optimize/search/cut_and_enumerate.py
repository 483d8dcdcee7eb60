"""The cheapest fleet by walking up the prices: the first fleet that carries the load is the optimum.

For plain problems (:func:`~advisor.optimize.rules.is_plain`) of a few candidates, each with one useful
degree, and no pool that can bind; others are left to the solver's own branch and bound. ``need[c,b]`` is how
many instances of c would carry all of demand b.

What a fleet can carry. For any weights w >= 0 on candidates, however the demands are split,

    sum over c of w[c] · instances[c]  >=  L(w)  =  sum over b of the least w[c] · need[c,b],

because the work on c is at most instances[c], and every demand costs at least its least weight. A fleet
that breaks one such inequality (a *cut*) cannot carry the load; by LP duality one that cannot breaks some
cut, namely that of the duals of the routing LP. At w = usd_per_hour the cut bounds the cost of every fleet:
it is the LP relaxation, each demand wholly on its cheapest candidate.

The walk. Take the fleets that cost at most a limit a little above that bound. With the price of one
candidate c replaced by t, the cut says

    (usd_per_hour[c] - t) · instances[c]  <=  limit - L(usd_per_hour with t for c),

which holds instances[c] between two numbers; the best t are those where a demand changes sides. So the fleets
within the limit lie in a box, which is listed in full and thinned by all cuts. What is left is tried in
order of cost, ties by counts: the routing LP either carries it, and every cheaper fleet has been ruled out,
or yields the cut that rules it out, and others with it. If nothing is left the limit is raised, at most to
the cost of the fleet that carries each demand on its cheapest candidate.

A cut rules a fleet out only by more than the relative ``SLACK`` of the final check, so that rounding of L
never does. Whatever does not fit this scheme (too large a box, too many LPs, a fleet that neither holds nor
breaks a cut) is given up on, never guessed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.optimize.formulation import ProgrammeAnswer, SolverVerdict, WarmRouting
from advisor.optimize.rules import is_plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from advisor.optimize.effort import Effort
    from advisor.optimize.reduced import Reduced

    Floats = NDArray[np.float64]

SLACK: Final = 1e-9  # relative; as in the final check
MOST_CANDIDATES: Final = 10
MOST_DEMANDS: Final = 400
MOST_FLEETS: Final = 20_000  # in a box
MOST_LPS: Final = 40  # beyond, branch and bound is faster
_SWITCHES: Final = 48  # prices tried per candidate
_ROOM: Final = 1e-7  # added to box edges before rounding; a box too large is only slower


@dataclass(frozen=True, slots=True)
class _Cuts:
    """Rows of weights · instances >= least."""

    weights: Floats  #: (cuts, candidates)
    least: Floats

    def allow(self, fleets: Floats) -> NDArray[np.bool_]:
        """Which fleets break none of them."""
        return np.asarray((fleets @ self.weights.T >= self.least * (1 - SLACK)).all(axis=1))


class _GivenUp(Exception):
    """The problem does not fit the scheme after all."""


def cheapest_first(reduced: Reduced, effort: Effort) -> ProgrammeAnswer | None:
    """The proved optimum, its bound equal to its cost; None if the problem is not of this kind.

    Args:
        reduced: from presolve; every demand can be served.
        effort: after whose time to give up.
    """
    if not _of_this_kind(reduced):
        return None
    try:
        return _Walk(reduced, effort).up()
    except _GivenUp:
        return None


class _Walk:
    """One problem's arrays, and the cuts known so far."""

    def __init__(self, reduced: Reduced, effort: Effort) -> None:
        self._reduced, self._effort, self._lps = reduced, effort, 0
        self._need = _instances_needed(reduced)
        self._usd = np.array([float(x.usd_per_hour) for x in reduced.candidates])
        self._most = np.array([x.max_instances for x in reduced.candidates], dtype=np.float64)
        self._one_price = _one_price_changed(self._usd, self._need)
        self._cuts = _joined([_somebody_serves(self._need), *self._one_price])
        self._routing = WarmRouting(self._need, self._usd)

    def up(self) -> ProgrammeAnswer | None:
        """The first fleet that carries the load; None if stock forbids the fleet that surely would."""
        bound = _least(self._usd, self._need)
        enough = float(self._usd @ np.ceil(_work_at_cheapest(self._usd, self._need)))
        tried_up_to, step = 0.0, min(float(self._usd.min()), enough - bound) / 2 + SLACK * enough
        while tried_up_to < enough:
            limit = min(bound + step, enough * (1 + SLACK))
            fleets = _fleets_within(limit, self._usd, self._most, self._one_price)
            answer = self._first_of(fleets[fleets @ self._usd > tried_up_to * (1 - SLACK)])
            if answer is not None:
                return answer
            tried_up_to, step = limit, 2 * step
        return None

    def _first_of(self, fleets: Floats) -> ProgrammeAnswer | None:
        """The cheapest of these fleets that carries the load, if any does; cuts off all that do not."""
        fleets = _by_cost(fleets[self._cuts.allow(fleets)], self._usd)
        while len(fleets):
            self._lps += 1
            if self._lps > MOST_LPS or self._effort.over:
                raise _GivenUp
            routed = self._routing.carry(fleets[0])
            if routed is None:
                raise _GivenUp
            shares = _on_what_is_bought(routed.shares, fleets[0], self._usd, self._need)
            if shares is not None:
                return _answer(self._reduced, fleets[0], self._usd, shares)
            cut = _Cuts(routed.weights[None], np.array([_least(routed.weights, self._need)]))
            if cut.allow(fleets[:1]).any():
                raise _GivenUp
            self._cuts = _joined([self._cuts, cut])
            fleets = fleets[cut.allow(fleets)]
        return None


def _of_this_kind(reduced: Reduced) -> bool:
    return (
        is_plain(reduced.problem)
        and not reduced.free_units
        and len(reduced.candidates) <= MOST_CANDIDATES
        and len(reduced.groups) <= MOST_DEMANDS
        and all(len(kind.uses) == 1 for kind in reduced.kinds)
        and all(x.usd_per_hour > 0 for x in reduced.candidates)
    )


def _instances_needed(reduced: Reduced) -> Floats:
    """``need``; infinite where a candidate cannot serve a demand."""
    need = np.full((len(reduced.candidates), len(reduced.groups)), np.inf)
    for c, candidate in enumerate(reduced.candidates):
        (use,) = reduced.kinds[candidate.kind].uses
        need[c, use.demands] = use.needed / use.slots
    return need


def _least(weights: Floats, need: Floats) -> float:
    """L(weights). A weight of 0 makes what a candidate can serve free, but not what it cannot."""
    with np.errstate(invalid="ignore"):
        return float(np.nanmin(weights[:, None] * need, axis=0, initial=np.inf).sum())


def _work_at_cheapest(usd: Floats, need: Floats) -> Floats:
    cheapest = (usd[:, None] * need).argmin(axis=0)
    demands = np.arange(need.shape[1])
    return np.bincount(cheapest, need[cheapest, demands], minlength=len(usd)).astype(np.float64)


def _one_price_changed(usd: Floats, need: Floats) -> list[_Cuts]:
    """Per candidate, the cuts with its price replaced, at prices where a demand changes sides."""
    cost = usd[:, None] * need
    found = []
    for c in range(len(usd)):
        others = np.delete(cost, c, axis=0).min(axis=0, initial=np.inf)
        serves = np.isfinite(need[c])
        switches = np.unique(others[serves] / need[c, serves])
        switches = switches[np.isfinite(switches)]
        prices = np.concatenate([[0.0], switches[:: len(switches) // _SWITCHES + 1]])
        own = np.full((len(prices), need.shape[1]), np.inf)
        own[:, serves] = prices[:, None] * need[c, serves]
        weights = np.tile(usd, (len(prices), 1))
        weights[:, c] = prices
        found.append(_Cuts(weights, np.minimum(own, others).sum(axis=1)))
    return found


def _fleets_within(limit: float, usd: Floats, most: Floats, one_price: list[_Cuts]) -> Floats:
    """All fleets of at most ``limit`` $/h that break none of the cuts, and some that do."""
    lows, sizes = [], []
    for c, cuts in enumerate(one_price):
        saved = usd[c] - cuts.weights[:, c]
        room = limit * (1 + SLACK) - cuts.least * (1 - SLACK)
        cheaper, dearer = saved > 0, saved < 0
        high = min(float(most[c]), float((room[cheaper] / saved[cheaper]).min(initial=np.inf)))
        low = max(0.0, float((room[dearer] / saved[dearer]).max(initial=0.0)))
        lows.append(math.ceil(low - _ROOM))
        sizes.append(max(0, math.floor(high + _ROOM) - lows[-1] + 1))
    if not all(sizes):
        return np.empty((0, len(sizes)))
    if math.prod(sizes) > MOST_FLEETS:
        raise _GivenUp
    fleets = np.indices(sizes, dtype=np.float64).reshape(len(sizes), -1).T + lows
    return np.asarray(fleets[fleets @ usd <= limit])


def _joined(cuts: list[_Cuts]) -> _Cuts:
    return _Cuts(np.concatenate([c.weights for c in cuts]), np.concatenate([c.least for c in cuts]))


def _somebody_serves(need: Floats) -> _Cuts:
    """Each demand takes at least one instance of those that can serve it, however little the work."""
    serves = np.isfinite(need).T
    rows = np.array(sorted(set(map(tuple, serves.tolist()))), dtype=np.float64)
    return _Cuts(rows, np.ones(len(rows)))


def _on_what_is_bought(shares: Floats, fleet: Floats, usd: Floats, need: Floats) -> Floats | None:
    """The routing without what the solver's tolerance let flow to nobody, if the fleet carries it."""
    bought = fleet > 0
    kept = np.where(bought[:, None], shares, 0.0)
    cost = np.where(bought[:, None], usd[:, None] * need, np.inf)
    kept[cost.argmin(axis=0), np.arange(need.shape[1])] += 1.0 - kept.sum(axis=0)
    work = np.where(kept != 0, need, 0.0) * kept
    holds = (kept >= -SLACK).all() and (work.sum(axis=1) <= fleet * (1 + SLACK)).all()
    return np.maximum(kept, 0.0) if holds else None


def _by_cost(fleets: Floats, usd: Floats) -> Floats:
    cost = np.round(fleets @ usd, 9)
    return fleets[np.lexsort((*fleets.T[::-1], cost))]


def _answer(reduced: Reduced, fleet: Floats, usd: Floats, shares: Floats) -> ProgrammeAnswer:
    split: dict[tuple[int, int, int], float] = {}
    for c, b in np.argwhere(shares > 0).tolist():
        key = reduced.candidates[c].kind, 0, b
        split[key] = split.get(key, 0.0) + float(shares[c, b])
    return ProgrammeAnswer(
        SolverVerdict.OPTIMAL, float(fleet @ usd), tuple(fleet.tolist()), shares=split, certified=True
    )
