"""The estimator's answer for a deployment under each kind of load: identities, limits, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.catalog.facts import load_facts
from advisor.domain import EvidenceKind, Slo
from advisor.profiles import calibration, roofline
from advisor.profiles.engines import Engine
from advisor.profiles.estimate import Deployment, LoadMode, estimate, refusal
from advisor.profiles.evaluate import Evaluation, evaluate
from advisor.profiles.query import ProfileStore
from advisor.profiles.replica import Replica, Shape

FACTS = load_facts()
KNOWN = calibration.load()
H100 = FACTS.accelerators["h100-sxm-80gb"]
EIGHT_B = FACTS.models["Llama-3.1-8B"]
ONE = Deployment(Replica(EIGHT_B, "bf16", H100))

sizes_of = st.lists(st.tuples(st.integers(1, 8000), st.integers(2, 4000)), min_size=1, max_size=5)


def asked(deployment, mode, sizes, load=1.0):
    wanted = np.array(sizes, dtype=float)
    return estimate(deployment, mode, wanted, np.full(len(wanted), float(load)), KNOWN)


def one(deployment, mode, load=1.0, size=(1000, 250)):
    found = asked(deployment, mode, [size], load)
    return {name: getattr(found, name)[0] for name in found.__dataclass_fields__}


class TestAClosedLoop:
    @settings(max_examples=100)
    @given(sizes_of, st.floats(1, 5000))
    def test_littles_law_holds_even_where_memory_makes_requests_wait(self, sizes, in_flight):
        found = asked(ONE, LoadMode.CLOSED_LOOP, sizes, in_flight)
        outputs = np.array([size[1] for size in sizes])
        seconds = (found.ttft_ms + (outputs - 1) * found.tpot_ms) / 1e3
        assert found.requests_per_s * seconds == pytest.approx(in_flight)

    def test_ttft_of_one_request_is_its_own_prefill_and_a_step(self):
        work, constants = ONE.replica.work(), KNOWN.constants(ONE.replica)
        fixed, each = roofline.step_line(work, constants, 1125.0)
        step = roofline.weights_s(work, constants, 1.0) + fixed + each
        by_hand = roofline.prefill_s(work, constants, 1000.0) + step
        assert one(ONE, LoadMode.CLOSED_LOOP)["ttft_ms"] == pytest.approx(float(by_hand) * 1e3)

    def test_more_than_fits_in_memory_waits_and_says_what_limits(self):
        few, many = (one(ONE, LoadMode.CLOSED_LOOP, load, (8000, 1000)) for load in (10, 500))
        assert (few["limited_by"], many["limited_by"]) == ("load", "memory")
        assert many["in_flight"] < 500
        assert many["ttft_ms"] > 5 * few["ttft_ms"]

    def test_replicas_share_the_load(self):
        single, four = (
            one(ONE, LoadMode.CLOSED_LOOP, 16),
            one(replace(ONE, replicas=4), LoadMode.CLOSED_LOOP, 64),
        )
        assert four["requests_per_s"] == pytest.approx(4 * single["requests_per_s"])
        assert four["tpot_ms"] == pytest.approx(single["tpot_ms"])

    def test_fewer_requests_than_replicas_leave_some_idle(self):
        alone, four = one(ONE, LoadMode.CLOSED_LOOP), one(replace(ONE, replicas=4), LoadMode.CLOSED_LOOP, 2)
        assert four["requests_per_s"] == pytest.approx(2 * alone["requests_per_s"])

    def test_a_single_stream_is_one_request_at_a_time(self):
        assert one(replace(ONE, replicas=4), LoadMode.SINGLE) == one(ONE, LoadMode.CLOSED_LOOP, 1)


class TestAnOpenStream:
    @settings(max_examples=100)
    @given(sizes_of, st.floats(0.01, 1e4))
    def test_never_more_is_served_than_offered_nor_the_interval_beyond_it(self, sizes, offered):
        found = asked(ONE, LoadMode.OPEN, sizes, offered)
        assert (found.requests_per_s <= offered * (1 + 1e-12)).all()
        assert (found.low_requests_per_s <= found.requests_per_s).all()
        keeps_up = np.array(found.limited_by) == "offered"
        assert found.high_requests_per_s[keeps_up] == pytest.approx(offered)

    def test_beyond_capacity_the_rate_stays_and_ttft_is_refused(self):
        most, more = one(ONE, LoadMode.OPEN, 100), one(ONE, LoadMode.OPEN, 1000)
        assert most["requests_per_s"] == pytest.approx(more["requests_per_s"])
        assert np.isnan(most["ttft_ms"])
        assert "the queue grows" in most["reasons"]

    def test_everything_at_once_says_why_there_is_no_ttft(self):
        found = one(ONE, LoadMode.OPEN, np.inf)
        assert np.isnan(found["ttft_ms"])
        assert "handed over at once" in found["reasons"]

    def test_ttft_rises_with_the_rate_and_begins_above_a_bare_prefill(self):
        waits = [one(ONE, LoadMode.OPEN, rate)["ttft_ms"] for rate in (0.01, 1, 5, 15)]
        work, constants = ONE.replica.work(), KNOWN.constants(ONE.replica)
        assert waits == sorted(waits)
        assert waits[0] > float(roofline.prefill_s(work, constants, 1000.0)) * 1e3


class TestOtherLoads:
    def test_a_static_batch_reads_all_prompts_and_then_only_writes(self):
        found = one(ONE, LoadMode.STATIC_BATCH, 32, (512, 128))
        seconds = (found["ttft_ms"] + 127 * found["tpot_ms"]) / 1e3
        assert found["requests_per_s"] == pytest.approx(32 / seconds)

    def test_a_saturated_engine_is_as_fast_as_its_largest_closed_loop(self):
        closed = one(ONE, LoadMode.CLOSED_LOOP, 1e6)
        assert one(ONE, LoadMode.SATURATED)["requests_per_s"] == pytest.approx(closed["requests_per_s"])

    def test_within_a_tpot_limit_it_agrees_with_the_planner(self):
        asked = Evaluation(ONE.replica, Slo(tpot_ms=30.0), EvidenceKind.ESTIMATED, (), KNOWN)
        planned = evaluate(asked, [(1000.0, 250.0)])[0].requests_per_s
        assert one(ONE, LoadMode.WITHIN_SLO, 30.0)["requests_per_s"] == pytest.approx(planned)

    def test_the_limit_is_each_replicas_own(self):
        single, eight = (one(replace(ONE, replicas=n), LoadMode.WITHIN_SLO, 30.0) for n in (1, 8))
        assert eight["requests_per_s"] == pytest.approx(8 * single["requests_per_s"])

    def test_a_limit_no_request_meets_has_a_reason_and_no_figure(self):
        found = one(ONE, LoadMode.WITHIN_SLO, 0.5)
        assert np.isnan(found["requests_per_s"])
        assert "longer than the limit" in found["reasons"]

    @pytest.mark.parametrize("mode", list(LoadMode))
    def test_a_request_larger_than_memory_has_a_reason_and_no_figure(self, mode):
        found = one(ONE, mode, 50.0, (600_000, 100))
        assert np.isnan(found["requests_per_s"])
        assert "does not fit" in found["reasons"]

    @pytest.mark.parametrize("mode", list(LoadMode))
    def test_every_rate_lies_in_its_interval(self, mode):
        found = one(ONE, mode, 50.0)
        assert found["low_requests_per_s"] < found["requests_per_s"] <= found["high_requests_per_s"]


class TestEngines:
    def test_an_engine_of_2024_is_slower_than_todays(self):
        today, then = (
            one(Deployment(replace(ONE.replica, engine=Engine("vLLM", era))), LoadMode.CLOSED_LOOP, 32)
            for era in ("2025", "2024")
        )
        assert then["requests_per_s"] < 0.95 * today["requests_per_s"]


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"shape": Shape(16)}, "beyond 8"),
        ({"shape": Shape(3)}, "cannot be split over 3"),
        ({"accelerator": FACTS.accelerators["gaudi3-128gb"]}, "do not transfer"),
        ({"engine": Engine.named("ollama")}, "it runs llama.cpp"),
        ({"model": FACTS.models["Llama-3.1-405B"]}, "GiB short"),
        ({"accelerator": FACTS.accelerators["t4-16gb"]}, "not bf16"),
        ({}, None),
    ],
)
def test_what_cannot_be_estimated_says_why(changes, because):
    found = refusal(replace(ONE.replica, **changes), KNOWN)
    assert (because in found.detail) if because else found is None


def test_the_planner_gets_the_interval_with_every_estimate():
    store = ProfileStore.load()
    chip = FACTS.accelerators["a10g-24gb"]
    for limit, within in ((40.0, True), (None, False)):
        replica = Replica(EIGHT_B, "bf16", chip)
        (found,) = store.throughputs(replica, [(1000, 250)], Slo(tpot_ms=limit))
        low, high = KNOWN.interval(replica, within_tpot=within)
        assert found.kind is EvidenceKind.ESTIMATED
        assert found.low_requests_per_s == pytest.approx(found.requests_per_s * low)
        assert found.high_requests_per_s == pytest.approx(found.requests_per_s * high)
