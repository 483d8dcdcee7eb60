"""Workload and service files: what is read, and what is refused by file, field and value."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.documents import read_document
from advisor.documents.records import check
from advisor.domain import Bucket, Slo, SloStatistic
from advisor.errors import InputFileError, UnknownName
from advisor.workload.named import fit_trace
from advisor.workload.service import load_service, service_json_schema, service_workload
from advisor.workload.trace import Trace
from advisor.workload.workload_file import (
    WorkloadRecord,
    read_workload_file,
    workload_document,
    workload_yaml,
)

pytestmark = pytest.mark.fast

FIXTURES = Path(__file__).parents[2] / "fixtures" / "workload"


def a_bucket(**changes: Any) -> dict[str, Any]:
    return {
        "input_tokens_min": 0, "input_tokens_max": 100,
        "output_tokens_min": 0, "output_tokens_max": 50, "share": 1.0,
    } | changes  # fmt: skip


def a_service_document(**changes: Any) -> dict[str, Any]:
    """A good document with some fields changed by path (``service__slo__tpot_ms``); ``None`` removes one."""
    document: dict[str, Any] = {
        "schema_version": 1,
        "service": {
            "name": "chat",
            "model": "Llama-3.1-8B",
            "workload": "openorca",
            "rate_requests_per_s": 16,
            "slo": {"tpot_ms": 60},
        },
    }
    for path, value in changes.items():
        *way, last = path.split("__")
        place = document
        for key in way:
            place = place[key]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return document


def written(folder: Path, document: object, name: str = "service.yaml") -> Path:
    path = folder / name
    text = document if isinstance(document, str) else json.dumps(document)
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> InputFileError:
    with pytest.raises(InputFileError) as refused:
        load_service(path)
    assert refused.value.file == str(path)
    return refused.value


# --- workload files ---


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 50_000), st.integers(0, 5_000)), min_size=1, max_size=40),
    st.text(
        alphabet=st.characters(exclude_categories=["C"], exclude_characters="\x7f"), min_size=1, max_size=40
    ),
)
def test_reading_a_written_workload_gives_the_same_workload(sizes: list[tuple[int, int]], name: str) -> None:
    inputs, outputs = zip(*sizes, strict=True)
    times = [float(index) for index in range(len(sizes))]
    workload = fit_trace(Trace(inputs, outputs, times), name, "made up: é, #, 'x'", licence="MIT").workload
    for document in (
        yaml.safe_load(workload_yaml(workload)),
        json.loads(json.dumps(workload_document(workload))),
    ):
        assert check(WorkloadRecord, document, "f").workload() == workload


def test_a_written_workload_reads_back_from_a_file(tmp_path: Path) -> None:
    workload = fit_trace(Trace([10, 200], [20, 1], None), "two", "by hand").workload
    for name, text in (
        ("w.yaml", workload_yaml(workload)),
        ("w.json", json.dumps(workload_document(workload))),
    ):
        assert read_workload_file(written(tmp_path, text, name)) == workload


def test_a_bucket_without_sizes_is_stood_for_by_its_upper_edges(tmp_path: Path) -> None:
    workload = read_workload_file(written(tmp_path, {"buckets": [a_bucket()]}, "w.json"))
    assert workload.buckets == (Bucket(0, 100, 0, 50, 1.0, 100.0, 50.0, "upper_edge"),)


def test_buckets_are_put_in_order_and_empty_ones_dropped(tmp_path: Path) -> None:
    buckets = [
        a_bucket(input_tokens_min=100, input_tokens_max=200, share=0.25),
        a_bucket(share=0.75),
        a_bucket(output_tokens_min=50, output_tokens_max=60, share=0),
    ]
    workload = read_workload_file(written(tmp_path, {"buckets": buckets}, "w.yml"))
    assert [(bucket.input_tokens_max, bucket.share) for bucket in workload.buckets] == [
        (100, 0.75),
        (200, 0.25),
    ]


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"share": -0.1}, "buckets[0].share", "a number from 0 to 1"),
        ({"share": float("nan")}, "buckets[0].share", "a number from 0 to 1"),
        ({"share": "1"}, "buckets[0].share", "a number from 0 to 1"),
        ({"share": True}, "buckets[0].share", "a number from 0 to 1"),
        ({"share": 0.9}, "buckets", "must sum to 1, they sum to 0.9"),
        ({"input_tokens_max": 0}, "buckets[0].input_tokens_max", "a whole number from 1 to 10,000,000"),
        (
            {"input_tokens_max": 10_000_001},
            "buckets[0].input_tokens_max",
            "a whole number from 1 to 10,000,000",
        ),
        ({"output_tokens_min": -1}, "buckets[0].output_tokens_min", "a whole number from 0"),
        ({"output_tokens_min": 1.5}, "buckets[0].output_tokens_min", "a whole number from 0"),
        ({"output_tokens_min": 50}, "buckets[0]", "50 is not below 50"),
        ({"input_tokens": 10}, "buckets[0]", "give both"),
        ({"input_tokens": 101, "output_tokens": 1}, "buckets[0]", "above 0 and at most 100, 101 is not"),
        ({"input_tokens": float("inf"), "output_tokens": 1}, "buckets[0].input_tokens", "within its edges"),
        ({"size_basis": "median"}, "buckets[0].size_basis", "mean or upper_edge"),
        ({"size_basis": "mean"}, "buckets[0]", "size_basis mean needs"),
        ({"extra": 1}, "buckets[0].extra", "no such field; known here: input_tokens_min"),
    ],
)
def test_a_bad_bucket_is_refused_by_field(
    tmp_path: Path, change: dict[str, Any], field: str, said: str
) -> None:
    path = written(tmp_path, yaml.safe_dump({"buckets": [a_bucket(**change)]}), "w.yaml")
    with pytest.raises(InputFileError) as refused:
        read_workload_file(path)
    assert (refused.value.file, refused.value.field) == (str(path), field)
    assert said in refused.value.allowed


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "buckets"),
        ({"buckets": []}, "buckets"),
        ({"buckets": "x"}, "buckets"),
        ({"buckets": [a_bucket(share=0.5), a_bucket(share=0.5, input_tokens_min=99)]}, "buckets"),
        ({"buckets": [a_bucket()], "rate_requests_per_s": 0}, "rate_requests_per_s"),
        ({"buckets": [a_bucket()], "rate_requests_per_s": 1e8}, "rate_requests_per_s"),
        ({"buckets": [a_bucket()], "requests": -5}, "requests"),
        ({"buckets": [a_bucket()], "name": ""}, "name"),
        ({"buckets": [a_bucket()], "name": "two\nlines"}, "name"),
        ({"buckets": [a_bucket()], "kind": "plan"}, "kind"),
        ({"buckets": [a_bucket()], "schema_version": 2}, "schema_version"),
        ([], ""),
        ("just words", ""),
    ],
)
def test_a_bad_workload_file_is_refused_by_field(tmp_path: Path, document: object, field: str) -> None:
    with pytest.raises(InputFileError) as refused:
        read_workload_file(written(tmp_path, json.dumps(document), "w.json"))
    assert refused.value.field == field


# --- service files ---


def test_a_service_file_says_what_it_says() -> None:
    file = load_service(FIXTURES / "service.yaml")
    service = file.records[0]
    assert (service.name, service.model, service.precision, service.engine) == (
        "chat",
        "Llama-3.1-8B",
        "bf16",
        "vLLM",
    )
    assert (service.rate_requests_per_s, service.headroom) == (16, 0.1)
    assert service.slo.slo() == Slo(tpot_ms=60, ttft_ms=None, statistic=SloStatistic.MEAN)
    assert (file.regions, file.markets, file.providers) == (["us-east-1"], ["on-demand"], None)
    assert file.max_usd_per_hour == Decimal("12.50")
    assert service_workload(service, FIXTURES / "service.yaml").name == "azure-2023-conv"


def test_what_is_left_out_stays_unknown(tmp_path: Path) -> None:
    service = load_service(written(tmp_path, a_service_document())).records[0]
    assert (service.precision, service.engine, service.headroom) == (None, None, None)


def test_a_list_of_one_service_is_that_service(tmp_path: Path) -> None:
    document = a_service_document()
    document["services"] = [document.pop("service")]
    assert load_service(written(tmp_path, document)).records[0].name == "chat"


def test_several_services_stand_in_the_order_of_the_file(tmp_path: Path) -> None:
    document = a_service_document()
    first = document.pop("service")
    document["services"] = [first, first | {"name": "batch"}]
    assert [one.name for one in load_service(written(tmp_path, document)).records] == ["chat", "batch"]


def test_two_services_of_one_name_are_refused(tmp_path: Path) -> None:
    document = a_service_document()
    document["services"] = [document["service"], document.pop("service")]
    assert "'chat' is there twice" in refusal(written(tmp_path, document)).allowed


def test_a_workload_beside_the_service_file_is_found_from_anywhere(tmp_path: Path) -> None:
    written(tmp_path, {"name": "mine", "buckets": [a_bucket()]}, "mine.json")
    path = written(tmp_path, a_service_document(service__workload="mine.json"))
    assert service_workload(load_service(path).records[0], path).name == "mine"


def test_a_workload_may_stand_in_the_service_file(tmp_path: Path) -> None:
    path = written(tmp_path, a_service_document(service__workload={"buckets": [a_bucket()]}))
    workload = service_workload(load_service(path).records[0], path)
    assert (workload.name, workload.buckets[0].share) == ("inline", 1.0)


def test_an_unknown_workload_name_gets_its_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, a_service_document(service__workload="azure-conv-2023"))
    with pytest.raises(UnknownName, match="did you mean azure-2023-conv"):
        service_workload(load_service(path).records[0], path)


RATE = "above 0 and at most 10,000,000"
MILLISECONDS = "above 0 and at most 1,000,000"
BAD_SERVICES: list[tuple[str, Any, str, str]] = [
    ("schema_version", 2, "schema_version", "1, the only version"),
    ("schema_version", None, "schema_version", "it is required"),
    ("service__name", None, "service.name", "it is required"),
    ("service__name", "", "service.name", "1 to 100 characters"),
    ("service__name", 5, "service.name", "1 to 100 characters"),
    ("service__model", None, "service.model", "it is required"),
    ("service__model", ["a"], "service.model", "1 to 100 characters"),
    ("service__workload", None, "service.workload", "it is required"),
    ("service__workload", 5, "service.workload", "a workload's name"),
    ("service__workload", {"buckets": [a_bucket(share=2)]}, "service.workload.buckets[0].share", "to 1"),
    ("service__workload", {"buckets": [a_bucket(share=0.5)]}, "service.workload.buckets", "they sum to 0.5"),
    ("service__precision", "bf17", "service.precision", "bf16, fp16, fp8, fp4, int8 or int4"),
    ("service__engine", 1.0, "service.engine", "1 to 100 characters"),
    ("service__rate_requests_per_s", None, "service.rate_requests_per_s", "it is required"),
    ("service__rate_requests_per_s", 0, "service.rate_requests_per_s", RATE),
    ("service__rate_requests_per_s", -1, "service.rate_requests_per_s", RATE),
    ("service__rate_requests_per_s", float("nan"), "service.rate_requests_per_s", RATE),
    ("service__rate_requests_per_s", float("inf"), "service.rate_requests_per_s", RATE),
    ("service__rate_requests_per_s", 1e8, "service.rate_requests_per_s", RATE),
    ("service__rate_requests_per_s", "16", "service.rate_requests_per_s", RATE),
    ("service__rate_requests_per_s", True, "service.rate_requests_per_s", RATE),
    ("service__slo", None, "service.slo", "it is required"),
    ("service__slo", {}, "service.slo", "at least one of tpot_ms and ttft_ms"),
    ("service__slo", 60, "service.slo", "a mapping with tpot_ms"),
    ("service__slo__tpot_ms", -5, "service.slo.tpot_ms", MILLISECONDS),
    ("service__slo__tpot_ms", float("nan"), "service.slo.tpot_ms", MILLISECONDS),
    ("service__slo__ttft_ms", 2e6, "service.slo.ttft_ms", MILLISECONDS),
    ("service__slo__ttft_ms", "fast", "service.slo.ttft_ms", MILLISECONDS),
    ("service__slo__statistic", "p100", "service.slo.statistic", "mean, or a percentile such as p95"),
    ("service__slo__p99", 5, "service.slo.p99", "no such field; known here: tpot_ms, ttft_ms, statistic"),
    ("service__headroom", 1, "service.headroom", "from 0 to 0.99"),
    ("service__headroom", -0.1, "service.headroom", "from 0 to 0.99"),
    ("service__rps", 5, "service.rps", "no such field"),
    ("service", None, "", "exactly one of service and services"),
    ("services", [], "", "exactly one of service and services"),
    ("regions", [], "regions", "a list of 1 to 1,000 names"),
    ("regions", "us-east-1", "regions", "a list of 1 to 1,000 names"),
    ("regions", [1], "regions[0]", "1 to 100 characters"),
    ("providers", [""], "providers[0]", "1 to 100 characters"),
    ("accelerators", {"a": 1}, "accelerators", "a list of 1 to 1,000 names"),
    ("exclude_accelerators", 5, "exclude_accelerators", "a list of 1 to 1,000 names"),
    ("near", 5, "near", "1 to 100 characters"),
    ("markets", ["reserved"], "markets[0]", "on_demand, spot or any"),
    ("evidence", "guessed", "evidence", "measured, simulated or estimated"),
    ("max_usd_per_hour", 0, "max_usd_per_hour", "above 0 and at most 1,000,000"),
    ("max_usd_per_hour", "2000000", "max_usd_per_hour", "above 0 and at most 1,000,000"),
    ("max_usd_per_hour", float("nan"), "max_usd_per_hour", "above 0 and at most 1,000,000"),
    ("colour", "blue", "colour", "no such field; known here: schema_version, service, services"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "field", "said"), BAD_SERVICES)
def test_a_bad_service_field_is_refused_by_path(
    tmp_path: Path, path: str, value: Any, field: str, said: str
) -> None:
    document = a_service_document(**{path: copy.deepcopy(value)})
    error = refusal(written(tmp_path, yaml.safe_dump(document)))
    assert error.field == field
    assert said in error.allowed
    if isinstance(value, str | int) and field.endswith(path.split("__")[-1]):
        assert repr(value) in str(error)


def test_the_schema_agrees_with_the_reader(tmp_path: Path) -> None:
    schema = service_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(yaml.safe_load((FIXTURES / "service.yaml").read_text(encoding="utf-8")))
    validator.validate(a_service_document(service__workload={"buckets": [a_bucket()]}))
    for path, value, _, _ in BAD_SERVICES:
        not_schema_matter = path in ("service__slo", "service__workload") and isinstance(value, dict)
        not_schema_matter |= path == "service__rate_requests_per_s" and value is None  # a trace has its own
        if (
            value == value and not not_schema_matter and value != float("inf")
        ):  # NaN and sums are beyond a schema
            assert not validator.is_valid(a_service_document(**{path: value})), path


# --- the syntax ---

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(f"k{i}: &k{i} [*b, *b]\n" for i in range(20))


@pytest.mark.parametrize(
    ("name", "text", "field", "said"),
    [
        ("s.yaml", "schema_version: 1\nschema_version: 1\n", "line 2", "'schema_version' is there twice"),
        ("s.yaml", "service:\n  slo: {tpot_ms: 1, tpot_ms: 2}\n", "line 2", "'tpot_ms' is there twice"),
        ("s.yaml", BOMB, "line 2", "aliases"),
        ("s.yaml", "service: !!python/object/apply:os.system [ls]\n", "line 1", "tags (!name) are not read"),
        ("s.yaml", "service: [\n", "line 2", "expected"),
        ("s.yaml", "1: 2\n", "line 1", "key 1 is not a word"),
        ("s.yaml", "[" * 500, "line 1", "nested deeper than 20"),
        ("s.yaml", "a\0b", "", "special characters"),
        ("s.yaml", "a: 1\n---\nb: 2\n", "line 2", "but found another document"),
        ("s.json", '{"a": 1, "a": 2}', "a", "'a' is there twice"),
        ("s.json", "{", "line 1, column 2", "Expecting"),
        ("s.json", "[" * 100_000, "", "nested too deeply"),
        ("s.yaml", "x" * (2**20 + 1), "", "1,048,577 bytes"),
        ("s.yaml", "", "", "None"),
    ],
)  # fmt: skip
def test_bad_syntax_is_refused_by_line(tmp_path: Path, name: str, text: str, field: str, said: str) -> None:
    error = refusal(written(tmp_path, text, name))
    assert error.field == field
    assert said in str(error)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused_by_field_in_json_too(tmp_path: Path, value: float) -> None:
    document = a_service_document(service__slo__tpot_ms=value)
    error = refusal(written(tmp_path, document, "service.json"))
    assert error.field == "service.slo.tpot_ms"
    assert MILLISECONDS in error.allowed


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    refusal(tmp_path / "gone.yaml")
    refusal(tmp_path)
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: é".encode("latin-1"))
    assert refusal(path).allowed == "UTF-8 text"


def test_words_stay_words_and_numbers_are_what_they_look_like(tmp_path: Path) -> None:
    text = "country: no\ncolon: 1:30\nzero: 007\nthousand: 1e3\nday: 2026-01-01\n"
    text += "yes: true\nhalf: .5\nnone: ~\nempty:\n"
    assert read_document(written(tmp_path, text), "a document") == {
        "country": "no", "colon": "1:30", "zero": "007", "thousand": 1000.0, "day": "2026-01-01",
        "yes": True, "half": 0.5, "none": None, "empty": None,
    }  # fmt: skip
