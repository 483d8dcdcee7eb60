"""How fast replays run, and how far simulated replicas are from load points that did not drive them.

Run from the repository: ``python -m benchmarks.simulate`` (two minutes; ``--quick`` leaves out the million).
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from advisor.plan.plan import Plan
from advisor.profiles import memory
from advisor.profiles.scheduler import default_scheduler
from advisor.simulate import Options, prepare, replay_prepared
from advisor.simulate.attainment import attained
from advisor.simulate.closed_loop import benchmark_run
from advisor.simulate.drive import first_wave, one_replica
from advisor.simulate.fitting import DrivePoint, fit_steps
from advisor.simulate.opening import open_inputs
from advisor.simulate.options import parse_arrivals
from advisor.simulate.replaying import serve
from advisor.simulate.replica import ReplicaSpec
from advisor.workload.named import load_trace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.profiles.evidence import Profile
    from advisor.simulate import ReplayInputs

TRIED_POINTS = 40  # per profile, drawn


def a_plan(replicas: int, utilization: float = 0.74) -> Plan:
    """The default service on equal on-demand replicas, loaded to a utilisation of the fluid model."""
    from advisor.api import recommend

    plan = recommend(regions=["us-east-1"], accelerators=["h100-sxm-80gb"], markets=["on_demand"])
    allocation = plan.allocations[0]
    scale = replicas * utilization / (allocation.utilization * allocation.replicas)
    document = plan.model_dump()
    document["purchase"] = document["purchase"][:1]
    document["purchase"][0]["instances"] = replicas
    document["allocations"] = document["allocations"][:1]
    document["allocations"][0] |= {"replicas": replicas, "utilization": utilization}
    for load in document["allocations"][0]["load"]:
        load["requests_per_s"] *= scale
    service = document["services"][0]
    service["rate_requests_per_s"] *= scale
    for bucket in service["buckets"]:
        bucket["requests_per_s"] *= scale
    return Plan.model_validate(document)


def speed(inputs: ReplayInputs, quick: bool) -> None:
    """Seconds of whole replays, measuring included, on one core."""
    print("## Speed\n\n| replay | requests | replicas | CPU s | µs a request | peak MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    trace = load_trace("azure-2023-conv")
    ten = prepare(a_plan(10), inputs)
    timed(
        "Azure conversation trace, one hour, as it is",
        ten,
        Options(traces={"default": trace}, compare_ideal=False),
    )
    scaled = Options(traces={"default": trace}, rate=((0.0, rate_of(ten.plan)),), compare_ideal=False)
    timed("the same, scaled to the plan's rate", ten, scaled)
    for replicas, requests in (
        (1, 10_000),
        (10, 100_000),
        (100, 100_000),
        (100, 1_000_000),
        (1000, 1_000_000),
    ):
        if quick and requests >= 1_000_000:
            continue
        prepared = prepare(a_plan(replicas), inputs)
        seconds = requests / rate_of(prepared.plan)
        timed("Poisson", prepared, Options(duration_s=seconds, compare_ideal=False))
    print()


def rate_of(plan: Plan) -> float:
    """Planned requests per second."""
    return plan.services[0].rate_requests_per_s


def timed(name: str, prepared: Any, options: Options) -> None:
    """Run a replay and print its line."""
    start = time.process_time()
    found = replay_prepared(prepared, options)
    took = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    each = took / found.requests * 1e6
    print(
        f"| {name} | {found.requests:,} | {found.fleet.replicas:,} | {took:.2f} | {each:.0f} | {peak:,.0f} |",
        flush=True,
    )


def load_points(inputs: ReplayInputs) -> None:
    """Runs against published load points: half of each profile's drive, the others are met or not.

    Simulated TTFTs are their source's formula, fitted to such runs at up to 64 requests in flight; beyond, it
    is compared for what it is.
    """
    errors: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    by_load: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    seen: set[str] = set()
    profiles: dict[tuple[str, str], int] = defaultdict(int)
    for model in inputs.facts.models.values():
        for profile in inputs.profiles.profiles(model):
            if profile.id in seen or profile.model != model.id:
                continue
            seen.add(profile.id)
            if not one_replica(profile, model):
                continue
            key = (profile.kind.value, profile.accelerator)
            profiles[key] += 1
            for point, said in _tried(profile, inputs):
                for found in (errors[key], by_load[key[0], _load(point.concurrency)]):
                    found["TPOT"].append(said.tpot_ms / point.tpot_ms - 1)
                    found["rate"].append(said.requests_per_s / point.requests_per_s - 1)
                    if point.ttft_ms > 0:
                        found["TTFT"].append(said.ttft_ms / point.ttft_ms - 1)
    print("## Load points that did not drive\n")
    print("| evidence | GPU | profiles | points | TPOT median %, p90 %, bias % | rate | TTFT |")
    print("| --- | --- | ---: | ---: | --- | --- | --- |")
    for key, found in sorted(errors.items()):
        if found["TPOT"]:
            cells = " | ".join(_error(found[name]) for name in ("TPOT", "rate", "TTFT"))
            print(f"| {key[0]} | {key[1]} | {profiles[key]} | {len(found['TPOT'])} | {cells} |")
    for kind in ("measured", "simulated"):
        bands = {load: found for (of, load), found in sorted(by_load.items()) if of == kind}
        everything = {n: [e for found in bands.values() for e in found[n]] for n in ("TPOT", "rate", "TTFT")}
        for load, found in (*bands.items(), ("all", everything)):
            cells = " | ".join(_error(found[name]) for name in ("TPOT", "rate", "TTFT"))
            print(f"| **{kind}** | {load} | | {len(found['TPOT'])} | {cells} |")
    print()


def _load(concurrency: float) -> str:
    return "1 to 8 in flight" if concurrency <= 8 else "9 to 64" if concurrency <= 64 else "over 64"


def _tried(profile: Profile, inputs: ReplayInputs) -> Iterable[tuple[DrivePoint, Any]]:
    """Points left out of the drive, each with what a closed loop says; none of profiles with too few."""
    drive, rest = [], []
    for size in profile.sizes:
        rows = list(zip(size.concurrency, size.tpot_ms, size.ttft_ms, size.requests_per_s, strict=True))
        wave = first_wave(profile)
        points = [
            DrivePoint(size.input_tokens, size.output_tokens, *map(float, row), first_wave=wave)
            for row in rows
        ]
        points = [point for point in points if point.concurrency >= 1 and point.tpot_ms > 0]
        drive += points[::2]
        rest += points[1::2]
    if len(drive) < 4 or not rest:
        return
    batch = int(max(point.concurrency for point in (*drive, *rest)))
    chip, model = inputs.facts.accelerators[profile.accelerator], inputs.facts.models[profile.model]
    chunk = default_scheduler(chip).max_num_batched_tokens or 1
    steps = fit_steps(drive, batch, chunk).steps
    room = memory.account(model, profile.precision, chip, profile.tensor_parallel).max_tokens
    held = max(point.decoding * (point.input_tokens + point.output_tokens / 2) for point in (*drive, *rest))
    spec = ReplicaSpec(steps, max(room, int(held)), batch, chunk)
    for place in np.random.default_rng(0).permutation(len(rest))[:TRIED_POINTS]:
        point = rest[int(place)]
        if spec.serves(int(point.input_tokens), int(point.output_tokens)):
            sizes = int(point.input_tokens), int(point.output_tokens)
            yield point, benchmark_run(spec, *sizes, int(point.concurrency))


COVERED = (("poisson", 0.95, 60.0), ("poisson", 1.0, 60.0), ("poisson", 1.0, 240.0), ("gamma:3", 0.9, 60.0),
           ("gamma:3", 0.9, 240.0))  # fmt: skip


def coverage(inputs: ReplayInputs, seeds: int = 60) -> None:
    """How often the 95 % interval of one replay holds the share that all seeds have on average."""
    print("## Do intervals hold the truth?\n")
    print("| arrivals | utilisation | s | within limits, % | intervals that hold it, % | without bursts |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for arrivals, utilization, seconds in COVERED:
        ready = prepare(a_plan(1, utilization), inputs)
        asked = Options(arrivals=parse_arrivals(arrivals), duration_s=seconds)
        found = [serve(ready, replace(asked, seed=seed)).latencies.met for seed in range(seeds)]
        shuffled = [np.random.default_rng(0).permutation(met) for met in found]
        truth = 100 * float(np.mean([met.mean() for met in found]))
        held, naive = (np.mean([_holds(met, truth) for met in some]) * 100 for some in (found, shuffled))
        row = f"| {arrivals} | {utilization:.0%} | {seconds:.0f} | {truth:.2f} | {held:.0f} | {naive:.0f} |"
        print(row, flush=True)
    print()


def _holds(met: Any, truth: float) -> bool:
    found = attained(met)
    return (found.low_percent or 0.0) <= truth <= (found.high_percent or 0.0)


def _error(values: list[float]) -> str:
    if not values:
        return ""
    off = np.abs(values)
    return f"{np.median(off) * 100:.1f}, {np.quantile(off, 0.9) * 100:.0f}, {np.median(values) * 100:+.1f}"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without the replays of a million requests")
    parser.add_argument("--coverage", action="store_true", help="only whether intervals hold the truth")
    asked = parser.parse_args()
    quick = asked.quick
    inputs = open_inputs()
    if asked.coverage:
        coverage(inputs)
        return
    load_points(inputs)
    speed(inputs, quick)


if __name__ == "__main__":
    main()
