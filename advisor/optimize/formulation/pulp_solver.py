"""Any solver that PuLP knows and this machine has, on the very programme that HiGHS would get."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pulp

from advisor.errors import SolverFailed, UsageError
from advisor.optimize.formulation.solver import HIGHS, RawAnswer, SolverVerdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from advisor.optimize.arrays import Compiled

    Floats = NDArray[np.float64]

SHORT: Final[Mapping[str, tuple[str, ...]]] = {
    "cbc": ("COIN_CMD", "PULP_CBC_CMD"),
    "coin": ("COIN_CMD", "PULP_CBC_CMD"),
    "copt": ("COPT", "COPT_CMD"),
    "cplex": ("CPLEX_PY", "CPLEX_CMD"),
    "glpk": ("GLPK_CMD", "PYGLPK"),
    "gurobi": ("GUROBI", "GUROBI_CMD"),
    "mosek": ("MOSEK",),
    "scip": ("SCIP_PY", "SCIP_CMD", "FSCIP_CMD"),
    "xpress": ("XPRESS_PY", "XPRESS"),
}
"""What people call a solver, and PuLP's names for the ways to it, the better one first."""

_EXACT: Final = 1e-12
"""The gap asked of solvers that take one: several read 0 as "your own default", which is wider."""

_EXACT_UNASKED: Final = frozenset({"GLPK_CMD", "PYGLPK"})
"""Take no gap from PuLP and search to the end all the same."""


def through_pulp(name: str) -> PulpSolver:
    """A solver through PuLP, by what people or PuLP call it, in any case.

    Raises:
        UsageError: it is not known or not here; the message names those that are.
    """
    wanted, here = name.strip().casefold(), available()
    by_fold = {each.casefold(): each for each in pulp.listSolvers()}
    ways = SHORT.get(wanted, (by_fold[wanted],) if wanted in by_fold else ())
    for way in ways:
        if way in here:
            return PulpSolver(way)
    what = "is not on this machine" if ways else "is not known"
    raise UsageError(f"--solver {name!r} {what}; here are {', '.join(_names(here))}")


@cache
def available() -> frozenset[str]:
    """PuLP's names of what this machine has."""
    return frozenset(pulp.listSolvers(onlyAvailable=True))


def _names(here: frozenset[str]) -> list[str]:
    short = {name for name, ways in SHORT.items() if here & set(ways) and name != "coin"}
    told = {way for ways in SHORT.values() for way in ways}
    return sorted(short | {way.casefold() for way in here - told})


@dataclass(frozen=True, slots=True)
class PulpSolver:
    """One of PuLP's solvers."""

    way: str  #: PuLP's name

    @property
    def name(self) -> str:
        """With the version, as far as it can be asked for it."""
        return f"{_version(self.way)} through PuLP {pulp.__version__}"

    def solve(
        self,
        programme: Compiled,
        *,
        time_limit_s: float,
        relative_gap: float = 0.0,
        start: Floats | None = None,
        bound_only: bool = False,
    ) -> RawAnswer:
        """See :class:`~advisor.optimize.formulation.solver.Solver`; the point to begin with is not used."""
        if not len(programme.cost):
            return HIGHS.solve(programme, time_limit_s=time_limit_s)
        lp = as_pulp(programme)
        gap = max(relative_gap, _EXACT)
        try:
            lp.solve(_configured(self.way, max(time_limit_s, 0.01), gap))
        except pulp.PulpSolverError as error:
            raise SolverFailed(f"{self.way}: {' '.join(str(error).split())}") from error
        return _raw(lp, programme, self.way, gap)


def _class_of(way: str) -> Any:
    return next(each for each in pulp.apis._all_solvers if each.name == way)


def _configured(way: str, time_limit_s: float, relative_gap: float) -> Any:
    """The solver with the options that it takes."""
    options = {"msg": False, "timeLimit": time_limit_s, "gapRel": relative_gap, "gapAbs": 0.0, "threads": 1}
    taken = inspect.signature(_class_of(way).__init__).parameters
    if way == "PULP_CBC_CMD":  # the binary that PuLP brings, by the class that is to stay
        return pulp.COIN_CMD(path=pulp.PULP_CBC_CMD.pulp_cbc_path, **options)
    return _class_of(way)(**{name: value for name, value in options.items() if name in taken})


def as_pulp(programme: Compiled) -> Any:
    """The programme as a PuLP problem, which can be read and which PuLP's solvers take."""
    names, row_names = programme.names()
    lp = pulp.LpProblem(programme.title)
    kinds = pulp.LpContinuous, pulp.LpInteger
    columns = zip(
        names, programme.low.tolist(), programme.high.tolist(), programme.integer.tolist(), strict=True
    )
    variables = [
        lp.add_variable(name, low, None if high == float("inf") else high, kinds[whole])
        for name, low, high, whole in columns
    ]
    named = np.flatnonzero(programme.cost).tolist() or [0]  # for an empty objective PuLP makes up a variable
    lp += pulp.LpAffineExpression([(variables[i], float(programme.cost[i])) for i in named]), "objective"
    starts, index, value = programme.start.tolist(), programme.index.tolist(), programme.value.tolist()
    for r, (name, low, high) in enumerate(
        zip(row_names, programme.row_low.tolist(), programme.row_high.tolist(), strict=True)
    ):
        cells = range(starts[r], starts[r + 1])
        inside = pulp.LpAffineExpression([(variables[index[i]], value[i]) for i in cells])
        if low == high:
            sense, right = pulp.LpConstraintEQ, low
        elif high < float("inf"):
            sense, right = pulp.LpConstraintLE, high
        else:
            sense, right = pulp.LpConstraintGE, low
        lp.addConstraint(pulp.LpConstraint(inside, sense, name, right))
    return lp


def _raw(lp: Any, programme: Compiled, way: str, gap: float) -> RawAnswer:
    """PuLP's status and solution status together; either alone calls some unfinished answers finished.

    A bound is the solver's own where it can be asked for it; else an optimum is one, less the gap asked for,
    and of anything else none is known.
    """
    bound = _own_bound(lp, way)
    if lp.status == pulp.LpStatusInfeasible:
        return RawAnswer(SolverVerdict.INFEASIBLE, float("-inf"))
    by_name = {variable.name: variable.varValue for variable in lp.variables()}  # sorted, and only those used
    names = programme.names()[0]
    values = [by_name.get(name, low) for name, low in zip(names, programme.low.tolist(), strict=True)]
    known = lp.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible)
    if not known or any(value is None for value in values):
        return RawAnswer(SolverVerdict.NOTHING, bound)
    point = np.array(values, dtype=np.float64)
    objective = float(programme.cost @ point)
    takes_gap = "gapRel" in inspect.signature(_class_of(way).__init__).parameters
    finished = lp.sol_status == pulp.LpSolutionOptimal and (takes_gap or way in _EXACT_UNASKED)
    if finished and bound == float("-inf"):
        bound = objective - gap * abs(objective)
    verdict = SolverVerdict.OPTIMAL if finished else SolverVerdict.FEASIBLE
    return RawAnswer(verdict, bound, objective, point)


def _own_bound(lp: Any, way: str) -> float:
    return float(lp.solverModel.getDualbound()) if way == "SCIP_PY" else float("-inf")


@cache
def _version(way: str) -> str:
    """A solver's name and version."""
    if way == "SCIP_PY":
        from pyscipopt import Model

        return f"SCIP {Model().version()}"
    if way in ("COIN_CMD", "PULP_CBC_CMD"):
        path = pulp.PULP_CBC_CMD.pulp_cbc_path if way == "PULP_CBC_CMD" else shutil.which("cbc") or "cbc"
        told = subprocess.run([path, "-quit"], capture_output=True, text=True, check=False, timeout=10).stdout  # noqa: S603
        found = re.search(r"Version: (\S+)", told)
        return f"CBC {found[1]}" if found else "CBC"
    return way
