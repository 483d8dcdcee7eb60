"""Constraint families of a day: demand, routing, capacity, packing; and what is bought: quotas and stock.

One function each; the name of a row is that of its family. ``instances``, ``replicas``, ``share``, ``flow``
stand for columns; see the package's docstring for the whole programme.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.optimize.arrays import INFINITY, LinearRow, Sum, row, total
from advisor.optimize.day import SMALLEST_COEFFICIENT, served, shares_by_demand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from advisor.optimize.day import DayColumns
    from advisor.optimize.reduced import InstanceKind, Reduced

TINY_WORK: Final = 1e-6
"""Replicas of work below which the solver's tolerance is a noticeable part of it."""


def serve_demand(reduced: Reduced, day: DayColumns) -> Iterator[LinearRow]:
    """Every demand is served: sum over pools of share = 1, or what the day keeps of it.

    On a plain day with a budget at most 1; on a case of such a problem that part of what that day serves.
    Demands with several streams are served by :func:`serve_stream` instead.
    """
    yield from (row for (_, j), row in _kept("serve_demand", reduced, day) if j is None)


def serve_stream(reduced: Reduced, day: DayColumns) -> Iterator[LinearRow]:
    """Every stream of a demand is served from places it may be served from: sum of flow = its share."""
    yield from (row for (_, j), row in _kept("serve_stream", reduced, day) if j is not None)


def route(reduced: Reduced, day: DayColumns) -> Iterator[LinearRow]:
    """What flows to a place is what its pools carry: sum of share = sum over streams of flow."""
    at: dict[tuple[int, int], list[int]] = {}
    for (b, _, place), column in day.flows.items():
        at.setdefault((b, place), []).append(column)
    for b, columns, places in shares_by_demand(day, reduced):
        if len(reduced.streams(b)) > 1:
            for place in np.unique(places).tolist():
                mine, flows = columns[places == place], at.get((b, place), [])
                index = np.concatenate([mine, np.array(flows, dtype=np.intp)])
                value = np.concatenate([np.ones(len(mine)), np.full(len(flows), -1.0)])
                yield LinearRow(f"route_{day.label}{b}_{place}", index, value, 0.0, 0.0)


def _kept(
    family: str, reduced: Reduced, day: DayColumns
) -> Iterator[tuple[tuple[int, int | None], LinearRow]]:
    """What is served of every (demand, stream) is what the day keeps of it."""
    plainly = served(day.of, reduced) if day.of is not None else {}
    for (b, j), shares in served(day, reduced).items():
        name = f"{family}_{day.label}{b}" if j is None else f"{family}_{day.label}{b}_{j}"
        whole = 1.0 if j is None else reduced.streams(b)[j].share
        low, high = whole * day.keeps, whole * day.keeps
        if day.of is not None:
            shares, low, high = total([shares, plainly[b, j].times(-day.keeps)]), 0.0, 0.0
        elif day.least is not None:
            whole = whole if day.parts is None else day.parts.get((b, j), 0.0)
            shares = total([shares, Sum(np.array([day.least]), np.array([-whole]))])
            low, high = 0.0, INFINITY
        elif day.at_most:
            low = -INFINITY
        yield (b, j), LinearRow(name, shares.index, shares.value, low, high)


def replica_capacity(reduced: Reduced, day: DayColumns) -> Iterator[LinearRow]:
    """A pool carries no more than its replicas: sum over b of replicas_needed · share <= replicas."""
    whole = day.keeps if day.keeps > 1 else 1.0  # slices: shares count them
    for pool in day.pools:
        columns = pool.shares + np.arange(len(pool.demands))
        work = np.maximum(pool.needed / whole, SMALLEST_COEFFICIENT)
        name = f"replica_capacity_{day.label}{pool.kind}_{_use(reduced, pool.service, pool.tensor_parallel)}"
        if day.overload is not None:
            index = np.append(columns, day.overload)
            yield LinearRow(name, index, np.append(work, -pool.replicas.constant), -INFINITY, 0.0)
        else:
            index = np.concatenate([columns, pool.replicas.index])
            value = np.concatenate([work, -pool.replicas.value])
            yield LinearRow(name, index, value, -INFINITY, pool.replicas.constant)


def presence(reduced: Reduced, day: DayColumns) -> Iterator[LinearRow]:
    """A pool of no replicas serves nothing, however little the work: share <= replicas, where work is tiny.

    Otherwise the solver's tolerance would let a trickle flow to a machine that nobody bought.
    """
    whole = max(day.keeps, 1.0)
    for pool in day.pools:
        for i in np.flatnonzero(pool.needed < TINY_WORK).tolist():
            use = _use(reduced, pool.service, pool.tensor_parallel)
            index = np.concatenate([[pool.shares + i], pool.replicas.index])
            value = np.concatenate([[1.0], pool.replicas.value * -whole])
            name = f"presence_{day.label}{pool.kind}_{use}_{pool.demands[i]}"
            yield LinearRow(name, index, value, -INFINITY, pool.replicas.constant * whole)


def accelerator_packing(reduced: Reduced, day: DayColumns) -> Iterator[LinearRow]:
    """Replicas of all services fit: sum over degrees k' >= k of (k'/k) · replicas <= slots · instances."""
    by_kind: dict[int, list[tuple[int, Sum]]] = {}
    for pool in day.pools:
        by_kind.setdefault(pool.kind, []).append((pool.tensor_parallel, pool.replicas))
    for p, pools in by_kind.items():
        kind = reduced.kinds[p]
        if len(kind.uses) > 1:
            for k, slots in needed_packing_rows(kind):
                inside = total(held.times(degree // k) for degree, held in pools if degree >= k)
                both = total([inside, day.standing[p].times(-slots)])
                name = f"accelerator_packing_{day.label}{p}_{k}"
                yield LinearRow(name, both.index, both.value, -INFINITY, -both.constant)


def needed_packing_rows(kind: InstanceKind) -> list[tuple[int, int]]:
    """(degree, slots) of the packing rows that no smaller degree's row implies."""
    rows: list[tuple[int, int]] = []
    for k in sorted({use.tensor_parallel for use in kind.uses}):
        slots = kind.accelerators // k
        if all(smaller * each != k * slots for smaller, each in rows):
            rows.append((k, slots))
    return rows


def quota(reduced: Reduced, instances: int, extras: Mapping[str, int]) -> Iterator[LinearRow]:
    """No pool is overdrawn: sum over c of units · instances <= free_units (plus what a diagnosis adds).

    Args:
        reduced: from presolve.
        instances: column of the first candidate's instances.
        extras: column of the units added, per pool key.
    """
    rows: dict[str, list[tuple[int, float]]] = {pool: [] for pool, _ in reduced.free_units}
    for c, candidate in enumerate(reduced.candidates):
        for pool, units in candidate.draws:
            rows[pool].append((instances + c, float(units)))
    for p, (pool, free) in enumerate(reduced.free_units):
        if rows[pool]:
            extra = [(extras[pool], -1.0)] if pool in extras else []
            yield row(f"quota_{p}", rows[pool] + extra, -INFINITY, float(free))


@dataclass(frozen=True, slots=True, eq=False)
class WorkCut:
    """Weights per (kind, use), and the work of every fleet at least."""

    weights: Mapping[tuple[int, int], float]
    least: float


def enough_work(reduced: Reduced, day: DayColumns, cuts: Sequence[WorkCut]) -> Iterator[LinearRow]:
    """Sum over pools of weight · replicas >= the least that the demands weigh."""
    for number, cut in enumerate(cuts):
        inside = total(
            pool.replicas.times(cut.weights[pool.kind, pool.use])
            for pool in day.pools
            if cut.weights.get((pool.kind, pool.use))
        )
        least = cut.least - inside.constant
        yield LinearRow(f"enough_work_{number}", inside.index, inside.value, least, INFINITY)


def stock_limit(instances: int, stock: Mapping[int, int], extras: Mapping[str, int]) -> Iterator[LinearRow]:
    """Instances within stock (plus what a diagnosis adds); in the problem itself a bound, not a row."""
    for c, limit in sorted(stock.items()):
        extra = [(extras[stock_label(c)], -1.0)] if stock_label(c) in extras else []
        yield row(f"stock_limit_{c}", [(instances + c, 1.0), *extra], -INFINITY, float(limit))


def stock_label(c: int) -> str:
    """The name of a candidate's stock among the limits of a diagnosis; no pool key starts with a blank."""
    return f" {c}"


def _use(reduced: Reduced, service: int, tensor_parallel: int) -> str:
    """Of one service the degree says it all."""
    return str(tensor_parallel) if len(reduced.problem.services) == 1 else f"{service}_{tensor_parallel}"
