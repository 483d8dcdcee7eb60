"""One search: the fleet that a programme proposes, rounded and held to, and what is proved of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import SolverFailed
from advisor.optimize import formulation
from advisor.optimize.bounds.lagrangian import priced_bound, separable
from advisor.optimize.formulation import Answer, Case, Outcome, is_large
from advisor.optimize.search.cut_and_enumerate import cheapest_first
from advisor.optimize.search.rounding import SLACK, Fleet, hold, integer, replicas_of
from advisor.optimize.search.sequential import is_huge, solve_huge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.optimize.reduced import Kind, Reduced
    from advisor.optimize.search.scenarios import Tried

_MARGIN: Final = (
    1e-6  # by which replicas shrink in the second attempt, if the first fleet does not hold exactly
)
_BEGIN_SHARE: Final = 0.1  # of the time, to complete a point to begin with
OUT_OF_TIME: Final = "no fleet was found in the time allowed; allow more with --time-limit-s"


@dataclass(frozen=True, slots=True)
class Found:
    """A fleet that holds, what is proved about it, and the cases it was put through."""

    fleet: Fleet
    bound: float
    proved_most_served: bool = True
    tried: Sequence[Tried] = ()
    enforced: Sequence[Case] = ()


def cheapest(reduced: Reduced, deadline: float, relative_gap: float, slices: int | None) -> Found | None:
    """A fleet that holds and a bound on the cost of any; None if there is none."""
    answer = cheapest_first(reduced, deadline) or propose(reduced, deadline, relative_gap)
    bound = answer.bound
    if slices is not None and answer.outcome is Outcome.OPTIMAL:
        answer, bound = _sliced(reduced, answer, deadline, relative_gap, slices)
    if answer.outcome is Outcome.INFEASIBLE:
        return None
    if not answer.instances or (slices is not None and not answer.sliced):
        raise SolverFailed(OUT_OF_TIME)
    fleet = hold(reduced, answer, slices) or with_margin(reduced, deadline, slices=slices)
    return Found(fleet, bound)


def propose(
    reduced: Reduced,
    deadline: float,
    relative_gap: float,
    *,
    begin: Sequence[int] | None = None,
    **options: Any,
) -> Answer:
    """What HiGHS makes of the programme, head on or guided, as its size asks for.

    Args:
        reduced: from presolve.
        deadline: of the clock ``time.perf_counter``.
        relative_gap: at which to stop.
        begin: counts of a fleet that is known to hold, to begin with.
        options: of :func:`~advisor.optimize.formulation.cheapest_fleet`.
    """
    left = deadline - time.perf_counter()
    if is_huge(reduced) and not any(options.values()):
        answer = solve_huge(reduced, time_limit_s=left, relative_gap=relative_gap)
        if answer is not None:
            return answer
        left = deadline - time.perf_counter()
    programme = formulation.cheapest_fleet(reduced, **options)
    start = None if begin is None else formulation.point_of(programme, begin, _BEGIN_SHARE * left)
    if is_large(programme) and not programme.sliced:
        bound = partial(priced_bound, programme) if separable(reduced) else None
        return formulation.solve_guided(
            programme, time_limit_s=left, relative_gap=relative_gap, priced_bound=bound, start=start
        )
    return formulation.run(programme, time_limit_s=left, relative_gap=relative_gap, start=start)


def _sliced(
    reduced: Reduced, fluid: Answer, deadline: float, relative_gap: float, slices: int
) -> tuple[Answer, float]:
    """The answer for slices, from that for a free split of the same demands, and a bound.  Slices cost no
    less than a free split, so if its counts carry the slices as well, they are the cheapest. A basic
    routing splits few demands, so the slices are looked for next to one that leaves every pool some room,
    then anywhere, and only then among other counts, with the free split's bound as a row.
    """
    counts = tuple(integer(count) for count in fluid.instances)
    replicas = replicas_of(reduced, fluid, counts)
    routed = formulation.run(formulation.balanced_routing(reduced, counts, replicas), time_limit_s=60.0)
    near: dict[str, Any] = {"near": routed.shares}
    for options in (near, {}):
        answer = propose(reduced, deadline, relative_gap, slices=slices, counts=counts, **options)
        if answer.outcome is Outcome.OPTIMAL:
            return answer, fluid.bound
    answer = propose(
        reduced, deadline, relative_gap, slices=slices, at_least_usd_per_hour=fluid.bound * (1 - SLACK)
    )
    return answer, max(fluid.bound, answer.bound)


def with_margin(reduced: Reduced, deadline: float, **options: Any) -> Fleet:
    """A second attempt on slightly smaller replicas, for a fleet that held only within tolerance."""
    answer = propose(_shrunk(reduced), deadline, 0.0, **options)
    fleet = hold(reduced, answer, options.get("slices")) if answer.has_values else None
    if fleet is None:
        raise SolverFailed("the solver's fleet does not carry the load exactly, nor with a margin")
    return fleet


def _shrunk(reduced: Reduced) -> Reduced:
    def smaller(kind: Kind) -> Kind:
        more = 1 + _MARGIN
        uses = (replace(u, needed=u.needed * more, needed_low=u.needed_low * more) for u in kind.uses)
        return replace(kind, uses=tuple(uses))

    return replace(reduced, kinds=tuple(smaller(kind) for kind in reduced.kinds))
