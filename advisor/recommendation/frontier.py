"""Cost against one thing that is varied, every point an optimum of its own.

The problems are posed one after another and solved side by side on the cores at hand: HiGHS works outside
the interpreter's lock. A point that has no fleet says why; one that ran out of time says how far it got.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from advisor.domain import Market
from advisor.errors import Infeasible, NoCandidates, SolverFailed, UsageError
from advisor.optimize.infeasibility.diagnose import solve_or_say_why
from advisor.optimize.problem_builder import EMISSIONS
from advisor.optimize.solve import solve
from advisor.recommendation.comparison import fleet_of
from advisor.recommendation.policy import Survive
from advisor.recommendation.prepare import Prepared, prepare
from advisor.recommendation.replayed import held_request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.optimize.problem import Problem, Solution
    from advisor.recommendation.findings import Catalog
    from advisor.recommendation.request import Request

MOST_POINTS: Final = 60


@dataclass(frozen=True, slots=True)
class Axis:
    """Something that can be varied."""

    name: str
    meaning: str  #: in words, for the head of the table
    unit: str
    whole: bool  #: whether only whole numbers make sense
    least: float
    most: float
    asked: Callable[[Request, float], Request]  #: the request at a value
    usual: Callable[[Request], Sequence[float]]  #: values to try where none are given


@dataclass(frozen=True, slots=True)
class Point:
    """The optimum at one value."""

    value: float
    status: str  #: ``optimal``, ``feasible``, ``infeasible`` or ``not_solved``
    usd_per_hour: Decimal | None
    lower_bound_usd_per_hour: float | None
    relative_gap: float | None
    served_share: float | None  #: of all planned requests; below 1 only under a budget
    instances: int | None
    fleet: tuple[str, ...]
    reason: str = ""  #: why there is no fleet


@dataclass(frozen=True, slots=True)
class Frontier:
    """Cost along an axis."""

    axis: Axis
    asked_value: float | None  #: where the request itself stands, if it does
    points: tuple[Point, ...]


def _rate(request: Request, value: float) -> Request:
    total = sum(service.rate_requests_per_s for service in request.services)
    scaled = tuple(
        replace(service, rate_requests_per_s=service.rate_requests_per_s * value / total)
        for service in request.services
    )
    return replace(request, services=scaled)


def _with_slo(limit: str) -> Callable[[Request, float], Request]:
    def asked(request: Request, value: float) -> Request:
        changed: dict[str, Any] = {limit: value}
        services = tuple(replace(s, slo=replace(s.slo, **changed)) for s in request.services)
        return replace(request, services=services)

    return asked


def _headroom(request: Request, value: float) -> Request:
    return replace(request, services=tuple(replace(s, headroom=value) for s in request.services))


def _spot_share(request: Request, value: float) -> Request:
    """At most that share of any size rests on spot: the rest of the fleet serves what remains."""
    if value >= 1:
        return request
    if value <= 0:
        return replace(request, markets=tuple(m for m in request.markets if m is not Market.SPOT))
    floor = Survive("spot", keeps=1 - value)
    return replace(request, policy=replace(request.policy, survive=(*request.policy.survive, floor)))


def _lost(request: Request, value: float) -> Request:
    if value < 1:
        return request
    rule = Survive("instance", count=round(value))
    return replace(request, policy=replace(request.policy, survive=(*request.policy.survive, rule)))


def _at_most(kind: str) -> Callable[[Request, float], Request]:
    def asked(request: Request, value: float) -> Request:
        others = tuple(limit for limit in request.policy.at_most if limit[0] != kind)
        return replace(request, policy=replace(request.policy, at_most=(*others, (kind, round(value)))))

    return asked


def _budget(request: Request, value: float) -> Request:
    usd = Decimal(repr(value)).quantize(Decimal("0.00000001"))
    return replace(request, policy=replace(request.policy, budget_usd_per_hour=usd))


def _carbon(request: Request, value: float) -> Request:
    return replace(request, policy=replace(request.policy, most_kg_co2e_per_hour=value))


def _demand_error(request: Request, value: float) -> Request:
    return replace(request, policy=replace(request.policy, demand_error=value))


def _coverage(request: Request, value: float) -> Request:
    return replace(request, coverage_percent=value)


def _times_rate(request: Request) -> list[float]:
    total = sum(service.rate_requests_per_s for service in request.services)
    return [total * factor for factor in (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)]


AXES: Final[dict[str, Axis]] = {
    axis.name: axis
    for axis in (
        Axis(
            "rate", "request rate, all services together", "requests/s", False, 1e-4, 1e7, _rate, _times_rate
        ),
        Axis(
            "tpot", "limit on TPOT", "ms", False, 0.1, 1e6, _with_slo("tpot_ms"),
            lambda _: (20, 30, 40, 50, 60, 80, 100, 120),
        ),
        Axis(
            "ttft", "limit on TTFT", "ms", False, 1, 1e6, _with_slo("ttft_ms"),
            lambda _: (250, 500, 1000, 2000, 5000, 10000),
        ),
        Axis(
            "headroom", "share of capacity kept free", "", False, 0, 0.99, _headroom,
            lambda _: (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4),
        ),
        Axis(
            "spot-share", "largest share of any size that rests on spot", "", False, 0, 1, _spot_share,
            lambda _: (0.0, 0.25, 0.5, 0.75, 1.0),
        ),
        Axis(
            "instances-lost", "instances that may fail at once", "instances", True, 0, 10, _lost,
            lambda _: (0, 1, 2, 3),
        ),
        Axis(
            "providers", "different providers at most", "providers", True, 1, 50, _at_most("provider"),
            lambda _: (1, 2, 3),
        ),
        Axis(
            "accelerators", "different accelerator types at most", "types", True, 1, 50,
            _at_most("accelerator"), lambda _: (1, 2, 3, 4),
        ),
        Axis(
            "regions", "different regions at most", "regions", True, 1, 200, _at_most("region"),
            lambda _: (1, 2, 3, 4),
        ),
        Axis("budget", "most dollars an hour", "$/h", False, 1e-4, 1e6, _budget, lambda _: ()),
        Axis(
            "carbon", "most emissions, estimated", "kg CO2e/h", False, 1e-6, 1e6, _carbon, lambda _: ()
        ),
        Axis(
            "demand-error", "demand above plan that is still served", "", False, 0, 10, _demand_error,
            lambda _: (0.0, 0.1, 0.2, 0.3, 0.5),
        ),
        Axis(
            "coverage", "requests planned for", "%", False, 1, 100, _coverage,
            lambda _: (90.0, 95.0, 99.0, 99.5, 99.9, 99.99, 100.0),
        ),
    )
}  # fmt: skip
"""What a frontier can run along."""


_OF_THE_SLO: Final = ("tpot", "ttft")
"""Axes along which replicas carry more or less: each point is replayed; others share their ceilings."""


def frontier(
    request: Request,
    catalog: Catalog,
    account: Account | None,
    now: datetime,
    axis: Axis,
    values: Sequence[float] = (),
) -> Frontier:
    """The optimum at each value, in rising order of values.

    Args:
        request: everything that is not varied; its time limit holds for each point.
        catalog: prices, facts, throughput.
        account: quotas held.
        now: what the ages of prices refer to.
        axis: of :data:`AXES`.
        values: where; empty takes the usual ones.

    Raises:
        UsageError: a value out of the axis's range, or too many.
    """
    if axis.name not in _OF_THE_SLO:
        request = held_request(request, catalog, account, now)
    chosen = sorted({float(value) for value in values}) or _usual(request, catalog, account, now, axis)
    _check(axis, chosen)
    asked = [axis.asked(request, value) for value in chosen]
    if axis.name in _OF_THE_SLO:
        asked = [held_request(one, catalog, account, now) for one in asked]
    posed = [prepare(one, catalog, account, now) for one in asked]
    limit = request.time_limit_s
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        points = pool.map(lambda pair: _point(pair[0], pair[1], limit), zip(chosen, posed, strict=True))
        return Frontier(axis, _stands_at(request, axis), tuple(points))


def _usual(
    request: Request, catalog: Catalog, account: Account | None, now: datetime, axis: Axis
) -> list[float]:
    """The axis's own values; for budgets and emissions, shares of those of the fleet without a cap."""
    if axis.name not in ("budget", "carbon"):
        return sorted(map(float, axis.usual(request)))
    asked = _carbon(request, axis.most) if axis.name == "carbon" else request
    prepared = prepare(asked, catalog, account, now)
    try:
        free = solve(prepared.problem, time_limit_s=request.time_limit_s)
    except (Infeasible, NoCandidates) as no:
        raise UsageError(f"a frontier of {axis.name} needs a fleet to start from: {no}") from None
    whole = _emitted(prepared.problem, free) if axis.name == "carbon" else float(free.usd_per_hour)
    return [round(whole * share, 4) for share in (0.25, 0.5, 0.75, 0.9, 1.0)]


def _emitted(problem: Problem, solution: Solution) -> float:
    """Kilograms an hour, rounded up by the places of the axis so that the fleet itself is within."""
    draws = {column.id: dict(column.draws).get(EMISSIONS, Decimal(0)) for column in problem.columns}
    kg = sum((draws[column] * count for column, count in solution.instances.items()), Decimal(0))
    return float(kg) + 1e-4


def _check(axis: Axis, values: Sequence[float]) -> None:
    if len(values) > MOST_POINTS:
        raise UsageError(f"--values: {len(values)} points are too many; at most {MOST_POINTS}")
    for value in values:
        if not axis.least <= value <= axis.most or (axis.whole and value != round(value)):
            kind = "a whole number" if axis.whole else "a number"
            raise UsageError(
                f"--values {value:g} is not allowed for {axis.name}; {kind} from {axis.least:g} to "
                f"{axis.most:g}"
            )


def _stands_at(request: Request, axis: Axis) -> float | None:
    """Where on the axis the request itself stands, where that is one number."""
    services = request.services
    match axis.name:
        case "rate":
            return sum(service.rate_requests_per_s for service in services)
        case "tpot":
            return services[0].slo.tpot_ms if len({s.slo.tpot_ms for s in services}) == 1 else None
        case "ttft":
            return services[0].slo.ttft_ms if len({s.slo.ttft_ms for s in services}) == 1 else None
        case "headroom":
            return services[0].headroom if len({s.headroom for s in services}) == 1 else None
        case "coverage":
            return request.coverage_percent
        case _:
            return None


def _point(value: float, prepared: Prepared, time_limit_s: float) -> Point:
    def nothing(status: str, why: str) -> Point:
        return Point(value, status, None, None, None, None, None, (), why)

    problem = prepared.problem
    try:
        solution = solve_or_say_why(problem, time_limit_s=time_limit_s, pool_units=prepared.pool_units)
    except (Infeasible, NoCandidates) as no:
        return nothing("infeasible", str(no))
    except SolverFailed as failure:
        return nothing("not_solved", str(failure))
    rates = problem.demand_requests_per_s
    served = sum(rate * solution.served_share.get(b, 1.0) for b, rate in enumerate(rates))
    return Point(
        value,
        solution.status.value,
        solution.usd_per_hour,
        solution.lower_bound_usd_per_hour,
        solution.relative_gap,
        served / sum(rates),
        sum(solution.instances.values()),
        tuple(fleet_of(problem, solution.instances)),
    )
