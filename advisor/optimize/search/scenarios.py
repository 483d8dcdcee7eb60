"""The cases of contingencies, made when a fleet fails them: enumerated on a fleet, tried by an LP each.

The programme starts with no case. Every fleet it proposes is put through every case of every contingency:
each choice of things the fleet has to lose, with each choice of groups in doubt. Those it fails worst become
rows, with a routing of their own, and the programme is solved again. The last bound holds for the whole
problem, as every round leaves rows out and adds none that are not asked for; and the last fleet gets through
all cases, so nothing is missing. Losing less, or doubting less, is never worse, so only full cases count.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.errors import SolverFailed
from advisor.optimize import formulation
from advisor.optimize.formulation import Case, SolverVerdict, survivors
from advisor.optimize.problem import INSTANCE, CaseProof
from advisor.optimize.rules import traits_of
from advisor.optimize.search.rounding import integer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from advisor.optimize.reduced import Reduced
    from advisor.optimize.search.rounding import RoutedFleet

ENOUGH: Final = 1e-8
"""Relative: by how much less than it keeps a fleet may serve in a case, which is the solver's rounding."""

AT_ONCE: Final = 4
"""Failed cases added per contingency and round."""

MOST_CASES: Final = 20_000
_TIME_LIMIT_S: Final = 20.0
_ROUNDING: Final = 1e-5  # relative: a case that is a row is failed by no more than that
_MARGIN: Final = 4e-6  # asked of it then: beyond every tolerance in use


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case, and the least share of a demand that a fleet serves in it."""

    case: Case
    least_served_share: float

    def fails(self, reduced: Reduced) -> bool:
        """Whether that is less than the contingency keeps."""
        keeps = reduced.problem.contingencies[self.case.contingency].keeps
        return self.least_served_share < keeps * (1 - ENOUGH)


def cases_of(reduced: Reduced, counts: Sequence[int], contingency: int) -> list[Case]:
    """Every full case of a contingency that touches a fleet."""
    day = reduced.problem.contingencies[contingency]
    owned = [c for c, count in enumerate(counts) if count]
    losses: Iterable[tuple[tuple[str, ...], tuple[tuple[int, int], ...]]] = [((), ())]
    if day.lose == INSTANCE:
        losses = (((), taken) for taken in _single_instances(reduced, counts, contingency))
    elif day.lose is not None:
        names = {name for c in owned for name in reduced.candidates[c].group(day.lose)}
        names = names & day.only if day.only else names
        losses = (
            (chosen, ()) for chosen in itertools.combinations(sorted(names), min(day.count, len(names)))
        )
    doubts = {name for c in owned for name in reduced.candidates[c].group(day.doubted_kind)}
    doubtful = list(itertools.combinations(sorted(doubts), min(day.doubted, len(doubts))))
    found = [
        Case(contingency, groups, kinds, doubted)
        for (groups, kinds), doubted in itertools.islice(itertools.product(losses, doubtful), MOST_CASES + 1)
    ]
    if len(found) > MOST_CASES:
        raise SolverFailed(f"{day.label}: more than {MOST_CASES} cases; ask for fewer losses at once")
    return found


def _single_instances(
    reduced: Reduced, counts: Sequence[int], contingency: int
) -> Iterator[tuple[tuple[int, int], ...]]:
    """Which kinds lose how many, of those that serve what counts that day; of one kind all are alike."""
    day = reduced.problem.contingencies[contingency]
    have = {
        p: sum(counts[c] for c in kind.members)
        for p, kind in enumerate(reduced.kinds)
        if any(day.services is None or use.service in day.services for use in kind.uses)
    }
    have = {p: count for p, count in have.items() if count}
    lost = min(day.count, sum(have.values()))
    for chosen in itertools.combinations_with_replacement(sorted(have), lost):
        taken = tuple((p, chosen.count(p)) for p in sorted(set(chosen)))
        if all(count <= have[p] for p, count in taken):
            yield taken


def tried(reduced: Reduced, fleet: RoutedFleet, case: Case) -> CaseResult:
    """How much of every demand a fleet serves in a case, at best.

    Raises:
        SolverFailed: the LP has no answer.
    """
    parts = None if traits_of(reduced.problem).serves_all else _served(reduced, fleet)
    standing = survivors(reduced, fleet.instances, case)
    programme = formulation.most_kept(reduced, case, standing, parts)
    answer = formulation.run(programme, _TIME_LIMIT_S)
    if programme.arrays.integers and answer.verdict is SolverVerdict.OPTIMAL:  # again, to an LP's tolerance
        replicas = {key: integer(count) for key, count in answer.replicas.items()}
        for p, count in standing.items():
            if len(reduced.kinds[p].uses) == 1:
                replicas[p, 0] = reduced.kinds[p].uses[0].slots * count
        answer = formulation.run(
            formulation.most_kept(reduced, case, standing, parts, replicas), _TIME_LIMIT_S
        )
    if answer.verdict is SolverVerdict.INFEASIBLE:
        return CaseResult(case, 0.0)
    if answer.verdict is not SolverVerdict.OPTIMAL:
        raise SolverFailed("a case of a contingency could not be tried in time")
    return CaseResult(case, min(1.0, max(0.0, -answer.objective)))


def _served(reduced: Reduced, fleet: RoutedFleet) -> dict[tuple[int, int | None], float]:
    parts: dict[tuple[int, int | None], float] = {}
    for (_, _, b), share in fleet.shares.items():
        if len(reduced.streams(b)) == 1:
            parts[b, None] = parts.get((b, None), 0.0) + share
    for (b, j, _), flow in fleet.flows.items():
        parts[b, j] = parts.get((b, j), 0.0) + flow
    return parts


def all_tried(reduced: Reduced, fleet: RoutedFleet) -> list[CaseResult]:
    """Every case of every contingency, tried."""
    return [
        tried(reduced, fleet, case)
        for contingency in range(len(reduced.problem.contingencies))
        for case in cases_of(reduced, fleet.instances, contingency)
    ]


def worst_failed(reduced: Reduced, results: Sequence[CaseResult], known: Collection[Case]) -> list[Case]:
    """The cases to add: those failed by most, a few per contingency; of those known already, with a margin.

    Raises:
        SolverFailed: a case that already is a row is failed by more than rounding.
    """
    found: list[Case] = []
    for contingency, day in enumerate(reduced.problem.contingencies):
        failed = [t for t in results if t.case.contingency == contingency and t.fails(reduced)]
        failed.sort(key=lambda t: t.least_served_share)
        found += [t.case for t in failed if t.case not in known][:AT_ONCE]
        for t in failed:
            if t.case in known:
                firm = replace(t.case, margin=_MARGIN)
                if t.least_served_share < day.keeps * (1 - _ROUNDING) or firm in known:
                    raise SolverFailed(f"the solver's fleet does not get through {day.label} exactly")
                found.append(firm)
    return found


def proofs(
    reduced: Reduced, fleet: RoutedFleet, results: Sequence[CaseResult], enforced: Sequence[Case]
) -> tuple[CaseProof, ...]:
    """Of every contingency the case with the least to spare, and those that had to be enforced."""
    found = []
    for contingency in range(len(reduced.problem.contingencies)):
        own = [t for t in results if t.case.contingency == contingency]
        least = min(own, key=lambda t: t.least_served_share, default=None)
        found += [_proof(reduced, fleet, t) for t in own if t is least or t.case in enforced]
    return tuple(found)


def _proof(reduced: Reduced, fleet: RoutedFleet, result: CaseResult) -> CaseProof:
    case = result.case
    lost: dict[str, int] = {}
    for c, candidate in enumerate(reduced.candidates):
        if fleet.instances[c] and formulation.is_lost(candidate, reduced, case):
            lost[candidate.id] = fleet.instances[c]
    for p, count in case.kinds:
        left = count
        for c in reduced.kinds[p].members:
            taken = min(left, fleet.instances[c])
            if taken:
                lost[reduced.candidates[c].id] = taken
                left -= taken
    label = reduced.problem.contingencies[case.contingency].label
    words = _in_words(reduced, case, lost)
    return CaseProof(label, words, lost, frozenset(case.doubted), result.least_served_share)


def _in_words(reduced: Reduced, case: Case, lost: dict[str, int]) -> str:
    day = reduced.problem.contingencies[case.contingency]
    parts = []
    if case.groups:
        parts.append(f"{day.lose} {', '.join(case.groups)} lost")
    if case.kinds:
        parts.append(f"{', '.join(f'{n} × {column}' for column, n in sorted(lost.items()))} lost")
    if case.doubted:
        parts.append(f"{', '.join(case.doubted)} at the low end of its error band")
    if day.demand_factor != 1.0:
        parts.append(f"demand × {day.demand_factor:g}")
    return "; ".join(parts) or "nothing to lose"
