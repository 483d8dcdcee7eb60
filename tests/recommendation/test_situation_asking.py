"""Options about rules, beside and over a service file, and how a slip is refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from recommendation_builders import with_offers
from situation_builders import a_file, a_service, on_demand, plan_of

from advisor.api import make_request
from advisor.catalog.facts import load_facts
from advisor.errors import UsageError
from advisor.recommendation.asking_rules import survive_words
from advisor.recommendation.policy import Policy, Survive

if TYPE_CHECKING:
    from advisor.recommendation.recommend import Catalog

pytestmark = pytest.mark.fast

FACTS = load_facts()
FLEET = Path(__file__).parents[2] / "fixtures" / "fleet" / "fleet.yaml"
SEVERAL = Path(__file__).parents[2] / "fixtures" / "service" / "several.yaml"


def test_a_plain_question_has_no_rules() -> None:
    request = make_request(FACTS)
    assert request.policy == Policy()
    assert not request.policy.has_rules


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("zone", Survive("zone")),
        ("instance:3", Survive("instance", 3)),
        ("spot=0.5", Survive("spot", keeps=0.5)),
        ("Region:2=75%", Survive("region", 2, 0.75)),
    ],
)
def test_a_loss_in_words(words: str, rule: Survive) -> None:
    assert survive_words(words) == rule


@pytest.mark.parametrize("words", ["moon", "zone:0", "zone=0", "zone=1.5", "spot:2", "zone:", ""])
def test_a_loss_nobody_understands_is_refused(words: str) -> None:
    with pytest.raises(UsageError, match="--survive"):
        survive_words(words)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"at_most": ["clouds=1"]}, "--at-most 'clouds=1'"),
        ({"at_most": ["providers=0"]}, "--at-most"),
        ({"prefer": "eu-*"}, "--prefer 'eu-\\*'"),
        ({"prefer": "eu-*=lots"}, "--prefer"),
        ({"prefer": "mars-*=5"}, "no region matches"),
        ({"demand_error": -1.0}, "--demand-error"),
        ({"doubt": -1}, "--doubt"),
        ({"budget_usd_per_hour": Decimal(0)}, "--budget"),
        ({"change_threshold_percent": 5.0}, "--current FLEET"),
        ({"current": FLEET, "change_threshold_percent": 101.0}, "--change-threshold"),
        ({"min_replicas": -1}, "--min-replicas"),
        ({"prefix_cache_hit_rate": 1.0}, "--prefix-cache-hit-rate"),
        ({"reasoning_tokens": -1.0}, "--reasoning-tokens"),
        ({"e2e_ms": 0.0}, "--e2e-ms"),
        ({"service_file": SEVERAL, "rate_requests_per_s": 3.0}, "--rate is about one service"),
    ],
)
def test_a_slip_is_refused_by_option(question: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_request(FACTS, **question)


def test_an_option_replaces_the_rule_of_its_kind_and_leaves_the_others(tmp_path: Path) -> None:
    path = a_file(
        tmp_path, survive=[{"lose": "zone"}], demand_error=0.2, at_most={"providers": 2, "accelerators": 3}
    )
    policy = make_request(FACTS, service_file=path, survive=["instance"], at_most=["providers=1"]).policy
    assert policy.survive == (Survive("instance"),)
    assert policy.demand_error == 0.2
    assert policy.at_most == (("accelerator", 3), ("provider", 1))


def test_options_and_file_ask_the_same(catalog: Catalog, tmp_path: Path) -> None:
    prices = with_offers(catalog, [on_demand()])
    service = a_service(rate_requests_per_s=20)
    from_file = plan_of(prices, a_file(tmp_path, service, survive=[{"lose": "instance"}], demand_error=0.3))
    path = a_file(tmp_path, service)
    from_options = plan_of(prices, path, survive=["instance"], demand_error=0.3)
    assert from_file.plan_id == from_options.plan_id


def test_traffic_and_minimum_reach_the_service() -> None:
    request = make_request(
        FACTS, prefix_cache_hit_rate=0.5, reasoning_tokens=100.0, min_replicas=2, e2e_ms=9e3
    )
    (service,) = request.services
    assert (service.traffic.prefix_cache_hit_rate, service.traffic.reasoning_tokens) == (0.5, 100)
    assert (service.min_replicas, service.slo.e2e_ms, service.slo.tpot_ms) == (2, 9000, 60)


def test_headroom_from_bursts_is_stated_with_its_arithmetic(catalog: Catalog, tmp_path: Path) -> None:
    path = a_file(tmp_path, a_service(workload="azure-2023-conv", headroom="auto"))
    plan = plan_of(with_offers(catalog, [on_demand()]), path)
    (said,) = [line for line in plan.assumptions if line.startswith("Headroom of chat is")]
    assert f"{plan.services[0].headroom:.1%}" in said
    assert 0.1 < plan.services[0].headroom < 0.9


def test_headroom_from_bursts_needs_arrival_times(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not buckets; give a share"):
        make_request(FACTS, service_file=a_file(tmp_path, a_service(headroom="auto")))


def test_every_service_that_cannot_be_served_is_named(catalog: Catalog, tmp_path: Path) -> None:
    """Llama-3.1-70B in bf16 needs 131 GiB: not on one L40S."""
    large = a_service("large", model="Llama-3.1-70B")
    plan = plan_of(with_offers(catalog, [on_demand()]), a_file(tmp_path, a_service(), large))
    assert plan.status == "infeasible"
    assert (plan.reason or "").startswith("large: ")
    assert "chat: " not in (plan.reason or "")


def test_traffic_of_the_workload_stands_unless_the_service_says_otherwise(tmp_path: Path) -> None:
    workload = a_service()["workload"] | {"traffic": {"reasoning_tokens": 30}}
    plain = make_request(FACTS, service_file=a_file(tmp_path, a_service(workload=workload)))
    assert plain.services[0].traffic.reasoning_tokens == 30
    stated = a_service(workload=workload, traffic={"prefix_cache_hit_rate": 0.2})
    (service,) = make_request(FACTS, service_file=a_file(tmp_path, stated)).services
    assert (service.traffic.reasoning_tokens, service.traffic.prefix_cache_hit_rate) == (0, 0.2)
