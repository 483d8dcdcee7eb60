"""`advisor profile fit`: the arithmetic of memory, shown."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from throughput_builders import a_chip, a_model, facts
from typer.testing import CliRunner

from advisor.cli.profile import app
from advisor.domain import Traffic
from advisor.errors import UnknownName, UsageError
from advisor.profiles import memory


def run(*arguments: str, columns: int = 200) -> str:
    result = CliRunner().invoke(app, ["fit", *arguments], env={"COLUMNS": str(columns)})
    if result.exception is not None:
        raise result.exception
    return result.stdout


def as_json(*arguments: str) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(run(*arguments, "--format", "json"))
    return records


@given(
    st.sampled_from(sorted(facts().models)),
    st.sampled_from(sorted(facts().accelerators)),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from(sorted(memory.PRECISIONS)),
    st.integers(0, 8),
)
def test_the_parts_of_the_account_add_up_to_the_memory(
    model: str, chip: str, degree: int, precision: str, adapters: int
) -> None:
    traffic = Traffic(lora_adapters=adapters, lora_rank=16 if adapters else 0)
    found = memory.account(a_model(model), precision, a_chip(chip), degree, traffic=traffic)
    parts = (found.unclaimed_gib, found.reserve_gib, found.weights_gib, found.lora_gib, found.kv_gib)
    assert sum(parts) - found.short_gib == pytest.approx(found.memory_gib)
    assert min(found.kv_gib, found.short_gib) == 0.0
    assert found.longest_context <= min(found.max_tokens, a_model(model).max_context)


def test_an_account_by_hand() -> None:
    """Llama-3.1-70B bf16 on 2 × 80 GiB: 160 - 12.8 - 4 - 131.41 = 11.79 GiB; 320 KiB a token."""
    (found,) = as_json(
        "--model", "llama-3.1-70b", "--accelerator", "h100-sxm-80gb", "--tp", "2",
        "--input-tokens", "3000", "--output-tokens", "1000",
    )  # fmt: skip
    assert found["memory_gib"] == 160.0
    assert found["unclaimed_gib"] == 12.8
    assert found["reserve_gib"] == 4.0
    assert found["weights_gib"] == pytest.approx(131.41, abs=0.01)
    assert found["kv_gib"] == pytest.approx(11.79, abs=0.01)
    assert found["kv_bytes_per_token"] == 327_680
    assert found["max_tokens"] == pytest.approx(38_634, abs=2)
    assert found["longest_context"] == found["max_tokens"]  # below the model's 131,072
    assert found["largest_batch"] == 9  # 38,634 / 4,000


def test_what_does_not_fit_says_how_much_is_missing() -> None:
    (found,) = as_json("--model", "Llama-3.1-70B", "--accelerator", "h100-sxm-80gb", "--tp", "1")
    assert (found["fits"], found["kv_gib"], found["max_tokens"]) == (False, 0.0, 0)
    assert found["short_gib"] == pytest.approx(131.41 - 71.6, abs=0.01)


def test_an_8_bit_cache_holds_twice_the_context() -> None:
    sixteen, eight = (
        as_json("--model", "Llama-3.1-8B", "--accelerator", "l4-24gb", "--tp", "1", "--kv-precision", kv)[0]
        for kv in ("fp16", "fp8")
    )
    assert eight["kv_bytes_per_token"] * 2 == sixteen["kv_bytes_per_token"]
    assert eight["max_tokens"] in (2 * sixteen["max_tokens"], 2 * sixteen["max_tokens"] + 1)


def test_without_a_choice_every_accelerator_and_degree_the_heads_allow_is_listed() -> None:
    rows = list(csv.DictReader(io.StringIO(run("--model", "Phi-4", "--format", "csv"))))
    assert {row["accelerator"] for row in rows} == set(facts().accelerators)
    assert {row["tensor_parallel"] for row in rows} == {"1", "2"}  # 10 key/value heads


def test_spellings_globs_and_repeats_name_each_accelerator_once() -> None:
    found = as_json(
        "--model", "Llama-3.1-8B", "--accelerator", "a100-*", "--accelerator", "A100-80GB", "--tp", "1"
    )
    ids = [record["accelerator"] for record in found]
    assert len(ids) == len(set(ids))
    assert all(chip.startswith("a100-") for chip in ids)


@pytest.mark.parametrize("columns", [80, 160])
def test_the_table_stays_within_its_place(columns: int) -> None:
    text = run("--model", "Llama-3.1-70B", "--accelerator", "H100", columns=columns)
    assert max(map(len, text.splitlines())) <= columns
    for word in ("weights GiB", "for KV GiB", "tokens", "context"):
        assert word in text.splitlines()[1]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("--model", "Phi-4", "--tp", "4"), UsageError, "--tp: Phi-4 cannot be split over 4 accelerators"),
        (("--model", "Phi-4", "--input-tokens", "4"), UsageError, "--input-tokens and --output-tokens"),
        (("--model", "Phi-4", "--lora-rank", "4"), UsageError, "--lora-adapters and --lora-rank"),
        (("--model", "Phi-4", "--precision", "fp9"), UnknownName, "unknown precision 'fp9'"),
        (("--model", "Phi-4", "--kv-precision", "fp9"), UnknownName, "unknown precision 'fp9'"),
        (("--model", "Phy-4"), UnknownName, "unknown model 'Phy-4'"),
        (("--model", "Phi-4", "--accelerator", "h1000"), UnknownName, "unknown accelerator 'h1000'"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    arguments: tuple[str, ...], error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as raised:
        run(*arguments)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_precision_is_the_same_in_capitals() -> None:
    asked = ("--model", "Llama-3.1-8B", "--accelerator", "l4-24gb", "--tp", "1")
    assert run(*asked, "--precision", "FP8") == run(*asked, "--precision", "fp8")
