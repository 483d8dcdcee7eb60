"""Prefix hits, hidden tokens, adapters and bursts: what each does to rates and memory, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from throughput_builders import a_chip, a_model, a_replica, a_store, a_sweep

from advisor.domain import LatencyLimit, NoThroughput, Slo, Throughput, Traffic
from advisor.profiles import memory, roofline
from advisor.profiles.curve import Curve
from advisor.profiles.query import ProfileStore
from advisor.profiles.traffic import prefix_speedup

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = Slo(tpot_ms=50)


@cache
def shipped() -> ProfileStore:
    return ProfileStore.load()


@pytest.fixture
def store() -> ProfileStore:
    return shipped()


def asked(
    store: ProfileStore,
    traffic: Traffic,
    *sizes: tuple[float, float],
    slo: Slo = LIMIT,
    chip: str = "a10g-24gb",
) -> list[Throughput]:
    replica = a_replica(chip=chip, traffic=traffic)
    answers = store.throughputs(replica, sizes or [(1000, 200)], slo)
    assert all(isinstance(answer, Throughput) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Throughput)]


@pytest.mark.parametrize(
    "bad",
    [
        {"prefix_cache_hit_rate": 1.0},
        {"prefix_cache_hit_rate": -0.1},
        {"prefix_cache_hit_rate": float("nan")},
        {"reasoning_tokens": -1},
        {"reasoning_tokens": float("inf")},
        {"lora_adapters": 2},
        {"lora_rank": 8},
        {"lora_adapters": -2, "lora_rank": 8},
        {"arrival_cv": -1},
    ],
)
def test_traffic_that_cannot_be_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        Traffic(**bad)  # type: ignore[arg-type]


def test_reasoning_tokens_are_output_that_nobody_sees(store: ProfileStore) -> None:
    (hidden,) = asked(store, Traffic(reasoning_tokens=300), (1000, 200))
    (longer,) = asked(store, Traffic(), (1000, 500))
    assert hidden.requests_per_s == pytest.approx(longer.requests_per_s)
    assert "300 reasoning tokens" in hidden.source


def test_reasoning_tokens_count_towards_end_to_end_but_not_towards_the_first_token(tmp_path: Path) -> None:
    points = a_sweep((1, 10, 1), (8, 20, 5), load_mode="rate", output_tokens=300.0)
    store = a_store(tmp_path, points)
    answers = [
        store.throughputs(a_replica(traffic=Traffic(0, 200)), [(1000, 100)], slo)
        for slo in (Slo(e2e_ms=50 + 299 * 10), Slo(e2e_ms=3000), Slo(ttft_ms=50))
    ]
    found = [a.requests_per_s if isinstance(a, Throughput) else a.reason for (a,) in answers]
    assert found == [1.0, "slo_unreachable", 5.0]


def test_prefix_hits_are_credited_by_the_share_of_prompts_in_the_busy_time(store: ProfileStore) -> None:
    size, hits = (2000.0, 100.0), 0.5
    replica = a_replica(chip="a10g-24gb")
    (without,) = asked(store, Traffic(), size)
    (with_hits,) = asked(store, Traffic(hits), size)
    constants, work = store.calibration.constants(replica), replica.work()
    whole, cached = (float(roofline.prefill_s(work, constants, n)) for n in (2000.0, 1000.0))
    share = without.requests_per_s * whole
    expected = without.requests_per_s / (1 - share * cached / whole)
    assert 0 < share < 1
    assert with_hits.requests_per_s == pytest.approx(expected)
    assert "50% of input tokens from the prefix cache" in with_hits.source


@given(st.floats(0, 0.98), st.floats(0, 0.5), st.integers(64, 8000), st.integers(16, 2000))
def test_more_hits_never_slow_and_never_credit_more_than_all_prompts(
    hits: float, more: float, tokens_in: int, tokens_out: int
) -> None:
    calibration = shipped().calibration
    sizes = np.array([[tokens_in, tokens_out]], dtype=np.float64)
    curve, pace = Curve.of(a_replica(chip="l40s-48gb"), sizes, calibration), LatencyLimit("tpot", 50.0)
    less, greater = (float(prefix_speedup(curve, pace, rate)[0]) for rate in (hits, min(hits + more, 0.99)))
    assert 1.0 <= less <= greater * (1 + 1e-12)
    rate = curve.within_tpot(50.0).requests_per_s[0]
    prompts = min(float(rate * curve.prefill_s[0]), 0.95)
    assert greater <= 1 / (1 - prompts) * (1 + 1e-9)


def test_hits_shorten_no_cache_so_memory_refuses_as_before() -> None:
    chip = a_chip("l4-24gb")
    with_hits = memory.account(a_model(), "bf16", chip, 1, traffic=Traffic(0.9))
    assert with_hits == memory.account(a_model(), "bf16", chip, 1)


def test_hits_raise_no_rate_above_what_waiting_allows(store: ProfileStore) -> None:
    slo = Slo(tpot_ms=50, ttft_ms=1500)
    size = (4000.0, 50.0)
    (waiting,) = asked(store, Traffic(), size, slo=Slo(ttft_ms=1500))
    (with_hits,) = asked(store, Traffic(0.9), size, slo=slo)
    (speed,) = asked(store, Traffic(0.9), size, slo=Slo(tpot_ms=50))
    rounding = 1.05  # a rate under a waiting limit is found to 4 %, from below
    assert with_hits.requests_per_s <= waiting.requests_per_s * rounding
    assert with_hits.requests_per_s <= speed.requests_per_s * rounding


def test_adapters_take_the_memory_their_matrices_add_up_to() -> None:
    """Llama-3.1-8B, rank 16: per layer q and o 4096 + 4096, k and v 4096 + 1024, three of 4096 + width."""
    model = a_model()
    width = memory.ffn_width(model)
    # 14,336 by its configuration; taking the embedding once makes it up to a tenth larger.
    assert 14_336 <= width <= 14_336 * 1.1
    matrices = 2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + width)
    expected = 8 * 16 * 32 * matrices * 2
    assert memory.lora_bytes(model, 1, Traffic(lora_adapters=8, lora_rank=16)) == pytest.approx(expected)


def test_half_of_an_adapter_is_copied_to_every_accelerator() -> None:
    traffic = Traffic(lora_adapters=1, lora_rank=8)
    model = replace(a_model("Llama-3.1-70B"))
    one, two, many = (memory.lora_bytes(model, tp, traffic) for tp in (1, 2, 8))
    hidden = 8 * model.layers * 7 * model.hidden * 2  # the side of the residual stream, of seven matrices
    assert many - hidden == pytest.approx((one - hidden) / 8)
    assert two - hidden == pytest.approx((one - hidden) / 2)


def test_every_expert_has_its_adapter() -> None:
    model = a_model("Mixtral-8x7B")
    traffic = Traffic(lora_adapters=1, lora_rank=1)
    assert model.experts is not None
    assert model.moe_ffn is not None
    attention = 2 * (4096 + 4096) + 2 * (4096 + 1024)
    experts = 8 * 3 * (4096 + 14_336)
    assert memory.lora_bytes(model, 1, traffic) == pytest.approx(2 * 32 * (attention + experts))


def test_adapters_shrink_the_cache_by_what_they_take() -> None:
    traffic = Traffic(lora_adapters=20, lora_rank=64)
    chip = a_chip("l4-24gb")
    without, with_them = (memory.account(a_model(), "bf16", chip, 1, traffic=t) for t in (Traffic(), traffic))
    assert with_them.lora_gib == pytest.approx(memory.lora_bytes(a_model(), 1, traffic) / 2**30)
    assert with_them.kv_gib == pytest.approx(max(without.kv_gib - with_them.lora_gib, 0.0))
    assert "20 LoRA adapters of rank 64" in memory.account(a_model(), "bf16", chip, 1, traffic=traffic).detail


def test_adapters_lower_rates_and_too_many_do_not_fit(store: ProfileStore) -> None:
    for chip in ("a10g-24gb", "h100-sxm-80gb"):  # estimated, simulated
        (without,) = asked(store, Traffic(), chip=chip)
        (some,) = asked(store, Traffic(lora_adapters=4, lora_rank=16), chip=chip)
        (more,) = asked(store, Traffic(lora_adapters=12, lora_rank=16), chip=chip)
        assert without.requests_per_s > some.requests_per_s > more.requests_per_s
    heap = Traffic(lora_adapters=1000, lora_rank=64)
    (answer,) = store.throughputs(a_replica(traffic=heap), [(100, 100)], LIMIT)
    assert isinstance(answer, NoThroughput)
    assert answer.reason == "does_not_fit"
    assert "1000 LoRA adapters" in answer.detail


@given(
    st.builds(
        Traffic,
        prefix_cache_hit_rate=st.floats(0, 0.95),
        reasoning_tokens=st.floats(0, 1000),
        arrival_cv=st.floats(0, 3),
    )
)
def test_an_interval_keeps_its_figure(traffic: Traffic) -> None:
    for answer in asked(shipped(), traffic, (500, 100)):
        low, high = answer.low_requests_per_s, answer.high_requests_per_s
        assert low is None or low <= answer.requests_per_s * (1 + 1e-9)
        assert high is None or high >= answer.requests_per_s * (1 - 1e-9)


def test_burstier_arrivals_lower_the_rate_under_a_ttft_limit_alone(store: ProfileStore) -> None:
    under_ttft = Slo(tpot_ms=50, ttft_ms=400)
    for chip in ("l40s-48gb", "h100-sxm-80gb"):
        calm, bursty = (asked(store, Traffic(arrival_cv=cv), slo=under_ttft, chip=chip)[0] for cv in (1, 4))
        assert bursty.requests_per_s < calm.requests_per_s
        calm, bursty = (asked(store, Traffic(arrival_cv=cv), chip=chip)[0] for cv in (1, 4))
        assert bursty.requests_per_s == calm.requests_per_s
