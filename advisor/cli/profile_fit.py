"""`advisor profile fit`: where the memory of one replica goes, per accelerator and tensor-parallel degree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from advisor.cli.output import Col, Format, FormatOption, Listing, OutputOption, write_listing
from advisor.cli.profile_options import precision_id
from advisor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.catalog.facts import Facts
    from advisor.domain import Accelerator, Model, Traffic
    from advisor.profiles.replica import Replica

DEGREES: Final = (1, 2, 4, 8)
"""Tensor-parallel degrees listed unless ``--tp`` names some: what one common instance holds."""


def fit(
    model: Annotated[str, typer.Option(help="Model id, alias or repository name.")],
    precision: Annotated[
        str, typer.Option(help="Of the weights: bf16, fp16, fp8, fp4, int8, int4.")
    ] = "bf16",
    engine: Annotated[str, typer.Option(help="Serving engine, or 'any'.")] = "vLLM",
    kv_precision: Annotated[
        str | None, typer.Option(help="Of the KV cache: fp16 or fp8; default: as the engine does.")
    ] = None,
    accelerator: Annotated[
        list[str] | None, typer.Option(help="Accelerator: h100-sxm-80gb, H100, 'a100-*'; repeatable.")
    ] = None,
    tp: Annotated[
        list[int] | None, typer.Option("--tp", min=1, max=1024, help="Accelerators per replica; repeatable.")
    ] = None,
    input_tokens: Annotated[
        int | None, typer.Option(min=1, help="With --output-tokens: how many such requests fit at once.")
    ] = None,
    output_tokens: Annotated[int | None, typer.Option(min=1, help="Of such a request.")] = None,
    lora_adapters: Annotated[int, typer.Option(min=0, help="LoRA adapters kept loaded.")] = 0,
    lora_rank: Annotated[int, typer.Option(min=0, help="Rank of each adapter.")] = 0,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Does a model fit: weights, KV cache, reserve, what remains, largest batch, longest context.

    Example: [b]advisor profile fit --model Llama-3.1-70B --accelerator H100 --tp 2 --tp 4[/]
    """
    from advisor.catalog.facts import load_facts
    from advisor.profiles.engines import Engine
    from advisor.profiles.replica import Replica, Shape

    if (input_tokens is None) != (output_tokens is None):
        raise UsageError("--input-tokens and --output-tokens go together")
    facts, traffic = load_facts(), _traffic(lora_adapters, lora_rank)
    served, named = facts.model(model), Engine.named(engine)
    cache = None if kv_precision is None else precision_id(kv_precision)
    size = None if input_tokens is None or output_tokens is None else (input_tokens, output_tokens)
    replicas = [
        Replica(served, precision_id(precision), chip, Shape(degree), named, cache, traffic)
        for chip in _chips(facts, accelerator)
        for degree in _degrees(served, tp)
    ]
    records = [_record(replica, size) for replica in replicas]
    first = replicas[0]
    title = f"Memory of one replica: {served.id}, {first.precision} weights, {first.cache} KV cache, {named}"
    words = _words(first, size)
    write_listing(Listing(title, _columns(size, traffic, records), records, words), form, output)


def _traffic(adapters: int, rank: int) -> Traffic:
    from advisor.domain import Traffic

    if (adapters > 0) != (rank > 0):
        raise UsageError("--lora-adapters and --lora-rank go together")
    return Traffic(lora_adapters=adapters, lora_rank=rank)


def _chips(facts: Facts, patterns: Sequence[str] | None) -> list[Accelerator]:
    """Those named, each once, in the order of the names; else all."""
    if not patterns:
        return list(facts.accelerators.values())
    found = (chip for pattern in patterns for chip in facts.accelerators_matching(pattern))
    return list({chip.id: chip for chip in found}.values())


def _degrees(model: Model, wanted: Sequence[int] | None) -> list[int]:
    """Those asked for if the model can be split so, else the common ones."""
    from advisor.profiles.memory import unsplittable

    if not wanted:
        return [degree for degree in DEGREES if unsplittable(model, degree) is None]
    for degree in wanted:
        impossible = unsplittable(model, degree)
        if impossible is not None:
            raise UsageError(f"--tp: {impossible}")
    return list(dict.fromkeys(wanted))


def _record(replica: Replica, size: tuple[int, int] | None) -> dict[str, Any]:
    found = replica.memory()
    names = (
        *("memory_gib", "unclaimed_gib", "reserve_gib", "activations_gib", "weights_gib", "lora_gib"),
        *("kv_gib", "short_gib"),
    )
    return {
        "accelerator": replica.accelerator.id,
        "tensor_parallel": replica.tensor_parallel,
        **{name: round(getattr(found, name), 3) for name in names},
        "fits": found.fits,
        "kv_bytes_per_token": round(found.kv_bytes_per_token),
        "max_tokens": found.max_tokens,
        "longest_context": found.longest_context,
        "largest_batch": None if size is None else found.largest_batch(sum(size)),
    }


def _words(replica: Replica, size: tuple[int, int] | None) -> tuple[str, ...]:
    from advisor.profiles.memory import RESERVE_GIB, UTILISATION

    model, traffic = replica.model, replica.traffic
    words = [
        "All accelerators of a replica together; activations are part of the reserve, by formula.",
        (
            f"An engine claims {UTILISATION:.0%} of the memory and reserves {RESERVE_GIB:g} GiB per "
            "accelerator for activations, CUDA graphs and buffers: the estimator's figures."
        ),
        f"Longest context: what remains for one request alone, at most the model's {model.max_context:,}.",
    ]
    if model.sliding_window is not None:
        words.append(
            f"Sliding layers keep the last {model.sliding_window:,} tokens; `tokens` is without that."
            if replica.windowed
            else "Sliding windows are not credited: every layer is charged for the full context."
        )
    if size is not None:
        words.append(
            f"Batch: requests of {size[0]:,} in and {size[1]:,} out at once, each at its full length."
        )
    if traffic.lora_adapters:
        adapters = f"{traffic.lora_adapters} adapters of rank {traffic.lora_rank}"
        words.append(f"LoRA: {adapters}, 16 bits, every linear layer.")
    return tuple(words)


def _columns(
    size: tuple[int, int] | None, traffic: Traffic, records: Sequence[dict[str, Any]]
) -> tuple[Col, ...]:
    short = any(record["short_gib"] for record in records)

    def gib(value: float) -> str:
        return f"{value:.1f}"

    def missing(value: float) -> str:
        return gib(value) if value else "–"

    def count(value: int | None) -> str:
        return "–" if value is None else f"{value:,}"

    return (
        Col("accelerator", "accelerator"),
        Col("tensor_parallel", "TP", numeric=True),
        Col("memory_gib", "memory GiB", numeric=True, text=gib, importance=2),
        Col("unclaimed_gib", "unclaimed GiB", numeric=True, text=gib, importance=6),
        Col("reserve_gib", "reserve GiB", numeric=True, text=gib, importance=4),
        Col("activations_gib", "activations GiB", numeric=True, text=gib, importance=8),
        Col("weights_gib", "weights GiB", numeric=True, text=gib),
        Col("lora_gib", "LoRA GiB", numeric=True, text=gib, importance=1 if traffic.lora_adapters else 9),
        Col("kv_gib", "for KV GiB", numeric=True, text=gib),
        Col(
            "short_gib",
            "short by GiB",
            numeric=True,
            text=lambda value: gib(value) if value else "–",
            importance=1 if short else 9,
        ),
        Col("fits", "fits", text=lambda value: "yes" if value else "no", importance=5),
        Col("kv_bytes_per_token", "KV B/token", numeric=True, text=count, importance=3),
        Col("max_tokens", "tokens", numeric=True, text=count),
        Col("longest_context", "context", numeric=True, text=count),
        Col("largest_batch", "batch", numeric=True, text=count, importance=7 if size is None else 1),
    )
