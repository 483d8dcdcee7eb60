"""A small plan made by hand, and the inputs it was made from.

One service of 10 requests/s in three buckets (5, 3 and 2 requests/s), 20 % headroom, on two lines:

line A  2 × g6e.12xlarge spot (4 × L40S)   4.0125 each   4 replicas of degree 1, 2 of degree 2: 4 + 4 = 8 chips
line B  1 × a2-highgpu-1g on demand        3.6734        1 replica of degree 1

          capacity of one replica      load                load / capacity
A, tp 1   2.0   1.0   -                4.0   1.2   -       2.0 + 1.2        = 3.2 of 4 replicas = 0.80
A, tp 2   -     2.5   1.25             -     1.5   1.0     0.6 + 0.8        = 1.4 of 2 replicas = 0.70
B, tp 1   4.0   6.0   2.0              1.0   0.3   1.0     0.25 + 0.05 + 0.5 = 0.8 of 1 replica = 0.80

Line A is busy on 3.2 × 1 + 1.4 × 2 = 6.0 of its 8 chips = 0.75.
Cost: 2 × 4.0125 = 8.025; 8.025 + 3.6734 = 11.6984; × 730 = 8,539.832, 5,858.25 and 2,681.582 a month.
"""

# ruff: noqa: E501 - tables that read across
from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from advisor.domain import (
    Availability,
    EvidenceKind,
    Market,
    NoThroughput,
    Offer,
    QuotaDraw,
    QuotaLimit,
    QuotaUnit,
    Throughput,
)  # fmt: skip
from advisor.plan.identity import plan_id
from advisor.plan.plan import Plan
from advisor.plan.verify import Against

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.plan.plan import BucketLine, ServiceLine

SNAPSHOT = "2026-10-27-0123456789ab"
SMALL, MIDDLE, LARGE = (250, 100), (1000, 250), (4000, 500)
L40S, A100 = "l40s-48gb", "a100-sxm-40gb"


def an_offer(**changes: Any) -> Offer:
    """Line A's offer, unless told otherwise."""
    facts: dict[str, Any] = {
        "provider": "aws", "region": "us-east-1", "zone": "us-east-1a", "instance_type": "g6e.12xlarge",
        "market": Market.SPOT, "usd_per_hour": Decimal("4.0125"), "accelerator": L40S,
        "accelerators": Decimal(4), "vcpus": 48, "memory_gib": 384.0, "availability": Availability.AVAILABLE,
        "availability_basis": "offerings", "price_basis": "zone_spot_price",
        "collected_at": datetime(2026, 10, 27, tzinfo=UTC), "source": "aws spot price history", "licence": None,
        "interruption": "5-10%", "flags": (), "evidence": "e" * 64,
    }  # fmt: skip
    return Offer(**(facts | changes))


OFFERS = (
    an_offer(),
    # The same offer at an older price: replaced, and not to be mistaken for the live one.
    an_offer(usd_per_hour=Decimal("3.99"), flags=("superseded",), collected_at=datetime(2026, 10, 27, 1, tzinfo=UTC)),
    an_offer(
        instance_type="g6.xlarge", accelerator="l4-24gb", accelerators=Decimal(1), usd_per_hour=Decimal("0.31"),
        collected_at=datetime(2026, 10, 27, 6, tzinfo=UTC),
    ),
    an_offer(
        provider="gcp", region="us-central1", zone=None, instance_type="a2-highgpu-1g", market=Market.ON_DEMAND,
        usd_per_hour=Decimal("3.6734"), accelerator=A100, accelerators=Decimal(1), price_basis="list",
        collected_at=datetime(2026, 10, 20, 12, tzinfo=UTC), source="gcp list prices", interruption=None,
    ),
    # What the spot line falls back to; in scope, but not bought.
    an_offer(zone=None, market=Market.ON_DEMAND, usd_per_hour=Decimal("10.00"), price_basis="list", interruption=None),
    # Of another region: no part of what the plan says about ages and counts.
    an_offer(region="us-west-2", zone="us-west-2a", collected_at=datetime(2026, 9, 1, tzinfo=UTC)),
)  # fmt: skip

PROFILES: dict[tuple[str, int, tuple[int, int]], Throughput] = {
    (L40S, 1, SMALL): Throughput(2.0, EvidenceKind.MEASURED, "bench 2026", "m-l40s-1", 5.0, "tpot"),
    (L40S, 1, MIDDLE): Throughput(1.0, EvidenceKind.ESTIMATED, "roofline", "e-l40s-1", 11.0, "memory"),
    (L40S, 2, MIDDLE): Throughput(2.5, EvidenceKind.SIMULATED, "simulator", "s-l40s-2", 8.0, "tpot"),
    (L40S, 2, LARGE): Throughput(1.25, EvidenceKind.SIMULATED, "simulator", "s-l40s-2", 8.0, "tpot"),
    (A100, 1, SMALL): Throughput(4.0, EvidenceKind.MEASURED, "bench 2026", "m-a100-1", 5.0, "tpot"),
    (A100, 1, MIDDLE): Throughput(6.0, EvidenceKind.MEASURED, "bench 2026", "m-a100-1", 5.0, "tpot"),
    (A100, 1, LARGE): Throughput(2.0, EvidenceKind.MEASURED, "bench 2026", "m-a100-1", None, "load"),
}

LIMITS = (
    QuotaLimit("aws", "us-east-1", "L-3819A6DF", QuotaUnit.VCPU, Decimal(128), Decimal(16)),
    QuotaLimit("gcp", "global", "GPUS_ALL_REGIONS", QuotaUnit.GPU, Decimal(8)),
)


def draws(offer: Offer) -> Sequence[QuotaDraw]:
    """Spot vCPUs at the one cloud; a pool per chip and region and a global one at the other."""
    if offer.provider == "aws":
        return (QuotaDraw("aws", offer.region, "L-3819A6DF", QuotaUnit.VCPU, Decimal(48)),)
    return (
        QuotaDraw("gcp", offer.region, "NVIDIA_A100_GPUS", QuotaUnit.GPU, Decimal(1)),
        QuotaDraw("gcp", "global", "GPUS_ALL_REGIONS", QuotaUnit.GPU, Decimal(1)),
    )


def capacities(
    service: ServiceLine, accelerator: str, tensor_parallel: int, buckets: Sequence[BucketLine]
) -> list[Throughput | NoThroughput]:
    """The table above, for mean TPOT ≤ 60 ms; a tighter limit cannot be met."""
    if service.tpot_ms is not None and service.tpot_ms < 60:
        return [NoThroughput("slo_unreachable", "60 ms at best") for _ in buckets]
    keys = [(accelerator, tensor_parallel, (b.input_tokens_max, b.output_tokens_max)) for b in buckets]
    return [PROFILES.get(key, NoThroughput("no_throughput_data", "not profiled")) for key in keys]


def misfit(service: ServiceLine, accelerator: str, tensor_parallel: int) -> tuple[str, str] | None:
    """Powers of two only, and nothing but the small model fits."""
    if tensor_parallel not in (1, 2, 4, 8):
        return "degree", "1, 2, 4 or 8"
    if service.model != "Llama-3.1-8B":
        return "memory", "weights that fit"
    return None


def interval(figure: Throughput, accelerator: str) -> tuple[float, float] | None:
    """Twice the typical error either way."""
    if figure.error_pct is None:
        return None
    twice = 2 * figure.error_pct / 100
    return figure.requests_per_s * (1 - twice), figure.requests_per_s * (1 + twice)


def the_inputs(**changes: Any) -> Against:
    """Everything the plan was made from."""
    inputs: dict[str, Any] = {
        "snapshot_id": SNAPSHOT, "offers": OFFERS, "capacities": capacities, "misfit": misfit, "draws": draws,
        "interval": interval,
        "stale_after": {Market.SPOT: timedelta(days=2), Market.ON_DEMAND: timedelta(days=7)},
        "limits": {limit.key: limit for limit in LIMITS},
        "may_serve": lambda service, origin, place: True,
        "kg_co2e_per_hour": lambda line: 0.56 if line.accelerator == L40S else 0.12,
        "workload_shares": {"chat": {(0, 250, 0, 100): 0.5, (250, 1000, 100, 250): 0.3, (1000, 4000, 250, 500): 0.2}},
    }  # fmt: skip
    return Against(**(inputs | changes))


def a_profile(accelerator: str, tensor_parallel: int, size: tuple[int, int]) -> dict[str, Any]:
    found = PROFILES[accelerator, tensor_parallel, size]
    return {
        "id": found.profile_id,
        "kind": found.kind.value,
        "source": found.source,
        "error_pct": found.error_pct,
    }


def a_load(accelerator: str, tensor_parallel: int, size: tuple[int, int], rate: float) -> dict[str, Any]:
    low, high = interval(PROFILES[accelerator, tensor_parallel, size], accelerator) or (None, None)
    return {
        "capacity_low_requests_per_s": low, "capacity_high_requests_per_s": high,
        "input_tokens_max": size[0], "output_tokens_max": size[1], "requests_per_s": rate,
        "capacity_requests_per_s": PROFILES[accelerator, tensor_parallel, size].requests_per_s,
        "profile": a_profile(accelerator, tensor_parallel, size),
    }  # fmt: skip


def a_bucket(edges: tuple[int, int, int, int], share: float, rate: float) -> dict[str, Any]:
    return {
        "input_tokens_min": edges[0], "input_tokens_max": edges[1], "output_tokens_min": edges[2],
        "output_tokens_max": edges[3], "input_tokens": (edges[0] + edges[1]) / 2,
        "output_tokens": (edges[2] + edges[3]) / 2, "size_basis": "mean", "share": share, "requests_per_s": rate,
    }  # fmt: skip


_PLACE_A = {"provider": "aws", "region": "us-east-1", "zone": "us-east-1a", "instance_type": "g6e.12xlarge",
            "market": "spot"}  # fmt: skip
_PLACE_B = {"provider": "gcp", "region": "us-central1", "zone": None, "instance_type": "a2-highgpu-1g",
            "market": "on_demand"}  # fmt: skip

_PLAN: dict[str, Any] = {
    "schema_version": 1, "kind": "plan", "plan_id": "", "created_at": "2026-10-28T12:00:00Z",
    "advisor_version": "0.1.0", "command": "advisor recommend", "status": "optimal",
    "usd_per_hour": "11.6984", "usd_per_month": "8539.83", "hours_per_month": 730, "reason": None,
    "optimality": {"proved": True, "lower_bound_usd_per_hour": 11.6984, "relative_gap": 0.0,
                   "solver": "HiGHS", "solve_seconds": 0.02},
    "services": [{
        "name": "chat", "model": "Llama-3.1-8B", "precision": "bf16", "engine": "vLLM", "workload": "azure-2023-conv",
        "workload_source": "trace", "rate_requests_per_s": 10.0, "slo": "mean TPOT ≤ 60 ms", "tpot_ms": 60.0,
        "ttft_ms": None, "slo_statistic": "mean", "headroom": 0.2, "left_out_share": 0.0,
        "buckets": [a_bucket((0, 250, 0, 100), 0.5, 5.0), a_bucket((250, 1000, 100, 250), 0.3, 3.0),
                    a_bucket((1000, 4000, 250, 500), 0.2, 2.0)],
    }],
    "purchase": [
        {**_PLACE_A, "accelerator": L40S, "accelerators_per_instance": 4, "instances": 2, "utilization": 0.75,
         "usd_per_hour_each": "4.0125", "usd_per_hour": "8.025", "usd_per_month": "5858.25",
         "price_collected_at": "2026-10-27T00:00:00Z", "price_source": "aws spot price history",
         "price_basis": "zone_spot_price", "price_evidence": "e" * 64, "availability": "available", "interruption": "5-10%", "flags": [],
         "quota_draw": [{"pool": "L-3819A6DF", "region": "us-east-1", "unit": "vcpu", "units": "96",
                         "free_units": "112"}]},
        {**_PLACE_B, "accelerator": A100, "accelerators_per_instance": 1, "instances": 1, "utilization": 0.8,
         "usd_per_hour_each": "3.6734", "usd_per_hour": "3.6734", "usd_per_month": "2681.58",
         "price_collected_at": "2026-10-20T12:00:00Z", "price_source": "gcp list prices", "price_basis": "list",
         "price_evidence": "e" * 64, "availability": "available", "interruption": None, "flags": [],
         "quota_draw": [{"pool": "NVIDIA_A100_GPUS", "region": "us-central1", "unit": "gpu", "units": "1",
                         "free_units": None},
                        {"pool": "GPUS_ALL_REGIONS", "region": "global", "unit": "gpu", "units": "1",
                         "free_units": "8"}]},
    ],
    "allocations": [
        {**_PLACE_A, "service": "chat", "tensor_parallel": 1, "replicas": 4, "utilization": 0.8,
         "load": [a_load(L40S, 1, SMALL, 4.0), a_load(L40S, 1, MIDDLE, 1.2)],
         "profile": a_profile(L40S, 1, MIDDLE)},
        {**_PLACE_A, "service": "chat", "tensor_parallel": 2, "replicas": 2, "utilization": 0.7,
         "load": [a_load(L40S, 2, MIDDLE, 1.5), a_load(L40S, 2, LARGE, 1.0)],
         "profile": a_profile(L40S, 2, LARGE)},
        {**_PLACE_B, "service": "chat", "tensor_parallel": 1, "replicas": 1, "utilization": 0.8,
         "load": [a_load(A100, 1, SMALL, 1.0), a_load(A100, 1, MIDDLE, 0.3), a_load(A100, 1, LARGE, 1.0)],
         "profile": a_profile(A100, 1, LARGE)},
    ],
    "baselines": [
        # 1 - 11.6984 / 23.3968 = 0.5; 1 - 11.6984 / 14.623 = 0.2; 1 - 11.6984 / 5.8492 = -1
        {"name": L40S, "kind": "single_accelerator", "usd_per_hour": "23.3968", "status": "optimal",
         "instances": 6, "saving_fraction": 0.5, "detail": "", "fleet": []},
        {"name": A100, "kind": "single_accelerator", "usd_per_hour": None, "status": "infeasible",
         "instances": None, "saving_fraction": None, "detail": "quota", "fleet": []},
        {"name": "greedy", "kind": "greedy", "usd_per_hour": "14.623", "status": "feasible", "instances": 4,
         "saving_fraction": 0.2, "detail": "", "fleet": []},
        {"name": "availability_unknown", "kind": "admitting", "usd_per_hour": "5.8492", "status": "optimal",
         "instances": 2, "saving_fraction": -1.0, "detail": "", "fleet": []},
    ],
    "exclusions": {"does_not_fit": {"count": 3, "meaning": "the model does not fit in the accelerators' memory",
                                    "examples": ["aws:us-east-1:g4dn.xlarge:spot"], "saving_if_admitted": None}},
    # On its fallback a g6e.12xlarge costs 10.00: 2 × (10 - 4.0125) = 11.975 more, so 23.6734 at worst. At most a
    # tenth is reclaimed a month, for a day: 11.975 × 0.1 × 24 / 730 = 0.03936986 more, so 11.73776986 expected.
    "risk": {
        "expected_usd_per_hour": "11.73776986", "worst_usd_per_hour": "23.6734", "hours_on_fallback": 24.0,
        "fallbacks": [{
            "offer": "aws:us-east-1/us-east-1a:g6e.12xlarge:spot", "instances": 2, "interruption": "5-10%",
            "interruption_share": 0.1, "fallback": "aws:us-east-1:g6e.12xlarge:on_demand",
            "fallback_usd_per_hour_each": "10.00",
        }],
    },
    "assumptions": ["Quota NVIDIA_A100_GPUS in us-central1 is not known."], "warnings": [
        "Prices bought on are stale (gcp on_demand 89 days old).",
        "69% of the cost is spot, which the provider may reclaim.",
        "Throughput behind the planned requests: 62% measured, 25% simulated, 12% estimated.",
    ],
    "catalog": [
        # 27 October 00:00 to 28 October 12:00 is 36 hours; 20 October 12:00 to then is 8 days.
        {"provider": "aws", "market": "spot", "snapshot_id": SNAPSHOT, "offers": 2,
         "collected_at": "2026-10-27T00:00:00Z", "newest_collected_at": "2026-10-27T06:00:00Z",
         "age_hours": 36.0, "state": "fresh"},
        {"provider": "gcp", "market": "on_demand", "snapshot_id": SNAPSHOT, "offers": 1,
         "collected_at": "2026-10-20T12:00:00Z", "newest_collected_at": "2026-10-20T12:00:00Z",
         "age_hours": 192.0, "state": "stale"},
    ],
    "inputs": {
        "snapshot_id": SNAPSHOT, "facts_sha256": "f" * 64, "profiles_sha256": "e" * 64, "account_sha256": "a" * 64,
        "regions": ["aws:us-east-1", "gcp:us-central1"], "providers": ["aws", "gcp"],
        "markets": ["on_demand", "spot"], "evidence": "estimated", "allow_unknown_availability": False,
        "include": [], "accelerators": [], "exclude_accelerators": ["t4-16gb"], "max_usd_per_hour": "50",
    },
}  # fmt: skip


def stamped(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the id its content has, as a careful forger would leave it."""
    complete = Plan.model_validate(document)
    return {**complete.model_dump(mode="json"), "plan_id": plan_id(complete)}


def a_plan_document() -> dict[str, Any]:
    """A fresh copy of the plan as the JSON file holds it, stamped."""
    return stamped(copy.deepcopy(_PLAN))


def an_infeasible_document() -> dict[str, Any]:
    """The plan that says no."""
    document = copy.deepcopy(_PLAN)
    document |= {"status": "infeasible", "usd_per_hour": None, "usd_per_month": None, "optimality": None,
                 "purchase": [], "allocations": [], "baselines": [], "reason": "L-3819A6DF leaves 0 of 48 vCPUs"}  # fmt: skip
    return stamped(document)
