"""Many replays: in turn, in processes and on a cluster, always the same bytes."""

from __future__ import annotations

import json
import math

import pytest
from simulate_builders import a_plan

from advisor.simulate.attainment import attained, t_975
from advisor.simulate.options import Options
from advisor.simulate.sweep import Job, in_processes, in_turn, interval, seeds


def a_job() -> Job:
    return Job(a_plan(2, 6.0).model_dump_json().encode(), Options(duration_s=30.0, compare_ideal=False))


def test_a_cluster_gives_the_same_bytes_as_a_serial_run() -> None:
    import distributed

    from advisor.simulate.dask_sweep import on_cluster

    jobs = seeds(a_job(), 4)
    quiet = {"dashboard_address": None, "silence_logs": 50, "processes": True}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, **quiet) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert on_cluster(jobs, client) == in_turn(jobs)


def test_processes_give_the_same_bytes_as_a_serial_run_and_seeds_differ() -> None:
    jobs = seeds(a_job(), 2)
    serial = in_turn(jobs)
    assert in_processes(jobs, 2) == serial
    assert serial[0] != serial[1]
    assert [json.loads(said)["seed"] for said in serial] == [0, 1]


def test_an_interval_over_replications_is_students() -> None:
    # Mean 3, variance (1 + 0 + 1) / 2 = 1, half width 4.303 / sqrt(3).
    mean, low, high = interval([2.0, 3.0, 4.0])
    assert mean == 3
    assert (low, high) == pytest.approx((3 - 4.303 / math.sqrt(3), 3 + 4.303 / math.sqrt(3)))


def test_students_t_falls_to_the_normal() -> None:
    values = [t_975(n) for n in range(1, 40)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == 1.96


def test_misses_in_a_burst_make_a_wider_interval_than_as_many_scattered() -> None:
    import numpy as np

    together = np.ones(10_000, dtype=bool)
    together[5000:5200] = False
    scattered = np.ones(10_000, dtype=bool)
    scattered[::50] = False
    bunched, spread = attained(together), attained(scattered)
    assert bunched.percent == spread.percent == 98
    assert bunched.low_percent < spread.low_percent  # type: ignore[operator]
    assert attained(np.ones(100, dtype=bool)).low_percent == pytest.approx(96.3, abs=0.05), (
        "Wilson, 100 of 100"
    )


def test_an_interval_holds_the_true_share_though_misses_come_in_bursts() -> None:
    """Calm and rush take turns, each as long as chance has it; 95 % of requests are in calm."""
    import numpy as np

    rng = np.random.default_rng(1)
    held = independent = 0
    for _ in range(100):
        lengths = np.stack([rng.geometric(1 / 1900, 60), rng.geometric(1 / 100, 60)], axis=1).ravel()
        begun = int(rng.integers(2000))  # the stream did not begin with the replay
        met = np.repeat(np.tile([True, False], 60), lengths)[begun : begun + 20_000]
        found, shuffled = attained(met), attained(rng.permutation(met))
        held += found.low_percent <= 95 <= found.high_percent  # type: ignore[operator]
        independent += shuffled.low_percent <= 95 <= shuffled.high_percent  # type: ignore[operator]
    assert held >= 90
    assert independent < 40, "as if each request had a fate of its own"
