"""What the decision rests on: the replay, carbon, limits, how to make it again, and who signs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.plan.simulation import Simulation as Replay
    from advisor.report.answers import Attained
    from advisor.report.beside import Beside

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


def simulation(plan: Plan, beside: Beside) -> Section:
    """What happened when requests were replayed against the plan."""
    found = beside.simulation
    title = "Simulation verdict"
    if found is None and plan.simulation is not None:
        return Section("simulation", title, _replayed_on_the_way(plan.simulation))
    if found is None:
        said = (
            "Not run, or not given. `advisor simulate PLAN --format json -o sim.json`, then --simulation "
            "sim.json, fills it in; so does `advisor recommend`, unless told `--no-replay`."
        )
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
    latencies = {
        "TTFT, ms": found.ttft_ms,
        "TPOT, ms": found.tpot_ms,
        "ITL, ms": found.itl_ms,
        "E2E, ms": found.e2e_ms,
    }
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


def _replayed_on_the_way(found: Replay) -> tuple[Block, ...]:
    """The verdict that the plan itself carries."""
    facts = Facts(
        (
            Fact("Verdict", found.verdict),
            *(
                [Fact("Asked for, % of requests within every limit", found.target_percent, Kind.NUMBER)]
                if found.target_percent is not None
                else []
            ),
            Fact("Found, % of requests within every limit", found.attained_percent, Kind.NUMBER),
            Fact("No fleet serves it below, USD per hour", found.full_load_usd_per_hour, Kind.USD_RATE),
            Fact("Fleets solved for and replayed", found.rounds, Kind.COUNT),
            Fact("Requests replayed", found.requests, Kind.COUNT),
            Fact("Seconds of arrivals", found.duration_s, Kind.NUMBER),
            Fact("Arrivals", ", ".join(found.arrivals)),
            *([Fact("What does not hold", found.bottleneck)] if found.bottleneck else []),
            Fact("Seed", found.seed, Kind.COUNT),
        )
    )
    limits = Table(
        "limits_replayed",
        "Every limit, by its own statistic",
        (
            Column("service", "Service"),
            Column("limit", "Limit"),
            Column("within", "Requests within", Kind.SHARE),
            Column("mean_ms", "Mean, ms", Kind.NUMBER),
            Column("verdict", "Replay"),
        ),
        tuple(
            (
                one.service,
                f"{one.statistic} {one.metric.upper()} ≤ {one.limit_ms:g} ms",
                one.within_percent / 100,
                one.mean_ms,
                "holds" if one.holds else "does not hold",
            )
            for one in found.limits
        ),
    )
    trials = Table(
        "headroom_trials",
        "Headrooms tried on the way to this plan",
        (
            Column("headroom", "Headroom", Kind.SHARE),
            Column("passes", "Replay"),
            Column("usd_per_hour", "Fleet, USD/h", Kind.USD_RATE),
        ),
        tuple((t.headroom, "passed" if t.passes else "failed", t.usd_per_hour) for t in found.trials),
    )
    return (facts, *(table for table in (limits, trials) if table.rows), Sentences((found.evidence,)))


def _attained(found: Attained) -> str:
    if found.percent is None:
        return "no requests"
    if not found.interval_percent:
        return f"{found.percent:.2f}"
    low, high = found.interval_percent[0], found.interval_percent[-1]
    return f"{found.percent:.2f} (95 % interval {low:.2f} to {high:.2f})"


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
