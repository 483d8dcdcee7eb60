"""AMD's constants: NVIDIA's, slowed by what AMD's runs say, with an interval of their own."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from advisor.catalog.facts import load_facts
from advisor.domain import Slo
from advisor.profiles import calibration
from advisor.profiles.calibration import ASKED, UNSEEN, family_of
from advisor.profiles.engines import Engine
from advisor.profiles.estimate import Deployment, LoadMode, caution, estimate, refusal
from advisor.profiles.query import ProfileStore
from advisor.profiles.replica import Replica
from catalogs.build import estimator_amd
from catalogs.build.estimator_amd import EARLY, TODAY
from catalogs.build.estimator_runs import Table

CATALOGS = Path(__file__).resolve().parents[2] / "catalogs"
FACTS = load_facts()
KNOWN = calibration.load()
BASES = {family: KNOWN.fitted["nvidia", family] for family in ("dense", "moe")}
MI300X, H100 = (FACTS.accelerators[chip] for chip in ("mi300x-192gb", "h100-sxm-80gb"))
EIGHT_B = FACTS.models["Llama-3.1-8B"]
THEN = Engine("vLLM", "2024")


@pytest.fixture(scope="module")
def runs():
    return estimator_amd.read_amd_runs(CATALOGS, FACTS, BASES)


def of_kind(runs, vendor, family):
    early = [run for run in runs if estimator_amd.is_early(run)]
    today = [run for run in runs if run not in early and family_of(run.model) == family]
    return early if vendor == EARLY else today


def on(chip, **changes):
    return replace(Replica(EIGHT_B, "fp8", chip, engine=Engine("vLLM")), **changes)


def at(replica, concurrency=32.0):
    return estimate(
        Deployment(replica), LoadMode.CLOSED_LOOP, np.array([[1000, 250]]), np.array([concurrency]), KNOWN
    )


@pytest.mark.parametrize("family", ["dense", "moe"])
@pytest.mark.parametrize("vendor", [TODAY, EARLY])
def test_the_shipped_constants_are_nvidias_slowed_by_the_shipped_runs(runs, vendor, family):
    slower = estimator_amd.slowed(of_kind(runs, vendor, family), BASES).of(BASES[family])
    for name, value in asdict(KNOWN.fitted[vendor, family]).items():
        assert getattr(slower, name) == pytest.approx(value, rel=0.01), name


@pytest.mark.parametrize("family", ["dense", "moe"])
def test_nine_in_ten_held_out_rows_lie_in_the_interval_that_the_others_say(runs, family):
    parts = estimator_amd.parts_of(of_kind(runs, TODAY, family), BASES)
    nvidia = {key[2:]: spread for key, spread in KNOWN.spreads.items() if key[:2] == ("nvidia", family)}
    for key, spread in estimator_amd.spreads(parts, nvidia, family).items():
        shipped = KNOWN.spreads[(TODAY, family, *key)]
        assert (shipped.low, shipped.high) == pytest.approx((spread.low, spread.high), rel=0.01)
        assert 85 <= shipped.covered_pct <= 95


def test_the_shipped_intervals_hold_the_rows_of_mixtures_of_2024_too(runs):
    mixtures = [run for run in of_kind(runs, EARLY, "moe") if run.model.is_moe]
    low, high = KNOWN.interval(on(MI300X, model=mixtures[0].model, precision="fp16", engine=THEN))
    found = 1 / Table(mixtures).rate_ratio(KNOWN.fitted[EARLY, "moe"])
    assert np.mean((low <= found) & (found <= high)) >= 0.85


@pytest.mark.parametrize("unseen", UNSEEN)
def test_mixtures_are_less_certain_than_dense_models_and_limits_than_loads(unseen):
    def width(family, asked):
        spread = KNOWN.spreads[TODAY, family, unseen, asked]
        return spread.high / spread.low

    load, limit = ASKED
    assert width("moe", load) > width("dense", limit) > width("dense", load)


def test_mixtures_within_a_tpot_limit_are_refused_since_no_interval_holds():
    mixture = on(MI300X, model=FACTS.models["Mixtral-8x7B"])
    assert refusal(mixture, KNOWN) is None
    assert "no interval" in refusal(mixture, KNOWN, within_tpot=True).detail
    (found,) = ProfileStore.load().throughputs(mixture, [(1000, 250)], Slo(tpot_ms=50.0))
    assert "no interval" in found.detail


def test_an_answer_says_that_it_is_amds_wider_interval_and_why():
    said = caution(on(MI300X), KNOWN)
    assert said.startswith("interval of AMD, wider than NVIDIA's: ")
    assert "runs, chips 3, shapes of models 3, are behind it" in said
    assert caution(on(H100), KNOWN) == ""
    width = {
        chip.id: at(on(chip)).high_requests_per_s / at(on(chip)).low_requests_per_s for chip in (MI300X, H100)
    }
    assert width["mi300x-192gb"] > width["h100-sxm-80gb"]


def test_sixteen_bit_engines_of_2024_have_constants_of_their_own():
    today, then = (
        at(on(MI300X, precision="fp16", engine=engine)).requests_per_s for engine in (Engine("vLLM"), THEN)
    )
    assert then < 0.6 * today
    assert at(on(MI300X, engine=THEN)).requests_per_s == at(on(MI300X)).requests_per_s  # 8 bits: the same
    assert "AMD 2024 16-bit" in caution(on(MI300X, precision="fp16", engine=THEN), KNOWN)


def test_a_whole_submission_is_fitted_as_one_of_its_replicas(runs):
    submitted = [run for run in runs if run.source.startswith("mlperf")]
    assert submitted
    assert {run.tensor_parallel for run in submitted} <= {1, 2, 4, 8}
    assert all(run.batch is None for run in submitted)


def test_no_run_counts_a_die_as_a_chip(runs):
    assert {run.accelerator.family for run in runs} == {"CDNA3", "CDNA4"}


def test_few_groups_make_an_interval_as_wide_up_as_down():
    groups = {"a": np.full(10, -0.3), "b": np.full(10, 0.1), "c": np.full(10, -0.1)}
    found = estimator_amd.spread_either_way(groups)
    assert found.low == pytest.approx(1 / found.high)
    assert found.low <= np.exp(-0.3)
    assert found.covered_pct == 100.0
