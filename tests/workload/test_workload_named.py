"""The shipped workloads: complete, sourced, and equal to figures computed independently."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import catalogs
from advisor.errors import InputFileError, UnknownName, UsageError
from advisor.workload.named import (
    DEFAULT_WORKLOAD,
    fit_named,
    fit_trace,
    load_trace,
    load_workload,
    named_workload,
    workload_names,
)
from catalogs.build.traces import ORIGINS, build

FIXTURES = Path(__file__).parents[2] / "fixtures" / "workload"
PUBLISHED = json.loads((FIXTURES / "published_shares.json").read_text(encoding="utf-8"))
WITH_TRACE = tuple(name for name in workload_names() if named_workload(name).trace is not None)


def test_the_names_are_these() -> None:
    assert workload_names() == (
        "azure-2023-conv", "azure-2023-code", "arxiv-summarization", "openorca", "sharegpt", "sharegpt-8k",
        "cnn-dailymail", "mixtral-mlperf", "llama405b-mlperf", "deepseek-r1-mlperf", "mooncake",
        "mixed-80-openorca-20-arxiv", "mixed-80-azure-conv-20-arxiv",
    )  # fmt: skip
    assert DEFAULT_WORKLOAD in workload_names()


@pytest.mark.parametrize("name", PUBLISHED["shares"])
def test_shares_equal_those_computed_independently(name: str) -> None:
    lower_in, lower_out = [0, *PUBLISHED["input_upper_edges"]], [0, *PUBLISHED["output_upper_edges"]]
    published = {
        (lower_in[row], lower_out[column]): share
        for row, shares in enumerate(PUBLISHED["shares"][name])
        for column, share in enumerate(shares)
    }
    fitted = {(b.input_tokens_min, b.output_tokens_min): b.share for b in load_workload(name).buckets}
    assert fitted.keys() <= published.keys()
    for cell, share in published.items():
        assert fitted.get(cell, 0.0) == pytest.approx(share, abs=1e-6), cell


@pytest.mark.parametrize("name", WITH_TRACE)
def test_the_index_is_what_its_trace_fits_to(name: str) -> None:
    named = named_workload(name)
    known = named.workload
    fit = fit_trace(load_trace(name), name, known.source, licence=known.licence)
    assert fit.workload.buckets == known.buckets
    assert (fit.workload.requests, fit.duration_s) == (known.requests, named.duration_s)
    assert fit.workload.rate_requests_per_s == known.rate_requests_per_s


@pytest.mark.parametrize("name", workload_names())
def test_every_workload_has_a_source_a_licence_and_whole_shares(name: str) -> None:
    workload = load_workload(name)
    assert workload.source
    assert workload.licence
    assert workload.note
    assert sum(bucket.share for bucket in workload.buckets) == pytest.approx(1, abs=1e-12)
    assert {bucket.size_basis for bucket in workload.buckets} == {"mean"}


@pytest.mark.parametrize(
    "name", ["openorca", "cnn-dailymail", "mixtral-mlperf", "mixed-80-openorca-20-arxiv"]
)
def test_reference_answers_are_called_that(name: str) -> None:
    assert "reference answers" in load_workload(name).note


@pytest.mark.parametrize("name", ["azure-2023-conv", "azure-2023-code"])
def test_azures_traces_carry_the_attribution_their_licence_asks_for(name: str) -> None:
    workload = load_workload(name)
    assert workload.licence == "CC-BY-4.0"
    assert "Microsoft, Azure LLM inference trace 2023 (Splitwise, ISCA 2024)" in workload.source


def test_rates_of_the_traces_with_times() -> None:
    # published: 19,366 requests in 3,501.72 s; 8,819 in 3,435.95 s; 3,993 in 1,022.02 s
    assert load_workload("azure-2023-conv").rate_requests_per_s == pytest.approx(19_365 / 3501.72)
    assert load_workload("azure-2023-code").rate_requests_per_s == pytest.approx(8_818 / 3435.95)
    assert load_workload("mooncake").rate_requests_per_s == pytest.approx(3_992 / 1022.02)
    assert load_workload("openorca").rate_requests_per_s is None


@pytest.mark.parametrize("name", ["Azure_2023_Conv", " AZURE 2023 CONV ", "azure-2023-conv"])
def test_case_blanks_and_underscores_do_not_matter(name: str) -> None:
    assert load_workload(name).name == "azure-2023-conv"


@pytest.mark.parametrize(
    ("name", "near"), [("azure-conv", "azure-2023-conv"), ("mooncacke", "mooncake"), ("cnn", "")]
)
def test_an_unknown_name_gets_its_nearest(name: str, near: str) -> None:
    with pytest.raises(UnknownName) as refused:
        load_workload(name)
    assert near == "" or near in refused.value.near


def test_a_trace_is_fitted_on_the_fly() -> None:
    workload = load_workload(str(FIXTURES / "tiny.csv"))
    assert (workload.name, workload.requests, workload.source) == ("tiny", 10, "tiny.csv")


def test_a_file_of_another_kind_is_refused() -> None:
    with pytest.raises(InputFileError, match=r"ends in one of \.yaml"):
        load_workload("./somewhere/requests.xlsx")


def test_a_mixture_has_no_trace_but_fits_on_any_grid() -> None:
    with pytest.raises(UsageError, match="mixture"):
        load_trace("mixed-80-openorca-20-arxiv")
    fit = fit_named("mixed-80-openorca-20-arxiv", (1000,), (100,))
    assert [(b.input_tokens_max, b.output_tokens_max) for b in fit.workload.buckets] == [
        (1000, 100), (1000, 4056), (4054, 100), (4054, 4056),
    ]  # fmt: skip
    assert sum(bucket.share for bucket in fit.workload.buckets) == pytest.approx(1)
    default = load_workload("mixed-80-openorca-20-arxiv").buckets
    below = sum(b.share for b in default if b.input_tokens_max <= 1000 and b.output_tokens_max <= 100)
    assert fit.workload.buckets[0].share == pytest.approx(below)


def test_another_grid_keeps_the_cautions_of_the_workload() -> None:
    note = fit_named("openorca", (100,), (100,)).workload.note
    assert "reference answers" in note
    assert "requests beyond the last edge: " in note


def test_the_shipped_traces_stay_small() -> None:
    folder = Path(catalogs.__path__[0]) / "workloads"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 1_000_000


def test_the_build_is_reproducible_to_the_byte(tmp_path: Path) -> None:
    source = tmp_path / "data" / "traces"
    source.mkdir(parents=True)
    for origin in ORIGINS:
        text = "timestamp_s,input_tokens,output_tokens\n0,5,6\n1.5,30,7\n2.125,30000,0\n"
        (source / origin.file).write_text(text, encoding="utf-8")
    first, second = tmp_path / "one", tmp_path / "two"
    for target in (first, second):
        build(tmp_path / "data", target)
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == len(ORIGINS) + 2
    assert all((first / path).read_bytes() == (second / path).read_bytes() for path in files)
    workload = load_workload("mooncake", root=first)
    assert (workload.requests, workload.rate_requests_per_s) == (3, pytest.approx(2 / 2.125))
    assert list(load_trace("mooncake", root=first).timestamps_s or ()) == [0, 1.5, 2.125]
