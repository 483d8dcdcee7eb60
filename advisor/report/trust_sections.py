"""What could go wrong and what changed: risk, simulation, change, carbon, limits, how to reproduce, sign."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import Market
from advisor.report.blocks import (
    Block,
    Column,
    Fact,
    Facts,
    Kind,
    Quotation,
    Section,
    Sentences,
    Signatures,
    Table,
)
from advisor.report.spell import spell

if TYPE_CHECKING:
    from advisor.plan.plan import Migration, Plan
    from advisor.report.answers import Attained
    from advisor.report.beside import Beside
    from advisor.report.blocks import Value

ROLES: Final = ("Requested by", "Checked by (SLO owner)", "Checked by (FinOps)", "Approved by")

_LIMITS: Final = (
    (
        "Loads of different request sizes are taken to add up linearly on a replica; headroom pays for what "
        "that misses."
    ),
    (
        "Throughput is as good as its evidence: measured, simulated or estimated, with the errors stated "
        "above; nothing here was measured on the buyer's own machines unless a profile says so."
    ),
    "Stock is as its source stated it on its day; only the provider's order page knows today's.",
    "This is a forecast, not a bill: what is billed follows the provider's metering and taxes.",
)


def risk(plan: Plan) -> Section:
    """How much is spot, how often it goes, and what replaces it."""
    spot = sum((line.usd_per_hour for line in plan.purchase if line.market is Market.SPOT), Decimal(0))
    whole = sum((line.usd_per_hour for line in plan.purchase), Decimal(0))
    share = float(spot / whole) if whole else 0.0
    facts = [Fact("Spot share of the cost", share, Kind.SHARE)]
    if not spot:
        facts.append(Fact("Interruption", "none: no line is spot"))
        return Section("risk", "Spot risk", (Facts(tuple(facts)),))
    bands = [
        f"{line.instance_type}: {line.interruption or 'not known'}"
        for line in plan.purchase
        if line.market is Market.SPOT
    ]
    facts.append(Fact("Interruption band per month", "; ".join(bands)))
    blocks: list[Block] = []
    if plan.risk is None:
        market = next((b for b in plan.baselines if b.kind == "market"), None)
        cost = market.usd_per_hour if market else None
        facts.append(Fact("On-demand only would cost, USD per hour", cost, Kind.USD_RATE))
        return Section("risk", "Spot risk", (Facts(tuple(facts)),))
    facts += [
        Fact(
            "Expected cost with interruptions, USD per hour", plan.risk.expected_usd_per_hour, Kind.USD_RATE
        ),
        Fact("Worst cost, all spot lost at once, USD per hour", plan.risk.worst_usd_per_hour, Kind.USD_RATE),
        Fact("Hours on the fallback per interruption (assumed)", plan.risk.hours_on_fallback, Kind.NUMBER),
    ]
    blocks.append(Facts(tuple(facts)))
    blocks.append(
        Table(
            "fallbacks",
            "What replaces a spot line while it is reclaimed",
            (
                Column("offer", "Spot line"),
                Column("instances", "Count", Kind.COUNT),
                Column("interruption", "Interrupted per month"),
                Column("fallback", "Fallback"),
                Column("usd_per_hour_each", "Fallback, USD/h each", Kind.USD_RATE),
            ),
            tuple(
                (
                    f.offer,
                    f.instances,
                    f.interruption or "not known",
                    f.fallback or "none",
                    f.fallback_usd_per_hour_each,
                )
                for f in plan.risk.fallbacks
            ),
        )
    )
    return Section("risk", "Spot risk", tuple(blocks))


def redundancy(plan: Plan) -> Section:
    """Which losses the fleet survives, by rule."""
    if not plan.rules:
        return Section(
            "redundancy", "Redundancy", (),
            "No rule was asked for: nothing beyond the headroom is kept for the loss of an instance, a zone "
            "or a region.",
        )  # fmt: skip
    rules = Table(
        "rules",
        "Rules the fleet obeys, and what each costs",
        (Column("rule", "Rule"), Column("premium_usd_per_hour", "Premium, USD/h", Kind.USD_RATE)),
        tuple((rule.text, _premium(rule.premium_usd_per_hour)) for rule in plan.rules),
    )
    cases = tuple(
        (rule.text, case.case, case.least_served_share) for rule in plan.rules for case in rule.cases
    )
    if not cases:
        return Section("redundancy", "Redundancy", (rules,))
    held = Table(
        "cases",
        "The cases that decide",
        (
            Column("rule", "Rule"),
            Column("case", "Lost or in doubt"),
            Column("least_served_share", "Least share of any size still served", Kind.SHARE),
        ),
        cases,
    )
    return Section("redundancy", "Redundancy", (rules, held))


def _premium(usd_per_hour: float | None) -> Decimal | None:
    return None if usd_per_hour is None else Decimal(str(round(usd_per_hour, 4)))


def simulation(beside: Beside) -> Section:
    """What happened when requests were replayed against the plan."""
    found = beside.simulation
    title = "Simulation verdict"
    if found is None:
        said = "Not run, or not given: `advisor simulate PLAN --format json -o sim.json`, then --simulation."
        return Section("simulation", title, (), said)
    facts = [
        Fact("Verdict", found.verdict),
        Fact("Asked for, % of requests within every limit", found.attain_percent, Kind.NUMBER),
        Fact("Requests replayed", found.requests, Kind.COUNT),
        Fact("Finished", found.completed, Kind.COUNT),
        Fact("Found, % of requests within every limit", _attained(found.attainment.overall)),
        *(
            Fact(f"Found for {name}, %", _attained(attained))
            for name, attained in found.attainment.per_service.items()
        ),
        Fact("Headroom the simulation calls for", found.headroom_needed, Kind.SHARE),
    ]
    if found.routing.length_error_percent is not None:
        error = found.routing.length_error_percent
        facts.append(Fact("Router's guess of output lengths, typical error, % (assumed)", error, Kind.NUMBER))
    if found.routing.ideal_knowledge is not None:
        facts.append(Fact("Had it known them all, %", _attained(found.routing.ideal_knowledge)))
    if found.seed is not None:
        facts.append(Fact("Seed", found.seed, Kind.COUNT))
    latencies = {"TTFT, ms": found.ttft_ms, "TPOT, ms": found.tpot_ms, "E2E, ms": found.e2e_ms}
    statistics = sorted({key for figures in latencies.values() for key in figures})
    blocks: list[Block] = [Facts(tuple(facts))]
    if found.evidence.statement:
        blocks.append(Sentences((found.evidence.statement,)))
    if statistics:
        blocks.append(
            Table(
                "latencies",
                "Latencies in the simulation",
                (
                    Column("latency", "Latency"),
                    *(Column(statistic, statistic, Kind.NUMBER) for statistic in statistics),
                ),
                tuple(
                    (name, *(figures.get(statistic) for statistic in statistics))
                    for name, figures in latencies.items()
                    if figures
                ),
            )
        )
    return Section("simulation", title, tuple(blocks))


def _attained(found: Attained) -> str:
    if not found.interval_percent:
        return f"{found.percent:.2f}"
    low, high = found.interval_percent[0], found.interval_percent[-1]
    return f"{found.percent:.2f} (95 % interval {low:.2f} to {high:.2f})"


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
        Column("change_usd_per_hour", "Change, USD/h", Kind.USD_RATE),
    )
    total = ("Total", None, None, old_total, new_total, new_total - old_total)
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
        Fact("Saving, USD per hour", _premium(found.saving_usd_per_hour), Kind.USD_RATE),
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


def carbon(plan: Plan) -> Section:
    """Estimated emissions, where the plan has them."""
    if plan.carbon is None:
        return Section("carbon", "Carbon", (), "The plan carries no estimate of emissions.")
    table = Table(
        "carbon",
        "Estimated emissions",
        (
            Column("offer", "Line"),
            Column("kw", "kW", Kind.NUMBER),
            Column("g_co2e_per_kwh", "g CO₂e/kWh", Kind.NUMBER),
            Column("kg_co2e_per_hour", "kg CO₂e/h", Kind.NUMBER),
        ),
        tuple((c.offer, c.kw, c.g_co2e_per_kwh, c.kg_co2e_per_hour) for c in plan.carbon.lines),
        ("Total", None, None, plan.carbon.kg_co2e_per_hour),
    )
    return Section("carbon", "Carbon", (table, Sentences((plan.carbon.basis,))))


def assumptions(plan: Plan) -> Section:
    """What is taken for granted, and what the method cannot see."""
    return Section(
        "assumptions",
        "Assumptions and known limits",
        (Sentences(tuple(plan.assumptions) or ("The plan states none.",)), Sentences(_LIMITS)),
    )


def reproduction(plan: Plan, beside: Beside) -> Section:
    """Commands, ids and hashes that give this report again."""
    inputs = plan.inputs
    digests = {
        "Facts, SHA-256": inputs.facts_sha256,
        "Throughput profiles, SHA-256": inputs.profiles_sha256,
        "Account file, SHA-256": inputs.account_sha256,
        "Fleet file, SHA-256": inputs.fleet_sha256,
        "Latency file, SHA-256": inputs.latency_sha256,
        **{f"{what}, SHA-256": digest for what, digest in beside.files.items()},
    }
    facts = (
        Fact("Plan id (digest of its content)", plan.plan_id, Kind.CODE),
        Fact("Price snapshot", inputs.snapshot_id, Kind.CODE),
        *(Fact(what, digest, Kind.CODE) for what, digest in digests.items() if digest),
        Fact("Made by", f"advisor {plan.advisor_version}"),
    )
    commands = [line for line in (plan.command, beside.command) if line]
    clock = (
        f"SOURCE_DATE_EPOCH={int(plan.created_at.timestamp())} sets the clock of the plan and "
        f"SOURCE_DATE_EPOCH={int(beside.now.timestamp())} that of the report: the same files then give the "
        "same bytes."
    )
    check = Sentences((clock, "`advisor verify PLAN` re-checks the plan without a solver."))
    return Section("reproduce", "Reproduce", (Quotation("\n".join(commands)), Facts(facts), check))


def signatures() -> Section:
    """A place to sign."""
    return Section("signatures", "Approval", (Signatures(ROLES),))
