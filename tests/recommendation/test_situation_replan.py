"""A plan read back is the question it answered: every service, rule and held instance is restored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from recommendation_builders import an_account, with_offers
from situation_builders import a_file, a_service, on_demand, plan_of, spot

from advisor.api import make_request
from advisor.plan.plan import Plan
from advisor.recommendation.recommend import recommend
from advisor.recommendation.replan import request_of

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.recommendation.recommend import Catalog

USERS = [{"at": "aws:us-east-1", "share": 0.25}, {"at": "aws:us-east-2", "share": 0.75}]
SERVICES: dict[str, dict[str, Any]] = {
    "traffic": {"traffic": {"prefix_cache_hit_rate": 0.3, "reasoning_tokens": 40, "arrival_cv": 1.5}},
    "users": {"users": USERS, "network_ms": 40, "residency": ["country:US", "!us-west-*"]},
    "terms": {"min_replicas": 2, "weight": 3.0, "headroom": 0.25},
    "limits": {"slo": {"tpot_ms": 60, "further": [{"metric": "tpot", "ms": 90, "statistic": "mean"}]}},
}
RULES: dict[str, dict[str, Any]] = {
    "survive": {
        "survive": [
            {"lose": "zone", "keeps": 0.5, "headroom": 0.0},
            {"lose": "instance", "count": 2, "services": ["chat"], "demand_factor": 0.5},
        ]
    },
    "errors": {"demand_error": 0.2, "throughput_doubt": {"accelerators": 1}, "on_demand_floor": 0.3},
    "budget": {"budget_usd_per_hour": 3},
    "variety": {"at_most": {"providers": 1, "accelerators": 2}, "carbon": {"most_kg_co2e_per_hour": 5}},
    "place": {"prefer": {"regions": ["us-east-2", "country:US"], "percent_dearer": 7.5}},
    "held": {
        "current": {
            "fleet": "fleet.yaml",
            "usd_per_instance_started": "1.25",
            "horizon_hours": 100,
            "change_only_if_saving_percent": 12.5,
        }
    },
}


@pytest.fixture
def prices(catalog: Catalog) -> Catalog:
    return with_offers(catalog, [on_demand(), spot(), on_demand(region="us-east-2", usd_per_hour="1.90")])


def a_question(folder: Path, service: dict[str, Any], rules: dict[str, Any]) -> Path:
    (folder / "fleet.yaml").write_text(
        "schema_version: 1\nkind: fleet\nsource: by hand\nlines:\n"
        "  - {provider: aws, region: us-east-1, zone: use1-az1, instance_type: g6e.xlarge, market: spot, "
        "instances: 3}\n"
    )
    chat = a_service(rate_requests_per_s=20, **service)
    return a_file(folder, chat, a_service("batch", rate_requests_per_s=5), **rules)


def again(plan: Plan, prices: Catalog, **account: Any) -> Plan:
    """The plan that the plan's own file asks for."""
    read = Plan.model_validate_json(plan.model_dump_json())
    return recommend(request_of(read), prices, account.get("account"), plan.created_at)


@pytest.mark.parametrize("rules", RULES)
def test_the_same_rules_give_the_same_plan(prices: Catalog, tmp_path: Path, rules: str) -> None:
    plan = plan_of(prices, a_question(tmp_path, {}, RULES[rules]))
    assert plan.status in ("optimal", "feasible")
    assert again(plan, prices).plan_id == plan.plan_id


@pytest.mark.parametrize("service", SERVICES)
def test_the_same_service_gives_the_same_plan(prices: Catalog, tmp_path: Path, service: str) -> None:
    plan = plan_of(prices, a_question(tmp_path, SERVICES[service], {}))
    assert plan.status == "optimal"
    assert again(plan, prices).plan_id == plan.plan_id


def test_everything_at_once_survives_the_round_trip(prices: Catalog, tmp_path: Path) -> None:
    """Services and policy are the same values, not only the same answer; no latency file is needed."""
    everything = {key: value for rules in RULES.values() for key, value in rules.items()}
    everything["budget_usd_per_hour"] = 12  # the other rules let $3 serve nobody
    (tmp_path / "trips.csv").write_text("from,to,round_trip_ms\naws:us-east-1,aws:us-east-2,12\n")
    path = a_question(tmp_path, SERVICES["users"] | SERVICES["terms"], everything | {"latency": "trips.csv"})
    asked = make_request(prices.facts, service_file=path)
    account = an_account(prices, {"aws:us-east-1:L-DB2E81BA": 64})
    plan = plan_of(prices, path, account=account)
    assert plan.status in ("optimal", "feasible"), plan.reason
    restored = request_of(plan)
    for ours, theirs in zip(restored.services, asked.services, strict=True):
        assert [(users.at, users.share) for users in ours.users] == [(u.at, u.share) for u in theirs.users]
        assert ours.residency == theirs.residency
        assert (ours.min_replicas, ours.weight, ours.headroom) == (
            theirs.min_replicas,
            theirs.weight,
            theirs.headroom,
        )
    for rule in ("survive", "demand_error", "doubted", "budget_usd_per_hour", "at_most", "prefer", "carbon"):
        assert getattr(restored.policy, rule) == getattr(asked.policy, rule)
    assert restored.policy.most_kg_co2e_per_hour == asked.policy.most_kg_co2e_per_hour
    ours, theirs = restored.policy.holding, asked.policy.holding
    assert ours is not None
    assert theirs is not None
    assert ours.fleet.lines == theirs.fleet.lines
    assert (ours.usd_per_started, ours.horizon_hours, ours.threshold) == (
        theirs.usd_per_started,
        theirs.horizon_hours,
        theirs.threshold,
    )
    same = again(plan, prices, account=account)
    assert (same.usd_per_hour, same.purchase, same.rules) == (plan.usd_per_hour, plan.purchase, plan.rules)
