"""Weights, usable memory and KV cache: every figure worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.catalog.facts import load_facts
from advisor.errors import UnknownName
from advisor.profiles import calibration, memory
from advisor.profiles.curve import Curve
from advisor.profiles.engines import Engine
from advisor.profiles.replica import Replica, Shape

pytestmark = pytest.mark.fast

GIB = 1024**3
FACTS = load_facts()
LLAMA_8B = FACTS.models["Llama-3.1-8B"]
LLAMA_70B = FACTS.models["Llama-3.1-70B"]
DEEPSEEK = FACTS.models["DeepSeek-V3"]
GPT_OSS = FACTS.models["gpt-oss-120b"]
A100 = replace(FACTS.accelerators["a100-sxm-80gb"], memory_gb=80.0, memory_reported_gib=80.0)
L4 = FACTS.accelerators["l4-24gb"]


def total_bytes(model, precision):
    return sum(memory.weight_bytes(model, precision))


def test_llama_8b_takes_two_bytes_a_parameter_in_bf16():
    # 8.03e9 parameters x 2 = 16.06e9 bytes; / 2^30 = 14.957 GiB
    assert total_bytes(LLAMA_8B, "bf16") == pytest.approx(16.06e9)
    assert memory.account(LLAMA_8B, "bf16", A100, 1).weights_gib == pytest.approx(14.957, abs=0.001)


def test_quantised_weights_keep_their_embeddings_in_16_bits():
    # embeddings 2 x 4096 x 128256 = 1.0507e9 at 2 bytes; the other 6.9793e9 at 1 byte
    assert total_bytes(LLAMA_8B, "fp8") == pytest.approx(9.0807e9, rel=1e-4)
    # int4: 6.9793e9 x (4 + 20/128)/8 bytes
    assert total_bytes(LLAMA_8B, "int4") == pytest.approx(2.1014e9 + 6.9793e9 * 4.15625 / 8, rel=1e-4)


def test_gpt_oss_is_stored_in_mxfp4_even_when_asked_for_fp4():
    # experts 36 x 128 x 3 x 2880 x 2880 = 114.66e9 at 4.25 bits; the other 2.13e9 at 16 bits
    other, experts = memory.weight_bytes(GPT_OSS, "fp4")
    assert experts == pytest.approx(114.661e9 * 4.25 / 8, rel=1e-4)
    assert other == pytest.approx((116.79e9 - 114.661e9) * 2, rel=1e-3)


def test_a_dense_model_has_no_expert_weights():
    assert memory.weight_bytes(LLAMA_8B, "fp4")[1] == 0.0


def test_seventy_billion_parameters_do_not_fit_one_80_gb_card():
    # 141.1e9 bytes = 131.41 GiB against 80 x 0.92 - 2 = 71.6 GiB: 59.81 short
    fit = memory.account(LLAMA_70B, "bf16", A100, 1)
    assert not fit.fits
    assert (fit.kv_gib, fit.max_tokens) == (0.0, 0)
    assert fit.detail == (
        "weights 131.4 GiB on 1 × 71.6 GiB usable (memory × 0.92 − 2.0 GiB reserve): 60 GiB short"
    )


def test_seventy_billion_parameters_barely_fit_two():
    # 143.2 - 131.41 = 11.790 GiB; 327680 bytes a token: 11.790 x 2^30 / 327680 = 38,634
    fit = memory.account(LLAMA_70B, "bf16", A100, 2)
    assert fit.fits
    assert fit.usable_gib == pytest.approx(143.2)
    assert fit.kv_gib == pytest.approx(11.790, abs=0.001)
    assert fit.max_tokens == pytest.approx(38_634, abs=2)
    assert fit.detail.endswith("tokens")


def test_what_the_driver_reports_beats_the_nominal_figure():
    unreported = replace(L4, memory_reported_gib=None)
    assert memory.memory_gib(replace(L4, memory_reported_gib=22.35)) == 22.35
    assert memory.memory_gib(unreported) == pytest.approx(24 * 0.97)


def test_an_8_bit_cache_holds_twice_the_tokens():
    sixteen = memory.account(LLAMA_8B, "bf16", A100, 1).max_tokens
    assert memory.account(LLAMA_8B, "bf16", A100, 1, "fp8").max_tokens in (2 * sixteen, 2 * sixteen + 1)


def test_key_value_heads_are_copied_beyond_their_number():
    # 8 heads over 16 ranks: each rank holds one whole head, an eighth of the token
    assert memory.kv_bytes_per_token(LLAMA_70B, 8) == 327_680 / 8
    assert memory.kv_bytes_per_token(LLAMA_70B, 16) == 327_680 / 8


def test_a_latent_cache_is_never_split():
    assert memory.kv_bytes_per_token(DEEPSEEK, 8) == DEEPSEEK.kv_bytes_per_token_fp16


def test_every_shipped_word_for_the_layers_that_slide_is_understood():
    windows = {name: memory.window_of(model) for name, model in FACTS.models.items() if model.sliding_window}
    assert windows["gpt-oss-120b"] == memory.Window(1 / 2, 128)
    assert windows["Gemma-3-27B"] == memory.Window(5 / 6, 1024)
    assert windows["Phi-3-mini-4k"].share == 1.0  # nobody says which: all
    assert memory.window_of(LLAMA_8B) == memory.EVERY_TOKEN
    with pytest.raises(ValueError, match="'most of them' is not understood"):
        memory.window_of(replace(FACTS.models["Gemma-2-9B"], sliding_window_layers="most of them"))


@given(st.floats(0, 0.999) | st.just(1.0), st.floats(1, 5000), st.floats(1, 1e6))
def test_the_longest_context_is_the_one_that_keeps_so_many_tokens(share, window, tokens):
    found = memory.Window(share, window)
    assert found.kept(tokens) <= tokens
    longest = found.longest(tokens)
    assert np.isinf(longest) or found.kept(longest) == pytest.approx(tokens)


def test_vllm_frees_what_slid_out_of_the_window_and_others_are_not_taken_to():
    gemma = FACTS.models["Gemma-3-27B"]

    def room(engine):
        return Replica(gemma, "bf16", A100, Shape(2), Engine.named(engine)).memory()

    assert room("vLLM").max_tokens == room("SGLang").max_tokens
    # 8,192 tokens count as 8192 / 6 + 1024 x 5 / 6 = 2,218.7 in every layer
    assert room("vLLM").largest_batch(8192) == room("vLLM").max_tokens * 6 // (8192 + 5 * 1024)
    assert room("SGLang").largest_batch(8192) == room("SGLang").max_tokens // 8192
    assert room("vllm 0.6").largest_batch(8192) == room("SGLang").largest_batch(8192)  # of 2024


def test_a_window_holds_more_requests_and_so_serves_more():
    known, gemma = calibration.load(), FACTS.models["Gemma-3-27B"]
    curves = [
        Curve.of(Replica(gemma, "bf16", A100, Shape(1), Engine(name)), [[8000.0, 500.0]], known)
        for name in ("vLLM", "SGLang")
    ]
    assert curves[0].slots[0] > 2 * curves[1].slots[0]


def test_a_sliding_window_is_charged_for_the_whole_context():
    windowed = FACTS.models["Gemma-2-9B"]
    full = replace(windowed, sliding_window=None, sliding_window_layers=None)
    assert memory.account(windowed, "bf16", A100, 1) == memory.account(full, "bf16", A100, 1)


@pytest.mark.parametrize(
    ("name", "accelerators", "degrees"),
    [
        ("Llama-3.1-8B", 8, (1, 2, 4, 8)),
        ("Llama-3.1-8B", 1, (1,)),
        ("Llama-3.1-8B", 6, (1, 2, 4)),  # the remaining two idle
        ("Qwen2-7B", 8, (1, 2, 4)),  # 28 heads
        ("Phi-4", 8, (1, 2)),  # 40 heads, but 10 key/value heads cannot be split or copied evenly over 4
        ("Llama-3.1-8B", 0, ()),
    ],
)
def test_degrees_are_powers_of_two_that_divide_the_heads(name, accelerators, degrees):
    assert memory.valid_tensor_parallel(FACTS.models[name], accelerators) == degrees


def test_an_unknown_precision_is_named_with_its_neighbours():
    with pytest.raises(UnknownName, match=r"unknown precision 'fp88': did you mean fp8"):
        memory.account(LLAMA_8B, "fp88", A100, 1)


@given(
    model=st.sampled_from(sorted(FACTS.models.values(), key=lambda model: model.id)),
    precision=st.sampled_from(sorted(memory.PRECISIONS)),
    power=st.integers(0, 3),
    gib=st.floats(4, 300),
)
def test_more_memory_and_more_accelerators_never_hold_fewer_tokens(model, precision, power, gib):
    chip = replace(A100, memory_reported_gib=gib)
    larger = replace(A100, memory_reported_gib=gib * 1.25)
    fit = memory.account(model, precision, chip, 2**power)
    assert memory.account(model, precision, larger, 2**power).max_tokens >= fit.max_tokens
    assert memory.account(model, precision, chip, 2 ** (power + 1)).max_tokens >= fit.max_tokens
    assert fit.fits == (fit.max_tokens > 0)
    assert fit.kv_gib == pytest.approx(max(fit.usable_gib - fit.weights_gib, 0.0))


@given(model=st.sampled_from(sorted(FACTS.models.values(), key=lambda model: model.id)))
def test_narrower_weights_are_never_larger(model):
    sizes = [total_bytes(model, name) for name in ("bf16", "fp8", "fp4")]
    assert sizes == sorted(sizes, reverse=True) or model.is_moe
    assert min(sizes) > 0
    assert max(sizes) == pytest.approx(model.params_b * 2e9)
