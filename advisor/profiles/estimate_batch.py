"""A CSV file of runs, and beside each what the estimator says of it.

The columns are those of this package's measured runs. Cells that came in go out byte for byte; the new ones
stand at the end of each row. A row is estimated from what it says was run, never from what it says was
measured, and never from a measurement of ours: held against its own figures it shows how far off the
estimator is. What has no estimate says why in ``reason``; so does a row of which one figure has none, or for
which something had to be assumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.errors import UnknownName, UsageError
from advisor.profiles import batch_file, memory
from advisor.profiles.batch_file import ADDED, UnreadableCell
from advisor.profiles.engines import Engine
from advisor.profiles.estimate import (
    MOST_TENSOR_PARALLEL,
    Deployment,
    LoadMode,
    caution,
    estimate,
    in_words,
    refusal,
)
from advisor.profiles.replica import Replica, Shape
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from advisor.domain import Accelerator, Model
    from advisor.profiles.batch_file import BatchRow
    from advisor.profiles.calibration import Calibration
    from advisor.profiles.estimate import Estimates

_LOADS: Final = {
    LoadMode.CLOSED_LOOP: "concurrency",
    LoadMode.STATIC_BATCH: "concurrency",
    LoadMode.OPEN: "request_rate_offered",
    LoadMode.WITHIN_SLO: "slo_tpot_ms",
}
MODES: Final = {mode.value: mode for mode in LoadMode} | {
    "offline-batch": LoadMode.SATURATED, "offline": LoadMode.SATURATED, "saturation": LoadMode.SATURATED,
    "throughput": LoadMode.SATURATED, "inf": LoadMode.SATURATED,
    "closed-loop": LoadMode.CLOSED_LOOP, "max-concurrency": LoadMode.CLOSED_LOOP,
    "request-rate": LoadMode.OPEN, "open-loop": LoadMode.OPEN, "poisson": LoadMode.OPEN,
    "online": LoadMode.OPEN, "static": LoadMode.STATIC_BATCH, "batch": LoadMode.STATIC_BATCH,
    "server": LoadMode.WITHIN_SLO, "slo": LoadMode.WITHIN_SLO, "single": LoadMode.SINGLE,
}  # fmt: skip
"""How benchmarks call the ways requests come."""

SPELT: Final = {
    "auto": "", "none": "", "bfloat16": "bf16", "float16": "fp16", "half": "fp16",
    "nvfp4": "fp4", "modelopt-fp4": "fp4", "w4a4": "fp4",
    "float8": "fp8", "fp8-e4m3": "fp8", "fp8-e5m2": "fp8", "e4m3": "fp8", "fp8-block": "fp8",
    "fp8-dynamic": "fp8", "w8a8-fp8": "fp8", "modelopt": "fp8", "mxfp8": "fp8",
    "w8a8": "int8", "w8a8-int8": "int8", "smoothquant": "int8",
    "awq": "int4", "gptq": "int4", "awq-marlin": "int4", "gptq-marlin": "int4", "marlin": "int4",
    "w4a16": "int4", "int4-awq": "int4", "int4-gptq": "int4", "int4-wo": "int4", "wna16": "int4",
}  # fmt: skip
"""How engines and checkpoints call a precision."""

ASSUMED: Final = "assumed: whole submission at its best degree ({degree}), {precision} weights, 8-bit cache"
ASSUMED_MODE: Final = "assumed: load_mode {mode}, whose load is given"
ASSUMED_PRECISION: Final = "assumed: {precision} weights, as the model's name says"


@dataclass(frozen=True, slots=True)
class BatchNames:
    """How spellings are understood; the first two raise ``UnknownName`` or ``UsageError``."""

    model: Callable[[str], Model]
    accelerator: Callable[[str], Accelerator]
    stated_precision: Callable[[str], str | None]  #: what a model's name says of how its weights are stored


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a row asks about; of which deployment, once that is known."""

    model: Model
    accelerator: Accelerator
    mode: LoadMode
    size: tuple[float, float]
    load: float
    note: str  #: what had to be assumed so far
    stated: str = ""  #: precision by the model's name, where the row has none
    deployment: Deployment | None = None

    def assuming(self, *notes: str) -> _Asked:
        return replace(self, note="; ".join(filter(None, (self.note, *notes))))


def estimated_text(text: str, file: str, names: BatchNames, calibration: Calibration) -> tuple[str, int, int]:
    """The file with its new columns; how many rows it has, and how many of them have no rate.

    Raises:
        InputFileError: not CSV, or a column is missing or there already.
    """
    header, rows = batch_file.read(text, file)
    asked = [_asked(row, names, calibration) if row.cells else "" for row in rows]
    added = _estimated([one for one in asked if isinstance(one, _Asked)], calibration)
    written, declined = [header.with_cells(ADDED)], 0
    for row, one in zip(rows, asked, strict=True):
        if not row.cells:
            written.append(row.text + row.ending)
            continue
        cells = next(added) if isinstance(one, _Asked) else ["", "", "", "", "", one]
        declined += not cells[0]
        written.append(row.with_cells(cells))
    return "".join(written), sum(bool(row.cells) for row in rows), declined


def _asked(row: BatchRow, names: BatchNames, calibration: Calibration) -> _Asked | str:
    """What a row asks, or why it cannot be answered."""
    try:
        tokens_in, tokens_out = row.number("input_tokens"), row.number("output_tokens")
        counts = {name: row.whole(name) for name in ("gpu_count", "tp", "pp")}
        mode, load, note = _load(row)
        if tokens_in is None or tokens_out is None:
            return f"{'input_tokens' if tokens_in is None else 'output_tokens'}: blank"
        if "attn-dp" in row.cell("flags"):
            return "flags: data-parallel attention is not modelled"
        model = names.model(row.cell("model"))
        accelerator = names.accelerator(row.cell("gpu"))
    except (UnreadableCell, UnknownName, UsageError) as error:
        return printable(str(error))
    wish = _Asked(model, accelerator, mode, (tokens_in, tokens_out), load, note)
    if not _precision(row, "precision") and (stated := names.stated_precision(row.cell("model"))):
        wish = replace(wish, stated=stated).assuming(ASSUMED_PRECISION.format(precision=stated))
    return _deployed(row, wish, counts, calibration)


def _load(row: BatchRow) -> tuple[LoadMode, float, str]:
    """How requests come, how many of them, and what of it had to be assumed."""
    stated = row.cell("load_mode")
    mode, note = MODES.get(stated.casefold().replace("_", "-")), ""
    if not stated:
        given = [each for each in (LoadMode.CLOSED_LOOP, LoadMode.OPEN) if row.cell(_LOADS[each])]
        mode = given[0] if len(given) == 1 else None
        note = ASSUMED_MODE.format(mode=mode.value) if mode else ""
    if mode is None:
        raise UnreadableCell(f"load_mode: {stated or 'blank'} is not one of {', '.join(LoadMode)}")
    if mode not in _LOADS:
        return mode, 1.0, note
    load = row.number(_LOADS[mode], endless=mode in (LoadMode.OPEN, LoadMode.CLOSED_LOOP))
    if load is None:
        raise UnreadableCell(f"{_LOADS[mode]}: blank, and load_mode is {mode.value}")
    if mode is LoadMode.CLOSED_LOOP and math.isinf(load):
        return LoadMode.SATURATED, 1.0, note
    return mode, load, note


def _deployed(
    row: BatchRow, wish: _Asked, counts: Mapping[str, int | None], calibration: Calibration
) -> _Asked | str:
    """A wish with the deployment its row states, or why there is no estimate."""
    gpus, degree, stages = counts["gpu_count"], counts["tp"], counts["pp"] or 1
    if stages > 1:
        return f"pp: pipeline parallelism ({stages}) is not modelled"
    precision = _precision(row, "precision") or wish.stated or _unstated_precision(wish.accelerator, degree)
    if precision not in memory.PRECISIONS:
        return f"precision: {printable(precision)} is not one of {', '.join(memory.PRECISIONS)}"
    engine = Engine.named(row.cell("engine"), row.cell("engine_version") or None, row.cell("date"))
    if degree is None:
        return _submission(wish, gpus or 1, precision, engine, calibration)
    replicas, idle = divmod(gpus or degree, degree)
    if replicas < 1 or idle:
        return f"gpu_count: {gpus} is not a multiple of tp {degree}"
    cache = _precision(row, "kv_precision") or None
    if cache not in (None, *memory.PRECISIONS):
        return f"kv_precision: {printable(cache or '')} is not one of {', '.join(memory.PRECISIONS)}"
    replica = Replica(wish.model, precision, wish.accelerator, Shape(degree), engine, cache)
    refused = refusal(replica, calibration, within_tpot=wish.mode is LoadMode.WITHIN_SLO)
    if refused is not None:
        return in_words(refused)
    return replace(wish.assuming(caution(replica, calibration)), deployment=Deployment(replica, replicas))


def _precision(row: BatchRow, column: str) -> str:
    """As this product spells it; ``auto`` leaves it to the engine, as blank does."""
    name = row.cell(column).casefold().replace("_", "-")
    return SPELT.get(name, name)


def _unstated_precision(accelerator: Accelerator, degree: int | None) -> str:
    """16 bits, whose users seldom say so; of a whole submission, the narrowest the chip computes in."""
    if degree is not None:
        return "bf16" if accelerator.has_bf16 else "fp16"
    narrow = "fp8" if accelerator.fp8_dense_tflops else "fp16"
    return "fp4" if accelerator.fp4_dense_tflops else narrow


def _submission(
    wish: _Asked, gpus: int, precision: str, engine: Engine, calibration: Calibration
) -> _Asked | str:
    """A row without a degree is a whole submission: as many replicas as serve best, tuned as such are."""
    best: tuple[float, Deployment | None] = (-1.0, None)
    why = "tp: blank, and no degree serves the model"
    cache = "fp8" if memory.PRECISIONS[precision].bits < 16 else "fp16"
    for degree in memory.valid_tensor_parallel(wish.model, min(gpus, MOST_TENSOR_PARALLEL)):
        replica = Replica(wish.model, precision, wish.accelerator, Shape(degree), engine, cache)
        refused = refusal(replica, calibration, within_tpot=wish.mode is LoadMode.WITHIN_SLO)
        if refused is not None:
            why = in_words(refused)
            continue
        tried = Deployment(replica, gpus // degree, tuned=True)
        found = estimate(tried, wish.mode, np.array([wish.size]), np.array([wish.load]), calibration)
        best = max(best, (float(np.nan_to_num(found.requests_per_s[0])), tried), key=lambda pair: pair[0])
    if best[1] is None:
        return why
    assumed = ASSUMED.format(degree=best[1].replica.tensor_parallel, precision=precision)
    noted = wish.assuming(assumed, caution(best[1].replica, calibration))
    return replace(noted, deployment=best[1])


def _estimated(asked: Sequence[_Asked], calibration: Calibration) -> Iterator[list[str]]:
    """New cells of every row, in order; rows of one deployment and mode are worked out together."""
    groups: dict[tuple[Deployment | None, LoadMode], list[int]] = {}
    for place, one in enumerate(asked):
        groups.setdefault((one.deployment, one.mode), []).append(place)
    cells: list[list[str]] = [[] for _ in asked]
    for (deployment, mode), places in groups.items():
        if deployment is None:
            continue
        sizes = np.array([asked[place].size for place in places])
        loads = np.array([asked[place].load for place in places])
        found = estimate(deployment, mode, sizes, loads, calibration)
        for place, line in zip(places, _cells(found, [asked[p].note for p in places]), strict=True):
            cells[place] = line
    return iter(cells)


def _cells(found: Estimates, notes: Iterable[str]) -> Iterator[list[str]]:
    columns = (
        found.requests_per_s,
        found.tpot_ms,
        found.ttft_ms,
        found.low_requests_per_s,
        found.high_requests_per_s,
    )
    for *figures, reason, note in zip(
        *(column.tolist() for column in columns), found.reasons, notes, strict=True
    ):
        yield [
            *("" if math.isnan(one) else f"{one:.6g}" for one in figures),
            "; ".join(filter(None, (reason, note))),
        ]
