"""The fleets a plan is held against, as tables."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from advisor.cli.output import Col, Listing
from advisor.cli.plan_text import percent, short, usd

if TYPE_CHECKING:
    from advisor.plan.plan import Baseline, Plan


def _signed_percent(value: Any) -> str:
    return "–" if value is None else f"{value:+.1%}"


_BASELINE_COLUMNS = (
    Col("name", "Fleet"),
    Col("instances", "Instances", numeric=True, importance=3),
    Col("usd_per_hour", "$/h", numeric=True, text=usd(2)),
    Col("usd_per_month", "$/month", numeric=True, text=usd(0), importance=2),
    Col("saving_fraction", "Plan saves", numeric=True, text=percent),
    Col("buys", "Buys", importance=4, wrap=True),
)


def _baseline_record(baseline: Baseline, hours: int) -> dict[str, Any]:
    record = baseline.model_dump(mode="python")
    record["buys"] = ", ".join(baseline.fleet)
    record["usd_per_month"] = None if baseline.usd_per_hour is None else baseline.usd_per_hour * hours
    return record


def single_types(plan: Plan) -> Listing:
    """The cheapest fleet of each accelerator type."""
    singles = [b for b in plan.baselines if b.kind == "single_accelerator"]
    priced = sorted(
        (b for b in singles if b.usd_per_hour is not None),
        key=lambda b: (b.usd_per_hour or Decimal(0), b.name),
    )
    footer = [f"{b.name} alone: {short(b.detail)}." for b in singles if b.usd_per_hour is None]
    return Listing(
        "Against the cheapest fleet of one accelerator type",
        _BASELINE_COLUMNS,
        [_baseline_record(b, plan.hours_per_month) for b in priced],
        footer=tuple(footer),
        empty="no single accelerator type can serve it",
    )


def yardsticks(plan: Plan) -> Listing:
    """Every other fleet the plan is held against."""
    others = [b for b in plan.baselines if b.kind != "single_accelerator"]
    records = [_baseline_record(b, plan.hours_per_month) for b in others]
    for record in records:
        if record["kind"] == "admitting":
            record["name"] = f"admitting {record['name'].replace('_', ' ')}"
    columns = (
        Col("name", "Fleet"),
        *_BASELINE_COLUMNS[1:4],
        Col("saving_fraction", "Plan saves", numeric=True, text=_signed_percent),
        _BASELINE_COLUMNS[-1],
    )
    return Listing("Against other fleets", columns, records)
