"""A day the fleet must get through: the plain one, or a case of a contingency, with a routing of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.optimize.arrays import INFINITY, Sum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from advisor.optimize.arrays import Arrays
    from advisor.optimize.reduced import Reduced

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

SMALLEST_COEFFICIENT: Final = 1e-9
"""HiGHS ignores smaller ones (option small_matrix_value); work is rounded up to it, never to nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class ReplicaPool:
    """The replicas of one use on one kind of instance, and the shares of demands they carry."""

    kind: int
    use: int
    service: int
    tensor_parallel: int
    shares: int  #: column of the first share; one per demand
    demands: Indices
    needed: Floats  #: replicas that would carry all of each demand on that day
    replicas: Sum


@dataclass(slots=True, eq=False)
class DayColumns:
    """Its columns, and how much of every demand must be served."""

    label: str  #: of rows: empty for the plain day, ``e1_`` for the first case
    standing: Mapping[int, Sum]  #: per kind: instances that work on that day
    services: frozenset[int]
    pools: list[ReplicaPool] = field(default_factory=list)
    flows: dict[tuple[int, int, int], int] = field(default_factory=dict)  #: (demand, stream, place) -> column
    keeps: float = 1.0  #: of every demand, in units of a share
    at_most: bool = False  #: serving less is allowed
    of: DayColumns | None = None  #: keeps that part of what this day serves, rather than of the whole
    least: int | None = None  #: a column: at least this share of every demand
    parts: Mapping[tuple[int, int | None], float] | None = None
    """What counts as all of a (demand, stream) for ``least``, where a budget leaves some unserved."""
    overload: int | None = None  #: a column: how much of every pool's replicas may be used


def demands_of(day: DayColumns, reduced: Reduced) -> list[int]:
    """The merged demands that count on that day."""
    return [b for b, service in enumerate(reduced.demand_service) if service in day.services]


def add_pools(
    arrays: Arrays,
    day: DayColumns,
    reduced: Reduced,
    needed: Callable[[int, int], Floats],
    *,
    prefix: str = "",
    slices: int | None = None,
    replicas: Mapping[tuple[int, int], int] | None = None,
    whole: bool = True,
) -> None:
    """Replica and share columns of every kind that stands.

    A kind with one use has no replica columns: its replicas are slots times instances.

    Args:
        arrays: gets the columns.
        day: gets the pools.
        reduced: from presolve.
        needed: replicas per demand of (kind, use); infinite where it cannot serve.
        prefix: of column names.
        slices: shares are whole numbers of this many slices.
        replicas: if they are no longer a question; a pool without any has no columns.
        whole: replicas are whole numbers.
    """
    for p, standing in day.standing.items():
        kind = reduced.kinds[p]
        for u, use in enumerate(kind.uses):
            if use.service not in day.services:
                continue
            k, s = use.tensor_parallel, use.service
            if replicas is not None:
                held = Sum(standing.index[:0], standing.value[:0], float(replicas.get((p, u), 0)))
                if not held.constant:
                    continue
            elif len(kind.uses) == 1:
                held = standing.times(use.slots)
            else:
                column = arrays.add(f"{prefix}r{p}_{s}_{k}", integer=whole)
                held = Sum(np.array([column]), np.ones(1))
            work = needed(p, u)
            can = np.isfinite(work)
            demands = use.demands[can]
            start = arrays.add(
                f"{prefix}s{p}_{k}_",
                0.0,
                INFINITY if slices is None else slices,
                integer=slices is not None,
                over=demands.tolist(),
            )
            day.pools.append(ReplicaPool(p, u, s, k, start, demands, work[can], held))


def add_flows(arrays: Arrays, day: DayColumns, reduced: Reduced, *, prefix: str = "") -> None:
    """Flow columns for services whose origins may not all be served from the same places."""
    places = {(b, reduced.kinds[pool.kind].place) for pool in day.pools for b in pool.demands.tolist()}
    for b in demands_of(day, reduced):
        streams = reduced.streams(b)
        if len(streams) > 1:
            for j, stream in enumerate(streams):
                there = [place for place in sorted(stream.places) if (b, place) in places]
                first = arrays.add(f"{prefix}f{b}_{j}_", over=there)
                day.flows.update({(b, j, place): first + i for i, place in enumerate(there)})


def shares_by_demand(day: DayColumns, reduced: Reduced) -> Iterator[tuple[int, Indices, Indices]]:
    """(demand, columns of its shares, their places), for every demand that counts on that day."""
    if day.pools:
        demand = np.concatenate([pool.demands for pool in day.pools])
        column = np.concatenate([pool.shares + np.arange(len(pool.demands)) for pool in day.pools])
        place = np.concatenate(
            [np.full(len(pool.demands), reduced.kinds[pool.kind].place) for pool in day.pools]
        )
    else:
        demand = column = place = np.zeros(0, dtype=np.intp)
    order = np.argsort(demand, kind="stable")
    edges = np.searchsorted(demand[order], np.arange(len(reduced.groups) + 1))
    for b in demands_of(day, reduced):
        mine = order[edges[b] : edges[b + 1]]
        yield b, column[mine], place[mine]


def served(day: DayColumns, reduced: Reduced) -> dict[tuple[int, int | None], Sum]:
    """What a day serves of every demand with one stream, and of each stream of the others, in its columns."""
    found: dict[tuple[int, int | None], Sum] = {
        (b, None): Sum(columns, np.ones(len(columns)))
        for b, columns, _ in shares_by_demand(day, reduced)
        if len(reduced.streams(b)) == 1
    }
    flows: dict[tuple[int, int], list[int]] = {}
    for (b, j, _), column in day.flows.items():
        flows.setdefault((b, j), []).append(column)
    for b in demands_of(day, reduced):
        streams = reduced.streams(b)
        for j in range(len(streams) if len(streams) > 1 else 0):
            columns = flows.get((b, j), [])
            found[b, j] = Sum(np.array(columns, dtype=np.intp), np.ones(len(columns)))
    return found
