"""The gaps between tokens in a replay: how they are counted, and what a limit on them asks of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulate_builders import STEP_S, a_fleet, a_plan, a_spec, poisson, requests_of, served
from test_simulate_replay import INPUTS

from advisor.plan.demand import LimitLine
from advisor.profiles.latency_metrics import METRICS
from advisor.simulate import Options, prepare, replay_prepared
from advisor.simulate.faults import ReplicaChange
from advisor.simulate.gaps import GapLog, Gaps, Sample

if TYPE_CHECKING:
    from advisor.plan.plan import Plan

SHORT = Options(duration_s=60.0, compare_ideal=False)


def limited(ms: float, statistic: str, rate: float = 8.0) -> Plan:
    """Two replicas whose only limit is one on ITL."""
    plan = a_plan(2, rate, tpot_ms=None)
    line = LimitLine(metric="itl", ms=ms, statistic=statistic)  # type: ignore[arg-type]
    return plan.model_copy(
        update={"services": [plan.services[0].model_copy(update={"further_limits": [line]})]}
    )


@given(
    st.lists(st.tuples(st.floats(0.1, 1e4), st.integers(1, 30)), min_size=1, max_size=20),
    st.floats(0.01, 0.999),
)
def test_a_counted_sample_has_the_quantiles_of_its_values_written_out(
    counted: list[tuple[float, int]], quantile: float
) -> None:
    values, counts = (np.array(column, dtype=np.float64) for column in zip(*sorted(counted), strict=True))
    written_out = np.repeat(values, counts.astype(int))
    sample = Sample(values, counts)
    assert sample.statistics([quantile])[0] == pytest.approx(np.quantile(written_out, quantile))
    assert sample.statistics([None])[0] == pytest.approx(written_out.mean())


def test_nothing_observed_has_no_statistic() -> None:
    assert Sample(np.zeros(0)).statistics([0.5])[0] is None
    assert Gaps([GapLog()], 3).pick(np.ones(3, dtype=np.bool_)).statistics([None])[0] is None


def test_a_prompt_read_beside_it_is_a_longer_gap() -> None:
    outcome = served(a_fleet((a_spec(context_s=0.0), 1)), requests_of([0.0, 0.5], [1, 2000], [200, 2]))
    gaps = Gaps(outcome.gaps, 2).pick(np.array([True, False]))
    assert gaps.total == 199
    assert gaps.statistics([0.5])[0] == pytest.approx(1e3 * STEP_S)
    assert gaps.ms.max() == pytest.approx(1e3 * (STEP_S + 2e-5 * 2000 + 1e-9 * 2000**2))


def test_a_request_whose_replica_is_lost_waits_for_its_next_token() -> None:
    changes = [ReplicaChange(1.005, "lose", (0,)), ReplicaChange(3.0, "start", (0,))]
    spec = a_spec(context_s=0.0, token_s=0.0, pair_s=0.0)
    outcome = served(a_fleet((spec, 1)), requests_of([0.0], 1, 300), changes)
    gaps = Gaps(outcome.gaps, 1).pick(np.array([True]))
    # Its 100th token came at 1.00 s; it begins again at 3 s and has the next at 3.01 s.
    assert gaps.ms.max() == pytest.approx(1e3 * (3.0 + STEP_S - 1.0))
    assert gaps.total == 99 + 1 + 299


def test_every_output_token_after_the_first_has_one_gap() -> None:
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 200, 400)
    spec = a_spec(kv_tokens=2_000)  # so that some are put back
    outcome = served(a_fleet((spec, 3)), requests_of(poisson(3, 20, 400), 300, sizes))
    assert outcome.preempted.sum() > 0
    gaps = Gaps(outcome.gaps, 400)
    assert gaps.pick(np.ones(400, dtype=np.bool_)).total == (sizes - 1).sum()
    assert gaps.pick(sizes == sizes[0]).total == (sizes[sizes == sizes[0]] - 1).sum()


def test_a_request_keeps_a_limit_when_no_more_of_its_own_gaps_break_it_than_may() -> None:
    log = GapLog([8, 2, 1], [0.08, 0.1, 0.01], [0, 0, 3, 1, 2, 3], [1, 0.2])
    gaps = Gaps([log], 3)  # 9 gaps of 10 ms and two of 50; one of 10 and one of 200; none
    assert gaps.within(20, 0.9).tolist() == [True, True, True]  # 1.1 may be longer, that is two; one of two
    assert gaps.within(20, 0.95).tolist() == [False, True, True]
    assert gaps.within(9, 0.95).tolist() == [False, False, True]
    assert gaps.within(105, None).tolist() == [True, True, True]  # means of 17.3, 105
    assert gaps.within(17.2, None).tolist() == [False, False, True]


@pytest.mark.parametrize("statistic", ["mean", "p50", "p99"])
def test_a_limit_on_itl_is_judged_by_a_replay(statistic: str) -> None:
    loose = replay_prepared(prepare(limited(1e4, statistic), INPUTS), SHORT)
    (limit,) = loose.limits
    assert (limit.metric, limit.statistic, limit.holds) == ("itl", statistic, True)
    assert loose.passes
    assert limit.observed_ms == getattr(loose.breakdown.overall.latencies["itl"], statistic)
    tight = replay_prepared(prepare(limited(0.5 * (limit.observed_ms or 0.0), statistic), INPUTS), SHORT)
    assert not tight.limits[0].holds
    assert not tight.passes
    assert tight.bottleneck.what == "decode"


def test_the_mean_gap_is_the_mean_tpot_weighted_by_tokens_and_tails_are_longer() -> None:
    replay = replay_prepared(prepare(a_plan(2, 30.0), INPUTS), SHORT)
    overall = replay.breakdown.overall.latencies
    assert set(overall) == set(METRICS)
    itl, tpot = overall["itl"], overall["tpot"]
    assert itl.mean == pytest.approx(tpot.mean, rel=0.1)
    assert (itl.p99 or 0.0) > (tpot.p99 or 0.0)  # a prompt read meanwhile is one gap, not a mean over many
    assert sum(replay.histograms["itl"].shares) == pytest.approx(1.0)
