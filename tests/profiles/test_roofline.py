"""The analytical estimator: equations on a toy chip by hand, properties, measured rows, refusals."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.catalog.facts import load_facts
from advisor.domain import Accelerator, Model
from advisor.errors import DataError
from advisor.profiles import calibration, memory, roofline
from advisor.profiles.calibration import ASKED, UNSEEN, Calibration, HeldOut, Seen, Spread
from advisor.profiles.curve import Curve
from advisor.profiles.engines import Engine
from advisor.profiles.equivalence import shape_key
from advisor.profiles.replica import Replica, Shape
from advisor.profiles.roofline import Constants, Effect
from catalogs.build import estimator_fit, estimator_held_out, estimator_runs

FACTS = load_facts()
SHIPPED = calibration.load()
CATALOGS = Path(estimator_fit.__file__).parent.parent
RESIDUALS = CATALOGS / "profiles" / "estimator_residuals.parquet"
FITTED_MODELS = ("Llama-3.1-8B", "Llama-3.1-70B", "Mixtral-8x7B", "DeepSeek-V3", "gpt-oss-120b", "Qwen3-32B")
CHIPS = ("a10g-24gb", "l4-24gb", "l40s-48gb", "a100-sxm-80gb", "h100-sxm-80gb", "h200-sxm-141gb")

HALVES = Constants(
    mfu_16=0.5, mfu_8=0.5, mfu_4=0.5, mbu=0.5, step_ms=1.0, layer_us=0.0, sequence_us=100.0, link_share=0.5,
    allreduce_us_fast=10.0, allreduce_us_slow=50.0, expert_tokens=0.0, wait_share=0.0,
    saturated_sequences=8.0, max_sequences=4.0,
)  # fmt: skip


def a_model(**changes):
    """A billion parameters, ten layers, 40,000 bytes of cache a token."""
    toy = Model(
        id="toy", hf_id="nobody/toy", params_b=1.0, active_params_b=1.0, layers=10, hidden=1000, heads=10,
        kv_heads=10, head_dim=100, vocab=100, max_context=100_000, experts=None, experts_per_token=None,
        moe_ffn=None, shared_experts=None, dense_layers=None, attention="mha", kv_bytes_per_token_fp16=40_000,
        sliding_window=None, sliding_window_layers=None, aliases=(), source="made up",
    )  # fmt: skip
    return replace(toy, **changes)


def a_chip(**changes):
    """1 TB/s, 100 TFLOPS, 16 GiB, 200 GB/s links."""
    toy = Accelerator(
        id="toy", name="Toy", vendor="nvidia", family="Toy", memory_gb=16.0, memory_reported_gib=16.0,
        memory_bandwidth_gb_per_s=1000.0, bf16_dense_tflops=100.0, fp8_dense_tflops=None,
        fp4_dense_tflops=None, has_bf16=True, interconnect="toy", interconnect_gb_per_s_one_way=200.0,
        tdp_w=None, aliases=(), source="made up",
    )  # fmt: skip
    return replace(toy, **changes)


def a_calibration(constants=HALVES, errors=()):
    return Calibration(
        "toy", "", {("nvidia", "dense"): constants, ("nvidia", "moe"): constants}, tuple(errors)
    )


def on(model, chip, precision="bf16", tp=1, **changes):
    return Replica(model, precision, chip, Shape(tp), **changes)


def curve_of(work, constants, tokens_in=100.0, tokens_out=200.0):
    """Of one size; 100 in and 200 out hold 200 tokens on average."""
    return Curve(work, constants, 10**9, np.array([tokens_in]), np.array([tokens_out]))


def rates(model, chip, sizes, tpot_ms, known, tp=1, precision="bf16"):
    """The largest rates within a limit, and the TPOT of a request alone."""
    curve = Curve.of(on(model, chip, precision, tp), np.array(sizes, dtype=float), known)
    found = curve.within_tpot(tpot_ms)
    return SimpleNamespace(
        requests_per_s=found.requests_per_s,
        batch=found.batch,
        limited_by=tuple(found.limited_by.tolist()),
        tpot_at_one_ms=curve.tpot_s(1.0) * 1e3,
    )


class TestTheEquationsByHand:
    """Toy figures for 100 tokens in, 200 out.

    Weights 2e9 B / 0.5 TB/s = 4 ms; step 1 ms. Each sequence: arithmetic 2e9 / 50 TFLOPS = 40 us, cache
    200 tokens x 40,000 B / 0.5 TB/s = 16 us, overhead 100 us: 156 us.
    Prefill (2e9 x 100 + 2 x 10 x 10 x 100 x 100^2) / 50 TFLOPS = 4.004 ms, so 20.1206 us in each of the 199
    gaps between 200 tokens.
    """

    def test_one_request_alone(self):
        found = rates(
            a_model(), a_chip(), [[100, 200]], None, a_calibration(replace(HALVES, max_sequences=1.0))
        )
        assert found.tpot_at_one_ms[0] == pytest.approx(5.156)
        assert found.requests_per_s[0] == pytest.approx(1 / (200 * 5.156e-3 + 4.004e-3))

    def test_the_batch_that_just_meets_the_limit(self):
        # tpot(3) = 5.156 + 2 x (0.156 + 4.004 / 199) ms; decode(3) = 5.468 ms
        limit = 5.156 + 2 * (0.156 + 4.004 / 199)
        found = rates(a_model(), a_chip(), [[100, 200]], limit, a_calibration())
        assert found.batch[0] == pytest.approx(3)
        assert found.requests_per_s[0] == pytest.approx(3 / (200 * 5.468e-3 + 3 * 4.004e-3))
        assert found.limited_by == ("tpot",)

    def test_without_a_limit_the_largest_batch_behind_the_constants(self):
        found = rates(a_model(), a_chip(), [[100, 200]], None, a_calibration())
        assert found.requests_per_s[0] == pytest.approx(4 / (200 * 5.624e-3 + 4 * 4.004e-3))
        assert found.limited_by == ("engine",)

    def test_memory_bounds_the_batch(self):
        # usable 16 x 0.92 - 2 = 12.72 GiB, weights 1.8626: 10.857 GiB / 40,000 B = 291,447 tokens
        # one request of 200,000 in and 20 out holds 200,010 on average: a batch of 1.45716
        known, chip = a_calibration(), a_chip()
        found = rates(a_model(), chip, [[200_000, 20]], None, known)
        room = memory.account(a_model(), "bf16", chip, 1).max_tokens
        assert room == pytest.approx(291_447, rel=1e-4)
        assert found.limited_by == ("memory",)
        step = 5e-3 + 1.45717 * (140e-6 + 200_010 * 80e-9)
        prefill = (2e9 * 2e5 + 20_000 * 4e10) / 50e12
        assert found.requests_per_s[0] == pytest.approx(1.45717 / (20 * step + 1.45717 * prefill), rel=1e-4)

    def test_a_request_larger_than_memory_is_not_served(self):
        found = rates(a_model(), a_chip(), [[300_000, 20]], None, a_calibration())
        assert found.requests_per_s[0] == 0.0
        assert found.limited_by == ("memory",)

    def test_a_limit_one_request_breaks_is_unreachable(self):
        found = rates(a_model(), a_chip(), [[100, 200]], 5.155, a_calibration())
        assert found.requests_per_s[0] == 0.0
        assert found.limited_by == ("tpot",)

    def test_two_accelerators_halve_the_work_and_pay_for_all_reduces(self):
        # comm(1) = 2 x 10 layers x (10 us + 2 x 1 x 1000 x 2 x 1/2 B / (200 GB/s x 0.5)) = 200.4 us
        # decode(1) = 2 ms + 20 us + 8 us + 1 ms + 100 us + 200.4 us
        found = rates(a_model(), a_chip(), [[100, 200]], None, a_calibration(), tp=2)
        assert found.tpot_at_one_ms[0] == pytest.approx(3.3284)

    def test_slow_links_start_slower(self):
        # PCIe class at 32 GB/s: 20 x (50 us + 2000 B / 16 GB/s) = 1002.5 us
        found = rates(
            a_model(),
            a_chip(interconnect="PCIe4 x16", interconnect_gb_per_s_one_way=32.0),
            [[100, 200]],
            None,
            a_calibration(),
            tp=2,
        )
        assert found.tpot_at_one_ms[0] == pytest.approx(3.128 + 1.0025)

    @pytest.mark.parametrize(
        ("interconnect", "tp", "comm_us"),
        [
            ("NVLink bridge", 2, 20 * (10 + 2000 / 0.1e6)),  # 200 GB/s, half of it reached
            ("NVLink bridge", 4, 20 * (50 + 3000 / 0.032e6)),  # beyond the pair: PCIe 5, 64 GB/s
            (None, 2, 20 * (50 + 2000 / 0.1e6)),  # not known: as if through the host
        ],
    )
    def test_where_an_all_reduce_goes_is_told_by_the_interconnects_name(self, interconnect, tp, comm_us):
        work = roofline.work_of(a_model(), "bf16", a_chip(interconnect=interconnect), tp)
        assert roofline.comm_s(work, HALVES, 1.0) == pytest.approx(comm_us * 1e-6)

    def test_layers_that_slide_attend_to_their_window_alone(self):
        # half of the layers keep 50 of 200 tokens: 200 x 80 ns each, of which (200 + 50) / 2 count
        model = a_model(sliding_window=50, sliding_window_layers="every 2nd layer")
        work, whole = (roofline.work_of(each, "bf16", a_chip(), 1) for each in (model, a_model()))
        saved = curve_of(whole, HALVES).step_s(1.0) - curve_of(work, HALVES).step_s(1.0)
        assert saved == pytest.approx(75 * 80e-9)
        # 100 in: of 100^2 pairs half lose the 50^2 beyond the window, at 20,000 flop a pair and 50 TFLOPS
        faster = roofline.prefill_s(whole, HALVES, 100.0) - roofline.prefill_s(work, HALVES, 100.0)
        assert faster == pytest.approx(0.5 * 50**2 * 20_000 / 50e12)

    def test_two_sequences_touch_more_experts_than_one(self):
        # experts 10 x 4 x 3 x 1000 x 2500 = 0.3e9 parameters, one of four per token; 0.2e9 others
        model = a_model(
            params_b=0.5, active_params_b=0.275, experts=4, experts_per_token=1, moe_ffn=2500, dense_layers=0
        )
        work = roofline.work_of(model, "bf16", a_chip(), 1)
        for batch, touched in ((1.0, 0.25), (2.0, 1 - 0.75**2)):
            weights = (0.4e9 + 0.6e9 * touched) / 0.5e12
            affine = 1e-3 + batch * (0.55e9 / 50e12 + 200 * 80e-9 + 100e-6)
            assert curve_of(work, HALVES).step_s(batch) == pytest.approx(weights + affine)

    def test_a_touched_expert_costs_some_tokens_beyond_its_own(self):
        # 0.3e9 expert parameters, a quarter per token: 0.15e9 flop a token; 4 touched experts would be all.
        # Two tokens touch 7/16: T share E/e = 10 x 7/16 x 4 = 17.5 tokens of 0.15e9 flop at 50 TFLOPS
        model = a_model(
            params_b=0.5, active_params_b=0.275, experts=4, experts_per_token=1, moe_ffn=2500, dense_layers=0
        )
        work = roofline.work_of(model, "bf16", a_chip(), 1)
        without = curve_of(work, HALVES).step_s(2.0)
        beyond = curve_of(work, replace(HALVES, expert_tokens=10.0)).step_s(2.0)
        assert beyond - without == pytest.approx(17.5 * 0.15e9 / 50e12)

    def test_layers_cost_time_of_their_own(self):
        work = roofline.work_of(a_model(), "bf16", a_chip(), 1)
        slower = curve_of(work, replace(HALVES, layer_us=30.0)).step_s(1.0)
        assert slower - curve_of(work, HALVES).step_s(1.0) == pytest.approx(10 * 30e-6)

    def test_what_a_request_waits_for_before_its_first_token_does_not_interrupt_it_after(self):
        # of the 2 other prefills of 4.004 ms half is waited for: TTFT 5.468 + 2 x 4.004; TPOT the other half
        work = roofline.work_of(a_model(), "bf16", a_chip(), 1)
        half = replace(HALVES, wait_share=0.5)
        assert curve_of(work, half).ttft_s(3.0) == pytest.approx(5.468e-3 + 2 * 4.004e-3)
        assert curve_of(work, half).tpot_s(3.0) == pytest.approx(5.468e-3 + 4.004e-3 / 199)

    @settings(max_examples=50)
    @given(st.floats(0, 1), st.floats(1, 4), st.integers(2, 5000), st.integers(1, 5000))
    def test_rate_ttft_and_tpot_agree_by_littles_law(self, share, batch, tokens_out, tokens_in):
        work, known = roofline.work_of(a_model(), "bf16", a_chip(), 1), replace(HALVES, wait_share=share)
        curve = curve_of(work, known, float(tokens_in), float(tokens_out))
        whole = curve.ttft_s(batch) + (tokens_out - 1) * curve.tpot_s(batch)
        assert batch / whole == pytest.approx(curve.rate_per_s(batch))

    @settings(max_examples=100)
    @given(st.sampled_from((1, 4)), st.floats(1, 400), st.integers(2, 5000), st.integers(1, 5000))
    def test_the_batch_at_a_rate_is_the_one_that_serves_it(self, experts, batch, tokens_out, tokens_in):
        mixture = {"experts": 4, "experts_per_token": 1, "moe_ffn": 2500, "dense_layers": 0}
        model = a_model(**mixture) if experts > 1 else a_model()
        work = roofline.work_of(model, "bf16", a_chip(), 1)
        curve = curve_of(work, HALVES, float(tokens_in), float(tokens_out))
        assert curve.batch_at(curve.rate_per_s(batch)) == pytest.approx(batch, rel=1e-6)
        assert curve.batch_at(curve.rate_per_s(1e12) * 1.01) == np.inf

    def test_weight_only_formats_compute_in_16_bits(self):
        assert roofline.arithmetic("int4", a_chip(fp4_dense_tflops=400.0)) == (16, 100.0)
        assert roofline.arithmetic("fp4", a_chip(fp4_dense_tflops=400.0)) == (4, 400.0)
        assert roofline.arithmetic("fp4", a_chip()) == (16, 100.0)
        assert roofline.arithmetic("fp8", a_chip(fp8_dense_tflops=200.0)) == (8, 200.0)


configurations = st.tuples(
    st.sampled_from(FITTED_MODELS), st.sampled_from(CHIPS), st.sampled_from((1, 2, 4, 8)), st.floats(5, 300)
)
tokens = st.integers(1, 30_000)


def shipped_rates(configuration, sizes, tpot_ms):
    model, chip, tp, _ = configuration
    precision = "fp16" if FACTS.accelerators[chip].fp8_dense_tflops is None else "fp8"
    return rates(FACTS.models[model], FACTS.accelerators[chip], sizes, tpot_ms, SHIPPED, tp, precision)


class TestProperties:
    @settings(max_examples=200)
    @given(configurations, tokens, tokens, st.floats(1, 20))
    def test_a_larger_request_never_gives_a_higher_rate(self, configuration, tokens_in, tokens_out, factor):
        sizes = [[tokens_in, tokens_out], [tokens_in * factor, tokens_out], [tokens_in, tokens_out * factor]]
        small, longer_in, longer_out = shipped_rates(configuration, sizes, configuration[3]).requests_per_s
        assert longer_in <= small * (1 + 1e-9)
        # An answer of a few tokens has few gaps to spread other prompts' interruptions over: under a limit
        # a longer one may then be served at a higher rate.
        assert longer_out <= small * (1 + 1e-9) or tokens_out < 8

    @settings(max_examples=200)
    @given(configurations, tokens, tokens, st.floats(1, 20))
    def test_a_looser_limit_never_gives_a_lower_rate(self, configuration, tokens_in, tokens_out, factor):
        size, limit = [[tokens_in, tokens_out]], configuration[3]
        tight, loose, none = (
            shipped_rates(configuration, size, tpot_ms).requests_per_s[0]
            for tpot_ms in (limit, limit * factor, None)
        )
        assert tight <= loose * (1 + 1e-9)
        assert loose <= none * (1 + 1e-9)

    @settings(max_examples=200)
    @given(configurations, tokens, tokens)
    def test_a_rate_is_positive_or_says_why_not(self, configuration, tokens_in, tokens_out):
        found = shipped_rates(configuration, [[tokens_in, tokens_out]], configuration[3])
        rate, limited_by, alone = found.requests_per_s[0], found.limited_by[0], found.tpot_at_one_ms[0]
        assert np.isfinite(rate)
        assert rate > 0 or limited_by in ("tpot", "memory")
        if limited_by != "memory":
            assert (rate > 0) == (alone <= configuration[3] * (1 + 1e-12))

    @settings(max_examples=100)
    @given(configurations, tokens, tokens)
    def test_the_answer_meets_its_limit_and_a_larger_batch_would_not(
        self, configuration, tokens_in, tokens_out
    ):
        model, chip, tp, limit = configuration
        found = shipped_rates(configuration, [[tokens_in, tokens_out]], limit)
        if found.limited_by != ("tpot",) or found.requests_per_s[0] == 0:
            return
        accelerator = FACTS.accelerators[chip]
        precision = "fp16" if accelerator.fp8_dense_tflops is None else "fp8"
        replica = on(FACTS.models[model], accelerator, precision, tp)
        constants = SHIPPED.constants(replica)
        curve = Curve.of(replica, np.array([[tokens_in, tokens_out]]), SHIPPED)
        batches = np.linspace(1.0, constants.max_sequences, 20_001)
        within = batches[curve.tpot_s(batches) <= limit * 1e-3]
        by_grid = curve.rate_per_s(within.max(initial=1.0))[0]
        beyond = curve.rate_per_s(within.max(initial=1.0) + 0.0256)[0]
        assert by_grid * (1 - 1e-9) <= found.requests_per_s[0] <= beyond * (1 + 1e-9)

    def test_sizes_do_not_influence_one_another(self):
        sizes = [[100, 50], [4000, 500], [25, 1900]]
        configuration = ("Mixtral-8x7B", "h100-sxm-80gb", 2, 60.0)
        together = shipped_rates(configuration, sizes, 60.0).requests_per_s
        assert together.tolist() == [shipped_rates(configuration, [s], 60.0).requests_per_s[0] for s in sizes]


class TestAgainstMeasurements:
    MLPERF = (
        # MLPerf Inference v4.1 (2024-08), closed, offline, Llama-2-70B on OpenOrca, mean 222.33 tokens in;
        # mlcommons/inference_results_v4.1. FP8 weights and cache. Never fitted. Accelerator, their number,
        # the degree that serves best, mean tokens out, samples/s of the whole system.
        ("h100-sxm-80gb", 8, 2, 290.112, 83.1875),
        ("h200-sxm-141gb", 8, 1, 290.89, 109.722),
        ("h200-sxm-141gb", 1, 1, 291.249, 15.4091),
        ("gh200-144gb", 1, 1, 291.249, 13.9658),
    )

    def test_systems_nobody_fitted_come_out_within_the_stated_error(self):
        model = FACTS.models["Llama-2-70B"]
        errors = []
        for chip, count, tp, tokens_out, measured in self.MLPERF:
            accelerator = FACTS.accelerators[chip]
            size = np.array([[222.33, tokens_out]])
            replica = on(model, accelerator, "fp8", tp, kv_precision="fp8")
            found = Curve.of(replica, size, SHIPPED).within_tpot(None)
            errors.append(abs(count // tp * found.requests_per_s[0] / measured - 1) * 100)
        h100 = on(model, FACTS.accelerators["h100-sxm-80gb"])
        assert statistics.median(errors) <= SHIPPED.error_pct(h100)
        assert max(errors) <= self._pooled("dense").p90_abs_pct

    def test_the_shipped_errors_stay_where_an_estimate_is_worth_having(self):
        assert self._pooled("dense").median_abs_pct <= 10.0
        assert self._pooled("moe").median_abs_pct <= 18.0

    @staticmethod
    def _pooled(family):
        return next(
            e
            for e in SHIPPED.errors
            if (e.test, e.family, e.held_out) == ("leave-one-gpu-out", family, "(pooled)")
        )


class TestRefusals:
    @pytest.mark.parametrize(
        "chip",
        [
            "inferentia2-32gb",
            "trainium1-32gb",
            "tpu-v6e-32gb",
            "gaudi3-128gb",
            "max-1550-128gb",
        ],
    )
    def test_constants_do_not_transfer_to_other_vendors(self, chip):
        refusal = SHIPPED.supports(on(FACTS.models["Llama-3.1-8B"], FACTS.accelerators[chip], "fp16"))
        assert refusal == "constants fitted on NVIDIA and AMD do not transfer; no calibrated data"
        with pytest.raises(ValueError, match="do not transfer"):
            rates(FACTS.models["Llama-3.1-8B"], FACTS.accelerators[chip], [[10, 10]], None, SHIPPED)

    def test_amd_chips_older_than_those_measured_are_not_guessed(self):
        old, new = (FACTS.accelerators[chip] for chip in ("mi250-128gb", "mi350x-288gb"))
        assert "CDNA3 and CDNA4 chips alone" in SHIPPED.supports(
            on(FACTS.models["Llama-3.1-8B"], old, "fp16")
        )
        assert SHIPPED.supports(on(FACTS.models["Llama-3.1-8B"], new, "fp16")) is None

    def test_a_chip_without_figures_is_not_guessed(self):
        blind = a_chip(memory_bandwidth_gb_per_s=None)
        assert (
            SHIPPED.supports(on(a_model(), blind))
            == "no specification: Toy has no memory bandwidth on record"
        )
        dull = a_chip(bf16_dense_tflops=None)
        assert (
            SHIPPED.supports(on(a_model(), dull))
            == "no specification: Toy has no 16-bit arithmetic on record"
        )

    def test_a_precision_the_chip_lacks_is_refused(self):
        t4 = FACTS.accelerators["t4-16gb"]
        assert SHIPPED.supports(on(a_model(), t4)) == "precision unsupported: T4 computes fp16, not bf16"
        assert SHIPPED.supports(on(a_model(), t4, "fp16")) is None
        a10g = FACTS.accelerators["a10g-24gb"]
        assert "no 8-bit arithmetic" in str(SHIPPED.supports(on(a_model(), a10g, "fp8")))


def an_error(held_out, rows, median, test="leave-one-gpu-out"):
    return HeldOut(test, "nvidia", "dense", held_out, rows, median, 50.0, 1.0)


class TestQuotedError:
    def test_its_own_rows_count_where_there_are_enough(self):
        known = a_calibration(errors=[an_error("(pooled)", 500, 11.0), an_error("toy", 8, 7.0)])
        assert known.error_pct(on(a_model(), a_chip())) == 7.0

    def test_a_few_rows_do_not_speak_for_a_chip(self):
        known = a_calibration(errors=[an_error("(pooled)", 500, 11.0), an_error("toy", 7, 2.0)])
        assert known.error_pct(on(a_model(), a_chip())) == 11.0

    def test_the_larger_of_the_two_tests_is_quoted(self):
        limited = an_error("(pooled)", 90, 16.0, "slo-limited, leave-one-gpu-out")
        known = a_calibration(errors=[an_error("(pooled)", 500, 11.0), limited])
        assert known.error_pct(on(a_model(), a_chip())) == 16.0

    def test_unknown_where_nothing_was_held_out(self):
        assert a_calibration().error_pct(on(a_model(), a_chip())) is None


def test_a_damaged_calibration_is_a_data_error(tmp_path):
    (tmp_path / "profiles").mkdir()
    for text in ("version = ", 'version = "x"', '[constants.nvidia.dense]\nmfu_16 = "much"'):
        (tmp_path / "profiles" / "estimator.toml").write_text(text)
        with pytest.raises(DataError, match=r"profiles/estimator\.toml"):
            calibration.load(tmp_path)
    with pytest.raises(DataError, match=r"profiles/estimator\.toml"):
        calibration.load(tmp_path / "nowhere")


class TestEffects:
    """What scales the constants: an engine, its year, a shape, a chip."""

    TWICE = Effect(time=2.0, overhead=3.0)

    def test_time_scales_everything_and_overhead_the_fixed_parts_besides(self):
        work = roofline.work_of(a_model(), "bf16", a_chip(), 1)
        # weights 4 ms, arithmetic and cache 56 us, step 1 ms, sequence 100 us
        by_hand = 2 * (4e-3 + 56e-6) + 2 * 3 * (1e-3 + 100e-6)
        assert curve_of(work, HALVES.scaled(self.TWICE)).step_s(1.0) == pytest.approx(by_hand)

    @pytest.mark.parametrize(
        ("of", "name", "applies"),
        [
            ("year", "2025", True),
            ("year", "2024", False),
            ("engine", "vLLM", True),
            ("engine", "SGLang", False),
            ("engine of year", "vLLM 2025", True),
            ("engine of year", "vLLM 2024", False),
            ("accelerator", "toy", True),
            ("accelerator", "h100-sxm-80gb", False),
            ("shape", shape_key(a_model()), True),
        ],
    )
    def test_only_what_is_asked_about_counts(self, of, name, applies):
        known = replace(a_calibration(), effects={("nvidia", "dense", of, name): self.TWICE})
        found = known.constants(on(a_model(), a_chip(), engine=Engine("vLLM")))
        assert found.step_ms == pytest.approx(6.0 if applies else 1.0)

    def test_without_an_engine_none_is_assumed(self):
        known = replace(a_calibration(), effects={("nvidia", "dense", "engine", "vLLM"): self.TWICE})
        assert known.constants(on(a_model(), a_chip())) == HALVES


SHAPE = shape_key(a_model())


class TestIntervals:
    KEY = ("nvidia", "dense")

    def known(self, seen_chips=("toy",), seen_shapes=(SHAPE,)):
        spreads = {
            (*self.KEY, "source", "rate at a load"): Spread(100, 0.8, 1.3, 90.0),
            (*self.KEY, "accelerator", "rate at a load"): Spread(100, 0.7, 1.2, 90.0),
            (*self.KEY, "shape", "rate at a load"): Spread(100, 0.75, 1.6, 90.0),
            (*self.KEY, "source", "rate within a TPOT limit"): Spread(100, 0.5, 2.0, 90.0),
        }
        seen = {self.KEY: Seen(frozenset(seen_chips), frozenset(seen_shapes))}
        return replace(a_calibration(), spreads=spreads, seen=seen)

    def test_the_farther_from_what_was_seen_the_wider(self):
        assert self.known().interval(on(a_model(), a_chip())) == (0.8, 1.3)
        assert self.known(seen_chips=()).interval(on(a_model(), a_chip())) == (0.7, 1.3)
        assert self.known(seen_shapes=()).interval(on(a_model(), a_chip())) == (0.75, 1.6)
        assert self.known((), ()).interval(on(a_model(), a_chip())) == (0.7, 1.6)

    def test_a_rate_within_a_limit_has_its_own(self):
        assert self.known().interval(on(a_model(), a_chip()), within_tpot=True) == (0.5, 2.0)

    def test_nothing_held_out_says_nothing(self):
        with pytest.raises(ValueError, match="no held-out rows"):
            a_calibration().interval(on(a_model(), a_chip()))

    @pytest.mark.parametrize("unseen", UNSEEN)
    def test_nine_in_ten_shipped_held_out_rows_lie_within_what_the_others_say(self, unseen):
        """Counted again from the shipped residuals: each group by the others' ends, stretched as shipped."""
        covered = rows = 0
        for family in ("dense", "moe"):
            groups = held_out_residuals(family, unseen, ASKED[0])
            spread = SHIPPED.spreads["nvidia", family, unseen, ASKED[0]]
            everything = np.concatenate(list(groups.values()))
            stretch = np.log(spread.high) / np.quantile(everything, 0.95)
            for name in groups:
                others = np.concatenate([values for other, values in groups.items() if other != name])
                low, high = np.quantile(others, 0.05) * stretch, np.quantile(others, 0.95) * stretch
                covered += ((groups[name] >= low) & (groups[name] <= high)).sum()
            rows += len(everything)
            assert np.log(spread.low) / np.quantile(everything, 0.05) == pytest.approx(stretch, rel=0.01)
        assert 85.0 <= 100.0 * covered / rows <= 95.0

    @pytest.mark.parametrize("family", ["dense", "moe"])
    @pytest.mark.parametrize("unseen", UNSEEN)
    def test_what_is_shipped_covers_the_rows_it_is_from(self, family, unseen):
        spread = SHIPPED.spreads["nvidia", family, unseen, ASKED[0]]
        found = np.concatenate(list(held_out_residuals(family, unseen, ASKED[0]).values()))
        inside = (np.log(spread.low) <= found) & (found <= np.log(spread.high))
        assert spread.rows == len(found)
        assert 85.0 <= 100.0 * inside.mean() <= 99.0

    def test_the_shipped_residuals_are_those_of_constants_that_had_not_seen_the_rows(self):
        """One chip, fitted again without it."""
        mixtures = [run for run in estimator_runs.read_runs(CATALOGS, FACTS) if run.model.is_moe]
        chip = "rtx-pro-6000-96gb"
        fitted = estimator_fit.fit([run for run in mixtures if run.accelerator.id != chip])
        table = estimator_runs.Table([run for run in mixtures if run.accelerator.id == chip])
        again = np.sort(-np.log(table.rate_ratio(table.constants(fitted))))
        shipped = np.sort(held_out_residuals("moe", "accelerator", ASKED[0])[chip])
        assert again == pytest.approx(shipped, abs=1e-3)


def held_out_residuals(family, unseen, asked):
    """log(measured / estimated) by what was held out."""
    found = (
        duckdb.connect()
        .sql(
            "SELECT held_out, log_measured_over_estimated FROM read_parquet($path)"
            " WHERE vendor = $vendor AND family = $family AND unseen = $unseen AND asked = $asked",
            params={
                "vendor": "nvidia",
                "path": str(RESIDUALS),
                "family": family,
                "unseen": unseen,
                "asked": asked,
            },
        )
        .fetchall()
    )
    groups: dict[str, list[float]] = {}
    for name, value in found:
        groups.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in groups.items()}


class TestSpread:
    def test_alike_groups_need_no_stretch_beyond_their_own_percentiles(self):
        even = np.linspace(-1.0, 1.0, 2001)
        found = estimator_held_out.spread(dict.fromkeys("abcd", even), 90.0)
        assert (found.low, found.high) == (
            pytest.approx(np.exp(-0.9), rel=1e-3),
            pytest.approx(np.exp(0.9), rel=1e-3),
        )
        assert found.covered_pct == pytest.approx(90.0, abs=0.2)

    def test_groups_that_differ_stretch_it_until_enough_are_covered(self):
        groups = {
            name: np.linspace(-0.1, 0.1, 101) + shift
            for name, shift in zip("abc", (-0.1, 0.0, 0.1), strict=True)
        }
        found = estimator_held_out.spread(groups, 90.0)
        assert found.covered_pct >= 90.0
        low, high = np.quantile(np.concatenate(list(groups.values())), (0.05, 0.95))
        assert found.low < np.exp(low)
        assert found.high > np.exp(high)


class TestTheFit:
    RUNS = estimator_runs.read_runs(CATALOGS, FACTS)

    def test_it_finds_the_constants_that_made_the_rows(self):
        truth = SHIPPED.fitted["nvidia", "dense"]
        dense = [run for run in self.RUNS if not run.model.is_moe][::9]
        table = estimator_runs.Table(dense)
        rate, tpot, ttft = table.rate_ratio(truth), table.tpot_ratio(truth), table.ttft_ratio(truth)
        made = [
            replace(
                run,
                requests_per_s=float(run.requests_per_s * rate[i]),
                tpot_ms=run.tpot_ms and float(run.tpot_ms * tpot[i]),
                ttft_ms=run.ttft_ms and float(run.ttft_ms * ttft[i]),
            )
            for i, run in enumerate(dense)
        ]
        found = estimator_fit.fit(made)
        for name in ("mfu_16", "mfu_8", "mbu", "link_share", "allreduce_us_fast", "wait_share"):
            assert getattr(found.constants, name) == pytest.approx(getattr(truth, name), rel=0.05), name
        assert all(abs(effect.time - 1) < 0.02 for effect in found.effects.values())

    @pytest.mark.parametrize("family", ["dense", "moe"])
    def test_the_shipped_constants_are_the_fit_of_the_shipped_measurements(self, family):
        mine = [run for run in self.RUNS if calibration.family_of(run.model) == family]
        again = estimator_fit.fit(mine)
        for name, value in asdict(SHIPPED.fitted["nvidia", family]).items():
            assert getattr(again.constants, name) == pytest.approx(value, rel=0.01), name
        for (of, name), effect in again.effects.items():
            shipped = SHIPPED.effects["nvidia", family, of, name]
            assert (shipped.time, shipped.overhead) == pytest.approx((effect.time, effect.overhead), rel=0.01)

    def test_nothing_flagged_foreign_or_from_mlperf_was_fitted(self):
        assert not any("mlperf" in run.source for run in self.RUNS)
        assert {run.accelerator.vendor for run in self.RUNS} == {"nvidia"}
        assert max(run.tensor_parallel for run in self.RUNS) <= 8

    def test_models_of_one_shape_are_left_out_together(self):
        key = estimator_held_out.KEYS["leave-one-model-out"]
        keys = {run.model.id: key(run) for run in self.RUNS}
        assert keys["Llama-3-8B"] == keys["Llama-3.1-8B"] != keys["Llama-2-7B"]
        assert keys["DeepSeek-R1"] == keys["DeepSeek-V3"]


def test_constants_are_shares_of_what_is_possible():
    for constants in SHIPPED.fitted.values():
        shares = (constants.mfu_16, constants.mfu_8, constants.mfu_4, constants.mbu, constants.link_share)
        assert all(0 < share < 1 for share in shares)


def test_a_catalogs_worth_of_questions_is_quick():
    """12,000 figures; 0.03 s on an idle core, and here a generous limit for a busy one."""
    sizes = [[i, o] for i in np.geomspace(10, 30_000, 10) for o in np.geomspace(10, 2000, 6)]
    started = time.process_time()
    for _ in range(50):
        for tp in (1, 2, 4, 8):
            shipped_rates(("Llama-3.1-8B", "h100-sxm-80gb", tp, 60.0), sizes, 60.0)
    assert time.process_time() - started < 1.0
