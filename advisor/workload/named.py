"""Workloads by name, by workload file, or fitted from a trace on the fly.

The names ship with exact sums per bucket in one JSON index, which needs no database; the traces themselves
lie beside it as Parquet for other grids and for replay.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from advisor.documents import DOCUMENT_ENDINGS
from advisor.domain import PLAIN_TRAFFIC, Traffic, Workload
from advisor.errors import InputFileError, UnknownName, UsageError
from advisor.text import printable
from advisor.workload.buckets import (
    DEFAULT_INPUT_EDGES,
    DEFAULT_OUTPUT_EDGES,
    Cell,
    buckets_of,
    count_cells,
    mix,
    overflow_requests,
)
from advisor.workload.columns import RECOGNISED, TraceColumns
from advisor.workload.trace import TRACE_ENDINGS, Trace, is_trace_file, read_trace

DEFAULT_WORKLOAD: Final = "azure-2023-conv"
"""The workload of a service that names none: production chat traffic with arrival times, CC-BY-4.0."""


@dataclass(frozen=True, slots=True)
class NamedWorkload:
    """One line of the index: a workload, where its trace lies, and its length statistics."""

    workload: Workload
    trace: Path | None  #: None for a mixture
    duration_s: float | None
    parts: tuple[tuple[float, str], ...]  #: weights and names of a mixture's parts
    statistics: dict[str, float]  #: ``input_tokens_mean``, ``_p50``, ``_p99``, ``_max``; the same of output


@dataclass(frozen=True, slots=True)
class Fit:
    """A workload fitted to a trace, and what a reader of it should know."""

    workload: Workload
    last_edges: tuple[int, int]  #: of input and output; beyond them lies overflow
    zero_outputs: int  #: requests without output, each counted as one output token
    overflow: int  #: requests beyond the last input or output edge
    out_of_order: int  #: rows sorted by time
    duration_s: float | None
    arrivals_from: str = ""  #: the column of the arrival times and their unit
    unread_times: tuple[str, ...] = ()  #: columns that look like times, where none were read


def workload_names(root: Path | None = None) -> tuple[str, ...]:
    """The shipped names, in the order of the index."""
    return tuple(_index(root or _shipped()))


def named_workload(name: str, root: Path | None = None) -> NamedWorkload:
    """A shipped workload; case, blanks and underscores in the name do not matter.

    Raises:
        UnknownName: with the nearest names.
    """
    index = _index(root or _shipped())
    found = index.get(name.strip().casefold().replace("_", "-").replace(" ", "-"))
    if found is None:
        raise UnknownName("workload", name, index)
    return found


def load_workload(name_or_path: str, root: Path | None = None, base: Path | None = None) -> Workload:
    """The workload of a name, a workload file (YAML, JSON), or a trace (fitted on the default grid).

    Args:
        name_or_path: what has a path separator or a known file ending is a path, else a name.
        root: the catalogs directory; the shipped one if None.
        base: what a relative path is relative to; the working directory if None.

    Raises:
        UnknownName: no such name.
        InputFileError: the file is not a workload or trace.
    """
    if not is_path(name_or_path):
        return named_workload(name_or_path, root).workload
    path = (base or Path()) / name_or_path
    if is_trace_file(path):
        return fit_trace(read_trace(path), *file_words(path)).workload
    if path.suffix.casefold() in DOCUMENT_ENDINGS:
        from advisor.workload.workload_file import read_workload_file

        return read_workload_file(path)
    endings = " ".join((*DOCUMENT_ENDINGS, *TRACE_ENDINGS))
    raise InputFileError(str(path), "", path.suffix, f"a workload file or trace ends in one of {endings}")


def load_trace(name_or_path: str, root: Path | None = None, columns: TraceColumns = RECOGNISED) -> Trace:
    """The requests themselves, of a shipped name or a trace file.

    Raises:
        UnknownName: no such name.
        UsageError: a mixture, which has no requests of its own.
        InputFileError: not a readable trace.
    """
    if is_path(name_or_path):
        return read_trace(Path(name_or_path), columns)
    named = named_workload(name_or_path, root)
    if named.trace is None:
        raise UsageError(
            f"workload {named.workload.name} is a mixture and has no trace; name one of its parts"
        )
    return read_trace(named.trace)


def fit_trace(
    trace: Trace,
    name: str,
    source: str,
    input_edges: tuple[int, ...] = DEFAULT_INPUT_EDGES,
    output_edges: tuple[int, ...] = DEFAULT_OUTPUT_EDGES,
    licence: str | None = None,
) -> Fit:
    """The trace on a grid, with its rate; what was counted specially is in the workload's note."""
    cells = count_cells(trace.input_tokens, trace.output_tokens, input_edges, output_edges)
    overflow, zero = overflow_requests(cells, input_edges, output_edges), trace.zero_outputs
    notes = []
    if zero:
        notes.append(f"requests without output: {zero:,}, each counted as 1 output token")
    if overflow:
        notes.append(f"requests beyond the last edge: {overflow:,}, in buckets up to the largest seen")
    if trace.out_of_order:
        notes.append(f"rows out of order in time: {trace.out_of_order:,}, sorted")
    if trace.timestamps_s is not None and trace.rate_requests_per_s is None:
        notes.append("no rate: all requests arrive at the same time")
    if trace.unread_times:
        notes.append(f"no rate: {unread_words(trace.unread_times)}")
    hits = trace.prefix_cache_hit_rate
    if hits:
        notes.append(f"{hits:.1%} of input tokens were served from a prefix cache, which the plan counts on")
    workload = Workload(
        name,
        buckets_of(cells),
        trace.requests,
        trace.rate_requests_per_s,
        source,
        licence,
        "; ".join(notes),
        traffic=_hitting(hits) if hits else PLAIN_TRAFFIC,
    )
    last_edges = (input_edges[-1], output_edges[-1])
    return Fit(
        workload,
        last_edges,
        zero,
        overflow,
        trace.out_of_order,
        trace.duration_s,
        trace.arrivals_from,
        trace.unread_times,
    )


def _hitting(hit_rate: float) -> Traffic:
    from advisor.workload.workload_file import MAX_HIT_RATE

    return Traffic(prefix_cache_hit_rate=min(hit_rate, MAX_HIT_RATE))


def unread_words(columns: tuple[str, ...]) -> str:
    """What to do about columns that may be arrival times."""
    named = ", ".join(printable(column[:40]) for column in columns[:6])
    return f"not read as arrival times: {named}; name one with `advisor workload fit --timestamp-column`"


def fit_named(
    name: str, input_edges: tuple[int, ...], output_edges: tuple[int, ...], root: Path | None = None
) -> Fit:
    """A shipped workload on another grid, its own cautions kept; a mixture is fitted part by part.

    Raises:
        UnknownName: with the nearest names.
    """
    named = named_workload(name, root)
    known = named.workload
    if named.trace is not None:
        trace = read_trace(named.trace)
        fit = fit_trace(trace, known.name, known.source, input_edges, output_edges, known.licence)
        note = "; ".join(part for part in (known.note.rstrip("."), fit.workload.note) if part)
        return replace(fit, workload=replace(fit.workload, note=note))
    fits = [(weight, fit_named(part, input_edges, output_edges, root)) for weight, part in named.parts]
    mixed = mix(known.name, [(weight, fit.workload) for weight, fit in fits], known.note)
    last_edges = (input_edges[-1], output_edges[-1])
    zero_outputs, overflow = sum(fit.zero_outputs for _, fit in fits), sum(fit.overflow for _, fit in fits)
    return Fit(mixed, last_edges, zero_outputs, overflow, 0, None)


def file_words(path: Path) -> tuple[str, str]:
    """The name and source of a workload fitted from a file: its name without and with the ending."""
    source = "".join(letter if letter.isprintable() else "?" for letter in path.name)[:100]
    return source.split(".")[0] or "trace", source


def is_path(name_or_path: str) -> bool:
    """Whether it is meant as a file rather than a name."""
    folded = name_or_path.casefold()
    return "/" in folded or "\\" in folded or folded.endswith((*DOCUMENT_ENDINGS, *TRACE_ENDINGS))


def _shipped() -> Path:
    import catalogs

    return Path(catalogs.__path__[0])


@lru_cache(maxsize=4)
def _index(root: Path) -> dict[str, NamedWorkload]:
    document = json.loads((root / "workloads" / "workloads.json").read_text(encoding="utf-8"))
    index: dict[str, NamedWorkload] = {}
    for entry in document["workloads"]:
        index[entry["name"]] = (
            _mixture(entry, index)
            if "mixture" in entry
            else _fitted(entry, root / "workloads" / entry["trace"])
        )
    return index


def _fitted(entry: dict[str, Any], trace: Path) -> NamedWorkload:
    workload = Workload(
        name=entry["name"],
        buckets=buckets_of([Cell(*sums) for sums in entry["cells"]]),
        requests=entry["requests"],
        rate_requests_per_s=entry["rate_requests_per_s"],
        source=entry["source"],
        licence=entry["licence"],
        note=entry["note"],
    )
    return NamedWorkload(workload, trace, entry["duration_s"], (), entry["statistics"])


def _mixture(entry: dict[str, Any], index: dict[str, NamedWorkload]) -> NamedWorkload:
    parts = [(part["weight"], index[part["name"]]) for part in entry["mixture"]]
    statistics = {
        key: sum(weight * named.statistics[key] for weight, named in parts)
        if key.endswith("_mean")
        else max(named.statistics[key] for _, named in parts)
        for key in parts[0][1].statistics
        if key.endswith(("_mean", "_max"))
    }
    mixed = mix(entry["name"], [(weight, named.workload) for weight, named in parts], entry["note"])
    return NamedWorkload(
        mixed, None, None, tuple((weight, named.workload.name) for weight, named in parts), statistics
    )
