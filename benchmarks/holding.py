"""Do plans hold that are printed as holding, and what would have been cheaper?

    python -m benchmarks.holding [--services 200] [--searched 200] [--minutes 20] [--seed 1] [--workers 2]

Random services (model, region, sizes, rate, limits, statistics, sometimes two at once) are answered as
``advisor recommend`` answers them. Every plan printed as holding is replayed again, with another seed and
twice the requests: a limit holds if its own statistic does, and misses by the points its share is short.

Beside the price stands the cheapest fleet that a search over ceilings finds: all replicas held to the same
share of their capacity, from full to a tenth in 15 steps, each fleet solved for and replayed; the cheapest
that passes. It knows nothing of pools, and so shows what the loop's own ceilings lose or gain. It takes far
longer than the answer; ``--searched`` bounds for how many services, the first, it is done.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from advisor.api import load_catalog, make_request
from advisor.clock import now_utc
from advisor.errors import PlanningError, SolverFailed
from advisor.recommendation.recommend import recommend
from advisor.recommendation.replayed import recommend_replayed
from advisor.simulate.pools import of_service, pools_of, replay_pool
from advisor.simulate.replaying import ReplayInputs

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.recommendation.findings import Catalog
    from advisor.simulate.pools import PoolVerdict

MODELS: Final = (
    ("Llama-3.1-8B", "bf16"),
    ("Llama-3.1-70B", "fp8"),
    ("Qwen3-32B", "fp8"),
    ("gpt-oss-120b", "mxfp4"),
)
REGIONS: Final = (
    "us-east-1",
    "eu-west-1",
    "us-west-2",
    "aws:ap-northeast-1",
    "gcp:us-central1",
    "azure:eastus",
)
WORKLOADS: Final = ("azure-2023-conv", "azure-2023-code", "sharegpt", "openorca")
STATISTICS: Final = ("mean", "p50", "p90", "p95", "p99")
STEPS: Final = 15
REQUESTS: Final = 8000  # twice those of the verdict that is printed
ANOTHER_SEED: Final = 1001


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one service."""

    question: dict[str, Any]
    status: str  #: ``holds``, ``fails`` or ``none``
    seconds: float  #: of this process
    rounds: int = 0
    lacks: float = 0.0  #: points below what is asked, of the worst limit, replayed again
    usd_per_hour: float | None = None
    searched_usd_per_hour: float | None = None


@cache
def catalog() -> Catalog:
    """What ships."""
    return load_catalog()


def a_question(rng: random.Random) -> dict[str, Any]:
    """A service as somebody might ask for it."""
    model, precision = rng.choice(MODELS)
    asked: dict[str, Any] = {
        "model": model, "precision": precision, "regions": [rng.choice(REGIONS)],
        "workload": rng.choice(WORKLOADS), "rate_requests_per_s": round(2 ** rng.uniform(-1, 6), 2),
        "tpot_ms": [f"{rng.choice(STATISTICS)}={rng.choice((30, 40, 60, 80, 120))}"],
        "time_limit_s": 60.0,
    }  # fmt: skip
    if rng.random() < 0.7:
        asked["ttft_ms"] = [f"{rng.choice(STATISTICS)}={rng.choice((200, 500, 1000, 2000, 5000))}"]
    if rng.random() < 0.3:
        asked["markets"] = ["on_demand"]
    return asked


def again(plan: Plan, seed: int) -> list[PoolVerdict]:
    """What every service of a plan sees in another replay."""
    inputs = ReplayInputs(catalog().facts, catalog().profiles)
    pools = pools_of(plan, inputs)
    verdicts = [replay_pool(pool, requests=REQUESTS, seed=seed) for pool in pools]
    names = {pool.key.service for pool in pools}
    return [
        of_service(
            [pool for pool in pools if pool.key.service == name],
            [verdict for pool, verdict in zip(pools, verdicts, strict=True) if pool.key.service == name],
        )
        for name in sorted(names)
    ]


def lacks(seen: list[PoolVerdict]) -> float:
    """Points the worst limit is short; for a mean, percent above its limit."""
    short = [0.0]
    for verdict in seen:
        for one in verdict.limits:
            share = one.limit.statistic.share
            if share is not None:
                short.append(100 * (share - one.within))
            elif one.mean_ms is not None:
                short.append(100 * (one.mean_ms / one.limit.ms - 1))
    return max(short)


def searched(question: dict[str, Any]) -> float | None:
    """The cheapest fleet that passes with every replica held to one share of its capacity."""
    request = make_request(catalog().facts, **question, replay=True)
    best: float | None = None
    for step in range(STEPS):
        headroom = 0.15 + 0.75 * step / (STEPS - 1)
        services = tuple(replace(s, headroom=headroom) for s in request.services)
        try:
            plan = recommend(replace(request, services=services), catalog(), None, now_utc())
        except (PlanningError, SolverFailed):
            continue
        if plan.usd_per_hour is None or (best is not None and float(plan.usd_per_hour) >= best):
            continue
        if all(verdict.holds() for verdict in again(plan, 0)):
            best = float(plan.usd_per_hour)
    return best


def outcome(number: int, search: bool) -> Outcome:
    """One service, answered, replayed again and, if asked, searched for."""
    question = a_question(random.Random(number))
    began = time.process_time()
    plan = recommend_replayed(
        make_request(catalog().facts, **question, replay=True), catalog(), None, now_utc()
    )
    seconds = time.process_time() - began
    cheapest = searched(question) if search else None
    if plan.simulation is None or plan.usd_per_hour is None:
        return Outcome(question, "none", seconds, searched_usd_per_hour=cheapest)
    return Outcome(
        question,
        "holds" if plan.simulation.verdict == "pass" else "fails",
        seconds,
        plan.simulation.rounds,
        lacks(again(plan, ANOTHER_SEED)),
        float(plan.usd_per_hour),
        cheapest,
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--services", type=int, default=200)
    parser.add_argument("--searched", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=120.0, help="nothing is begun after so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    until = time.monotonic() + 60 * given.minutes
    with ProcessPoolExecutor(given.workers) as pool:
        places = range(given.services)
        asked = [pool.submit(outcome, given.seed + place, place < given.searched) for place in places]
        wait(asked, timeout=max(until - time.monotonic(), 0.0))
        pool.shutdown(cancel_futures=True)  # those begun are finished
    report([one.result() for one in asked if not one.cancelled()])


def report(found: list[Outcome]) -> None:
    """Both tables, and every service that misses by over a point or costs 5 % more than the search's."""
    holding = [one for one in found if one.status == "holds"]
    none = [one for one in found if one.status == "none"]
    kept, near = [o for o in holding if o.lacks <= 0], [o for o in holding if 0 < o.lacks <= 1]
    most = max((one.lacks for one in holding), default=0.0)
    print(f"{len(found)} services: {len(holding)} plans that hold, {len(none)} without a plan")
    print("| replayed again: another seed, twice the requests | plans |\n| --- | --- |")
    print(f"| hold | {len(kept)} ({len(kept) / max(len(holding), 1):.1%}) |")
    print(f"| miss by up to a point | {len(near)} |")
    print(f"| miss by more | {len(holding) - len(kept) - len(near)} (the most: {most:.2f}) |")
    ratios = sorted(ratio for one in holding if (ratio := over_the_search(one)) is not None)
    print("| price beside that of one ceiling for all replicas | plans |\n| --- | --- |")
    print(f"| found by both | {len(ratios)} |")
    print(f"| found by the search alone | {sum(o.searched_usd_per_hour is not None for o in none)} |")
    if ratios:
        print(f"| at most 5 % dearer | {sum(ratio <= 1.05 for ratio in ratios)} |")
        print(
            f"| ratio: least, median, most | {ratios[0]:.3f}, {statistics.median(ratios):.3f}, "
            f"{ratios[-1]:.3f} |"
        )
    seconds = sorted(one.seconds for one in found)
    p90 = seconds[int(0.9 * len(seconds))]
    print(f"CPU s an answer: median {statistics.median(seconds):.1f}, p90 {p90:.1f}, most {seconds[-1]:.1f}")
    for one in found:
        lost = one.status == "none" and one.searched_usd_per_hour is not None
        if lost or one.lacks > 1 or (over_the_search(one) or 0.0) > 1.05:
            print(one)


def over_the_search(one: Outcome) -> float | None:
    """The price over that of the search; None where one of them has none."""
    if one.usd_per_hour is None or one.searched_usd_per_hour is None:
        return None
    return one.usd_per_hour / one.searched_usd_per_hour


if __name__ == "__main__":
    main()
