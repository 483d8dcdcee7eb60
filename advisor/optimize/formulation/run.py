"""A programme solved, its values told by what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from advisor.optimize.formulation.solver import HIGHS, RawAnswer, SolverVerdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from advisor.optimize.formulation.programme import Programme
    from advisor.optimize.formulation.solver import Solver

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ProgrammeAnswer:
    """The solver's own words, before anybody believes them."""

    verdict: SolverVerdict
    bound: float  #: dual bound on the objective
    instances: tuple[float, ...] = ()  #: per candidate
    replicas: Mapping[tuple[int, int], float] = field(default_factory=dict)  #: per (kind, use) with a column
    shares: Mapping[tuple[int, int, int], float] = field(
        default_factory=dict
    )  #: per (kind, use, demand), only those above zero
    flows: Mapping[tuple[int, int, int], float] = field(default_factory=dict)  #: (demand, stream, place)
    extras: Mapping[str, float] = field(default_factory=dict)  #: units added per limit, in a diagnosis
    sliced: bool = False  #: shares are whole numbers of slices
    objective: float = float("nan")
    certified: bool = False  #: the bound was added up here and rests on no solver's word

    @property
    def has_values(self) -> bool:
        """Whether there is a solution at all."""
        return self.verdict in (SolverVerdict.OPTIMAL, SolverVerdict.FEASIBLE)


def run(
    programme: Programme,
    time_limit_s: float,
    *,
    relative_gap: float = 0.0,
    start: Floats | None = None,
    bound_only: bool = False,
    solver: Solver = HIGHS,
) -> ProgrammeAnswer:
    """Let a solver solve it; see :meth:`~advisor.optimize.formulation.solver.Solver.solve`."""
    raw = solver.solve(
        programme.arrays.compiled(),
        time_limit_s=time_limit_s,
        relative_gap=relative_gap,
        start=start,
        bound_only=bound_only,
    )
    return answer_of(programme, raw)


def answer_of(programme: Programme, raw: RawAnswer) -> ProgrammeAnswer:
    """The values of a raw answer by what they mean."""
    values = raw.values
    if values is None:
        return ProgrammeAnswer(raw.verdict, raw.bound)
    first, day = programme.instances, programme.day
    instances: tuple[float, ...] = tuple(map(float, programme.counts))
    if first is not None:
        instances = tuple(values[first : first + len(programme.reduced.candidates)].tolist())
    replicas: dict[tuple[int, int], float] = dict(programme.given)
    shares = {}
    for pool in day.pools:
        if not programme.given and len(programme.reduced.kinds[pool.kind].uses) > 1:
            replicas[pool.kind, pool.use] = float(values[pool.replicas.index[0]])
        own = values[pool.shares : pool.shares + len(pool.demands)]
        for i in np.flatnonzero(own > 0).tolist():
            shares[pool.kind, pool.use, int(pool.demands[i])] = float(own[i])
    return ProgrammeAnswer(
        raw.verdict,
        raw.bound,
        instances,
        replicas,
        shares,
        {key: float(values[column]) for key, column in day.flows.items() if values[column] > 0},
        {limit: float(values[column]) for limit, column in programme.extras.items()},
        programme.sliced,
        raw.objective,
    )


def point_of(programme: Programme, counts: Sequence[int], time_limit_s: float) -> Floats | None:
    """Every column's value when so many instances of each candidate are bought; None if that is no fleet."""
    assert programme.instances is not None
    arrays = programme.arrays.compiled()
    low, high = arrays.low.copy(), arrays.high.copy()
    own = slice(programme.instances, programme.instances + len(counts))
    low[own] = high[own] = counts
    fixed = replace(arrays, low=low, high=high)
    return HIGHS.solve(fixed, time_limit_s=time_limit_s, relative_gap=1.0).values
