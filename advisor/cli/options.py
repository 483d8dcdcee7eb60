"""Options that several commands share: each is named, and its help is said, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from advisor.cli.output import Format

WHERE = "Where"
WHAT = "What is served"
HOW = "How it is bought"
ANSWER = "The answer"

Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        "-r",
        help="Region id of any provider, or a glob: us-east-1, us-*, aws:us-east-1. Repeatable.  "
        "\\[default: every region]",
        rich_help_panel=WHERE,
    ),
]
Providers = Annotated[
    list[str] | None,
    typer.Option("--provider", "-p", help="Provider, or a glob. Repeatable.", rich_help_panel=WHERE),
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
    typer.Option("--rate", help="Requests per second.  \\[default: 16]", rich_help_panel=WHAT),
]
TpotMs = Annotated[
    float | None,
    typer.Option("--tpot-ms", help="Limit on time per output token.  \\[default: 60]", rich_help_panel=WHAT),
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
    typer.Option("--quota", help="Account file with quotas (YAML or JSON).", rich_help_panel=HOW),
]
Snapshot = Annotated[
    str | None,
    typer.Option(
        "--snapshot",
        help="Price snapshot: an id or a file.  \\[default: the newest]",
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
