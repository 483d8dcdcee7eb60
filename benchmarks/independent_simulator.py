"""The step simulator beside simulators that are not ours, on cases that both can express.

    pip install ciw vllm-sr-sim && python -m benchmarks.independent_simulator [--requests 20000]

Ciw (queueing networks) and vllm-sr-sim (the fleet simulator of vLLM's semantic router) get the same arrivals
and the same service as our replica, so that what differs is the simulator, not chance. Ciw's processor
sharing is a replica whose step takes twice as long for twice the batch. vllm-sr-sim frees a place after a
slot's share of the service, so only one place at a time means the same there as here.

Where batching pays (a step of ``a + b·n``) neither has a case; the closed form of the birth and death process
stands there. Reading of prompts beside decoding is in none of them; the tests have a replica that goes step
by step for that.
"""

from __future__ import annotations

import argparse
import math
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from advisor.simulate.replica import Log, ReplicaSpec, ReplicaState
from advisor.simulate.steps import StepTimes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

STEP_S: Final = 0.002
MEAN_TOKENS: Final = 250
WARM_UP_SHARE: Final = 0.1
NO_LIMIT: Final = 10**9


def ours(base_s: tuple[float, ...], arrivals: Floats, tokens: Integers, inputs: int, chunk: int) -> Floats:
    """Seconds from arrival to the last token, of a replica whose prompts cost their steps alone."""
    spec = ReplicaSpec(StepTimes(base_s, 0.0, 0.0, 0.0), NO_LIMIT, len(base_s) - 1, chunk)
    log = Log([inputs] * len(tokens), tokens.tolist())
    replica = ReplicaState(0, 0, spec, log)
    for request, at in enumerate(arrivals.tolist()):
        while replica.due_s <= at:
            replica.advance()
        replica.add(request, at)
    while replica.due_s != math.inf:
        replica.advance()
    return np.array(log.finished_s) - arrivals


def ciw_times(arrivals: Floats, service_s: Floats, servers: int, *, sharing: bool) -> Floats:
    """The same from Ciw: a queue of equal servers, or one that all share."""
    ciw: Any = import_module("ciw")
    gaps = np.diff(arrivals, prepend=0.0).tolist()
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([*gaps, math.inf])],
        service_distributions=[ciw.dists.Sequential(service_s.tolist())],
        number_of_servers=[math.inf if sharing else servers],
    )
    simulation = ciw.Simulation(network, node_class=ciw.PSNode if sharing else ciw.Node)
    simulation.simulate_until_max_customers(len(arrivals), method="Finish")
    rows = sorted(simulation.get_all_records(), key=lambda row: row.arrival_date)
    found: Floats = np.array([row.exit_date - row.arrival_date for row in rows])
    return found


def semantic_router_times(arrivals: Floats, tokens: Integers, inputs: int, chunk: int) -> Floats:
    """The same from vllm-sr-sim with one place; the first token counts as a step of its own there."""
    manual: Any = import_module("fleet_sim.gpu_profiles.manual").ManualProfile
    request: Any = import_module("fleet_sim.core.request").Request
    profile = manual("one place", STEP_S, 0.0, chunk, 16, NO_LIMIT, 1, 1.0, calibration_ctx=65_536)
    instance = import_module("fleet_sim.core.instance").Instance(0, "a", profile, 65_536, max_queue=NO_LIMIT)
    sent = [request(i, at, inputs, int(tokens[i]) - 1) for i, at in enumerate(arrivals.tolist())]
    for one in sent:
        instance.advance_to(one.arrival_time)
        instance.accept(one)
    instance.advance_to(float(arrivals[-1]) + 1e6)
    return np.array([one.end_time - one.arrival_time for one in sent])


def birth_and_death(base_s: tuple[float, ...], rate: float, mean_tokens: float) -> float:
    """Mean seconds in a replica of exponential work whose batch of ``n`` takes ``base_s[n]`` a step.

    The rest wait in order; by Little's law from the stationary numbers of a birth and death process.
    """
    most = len(base_s) - 1
    weight, total, held = 1.0, 1.0, 0.0
    for n in range(1, 40 * most):
        batch = min(n, most)
        weight *= rate * mean_tokens * base_s[batch] / batch
        total, held = total + weight, held + n * weight
    return held / total / rate


def drawn(load: float, rate: float, requests: int, kind: str, seed: int) -> tuple[Floats, Integers]:
    """Poisson arrivals at ``load`` of a rate; tokens geometric, fixed, or few with some long."""
    rng = np.random.default_rng(seed)
    tokens = {
        "geometric": rng.geometric(1 / MEAN_TOKENS, requests),
        "fixed": np.full(requests, MEAN_TOKENS),
        "two sizes": rng.choice([100, 850], requests, p=[0.8, 0.2]),
    }[kind]
    return np.cumsum(rng.exponential(1 / (load * rate), requests)), tokens.astype(np.int64) + 1


def cases(requests: int) -> Iterator[tuple[str, str, Floats | float, Floats]]:
    """(case, whose, theirs, ours): seconds of every request, or their mean."""
    alone = 1 / (STEP_S * MEAN_TOKENS)
    for servers, load, kind in ((1, 0.7, "geometric"), (8, 0.85, "geometric"), (4, 0.8, "two sizes")):
        arrivals, tokens = drawn(load, servers * alone, requests, kind, servers)
        here = ours((STEP_S,) * (servers + 1), arrivals, tokens, 1, NO_LIMIT)
        there = ciw_times(arrivals, tokens * STEP_S, servers, sharing=False)
        yield f"places: {servers}, {kind}, load {load:g}", "Ciw", there, here
    for load, kind in ((0.6, "geometric"), (0.8, "two sizes"), (0.7, "fixed")):
        arrivals, tokens = drawn(load, alone, requests // 4, kind, 20)
        shared = (STEP_S, *(STEP_S * n for n in range(1, 1025)))
        here = ours(shared, arrivals, tokens, 1, NO_LIMIT)
        there = ciw_times(arrivals, tokens * STEP_S, 1, sharing=True)
        yield f"processor sharing, {kind}, load {load:g}", "Ciw", there, here
    for load, inputs in ((0.5, 1), (0.8, 4096)):
        steps = MEAN_TOKENS + (inputs - 1) // 512
        arrivals, tokens = drawn(load, 1 / (STEP_S * steps), requests, "two sizes", 30)
        here = ours((STEP_S, STEP_S), arrivals, tokens, inputs, 512)
        there = semantic_router_times(arrivals, tokens, inputs, 512)
        yield f"places: 1, prompts of {inputs:,} read by 512, load {load:g}", "vllm-sr-sim", there, here
    for most, load in ((16, 0.7), (32, 0.9)):
        base = tuple(STEP_S + 0.1 * STEP_S * n for n in range(most + 1))
        rate = load * most / base[most] / MEAN_TOKENS
        arrivals, tokens = drawn(1.0, rate, 4 * requests, "geometric", most)
        here = ours(base, arrivals, tokens, 1, NO_LIMIT)  # the step that reads a prompt is none of its batch
        there_mean = birth_and_death(base, rate, MEAN_TOKENS)
        yield f"batch to {most}, step a + b·n, load {load:g}", "closed form", there_mean, here


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--requests", type=int, default=20_000)
    given = parser.parse_args()
    print("| case | beside | mean, s | ours | off | p95, s | ours | off |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for case, whose, there, here in cases(given.requests):
        warm = int(WARM_UP_SHARE * len(here))
        pairs = [(float(np.mean(there if isinstance(there, float) else there[warm:])), here[warm:].mean())]
        if not isinstance(there, float):
            pairs.append((float(np.quantile(there[warm:], 0.95)), np.quantile(here[warm:], 0.95)))
        cells = [f"{a:.3f} | {b:.3f} | {100 * (b / a - 1):+.1f} %" for a, b in pairs]
        print(f"| {case} | {whose} | {' | '.join((*cells, '– | – | –')[:2])} |", flush=True)


if __name__ == "__main__":
    main()
