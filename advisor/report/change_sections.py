"""What changes: against the last report, and against the fleet held today with the steps to get there."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.report.blocks import (
    Block,
    Column,
    Fact,
    Facts,
    Kind,
    Section,
    Sentences,
    Table,
)
from advisor.report.spell import rate_of, spell

if TYPE_CHECKING:
    from advisor.plan.plan import Migration, Plan
    from advisor.report.beside import Beside
    from advisor.report.blocks import Value


def change(plan: Plan, beside: Beside) -> Section:
    """Against the last report's plan."""
    title = "Change against the last report"
    before = beside.previous
    if before is None:
        return Section("change", title, (), "The last report's plan was not given (--previous PLAN).")
    held = {line.offer_id: line for line in before.purchase}
    kept = {line.offer_id: line for line in plan.purchase}
    rows: list[tuple[Value, ...]] = []
    for offer in sorted(held | kept):
        old, new = held.get(offer), kept.get(offer)
        rows.append(
            (
                offer,
                old.instances if old else 0,
                new.instances if new else 0,
                old.usd_per_hour_each if old else None,
                new.usd_per_hour_each if new else None,
                old.usd_per_hour if old else None,
                new.usd_per_hour if new else None,
                (new.usd_per_hour if new else Decimal(0)) - (old.usd_per_hour if old else Decimal(0)),
            )
        )
    old_total, new_total = before.usd_per_hour or Decimal(0), plan.usd_per_hour or Decimal(0)
    columns = (
        Column("line", "Line"),
        Column("instances_before", "Count before", Kind.COUNT),
        Column("instances_after", "Count now", Kind.COUNT),
        Column("price_before", "USD/h each before", Kind.USD_RATE),
        Column("price_after", "USD/h each now", Kind.USD_RATE),
        Column("usd_per_hour_before", "USD/h before", Kind.USD_RATE),
        Column("usd_per_hour_after", "USD/h now", Kind.USD_RATE),
        Column("change_usd_per_hour", "Change, USD/h", Kind.USD_RATE),
    )
    total = ("Total", None, None, None, None, old_total, new_total, new_total - old_total)
    made = f"The last plan is {before.plan_id}, made {before.created_at:%Y-%m-%d}."
    same = f" It cost {spell(old_total, Kind.USD_RATE)} USD/h, this one {spell(new_total, Kind.USD_RATE)}."
    return Section(
        "change",
        title,
        (Sentences((made + same,)), Table("change", "Line by line", columns, tuple(rows), total)),
    )


def migration(plan: Plan) -> Section:
    """Against the fleet held today, with the steps to get there."""
    found = plan.migration
    title = "Change against the current fleet"
    if found is None:
        said = "The plan was made without a current fleet (recommend --current FLEET)."
        return Section("migration", title, (), said)
    return Section("migration", title, tuple(_migration_blocks(found)))


def _migration_blocks(found: Migration) -> list[Block]:
    facts = (
        Fact("Decision", "change to the plan" if found.decision == "change" else "keep the fleet held"),
        Fact("Fleet held, from", found.fleet_source),
        Fact("Fleet held costs, USD per hour", found.held_usd_per_hour, Kind.USD_RATE),
        Fact("Fleet held serves the demand", "yes" if found.held_serves else "no"),
        Fact("Cheapest fleet, USD per hour", found.best_usd_per_hour, Kind.USD_RATE),
        Fact("Saving, USD per hour", rate_of(found.saving_usd_per_hour), Kind.USD_RATE),
        Fact("One-off cost of the change, USD", found.one_off_usd, Kind.USD),
        Fact("Pays back after, hours", found.payback_hours, Kind.NUMBER),
        Fact("Cost of starting one instance, USD", found.usd_per_instance_started, Kind.USD),
        Fact("Cost of giving one up, USD", found.usd_per_instance_stopped, Kind.USD),
    )
    changes = Table(
        "fleet_changes",
        "What changes",
        (
            Column("offer", "Line"),
            Column("before", "Held", Kind.COUNT),
            Column("after", "Planned", Kind.COUNT),
        ),
        tuple((c.offer, c.before, c.after) for c in found.changes),
    )
    steps = Table(
        "migration_steps",
        "Steps that keep capacity at every moment",
        (
            Column("step", "Step", Kind.COUNT),
            Column("text", "What to do"),
            Column("usd_per_hour", "Paid for after it, USD/h", Kind.USD_RATE),
        ),
        tuple((n, step.text, step.usd_per_hour) for n, step in enumerate(found.steps, start=1)),
    )
    unknown = [f"Not known to the catalog, left alone: {', '.join(found.unknown)}."] if found.unknown else []
    return [
        Facts(facts),
        *(table for table in (changes, steps) if table.rows),
        *([Sentences(tuple(unknown))] if unknown else []),
    ]
