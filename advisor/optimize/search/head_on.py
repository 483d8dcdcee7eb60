"""One programme, solved head on: the fleet it proposes, rounded and held to, and what is proved of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import SolverFailed
from advisor.optimize import formulation
from advisor.optimize.bounds.lagrangian import priced_bound, separable
from advisor.optimize.bounds.reduced_cost_fixing import is_large, solve_large
from advisor.optimize.formulation import Highs, SolverVerdict
from advisor.optimize.search.cut_and_enumerate import cheapest_first
from advisor.optimize.search.result import OUT_OF_TIME, SearchResult
from advisor.optimize.search.rounding import SLACK, hold, integer, replicas_of
from advisor.optimize.search.sequential import is_huge, solve_huge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.optimize.effort import Effort
    from advisor.optimize.formulation import ProgrammeAnswer, WorkCut
    from advisor.optimize.reduced import InstanceKind, Reduced
    from advisor.optimize.search.rounding import RoutedFleet

_MARGIN: Final = 4e-6  # by which replicas shrink in a last attempt: beyond every tolerance in use
_BEGIN_SHARE: Final = 0.1  # of the time, to complete a point to begin with
_LP_SECONDS: Final = 60.0
_MOST_CUTS: Final = 20


def cheapest_plain(
    reduced: Reduced, effort: Effort, *, slices: int | None = None, known: SearchResult | None = None
) -> SearchResult | None:
    """For one service without rules: a fleet that holds and a bound on the cost of any; None: there is none.

    Args:
        reduced: from presolve.
        effort: for everything.
        slices: cut each demand into so many indivisible slices.
        known: a fleet to begin with; then nothing is taken from how it was found.
    """
    answer, fleet = None, None
    if known is None and isinstance(effort.solver, Highs):
        answer = cheapest_first(reduced, effort)
        fleet = None if answer is None else hold(reduced, answer)
    if answer is None or fleet is None:
        begin = known.fleet.instances if known is not None and slices is None else None
        answer, fleet = proposed(reduced, effort, begin=begin)
    bound = answer.bound
    if slices is not None and answer.verdict is SolverVerdict.OPTIMAL:
        answer, bound = _sliced(reduced, answer, effort, slices)
        fleet = hold(reduced, answer, slices) if answer.has_values and answer.sliced else None
        if answer.has_values and fleet is None:
            fleet = with_margin(reduced, effort, slices=slices)
    if answer.verdict is SolverVerdict.INFEASIBLE:
        return None
    if fleet is None or (slices is not None and not answer.sliced):
        raise SolverFailed(OUT_OF_TIME)
    return SearchResult(fleet, bound, certified=answer.certified)


def proposed(
    reduced: Reduced, effort: Effort, *, begin: Sequence[int] | None = None, **options: Any
) -> tuple[ProgrammeAnswer, RoutedFleet | None]:
    """What the solver makes of the programme, and the fleet that is, if it found one.

    A fleet that holds only within the solver's tolerance is cut off, and another one asked for.
    """
    cuts: list[WorkCut] = []
    while True:
        answer = propose(reduced, effort, begin=begin, cuts=tuple(cuts), **options)
        fleet = hold(reduced, answer) if answer.has_values else None
        if fleet is not None or not answer.has_values:
            return answer, fleet
        cut = _cut_for(reduced, answer) if len(cuts) < _MOST_CUTS else None
        if cut is None:
            return answer, with_margin(reduced, effort, **options)
        cuts.append(cut)


def _cut_for(reduced: Reduced, answer: ProgrammeAnswer) -> WorkCut | None:
    counts = tuple(integer(count) for count in answer.instances)
    replicas = replicas_of(reduced, answer, counts)
    return formulation.work_cut(formulation.balanced_routing(reduced, counts, replicas))


def propose(
    reduced: Reduced, effort: Effort, *, begin: Sequence[int] | None = None, **options: Any
) -> ProgrammeAnswer:
    """What the solver makes of the programme, head on or guided, as its size asks for.

    Args:
        reduced: from presolve.
        effort: for this programme.
        begin: counts of a fleet that is known to hold, to begin with.
        options: of :func:`~advisor.optimize.formulation.cheapest_fleet`.
    """
    ours = isinstance(effort.solver, Highs)
    if ours and is_huge(reduced) and not any(options.values()):
        answer = solve_huge(reduced, effort)
        if answer is not None:
            return answer
    programme = formulation.cheapest_fleet(reduced, **options)
    start = None
    if begin is not None:
        start = formulation.point_of(programme, begin, effort.left(_BEGIN_SHARE))
    if ours and is_large(programme) and not programme.sliced:
        priced = priced_bound if separable(reduced) else None
        return solve_large(programme, effort, priced_bound=priced, start=start)
    return formulation.run(
        programme, effort.left(), relative_gap=effort.relative_gap, start=start, solver=effort.solver
    )


def _sliced(
    reduced: Reduced, fluid: ProgrammeAnswer, effort: Effort, slices: int
) -> tuple[ProgrammeAnswer, float]:
    """The answer for slices, from that for a free split of the same demands, and a bound.

    Slices cost no less than a free split, so if its counts carry the slices as well, they are the cheapest. A
    basic routing splits few demands, so the slices are looked for next to one that leaves every pool some
    room, then anywhere, and only then among other counts, with the free split's bound as a row.
    """
    counts = tuple(integer(count) for count in fluid.instances)
    replicas = replicas_of(reduced, fluid, counts)
    routed = formulation.run(formulation.balanced_routing(reduced, counts, replicas), _LP_SECONDS)
    near: dict[str, Any] = {"near": routed.shares}
    for options in (near, {}):
        answer = propose(reduced, effort, slices=slices, counts=counts, **options)
        if answer.verdict is SolverVerdict.OPTIMAL:
            return replace(answer, certified=fluid.certified), fluid.bound
    answer = propose(reduced, effort, slices=slices, at_least_usd_per_hour=fluid.bound * (1 - SLACK))
    return answer, max(fluid.bound, answer.bound)


def with_margin(reduced: Reduced, effort: Effort, **options: Any) -> RoutedFleet:
    """A last attempt on slightly smaller replicas, for a fleet that held only within tolerance."""
    answer = propose(_shrunk(reduced), effort.at_gap(0.0), **options)
    fleet = hold(reduced, answer, options.get("slices")) if answer.has_values else None
    if fleet is None:
        raise SolverFailed("the solver's fleet does not carry the load exactly, nor with a margin")
    return fleet


def _shrunk(reduced: Reduced) -> Reduced:
    def smaller(kind: InstanceKind) -> InstanceKind:
        more = 1 + _MARGIN
        uses = (replace(u, needed=u.needed * more, needed_low=u.needed_low * more) for u in kind.uses)
        return replace(kind, uses=tuple(uses))

    return replace(reduced, kinds=tuple(smaller(kind) for kind in reduced.kinds))
