"""The fleets a plan is held against, as tables."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from advisor.cli.fleet_text import FleetWords
from advisor.cli.output import Col, Listing
from advisor.cli.plan_text import percent, short, usd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from advisor.plan.plan import Baseline, Plan

_NOTHING: Final = 5e-4  # of the price; less is written as 0

_NAMES: Final = {"stale_price": "spot, last known price"}
"""Of fleets that admit what the plan leaves out, where the reason does not say it."""


def _saved(value: Any) -> str:
    """One sign convention: what is saved, or what the plan costs more."""
    if value is None:
        return "–"
    return f"{value:.1%}" if value >= -_NOTHING else f"costs {-value:.0%} more"


def _columns(plan: Plan, baselines: Sequence[Baseline], saving: Callable[[Any], str]) -> tuple[Col, ...]:
    """Under a budget fleets serve unlike shares, and those say more than their prices."""
    words = FleetWords.of(b.fleet for b in baselines)
    partly = any(b.served_share < 1 for b in baselines) or any(s.served_share < 1 for s in plan.services)
    served = (Col("served_share", "Serves", numeric=True, text=percent),) if partly else ()
    return (
        Col("name", "Fleet", wrap=True),
        Col("instances", "Instances", numeric=True, importance=3),
        Col("usd_per_hour", "$/h", numeric=True, text=usd(2)),
        Col("usd_per_month", "$/month", numeric=True, text=usd(0), importance=2),
        *served,
        Col("saving_fraction", "Plan saves", numeric=True, text=saving, importance=2 if partly else 1),
        words.column("fleet", "Buys", importance=4),
    )


def _baseline_record(baseline: Baseline, hours: int) -> dict[str, Any]:
    record = baseline.model_dump(mode="python")
    record["usd_per_month"] = None if baseline.usd_per_hour is None else baseline.usd_per_hour * hours
    return record


def single_types(plan: Plan) -> Listing:
    """The cheapest fleet of each accelerator type."""
    singles = [b for b in plan.baselines if b.kind == "single_accelerator"]
    priced = sorted(
        (b for b in singles if b.usd_per_hour is not None),
        key=lambda b: (-b.served_share, b.usd_per_hour or Decimal(0), b.name),
    )
    return Listing(
        "Against the cheapest fleet of one accelerator type",
        _columns(plan, priced, percent),
        [_baseline_record(b, plan.hours_per_month) for b in priced],
        footer=_without_a_price(singles),
        empty="no single accelerator type can serve it",
    )


def yardsticks(plan: Plan) -> Listing:
    """Every other fleet the plan is held against."""
    others = [b for b in plan.baselines if b.kind != "single_accelerator"]
    others = [
        b.model_copy(update={"name": _NAMES.get(b.name, f"admitting {b.name.replace('_', ' ')}")})
        if b.kind == "admitting"
        else b
        for b in others
    ]
    records = [_baseline_record(b, plan.hours_per_month) for b in others]
    return Listing("Against other fleets", _columns(plan, others, _saved), records, _without_a_price(others))


def _without_a_price(baselines: Sequence[Baseline]) -> tuple[str, ...]:
    """Why fleets have no price, those of one reason together."""
    names: dict[str, list[str]] = {}
    for baseline in baselines:
        if baseline.usd_per_hour is None:
            names.setdefault(short(baseline.detail), []).append(baseline.name)
    return tuple(f"No price: {', '.join(same)}: {why}." for why, same in names.items())
