"""A replica configured as a plain server waits as queueing theory says.

Waiting time is from arrival to admission. Arrivals join at step boundaries, which adds at most one step of
10 ms to a wait; theory is therefore asked to lie between the interval's ends less one step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from simulate_builders import STEP_S, a_fleet, a_server, poisson, requests_of, served

from advisor.simulate.sweep import interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

REPLICATIONS, REQUESTS, WARM_UP = 8, 5000, 1000


def waits(
    servers: int, rate: float, tokens: Callable[[np.random.Generator], NDArray[np.int64]]
) -> list[float]:
    """Mean wait in seconds of each of several independent replications."""
    means = []
    for seed in range(REPLICATIONS):
        outputs = tokens(np.random.default_rng([seed, 7]))
        requests = requests_of(poisson(seed, rate, REQUESTS), 1, outputs)
        outcome = served(a_fleet((a_server(servers), 1)), requests)
        means.append(float((outcome.admitted_s - requests.arrival_s)[WARM_UP:].mean()))
    return means


def assert_agrees(theory_s: float, seen: list[float]) -> None:
    _, low, high = interval(seen)
    assert low - STEP_S <= theory_s <= high
    assert high - low < theory_s, "an interval as wide as the value tests nothing"


def erlang_c(servers: int, offered: float) -> float:
    """Chance that an arrival waits in M/M/k."""
    terms = [offered**n / math.factorial(n) for n in range(servers)]
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (sum(terms) + last)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.6), (3, 0.8), (8, 0.85)])
def test_m_m_k_waits_as_erlang_says(servers: int, load: float) -> None:
    service_s = 0.5  # 50 tokens of 10 ms on average, geometric: as near to exponential as whole tokens come
    rate = load * servers / service_s
    theory = erlang_c(servers, load * servers) / (servers / service_s - rate)
    assert_agrees(theory, waits(servers, rate, lambda rng: rng.geometric(STEP_S / service_s, REQUESTS)))


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_m_d_1_waits_half_as_long_as_m_m_1(load: float) -> None:
    service_s = 0.5
    theory = load * service_s / (2 * (1 - load))
    assert_agrees(theory, waits(1, load / service_s, lambda _: np.full(REQUESTS, 50)))


def test_m_g_1_waits_as_pollaczek_and_khinchine_say() -> None:
    sizes, chances = np.array([10, 200]), np.array([0.8, 0.2])
    mean_s, square = float(chances @ sizes) * STEP_S, float(chances @ sizes**2) * STEP_S**2
    rate = 0.7 / mean_s
    theory = rate * square / (2 * (1 - 0.7))
    assert_agrees(theory, waits(1, rate, lambda rng: rng.choice(sizes, REQUESTS, p=chances)))


def test_joining_the_shortest_of_equal_queues_beats_drawing_lots_and_loses_to_one_queue() -> None:
    """M/M/2 is the lower bound of two queues that are joined where they are shortest, M/M/1 the upper."""
    service_s, load = 0.5, 0.8
    means = []
    for seed in range(REPLICATIONS):
        outputs = np.random.default_rng([seed, 9]).geometric(STEP_S / service_s, REQUESTS)
        requests = requests_of(poisson(seed, 2 * load / service_s, REQUESTS), 1, outputs)
        outcome = served(a_fleet((a_server(1), 2)), requests)
        means.append(float((outcome.admitted_s - requests.arrival_s)[WARM_UP:].mean()))
    _, low, high = interval(means)
    one_queue = erlang_c(2, 2 * load) / (2 / service_s - 2 * load / service_s)
    by_lot = load * service_s / (1 - load)
    assert high > one_queue
    assert low < 0.75 * by_lot
