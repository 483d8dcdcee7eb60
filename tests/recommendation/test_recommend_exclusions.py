"""Every offer in scope is a candidate or counted out, with a reason one can check."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from recommendation_builders import a_price, ask, with_offers

from advisor.domain import EXCLUSION_REASONS, Availability, EvidenceKind, Market

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.recommendation.recommend import Catalog

SMALL: dict[str, Any] = {"model": "Llama-3.2-1B", "tpot_ms": 200.0}


def counts(plan: Plan) -> dict[str, int]:
    return {reason: group.count for reason, group in plan.exclusions.items()}


def test_every_offer_is_counted_once(catalog: Catalog) -> None:
    """Nine offers, each with one thing wrong with it, and two that may be bought."""
    offers = [
        a_price(),
        a_price(market=Market.SPOT, usd_per_hour="1.00"),
        a_price(instance_type="p3.2xlarge", flags=("retired",)),
        a_price(instance_type="g6e.2xlarge", availability=Availability.UNAVAILABLE),
        a_price(instance_type="g6e.4xlarge", availability=Availability.UNKNOWN),
        a_price(zone="us-east-1-atl-1a", flags=("local_zone",)),
        a_price(instance_type="g6f.large", accelerators="0.5", flags=("fractional_gpu",)),
        a_price(instance_type="p5.4xlarge", accelerator="h100-sxm-80gb", usd_per_hour="50"),
        a_price(instance_type="g4dn.xlarge", accelerator="t4-16gb"),
        a_price(instance_type="inf2.48xlarge", accelerator="inferentia2-32gb", accelerators=12),
        a_price(instance_type="g5.xlarge", accelerator="a10g-24gb"),
    ]
    from decimal import Decimal

    plan = ask(with_offers(catalog, offers), max_usd_per_hour=Decimal(10), exclude_accelerators=["a10g-24gb"])
    assert counts(plan) == {
        "retired": 1,
        "not_offered": 1,
        "availability_unknown": 1,
        "local_zone": 1,
        "fractional_gpu": 1,
        "over_price_limit": 1,
        "precision_unsupported": 1,
        "no_throughput_data": 1,
        "accelerator_excluded": 1,
    }
    assert sum(counts(plan).values()) + 2 == len(offers)


@pytest.mark.parametrize("region", ["aws:us-east-1", "aws:eu-west-1", "gcp:us-central1", "azure:eastus"])
def test_excluded_and_usable_offers_are_all_there_are(catalog: Catalog, region: str) -> None:
    """What remains beside the exclusions can serve: each alone is a fleet, each excluded one is not."""
    provider, name = region.split(":")
    here = [o for o in catalog.snapshot.offers if (o.provider, o.region) == (provider, name)]
    plan = ask(catalog, regions=[region])
    left_out = sum(counts(plan).values())
    assert 0 < left_out < len(here)
    usable = sum(
        1
        for shape in {(o.accelerator, o.accelerators, o.flags, o.availability) for o in here}
        for same in [[o for o in here if (o.accelerator, o.accelerators, o.flags, o.availability) == shape]]
        if not ask(with_offers(catalog, same[:1]), regions=[region]).exclusions
        for _ in same
    )
    assert usable + left_out == len(here)


def test_every_reason_is_a_known_one_in_words(catalog: Catalog) -> None:
    plan = ask(catalog, regions=())
    assert set(plan.exclusions) <= set(EXCLUSION_REASONS)
    assert {r: g.meaning for r, g in plan.exclusions.items()} == {
        r: EXCLUSION_REASONS[r] for r in plan.exclusions
    }


def test_examples_name_offers_in_scope(catalog: Catalog) -> None:
    ids = {offer.id for offer in catalog.snapshot.offers if offer.region == "us-east-1"}
    for group in ask(catalog).exclusions.values():
        for example in group.examples:
            assert any(example.startswith(f"{offer_id}: ") for offer_id in ids), example


def test_what_does_not_fit_shows_the_arithmetic(catalog: Catalog) -> None:
    """70.55 billion parameters at 2 bytes are 131.4 GiB; an L40S holds far less."""
    plan = ask(with_offers(catalog, [a_price()]), model="Llama-3.1-70B", tpot_ms=200.0)
    (example,) = plan.exclusions["does_not_fit"].examples
    found = re.search(r"weights ([\d.]+) GiB on 1 × ([\d.]+) GiB usable .*: (\d+) GiB short", example)
    assert found, example
    weights, usable, short = (float(figure) for figure in found.groups())
    assert weights == pytest.approx(70.55e9 * 2 / 2**30, abs=0.5)
    assert short == pytest.approx(weights - usable, abs=1)


def test_a_t4_is_refused_bf16_but_not_fp16(catalog: Catalog) -> None:
    t4 = with_offers(catalog, [a_price(instance_type="g4dn.xlarge", accelerator="t4-16gb")])
    refused = ask(t4, precision="bf16", **SMALL)
    assert counts(refused) == {"precision_unsupported": 1}
    assert "fp16" in refused.exclusions["precision_unsupported"].examples[0]
    assert ask(t4, precision="fp16", **SMALL).status == "optimal"


@pytest.mark.parametrize(
    "chip", ["inferentia1-8gb", "inferentia2-32gb", "trainium1-32gb", "trainium2-96gb", "tpu-v6e-32gb"]
)
def test_no_throughput_is_guessed_for_chips_without_data(catalog: Catalog, chip: str) -> None:
    prices = with_offers(catalog, [a_price(accelerator=chip, accelerators=4, instance_type="x.large")])
    plan = ask(prices, model="gemma-2-2b", precision="bf16", tpot_ms=1000.0)
    assert counts(plan) == {"no_throughput_data": 1}


def test_shipped_inferentia_and_trainium_are_never_bought(catalog: Catalog) -> None:
    plan = ask(catalog, regions=(), accelerators=["inferentia*", "trainium*"], **SMALL)
    assert plan.status == "infeasible"
    assert "no_throughput_data" in plan.exclusions


def test_too_weak_evidence_is_counted_as_that(catalog: Catalog) -> None:
    prices = with_offers(catalog, [a_price(accelerator="a30-24gb", instance_type="x.a30")])
    assert ask(prices, **SMALL).status == "optimal"
    assert counts(ask(prices, evidence=EvidenceKind.MEASURED, **SMALL)) == {"evidence_too_weak": 1}


def test_a_fleet_says_which_evidence_it_rests_on(catalog: Catalog) -> None:
    plan = ask(catalog)
    kinds = {load.profile.kind for a in plan.allocations for load in a.load}
    for allocation in plan.allocations:
        assert allocation.profile.kind.rank == max(load.profile.kind.rank for load in allocation.load)
        assert all(load.profile.source and load.profile.id for load in allocation.load)
    if kinds != {EvidenceKind.MEASURED}:
        assert any("Throughput behind the planned requests" in warning for warning in plan.warnings)


def test_a_size_beyond_the_context_is_an_exclusion(catalog: Catalog) -> None:
    plan = ask(catalog, model="Phi-2", workload="arxiv-summarization", tpot_ms=200.0)
    assert plan.status == "infeasible"
    assert "context of 2,048" in (plan.reason or "")
