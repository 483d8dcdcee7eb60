"""Which serving engines an estimate is of, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from advisor.catalog.facts import load_facts
from advisor.profiles import calibration
from advisor.profiles.engines import OLD, Engine
from advisor.profiles.estimate import Deployment, LoadMode, caution, estimate, refusal
from advisor.profiles.replica import ONE_CHIP, Replica
from catalogs.build import estimator_engines, estimator_runs

pytestmark = pytest.mark.fast

CATALOGS = Path(__file__).resolve().parents[2] / "catalogs"
FACTS = load_facts()
KNOWN = calibration.load()
ONE = Replica(
    FACTS.models["Llama-3-8B"], "fp16", FACTS.accelerators["a100-sxm-40gb"], ONE_CHIP, Engine("vLLM", OLD)
)


def on(engine):
    return replace(ONE, engine=Engine.named(engine, date="2024"))


def rates(replica):
    found = estimate(
        Deployment(replica), LoadMode.CLOSED_LOOP, np.array([[512, 512]]), np.array([16.0]), KNOWN
    )
    return found.low_requests_per_s[0], found.requests_per_s[0], found.high_requests_per_s[0]


@pytest.mark.parametrize("engine", ["llama.cpp", "Ollama 0.5", "deepsparse v1.5.2", "transformers"])
def test_an_engine_the_constants_do_not_fit_is_refused_by_name(engine):
    assert refusal(on(engine), KNOWN).detail.startswith(f"engine {engine}: not one")


@pytest.mark.parametrize("engine", [None, "vLLM", "SGLang", "TensorRT-LLM", "TGI", "TensorRT 10.11"])
def test_of_an_engine_behind_the_constants_nothing_has_to_be_said(engine):
    assert Engine.named(engine).refusal is None
    assert Engine.named(engine).caution == ""


def test_an_engine_nobody_measured_is_estimated_and_the_answer_says_so():
    other = on("LMDeploy 0.9")
    assert refusal(other, KNOWN) is None
    assert "no run of it is behind the constants" in caution(other, KNOWN)


def test_deepspeed_mii_is_slower_and_less_certain_by_a_factor_of_its_own():
    low, rate, high = rates(ONE)
    its_low, its_rate, its_high = rates(on("Deepspeed-MII"))
    assert its_rate < 0.8 * rate
    assert its_high / its_low > high / low


def test_nine_in_ten_runs_of_a_model_of_deepspeed_mii_lie_in_the_interval_that_the_others_say():
    named = frozenset({estimator_engines.ENGINE})
    dense = [run for run in estimator_runs.read_runs(CATALOGS, FACTS, engines=named) if not run.model.is_moe]
    effects = {key[2:]: effect for key, effect in KNOWN.effects.items() if key[:2] == ("nvidia", "dense")}
    del effects["engine", estimator_engines.ENGINE]
    fitted = estimator_runs.Fitted(KNOWN.fitted["nvidia", "dense"], effects)
    effect, spread = estimator_engines.factor(dense, fitted)
    shipped = KNOWN.spreads["nvidia", "dense", "engine Deepspeed-MII", "rate at a load"]
    assert effect.time == pytest.approx(
        KNOWN.effects["nvidia", "dense", "engine", "Deepspeed-MII"].time, rel=0.01
    )
    assert (shipped.low, shipped.high) == pytest.approx((spread.low, spread.high), rel=0.01)
    assert 85 <= spread.covered_pct <= 95
