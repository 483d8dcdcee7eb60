"""Mutated files give a profile or a clear refusal; never a crash, never an invented figure."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_builders import EVERYTHING, RECORDED, names

from advisor.errors import InputFileError, UnknownName, UsageError
from advisor.profiles.importers.registry import read_text
from advisor.profiles.importing import understand

if TYPE_CHECKING:
    from advisor.profiles.importers.reading import ImportedFile, ImportedRow

DOCUMENTS = [
    "vllm_bench/concurrency-4.json",
    "guidellm/concurrent.json",
    "guidellm/v0.2.1-constant.json",
    "inference_perf/stage_1_lifecycle_metrics.json",
    "aiperf/concurrency-4.json",
    "genai_perf/profile_export.json",
    "aibrix/profile.json",
    "inferencex/aggregate.json",
    "trtllm_bench/report.json",
    "llmperf/summary.json",
    "llmd_report/report-0.1.json",
]
TEXTS = [
    "aiperf/concurrency-1.csv",
    "aiconfigurator/best_config_topn.csv",
    "csv/plain.csv",
    "melange/printed.txt",
    "aibrix/benchmark.jsonl",
    "vllm_bench/appended.json",
    "sglang_bench/closed.jsonl",
    "printed_block/server-and-client.log",
    "printed_block/sglang.txt",
    "llmd_report/report-0.2.yaml",
]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.just([1, "x", None]),
    st.just("1e999"),
    st.just("NaN"),
    st.just(10**400),
    st.just(-0.0),
)
FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def holds(name: str, text: str) -> ImportedFile | None:
    """Read, check and place a text; anything but the house's refusals escapes and fails the test."""
    try:
        reading = read_text(name, text)
    except InputFileError:
        return None
    for load in reading.rows:
        for value in figures(load):
            assert value >= 0
            assert not math.isnan(value)
    try:
        understand([reading], EVERYTHING, names())
    except (UsageError, UnknownName):
        return None
    return reading


def figures(load: ImportedRow) -> list[float]:
    plain = (
        load.input_tokens,
        load.output_tokens,
        load.concurrency,
        load.request_rate_offered,
        load.requests_per_s,
        load.completed,
        load.failed,
    )
    return [value for value in (*plain, *load.latencies_ms.values()) if value is not None]


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document an importer may look at, lists by their first items."""
    found = [at] if at else []
    if isinstance(value, dict):
        found += [path for key, item in value.items() for path in paths(item, (*at, key))]
    if isinstance(value, list):
        found += [path for i, item in enumerate(value[:2]) for path in paths(item, (*at, i))]
    return found


def changed(document: Any, path: tuple[Any, ...], value: Any, *, drop: bool) -> Any:
    copy: Any = dict(document) if isinstance(document, dict) else list(document)
    if len(path) > 1:
        copy[path[0]] = changed(document[path[0]], path[1:], value, drop=drop)
    elif drop:
        del copy[path[0]]
    else:
        copy[path[0]] = value
    return copy


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_with_one_odd_value_or_none_gives_a_profile_or_a_refusal(name: str) -> None:
    document = json.loads((RECORDED / name).read_text(encoding="utf-8"))
    places = paths(document)

    @FUZZ
    @given(st.sampled_from(places), ODD, st.booleans())
    def check(path: tuple[Any, ...], value: Any, drop: bool) -> None:
        holds(name, json.dumps(changed(document, path, value, drop=drop)))

    check()


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_with_a_cut_or_a_foreign_piece_gives_a_profile_or_a_refusal(name: str) -> None:
    text = (RECORDED / name).read_text(encoding="utf-8")

    @FUZZ
    @given(st.integers(0, len(text)), st.integers(0, 30), st.text(max_size=12))
    def check(at: int, cut: int, piece: str) -> None:
        holds(name, text[:at] + piece + text[at + cut :])

    check()


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_a_profile_or_a_refusal(text: str) -> None:
    holds("x", text)


@FUZZ
@given(
    st.lists(
        st.tuples(st.integers(1, 512), st.floats(0.01, 1e3), st.floats(0.01, 1e5)), min_size=1, max_size=6
    )
)
def test_every_figure_of_a_table_is_kept_as_it_was_or_refused(rows: list[tuple[int, float, float]]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["input_tokens", "output_tokens", "concurrency", "requests_per_s", "tpot_mean_ms"])
    writer.writerows([100, 100, *row] for row in rows)
    reading = holds("t.csv", buffer.getvalue())
    assert reading is not None
    assert [(x.concurrency, x.requests_per_s, x.ms("tpot", "mean")) for x in reading.rows] == rows
    (profile,) = understand([reading], EVERYTHING, names()).profiles
    kept = sorted((row["concurrency"], row["requests_per_s"], row["tpot_mean_ms"]) for row in profile.rows)
    assert kept == sorted(rows)
