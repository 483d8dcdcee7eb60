"""`advisor profile next`: which benchmark to run, by the dollars that hang on it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from advisor.cli import options
from advisor.cli.output import (
    Col,
    Format,
    FormatOption,
    Listing,
    OutputOption,
    listing_table,
    note,
    show,
    write_listing,
)
from advisor.domain import EvidenceKind
from advisor.errors import UsageError
from advisor.units import usd_per_month, usd_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from advisor.domain import Service
    from advisor.recommendation.next_benchmark import Benchmark, Ranking
    from advisor.recommendation.prepare import Prepared

    Record = dict[str, Any]

TABLE_LIMIT: Final = 8
_WHERE, _WHAT = "Where", "What is served"


def next_(
    plan: Annotated[
        Path | None, typer.Argument(metavar="[PLAN]", help="Plan file or -; instead of the options below.")
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option("--region", "-r", help="As of recommend.", rich_help_panel=_WHERE)
    ] = None,
    near: Annotated[
        list[str] | None, typer.Option("--near", help="REGION[=KM].", rich_help_panel=_WHERE)
    ] = None,
    provider: Annotated[
        list[str] | None, typer.Option("--provider", "-p", help="Or a glob.", rich_help_panel=_WHERE)
    ] = None,
    market: Annotated[
        list[str] | None, typer.Option("--market", help="on-demand, spot, any.", rich_help_panel=_WHERE)
    ] = None,
    service: Annotated[
        Path | None, typer.Option(help="Service file; options beside it win.", rich_help_panel=_WHAT)
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model to serve.", rich_help_panel=_WHAT)] = None,
    precision: Annotated[str | None, typer.Option(help="Of the weights.", rich_help_panel=_WHAT)] = None,
    engine: Annotated[str | None, typer.Option(help="Or 'any'.", rich_help_panel=_WHAT)] = None,
    workload: Annotated[
        str | None, typer.Option("--workload", "-w", help="Name, file or trace.", rich_help_panel=_WHAT)
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Requests per second.", rich_help_panel=_WHAT)] = None,
    tpot_ms: options.TpotMs = None,
    ttft_ms: options.TtftMs = None,
    itl_ms: options.ItlMs = None,
    e2e_ms: options.E2eMs = None,
    slo_stat: options.SloStat = None,
    headroom: Annotated[
        float | None, typer.Option(help="Share of capacity kept free.", rich_help_panel=_WHAT)
    ] = None,
    coverage: Annotated[
        float | None, typer.Option(help="Percent of requests to plan for.", rich_help_panel=_WHAT)
    ] = None,
    accelerator: Annotated[list[str] | None, typer.Option(help="Only these. Repeatable.")] = None,
    exclude_accelerator: Annotated[list[str] | None, typer.Option(help="Not these. Repeatable.")] = None,
    quota: Annotated[Path | None, typer.Option(help="Account file with quotas.")] = None,
    evidence: Annotated[EvidenceKind | None, typer.Option(help="Weakest evidence accepted.")] = None,
    allow_unknown_availability: Annotated[
        bool, typer.Option("--allow-unknown-availability", help="Admit offers of unknown stock.")
    ] = False,
    snapshot: Annotated[str | None, typer.Option(help="Price snapshot: an id or a file.")] = None,
    time_limit_s: Annotated[float, typer.Option(help="Seconds for all fleets tried.")] = 60.0,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"Rows; default {TABLE_LIMIT} in a table, else all.")
    ] = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """The benchmark that would change the plan's cost or certainty most, ranked by dollars at stake.

    For every accelerator and tensor-parallel degree whose speed nobody measured: what knowing its true speed
    would save on average, and what the fleet would have to be topped up by if it is slow.

    Example: [b]advisor profile next --region us-east-1[/]
    """
    from advisor.api import load_catalog, make_request, open_account
    from advisor.clock import now_utc
    from advisor.recommendation.doubt import doubt_of
    from advisor.recommendation.next_benchmark import next_benchmarks
    from advisor.recommendation.prepare import prepare
    from advisor.recommendation.replayed import held_request

    given = {
        "service_file": service, "regions": region, "near": near, "providers": provider, "markets": market,
        "model": model, "precision": precision, "engine": engine, "workload": workload,
        "rate_requests_per_s": rate, "tpot_ms": tpot_ms, "ttft_ms": ttft_ms, "itl_ms": itl_ms,
        "e2e_ms": e2e_ms, "slo_statistic": slo_stat,
        "headroom": headroom, "coverage_percent": coverage, "accelerators": accelerator,
        "exclude_accelerators": exclude_accelerator, "evidence": evidence,
    }  # fmt: skip
    if plan is not None:
        request, of_plan = _planned(plan, [name for name, value in given.items() if value not in (None, [])])
        catalog = load_catalog(snapshot or of_plan)
    else:
        catalog = load_catalog(snapshot)
        request = make_request(
            catalog.facts,
            **given,  # type: ignore[arg-type]
            allow_unknown_availability=allow_unknown_availability,
            time_limit_s=time_limit_s,
            replay=True,
        )
    account = open_account(quota, catalog.facts)
    request = held_request(request, catalog, account, now_utc())
    prepared = prepare(request, catalog, account, now_utc())
    _refuse_without_a_fleet(prepared)
    doubt = doubt_of(prepared.joined, prepared.problem, catalog.profiles.errors)
    ranking = next_benchmarks(doubt, time_limit_s=time_limit_s)
    services = prepared.request.services
    most = limit or (TABLE_LIMIT if form is Format.TABLE else None)
    listing = _listing(ranking, services, most, form)
    if form is Format.TABLE:
        show(lambda width: _parts(listing, ranking, services, width), output)
        return
    write_listing(listing, form, output)
    if form is not Format.MARKDOWN:
        note(*listing.footer)


def _planned(path: Path, given: list[str]) -> tuple[Any, str]:
    """The request of a plan file, and its snapshot."""
    from advisor.plan.read import read_plan
    from advisor.recommendation.replan import request_of

    if given:
        names = ", ".join(sorted(name.replace("_", " ") for name in given))
        raise UsageError(f"{path}: a plan says what is asked; leave out the options on {names}")
    plan = read_plan(path, edited=True)  # it says what is asked, whatever its proof
    request = request_of(plan)
    if len(request.services) != len(plan.services):
        raise UsageError(f"{path}: services: {len(plan.services)} are not allowed; one at a time is")
    return request, plan.inputs.snapshot_id


def _refuse_without_a_fleet(prepared: Prepared) -> None:
    from advisor.errors import NoCandidates
    from advisor.recommendation.refusal import why_nobody_serves

    joined, service = prepared.joined, prepared.request.service
    if not joined.candidates or joined.unserved:
        why = why_nobody_serves(joined, service.workload, service.slo, prepared.serves_all_at)
        raise NoCandidates(f"no fleet to begin with: {why}")


def _listing(ranking: Ranking, services: Sequence[Service], most: int | None, form: Format) -> Listing:
    cost = usd_text(usd_per_month(ranking.fleet_usd_per_hour), 0)
    served = " and ".join(f"{service.model} {service.precision}" for service in services)
    title = f"What to measure next: {served}, fleet of ${cost}/month"
    records = [
        _record(place, found, services[found.service]) for place, found in enumerate(ranking.benchmarks, 1)
    ]
    shown = _COLUMNS if len(services) > 1 else tuple(c for c in _COLUMNS if c.key != "service")
    return Listing(
        title,
        _RECORD if form in (Format.JSON, Format.CSV) else shown,
        records[:most],
        _words(ranking, most),
        _nothing_to_rank(ranking),
    )


def _record(place: int, found: Benchmark, service: Service) -> Record:
    from advisor.recommendation.next_benchmark import measure_command

    risk, if_slow = found.risk_usd_per_hour, found.optimum_if_slow_usd_per_hour
    return {
        "rank": place,
        "service": service.name,
        "accelerator": found.accelerator,
        "tensor_parallel": found.tensor_parallel,
        "evidence": found.weakest.value,
        "truth": f"× {found.slow:.2f}–{found.fast:.2f}",
        "slow_factor": round(found.slow, 4),
        "fast_factor": round(found.fast, 4),
        "in_fleet": found.in_fleet,
        "load_share": found.load_share,
        "value_usd_per_month": usd_per_month(found.value_usd_per_hour),
        "risk_usd_per_month": None if risk is None else usd_per_month(risk),
        "if_slow_usd_per_month": None if if_slow is None else usd_per_month(if_slow),
        "if_fast_usd_per_month": usd_per_month(found.optimum_if_fast_usd_per_hour),
        "command": measure_command(service, found),
    }


def _words(ranking: Ranking, most: int | None) -> tuple[str, ...]:
    words = [
        f"{ranking.unmeasured_share:.0%} of the requests rest on figures nobody measured.",
        (
            "Worth: expected saving of knowing the true speed before buying, against buying today's fleet "
            "and topping it up. Top-up: what that costs if the speed is at the slow end of its 90 % interval."
        ),
    ]
    shown = len(ranking.benchmarks) if most is None else min(most, len(ranking.benchmarks))
    if shown < len(ranking.benchmarks):
        words.append(f"{shown} of {len(ranking.benchmarks)}; --limit shows more.")
    still = ranking.tried - sum(not found.in_fleet for found in ranking.benchmarks)
    if still:
        words.append(f"{still} others would not enter the fleet even at their fast end.")
    if ranking.untried:
        words.append(f"{ranking.untried} more, dearer per request than these, were not tried.")
    if ranking.unknown_error:
        names = ", ".join(f"{cell.accelerator} × {cell.tensor_parallel}" for cell in ranking.unknown_error)
        words.append(f"Not ranked, since nobody knows how wrong their figures are: {names}.")
    return tuple(words)


def _nothing_to_rank(ranking: Ranking) -> str:
    return "\n".join(["Nothing that is not measured could change this fleet.", *_words(ranking, None)])


def _parts(
    listing: Listing, ranking: Ranking, services: Sequence[Service], width: int
) -> list[RenderableType]:
    from rich.text import Text

    from advisor.recommendation.next_benchmark import measure_command

    parts: list[RenderableType] = [listing_table(listing, width)]
    if ranking.benchmarks:
        first = ranking.benchmarks[0]
        worth = first.value_usd_per_hour > 0 or first.risk_usd_per_hour != 0
        lead = "Run first:" if worth else "No benchmark would change the plan; for certainty alone:"
        parts += [Text(""), Text(lead)]
        parts += [
            Text(line, no_wrap=True, overflow="ignore")
            for line in _shell(measure_command(services[first.service], first), width)
        ]
    return parts


def _shell(command: str, width: int) -> list[str]:
    """The command over several lines that a shell reads as one."""
    from textwrap import wrap

    lines = wrap(command, max(width - 6, 20), break_long_words=False, break_on_hyphens=False)
    ends = [" \\"] * (len(lines) - 1) + [""]
    return [
        f"  {'' if place == 0 else '  '}{line}{end}"
        for place, (line, end) in enumerate(zip(lines, ends, strict=True))
    ]


def _dollars(value: Decimal | None) -> str:
    return "no fleet" if value is None else usd_text(value, 0)


def _share(value: float) -> str:
    return f"{value:.0%}" if value else "–"


_COLUMNS: Final = (
    Col("rank", "#", numeric=True),
    Col("accelerator", "accelerator"),
    Col("tensor_parallel", "TP", numeric=True),
    Col("service", "service", importance=6),
    Col("evidence", "evidence", importance=2),
    Col("truth", "truth (90 %)", importance=3),
    Col("load_share", "load", numeric=True, text=_share),
    Col("value_usd_per_month", "worth $/mo", numeric=True, text=_dollars),
    Col("risk_usd_per_month", "top-up $/mo", numeric=True, text=_dollars),
    Col("if_slow_usd_per_month", "best if slow", numeric=True, text=_dollars, importance=5),
    Col("if_fast_usd_per_month", "best if fast", numeric=True, text=_dollars, importance=4),
)

_RECORD: Final = tuple(
    Col(name, name)
    for name in (
        *(
            "rank",
            "service",
            "accelerator",
            "tensor_parallel",
            "evidence",
            "slow_factor",
            "fast_factor",
            "in_fleet",
        ),
        *("load_share", "value_usd_per_month", "risk_usd_per_month", "if_slow_usd_per_month"),
        *("if_fast_usd_per_month", "command"),
    )
)
