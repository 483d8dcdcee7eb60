"""A CSV file of runs, and beside each what the estimator says of it.

The columns are those of this package's measured runs. Cells that came in go out byte for byte; the new ones
stand at the end of each row. A row is estimated from what it says was run, never from what it says was
measured, and never from a measurement of ours: held against its own figures it shows how far off the
estimator is. What has no estimate says why in ``reason``; so does a row of which one figure has none, or for
which something had to be assumed.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.errors import InputFileError, UnknownName, UsageError
from advisor.profiles import memory
from advisor.profiles.engine_era import engine_named, era_of, unstated_kv_precision
from advisor.profiles.estimate import MOST_TENSOR_PARALLEL, Deployment, LoadMode, estimate, refusal
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from advisor.domain import Accelerator, Model
    from advisor.profiles.calibration import Calibration
    from advisor.profiles.estimate import Estimates

NEEDED: Final = ("model", "precision", "gpu", "input_tokens", "output_tokens", "load_mode")
ADDED: Final = (
    "predicted_requests_per_s",
    "predicted_tpot_ms",
    "predicted_ttft_ms",
    "low_requests_per_s",
    "high_requests_per_s",
    "reason",
)
_MODES: Final = {mode.value: mode for mode in LoadMode} | {"offline-batch": LoadMode.SATURATED}
_LOADS: Final = {
    LoadMode.CLOSED_LOOP: "concurrency",
    LoadMode.STATIC_BATCH: "concurrency",
    LoadMode.OPEN: "request_rate_offered",
    LoadMode.WITHIN_SLO: "slo_tpot_ms",
}
_SPELT: Final = {"auto": "", "bfloat16": "bf16", "float16": "fp16", "nvfp4": "fp4"}
_MOST: Final = 1e9
ASSUMED: Final = "assumed: whole submission at its best degree ({degree}), {precision} weights, 8-bit cache"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file: its text as it came, and its cells by column."""

    number: int  #: line of the file it begins on
    text: str  #: without its line ending
    ending: str
    cells: Mapping[str, str]  #: empty for a blank line

    def cell(self, column: str) -> str:
        """A cell without blanks around it; blank where there is no such column."""
        return self.cells.get(column, "").strip()


@dataclass(frozen=True, slots=True)
class Names:
    """How spellings are understood; each raises ``UnknownName`` or ``UsageError``."""

    model: Callable[[str], Model]
    accelerator: Callable[[str], Accelerator]


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a row asks about, before it is known on which deployment."""

    model: Model
    accelerator: Accelerator
    mode: LoadMode
    size: tuple[float, float]
    load: float

    def on(self, deployment: Deployment, note: str = "") -> _Asked:
        return _Asked(deployment, self.mode, self.size, self.load, note)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A row that can be estimated."""

    deployment: Deployment
    mode: LoadMode
    size: tuple[float, float]
    load: float
    note: str = ""


def estimated_text(text: str, file: str, names: Names, calibration: Calibration) -> tuple[str, int, int]:
    """The file with its new columns; how many rows it has, and how many of them have no rate.

    Raises:
        InputFileError: not CSV, a column is missing or there already, or a cell is no number.
    """
    header, rows = _read(text, file)
    asked = [_asked(row, file, names, calibration) if row.cells else "" for row in rows]
    added = _estimated([one for one in asked if isinstance(one, _Asked)], calibration)
    written, declined = [header.text + "," + ",".join(ADDED) + (header.ending or "\n")], 0
    for row, one in zip(rows, asked, strict=True):
        if not row.cells:
            written.append(row.text + row.ending)
            continue
        cells = next(added) if isinstance(one, _Asked) else ["", "", "", "", "", one]
        declined += not cells[0]
        written.append(f"{row.text},{','.join([*cells[:-1], _quoted(cells[-1])])}{row.ending}")
    return "".join(written), sum(bool(row.cells) for row in rows), declined


def _read(text: str, file: str) -> tuple[Row, list[Row]]:
    lines = io.StringIO(text.removeprefix("\ufeff"), newline="")  # whose lines end as a file's do
    taken: list[str] = []

    def each() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    reader, rows, names = csv.reader(each(), strict=True), [], None
    number = 1
    try:
        for cells in reader:
            raw, at = "".join(taken), number
            taken.clear()
            number = reader.line_num + 1
            body = raw.rstrip("\r\n")
            if names is None:
                names = [cell.strip() for cell in cells]
                rows.append(
                    Row(at, ("\ufeff" if text.startswith("\ufeff") else "") + body, raw[len(body) :], {})
                )
                _check_header(names, file)
            elif cells and len(cells) != len(names):
                found = f"{len(cells)} cells"
                raise InputFileError(f"{file}, row {at}", "", found, f"{len(names)} are, as in the header")
            else:
                by_name = dict(zip(names, cells, strict=True)) if cells else {}
                rows.append(Row(at, body, raw[len(body) :], by_name))
    except csv.Error as error:
        raise InputFileError(f"{file}, row {reader.line_num}", "", str(error), "CSV is") from error
    if not rows:
        raise InputFileError(file, "", "empty", f"the columns {', '.join(NEEDED)} are needed")
    return rows[0], rows[1:]


def _check_header(names: Sequence[str], file: str) -> None:
    for needed in NEEDED:
        if needed not in names:
            raise InputFileError(file, "", f"no column {needed}", f"{', '.join(NEEDED)} are needed")
    if "tp" not in names and "gpu_count" not in names:
        raise InputFileError(file, "", "no column tp or gpu_count", "one of them is needed")
    for name in names:
        if name in ADDED:
            raise InputFileError(file, name, "there already", "a file without the estimator's columns is")
        if names.count(name) > 1:
            raise InputFileError(file, name, "there twice", "one column of a name is")


def _asked(row: Row, file: str, names: Names, calibration: Calibration) -> _Asked | str:
    """What a row asks, or why it cannot be answered."""
    tokens_in, tokens_out = (_number(row, file, name) for name in ("input_tokens", "output_tokens"))
    counts = {name: _whole(row, file, name) for name in ("gpu_count", "tp", "pp")}
    load = None
    mode = _MODES.get(row.cell("load_mode"))
    if mode in _LOADS:
        load = _number(row, file, _LOADS[mode])
    if tokens_in is None or tokens_out is None:
        return f"{'input_tokens' if tokens_in is None else 'output_tokens'}: blank"
    if mode is None:
        return f"load_mode: {printable(row.cell('load_mode')) or 'blank'} is not one of {', '.join(_MODES)}"
    if mode in _LOADS and load is None:
        return f"{_LOADS[mode]}: blank, and load_mode is {mode.value}"
    if "attn-dp" in row.cell("flags"):
        return "flags: data-parallel attention is not modelled"
    try:
        model = names.model(row.cell("model"))
        accelerator = names.accelerator(row.cell("gpu"))
    except (UnknownName, UsageError) as error:
        return printable(str(error))
    asked = _Wish(model, accelerator, mode, (tokens_in, tokens_out), load or 1.0)
    return _deployed(row, asked, counts, calibration)


def _deployed(
    row: Row, wish: _Wish, counts: Mapping[str, int | None], calibration: Calibration
) -> _Asked | str:
    """A wish with the deployment its row states, or why there is no estimate."""
    gpus, degree, stages = counts["gpu_count"], counts["tp"], counts["pp"] or 1
    if stages > 1:
        return f"pp: pipeline parallelism ({stages}) is not modelled"
    precision = _precision(row, "precision") or _unstated_precision(wish.accelerator, degree)
    if precision not in memory.PRECISIONS:
        return f"precision: {printable(precision)} is not one of {', '.join(memory.PRECISIONS)}"
    engine, written = engine_named(row.cell("engine"))
    era = era_of(engine, row.cell("engine_version") or written, row.cell("date"))
    if degree is None:
        return _submission(wish, gpus or 1, precision, engine, era, calibration)
    replicas, idle = divmod(gpus or degree, degree)
    if replicas < 1 or idle:
        return f"gpu_count: {gpus} is not a multiple of tp {degree}"
    cache = _precision(row, "kv_precision") or unstated_kv_precision(precision, engine)
    if cache not in memory.PRECISIONS:
        return f"kv_precision: {printable(cache)} is not one of {', '.join(memory.PRECISIONS)}"
    found = Deployment(wish.model, precision, wish.accelerator, degree, replicas, engine, era, cache)
    return refusal(found, calibration) or wish.on(found)


def _precision(row: Row, column: str) -> str:
    """As this product spells it; ``auto`` leaves it to the engine, as blank does."""
    name = row.cell(column).casefold()
    return _SPELT.get(name, name)


def _unstated_precision(accelerator: Accelerator, degree: int | None) -> str:
    """16 bits, whose users seldom say so; of a whole submission, the narrowest the chip computes in."""
    if degree is not None:
        return "bf16" if accelerator.has_bf16 else "fp16"
    narrow = "fp8" if accelerator.fp8_dense_tflops else "fp16"
    return "fp4" if accelerator.fp4_dense_tflops else narrow


def _submission(
    wish: _Wish, gpus: int, precision: str, engine: str | None, era: str, calibration: Calibration
) -> _Asked | str:
    """A row without a degree is a whole submission: as many replicas as serve best, tuned as such are."""
    best: tuple[float, Deployment | None] = (-1.0, None)
    why = "tp: blank, and no degree serves the model"
    cache = "fp8" if memory.PRECISIONS[precision].bits < 16 else "fp16"
    for degree in memory.valid_tensor_parallel(wish.model, min(gpus, MOST_TENSOR_PARALLEL)):
        replicas = gpus // degree
        tried = Deployment(
            wish.model, precision, wish.accelerator, degree, replicas, engine, era, cache, tuned=True
        )
        refused = refusal(tried, calibration)
        if refused is not None:
            why = refused
            continue
        found = estimate(tried, wish.mode, np.array([wish.size]), np.array([wish.load]), calibration)
        best = max(best, (float(np.nan_to_num(found.requests_per_s[0])), tried), key=lambda pair: pair[0])
    if best[1] is None:
        return why
    return wish.on(best[1], ASSUMED.format(degree=best[1].tensor_parallel, precision=precision))


def _estimated(asked: Sequence[_Asked], calibration: Calibration) -> Iterator[list[str]]:
    """New cells of every row, in order; rows of one deployment and mode are worked out together."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, one in enumerate(asked):
        named = one.deployment
        key = (
            named.model.id, named.accelerator.id, named.precision, named.tensor_parallel, named.replicas,
            named.engine, named.era, named.kv_precision, one.mode,
        )  # fmt: skip
        groups.setdefault(key, []).append(place)
    cells: list[list[str]] = [[] for _ in asked]
    for places in groups.values():
        first = asked[places[0]]
        sizes = np.array([asked[place].size for place in places])
        loads = np.array([asked[place].load for place in places])
        found = estimate(first.deployment, first.mode, sizes, loads, calibration)
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


def _number(row: Row, file: str, column: str) -> float | None:
    text = row.cell(column)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    endless = column == "request_rate_offered" and value == math.inf
    if not (endless or 0 < value <= _MOST):
        raise InputFileError(f"{file}, row {row.number}", column, printable(text), "a positive number is")
    return value


def _whole(row: Row, file: str, column: str) -> int | None:
    value = _number(row, file, column)
    if value is not None and value != int(value):
        raise InputFileError(f"{file}, row {row.number}", column, row.cell(column), "a whole number is")
    return None if value is None else int(value)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"') else text
