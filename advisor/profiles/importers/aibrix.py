"""AIBrix's GPU optimizer: the JSON lines of ``gpu_benchmark.py`` and the profile ``gen_profile.py`` makes of
them.

Five lines make a load point, one per metric: TPUT (requests/s), TT (output tokens/s), E2E, TTFT and TPOT,
in seconds. Times of the two throughput lines belong to no metric. In a profile, ``indexes`` are output
then input tokens, ``tputs`` the rates [output][input] within ``slos`` (seconds); 0 is "no rate meets
them".
"""

from __future__ import annotations

from typing import Final

from advisor.errors import InputFileError
from advisor.profiles.importers.reading import (
    OPEN_LOOP,
    SLO_MAXIMUM,
    Document,
    ImportedFile,
    ImportedRow,
    Payload,
)
from advisor.profiles.latency_metrics import column

TOOL: Final = "AIBrix"
OTHER_LIMITS: Final = "its limits bind no time per output token"
SOURCE: Final = "aibrix 0.8.0 (PyPI), gpu_benchmark.py and gen_profile.py, run on 2026-11-22"
MARKS: Final = frozenset({"input_tokens", "output_tokens", "request_rate", "metric", "mean"})
_PROFILE: Final = frozenset({"gpu", "tputs", "indexes"})
_STATISTIC: Final = {0.0: "mean", 50.0: "p50", 90.0: "p90", 99.0: "p99"}
_KEYS: Final = ("mean", "P50", "P90", "P99")
_METRICS: Final = ("TPUT", "TT", "E2E", "TTFT", "TPOT")


def recognises(document: Document) -> bool:
    """Benchmark lines or a profile."""
    records = document.records
    return bool(records) and (
        all(record.keys() >= MARKS for record in records)
        or (len(records) == 1 and records[0].keys() >= _PROFILE)
    )


def read(document: Document) -> ImportedFile:
    """One load per rate and size, or one per cell of the matrix."""
    first = Payload(document.name, document.records[0])
    loads = _matrix(first) if first.content.keys() >= _PROFILE else _lines(document)
    return ImportedFile(document.name, TOOL, None, loads)


def _lines(document: Document) -> tuple[ImportedRow, ...]:
    runs: list[dict[str, Payload]] = []
    key: tuple[object, ...] = ()
    for i, record in enumerate(document.records):
        line = Payload(document.name, record, f"line {i + 1}")
        metric = line.text("metric")
        if metric not in _METRICS:
            raise line.refuse("metric", f"one of {', '.join(_METRICS)}")
        this = tuple(
            str(record.get(name)) for name in ("input_tokens", "output_tokens", "request_rate", "seed")
        )
        if this != key or metric in runs[-1]:
            runs.append({})
            key = this
        runs[-1][metric] = line
    return tuple(_run(run) for run in runs)


def _run(run: dict[str, Payload]) -> ImportedRow:
    line = next(iter(run.values()))
    rate = line.number("request_rate", infinite=True)
    return ImportedRow(
        place=line.at,
        input_tokens=line.positive("input_tokens"),
        output_tokens=line.positive("output_tokens"),
        load_mode=OPEN_LOOP,
        request_rate_offered=rate,
        requests_per_s=run["TPUT"].number("mean") if "TPUT" in run else None,
        output_tokens_per_s=run["TT"].number("mean") if "TT" in run else None,
        latencies_ms={
            name: ms
            for metric in ("TTFT", "TPOT", "E2E")
            if metric in run
            for name, ms in run[metric].latencies(metric.lower(), _KEYS, 1e3).items()
        },
        completed=line.number("samples"),
        model=line.text("model"),
    )


def _matrix(profile: Payload) -> tuple[ImportedRow, ...]:
    indexes = profile.content.get("indexes")
    if not isinstance(indexes, list) or len(indexes) != 2:
        raise profile.refuse("indexes", "two lists are needed: output tokens, input tokens")
    outputs, inputs = (_numbers(profile, "indexes", axis) for axis in indexes)
    rows = profile.content.get("tputs")
    if not isinstance(rows, list) or len(rows) != len(outputs):
        raise profile.refuse("tputs", f"one row per output size is needed: {len(outputs)}")
    limits, date = profile.child("slos"), profile.day("created")
    loads = []
    for i, row in enumerate(rows):
        rates = _numbers(profile, f"tputs[{i}]", row)
        if len(rates) != len(inputs):
            raise InputFileError(profile.file, f"tputs[{i}]", len(rates), f"{len(inputs)} rates are needed")
        loads += [
            _cell(limits, date, f"tputs[{i}][{j}]", inputs[j], outputs[i], rate)
            for j, rate in enumerate(rates)
            if rate > 0
        ]
    return tuple(loads)


def _cell(
    limits: Payload, date: str | None, place: str, tokens_in: float, tokens_out: float, rate: float
) -> ImportedRow:
    statistic = _STATISTIC.get(limits.number("percentile") or 0.0)
    if statistic is None:
        raise limits.refuse("percentile", "0 (mean), 50, 90 or 99")
    tpot, ttft = limits.time_ms("tpot", 1e3), limits.time_ms("ttft", 1e3)
    return ImportedRow(
        place=place,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        load_mode=SLO_MAXIMUM,
        requests_per_s=rate,
        latencies_ms={
            column(metric, statistic): ms for metric, ms in (("tpot", tpot), ("ttft", ttft)) if ms is not None
        },
        slo_tpot_ms=tpot,
        slo_ttft_ms=ttft,
        unfit=None if tpot is not None else OTHER_LIMITS,
        date=date,
    )


def _numbers(profile: Payload, at: str, values: object) -> list[float]:
    if not isinstance(values, list) or not values:
        raise InputFileError(profile.file, at, values, "a list of numbers is needed")
    numbers = [Payload(profile.file, {at: value}).number(at) for value in values]
    if None in numbers:
        raise InputFileError(profile.file, at, None, "a list of numbers is needed")
    return [number for number in numbers if number is not None]
