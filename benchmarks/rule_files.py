"""Service files with rules, drawn at random, and the problems that the shipped catalog makes of them.

Each seed draws 1 to 3 services (model, workload, rate, TPOT, headroom, users), where and how to buy, quotas,
and 0 to 3 of the rules a file may have. Files that nothing can serve are left out.
"""

from __future__ import annotations

import itertools
import random
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from advisor.api import load_catalog, make_request, open_account
from advisor.catalog.store import shipped_folder
from advisor.errors import AdvisorError
from advisor.optimize.presolve import unservable
from advisor.recommendation.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.optimize.problem import Problem
    from advisor.recommendation.findings import Catalog

NOW: Final = datetime(2026, 12, 1, tzinfo=UTC)
MODELS: Final = (
    ("Llama-3.2-3B", "bf16"), ("Mistral-7B", "bf16"), ("Llama-3.1-8B", "bf16"), ("Qwen2.5-14B", "bf16"),
    ("Mixtral-8x7B", "fp8"), ("Llama-3.1-70B", "fp8"),
)  # fmt: skip
WORKLOADS: Final = ("azure-2023-conv", "azure-2023-code", "openorca", "arxiv-summarization", "mixtral-mlperf")
REGIONS: Final = (
    ["aws:us-east-1"], ["aws:us-east-1", "aws:us-east-2"], ["aws:eu-*"],
    ["aws:eu-west-1", "gcp:europe-west4"], ["gcp:us-*"],
    ["azure:eastus", "azure:westus3", "aws:us-west-2"], ["azure:*europe*", "aws:eu-central-1"],
)  # fmt: skip
CITIES: Final = ("aws:us-east-1", "aws:eu-west-1", "aws:eu-central-1", "aws:us-west-2")


@cache
def catalog() -> Catalog:
    """What ships, whatever is published on this machine."""
    (path,) = shipped_folder().glob("*.parquet")
    return load_catalog(path)


def rule_file(seed: int) -> dict[str, Any]:
    """The service file of that seed, as YAML would hold it."""
    chance = random.Random(seed)
    services = [_service(chance, f"s{i}") for i in range(chance.choice((1, 1, 2, 2, 3)))]
    file: dict[str, Any] = {"schema_version": 1, "services": services, "regions": chance.choice(REGIONS)}
    if chance.random() < 0.3:
        file["markets"] = [chance.choice(("on_demand", "spot"))]
    for name in chance.sample(sorted(RULES), chance.choice((0, 1, 1, 2, 3))):
        file |= RULES[name](chance, services)
    return file


def _service(chance: random.Random, name: str) -> dict[str, Any]:
    model, precision = chance.choice(MODELS)
    service: dict[str, Any] = {
        "name": name,
        "model": model,
        "precision": precision,
        "workload": chance.choice(WORKLOADS),
        "rate_requests_per_s": round(2 ** chance.uniform(-1, 6), 2),
        "slo": {"tpot_ms": chance.choice((40, 60, 80, 200))},
        "headroom": chance.choice((0, 0.15, 0.3)),
    }
    if chance.random() < 0.4:
        share = chance.choice((0.5, 0.6, 0.9))
        one, other = chance.sample(CITIES, 2)
        service["users"] = [{"at": one, "share": share}, {"at": other, "share": round(1 - share, 2)}]
        service["network_ms"] = chance.choice((40, 120, 250))
    if chance.random() < 0.2:
        service["min_replicas"] = chance.choice((2, 3, 5))
    return service


def _survive(*lose: str) -> Any:
    def rule(chance: random.Random, services: list[dict[str, Any]]) -> dict[str, Any]:
        day = {"lose": chance.choice(lose), "keeps": chance.choice((0.5, 0.5, 0.8, 1.0))}
        if chance.random() < 0.3:
            day["services"] = [services[0]["name"]]
        return {"survive": [day]}

    return rule


RULES: Final[dict[str, Any]] = {
    "zone": _survive("zone", "region"),
    "instance": _survive("instance", "pool", "spot", "provider"),
    "at_most": lambda chance, _: {
        "at_most": {chance.choice(("accelerators", "regions", "instance_types")): chance.choice((1, 2, 3))}
    },
    "budget": lambda chance, _: {"budget_usd_per_hour": round(2 ** chance.uniform(0, 5), 2)},
    "demand": lambda chance, _: {"demand_error": chance.choice((0.1, 0.3))},
    "doubt": lambda chance, _: {"throughput_doubt": {"accelerators": 1}},
    "floor": lambda chance, _: {"on_demand_floor": chance.choice((0.3, 0.6))},
    "carbon": lambda chance, _: {"carbon": {"most_kg_co2e_per_hour": round(2 ** chance.uniform(-3, 2), 2)}},
}


def account_file(seed: int) -> dict[str, Any] | None:
    """Quotas on two thirds of the pools, mostly small; None for every third seed."""
    chance = random.Random(f"quotas {seed}")
    if chance.random() < 0.33:
        return None
    places = [("aws", region) for region in ("us-east-1", "us-east-2", "eu-west-1", "eu-central-1")]
    places += [("gcp", "us-east4"), ("gcp", "europe-west4"), ("azure", "eastus"), ("azure", "westeurope")]
    return {
        "quotas": [
            {"provider": provider, "region": region, "pool": pool.pool, "unit": pool.unit.value,
             "limit": chance.choice((0, 8, 16, 64, 192)), "used": 0}
            for provider, region in places
            for pool in catalog().facts.quota_pools
            if (pool.provider, pool.scope) == (provider, "region") and chance.random() < 0.66
        ]
    }  # fmt: skip


def problem_of(seed: int) -> Problem | None:
    """The problem of a seed; None where the file is refused."""
    with tempfile.TemporaryDirectory() as folder:
        service, account = Path(folder) / "service.yaml", Path(folder) / "account.yaml"
        service.write_text(yaml.safe_dump(rule_file(seed)), encoding="utf-8")
        quotas = account_file(seed)
        if quotas is not None:
            account.write_text(yaml.safe_dump(quotas), encoding="utf-8")
        found = catalog()
        held = open_account(account, found.facts) if quotas is not None else None
        request = make_request(found.facts, service_file=service)
        try:
            return prepare(request, found, held, NOW).problem
        except AdvisorError:
            return None


def problems() -> Iterator[tuple[int, Problem]]:
    """Of every seed whose file something can serve."""
    for seed in itertools.count():
        problem = problem_of(seed)
        if problem is not None and problem.columns and not unservable(problem):
            yield seed, problem
