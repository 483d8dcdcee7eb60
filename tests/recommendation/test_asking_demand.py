"""How much is asked for: each way to say it, translated to requests per second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.api import make_request
from advisor.catalog.facts import load_facts
from advisor.domain import SloStatistic
from advisor.errors import InputFileError, UsageError

pytestmark = pytest.mark.fast

FACTS = load_facts()

# 1,000 tokens in and 100 out on average: (500 + 1,500) / 2 and (50 + 150) / 2
WORKLOAD = """\
schema_version: 1
kind: workload
name: mine
source: made for this test
{rate}
buckets:
- {{input_tokens_min: 0, input_tokens_max: 1000, output_tokens_min: 0, output_tokens_max: 100,
    share: 0.5, input_tokens: 500, output_tokens: 50}}
- {{input_tokens_min: 1000, input_tokens_max: 2000, output_tokens_min: 100, output_tokens_max: 200,
    share: 0.5, input_tokens: 1500, output_tokens: 150}}
"""


@pytest.fixture
def workload(tmp_path: Path) -> str:
    return written(tmp_path, "mine.yaml", WORKLOAD.format(rate=""))


def written(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def planned(**question: Any) -> tuple[float, str]:
    question.setdefault("slo_statistic", SloStatistic.MEAN)
    service = make_request(FACTS, **question).service
    return service.rate_requests_per_s, service.rate_basis


def test_a_trace_is_planned_at_its_own_rate(tmp_path: Path) -> None:
    rows = "".join(f"{second / 2},900,120\n" for second in range(21))  # 20 gaps of half a second
    trace = written(tmp_path, "two.csv", f"timestamp_s,input_tokens,output_tokens\n{rows}")
    assert planned(workload=trace) == (pytest.approx(2.0), "its own rate")
    assert planned(workload=trace, rate_requests_per_s=5) == (5, "")


def test_a_workload_file_has_its_own_rate_too(tmp_path: Path) -> None:
    mine = written(tmp_path, "w.yaml", WORKLOAD.format(rate="rate_requests_per_s: 0.75"))
    assert planned(workload=mine) == (0.75, "its own rate")


def test_the_rate_of_a_published_trace_is_somebody_elses(workload: str) -> None:
    assert planned(workload="azure-2023-conv") == (16, "")
    assert planned() == (16, "")
    assert planned(workload=workload) == (16, "the default, as it has no rate")


@pytest.mark.parametrize(
    ("question", "rate"),
    [
        ({"requests_per_minute": 90}, 1.5),
        # An answer at the limit of 60 ms: 99 tokens after the first, 5.94 s.
        ({"users": 100, "think_time_s": 34.06}, 100 / 40),
        ({"users": 100, "think_time_s": 33.06, "ttft_ms": 1000}, 100 / 40),
        ({"users": 100, "think_time_s": 0, "tpot_ms": 100}, 100 / 9.9),
        ({"concurrency": 594}, 100),
        ({"concurrency": 594, "tpot_ms": 30}, 200),
        ({"concurrency": 594, "e2e_ms": 2000}, 297),
        ({"concurrency": 594, "reasoning_tokens": 100}, 594 / (0.060 * 199)),
        ({"tokens_per_day": 1100 * 86_400 * 3}, 3),
        ({"tokens_per_day": 1100 * 86_400 * 3, "growth_factor": 1.5}, 4.5),
        ({"rate_requests_per_s": 4, "growth_factor": 0.5}, 2),
    ],
)
def test_each_way_to_say_it(workload: str, question: dict[str, Any], rate: float) -> None:
    assert planned(workload=workload, **question)[0] == pytest.approx(rate)


def test_the_translation_is_said(workload: str) -> None:
    assert planned(workload=workload, users=500, think_time_s=60)[1] == "500 users, each asking every 65.94 s"
    assert planned(workload=workload, requests_per_minute=600, growth_factor=2)[1] == "600 a minute, × 2"
    assert planned(workload=workload, tokens_per_day=1e9)[1] == "1,000,000,000 tokens a day, 1,100 each"
    notes = make_request(FACTS, workload=workload, tokens_per_day=1e9).notes
    assert [note for note in notes if "evenly" in note]


def test_a_limit_on_a_percentile_does_not_bound_the_mean_answer(workload: str) -> None:
    percentile: dict[str, Any] = {
        "workload": workload,
        "slo_statistic": SloStatistic("p99"),
        "tpot_ms": 60,
        "ttft_ms": 1000,
    }
    assert planned(concurrency=694, **percentile)[0] == pytest.approx(100)
    loop = make_request(FACTS, concurrency=694, **percentile).service.closed_loop
    assert loop is not None
    assert "the mean is quicker" in loop.answer_basis
    both = percentile | {"tpot_ms": ["60", "mean=30"]}
    assert planned(users=100, think_time_s=37.03, **both)[0] == pytest.approx(100 / 40)


def test_where_nothing_bounds_an_answer_it_takes_no_time(tmp_path: Path, workload: str) -> None:
    file = a_service(tmp_path, workload, "demand: {users: 100, think_time_s: 40}")
    file.write_text(file.read_text().replace("tpot_ms: 60", "ttft_ms: 500"))
    assert planned(service_file=file)[0] == 100 / 40
    file.write_text(file.read_text().replace("users: 100, think_time_s: 40", "concurrency: 9"))
    with pytest.raises(UsageError, match="--concurrency"):
        planned(service_file=file)


@given(users=st.floats(1, 1e5), think_time_s=st.floats(0.1, 3600))
def test_users_who_wait_are_at_most_all_of_them_in_flight(users: float, think_time_s: float) -> None:
    rate, _ = planned(users=users, think_time_s=think_time_s)
    alone, _ = planned(concurrency=users)
    assert rate < alone  # nobody thinks there
    assert rate <= users / think_time_s


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"rate_requests_per_s": 3, "users": 5}, "--rate and --users"),
        ({"users": 5}, "--think-time-s"),
        ({"think_time_s": 5}, "--users"),
        ({"users": 5, "think_time_s": -1}, "--think-time-s -1"),
        ({"concurrency": 0}, "--concurrency 0"),
        ({"tokens_per_day": float("nan")}, "--tokens-per-day nan"),
        ({"growth_factor": 0}, "--growth-factor 0"),
        ({"requests_per_minute": 1e-9}, "1e-09 a minute: requests per second"),
    ],
)
def test_a_slip_is_refused(question: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        planned(**question)


def a_service(folder: Path, workload: str, *more: str) -> Path:
    lines = [
        "schema_version: 1",
        "service:",
        "  name: chat",
        "  model: Llama-3.1-8B",
        f"  workload: {workload}",
        "  slo: {tpot_ms: 60}",
        *(f"  {line}" for line in more),
    ]
    return Path(written(folder, "service.yaml", "\n".join(lines) + "\n"))


def test_a_service_file_says_it_the_same_way(tmp_path: Path, workload: str) -> None:
    file = a_service(tmp_path, workload, "demand: {concurrency: 594, growth_factor: 2}")
    assert planned(service_file=file)[0] == pytest.approx(200)
    assert planned(service_file=file, rate_requests_per_s=3, growth_factor=1)[0] == 3
    own = written(tmp_path, "own.yaml", WORKLOAD.format(rate="rate_requests_per_s: 0.75"))
    assert planned(service_file=a_service(tmp_path, own)) == (0.75, "its own rate")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "rate_requests_per_s: .* is required"),
        (("rate_requests_per_s: 3", "demand: {concurrency: 5}"), "demand says concurrency"),
        (("demand: {users: 5}",), "think_time_s"),
        (("demand: {users: 5, think_time_s: 9, concurrency: 5}",), "not both"),
    ],
)
def test_a_service_file_must_say_it_once(tmp_path: Path, more: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputFileError, match=said):
        planned(service_file=a_service(tmp_path, "azure-2023-conv", *more))


def test_a_file_without_a_rate_needs_one(tmp_path: Path, workload: str) -> None:
    with pytest.raises(InputFileError, match="no rate of its own"):
        planned(service_file=a_service(tmp_path, workload))
