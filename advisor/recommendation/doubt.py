"""What a plan rests on that nobody measured, cell by cell, and the problem as it would be without the error.

A cell is one accelerator at one tensor-parallel degree, serving one service. Its figures that were not
measured share one error, a factor on all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from advisor.domain import EvidenceKind, Throughput
from advisor.profiles.interval import Interval, interval_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.optimize.candidates import Joined
    from advisor.optimize.problem import Column, Problem, ServingOption, Solution

_DUST = 1e-9  # of all load; less than that is the solver's rounding


class Cell(NamedTuple):
    """Whose speed one benchmark finds out."""

    accelerator: str
    tensor_parallel: int
    service: int = 0  #: index


@dataclass(frozen=True)
class Doubt:
    """A problem with the figures behind it."""

    problem: Problem
    figures: Mapping[Cell, Mapping[int, Throughput]]  #: per cell that may be bought and demand it serves
    chip_of: Mapping[str, str]  #: accelerator per column id
    sizes: tuple[tuple[float, float], ...]  #: (input, output) tokens per demand
    errors: Mapping[str, Any]  #: typical errors per kind, as :attr:`ProfileStore.errors` has them

    @cached_property
    def intervals(self) -> dict[Cell, dict[int, Interval]]:
        """The 90 % interval of every figure that was not measured and whose error is known."""
        return {
            cell: {
                demand: span
                for demand, figure in figures.items()
                if _unmeasured(figure)
                and (span := interval_of(figure, cell.accelerator, self.errors)) is not None
            }
            for cell, figures in self.figures.items()
        }

    def cells(self) -> list[Cell]:
        """Those with a figure that was not measured and whose error is known."""
        return sorted(cell for cell, spans in self.intervals.items() if spans)

    def of_unknown_error(self) -> list[Cell]:
        """Those with a figure that was not measured and of which nobody knows how wrong it is."""
        return sorted(
            cell
            for cell, figures in self.figures.items()
            if any(_unmeasured(f) and demand not in self.intervals[cell] for demand, f in figures.items())
        )

    def weakest(self, cell: Cell) -> EvidenceKind:
        """Of a cell's figures."""
        return max((figure.kind for figure in self.figures[cell].values()), key=lambda kind: kind.rank)

    def ends(self, cell: Cell) -> tuple[float, float]:
        """The lowest and the highest factor of a cell's intervals on its rates."""
        figures = self.figures[cell]
        factors = [
            (span.low / figures[demand].requests_per_s, span.high / figures[demand].requests_per_s)
            for demand, span in self.intervals[cell].items()
        ]
        return min(low for low, _ in factors), max(high for _, high in factors)

    def rates(self, cell: Cell, *, fast: bool | None) -> dict[int, float]:
        """Requests per second per demand served, at an end of the intervals or as they stand (None)."""
        standing = {demand: figure.requests_per_s for demand, figure in self.figures[cell].items()}
        if fast is None:
            return standing
        spans = self.intervals[cell]
        return standing | {demand: span.high if fast else span.low for demand, span in spans.items()}

    def problem_at(self, cell: Cell, *, fast: bool) -> Problem:
        """The problem if the truth of one cell were at an end of its intervals."""
        rates = self.rates(cell, fast=fast)
        moved: dict[tuple[ServingOption, ...], tuple[ServingOption, ...]] = {}

        def at_end(column: Column) -> Column:
            if self.chip_of[column.id] != cell.accelerator:
                return column
            if column.options not in moved:
                moved[column.options] = tuple(
                    _known(option, rates) if (option.tensor_parallel, option.service) == cell[1:] else option
                    for option in column.options
                )
            return replace(column, options=moved[column.options])

        return replace(self.problem, columns=tuple(map(at_end, self.problem.columns)))

    def load(self, solution: Solution) -> dict[Cell, dict[int, float]]:
        """Requests per second that a fleet serves, per cell and demand."""
        whole = sum(solution.load_requests_per_s.values())
        found: dict[Cell, dict[int, float]] = {}
        for (column, degree, demand), rate in solution.load_requests_per_s.items():
            if rate > _DUST * whole:
                cell = Cell(self.chip_of[column], degree, self.problem.service_of(demand))
                served = found.setdefault(cell, {})
                served[demand] = served.get(demand, 0.0) + rate
        return found

    def unmeasured(self, cell: Cell, load: Mapping[int, float]) -> dict[int, float]:
        """The part of a cell's load that rests on figures nobody measured."""
        figures = self.figures[cell]
        return {demand: rate for demand, rate in load.items() if _unmeasured(figures[demand])}

    def usd_per_request(self, cell: Cell, *, fast: bool | None) -> dict[int, float]:
        """Least dollars an hour for a request a second, per demand; whole instances left aside."""
        each = min(
            (
                float(column.usd_per_hour) / (column.accelerators // cell.tensor_parallel)
                for column in self.problem.columns
                if self.chip_of[column.id] == cell.accelerator and column.accelerators >= cell.tensor_parallel
            ),
            default=None,
        )
        if each is None:
            return {}
        return {demand: each / rate for demand, rate in self.rates(cell, fast=fast).items() if rate > 0}


def doubt_of(joined: Joined, problem: Problem, errors: Mapping[str, Any]) -> Doubt:
    """The problem with the figures that the join found for it."""
    figures: dict[Cell, dict[int, Throughput]] = {}
    for degrees in {id(c.degrees): (c.offer.accelerator, c.degrees) for c in joined.candidates}.values():
        for degree in degrees[1]:
            cell = Cell(degrees[0], degree.tensor_parallel, degree.service)
            figures.setdefault(cell, {}).update(
                (demand, answer)
                for demand, answer in enumerate(degree.answers, degree.first)
                if isinstance(answer, Throughput)
            )
    chip_of = {candidate.offer.id: candidate.offer.accelerator for candidate in joined.candidates}
    sizes = tuple((demand.input_tokens, demand.output_tokens) for demand in joined.demands)
    return Doubt(problem, figures, chip_of, sizes, errors)


def _known(option: ServingOption, rates: Mapping[int, float]) -> ServingOption:
    """The option with its true rates, and no band around them any more."""
    true = tuple(rates.get(demand, rate) for demand, rate in enumerate(option.requests_per_s))
    return replace(
        option,
        requests_per_s=true,
        low_requests_per_s=None if option.low_requests_per_s is None else true,
    )


def _unmeasured(figure: Throughput) -> bool:
    return figure.kind is not EvidenceKind.MEASURED
