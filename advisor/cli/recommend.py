"""`advisor recommend`: the main job."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.cli import options
from advisor.cli.options import ANSWER, HOW, WHAT, WHERE
from advisor.cli.output import Format, json_text, note, show, working, write_text
from advisor.domain import EvidenceKind
from advisor.text import printable

if TYPE_CHECKING:
    from advisor.plan.plan import Plan

_RULES = "What the fleet gets through"


class StaleSpot(StrEnum):
    """What becomes of spot prices past their age limit."""

    AVOID = "avoid"
    USE = "use"


def recommend(
    region: options.Regions = None,
    near: Annotated[
        list[str] | None,
        typer.Option(
            "--near",
            help="REGION[=KM]: every cloud's regions around that place (500 km unless told).",
            rich_help_panel=WHERE,
        ),
    ] = None,
    provider: options.Providers = None,
    service: options.ServiceFile = None,
    model: options.Model = None,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            help="Of the weights: bf16, fp16, fp8, fp4, int8, int4, mxfp4.  "
            "\\[default: as the model is released]",
            rich_help_panel=WHAT,
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", help="Serving engine, or 'any'.  \\[default: vLLM]", rich_help_panel=WHAT),
    ] = None,
    workload: options.Workload = None,
    rate: options.Rate = None,
    requests_per_minute: options.RequestsPerMinute = None,
    users: options.Users = None,
    think_time_s: options.ThinkTimeS = None,
    concurrency: options.Concurrency = None,
    tokens_per_day: options.TokensPerDay = None,
    growth_factor: options.GrowthFactor = None,
    tpot_ms: options.TpotMs = None,
    ttft_ms: options.TtftMs = None,
    itl_ms: options.ItlMs = None,
    e2e_ms: options.E2eMs = None,
    slo_stat: options.SloStat = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            "--coverage",
            help="Percent of requests to plan for; the rarest sizes are left out.  \\[default: 100]",
            rich_help_panel=WHAT,
        ),
    ] = None,
    headroom: Annotated[
        float | None,
        typer.Option(
            "--headroom",
            help="Share of capacity kept free, 0 to below 1.  \\[default: 0.15]",
            rich_help_panel=WHAT,
        ),
    ] = None,
    prefix_cache_hit_rate: Annotated[
        float | None,
        typer.Option(
            "--prefix-cache-hit-rate",
            help="Share of input tokens served from cache, 0 to below 1.  \\[default: 0]",
            rich_help_panel=WHAT,
        ),
    ] = None,
    reasoning_tokens: Annotated[
        float | None,
        typer.Option(
            "--reasoning-tokens",
            help="Hidden output tokens per request.  \\[default: 0]",
            rich_help_panel=WHAT,
        ),
    ] = None,
    min_replicas: Annotated[
        int | None,
        typer.Option("--min-replicas", help="Fewest replicas.  \\[default: 0]", rich_help_panel=WHAT),
    ] = None,
    market: options.Markets = None,
    accelerator: Annotated[
        list[str] | None,
        typer.Option(
            "--accelerator",
            "-a",
            help="Only these: an id, a family or a glob (H100, a100-*). Repeatable.",
            rich_help_panel=HOW,
        ),
    ] = None,
    exclude_accelerator: Annotated[
        list[str] | None,
        typer.Option("--exclude-accelerator", help="Not these. Repeatable.", rich_help_panel=HOW),
    ] = None,
    instance_type: Annotated[
        list[str] | None,
        typer.Option(
            "--instance-type",
            help="Only these types, by the vendor's name or a glob; ! before one leaves it out: 'g6*', "
            "'!community_*'. Repeatable.",
            rich_help_panel=HOW,
        ),
    ] = None,
    max_usd_per_hour: Annotated[
        float | None,
        typer.Option("--max-usd-per-hour", help="Dearest instance allowed.", rich_help_panel=HOW),
    ] = None,
    quota: options.AccountFile = None,
    allow_unknown_availability: Annotated[
        bool,
        typer.Option(
            "--allow-unknown-availability",
            help="Admit offers whose regional stock nobody states.",
            rich_help_panel=HOW,
        ),
    ] = False,
    include: Annotated[
        list[str] | None,
        typer.Option(
            "--include",
            help="Admit fractional-gpu, local-zone or estimated-spot. Repeatable.",
            rich_help_panel=HOW,
        ),
    ] = None,
    stale_spot: Annotated[
        StaleSpot,
        typer.Option(
            "--stale-spot",
            help="Whether spot prices past their age limit may lead; avoided, they follow as an alternative.",
            rich_help_panel=HOW,
        ),
    ] = StaleSpot.AVOID,
    evidence: Annotated[
        EvidenceKind | None,
        typer.Option(
            "--evidence",
            help="Weakest throughput evidence accepted.  \\[default: estimated]",
            rich_help_panel=HOW,
        ),
    ] = None,
    survive: Annotated[
        list[str] | None,
        typer.Option(
            "--survive",
            help="WHAT[:N][=KEEPS]: serve everything, or that share of it, after losing any N of instance, "
            "pool, zone, region, provider; or all spot. Repeatable.",
            rich_help_panel=_RULES,
        ),
    ] = None,
    demand_error: Annotated[
        float | None,
        typer.Option(
            "--demand-error",
            help="Serve that share more demand than planned, e.g. 0.2.",
            rich_help_panel=_RULES,
        ),
    ] = None,
    doubt: Annotated[
        int | None,
        typer.Option(
            "--doubt",
            help="Hold if any N accelerator types run at the low end of their throughput interval.",
            rich_help_panel=_RULES,
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget", help="USD per hour at most; serve the most it pays for.", rich_help_panel=_RULES
        ),
    ] = None,
    at_most: Annotated[
        list[str] | None,
        typer.Option(
            "--at-most",
            help="WHAT=N: so many different accelerators, instance-types, providers, regions or zones. "
            "Repeatable.",
            rich_help_panel=_RULES,
        ),
    ] = None,
    prefer: Annotated[
        str | None,
        typer.Option(
            "--prefer",
            help="PATTERN=PERCENT: stay in these regions if that is at most so much dearer, e.g. eu-*=5.",
            rich_help_panel=_RULES,
        ),
    ] = None,
    current: Annotated[
        Path | None,
        typer.Option(
            "--current",
            help="Fleet file of what runs now: say what changes, in which order.",
            rich_help_panel=_RULES,
        ),
    ] = None,
    change_threshold: Annotated[
        float | None,
        typer.Option(
            "--change-threshold",
            help="Percent of what runs now that a change must save.  \\[default: 0]",
            rich_help_panel=_RULES,
        ),
    ] = None,
    carbon: Annotated[
        bool, typer.Option("--carbon", help="Estimate emissions.", rich_help_panel=ANSWER)
    ] = False,
    replay: Annotated[
        bool,
        typer.Option(
            "--replay/--no-replay",
            help="Replay requests against every kind of replica and lower what it may carry until the SLO "
            "holds; --no-replay gives the bare optimum of the capacities.",
            rich_help_panel=ANSWER,
        ),
    ] = True,
    simulate: Annotated[bool, typer.Option("--simulate", hidden=True)] = False,
    attain: Annotated[
        float | None,
        typer.Option(
            "--attain",
            help="Percent of each service's requests that must be within all their limits together.",
            rich_help_panel=ANSWER,
        ),
    ] = None,
    snapshot: options.Snapshot = None,
    prices: options.Prices = None,
    time_limit_s: Annotated[
        float,
        typer.Option("--time-limit-s", help="Seconds the solver may take.", rich_help_panel=ANSWER),
    ] = 60.0,
    form: options.Dressed = Format.TABLE,
    output: options.Output = None,
) -> None:
    """Print the cheapest fleet that serves a model within its latency SLO, proved, with its reasons.

    Example: advisor recommend --region us-east-1
    """
    import sys

    from advisor.api import load_catalog, make_request, open_account, recommended
    from advisor.cli.prices import priced
    from advisor.clock import now_utc

    catalog = load_catalog(priced(snapshot, prices))
    account = open_account(quota, catalog.facts)
    request = make_request(
        catalog.facts,
        service_file=service,
        regions=region,
        near=near,
        providers=provider,
        model=model,
        precision=precision,
        engine=engine,
        workload=workload,
        rate_requests_per_s=rate,
        requests_per_minute=requests_per_minute,
        users=users,
        think_time_s=think_time_s,
        concurrency=concurrency,
        tokens_per_day=tokens_per_day,
        growth_factor=growth_factor,
        tpot_ms=tpot_ms,
        ttft_ms=ttft_ms,
        slo_statistic=slo_stat,
        coverage_percent=coverage,
        headroom=headroom,
        markets=market,
        accelerators=accelerator,
        exclude_accelerators=exclude_accelerator,
        instance_types=instance_type,
        max_usd_per_hour=None if max_usd_per_hour is None else Decimal(str(max_usd_per_hour)),
        e2e_ms=e2e_ms,
        itl_ms=itl_ms,
        prefix_cache_hit_rate=prefix_cache_hit_rate,
        reasoning_tokens=reasoning_tokens,
        min_replicas=min_replicas,
        survive=survive,
        demand_error=demand_error,
        doubt=doubt,
        budget_usd_per_hour=None if budget is None else Decimal(str(budget)),
        at_most=at_most,
        prefer=prefer,
        current=current,
        change_threshold_percent=change_threshold,
        carbon=carbon,
        replay=replay or simulate,
        attain_percent=attain,
        allow_unknown_availability=allow_unknown_availability,
        include=[*(include or ()), *(["stale-spot"] if stale_spot is StaleSpot.USE else ())],
        evidence=evidence,
        time_limit_s=time_limit_s,
        command=printable(" ".join(["advisor", *sys.argv[1:]])),
    )
    for warning in account.warnings if account else ():
        note(f"advisor: {warning}")
    with working(f"Solving, and comparing, within {time_limit_s:g} s"):
        plan = recommended(request, catalog, account, now_utc())
    _write(plan, form, output)
    if plan.simulation is not None and plan.simulation.verdict == "fail":
        note("advisor: no fleet was found whose replay keeps the SLO; this one comes nearest")
        raise typer.Exit(3)
    if plan.status == "infeasible":
        if form is not Format.TABLE or output is not None:
            note(f"advisor: no fleet: {plan.reason}")
        raise typer.Exit(3)


def _write(plan: Plan, form: Format, output: Path | None) -> None:
    from advisor.cli.plan_view import plan_csv, plan_markdown, plan_renderables

    if form is Format.JSON:
        write_text(json_text(plan.model_dump(mode="json")), output)
    elif form is Format.CSV:
        write_text(plan_csv(plan), output)
    elif form is Format.MARKDOWN:
        write_text(plan_markdown(plan), output)
    else:
        show(partial(plan_renderables, plan), output)
