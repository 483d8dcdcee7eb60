"""What an answer hangs on: the optimum under other demand, prices and throughput; and which chip wins where.

Each swing changes one input of the prepared problem, all else equal, and solves it anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Final

from advisor.domain import Bucket, Throughput, Workload
from advisor.errors import Infeasible, NoCandidates, SolverFailed
from advisor.optimize.solve import solve
from advisor.recommendation.policy import Policy
from advisor.recommendation.prepare import prepare
from advisor.recommendation.wording import planned_error
from advisor.workload.buckets import DEFAULT_INPUT_EDGES, DEFAULT_OUTPUT_EDGES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.domain import Market, Offer, Service
    from advisor.optimize.problem import Column, Problem, ServingOption
    from advisor.plan.plan import Plan
    from advisor.recommendation.findings import Catalog
    from advisor.recommendation.prepare import Prepared
    from advisor.recommendation.request import Request

DEMAND: Final = "Demand"
"""What the swing of the demand is called."""
DEMAND_STEP: Final = Decimal("0.3")
"""Demand is tried at 30 % less and more: what an approver asks first."""
PRICE_STEP: Final = Decimal("0.2")
"""Prices of one provider and market are tried at 20 % less and more."""

RATE_FACTORS: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the planned rate: where the cost of more and less of the same demand is looked up."""

_SECONDS_PER_HOUR: Final = 3600
_MILLION: Final = 10**6
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Swing:
    """The cheapest fleet when one input is lower, and when it is higher. None: no fleet, or not solved."""

    label: str
    low_label: str
    low_usd_per_hour: Decimal | None
    high_label: str
    high_usd_per_hour: Decimal | None

    @property
    def width(self) -> Decimal:
        """Between the two ends; 0 where one is not known."""
        if self.low_usd_per_hour is None or self.high_usd_per_hour is None:
            return Decimal(0)
        return abs(self.high_usd_per_hour - self.low_usd_per_hour)


@dataclass(frozen=True, slots=True)
class CostAtRate:
    """The cheapest fleet at another rate of the same mix. None: no fleet, or not solved."""

    requests_per_s: float
    usd_per_hour: Decimal | None


@dataclass(frozen=True, slots=True)
class Cheapest:
    """The offer with the least cost per request of one size, if instances came in fractions."""

    accelerator: str
    offer: str  #: its id
    usd_per_million_requests: Decimal


@dataclass(frozen=True, slots=True)
class CheapestPerSize:
    """A grid of request sizes, by upper edges, and the cheapest offer for each."""

    service: str
    input_edges: tuple[int, ...]
    output_edges: tuple[int, ...]
    cells: tuple[tuple[Cheapest | None, ...], ...]  #: per input edge, per output edge


def swings(plan: Plan, prepared: Prepared, seconds_each: float = 10.0) -> tuple[Swing, ...]:
    """Demand, the prices of everything bought, and throughput, each lower and higher.

    Args:
        plan: what was decided; its lines say which prices matter, its evidence how wide the band is.
        prepared: the problem it solved.
        seconds_each: for one solution; a fleet not found by then is None.
    """
    problem = prepared.problem

    def swing(label: str, step: Decimal, changed: Callable[[Decimal], Problem]) -> Swing:
        low, high = (_cost(changed(1 + sign * step), seconds_each) for sign in (-1, 1))
        return Swing(label, f"−{step:.0%}", low, f"+{step:.0%}", high)

    found = [swing(DEMAND, DEMAND_STEP, lambda factor: _with_demand(problem, float(factor)))]
    for provider, market in _bought(plan):
        found.append(
            swing(
                f"Prices of {provider} {market.value.replace('_', ' ')}",
                PRICE_STEP,
                lambda factor, who=(provider, market): _with_prices(problem, prepared, who, factor),  # type: ignore[misc]
            )
        )
    error = Decimal(str(round(planned_error(plan.allocations) or 0.0, 4)))
    if 0 < error < 1:
        label = "Throughput of every replica (typical error)"
        found.append(swing(label, error, lambda factor: _with_throughput(problem, float(factor))))
    return tuple(found)


def solutions_of_swings(plan: Plan) -> int:
    """How many solutions :func:`swings` takes: two per input."""
    return 2 * (2 + len(_bought(plan)))


def costs_at_rates(plan: Plan, prepared: Prepared, seconds_each: float = 10.0) -> tuple[CostAtRate, ...]:
    """What more and less of the same demand costs: the frontier over the rate, headroom as planned."""
    rate = math.fsum(prepared.problem.demand_requests_per_s)
    return tuple(
        CostAtRate(
            rate * factor,
            plan.usd_per_hour if factor == 1 else _cost(_with_demand(prepared.problem, factor), seconds_each),
        )
        for factor in RATE_FACTORS
    )


def _cost(problem: Problem, seconds: float) -> Decimal | None:
    try:
        return solve(problem, time_limit_s=seconds).usd_per_hour
    except (NoCandidates, Infeasible, SolverFailed):
        return None


def _bought(plan: Plan) -> list[tuple[str, Market]]:
    return sorted({(line.provider, line.market) for line in plan.purchase})


def _with_demand(problem: Problem, factor: float) -> Problem:
    return replace(
        problem, demand_requests_per_s=tuple(rate * factor for rate in problem.demand_requests_per_s)
    )


def _with_prices(problem: Problem, prepared: Prepared, who: tuple[str, Market], factor: Decimal) -> Problem:
    offers = {candidate.offer.id: candidate.offer for candidate in prepared.joined.candidates}

    def priced(column: Column) -> Column:
        offer = offers.get(column.id)
        if offer is None or (offer.provider, offer.market) != who:
            return column
        return replace(column, usd_per_hour=column.usd_per_hour * factor)

    return replace(problem, columns=tuple(map(priced, problem.columns)))


def _with_throughput(problem: Problem, factor: float) -> Problem:
    def faster(option: ServingOption) -> ServingOption:
        low = option.low_requests_per_s
        return replace(
            option,
            requests_per_s=tuple(rate * factor for rate in option.requests_per_s),
            low_requests_per_s=None if low is None else tuple(rate * factor for rate in low),
        )

    columns = tuple(replace(column, options=tuple(map(faster, column.options))) for column in problem.columns)
    return replace(problem, columns=columns)


def cheapest_per_size(
    service: Service,
    request: Request,
    catalog: Catalog,
    account: Account | None,
    now: datetime,
    input_edges: Sequence[int] = DEFAULT_INPUT_EDGES,
    output_edges: Sequence[int] = DEFAULT_OUTPUT_EDGES,
) -> CheapestPerSize:
    """The cheapest offer for every request size of a grid, each size alone, at its upper edges.

    Rules on the fleet as a whole play no part: one request is too small to be spread.
    """
    asked = replace(service, workload=_grid(input_edges, output_edges))
    alone = replace(request, services=(asked,), policy=Policy(), coverage_percent=100.0)
    prepared = prepare(alone, catalog, account, now)
    best = {size: _priced_cell(cell) for size, cell in _cheapest(prepared, 1.0 - service.headroom).items()}
    width = len(output_edges)
    cells = tuple(
        tuple(best.get(row * width + column) for column in range(width)) for row in range(len(input_edges))
    )
    return CheapestPerSize(service.name, tuple(input_edges), tuple(output_edges), cells)


@dataclass(frozen=True, slots=True)
class _Cell:
    """An offer, and how many requests of one size it serves in an hour."""

    offer: Offer
    requests_per_hour: float
    usd_per_request: float  #: only to compare by

    @property
    def order(self) -> tuple[float, str]:
        return self.usd_per_request, self.offer.id


def _cheapest(prepared: Prepared, ceiling: float) -> dict[int, _Cell]:
    """Per size, the offer that serves it at least cost."""
    best: dict[int, _Cell] = {}
    for candidate in prepared.joined.candidates:
        offer = candidate.offer
        usd_per_hour = float(offer.usd_per_hour)
        for degree in candidate.degrees:
            per_hour = int(offer.accelerators) // degree.tensor_parallel * ceiling * _SECONDS_PER_HOUR
            for size, answer in enumerate(degree.answers):
                if not isinstance(answer, Throughput) or not per_hour:
                    continue
                served = answer.requests_per_s * per_hour
                cost, held = usd_per_hour / served, best.get(size)
                if held is None or (cost, offer.id) < held.order:
                    best[size] = _Cell(offer, served, cost)
    return best


def _priced_cell(cell: _Cell) -> Cheapest:
    usd = cell.offer.usd_per_hour / Decimal(repr(cell.requests_per_hour)) * _MILLION
    return Cheapest(cell.offer.accelerator, cell.offer.id, usd.quantize(_CENT))


def _grid(input_edges: Sequence[int], output_edges: Sequence[int]) -> Workload:
    """Every size of a grid, equally often."""
    sizes = list(product(_ranges(input_edges), _ranges(output_edges)))
    buckets = tuple(
        Bucket(low_in, high_in, low_out, high_out, 1 / len(sizes), high_in, high_out, "upper_edge")
        for (low_in, high_in), (low_out, high_out) in sizes
    )
    return Workload("grid", buckets, None, None, "every size of the grid alike", None)


def _ranges(edges: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip((0, *edges[:-1]), edges, strict=True))
