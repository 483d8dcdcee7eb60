"""One programme, whoever solves it: HiGHS from the arrays, others through PuLP, and the same answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from optimize_builders import a_column, a_problem, faults
from optimize_programmes import POOLS, PROGRAMMES, TWO_SERVICES, ZONES

from advisor.errors import Infeasible, SolverFailed, UsageError
from advisor.optimize.arrays import INFINITY, Arrays, Compiled, Sum, row
from advisor.optimize.effort import solver_named
from advisor.optimize.formulation import HIGHS, RawAnswer, Solver, SolverVerdict, pulp_solver, solver
from advisor.optimize.problem import Problem, SolveStatus
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from collections.abc import Callable

RANDOM = 200
BLOCK = 20
"""Random programmes side by side in one, as starting CBC takes longer than solving them."""


def random_programmes(seeds: range) -> tuple[Compiled, list[slice]]:
    """Independent programmes in one, and whose columns are whose.

    Each has up to eight columns, half of them whole, around a point that keeps every row; every sense, every
    kind of bound, columns that stand twice in a row; one in ten minimises nothing. Figures are eighths, so
    that no solver's tolerance matters.
    """
    arrays, own = Arrays(f"random_{seeds.start}"), []
    for seed in seeds:
        chance, first = np.random.default_rng(seed), arrays.size
        size = int(chance.integers(2, 9))
        point = chance.integers(0, 6, size).astype(float)
        for i in range(size):
            low = min(point[i], float(chance.integers(0, 3)))
            high = INFINITY if chance.random() < 0.5 else point[i] + int(chance.integers(0, 4))
            arrays.add(f"x{seed}_{i}", low, high, integer=bool(chance.integers(2)))
        if seed % 10:
            arrays.minimise(Sum(first + np.arange(size), chance.integers(1, 24, size) / 8))
        for r in range(int(chance.integers(1, 7))):
            columns = chance.integers(0, size, int(chance.integers(1, 5)))
            values = chance.integers(-16, 32, len(columns)) / 8
            value, slack = float(values @ point[columns]), float(chance.integers(0, 16) / 8)
            senses = (value, value), (-INFINITY, value + slack), (value - slack, INFINITY)
            low, high = senses[int(chance.integers(3))]
            pairs = list(zip((first + columns).tolist(), values.tolist(), strict=True))
            arrays.add_rows([row(f"row_{seed}_{r}", pairs, low, high)])
        own.append(slice(first, arrays.size))
    return arrays.compiled(), own


def goldens() -> list[Compiled]:
    return [programme().arrays.compiled() for programme in PROGRAMMES.values()]


def differ(one: float, other: float) -> bool:
    return abs(one - other) > 1e-6 * max(1.0, abs(one))


def differences(seeds: range, name: str) -> list[int]:
    """Random programmes that HiGHS and another solver answer differently."""
    found = []
    for start in range(seeds.start, seeds.stop, BLOCK):
        part = range(start, min(start + BLOCK, seeds.stop))
        programme, own = random_programmes(part)
        one = HIGHS.solve(programme, time_limit_s=20)
        other = solver_named(name).solve(programme, time_limit_s=20)
        if one.verdict is not other.verdict or one.values is None or other.values is None:
            return list(part)
        assert not differ(one.objective, float(programme.cost @ one.values))
        for seed, columns in zip(part, own, strict=True):
            ours, theirs = (float(programme.cost[columns] @ x.values[columns]) for x in (one, other))
            if differ(ours, theirs):
                found.append(seed)
    return found


@pytest.mark.parametrize("name", ["cbc", "scip"])
def test_every_programme_of_the_golden_files_has_one_optimum(name: str) -> None:
    for programme in goldens():
        one, other = (each.solve(programme, time_limit_s=20) for each in (HIGHS, solver_named(name)))
        assert one.verdict is other.verdict, programme.title
        if one.values is not None:
            assert not differ(one.objective, other.objective), programme.title


@pytest.mark.parametrize("name", ["cbc", "scip"])
def test_random_programmes_cost_the_same_through_pulp_and_directly(name: str) -> None:
    assert differences(range(RANDOM), name) == []


def sign(programme: Compiled) -> Compiled:
    return replace(programme, cost=-3 * programme.cost)


def coefficient(programme: Compiled) -> Compiled:
    value = programme.value.copy()
    value[: len(value) // 2] *= 1.5
    return replace(programme, value=value)


def upper_bound(programme: Compiled) -> Compiled:
    return replace(programme, high=np.maximum(programme.high - 1, programme.low))


def lower_bound(programme: Compiled) -> Compiled:
    return replace(programme, low=np.zeros(len(programme.low)))


def right_hand_side(programme: Compiled) -> Compiled:
    return replace(programme, row_low=programme.row_low + 0.5, row_high=programme.row_high + 0.5)


def whole_numbers(programme: Compiled) -> Compiled:
    return programme.relaxed()


@pytest.mark.parametrize("side", ["as_highs", "as_pulp"])
@pytest.mark.parametrize(
    "fault", [sign, coefficient, upper_bound, lower_bound, right_hand_side, whole_numbers]
)
def test_a_fault_on_either_side_would_show(
    fault: Callable[[Compiled], Compiled], side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = solver if side == "as_highs" else pulp_solver
    right = getattr(module, side)
    monkeypatch.setattr(module, side, lambda programme: right(fault(programme)))
    assert differences(range(BLOCK), "scip") != []


# --- the whole way --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cbc", "CBC", "PULP_CBC_CMD", "scip", "SCIP_PY"])
@pytest.mark.parametrize("problem", [POOLS, TWO_SERVICES, ZONES], ids=["pools", "two services", "zones"])
def test_a_fleet_costs_the_same_by_any_solver_and_is_proved(problem: Problem, name: str) -> None:
    ours, theirs = solve(problem), solve(problem, solver=name)
    assert theirs.status is ours.status is SolveStatus.OPTIMAL
    assert theirs.objective_usd_per_hour == pytest.approx(ours.objective_usd_per_hour)
    assert theirs.solver.startswith(("CBC 2.", "SCIP "))
    assert " through PuLP 3." in theirs.solver
    assert theirs.solver.endswith(f"checked by {HIGHS.name}")
    assert ours.solver == HIGHS.name


def test_no_fleet_is_no_fleet_by_any_solver() -> None:
    problem = a_problem((3.0,), a_column(max_instances=1), a_column("b", draws={"p": "1"}), free={"p": "1"})
    for name in ("highs", "cbc", "scip"):
        with pytest.raises(Infeasible):
            solve(problem, solver=name)


def test_slices_by_another_solver_hold() -> None:
    problem = a_problem((1.5, 0.7), a_column("big", "3", (1.0, 1.2)), a_column("small", "2", (0.5, 0.4)))
    ours, theirs = solve(problem, slices=2), solve(problem, slices=2, solver="cbc")
    assert theirs.usd_per_hour == ours.usd_per_hour
    assert faults(problem, theirs) == []


@pytest.mark.parametrize("name", ["gurobi", "GLPK_CMD", "nonsense", ""])
def test_a_solver_that_is_not_here_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        solve(POOLS, solver=name)
    (line,) = str(caught.value).splitlines()
    assert repr(name) in line
    assert "cbc" in line
    assert "highs" in line
    assert "scip" in line


class Unfinished:
    """A solver whose PuLP status says optimal although it ran out of time."""

    def __init__(self, sol_status: int, status: int) -> None:
        self.sol_status, self.status = sol_status, status

    def solve(self, lp: Any) -> None:
        for variable in lp.variables():
            variable.varValue = 1.0
        lp.assignStatus(self.status, self.sol_status)


@pytest.mark.parametrize(
    ("status", "sol_status", "verdict"),
    [
        (1, 1, SolverVerdict.OPTIMAL),
        (1, 2, SolverVerdict.FEASIBLE),  # stopped by its time limit with a point
        (0, 0, SolverVerdict.NOTHING),
        (0, -1, SolverVerdict.NOTHING),  # PuLP's default for "not solved" is "infeasible"
        (-1, -1, SolverVerdict.INFEASIBLE),
        (-1, 0, SolverVerdict.INFEASIBLE),  # CBC's "Integer infeasible"
        (-3, -1, SolverVerdict.NOTHING),
    ],
)
def test_both_of_pulps_statuses_are_asked(
    status: int, sol_status: int, verdict: SolverVerdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    def solved(lp: Any, _: Any) -> None:
        Unfinished(sol_status, status).solve(lp)

    monkeypatch.setattr(pulp_solver.pulp.LpProblem, "solve", solved)
    raw = solver_named("cbc").solve(goldens()[0], time_limit_s=1)
    assert raw.verdict is verdict
    if verdict is not SolverVerdict.OPTIMAL:
        assert raw.bound == -INFINITY


def test_an_unfinished_search_by_another_solver_proves_nothing() -> None:
    class Stopped:
        name = "stopped"

        def solve(self, programme: Compiled, **options: Any) -> RawAnswer:
            raw = HIGHS.solve(programme, time_limit_s=10)
            return RawAnswer(SolverVerdict.FEASIBLE, -INFINITY, raw.objective, raw.values)

    stopped: Solver = Stopped()
    found = solve(POOLS, solver=stopped)
    assert (found.status, found.lower_bound_usd_per_hour) == (SolveStatus.FEASIBLE, 0.0)


def test_a_solver_that_cannot_be_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulp_solver.pulp.PULP_CBC_CMD, "pulp_cbc_path", "/nowhere/cbc")
    with pytest.raises(SolverFailed, match="PULP_CBC_CMD: "):
        solver_named("cbc").solve(goldens()[0], time_limit_s=1)
