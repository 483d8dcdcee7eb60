"""`advisor profile import` and `forget`: the user's own measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from advisor.cli.options import statistic
from advisor.cli.output import Format, FormatOption, OutputOption, note
from advisor.cli.profile_kept import keep
from advisor.cli.profile_options import (
    EngineVersionOption,
    own_folder,
    positive_ms,
    rising_numbers,
)
from advisor.domain import SloStatistic
from advisor.errors import UsageError

ModelOption = Annotated[str | None, typer.Option(help="Model that was run, where the file does not say.")]
AcceleratorOption = Annotated[str | None, typer.Option(help="Accelerator it ran on, e.g. h100-sxm-80gb.")]
TpOption = Annotated[int | None, typer.Option("--tp", min=1, max=1024, help="Accelerators per replica.")]
PrecisionOption = Annotated[
    str | None, typer.Option(help="Of the weights: bf16, fp16, fp8, fp4, int8, int4.")
]
EngineOption = Annotated[str | None, typer.Option(help="Serving engine, e.g. vLLM.")]
SourceOption = Annotated[str | None, typer.Option(help="Who took the figures; default: tool and file.")]
LicenceOption = Annotated[str | None, typer.Option(help="Licence of the figures.")]
DraftOption = Annotated[int, typer.Option(min=0, max=16, help="Speculative draft tokens per pass, if any.")]


def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Results; the loads of one sweep together.")
    ],
    model: ModelOption = None,
    accelerator: AcceleratorOption = None,
    tp: TpOption = None,
    precision: PrecisionOption = None,
    engine: EngineOption = None,
    engine_version: EngineVersionOption = None,
    source: SourceOption = None,
    licence: LicenceOption = None,
    date: Annotated[str | None, typer.Option(help="When it was measured, YYYY-MM-DD.")] = None,
    concurrency: Annotated[
        float | None, typer.Option(min=1, help="Requests in flight, where the file does not say its load.")
    ] = None,
    request_rate: Annotated[
        float | None,
        typer.Option(min=0.0001, help="Arrivals per second, where the file does not say its load."),
    ] = None,
    tpot_ms: Annotated[float | None, typer.Option(help="Limit that a matrix of rates keeps.")] = None,
    slo_stat: Annotated[
        SloStatistic, typer.Option(help="Statistic that limit binds.", metavar="STAT", parser=statistic)
    ] = SloStatistic.MEAN,
    input_tokens: Annotated[str | None, typer.Option(help="Sizes of a matrix' rows: 25,100,250")] = None,
    output_tokens: Annotated[str | None, typer.Option(help="Sizes of its columns: 25,100,250")] = None,
    draft_tokens: DraftOption = 0,
    max_num_seqs: Annotated[
        int | None, typer.Option(min=1, max=65_536, help="Largest batch the engine was started with.")
    ] = None,
    max_num_batched_tokens: Annotated[
        int | None, typer.Option(min=1, max=4_194_304, help="Tokens one of its steps may process.")
    ] = None,
    chunked_prefill: Annotated[
        bool | None,
        typer.Option("--chunked-prefill/--no-chunked-prefill", help="Whether it read prompts in chunks."),
    ] = None,
    prefix_caching: Annotated[
        bool | None,
        typer.Option("--prefix-caching/--no-prefix-caching", help="Whether it kept prefixes of prompts."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what was understood, keep nothing.")
    ] = False,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Keep your own measurements: they win over the package's from then on.

    Reads vllm bench serve, SGLang bench_serving, the Serving Benchmark Result they print (in logs too),
    trtllm-bench, InferenceX, llm-d's reports, llmperf, GuideLLM, inference-perf, AIPerf, genai-perf, Mélange,
    AIBrix, aiconfigurator, CSV and profile files, told by content. What a file does not state must be given
    by option.

    Example: [b]advisor profile import fixtures/profiles/imports/csv/plain.csv --dry-run[/]
    """
    from advisor.profiles.importers.registry import read_file
    from advisor.profiles.importing import Given
    from advisor.profiles.scheduler import Scheduler

    given = Given(
        model,
        accelerator,
        tp,
        precision,
        engine,
        engine_version,
        source,
        licence,
        _day(date),
        concurrency,
        request_rate,
        positive_ms("--tpot-ms", tpot_ms),
        slo_stat.value,
        rising_numbers("--input-tokens", input_tokens),
        rising_numbers("--output-tokens", output_tokens),
        draft_tokens,
        Scheduler(max_num_seqs, max_num_batched_tokens, chunked_prefill, prefix_caching),
    )
    keep([read_file(path) for path in files], given, dry_run=dry_run, form=form, output=output)


def forget(
    profile_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a profile of your own.")],
) -> None:
    """Remove a profile of your own; the package's stay.

    Example: [b]advisor profile forget own-0123456789ab[/]
    """
    from advisor.profiles import own_store

    note(f"forgot {own_store.forget(profile_id, own_folder())}")


def _day(text: str | None) -> str | None:
    import datetime as dt

    try:
        return dt.date.fromisoformat(text).isoformat() if text else None
    except ValueError:
        raise UsageError(f"--date: {text!r} is not allowed; a day as YYYY-MM-DD is") from None
