"""The default question, on the prices that ship: the answer holds, validates and does not depend on order."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from recommendation_builders import NOW, a_price, ask, with_offers

from advisor.plan.schema import plan_json_schema
from advisor.plan.verify import check
from advisor.profiles.query import ProfileStore
from advisor.verification import inputs_of

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.recommendation.recommend import Catalog

VOLATILE = {"created_at", "command", "solve_seconds"}


@pytest.fixture(scope="module")
def plan(catalog: Catalog) -> Plan:
    return ask(catalog, regions=["us-east-1"])


def settled(value: Any) -> Any:
    """A plan document without what a clock decides."""
    if isinstance(value, dict):
        return {key: settled(item) for key, item in value.items() if key not in VOLATILE}
    return [settled(item) for item in value] if isinstance(value, list) else value


def violations(catalog: Catalog, plan: Plan) -> list[Any]:
    """What the verifier, which knows no solver, finds."""
    return list(
        check(plan, inputs_of(plan, catalog.snapshot, catalog.facts, ProfileStore.load(), account=None))
    )


def test_the_documented_defaults_are_what_is_served(plan: Plan) -> None:
    (service,) = plan.services
    assert (service.model, service.precision, service.engine) == ("Llama-3.1-8B", "bf16", "vLLM")
    assert (service.workload, service.rate_requests_per_s) == ("azure-2023-conv", 16)
    assert (service.tpot_ms, service.ttft_ms, service.slo_statistic.value) == (60, None, "mean")


def test_it_is_optimal_proved_and_has_no_gap(plan: Plan) -> None:
    assert plan.status == "optimal"
    assert plan.optimality is not None
    assert plan.optimality.proved
    assert plan.optimality.relative_gap <= 1e-6
    assert plan.optimality.lower_bound_usd_per_hour <= float(plan.usd_per_hour or 0) + 1e-6


def test_it_holds_without_a_solver(catalog: Catalog, plan: Plan) -> None:
    assert violations(catalog, plan) == []


def test_it_validates_against_the_schema(plan: Plan) -> None:
    Draft202012Validator(plan_json_schema()).validate(json.loads(plan.model_dump_json()))


def test_every_provider_of_the_region_is_in_scope(catalog: Catalog, plan: Plan) -> None:
    there = {offer.provider for offer in catalog.snapshot.offers if offer.region == "us-east-1"}
    assert {state.provider for state in plan.catalog} == there
    assert {"aws", "lambda"} <= there


def test_all_demand_is_served_and_nothing_more(plan: Plan) -> None:
    wanted = {(b.input_tokens_max, b.output_tokens_max): b.requests_per_s for b in plan.services[0].buckets}
    served = dict.fromkeys(wanted, 0.0)
    for allocation in plan.allocations:
        for load in allocation.load:
            served[load.input_tokens_max, load.output_tokens_max] += load.requests_per_s
    assert sum(wanted.values()) == pytest.approx(16)
    assert served == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_headroom_is_kept_free_on_every_replica(plan: Plan) -> None:
    for allocation in plan.allocations:
        busy = sum(load.requests_per_s / load.capacity_requests_per_s for load in allocation.load)
        assert busy <= allocation.replicas * (1 - plan.services[0].headroom) * (1 + 1e-6)


def test_totals_are_exact_products_and_sums(plan: Plan) -> None:
    for line in plan.purchase:
        assert line.usd_per_hour == line.usd_per_hour_each * line.instances
        month = (line.usd_per_hour * 730).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
        assert line.usd_per_month == month
    assert plan.usd_per_hour == sum(line.usd_per_hour for line in plan.purchase)
    assert Fraction(plan.usd_per_hour or 0) * 730 == pytest.approx(
        Fraction(plan.usd_per_month or 0), abs=0.005
    )


def test_the_prices_are_those_of_the_snapshot(catalog: Catalog, plan: Plan) -> None:
    prices = {offer.id: offer for offer in catalog.snapshot.offers if "superseded" not in offer.flags}
    for line in plan.purchase:
        offer = prices[line.offer_id]
        assert (line.usd_per_hour_each, line.price_source) == (offer.usd_per_hour, offer.source)
        assert line.price_collected_at == offer.collected_at


def test_money_is_written_as_decimal_strings(plan: Plan) -> None:
    document = json.loads(plan.model_dump_json())
    money = [
        document["usd_per_hour"],
        document["usd_per_month"],
        document["purchase"][0]["usd_per_hour_each"],
    ]
    assert all(isinstance(amount, str) for amount in money)
    assert [Decimal(amount) for amount in money[:2]] == [plan.usd_per_hour, plan.usd_per_month]


def test_the_same_question_twice_is_the_same_plan(catalog: Catalog, plan: Plan) -> None:
    again = ask(catalog, regions=["us-east-1"])
    assert settled(json.loads(again.model_dump_json())) == settled(json.loads(plan.model_dump_json()))


def test_the_id_does_not_depend_on_the_moment(catalog: Catalog, plan: Plan) -> None:
    later = ask(catalog, regions=["us-east-1"], now=NOW + timedelta(days=400))
    assert later.plan_id == plan.plan_id
    assert later.created_at != plan.created_at


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_the_offers_is_irrelevant(catalog: Catalog, plan: Plan, seed: int) -> None:
    offers = list(catalog.snapshot.offers)
    random.Random(seed).shuffle(offers)
    shuffled = ask(with_offers(catalog, offers), regions=["us-east-1"])
    assert settled(json.loads(shuffled.model_dump_json())) == settled(json.loads(plan.model_dump_json()))


def test_equal_prices_in_another_order_are_the_same_plan(catalog: Catalog) -> None:
    twins = [a_price(instance_type=f"g6e.{name}") for name in ("xlarge", "2xlarge", "4xlarge")]
    answers = [ask(with_offers(catalog, order)) for order in (twins, twins[::-1])]
    assert answers[0].plan_id == answers[1].plan_id


def test_every_exclusion_says_what_it_means_with_examples(plan: Plan) -> None:
    assert plan.exclusions
    for reason, group in plan.exclusions.items():
        assert group.meaning, reason
        assert 1 <= len(group.examples) <= group.count
        assert all(": " in example for example in group.examples)


def test_everything_at_once_is_optimal_and_holds(catalog: Catalog) -> None:
    everywhere = ask(catalog, regions=())
    assert everywhere.status == "optimal"
    assert violations(catalog, everywhere) == []


@pytest.mark.parametrize(
    "question",
    [
        {"regions": ["us-*", "europe-*"], "rate_requests_per_s": 300.0},
        {"regions": ["aws:*"], "model": "Llama-3.1-70B", "tpot_ms": 80.0, "rate_requests_per_s": 7.5},
        {"regions": ["azure:eastus", "gcp:us-east4"], "workload": "sharegpt", "headroom": 0.0},
        {"near": ["us-east-1=1000"], "regions": (), "markets": ["on-demand"], "rate_requests_per_s": 90.0},
        {"regions": (), "allow_unknown_availability": True, "include": ["estimated-spot", "local-zone"]},
        {"coverage_percent": 95.0, "model": "Qwen2.5-32B", "precision": "fp8", "tpot_ms": 40.0},
    ],
    ids=["globs", "70b", "two-clouds", "near", "admitting", "coverage"],
)
def test_other_questions_hold_too(catalog: Catalog, question: dict[str, Any]) -> None:
    plan = ask(catalog, **question)
    assert plan.status == "optimal", plan.reason
    assert violations(catalog, plan) == []
