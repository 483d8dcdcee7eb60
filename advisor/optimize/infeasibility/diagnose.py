"""Why no fleet exists, and the least that would have to be added.

First what no limit explains: a demand that nothing serves. Then quotas and stock, by two small programmes
on the same rows as the problem itself. One makes every limit elastic and adds as little as it can, where one
unit counts 1 / (the least any candidate draws from that pool): "instances' worth of quota", so that 8 GPUs
and 192 vCPUs that admit the same machine weigh alike. The other serves as much of the demand as the limits
allow. If those leave a fleet, it is the rules that contradict each other or the limits: see
:mod:`~advisor.optimize.infeasibility.conflicts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Final

from advisor.errors import Infeasible
from advisor.optimize import formulation
from advisor.optimize.effort import DIRECT
from advisor.optimize.infeasibility.conflicts import Conflict, conflicting, has_rules
from advisor.optimize.presolve import reduce, unservable
from advisor.optimize.rules import without_rules
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.optimize.formulation import ProgrammeAnswer
    from advisor.optimize.problem import Column, Problem, Solution
    from advisor.optimize.reduced import Reduced

_TIME_LIMIT_S: Final = 10.0
_NOISE: Final = Decimal("0.000001")  # units below it are the solver's rounding, not a need


@dataclass(frozen=True, slots=True)
class Addition:
    """One limit that has to grow."""

    limit: str  #: pool key, or the id of a column whose stock is short
    kind: str  #: ``quota`` or ``stock``
    unit: str  #: what it counts, as far as the caller said
    free: Decimal  #: what there is now
    added: Decimal  #: the least to add, together with the other additions

    def __str__(self) -> str:
        what = "to the stock of " if self.kind == "stock" else "to "
        needed = self.free + self.added
        unit = "instance" if self.unit == "instances" and self.added == 1 else self.unit
        return f"add at least {self.added:f} {unit} {what}{self.limit} (free {self.free:f}, needs {needed:f})"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What stands in the way of a fleet."""

    unservable: tuple[str, ...]  #: labels of demands that no column serves, whatever the limits
    additions: tuple[Addition, ...]  #: which limits bind, and the least that would have to be added to them
    proved_least: bool  #: False if time ran out: enough, but perhaps not the least
    servable_share: float  #: the largest share of the requests that the limits allow
    message: str
    conflicts: tuple[
        Conflict, ...
    ] = ()  #: the smallest set of rules that admit no fleet, where limits alone do


class LimitsForbid(Infeasible):
    """Infeasible, with the reason and what would have to give."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(diagnosis.message)
        self.diagnosis = diagnosis


def solve_or_say_why(
    problem: Problem,
    *,
    time_limit_s: float = 60,
    slices: int | None = None,
    pool_units: Mapping[str, str] | None = None,
    solver: str = DIRECT,
) -> Solution:
    """:func:`~advisor.optimize.solve.solve`; where no fleet exists, the reason takes some seconds more.

    Args:
        problem: what to serve, and with what.
        time_limit_s: for the fleet.
        slices: of :func:`~advisor.optimize.solve.solve`.
        pool_units: what each pool counts ("vCPU"), for the reason.
        solver: of :func:`~advisor.optimize.solve.solve`.

    Raises:
        NoCandidates, SolverFailed: as it does.
        LimitsForbid: limits or rules forbid every fleet; the message says what would have to give.
    """
    try:
        return solve(problem, time_limit_s=time_limit_s, slices=slices, solver=solver)
    except Infeasible:
        raise LimitsForbid(diagnose_infeasible(problem, pool_units=pool_units)) from None


def diagnose_infeasible(problem: Problem, *, pool_units: Mapping[str, str] | None = None) -> Diagnosis:
    """Which limits bind and the least that would make a fleet possible.

    Args:
        problem: one for which no fleet exists; of another the additions are empty.
        pool_units: what each pool counts ("vCPU"), for the message; "units" where it does not say.
    """
    missing = tuple(problem.demand_labels[b] for b in unservable(problem))
    if missing:
        message = f"no candidate can serve {'; '.join(missing)}, whatever the quotas"
        return Diagnosis(missing, (), True, _servable_share(problem), message)
    bare = without_rules(problem)
    additions, proved = _least_additions(bare, pool_units or {})
    share = _servable_share(bare)
    if has_rules(problem) and not additions:
        conflicts = conflicting(problem, pool_units or {})
        if conflicts:
            return Diagnosis((), (), proved, share, _words(conflicts), conflicts)
    return Diagnosis((), additions, proved, share, _message(additions, share, proved=proved))


def _words(conflicts: tuple[Conflict, ...]) -> str:
    if len(conflicts) == 1:
        return f"no fleet exists: {conflicts[0]}"
    return f"no fleet meets these {len(conflicts)} rules together: {'; '.join(map(str, conflicts))}"


def _message(additions: tuple[Addition, ...], share: float, *, proved: bool) -> str:
    least = "" if proved else " (enough; not proved the least)"
    wanted = "; ".join(str(addition) for addition in additions) or "no addition to the limits was found"
    served = f"at most {share:.1%} of the requests can be served"
    return f"the limits in force admit no fleet; {served}. To serve all: {wanted}{least}"


def _least_additions(problem: Problem, units: Mapping[str, str]) -> tuple[tuple[Addition, ...], bool]:
    reduced = reduce(problem, enforce_limits=False)
    if not reduced.groups:
        return (), True
    columns = {column.id: column for column in problem.columns}
    stock = _stock(reduced, columns)
    weights = {formulation.stock_label(c): 1.0 for c in stock}
    for pool, _ in reduced.free_units:
        draws = [float(drawn) for x in reduced.candidates for key, drawn in x.draws if key == pool]
        if draws:
            weights[pool] = 1.0 / min(draws)
    programme = formulation.least_additions(reduced, weights, stock)
    answer = formulation.run(programme, _TIME_LIMIT_S)
    if not answer.instances:
        return (), False
    return _additions(
        problem, reduced, stock, answer, units
    ), answer.verdict is formulation.SolverVerdict.OPTIMAL


def _additions(
    problem: Problem,
    reduced: Reduced,
    stock: Mapping[int, int],
    answer: ProgrammeAnswer,
    units: Mapping[str, str],
) -> tuple[Addition, ...]:
    """Recounted from the fleet's whole instances in Decimal, not read off the solver's floats."""
    counts = [round(count) for count in answer.instances]
    found = []
    for pool, limit in reduced.free_units:
        free = max(limit, Decimal(0))
        drawn = sum(
            (
                n * each
                for n, x in zip(counts, reduced.candidates, strict=True)
                for key, each in x.draws
                if key == pool
            ),
            Decimal(0),
        )
        if drawn - free > _NOISE:
            found.append(Addition(pool, "quota", units.get(pool, "units"), free, _tidy(drawn - free)))
    for c, held in sorted(stock.items()):
        if counts[c] > held:
            short = Decimal(counts[c] - held)
            found.append(Addition(reduced.candidates[c].id, "stock", "instances", Decimal(held), short))
    return tuple(found)


def _tidy(units: Decimal) -> Decimal:
    """Without trailing zeros or more than six places, rounded up."""
    return units.quantize(_NOISE, rounding=ROUND_CEILING).normalize() + 0


def _stock(reduced: Reduced, columns: Mapping[str, Column]) -> dict[int, int]:
    limits = ((c, columns[x.id].max_instances) for c, x in enumerate(reduced.candidates))
    return {c: max(0, limit) for c, limit in limits if limit is not None}


def _servable_share(problem: Problem) -> float:
    """The largest share of the requests that a fleet within the limits serves; too low on a timeout."""
    reduced = reduce(problem)
    total = sum(rate for rate in problem.demand_requests_per_s if rate > 0)
    if not total:
        return 1.0
    if not reduced.candidates:
        return 0.0
    answer = formulation.run(formulation.most_served(reduced), _TIME_LIMIT_S)
    served = sum(share * reduced.demand_requests_per_s[b] for (_, _, b), share in answer.shares.items())
    return min(served / total, 1.0)
