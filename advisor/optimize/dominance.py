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


@dataclass(frozen=True, slots=True)
class Shape:
    """What an instance can do, apart from price and limits."""

    accelerators: int
    degrees: dict[int, NDArray[np.float64]]  #: requests per second of one replica, per demand, by degree
    all_degrees: dict[int, NDArray[np.float64]]  #: before degrees were dropped

    def slots(self, tensor_parallel: int) -> int:
        """Replicas of that degree on one instance; what is left over idles."""
        return self.accelerators // tensor_parallel

    def most_per_instance(self) -> NDArray[np.float64]:
        """Per demand, a rate that no packing of the instance exceeds, relative to shares of the instance.

        With one degree it is attained. With several, a packing gives degree k the share n_k·k/g of the
        accelerators, and those shares sum to at most 1, so max over k of (g/k)·rate bounds every mix.
        """
        if len(self.degrees) == 1:
            ((tensor_parallel, rate),) = self.degrees.items()
            return self.slots(tensor_parallel) * rate
        return np.max([rate * (self.accelerators / k) for k, rate in self.degrees.items()], axis=0)  # type: ignore[no-any-return]


def reduced_degrees(shape: Shape) -> dict[int, NDArray[np.float64]]:
    """The degrees that are needed.

    A replica of degree K is replaced by K/k replicas of degree k on the same accelerators if together they
    are at least as fast for every demand. The other way round, one replica of degree K replaces everything
    smaller if K divides the instance and is at least as fast as the K/k replicas it displaces, for every
    smaller k: then each block of K accelerators, however it was mixed, may run one replica of degree K
    instead.
    """
    kept = dict(shape.degrees)
    for small in shape.degrees:
        for large in shape.degrees:
            if (
                small < large
                and small in kept
                and large in kept
                and (kept[large] <= large // small * kept[small]).all()
            ):
                del kept[large]
    for large in sorted(kept, reverse=True):
        smaller = [k for k in kept if k < large]
        if shape.accelerators % large == 0 and all(
            (kept[large] >= large // k * kept[k]).all() for k in smaller
        ):
            return {k: rate for k, rate in kept.items() if k >= large}
    return kept


def undominated(
    entries: list[tuple[Column, Shape, bool]], labels: list[int], free_units: dict[str, Decimal]
) -> list[int]:
    """The labels of columns that no single other column replaces, in the order given.

    g goes if there is an h and a whole m >= 1 with m·price_h <= price_g, m·draw_h <= draw_g in every pool of
    ``free_units``, no stock of h that can bind, and m instances of h able to carry whatever one g carries.
    Dominance is transitive, so only survivors need to be compared. Of equals, the first by id survives.

    Args:
        entries: column, its shape, and whether its stock can bind.
        labels: what to return for each.
        free_units: pools that can bind.
    """
    entries, labels = _cheapest_of_equals(entries, labels, free_units)
    if len(entries) < 2:
        return labels
    most = np.array([shape.most_per_instance() for _, shape, _ in entries])
    prices, exact = _whole_prices([column for column, _, _ in entries])
    order = np.array(sorted(range(len(entries)), key=lambda i: (prices[i], -most[i].sum(), entries[i][0].id)))
    draws = _draw_matrix([column for column, _, _ in entries], free_units)
    several = np.array([len(shape.degrees) > 1 for _, shape, _ in entries])
    alive = np.ones(len(entries), dtype=bool)
    for position, h in enumerate(order):
        if not alive[h] or entries[h][2]:
            continue
        later = order[position + 1 :]
        later = later[alive[later]]
        times = _times(prices, draws, int(h), later, exact=exact)
        later, times = later[times >= 1], times[times >= 1]
        if not later.size:
            continue
        gone = _carries(entries[h][1], most[later], times)
        for place in np.flatnonzero(~gone & several[later]):
            gone[place] = _carries_each_degree(entries[h][1], entries[later[place]][1], int(times[place]))
        alive[later[gone]] = False
    return [label for label, lives in zip(labels, alive, strict=True) if lives]


def _cheapest_of_equals(
    entries: list[tuple[Column, Shape, bool]], labels: list[int], free_units: dict[str, Decimal]
) -> tuple[list[tuple[Column, Shape, bool]], list[int]]:
    """One column per shape and draws: the cheapest whose stock cannot bind, and those whose stock can."""
    best: dict[tuple[int, tuple[tuple[str, Decimal], ...]], int] = {}
    stocked = []
    for i, (column, shape, stock_binds) in enumerate(entries):
        if stock_binds:
            stocked.append(i)
            continue
        key = (id(shape), tuple(sorted(draw for draw in column.draws if draw[0] in free_units)))
        rival = best.get(key)
        if rival is None or (column.usd_per_hour, column.id) < (
            entries[rival][0].usd_per_hour,
            entries[rival][0].id,
        ):
            best[key] = i
    chosen = sorted([*best.values(), *stocked])
    return [entries[i] for i in chosen], [labels[i] for i in chosen]


def _whole_prices(columns: list[Column]) -> tuple[NDArray[np.float64], bool]:
    """Prices in a common smallest unit, and whether float64 holds them exactly."""
    places = max(-int(column.usd_per_hour.normalize().as_tuple().exponent) for column in columns)
    whole = [int(column.usd_per_hour.scaleb(max(places, 0))) for column in columns]
    return np.array([float(price) for price in whole]), max(whole) < _EXACT


def _draw_matrix(columns: list[Column], free_units: dict[str, Decimal]) -> NDArray[np.float64]:
    place = {pool: p for p, pool in enumerate(sorted(free_units))}
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


def _carries(shape: Shape, most: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether ``times`` instances, all at one degree, carry what one instance of each other can at most."""
    gone = np.zeros(len(most), dtype=bool)
    for tensor_parallel, rate in shape.degrees.items():
        capacity = shape.slots(tensor_parallel) * rate
        gone |= (times[:, None] * capacity >= most).all(axis=1)
    return gone


def _carries_each_degree(shape: Shape, other: Shape, times: int) -> bool:
    """Whether every replica of the other has a place and a match of its own degree on ``times`` instances.

    If row by row at least as many slots exist, a packing of the other packs here too (see formulation's
    proof).
    """
    return all(
        k in shape.all_degrees
        and times * shape.slots(k) >= other.slots(k)
        and bool((shape.all_degrees[k] >= rate).all())
        for k, rate in other.degrees.items()
    )
