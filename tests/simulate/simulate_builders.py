"""Replicas, fleets and plans for tests: plain where a test is not about them."""

# ruff: noqa: E501 - tables that read across
from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from advisor.domain import EvidenceKind
from advisor.plan.identity import identified
from advisor.plan.plan import Plan
from advisor.profiles.evidence import Profile, SizePoints
from advisor.simulate.demand import Requests
from advisor.simulate.drive import Drive, Evidence
from advisor.simulate.engine import ReplayOutcome, run
from advisor.simulate.fleet import Instance, ReplayFleet, ReplicaGroup
from advisor.simulate.replica import ReplicaSpec
from advisor.simulate.steps import StepTimes

STEP_S = 0.01


def a_spec(**changes: Any) -> ReplicaSpec:
    """10 ms a step, 20 µs a prompt token, 10 ns a token of context; 32 sequences, 100,000 tokens."""
    steps: dict[str, Any] = {
        "base_s": (STEP_S,) * 33, "context_s": 1e-8, "token_s": 2e-5, "pair_s": 1e-9,
    }  # fmt: skip
    spec: dict[str, Any] = {"kv_tokens": 100_000, "max_sequences": 32}
    steps |= {name: value for name, value in changes.items() if name in StepTimes.__slots__}
    spec |= {name: value for name, value in changes.items() if name not in StepTimes.__slots__}
    return ReplicaSpec(StepTimes(**steps), **spec)


def a_server(servers: int) -> ReplicaSpec:
    """A replica that is ``servers`` plain servers: each output token takes 10 ms whatever else runs."""
    return a_spec(
        base_s=(STEP_S,) * (servers + 1), context_s=0.0, token_s=0.0, pair_s=0.0,
        kv_tokens=10**9, max_sequences=servers, chunk_tokens=10**9,
    )  # fmt: skip


def a_fleet(*groups: tuple[ReplicaSpec, int]) -> ReplayFleet:
    """Groups of equal replicas of one service, each replica on an instance of its own."""
    made, first = [], 0
    for place, (spec, count) in enumerate(groups):
        evidence = Evidence({EvidenceKind.MEASURED: 1.0}, 1, 0.0, ("a",), ())
        numbers = range(first, first + count)
        made.append(
            ReplicaGroup(
                0,
                place,
                f"chip-{place}",
                "aws",
                "us-east-1",
                None,
                "on_demand",
                Drive(spec, evidence, spec.max_sequences),
                numbers,
                0.5,
            )
        )
        first = numbers.stop
    instances = tuple(Instance(place, (n,)) for place, group in enumerate(made) for n in group.replicas)
    return ReplayFleet(tuple(made), instances)


@dataclass
class OneStream:
    """All requests are one stream, split over groups by weight."""

    weights: tuple[float, ...]

    @property
    def shares(self) -> list[list[tuple[int, float]]]:
        return [list(enumerate(self.weights))]

    @property
    def service(self) -> list[int]:
        return [0]


def requests_of(arrivals: Any, inputs: Any, outputs: Any) -> Requests:
    """Requests of one service; single sizes stand for all."""
    times = np.asarray(arrivals, dtype=np.float64)
    zeros = np.zeros(len(times), dtype=np.int64)
    sizes = [np.broadcast_to(np.asarray(s, dtype=np.int64), times.shape).copy() for s in (inputs, outputs)]
    return Requests(times, zeros, zeros, zeros, *sizes)


def served(
    fleet: ReplayFleet, requests: Requests, changes: Any = (), weights: tuple[float, ...] = (1.0,)
) -> ReplayOutcome:
    """What became of the requests."""
    stream = np.zeros(len(requests), dtype=np.int64)
    return run(fleet, requests, OneStream(weights), stream, changes)  # type: ignore[arg-type]


def poisson(seed: int, rate: float, count: int) -> Any:
    """``count`` arrivals of a Poisson process."""
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count))


PROFILE = "measured:test:llama"


def a_profile(**changes: Any) -> Profile:
    """Llama-3.1-8B on one H100 as :func:`step_law` has it."""
    sizes = []
    for size_in in (200.0, 1000.0, 4000.0):
        for size_out in (50.0, 400.0):
            loads = np.array([1.0, 4.0, 16.0, 64.0, 128.0])
            tpot = step_law(loads, size_in, size_out)
            ttft = np.where(loads == 1, 0.0081 + 2e-5 * size_in, np.nan) * 1e3
            rate = loads / (2e-5 * size_in + 0.0081 + tpot * (size_out - 1) / 1e3)
            sizes.append(SizePoints(size_in, size_out, tpot, ttft, rate, loads))
    facts: dict[str, Any] = {
        "id": PROFILE, "kind": EvidenceKind.MEASURED, "source_id": "test", "model": "Llama-3.1-8B",
        "precision": "bf16", "engine": "vLLM", "engine_version": "1", "accelerator": "h100-sxm-80gb",
        "tensor_parallel": 1, "date": None, "error_pct": None, "notes": (), "sizes": tuple(sizes),
    }  # fmt: skip
    return Profile(**(facts | changes))


def step_law(batch: Any, size_in: float, size_out: float) -> Any:
    """TPOT in ms: 8 ms a step, 0.1 ms a sequence, 40 ns a token of context, 20 µs a token of others' prompts."""
    step = 8 + 0.1 * batch + 4e-5 * batch * (size_in + size_out / 2)
    return step + (batch - 1) / (size_out - 1) * 0.02 * size_in


class Profiles:
    """A store that holds the test's profiles."""

    calibration = None

    def __init__(self, *profiles: Profile) -> None:
        self._profiles = profiles

    def profiles(self, model: Any, slo: Any = None) -> tuple[Profile, ...]:
        """All of them, whatever the model."""
        return self._profiles


def a_plan(
    replicas: int = 2,
    rate: float = 20.0,
    tpot_ms: float | None = 40.0,
    ttft_ms: float | None = None,
    **changes: Any,
) -> Plan:
    """One service of two buckets on H100s, a replica an instance; line 0 spot in a zone, line 1 on demand."""
    reference = {"id": PROFILE, "kind": "measured", "source": "test", "error_pct": None}
    buckets = [
        {
            "input_tokens_min": low_in, "input_tokens_max": high_in, "output_tokens_min": 0,
            "output_tokens_max": 500, "input_tokens": mean_in, "output_tokens": 150.0, "size_basis": "mean",
            "share": share, "requests_per_s": share * rate,
        }
        for low_in, high_in, mean_in, share in ((0, 1000, 400.0, 0.75), (1000, 4000, 2000.0, 0.25))
    ]  # fmt: skip
    split = [replicas - replicas // 2, replicas // 2]
    places = [("us-east-1", "use1-az1", "spot", "<5%"), ("us-west-2", None, "on_demand", None)]
    lines = [(place, count) for place, count in zip(places, split, strict=True) if count]
    purchase = [
        {
            "provider": "aws", "region": region, "zone": zone, "instance_type": "p5.4xlarge", "market": market,
            "accelerator": "h100-sxm-80gb", "accelerators_per_instance": 1, "instances": count,
            "utilization": 0.5, "usd_per_hour_each": Decimal(4), "usd_per_hour": Decimal(4) * count,
            "usd_per_month": Decimal(4) * count * 730, "price_collected_at": datetime(2026, 1, 1, tzinfo=UTC),
            "price_source": "test", "price_basis": "list", "availability": "available", "interruption": band,
        }
        for (region, zone, market, band), count in lines
    ]  # fmt: skip
    allocations = [
        {
            "service": "chat", "provider": "aws", "region": region, "zone": zone, "instance_type": "p5.4xlarge",
            "market": market, "tensor_parallel": 1, "replicas": count, "utilization": 0.5, "profile": reference,
            "load": [
                {
                    "input_tokens_max": bucket["input_tokens_max"], "output_tokens_max": 500,
                    "requests_per_s": bucket["requests_per_s"] * count / replicas,
                    "capacity_requests_per_s": rate / replicas * 2, "profile": reference,
                }
                for bucket in buckets
            ],
        }
        for (region, zone, market, _), count in lines
    ]  # fmt: skip
    service = {
        "name": "chat", "model": "Llama-3.1-8B", "precision": "bf16", "engine": "vLLM", "workload": "made-up",
        "workload_source": "test", "rate_requests_per_s": rate, "slo": "", "tpot_ms": tpot_ms, "ttft_ms": ttft_ms,
        "slo_statistic": "mean", "headroom": 0.15, "buckets": buckets,
    }  # fmt: skip
    document: dict[str, Any] = {
        "plan_id": "test", "created_at": datetime(2026, 1, 1, tzinfo=UTC), "advisor_version": "0", "command": "",
        "status": "optimal", "usd_per_hour": Decimal(4) * replicas, "usd_per_month": Decimal(2920) * replicas,
        "optimality": None, "services": [service], "purchase": purchase, "allocations": allocations,
        "baselines": [], "exclusions": {}, "assumptions": [], "warnings": [], "catalog": [],
        "inputs": {
            "snapshot_id": "s", "facts_sha256": "f", "profiles_sha256": "p", "account_sha256": None,
            "regions": [], "providers": [], "markets": [], "evidence": "estimated",
            "allow_unknown_availability": False,
        },
    }  # fmt: skip
    return identified(Plan.model_validate(document | changes))
