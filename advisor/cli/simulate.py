"""`advisor simulate`: replay requests against a plan, one by one; is the SLO met?"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from advisor.cli import options
from advisor.cli.output import Format, FormatOption, console, json_text, show, write_text
from advisor.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from advisor.plan.plan import Plan
    from advisor.profiles.scheduler import Scheduler
    from advisor.simulate import Headroom, Options, Replay

FAILED = 3
MOST_SEQUENCES = 65_536
MOST_STEP_TOKENS = 4_194_304
SEARCHED_REQUESTS = 100_000
"""Up to so many requests a passing plan's margin is searched too; a failing plan's headroom always is."""


def simulate(
    plan: Annotated[str, typer.Argument(help="Plan file, or - for standard input.", metavar="PLAN")],
    trace: Annotated[
        list[str] | None,
        typer.Option(
            "--trace",
            help="Requests to replay: a CSV, JSONL or Parquet trace, or the name of a shipped workload; "
            "SERVICE=FILE if the plan has several services. Repeatable.",
            metavar="FILE",
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="REQ_PER_S",
            help="Requests per second of all services together, or how it changes: 0=10,900=30.  "
            "\\[default: the trace's own, else the plan's]",
        ),
    ] = None,
    arrivals: Annotated[
        str | None,
        typer.Option(
            help="trace, poisson, or gamma:CV (CV is the coefficient of variation of the gaps; above 1 is "
            "burstier than Poisson).  \\[default: trace if one is given, else as the plan states]",
            metavar="KIND",
        ),
    ] = None,
    duration_s: Annotated[
        float | None,
        typer.Option(
            help="How long requests arrive.  \\[default: the trace's, else an hour or 60,000 requests]",
            metavar="SECONDS",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Of every random draw; the same seed, the same bytes.", metavar="N")
    ] = 0,
    lose: Annotated[
        str | None,
        typer.Option(
            help="What goes wrong a third of the way in: instance, spot, zone:ID or region:ID; "
            "or spot:bands, spot:trace for reclaims drawn from interruption bands or as probed in 2022.",
            metavar="WHAT",
        ),
    ] = None,
    start_up_s: Annotated[
        float,
        typer.Option(
            help="From asking for a replacement to its first request: machine, image, weights. Assumed: "
            "measure yours.",
            metavar="SECONDS",
        ),
    ] = 300.0,
    length_error_percent: Annotated[
        float,
        typer.Option(
            help="Typical (median) error of the router's guess of an answer's length, at most 90; 0 knows "
            "every answer. Assumed.",
            metavar="PERCENT",
        ),
    ] = 50.0,
    attain: Annotated[
        float | None,
        typer.Option(
            help="Share of each service's requests that must be within all its limits together.  "
            "\\[default: each limit by its own statistic]",
            metavar="PERCENT",
        ),
    ] = None,
    max_num_seqs: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_SEQUENCES,
            metavar="N",
            help="Largest batch the engine is started with.  \\[default: the profile's, else vLLM's own: "
            "256, or 1,024 from 75 GB on]",
        ),
    ] = None,
    max_num_batched_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_STEP_TOKENS,
            metavar="N",
            help="Tokens one step may process.  \\[default: the profile's, else vLLM's own: 2,048, or 8,192 "
            "from 75 GB on]",
        ),
    ] = None,
    chunked_prefill: Annotated[
        bool | None,
        typer.Option(
            "--chunked-prefill/--no-chunked-prefill",
            help="Whether a prompt may be read over several steps.  \\[default: the profile's, else yes]",
        ),
    ] = None,
    prefix_caching: Annotated[
        bool | None,
        typer.Option(
            "--prefix-caching/--no-prefix-caching",
            help="Whether the prefix hits that a service states save reading.  \\[default: the profile's, "
            "else yes]",
        ),
    ] = None,
    replications: Annotated[
        int,
        typer.Option(help="Independent replays with the seeds that follow, on all cores.", min=1, max=1000),
    ] = 1,
    form: FormatOption = Format.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write to this file; a name in .html gives a page with charts."),
    ] = None,
    edited: options.Edited = False,
) -> None:
    """Replay requests against a plan: attainment, latencies, utilisation, and the headroom it needs.

    Exit code 0 if every limit holds, 3 if one does not.

    Example: [b]advisor recommend --region us-east-1 --format json | advisor simulate - --duration-s 600[/]
    """
    from advisor.catalog.store import advisor_home
    from advisor.plan.read import read_plan
    from advisor.profiles.own_store import FOLDER
    from advisor.profiles.scheduler import Scheduler
    from advisor.simulate import headroom_needed, prepare, replay_prepared
    from advisor.simulate.opening import open_inputs

    read = read_plan(plan, edited=edited)
    options = replace(
        _options(read, trace, rate, arrivals, duration_s, seed, lose),
        attain_percent=attain,
        start_up_s=start_up_s,
        length_error_percent=length_error_percent,
    )
    own = advisor_home() / FOLDER
    asked = Scheduler(max_num_seqs, max_num_batched_tokens, chunked_prefill, prefix_caching)
    with _working("replaying requests"):
        prepared = prepare(read, replace(open_inputs(own), scheduler=asked))
        found = replay_prepared(prepared, options)
    headroom = None
    if not found.passes or found.requests <= SEARCHED_REQUESTS:
        with _working("searching the least headroom"):
            headroom = headroom_needed(prepared, options)
    repeated = _repeated(read, found, replications, own, asked)
    _write(found, headroom, repeated, form, output)
    if not found.passes:
        raise typer.Exit(FAILED)


def _options(
    plan: Plan,
    trace: list[str] | None,
    rate: str | None,
    arrivals: str | None,
    duration_s: float | None,
    seed: int,
    lose: str | None,
) -> Options:
    from advisor.simulate import Options
    from advisor.simulate.opening import open_traces
    from advisor.simulate.options import parse_arrivals, parse_rate

    return Options(
        arrivals=parse_arrivals(arrivals) if arrivals is not None else None,
        rate=parse_rate(rate) if rate is not None else None,
        duration_s=duration_s,
        seed=seed,
        lose=lose,
        traces=open_traces(plan, trace or []),
    )


def _working(what: str) -> AbstractContextManager[Any]:
    screen = console(stderr=True)
    return screen.status(f"{what} …") if screen.is_terminal else nullcontext()


def _repeated(
    plan: Plan, first: Replay, replications: int, own: Path, asked: Scheduler
) -> dict[str, Any] | None:
    """Attainment over independent seeds, the first replay's included."""
    if replications < 2:
        return None
    import json
    import os

    from advisor.simulate.sweep import Job, in_processes, interval, seeds

    options = replace(first.options, seed=first.options.seed + 1, compare_ideal=False)
    job = Job(plan.model_dump_json().encode(), options, own, asked)
    with _working(f"replaying {replications - 1} more seeds"):
        others = [
            json.loads(said) for said in in_processes(seeds(job, replications - 1), os.cpu_count() or 1)
        ]
    percents = [first.breakdown.overall.attained.percent or 0.0]
    percents += [float(other["attainment"]["overall"]["percent"]) for other in others]
    mean, low, high = interval(percents)
    verdicts = [first.passes, *(other["verdict"] == "pass" for other in others)]
    return {
        "replications": replications,
        "passed": sum(verdicts),
        "percent": round(mean, 4),
        "interval_percent": [round(max(low, 0.0), 4), round(min(high, 100.0), 4)],
    }


def _write(
    found: Replay,
    headroom: Headroom | None,
    repeated: dict[str, Any] | None,
    form: Format,
    output: Path | None,
) -> None:
    from advisor.cli.simulate_view import replay_csv, replay_markdown, replay_renderables
    from advisor.simulate.document import document

    if output is not None and output.suffix.casefold() in (".html", ".htm"):
        if form not in (Format.TABLE,):
            raise UsageError(
                f"-o {output}: a page is not {form.value}; leave --format out, or name another file"
            )
        from advisor.cli.simulate_page import replay_page

        write_text(replay_page(found, headroom), output)
    elif form is Format.JSON:
        write_text(json_text({**document(found, headroom), "replications": repeated}), output)
    elif form is Format.CSV:
        write_text(replay_csv(found), output)
    elif form is Format.MARKDOWN:
        write_text(replay_markdown(found, headroom), output)
    else:
        show(partial(replay_renderables, found, headroom, repeated), output)
