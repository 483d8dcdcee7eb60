"""`advisor profile estimate`: what the estimator says of one deployment, or of every row of a CSV file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from advisor.cli.output import (
    Col,
    Format,
    FormatOption,
    Listing,
    OutputOption,
    note,
    write_listing,
    write_text,
)
from advisor.errors import NoCandidates, UsageError

if TYPE_CHECKING:
    from advisor.profiles.calibration import Calibration
    from advisor.profiles.estimate import Deployment, LoadMode
    from advisor.profiles.replica import Replica

MAX_BYTES: Final = 200_000_000
_MOST: Final = 1e9
_FIGURES: Final = (
    *("requests_per_s", "low_requests_per_s", "high_requests_per_s"),
    *("tpot_ms", "ttft_ms", "in_flight"),
)


def estimate(
    model: Annotated[str | None, typer.Option(help="Model id, alias or repository name.")] = None,
    accelerator: Annotated[str | None, typer.Option(help="Accelerator, e.g. h100-sxm-80gb.")] = None,
    precision: Annotated[
        str, typer.Option(help="Of the weights: bf16, fp16, fp8, fp4, int8, int4.")
    ] = "bf16",
    tp: Annotated[int, typer.Option("--tp", min=1, help="Accelerators per replica.")] = 1,
    replicas: Annotated[int, typer.Option(min=1, help="Replicas that share the load.")] = 1,
    input_tokens: Annotated[float, typer.Option(help="Input tokens of a request.")] = 1000,
    output_tokens: Annotated[float, typer.Option(help="Output tokens of a request.")] = 250,
    concurrency: Annotated[
        float | None, typer.Option(help="Load: so many requests in flight, all replicas together.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Load: an open stream of so many requests/s.")] = None,
    tpot_ms: Annotated[float | None, typer.Option(help="Load: as much as this mean TPOT allows.")] = None,
    engine: Annotated[str, typer.Option(help="Serving engine, or 'any'.")] = "any",
    engine_version: Annotated[str | None, typer.Option(help="Its version; default: today's.")] = None,
    kv_precision: Annotated[
        str | None, typer.Option(help="Of the KV cache: fp16, bf16, fp8, int8; default: as the engine does.")
    ] = None,
    batch: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Estimate every row of a file; '-' reads stdin.")
    ] = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """What the estimator says: rate, TPOT, TTFT, 90 % interval, what limits it, and whether the model fits.

    It is a model, fitted to measured runs; nothing measured is looked up, so that you can hold it against
    your own figures. Without a load: everything at once. With --batch, a CSV file comes back as it was with
    predicted_requests_per_s, predicted_tpot_ms, predicted_ttft_ms, low_ and high_requests_per_s (90 %) and
    reason: why a row, or one of its figures, has none, or what was assumed. Columns it reads: model,
    precision, gpu, gpu_count, tp, input_tokens, output_tokens, load_mode, concurrency or request_rate_offered
    or slo_tpot_ms; engine, engine_version, date, kv_precision, pp, flags where there. load_mode: concurrency
    (a closed loop), rate (an open stream), static-batch, offline-saturation, server-slo, single-stream, or
    as load generators call them (offline, request-rate, max-concurrency); blank: the one whose load is given.
    gpu_count beyond tp is replicas that share the load. Models may be repositories, tuned or quantised; a
    blank precision is what the model's name states, else 16-bit; a blank tp is a whole submission at its
    best degree. A cell that cannot be read costs its own row alone.

    Example: [b]advisor profile estimate --model Llama-3.1-8B --accelerator h100-sxm-80gb --concurrency 64[/]

    Example: [b]advisor profile estimate --batch fixtures/profiles/estimate/runs.csv[/]
    """
    loads = [
        (name, value)
        for name, value in (("--concurrency", concurrency), ("--rate", rate), ("--tpot-ms", tpot_ms))
        if value is not None
    ]
    if len(loads) > 1:
        raise UsageError(f"{loads[0][0]} and {loads[1][0]} are two loads; give one")
    if batch is not None:
        if model is not None or accelerator is not None or loads or form is not Format.TABLE:
            raise UsageError("--batch reads every replica and load from its file and writes CSV")
        _batch(batch, output)
        return
    if model is None or accelerator is None:
        raise UsageError("an estimate needs --model and --accelerator, or --batch FILE.csv")
    size = tuple(
        _positive(option, value)
        for option, value in (("--input-tokens", input_tokens), ("--output-tokens", output_tokens))
    )
    load = (loads[0][0], _positive(*loads[0])) if loads else None
    deployment = _deployment(
        model, accelerator, precision, (tp, replicas), (engine, engine_version), kv_precision
    )
    write_listing(_listing(deployment, size, load), form, output)


def _batch(path: Path, output: Path | None) -> None:
    import sys
    from functools import cache

    from advisor.catalog.facts import load_facts
    from advisor.catalog.model_spelling import stated_precision
    from advisor.documents import decoded, read_bytes, read_stream
    from advisor.profiles import calibration
    from advisor.profiles.estimate_batch import BatchNames, estimated_text

    if str(path) == "-":
        name, content = (
            "standard input",
            read_stream(sys.stdin.buffer, "standard input", MAX_BYTES, "a CSV file"),
        )
    else:
        name, content = str(path), read_bytes(path, MAX_BYTES, "a CSV file")
    mark = "\ufeff" if content.startswith(b"\xef\xbb\xbf") else ""
    facts = load_facts()
    names = BatchNames(cache(facts.model), cache(facts.accelerator), stated_precision)
    text, rows, declined = estimated_text(mark + decoded(content, name), name, names, calibration.load())
    write_text(text, output)
    note(f"{rows - declined:,} of {rows:,} rows estimated; `reason` says why the others are not")


def _deployment(
    model: str,
    accelerator: str,
    precision: str,
    shape: tuple[int, int],
    engine: tuple[str, str | None],
    kv_precision: str | None,
) -> Deployment:
    from advisor.catalog.facts import load_facts
    from advisor.profiles import memory
    from advisor.profiles.engines import Engine
    from advisor.profiles.estimate import Deployment
    from advisor.profiles.replica import Replica, Shape

    facts, (degree, replicas) = load_facts(), shape
    for name in filter(None, (precision, kv_precision)):
        memory.precision_of(name)
    chip, named = facts.accelerator(accelerator), Engine.named(*engine)
    replica = Replica(facts.model(model), precision, chip, Shape(degree), named, kv_precision)
    return Deployment(replica, replicas)


def _listing(deployment: Deployment, size: tuple[float, ...], load: tuple[str, float] | None) -> Listing:
    import numpy as np

    from advisor.profiles import calibration
    from advisor.profiles.estimate import LoadMode, caution, in_words, refusal
    from advisor.profiles.estimate import estimate as estimated

    known, replica = calibration.load(), deployment.replica
    modes = {
        "--concurrency": LoadMode.CLOSED_LOOP, "--rate": LoadMode.OPEN, "--tpot-ms": LoadMode.WITHIN_SLO,
    }  # fmt: skip
    mode = modes[load[0]] if load else LoadMode.SATURATED
    named = f"{replica.model.id} {replica.precision} on {replica.tensor_parallel} × {replica.accelerator.id}"
    refused = refusal(replica, known, within_tpot=mode is LoadMode.WITHIN_SLO)
    if refused is not None:
        raise NoCandidates(f"no estimate of {named}: {in_words(refused)}")
    found = estimated(deployment, mode, np.array([size]), np.array([load[1] if load else 1.0]), known)
    if math.isnan(found.requests_per_s[0]):
        raise NoCandidates(f"no estimate of {named}: {found.reasons[0]}")
    record: dict[str, Any] = {
        "model": replica.model.id,
        "precision": replica.precision,
        "accelerator": replica.accelerator.id,
        "tensor_parallel": replica.tensor_parallel,
        "replicas": deployment.replicas,
        "input_tokens": size[0],
        "output_tokens": size[1],
        "load": _load_words(mode, load),
        **{name: _known(getattr(found, name)[0]) for name in _FIGURES},
        "limited_by": found.limited_by[0],
    }
    footer = _footer(replica, size, (caution(replica, known), found.reasons[0]), known)
    return Listing("Estimate", _COLUMNS, [record], footer)


def _load_words(mode: LoadMode, load: tuple[str, float] | None) -> str:
    value = load[1] if load else 0.0
    return {
        "concurrency": f"{value:g} in flight",
        "rate": f"{value:g} requests/s offered",
        "server-slo": f"mean TPOT ≤ {value:g} ms",
    }.get(mode.value, "everything at once")


def _footer(
    replica: Replica, size: tuple[float, ...], said: tuple[str, ...], known: Calibration
) -> tuple[str, ...]:
    """The fit arithmetic, what the figures rest on, and what has none."""
    room = replica.memory()
    most = f"{room.largest_batch(size[0] + size[1]):,} requests of this size at their longest"
    cache = f"{replica.cache} KV cache, {most}, or one of {room.longest_context:,} tokens"
    basis = f"{_seen(replica, known)}; the interval holds nine in ten measurements it had not seen"
    lines = (f"Fit of one replica: {room.detail}; {cache}.", f"Estimated by {known.version}: {basis}.")
    return (*lines, *(f"{sentence[0].upper()}{sentence[1:]}." for sentence in said if sentence))


def _seen(replica: Replica, known: Calibration) -> str:
    words = {"accelerator": "this chip", "shape": "a model of this shape"}
    missing = [words[what] for what in known.unseen(replica)]
    if missing:
        return f"no run of {' or of '.join(missing)} is behind it"
    return "chip and model are among its runs"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.4g}")


def _positive(option: str, value: float) -> float:
    if not 0 < value <= _MOST:
        raise UsageError(f"{option}: {value:g} is not allowed; a positive number is")
    return value


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


_COLUMNS: Final = (
    Col("model", "model"),
    Col("precision", "precision", importance=3),
    Col("accelerator", "accelerator"),
    Col("tensor_parallel", "TP", numeric=True, importance=2),
    Col("replicas", "replicas", numeric=True, importance=7),
    Col("input_tokens", "in", numeric=True, text=_number, importance=5),
    Col("output_tokens", "out", numeric=True, text=_number, importance=5),
    Col("load", "load", importance=4),
    Col("requests_per_s", "requests/s", numeric=True, text=_number),
    Col("low_requests_per_s", "low", numeric=True, text=_number),
    Col("high_requests_per_s", "high", numeric=True, text=_number),
    Col("tpot_ms", "TPOT ms", numeric=True, text=_number),
    Col("ttft_ms", "TTFT ms", numeric=True, text=_number),
    Col("in_flight", "in flight", numeric=True, text=_number, importance=6),
    Col("limited_by", "limited by", importance=3),
)
