"""The optimiser assumes that load of different sizes adds up on a replica: how often, and where, it does not.

Run from the repository: ``python -m benchmarks.fluid_model`` (about five minutes).

*Mixes*: random mixes of request sizes on replicas of published profiles. The rate a mix sustains within a
limit on the mean TPOT, over what adding up its parts predicts: 1 is the fluid model; below 1 it promises too
much. Both sides come from the same simulated replica, so that nothing but adding up is tested.

*Plans*: real plans, made without headroom and replayed under Poisson arrivals at other rates. The utilisation
up to which the plan's own limit on the mean still holds, and up to which 99.5 % of requests are within it.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from advisor.profiles import memory
from advisor.simulate import Options, prepare
from advisor.simulate.attainment import attained
from advisor.simulate.closed_loop import closed_loop_of
from advisor.simulate.fitting import DrivePoint, fit_steps
from advisor.simulate.opening import open_inputs
from advisor.simulate.queue import queue_of
from advisor.simulate.replaying import serve
from advisor.simulate.replica import ReplicaSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from advisor.simulate import PreparedReplay, ReplayInputs

    Floats = NDArray[np.float64]

LOADS = (1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512)
LIMITS_MS = (40.0, 60.0, 80.0, 120.0)
INPUTS = (100, 250, 500, 1000, 2000, 4000, 8000)
OUTPUTS = (25, 100, 250, 500, 1000)
FEWEST_REQUESTS = 400
MOST_UTILIZATION = 1.3  # where the search for what holds begins


def replicas(inputs: ReplayInputs, models: Sequence[str]) -> list[tuple[str, ReplicaSpec]]:
    """A replica of every simulated profile of some models."""
    found = []
    for name in models:
        model = inputs.facts.models[name]
        for profile in inputs.profiles.profiles(model):
            if profile.kind.value != "simulated" or profile.model != name or profile.tensor_parallel > 2:
                continue
            points = [
                DrivePoint(size.input_tokens, size.output_tokens, *map(float, row))
                for size in profile.sizes
                for row in zip(size.concurrency, size.tpot_ms, size.ttft_ms, size.requests_per_s, strict=True)
                if row[0] >= 1 and row[1] > 0
            ]
            chip = inputs.facts.accelerators[profile.accelerator]
            room = memory.account(model, profile.precision, chip, profile.tensor_parallel).max_tokens
            label = f"{name} {profile.accelerator} ×{profile.tensor_parallel}"
            found.append((label, ReplicaSpec(fit_steps(points, 512).steps, room, 512)))
    return found


def capacity(spec: ReplicaSpec, draw: Callable[[int], tuple[Any, Any]], limit_ms: float) -> float:
    """Requests per second of a closed loop at a mean TPOT limit, straight between loads; 0 if none."""
    last_tpot, last_rate = 0.0, 0.0
    for load in LOADS:
        size_in, size_out = draw(max(load * 5, FEWEST_REQUESTS + 2 * load))
        point = closed_loop_of(spec, size_in.tolist(), size_out.tolist(), load)
        if point.tpot_ms > limit_ms:
            if load == 1:
                return 0.0
            way = (limit_ms - last_tpot) / (point.tpot_ms - last_tpot)
            return last_rate + way * (point.requests_per_s - last_rate)
        last_tpot, last_rate = max(point.tpot_ms, last_tpot), max(point.requests_per_s, last_rate)
    return last_rate


def mixes(inputs: ReplayInputs, count: int) -> None:
    """Print how mixes compare with their parts."""
    rng = np.random.default_rng(1)
    specs = replicas(inputs, ("Llama-3.1-8B", "Llama-3.1-70B", "Qwen3-32B"))
    known: dict[tuple[int, int, int, float], float] = {}
    rows: list[tuple[float, float, float, float]] = []
    while len(rows) < count:
        which, limit_ms = int(rng.integers(len(specs))), float(rng.choice(LIMITS_MS))
        spec = specs[which][1]
        parted = int(rng.integers(2, 6))
        sizes = [(int(rng.choice(INPUTS)), int(rng.choice(OUTPUTS))) for _ in range(parted)]
        sizes = [size for size in sizes if spec.serves(*size)]
        for size in sizes:
            if (which, *size, limit_ms) not in known:
                known[which, *size, limit_ms] = capacity(spec, _only(size), limit_ms)
        parts = np.array([known[which, *size, limit_ms] for size in sizes])
        if len(sizes) < 2 or not (parts > 0).all():
            continue
        work = rng.dirichlet(np.ones(len(sizes)))
        rates = work * parts  # requests per second of each size on a full replica, if load adds up
        seen = capacity(spec, _drawn(rng, sizes, rates / rates.sum()), limit_ms)
        spread = float(np.log2(parts.max() / parts.min()))
        shortest = min(size[1] for size in sizes)
        rows.append((seen / float(rates.sum()), limit_ms, spread, shortest))
    _print_mixes(np.array(rows), len(specs))


def _only(size: tuple[int, int]) -> Callable[[int], tuple[Any, Any]]:
    return lambda count: (np.full(count, size[0]), np.full(count, size[1]))


def _drawn(
    rng: np.random.Generator, sizes: Sequence[tuple[int, int]], shares: Floats
) -> Callable[[int], tuple[Any, Any]]:
    table = np.array(sizes)

    def draw(count: int) -> tuple[Any, Any]:
        chosen = table[rng.choice(len(table), size=count, p=shares)]
        return chosen[:, 0], chosen[:, 1]

    return draw


def _print_mixes(rows: Floats, specs: int) -> None:
    print(f"## Mixes: rate sustained over rate predicted ({len(rows)} mixes, {specs} replicas)\n")
    print("| mixes | count | p5 | p25 | median | p75 | p95 | promised over 5 % too much |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    ratio = rows[:, 0]
    groups = [("all", np.ones(len(rows), dtype=bool))]
    groups += [(f"TPOT ≤ {limit:g} ms", rows[:, 1] == limit) for limit in LIMITS_MS]
    groups += [
        ("capacities within a factor of 4", rows[:, 2] <= 2),
        ("a factor of 4 to 16 apart", (rows[:, 2] > 2) & (rows[:, 2] <= 4)),
        ("further apart", rows[:, 2] > 4),
        ("with answers of 25 tokens", rows[:, 3] <= 25),
        ("without", rows[:, 3] > 25),
    ]
    for name, chosen in groups:
        part = ratio[chosen]
        if len(part) > 4:
            cells = " | ".join(f"{value:.2f}" for value in np.quantile(part, [0.05, 0.25, 0.5, 0.75, 0.95]))
            print(f"| {name} | {len(part)} | {cells} | {(part < 0.95).mean():.0%} |")
    print(flush=True)


def plans(inputs: ReplayInputs, count: int) -> None:
    """Print up to which utilisation real plans hold."""
    from advisor.api import recommend
    from advisor.errors import AdvisorError

    rng = np.random.default_rng(2)
    rows: list[tuple[float, float, int, float, float]] = []
    while len(rows) < count:
        asked: dict[str, Any] = {
            "regions": [str(rng.choice(["us-east-1", "us-west-2", "eu-west-1", "us-central1", "eastus"]))],
            "model": str(rng.choice(["Llama-3.1-8B", "Llama-3.1-8B", "Llama-3.1-70B", "Qwen3-32B"])),
            "workload": str(rng.choice(["azure-2023-conv", "azure-2023-code", "openorca", "sharegpt-8k"])),
            "rate_requests_per_s": float(rng.choice([4, 16, 64])),
            "tpot_ms": float(rng.choice([40, 60, 120])),
            "headroom": 0.0,
            "evidence": "simulated",
        }
        try:
            plan = recommend(**asked)
            prepared = prepare(plan, inputs)
        except AdvisorError:
            continue
        highest = max(group.utilization for group in prepared.fleet.groups)
        top = MOST_UTILIZATION / highest
        mean = highest * _scale(prepared, top, lambda tpot, met, limit: float(np.nanmean(tpot)) <= limit)
        each = highest * _scale(prepared, top, lambda tpot, met, limit: (attained(met).percent or 0) >= 99.5)
        rows.append((mean, each, prepared.fleet.replicas, asked["rate_requests_per_s"], asked["tpot_ms"]))
    _print_plans(np.array(rows))


def _scale(prepared: PreparedReplay, top: float, holds: Callable[[Floats, Any, float], bool]) -> float:
    """Largest multiple of the planned rates, up to ``top``, at which something holds and no queue grows."""
    limit = prepared.plan.services[0].tpot_ms or float("inf")
    rate = prepared.plan.services[0].rate_requests_per_s
    low, high = 0.0, top
    for _ in range(6):
        scale = (low + high) / 2
        duration_s = max(6000 / (rate * scale), 300.0)
        served = serve(prepared, Options(scale=scale, duration_s=duration_s, compare_ideal=False))
        late = served.demand.requests.arrival_s > duration_s / 4  # the fleet starts empty
        tpot, met = served.latencies.of("tpot").ms[late], served.latencies.met[late]
        fine = not queue_of(served.demand.requests, served.outcome).grows and holds(tpot, met, limit)
        low, high = (scale, high) if fine else (low, scale)
    return low


def _print_plans(rows: Floats) -> None:
    print(f"## Plans without headroom: highest utilisation that holds ({len(rows)} plans)\n")
    print(
        "| plans | count | mean: p5, p25, median, p75 | mean holds at 85 % | 99.5 %: p5, p25, median, p75 |"
    )
    print("| --- | ---: | --- | ---: | --- |")
    replicas_of, limits = rows[:, 2], rows[:, 4]
    groups = [
        ("all", np.ones(len(rows), dtype=bool)), ("1 replica", replicas_of == 1),
        ("2 to 4 replicas", (replicas_of > 1) & (replicas_of <= 4)), ("more", replicas_of > 4),
        *((f"TPOT ≤ {limit:g} ms", limits == limit) for limit in (40, 60, 120)),
    ]  # fmt: skip
    for name, chosen in groups:
        part = rows[chosen]
        if len(part) > 2:
            mean, each = (_quartiles(part[:, column]) for column in (0, 1))
            print(f"| {name} | {len(part)} | {mean} | {(part[:, 0] >= 0.85).mean():.0%} | {each} |")
    print(flush=True)


def _quartiles(values: Floats) -> str:
    return ", ".join(f"{value:.2f}" for value in np.quantile(values, [0.05, 0.25, 0.5, 0.75]))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mixes", type=int, default=600)
    parser.add_argument("--plans", type=int, default=40)
    asked = parser.parse_args()
    inputs = open_inputs()
    mixes(inputs, asked.mixes)
    plans(inputs, asked.plans)


if __name__ == "__main__":
    main()
