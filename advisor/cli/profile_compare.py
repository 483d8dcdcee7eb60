"""`advisor profile compare`: every kind of evidence on the same cell, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from advisor.cli.options import statistic
from advisor.cli.output import Format, FormatOption, OutputOption, note, show, write_listing
from advisor.domain import Slo, SloStatistic
from advisor.errors import UsageError
from advisor.units import MAX_LATENCY_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.catalog.facts import Facts
    from advisor.profiles.compare import Condition
    from advisor.profiles.query import ProfileStore
    from advisor.profiles.replica import Replica

    Record = dict[str, Any]
    Ranks = dict[tuple[str, int, tuple[float, float]], str]

DEFAULT_TPOT_MS: Final = 60.0
"""The limit of `advisor recommend`, where neither a limit nor a load is given."""

MOST_MEASURED_SIZES: Final = 6
MAX_IN_FLIGHT: Final = 1e6


def compare(
    model: Annotated[str, typer.Option(help="Model id, alias or repository name.")],
    accelerator: Annotated[
        list[str], typer.Option(help="Accelerator: h100-sxm-80gb, H100, 'a100-*'. Repeatable.")
    ],
    tp: Annotated[
        list[int] | None, typer.Option("--tp", min=1, max=1024, help="Accelerators per replica. Repeatable.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Of the weights: bf16, fp16, fp8, fp4, int8, int4.")
    ] = "bf16",
    engine: Annotated[str, typer.Option(help="Serving engine, or 'any'.")] = "vLLM",
    sizes: Annotated[
        str | None,
        typer.Option(help="Request sizes INxOUT,…; default: those measured on these, at most 6."),
    ] = None,
    workload: Annotated[
        str | None, typer.Option("--workload", "-w", help="Instead: every size of a workload.")
    ] = None,
    tpot_ms: Annotated[
        float | None, typer.Option(help="Same limit for all: time per output token.  \\[default: 60]")
    ] = None,
    ttft_ms: Annotated[float | None, typer.Option(help="Same limit for all: time to first token.")] = None,
    slo_stat: Annotated[
        SloStatistic, typer.Option(help="Statistic the limits bind.", metavar="STAT", parser=statistic)
    ] = SloStatistic.MEAN,
    concurrency: Annotated[
        float | None, typer.Option(help="Instead of limits: the same requests in flight for all.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every profile by itself, not the first of its kind.")
    ] = False,
    chart: Annotated[bool, typer.Option("--chart/--no-chart", help="Draw it below the table.")] = True,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Measured, simulated and estimated throughput of the same cell, each kind asked alone.

    Figures whose 90 % intervals overlap are a tie. The planner takes the first kind that has a figure.

    Example: [b]advisor profile compare --model Llama-3.3-70B --precision fp8 --accelerator H200 --tp 4[/]
    """
    from advisor.catalog.facts import load_facts
    from advisor.cli.profile_compare_view import comparison_listing, comparison_parts
    from advisor.cli.profile_options import own_folder
    from advisor.profiles.compare import compare as compared
    from advisor.profiles.query import ProfileStore

    facts, store = load_facts(), ProfileStore.load(own=own_folder())
    replicas = _replicas(facts, model, accelerator, tp or [1], precision, engine)
    condition = _condition(tpot_ms, ttft_ms, slo_stat, concurrency)
    wanted = _sizes(sizes, workload, store, replicas)
    cells = compared(store, replicas, wanted, condition, every_profile=every)
    listing = comparison_listing(cells, replicas, condition, form)
    if form is Format.TABLE:
        show(lambda width: comparison_parts(listing, cells, width, chart=chart), output)
        return
    write_listing(listing, form, output)
    if form is not Format.MARKDOWN:
        note(*listing.footer)


def _replicas(
    facts: Facts, model: str, accelerators: list[str], degrees: list[int], precision: str, engine: str
) -> list[Replica]:
    from advisor.cli.profile_options import precision_id
    from advisor.profiles.engines import Engine
    from advisor.profiles.replica import Replica, Shape

    known, spelt, named = facts.model(model), precision_id(precision), Engine.named(engine)
    chips = {chip.id: chip for pattern in accelerators for chip in facts.accelerators_matching(pattern)}
    return [
        Replica(known, spelt, chip, Shape(degree), named)
        for chip in chips.values()
        for degree in sorted(set(degrees))
    ]


def _condition(
    tpot_ms: float | None, ttft_ms: float | None, statistic: SloStatistic, concurrency: float | None
) -> Condition:
    from advisor.profiles.compare import Condition
    from advisor.recommendation.request import checked_number

    for option, limit in (("--tpot-ms", tpot_ms), ("--ttft-ms", ttft_ms)):
        if limit is not None:
            checked_number(option, limit, above=0, at_most=MAX_LATENCY_MS)
    if concurrency is not None:
        checked_number("--concurrency", concurrency, above=1, at_most=MAX_IN_FLIGHT, inclusive=True)
    if concurrency is not None:
        if tpot_ms is not None or ttft_ms is not None:
            raise UsageError("--concurrency: give a load or latency limits, not both")
        return Condition(Slo(statistic=statistic), concurrency)
    if tpot_ms is None and ttft_ms is None:
        tpot_ms = DEFAULT_TPOT_MS
    return Condition(Slo(tpot_ms, ttft_ms, statistic))


def _sizes(
    sizes: str | None, workload: str | None, store: ProfileStore, replicas: Sequence[Replica]
) -> tuple[tuple[float, float], ...]:
    from advisor.cli.profile_options import request_sizes
    from advisor.profiles.compare import measured_sizes

    if sizes is not None and workload is not None:
        raise UsageError("--sizes, --workload: give one of them, not both")
    if sizes is not None:
        return tuple((float(i), float(o)) for i, o in request_sizes(sizes))
    if workload is not None:
        from advisor.workload.named import load_workload

        return tuple((b.input_tokens, b.output_tokens) for b in load_workload(workload).buckets)
    found = measured_sizes(store, replicas, MOST_MEASURED_SIZES)
    if not found:
        raise UsageError(_nothing_measured(store, replicas))
    return found


def _nothing_measured(store: ProfileStore, replicas: Sequence[Replica]) -> str:
    """The complaint, with the engines that were measured on the same replicas."""
    from dataclasses import replace

    from advisor.profiles.compare import measured_sizes
    from advisor.profiles.engines import WHICHEVER

    first = replicas[0]
    said = (
        f"no size was measured of {first.model.id} {first.precision} on {first.engine} on these accelerators"
    )
    on_any = [replace(replica, engine=WHICHEVER) for replica in replicas]
    engine = "--engine any, or " if measured_sizes(store, on_any, 1) else ""
    return f"{said}: give {engine}sizes, e.g. --sizes 1000x250"
