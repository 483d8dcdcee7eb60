"""Builders for the situation tests: two small offers, services in YAML, plans asked from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from recommendation_builders import NOW, a_price

from advisor.api import recommend
from advisor.domain import Market

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.domain import Offer
    from advisor.plan.plan import Plan
    from advisor.recommendation.recommend import Catalog


def on_demand(**given: Any) -> Offer:
    """An L40S on demand in aws us-east-1 at 2 dollars."""
    return a_price(**given)


def spot(**given: Any) -> Offer:
    """The same in zone use1-az1, reclaimable, at 1 dollar."""
    return a_price(
        **{"zone": "use1-az1", "market": Market.SPOT, "usd_per_hour": "1.00", "interruption": "5-10%"} | given
    )


def a_service(name: str = "chat", **given: Any) -> dict[str, Any]:
    """One service of a service file: small requests of one size, one request a second."""
    bucket = {
        "input_tokens_min": 0,
        "input_tokens_max": 250,
        "output_tokens_min": 0,
        "output_tokens_max": 250,
        "share": 1.0,
    }
    return {
        "name": name,
        "model": "Llama-3.1-8B",
        "workload": {"name": f"{name}-sizes", "buckets": [bucket]},
        "rate_requests_per_s": 1,
        "slo": {"tpot_ms": 60},
        "headroom": 0.0,
    } | given


def a_file(folder: Path, *services: dict[str, Any], **rules: Any) -> Path:
    """A service file with the services and whatever else is given."""
    path = folder / "service.yaml"
    document = {"schema_version": 1, "services": list(services or (a_service(),)), **rules}
    path.write_text(yaml.safe_dump(document))
    return path


def plan_of(catalog: Catalog, path: Path, **question: Any) -> Plan:
    """The bare optimum of a service file at the pinned moment."""
    question["include"] = [*question.get("include", ()), "stale-spot"]
    return recommend(catalog, now=NOW, service_file=path, replay=False, **question)


def capacity(plan: Plan) -> float:
    """Requests per second one replica of the first allocation sustains."""
    return plan.allocations[0].load[0].capacity_requests_per_s


def counts(plan: Plan) -> dict[str, int]:
    """Instances per offer id."""
    return {line.offer_id: line.instances for line in plan.purchase}
