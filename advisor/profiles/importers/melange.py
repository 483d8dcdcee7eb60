"""The Mélange release: a solver config's ``gpu_info`` (rates at one SLO) and the text ``gpu-benchmark.py``
prints.

A config states neither request sizes nor the limit its rates keep: both must be given. Rows are input
sizes, columns output sizes; 0 is "cannot serve it". The printed times are seconds; its TPOT is the time
between chunks of the stream.

Source: tyler-griggs/melange-release, melange/profiling/gpu-benchmark.py and melange/config/example.json.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from advisor.errors import InputFileError
from advisor.profiles.importers.reading import (
    OPEN_LOOP,
    SLO_MAXIMUM,
    Document,
    ImportedFile,
    ImportedRow,
    Payload,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

TOOL: Final = "Mélange"
SUMMARY: Final = "RESULT SUMMARY"
SOURCE: Final = "tyler-griggs/melange-release d46ab438, read on 2026-11-22"
MARKS: Final = frozenset({"gpu_info"})
_LINE: Final = re.compile(
    r"^(Request rate|Prompt count|Request Throughput|Output Token Throughput|Avg|50p|90p|99p): "
    r"([-+.\w]+)",
    re.MULTILINE,
)
_SETTING: Final = re.compile(r"\b(input_len|output_len|num_prompts)=(\d{1,9})\b")
_SECTIONS: Final = {"e2e": "REQUEST LATENCIES", "ttft": "TTFT", "tpot": "TPOT"}


def recognises(document: Document) -> bool:
    """A config with rates, or the printed summary."""
    records = document.records
    return (len(records) == 1 and isinstance(records[0].get("gpu_info"), dict)) or SUMMARY in document.text


def read(document: Document) -> ImportedFile:
    """One load per printed run, or one per cell of each GPU's matrix, its place saying row and column."""
    loads = _config(document) if document.records else _printed(document)
    return ImportedFile(document.name, TOOL, None, tuple(loads))


def _config(document: Document) -> list[ImportedRow]:
    info = Payload(document.name, document.records[0]).child("gpu_info")
    loads: list[ImportedRow] = []
    for name in info.content:
        gpu = info.child(name)
        rows = gpu.content.get("tputs")
        if not isinstance(rows, list) or not rows or not all(isinstance(row, list) for row in rows):
            raise gpu.refuse("tputs", "a matrix of requests per second")
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                at = f"{gpu.path('tputs')}[{i}][{j}]"
                rate = Payload(document.name, {at: value}).number(at)
                if rate is None:
                    raise InputFileError(document.name, at, value, "requests per second; 0 where none")
                if rate > 0:
                    loads.append(
                        ImportedRow(at, load_mode=SLO_MAXIMUM, requests_per_s=rate, accelerator=name)
                    )
    return loads


def cell_of(place: str) -> tuple[int, int] | None:
    """Row and column a load of a config's matrix came from."""
    found = re.search(r"\[(\d+)\]\[(\d+)\]$", place)
    return (int(found[1]), int(found[2])) if found else None


def sized(load: ImportedRow, inputs: Sequence[float], outputs: Sequence[float], file: str) -> ImportedRow:
    """A cell of a matrix with the request size its row and column stand for."""
    from dataclasses import replace

    cell = cell_of(load.place)
    if cell is None or load.input_tokens is not None:
        return load
    if cell[0] >= len(inputs) or cell[1] >= len(outputs):
        allowed = f"{len(inputs)} × {len(outputs)} sizes were given; the matrix is larger"
        raise InputFileError(file, load.place, load.requests_per_s, allowed)
    return replace(load, input_tokens=inputs[cell[0]], output_tokens=outputs[cell[1]])


def _printed(document: Document) -> list[ImportedRow]:
    runs = document.text.split(SUMMARY)
    return [
        _run(document.name, f"run {i + 1}", before, after) for i, (before, after) in enumerate(pairwise(runs))
    ]


def _run(file: str, place: str, before: str, after: str) -> ImportedRow:
    settings = dict(_SETTING.findall(before[before.rfind("Namespace(") :] if "Namespace(" in before else ""))
    head, *parts = re.split("|".join(f"^{name}$" for name in _SECTIONS.values()), after, flags=re.MULTILINE)
    found = Payload(file, {**settings, **dict(_LINE.findall(head))}, place)
    rate = found.number("Request rate", infinite=True)
    latencies: dict[str, float] = {}
    for (metric, name), part in zip(_SECTIONS.items(), parts, strict=False):
        section = Payload(file, dict(_LINE.findall(part)), f"{place}.{name}")
        latencies |= section.latencies(metric, ("Avg", "50p", "90p", "99p"), 1e3)
    return ImportedRow(
        place=place,
        input_tokens=found.number("input_len") or None,
        output_tokens=found.number("output_len") or None,
        load_mode=OPEN_LOOP if rate is not None else None,
        request_rate_offered=rate,
        requests_per_s=found.number("Request Throughput"),
        output_tokens_per_s=found.number("Output Token Throughput"),
        latencies_ms=latencies,
        completed=found.number("Prompt count"),
    )
