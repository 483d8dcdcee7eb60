"""Options that several commands share: each is named, and its help is said, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from advisor.cli.output import Format
from advisor.domain import SloStatistic


def statistic(text: str) -> SloStatistic:
    """``mean`` or a percentile.

    Raises:
        typer.BadParameter: neither.
    """
    try:
        return SloStatistic(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


WHERE = "Where"
WHAT = "What is served"
HOW = "How it is bought"
ANSWER = "The answer"

Edited = Annotated[
    bool,
    typer.Option("--edited", help="Go on with a plan that was edited after it was made, without its proof."),
]
Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        "-r",
        help="Region id of any provider, a glob, a country, a continent, EU or EEA: us-east-1, aws:us-*, DE, "
        "Europe. Repeatable.  "
        "\\[default: every region]",
        rich_help_panel=WHERE,
    ),
]
Providers = Annotated[
    list[str] | None,
    typer.Option(
        "--provider",
        "-p",
        help="Provider, or a glob; '!nebius' leaves it out. Repeatable.",
        rich_help_panel=WHERE,
    ),
]
ServiceFile = Annotated[
    Path | None,
    typer.Option(
        "--service", help="Service file (YAML or JSON); options given beside it win.", rich_help_panel=WHAT
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", help="Model to serve.  \\[default: Llama-3.1-8B-Instruct]", rich_help_panel=WHAT),
]
Workload = Annotated[
    str | None,
    typer.Option(
        "--workload",
        "-w",
        help="Named workload, a workload file, or a trace (CSV, JSONL, Parquet).  "
        "\\[default: azure-2023-conv]",
        rich_help_panel=WHAT,
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate",
        help="Requests per second; absent, the own rate of a workload file or trace.  \\[default: 16]",
        rich_help_panel=WHAT,
    ),
]
RequestsPerMinute = Annotated[
    float | None,
    typer.Option("--requests-per-minute", help="Instead of --rate.", rich_help_panel=WHAT),
]
Users = Annotated[
    float | None,
    typer.Option(
        "--users", help="Instead of --rate: so many at once, with --think-time-s.", rich_help_panel=WHAT
    ),
]
ThinkTimeS = Annotated[
    float | None,
    typer.Option(
        "--think-time-s",
        help="Seconds from an answer to the same user's next request.",
        rich_help_panel=WHAT,
    ),
]
Concurrency = Annotated[
    float | None,
    typer.Option("--concurrency", help="Instead of --rate: requests in flight.", rich_help_panel=WHAT),
]
TokensPerDay = Annotated[
    float | None,
    typer.Option(
        "--tokens-per-day",
        help="Instead of --rate: input and output together, spread evenly.",
        rich_help_panel=WHAT,
    ),
]
GrowthFactor = Annotated[
    float | None,
    typer.Option("--growth-factor", help="Multiplies the demand, however it was said.", rich_help_panel=WHAT),
]
TpotMs = Annotated[
    list[str] | None,
    typer.Option(
        "--tpot-ms",
        help="Limit on time per output token: MS, or STATISTIC=MS such as p95=60. Repeatable.  "
        "\\[default: 60]",
        metavar="[STAT=]MS",
        rich_help_panel=WHAT,
    ),
]
TtftMs = Annotated[
    list[str] | None,
    typer.Option(
        "--ttft-ms",
        help="Limit on time to first token, queueing included: MS or STATISTIC=MS. Repeatable.",
        metavar="[STAT=]MS",
        rich_help_panel=WHAT,
    ),
]
ItlMs = Annotated[
    list[str] | None,
    typer.Option(
        "--itl-ms",
        help="Limit on every gap between two tokens: MS or STATISTIC=MS. Repeatable.",
        metavar="[STAT=]MS",
        rich_help_panel=WHAT,
    ),
]
E2eMs = Annotated[
    list[str] | None,
    typer.Option(
        "--e2e-ms",
        help="Limit on the time from request to last token: MS or STATISTIC=MS. Repeatable.",
        metavar="[STAT=]MS",
        rich_help_panel=WHAT,
    ),
]
SloStat = Annotated[
    SloStatistic | None,
    typer.Option(
        "--slo-stat",
        help="Statistic that limits without one of their own bind: mean, p50, p95, p99.9.  \\[default: mean]",
        metavar="STAT",
        parser=statistic,
        rich_help_panel=WHAT,
    ),
]
Markets = Annotated[
    list[str] | None,
    typer.Option(
        "--market",
        "-m",
        help="on_demand, spot or any. Repeatable.  \\[default: any]",
        rich_help_panel=HOW,
    ),
]
AccountFile = Annotated[
    Path | None,
    typer.Option(
        "--quota",
        help="Account file with quotas (YAML or JSON), or what a cloud's command line prints of them.",
        rich_help_panel=HOW,
    ),
]
Prices = Annotated[
    Path | None,
    typer.Option(
        "--prices",
        metavar="FILE",
        help="Your own prices and discounts (CSV, YAML, XLSX) in place of list prices, for this question.",
        rich_help_panel=ANSWER,
    ),
]
Snapshot = Annotated[
    str | None,
    typer.Option(
        "--snapshot",
        help="Price snapshot: an id, its last digits, a day, or a file.  \\[default: the newest]",
        rich_help_panel=ANSWER,
    ),
]
Dressed = Annotated[
    Format, typer.Option("--format", "-f", help="How the answer is dressed.", rich_help_panel=ANSWER)
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write the answer to a file.", rich_help_panel=ANSWER),
]
