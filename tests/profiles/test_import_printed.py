"""The printed "Serving Benchmark Result", alone and in logs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given as over
from hypothesis import strategies as st
from import_builders import EVERYTHING, RECORDED, one, recorded, understood

from advisor.errors import InputFileError, UsageError
from advisor.profiles.importers.registry import read_file, read_text
from advisor.profiles.importing import refuse

pytestmark = pytest.mark.fast

BLOCK = (RECORDED / "printed_block/vllm.txt").read_text(encoding="utf-8")
NO_LOAD = "\n".join(line for line in BLOCK.splitlines() if "concurrency" not in line)


def test_a_block_is_one_load_point() -> None:
    (row,) = one(recorded("printed_block/vllm.txt"), given=EVERYTHING).rows
    assert (row["input_tokens"], row["output_tokens"], row["concurrency"]) == (500, 101, 8)
    assert row["requests_per_s"] == pytest.approx(8.33)  # 8 in flight, 60 + 100 × 9 = 960 ms
    assert (row["ttft_mean_ms"], row["tpot_mean_ms"], row["tpot_p95_ms"]) == (60, 9, 9.9)
    assert (row["completed_requests"], row["failed_requests"]) == (160, 0)
    assert row["not_evidence_because"] is None


def test_a_log_of_server_and_client_says_what_ran_and_what_arrived() -> None:
    given = replace(EVERYTHING, model=None, tensor_parallel=None, engine=None, engine_version=None)
    profile = one(recorded("printed_block/server-and-client.log"), given=given)
    assert profile.profile_id.endswith(":llama-3.1-8b:bf16:vllm-0.11.0:h100-sxm-80gb:tp2")
    assert [(row["request_rate_offered"], row["requests_per_s"]) for row in profile.rows] == [
        (2, 1.98),
        (8, 7.9),
    ]
    assert [row["tpot_mean_ms"] for row in profile.rows] == [6, 7.5]


def test_sglangs_block_states_its_engine_its_load_and_its_end_to_end_time_even_in_comments() -> None:
    given = replace(EVERYTHING, engine=None, engine_version=None)
    (row,) = one(recorded("printed_block/sglang.txt"), given=given).rows
    assert (row["engine"], row["concurrency"], row["requests_per_s"]) == ("SGLang", 16, 10)
    assert (row["e2e_mean_ms"], row["e2e_p50_ms"], row["output_tokens"]) == (1580, 1575, 101)


def test_a_block_without_its_load_asks_for_it() -> None:
    with pytest.raises(UsageError, match=r"give --concurrency \(or --request-rate\)$"):
        understood(read_text("x.txt", NO_LOAD), given=EVERYTHING)
    (row,) = one(read_text("x.txt", NO_LOAD), given=replace(EVERYTHING, concurrency=8)).rows
    assert row["concurrency"] == 8


def test_the_load_printed_above_an_older_block_is_read() -> None:
    for above, load in (
        ("Traffic request rate: inf\nMaximum request concurrency: 8\n", (None, 8)),
        ("Traffic request rate: 9.0\nMaximum request concurrency: None\n", (9, None)),
        ("$ vllm bench serve --model m --request-rate 9 --num-prompts 160\n", (9, None)),
        ("$ vllm bench serve --model m --max-concurrency=8\n", (None, 8)),
        ("Traffic request rate: inf\nMaximum request concurrency: None\n", (math.inf, None)),
    ):
        (row,) = read_text("x.txt", above + NO_LOAD).rows
        assert (row.request_rate_offered, row.concurrency) == load


def test_a_log_with_two_servers_says_nothing_of_either() -> None:
    two = "vLLM API server version 0.10.0\ntensor_parallel_size=1\n" + BLOCK
    two += "vLLM API server version 0.11.0\ntensor_parallel_size=4\n" + BLOCK
    assert {(row.tensor_parallel, row.engine_version) for row in read_text("x.log", two).rows} == {
        (None, None)
    }


def test_a_block_cut_short_is_refused_with_what_is_missing() -> None:
    cut = BLOCK[: BLOCK.index("Request throughput")]
    with pytest.raises(InputFileError, match=r"block 1\.requests_per_s: None .* above 0"):
        refuse(understood(read_text("x.txt", cut), given=EVERYTHING))


def test_what_powershell_wrote_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "bench.txt"
    path.write_bytes(BLOCK.replace("\n", "\r\n").encode("utf-16"))
    assert read_file(path).rows == read_text("bench.txt", BLOCK).rows


@over(
    st.sampled_from(["", "# ", "> ", "  ", "(Client pid=7) ", "2026-11-30T10:00:00Z stdout F ", "\x1b[32m"]),
    st.sampled_from(["\n", "\r\n"]),
    st.text(alphabet=st.characters(blacklist_characters="=\r\n", blacklist_categories=["Cs"]), max_size=60),
)
def test_prefixes_line_ends_and_what_stands_around_change_nothing(prefix: str, end: str, around: str) -> None:
    text = end.join([around, *(prefix + line for line in BLOCK.splitlines()), around])
    (plain,), (dressed,) = read_text("x", BLOCK).rows, read_text("x", text).rows
    assert dressed.latencies_ms == plain.latencies_ms
    assert (dressed.requests_per_s, dressed.concurrency, dressed.input_tokens) == (
        plain.requests_per_s,
        plain.concurrency,
        plain.input_tokens,
    )
