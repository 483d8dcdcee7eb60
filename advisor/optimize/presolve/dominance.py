"""Which tensor-parallel degrees and columns another one replaces at no more cost. Exact, no heuristic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from decimal import Decimal

    from numpy.typing import NDArray

    from advisor.optimize.problem import Column

_EXACT: Final = 2**53  # integers below it, and their quotients' floors, are exact in float64
_SHY: Final = 1 - 1e-12  # where they are not: rather keep a column than drop one wrongly

Degrees = dict[tuple[int, int], "NDArray[np.float64]"]


@dataclass(frozen=True, slots=True)
class InstanceShape:
    """What an instance can do, apart from price and limits."""

    accelerators: int
    degrees: Degrees  #: requests per second of one replica, per demand, by (service, degree)
    all_degrees: Degrees  #: before degrees were dropped

    def slots(self, tensor_parallel: int) -> int:
        """Replicas of that degree on one instance; what is left over idles."""
        return self.accelerators // tensor_parallel

    def most_per_instance(self) -> NDArray[np.float64]:
        """Per demand, a rate that no packing of the instance exceeds, relative to shares of the instance.

        With one degree it is attained. With several, a packing gives degree k the share n_k·k/g of the
        accelerators, and those shares sum to at most 1, so max over k of (g/k)·rate bounds every mix.
        """
        if len(self.degrees) == 1:
            (((_, tensor_parallel), rate),) = self.degrees.items()
            return self.slots(tensor_parallel) * rate
        return np.max(  # type: ignore[no-any-return]
            [rate * (self.accelerators / k) for (_, k), rate in self.degrees.items()], axis=0
        )


@dataclass(frozen=True, slots=True)
class DominanceEntry:
    """A column as dominance sees it."""

    column: Column
    shape: InstanceShape
    usd_per_hour: Decimal  #: of one more instance, the cost of starting it included
    stock_binds: bool
    stays: bool  #: it must not be dropped


def reduced_degrees(shape: InstanceShape, counted: frozenset[int] = frozenset()) -> Degrees:
    """The degrees that are needed.

    A replica of degree K is replaced by K/k replicas of degree k on the same accelerators if together they
    are at least as fast for every demand. The other way round, one replica of degree K replaces everything
    smaller if K divides the instance and is at least as fast as the K/k replicas it displaces, for every
    smaller k: then each block of K accelerators, however it was mixed, may run one replica of degree K
    instead. That needs the instance to serve one service only, and one whose replicas are not ``counted``
    by a minimum.
    """
    kept = dict(shape.degrees)
    for s, small in shape.degrees:
        for t, large in shape.degrees:
            one, other = (s, small), (t, large)
            if s != t or small >= large or one not in kept or other not in kept:
                continue
            if (kept[other] <= large // small * kept[one]).all():
                del kept[other]
    services = {s for s, _ in kept}
    if len(services) != 1 or services & counted:
        return kept
    (s,) = services
    for large in sorted((k for _, k in kept), reverse=True):
        smaller = [k for _, k in kept if k < large]
        if shape.accelerators % large == 0 and all(
            (kept[s, large] >= large // k * kept[s, k]).all() for k in smaller
        ):
            return {(s, k): rate for (_, k), rate in kept.items() if k >= large}
    return kept


def undominated(
    entries: list[DominanceEntry],
    labels: list[int],
    free_units: dict[str, Decimal],
    *,
    one_for_one: bool = False,
) -> list[int]:
    """The labels of columns that no single other column replaces, in the order given.

    g goes if there is an h and a whole m >= 1 with m·price_h <= price_g, m·draw_h <= draw_g in every pool of
    ``free_units``, no stock of h that can bind, and m instances of h able to carry whatever one g carries.
    Dominance is transitive, so only survivors need to be compared. Of equals, the first by id survives.

    Args:
        entries: columns of one coupling class.
        labels: what to return for each.
        free_units: pools that can bind.
        one_for_one: replicas are counted, so that each must be replaced by one of its own.
    """
    idle = [label for entry, label in zip(entries, labels, strict=True) if not entry.shape.degrees]
    useful = [(entry, label) for entry, label in zip(entries, labels, strict=True) if entry.shape.degrees]
    entries, labels = _cheapest_of_equals(useful, free_units)
    if len(entries) < 2:
        return sorted([*labels, *idle])
    most = np.array([entry.shape.most_per_instance() for entry in entries])
    prices, exact = _whole_prices([entry.usd_per_hour for entry in entries])
    order = np.array(
        sorted(range(len(entries)), key=lambda i: (prices[i], -most[i].sum(), entries[i].column.id))
    )
    draws = _draw_matrix([entry.column for entry in entries], free_units)
    each = np.array([one_for_one or len(entry.shape.degrees) > 1 for entry in entries])
    stays = np.array([entry.stays for entry in entries])
    alive = np.ones(len(entries), dtype=bool)
    for position, h in enumerate(order):
        if not alive[h] or entries[h].stock_binds:
            continue
        later = order[position + 1 :]
        later = later[alive[later] & ~stays[later]]
        times = _times(prices, draws, int(h), later, exact=exact)
        later, times = later[times >= 1], times[times >= 1]
        if not later.size:
            continue
        shape = entries[h].shape
        gone = np.zeros(len(later), dtype=bool) if one_for_one else _carries(shape, most[later], times)
        for place in np.flatnonzero(~gone & each[later]):
            gone[place] = _carries_each_degree(shape, entries[later[place]].shape, int(times[place]))
        alive[later[gone]] = False
    return sorted([*(label for label, lives in zip(labels, alive, strict=True) if lives), *idle])


def _cheapest_of_equals(
    useful: list[tuple[DominanceEntry, int]], free_units: dict[str, Decimal]
) -> tuple[list[DominanceEntry], list[int]]:
    """One column per shape and draws: the cheapest whose stock cannot bind, and those that stay."""
    best: dict[tuple[int, tuple[tuple[str, Decimal], ...]], int] = {}
    staying = []
    for i, (entry, _) in enumerate(useful):
        if entry.stock_binds or entry.stays:
            staying.append(i)
            continue
        key = (id(entry.shape), tuple(sorted(draw for draw in entry.column.draws if draw[0] in free_units)))
        rival = best.get(key)
        if rival is None or _rank(entry) < _rank(useful[rival][0]):
            best[key] = i
    chosen = sorted([*best.values(), *staying])
    return [useful[i][0] for i in chosen], [useful[i][1] for i in chosen]


def _rank(entry: DominanceEntry) -> tuple[Decimal, str]:
    return entry.usd_per_hour, entry.column.id


def _whole_prices(usd_per_hour: list[Decimal]) -> tuple[NDArray[np.float64], bool]:
    """Prices in a common smallest unit, and whether float64 holds them exactly."""
    places = max(-int(usd.normalize().as_tuple().exponent) for usd in usd_per_hour)
    whole = [int(usd.scaleb(max(places, 0))) for usd in usd_per_hour]
    return np.array([float(price) for price in whole]), max(whole) < _EXACT


def _draw_matrix(columns: list[Column], free_units: dict[str, Decimal]) -> NDArray[np.float64]:
    drawn = {pool for column in columns for pool, _ in column.draws if pool in free_units}
    place = {pool: p for p, pool in enumerate(sorted(drawn))}
    draws = np.zeros((len(columns), len(place)))
    for i, column in enumerate(columns):
        for pool, units in column.draws:
            if pool in place:
                draws[i, place[pool]] += float(units)
    return draws


def _times(
    prices: NDArray[np.float64], draws: NDArray[np.float64], h: int, others: NDArray[np.intp], *, exact: bool
) -> NDArray[np.float64]:
    """The most instances of h that cost and draw no more than one of each of the others."""
    if prices[h] > 0:
        times = np.floor(prices[others] / prices[h] * (1.0 if exact else _SHY))
        times = np.maximum(times, 1.0)  # the others cost no less
    else:
        times = np.full(others.size, float(2**31))
    for pool in np.flatnonzero(draws[h]):
        times = np.minimum(times, np.floor(draws[others, pool] / draws[h, pool]))
    return np.asarray(times)


def _carries(
    shape: InstanceShape, most: NDArray[np.float64], times: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether ``times`` instances, all at one degree, carry what one instance of each other can at most."""
    gone = np.zeros(len(most), dtype=bool)
    for (_, tensor_parallel), rate in shape.degrees.items():
        capacity = shape.slots(tensor_parallel) * rate
        gone |= (times[:, None] * capacity >= most).all(axis=1)
    return gone


def _carries_each_degree(shape: InstanceShape, other: InstanceShape, times: int) -> bool:
    """Whether every replica of the other has a place and a match of its own degree on ``times`` instances.

    If row by row at least as many slots exist, a packing of the other packs here too (see formulation's
    proof).
    """
    return all(
        (service, k) in shape.all_degrees
        and times * shape.slots(k) >= other.slots(k)
        and bool((shape.all_degrees[service, k] >= rate).all())
        for (service, k), rate in other.degrees.items()
    )
