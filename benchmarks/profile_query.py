"""Times questions to the profile store: one replica, and the whole candidate matrix of a plan.

Run from a checkout: ``python -m benchmarks.profile_query``. Every figure is CPU time of this process, the
best of several rounds: what the work takes when nothing else runs.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from advisor.catalog.facts import load_facts
from advisor.domain import LatencyLimit, Slo, SloStatistic, Throughput, Traffic
from advisor.profiles.engines import Engine
from advisor.profiles.query import ProfileStore
from advisor.profiles.replica import ONE_CHIP, Replica, Shape
from advisor.workload.buckets import DEFAULT_INPUT_EDGES, DEFAULT_OUTPUT_EDGES

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = "Llama-3.1-8B"
VLLM = Engine("vLLM")
CHIPS = 50
DEGREES = (1, 2, 4, 8)
SIZES = [(float(i), float(o)) for i in DEFAULT_INPUT_EDGES for o in DEFAULT_OUTPUT_EDGES]
SLOS = {
    "TPOT": Slo(80),
    "TPOT, TTFT": Slo(80, 1000),
    "TPOT, p99 TTFT": Slo(80, further=(LatencyLimit("ttft", 2000, SloStatistic("p99")),)),
    "TPOT, TTFT, E2E": Slo(80, 2000, e2e_ms=60_000),
}
TRAFFIC = {"plain": Traffic(), "half cached, reasoning": Traffic(0.5, 200)}


def cpu_s(work: Callable[[], object], rounds: int) -> float:
    """CPU seconds, the best of so many rounds."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def main() -> None:
    """Print the tables."""
    facts = load_facts()
    model, chips = facts.models[MODEL], list(facts.accelerators.values())[:CHIPS]
    store = ProfileStore.load()
    started = time.process_time()
    store.profiles(model)
    print(f"reading {MODEL} and its shape: {time.process_time() - started:.3f} s once\n")
    print(
        "| limits | traffic | one size, simulated | estimated | 60 sizes, simulated | estimated | matrix, s |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for words, slo in SLOS.items():
        for kind, traffic in TRAFFIC.items():

            def ask(
                chip: str, sizes: list[tuple[float, float]], slo: Slo = slo, t: Traffic = traffic
            ) -> object:
                one = Replica(model, "bf16", facts.accelerators[chip], ONE_CHIP, VLLM, traffic=t)
                return store.throughputs(one, sizes, slo)

            def matrix(slo: Slo = slo, t: Traffic = traffic) -> int:
                fresh = ProfileStore.load()
                fresh._profiles, fresh._replicas = (
                    store._profiles,
                    store._replicas,
                )  # read, nothing worked out
                found = [
                    fresh.throughputs(
                        Replica(model, "bf16", chip, Shape(degree), VLLM, traffic=t), SIZES, slo
                    )
                    for chip in chips
                    for degree in DEGREES
                ]
                return sum(isinstance(answer, Throughput) for some in found for answer in some)

            times = [
                cpu_s(partial(ask, chip, sizes), 50)
                for sizes in (SIZES[:1], SIZES)
                for chip in ("h100-sxm-80gb", "a10g-24gb")
            ]
            cells = " | ".join(f"{1e3 * value:.2f} ms" for value in times)
            print(f"| {words} | {kind} | {cells} | {cpu_s(matrix, 3):.3f} |")


if __name__ == "__main__":
    main()
