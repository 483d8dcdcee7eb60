"""`advisor commit`: what to commit over a week of demand, what to leave on demand and on spot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from advisor.cli import options
from advisor.cli.output import Format, json_text, listing_csv, show, write_text
from advisor.errors import UsageError

_DEFAULT_TIME_LIMIT_S = 20.0


def commit(
    plan: Annotated[
        str | None,
        typer.Argument(help="Commit for this plan's own question; - is standard input. Default: ask anew."),
    ] = None,
    terms: Annotated[
        Path | None,
        typer.Option("--terms", help="File of the commitments on offer to you. Needed.", metavar="FILE"),
    ] = None,
    week: Annotated[
        Path | None,
        typer.Option(
            help="CSV of hour and requests_per_s or factor, or a request trace. Default: the same all week.",
            metavar="FILE",
        ),
    ] = None,
    growth: Annotated[
        str | None, typer.Option(help="Scenarios, factor:weight. Default: 1.0.", metavar="0.8:0.25,1:0.75")
    ] = None,
    levels: Annotated[
        int, typer.Option(help="Merge the hours upward into so many levels.", min=1, max=100)
    ] = 24,
    region: options.Regions = None,
    provider: options.Providers = None,
    market: options.Markets = None,
    service: options.ServiceFile = None,
    model: options.Model = None,
    workload: options.Workload = None,
    rate: options.Rate = None,
    tpot_ms: options.TpotMs = None,
    ttft_ms: options.TtftMs = None,
    itl_ms: options.ItlMs = None,
    e2e_ms: options.E2eMs = None,
    slo_stat: options.SloStat = None,
    quota: options.AccountFile = None,
    snapshot: options.Snapshot = None,
    prices: options.Prices = None,
    time_limit_s: Annotated[
        float,
        typer.Option(help="Seconds for the decision, and again for each scenario's.", min=0.1, max=3600),
    ] = _DEFAULT_TIME_LIMIT_S,
    form: options.Dressed = Format.TABLE,
    output: options.Output = None,
    edited: options.Edited = False,
) -> None:
    """Print what to commit, with its break-even, its cost beside other ways to buy, and its regret.

    No commitment prices ship: --terms says what is on offer to you (advisor schema terms). --rate is the one
    at factor 1, and --market what may be rented by the hour beside the commitments.

    Example: advisor commit --terms fixtures/terms/example.yaml --week fixtures/terms/week.csv -r us-east-1
    """
    from advisor import api
    from advisor.cli.commit_view import document, line_listing, sections
    from advisor.cli.prices import priced
    from advisor.cli.sections import markdown, renderables
    from advisor.plan.read import read_plan

    if terms is None:
        raise UsageError("--terms FILE is needed: the commitments on offer to you (advisor schema terms)")
    question: dict[str, Any] = {
        "service_file": service, "regions": region, "providers": provider, "markets": market, "model": model,
        "workload": workload, "rate_requests_per_s": rate, "tpot_ms": tpot_ms,
        "ttft_ms": ttft_ms, "itl_ms": itl_ms, "e2e_ms": e2e_ms, "slo_statistic": slo_stat,
    }  # fmt: skip
    given = {name: value for name, value in question.items() if value is not None and value != []}
    if plan is not None and (given or prices):
        raise UsageError("give a PLAN or options of the question, not both")
    found = api.commitment(
        terms,
        week=week,
        growth=growth,
        levels=levels,
        plan=read_plan(plan, edited=edited) if plan is not None else None,
        snapshot=priced(snapshot, prices),
        quota=quota,
        **{**given, "time_limit_s": time_limit_s},
    )
    if form is Format.JSON:
        write_text(json_text(document(found)), output)
    elif form is Format.CSV:
        write_text(listing_csv(line_listing(found)), output)
    elif form is Format.MARKDOWN:
        write_text(markdown(sections(found)), output)
    else:
        show(lambda width: renderables(sections(found), width), output)
