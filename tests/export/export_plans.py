"""A plan with a line of every kind that exports treat differently, as a table.

line                         instances  chips each  $/h each   runs
A aws   us-east-1/use1-az2   2          4 l40s      4.0125     chat tp1 × 4, chat tp2 × 2: all 8 chips
B aws   us-east-1            1          8 h100      55.04      code tp8 × 1; the price is the user's own
C aws   eu-west-1            3          1 l4        0.31       chat tp1 × 3
D gcp   us-central1          2          1 t4        0.2        chat tp1 × 2; GPUs attached to an N1 machine
E gcp   us-central1/…-a      1          1 a100      3.6734     chat tp1 × 1
F azure eastus2/1            2          1 h100      2.125      code tp1 × 2
G lambda us-east-1           1          1 h100      2.49       chat tp1 × 1
H vast  US                   1          4 4090      1.2        chat tp1 × 3
I aws   us-east-1            2          4 l4        4.6        chat tp1 × 5: uneven
J runpod global              1          2 4090      1.38       chat tp1 × 2
"""

# ruff: noqa: E501 - tables that read across
from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

from advisor.export.order import Facts
from advisor.plan.identity import plan_id
from advisor.plan.plan import Plan

# provider, region, zone, type, market, chip, chips, instances, usd, basis, [(service, degree, replicas)]
TABLE: tuple[tuple[Any, ...], ...] = (
    ("aws", "us-east-1", "use1-az2", "g6e.12xlarge", "spot", "l40s-48gb", 4, 2, "4.0125", "zone_spot_price",
     [("chat", 1, 4), ("chat", 2, 2)]),
    ("aws", "us-east-1", None, "p5.48xlarge", "on_demand", "h100-sxm-80gb", 8, 1, "55.04", "manual",
     [("code", 8, 1)]),
    ("aws", "eu-west-1", None, "g6.xlarge", "spot", "l4-24gb", 1, 3, "0.31", "zone_spot_price", [("chat", 1, 3)]),
    ("gcp", "us-central1", None, "n1-standard-8+1xt4", "spot", "t4-16gb", 1, 2, "0.2", "regional_spot_price",
     [("chat", 1, 2)]),
    ("gcp", "us-central1", "us-central1-a", "a2-highgpu-1g", "on_demand", "a100-sxm-40gb", 1, 1, "3.6734", "list",
     [("chat", 1, 1)]),
    ("azure", "eastus2", "1", "Standard_NC40ads_H100_v5", "spot", "h100-nvl-94gb", 1, 2, "2.125", "list",
     [("code", 1, 2)]),
    ("lambda", "us-east-1", None, "gpu_1x_h100_pcie", "on_demand", "h100-pcie-80gb", 1, 1, "2.49", "list",
     [("chat", 1, 1)]),
    ("vast", "US", None, "4x_rtx_4090", "spot", "rtx-4090-24gb", 4, 1, "1.2", "marketplace_median",
     [("chat", 1, 3)]),
    ("aws", "us-east-1", None, "g6.12xlarge", "on_demand", "l4-24gb", 4, 2, "4.6", "list", [("chat", 1, 5)]),
    ("runpod", "global", None, "secure_2x_rtx_4090", "on_demand", "rtx-4090-24gb", 2, 1, "1.38", "list",
     [("chat", 1, 2)]),
)  # fmt: skip

CHIPS = {row[3]: row[6] for row in TABLE}
"""Accelerators of one instance, by instance type."""


def _profile() -> dict[str, Any]:
    return {"id": "p", "kind": "measured", "source": "bench", "error_pct": 5.0}


def _load(row: int, degree: int, replicas: int) -> dict[str, Any]:
    return {
        "input_tokens_max": 1000, "output_tokens_max": 250, "requests_per_s": 0.5 * replicas + row / 7,
        "capacity_requests_per_s": 1.5 * degree, "profile": _profile(),
    }  # fmt: skip


def _service(name: str, model: str, precision: str) -> dict[str, Any]:
    bucket = {
        "input_tokens_min": 500, "input_tokens_max": 1000, "output_tokens_min": 100, "output_tokens_max": 250,
        "input_tokens": 700.0, "output_tokens": 150.0, "size_basis": "mean", "share": 1.0, "requests_per_s": 10.0,
    }  # fmt: skip
    return {
        "name": name, "model": model, "precision": precision, "engine": "vLLM", "workload": "w",
        "workload_source": "trace", "rate_requests_per_s": 10.0, "slo": "mean TPOT ≤ 60 ms", "tpot_ms": 60.0,
        "ttft_ms": None, "slo_statistic": "mean", "headroom": 0.1, "left_out_share": 0.0, "buckets": [bucket],
    }  # fmt: skip


def a_wide_document(rows: tuple[tuple[Any, ...], ...] = TABLE) -> dict[str, Any]:
    """The plan of some rows of the table, as its JSON file has it."""
    purchase, allocations = [], []
    for number, row in enumerate(rows):
        provider, region, zone, shape, market, chip, chips, count, usd, basis, runs = row
        place = {
            "provider": provider,
            "region": region,
            "zone": zone,
            "instance_type": shape,
            "market": market,
        }
        total = Decimal(usd) * count
        purchase.append(place | {
            "accelerator": chip, "accelerators_per_instance": chips, "instances": count, "utilization": 0.5,
            "usd_per_hour_each": usd, "usd_per_hour": str(total), "usd_per_month": str(total * 730),
            "price_collected_at": "2026-10-27T00:00:00Z", "price_source": "a source", "price_basis": basis,
            "price_evidence": None, "availability": "available", "interruption": None, "flags": [],
            "quota_draw": [],
        })  # fmt: skip
        allocations += [
            place | {
                "service": service, "tensor_parallel": degree, "replicas": replicas, "utilization": 0.5,
                "load": [_load(number, degree, replicas)], "profile": _profile(),
            }
            for service, degree, replicas in runs
        ]  # fmt: skip
    whole = sum((Decimal(line["usd_per_hour"]) for line in purchase), Decimal(0))
    document = {
        "schema_version": 1, "kind": "plan", "plan_id": "", "created_at": "2026-10-28T12:00:00Z",
        "advisor_version": "0.1.0", "command": "advisor recommend", "status": "optimal",
        "usd_per_hour": str(whole), "usd_per_month": str(whole * 730), "hours_per_month": 730, "reason": None,
        "optimality": {"proved": True, "lower_bound_usd_per_hour": float(whole), "relative_gap": 0.0,
                       "solver": "HiGHS", "solve_seconds": 0.02},
        "services": [_service("chat", "Llama-3.1-8B", "bf16"), _service("code", "Llama-3.1-70B", "fp8")],
        "purchase": purchase, "allocations": allocations, "baselines": [], "exclusions": {},
        "assumptions": [], "warnings": [], "catalog": [],
        "inputs": {"snapshot_id": "2026-10-27-0123456789ab", "facts_sha256": "f" * 64,
                   "profiles_sha256": "e" * 64, "account_sha256": None, "regions": [], "providers": [],
                   "markets": [], "evidence": "estimated", "allow_unknown_availability": False},
    }  # fmt: skip
    return copy.deepcopy(document) | {"plan_id": plan_id(Plan.model_validate(document))}


def a_wide_plan(rows: tuple[tuple[Any, ...], ...] = TABLE) -> Plan:
    """The same, read."""
    return Plan.model_validate(a_wide_document(rows))


def rows_of(*providers: str) -> tuple[tuple[Any, ...], ...]:
    """The table's rows of some providers."""
    return tuple(row for row in TABLE if row[0] in providers)


def bought(rows: tuple[tuple[Any, ...], ...]) -> tuple[int, int, Decimal]:
    """Instances, accelerators and dollars per hour of rows, added up here."""
    return (
        sum(row[7] for row in rows),
        sum(row[6] * row[7] for row in rows),
        sum((Decimal(row[8]) * row[7] for row in rows), Decimal(0)),
    )


def busy(rows: tuple[tuple[Any, ...], ...]) -> int:
    """Accelerators that replicas run on."""
    return sum(degree * replicas for row in rows for _, degree, replicas in row[10])


def some_facts() -> Facts:
    """The catalog's own names."""
    from advisor.catalog.facts import load_facts

    facts = load_facts()
    return Facts(facts.models, facts.accelerators)
