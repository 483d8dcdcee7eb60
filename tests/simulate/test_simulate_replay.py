"""Whole plans: verdicts, more capacity, losses, headroom, and the same bytes from the same seed."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from simulate_builders import Profiles, a_plan, a_profile

from advisor.catalog.facts import load_facts
from advisor.domain import Market
from advisor.errors import UnknownName, UsageError
from advisor.plan.plan import OriginRate, TrafficLine
from advisor.profiles.evidence import SizePoints
from advisor.profiles.scheduler import Scheduler
from advisor.simulate import (
    Options,
    ReplayInputs,
    headroom_needed,
    prepare,
    replay,
    replay_prepared,
)
from advisor.simulate.document import document, document_bytes
from advisor.simulate.faults import band_upper, without
from advisor.simulate.opening import open_traces
from advisor.simulate.options import parse_arrivals, parse_rate
from advisor.simulate.replaying import serve
from advisor.workload.trace import Trace

if TYPE_CHECKING:
    from advisor.simulate import PreparedReplay, Replay

INPUTS = ReplayInputs(load_facts(), Profiles(a_profile()))  # type: ignore[arg-type]
SHORT = Options(duration_s=120.0, compare_ideal=False)


@cache
def prepared(
    replicas: int, rate: float, tpot_ms: float | None = 40.0, ttft_ms: float | None = None
) -> PreparedReplay:
    return prepare(a_plan(replicas, rate, tpot_ms, ttft_ms), INPUTS)


def within(found: Replay) -> float:
    percent = found.breakdown.overall.attained.percent
    assert percent is not None
    return percent


def test_a_fleet_with_room_passes_and_one_without_fails_and_says_by_how_much() -> None:
    asked = replace(SHORT, attain_percent=99.5)
    roomy, tight = (replay_prepared(prepared(2, rate), asked) for rate in (8.0, 60.0))
    assert roomy.passes
    assert roomy.misses_by_percent == 0
    assert not tight.passes
    assert tight.misses_by_percent == pytest.approx(99.5 - within(tight))
    assert tight.bottleneck.what == "decode"


def test_a_fleet_that_does_not_keep_up_fails_even_without_a_limit_it_breaks() -> None:
    drowned = replay_prepared(prepared(1, 60.0, None, None), SHORT)
    assert within(drowned) == 100
    assert drowned.queue.grows
    assert not drowned.passes


def test_more_replicas_never_lower_attainment() -> None:
    """With the same requests; a statement about the mean over seeds, since the router may deal otherwise."""
    shorter = replace(SHORT, duration_s=60.0)
    means = [
        np.mean([within(replay_prepared(prepared(n, 50.0), replace(shorter, seed=s))) for s in range(3)])
        for n in (1, 2, 3)
    ]
    assert means[0] < 99 < means[-1], "neither end is trivial"
    assert all(b >= a - 0.2 for a, b in pairwise(means)), means


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones() -> None:
    first, again = (document_bytes(replay_prepared(prepared(2, 20.0), SHORT)) for _ in range(2))
    assert first == again
    assert first != document_bytes(replay_prepared(prepared(2, 20.0), replace(SHORT, seed=1)))


def test_a_trace_is_replayed_as_it_is() -> None:
    trace = Trace([100, 2000, 100], [10, 20, 0], [0.0, 0.5, 4.0])
    found = serve(prepared(2, 20.0), Options(traces={"chat": trace}))
    assert found.demand.requests.arrival_s.tolist() == [0.0, 0.5, 4.0]
    assert found.demand.requests.input_tokens.tolist() == [100, 2000, 100]
    assert found.demand.requests.output_tokens.tolist() == [10, 20, 1], "no output counts as one token"
    assert found.demand.arrivals == ("trace",)


def test_the_document_has_what_scripts_rely_on() -> None:
    options = replace(SHORT, compare_ideal=True)
    found = document(replay_prepared(prepared(2, 20.0), options), headroom_needed(prepared(2, 20.0), SHORT))
    named = {"requests", "completed", "attainment", "ttft_ms", "tpot_ms", "e2e_ms", "utilisation", "verdict",
             "headroom_needed", "evidence"}  # fmt: skip
    assert named <= set(found)
    assert {"overall", "per_service", "per_bucket"} <= set(found["attainment"])
    assert {"p50", "p90", "p99"} <= set(found["tpot_ms"])
    assert found["verdict"] in ("pass", "fail")
    assert found["routing"]["ideal_knowledge"]["percent"] is not None
    json.dumps(found, allow_nan=False)


def test_slices_add_up_to_all_requests() -> None:
    found = replay_prepared(prepared(2, 20.0), SHORT)
    for parts in (found.breakdown.per_service, found.breakdown.per_bucket, found.breakdown.per_region,
                  found.breakdown.per_accelerator):  # fmt: skip
        assert sum(part.attained.requests for part in parts) == found.requests


def test_half_a_fleet_of_equals_gets_half_the_requests() -> None:
    found = serve(prepared(2, 20.0), SHORT)
    counts = np.bincount(found.outcome.replica, minlength=2)
    assert abs(int(counts[0]) - int(counts[1])) <= 2 * 2, "two buckets, each dealt evenly"


@pytest.mark.parametrize("number", [0, 1])
def test_without_any_one_instance_a_tight_plan_fails(number: int) -> None:
    tight = prepared(2, 30.0)
    options = replace(SHORT, attain_percent=99.0)
    whole = serve(tight, options)
    less = serve(tight, options, whole.demand, without(tight.fleet, number))
    assert whole.latencies.met.mean() > 0.99
    assert less.latencies.met.mean() < 0.9
    assert np.isfinite(less.outcome.finished_s).all(), "the other instance serves everything, late"


def test_a_lost_instance_sends_its_requests_elsewhere_and_loses_none() -> None:
    found = replay_prepared(prepared(2, 20.0), replace(SHORT, lose="instance", start_up_s=30.0))
    after = found.aftermath
    assert after is not None
    assert found.completed == found.requests
    assert after.retried > 0
    assert (after.at_s, after.back_at_s) == (40.0, 70.0)
    assert after.capacity_kept == pytest.approx(0.5)
    assert after.fallback_usd_per_hour == Decimal(4)


def test_a_lost_region_is_not_replaced_and_a_fleet_in_one_region_serves_nobody_after() -> None:
    one = replay_prepared(prepared(1, 10.0), replace(SHORT, lose="region:us-east-1"))
    assert one.aftermath is not None
    assert one.aftermath.after.requests == 0
    assert one.aftermath.meanwhile.percent == 0
    assert one.completed < one.requests
    assert one.aftermath.never_served == one.requests - one.completed
    two = replay_prepared(prepared(2, 10.0), replace(SHORT, lose="region:aws:us-east-1"))
    assert two.completed == two.requests


def test_a_lost_zone_takes_only_what_stands_in_it() -> None:
    found = replay_prepared(prepared(4, 20.0), replace(SHORT, lose="zone:use1-az1"))
    assert found.aftermath is not None
    assert found.aftermath.capacity_kept == pytest.approx(0.5)
    assert "2 instances name no zone" in found.notes[0]


def test_a_reclaimed_spot_pool_drains_during_its_warning() -> None:
    found = replay_prepared(
        prepared(2, 10.0), replace(SHORT, duration_s=600.0, lose="spot", start_up_s=180.0)
    )
    after = found.aftermath
    assert after is not None
    assert after.warning_s == 120.0, "EC2 gives two minutes"
    assert after.at_s == 200.0 + 120.0
    assert after.back_at_s == 200.0 + 180.0
    assert after.retried == 0, "two minutes are enough to finish what runs"


def test_a_replacement_that_stands_ready_when_the_warning_ends_takes_over_at_once() -> None:
    found = replay_prepared(prepared(2, 10.0), replace(SHORT, duration_s=600.0, lose="spot", start_up_s=60.0))
    after = found.aftermath
    assert after is not None
    assert after.back_at_s == after.at_s == 200.0 + 120.0
    arrivals = serve(prepared(2, 10.0), replace(SHORT, duration_s=600.0)).demand.requests.arrival_s
    assert after.before.requests == (arrivals < 200.0).sum(), "the warning already takes the replica away"
    assert after.meanwhile.requests == ((arrivals >= 200.0) & (arrivals < 320.0)).sum()


def test_a_failure_is_certain_as_soon_as_one_service_clearly_fails() -> None:
    plan = two_services()
    slow = [plan.services[0], plan.services[1].model_copy(update={"tpot_ms": 9.0})]
    found = replay(plan.model_copy(update={"services": slow}), INPUTS, SHORT)
    chat, code = (part.attained for part in found.breakdown.per_service)
    assert code.high_percent is not None
    assert code.high_percent < 99.5
    assert chat.percent is not None
    assert found.certain


def test_planned_utilisation_is_that_of_all_replicas_of_a_kind() -> None:
    plan = two_services()
    used = [0.2, 0.4, 0.6, 0.4]
    parts = [
        part.model_copy(update={"utilization": u}) for part, u in zip(plan.allocations, used, strict=True)
    ]
    found = document(replay(plan.model_copy(update={"allocations": parts}), INPUTS, SHORT))
    assert found["utilisation"]["planned"] == {"h100-sxm-80gb": pytest.approx(0.4)}
    assert {group["service"] for group in found["evidence"]["groups"]} == {"chat", "code"}


def test_what_cannot_be_lost_is_said() -> None:
    fixed = a_plan(2)
    lines = [line.model_copy(update={"market": Market.ON_DEMAND}) for line in fixed.purchase]
    shares = [part.model_copy(update={"market": Market.ON_DEMAND}) for part in fixed.allocations]
    no_spot = fixed.model_copy(update={"purchase": lines, "allocations": shares})
    with pytest.raises(UsageError, match="no spot"):
        replay(no_spot, INPUTS, replace(SHORT, lose="spot"))
    with pytest.raises(UnknownName, match="use1-az1"):
        replay_prepared(prepared(2, 20.0), replace(SHORT, lose="zone:use1-az9"))
    with pytest.raises(UsageError, match="no fleet"):
        replay(fixed.model_copy(update={"allocations": []}), INPUTS)


@pytest.mark.parametrize(
    ("band", "share"), [("<5%", 0.05), ("5-10%", 0.1), (">20%", 0.2), ("often", None), (None, None)]
)
def test_the_upper_end_of_an_interruption_band_counts(band: str | None, share: float | None) -> None:
    assert band_upper(band) == share


def test_spot_comes_and_goes_as_it_was_probed() -> None:
    found = replay_prepared(
        prepared(2, 5.0), replace(SHORT, duration_s=40_000.0, rate=((0.0, 0.05),), lose="spot:trace")
    )
    assert found.aftermath is not None
    assert "2022" in found.aftermath.detail
    assert found.completed == found.requests, "the on-demand half takes over"


def test_the_headroom_found_is_about_the_rate_at_which_the_fleet_still_passes() -> None:
    failing, asked = prepared(2, 45.0), replace(SHORT, attain_percent=99.5)
    found = headroom_needed(failing, asked)
    assert found.headroom is not None
    assert found.rate_scale < 1
    assert found.headroom == pytest.approx(1 - found.rate_scale * 0.5)
    assert replay_prepared(failing, replace(asked, scale=found.rate_scale)).passes
    assert not replay_prepared(failing, replace(asked, scale=found.rate_scale * 1.1)).passes


def test_no_headroom_helps_a_limit_below_a_single_step() -> None:
    assert headroom_needed(prepared(2, 8.0, 5.0), SHORT).headroom is None


@pytest.mark.parametrize("text", ["", "gamma", "gamma:0", "gamma:-1", "gamma:nan", "bursty"])
def test_arrivals_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--arrivals"):
        parse_arrivals(text)


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "nan", "5=3", "0=1,0=2", "0=1,10", "1e99"])
def test_rates_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--rate"):
        parse_rate(text)


def test_rates_may_change_over_time() -> None:
    assert parse_rate("20") == ((0.0, 20.0),)
    assert parse_rate("0=10,900=30.5") == ((0.0, 10.0), (900.0, 30.5))


def two_services() -> Any:
    """Chat and code on both lines; users of code in two places, each served from a line of its own."""
    plan = a_plan(4, 20.0)
    chat = plan.services[0]
    users = [
        {"at": f"aws:{region}", "share": 0.5, "served_from": []} for region in ("us-east-1", "us-west-2")
    ]
    code = type(chat).model_validate(chat.model_dump() | {"name": "code", "users": users})
    parts = []
    for place, part in enumerate(plan.allocations):
        loads = [
            load.model_copy(update={"origins": [OriginRate(origin=users[place]["at"], requests_per_s=1.0)]})
            for load in part.load
        ]
        parts += [
            part.model_copy(update={"replicas": 1}),
            part.model_copy(update={"replicas": 1, "service": "code", "load": loads}),
        ]
    return plan.model_copy(update={"services": [chat, code], "allocations": parts})


def test_services_keep_to_their_own_replicas_and_users_to_the_places_planned_for_them() -> None:
    plan = two_services()
    ready = prepare(plan, INPUTS)
    found = serve(ready, SHORT)
    service = np.array([group.service for group in ready.fleet.groups])
    assert (service[found.latencies.group] == found.demand.requests.service).all()
    code = found.demand.requests.service == 1
    region = np.array([group.region for group in ready.fleet.groups])[found.latencies.group]
    wanted = np.array(["us-east-1", "us-west-2"])[found.demand.requests.origin]
    assert (region[code] == wanted[code]).all()
    slices = {
        part.name: part.attained.requests for part in replay_prepared(ready, SHORT).breakdown.per_service
    }
    assert set(slices) == {"chat", "code"}
    assert slices["chat"] == pytest.approx(slices["code"], rel=0.1)


def test_a_trace_of_several_services_must_say_whose_it_is() -> None:
    with pytest.raises(UsageError, match="SERVICE=FILE"):
        open_traces(two_services(), ["azure-2023-conv"])
    assert set(open_traces(two_services(), ["code=azure-2023-code"])) == {"code"}


def test_hidden_reasoning_lengthens_answers_and_cached_prompts_come_sooner() -> None:
    plan = a_plan(2, 8.0)
    plain = serve(prepare(plan, INPUTS), SHORT)
    traffic = TrafficLine(prefix_cache_hit_rate=0.5, reasoning_tokens=100)
    changed = plan.model_copy(update={"services": [plan.services[0].model_copy(update={"traffic": traffic})]})
    other = serve(prepare(changed, INPUTS), SHORT)
    longer = other.demand.requests.output_tokens - plain.demand.requests.output_tokens
    assert (longer == 100).all()
    assert other.latencies.of("ttft").ms.mean() < plain.latencies.of("ttft").ms.mean()


def test_two_replicas_of_degree_two_share_an_instance_of_four() -> None:
    plan = a_plan(2, 8.0)
    line = plan.purchase[0].model_copy(update={"accelerators_per_instance": 4, "instances": 1})
    part = plan.allocations[0].model_copy(update={"replicas": 2, "tensor_parallel": 2})
    fleet = prepare(plan.model_copy(update={"purchase": [line], "allocations": [part]}), INPUTS).fleet
    assert [instance.replicas for instance in fleet.instances] == [(0, 1)]


def test_a_batch_that_no_load_point_is_of_is_said_and_a_cap_keeps_from_it() -> None:
    few = replace(a_profile(), sizes=tuple(_up_to(size, 4) for size in a_profile().sizes))
    inputs = ReplayInputs(INPUTS.facts, Profiles(few))  # type: ignore[arg-type]
    plan = a_plan(1, 8.0)
    free = replay(plan, inputs, SHORT)
    capped = replay(plan, replace(inputs, scheduler=Scheduler(max_num_seqs=4)), SHORT)
    assert any("load points end at 4" in note for note in free.notes)
    assert not any("load points end" in note for note in capped.notes)
    waited = [found.breakdown.overall.latencies["ttft"].mean for found in (free, capped)]
    assert waited[0] is not None
    assert waited[1] is not None
    assert waited[0] < waited[1]


def _up_to(size: SizePoints, load: float) -> SizePoints:
    kept = size.concurrency <= load
    return SizePoints(
        size.input_tokens, size.output_tokens, size.tpot_ms[kept], size.ttft_ms[kept],
        size.requests_per_s[kept], size.concurrency[kept],
    )  # fmt: skip


def test_prefix_hits_save_nothing_where_the_engine_keeps_no_prefixes() -> None:
    plan = a_plan(1, 8.0)
    hits = plan.services[0].model_copy(update={"traffic": TrafficLine(prefix_cache_hit_rate=0.9)})
    plan = plan.model_copy(update={"services": [hits]})
    off = replace(INPUTS, scheduler=Scheduler(prefix_caching=False))
    with_hits, without = (replay(plan, inputs, SHORT).histograms["ttft"] for inputs in (INPUTS, off))
    assert with_hits != without
