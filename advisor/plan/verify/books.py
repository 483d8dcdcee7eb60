"""Counts × prices, to the last digit, and nothing entered twice."""

from __future__ import annotations

from collections import Counter
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Final

from advisor.plan.verify.violation import Violation
from advisor.units import HOURS_PER_MONTH, decimal_text

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from advisor.plan.plan import Plan

EXACT: Final = Context(prec=200, rounding=ROUND_HALF_UP)
"""Wide enough that no sum or product of decimals in a plan is ever rounded."""


def check_books(plan: Plan) -> Iterator[Violation]:
    """Line totals, the grand total, months, duplicates."""
    total = Decimal(0)
    for index, line in enumerate(plan.purchase):
        at = f"purchase[{index}]"
        cost = EXACT.multiply(line.usd_per_hour_each, Decimal(line.instances))
        total = EXACT.add(total, cost)
        if line.usd_per_hour != cost:
            yield Violation(
                "line_total", f"{at}.usd_per_hour", decimal_text(cost), decimal_text(line.usd_per_hour)
            )
        yield from _month(line.usd_per_hour, line.usd_per_month, f"{at}.usd_per_month")
    if plan.usd_per_hour is not None:
        if plan.usd_per_hour != total:
            yield Violation("total", "usd_per_hour", decimal_text(total), decimal_text(plan.usd_per_hour))
        yield from _month(plan.usd_per_hour, plan.usd_per_month, "usd_per_month")
    yield from _duplicates(plan)


def _month(hour: Decimal, month: Decimal | None, at: str) -> Iterator[Violation]:
    cents = EXACT.quantize(EXACT.multiply(hour, Decimal(HOURS_PER_MONTH)), Decimal("0.01"))
    if month != cents:
        yield Violation("month", at, decimal_text(cents), "nothing" if month is None else decimal_text(month))


def _duplicates(plan: Plan) -> Iterator[Violation]:
    yield from _twice("purchase", (line.offer_id for line in plan.purchase))
    yield from _twice("services", (service.name for service in plan.services))
    yield from _twice("catalog", ((state.provider, state.market.value) for state in plan.catalog))
    yield from _twice("baselines", ((baseline.kind, baseline.name) for baseline in plan.baselines))
    yield from _twice(
        "allocations",
        ((a.service, a.provider, a.region, a.zone, a.instance_type, a.market.value, a.tensor_parallel)
         for a in plan.allocations),
    )  # fmt: skip
    for index, allocation in enumerate(plan.allocations):
        sizes = ((load.input_tokens_max, load.output_tokens_max) for load in allocation.load)
        yield from _twice(f"allocations[{index}].load", sizes)
    for index, service in enumerate(plan.services):
        sizes = ((bucket.input_tokens_max, bucket.output_tokens_max) for bucket in service.buckets)
        yield from _twice(f"services[{index}].buckets", sizes)
    for index, line in enumerate(plan.purchase):
        pools = ((draw.region, draw.pool) for draw in line.quota_draw)
        yield from _twice(f"purchase[{index}].quota_draw", pools)


def _twice(at: str, keys: Iterable[Hashable]) -> Iterator[Violation]:
    for key, count in Counter(keys).items():
        if count > 1:
            name = key if isinstance(key, str) else " ".join(str(part) for part in key)  # type: ignore[attr-defined]
            yield Violation("duplicate", at, f"{name} once", f"{count} times")
