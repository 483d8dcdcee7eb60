"""Cuts for fleets that carry their load only within the solver's tolerance.

For any weights w >= 0 on replicas, however the demands are split,

    sum over p, u of w[p,u] · replicas[p,u]  >=  sum over b, j of share[b,j] · least w[p,u] · needed[p,u,b],

because the work on a pool is at most its replicas, and every demand costs at least its least weight. A fleet
whose fullest pool is overloaded in its best routing breaks the one whose weights are the duals of that
routing. The right-hand side is added up here from the weights, so that the cut is true whatever the solver
said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.optimize.formulation.families import WorkCut
from advisor.optimize.formulation.relaxation import relax

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.optimize.formulation.programme import Programme
    from advisor.optimize.reduced import Reduced

_LP_SECONDS: Final = 60.0
_SURELY_BROKEN: Final = 1e-3  # by how much a cut is broken at the fleet it is for, once it is scaled
_STEEPEST: Final = 1e6  # factor of scaling at most
_SHY: Final = 1e-12  # relative: the right-hand side is a sum of floats


def work_cut(routing: Programme) -> WorkCut | None:
    """The cut that a fleet breaks; None if it breaks none.

    Args:
        routing: the balanced routing of the fleet.
    """
    reduced, relaxed = routing.reduced, relax(routing.arrays, _LP_SECONDS)
    if relaxed is None:
        return None
    dual = {row.name: max(0.0, -float(relaxed.dual[i])) for i, row in enumerate(routing.arrays.rows)}
    names = (row.name for row in routing.arrays.rows if row.name.startswith("replica_capacity_"))
    weights = {(pool.kind, pool.use): dual[name] for pool, name in zip(routing.day.pools, names, strict=True)}
    worth = _worth(reduced, weights)
    for p, kind in enumerate(reduced.kinds):  # what the fleet has none of weighs what it could carry
        for u, use in enumerate(kind.uses):
            if (p, u) not in weights:
                at_most = [
                    value / needed
                    for b, needed in zip(use.demands.tolist(), use.needed.tolist(), strict=True)
                    for stream, value in zip(reduced.streams(b), worth[b], strict=True)
                    if kind.place in stream.places
                ]
                weights[p, u] = max(at_most, default=0.0)
    least = (1 - _SHY) * sum(
        stream.share * value
        for b, values in enumerate(_worth(reduced, weights))
        for stream, value in zip(reduced.streams(b), values, strict=True)
    )
    has = sum(weights[key] * count for key, count in routing.given.items() if key in weights)
    if least <= has:
        return None
    steep = min(_STEEPEST, max(1.0, _SURELY_BROKEN / (least - has)))
    return WorkCut({key: steep * weight for key, weight in weights.items() if weight}, steep * least)


def _worth(reduced: Reduced, weights: Mapping[tuple[int, int], float]) -> list[list[float]]:
    """Per demand and stream, the least weight · needed of the pools that may serve it; 0 where none may."""
    at = np.full((len(reduced.locations.serves), len(reduced.groups)), np.inf)
    for (p, u), weight in weights.items():
        kind = reduced.kinds[p]
        use = kind.uses[u]
        at[kind.place, use.demands] = np.minimum(at[kind.place, use.demands], weight * use.needed)
    found = []
    for b in range(len(reduced.groups)):
        least = [min(float(at[place, b]) for place in stream.places) for stream in reduced.streams(b)]
        found.append([0.0 if value == np.inf else value for value in least])
    return found
