"""Where requests go: the plan's split, the least loaded of equals, and what is left when some are gone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulate_builders import a_fleet, a_spec, poisson, requests_of, served

from advisor.simulate.faults import ReplicaChange

pytestmark = pytest.mark.fast

SLOW = np.arange(0, 200.0, 2.0)  # 100 arrivals, each long after the last is done


def test_a_stream_is_dealt_in_the_plans_proportions_evenly() -> None:
    outcome = served(a_fleet((a_spec(), 1), (a_spec(), 1)), requests_of(SLOW, 10, 5), weights=(3.0, 1.0))
    assert np.bincount(outcome.replica).tolist() == [75, 25]
    for start in range(0, 100, 4):
        assert np.count_nonzero(outcome.replica[start : start + 4] == 1) == 1, (
            "one of every four, never a run"
        )


@given(st.lists(st.floats(0.05, 1), min_size=2, max_size=4), st.integers(20, 200))
@settings(max_examples=40, deadline=None)
def test_no_group_is_ever_more_than_a_request_from_its_share(weights: list[float], count: int) -> None:
    fleet = a_fleet(*((a_spec(), 1) for _ in weights))
    outcome = served(fleet, requests_of(np.arange(count) * 2.0, 10, 5), weights=tuple(weights))
    for group, weight in enumerate(weights):
        dealt = np.cumsum(outcome.replica == group)
        due = np.arange(1, count + 1) * weight / sum(weights)
        assert np.abs(dealt - due).max() < len(weights)


def test_idle_replicas_take_turns() -> None:
    outcome = served(a_fleet((a_spec(), 4)), requests_of(SLOW, 10, 5))
    assert np.bincount(outcome.replica).tolist() == [25, 25, 25, 25]


def test_of_equal_replicas_the_one_with_fewest_requests_is_chosen() -> None:
    # The first request keeps replica 0 busy for 10 s; those that follow are short and find replica 1 emptier.
    arrivals, outputs = [0.0, *np.arange(1.0, 9.0)], [1000, *[5] * 8]
    outcome = served(a_fleet((a_spec(), 2)), requests_of(arrivals, 10, outputs))
    assert outcome.replica.tolist() == [0, *[1] * 8]


def test_a_request_too_long_for_its_group_goes_where_it_fits_and_one_too_long_for_all_nowhere() -> None:
    small, large = a_spec(kv_tokens=1000), a_spec(kv_tokens=5000)
    outcome = served(
        a_fleet((small, 1), (large, 1)), requests_of([0, 1, 2], [10, 3000, 9000], 5), weights=(1.0, 0.0)
    )
    assert outcome.replica.tolist() == [0, 1, -1]
    assert outcome.unservable.tolist() == [2]
    assert not np.isfinite(outcome.finished_s[2])


def test_a_group_that_is_gone_leaves_its_requests_to_the_others() -> None:
    fleet = a_fleet((a_spec(), 1), (a_spec(), 1))
    outcome = served(fleet, requests_of(SLOW, 10, 5), [ReplicaChange(101.0, "lose", (0,))], (1.0, 0.0))
    assert set(outcome.replica[:51]) == {0}
    assert set(outcome.replica[51:]) == {1}


def test_a_group_that_lost_half_its_replicas_is_owed_half_as_much() -> None:
    fleet = a_fleet((a_spec(), 2), (a_spec(), 1))
    outcome = served(fleet, requests_of(SLOW, 10, 5), [ReplicaChange(0.0, "lose", (0,))], (1.0, 1.0))
    assert np.bincount(outcome.replica, minlength=3).tolist() == [0, 33, 67]


def test_with_nothing_up_requests_wait_for_the_next_start() -> None:
    changes = [ReplicaChange(10.0, "lose", (0,)), ReplicaChange(150.0, "start", (0,))]
    requests = requests_of(SLOW, 10, 5)
    outcome = served(a_fleet((a_spec(), 1)), requests, changes)
    waited = (requests.arrival_s > 10) & (requests.arrival_s < 150)
    assert np.isfinite(outcome.finished_s).all()
    assert (outcome.admitted_s[waited] >= 150).all()


def test_with_nothing_coming_back_requests_are_never_served() -> None:
    outcome = served(a_fleet((a_spec(), 1)), requests_of(SLOW, 10, 5), [ReplicaChange(11.0, "lose", (0,))])
    assert np.count_nonzero(~np.isfinite(outcome.finished_s)) == 94, "those that arrive at 12 s or later"


def test_a_replica_that_drains_finishes_what_it_holds_and_takes_no_more() -> None:
    changes = [ReplicaChange(0.5, "drain", (0,)), ReplicaChange(50.0, "lose", (0,))]
    outcome = served(a_fleet((a_spec(), 2)), requests_of([0.0, 1.0, 2.0], 10, [100, 5, 5]), changes)
    assert outcome.replica.tolist() == [0, 1, 1]
    assert not outcome.retried.any()


def test_the_last_replicas_of_a_service_serve_on_through_a_warning() -> None:
    changes = [ReplicaChange(0.5, "drain", (0, 1)), ReplicaChange(50.0, "lose", (0, 1))]
    outcome = served(a_fleet((a_spec(), 2)), requests_of([1.0, 2.0], 10, 5), changes)
    assert np.isfinite(outcome.finished_s).all()


@given(st.floats(1, 30), st.sampled_from(["lose", "drain"]), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_a_loss_never_loses_or_doubles_a_request(at_s: float, kind: str, seed: int) -> None:
    changes = [
        ReplicaChange(at_s, kind, (0,)),
        ReplicaChange(at_s + 1, "lose", (0,)),
        ReplicaChange(at_s + 5, "start", (0,)),
    ]  # type: ignore[arg-type]
    requests = requests_of(poisson(seed, 20, 400), 300, np.random.default_rng(seed).integers(1, 200, 400))
    outcome = served(a_fleet((a_spec(), 3)), requests, changes)
    assert np.isfinite(outcome.finished_s).all()
    assert (outcome.finished_s > requests.arrival_s).all()
    wasted = outcome.generated.sum() - requests.output_tokens.sum()
    assert wasted >= 0
    assert wasted == 0 or outcome.retried.any(), "only a retry generates a token twice"


def test_faster_replicas_never_raise_a_mean_wait() -> None:
    requests = requests_of(poisson(2, 40, 3000), 300, 100)
    waits = []
    for speed in (1.0, 0.8, 0.5):
        outcome = served(a_fleet((a_spec(base_s=(0.01 * speed,) * 33), 2)), requests)
        waits.append(float((outcome.finished_s - requests.arrival_s).mean()))
    assert waits == sorted(waits, reverse=True)
    assert waits[0] == pytest.approx(max(waits))
