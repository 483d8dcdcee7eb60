"""Which benchmark to run next: of every cell whose speed nobody measured, what measuring it is worth.

Today's fleet is the cheapest under the figures as they stand. A benchmark reveals the factor f by which a
cell's figures are off. For a true f, everything else as it stands::

    optimum(f)    cost of the cheapest fleet under f: what would be bought after measuring
    repaired(f)   cost of today's fleet under f: everything bought stays, and the cheapest addition with
                  which all demand is served again comes on top (nothing where f is 1 or more)
    saving(f)     = repaired(f) - optimum(f), never negative
    value         = sum of weight(f) * saving(f) over f at the slow end, at 1 and at the fast end

The ends are those of the 90 % interval. ``saving(1)`` is nothing by definition, and so is the saving at the
slow end of a cell that today's fleet does not use: only its fast end can bring such a cell in. Weights are
0.185, 0.63, 0.185 for the 5th, 50th and 95th percentile (extended Pearson-Tukey; Keefer and Bodily,
Management Science 29(5), 1983). One cell is measured at a time; what two would show together is left aside.

``value`` is what the benchmark may cost and still pay, per hour the fleet runs. Beside it stands ``risk``:
what today's fleet would have to be topped up by at the slow end, the part of the plan's uncertainty that
this cell carries.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.errors import Infeasible, NoCandidates, SolverFailed
from advisor.optimize.infeasibility.diagnose import solve_or_say_why
from advisor.optimize.solve import solve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from advisor.domain import EvidenceKind, Service
    from advisor.optimize.problem import Problem, Solution
    from advisor.recommendation.doubt import Cell, Doubt

WEIGHT_OF_AN_END: Final = Decimal("0.185")
MOST_CELLS: Final = 48
"""Cells outside the fleet that are tried; those that look cheapest per request at their fast end first."""

MOST_SIZES: Final = 6
ENOUGH_LOAD: Final = 0.8
"""The sizes to measure are the busiest, until they carry this share of a cell's load."""

_SOLVE_S: Final = 5.0  # for one fleet; that of the default question takes hundredths
_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One cell, and what measuring it is worth."""

    accelerator: str
    tensor_parallel: int
    service: int  #: index of the service it would serve
    weakest: EvidenceKind  #: of its figures
    slow: float  #: factor on its rates at the slow end, the lowest of all sizes
    fast: float  #: the same at the fast end, the highest
    in_fleet: bool  #: whether today's fleet uses it
    load_share: float  #: of all requests, served by it today on figures that were not measured
    value_usd_per_hour: Decimal  #: expected saving of measuring it
    risk_usd_per_hour: Decimal | None  #: top-up of today's fleet at the slow end; None: no top-up serves
    optimum_if_slow_usd_per_hour: Decimal | None  #: cheapest fleet at the slow end; None: no fleet serves
    optimum_if_fast_usd_per_hour: Decimal
    sizes: tuple[tuple[int, int], ...]  #: (input, output) tokens to measure, the busiest first


@dataclass(frozen=True, slots=True)
class Ranking:
    """What to measure, the most worthwhile first, and what could not be ranked."""

    fleet_usd_per_hour: Decimal  #: of today's fleet
    unmeasured_share: float  #: of all requests, served today on figures that were not measured
    benchmarks: tuple[Benchmark, ...]  #: every cell of the fleet, and those outside that could enter it
    unknown_error: tuple[Cell, ...]  #: in the fleet, not measured, and nobody knows how wrong
    tried: int  #: cells outside the fleet that were tried at their fast end
    untried: int  #: those that were not


def next_benchmarks(doubt: Doubt, *, time_limit_s: float = 60.0, most_cells: int = MOST_CELLS) -> Ranking:
    """Cells by what measuring them is worth, then by their risk; what nothing can repair comes first.

    Args:
        doubt: the problem and its evidence.
        time_limit_s: cells not reached by then are counted as untried.
        most_cells: outside the fleet.

    Raises:
        NoCandidates, Infeasible, SolverFailed: there is no fleet to begin with.
    """
    deadline = time.monotonic() + time_limit_s
    today = solve_or_say_why(doubt.problem, time_limit_s=time_limit_s)
    used = doubt.load(today)
    cells = doubt.cells()
    benchmarks = [_of_the_fleet(doubt, cell, today, used[cell]) for cell in cells if cell in used]
    outside = _by_promise(doubt, [cell for cell in cells if cell not in used])
    tried = 0
    for cell in outside[:most_cells]:
        if time.monotonic() > deadline:
            break
        tried += 1
        benchmarks += _that_could_enter(doubt, cell, today)
    whole = sum(doubt.problem.demand_requests_per_s)
    in_doubt = sum(sum(doubt.unmeasured(cell, load).values()) for cell, load in used.items())
    return Ranking(
        fleet_usd_per_hour=today.usd_per_hour,
        unmeasured_share=in_doubt / whole if whole else 0.0,
        benchmarks=tuple(sorted(benchmarks, key=_worth)),
        unknown_error=tuple(cell for cell in doubt.of_unknown_error() if cell in used),
        tried=tried,
        untried=len(outside) - tried,
    )


def measure_command(service: Service, benchmark: Benchmark) -> str:
    """The command that runs the benchmark; what only the user knows stands in capitals."""
    limits = service.slo
    words = [
        "advisor profile measure URL",
        f"--model {service.model}",
        f"--accelerator {benchmark.accelerator}",
        f"--tp {benchmark.tensor_parallel}",
        f"--precision {service.precision}",
        f"--engine {'ENGINE' if service.engine == 'any' else service.engine}",
        "--tokenizer DIR",
        f"--tpot-ms {'MS' if limits.tpot_ms is None else f'{limits.tpot_ms:g}'}",
        *([] if limits.ttft_ms is None else [f"--ttft-ms {limits.ttft_ms:g}"]),
        f"--sizes {','.join(f'{i}x{o}' for i, o in benchmark.sizes)}",
    ]
    return " ".join(words)


def _of_the_fleet(doubt: Doubt, cell: Cell, today: Solution, load: Mapping[int, float]) -> Benchmark:
    """A cell that today's fleet uses: it may be slower than thought, or faster."""
    cost = today.usd_per_hour
    if_slow = doubt.problem_at(cell, fast=False)
    slow, fast = _cheapest(if_slow), _cheapest(doubt.problem_at(cell, fast=True)) or cost
    repaired = _repaired(if_slow, today)
    saving = max(cost - fast, _NOTHING)
    if repaired is not None and slow is not None:
        saving += max(repaired - slow, _NOTHING)
    whole = sum(doubt.problem.demand_requests_per_s)
    return replace(
        _benchmark(doubt, cell, load, saving, min(fast, cost)),
        in_fleet=True,
        load_share=sum(doubt.unmeasured(cell, load).values()) / whole,
        risk_usd_per_hour=None if repaired is None else repaired - cost,
        optimum_if_slow_usd_per_hour=slow,
    )


def _that_could_enter(doubt: Doubt, cell: Cell, today: Solution) -> list[Benchmark]:
    """A cell that today's fleet leaves alone, if it would be cheaper at its fast end; else nothing."""
    try:
        found = solve(doubt.problem_at(cell, fast=True), time_limit_s=_SOLVE_S)
    except (NoCandidates, Infeasible, SolverFailed):
        return []
    saving = today.usd_per_hour - found.usd_per_hour
    load = doubt.load(found).get(cell, {})
    if saving <= 0 or not doubt.unmeasured(cell, load):
        return []
    entering = _benchmark(doubt, cell, load, saving, found.usd_per_hour)
    return [replace(entering, optimum_if_slow_usd_per_hour=today.usd_per_hour)]


def _benchmark(
    doubt: Doubt, cell: Cell, load: Mapping[int, float], saving: Decimal, fast: Decimal
) -> Benchmark:
    """A cell outside the fleet, with what it may save at its ends together."""
    slow_factor, fast_factor = doubt.ends(cell)
    return Benchmark(
        accelerator=cell.accelerator,
        tensor_parallel=cell.tensor_parallel,
        service=cell.service,
        weakest=doubt.weakest(cell),
        slow=slow_factor,
        fast=fast_factor,
        in_fleet=False,
        load_share=0.0,
        value_usd_per_hour=saving * WEIGHT_OF_AN_END,
        risk_usd_per_hour=_NOTHING,
        optimum_if_slow_usd_per_hour=None,
        optimum_if_fast_usd_per_hour=fast,
        sizes=_busiest_sizes(doubt, doubt.unmeasured(cell, load)),
    )


def _busiest_sizes(doubt: Doubt, load: Mapping[int, float]) -> tuple[tuple[int, int], ...]:
    enough, carried = ENOUGH_LOAD * sum(load.values()), 0.0
    chosen: list[tuple[int, int]] = []
    for demand, rate in sorted(load.items(), key=lambda item: (-item[1], item[0]))[:MOST_SIZES]:
        if carried >= enough:
            break
        carried += rate
        tokens_in, tokens_out = doubt.sizes[demand]
        chosen.append((max(1, round(tokens_in)), max(2, round(tokens_out))))
    return tuple(chosen)


def _worth(benchmark: Benchmark) -> tuple[bool, Decimal, Decimal, str, int, int]:
    risk = benchmark.risk_usd_per_hour
    return (
        risk is not None,
        -benchmark.value_usd_per_hour,
        -(risk or _NOTHING),
        benchmark.accelerator,
        benchmark.tensor_parallel,
        benchmark.service,
    )


def _cheapest(problem: Problem) -> Decimal | None:
    """Cost of the cheapest fleet; None where there is none."""
    try:
        return solve(problem, time_limit_s=_SOLVE_S).usd_per_hour
    except (NoCandidates, Infeasible, SolverFailed):
        return None


def _repaired(problem: Problem, today: Solution) -> Decimal | None:
    """Cost of today's fleet with the cheapest addition that serves everything; None where nothing does.

    What is bought already stands beside the rest, at no price and in no greater number.
    """
    bought = today.instances
    held = [
        replace(column, id=f"held:{column.id}", usd_per_hour=_NOTHING, max_instances=bought[column.id])
        for column in problem.columns
        if column.id in bought
    ]
    rest = [
        column
        if column.max_instances is None
        else replace(column, max_instances=max(0, column.max_instances - bought.get(column.id, 0)))
        for column in problem.columns
    ]
    added = _cheapest(replace(problem, columns=(*held, *rest)))
    return None if added is None else today.usd_per_hour + added


def _by_promise(doubt: Doubt, cells: Iterable[Cell]) -> list[Cell]:
    """Cells by what a request costs on them at their fast end, against the cheapest cell as it stands.

    Whole instances and sharing are left aside: this says in which order to try, not what cannot matter.
    """
    demand = doubt.problem.demand_requests_per_s
    cheapest: dict[int, float] = {}
    for cell in doubt.figures:
        for b, usd in doubt.usd_per_request(cell, fast=None).items():
            cheapest[b] = min(usd, cheapest.get(b, usd))

    def against_cheapest(cell: Cell) -> float:
        usd = doubt.usd_per_request(cell, fast=True)
        theirs = sum(cheapest[b] * demand[b] for b in usd if b in cheapest)
        return sum(usd[b] * demand[b] for b in usd if b in cheapest) / theirs if theirs else float("inf")

    return sorted(cells, key=lambda cell: (against_cheapest(cell), cell))
